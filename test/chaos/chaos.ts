/**
 * Trading through a line that cuts, doubles, delays, drops and swaps messages, both ways. Three accounts trade with
 * each other and keep books, orders, fills and balances as the SDK does. The claim: whatever a tracker says while
 * it is `ready` is the exchange's state at the seq that it names, and at the end, once the line is calm, all of it
 * equals the journal, or says that it does not know.
 *
 * The journal is read afterwards and applied to an engine of the test's own; nothing is compared with the gateway.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRig } from '../../bench/support/gateway-rig.js'
import {
  type Client,
  type CommandResult,
  GlassbookError,
  OutcomeUnknownError,
  type TrackedFill,
  createClient,
} from '../../sdk/index.js'
import { Kind, type L3Entry } from '../../sdk/wire/layout.js'
import { type PassingMessage, type Verdict, startMessageProxy } from '../support/message-proxy.js'
import { Random } from '../simulator/random.js'
import { type Claims, type L3Claim, type Told, judge } from './judge.js'

export const MARKET = 0
const ACCOUNTS = 3
const SAMPLE_MS = 250
/** Once the line is calm all is well within this, or never. */
const CALM_MS_MAX = 180_000
/** Fills of each account on the calm line, before trading ends. */
const CALM_FILLS = 10
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export interface ChaosOptions {
  readonly seconds: number
  readonly seed: number
  /** Of a thousand messages so many suffer each fault; 5 unless given. */
  readonly perMille?: number
}

export interface ChaosReport {
  readonly seconds: number
  readonly seed: number
  readonly faults: Readonly<Record<Exclude<Verdict, 'keep'> | 'delay', number>>
  readonly connections: number
  readonly commands: number
  readonly unknownOutcomes: number
  readonly fills: number
  readonly fillsSeen: number
  /** Trackers of fills that say that they are not complete. */
  readonly incomplete: number
  readonly healedBooks: number
  readonly booksCompared: number
  readonly l3Compared: number
  /** What was told and is not so; empty = the claim holds. */
  readonly findings: readonly string[]
}

interface Party {
  readonly client: Client
  readonly account: number
  readonly told: Told[]
  readonly endsTold: Map<number, number>
  unknown: number
  readonly trackers: Awaited<ReturnType<typeof follow>>
}

async function follow(client: Client) {
  return {
    book: await client.trackBook(MARKET),
    orders: await client.trackOrders(),
    fills: await client.trackFills(),
    balances: await client.trackBalances(),
  }
}

/** Keeps a market's orders by its L3 stream, and says at each message what they are. */
async function followL3(client: Client, claims: L3Claim[]): Promise<void> {
  const orders = new Map<number, string>()
  await client.subscribeBookL3(MARKET, ({ kind, seq, data }) => {
    if (kind === 'snapshot') orders.clear()
    for (const [orderId, side, ticks, lots] of data as unknown as L3Entry[])
      if (lots === 0) orders.delete(orderId)
      else orders.set(orderId, `${orderId} ${side} ${ticks} ${lots}`)
    const sorted = [...orders].sort(([a], [b]) => a - b).map(([, text]) => text)
    claims.push({ seq, orders: sorted })
  })
}

/** All fills that the exchange's history tells of an account, oldest first. */
async function historyOf(client: Client): Promise<TrackedFill[]> {
  const all: TrackedFill[] = []
  for (;;) {
    const last = all.at(-1)
    const after = last === undefined ? { afterSeq: 0 } : { afterSeq: last.seq, afterIndex: last.index }
    const page = await client.fillsPage({ ...after, limit: 500 })
    all.push(...page.fills)
    if (!page.more) return all
  }
}

