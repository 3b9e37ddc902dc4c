/**
 * What became of frames whose answer was lost with their connection. A frame may have been taken, may
 * have been dropped, or may still be on its way in some buffer; so asking alone is not enough. In order:
 *
 *   1. ask for the frame by its nonce: if the exchange knows it, that is its outcome;
 *   2. else send a fence: a frame with a nonce more than the window above it, that does nothing. Once it
 *      is taken, the lost frame is too old for ever, wherever it still is;
 *   3. ask for each of its orders by client order id: it was taken between 1 and 2, or never will be.
 *
 * Invariant: a command is never sent twice.
 */
import { CommandKind } from '../engine/codes.js'
import { FRAME_NONCE_WINDOW } from '../engine/limits.js'
import type { CommandResult } from './client-types.js'
import { GlassbookError, errorOf } from './errors.js'
import type { TrackedOrder } from './trackers.js'
import { ErrorCode } from './wire/codes.js'
import type { WireCommand } from './wire/commands.js'

export interface LostFrame {
  readonly session: number
  readonly nonce: number
  readonly commands: readonly WireCommand[]
  readonly resolve: (results: CommandResult[]) => void
}

/** What this needs of the client; each call may reject when the connection breaks again. */
export interface OutcomeSource {
  /** Codes of a frame's commands, or undefined when the exchange does not know it. */
  frameOutcome(session: number, nonce: number): Promise<readonly number[] | undefined>
  /** Sends a frame that does nothing, with a nonce of at least `nonce`. */
  fence(nonce: number): Promise<void>
  order(cloid: bigint): Promise<TrackedOrder | undefined>
}

const notTaken = (): GlassbookError =>
  errorOf(ErrorCode.NotTaken, 'the frame was lost before the exchange took it, and never will be taken')

export class UnknownOutcomes {
  #lost: LostFrame[] = []

  /** Frames whose outcome is not known yet. */
  get count(): number {
    return this.#lost.length
  }

  add(frame: LostFrame): void {
    this.#lost.push(frame)
  }

  /** Resolves every lost frame; those that could not be asked for wait for the next connection. */
  async resolveAll(source: OutcomeSource): Promise<void> {
    const asked = this.#lost
    this.#lost = []
    const undecided: LostFrame[] = []
    let failed: unknown
    for (const frame of asked) {
      if (failed !== undefined) {
        this.#lost.push(frame)
        continue
      }
      try {
        const codes = await source.frameOutcome(frame.session, frame.nonce)
        if (codes === undefined) undecided.push(frame)
        else
          frame.resolve(
            await Promise.all(
              frame.commands.map((command, index) => settle(source, command, codes[index] ?? 0)),
            ),
          )
      } catch (error) {
        failed = error
        this.#lost.push(frame)
      }
    }
    if (undecided.length > 0 && failed === undefined) {
      try {
        await source.fence(Math.max(...undecided.map(({ nonce }) => nonce)) + FRAME_NONCE_WINDOW)
        for (const frame of undecided) {
          const results = await Promise.all(frame.commands.map((command) => find(source, command)))
          frame.resolve(results)
        }
        return
      } catch (error) {
        failed = error
      }
    }
    this.#lost.push(...undecided.filter((frame) => !this.#lost.includes(frame)))
    if (failed !== undefined && !(failed instanceof GlassbookError)) throw failed
  }
}

const RESULT = { seq: 0, orderId: 0, state: 'none', remainingLots: 0, filledLots: 0, count: 0 } as const

function fromOrder(command: WireCommand, order: TrackedOrder): CommandResult {
  // How an order ended tells its last fill; how much of it was filled follows from what was asked.
  const lots = 'lots' in command ? command.lots : order.lots
  return {
    cloid: order.cloid,
    seq: 0,
    error: order.code === 0 ? undefined : errorOf(order.code, 'the engine refused the command'),
    orderId: order.orderId,
    state: order.state,
    remainingLots: order.remaining,
    filledLots: Math.max(0, lots - order.remaining),
    count: 0,
  }
}

/** The outcome of a command whose code is known. */
async function settle(source: OutcomeSource, command: WireCommand, code: number): Promise<CommandResult> {
  const cloid = 'cloid' in command ? command.cloid : undefined
  if (code !== 0) return { cloid, error: errorOf(code, 'the engine refused the command'), ...RESULT }
  const order = cloid === undefined ? undefined : await source.order(cloid)
  return order === undefined ? { cloid, error: undefined, ...RESULT } : fromOrder(command, order)
}

/** The outcome of a command whose frame nobody knows and that cannot be taken any more: its order tells. */
async function find(source: OutcomeSource, command: WireCommand): Promise<CommandResult> {
  if (!('cloid' in command)) {
    const error = errorOf(ErrorCode.OutcomeUnknown, 'nothing tells whether this command was taken')
    return { cloid: undefined, error, ...RESULT }
  }
  const order = await source.order(command.cloid)
  const live = order !== undefined && (order.state === 'open' || order.state === 'waiting')
  const taken =
    command.kind === CommandKind.Place
      ? order !== undefined
      : command.kind === CommandKind.Cancel
        ? order !== undefined && !live
        : live && order.ticks === command.ticks && order.lots === command.lots
  return taken ? fromOrder(command, order!) : { cloid: command.cloid, error: notTaken(), ...RESULT }
}
