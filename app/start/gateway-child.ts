/**
 * Entry of the gateway process that `glassbook start` runs and starts again (gateway-keeper.ts), with the data folder
 * as its argument. It learns its settings from its parent, has a socket to it for each of its threads, and ends with
 * it. The parent stops it in order: signals that a terminal or a service manager sends to the whole group are not for it.
 */
import { Socket } from 'node:net'
import { lockFolder } from '../../engine/journal/lock.js'
import type { GatewayConfig } from '../../gateway/settings/config.js'
import { runGatewayProcess } from '../../gateway/process/gateway-process.js'
import { GATEWAY_END_MS_MAX } from '../limits.js'
import { FIRST_SOCKET_FD, type FromGatewayChild } from './gateway-child-words.js'
import { historyFolder } from '../files/gateway-folder.js'
import { receiptKey } from '../files/receipt-key.js'

const tell = (message: FromGatewayChild): void => {
  if (process.connected) process.send?.(message, () => {})
}

async function run(dataDir: string, config: GatewayConfig): Promise<void> {
  const folder = historyFolder(dataDir)
  lockFolder(folder, 'history folder')
  const key = receiptKey(dataDir)
  const sockets = Array.from(
    { length: config.threads },
    (_, index) => new Socket({ fd: FIRST_SOCKET_FD + index, readable: true, writable: true }),
  )
  for (const socket of sockets)
    socket.once('close', () =>
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), GATEWAY_END_MS_MAX).unref(),
    )
  await runGatewayProcess({
    sockets,
    config,
    folder,
    dataDir,
    receiptKey: key,
    onLog: (line, level) => tell({ type: 'log', line, level }),
    onListening: (port) => tell({ type: 'listening', port }),
  })
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
process.once('message', (config: GatewayConfig) => {
  run(process.argv[2]!, config).then(
    () => process.exit(0),
    (error: unknown) => {
      tell({ type: 'refused', message: error instanceof Error ? error.message : String(error) })
      process.exitCode = 1
      if (process.connected) process.disconnect()
    },
  )
})
