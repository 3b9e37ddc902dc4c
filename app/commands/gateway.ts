/**
 * `glassbook gateway --connect SOCKET [--config FILE] [--gateway-… value]`: a gateway in a process of its
 * own, for an exchange that was started with `--gateway-socket SOCKET`. When it dies, its connections are
 * lost and nothing else. `--data DIR`, the exchange's data folder, gives it history and the receipt key.
 * A history folder has one writer: a second gateway of an exchange names another one with `--history DIR`.
 */
import { connect } from 'node:net'
import { FolderInUse, lockFolder } from '../../engine/journal/lock.js'
import { ConfigError, loadGatewayConfig } from '../../gateway/settings/config.js'
import { GatewayProcessError } from '../../gateway/bridge/exchange-socket.js'
import { runGatewayProcess } from '../../gateway/process/gateway-process.js'
import { GatewayStartError } from '../../gateway/process/start.js'
import { FlagError, readFlags } from '../files/flags.js'
import { historyFolder } from '../files/gateway-folder.js'
import { ReceiptKeyError, receiptKey } from '../files/receipt-key.js'

const USAGE =
  'usage: glassbook gateway --connect SOCKET [--config FILE] [--data DIR [--history DIR]] [--gateway-SETTING VALUE …]\n'

/** Flags beside `--gateway-…`, as parseArgs takes them. */
export const gatewayFlags = {
  connect: { type: 'string' },
  config: { type: 'string' },
  data: { type: 'string' },
  history: { type: 'string' },
} as const

/** Runs the command until the exchange goes; answers with the exit code. */
export async function runGatewayCommand(argv: string[]): Promise<number> {
  try {
    const { values, settings } = readFlags(argv, gatewayFlags)
    if (values.connect === undefined) {
      process.stderr.write(USAGE)
      return 2
    }
    const config = loadGatewayConfig({ file: values.config, environment: process.env, flags: settings })
    if (config.threads !== 1) {
      throw new ConfigError(
        `gateway.threads: ${config.threads}, but a gateway process has one thread: start as many processes, each with a socket and a port of its own`,
      )
    }
    const { data } = values
    const folder = values.history ?? (data === undefined ? undefined : historyFolder(data))
    if (folder !== undefined) lockFolder(folder, 'history folder')
    await runGatewayProcess({
      sockets: [connect(values.connect)],
      config,
      ...(folder === undefined ? {} : { folder }),
      ...(data === undefined ? {} : { dataDir: data, receiptKey: receiptKey(data) }),
      onListening: (port) => process.stdout.write(`gateway: ws://${config.host}:${port}\n`),
    })
    return 0
  } catch (error) {
    if (error instanceof FlagError || error instanceof ConfigError) {
      process.stderr.write(`glassbook: ${error.message}\n${error instanceof FlagError ? USAGE : ''}`)
      return 2
    }
    const text = failureText(error)
    if (text === undefined) throw error
    process.stderr.write(`glassbook: ${text}\n`)
    return 1
  }
}

/** What failed and what to do; undefined where it is none of what can be expected. */
function failureText(error: unknown): string | undefined {
  if (error instanceof GatewayStartError)
    return `${error.message}${error.code.startsWith('Port') ? ': choose another with --gateway-port N' : ''}`
  if ([FolderInUse, GatewayProcessError, ReceiptKeyError].some((kind) => error instanceof kind))
    return (error as Error).message
  const { code, syscall, address, message } = error as NodeJS.ErrnoException & { readonly address?: string }
  if (syscall === 'connect')
    return `no exchange answers at --connect ${address} (${code}): "glassbook start --gateway-socket ${address}" makes the socket`
  return code === undefined ? undefined : message
}
