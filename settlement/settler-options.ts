/** What settlement's loop (settler.ts) is given, and what it tells of itself. */
import type { Account, PublicClient } from 'viem'
import type { ChainDeployment } from './chain/chain.js'
import type { FeePolicy } from './sending/gas-fees.js'
import type { EngineCapacities } from '../engine/types.js'
import type { ProverQueue } from './proving/prover-queue.js'
import type { SenderMetrics } from './sending/sender.js'
import type { BatchRecord } from './store/store.js'
import { BATCH_FILLS, BATCH_ROWS, BATCH_SECONDS } from './limits.js'

/** When a batch closes: whichever comes first. */
export interface BatchPolicy {
  /** Seconds since the first change that is not in a batch. */
  readonly seconds: number
  readonly fills: number
  /** Net rows; at most half of what one transaction takes (rowsLimit) count. */
  readonly rows: number
}

export const defaultPolicy: BatchPolicy = { seconds: BATCH_SECONDS, fills: BATCH_FILLS, rows: BATCH_ROWS }

export interface SettlerOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  /** Last durable seq of a live journal; absent = the journal is at rest. */
  readonly durableSeq?: () => number
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly account: Account
  readonly policy?: BatchPolicy
  readonly confirmations?: number
  readonly fees?: FeePolicy
  readonly pollMs?: number
  /** See SenderOptions. */
  readonly lostAfterMs?: number
  /**
   * Sealed batches that may wait for the chain, 4 unless given. At the bound the open batch goes on growing
   * to the policy's own bounds, then the rest waits in the journal: memory does not grow with an outage.
   */
  readonly backlogMax?: number
  /** Commands between snapshots of the follower; 2 million unless given. */
  readonly snapshotEvery?: number
  /** Threads that hash big batches, this one among them; 1 unless given. */
  readonly hashThreads?: number
  /** Where provers fetch their work; absent = the deployment's verifier takes anything (UnprovenVerifier). */
  readonly queue?: ProverQueue
  /**
   * Takes commands that answer forced withdrawals on the chain, to be given to the engine in order; absent =
   * requests are not answered.
   */
  readonly onCommand?: (record: Int32Array) => void
  /** Called after each durable step of a batch; tests stop the process here. */
  readonly onStep?: (step: string, label: string) => void
  readonly onBatch?: (record: BatchRecord) => void
  readonly onTrouble?: (text: string) => void
}

export interface SettlerStatus {
  /** Last batch that the chain has, its root, and the seq that it ends at. */
  readonly lastBatch: number
  readonly lastRoot: bigint
  readonly settledSeq: number
  readonly provenBatch: number
  readonly sealedBatch: number
  /** Last seq followed. */
  readonly seq: number
  readonly state: 'starting' | 'following' | 'waiting for the chain' | 'stopped' | 'failed'
  /** Last trouble with the chain, empty when there was none, and how often there was one. */
  readonly trouble: string
  readonly troubles: number
  /** Age of the oldest change that no batch on the chain holds, and that no proven batch holds; milliseconds. */
  readonly lagMs: number
  readonly proofLagMs: number
  /** Sealed batches that the chain does not have; at `backlogMax` no further one is sealed. */
  readonly backlog: number
  readonly backlogMax: number
  readonly sender: SenderMetrics
}
