/**
 * Settlement in a worker thread: reads its wiring from workerData, speaks the messages below with its
 * parent. It never touches the live engine; it reads the journal up to `durableSeq` and the chain.
 */
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import type { Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { ControlBlock } from '../engine/rings/control.js'
import { ExchangeFrozen, chainClient, type ChainDeployment } from './chain/chain.js'
import { RECORD_BYTES } from './batch/commit.js'
import type { EngineCapacities } from '../engine/types.js'
import { proofCheck } from './proving/proof-check.js'
import { ProverQueue, type ProverMetrics } from './proving/prover-queue.js'
import { startProverProcess } from './proving/prover-process.js'
import type { SenderMetrics } from './sending/sender.js'
import { Settler } from './settler.js'
import { defaultPolicy, type BatchPolicy } from './settler-options.js'
import type { BatchRecord } from './store/store.js'
import { TREE_DEPTH } from './tree/tree.js'
import {
  BATCHES_ARCHIVED_AT_ONCE,
  BATCHES_TOLD,
  BATCH_ARCHIVE_EVERY_MS,
  CHAIN_PATIENCE_MS,
  HASH_THREADS_MAX,
  STATUS_MS,
} from './limits.js'

export interface SettlementThreadData {
  readonly dataDir: string
  readonly control: SharedArrayBuffer
  readonly deployment: ChainDeployment
  /** Asked together: what is believed of their answers stands in chain/rpc.ts. */
  readonly rpcUrls: readonly string[]
  readonly operatorKey: Hex
  readonly policy?: Partial<BatchPolicy>
  readonly confirmations?: number
  readonly capacities?: EngineCapacities
  /** A final batch stays at hand this long, ms; then it goes to the archive. Absent = for ever. */
  readonly keepBatchesMs?: number
  /** Between two looks for batches that may go to the archive, ms. */
  readonly archiveEveryMs?: number
  /** Milliseconds between status messages. */
  readonly statusMs?: number
  /** For a deployment whose verifier checks proofs; its queue listens on a free local port unless given. */
  readonly prover?: {
    /** False: provers come from elsewhere. */
    readonly runLocal?: boolean
    readonly host?: string
    readonly port?: number
    /** What provers must show; a random one unless given. */
    readonly token?: string
    /** The local prover is as urgent as the exchange (a demo); else it takes what that leaves. */
    readonly isUrgent?: boolean
    /** Folder of a ceremony's key; absent = the development key. */
    readonly keyFolder?: string
  }
}

/**
 * A batch as told to clients; roots as decimal strings. `committed` = the chain has it, `sealed` = it was,
 * and the chain took it back.
 */
export interface BatchMessage {
  readonly number: number
  readonly state: 'sealed' | 'committed' | 'proven' | 'final'
  readonly firstSeq: number
  readonly lastSeq: number
  readonly oldRoot: string
  readonly newRoot: string
  readonly fillsRoot: Hex
  readonly journalHead: Hex
  readonly transactionHash: Hex
  readonly fills: number
  readonly rows: number
}

export interface ProofMessage {
  readonly account: number
  readonly asset: number
  /** Decimal strings. */
  readonly units: string
  readonly siblings: readonly string[]
  readonly root: string
  readonly batch: number
  readonly state: 'committed' | 'proven' | 'final'
}

export interface StatusMessage {
  readonly lastBatch: number
  readonly provenBatch: number
  readonly sealedBatch: number
  /** Decimal string. */
  readonly lastRoot: string
  readonly settledSeq: number
  readonly seq: number
  /** Commands durable and not yet in a batch on the chain. */
  readonly lag: number
  readonly state: string
  readonly trouble: string
  readonly troubles: number
  /** Milliseconds; see SettlerStatus. */
  readonly lagMs: number
  readonly proofLagMs: number
  readonly backlog: number
  readonly backlogMax: number
  readonly sender: SenderMetrics
  /** Questions that an RPC endpoint did not answer, since the start. */
  readonly rpcFailures: number
  /** What the local prover is doing, and how far its key is built (0 to 1); null without proofs. */
  readonly prover: (ProverMetrics & { readonly text: string; readonly keyShare: number }) | null
}

export type ToSettlement =
  /** `batch`: against that one; absent = the last one on the chain. */
  | {
      readonly type: 'proof'
      readonly ticket: number
      readonly account: number
      readonly asset: number
      readonly batch?: number | undefined
    }
  | { readonly type: 'flush'; readonly ticket: number }
  | { readonly type: 'stop' }

export type FromSettlement =
  /** Where provers fetch their work; null when the verifier takes anything. */
  | { readonly type: 'started'; readonly proverUrl: string | null }
  | { readonly type: 'status'; readonly status: StatusMessage }
  | { readonly type: 'batch'; readonly batch: BatchMessage }
  /** null: no batch is on the chain yet. */
  | { readonly type: 'proof'; readonly ticket: number; readonly proof: ProofMessage | null }
  /** null: there never was anything to settle. `error`: settlement stopped before it was settled. */
  | {
      readonly type: 'flushed'
      readonly ticket: number
      readonly batch: BatchMessage | null
      readonly error?: string
    }
  /** A command for the engine, in order: the answer to a forced withdrawal on the chain. */
  | { readonly type: 'command'; readonly record: Int32Array }
  | { readonly type: 'trouble'; readonly text: string }
  /** `isFrozen`: the contract is, so no other start will do better. */
  | { readonly type: 'failed'; readonly text: string; readonly isFrozen: boolean }
  | { readonly type: 'stopped' }

const port = parentPort
if (port === null) throw new Error('settlement-thread runs in a worker thread')
const data = workerData as SettlementThreadData
const post = (message: FromSettlement): void => port.postMessage(message)

/** Batches that clients were told of. */
const told = new Set<number>()

const publicState = (state: BatchRecord['state']): BatchMessage['state'] => {
  if (state === 'proven' || state === 'final') return state
  return state === 'committed' ? state : 'sealed'
}

/** null for a batch that the chain has not had. */
function batchMessage(record: BatchRecord): BatchMessage | null {
  const { header, data: posted, state, commitTx, fillCount } = record
  const number = Number(header.number)
  if (publicState(state) !== 'sealed') told.add(number)
  else if (!told.has(number)) return null
  return {
    number,
    state: publicState(state),
    firstSeq: Number(header.firstSeq),
    lastSeq: Number(header.lastSeq),
    oldRoot: String(header.oldRoot),
    newRoot: String(header.newRoot),
    fillsRoot: header.fillsRoot,
    journalHead: header.journalHead,
    transactionHash: commitTx ?? `0x${'0'.repeat(64)}`,
    fills: fillCount,
    rows: posted.rows.length / RECORD_BYTES,
  }
}

const control = new ControlBlock(data.control)
let rpcFailures = 0
const stopping = new AbortController()
const client = chainClient(data.rpcUrls, {
  signal: stopping.signal,
  chainId: data.deployment.chainId,
  onFailure: () => rpcFailures++,
  // Forced withdrawals have a deadline: it goes on, and says so.
  onAlone: (silentUrl) =>
    post({
      type: 'trouble',
      text: `the RPC endpoint ${silentUrl} does not answer: what the other one says is believed alone`,
    }),
})
const { proven, rowsPerChunk } = data.deployment.constants
const token = data.prover?.token ?? randomBytes(32).toString('hex')
const queue = proven
  ? new ProverQueue({
      token,
      depth: TREE_DEPTH,
      chainId: data.deployment.chainId,
      check: proofCheck(client, data.deployment.settlement),
      ...(data.prover?.host === undefined ? {} : { host: data.prover.host }),
      ...(data.prover?.port === undefined ? {} : { port: data.prover.port }),
      onTrouble: (text) => post({ type: 'trouble', text }),
    })
  : undefined
/** A prover elsewhere has its key. */
const proving = { text: '', keyShare: data.prover?.runLocal === false ? 1 : 0 }
let stopProver: () => Promise<void> = () => Promise.resolve()

const settler = new Settler({
  dataDir: data.dataDir,
  durableSeq: () => control.durableSeq,
  client,
  deployment: data.deployment,
  account: privateKeyToAccount(data.operatorKey),
  policy: { ...defaultPolicy, ...data.policy },
  hashThreads: Math.min(HASH_THREADS_MAX, availableParallelism()),
  ...(data.confirmations === undefined ? {} : { confirmations: data.confirmations }),
  ...(data.capacities === undefined ? {} : { capacities: data.capacities }),
  ...(queue === undefined ? {} : { queue }),
  onBatch: (record) => {
    const batch = batchMessage(record)
    if (batch !== null) post({ type: 'batch', batch })
  },
  onCommand: (record) => post({ type: 'command', record }),
  onTrouble: (text) => post({ type: 'trouble', text }),
})

function tellStatus(): void {
  const status = settler.status()
  post({
    type: 'status',
    status: {
      ...status,
      lastRoot: String(status.lastRoot),
      lag: Math.max(0, control.durableSeq - status.settledSeq),
      rpcFailures,
      prover: queue === undefined ? null : { ...queue.metrics(), ...proving },
    },
  })
}

const timer = setInterval(tellStatus, data.statusMs ?? STATUS_MS)

let archiveTrouble = ''

function archive(keepMs: number): void {
  try {
    settler.store.archive(Date.now() - keepMs, BATCHES_ARCHIVED_AT_ONCE)
    archiveTrouble = ''
  } catch (error) {
    const text = `batches were not archived: ${error instanceof Error ? error.message : String(error)}`
    if (text !== archiveTrouble) post({ type: 'trouble', text })
    archiveTrouble = text
  }
}

const { keepBatchesMs } = data
const archiving =
  keepBatchesMs === undefined
    ? undefined
    : setInterval(() => archive(keepBatchesMs), data.archiveEveryMs ?? BATCH_ARCHIVE_EVERY_MS)

async function stop(): Promise<void> {
  clearInterval(timer)
  clearInterval(archiving)
  // A chain that hangs is not waited for: what is open stays in the outbox.
  setTimeout(() => stopping.abort(), CHAIN_PATIENCE_MS).unref()
  await Promise.allSettled([stopProver(), settler.stop()])
  queue?.close()
  post({ type: 'stopped' })
  port!.close()
}

async function flush(ticket: number): Promise<void> {
  try {
    const record = await settler.flush()
    post({ type: 'flushed', ticket, batch: record === undefined ? null : batchMessage(record) })
  } catch (error) {
    post({
      type: 'flushed',
      ticket,
      batch: null,
      error: error instanceof Error ? error.message : String(error),
    })
  }
}

port.on('message', (message: ToSettlement) => {
  if (message.type === 'stop') void stop()
  else if (message.type === 'flush') void flush(message.ticket)
  else post({ type: 'proof', ticket: message.ticket, proof: proofOf(message) })
})

function proofOf(message: Extract<ToSettlement, { type: 'proof' }>): ProofMessage | null {
  const { account, asset, batch } = message
  const proof = settler.proof(account, asset, batch)
  if (proof === undefined) return null
  return {
    account,
    asset,
    units: String(proof.balance),
    siblings: proof.siblings.map(String),
    root: String(proof.root),
    batch: proof.batch,
    // It is served of a batch that the chain has.
    state: proof.state === 'proven' || proof.state === 'final' ? proof.state : 'committed',
  }
}

async function start(): Promise<void> {
  await settler.start()
  for (const number of settler.store.numbers().slice(-BATCHES_TOLD)) {
    const batch = batchMessage(settler.store.read(number))
    if (batch !== null) post({ type: 'batch', batch })
  }
  const url = queue === undefined ? null : await queue.listen()
  if (url !== null && data.prover?.runLocal !== false)
    stopProver = startProverProcess({
      url,
      token,
      rowsPerChunk,
      isUrgent: data.prover?.isUrgent ?? false,
      ...(data.prover?.keyFolder === undefined ? {} : { keyFolder: data.prover.keyFolder }),
      onProgress: (text, keyShare) => Object.assign(proving, { text, keyShare }),
    })
  post({ type: 'started', proverUrl: url })
  await settler.ended()
}

start().catch((error: unknown) => {
  post({
    type: 'failed',
    text: error instanceof Error ? error.message : String(error),
    isFrozen: error instanceof ExchangeFrozen,
  })
})
