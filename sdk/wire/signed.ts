/**
 * What is signed, byte by byte. A session key (P-256, SHA-256, IEEE P1363 r || s) signs a logon and every
 * command frame; a wallet signs EIP-712 typed data for approvals, revocations and withdrawals. Each
 * message starts with its own ASCII tag and the domain, so that a signature made for one purpose, chain
 * or vault is worth nothing elsewhere.
 *
 *   domain      sha256( chain id, uint64 big-endian || vault address, 20 bytes )
 *   frame       "glassbook.v2.frame" || domain || account, uint32 BE || approval, uint64 BE || nonce, uint64 BE || payload
 *   logon       "glassbook.v2.logon" || domain || account, uint32 BE || approval, uint64 BE || challenge, 32 bytes
 *   receipt     "glassbook.v2.receipt" || domain || first seq, uint64 BE || last seq, uint64 BE
 *               || SHA-256 of the frame's signed bytes || head seq, uint64 BE || journal head, 32 bytes
 *   HTTP token  "glassbook.v2.http" || domain || account, uint32 BE || approval, uint64 BE || expiry in ms, uint64 BE
 *
 * A session is named by its account and its approval: the nonce of the wallet's approval that made it. That
 * nonce never comes back, so nothing that was signed for a session that is over is ever valid again.
 *
 * A receipt is signed by the operator's P-256 key: the commands first..last came from that frame, and the
 * journal's hash chain had that head at head seq, which is at or after last.
 *
 * The journal's attachment of a frame is the frame's signed bytes followed by the 64-byte signature, and
 * its Frame command carries the SHA-256 of the signed bytes. Nothing else is needed to verify consent
 * offline: the session's public key stands in the ApproveSession command before it, and the wallet's
 * approval of that key in that command's attachment (65 bytes, r || s || v).
 */
import { fromHex } from './bytes.js'
import { CHALLENGE_BYTES } from './layout.js'

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))
const FRAME_TAG = ascii('glassbook.v2.frame')
const LOGON_TAG = ascii('glassbook.v2.logon')
const RECEIPT_TAG = ascii('glassbook.v2.receipt')
const HTTP_TAG = ascii('glassbook.v2.http')
const DOMAIN_BYTES = 32
const HASH_BYTES = 32

/** Bytes that name a session: account and approval. */
const SESSION_BYTES = 12

/** Bytes of a frame's signed message before its payload. */
export const FRAME_HEADER_BYTES = FRAME_TAG.length + DOMAIN_BYTES + SESSION_BYTES + 8

