/**
 * What each of these programs begins with. They take two words, those of `npm start` unless given:
 *
 *   node dist/examples/NAME.js [ws://HOST:PORT] [DATA_FOLDER]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TransportError } from 'glassbook'
import type { ChainDeployment } from 'glassbook/settlement'
import { BaseError, HttpRequestError } from 'viem'
import { type HDAccount, mnemonicToAccount } from 'viem/accounts'

const [, , urlWord, folderWord] = process.argv

export const url = urlWord ?? 'ws://127.0.0.1:9001'

/**
 * Account `index` of the local chain: 2 to 6 have money on the exchange. Everybody knows these keys; a program of
 * yours has a wallet of yours, such as viem's `privateKeyToAccount(process.env.MY_KEY)`.
 */
export const demoWallet = (index: number): HDAccount =>
  mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex: index })

/** The contracts that are trusted: what `npm start` wrote, not what the exchange says. */
export const readDeployment = (): ChainDeployment & { readonly rpcUrl: string } =>
  JSON.parse(readFileSync(join(folderWord ?? 'data', 'deployment.json'), 'utf8'))

/** Aborted by Ctrl-C, for a program that has something to put in order. Without it Ctrl-C ends a program at once. */
export function stopAtCtrlC(): AbortController {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
  return stop
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What is not there while no exchange runs: its gateway, its chain, the file that its first start writes. */
const isAbsence = (error: Error): boolean =>
  error instanceof TransportError ||
  (error instanceof BaseError && error.walk((cause) => cause instanceof HttpRequestError) !== null) ||
  ('code' in error && error.code === 'ENOENT')

// Errors of the SDK say the value, the bound and what to do: one line is enough.
process.once('uncaughtException', (error) => {
  console.error(error.message)
  if (isAbsence(error))
    console.error('Does the exchange run? "npm start" is ready when it says "Glassbook is open".')
  process.exit(1)
})
