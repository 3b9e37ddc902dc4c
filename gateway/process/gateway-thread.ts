/**
 * Entry of a gateway worker thread: learns the state that it serves, listens, runs until told to stop.
 * Started by start.ts with GatewayThreadData.
 *
 * Every socket and the listen socket are closed before the worker ends, and it ends by itself: a worker
 * that is terminated with a uWebSockets.js app inside takes the whole process with it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Gateway } from '../gateway.js'
import type { FromGateway, GatewayThreadData, ToGateway } from '../link/messages.js'
import { ListenError } from '../net/probe-port.js'
import { type GatewayServer, startServer } from '../net/server.js'
import { CLOSE_MS, SAVE_EVERY_MS, STATS_EVERY_MS, SWEEPS_AN_IDLE_TIME, SWEEP_MS_MAX } from '../limits.js'

async function main(data: GatewayThreadData): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('gateway-thread: to be started as a worker')
  const post = (message: FromGateway): void => port.postMessage(message)
  const gateway = new Gateway(data, post)
  let server: GatewayServer | undefined
  let stopping = false

  const stop = (): void => {
    if (stopping) return
    stopping = true
    server?.stopListening()
    gateway.clients.shutdown()
    gateway.link.leave()
    // Close messages leave first; then nothing keeps this thread's event loop alive.
    setTimeout(() => server?.closeSockets(), CLOSE_MS)
    post({ type: 'quiet' })
  }
  port.on('message', (message: ToGateway) => {
    if (message.type === 'stop') stop()
    else if (message.type === 'batch') gateway.batchChanged(message.batch)
    else if (message.type === 'settlement') gateway.settlementFigures = message.figures
    else if (message.type === 'guarded') gateway.disconnectCancels.told(message.ticket)
    else gateway.proofAnswered(message.ticket, message.proof)
  })

  // A broken invariant ends this thread, but not the process: sockets first, then the error.
  process.once('uncaughtException', (error) => {
    post({ type: 'failed', code: 'Broken', message: error.stack ?? error.message })
    stop()
    setTimeout(() => process.exit(1), 2 * CLOSE_MS)
  })

  const running = gateway.link.run(gateway)
  try {
    await gateway.load()
    server = await startServer(gateway, {
      host: data.config.host,
      port: data.config.port,
      shared: data.thread > 0,
      onLog: (line, level) => post({ type: 'log', line, level }),
    })
    post({ type: 'listening', port: server.port })
  } catch (error) {
    const code = error instanceof ListenError ? error.code : 'Broken'
    post({ type: 'failed', code, message: error instanceof Error ? error.message : String(error) })
    stop()
  }
  const stats = setInterval(() => post({ type: 'stats', stats: gateway.stats }), STATS_EVERY_MS)
  const saving = setInterval(() => gateway.saveHistory(), SAVE_EVERY_MS)
  const sweeping = setInterval(
    () => gateway.sweep(),
    Math.min(SWEEP_MS_MAX, (data.config.idleTimeoutS * 1000) / SWEEPS_AN_IDLE_TIME),
  )
  await running
  clearInterval(stats)
  clearInterval(sweeping)
  clearInterval(saving)
  stop()
  port.close()
}

await main(workerData as GatewayThreadData)
