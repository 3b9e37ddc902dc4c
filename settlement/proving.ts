/**
 * Has committed batches proven: a task for each chunk that waits (ask the provers, post the proof), then the
 * finalisation of batches with withdrawals. Run by the settler.
 *
 * Invariant: a chunk counts as proven when the chain says so. A batch that the chain lost or struck loses its
 * proven chunks with it, and starts again when it is committed again.
 */
import { BaseError } from 'viem'
import type { Batches } from './batches.js'
import { chainErrorText, sleep, type ChainDeployment } from './chain.js'
import { RECORD_BYTES, chunkCount, publicInputs, type PublicInputs } from './commit.js'
import { isAtLeast, type ChunkProof, type Poster } from './post.js'
import { QueueStopped, type ProverQueue } from './prover-queue.js'
import { SenderStopped, TransactionReverted } from './sender.js'
import type { BatchRecord } from './store.js'
import type { StateTree } from './tree.js'
import { BatchWitness } from './witness.js'

export interface ProvingOptions {
  readonly batches: Batches
  readonly tree: StateTree
  readonly poster: Poster
  readonly deployment: ChainDeployment
  /** Absent = the deployment's verifier takes anything. */
  readonly queue?: ProverQueue | undefined
  readonly isStopped: () => boolean
  readonly onTrouble: (text: string) => void
}

/** Chunks that are proven or posted at a time. */
const TASKS_MAX = 64
const POLL_MS = 20
/** Pause between looks at what the chain has of all batches. */
const COMPARE_MS = 2000
const NO_PROOF: ChunkProof = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]

export class Proving {
  private readonly tasks = new Map<string, Promise<void>>()
  /** Chunks of unproven batches that the chain has the proof of. */
  private readonly done = new Map<number, Set<number>>()
  private readonly witnesses = new Map<number, BatchWitness>()
  private failure: unknown

  constructor(private readonly options: ProvingOptions) {}

  /** Runs until the stop. Throws what no second try would mend, or a network failure. */
  async run(): Promise<void> {
    const { batches, poster, isStopped } = this.options
    let comparedAtMs = 0
    while (!isStopped()) {
      if (this.failure !== undefined) {
        const failure = this.failure
        this.failure = undefined
        throw failure
      }
      if (Date.now() - comparedAtMs > COMPARE_MS) {
        await this.compare()
        comparedAtMs = Date.now()
      }
      for (const record of batches.open()) {
        if (!isAtLeast(record, 'mined')) break
        if (isAtLeast(record, 'proven')) await poster.finalize(record)
        else await this.advance(record)
      }
      batches.forget()
      await sleep(POLL_MS)
    }
    await Promise.allSettled(this.tasks.values())
  }

  /** Batches that the chain has no more (a deep reorganisation, or struck) are posted again. */
  private async compare(): Promise<void> {
    const { batches, poster } = this.options
    const { committed } = await poster.chainBatches()
    for (const record of [...batches.recent()]) {
      const number = Number(record.header.number)
      if (number <= committed || !isAtLeast(record, 'mined')) continue
      await poster.reconcile(record)
      this.done.delete(number)
    }
  }

  /** Starts tasks for chunks of a committed batch; notices when all are done. */
  private async advance(record: BatchRecord): Promise<void> {
    const { batches, poster } = this.options
    const number = Number(record.header.number)
    const chunks = chunkCount(record.data.rows.length / RECORD_BYTES, record.rowsPerChunk)
    const done = this.done.get(number) ?? new Set<number>()
    this.done.set(number, done)
    for (let chunk = 0; chunk < chunks && this.tasks.size < TASKS_MAX; chunk++) {
      const id = `${number}/${chunk}`
      if (this.tasks.has(id) || done.has(chunk)) continue
      this.tasks.set(id, this.task(id, record, chunk, done))
    }
    if (done.size < chunks || number !== batches.proven + 1) return
    await poster.reconcile(record)
    if (!isAtLeast(record, 'proven')) {
      // The chain knows better, after it lost a block: look at every chunk again.
      done.clear()
      return
    }
    this.done.delete(number)
    this.witnesses.delete(number)
  }

  private async task(id: string, record: BatchRecord, chunk: number, done: Set<number>): Promise<void> {
    const { onTrouble } = this.options
    try {
      if (await this.prove(record, chunk)) done.add(chunk)
    } catch (error) {
      if (error instanceof SenderStopped || error instanceof QueueStopped) return
      if (error instanceof BaseError) onTrouble(`prove ${id}: ${chainErrorText(error)}`)
      else this.failure ??= error
      await sleep(POLL_MS)
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
      const proof = queue === undefined ? NO_PROOF : await this.ask(queue, record, chunk, inputs)
      try {
        await poster.prove(record, chunk, inputs, proof)
        return true
      } catch (error) {
        if (!(error instanceof TransactionReverted)) throw error
        if ((await poster.chainBatches()).committed < number) return false
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
    return queue.offer(`${number}/${chunk}`, Math.min(record.rowsPerChunk, left), () =>
      witness.inputs(chunk, inputs),
    )
  }
}
