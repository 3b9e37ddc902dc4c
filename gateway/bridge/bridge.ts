/**
 * The exchange's end of a gateway that runs in a process of its own: one pair of rings, relayed over a
 * local socket. When the gateway process dies, its connections are lost and nothing else: the rings go on
 * being emptied, the orders of accounts that asked for it are cancelled, and the next gateway process that
 * connects takes over. A gateway process is first told again what the engine lately did, so that fills
 * and orders that ended while no gateway listened are in its history too.
 *
 * Invariant: only whole messages enter the ring, and only durable ones leave it. What an earlier gateway
 * process asked for is never handed to a later one: each has a number that travels in CONNECTION.
 */
import type { Socket } from 'node:net'
import { ControlBlock } from '../../engine/rings/control.js'
import { GatedReader } from '../../engine/rings/gated-reader.js'
import { INBOUND_HEADER_WORDS, Inbound, InboundType, Outbound, OutboundType } from '../../engine/messages.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../../engine/rings/ring.js'
import { BatchList } from '../views/batch-list.js'
import {
  BRIDGE_UNSENT_BYTES_MAX,
  LINK_MESSAGES_A_TURN,
  QUIET_MS_MAX,
  RING_RETRY_MS,
  SLEEP_MS_MAX,
} from '../limits.js'
import {
  BRIDGE_HEADER_BYTES,
  BridgeFrame,
  BridgeInbox,
  RingFrames,
  durableFrame,
  jsonFrame,
  writeTogether,
} from './bridge-frames.js'
import { disconnectCancel } from '../requests/disconnect-cancels.js'
import type { EngineLinkOptions } from '../link/engine-link.js'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  DeploymentInfo,
  FromGateway,
  GatewayStats,
  SettlementFigures,
  ToGatewayProcess,
} from '../link/messages.js'
import { RecentMessages } from './recent-messages.js'

const NOBODY = -1
const NO_STATS: GatewayStats = { connections: 0, frames: 0, commands: 0, messagesOut: 0 }

/** The first thing that the exchange says. */
export interface BridgeHello {
  readonly type: 'exchange'
  /** Engine time less the machine's monotonic clock, which both processes read; told again by `clock`. */
  readonly clockBaseMs: number
  readonly epoch: number
  readonly deployment: DeploymentInfo
  readonly batches: readonly BatchInfo[]
}

export interface BridgeOptions {
  readonly link: EngineLinkOptions
  readonly deployment: DeploymentInfo
  /** Settlement batches so far, oldest first. */
  readonly batches?: readonly BatchInfo[]
  readonly askProof?: (question: ProofQuestion) => Promise<ProofAnswer | null>
}

export interface RunningBridge {
  /** Counters of the gateway process that is connected. */
  readonly stats: GatewayStats
  /** Whether a gateway process is connected. */
  readonly connected: boolean
  batchChanged(batch: BatchInfo): void
  settlementChanged(figures: SettlementFigures): void
  /**
   * Tells the gateway process to stop; resolves when it submits nothing any more. It goes on taking what the engine
   * still sends and ends with it.
   */
  stop(): Promise<void>
  /** Resolves when the engine has ended. */
  readonly ended: Promise<void>
}

export class Bridge implements RunningBridge {
  readonly ended: Promise<void>
  stats = NO_STATS
  /** How often the gateway process has told its counters: twice a second while it runs. */
  statsTold = 0
  readonly #options: BridgeOptions
  readonly #control: ControlBlock
  readonly #writer: RingWriter
  readonly #reader: GatedReader
  readonly #batches: BatchList
  readonly #frames = new RingFrames()
  readonly #recent = new RecentMessages()
  #socket: Socket | undefined
  #generation = 0
  #clockTold = 0
  /** What found the ring full, oldest first. */
  #waiting: Buffer[] = []
  #retry: NodeJS.Timeout | undefined
  /** Accounts whose orders are cancelled when the gateway process ends by itself. */
  readonly #guarded = new Set<number>()
  #onQuiet: () => void = () => {}
  #ended = false

