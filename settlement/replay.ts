/**
 * The auditor's replay: from the journal alone, recompute every batch that the chain has (rows, roots,
 * fills root, journal head, deposits, withdrawals) and compare. The same follower and the same sealing as the
 * live settler's, cut where the chain's headers say.
 */
import { availableParallelism } from 'node:os'
import type { PublicClient } from 'viem'
import type { ChainDeployment } from './chain.js'
import { applyRange, type AppliedBatch } from './batch.js'
import { bytesToHex, decodeRows } from './commit.js'
import { FillsHasher } from './fills-hasher.js'
import { Follower, type EngineCapacities } from './follow.js'
import { FILL_BYTES } from './fills-root.js'
import { readBatches, type PostedBatch } from './history.js'
import { StateTree } from './tree.js'

const HASH_THREADS_MAX = 4

export interface ReplayOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly onProgress?: (batch: number, batches: number) => void
}

export interface ReplayBatchesOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  readonly batches: readonly PostedBatch[]
  readonly rowsPerChunk: number
  readonly onProgress?: (batch: number, batches: number) => void
}

export interface ReplayReport {
  /** Batches of the chain that were recomputed and agreed. */
  readonly batches: number
  readonly commands: number
  readonly fills: number
  readonly rows: number
  readonly seconds: number
  readonly root: bigint
  /** The first thing that differs; undefined = nothing does. */
  readonly difference: ReplayDifference | undefined
}

export interface ReplayDifference {
  readonly batch: number
  /** Which part: a header field, "row", "deposits", "withdrawals", "journal". */
  readonly part: string
  /** Row number and leaf index where it is a row. */
  readonly row?: number
  readonly index?: number
  readonly chain: string
  readonly journal: string
}

/** Recomputes and compares; stops at the first difference. Throws JournalDamage when the journal is damaged. */
export async function replayAgainstChain(options: ReplayOptions): Promise<ReplayReport> {
  const { client, deployment, ...rest } = options
  const batches = await readBatches(client, deployment)
  return replayBatches({ ...rest, batches, rowsPerChunk: deployment.constants.rowsPerChunk })
}

/**
 * The replay itself, of batches that were read. Fills roots are hashed on a thread of their own while the next
 * batch is followed, and the tree by as many as there are cores, so that neither bounds the engine.
 */
export async function replayBatches(options: ReplayBatchesOptions): Promise<ReplayReport> {
  const { dataDir, capacities, batches, rowsPerChunk, onProgress } = options
  const follower = new Follower({ dataDir, ...(capacities === undefined ? {} : { capacities }) })
  const tree = new StateTree(Math.min(HASH_THREADS_MAX, availableParallelism()))
  const hasher = new FillsHasher()
  const startedAtMs = performance.now()
  let [fills, rows, agreed] = [0, 0, 0]
  let difference: ReplayDifference | undefined
  /** A batch that agrees, apart from the fills root that is still being hashed. */
  let open:
    { posted: PostedBatch; fillCount: number; rowCount: number; root: Promise<Uint8Array> } | undefined
  const finish = async (): Promise<void> => {
    if (open === undefined) return
    const { posted, fillCount, rowCount, root } = open
    open = undefined
    const journal = bytesToHex(await root)
    if (posted.header.fillsRoot !== journal) {
      difference = { batch: agreed + 1, part: 'fillsRoot', chain: posted.header.fillsRoot, journal }
      return
    }
    agreed++
    fills += fillCount
    rows += rowCount
    onProgress?.(agreed, batches.length)
  }
  try {
    for (const [at, posted] of batches.entries()) {
      const number = at + 1
      const lastSeq = Number(posted.header.lastSeq)
      follower.advance(() => false, Infinity, lastSeq)
      if (follower.seq < lastSeq || lastSeq < follower.firstSeq) {
        await finish()
        difference ??= {
          batch: number,
          part: 'journal',
          chain: `reaches seq ${lastSeq}`,
          journal:
            lastSeq < follower.firstSeq ? `is at ${follower.seq} already` : `ends at seq ${follower.seq}`,
        }
        break
      }
      const range = follower.close()
      const fillCount = range.fills.length / FILL_BYTES
      const root = hasher.root(range.fills)
      const applied = applyRange(number, range, tree, rowsPerChunk)
      await finish()
      if (difference !== undefined) break
      difference = compare(posted, applied)
      if (difference !== undefined) break
      open = { posted, fillCount, rowCount: range.rows.indices.length, root }
    }
    await finish()
    return {
      batches: agreed,
      commands: follower.seq,
      fills,
      rows,
      seconds: (performance.now() - startedAtMs) / 1000,
      root: tree.root,
      difference,
    }
  } finally {
    follower.stop()
    await Promise.all([tree.close(), hasher.close()])
  }
}

function compare(posted: PostedBatch, ours: AppliedBatch): ReplayDifference | undefined {
  const batch = Number(posted.header.number)
  const [theirs, computed] = [decodeRows(posted.rows), decodeRows(ours.data.rows)]
  const rowCount = Math.max(theirs.indices.length, computed.indices.length)
  const rowText = (rows: ReturnType<typeof decodeRows>, row: number): string =>
    row < rows.indices.length ? `index ${rows.indices[row]}, delta ${rows.deltas[row]}` : 'no row'
  for (let row = 0; row < rowCount; row++)
    if (rowText(theirs, row) !== rowText(computed, row))
      return {
        batch,
        part: 'row',
        row,
        index: theirs.indices[row] ?? computed.indices[row]!,
        chain: rowText(theirs, row),
        journal: rowText(computed, row),
      }
  const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b)
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  for (const [part, chain, journal] of [
    ['withdrawals', posted.withdrawals, ours.data.withdrawals],
    ['deposits', posted.data?.deposits ?? ours.data.deposits, ours.data.deposits],
  ] as const)
    if (!same(chain, journal)) return { batch, part, chain: hex(chain), journal: hex(journal) }
  for (const field of Object.keys(ours.header) as (keyof typeof ours.header)[])
    if (posted.header[field] !== ours.header[field])
      return { batch, part: field, chain: String(posted.header[field]), journal: String(ours.header[field]) }
  const chunk = posted.data?.chunkRoots.findIndex((root, at) => root !== ours.data.chunkRoots[at]) ?? -1
  if (chunk >= 0)
    return {
      batch,
      part: `root of chunk ${chunk}`,
      chain: String(posted.data!.chunkRoots[chunk]),
      journal: String(ours.data.chunkRoots[chunk]),
    }
  return undefined
}
