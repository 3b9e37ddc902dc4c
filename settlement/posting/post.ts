/**
 * Moves one batch at a time along sealed -> signed -> sent -> committed -> proven -> final. Every step asks the
 * chain what is true first, so that each can be repeated after a crash at any point: the contract takes a
 * batch number once, a chunk's proof once, a batch's withdrawals once. A chain that lost blocks takes a state
 * back; the sender brings the same bytes again.
 *
 * Invariant: a batch that the chain has under our number has our root, or everything stops with
 * ForeignBatch: somebody else posts with the operator's key, or this data folder is an old copy.
 */
import { encodeFunctionData, type Address, type Hex, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import { ExchangeFrozen, type ChainDeployment } from '../chain/chain.js'
import { POST_PAUSE_MS, POST_PAUSE_MS_MAX, REFUSALS_MAX } from '../limits.js'
import { pauseFor } from '../chain/patience.js'
import type { Chunking } from './chunking.js'
import { bytesToHex, commitArguments, type PublicInputs } from '../batch/commit.js'
import { NonceTaken, SenderStopped, TransactionReverted, type Sender } from '../sending/sender.js'
import { isAtLeast, isNoRoom, type BatchRecord, type BatchState, type BatchStore } from '../store/store.js'

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
  readonly chunking: Chunking
  /** A record reached a new state. */
  readonly onState?: (record: BatchRecord) => void
  readonly onTrouble?: (text: string) => void
  /** A state is not on the disk yet, for want of room. */
  readonly onNoRoom?: (error: unknown) => void
  readonly isStopped?: () => boolean
}

/**
 * Refusals that end by themselves: proofs come, a pause ends, an endpoint that is behind catches up. A batch
 * that the chain refuses for another reason is refused for good.
 */
const WAITED_FOR = [
  'TooManyUnproven',
  'CommitsArePaused',
  'DepositsOverQueue',
  'WrongNumber',
  'WrongFirstSeq',
  'WrongOldRoot',
]

/** Refusals of a chain that lost the proof, or of an endpoint that is ahead of the one that was asked before. */
const FINALIZE_WAITED_FOR = ['BatchNotProven', 'BatchAlreadyFinal']