/** Lets the line misbehave by `seed`, for as long as `line.wild`. */
function misbehaviour(random: Random, perMille: number) {
  const counts = { pass: 0, lose: 0, cut: 0, double: 0, swap: 0, delay: 0 }
  const line = { wild: false, counts }
  const verdictOf = ({ message, to }: PassingMessage): Exclude<Verdict, 'keep'> => {
    const lot = random.below(1000)
    const faults: readonly Exclude<Verdict, 'keep' | 'pass'>[] = ['lose', 'double', 'swap']
    const fault = faults[Math.floor(lot / perMille)]
    if (fault !== undefined) return fault
    if (lot === 999) return 'cut'
    // Events are what trackers live by: they suffer more than answers.
    const isPushed = to === 'client' && (message[0] === Kind.Event || message[0] === Kind.Snapshot)
    return isPushed && random.below(1000) < perMille ? random.pick(faults) : 'pass'
  }
  const judgeMessage = async (passing: PassingMessage): Promise<Verdict> => {
    if (!line.wild) return 'pass'
    const verdict = verdictOf(passing)
    counts[verdict]++
    if (random.below(1000) < perMille) {
      counts.delay++
      await pause(random.below(200))
    }
    return verdict
  }
  return { line, judgeMessage }
}

/** Trades at random until `isOver`; what it is told of each command goes to `party.told`. */
async function trade(party: Party, random: Random, isOver: () => boolean): Promise<void> {
  const { client, told } = party
  let cloid = BigInt(party.account) * 1_000_000n
  const note = (results: readonly CommandResult[]): void => {
    for (const { seq, error, cloid: of } of results)
      if (seq > 0) told.push({ seq, cloid: of ?? 0n, isTaken: error === undefined })
  }
  while (!isOver()) {
    await pause(5 + random.below(20))
    if (client.state !== 'open') continue
    const mine = [...party.trackers.orders.live.values()]
    const [one] = mine.slice(random.below(Math.max(1, mine.length)))
    const lot = random.below(10)
    const side = random.chance(0.5) ? 'buy' : 'sell'
    try {
      if (one !== undefined && (lot < 2 || mine.length > 30))
        note([await client.cancelOrder({ market: MARKET, cloid: one.cloid })])
      else if (one !== undefined && lot === 2)
        note([
          await client.amendOrder({
            ...{ market: MARKET, cloid: one.cloid, ticks: one.ticks },
            lots: Math.max(1, one.lots - random.below(3)),
          }),
        ])
      else if (lot === 3 && random.chance(0.1)) await client.cancelAll()
      else
        note([
          await client.placeOrder({
            ...{ market: MARKET, side, cloid: ++cloid },
            // Now and then one that sweeps through several makers.
            lots: lot === 4 ? 100 + random.below(100) : 1 + random.below(20),
            ticks: 990 + random.below(20),
            timeInForce: lot === 4 ? 'IOC' : 'GTC',
          }),
        ])
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        party.unknown++
        // What becomes known later counts as told; the client goes on meanwhile.
        void error.outcome.then(
          (results) => note(results as CommandResult[]),
          () => {},
        )
      } else if (!(error instanceof GlassbookError)) throw error
    }
  }
}

