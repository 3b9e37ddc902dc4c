/**
 * Who is who: accounts by owner address, sessions by account and approval, and what each wallet has used of
 * its nonces, as the engine's events and answers tell. A gateway thread keeps its own copy, so none of these
 * questions takes the engine's time. Read by auth.ts and the requests; fed by session-events.ts and
 * load-state.ts.
 *
 * Invariant: a session that was revoked or replaced is not in it. One that has expired is dropped in the
 * sweep, and is refused by whoever looks at its expiry until then.
 */
import { ECDH, createPublicKey, type KeyObject } from 'node:crypto'
import { PUBLIC_KEY_BYTES } from '../../sdk/wire/layout.js'
import type { SessionName } from '../../sdk/wire/signed.js'
import { ACCOUNTS_SWEPT, WITHDRAWALS_KEPT } from '../limits.js'

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

/** What the engine tells of a session, beside its key. */
export interface SessionTerms extends SessionName {
  /** Scope bits, engine/codes. */
  readonly scopes: number
  /** Units of the quote asset that one order may execute over its life; 0 = no bound. */
  readonly maxNotional: number
  readonly expiresAtMs: number
}

export class SessionInfo implements SessionTerms {
  readonly account: number
  readonly approval: number
  readonly scopes: number
  readonly maxNotional: number
  readonly expiresAtMs: number
  readonly publicKeyBytes: Uint8Array
  #publicKey: KeyObject | undefined

  /** x of its key in 8 big-endian words and the parity of y. */
  constructor(keyX: ArrayLike<number>, parity: number, terms: SessionTerms) {
    this.account = terms.account
    this.approval = terms.approval
    this.scopes = terms.scopes
    this.maxNotional = terms.maxNotional
    this.expiresAtMs = terms.expiresAtMs
    const bytes = Buffer.alloc(PUBLIC_KEY_BYTES)
    bytes[0] = 2 | (parity & 1)
    for (let word = 0; word < 8; word++) bytes.writeInt32BE(keyX[word]! | 0, 1 + word * 4)
    this.publicKeyBytes = bytes
  }

  /** Made when first needed: most of many sessions are never used here. Undefined = no point of the curve. */
  get publicKey(): KeyObject | undefined {
    return (this.#publicKey ??= p256PublicKey(this.publicKeyBytes))
  }

  /** How messages call it. */
  get text(): string {
    return `session ${this.approval} of account ${this.account}`
  }
}

interface AccountEntry {
  sessions: SessionInfo[]
  approvalNonce: number
  withdrawalNonce: number
  /** The latest withdrawals, oldest first; nonce 0 = not the wallet's word but a frame's or the operator's. */
  withdrawals: KnownWithdrawal[]
  /** Of withdrawals with nonces up to this one it is not known (any more) which were taken. */
  withdrawalsFrom: number
  /** Of withdrawals up to this seq it is not known (any more) which there were. */
  withdrawalsAfterSeq: number
}

export interface KnownWithdrawal {
  readonly nonce: number
  readonly seq: number
  readonly asset: number
  readonly units: number
  /** What it cost beyond those. */
  readonly fee: number
}

export interface WithdrawalState {
  readonly state: 'taken' | 'notTaken' | 'unknown'
  /** 0 unless taken, like asset, units and fee. */
  readonly seq: number
  readonly asset: number
  readonly units: number
  readonly fee: number
  /** Highest nonce that a withdrawal of the account has used. */
  readonly highest: number
  /** [seq, asset] of the account's withdrawals behind `recentAfter`, of its newest: every one of them. */
  readonly recent: [seq: number, asset: number][]
  readonly recentAfter: number
}

export class Directory {
  readonly #accounts = new Map<string, number>()
  readonly #owners = new Map<number, `0x${string}`>()
  readonly #entries = new Map<number, AccountEntry>()
  #sweep: IterableIterator<AccountEntry> | undefined
  /** Events behind this seq have been told here; Infinity until the first. */
  #toldAfterSeq = Infinity

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

  // ---- sessions

  setSession(session: SessionInfo): void {
    const entry = this.#entry(session.account)
    entry.sessions = entry.sessions.filter(({ approval }) => approval !== session.approval)
    entry.sessions.push(session)
  }

  removeSession({ account, approval }: SessionName): void {
    const entry = this.#entries.get(account)
    if (entry !== undefined)
      entry.sessions = entry.sessions.filter((session) => session.approval !== approval)
  }

