/**
 * The gateway process's end of one bridge (bridge.ts): a socket on the one side, on the other a pair of rings and a
 * control block, as a gateway thread has them inside the exchange. Everything that comes over the socket is
 * durable already; how far the journal is, with its head, comes before it into the control block.
 */
import type { Socket } from 'node:net'
import { ControlBlock, createControl } from '../../engine/rings/control.js'
import {
  RingReader,
  RingWriter,
  armDoorbell,
  createRing,
  disarmDoorbell,
  sleepOnDoorbellAsync,
} from '../../engine/rings/ring.js'
import { INBOUND_RING_BYTES, OUTBOUND_RING_BYTES } from '../../engine/limits.js'
import { LINK_MESSAGES_A_TURN, RING_RETRY_MS, SLEEP_MS_MAX } from '../limits.js'
import {
  BridgeFrame,
  BridgeInbox,
  RingFrames,
  jsonFrame,
  readDurable,
  writeTogether,
} from './bridge-frames.js'
import type { BridgeHello } from './bridge.js'
import type { BridgeRefusal } from './bridge-listener.js'
import type { EngineLinkOptions } from '../link/engine-link.js'
import type { FromGateway, ProofAnswer, ProofQuestion, ToGatewayProcess } from '../link/messages.js'

/** The exchange does not want this gateway process, or has gone without a word. */
export class GatewayProcessError extends Error {
  override readonly name = 'GatewayProcessError'
}

/** What the exchange says to the gateway as a whole. */
export type Told = Extract<ToGatewayProcess, { type: 'stop' | 'batch' | 'settlement' }>

export class ExchangeSocket {
  readonly control = new ControlBlock(createControl())
  /** The first word of the exchange. Rejects when there is none, or the process is refused. */
  readonly hello: Promise<BridgeHello>
  /** Resolves when the socket has closed. */
  readonly gone: Promise<void>
  readonly #socket: Socket
  readonly #onTold: (message: Told) => void
  readonly #inbound = createRing(INBOUND_RING_BYTES)
  readonly #outbound = createRing(OUTBOUND_RING_BYTES)
  readonly #writer: RingWriter
  /** Messages that found the ring full. */
  #waiting: Buffer[] = []
  readonly #answers = new Map<number, (answer: ProofAnswer | null) => void>()
  #nextTicket = 1
  #greet: (hello: BridgeHello) => void = () => {}
  #refuse: (error: Error) => void = () => {}
  #hasGone = false

  constructor(socket: Socket, onTold: (message: Told) => void) {
    this.#socket = socket
    this.#onTold = onTold
    this.#writer = new RingWriter(this.#outbound, this.control.producerDoorbell(0))
    this.hello = new Promise((resolve, reject) => {
      this.#greet = resolve
      this.#refuse = reject
    })
    this.hello.catch(() => {})
    socket.once('error', this.#refuse)
    this.gone = new Promise((resolve) =>
      socket.once('close', () => {
        this.#hasGone = true
        this.#refuse(new GatewayProcessError('the exchange ended the connection'))
        resolve()
      }),
    )
    const inbox = new BridgeInbox((type, body) => this.#received(type, body))
    socket.on('data', (chunk: Buffer) => inbox.push(chunk))
  }

  /** What a gateway thread is linked to. */
  get link(): EngineLinkOptions {
    return { producer: 0, inbound: this.#inbound, outbound: this.#outbound, control: this.control.sab }
  }

  tell(message: FromGateway): void {
    if (!this.#socket.destroyed) this.#socket.write(jsonFrame(message))
  }

  askProof(question: ProofQuestion): Promise<ProofAnswer | null> {
    return this.#ask((ticket) => ({ type: 'askProof', ticket, question }))
  }

  async guard(account: number, connections: number): Promise<void> {
    await this.#ask((ticket) => ({ type: 'guard', ticket, account, connections }))
  }

  /** Breaks the connection off. */
  destroy(): void {
    this.#socket.destroy()
  }

  #ask(question: (ticket: number) => FromGateway): Promise<ProofAnswer | null> {
    const ticket = this.#nextTicket++
    return new Promise((resolve) => {
      this.#answers.set(ticket, resolve)
      this.tell(question(ticket))
    })
  }

  #received(type: number, body: Buffer): void {
    if (type === BridgeFrame.Json)
      this.#heard(JSON.parse(body.toString()) as ToGatewayProcess | BridgeHello | BridgeRefusal)
    else if (type === BridgeFrame.Durable) {
      const { durableSeq, sequencedSeq, head } = readDurable(body)
      this.control.sequencedSeq = sequencedSeq
      this.control.setDurable(durableSeq, head)
    } else if (this.#waiting.length > 0 || !this.#take(body)) {
      this.#waiting.push(Buffer.from(body))
      this.#socket.pause()
      if (this.#waiting.length === 1) setTimeout(() => this.#retry(), RING_RETRY_MS)
    }
  }

  #heard(message: ToGatewayProcess | BridgeHello | BridgeRefusal): void {
    switch (message.type) {
      case 'exchange':
        this.control.epoch = message.epoch
        this.control.clockBaseMs = message.clockBaseMs
        this.#greet(message)
        break
      case 'refused':
        this.#refuse(new GatewayProcessError(message.reason))
        break
      case 'clock':
        this.control.clockBaseMs = message.clockBaseMs
        break
      case 'proof':
      case 'guarded':
        this.#answers.get(message.ticket)?.(message.type === 'proof' ? message.proof : null)
        this.#answers.delete(message.ticket)
        break
      default:
        this.#onTold(message)
    }
  }

  #take(body: Buffer): boolean {
    const at = this.#writer.tryClaim(body.length)
    if (at < 0) return false
    this.#writer.bytes.set(body, at)
    this.#writer.commit()
    return true
  }

  #retry(): void {
    let done = 0
    while (done < this.#waiting.length && this.#take(this.#waiting[done]!)) done++
    this.#waiting = this.#waiting.slice(done)
    if (this.#waiting.length > 0) setTimeout(() => this.#retry(), RING_RETRY_MS)
    else this.#socket.resume()
  }

  /** Sends on what the gateway thread puts into its ring, until the socket has closed. */
  async relay(): Promise<void> {
    const reader = new RingReader(this.#inbound)
    const frames = new RingFrames()
    const doorbell = this.control.engineDoorbell
    while (!this.#hasGone) {
      let handled = 0
      for (let at = reader.peek(); at >= 0 && handled < LINK_MESSAGES_A_TURN; at = reader.peek(), handled++) {
        frames.add(reader.bytes, at, reader.length)
        reader.release()
      }
      if (handled > 0) {
        if (!this.#socket.destroyed) writeTogether(this.#socket, frames.take())
        if (handled === LINK_MESSAGES_A_TURN) await new Promise<void>((resolve) => setImmediate(resolve))
        continue
      }
      const seen = armDoorbell(doorbell)
      if (reader.peek() >= 0) disarmDoorbell(doorbell)
      else await Promise.race([sleepOnDoorbellAsync(doorbell, seen, SLEEP_MS_MAX), this.gone])
    }
  }
}
