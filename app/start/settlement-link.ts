/**
 * Starts the settlement thread and the chain watcher, and stands between them and the rest of the
 * process. The watcher runs on this (the main) thread: it submits to the engine through the operator's
 * ring.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Deployment } from '../../contracts/deployment/deploy.js'
import { ExchangeFrozen, chainClient } from '../../settlement/chain/chain.js'
import type { ProofQuestion } from '../../gateway/link/messages.js'
import { type ChainWatcher, startChainWatcher } from '../../settlement/chain/chain-watcher.js'
import { FillProofLink, type FillAnswer } from '../../settlement/proving/fill-proof-link.js'
import type {
  BatchMessage,
  FromSettlement,
  ProofMessage,
  SettlementThreadData,
  StatusMessage,
  ToSettlement,
} from '../../settlement/settlement-thread.js'
import type { SettlementFigures } from '../../gateway/link/messages.js'
import { CHAIN_PATIENCE_MS } from '../../settlement/limits.js'
import type { SettlementStatus } from './screen.js'
import type { Say } from '../log.js'

type ProofTold = ProofMessage | NonNullable<FillAnswer['proof']>

const NO_ATTACHMENT = new Uint8Array(0)

export interface SettlementOptions {
  readonly dataDir: string
  readonly control: SharedArrayBuffer
  readonly deployment: Deployment
  readonly rpcUrl: string
  readonly operatorKey: `0x${string}`
  readonly batchSeconds: number
  readonly batchFills: number
  /** Blocks on top of what the chain says before it counts. */
  readonly confirmations: number
  /** A final batch stays at hand this long, ms; absent = for ever. */
  readonly keepBatchesMs?: number
  /** Between two looks for batches that may go to the archive, ms. */
  readonly archiveEveryMs?: number
  /** Where provers fetch their work. */
  readonly prover: NonNullable<SettlementThreadData['prover']>
  readonly depositsConsumed: number
  readonly submit: (record: Int32Array, attachment: Uint8Array) => Promise<number>
  readonly onBatch: (batch: BatchMessage) => void
  /** Told a few times a second. */
  readonly onFigures: (figures: SettlementFigures) => void
  readonly onLine: Say
  readonly onDied: (error: Error) => void
}

export interface RunningSettlement {
  /** Resolves when every deposit that was on the chain at the start has been credited. */
  readonly depositsSeen: Promise<void>
  status(): SettlementStatus
  /** null where no batch on the chain has it, or its tree is not kept any more. */
  proof(question: ProofQuestion): Promise<ProofTold | null>
  /** Closes the open batch now; resolves with the last batch once it is settled, undefined when there is none. */
  flush(): Promise<BatchMessage | undefined>
  stop(): Promise<void>
}

function figuresOf(status: StatusMessage): SettlementFigures {
  const { lastBatch, provenBatch, sealedBatch, backlog, backlogMax, troubles, rpcFailures, sender } = status
  return {
    lagSeconds: status.lagMs / 1000,
    proofLagSeconds: status.proofLagMs / 1000,
    lagCommands: status.lag,
    sealedBatch,
    committedBatch: lastBatch,
    provenBatch,
    backlog,
    backlogMax,
    openTransactions: sender.open,
    stuckTransactions: sender.stuck,
    lostTransactions: sender.lost,
    feeBumps: sender.bumps,
    troubles,
    rpcFailures,
    prover: status.prover,
  }
}