  session({ account, approval }: SessionName): SessionInfo | undefined {
    return this.#entries.get(account)?.sessions.find((session) => session.approval === approval)
  }

  /** The session of a key (SEC1 compressed) of an account, if it has one. */
  sessionOfKey(account: number, publicKey: Uint8Array): SessionInfo | undefined {
    return this.#entries
      .get(account)
      ?.sessions.find(({ publicKeyBytes }) => Buffer.compare(publicKeyBytes, publicKey) === 0)
  }

  /** True while the session is the one that the engine takes frames of at `timeMs`. */
  isLive(session: SessionInfo, timeMs: number): boolean {
    return session.expiresAtMs > timeMs && this.session(session) === session
  }

  /** Drops sessions that have expired, of some accounts at a time. */
  sweep(nowMs: number): void {
    this.#sweep ??= this.#entries.values()
    for (let looked = 0; looked < ACCOUNTS_SWEPT; looked++) {
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = undefined
        return
      }
      const { sessions } = next.value
      if (sessions.some(({ expiresAtMs }) => expiresAtMs <= nowMs))
        next.value.sessions = sessions.filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    }
  }

  // ---- wallet nonces

  nonces(account: number): { approval: number; withdrawal: number } {
    const entry = this.#entries.get(account)
    return { approval: entry?.approvalNonce ?? 0, withdrawal: entry?.withdrawalNonce ?? 0 }
  }

  /** Nonces as the engine tells them at the start: of withdrawals before, only the last nonce is known. */
  loadNonces(account: number, approval: number, withdrawal: number): void {
    this.noteApprovalNonce(account, approval)
    const entry = this.#entry(account)
    entry.withdrawalNonce = Math.max(entry.withdrawalNonce, withdrawal)
    // Events that came first tell of their own withdrawals, not of those before.
    const first = entry.withdrawals.find(({ nonce }) => nonce > 0)
    entry.withdrawalsFrom = first === undefined ? withdrawal : first.nonce - 1
  }

  noteApprovalNonce(account: number, nonce: number): void {
    const entry = this.#entry(account)
    entry.approvalNonce = Math.max(entry.approvalNonce, nonce)
  }

  /** Every event behind `seq` will be told. */
  beginsAfter(seq: number): void {
    this.#toldAfterSeq = Math.min(this.#toldAfterSeq, seq)
  }

  noteWithdrawal(account: number, withdrawal: KnownWithdrawal): void {
    const { nonce, seq } = withdrawal
    const entry = this.#entry(account)
    // What a gateway is told again after it was away, it may know.
    if (seq <= (entry.withdrawals.at(-1)?.seq ?? 0)) return
    entry.withdrawalNonce = Math.max(entry.withdrawalNonce, nonce)
    entry.withdrawals.push(withdrawal)
    if (entry.withdrawals.length <= WITHDRAWALS_KEPT) return
    const forgotten = entry.withdrawals.shift()!
    entry.withdrawalsFrom = Math.max(entry.withdrawalsFrom, forgotten.nonce)
    entry.withdrawalsAfterSeq = forgotten.seq
  }

  /** What became of a withdrawal, by its nonce. */
  withdrawal(account: number, nonce: number): WithdrawalState {
    const entry = this.#entries.get(account)
    const known =
      nonce === 0 ? undefined : entry?.withdrawals.find((withdrawal) => withdrawal.nonce === nonce)
    const highest = entry?.withdrawalNonce ?? 0
    const recent = (entry?.withdrawals ?? []).map(({ seq, asset }): [number, number] => [seq, asset])
    const recentAfter = Math.min(
      Number.MAX_SAFE_INTEGER,
      Math.max(this.#toldAfterSeq, entry?.withdrawalsAfterSeq ?? 0),
    )
    if (known === undefined) {
      const state = nonce > (entry?.withdrawalsFrom ?? 0) ? 'notTaken' : 'unknown'
      return { state, seq: 0, asset: 0, units: 0, fee: 0, highest, recent, recentAfter }
    }
    const { seq, asset, units, fee } = known
    return { state: 'taken', seq, asset, units, fee, highest, recent, recentAfter }
  }

  #entry(account: number): AccountEntry {
    let entry = this.#entries.get(account)
    if (entry === undefined) {
      entry = {
        sessions: [],
        approvalNonce: 0,
        withdrawalNonce: 0,
        withdrawals: [],
        withdrawalsFrom: 0,
        withdrawalsAfterSeq: 0,
      }
      this.#entries.set(account, entry)
    }
    return entry
  }
}
