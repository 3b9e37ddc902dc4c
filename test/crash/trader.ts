/**
 * A client of the crash tests: places orders one after the other, as fast as they are answered, over
 * whatever happens to the exchange, and keeps what it wished and what it was told of it. With a log, both
 * are on the disk before it goes on: the wish before it is sent, the answer before the next wish.
 */
import type { LocalAccount } from 'viem'
import {
  type Client,
  type CommandResult,
  GlassbookError,
  OutcomeUnknownError,
  createClient,
} from '../../sdk/index.js'
import type { Random } from '../simulator/random.js'
import type { SyncedLog } from './synced-log.js'

const SETTLE_MS_MAX = 300_000

export interface Wish {
  readonly account: number
  readonly cloid: bigint
  /** As it was told; 0 = taken, but the order had ended before its outcome was asked for. */
  orderId: number | undefined
  /** Why it was not taken, as it was told; empty = it was not refused. */
  refusal: string
}

export interface TraderOptions {
  readonly url: string
  readonly wallet: LocalAccount
  readonly market: number | string
  /** Prices are drawn from 11 ticks from here on. */
  readonly ticksFrom: number
  readonly random: Random
  readonly log?: SyncedLog
  /** Pause between two orders. */
  readonly pauseMs?: number
}

/** Places orders one after the other, as fast as they are answered, until told to finish. */
export class Trader {
  readonly wishes: Wish[] = []
  unknown = 0
  private isStopping = false
  private isResting = false
  private isIdle = true
  private onIdle: () => void = () => {}
  private readonly loop: Promise<void>

  private constructor(
    readonly client: Client,
    readonly fills: Awaited<ReturnType<Client['trackFills']>>,
    readonly account: number,
    private readonly options: TraderOptions,
  ) {
    this.loop = this.trade()
  }

  static async open(options: TraderOptions): Promise<Trader> {
    const { url, wallet } = options
    const client = createClient({ url, wallet, reconnectDelayMsMax: 100 })
    await client.connect()
    const { account } = await client.createSession()
    return new Trader(client, await client.trackFills(), account, options)
  }

  /** Stops placing and waits until the fate of every order is known. */
  async finish(): Promise<void> {
    this.isStopping = true
    await bounded(this.loop, SETTLE_MS_MAX, 'the fate of an order stays unknown')
  }

  close(): void {
    this.isStopping = true
    this.client.close()
  }

  /** What a test says of it that waited for it in vain. */
  toString(): string {
    const { account, cloid, orderId, refusal } = this.wishes.at(-1) ?? {}
    return (
      `account ${account}, connection ${this.client.state}, ${this.wishes.length} orders, ` +
      `the last: client order id ${cloid}, ${orderId ?? (refusal === '' ? 'not answered' : refusal)}`
    )
  }

  /** Places nothing more until `resume`; resolves when the fate of every order is known. */
  async rest(): Promise<void> {
    this.isResting = true
    if (this.isIdle) return
    const idle = new Promise<void>((resolve) => {
      this.onIdle = resolve
    })
    await bounded(idle, SETTLE_MS_MAX, 'the fate of an order stays unknown')
  }

  resume(): void {
    this.isResting = false
  }

  private async trade(): Promise<void> {
    const { random, market, ticksFrom, log, pauseMs = 0 } = this.options
    for (let cloid = 1n; !this.isStopping;) {
      if (this.isResting || this.client.state !== 'open') {
        // What was lost with a connection has its outcome by now, or had none.
        this.isIdle = true
        if (this.isResting) this.onIdle()
        await pause(5)
        continue
      }
      this.isIdle = false
      if (pauseMs > 0) await pause(pauseMs)
      const wish: Wish = { account: this.account, cloid, orderId: undefined, refusal: '' }
      const order = {
        market,
        side: random.chance(0.5) ? ('buy' as const) : ('sell' as const),
        ticks: ticksFrom + random.below(11),
        lots: 1 + random.below(20),
        cloid,
      }
      cloid++
      log?.write({ wish: order, account: this.account })
      this.wishes.push(wish)
      try {
        this.told(wish, await this.client.placeOrder(order))
      } catch (error) {
        if (error instanceof OutcomeUnknownError) {
          this.unknown++
          // Who does not know what became of an order finds out before giving the next one.
          this.told(wish, ((await error.outcome) as readonly CommandResult[])[0]!)
        } else if (error instanceof GlassbookError) wish.refusal = `${error.name}: ${error.message}`
        else throw error
      }
      log?.write({ told: wish })
    }
  }

  private told(wish: Wish, result: CommandResult): void {
    if (result.error === undefined) wish.orderId = result.orderId
    else wish.refusal = `${result.error.name}: ${result.error.message}`
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export async function bounded<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
