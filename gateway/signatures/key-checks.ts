/**
 * P-256 signatures of session keys on their way to the thread pool, which everything else of the process
 * shares. A few are in the pool at a time; the rest wait in turns of networks and addresses, and who has most gives
 * way when all places are taken (fair-queue.ts), so that nobody's flood is in front of anybody else's frame.
 *
 * Called by frames.ts and for logons.
 */
import { KEY_CHECKS_IN_POOL, KEY_CHECKS_PER_IP, KEY_CHECKS_WAITING } from '../limits.js'
import { verifySessionSignature } from './auth.js'
import type { SessionInfo } from '../sessions/directory.js'
import { turnPath } from '../limits/addresses.js'
import { FairQueue } from '../limits/fair-queue.js'

/** A refusal's words: the signatures of an address that wait fill its share. */
export const crowded = (ip: string): string =>
  `too many signatures of ${ip} wait for their check: at most ${KEY_CHECKS_PER_IP}, fewer where others wait too`

/** 'crowded' = it was not checked: too many wait. */
export type KeyCheck = 'valid' | 'invalid' | 'crowded'

interface Waiting {
  readonly session: SessionInfo
  readonly message: Uint8Array
  readonly signature: Uint8Array
  readonly done: (check: KeyCheck) => void
}

export class KeyChecks {
  readonly #queue = new FairQueue<Waiting>(KEY_CHECKS_WAITING, KEY_CHECKS_PER_IP)
  readonly #verify: typeof verifySessionSignature
  #inPool = 0

  constructor(verify = verifySessionSignature) {
    this.#verify = verify
  }

  /** Checks `signature` by the session's key over `message`; neither may change before `done`, which never comes at once. */
  check(
    ip: string,
    session: SessionInfo,
    message: Uint8Array,
    signature: Uint8Array,
    done: (check: KeyCheck) => void,
  ): void {
    const waiting = { session, message, signature, done }
    if (this.#inPool < KEY_CHECKS_IN_POOL) {
      this.#begin(waiting)
      return
    }
    const out = this.#queue.push(turnPath(ip), waiting)
    if (out !== undefined) queueMicrotask(() => out.done('crowded'))
  }

  #begin({ session, message, signature, done }: Waiting): void {
    this.#inPool++
    this.#verify(session, message, signature, (valid) => {
      this.#inPool--
      const next = this.#queue.shift()
      if (next !== undefined) this.#begin(next)
      done(valid ? 'valid' : 'invalid')
    })
  }
}
