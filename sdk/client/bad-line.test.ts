/**
 * Quoting through a line that cuts, delays, splits and doubles connections, to a gateway process that is
 * killed and started again: no order doubled, no state apart. Afterwards the journal is held against what
 * the client was told of each command. GLASSBOOK_LONG=1 quotes for two minutes instead of eight seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { EventKind } from '../../engine/codes.js'
import { type Engine, createEngine } from '../../engine/index.js'
import { JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/recovery/recovery.js'
import { EVENT_WORDS, Ev, FrameOpenedEv, OrderEv, kindOf } from '../../engine/layout.js'
import { cloidAt } from '../../engine/records/access.js'
import { startGatewayBridge } from '../../gateway/bridge/bridge-listener.js'
import { startBadLine } from '../../test/support/bad-line.js'
import { makeMarket } from '../../examples/quotes.js'
import { until } from '../../test/support/until.js'
import {
  type Client,
  type CommandResult,
  OutcomeUnknownError,
  type WireCommand,
  createClient,
} from '../index.js'

const SECONDS = process.env['GLASSBOOK_LONG'] === '1' ? 120 : 8
const KILL_EVERY_MS = SECONDS === 120 ? 10_000 : 3_000
const MARKET = 'ETH-USDC'
const MAKER = 1
const PROGRAM = fileURLToPath(new URL('../../program/main.js', import.meta.url))

/** A gateway process; answers with its port once it listens. */
function startGatewayProcess(
  socket: string,
  dataDir: string,
): Promise<{ child: ChildProcess; port: number }> {
  const flags = ['--connect', socket, '--data', dataDir, '--gateway-port', '0']
  const budgets = ['request', 'connect'].flatMap((name) =>
    ['per-second', 'burst'].flatMap((part) => [`--gateway-${name}-rate-${part}`, '100000']),
  )
  const child = spawn(process.execPath, [PROGRAM, 'gateway', ...flags, ...budgets], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString()
      const match = /ws:\S+:([0-9]+)/.exec(out)
      if (match !== null) resolve({ child, port: Number(match[1]) })
    })
    child.once('exit', (code) => reject(new Error(`the gateway process ended with code ${code}`)))
  })
}

interface Told {
  readonly command: WireCommand
  readonly result: CommandResult
}

/** Notes of each command of `client` what it was told: by the answer, or by the outcome found later. */
function noteAll(client: Client): { told: Told[]; lost: () => number; underway: () => number } {
  const told: Told[] = []
  let lost = 0
  let underway = 0
  const send = client.sendFrame.bind(client)
  const note = (commands: readonly WireCommand[], results: readonly CommandResult[]): void =>
    commands.forEach((command, index) => told.push({ command, result: results[index]! }))
  client.sendFrame = async (commands) => {
    underway++
    try {
      const results = await send(commands)
      note(commands, results)
      underway--
      return results
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        lost++
        void error.outcome.then((results) => {
          note(commands, results as CommandResult[])
          underway--
        })
      } else underway--
      throw error
    }
  }
  return { told, lost: () => lost, underway: () => underway }
}

interface Journaled {
  /** Client order ids of orders that the engine accepted, by seq. */
  readonly accepted: Map<number, bigint>
  /** Seqs of the commands of frames that were taken; frames that change nothing left out. */
  readonly taken: Set<number>
  readonly fills: number
}

/** What the journal says of the maker's commands. */
function readJournal(dataDir: string): Journaled {
  const accepted = new Map<number, bigint>()
  const taken = new Set<number>()
  let fills = 0
  let engine: Engine | undefined
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    engine ??= createEngine({
      genesis: genesisOf(block),
      onEvents: ({ words, floats, count }) => {
        for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
          const kind = kindOf(words[at]!)
          const seq = floats[at / 2 + Ev.SEQ_F64]!
          const cloid = cloidAt(words, at + OrderEv.CLOID_LO)
          if (kind === EventKind.Fill && words[at + Ev.ACCOUNT] === MAKER) fills++
          if (words[at + Ev.ACCOUNT] !== MAKER) continue
          if (kind === EventKind.FrameOpened)
            for (let command = 1; command <= words[at + FrameOpenedEv.COUNT]!; command++)
              taken.add(seq + command)
          if (kind === EventKind.Accepted) accepted.set(seq, cloid)
          // The frames with which the client settles a nonce cancel order 0, too late.
          if (kind === EventKind.Rejected && cloid === 0n) taken.delete(seq)
        }
      },
    })
    applyBlock(engine, block)
  }
  if (reader.end().kind !== 'clean') throw new Error('the journal is torn')
  reader.close()
  engine!.checkInvariants()
  return { accepted, taken, fills }
}