export async function runChaos({ seconds, seed, perMille = 5 }: ChaosOptions): Promise<ChaosReport> {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-chaos-'))
  const rate = { perSecond: 100_000, burst: 100_000 }
  const rig = await startRig({
    accounts: ACCOUNTS,
    dataDir,
    // As `glassbook start` has it: a process of its own.
    apart: true,
    config: { connectRate: rate, requestRate: rate },
  })
  const proxy = await startMessageProxy(rig.url)
  const random = new Random(seed)
  const { line, judgeMessage } = misbehaviour(random, perMille)
  proxy.judge = judgeMessage
  const parties: Party[] = []
  const findings: string[] = []
  const claims: Claims[] = []
  const l3Claims: L3Claim[] = []
  try {
    for (let index = 0; index < ACCOUNTS; index++) {
      const client = createClient({
        url: proxy.url,
        wallet: rig.wallets[index]!,
        reconnectDelayMsMax: 200,
        requestTimeoutMs: 3_000,
      })
      await client.connect()
      await client.createSession()
      const trackers = await follow(client)
      const endsTold = new Map<number, number>()
      trackers.orders.onOrder(({ orderId }, event) => {
        if (event === 'ended' && orderId > 0) endsTold.set(orderId, (endsTold.get(orderId) ?? 0) + 1)
      })
      if (index === 0) await followL3(client, l3Claims)
      parties.push({ ...{ client, account: index + 1, told: [], endsTold, unknown: 0 }, trackers })
    }
    line.wild = true
    let isOver = false
    const trading = parties.map((party, index) => trade(party, new Random(seed + 1 + index), () => isOver))
    const end = performance.now() + seconds * 1000
    while (performance.now() < end) {
      await pause(SAMPLE_MS)
      for (const party of parties) {
        const { book } = party.trackers
        if (book.ready) claims.push({ seq: book.seq, bids: book.bids(10), asks: book.asks(10) })
      }
    }
    line.wild = false
    const calm = performance.now() + CALM_MS_MAX
    // What was lost last shows by what comes next: trading goes on until each has seen fills on the calm line.
    const seen = parties.map(({ trackers }) => trackers.fills.fills.length)
    const hasTraded = ({ trackers }: Party, at: number): boolean =>
      trackers.fills.fills.length >= seen[at]! + CALM_FILLS
    while (!parties.every(hasTraded) && performance.now() < calm) await pause(20)
    isOver = true
    await Promise.all(trading)
    const isCalm = ({ client, trackers }: Party): boolean =>
      client.state === 'open' &&
      client.unknownFrames === 0 &&
      trackers.orders.unknown.size === 0 &&
      Object.values(trackers).every(({ ready }) => ready)
    while (!parties.every(isCalm)) {
      if (performance.now() > calm) {
        for (const { account, client, trackers } of parties)
          findings.push(
            `account ${account} is not calm ${CALM_MS_MAX} ms after the line: ${client.state}, ` +
              `${client.unknownFrames} unknown frames, ${trackers.orders.unknown.size} unknown orders, ready: ` +
              Object.entries(trackers)
                .map(([name, { ready }]) => `${name} ${ready}`)
                .join(', '),
          )
        break
      }
      await pause(20)
    }
    // What was the last to happen has reached everybody: streams of an account follow its own commands.
    const { seq } = await rig.stateHash()
    for (const { client } of parties) await client.balances()
    await pause(1_000)
    const histories = await Promise.all(parties.map(({ client }) => historyOf(client)))
    const ends = parties.map(
      ({ account, told, endsTold, trackers: { book, orders, fills, balances } }, at) => ({
        ...{
          account,
          told,
          endsTold,
          history: histories[at]!,
          complete: fills.complete,
          fills: fills.fills.slice(),
        },
        ready: { book: book.ready, orders: orders.ready, fills: fills.ready, balances: balances.ready },
        ...{ bids: book.bids(), asks: book.asks(), orders: [...orders.live.values()] },
        balances: new Map(balances.balances),
      }),
    )
    for (const { client } of parties) client.close()
    proxy.close()
    await rig.stop()
    const judged = judge(dataDir, seq, ends, claims, l3Claims)
    return {
      ...{ seconds, seed, faults: line.counts, connections: proxy.connections },
      commands: parties.reduce((sum, { told }) => sum + told.length, 0),
      unknownOutcomes: parties.reduce((sum, { unknown }) => sum + unknown, 0),
      fills: judged.fills,
      fillsSeen: ends.reduce((sum, { fills }) => sum + fills.length, 0),
      incomplete: ends.filter(({ complete }) => !complete).length,
      healedBooks: parties.reduce((sum, { trackers }) => sum + trackers.book.healed, 0),
      booksCompared: judged.booksCompared,
      l3Compared: judged.l3Compared,
      findings: [...findings, ...judged.findings],
    }
  } finally {
    for (const { client } of parties) client.close()
    proxy.close()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
