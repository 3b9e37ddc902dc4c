/** Thread of fill-proof-link.ts that answers questions for proofs of fills from the files of a data folder. */
import { parentPort, workerData } from 'node:worker_threads'
import { bytesToHex } from '../batch/commit.js'
import { BatchStore } from '../store/store.js'
import { FillProofs, type ProofLater, type ServedFillProof } from './fill-proofs.js'
import { UNREADABLE, type FillAnswer, type FillProofMessage, type FillQuestion } from './fill-proof-link.js'

const port = parentPort
if (port === null) throw new Error('fill-proof-thread runs in a worker thread')
const proofs = new FillProofs(new BatchStore((workerData as { readonly dataDir: string }).dataDir))

function told(proof: ServedFillProof | ProofLater | undefined): FillProofMessage | ProofLater | null {
  if (proof === undefined) return null
  if ('retryAfterMs' in proof) return proof
  const { batch, state } = proof
  return {
    batch,
    state: state === 'proven' || state === 'final' ? state : 'committed',
    leaf: bytesToHex(proof.leaf),
    siblings: proof.siblings.map(bytesToHex),
    leftSiblings: Number(proof.leftSiblings),
  }
}

port.on('message', ({ ticket, seq, index }: FillQuestion) => {
  proofs.proof(seq, index).then(
    (proof) => port.postMessage({ ticket, proof: told(proof) } satisfies FillAnswer),
    (error: unknown) => {
      const trouble = error instanceof Error ? error.message : String(error)
      port.postMessage({ ticket, proof: UNREADABLE, trouble } satisfies FillAnswer)
    },
  )
})
