/**
 * A prover at work: asks a settlement process for chunks, proves them one at a time, returns the proofs.
 * Ends when told to, or when the queue has been out of reach for too long.
 */
import { ChunkProver, NoWitness, type ChunkInputs } from './prove.js'
import type { ProvingKey } from './keys.js'

export interface WorkOptions {
  readonly url: string
  readonly token: string
  readonly key: ProvingKey
  readonly onProgress: (line: Record<string, unknown>) => void
  readonly isStopped: () => boolean
  /** Seconds without an answer before it gives up; 120 unless given. */
  readonly giveUpSeconds?: number
}

interface Lease {
  readonly id: string
  readonly rowsPerChunk: number
  readonly depth: number
  readonly inputs: ChunkInputs
}

/** The queue hands out work for another circuit than this prover's key is for, or refuses the token. */
export class WrongQueue extends Error {
  override readonly name = 'WrongQueue'
}

const IDLE_MS = 200
const RETRY_MS_MAX = 5000

/** Works until stopped. Throws WrongQueue, or an Error when the queue is out of reach. */
export async function work(options: WorkOptions): Promise<void> {
  const { key, onProgress, isStopped, giveUpSeconds = 120 } = options
  const prover = new ChunkProver(key.circuit, key.zkey, key.verificationKey)
  let lostSinceMs: number | undefined
  let pause = IDLE_MS
  while (!isStopped()) {
    let lease: Lease | undefined
    try {
      lease = (await call(options, 'lease', {})) as Lease | undefined
      lostSinceMs = undefined
      pause = IDLE_MS
    } catch (error) {
      if (error instanceof WrongQueue) throw error
      lostSinceMs ??= Date.now()
      if (Date.now() - lostSinceMs > giveUpSeconds * 1000) throw error
      pause = Math.min(pause * 2, RETRY_MS_MAX)
    }
    if (lease === undefined) {
      await new Promise((resolve) => setTimeout(resolve, pause))
      continue
    }
    if (lease.rowsPerChunk !== key.circuit.rows || lease.depth !== key.circuit.depth)
      throw new WrongQueue(
        `work for ${lease.rowsPerChunk} rows at depth ${lease.depth}, the key is for ${key.circuit.rows} at ${key.circuit.depth}`,
      )
    await proveOne(options, prover, lease)
  }
  onProgress({ event: 'stopped' })
}

async function proveOne(options: WorkOptions, prover: ChunkProver, lease: Lease): Promise<void> {
  const startedAtMs = performance.now()
  try {
    const proof = await prover.prove(lease.inputs)
    const milliseconds = Math.round(performance.now() - startedAtMs)
    options.onProgress({ event: 'proven', id: lease.id, milliseconds })
    await call(options, 'result', { id: lease.id, proof, milliseconds })
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    options.onProgress({ event: 'failed', id: lease.id, error: text, isOurs: !(error instanceof NoWitness) })
    await call(options, 'failed', { id: lease.id, error: text }).catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  }
}

async function call({ url, token }: WorkOptions, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status === 401) throw new WrongQueue('the queue refuses the token')
  if (response.status === 204) return undefined
  if (!response.ok) throw new Error(`queue answered ${response.status}: ${await response.text()}`)
  return response.json()
}
