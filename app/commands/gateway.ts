/**
 * `glassbook gateway --connect SOCKET [--config FILE] [--gateway-… value]`: a gateway in a process of its
 * own, for an exchange that was started with `--gateway-socket SOCKET`. When it dies, its connections are
 * lost and nothing else. `--data DIR`, the exchange's data folder, gives it history and the receipt key.
 * A history folder has one writer: a second gateway of an exchange names another one with `--history DIR`.
 */
import { connect } from 'node:net'
import { lockFolder } from '../../engine/journal/lock.js'
import { runGatewayProcess } from '../../gateway/process/gateway-process.js'
import { GatewayStartError } from '../../gateway/process/start.js'
import { historyFolder } from '../files/gateway-folder.js'
import { gatewaySettings } from '../files/gateway-settings.js'
import { receiptKey } from '../files/receipt-key.js'
import { UsageError } from '../files/usage-error.js'
import { Log } from '../log.js'
import type { LogFlags } from '../log-settings.js'

export interface GatewayFlags extends LogFlags {
  readonly connect: string
  readonly data?: string | undefined
  readonly history?: string | undefined
  readonly config?: string | undefined
}

/** Runs the command until the exchange goes; answers with the exit code. */
export async function runGatewayCommand(
  { connect: socket, data, history, config: file, log: format, logLevel: level }: GatewayFlags,
  settings: Readonly<Record<string, string>>,
): Promise<number> {
  const config = gatewaySettings(file, settings)
  if (config.threads !== 1)
    throw new UsageError(
      `gateway.threads: ${config.threads}, but a gateway process has one thread: start as many processes, each with a socket and a port of its own`,
    )
  const say = new Log({ format, level }, (line) => process.stdout.write(`${line}\n`)).of('gateway')
  const folder = history ?? (data === undefined ? undefined : historyFolder(data))
  if (folder !== undefined) lockFolder(folder, 'history folder')
  try {
    await runGatewayProcess({
      sockets: [connect(socket)],
      config,
      ...(folder === undefined ? {} : { folder }),
      ...(data === undefined ? {} : { dataDir: data, receiptKey: receiptKey(data) }),
      onLog: say,
      onListening: (port) => say(`ws://${config.host}:${port}`),
    })
    return 0
  } catch (error) {
    throw new Error(failureText(error), { cause: error })
  }
}

/** What failed and what to do. */
function failureText(error: unknown): string {
  const { code, syscall, address, message } = error as NodeJS.ErrnoException & { readonly address?: string }
  if (error instanceof GatewayStartError && error.code.startsWith('Port'))
    return `${message}: choose another with --gateway-port N`
  if (syscall === 'connect')
    return `no exchange answers at --connect ${address} (${code}): "glassbook start --gateway-socket ${address}" makes the socket`
  return message
}
