/**
 * The exchange's end of a gateway that runs in a process of its own: one pair of rings, relayed over a
 * local socket. When the gateway process dies, its connections are lost and nothing else: the rings go on
 * being emptied, and the next gateway process that connects takes over; while one is connected a second one
 * is refused, and told so. A gateway process is first told again what the engine lately did, so that fills
 * and orders that ended while no gateway listened are in its history too.
 *
 * Whoever may open the socket trades for everybody: it is made for its owner only (mode 0600).
 *
 * Invariant: only whole messages enter the ring, and only durable ones leave it. What an earlier gateway
 * process asked for is never handed to a later one: each has a number that travels in CONNECTION.
 */
import { type Server, type Socket, createServer } from 'node:net'
import { chmodSync, rmSync } from 'node:fs'
import { Control } from '../engine/control.js'
import { GatedReader } from '../engine/journal/gated-reader.js'
import { Inbound, Outbound, OutboundType } from '../engine/messages.js'
import { RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbellAsync } from '../engine/ring.js'
import { BatchList } from './batch-list.js'
import { BridgeFrame, BridgeInbox, bridgeFrame, durableFrame, jsonFrame } from './bridge-frames.js'
import type { EngineLinkOptions } from './engine-link.js'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  Deployment,
  FromGateway,
  GatewayStats,
  SettlementFigures,
  ToGatewayProcess,
} from './messages.js'

/** A gateway process that has so much unread is given up: the engine waits for nobody. */
const UNSENT_BYTES_MAX = 64 << 20
/** What the next gateway process is told again. */
const RECENT_BYTES_MAX = 24 << 20
const MESSAGES_A_TURN = 256
const SLEEP_MS_MAX = 1000
const RETRY_MS = 1
const NOBODY = -1
/** The end of a gateway process that died may be noticed a little later than its successor. */
const SUCCESSION_MS = 2000

/** The first thing that the exchange says. */
export interface BridgeHello {
  readonly type: 'exchange'
  /** How far engine time is ahead of the wall clock; told again by `clock`. */
  readonly clockAheadMs: number
  readonly epoch: number
  readonly deployment: Deployment
  readonly batches: readonly BatchInfo[]
}

/** Said instead, to a gateway process that is not wanted. */
export interface BridgeRefusal {
  readonly type: 'refused'
  readonly reason: string
}

export interface BridgeOptions {
  /** Path of the local socket; a file that is left over there is replaced, so the caller has the path's lock. */
  readonly path: string
  readonly link: EngineLinkOptions
  readonly deployment: Deployment
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
  /** Lets the gateway process go; resolves when nothing will be submitted any more. */
  stop(): Promise<void>
  /** Resolves when the engine has ended. */
  readonly ended: Promise<void>
}

class Bridge {
  readonly ended: Promise<void>
  stats: GatewayStats = { connections: 0, frames: 0, commands: 0, messagesOut: 0 }
  readonly #options: BridgeOptions
  readonly #control: Control
  readonly #writer: RingWriter
  readonly #reader: GatedReader
  readonly #batches: BatchList
  #server: Server | undefined
  #socket: Socket | undefined
  #generation = 0
  #clockTold = 0
  /** Messages of the gateway process that found the ring full. */
  readonly #waiting: Buffer[] = []
  #retry: NodeJS.Timeout | undefined
  #ended = false
  /** Newest messages of what was applied, oldest first. */
  #recent: Buffer[] = []
  #recentBytes = 0

  constructor(options: BridgeOptions) {
    this.#options = options
    const { link } = options
    this.#control = new Control(link.control)
    this.#writer = new RingWriter(link.inbound, this.#control.engineDoorbell)
    this.#reader = new GatedReader(link.outbound, this.#control)
    this.#batches = new BatchList(options.batches)
    this.ended = this.#run()
  }

  get connected(): boolean {
    return this.#socket !== undefined
  }

