/**
 * What became of a frame whose answer was lost with its connection. It may have been taken, may have been
 * dropped, or may still be on its way in some buffer, so asking alone is not enough. A nonce is taken by
 * one frame only, and that decides it:
 *
 *   1. ask for the frame by its nonce: if the exchange knows it, that is its outcome;
 *   2. else send another frame, which changes nothing, under the SAME nonce. Is it taken, then the lost one
 *      never was and never will be, wherever it still is. Is it refused because the nonce is used, then the
 *      lost one was faster: ask again;
 *   3. is the nonce out of the window or the session over, nothing later tells: the outcome stays unknown,
 *      and what is known of its orders is given.
 *
 * Invariants: a command is never sent twice; a frame is called "not taken" only after step 2 has proven it.
 * The frame of step 2 has another count of commands than the lost one, so the two cannot be mistaken.
 */
import type { CommandResult, KnownOutcome, Session } from './client-types.js'
import { errorOf } from '../base/errors.js'
import { type MarketOf, rejectionOf } from '../money/explain.js'
import type { TrackedOrder } from '../streams/trackers.js'
import { ErrorCode } from '../wire/codes.js'
import type { WireCommand } from '../wire/commands.js'

export interface LostFrame {
  readonly session: Session
  readonly nonce: number
  readonly commands: readonly WireCommand[]
}

/** Codes of a frame's commands in the exchange's words, and the seq of the frame itself. */
export interface FrameCodes {
  readonly firstSeq: number
  readonly codes: readonly number[]
}

/** What this needs of the client; each call rejects when the connection breaks again. */
export interface OutcomeSource {
  /** Undefined when the exchange knows no such frame (any more), or the session may not ask. */
  frameCodes(frame: LostFrame): Promise<FrameCodes | undefined>
  /**
   * Sends a frame of `count` commands that change nothing under the nonce of `frame`. 'gone' = the nonce
   * cannot be used any more, whether it was or not.
   */
  occupy(frame: LostFrame, count: number): Promise<'occupied' | 'used' | 'gone'>
  /** Undefined when none is known (any more), or the session may not ask. */
  order(cloid: bigint): Promise<TrackedOrder | undefined>
  /** For the words of a refusal. */
  readonly marketOf: MarketOf
}

const RESULT = {
  seq: 0,
  orderId: 0,
  state: 'none',
  remainingLots: 0,
  filledLots: 0,
  reason: 0,
  count: 0,
  more: false,
} as const
const cloidOf = (command: WireCommand): bigint | undefined => ('cloid' in command ? command.cloid : undefined)

/** The outcome of each command of a lost frame, in their order. @throws what `source` throws. */
export async function resolveLostFrame(source: OutcomeSource, frame: LostFrame): Promise<CommandResult[]> {
  const { commands } = frame
  let taken = await source.frameCodes(frame)
  if (taken === undefined) {
    const decided = await source.occupy(frame, commands.length === 1 ? 2 : 1)
    if (decided === 'occupied') return commands.map(notTaken)
    taken = await source.frameCodes(frame)
  }
  if (taken === undefined) return unknownResults(source, commands)
  const { firstSeq, codes } = taken
  // Under this nonce stands a frame of step 2, sent before the connection broke once more.
  if (codes.length !== commands.length) return commands.map(notTaken)
  return Promise.all(
    commands.map((command, index) => known(source, command, codes[index]!, firstSeq + 1 + index)),
  )
}

function notTaken(command: WireCommand): CommandResult {
  const message = 'the frame was lost before the exchange took it, and never will be taken; send it anew'
  return { cloid: cloidOf(command), error: errorOf(ErrorCode.NotTaken, message), ...RESULT }
}

/** How an order stands, as a command's result has it. */
function standing(command: WireCommand, order: TrackedOrder | undefined): Partial<CommandResult> {
  // A code on the order is of another command that named the same id.
  if (order === undefined || order.code !== 0 || order.state === 'unknown') return {}
  // How an order ended by a fill tells that fill; its own size is then what was asked for.
  const lots = order.isLastFill && 'lots' in command ? command.lots : order.lots
  return {
    orderId: order.orderId,
    state: order.state,
    remainingLots: order.remaining,
    filledLots: Math.max(0, lots - order.remaining),
    reason: order.reason,
  }
}

/** A command that was taken, with its code; how its order stands is asked for. */
async function known(
  source: OutcomeSource,
  command: WireCommand,
  code: number,
  seq: number,
): Promise<CommandResult> {
  const cloid = cloidOf(command)
  if (code !== 0)
    return { ...RESULT, cloid, seq, error: rejectionOf(code, command, source.marketOf(command)) }
  const order = cloid === undefined ? undefined : await source.order(cloid)
  return { ...RESULT, cloid, seq, error: undefined, ...standing(command, order) }
}

/** Of commands of which nothing tells any more whether they were taken: their orders as they stand. */
export function unknownResults(
  source: Pick<OutcomeSource, 'order'>,
  commands: readonly WireCommand[],
): Promise<CommandResult[]> {
  return Promise.all(commands.map((command) => unknown(source, command)))
}

/** A command of which nothing tells any more whether it was taken. */
async function unknown(source: Pick<OutcomeSource, 'order'>, command: WireCommand): Promise<CommandResult> {
  const cloid = cloidOf(command)
  const order = cloid === undefined ? undefined : await source.order(cloid)
  const details: KnownOutcome = { order }
  const message =
    'the exchange no longer tells whether this command was taken; look at the order in "details"'
  const error = errorOf(ErrorCode.OutcomeUnknown, message, { details })
  return { ...RESULT, cloid, error, ...standing(command, order) }
}
