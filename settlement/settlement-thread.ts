/**
 * Settlement in a worker thread: reads its wiring from workerData, speaks the messages below with its
 * parent. It never touches the live engine; it reads the journal up to `durableSeq` and the chain.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { Control } from '../engine/control.js'
import { chainClient, type ChainDeployment } from './chain.js'
import { RECORD_BYTES } from './commit.js'
import type { EngineCapacities } from './follow.js'
import { Settler, defaultPolicy, type BatchPolicy } from './settler.js'
import type { BatchRecord } from './store.js'

export interface SettlementThreadData {
  readonly dataDir: string
  readonly control: SharedArrayBuffer
  readonly deployment: ChainDeployment
  /** Tried in order. */
  readonly rpcUrls: readonly string[]
  readonly operatorKey: Hex
  readonly policy?: Partial<BatchPolicy>
  readonly confirmations?: number
  readonly capacities?: EngineCapacities
  /** Milliseconds between status messages. */
  readonly statusMs?: number
}

/** A batch as told to clients; roots as decimal strings. `posted` = committed on the chain. */
export interface BatchMessage {
  readonly number: number
  readonly state: 'posted' | 'proven' | 'final'
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
  readonly state: 'posted' | 'proven' | 'final'
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
}

export type ToSettlement =
  | { readonly type: 'proof'; readonly ticket: number; readonly account: number; readonly asset: number }
  | { readonly type: 'flush'; readonly ticket: number }
  | { readonly type: 'stop' }

export type FromSettlement =
  | { readonly type: 'started' }
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
  | { readonly type: 'trouble'; readonly text: string }
  | { readonly type: 'failed'; readonly text: string }
  | { readonly type: 'stopped' }

const port = parentPort
if (port === null) throw new Error('settlement-thread runs in a worker thread')
const data = workerData as SettlementThreadData
const post = (message: FromSettlement): void => port.postMessage(message)

const publicState = (state: BatchRecord['state']): BatchMessage['state'] =>
  state === 'proven' || state === 'final' ? state : 'posted'

function batchMessage(record: BatchRecord): BatchMessage | null {
  const { header, data: posted, state, commitTx, fillCount } = record
  if (state === 'sealed' || state === 'signed' || state === 'sent') return null
  return {
    number: Number(header.number),
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

const control = new Control(data.control)
const settler = new Settler({
  dataDir: data.dataDir,
  durableSeq: () => control.durableSeq,
  client: chainClient(data.rpcUrls),
  deployment: data.deployment,
  account: privateKeyToAccount(data.operatorKey),
  policy: { ...defaultPolicy, ...data.policy },
  ...(data.confirmations === undefined ? {} : { confirmations: data.confirmations }),
  ...(data.capacities === undefined ? {} : { capacities: data.capacities }),
  onBatch: (record) => {
    const batch = batchMessage(record)
    if (batch !== null) post({ type: 'batch', batch })
  },
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
    },
  })
}

const timer = setInterval(tellStatus, data.statusMs ?? 250)

async function stop(): Promise<void> {
  clearInterval(timer)
  await settler.stop()
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
  else {
    const { ticket, account, asset } = message
    const proof = settler.proof(account, asset)
    post({
      type: 'proof',
      ticket,
      proof:
        proof === undefined
          ? null
          : {
              account,
              asset,
              units: String(proof.balance),
              siblings: proof.siblings.map(String),
              root: String(proof.root),
              batch: proof.batch,
              state: publicState(proof.state),
            },
    })
  }
})

settler
  .start()
  .then(() => {
    post({ type: 'started' })
    return settler.ended()
  })
  .catch((error: unknown) => {
    post({ type: 'failed', text: error instanceof Error ? error.message : String(error) })
  })
