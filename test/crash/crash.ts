/**
 * The crash test: traders load a venue through its gateway while the whole process tree is killed with
 * SIGKILL at random times and started again. Afterwards the journal is audited: every order that was
 * acknowledged is in it exactly once and with the order id that was told, nothing refused or given up is
 * in it, every fill that a trader saw is in it unchanged.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rigWallet } from '../../bench/gateway-rig.js'
import { EventKind } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/journal/recovery.js'
import { EVENT_WORDS, Ev } from '../../engine/layout.js'
import type { Engine, EventBuffer } from '../../engine/types.js'
import {
  type Client,
  type CommandResult,
  GlassbookError,
  OutcomeUnknownError,
  createClient,
} from '../../sdk/index.js'
import { Random } from '../simulator/random.js'

const VENUE = fileURLToPath(new URL('./venue.js', import.meta.url))
const MARKET = 'ETH-USDC'
const START_MS_MAX = 30_000
const SETTLE_MS_MAX = 60_000

export interface CrashOptions {
  readonly rounds: number
  readonly seed: number
  readonly traders: number
  readonly onRound?: (round: number, orders: number) => void
}

export interface CrashReport {
  readonly kills: number
  readonly acknowledged: number
  readonly refused: number
  /** Frames whose answer a kill swallowed, and what became of them when asked for afterwards. */
  readonly unknown: number
  readonly fillsSeen: number
  readonly seq: number
}

interface Wish {
  readonly account: number
  readonly cloid: bigint
  /** As it was told; 0 = taken, but the order had ended before its outcome was asked for. */
  orderId: number | undefined
  /** Why it was not taken, as it was told; empty = it was not refused. */
  refusal: string
}

