/**
 * HTTP connections that were answered and may be kept open for a next request. uWebSockets.js does not tell of them,
 * and cuts each after ten idle seconds, so every answer counts as such a connection for so long: too many rather
 * than too few. An address whose share is used up has its connections closed with the answer. Called by client-limits.ts.
 */
import { HTTP_IDLE_MS } from '../limits.js'

export class KeptConnections {
  readonly #most: number
  /** When each may have ended by itself, oldest first, of performance.now(). */
  readonly #ends = new Map<string, number[]>()

  constructor(most: number) {
    this.#most = most
  }

  /** How many an address may have now. */
  count(ip: string, now: number): number {
    const ends = this.#ends.get(ip)
    if (ends === undefined) return 0
    const over = ends.findIndex((end) => end > now)
    if (over < 0) this.#ends.delete(ip)
    else if (over > 0) ends.splice(0, over)
    return over < 0 ? 0 : ends.length
  }

  /** An answer has been given: whether its connection may be kept. */
  keep(ip: string, now: number): boolean {
    if (this.count(ip, now) >= this.#most) return false
    this.add(ip, now)
    return true
  }

  /** A connection is kept, although there may be too many. */
  add(ip: string, now: number): void {
    const ends = this.#ends.get(ip)
    if (ends === undefined) this.#ends.set(ip, [now + HTTP_IDLE_MS])
    else ends.push(now + HTTP_IDLE_MS)
  }

  /** Forgets addresses whose connections have all ended. */
  sweep(now: number): void {
    for (const [ip, ends] of this.#ends) if (ends.at(-1)! <= now) this.#ends.delete(ip)
  }
}
