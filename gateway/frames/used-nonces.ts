/**
 * Frame nonces that sessions are known to have used, as the engine's events and answers tell. Anybody who has seen an
 * old signed frame can send it again: what is known to be used is refused with the engine's own code before anything
 * is taken from the account's budgets. What is not known here is the engine's to judge, as ever.
 *
 *   nonces   FRAME_NONCE_WINDOW numbers, nonce + 1 at nonce % FRAME_NONCE_WINDOW, as in
 *            engine/core/sessions/nonce-windows.ts
 *
 * Invariant: what is refused here, the engine would refuse. Its bounds only rise: a nonce that was used or too old
 * never becomes free again, and a session's name is never given twice. Fed by session-events.ts, load-state.ts
 * and frames.ts, which asks.
 */
import { Reject } from '../../engine/codes.js'
import { FRAME_NONCE_WINDOW, FRAME_WINDOWS, FRAME_WINDOW_IDLE_MS } from '../../engine/limits.js'
import type { SessionName } from '../../sdk/wire/signed.js'

interface Used {
  /** Made with the first nonce. */
  nonces: Float64Array | undefined
  /** Highest nonce used + 1; nonces below it by the window's length are too old. */
  highest: number
  /** Nonces up to one less than this are too old, as the engine has said. */
  floor: number
  /** Engine time of the last frame. */
  lastMs: number
}

const keyOf = ({ account, approval }: SessionName): string => `${account}:${approval}`

export class UsedNonces {
  /** Oldest session first, which is forgotten first. */
  readonly #sessions = new Map<string, Used>()
  readonly #most: number

  /** Keeps the nonces of `most` sessions. */
  constructor(most: number = FRAME_WINDOWS) {
    this.#most = most
  }

  get size(): number {
    return this.#sessions.size
  }

  /** The highest nonce that a session has used before anything else was told of it; -1 = none. */
  load(session: SessionName, highestNonce: number): void {
    if (highestNonce < 0) return
    const used = this.#used(session)
    used.highest = Math.max(used.highest, highestNonce + 1)
  }

  /** A frame was opened at engine time `timeMs`. */
  opened(session: SessionName, nonce: number, timeMs: number): void {
    const used = this.#used(session)
    used.lastMs = Math.max(used.lastMs, timeMs)
    used.highest = Math.max(used.highest, nonce + 1)
    put(used, nonce)
  }

  /** The engine has refused a frame. */
  refused(session: SessionName, nonce: number, reject: number): void {
    if (reject === Reject.FrameNonceUsed) put(this.#used(session), nonce)
    else if (reject === Reject.FrameNonceTooOld) {
      const used = this.#used(session)
      used.floor = Math.max(used.floor, nonce + 1)
    }
  }

  /** The Reject that the engine would give a frame at engine time `timeMs`; 0 = none that is known. */
  refusal(session: SessionName, nonce: number, timeMs: number): number {
    const used = this.#sessions.get(keyOf(session))
    if (used === undefined) return Reject.None
    if (nonce + 1 <= Math.max(used.floor, used.highest - FRAME_NONCE_WINDOW)) return Reject.FrameNonceTooOld
    if (used.nonces?.[nonce % FRAME_NONCE_WINDOW] !== nonce + 1) return Reject.None
    // After an hour without a frame the engine has forgotten which were used: all of them are too old.
    const forgotten = used.lastMs > 0 && timeMs - used.lastMs >= FRAME_WINDOW_IDLE_MS
    return forgotten ? Reject.FrameNonceTooOld : Reject.FrameNonceUsed
  }

  /** Why `refusal` said `reject`: the nonce, the bound and what to do. */
  sentence(session: SessionName, nonce: number, reject: number): string {
    const { highest = 0, floor = 0 } = this.#sessions.get(keyOf(session)) ?? {}
    const lowest = Math.max(floor, highest - FRAME_NONCE_WINDOW)
    const known = highest === 0 ? '' : `the session's highest is ${highest - 1}; `
    if (reject === Reject.FrameNonceUsed)
      return `a frame of nonce ${nonce} was taken before; ${known}frameOutcome tells what became of it, a new frame needs a nonce that was not used, best one above the highest`
    // Within the window: the engine has forgotten, after an hour without a frame, which of these were used.
    const bound =
      nonce + 1 <= lowest
        ? `below ${lowest}, the lowest that is still taken (a nonce may be at most ${FRAME_NONCE_WINDOW - 1} below the highest)`
        : 'not above the highest, and the session was idle for an hour'
    return `nonce ${nonce} is too old: it is ${bound}; ${known}nothing was done now: frameOutcome tells whether a frame of this nonce was taken before; if not, sign it again with a nonce above the highest`
  }

  #used(session: SessionName): Used {
    const key = keyOf(session)
    let used = this.#sessions.get(key)
    if (used !== undefined) return used
    used = { nonces: undefined, highest: 0, floor: 0, lastMs: 0 }
    this.#sessions.set(key, used)
    if (this.#sessions.size > this.#most)
      for (const oldest of this.#sessions.keys()) {
        this.#sessions.delete(oldest)
        break
      }
    return used
  }
}

function put(used: Used, nonce: number): void {
  const nonces = (used.nonces ??= new Float64Array(FRAME_NONCE_WINDOW))
  const at = nonce % FRAME_NONCE_WINDOW
  nonces[at] = Math.max(nonces[at]!, nonce + 1)
}
