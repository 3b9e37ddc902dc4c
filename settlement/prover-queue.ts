/**
 * Work for provers: chunks that wait for their proof, leased over HTTP to any number of prover processes
 * that hold the token. Chunks are independent, so provers need to know nothing of each other.
 *
 *   POST /lease   -> 200 {id, rowsPerChunk, depth, inputs} | 204 when there is no work
 *   POST /result  {id, proof: 8 decimal strings, milliseconds} -> 200
 *   POST /failed  {id, error} -> 200: the chunk waits again
 *   GET  /status  -> 200 {waiting, leased, provenRows, rowsPerSecond, failures}
 *   All with "authorization: Bearer TOKEN", else 401.
 *
 * Invariant: a chunk is in the queue until its proof was taken; a lease that runs out is given to the next
 * one who asks. The chain decides whether a proof is good: a refused one comes back by `offer`.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChunkProof } from './post.js'
import type { ChunkInputs } from './witness.js'

export interface ProverQueueOptions {
  readonly token: string
  /** 127.0.0.1 unless given. */
  readonly host?: string
  /** 0 = a free one. */
  readonly port?: number
  /** A lease is given to another prover after so many milliseconds; 5 minutes unless given. */
  readonly leaseMs?: number
  /** For the circuit's shape. */
  readonly rowsPerChunk: number
  readonly depth: number
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

interface Job {
  readonly id: string
  readonly rows: number
  readonly makeInputs: () => ChunkInputs
  readonly done: (proof: ChunkProof) => void
  readonly refuse: (error: QueueStopped) => void
  leasedUntilMs: number
}

const BODY_BYTES_MAX = 64 * 1024
const WINDOW_MS = 60_000

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

  /**
   * Offers a chunk of `rows` rows; resolves with its proof, rejects with QueueStopped. Inputs are made
   * when a prover asks.
   */
  offer(id: string, rows: number, makeInputs: () => ChunkInputs): Promise<ChunkProof> {
    return new Promise((resolve, reject) => {
      if (this.isStopped) reject(new QueueStopped(id))
      else this.jobs.set(id, { id, rows, makeInputs, done: resolve, refuse: reject, leasedUntilMs: 0 })
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
    while (this.proven.length > 0 && this.proven[0]!.atMs < now - WINDOW_MS) this.proven.shift()
    const leased = [...this.jobs.values()].filter(({ leasedUntilMs }) => leasedUntilMs > now).length
    const recent = this.proven.reduce((sum, { rows }) => sum + rows, 0)
    const since = this.proven.length === 0 ? WINDOW_MS : Math.max(1000, now - this.proven[0]!.atMs)
    return {
      waiting: this.jobs.size - leased,
      leased,
      provenRows: this.provenRows,
      rowsPerSecond: (recent * 1000) / since,
      failures: this.failures,
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = (code: number, body?: unknown): void => {
      response.writeHead(code, { 'content-type': 'application/json' })
      response.end(body === undefined ? undefined : JSON.stringify(body))
    }
    try {
      if (!this.isAuthorized(request.headers.authorization ?? '')) return reply(401)
      const route = `${request.method} ${request.url}`
      if (route === 'GET /status') return reply(200, this.metrics())
      const body = route.startsWith('POST /') ? await readBody(request) : {}
      if (route === 'POST /lease') return this.lease(reply)
      if (route === 'POST /result') return this.result(body, reply)
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

  private lease(reply: (code: number, body?: unknown) => void): void {
    const now = Date.now()
    for (const job of this.jobs.values()) {
      if (job.leasedUntilMs > now) continue
      job.leasedUntilMs = now + (this.options.leaseMs ?? 300_000)
      const { rowsPerChunk, depth } = this.options
      return reply(200, { id: job.id, rowsPerChunk, depth, inputs: job.makeInputs() })
    }
    reply(204)
  }

  private result(body: Record<string, unknown>, reply: (code: number, body?: unknown) => void): void {
    const job = this.jobs.get(String(body.id))
    // Another prover was faster: its proof is as good.
    if (job === undefined) return reply(200, { taken: false })
    const words = body.proof
    if (
      !Array.isArray(words) ||
      words.length !== 8 ||
      !words.every((word) => /^\d{1,78}$/.test(String(word)))
    )
      return reply(400, { error: 'proof is not eight decimal numbers' })
    this.jobs.delete(job.id)
    this.provenRows += job.rows
    this.proven.push({ atMs: Date.now(), rows: job.rows })
    job.done(words.map((word) => BigInt(String(word))) as unknown as ChunkProof)
    reply(200, { taken: true })
  }

  private failed(body: Record<string, unknown>, reply: (code: number, body?: unknown) => void): void {
    const job = this.jobs.get(String(body.id))
    if (job !== undefined) job.leasedUntilMs = 0
    this.failures++
    this.options.onTrouble?.(`prover: ${String(body.id)}: ${String(body.error).slice(0, 300)}`)
    reply(200, {})
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new RangeError(`body over ${BODY_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  if (bytes === 0) return {}
  const parsed: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  if (typeof parsed !== 'object' || parsed === null) throw new TypeError('body is no JSON object')
  return parsed as Record<string, unknown>
}
