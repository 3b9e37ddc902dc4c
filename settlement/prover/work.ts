/**
 * A prover at work: asks a settlement process for chunks, proves them one at a time, returns the proofs.
 * Ends when told to, or when the queue has been out of reach for too long. A proof that was made is offered until
 * the queue has answered.
 */
import { ChunkProver, NoWitness, type ChunkInputs } from './prove.js'
import type { ProvingKey } from './keys.js'
import { GIVE_UP_SECONDS, IDLE_MS, RETRY_MS_MAX } from './limits.js'

export interface WorkOptions {
  readonly url: string
  readonly token: string
  readonly key: ProvingKey
  /** How the queue's status calls this prover; the process id unless given. */
  readonly name?: string
  readonly onProgress: (line: Record<string, unknown>) => void
  readonly isStopped: () => boolean
  /** Seconds without an answer before it gives up; 120 unless given. */
  readonly giveUpSeconds?: number
}

interface Lease {
  readonly id: string
  readonly rowsPerChunk: number
  readonly depth: number
  readonly chainId?: number
  readonly inputs: ChunkInputs
}

/** The queue hands out work for another circuit than this prover's key is for, or refuses the token. */
export class WrongQueue extends Error {
  override readonly name = 'WrongQueue'
}

/** The queue is of a chain that is not local, and this prover has the development key, whose secrets are public. */
export class InsecureKey extends Error {
  override readonly name = 'InsecureKey'
  constructor(readonly chainId: number) {
    super(`work for chain ${chainId} needs the key of a ceremony (--key DIR), not the development key`)
  }
}

/** The queue answered with an error: what was sent is not what it takes. */
class QueueRefused extends Error {
  override readonly name = 'QueueRefused'
}

/** Chains where the development key may be used. */
const LOCAL_CHAIN_IDS: readonly number[] = [31337, 1337]

/** Works until stopped. Throws WrongQueue or InsecureKey, or an Error when the queue is out of reach. */
export async function work(options: WorkOptions): Promise<void> {
  const { key, onProgress, isStopped, name = `process ${process.pid}` } = options
  const prover = new ChunkProver(key.circuit, key.zkey, key.verificationKey)
  while (!isStopped()) {
    const lease = (await untilAnswered(options, 'lease', { prover: name })) as Lease | undefined
    if (lease === undefined) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
      continue
    }
    const refusal = refusalOf(key, lease)
    if (refusal !== undefined) {
      // Somebody else may have the right key.
      await call(options, 'failed', { id: lease.id, error: refusal.message }).catch(() => undefined)
      throw refusal
    }
    await proveOne(options, prover, lease)
  }
  onProgress({ event: 'stopped' })
}

function refusalOf({ circuit, isDevelopment }: ProvingKey, lease: Lease): Error | undefined {
  if (lease.rowsPerChunk !== circuit.rows || lease.depth !== circuit.depth)
    return new WrongQueue(
      `work for ${lease.rowsPerChunk} rows at depth ${lease.depth}, the key is for ${circuit.rows} at ${circuit.depth}`,
    )
  if (isDevelopment && lease.chainId !== undefined && !LOCAL_CHAIN_IDS.includes(lease.chainId))
    return new InsecureKey(lease.chainId)
  return undefined
}

async function proveOne(options: WorkOptions, prover: ChunkProver, lease: Lease): Promise<void> {
  const startedAtMs = performance.now()
  const failed = async (error: unknown, isOurs: boolean): Promise<void> => {
    const text = error instanceof Error ? error.message : String(error)
    options.onProgress({ event: 'failed', id: lease.id, error: text, isOurs })
    await call(options, 'failed', { id: lease.id, error: text }).catch(() => undefined)
  }
  let proof
  try {
    proof = await prover.prove(lease.inputs)
  } catch (error) {
    return failed(error, !(error instanceof NoWitness))
  }
  const milliseconds = Math.round(performance.now() - startedAtMs)
  options.onProgress({ event: 'proven', id: lease.id, milliseconds })
  try {
    await untilAnswered(options, 'result', { id: lease.id, proof, milliseconds })
  } catch (error) {
    if (!(error instanceof QueueRefused)) throw error
    // The queue has counted it and leases the chunk again.
    options.onProgress({ event: 'failed', id: lease.id, error: error.message, isOurs: true })
  }
}

/** Asks again, with growing pauses, until there is an answer, a stop, or it has been too long. */
async function untilAnswered(options: WorkOptions, path: string, body: object): Promise<unknown> {
  const { isStopped, giveUpSeconds = GIVE_UP_SECONDS } = options
  const sinceMs = Date.now()
  for (let pause = IDLE_MS; ; pause = Math.min(pause * 2, RETRY_MS_MAX)) {
    try {
      return await call(options, path, body)
    } catch (error) {
      if (error instanceof WrongQueue || error instanceof QueueRefused) throw error
      if (Date.now() - sinceMs > giveUpSeconds * 1000) throw error
      if (isStopped()) return undefined
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
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
  if (response.status >= 400 && response.status < 500)
    throw new QueueRefused(`queue answered ${response.status}: ${await response.text()}`)
  if (!response.ok) throw new Error(`queue answered ${response.status}: ${await response.text()}`)
  return response.json()
}
