/**
 * The auditor's replay: from the journal alone, recompute every batch that the chain has (rows, roots,
 * fills root, journal head, deposits, withdrawals, and z, the hash of all that was committed) and compare. The same
 * follower and the same sealing as the live settler's, cut where the chain's headers say. Whose a deposit is, and who
 * owns an account, the vault says: the journal's deposits are compared with its queue.
 */
import type { Address, PublicClient } from 'viem'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { BACKLOG_MAX } from '../limits.js'
import { Beside } from './beside.js'
import type { ChainDeployment } from '../chain/chain.js'
import { RECORD_BYTES, bytesToHex, challenge, decodeRows, type CommitDomain } from '../batch/commit.js'
import type { EngineCapacities } from '../../engine/types.js'
import { Follower, addressOf } from '../follow/follow.js'
import { FILL_BYTES } from '../batch/fills-root.js'
import {
  EventsMissing,
  expectBatches,
  expectDeposits,
  calldataReport,
  readBatches,
  readDeposits,
  readOwners,
  type CalldataReport,
  type PostedBatch,
  type QueuedDeposit,
} from '../chain/history.js'
import { type QueuedUnits } from '../batch/netting.js'
import { accountOf, assetOf } from '../batch/rows.js'
import { TREE_DEPTH, emptyRoots } from '../tree/tree.js'
import type { ApplyAnswer, ApplyQuestion } from './tree-thread.js'

export interface ReplayOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  /**
   * Also compare chunk roots and deposits with the calldata of each commit: where z differs it says which of them
   * does. One more call a batch.
   */
  readonly calldata?: boolean
  readonly onProgress?: (batch: number, batches: number) => void
}

export interface ReplayBatchesOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  readonly batches: readonly PostedBatch[]
  /** What z is made for; absent = z is not compared. */
  readonly domain?: CommitDomain
  /**
   * What the vault says now; absent = not compared. Asked again when the journal's end, which may have been written
   * since, says more than the first answer.
   */
  readonly vault?: () => Promise<VaultRecords>
  readonly onProgress?: (batch: number, batches: number) => void
}

