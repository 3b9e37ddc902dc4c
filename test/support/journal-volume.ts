/** Orders that never fill, for tests that need a long journal: they make segments, and no row of any batch. */
import { type Client, type CommandResult, LimitError } from '../../sdk/index.js'

/** Half of a frame's commands: each order is placed and cancelled in one frame. */
const ORDERS_PER_FRAME = 32
const FRAMES_IN_FLIGHT = 8

/** Places and cancels until `isEnough`, asked now and then. */
export async function fillJournal(client: Client, isEnough: () => boolean): Promise<void> {
  const frame = async (first: bigint): Promise<void> => {
    const cloids = Array.from({ length: ORDERS_PER_FRAME }, (_, at) => first + BigInt(at))
    const commands = [
      ...cloids.map((cloid) => client.place({ market: 0, side: 'buy', ticks: 1, lots: 1, cloid })),
      ...cloids.map((cloid) => client.cancel({ market: 0, cloid })),
    ]
    // A fast machine spends the account's budget: what is refused was not taken.
    const send = (): Promise<CommandResult[]> =>
      client.batch(commands).catch(async (error: unknown) => {
        if (!(error instanceof LimitError)) throw error
        await new Promise((resolve) => setTimeout(resolve, error.retryAfter ?? 100))
        return send()
      })
    const results = await send()
    for (const { error } of results) if (error !== undefined) throw error
  }
  for (let cloid = 1_000_000n; !isEnough(); cloid += BigInt(FRAMES_IN_FLIGHT * ORDERS_PER_FRAME))
    await Promise.all(
      Array.from({ length: FRAMES_IN_FLIGHT }, (_, at) => frame(cloid + BigInt(at * ORDERS_PER_FRAME))),
    )
}
