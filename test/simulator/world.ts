/**
 * One simulated run: clients, a lossy network, the exchange (server.ts), a fake disk and clock, one
 * random step at a time, all drawn from the seed. Steps may crash the process or the machine, break the
 * disk or the clock; afterwards the world is let settle and the checker looks at what is left.
 *
 * The same seed and count of steps give the same run. A run with fewer steps is a prefix of it.
 */
import { EventKind, Reject } from '../../engine/codes.js'
import { JournalDamage } from '../../engine/journal/reader.js'
import { StateMismatch } from '../../engine/recovery/recovery.js'
import { takeSnapshot } from '../../engine/recovery/take-snapshot.js'
import {
  COMMAND_WORDS,
  EVENT_WORDS,
  Ev,
  FrameCmd,
  OrderCmd,
  RejectedEv,
  kindOf,
} from '../../engine/layout.js'
import { OutboundType } from '../../engine/messages.js'
import { Checker, Violation } from './checker.js'
import { Operator, Trader } from './clients.js'
import { FakeDisk } from './fake-disk.js'
import { flipBit, mendChecksums, mendFlip, type Flip } from './flips.js'
import type { Frame, Message } from './frames.js'
import { Random } from './random.js'
import { DATA_DIR, Server, type Mutations, type Released } from './server.js'

const TRADERS = 3
/** Boots in a row that faults may spoil before the disk is left alone. */
const BAD_BOOTS_MAX = 4
/** Rounds in which a world without faults must come to rest. */
const SETTLE_ROUNDS = 3000

export interface Totals {
  commands: number
  boots: number
  crashes: number
  halts: number
  stops: number
  refusals: number
  tornBlocks: number
  snapshots: number
  fallbacks: number
  released: number
}

export const noTotals = (): Totals => ({
  commands: 0,
  boots: 0,
  crashes: 0,
  halts: 0,
  stops: 0,
  refusals: 0,
  tornBlocks: 0,
  snapshots: 0,
  fallbacks: 0,
  released: 0,
})

type Packet =
  | { readonly to: 'gateway'; readonly trader: number; readonly connection: number; readonly frame: Frame }
  | {
      readonly to: 'trader'
      readonly trader: number
      readonly connection: number
      readonly nonce: number
      readonly firstSeq: number
    }

export class World {
  readonly totals = noTotals()
  private readonly random: Random
  private readonly disk: FakeDisk
  private readonly checker = new Checker()
  private readonly traders: Trader[]
  private readonly operator: Operator
  private readonly accounts: number[]
  private readonly segmentBytes: number
  /** This run's taste: how likely crashes and faults are, how bad the network is. */
  private readonly crashes: number
  private readonly diskFaults: number
  private readonly loss: number
  private server: Server | undefined
  private now = 1_700_000_000_000
  private step = 0
  private network: Packet[] = []
  private connections: number[]
  private nextConnection = 1
  private requests = new Map<number, { trader: number; connection: number; nonce: number }>()
  private tasks = new Map<number, number>()
  private nextRequest = 1
  private journalIsSlow = 0
  private isCalm = false
  private flip: Flip | undefined
  /** Starts in a row that came to nothing. */
  private badBoots = 0
  private uniqueNonce = 1_000_000

  constructor(
    seed: number,
    private readonly mutations: Mutations,
  ) {
    this.random = new Random(seed)
    this.disk = new FakeDisk(this.random)
    this.accounts = Array.from({ length: TRADERS }, (_, index) => index + 1)
    this.traders = this.accounts.map((account, index) => new Trader(this.random, index, account))
    this.operator = new Operator(this.random, this.accounts, this.now)
    this.connections = this.traders.map(() => -1)
    this.segmentBytes = this.random.pick([16, 16, 32, 64]) * 1024
    this.crashes = this.random.pick([0, 0.002, 0.005, 0.02])
    this.diskFaults = this.random.pick([0, 0, 0.002, 0.01])
    this.loss = this.random.pick([0, 0.02, 0.2])
  }

  /** Runs `steps` random steps, lets the world settle and checks it. Throws a Violation. */
  run(steps: number): void {
    for (this.step = 0; this.step < steps; this.step++) this.guarded(() => this.act())
    this.settle()
    this.check()
    this.totals.commands += this.server!.engine.seq
    this.totals.released += this.checker.released
  }

  /** Runs one step; a death in it is simulated, anything else is a finding. */
  private guarded(work: () => void): void {
    try {
      if (this.server === undefined) this.boot()
      work()
    } catch (error) {
      if (this.disk.hasCrashed) this.die('crash')
      else if (error instanceof Error && /^Journal(Write|Sync)Error$/.test(error.name)) this.die('halt')
      else throw error
    }
  }

  private act(): void {
    const server = this.server!
    const { random } = this
    const roll = random.below(100)
    if (roll < 26) this.traderActs(random.below(TRADERS))
    else if (roll < 32) this.operatorActs(true)
    else if (roll < 52) this.deliver()
    else if (roll < 68) server.turn()
    else if (roll < 84) this.journalTurn()
    else if (roll < 94) server.poll(random.below(2))
    else if (roll < 96) this.moveClock()
    else if (roll < 97) server.tick()
    else if (roll < 98) this.rare()
    else this.maybeBreak()
  }

