/**
 * Work for provers: chunks that wait for their proof, leased over HTTP to any number of prover processes
 * that hold the token. Chunks are independent, so provers need to know nothing of each other.
 *
 *   POST /lease   {prover?} -> 200 {id, rowsPerChunk, depth, chainId, inputs} | 204 when there is no work
 *   POST /result  {id, proof: 8 decimal strings, milliseconds} -> 200 {taken} | 422 when it does not verify
 *   POST /failed  {id, error} -> 200: the chunk waits again
 *   GET  /status  -> 200 {waiting, leased, provenRows, rowsPerSecond, failures, leases}
 *   All with "authorization: Bearer TOKEN", else 401.
 *
 * Invariant: a chunk is in the queue until a good proof of it was taken; a lease that runs out is given to the
 * next one who asks. A chunk that failed waits longer each time, so that one that cannot be proven does not keep
 * the provers from the others. The chain has the last word: a proof that it refuses comes back by `offer`.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { PublicInputs } from '../batch/commit.js'
import type { ChunkProof } from '../posting/post.js'
import type { ChunkInputs } from '../follow/witness.js'
import {
  PROOF_LEASE_MS,
  PROOF_RATE_WINDOW_MS,
  PROOF_RETRY_MS,
  PROOF_RETRY_MS_MAX,
  PROVER_BODY_BYTES_MAX,
  PROVER_NAME_CHARACTERS_MAX,
} from '../limits.js'

export interface ProverQueueOptions {
  readonly token: string
  /** 127.0.0.1 unless given. */
  readonly host?: string
  /** 0 = a free one. */
  readonly port?: number
  /** A lease is given to another prover after so many milliseconds; 5 minutes unless given. */
  readonly leaseMs?: number
  /** First pause before a chunk that failed is leased again, doubled each time; 1 second unless given. */
  readonly retryMs?: number
  /** Depth of the tree, for the circuit's shape. */
  readonly depth: number
  /** Told to provers, which must not work for it with a development key unless it is local; absent = not told. */
  readonly chainId?: number
  /**
   * Whether a proof shows `inputs` of a chunk of batch `number`; one that does not is refused before anything is sent. A rejection is not a
   * verdict: the proof is taken then, and the chain judges it. Absent = the chain judges all.
   */
  readonly check?: (number: number, inputs: PublicInputs, proof: ChunkProof) => Promise<boolean>
  readonly onTrouble?: (text: string) => void
}

/** Figures of the queue since it started. */
export interface ProverMetrics {
  readonly waiting: number
  readonly leased: number
  readonly provenRows: number
  /** Over the last minute. */
  readonly rowsPerSecond: number
  readonly failures: number
}

/** A chunk that a prover works on. */
export interface LeaseStatus {
  readonly id: string
  /** As the prover calls itself. */
  readonly prover: string
  readonly milliseconds: number
  /** Failures of this chunk so far. */
  readonly failures: number
}

/** A chunk that wants a proof. */
export interface ChunkWork {
  readonly batch: number
  readonly chunk: number
  /** Rows that are used, and row slots of the circuit. */
  readonly rows: number
  readonly rowsPerChunk: number
  /** Called when a prover asks. */
  readonly makeInputs: () => ChunkInputs
}

interface Job {
  readonly id: string
  readonly batch: number
  readonly rowsPerChunk: number
  readonly rows: number
  readonly makeInputs: () => ChunkInputs
  readonly done: (proof: ChunkProof) => void
  readonly refuse: (error: QueueStopped) => void
  prover: string
  leasedAtMs: number
  leasedUntilMs: number
  /** Not leased before, after a failure. */
  waitsUntilMs: number
  failures: number
}

const PROOF_WORDS = 8

/** The queue ended before the proof came: the chunk is offered again at the next start. */
export class QueueStopped extends Error {
  override readonly name = 'QueueStopped'
}

export class ProverQueue {
  private isStopped = false
  private readonly jobs = new Map<string, Job>()
  private readonly server: Server
  private readonly proven: { atMs: number; rows: number }[] = []
  private provenRows = 0
  private failures = 0

  constructor(private readonly options: ProverQueueOptions) {
    this.server = createServer((request, response) => void this.answer(request, response))
  }

