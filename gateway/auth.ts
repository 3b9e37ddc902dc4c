/**
 * Every signature that reaches the exchange. Frames and logons carry P-256 signatures, checked by
 * OpenSSL in the thread pool, so that neither the sockets nor the engine wait for them. Approvals,
 * revocations and withdrawals carry a wallet's EIP-712 signature, checked here too; they are rare and
 * their budget is small.
 *
 * Wallets that are contracts (EIP-1271) would need a call to the chain and are not accepted.
 */
import { createHash, verify } from 'node:crypto'
import { recoverTypedDataAddress } from 'viem'
import { toHex } from '../sdk/wire/bytes.js'
import { domainPreimage, walletDomain, walletTypes } from '../sdk/wire/signed.js'
import type { SessionInfo } from './directory.js'

export interface Domain {
  readonly chainId: number
  readonly vault: `0x${string}`
  /** SHA-256 of chain id and vault: what every signed byte string begins with. */
  readonly hash: Uint8Array
}

export function createDomain(chainId: number, vault: `0x${string}`): Domain {
  return { chainId, vault, hash: createHash('sha256').update(domainPreimage(chainId, vault)).digest() }
}

/**
 * Checks `signature` (P-256, SHA-256, r || s) by the session's key over `message` in the thread pool.
 * `message` must not change before `done` is called; `done` is never called before this returns.
 */
export function verifySessionSignature(
  session: SessionInfo,
  message: Uint8Array,
  signature: Uint8Array,
  done: (valid: boolean) => void,
): void {
  const key = session.publicKey
  if (key === undefined) {
    setImmediate(() => done(false))
    return
  }
  verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature, (error, valid) =>
    done(error === null && valid),
  )
}

/** The same check at once, for what is rare and paid for beforehand. */
export function isSessionSignature(
  session: SessionInfo,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = session.publicKey
  return key !== undefined && verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature)
}

export interface ApprovalMessage {
  readonly account: number
  readonly publicKey: Uint8Array
  readonly scopes: number
  readonly maxNotional: number
  readonly expiresAtMs: number
  readonly nonce: number
  readonly deadlineMs: number
}

export interface RevocationMessage {
  readonly account: number
  readonly approval: number
  readonly nonce: number
  readonly deadlineMs: number
}

export interface WithdrawalMessage {
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly nonce: number
  readonly deadlineMs: number
}

async function signedBy(owner: `0x${string}`, recovered: () => Promise<`0x${string}`>): Promise<boolean> {
  try {
    return (await recovered()).toLowerCase() === owner.toLowerCase()
  } catch {
    // A signature that no key could have made does not recover.
    return false
  }
}

/** Whether `owner` signed this approval of a session key for `domain`. */
export function isApprovedBy(
  owner: `0x${string}`,
  domain: Domain,
  approval: ApprovalMessage,
  signature: Uint8Array,
): Promise<boolean> {
  return signedBy(owner, () =>
    recoverTypedDataAddress({
      domain: walletDomain(domain.chainId, domain.vault),
      types: walletTypes,
      primaryType: 'ApproveSession',
      message: {
        account: approval.account,
        publicKey: toHex(approval.publicKey),
        scopes: approval.scopes,
        maxNotional: BigInt(approval.maxNotional),
        expiresAt: BigInt(approval.expiresAtMs),
        nonce: BigInt(approval.nonce),
        deadline: BigInt(approval.deadlineMs),
      },
      signature: toHex(signature),
    }),
  )
}

/** Whether `owner` signed this revocation. */
export function isRevokedBy(
  owner: `0x${string}`,
  domain: Domain,
  { account, approval, nonce, deadlineMs }: RevocationMessage,
  signature: Uint8Array,
): Promise<boolean> {
  return signedBy(owner, () =>
    recoverTypedDataAddress({
      domain: walletDomain(domain.chainId, domain.vault),
      types: walletTypes,
      primaryType: 'RevokeSession',
      message: {
        account,
        approval: BigInt(approval),
        nonce: BigInt(nonce),
        deadline: BigInt(deadlineMs),
      },
      signature: toHex(signature),
    }),
  )
}

/** Whether `owner` signed this withdrawal. */
export function isWithdrawalBy(
  owner: `0x${string}`,
  domain: Domain,
  withdrawal: WithdrawalMessage,
  signature: Uint8Array,
): Promise<boolean> {
  return signedBy(owner, () =>
    recoverTypedDataAddress({
      domain: walletDomain(domain.chainId, domain.vault),
      types: walletTypes,
      primaryType: 'Withdraw',
      message: {
        account: withdrawal.account,
        asset: withdrawal.asset,
        units: BigInt(withdrawal.units),
        nonce: BigInt(withdrawal.nonce),
        deadline: BigInt(withdrawal.deadlineMs),
      },
      signature: toHex(signature),
    }),
  )
}
