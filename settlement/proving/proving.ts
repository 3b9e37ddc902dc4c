/**
 * Has committed batches proven: a task for each chunk that waits (ask the provers, post the proof), then the
 * finalisation of batches with withdrawals. Run by the settler.
 *
 * Invariant: a chunk counts as proven when the chain says so. A batch that the chain lost or struck loses its
 * proven chunks with it, and starts again when it is committed again.
 */
import { BaseError, BlockNotFoundError, type PublicClient } from 'viem'
import type { Batches } from '../posting/batches.js'
import { chainErrorText, sleep, type ChainDeployment } from '../chain/chain.js'
import { RECORD_BYTES, chunkCount, publicInputs, type PublicInputs } from '../batch/commit.js'
import type { ChunkProof, Poster } from '../posting/post.js'
import { PROOF_TASKS_MAX, PROVING_COMPARE_MS, PROVING_FAILED_MS, PROVING_POLL_MS } from '../limits.js'
import { QueueStopped, type ProverQueue } from './prover-queue.js'
import { SenderStopped, TransactionReverted } from '../sending/sender.js'
import { isAtLeast, type BatchRecord } from '../store/store.js'
import type { StateTree } from '../tree/tree.js'
import { BatchWitness } from '../follow/witness.js'

export interface ProvingOptions {
  readonly batches: Batches
  readonly tree: StateTree
  readonly poster: Poster
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  /** Absent = the deployment's verifier takes anything. */
  readonly queue?: ProverQueue | undefined
  readonly isStopped: () => boolean
  readonly onTrouble: (text: string) => void
}

/** Refusals of a chain that lost the batch, or of an endpoint that is behind: a later look tells. */
const BEHIND = ['BatchNotCommitted', 'ChunkAlreadyProven', 'UnknownChunk']
const NO_PROOF: ChunkProof = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]

export class Proving {
  private readonly tasks = new Map<string, Promise<void>>()
  /** Chunks of unproven batches that the chain has the proof of. */
  private readonly done = new Map<number, Set<number>>()
  private readonly witnesses = new Map<number, BatchWitness>()
  private failure: unknown
  private comparedAtMs = 0
  /** Batches that stood further than the chain at the last comparison. */
  private ahead: ReadonlySet<number> = new Set()
  /** Newest block at the last comparison. */
  private head: { readonly number: bigint; readonly hash: string } | undefined

  constructor(private readonly options: ProvingOptions) {}

  /** Runs until the stop. Throws what no second try would mend, or a network failure. */
  async run(): Promise<void> {
    const { batches, poster, isStopped } = this.options
    while (!isStopped()) {
      if (this.failure !== undefined) {
        const failure = this.failure
        this.failure = undefined
        throw failure
      }
      if (Date.now() - this.comparedAtMs > PROVING_COMPARE_MS) {
        this.comparedAtMs = Date.now()
        await this.compare()
      }
      for (const record of batches.open()) {
        if (!isAtLeast(record, 'committed')) break
        if (isAtLeast(record, 'proven'))
          this.start(`finalize ${record.header.number}`, () => poster.finalize(record))
        else await this.advance(record)
      }
      batches.forget()
      await sleep(PROVING_POLL_MS)
    }
    await Promise.allSettled(this.tasks.values())
  }

  /** The chain took a proof back: what it has is compared at once. */
  lost(number: number, chunk: number): void {
    this.done.get(number)?.delete(chunk)
    this.comparedAtMs = 0
  }

  /**
   * Takes back the states that the chain has not (any more): after a strike, or when it lost blocks. From the
   * newest down, so that no batch ever stands further than the one before it.
   */
  private async compare(): Promise<void> {
    const { batches, poster } = this.options
    const { committed, proven } = await poster.chainBatches()
    const isOtherBranch = await this.hasLostBlocks()
    const ahead = new Set<number>()
    for (const record of [...batches.recent()].reverse()) {
      const number = Number(record.header.number)
      const isAhead =
        (number > committed && isAtLeast(record, 'committed')) ||
        (number > proven && isAtLeast(record, 'proven'))
      if (isAhead) ahead.add(number)
      // Once may be an endpoint that is a block behind.
      const isLost = isAhead && this.ahead.has(number)
      if (!isLost && !(isOtherBranch && isAtLeast(record, 'committed'))) continue
      await poster.reconcile(record)
      if (!isAtLeast(record, 'proven')) this.done.delete(number)
    }
    this.ahead = ahead
  }

