/**
 * Starts the gateway's threads and stands between them and the rest of the process: where they listen,
 * how much they do, which proofs they ask for. Called by app, and by tests that need a whole gateway.
 */
import type { OnLog } from '../../engine/types.js'
import { Worker } from 'node:worker_threads'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  FromGateway,
  GatewayStats,
  GatewayThreadData,
  SettlementFigures,
  ToGateway,
} from '../link/messages.js'

/** A gateway that could not start; `code` says why, the message is fit for an operator. */
export class GatewayStartError extends Error {
  override readonly name = 'GatewayStartError'
  constructor(
    readonly code: Extract<FromGateway, { type: 'failed' }>['code'],
    message: string,
  ) {
    super(message)
  }
}

export interface GatewayOptions extends Omit<GatewayThreadData, 'thread' | 'link'> {
  /** One an entry for each gateway thread: its rings, the control block, its index among the producers. */
  readonly links: readonly GatewayThreadData['link'][]
  /** Answers with the proof of a balance, or null while there is none. Absent = no settlement. */
  readonly askProof?: (question: ProofQuestion) => Promise<ProofAnswer | null>
  /**
   * Told how many connections of a thread want an account's orders cancelled when they end; resolves when that is sure
   * to happen although the thread may die. Absent = nobody outlives the threads.
   */
  readonly guard?: (thread: number, account: number, connections: number) => Promise<void>
  /** A thread has told how much it did, which it does every half a second: it runs. */
  readonly onStats?: (thread: number) => void
  /** Lines for the operator; standard error unless given. */
  readonly onLog?: OnLog
  /** A thread has ended without being asked to. */
  readonly onDied: (error: Error) => void
}

export interface RunningGateway {
  readonly port: number
  /** Sums over the threads. */
  readonly stats: GatewayStats
  /** Tells clients what settlement did. */
  batchChanged(batch: BatchInfo): void
  /** What /metrics is to say of settlement. */
  settlementChanged(figures: SettlementFigures): void
  /**
   * Closes every socket; resolves when nothing will be submitted any more. The threads go on taking what
   * the engine still sends and end with it.
   */
  stop(): Promise<void>
  /** Resolves when every thread has ended. */
  readonly ended: Promise<void>
}

class GatewayThread {
  readonly worker: Worker
  readonly listening: Promise<number>
  readonly quiet: Promise<void>
  readonly ended: Promise<void>
  stats: GatewayStats = { connections: 0, frames: 0, commands: 0, messagesOut: 0 }

  constructor(data: GatewayThreadData, options: GatewayOptions) {
    this.worker = new Worker(new URL('./gateway-thread.js', import.meta.url), {
      workerData: data,
      name: `gateway-${data.thread}`,
    })
    let onListening: (port: number) => void
    let onFailed: (error: Error) => void
    let onQuiet: () => void
    let died = false
    let reason = ''
    this.listening = new Promise((resolve, reject) => {
      onListening = resolve
      onFailed = reject
    })
    this.quiet = new Promise((resolve) => {
      onQuiet = resolve
    })
    this.worker.on('message', (message: FromGateway) => {
      switch (message.type) {
        case 'listening':
          onListening(message.port)
          break
        case 'failed':
          reason = message.message
          onFailed(new GatewayStartError(message.code, message.message))
          break
        case 'stats':
          this.stats = message.stats
          options.onStats?.(data.thread)
          break
        case 'quiet':
          onQuiet()
          break
        case 'log':
          if (options.onLog === undefined) process.stderr.write(`${message.line}\n`)
          else options.onLog(message.line, message.level)
          break
        case 'askProof': {
          const { ticket, question } = message
          const answer = (proof: ProofAnswer | null): void => this.post({ type: 'proof', ticket, proof })
          if (options.askProof === undefined) answer(null)
          else options.askProof(question).then(answer, () => answer(null))
          break
        }
        case 'guard': {
          const { ticket, account, connections } = message
          const guarded = options.guard?.(data.thread, account, connections) ?? Promise.resolve()
          void guarded.then(() => this.post({ type: 'guarded', ticket }))
          break
        }
      }
    })
    this.worker.on('error', (error: Error) => {
      died = true
      onFailed(new GatewayStartError('Broken', error.message))
      onQuiet()
      options.onDied(error)
    })
    this.ended = new Promise((resolve) => {
      this.worker.on('exit', (code) => {
        if (code !== 0 && !died)
          options.onDied(new Error(`gateway thread ${data.thread} ended with code ${code}: ${reason}`))
        onFailed(new GatewayStartError('Broken', 'the thread ended before it listened'))
        onQuiet()
        resolve()
      })
    })
  }

  post(message: ToGateway): void {
    this.worker.postMessage(message)
  }
}

/**
 * Starts one thread for each of `options.links`, all on one port.
 * @throws GatewayStartError when the port cannot be had; the threads then end with the exchange.
 */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const {
    links,
    askProof: _askProof,
    guard: _guard,
    onStats: _onStats,
    onLog: _onLog,
    onDied: _onDied,
    ...shared
  } = options
  const threads: GatewayThread[] = []
  let port = options.config.port
  for (const [thread, link] of links.entries()) {
    // The first thread finds the port; the others join it.
    const started = new GatewayThread(
      { ...shared, thread, link, config: { ...options.config, port } },
      options,
    )
    threads.push(started)
    port = await started.listening
  }
  const total = (field: keyof GatewayStats): number =>
    threads.reduce((sum, { stats }) => sum + stats[field], 0)
  return {
    port,
    get stats() {
      return {
        connections: total('connections'),
        frames: total('frames'),
        commands: total('commands'),
        messagesOut: total('messagesOut'),
      }
    },
    batchChanged(batch) {
      for (const thread of threads) thread.post({ type: 'batch', batch })
    },
    settlementChanged(figures) {
      for (const thread of threads) thread.post({ type: 'settlement', figures })
    },
    async stop() {
      for (const thread of threads) thread.post({ type: 'stop' })
      await Promise.all(threads.map(({ quiet }) => quiet))
    },
    ended: Promise.all(threads.map(({ ended }) => ended)).then(() => {}),
  }
}