  /** Listens; resolves with the URL. */
  listen(): Promise<string> {
    const { host = '127.0.0.1', port = 0 } = this.options
    return new Promise((resolve, reject) => {
      this.server.once('error', reject)
      this.server.listen(port, host, () =>
        resolve(`http://${host}:${(this.server.address() as AddressInfo).port}`),
      )
    })
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  /** Offers a chunk; resolves with its proof, rejects with QueueStopped. */
  offer({ batch, chunk, rows, rowsPerChunk, makeInputs }: ChunkWork): Promise<ChunkProof> {
    const id = `${batch}/${chunk}`
    return new Promise((resolve, reject) => {
      if (this.isStopped) reject(new QueueStopped(id))
      else
        this.jobs.set(id, {
          id,
          batch,
          rows,
          rowsPerChunk,
          makeInputs,
          done: resolve,
          refuse: reject,
          prover: '',
          leasedAtMs: 0,
          leasedUntilMs: 0,
          waitsUntilMs: 0,
          failures: 0,
        })
    })
  }

  /** Lets go of every chunk that waits: their offers reject, so that nobody waits for a prover that has ended. */
  stop(): void {
    this.isStopped = true
    const jobs = [...this.jobs.values()]
    this.jobs.clear()
    for (const { id, refuse } of jobs) refuse(new QueueStopped(id))
  }

  metrics(): ProverMetrics {
    const now = Date.now()
    while (this.proven.length > 0 && this.proven[0]!.atMs < now - PROOF_RATE_WINDOW_MS) this.proven.shift()
    const leased = [...this.jobs.values()].filter(({ leasedUntilMs }) => leasedUntilMs > now).length
    const recent = this.proven.reduce((sum, { rows }) => sum + rows, 0)
    const since = this.proven.length === 0 ? PROOF_RATE_WINDOW_MS : Math.max(1000, now - this.proven[0]!.atMs)
    return {
      waiting: this.jobs.size - leased,
      leased,
      provenRows: this.provenRows,
      rowsPerSecond: (recent * 1000) / since,
      failures: this.failures,
    }
  }

  /** Chunks that provers work on now. */
  leases(): LeaseStatus[] {
    const now = Date.now()
    return [...this.jobs.values()]
      .filter(({ leasedUntilMs }) => leasedUntilMs > now)
      .map(({ id, prover, leasedAtMs, failures }) => ({
        id,
        prover,
        milliseconds: now - leasedAtMs,
        failures,
      }))
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (code: number, body?: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    }
    try {
      if (!this.isAuthorized(request.headers.authorization ?? '')) return reply(401)
      const route = `${request.method} ${request.url}`
      if (route === 'GET /status') return reply(200, { ...this.metrics(), leases: this.leases() })
      const body = route.startsWith('POST /') ? await readBody(request) : {}
      if (route === 'POST /lease') return this.lease(body, reply)
      if (route === 'POST /result') return await this.result(body, reply)
      if (route === 'POST /failed') return this.failed(body, reply)
      reply(404)
    } catch (error) {
      reply(400, { error: error instanceof Error ? error.message : String(error) })
    }
  }

  private isAuthorized(header: string): boolean {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    return timingSafeEqual(digest(header), digest(`Bearer ${this.options.token}`))
  }

  private lease(body: Record<string, unknown>, reply: (code: number, body?: unknown) => void): void {
    const { depth, chainId, leaseMs = PROOF_LEASE_MS } = this.options
    for (const job of this.jobs.values()) {
      const now = Date.now()
      if (job.leasedUntilMs > now || job.waitsUntilMs > now) continue
      let inputs: ChunkInputs
      try {
        inputs = job.makeInputs()
      } catch (error) {
        this.release(job, error instanceof Error ? error.message : String(error))
        continue
      }
      job.prover = typeof body.prover === 'string' ? body.prover.slice(0, PROVER_NAME_CHARACTERS_MAX) : ''
      job.leasedAtMs = now
      job.leasedUntilMs = now + leaseMs
      return reply(200, { id: job.id, rowsPerChunk: job.rowsPerChunk, depth, chainId, inputs })
    }
    reply(204)
  }

  private async result(
    body: Record<string, unknown>,
    reply: (code: number, body?: unknown) => void,
  ): Promise<void> {
    const job = this.jobs.get(String(body.id))
    // Another prover was faster: its proof is as good.
    if (job === undefined) return reply(200, { taken: false })
    const words = body.proof
    if (
      !Array.isArray(words) ||
      words.length !== PROOF_WORDS ||
      !words.every((word) => /^\d{1,78}$/.test(String(word)))
    ) {
      this.release(job, 'a result that is not eight decimal numbers')
      return reply(400, { error: 'proof is not eight decimal numbers' })
    }
    const proof = words.map((word) => BigInt(String(word))) as unknown as ChunkProof
    if (!(await this.isGood(job, proof))) {
      if (this.jobs.get(job.id) === job) this.release(job, 'a proof that does not verify')
      return reply(422, { error: 'the proof does not verify' })
    }
    if (this.jobs.get(job.id) !== job) return reply(200, { taken: false })
    this.jobs.delete(job.id)
    this.provenRows += job.rows
    this.proven.push({ atMs: Date.now(), rows: job.rows })
    job.done(proof)
    reply(200, { taken: true })
  }

  private async isGood(job: Job, proof: ChunkProof): Promise<boolean> {
    const { check } = this.options
    if (check === undefined) return true
    const { firstRoot, lastRoot, z, evaluation } = job.makeInputs()
    const inputs = [BigInt(firstRoot), BigInt(lastRoot), BigInt(z), BigInt(evaluation)] as const
    try {
      return await check(job.batch, inputs, proof)
    } catch (error) {
      this.options.onTrouble?.(
        `prover: ${job.id}: not checked: ${error instanceof Error ? error.message : String(error)}`,
      )
      return true
    }
  }

  private failed(body: Record<string, unknown>, reply: (code: number, body?: unknown) => void): void {
    const job = this.jobs.get(String(body.id))
    if (job !== undefined) this.release(job, String(body.error).slice(0, 300))
    reply(200, {})
  }

  /** A try of a chunk failed: it waits, longer each time, and is leased again. */
  private release(job: Job, why: string): void {
    const pause = Math.min((this.options.retryMs ?? PROOF_RETRY_MS) * 2 ** job.failures, PROOF_RETRY_MS_MAX)
    job.failures++
    job.leasedUntilMs = 0
    job.waitsUntilMs = Date.now() + pause
    this.failures++
    this.options.onTrouble?.(`prover${job.prover === '' ? '' : ` ${job.prover}`}: ${job.id}: ${why}`)
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > PROVER_BODY_BYTES_MAX) throw new RangeError(`body over ${PROVER_BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError('body is no JSON object')
  return parsed as Record<string, unknown>
}