export class Poster {
  /** Records whose states are not on the disk yet. */
  private readonly unsaved = new Set<BatchRecord>()

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
    // A commit in the outbox keeps its own state until its confirmations are there.
    if (this.options.sender.isOpen(`commit ${number}`)) return
    const { client, deployment } = this.options
    const read = { address: deployment.settlement, abi: settlementAbi, args: [record.header.number] } as const
    const state = chainStates[await client.readContract({ ...read, functionName: 'batchState' })]
    if (state === undefined) {
      if (isAtLeast(record, 'committed')) this.setState(record, 'sealed')
      return
    }
    const batch = await client.readContract({ ...read, functionName: 'batchOf' })
    // Struck or taken back between the two answers: the next comparison tells.
    if (batch.lastSeq === 0n) return
    if (batch.newRoot !== record.header.newRoot || batch.lastSeq !== record.header.lastSeq)
      throw new ForeignBatch(
        `batch ${number} on the chain ends at seq ${batch.lastSeq} with root ${batch.newRoot}, ours at seq ` +
          `${record.header.lastSeq} with root ${record.header.newRoot}`,
      )
    if (record.state === state) return
    if (!isAtLeast(record, 'committed')) await this.options.chunking.afterCommit(record, batch.verifier)
    this.placeCommit(record)
    this.setState(record, state)
  }

  /**
   * Commits a batch whose predecessors are committed. Returns once it is confirmed, or when the chain has lost
   * a predecessor (struck, or reorganised away), which then has to be committed first.
   */
  async commit(record: BatchRecord): Promise<void> {
    const number = Number(record.header.number)
    let pause = POST_PAUSE_MS
    for (let refusals = 0; !isAtLeast(record, 'committed');) {
      await this.reconcile(record)
      if (isAtLeast(record, 'committed')) return
      await this.options.chunking.beforeCommit(record)
      try {
        await this.options.sender.send(
          `commit ${number}`,
          this.options.deployment.settlement,
          commitCall(record),
        )
        await this.options.chunking.afterCommit(record, await this.verifierOf(record))
        this.placeCommit(record)
        this.setState(record, 'committed')
      } catch (error) {
        if (error instanceof NonceTaken) continue
        if (!(error instanceof TransactionReverted)) throw error
        // Another start of ours may have committed it.
        await this.reconcile(record)
        if (isAtLeast(record, 'committed')) return
        if ((await this.chainBatches()).committed < number - 1) {
          await this.pause(POST_PAUSE_MS)
          return
        }
        if (error.reason.startsWith('ExchangeFrozen'))
          throw new ExchangeFrozen(this.options.deployment.settlement)
        // Mined and reverted: the chain was another one when it was simulated. A new simulation says why.
        const isWaitedFor = WAITED_FOR.some((name) => error.reason.startsWith(name))
        if (!isWaitedFor && ++refusals >= REFUSALS_MAX) throw error
        this.options.onTrouble?.(error.message)
        await this.pause(pause)
        pause = Math.min(
          pause * 2,
          error.reason.startsWith('TooManyUnproven') ? POST_PAUSE_MS : POST_PAUSE_MS_MAX,
        )
      }
    }
  }

  /** The verifier that the chain has a committed batch under. */
  private async verifierOf({ header }: BatchRecord): Promise<Address> {
    const { client, deployment } = this.options
    const { verifier } = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'batchOf',
      args: [header.number],
    })
    return verifier
  }

  /** Where the commit stands, as far as the sender knows. */
  private placeCommit(record: BatchRecord): void {
    const mined = this.options.sender.minedAs(`commit ${record.header.number}`)
    if (mined === undefined) return
    record.commitTx = mined.hash
    record.commitBlock = mined.blockNumber
  }

  private async pause(milliseconds: number): Promise<void> {
    await pauseFor(milliseconds, () => this.options.isStopped?.() === true)
    if (this.options.isStopped?.()) throw new SenderStopped('posting has stopped')
  }

  /** Whether the proof of a chunk is signed already, and waits to be mined (again). */
  isProofOnTheWay(number: number, chunk: number): boolean {
    return this.options.sender.isOpen(`prove ${number}/${chunk}`)
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
        if (!error.isMined || ++reverts >= REFUSALS_MAX) throw error
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

  /** Makes the withdrawals of a proven batch claimable, unless they are or the chain has it proven no more. */
  async finalize(record: BatchRecord): Promise<void> {
    const number = Number(record.header.number)
    for (let refusals = 0; ;) {
      await this.reconcile(record)
      if (record.state !== 'proven') return
      const data = encodeFunctionData({
        abi: settlementAbi,
        functionName: 'finalizeBatch',
        args: [record.header.number, bytesToHex(record.data.withdrawals)],
      })
      try {
        await this.options.sender.send(`finalize ${number}`, this.options.deployment.settlement, data)
        return this.setState(record, 'final')
      } catch (error) {
        if (error instanceof NonceTaken) continue
        if (!(error instanceof TransactionReverted)) throw error
        await this.reconcile(record)
        if (record.state !== 'proven') return
        const isWaitedFor = FINALIZE_WAITED_FOR.some((name) => error.reason.startsWith(name))
        if (!isWaitedFor && ++refusals >= REFUSALS_MAX) throw error
        this.options.onTrouble?.(error.message)
        await this.pause(POST_PAUSE_MS)
      }
    }
  }

  /**
   * Makes a state durable and tells it. It only says again what outbox and chain say, and a start compares it with
   * them: where the disk has no room, the state holds all the same and is written later.
   */
  setState(record: BatchRecord, state: BatchState): void {
    if (record.state === state) return
    record.state = state
    this.unsaved.add(record)
    try {
      this.saveStates()
    } catch (error) {
      if (!isNoRoom(error)) throw error
      this.options.onNoRoom?.(error)
    }
    this.options.onState?.(record)
  }

  /** Writes the states that wait for it. Throws what the disk says. */
  saveStates(): void {
    for (const record of this.unsaved) {
      this.options.store.save(record)
      this.unsaved.delete(record)
    }
  }
}

/** States by the contract's numbers; undefined = the chain does not have the batch. */
const chainStates: readonly (BatchState | undefined)[] = [undefined, 'committed', 'proven', 'final']

function commitCall({ header, data }: BatchRecord): Hex {
  return encodeFunctionData({
    abi: settlementAbi,
    functionName: 'commitBatch',
    args: commitArguments(header, data),
  })
}
