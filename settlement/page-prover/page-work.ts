/**
 * A page prover at work: asks a settlement process for pages, proves them one at a time, returns the proofs. While one
 * is proven, which the proof system does in a process of its own, the witness of the next is solved here.
 *
 *   POST /lease   {prover}                    -> 200 {id, chainId, job} | 204 when there is no work
 *   POST /result  {id, proof, milliseconds}   -> 200; proof: "0x" and hexadecimal digits
 *   POST /failed  {id, error}                 -> 200: the page waits again
 *   All with "authorization: Bearer TOKEN", else 401.
 *
 * Ends when told to, or when the queue has been out of reach for too long. A proof that was made is offered until the
 * queue has answered.
 */
import type { PageJob } from './page-job.js'
import { NoPageWitness } from './page-prover-error.js'
import { GIVE_UP_SECONDS, IDLE_MS, LOCAL_CHAIN_IDS, RETRY_MS_MAX } from './limits.js'

/** What proves pages of one circuit. */
export interface ProvesPages {
  solve(job: PageJob): Promise<Uint8Array>
  proveWitness(witness: Uint8Array): Promise<Uint8Array>
}

export interface PageWorkOptions {
  readonly url: string
  readonly token: string
  /** By the circuit's name. */
  readonly provers: ReadonlyMap<string, ProvesPages>
  /** The provers' string has a public secret. */
  readonly isDevelopment: boolean
  /** How the queue's status calls this prover; the process id unless given. */
  readonly name?: string
  readonly onProgress: (line: Record<string, unknown>) => void
  readonly isStopped: () => boolean
  /** Seconds without an answer before it gives up; 120 unless given. */
  readonly giveUpSeconds?: number
}

interface PageLease {
  readonly id: string
  readonly chainId?: number
  readonly job: PageJob
}

/** The queue refuses the token. */
export class WrongPageQueue extends Error {
  override readonly name = 'WrongPageQueue'
}

/** The queue is of a chain that is not local, and this prover has the development string, whose secret is public. */
export class InsecureString extends Error {
  override readonly name = 'InsecureString'
  constructor(readonly chainId: number) {
    super(`work for chain ${chainId} needs a public string (--string DIR), not the development string`)
  }
}

/** The queue answered with an error: what was sent is not what it takes. */
class PageQueueRefused extends Error {
  override readonly name = 'PageQueueRefused'
}

/** Works until stopped. Throws WrongPageQueue or InsecureString, or an Error when the queue is out of reach. */
export async function workOnPages(options: PageWorkOptions): Promise<void> {
  const { isStopped, isDevelopment, name = `process ${process.pid}` } = options
  let broken: { readonly error: unknown } | undefined
  let proving: Promise<void> = Promise.resolve()
  while (!isStopped() && broken === undefined) {
    const lease = (await untilAnswered(options, 'lease', { prover: name })) as PageLease | undefined
    if (lease === undefined) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
      continue
    }
    if (isDevelopment && lease.chainId !== undefined && !LOCAL_CHAIN_IDS.includes(lease.chainId)) {
      const error = new InsecureString(lease.chainId)
      // Somebody else may have the right string.
      await call(options, 'failed', { id: lease.id, error: error.message }).catch(() => undefined)
      broken = { error }
      break
    }
    const next = await solved(options, lease)
    await proving
    if (next === undefined) continue
    proving = proveOne(options, lease, next).catch((error: unknown) => void (broken = { error }))
  }
  await proving
  if (broken !== undefined) throw broken.error
  options.onProgress({ event: 'stopped' })
}

interface Solved {
  readonly prover: ProvesPages
  readonly witness: Uint8Array
  readonly solveMs: number
}

async function solved(options: PageWorkOptions, lease: PageLease): Promise<Solved | undefined> {
  const startedAtMs = performance.now()
  try {
    const prover = options.provers.get(lease.job.circuit)
    if (prover === undefined) throw new NoPageWitness(`no circuit "${lease.job.circuit}"`)
    const witness = await prover.solve(lease.job)
    return { prover, witness, solveMs: Math.round(performance.now() - startedAtMs) }
  } catch (error) {
    await failed(options, lease, error)
    return undefined
  }
}

async function proveOne(options: PageWorkOptions, lease: PageLease, page: Solved): Promise<void> {
  const startedAtMs = performance.now()
  let proof: Uint8Array
  try {
    proof = await page.prover.proveWitness(page.witness)
  } catch (error) {
    return failed(options, lease, error)
  }
  const milliseconds = page.solveMs + Math.round(performance.now() - startedAtMs)
  options.onProgress({ event: 'proven', id: lease.id, circuit: lease.job.circuit, milliseconds })
  try {
    const text = `0x${Buffer.from(proof).toString('hex')}`
    await untilAnswered(options, 'result', { id: lease.id, proof: text, milliseconds })
  } catch (error) {
    if (!(error instanceof PageQueueRefused)) throw error
    // The queue has counted it and leases the page again.
    options.onProgress({ event: 'failed', id: lease.id, error: error.message, isOurs: true })
  }
}

async function failed(options: PageWorkOptions, { id }: PageLease, error: unknown): Promise<void> {
  const text = error instanceof Error ? error.message : String(error)
  options.onProgress({ event: 'failed', id, error: text, isOurs: !(error instanceof NoPageWitness) })
  await call(options, 'failed', { id, error: text }).catch(() => undefined)
}

/** Asks again, with growing pauses, until there is an answer, a stop, or it has been too long. */
async function untilAnswered(options: PageWorkOptions, path: string, body: object): Promise<unknown> {
  const { isStopped, giveUpSeconds = GIVE_UP_SECONDS } = options
  const sinceMs = Date.now()
  for (let pause = IDLE_MS; ; pause = Math.min(pause * 2, RETRY_MS_MAX)) {
    try {
      return await call(options, path, body)
    } catch (error) {
      if (error instanceof WrongPageQueue || error instanceof PageQueueRefused) throw error
      if (Date.now() - sinceMs > giveUpSeconds * 1000) throw error
      if (isStopped()) return undefined
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}

async function call({ url, token }: PageWorkOptions, path: string, body: object): Promise<unknown> {
  const response = await fetch(`${url}/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (response.status === 401) throw new WrongPageQueue('the queue refuses the token')
  if (response.status === 204) return undefined
  if (response.ok) return response.json()
  const text = `queue answered ${response.status}: ${await response.text()}`
  throw response.status < 500 ? new PageQueueRefused(text) : new Error(text)
}
