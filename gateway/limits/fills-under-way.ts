/**
 * How many fills the frames of one address that are in the engine's hands could make at most. What a frame fills is
 * known, and charged (swept-fills.ts), only when it comes back, and everybody waits behind what is told of it: without
 * this bound one address could have hundreds of sweeps of a thousand fills on their way before the first is charged.
 * What it could fill stands in the frame: an order's lots, unless it only posts, and all in all the steps that the
 * engine gives a frame. An order that does not look marketable (marketable.ts) counts a part of its lots: it still may
 * be. So cancels and quotes that only post are never held, nor other orders that rest by the hundred.
 *
 * Called by frames.ts. Invariant: an address has FILLS_UNDER_WAY_MAX at most on their way.
 */
import { CommandKind, PostOnly } from '../../engine/codes.js'
import { COMMAND_WORDS, PlaceCmd, kindOf } from '../../engine/layout.js'
import { COMMAND_STEPS_MAX } from '../../engine/limits.js'
import { FILLS_UNDER_WAY_MAX, RESTING_LOTS_A_FILL } from '../limits.js'
import type { Marketable } from './marketable.js'

export class FillsUnderWay<Sender extends { readonly ip: string }> {
  readonly #marketable: Marketable
  readonly #fills = new Map<string, number>()
  /** Senders of each address that wait for room, in their order. */
  readonly #held = new Map<string, Set<Sender>>()

  constructor(marketable: Marketable) {
    this.#marketable = marketable
  }

  /** Addresses with fills under way, and those of which somebody waits. */
  get sizes(): { readonly underWay: number; readonly held: number } {
    return { underWay: this.#fills.size, held: this.#held.size }
  }

  /** Fills that the orders and amends among the `count` commands from record `first` on could make now, at most. */
  atMost(records: Int32Array, first: number, count: number): number {
    let fills = 0
    for (let index = first; index < first + count && fills < COMMAND_STEPS_MAX; index++) {
      const word = index * COMMAND_WORDS
      const head = records[word]!
      const kind = kindOf(head)
      if (kind !== CommandKind.Place && kind !== CommandKind.Amend) continue
      const postOnly = (head >>> PlaceCmd.POST_ONLY_SHIFT) & PlaceCmd.POST_ONLY_MASK
      if (kind === CommandKind.Place && postOnly !== PostOnly.None) continue
      // Lots that no order can have, the engine refuses. An amend says its size where an order does.
      const lots = Math.max(0, records[word + PlaceCmd.LOTS]!)
      fills += this.#marketable.has(records, first, index) ? lots : Math.ceil(lots / RESTING_LOTS_A_FILL)
    }
    return Math.min(fills, COMMAND_STEPS_MAX)
  }

  /**
   * Whether so many fills of the sender's may be under way now; who fills nothing waits for nobody. `isFirst`: it is
   * his turn among those of his address who wait.
   */
  hasRoom({ ip }: Sender, fills: number, isFirst: boolean): boolean {
    if (fills === 0) return true
    if (!isFirst && this.#held.has(ip)) return false
    return (this.#fills.get(ip) ?? 0) + fills <= FILLS_UNDER_WAY_MAX
  }

  sent({ ip }: Sender, fills: number): void {
    if (fills > 0) this.#fills.set(ip, (this.#fills.get(ip) ?? 0) + fills)
  }

  back({ ip }: Sender, fills: number): void {
    const left = (this.#fills.get(ip) ?? 0) - fills
    if (left > 0) this.#fills.set(ip, left)
    else this.#fills.delete(ip)
  }

  /** Puts a sender who has no room behind the others of his address. */
  hold(sender: Sender): void {
    const held = this.#held.get(sender.ip)
    if (held === undefined) this.#held.set(sender.ip, new Set([sender]))
    else held.add(sender)
  }

  /** A sender waits no more. */
  forget(sender: Sender): void {
    const held = this.#held.get(sender.ip)
    if (held?.delete(sender) === true && held.size === 0) this.#held.delete(sender.ip)
  }

  /** Lets those of an address who wait go on in turn, while `hasRoom` says so of each; `go` may hold him again. */
  goOn(ip: string, hasRoom: (sender: Sender) => boolean, go: (sender: Sender) => void): void {
    const held = this.#held.get(ip)
    if (held === undefined) return
    // Who is held again comes last, and ends this: there is no room then.
    for (const sender of held) {
      if (!hasRoom(sender)) return
      held.delete(sender)
      go(sender)
    }
    if (held.size === 0) this.#held.delete(ip)
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#held.clear()
  }
}