test(
  `${SECONDS} s of quoting through a bad line leave no order doubled and no state apart`,
  async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bad-line-'))
    const socket = join(dataDir, 'gateway.sock')
    const rate = { perSecond: 100_000, burst: 100_000 }
    const rig = await startRig({
      accounts: 2,
      spare: 1,
      dataDir,
      config: { connectRate: rate, requestRate: rate },
    })
    const bridge = await startGatewayBridge({
      path: socket,
      link: rig.spareLinks[0]!,
      deployment: RIG_DEPLOYMENT,
      askProof: () => Promise.resolve(null),
    })
    let gateway = await startGatewayProcess(socket, dataDir)
    const line = await startBadLine(gateway.port, 7)
    const client = async (index: number, url: string): Promise<Client> => {
      const made = createClient({ url, wallet: rig.wallets[index]!, reconnectDelayMsMax: 100 })
      await made.connect()
      await made.createSession()
      return made
    }
    const maker = await client(MAKER - 1, line.url)
    const taker = await client(1, rig.url)
    // Of the same account, on a gateway that lives: what the exchange itself says.
    const witness = await client(MAKER - 1, rig.url)
    const { told, lost, underway } = noteAll(maker)
    const fills = await maker.trackFills()
    const orders = await maker.trackOrders()
    const balances = await maker.trackBalances()
    const book = await maker.trackBook(MARKET)
    line.wild = true

    const stop = new AbortController()
    const quoting = makeMarket(
      maker,
      { market: MARKET, halfSpreadTicks: 3, lots: 10, lotsPerTick: 10, firstMidTicks: 1000 },
      stop.signal,
    )
    let quotesDone = false
    const done = (): void => void (quotesDone = true)
    quoting.then(done, done)
    let kills = 0
    let trades = 0
    let lastTrade = 0
    /** Seqs between which no gateway process was there to see what happened. */
    const outages: [from: number, to: number][] = []
    let killAt = performance.now() + KILL_EVERY_MS
    const end = performance.now() + SECONDS * 1000
    let starting: Promise<void> | undefined
    while (performance.now() < end && !quotesDone) {
      if (performance.now() > killAt && starting === undefined) {
        kills++
        // What was seen by then must stay known; what happens while it is away may be missed.
        await until(() => lastTrade === 0 || fills.fills.at(-1)?.seq === lastTrade, 'the last trade')
        const from = (await rig.stateHash()).seq
        gateway.child.removeAllListeners('exit')
        gateway.child.kill('SIGKILL')
        starting = startGatewayProcess(socket, dataDir).then(async (next) => {
          gateway = next
          line.port = next.port
          outages.push([from, (await rig.stateHash()).seq])
          starting = undefined
          killAt = performance.now() + KILL_EVERY_MS
        })
      }
      const { bids, asks } = await taker.depth(MARKET, 1)
      // More than one quote a side would be an order placed twice.
      expect(bids.length + asks.length).toBeLessThanOrEqual(2)
      const side = trades % 2 === 0 ? 'buy' : 'sell'
      const ticks = (side === 'buy' ? asks : bids)[0]?.[0]
      if (ticks !== undefined) {
        const order = { market: MARKET, side, ticks, lots: 3, timeInForce: 'IOC' } as const
        const { filledLots, seq } = await taker.placeOrder(order)
        if (filledLots > 0) {
          trades++
          lastTrade = seq
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    await starting
    line.wild = false
    stop.abort()
    await quoting
    await until(() => maker.state === 'open' && maker.unknownFrames === 0 && underway() === 0, 'calm')
    await maker.cancelAll()

    // What the client believes is what the exchange says.
    const { fills: all } = await witness.fills()
    const keyOf = ({ seq, index }: { seq: number; index: number }): string => `${seq}:${index}`
    const theirs = all.map(keyOf)
    const certain = all.filter(({ seq }) => !outages.some(([from, to]) => seq > from && seq <= to)).map(keyOf)
    await until(() => {
      const seen = new Set(fills.fills.map(keyOf))
      return certain.every((key) => seen.has(key))
    }, 'every fill that a gateway saw')
    // What happened while no gateway was there comes when the next one has read of it, or is said to be missing.
    await until(() => !fills.complete || fills.fills.length >= all.length, 'the fills of an outage')
    const seen = fills.fills.map(keyOf)
    // In order, each once; all of them unless it is said that some were missed.
    expect(seen).toEqual(theirs.filter((key) => seen.includes(key)))
    if (fills.complete) expect(seen).toEqual(theirs)
    await until(() => orders.live.size === 0 && book.bids().length + book.asks().length === 0, 'the end')
    expect(await witness.orders()).toEqual([])
    for (const { asset, availableUnits, reservedUnits } of await witness.balances()) {
      await until(() => balances.balances.get(asset.id)?.available === availableUnits, 'balances')
      expect(balances.balances.get(asset.id)).toEqual({ available: availableUnits, reserved: reservedUnits })
    }
    for (const one of [maker, taker, witness]) one.close()
    line.close()
    gateway.child.kill('SIGKILL')
    await bridge.stop()
    await rig.stop()

    // And what it was told of each command is what the journal holds.
    const journal = readJournal(dataDir)
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 })
    const unknown = told.filter(({ result }) => result.error?.codeName === 'OutcomeUnknown')
    const notTaken = told.filter(({ result }) => result.error?.codeName === 'NotTaken')
    console.log(
      `bad line: ${SECONDS} s, ${JSON.stringify(line.counts)}, gateway killed ${kills} times, ${trades} trades, ` +
        `${told.length} commands, ${lost()} frames lost, ${notTaken.length} commands not taken, ` +
        `${unknown.length} unknown, ${seen.length} fills seen of ${all.length}, complete ${fills.complete}`,
    )
    expect(trades).toBeGreaterThan(5)
    expect(kills).toBeGreaterThan(0)
    // In a few seconds it may be that no answer was under way at any cut.
    if (SECONDS === 120) expect(lost()).toBeGreaterThan(0)
    expect(line.counts.cut).toBeGreaterThan(0)
    expect(unknown).toEqual([])
    expect(journal.fills).toBe(all.length)
    const seqs = told.filter(({ result }) => result.seq > 0).map(({ result }) => result.seq)
    // The last cancel-all and the session's own commands included: each once, none besides.
    expect(seqs.sort((a, b) => a - b)).toEqual([...journal.taken].sort((a, b) => a - b))
    const placed = [...journal.accepted.values()]
    expect(new Set(placed).size).toBe(placed.length)
    for (const { command, result } of told) {
      const accepted = journal.accepted.get(result.seq)
      const taken = 'ticks' in command && 'side' in command && result.error === undefined
      expect([result.seq, accepted]).toEqual([result.seq, taken ? result.cloid : undefined])
    }
  },
  SECONDS * 1000 + 180_000,
)
