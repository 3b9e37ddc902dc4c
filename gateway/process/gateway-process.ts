/**
 * A gateway as a process of its own: connects to the exchange over local sockets, one for each of its threads, and
 * runs the same gateway threads on them as an exchange has inside.
 *
 * When the exchange goes, the gateway ends its clients' connections and itself; when the gateway goes, the
 * exchange does not notice.
 */
import type { OnLog } from '../../engine/types.js'
import type { Socket } from 'node:net'
import { Failure } from '../../engine/rings/control.js'
import type { GatewayConfig } from '../settings/config.js'
import { ExchangeSocket, GatewayProcessError, type Told } from '../bridge/exchange-socket.js'
import type { BatchInfo } from '../link/messages.js'
import { type RunningGateway, startGateway } from './start.js'

export interface GatewayProcessOptions {
  /** One to each bridge of the exchange: so many threads there are. */
  readonly sockets: readonly Socket[]
  readonly config: GatewayConfig
  /** Folder for history; none = memory only. */
  readonly folder?: string
  /** The exchange's data folder: its journal says what history lacks; none = that is not to be had. */
  readonly dataDir?: string
  /** PKCS#8 DER of the operator's key that signs receipts; none = no receipts. */
  readonly receiptKey?: Uint8Array
  /** Lines for the operator. */
  readonly onLog: OnLog
  /** Told when the gateway listens. */
  readonly onListening: (port: number) => void
}

/**
 * Runs until the exchange stops. Rejects when there is no exchange, when the port is taken, and with
 * GatewayProcessError when the exchange refuses this process or the connection breaks without a stop.
 */
export async function runGatewayProcess(options: GatewayProcessOptions): Promise<void> {
  const { sockets, config, folder, dataDir, receiptKey } = options
  /** Set once the gateway listens; the exchange may speak of batches and stops before. */
  const own: { gateway?: RunningGateway } = {}
  const early: BatchInfo[] = []
  let isStopped = false
  let died: Error | undefined
  /** Threads that have told how much they did since all had. */
  const told = new Set<number>()
  const stop = async (): Promise<void> => {
    isStopped = true
    await own.gateway?.stop()
    for (const line of lines) line.tell({ type: 'quiet' })
  }
  const heard = (message: Told, index: number): void => {
    if (message.type === 'stop') {
      if (!isStopped) void stop()
      // The others say the same.
    } else if (index > 0) return
    else if (message.type === 'batch') {
      if (own.gateway === undefined) early.push(message.batch)
      else own.gateway.batchChanged(message.batch)
    } else own.gateway?.settlementChanged(message.figures)
  }
  const lines = sockets.map((socket, index) => new ExchangeSocket(socket, (message) => heard(message, index)))
  const first = lines[0]!
  const gone = Promise.race(lines.map((line) => line.gone))
  const breakOff = (reason: string): void => {
    for (const line of lines) {
      // Nothing comes from the engine any more: that ends the gateway's threads.
      line.control.fail(Failure.ThreadDied, reason)
      line.destroy()
    }
  }

  const [hello] = await Promise.all(lines.map((line) => line.hello))
  const relayed = lines.map((line) => line.relay())
  const gateway = await startGateway({
    links: lines.map(({ link }) => link),
    config,
    deployment: hello!.deployment,
    batches: hello!.batches,
    owners: [],
    ...(folder === undefined ? {} : { folder }),
    ...(dataDir === undefined ? {} : { dataDir }),
    ...(receiptKey === undefined ? {} : { receiptKey }),
    onLog: options.onLog,
    askProof: (question) => first.askProof(question),
    guard: (thread, account, connections) => lines[thread]!.guard(account, connections),
    onStats: (thread) => {
      told.add(thread)
      // Not before each has: the exchange takes one that hangs by its silence.
      if (own.gateway === undefined || told.size < lines.length) return
      told.clear()
      first.tell({ type: 'stats', stats: own.gateway.stats })
    },
    onDied: (error) => {
      died ??= error
      breakOff(`the gateway has died: ${error.message}`)
    },
  }).catch((error: unknown) => {
    breakOff('the gateway could not start')
    throw error
  })
  own.gateway = gateway
  for (const batch of early) gateway.batchChanged(batch)
  if (isStopped) await stop()
  else options.onListening(gateway.port)
  await gone
  await gateway.stop()
  breakOff('the exchange ended the connection')
  await Promise.all([gateway.ended, ...relayed])
  if (died !== undefined) throw new GatewayProcessError(`the gateway has died: ${died.message}`)
  if (!isStopped) throw new GatewayProcessError('the exchange ended the connection without a stop')
}