  /** Whether the block that was the newest at the last call is no more. */
  private async hasLostBlocks(): Promise<boolean> {
    const { client } = this.options
    const before = this.head
    const { number, hash } = await client.getBlock({ blockTag: 'latest' })
    const now = before === undefined ? hash : await blockHash(client, before.number)
    // An endpoint that is behind, or a shorter branch: told when there is a block of that height again.
    if (now === undefined) return false
    this.head = { number, hash }
    return before !== undefined && now !== before.hash
  }

  /** Starts tasks for chunks of a committed batch; notices when all are done. */
  private async advance(record: BatchRecord): Promise<void> {
    const { batches, poster } = this.options
    const number = Number(record.header.number)
    const chunks = chunkCount(record.data.rows.length / RECORD_BYTES, record.rowsPerChunk)
    const done = this.done.get(number) ?? new Set<number>()
    this.done.set(number, done)
    for (let chunk = 0; chunk < chunks && this.tasks.size < PROOF_TASKS_MAX; chunk++) {
      const id = `${number}/${chunk}`
      if (this.tasks.has(id) || done.has(chunk)) continue
      this.start(id, async () => {
        if (await this.prove(record, chunk)) done.add(chunk)
      })
    }
    if (done.size < chunks || number !== batches.proven + 1) return
    await poster.reconcile(record)
    if (!isAtLeast(record, 'proven')) {
      // The chain knows better, after it lost a block: look at every chunk again.
      done.clear()
      await sleep(PROVING_FAILED_MS)
      return
    }
    this.done.delete(number)
    this.witnesses.delete(number)
  }

  /** Runs `work` as a task, unless one of that id runs. */
  private start(id: string, work: () => Promise<void>): void {
    if (!this.tasks.has(id)) this.tasks.set(id, this.task(id, work))
  }

  private async task(id: string, work: () => Promise<void>): Promise<void> {
    const { onTrouble } = this.options
    try {
      await work()
    } catch (error) {
      if (error instanceof SenderStopped || error instanceof QueueStopped) return
      if (error instanceof BaseError) onTrouble(`${id}: ${chainErrorText(error)}`)
      else this.failure ??= error
      await sleep(PROVING_FAILED_MS)
    } finally {
      this.tasks.delete(id)
    }
  }

  /** True when the chain has the proof; false when it has the batch no more. A refused proof is asked for again. */
  private async prove(record: BatchRecord, chunk: number): Promise<boolean> {
    const { deployment, queue, poster, onTrouble } = this.options
    const number = Number(record.header.number)
    if (await poster.isChunkProven(number, chunk)) return true
    const domain = { chainId: deployment.chainId, settlement: deployment.settlement }
    const inputs = publicInputs(domain, record.header, record.data, chunk, record.rowsPerChunk)
    for (;;) {
      // Bytes that were signed before are sent, whatever proof is given: none has to be made again.
      const hasProof = queue === undefined || poster.isProofOnTheWay(number, chunk)
      const proof = hasProof ? NO_PROOF : await this.ask(queue, record, chunk, inputs)
      try {
        await poster.prove(record, chunk, inputs, proof)
        return true
      } catch (error) {
        if (!(error instanceof TransactionReverted)) throw error
        const isBehind = BEHIND.some((name) => error.reason.startsWith(name))
        if (isBehind || (await poster.chainBatches()).committed < number) {
          await sleep(PROVING_FAILED_MS)
          return false
        }
        if (!error.reason.startsWith('InvalidProof')) throw error
        onTrouble(error.message)
      }
    }
  }

  private ask(
    queue: ProverQueue,
    record: BatchRecord,
    chunk: number,
    inputs: PublicInputs,
  ): Promise<ChunkProof> {
    const { tree, batches } = this.options
    const number = Number(record.header.number)
    const left = record.data.rows.length / RECORD_BYTES - chunk * record.rowsPerChunk
    const witness =
      this.witnesses.get(number) ??
      new BatchWitness(record, (key) => {
        const undos = batches.undosFrom(number - 1)
        if (undos === undefined) throw new Error(`the tree before batch ${number} is not kept any more`)
        return tree.nodeBefore(key, undos)
      })
    this.witnesses.set(number, witness)
    return queue.offer({
      batch: number,
      chunk,
      rows: Math.min(record.rowsPerChunk, left),
      rowsPerChunk: record.rowsPerChunk,
      makeInputs: () => witness.inputs(chunk, inputs),
    })
  }
}

/** Hash of a block; undefined where there is none. */
async function blockHash(client: PublicClient, blockNumber: bigint): Promise<string | undefined> {
  try {
    return (await client.getBlock({ blockNumber })).hash
  } catch (error) {
    if (error instanceof BlockNotFoundError) return undefined
    throw error
  }
}