/** A session as everything that is signed for it names it. */
export interface SessionName {
  readonly account: number
  /** Nonce of the approval that made it. */
  readonly approval: number
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

function putUint64(bytes: Uint8Array, at: number, value: number): void {
  putUint32(bytes, at, Math.floor(value / 2 ** 32))
  putUint32(bytes, at + 4, value >>> 0)
}

function putSession(bytes: Uint8Array, at: number, { account, approval }: SessionName): void {
  putUint32(bytes, at, account)
  putUint64(bytes, at + 4, approval)
}

/**
 * The 28 bytes whose SHA-256 is the domain.
 * @throws RangeError when the chain id is not a safe whole number or the vault not a 20-byte address.
 */
export function domainPreimage(chainId: number, vault: string): Uint8Array<ArrayBuffer> {
  const address = fromHex(vault)
  if (address?.length !== 20) throw new RangeError(`vault "${vault}" is not a 20-byte address`)
  if (!Number.isSafeInteger(chainId) || chainId < 0)
    throw new RangeError(`chain id ${chainId} is out of range`)
  const bytes = new Uint8Array(28)
  putUint64(bytes, 0, chainId)
  bytes.set(address, 8)
  return bytes
}

/**
 * Writes a frame's signed message into `out` at `at` and returns its length.
 * `nonce` is a safe whole number; `out` must have room for FRAME_HEADER_BYTES + payload.
 */
export function putFrameMessage(
  out: Uint8Array,
  at: number,
  domain: Uint8Array,
  session: SessionName,
  nonce: number,
  payload: Uint8Array,
): number {
  let end = at
  out.set(FRAME_TAG, end)
  end += FRAME_TAG.length
  out.set(domain, end)
  end += DOMAIN_BYTES
  putSession(out, end, session)
  putUint64(out, end + SESSION_BYTES, nonce)
  end += SESSION_BYTES + 8
  out.set(payload, end)
  return end + payload.length - at
}

/** A frame's signed message. */
export function frameMessage(
  domain: Uint8Array,
  session: SessionName,
  nonce: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  putFrameMessage(bytes, 0, domain, session, nonce, payload)
  return bytes
}

/** A logon's signed message. */
export function logonMessage(
  domain: Uint8Array,
  session: SessionName,
  challenge: Uint8Array,
): Uint8Array<ArrayBuffer> {
  if (challenge.length !== CHALLENGE_BYTES) throw new RangeError(`challenge of ${challenge.length} bytes`)
  const bytes = new Uint8Array(LOGON_TAG.length + DOMAIN_BYTES + SESSION_BYTES + CHALLENGE_BYTES)
  bytes.set(LOGON_TAG)
  bytes.set(domain, LOGON_TAG.length)
  putSession(bytes, LOGON_TAG.length + DOMAIN_BYTES, session)
  bytes.set(challenge, LOGON_TAG.length + DOMAIN_BYTES + SESSION_BYTES)
  return bytes
}

export interface Receipt {
  readonly firstSeq: number
  readonly lastSeq: number
  /** SHA-256 of the frame's signed bytes. */
  readonly frameHash: Uint8Array
  /** A seq at or after `lastSeq`, and the journal's hash chain there. */
  readonly headSeq: number
  readonly journalHead: Uint8Array
}

/** A receipt's signed message. */
export function receiptMessage(domain: Uint8Array, receipt: Receipt): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECEIPT_TAG.length + DOMAIN_BYTES + 24 + 2 * HASH_BYTES)
  let end = 0
  bytes.set(RECEIPT_TAG, end)
  end += RECEIPT_TAG.length
  bytes.set(domain, end)
  end += DOMAIN_BYTES
  putUint64(bytes, end, receipt.firstSeq)
  putUint64(bytes, end + 8, receipt.lastSeq)
  end += 16
  bytes.set(receipt.frameHash, end)
  end += HASH_BYTES
  putUint64(bytes, end, receipt.headSeq)
  bytes.set(receipt.journalHead, end + 8)
  return bytes
}

/** An HTTP token's signed message; the token may read for its session until `expiresAtMs`. */
export function httpTokenMessage(
  domain: Uint8Array,
  session: SessionName,
  expiresAtMs: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HTTP_TAG.length + DOMAIN_BYTES + SESSION_BYTES + 8)
  bytes.set(HTTP_TAG)
  bytes.set(domain, HTTP_TAG.length)
  putSession(bytes, HTTP_TAG.length + DOMAIN_BYTES, session)
  putUint64(bytes, HTTP_TAG.length + DOMAIN_BYTES + SESSION_BYTES, expiresAtMs)
  return bytes
}

/** Version in the EIP-712 domain. */
export const WALLET_VERSION = '2'

/** EIP-712 domain of everything a wallet signs for the exchange. */
export function walletDomain(chainId: number, vault: `0x${string}`) {
  return { name: 'Glassbook', version: WALLET_VERSION, chainId, verifyingContract: vault } as const
}

/**
 * EIP-712 types. Amounts are units; times are milliseconds of engine time; `publicKey` is SEC1 compressed P-256;
 * `maxFee` bounds, in units of the asset, what a withdrawal costs beyond its units;
 * `maxNotional` bounds, in quote units, what one order may execute over its life, on either side, 0 = no bound.
 * Nonces are from 1 to (engine time + a day) * 1000 and only grow: approvals and revocations of an account share
 * one row of them, withdrawals have another. A message is refused after its deadline, and when that is more than
 * a day ahead.
 */
export const walletTypes = {
  ApproveSession: [
    { name: 'account', type: 'uint32' },
    { name: 'publicKey', type: 'bytes' },
    { name: 'scopes', type: 'uint8' },
    { name: 'maxNotional', type: 'uint64' },
    { name: 'expiresAt', type: 'uint64' },
    { name: 'nonce', type: 'uint64' },
    { name: 'deadline', type: 'uint64' },
  ],
  RevokeSession: [
    { name: 'account', type: 'uint32' },
    { name: 'approval', type: 'uint64' },
    { name: 'nonce', type: 'uint64' },
    { name: 'deadline', type: 'uint64' },
  ],
  Withdraw: [
    { name: 'account', type: 'uint32' },
    { name: 'asset', type: 'uint32' },
    { name: 'units', type: 'uint64' },
    { name: 'maxFee', type: 'uint64' },
    { name: 'nonce', type: 'uint64' },
    { name: 'deadline', type: 'uint64' },
  ],
} as const