  constructor(options: BridgeOptions) {
    this.#options = options
    const { link } = options
    this.#control = new ControlBlock(link.control)
    this.#writer = new RingWriter(link.inbound, this.#control.engineDoorbell)
    this.#reader = new GatedReader(link.outbound, this.#control)
    this.#batches = new BatchList(options.batches)
    this.ended = this.#run()
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  /** Takes a gateway process, once the one before has gone: its socket has closed. */
  connect(socket: Socket): void {
    if (this.#socket !== undefined) throw new Error('bridge: a gateway process is connected already')
    this.#socket = socket
    const generation = ++this.#generation
    const inbox = new BridgeInbox((type, body) => {
      if (type === BridgeFrame.Ring) this.#submit(body, generation)
      else this.#told(JSON.parse(body.toString()) as FromGateway)
    })
    socket.on('data', (chunk: Buffer) => {
      try {
        inbox.push(chunk)
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    socket.on('error', () => {})
    socket.once('close', () => this.#cut())
    this.#clockTold = this.#control.clockBaseMs ?? 0
    const hello: BridgeHello = {
      type: 'exchange',
      clockBaseMs: this.#clockTold,
      epoch: this.#control.epoch,
      deployment: this.#options.deployment,
      batches: this.#batches.latest(),
    }
    writeTogether(socket, [jsonFrame(hello), this.#durable(), ...this.#recent.again(NOBODY)])
  }

  /** The gateway process has gone, and what it had sent has been read. */
  #cut(): void {
    this.#socket = undefined
    this.stats = { ...this.stats, connections: 0 }
    // Nobody was told of what waits yet, and nobody knows it any more; the cancels of an earlier one's end are ours.
    this.#waiting = this.#waiting.filter((body) => body.readInt32LE(Inbound.CONNECTION * 4) === NOBODY)
    for (const account of this.#guarded) this.#submitCancel(account)
    this.#guarded.clear()
    this.#onQuiet()
  }

  #submitCancel(account: number): void {
    const record = disconnectCancel(account)
    const message = new Int32Array(INBOUND_HEADER_WORDS + record.length)
    message[Inbound.TYPE] = InboundType.Commands
    message[Inbound.COUNT] = 1
    message.set(record, INBOUND_HEADER_WORDS)
    this.#submit(Buffer.from(message.buffer), NOBODY)
  }

  /** Puts one message into the ring, as asked by `connection`; it waits while that is full. */
  #submit(body: Buffer, connection: number): void {
    // Behind what waits already: order is kept.
    if (this.#waiting.length === 0 && this.#write(body, connection)) return
    const copy = Buffer.from(body)
    copy.writeInt32LE(connection, Inbound.CONNECTION * 4)
    this.#waiting.push(copy)
    this.#socket?.pause()
    this.#retry ??= setTimeout(() => this.#drainWaiting(), RING_RETRY_MS)
  }

  #drainWaiting(): void {
    this.#retry = undefined
    let done = 0
    for (const body of this.#waiting) {
      if (!this.#write(body, body.readInt32LE(Inbound.CONNECTION * 4))) break
      done++
    }
    this.#waiting = this.#waiting.slice(done)
    if (this.#waiting.length === 0) this.#socket?.resume()
    else if (!this.#ended) this.#retry = setTimeout(() => this.#drainWaiting(), RING_RETRY_MS)
  }

  #write(body: Buffer, connection: number): boolean {
    const at = this.#writer.tryClaim(body.length)
    if (at < 0) return false
    this.#writer.bytes.set(body, at)
    this.#writer.words[(at >> 2) + Inbound.CONNECTION] = connection
    this.#writer.commit()
    return true
  }

  #told(message: FromGateway): void {
    switch (message.type) {
      case 'stats':
        this.stats = message.stats
        this.statsTold++
        break
      case 'quiet':
        this.#onQuiet()
        break
      case 'guard':
        if (message.connections > 0) this.#guarded.add(message.account)
        else this.#guarded.delete(message.account)
        this.tell({ type: 'guarded', ticket: message.ticket })
        break
      case 'askProof': {
        const { ticket, question } = message
        const answer = (proof: ProofAnswer | null): void => this.tell({ type: 'proof', ticket, proof })
        const { askProof } = this.#options
        if (askProof === undefined) answer(null)
        else askProof(question).then(answer, () => answer(null))
      }
    }
  }

  batchChanged(batch: BatchInfo): void {
    this.#batches.put(batch)
    this.tell({ type: 'batch', batch })
  }

  settlementChanged(figures: SettlementFigures): void {
    this.tell({ type: 'settlement', figures })
  }

  #tellClock(): void {
    const clockBaseMs = this.#control.clockBaseMs ?? 0
    if (clockBaseMs !== this.#clockTold) this.tell({ type: 'clock', clockBaseMs })
    this.#clockTold = clockBaseMs
  }

  tell(message: ToGatewayProcess): void {
    this.#socket?.write(jsonFrame(message))
  }

  #durable(): Buffer {
    const { seq, head } = this.#control.durableHead()
    return durableFrame({ durableSeq: seq, sequencedSeq: this.#control.sequencedSeq, head })
  }

  /** Empties the outbound ring, into the socket while there is one. */
  async #run(): Promise<void> {
    const doorbell = this.#control.producerDoorbell(this.#options.link.producer)
    while (!this.#ended) {
      // At least once in SLEEP_MS_MAX: a clock that was set reaches the gateway process without any message.
      this.#tellClock()
      if (this.#drain()) {
        await new Promise<void>((resolve) => setImmediate(resolve))
        continue
      }
      const seen = armDoorbell(doorbell)
      if (this.#reader.poll() >= 0 || this.#control.failure !== 0) disarmDoorbell(doorbell)
      else await sleepOnDoorbellAsync(doorbell, seen, SLEEP_MS_MAX)
      if (this.#control.failure !== 0 && this.#reader.poll() < 0) this.#ended = true
    }
    this.#socket?.end()
  }

  #drain(): boolean {
    const reader = this.#reader
    let handled = 0
    for (; handled < LINK_MESSAGES_A_TURN && !this.#ended; handled++) {
      const at = reader.poll()
      if (at < 0) break
      const frame = this.#frames.add(reader.bytes, at, reader.length)
      const type = reader.words[(at >> 2) + Outbound.TYPE]
      const own = reader.words[(at >> 2) + Outbound.CONNECTION] === this.#generation
      reader.release()
      frame.writeInt32LE(own ? 0 : NOBODY, BRIDGE_HEADER_BYTES + Outbound.CONNECTION * 4)
      if (type === OutboundType.Stop) this.#ended = true
      else if (type === OutboundType.Applied) this.#recent.keep(frame)
    }
    const pieces = this.#frames.take()
    const socket = this.#socket
    if (socket !== undefined && pieces.length > 0) {
      // Read after the messages were, so it is at or after each of them: a receipt's head must be.
      writeTogether(socket, [this.#durable(), ...pieces])
      if (socket.writableLength > BRIDGE_UNSENT_BYTES_MAX) socket.destroy()
    }
    return handled === LINK_MESSAGES_A_TURN
  }

  stop(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      const patience = setTimeout(() => socket.destroy(), QUIET_MS_MAX)
      this.#onQuiet = () => {
        clearTimeout(patience)
        resolve()
      }
      this.tell({ type: 'stop' })
    })
  }
}