/** Starts both; rejects when the settlement thread cannot start. */
export async function startSettlement(options: SettlementOptions): Promise<RunningSettlement> {
  const { deployment, rpcUrl } = options
  const data: SettlementThreadData = {
    dataDir: options.dataDir,
    control: options.control,
    deployment,
    rpcUrls: [rpcUrl],
    operatorKey: options.operatorKey,
    prover: options.prover,
    confirmations: options.confirmations,
    policy: { seconds: options.batchSeconds, fills: options.batchFills },
    ...(options.keepBatchesMs === undefined ? {} : { keepBatchesMs: options.keepBatchesMs }),
    ...(options.archiveEveryMs === undefined ? {} : { archiveEveryMs: options.archiveEveryMs }),
  }
  const worker = new Worker(new URL('../../settlement/settlement-thread.js', import.meta.url), {
    workerData: data,
    name: 'settlement',
  })
  const post = (message: ToSettlement): void => worker.postMessage(message)
  const fillProofs = new FillProofLink(options.dataDir, (text) => options.onLine(text, 'warn'))
  const proofs = new Map<number, (proof: ProofMessage | null) => void>()
  const flushes = new Map<
    number,
    { resolve: (batch: BatchMessage | undefined) => void; reject: (error: Error) => void }
  >()
  let status: SettlementStatus = {
    lastBatch: 0,
    provenBatch: 0,
    sealedBatch: 0,
    lastRoot: '0',
    settledSeq: 0,
    prover: null,
  }
  let ticket = 0
  let stopping = false
  let isStarted = false
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  const started = new Promise<void>((resolve, reject) => {
    const die = (error: Error): void => {
      for (const { reject: refuse } of flushes.values()) refuse(error)
      for (const answer of proofs.values()) answer(null)
      reject(error)
      if (!stopping && isStarted) options.onDied(error)
    }
    worker.once('error', die)
    worker.once('exit', () => {
      if (!stopping) die(new Error('the settlement thread ended by itself'))
    })
    worker.on('message', (message: FromSettlement) => {
      switch (message.type) {
        case 'started':
          if (options.prover.port !== undefined && message.proverUrl !== null)
            options.onLine(`provers may join at ${message.proverUrl}`)
          resolve()
          break
        case 'status':
          status = message.status
          options.onFigures(figuresOf(message.status))
          break
        case 'batch':
          options.onBatch(message.batch)
          break
        case 'proof':
          proofs.get(message.ticket)?.(message.proof)
          proofs.delete(message.ticket)
          break
        case 'flushed': {
          const flush = flushes.get(message.ticket)
          flushes.delete(message.ticket)
          if (message.error === undefined) flush?.resolve(message.batch ?? undefined)
          else flush?.reject(new Error(message.error))
          break
        }
        case 'command':
          void options.submit(message.record, NO_ATTACHMENT)
          break
        case 'trouble':
          options.onLine(message.text, 'warn')
          break
        case 'failed':
          die(message.isFrozen ? new ExchangeFrozen(deployment.settlement) : new Error(message.text))
          break
        case 'stopped':
          break
      }
    })
  })
  const stopThread = async (): Promise<void> => {
    stopping = true
    post({ type: 'stop' })
    await exited
  }
  const leaving = new AbortController()
  let watcher: ChainWatcher
  try {
    await started
    isStarted = true
    watcher = startChainWatcher({
      client: chainClient([rpcUrl], { chainId: deployment.chainId, signal: leaving.signal }),
      deployment,
      depositsConsumed: options.depositsConsumed,
      confirmations: options.confirmations,
      statePath: join(options.dataDir, 'settlement', 'deposits.json'),
      submit: options.submit,
      onTrouble: (text) => options.onLine(text, 'warn'),
    })
  } catch (error) {
    await stopThread()
    throw error
  }
  return {
    depositsSeen: watcher.caughtUp,
    status: () => status,
    proof: (question) =>
      question.kind === 'fill'
        ? fillProofs.ask(question.seq, question.index)
        : new Promise((resolve) => {
            const { account, asset, batch } = question
            proofs.set(++ticket, resolve)
            post({ type: 'proof', ticket, account, asset, batch })
          }),
    flush: () =>
      new Promise((resolve, reject) => {
        flushes.set(++ticket, { resolve, reject })
        post({ type: 'flush', ticket })
      }),
    async stop() {
      stopping = true
      setTimeout(() => leaving.abort(), CHAIN_PATIENCE_MS).unref()
      await watcher.stop()
      await fillProofs.stop()
      await stopThread()
    },
  }
}
