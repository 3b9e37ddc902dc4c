/**
 * Moves one batch at a time along sealed -> signed -> sent -> mined -> proven -> final. Every step asks the
 * chain what is true first, so that each can be repeated after a crash at any point: the contract takes a
 * batch number once, a chunk's proof once, a batch's withdrawals once.
 *
 * Invariant: a batch that the chain has under our number has our root, or everything stops with
 * ForeignBatch: somebody else posts with the operator's key, or this data folder is an old copy.
 */
import { encodeFunctionData, type PublicClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { sleep, type ChainDeployment } from './chain.js'
import { bytesToHex, type PublicInputs } from './commit.js'
import { NonceTaken, TransactionReverted, type Sender } from './sender.js'
import type { BatchRecord, BatchState, BatchStore } from './store.js'

/** The chain has another batch under our number. */
export class ForeignBatch extends Error {
  override readonly name = 'ForeignBatch'
}

/** Groth16 points in EIP-197 order: [a.x, a.y, b.x1, b.x0, b.y1, b.y0, c.x, c.y]. */
export type ChunkProof = readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]

/** What the contract says of its batches. */
export interface ChainBatches {
  /** Last committed number. */
  readonly committed: number
  /** Last proven number. */
  readonly proven: number
}

export interface PosterOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly sender: Sender
  readonly store: BatchStore
  /** A record reached a new state. */
  readonly onState?: (record: BatchRecord) => void
}

const FULL_PAUSE_MS = 500
const REVERTS_MAX = 3

export class Poster {
  constructor(private readonly options: PosterOptions) {}

  async chainBatches(): Promise<ChainBatches> {
    const { client, deployment } = this.options
    const read = (functionName: 'batchCount' | 'provenCount'): Promise<bigint> =>
      client.readContract({ address: deployment.settlement, abi: settlementAbi, functionName })
    const [committed, proven] = await Promise.all([read('batchCount'), read('provenCount')])
    return { committed: Number(committed), proven: Number(proven) }
  }

