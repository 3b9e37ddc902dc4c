/**
 * How many fills the frames of one address that are in the engine's hands could make at most. What a frame fills is
 * known, and charged (swept-fills.ts), only when it comes back, and everybody waits behind what is told of it: without
 * this bound one address could have hundreds of sweeps of a thousand fills on their way before the first is charged.
 * What it could fill stands in the frame: an order's lots, unless it only posts, and all in all the steps that the
 * engine gives a frame. So cancels and quotes that only post are never held, nor small orders by the hundred.
 *
 * Called by frames.ts. Invariant: an address has FILLS_UNDER_WAY_MAX at most on their way.
 */
import { CommandKind, PostOnly } from '../../engine/codes.js'
import { AmendCmd, COMMAND_WORDS, PlaceCmd, kindOf } from '../../engine/layout.js'
import { COMMAND_STEPS_MAX } from '../../engine/limits.js'
import { FILLS_UNDER_WAY_MAX } from '../limits.js'

/** Fills that the orders and amends among the `count` commands from record `first` on could make at most. */
export function fillsAtMost(records: Int32Array, first: number, count: number): number {
  let fills = 0
  for (let index = first; index < first + count && fills < COMMAND_STEPS_MAX; index++) {
    const word = index * COMMAND_WORDS
    const head = records[word]!
    const kind = kindOf(head)
    const onlyPosts = ((head >>> PlaceCmd.POST_ONLY_SHIFT) & PlaceCmd.POST_ONLY_MASK) !== PostOnly.None
    // Lots that no order can have, the engine refuses.
    if (kind === CommandKind.Place && !onlyPosts) fills += Math.max(0, records[word + PlaceCmd.LOTS]!)
    else if (kind === CommandKind.Amend) fills += Math.max(0, records[word + AmendCmd.LOTS]!)
  }
  return Math.min(fills, COMMAND_STEPS_MAX)
}

export class FillsUnderWay {
  readonly #fills = new Map<string, number>()

  /** Addresses with frames on their way. */
  get size(): number {
    return this.#fills.size
  }

  hasRoom(ip: string, fills: number): boolean {
    return fills === 0 || (this.#fills.get(ip) ?? 0) + fills <= FILLS_UNDER_WAY_MAX
  }

  sent(ip: string, fills: number): void {
    if (fills > 0) this.#fills.set(ip, (this.#fills.get(ip) ?? 0) + fills)
  }

  back(ip: string, fills: number): void {
    const left = (this.#fills.get(ip) ?? 0) - fills
    if (left > 0) this.#fills.set(ip, left)
    else this.#fills.delete(ip)
  }
}