/** Runs the test. Throws an Error that says which promise was broken. */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-crash-'))
  const port = await freePort()
  const random = new Random(options.seed)
  let venue = await startVenue(dataDir, port, options.traders)
  const traders: Trader[] = []
  try {
    for (let index = 0; index < options.traders; index++)
      traders.push(await Trader.open(port, index, new Random(options.seed + 1 + index)))
    for (let round = 0; round < options.rounds; round++) {
      await pause(50 + random.below(500))
      venue.kill('SIGKILL')
      await exited(venue)
      venue = await startVenue(dataDir, port, options.traders)
      options.onRound?.(
        round + 1,
        traders.reduce((sum, { wishes }) => sum + wishes.length, 0),
      )
    }
    await pause(200)
    for (const trader of traders) await trader.finish()
    venue.kill('SIGTERM')
    const code = await exited(venue)
    if (code !== 0) throw new Error(`the venue ended with code ${code}`)
    return audit(dataDir, traders, options.rounds)
  } finally {
    for (const trader of traders) trader.close()
    venue.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Places orders one after the other, as fast as they are answered, until told to finish. */
class Trader {
  readonly wishes: Wish[] = []
  unknown = 0
  private isStopping = false
  private readonly loop: Promise<void>

  private constructor(
    readonly client: Client,
    readonly fills: Awaited<ReturnType<Client['trackFills']>>,
    private readonly account: number,
    private readonly random: Random,
  ) {
    this.loop = this.trade()
  }

  static async open(port: number, index: number, random: Random): Promise<Trader> {
    const client = createClient({
      url: `ws://127.0.0.1:${port}`,
      wallet: rigWallet(index),
      reconnectDelayMsMax: 100,
    })
    await client.connect()
    const { account } = await client.createSession()
    return new Trader(client, await client.trackFills(), account, random)
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

  private async trade(): Promise<void> {
    for (let cloid = 1n; !this.isStopping; cloid++) {
      const wish: Wish = { account: this.account, cloid, orderId: undefined, refusal: '' }
      const order = {
        market: MARKET,
        side: this.random.chance(0.5) ? ('buy' as const) : ('sell' as const),
        ticks: 95 + this.random.below(11),
        lots: 1 + this.random.below(20),
        cloid,
      }
      try {
        if (this.client.state !== 'open') {
          await pause(5)
          continue
        }
        this.wishes.push(wish)
        this.told(wish, await this.client.placeOrder(order))
      } catch (error) {
        if (error instanceof OutcomeUnknownError) {
          this.unknown++
          // Who does not know what became of an order finds out before giving the next one.
          this.told(wish, ((await error.outcome) as readonly CommandResult[])[0]!)
        } else if (error instanceof GlassbookError) wish.refusal = `${error.name}: ${error.message}`
        else throw error
      }
    }
  }

  private told(wish: Wish, result: CommandResult): void {
    if (result.error === undefined) wish.orderId = result.orderId
    else wish.refusal = `${result.error.name}: ${result.error.message}`
  }
}

/** Reads the journal from its beginning and holds what the traders know against it. */
function audit(dataDir: string, traders: readonly Trader[], kills: number): CrashReport {
  const accepted = new Map<string, number[]>()
  const fills = new Set<string>()
  const onEvents = ({ words, floats, count }: EventBuffer): void => {
    for (let index = 0; index < count; index++) {
      const at = index * EVENT_WORDS
      const kind = words[at]! & 0xff
      if (kind === EventKind.Accepted) {
        const cloid = (BigInt(words[at + Ev.CLOID_HI]! >>> 0) << 32n) | BigInt(words[at + Ev.CLOID_LO]! >>> 0)
        const key = `${words[at + Ev.ACCOUNT]}/${cloid}`
        accepted.set(key, [...(accepted.get(key) ?? []), floats[at / 2 + Ev.ORDER_ID_F64]!])
      } else if (kind === EventKind.Fill) {
        const seq = floats[at / 2 + Ev.SEQ_F64]!
        const terms = `${words[at + Ev.TICKS]}/${words[at + Ev.LOTS]}`
        fills.add(`${seq}/${floats[at / 2 + Ev.ORDER_ID_F64]}/${terms}`)
        fills.add(`${seq}/${floats[at / 2 + Ev.TAKER_ORDER_ID_F64]}/${terms}`)
      }
    }
  }
  let engine: Engine | undefined
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    engine ??= createEngine({ genesis: genesisOf(block), onEvents })
    applyBlock(engine, block)
  }
  if (reader.end().kind !== 'clean') throw new Error('the journal of a stopped venue is torn')
  reader.close()
  engine!.checkInvariants()

  let acknowledged = 0
  let refused = 0
  let fillsSeen = 0
  for (const { wishes, fills: seen } of traders) {
    for (const { account, cloid, orderId, refusal } of wishes) {
      const orders = accepted.get(`${account}/${cloid}`) ?? []
      const order = `order ${cloid} of account ${account}`
      if (orders.length > 1) throw new Error(`${order} was executed at ${orders.join(' and ')}`)
      if (orderId !== undefined && (orders.length === 0 || (orderId !== 0 && orders[0] !== orderId)))
        throw new Error(`${order} was acknowledged as ${orderId}, the journal has ${String(orders[0])}`)
      if (refusal !== '' && orders.length > 0)
        throw new Error(`${order} was refused (${refusal}), and is in the journal at ${orders[0]}`)
      if (orderId === undefined && refusal === '') throw new Error(`${order} has no outcome`)
      if (refusal !== '') refused++
      else acknowledged++
    }
    for (const { seq, orderId, ticks, lots } of seen.fills) {
      fillsSeen++
      if (!fills.has(`${seq}/${orderId}/${ticks}/${lots}`))
        throw new Error(`the fill of order ${orderId} at seq ${seq} was seen and is not in the journal`)
    }
  }
  const unknown = traders.reduce((sum, trader) => sum + trader.unknown, 0)
  return { kills, acknowledged, refused, unknown, fillsSeen, seq: engine!.seq }
}

async function startVenue(dataDir: string, port: number, traders: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [VENUE, dataDir, String(port), String(traders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ready = new Promise<void>((resolve, reject) => {
    let stdout = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (stdout.includes('ready ')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the venue did not start (code ${code}): ${stderr}`)))
  })
  try {
    await bounded(ready, START_MS_MAX, 'the venue does not start')
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return child
}

const exited = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once('exit', resolve))

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function bounded<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
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

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