  /**
   * Compares a record with the chain and corrects its state downwards or upwards: after a crash the chain may
   * be ahead of the record, after a reorganisation behind. Throws ForeignBatch.
   */
  async reconcile(record: BatchRecord): Promise<void> {
    const number = Number(record.header.number)
    const { committed } = await this.chainBatches()
    if (committed < number) {
      if (isAtLeast(record, 'mined')) this.setState(record, 'sealed')
      return
    }
    const { client, deployment } = this.options
    const batch = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'batchOf',
      args: [record.header.number],
    })
    if (batch.newRoot !== record.header.newRoot || batch.lastSeq !== record.header.lastSeq)
      throw new ForeignBatch(
        `batch ${number} on the chain ends at seq ${batch.lastSeq} with root ${batch.newRoot}, ours at seq ` +
          `${record.header.lastSeq} with root ${record.header.newRoot}`,
      )
    const state = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'batchState',
      args: [record.header.number],
    })
    const known: readonly BatchState[] = ['sealed', 'mined', 'proven', 'final']
    const onChain = known[state]!
    // A commit still in the outbox keeps its own state until its confirmations are there.
    if (this.options.sender.labels().includes(`commit ${number}`)) return
    if (!isAtLeast(record, onChain) || (isAtLeast(record, 'proven') && record.state !== onChain))
      this.setState(record, onChain)
  }

  /**
   * Commits a batch whose predecessors are committed. Returns once it is confirmed, or when the chain has lost
   * a predecessor (struck, or reorganised away), which then has to be committed first.
   */
  async commit(record: BatchRecord): Promise<void> {
    const number = Number(record.header.number)
    const { deployment } = this.options
    for (let reverts = 0; !isAtLeast(record, 'mined');) {
      await this.reconcile(record)
      if (isAtLeast(record, 'mined')) return
      const data = encodeFunctionData({
        abi: settlementAbi,
        functionName: 'commitBatch',
        args: [
          record.header,
          record.data.chunkRoots,
          bytesToHex(record.data.rows),
          bytesToHex(record.data.deposits),
          bytesToHex(record.data.withdrawals),
        ],
      })
      try {
        const receipt = await this.options.sender.send(`commit ${number}`, deployment.settlement, data)
        record.commitTx = receipt.transactionHash
        record.commitBlock = Number(receipt.blockNumber)
        this.setState(record, 'mined')
      } catch (error) {
        if (error instanceof NonceTaken) continue
        if (!(error instanceof TransactionReverted)) throw error
        // Another start of ours may have committed it.
        await this.reconcile(record)
        if (isAtLeast(record, 'mined')) return
        const isBehind = (await this.chainBatches()).committed < number - 1
        // Mined and reverted: the chain was another one when it was simulated. Too many unproven: wait for proofs.
        const isRetried =
          (error.isMined && ++reverts < REVERTS_MAX) || error.reason.startsWith('TooManyUnproven')
        if (!isBehind && !isRetried) throw error
        await sleep(FULL_PAUSE_MS)
        if (isBehind) return
      }
    }
  }

  /** Posts a chunk's proof unless the chain has it. Resolves once confirmed. */
  async prove(record: BatchRecord, chunk: number, inputs: PublicInputs, proof: ChunkProof): Promise<void> {
    const number = Number(record.header.number)
    for (let reverts = 0; ;) {
      if (await this.isChunkProven(number, chunk)) return
      const data = encodeFunctionData({
        abi: settlementAbi,
        functionName: 'proveChunk',
        args: [record.header.number, BigInt(chunk), inputs, proof],
      })
      try {
        await this.options.sender.send(`prove ${number}/${chunk}`, this.options.deployment.settlement, data)
        return
      } catch (error) {
        if (error instanceof NonceTaken) continue
        if (!(error instanceof TransactionReverted)) throw error
        if (await this.isChunkProven(number, chunk)) return
        // Mined and reverted: the chain was another one when it was simulated. A new simulation tells.
        if (!error.isMined || ++reverts >= REVERTS_MAX) throw error
      }
    }
  }

  /** Whether a chunk of a committed batch has its proof on the chain. */
  async isChunkProven(number: number, chunk: number): Promise<boolean> {
    const { client, deployment } = this.options
    const { committed, proven } = await this.chainBatches()
    if (number <= proven) return true
    if (number > committed) return false
    const waiting = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'chunkCommitment',
      args: [BigInt(number), BigInt(chunk)],
    })
    return BigInt(waiting) === 0n
  }

  /** Makes the withdrawals of a proven batch claimable, unless they are. */
  async finalize(record: BatchRecord): Promise<void> {
    const number = Number(record.header.number)
    while (record.state !== 'final') {
      await this.reconcile(record)
      if (record.state !== 'proven') return
      const data = encodeFunctionData({
        abi: settlementAbi,
        functionName: 'finalizeBatch',
        args: [record.header.number, bytesToHex(record.data.withdrawals)],
      })
      try {
        await this.options.sender.send(`finalize ${number}`, this.options.deployment.settlement, data)
        this.setState(record, 'final')
      } catch (error) {
        if (error instanceof NonceTaken) continue
        await this.reconcile(record)
        if ((record.state as BatchState) !== 'final') throw error
      }
    }
  }

  /** Makes a state durable, then tells it. */
  setState(record: BatchRecord, state: BatchState): void {
    if (record.state === state) return
    record.state = state
    this.options.store.save(record)
    this.options.onState?.(record)
  }
}

const order: readonly BatchState[] = ['sealed', 'signed', 'sent', 'mined', 'proven', 'final']

/** Whether a record has come to `state` or further. */
export const isAtLeast = (record: BatchRecord, state: BatchState): boolean =>
  order.indexOf(record.state) >= order.indexOf(state)