/** What the vault says of accounts and deposits at one block. */
export interface VaultRecords {
  /** Owners by account, as it registered them. */
  readonly owners: ReadonlyMap<number, Address>
  /** The whole queue, from position 0. */
  readonly deposits: readonly QueuedDeposit[]
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

/** Of a replay that was compared with a chain. */
export interface ChainReplayReport extends ReplayReport {
  /** The block that it holds for, and its time in seconds since 1970. */
  readonly block: number
  readonly time: number
  readonly calldata: CalldataReport
}

export interface ReplayDifference {
  readonly batch: number
  /** Which part: a header field, "row", "deposit N", "deposits", "withdrawals", "z", "journal". */
  readonly part: string
  /** Row number and leaf index where it is a row. */
  readonly row?: number
  readonly index?: number
  readonly chain: string
  readonly journal: string
}

/**
 * Recomputes and compares all batches that the contract has; stops at the first difference.
 * @throws EventsMissing when the endpoint leaves some out; JournalDamage when the journal is damaged.
 */
export async function replayAgainstChain(options: ReplayOptions): Promise<ChainReplayReport> {
  const { client, deployment, calldata = false, ...rest } = options
  // All that the chain says is of one block: an exchange goes on while its events are read.
  const { number: blockNumber, timestamp } = await client.getBlock({ blockTag: 'latest' })
  const settlement = { address: deployment.settlement, abi: settlementAbi, blockNumber } as const
  const count = await client.readContract({ ...settlement, functionName: 'batchCount' })
  const lastRoot = await client.readContract({ ...settlement, functionName: 'lastRoot' })
  const batches = await readBatches(client, deployment, { calldata, until: blockNumber })
  expectBatches(batches, count, deployment)
  const replayed = await replayBatches({
    ...rest,
    batches,
    domain: deployment,
    vault: () => readVault(client, deployment),
  })
  const report = {
    ...replayed,
    block: Number(blockNumber),
    time: Number(timestamp),
    calldata: calldataReport(calldata, batches),
  }
  if (report.difference !== undefined || report.root === lastRoot) return report
  const difference = {
    batch: report.batches,
    part: 'lastRoot',
    chain: String(lastRoot),
    journal: String(report.root),
  }
  return { ...report, difference }
}

/**
 * Accounts and deposits as the vault's events tell them at the newest block.
 * @throws EventsMissing when they are not all that the vault has.
 */
export async function readVault(client: PublicClient, deployment: ChainDeployment): Promise<VaultRecords> {
  const blockNumber = await client.getBlockNumber({ cacheTime: 0 })
  const vault = { address: deployment.vault, abi: vaultAbi, blockNumber } as const
  const [accounts, count] = await Promise.all([
    client.readContract({ ...vault, functionName: 'accountCount' }),
    client.readContract({ ...vault, functionName: 'depositCount' }),
  ])
  const hash = await client.readContract({ ...vault, functionName: 'depositHash', args: [count] })
  const owners = await readOwners(client, deployment, blockNumber)
  const deposits = await readDeposits(client, deployment, blockNumber)
  const { deployedAtBlock } = deployment
  if (BigInt(owners.size) !== accounts)
    throw new EventsMissing(
      `the vault has ${accounts} accounts, and the RPC endpoint shows events of ${owners.size}`,
      deployedAtBlock,
    )
  expectDeposits(deposits, { count, hash }, deployedAtBlock)
  return { owners, deposits }
}

/** A batch whose parts are being recomputed. */
interface OpenBatch {
  readonly posted: PostedBatch
  /** Of its deposits, what differs from the vault's queue. */
  readonly wrongDeposit: ReplayDifference | undefined
  readonly applied: Promise<ApplyAnswer>
  readonly fillsRoot: Promise<Uint8Array>
  readonly fillCount: number
}

/**
 * The replay itself, of batches that were read. The engine follows the journal here; the tree and the fills roots
 * are hashed on threads of their own, some batches behind.
 */
export async function replayBatches(options: ReplayBatchesOptions): Promise<ReplayReport> {
  const { dataDir, capacities, batches, domain, vault, onProgress } = options
  const records = await vault?.()
  const follower = new Follower({ dataDir, ...(capacities === undefined ? {} : { capacities }) })
  const tree = new Beside<ApplyQuestion, ApplyAnswer>(new URL('./tree-thread.js', import.meta.url))
  const hasher = new Beside<Uint8Array, Uint8Array>(new URL('./fills-thread.js', import.meta.url))
  const startedAtMs = performance.now()
  let [fills, rows, agreed, root] = [0, 0, 0, emptyRoots[TREE_DEPTH]!]
  let [difference, consumed]: [ReplayDifference | undefined, number] = [undefined, 0]
  const open: OpenBatch[] = []
  /** Judges the open batches in order until `left` are left. */
  const judge = async (left: number): Promise<void> => {
    while (open.length > left && difference === undefined) {
      const { posted, wrongDeposit, applied, fillsRoot, fillCount } = open.shift()!
      const { header, data } = await applied
      difference =
        wrongDeposit ??
        compare(posted, { header, data }) ??
        compareFills(posted, bytesToHex(await fillsRoot), agreed + 1) ??
        // Last, as it says only that something of the batch differs: chunk roots, which no event tells, stand in it.
        (domain === undefined ? undefined : compareZ(posted, domain, data))
      if (difference !== undefined) return
      agreed++
      root = header.newRoot
      fills += fillCount
      rows += data.rows.length / RECORD_BYTES
      onProgress?.(agreed, batches.length)
    }
  }
  try {
    for (const [at, posted] of batches.entries()) {
      const lastSeq = Number(posted.header.lastSeq)
      follower.advance(() => false, Infinity, lastSeq)
      if (follower.seq < lastSeq || lastSeq < follower.firstSeq) {
        await judge(0)
        difference ??= {
          batch: at + 1,
          part: 'journal',
          chain: `reaches seq ${lastSeq}`,
          journal:
            lastSeq < follower.firstSeq ? `is at ${follower.seq} already` : `ends at seq ${follower.seq}`,
        }
        break
      }
      const { fills: leaves, ...range } = follower.close()
      open.push({
        posted,
        wrongDeposit:
          records === undefined
            ? undefined
            : compareDeposits(range.deposits, consumed, records.deposits, at + 1),
        applied: tree.ask({ number: at + 1, range, rowsPerChunk: posted.rowsPerChunk }),
        fillCount: leaves.length / FILL_BYTES,
        fillsRoot: hasher.ask(leaves, [leaves.buffer]),
      })
      consumed = range.depositsConsumed
      await judge(BACKLOG_MAX)
      if (difference !== undefined) break
    }
    await judge(0)
    if (vault !== undefined && records !== undefined && difference === undefined) {
      // Accounts and deposits that no batch has reached yet count as well.
      follower.advance(() => false)
      const compareEnd = ({ owners, deposits }: VaultRecords): ReplayDifference | undefined =>
        compareDeposits(follower.deposits, consumed, deposits, agreed + 1) ??
        compareOwners(follower, owners, agreed)
      difference = compareEnd(records)
      if (difference !== undefined) difference = compareEnd(await vault())
    }
    return {
      batches: agreed,
      commands: follower.seq,
      fills,
      rows,
      seconds: (performance.now() - startedAtMs) / 1000,
      root,
      difference,
    }
  } finally {
    follower.stop()
    await Promise.all([tree.close(), hasher.close()])
  }
}

/**
 * Whose a deposit is, and how much, is for the vault to say: the journal's deposits from position `first` on are
 * those of its queue.
 */
function compareDeposits(
  ours: readonly QueuedUnits[],
  first: number,
  queue: readonly QueuedDeposit[],
  batch: number,
): ReplayDifference | undefined {
  const text = (units: number, asset: number, account: number, owner: string): string =>
    `${units} units of asset ${asset} for account ${account} of ${owner.toLowerCase()}`
  for (const [at, { index, units, owner }] of ours.entries()) {
    const position = first + at
    const queued = queue[position]
    const chain =
      queued === undefined
        ? `has ${queue.length} deposits`
        : text(queued.units, queued.asset, queued.account, queued.owner)
    const journal = text(units, assetOf(index), accountOf(index), addressOf(owner))
    if (chain !== journal) return { batch, part: `deposit ${position}`, chain, journal }
  }
  return undefined
}

/** Who owns an account is for the vault to say: a journal that says otherwise gives a balance to somebody else. */
function compareOwners(
  follower: Follower,
  owners: ReadonlyMap<number, Address>,
  batch: number,
): ReplayDifference | undefined {
  for (const [account, owner] of follower.owners()) {
    const chain = owners.get(account)
    if (chain?.toLowerCase() !== owner.toLowerCase())
      return { batch, part: `owner of account ${account}`, chain: chain ?? 'none', journal: owner }
  }
  return undefined
}

function compareFills(posted: PostedBatch, journal: string, batch: number): ReplayDifference | undefined {
  const chain = posted.header.fillsRoot
  return chain === journal ? undefined : { batch, part: 'fillsRoot', chain, journal }
}

function compareZ(
  posted: PostedBatch,
  domain: CommitDomain,
  data: ApplyAnswer['data'],
): ReplayDifference | undefined {
  const journal = challenge(domain, posted.header, data)
  if (journal === posted.z) return undefined
  return { batch: Number(posted.header.number), part: 'z', chain: String(posted.z), journal: String(journal) }
}

function compare(posted: PostedBatch, ours: ApplyAnswer): ReplayDifference | undefined {
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
