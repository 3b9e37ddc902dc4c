/**
 * Every signature that reaches the exchange. Frames and logons carry P-256 signatures, checked by
 * OpenSSL in the thread pool, so that neither the sockets nor the engine wait for them. Approvals,
 * revocations and withdrawals carry a wallet's EIP-712 signature, which wallet-checks.ts has checked in a worker.
 *
 * Wallets that are contracts (EIP-1271) would need a call to the chain and are not accepted.
 */
import { createHash, verify } from 'node:crypto'
import { toHex } from '../../sdk/wire/bytes.js'
import { domainPreimage, walletDomain } from '../../sdk/wire/signed.js'
import type { SessionInfo } from '../sessions/directory.js'
import type { WalletMessage } from './wallet-checks.js'

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
  readonly maxFee: number
  readonly nonce: number
  readonly deadlineMs: number
}

/** An approval of a session key as its wallet signed it. */
export function approvalMessage(
  domain: Domain,
  approval: ApprovalMessage,
  signature: Uint8Array,
): WalletMessage {
  return {
    domain: walletDomain(domain.chainId, domain.vault),
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
    signature,
  }
}

/** A revocation as its wallet signed it. */
export function revocationMessage(
  domain: Domain,
  { account, approval, nonce, deadlineMs }: RevocationMessage,
  signature: Uint8Array,
): WalletMessage {
  return {
    domain: walletDomain(domain.chainId, domain.vault),
    primaryType: 'RevokeSession',
    message: { account, approval: BigInt(approval), nonce: BigInt(nonce), deadline: BigInt(deadlineMs) },
    signature,
  }
}

/** A withdrawal as its wallet signed it. */
export function withdrawalMessage(
  domain: Domain,
  { account, asset, units, maxFee, nonce, deadlineMs }: WithdrawalMessage,
  signature: Uint8Array,
): WalletMessage {
  return {
    domain: walletDomain(domain.chainId, domain.vault),
    primaryType: 'Withdraw',
    message: {
      account,
      asset,
      units: BigInt(units),
      maxFee: BigInt(maxFee),
      nonce: BigInt(nonce),
      deadline: BigInt(deadlineMs),
    },
    signature,
  }
}
