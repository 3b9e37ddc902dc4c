/**
 * The command of a gateway that somebody else runs for a start with `--gateway-socket`: whole, so that it can be
 * pasted into another terminal and listens where the start was told to. Called by start.ts.
 */
import { join } from 'node:path'

export interface GatewayCommand {
  readonly socket: string
  /** Among the sockets: a gateway behind the first has a port and a history of its own. */
  readonly index: number
  readonly dataDir: string
  /** Of the first gateway; 0 = any that is free. */
  readonly port: number
  /** Settings that the start was given for its gateway, and where it read them. */
  readonly words: readonly string[]
}

/** A word as a shell takes it. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`

export function gatewayCommand({ socket, index, dataDir, port, words }: GatewayCommand): string {
  const ownPort = port === 0 ? 0 : port + index
  return [
    ...['npx', 'glassbook', 'gateway', '--connect', socket, '--data', dataDir],
    ...(index === 0 ? [] : ['--history', join(dataDir, `gateway-${index + 1}`)]),
    ...words,
    ...['--gateway-port', String(ownPort)],
  ]
    .map(quoted)
    .join(' ')
}