  private journalTurn(): void {
    if (this.journalIsSlow > 0) this.journalIsSlow--
    else this.server!.writeJournal()
  }

  private rare(): void {
    const { random } = this
    const roll = random.below(9)
    if (roll === 8) {
      this.server!.close()
      this.die('stop')
    } else if (roll < 2) this.journalIsSlow = random.below(20)
    else if (roll < 4)
      this.server!.submitGarbage(random.below(2), random.below(4) * 7, random.below(5000) - 1)
    else if (roll < 6) this.breakConnection(random.below(TRADERS))
    else this.snapshot()
  }

  private snapshot(): void {
    const durable = this.server!.control.durableSeq
    if (durable === 0) return
    takeSnapshot({
      disk: this.disk,
      dataDir: DATA_DIR,
      durableSeq: () => durable,
      onLog: (line) => this.log(line),
    })
    this.totals.snapshots++
  }

  /** Sets up what goes wrong next, as this run likes it. Called in 2 of 100 steps. */
  private maybeBreak(): void {
    const { random, disk } = this
    if (random.chance(this.crashes * 50)) {
      if (random.chance(0.5)) {
        this.die('crash')
        return
      }
      disk.faults.crashIn = random.below(12)
    }
    if (random.chance(this.diskFaults * 50)) {
      const kind = random.below(4)
      if (kind === 0) disk.faults.badWriteIn = random.below(6)
      else if (kind === 1) disk.faults.badSyncIn = random.below(6)
      else if (kind === 2) disk.faults.full = true
      else this.damage()
    }
  }

  /** Flips a bit at rest, then the process dies and the next start meets it. */
  private damage(): void {
    this.die('crash', true)
    if (this.flip !== undefined) return
    this.flip = flipBit(this.disk, this.random)
    if (this.flip !== undefined && this.mutations.noCrc === true) mendChecksums(this.disk, this.flip)
  }

  /** Everything in the process is gone; at half of the crashes the machine loses power as well. */
  private die(kind: 'crash' | 'halt' | 'stop', isProcessOnly = false): void {
    this.server = undefined
    this.requests.clear()
    this.tasks.clear()
    this.network = this.network.filter(({ to }) => to === 'trader' && this.random.chance(0.5))
    this.connections = this.connections.map(() => -1)
    for (const trader of this.traders) trader.reconnect()
    this.operator.reconnect()
    this.disk.clearFaults()
    if (kind === 'crash') {
      this.totals.crashes++
      if (!isProcessOnly && this.random.chance(0.5)) this.disk.losePower()
    } else if (kind === 'halt') this.totals.halts++
    else this.totals.stops++
  }

  private boot(): void {
    const { disk, random } = this
    // A start can be hit as well, a bounded number of times in a row.
    if (!this.isCalm && this.badBoots < BAD_BOOTS_MAX) {
      if (random.chance(this.crashes * 10)) disk.faults.crashIn = random.below(14)
      if (random.chance(this.diskFaults * 10)) disk.faults.badSyncIn = random.below(6)
      if (random.chance(this.diskFaults * 10)) disk.faults.badWriteIn = random.below(6)
    }
    this.badBoots++
    const before = this.flip === undefined ? undefined : disk.contents()
    try {
      this.server = new Server({
        disk,
        clock: () => this.now,
        segmentBytes: this.segmentBytes,
        mutations: this.mutations,
        onReleased: (producer, message) => this.onReleased(producer, message),
        onLog: (line) => this.log(line),
      })
    } catch (error) {
      const isRefusal = error instanceof JournalDamage || error instanceof StateMismatch
      if (!isRefusal || this.flip === undefined) throw error
      this.refused(before!)
      return
    }
    this.badBoots = 0
    this.totals.boots++
    this.checker.begin(this.server.engine, this.accounts)
  }

  /** A refused start must have changed nothing. Then somebody mends the disk. */
  private refused(before: Map<string, Uint8Array>): void {
    this.totals.refusals++
    const after = this.disk.contents()
    for (const [path, bytes] of before)
      if (Buffer.compare(bytes, after.get(path) ?? new Uint8Array(0)) !== 0)
        throw new Violation(`a refused start changed ${path}`)
    this.mend()
    this.boot()
  }

  private mend(): void {
    if (this.flip !== undefined) mendFlip(this.disk, this.flip)
    this.flip = undefined
  }

  private check(): void {
    const check = (): void => this.checker.check(this.disk, this.server!.engine, this.traders, this.accounts)
    try {
      check()
    } catch (error) {
      // A start that rests on a snapshot does not look at older blocks: only the audit finds the flip there.
      if (!(error instanceof JournalDamage) || this.flip === undefined) throw error
      this.mend()
      check()
    }
  }