  listen(): Promise<void> {
    const { path } = this.#options
    rmSync(path, { force: true })
    const server = createServer((socket) => this.#accept(socket))
    this.#server = server
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, () => {
        chmodSync(path, 0o600)
        resolve()
      })
    })
  }

  /** A gateway process has come: it is taken when the one before has gone, and refused when that stays. */
  #accept(socket: Socket): void {
    const before = this.#socket
    if (before === undefined) return this.#take(socket)
    socket.on('error', () => {})
    const patience = setTimeout(() => {
      before.off('close', onClose)
      const refusal: BridgeRefusal = {
        type: 'refused',
        reason: `a gateway process is connected at ${this.#options.path} already`,
      }
      socket.resume()
      socket.end(jsonFrame(refusal))
    }, SUCCESSION_MS)
    const onClose = (): void => {
      clearTimeout(patience)
      // The close of the one before is seen here first: only then is its place free.
      setImmediate(() => (socket.destroyed ? undefined : this.#accept(socket)))
    }
    before.once('close', onClose)
    socket.once('close', () => {
      clearTimeout(patience)
      before.off('close', onClose)
    })
  }

  #take(socket: Socket): void {
    this.#socket = socket
    const generation = ++this.#generation
    this.#waiting.length = 0
    const { deployment } = this.#options
    const inbox = new BridgeInbox((type, body) => {
      if (this.#socket !== socket) return
      if (type === BridgeFrame.Ring) this.#submit(socket, body, generation)
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
    socket.on('close', () => {
      if (this.#socket === socket) this.#socket = undefined
    })
    const hello: BridgeHello = {
      type: 'exchange',
      clockAheadMs: this.#control.clockAheadMs,
      epoch: this.#control.epoch,
      deployment,
      batches: this.#batches.latest(),
    }
    const recent = this.#recent.map((body) => bridgeFrame(BridgeFrame.Ring, body))
    socket.write(Buffer.concat([jsonFrame(hello), durableFrame(this.#control.durableHead()), ...recent]))
  }

  /** Puts one message of the gateway process into the ring; waits while it is full. */
  #submit(socket: Socket, body: Buffer, generation: number): void {
    // Behind what waits already: order is kept.
    const at = this.#waiting.length > 0 ? -1 : this.#writer.tryClaim(body.length)
    if (at >= 0) {
      this.#write(at, body, generation)
      return
    }
    this.#waiting.push(Buffer.from(body))
    socket.pause()
    this.#retry ??= setTimeout(() => this.#drainWaiting(socket, generation), RETRY_MS)
  }

  #drainWaiting(socket: Socket, generation: number): void {
    this.#retry = undefined
    while (this.#waiting.length > 0 && generation === this.#generation) {
      const at = this.#writer.tryClaim(this.#waiting[0]!.length)
      if (at < 0) {
        if (!this.#ended) this.#retry = setTimeout(() => this.#drainWaiting(socket, generation), RETRY_MS)
        return
      }
      this.#write(at, this.#waiting.shift()!, generation)
    }
    socket.resume()
  }

  #write(at: number, body: Buffer, generation: number): void {
    this.#writer.bytes.set(body, at)
    this.#writer.words[(at >> 2) + Inbound.CONNECTION] = generation
    this.#writer.commit()
  }

  #told(message: FromGateway): void {
    if (message.type === 'stats') this.stats = message.stats
    if (message.type !== 'askProof') return
    const { ticket, question } = message
    const answer = (proof: ProofAnswer | null): void => this.tell({ type: 'proof', ticket, proof })
    const { askProof } = this.#options
    if (askProof === undefined) answer(null)
    else askProof(question).then(answer, () => answer(null))
  }

  batchChanged(batch: BatchInfo): void {
    this.#batches.put(batch)
    this.tell({ type: 'batch', batch })
  }

  tell(message: ToGatewayProcess): void {
    this.#socket?.write(jsonFrame(message))
  }

  /** Says how engine time stands to the clock, when that has changed. */
  tellClock(): void {
    const { clockAheadMs } = this.#control
    if (clockAheadMs !== this.#clockTold) this.tell({ type: 'clock', clockAheadMs })
    this.#clockTold = clockAheadMs
  }

  /** Empties the outbound ring, into the socket while there is one. */
  async #run(): Promise<void> {
    const doorbell = this.#control.producerDoorbell(this.#options.link.producer)
    while (!this.#ended) {
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
    this.#server?.close()
  }

  #drain(): boolean {
    const reader = this.#reader
    const frames: Buffer[] = []
    let handled = 0
    for (; handled < MESSAGES_A_TURN && !this.#ended; handled++) {
      const at = reader.poll()
      if (at < 0) break
      const body = Buffer.from(reader.bytes.slice(at, at + reader.length))
      if (reader.words[(at >> 2) + Outbound.TYPE] === OutboundType.Stop) this.#ended = true
      reader.release()
      if (this.#socket !== undefined) {
        const own = body.readInt32LE(Outbound.CONNECTION * 4) === this.#generation
        body.writeInt32LE(own ? 0 : NOBODY, Outbound.CONNECTION * 4)
        frames.push(bridgeFrame(BridgeFrame.Ring, body))
      }
      if (body.readInt32LE(Outbound.TYPE * 4) === OutboundType.Applied) this.#keep(body)
    }
    if (this.#socket !== undefined && frames.length > 0) {
      // Read after the messages were, so it is at or after each of them: a receipt's head must be.
      this.#socket.write(Buffer.concat([durableFrame(this.#control.durableHead()), ...frames]))
      if (this.#socket.writableLength > UNSENT_BYTES_MAX) this.#socket.destroy()
    }
    return handled === MESSAGES_A_TURN
  }

  /** Keeps a message for the next gateway process, to which it is nobody's answer. */
  #keep(body: Buffer): void {
    body.writeInt32LE(NOBODY, Outbound.CONNECTION * 4)
    this.#recent.push(body)
    this.#recentBytes += body.length
    if (this.#recentBytes <= 2 * RECENT_BYTES_MAX) return
    let from = 0
    // It begins with whole commands: a fill is numbered within its own.
    const isMidCommand = (): boolean => this.#recent[from - 1]!.readInt32LE(Outbound.MORE * 4) === 1
    for (; this.#recentBytes > RECENT_BYTES_MAX || isMidCommand(); from++)
      this.#recentBytes -= this.#recent[from]!.length
    this.#recent = this.#recent.slice(from)
  }

  stop(): Promise<void> {
    this.#server?.close()
    const socket = this.#socket
    if (socket === undefined) return Promise.resolve()
    this.tell({ type: 'stop' })
    return new Promise((resolve) => {
      const patience = setTimeout(() => socket.destroy(), SLEEP_MS_MAX)
      socket.once('close', () => {
        clearTimeout(patience)
        resolve()
      })
    })
  }
}

/** Opens the local socket at which a gateway process may connect. Rejects when the path cannot be used. */
export async function startGatewayBridge(options: BridgeOptions): Promise<RunningBridge> {
  const bridge = new Bridge(options)
  await bridge.listen()
  return {
    get stats() {
      return bridge.stats
    },
    get connected() {
      return bridge.connected
    },
    batchChanged: (batch) => bridge.batchChanged(batch),
    settlementChanged: (figures) => {
      bridge.tell({ type: 'settlement', figures })
      bridge.tellClock()
    },
    stop: () => bridge.stop(),
    ended: bridge.ended,
  }
}
