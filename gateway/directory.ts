/**
 * Who is who: accounts by owner address and sessions by slot, as the engine's events and answers tell.
 * A gateway thread keeps its own copy. Read by auth.ts; fed by gateway.ts.
 */
import { ECDH, createPublicKey, type KeyObject } from 'node:crypto'
import { PUBLIC_KEY_BYTES } from '../sdk/wire/layout.js'

export interface SessionInfo {
  readonly slot: number
  readonly account: number
  /** Scope bits, engine/codes. */
  readonly scopes: number
  /** Units of the quote asset that one order may be worth; 0 = no bound. */
  readonly maxNotional: number
  readonly expiresAtMs: number
  readonly publicKey: KeyObject
  readonly publicKeyBytes: Uint8Array
}

/** SubjectPublicKeyInfo of a P-256 key up to the uncompressed point (RFC 5480). */
const SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

/** A verifying key from 33 bytes SEC1; undefined when they are no point of the curve. */
export function p256PublicKey(compressed: Uint8Array): KeyObject | undefined {
  if (compressed.length !== PUBLIC_KEY_BYTES || (compressed[0] !== 2 && compressed[0] !== 3)) return undefined
  try {
    const point = ECDH.convertKey(
      Buffer.from(compressed),
      'prime256v1',
      undefined,
      undefined,
      'uncompressed',
    ) as Buffer
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, point]), format: 'der', type: 'spki' })
  } catch {
    return undefined
  }
}

/** A session as the engine tells of it: x of its key in 8 big-endian words and the parity of y. */
export function sessionInfo(
  keyX: ArrayLike<number>,
  parity: number,
  told: Omit<SessionInfo, 'publicKey' | 'publicKeyBytes'>,
): SessionInfo | undefined {
  const publicKeyBytes = Buffer.alloc(PUBLIC_KEY_BYTES)
  publicKeyBytes[0] = 2 | (parity & 1)
  for (let word = 0; word < 8; word++) publicKeyBytes.writeInt32BE(keyX[word]! | 0, 1 + word * 4)
  const publicKey = p256PublicKey(publicKeyBytes)
  if (publicKey === undefined) return undefined
  const { slot, account, scopes, maxNotional, expiresAtMs } = told
  return { slot, account, scopes, maxNotional, expiresAtMs, publicKey, publicKeyBytes }
}

export class Directory {
  readonly #accounts = new Map<string, number>()
  readonly #owners = new Map<number, `0x${string}`>()
  readonly #sessions = new Map<number, SessionInfo>()

  /** Notes that `owner` (an address, any case) owns `account`. */
  setOwner(account: number, owner: `0x${string}`): void {
    const address = owner.toLowerCase() as `0x${string}`
    this.#accounts.set(address, account)
    this.#owners.set(account, address)
  }

  accountOf(owner: string): number | undefined {
    return this.#accounts.get(owner.toLowerCase())
  }

  ownerOf(account: number): `0x${string}` | undefined {
    return this.#owners.get(account)
  }

  setSession(session: SessionInfo): void {
    this.#sessions.set(session.slot, session)
  }

  /** The session of a key (SEC1 compressed) of an account, if it is one; looks through all of them. */
  sessionOfKey(account: number, publicKey: Uint8Array): SessionInfo | undefined {
    for (const session of this.#sessions.values()) {
      if (session.account !== account) continue
      if (session.publicKeyBytes.every((byte, index) => byte === publicKey[index])) return session
    }
    return undefined
  }

  removeSession(slot: number): void {
    this.#sessions.delete(slot)
  }

  session(slot: number): SessionInfo | undefined {
    return this.#sessions.get(slot)
  }
}
