/**
 * A gateway as a process of its own: connects to the exchange's local socket (bridge.ts), keeps a pair of
 * rings of its own, and runs the same gateway thread on them. Everything that comes over the socket is
 * durable already; how far the journal is, with its head, comes before it into the local control block.
 *
 * When the exchange goes, the gateway ends its clients' connections and itself; when the gateway goes, the
 * exchange does not notice.
 */
import { connect } from 'node:net'
import { Control, Failure, createControl } from '../engine/control.js'
import {
  RingReader,
  RingWriter,
  armDoorbell,
  createRing,
  disarmDoorbell,
  sleepOnDoorbellAsync,
} from '../engine/ring.js'
import { BridgeFrame, BridgeInbox, bridgeFrame, jsonFrame, readDurable } from './bridge-frames.js'
import type { BridgeHello, BridgeRefusal } from './bridge.js'
import type { GatewayConfig } from './config.js'
import type { ProofAnswer, FromGateway, ToGatewayProcess } from './messages.js'
import { type RunningGateway, startGateway } from './start.js'

const INBOUND_BYTES = 4 << 20
const OUTBOUND_BYTES = 16 << 20
const SLEEP_MS_MAX = 1000
const STATS_EVERY_MS = 500

export interface GatewayProcessOptions {
  /** The exchange's local socket. */
  readonly path: string
  readonly config: GatewayConfig
  /** Folder for history; none = memory only. */
  readonly folder?: string
  /** The exchange's data folder: its journal says what history lacks; none = that is not to be had. */
  readonly dataDir?: string
  /** PKCS#8 DER of the operator's key that signs receipts; none = no receipts. */
  readonly receiptKey?: Uint8Array
  /** Told when the gateway listens. */
  readonly onListening: (port: number) => void
}

/** The exchange does not want this gateway process, or has gone without a word. */
export class GatewayProcessError extends Error {
  override readonly name = 'GatewayProcessError'
}

/**
 * Runs until the exchange stops. Rejects when there is no exchange, when the port is taken, and with
 * GatewayProcessError when the exchange refuses this process or the connection breaks without a stop.
 */
export async function runGatewayProcess(options: GatewayProcessOptions): Promise<void> {
  const socket = connect(options.path)
  const control = new Control(createControl())
  const inbound = createRing(INBOUND_BYTES)
  const outbound = createRing(OUTBOUND_BYTES)
  const writer = new RingWriter(outbound, control.producerDoorbell(0))
  const waiting: Buffer[] = []
  const proofs = new Map<number, (proof: ProofAnswer | null) => void>()
  let nextProof = 1
  /** Set once the gateway listens; the exchange may speak of batches and stops before. */
  const own: { gateway?: RunningGateway } = {}
  let greet: (hello: BridgeHello) => void
  let refuse: (error: Error) => void
  const hello = new Promise<BridgeHello>((resolve, reject) => {
    greet = resolve
    refuse = reject
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('the exchange ended the connection')))
  })
  hello.catch(() => {})

  const take = (body: Buffer): boolean => {
    const at = writer.tryClaim(body.length)
    if (at < 0) return false
    writer.bytes.set(body, at)
    writer.commit()
    return true
  }
  const retry = (): void => {
    while (waiting.length > 0 && take(waiting[0]!)) waiting.shift()
    if (waiting.length > 0) setTimeout(retry, 1)
    else socket.resume()
  }
  let isStopped = false
  let died: Error | undefined
  const told = (message: ToGatewayProcess | BridgeHello | BridgeRefusal): void => {
    if (message.type === 'exchange') greet(message)
    else if (message.type === 'refused') refuse(new GatewayProcessError(message.reason))
    else if (message.type === 'batch') own.gateway?.batchChanged(message.batch)
    else if (message.type === 'clock') control.clockAheadMs = message.clockAheadMs
    else if (message.type === 'settlement') own.gateway?.settlementChanged(message.figures)
    else if (message.type === 'proof') {
      proofs.get(message.ticket)?.(message.proof)
      proofs.delete(message.ticket)
    } else {
      isStopped = true
      void (own.gateway?.stop() ?? Promise.resolve()).then(() => socket.end())
    }
  }
  const inbox = new BridgeInbox((type, body) => {
    if (type === BridgeFrame.Json)
      told(JSON.parse(body.toString()) as ToGatewayProcess | BridgeHello | BridgeRefusal)
    else if (type === BridgeFrame.Durable) {
      const { seq, head } = readDurable(body)
      control.setDurable(seq, head)
    } else if (waiting.length > 0 || !take(body)) {
      waiting.push(Buffer.from(body))
      socket.pause()
      if (waiting.length === 1) setTimeout(retry, 1)
    }
  })
  socket.on('data', (chunk: Buffer) => inbox.push(chunk))
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()))

  const { epoch, deployment, batches, clockAheadMs } = await hello
  control.epoch = epoch
  control.clockAheadMs = clockAheadMs
  const relayed = relay(
    inbound,
    control,
    (message) => socket.write(bridgeFrame(BridgeFrame.Ring, message)),
    gone,
  )
  const gateway = await startGateway({
    links: [{ producer: 0, inbound, outbound, control: control.sab }],
    config: options.config,
    deployment,
    batches,
    owners: [],
    ...(options.folder === undefined ? {} : { folder: options.folder }),
    ...(options.dataDir === undefined ? {} : { dataDir: options.dataDir }),
    ...(options.receiptKey === undefined ? {} : { receiptKey: options.receiptKey }),
    askProof: (asked) =>
      new Promise((resolve) => {
        const ticket = nextProof++
        proofs.set(ticket, resolve)
        const question: FromGateway = { type: 'askProof', ticket, question: asked }
        socket.write(jsonFrame(question))
      }),
    onDied: (error) => {
      died ??= error
      socket.destroy()
    },
  }).catch((error: unknown) => {
    control.fail(Failure.ThreadDied, 'the gateway could not start')
    socket.destroy()
    throw error
  })
  own.gateway = gateway
  options.onListening(gateway.port)
  const stats = setInterval(() => {
    const message: FromGateway = { type: 'stats', stats: gateway.stats }
    if (!socket.destroyed) socket.write(jsonFrame(message))
  }, STATS_EVERY_MS)
  await gone
  clearInterval(stats)
  await gateway.stop()
  // Nothing comes from the engine any more: that ends the gateway's threads.
  control.fail(Failure.ThreadDied, 'the exchange ended the connection')
  await Promise.all([gateway.ended, relayed])
  if (died !== undefined) throw new GatewayProcessError(`the gateway has died: ${died.message}`)
  if (!isStopped) throw new GatewayProcessError('the exchange ended the connection without a stop')
}

/** Sends on what the gateway thread puts into its ring, until `gone`. */
async function relay(
  inbound: SharedArrayBuffer,
  control: Control,
  send: (message: Uint8Array) => void,
  gone: Promise<void>,
): Promise<void> {
  const reader = new RingReader(inbound)
  const doorbell = control.engineDoorbell
  let ended = false
  void gone.then(() => {
    ended = true
  })
  while (!ended) {
    const at = reader.peek()
    if (at >= 0) {
      send(reader.bytes.slice(at, at + reader.length))
      reader.release()
      continue
    }
    const seen = armDoorbell(doorbell)
    if (reader.peek() >= 0) disarmDoorbell(doorbell)
    else await sleepOnDoorbellAsync(doorbell, seen, SLEEP_MS_MAX)
  }
}