  private traderActs(index: number): void {
    if (this.connections[index] === -1) {
      this.connections[index] = this.nextConnection++
      return
    }
    const frame = this.traders[index]!.act(this.step, !this.isCalm && this.operator.isSetUp, this.now)
    if (frame === undefined) return
    const packet: Packet = { to: 'gateway', trader: index, connection: this.connections[index]!, frame }
    if (!this.isCalm && this.random.chance(this.loss)) return
    this.network.push(packet)
    if (!this.isCalm && this.random.chance(this.loss)) this.network.push(packet)
  }

  private breakConnection(index: number): void {
    this.connections[index] = -1
    this.traders[index]!.reconnect()
  }

  private operatorActs(mayStart: boolean): void {
    const next = this.operator.act(this.step, mayStart, this.now)
    if (next === undefined) return
    const request = this.nextRequest++
    if (this.server!.submit(1, request, next.message)) this.tasks.set(request, next.task)
  }

  /** Takes a packet, mostly the oldest, to where it goes. */
  private deliver(): void {
    const { network, random } = this
    if (network.length === 0) return
    const index = random.chance(0.8) ? 0 : random.below(network.length)
    const packet = network.splice(index, 1)[0]!
    if (packet.to === 'trader') {
      // An answer on a connection that is gone is lost.
      if (packet.connection !== this.connections[packet.trader]) return
      const conflict = this.traders[packet.trader]!.answered(packet.nonce, packet.firstSeq)
      if (conflict !== '') throw new Violation(conflict)
      return
    }
    const request = this.nextRequest++
    const { trader, connection, frame } = packet
    const message = this.mutations.noDedupe === true ? this.asNew(frame) : frame
    if (this.server!.submit(0, request, message))
      this.requests.set(request, { trader, connection, nonce: frame.nonce })
  }

  /** The dedupe switched off: the same wish under a nonce and client order ids never seen before. */
  private asNew(frame: Frame): Message {
    const words = frame.words.slice()
    const floats = new Float64Array(words.buffer)
    floats[FrameCmd.NONCE_F64] = this.uniqueNonce++
    for (let at = COMMAND_WORDS; at < words.length; at += COMMAND_WORDS)
      words[at + OrderCmd.CLOID_HI] = this.uniqueNonce
    return { ...frame, words, floats }
  }

  /** The gateway: notes what left, and answers the client that asked. */
  private onReleased(producer: number, message: Released): void {
    this.checker.note(producer, message)
    if (message.type !== OutboundType.Applied || !message.isOwn) return
    if (producer === 1) {
      const task = this.tasks.get(message.request)
      if (task !== undefined) this.operator.answered(task)
      return
    }
    const asked = this.requests.get(message.request)
    if (asked === undefined) return
    this.requests.delete(message.request)
    const firstSeq = executedAt(message)
    if (firstSeq < 0 || (!this.isCalm && this.random.chance(this.loss))) return
    this.network.push({ to: 'trader', ...asked, firstSeq })
  }

  private moveClock(): void {
    const roll = this.random.below(20)
    if (roll === 0) this.now -= this.random.below(100_000)
    else if (roll === 1) this.now += this.random.below(100_000)
    else this.now += this.random.below(50)
  }

  /** No more faults: every client gets its answers, then the exchange is stopped in order. */
  private settle(): void {
    this.isCalm = true
    this.disk.clearFaults()
    this.journalIsSlow = 0
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      this.step++
      this.guarded(() => {
        for (let index = 0; index < TRADERS; index++) this.traderActs(index)
        this.operatorActs(false)
        while (this.network.some(({ to }) => to === 'gateway')) this.deliver()
        this.server!.turn()
        this.server!.writeJournal()
        this.server!.pollAll()
        while (this.network.length > 0) this.deliver()
      })
      if (this.server !== undefined && this.isIdle()) {
        this.server.close()
        return
      }
    }
    throw new Violation(`clients are without answer ${SETTLE_ROUNDS} rounds after the last fault`)
  }

  private isIdle(): boolean {
    return this.network.length === 0 && this.operator.isIdle && this.traders.every(({ isIdle }) => isIdle)
  }

  private log(line: string): void {
    if (line.startsWith('cut off')) this.totals.tornBlocks++
    if (line.startsWith('snapshot')) this.totals.fallbacks++
  }
}

/** Seq at which the frame that a message answers was first executed; -1 when it was not. */
function executedAt({ words, floats, at, count, firstSeq }: Released): number {
  if (count === 0) return -1
  // A Time command of the sequencer may stand before the frame: its events have a smaller seq.
  for (let index = 0; index < count; index++) {
    const from = at + index * EVENT_WORDS
    if (floats[from / 2 + Ev.SEQ_F64] !== firstSeq) continue
    const kind = kindOf(words[from]!)
    if (kind === EventKind.FrameOpened) return firstSeq
    if (kind === EventKind.Rejected && words[from + RejectedEv.CODE] === Reject.FrameNonceUsed)
      return floats[from / 2 + RejectedEv.FIRST_SEQ_F64]!
    return -1
  }
  return -1
}
