/**
 * How batches are cut into chunks: as the verifier wants that they are committed under. The governor may put
 * another one in force, with other chunks; whatever was sealed and not committed by then is cut again.
 *
 * Invariant: a record's chunks are those of the verifier in force when its commit is signed, and, once committed,
 * those of the verifier that the chain names for it. Used by settler.ts and post.ts.
 */
import { parseAbi, zeroAddress, type Address, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import { nextBlockTime, type ChainDeployment } from '../chain/chain.js'
import type { BatchRecord, BatchStore } from '../store/store.js'
import { chunkRootsOf } from '../follow/witness.js'

const verifierAbi = parseAbi(['function rowsPerChunk() view returns (uint256)'])

export interface ChunkingOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly store: BatchStore
  /** Nodes of the tree before a batch; undefined when they are not kept any more. */
  readonly treeBefore: (number: number) => ((key: number) => bigint) | undefined
}

export class Chunking {
  private rows: number
  private smallest: number
  private readonly rowsOf = new Map<Address, number>()

  constructor(private readonly options: ChunkingOptions) {
    this.rows = options.deployment.constants.rowsPerChunk
    this.smallest = this.rows
  }

  /** Rows of a chunk for batches that are sealed now. */
  get rowsPerChunk(): number {
    return this.rows
  }

  /** The fewest rows a chunk that batches sealed now may be committed under: a proposed verifier counts. */
  get rowsPerChunkMin(): number {
    return this.smallest
  }

  /** Asks the chain what is in force, and what is proposed and has not lapsed. */
  async refresh(): Promise<void> {
    const { client, deployment } = this.options
    const read = { address: deployment.settlement, abi: settlementAbi } as const
    const [rows, proposed, proposedRows, activeFrom, life] = await Promise.all([
      client.readContract({ ...read, functionName: 'rowsPerChunk' }),
      client.readContract({ ...read, functionName: 'proposedVerifier' }),
      client.readContract({ ...read, functionName: 'proposedRowsPerChunk' }),
      client.readContract({ ...read, functionName: 'verifierActiveFrom' }),
      client.readContract({ ...read, functionName: 'PROPOSAL_LIFE' }),
    ])
    this.rows = Number(rows)
    const mayCome = proposed !== zeroAddress && BigInt(await nextBlockTime(client)) <= activeFrom + life
    this.smallest = mayCome ? Math.min(this.rows, Number(proposedRows)) : this.rows
  }

  /** Cuts a batch that is not committed as the verifier in force wants it. */
  async beforeCommit(record: BatchRecord): Promise<void> {
    await this.refresh()
    this.cut(record, this.rows)
  }

  /**
   * Notes the chunks that a committed batch was given by its own verifier: of a small batch the commit fits under
   * either, and a change may have come between signature and block.
   */
  async afterCommit(record: BatchRecord, verifier: Address): Promise<void> {
    let rows = this.rowsOf.get(verifier)
    if (rows === undefined) {
      const { client } = this.options
      rows = Number(
        await client.readContract({ address: verifier, abi: verifierAbi, functionName: 'rowsPerChunk' }),
      )
      this.rowsOf.set(verifier, rows)
    }
    this.cut(record, rows)
  }

  private cut(record: BatchRecord, rowsPerChunk: number): void {
    if (record.rowsPerChunk === rowsPerChunk) return
    const number = Number(record.header.number)
    const nodeBefore = this.options.treeBefore(number)
    if (nodeBefore === undefined) throw new Error(`the tree before batch ${number} is not kept any more`)
    record.data = { ...record.data, chunkRoots: chunkRootsOf(record, rowsPerChunk, nodeBefore) }
    record.rowsPerChunk = rowsPerChunk
    this.options.store.save(record)
  }
}
