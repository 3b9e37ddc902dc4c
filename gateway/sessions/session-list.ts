/**
 * Sessions of each account, ended ones too while the engine keeps them: what `sessions` is answered from.
 * Who may do what is directory.ts's.
 */
import { EventKind } from '../../engine/codes.js'
import { Ev, FrameOpenedEv, SessionApprovedEv, SessionRevokedEv } from '../../engine/layout.js'
import type { SessionView } from '../../engine/types.js'
import type { SessionName } from '../../sdk/wire/signed.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'

type Known = { -readonly [K in keyof SessionView]: SessionView[K] }

export class SessionList {
  /** By account, then approval; approvals only grow, so each list is in their order. */
  readonly #accounts = new Map<number, Map<number, Known>>()

  load(session: SessionView): void {
    // What an event has told already is newer.
    if (this.#find(session.account, session.approval) === undefined) this.#put({ ...session })
  }

  /** Whether the session was revoked, as far as the engine still keeps it. */
  isRevoked({ account, approval }: SessionName): boolean {
    return this.#find(account, approval)?.revoked === true
  }

  #find(account: number, approval: number): Known | undefined {
    return this.#accounts.get(account)?.get(approval)
  }

  #put(session: Known): void {
    const own = this.#accounts.get(session.account)
    if (own === undefined) this.#accounts.set(session.account, new Map([[session.approval, session]]))
    else own.set(session.approval, session)
  }

  event(kind: number, words: Int32Array, floats: Float64Array, word: number, timeMs: number): void {
    const float = word >> 1
    const account = words[word + Ev.ACCOUNT]!
    switch (kind) {
      case EventKind.SessionApproved:
        this.#approved(words, floats, word, timeMs)
        break
      case EventKind.SessionRevoked: {
        const session = this.#find(account, floats[float + SessionRevokedEv.APPROVAL_F64]!)
        if (session === undefined) break
        session.revoked = true
        session.active = false
        session.expiresAtMs = Math.min(session.expiresAtMs, timeMs)
        break
      }
      case EventKind.FrameOpened: {
        const session = this.#find(account, floats[float + FrameOpenedEv.APPROVAL_F64]!)
        const nonce = floats[float + FrameOpenedEv.NONCE_F64]!
        if (session !== undefined && nonce > session.highestNonce) session.highestNonce = nonce
        break
      }
      default:
        break
    }
  }

  #approved(words: Int32Array, floats: Float64Array, word: number, timeMs: number): void {
    const float = word >> 1
    const head = words[word + Ev.KIND]!
    const at = word + SessionApprovedEv.KEY_X
    const account = words[word + Ev.ACCOUNT]!
    const keyX = Array.from(words.subarray(at, at + 8))
    const parity = (head >>> SessionApprovedEv.KEY_PARITY_SHIFT) & 1
    this.#makeRoom(account, keyX, parity, timeMs)
    this.#put({
      account,
      approval: floats[float + SessionApprovedEv.APPROVAL_F64]!,
      scopes: (head >>> SessionApprovedEv.SCOPES_SHIFT) & SessionApprovedEv.SCOPES_MASK,
      keyX,
      parity,
      maxNotional: floats[float + SessionApprovedEv.MAX_NOTIONAL_F64]!,
      expiresAtMs: floats[float + SessionApprovedEv.EXPIRES_AT_MS_F64]!,
      revoked: false,
      highestNonce: -1,
      active: true,
    })
  }

  /** As the engine does: the session of the same key goes, else the account's that ended first. */
  #makeRoom(account: number, keyX: readonly number[], parity: number, timeMs: number): void {
    const own = this.#accounts.get(account)
    if (own === undefined) return
    let first: Known | undefined
    for (const session of own.values()) {
      if (session.parity === parity && session.keyX.every((part, index) => part === keyX[index])) {
        own.delete(session.approval)
        return
      }
      const ended = session.expiresAtMs <= timeMs
      if (ended && (first === undefined || session.expiresAtMs < first.expiresAtMs)) first = session
    }
    if (first !== undefined) own.delete(first.approval)
  }

  /** Sessions of an account by approval, at `timeMs`. */
  ofAccount(account: number, timeMs: number): WireValue[] {
    return [...(this.#accounts.get(account)?.values() ?? [])]
      .sort((a, b) => a.approval - b.approval)
      .map((session) => ({ ...session, active: session.active && session.expiresAtMs > timeMs }))
  }
}
