/**
 * Ids of one account's or one market's live orders, ascending: what pages are cut from. Ids only grow, so a
 * new one goes to the end; one that has ended stays until half of the list has, and is passed over. So
 * every change costs a constant time on average, and a page what it holds and as many dead ids at most.
 *
 * Called by live-orders.ts, which says which ids live.
 */
import { DEAD_ENTRIES_MIN } from '../limits.js'

export class IdList {
  #ids: number[] = []
  #dead = 0
  #sorted = true

  /** Ids that live. */
  get size(): number {
    return this.#ids.length - this.#dead
  }

  /** Places that are held, dead ids among them. */
  get places(): number {
    return this.#ids.length
  }

  /** A load tells of orders in any order; `sort` ends it. */
  add(id: number): void {
    if (this.#ids.length > 0 && id < this.#ids[this.#ids.length - 1]!) this.#sorted = false
    this.#ids.push(id)
  }

  /** One of the ids has ended; `lives` is asked for each of the others when the list is cleaned. */
  ended(lives: (id: number) => boolean): void {
    this.#dead++
    if (this.#dead < DEAD_ENTRIES_MIN || 2 * this.#dead < this.#ids.length) return
    this.#ids = this.#ids.filter(lives)
    this.#dead = 0
  }

  sort(): void {
    if (!this.#sorted) this.#ids.sort((a, b) => a - b)
    this.#sorted = true
  }

  /** Calls `each` with ids above `id`, ascending, dead ones too, until it answers false. */
  after(id: number, each: (id: number) => boolean): void {
    this.sort()
    let low = 0
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ids[middle]! <= id) low = middle + 1
      else high = middle
    }
    for (let index = low; index < this.#ids.length; index++) if (!each(this.#ids[index]!)) return
  }
}
