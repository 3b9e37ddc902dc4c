/**
 * What each of these programs begins with. They take two words, those of `npm start` unless given:
 *
 *   node dist/examples/NAME.js [ws://HOST:PORT] [DATA_FOLDER]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ChainDeployment } from 'glassbook/settlement'
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

/** Aborted by Ctrl-C. */
export const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

// Errors of the SDK say the value, the bound and what to do: one line is enough.
process.once('uncaughtException', ({ message }) => {
  console.error(`${message}\nDoes the exchange run? "npm start" is ready when it says "Glassbook is open".`)
  process.exit(1)
})
