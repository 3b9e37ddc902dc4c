/**
 * Sessions of each account, ended ones too as long as their slot is not used again: what `sessions` is
 * answered from. Who may do what is directory.ts's.
 */
import { EventKind } from '../engine/codes.js'
import { Ev } from '../engine/layout.js'
import type { SessionView } from '../engine/types.js'
import type { WireValue } from '../sdk/wire/msgpack.js'

type Known = { -readonly [K in keyof SessionView]: SessionView[K] }

export class SessionList {
  readonly #slots = new Map<number, Known>()
  readonly #accounts = new Map<number, Set<Known>>()

  load(session: SessionView): void {
    this.#put({ ...session })
  }

  #put(session: Known): void {
    const before = this.#slots.get(session.slot)
    if (before !== undefined) this.#accounts.get(before.account)?.delete(before)
    this.#slots.set(session.slot, session)
    const own = this.#accounts.get(session.account)
    if (own === undefined) this.#accounts.set(session.account, new Set([session]))
    else own.add(session)
  }

  event(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    const float = word >> 1
    const slot = words[word + Ev.CODE]!
    switch (kind) {
      case EventKind.SessionApproved: {
        const flags = words[word + Ev.KIND]! >>> 16
        const at = word + Ev.CLOID_LO
        this.#put({
          slot,
          account: words[word + Ev.ACCOUNT]!,
          scopes: flags & 15,
          keyX: Array.from(words.subarray(at, at + 8)),
          parity: (flags >> 4) & 1,
          maxNotional: floats[float + Ev.AMOUNT_A_F64]!,
          expiresAtMs: floats[float + Ev.AMOUNT_B_F64]!,
          highestNonce: -1,
          active: true,
        })
        break
      }
      case EventKind.SessionRevoked: {
        const session = this.#slots.get(slot)
        if (session !== undefined) session.active = false
        break
      }
      case EventKind.FrameOpened: {
        const session = this.#slots.get(slot)
        const nonce = floats[float + Ev.AMOUNT_A_F64]!
        if (session !== undefined && nonce > session.highestNonce) session.highestNonce = nonce
        break
      }
      default:
        break
    }
  }

  /** Sessions of an account by slot, at `timeMs`. */
  ofAccount(account: number, timeMs: number): WireValue[] {
    return [...(this.#accounts.get(account) ?? [])]
      .sort((a, b) => a.slot - b.slot)
      .map((session) => ({ ...session, active: session.active && session.expiresAtMs > timeMs }))
  }
}
