/**
 * Entry of the worker that finds out who signed a wallet's message: secp256k1 in plain JavaScript takes
 * milliseconds, which neither sockets nor orders wait for. Started by wallet-checks.ts, one a gateway thread.
 */
import { parentPort } from 'node:worker_threads'
import { recoverTypedDataAddress } from 'viem'
import { toHex } from '../../sdk/wire/bytes.js'
import { walletTypes } from '../../sdk/wire/signed.js'
import type { WalletAnswer, WalletQuestion } from './wallet-checks.js'

const port = parentPort
if (port === null) throw new Error('wallet-thread: to be started as a worker')

/** The address in lower case, or '' where no key could have made the signature. */
async function signerOf({ domain, primaryType, message, signature }: WalletQuestion): Promise<string> {
  try {
    const typed = { domain, types: walletTypes, primaryType, message, signature: toHex(signature) }
    const address = await recoverTypedDataAddress(typed as never)
    return address.toLowerCase()
  } catch {
    return ''
  }
}

port.on('message', (question: WalletQuestion) => {
  void signerOf(question).then((signer) =>
    port.postMessage({ ticket: question.ticket, signer } satisfies WalletAnswer),
  )
})
