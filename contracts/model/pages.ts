/**
 * What the chain checks of a batch that is posted in pages, as plain TypeScript over bigint: given what it has so far,
 * a header, the state carried from the batch's earlier transactions and the next pages, either the state to carry on,
 * or that the batch is committed, or the error. Written from the text of the format (docs/internals/pages.md) and not
 * from the contract or from settlement's code; tests compare both with it.
 */
import {
  type Address,
  type Hex,
  concatHex,
  encodeAbiParameters,
  hexToBytes,
  keccak256,
  numberToHex,
} from 'viem'
import { FIELD } from '../poseidon-table.js'
import type { PublicInputs } from './batch.js'
import { Revert } from './governance.js'

const UNITS_END = 2n ** 53n
const LEAVES_END = 2n ** 26n
const MAX_ROWS = 1024
const MAX_WITHDRAWALS = 256
const [DEPOSITS, TRADES, WITHDRAWALS] = [0, 1, 2]
const LANES = 4

export interface PageHeader {
  readonly number: bigint
  readonly firstSeq: bigint
  readonly lastSeq: bigint
  readonly oldRoot: bigint
  readonly newRoot: bigint
  readonly journalHead: Hex
  readonly fillsRoot: Hex
  readonly depositsConsumed: bigint
  readonly pageCount: number
}

export interface PostedPage {
  readonly kind: number
  readonly lastRoot: bigint
  readonly rows: Hex
  readonly deposits: Hex
}

/** What the pages of an open batch pass on to its next transaction. */
export interface CarriedState {
  readonly batchHash: Hex
  readonly pages: number
  readonly withdrawalPages: number
  readonly kind: number
  readonly root: bigint
  /** One more than the last page's last leaf: where the next row of this kind may begin. */
  readonly nextLeaf: bigint
  readonly depositsConsumed: bigint
  readonly depositHash: Hex
  readonly sums: readonly bigint[]
}

/** What the chain has. */
export interface ChainState {
  readonly chainId: number
  readonly settlement: Address
  readonly batchCount: bigint
  /** Of the last batch. */
  readonly lastSeq: bigint
  readonly lastRoot: bigint
  readonly depositsConsumed: bigint
  /** Running hash of the vault's queue behind each of its deposits; the first is of none. */
  readonly depositHashes: readonly Hex[]
  readonly accountCount: number
  readonly assetCount: number
  /** Of the batch that is open; what it carries, in full. */
  readonly open: CarriedState | undefined
}

export interface PagesOutcome {
  readonly isCommitted: boolean
  /** What is carried on; of a committed batch, what the last page left. */
  readonly carried: CarriedState
  /** Of each page that was posted, what its proof must have for inputs: first root, last root, z, evaluation. */
  readonly statements: readonly PublicInputs[]
}

interface Row {
  readonly leaf: bigint
  readonly deltas: readonly bigint[]
}

const words = (...values: readonly (bigint | number)[]): Hex =>
  concatHex(values.map((value) => numberToHex(value, { size: 32 })))

const carriedType = {
  type: 'tuple',
  components: [
    { name: 'batchHash', type: 'bytes32' },
    { name: 'pages', type: 'uint256' },
    { name: 'withdrawalPages', type: 'uint256' },
    { name: 'kind', type: 'uint256' },
    { name: 'root', type: 'uint256' },
    { name: 'nextLeaf', type: 'uint256' },
    { name: 'depositsConsumed', type: 'uint64' },
    { name: 'depositHash', type: 'bytes32' },
    { name: 'sums', type: 'int256[]' },
  ],
} as const

/** The argument `carried` of the call: nothing with a batch's first pages. */
export const carriedBytes = (carried: CarriedState | undefined): Hex =>
  carried === undefined
    ? '0x'
    : encodeAbiParameters(
        [carriedType],
        [
          {
            ...carried,
            pages: BigInt(carried.pages),
            withdrawalPages: BigInt(carried.withdrawalPages),
            kind: BigInt(carried.kind),
          },
        ],
      )

/** Hash that stands for a batch's header on one chain. */
export const headerHash = (chainId: number, settlement: Address, header: PageHeader): Hex =>
  keccak256(
    concatHex([
      words(chainId, BigInt(settlement)),
      words(header.number, header.firstSeq, header.lastSeq, header.oldRoot, header.newRoot),
      header.journalHead,
      header.fillsRoot,
      words(header.depositsConsumed, header.pageCount),
    ]),
  )

/** What is kept of a page until its proof. */
export const commitmentOf = (statement: PublicInputs): Hex => keccak256(words(...statement))

/** Posts pages. Throws Revert. */
export function postPages(
  chain: ChainState,
  header: PageHeader,
  carried: CarriedState | undefined,
  pages: readonly PostedPage[],
): PagesOutcome {
  const batchHash = headerHash(chain.chainId, chain.settlement, header)
  const zero = `0x${'00'.repeat(32)}` as const
  const hashOf = (state: CarriedState | undefined): Hex =>
    state === undefined ? zero : keccak256(carriedBytes(state))
  if (hashOf(carried) !== hashOf(chain.open))
    throw new Revert('WrongCarried', [hashOf(carried), hashOf(chain.open)])
  if (carried === undefined) checkHeader(chain, header)
  else if (carried.batchHash !== batchHash) throw new Revert('WrongBatch', [batchHash, carried.batchHash])
  if (pages.length === 0 && header.pageCount > 0) throw new Revert('EmptyPage')

  let state: CarriedState = carried ?? {
    batchHash,
    pages: 0,
    withdrawalPages: 0,
    kind: DEPOSITS!,
    root: header.oldRoot,
    nextLeaf: 0n,
    depositsConsumed: chain.depositsConsumed,
    depositHash: chain.depositHashes[Number(chain.depositsConsumed)]!,
    sums: Array.from({ length: chain.assetCount }, () => 0n),
  }
  const posted = state.pages + pages.length
  if (posted > header.pageCount)
    throw new Revert('PageCountMismatch', [BigInt(posted), BigInt(header.pageCount)])
  const statements: PublicInputs[] = []
  for (const page of pages) {
    const rows: Row[] = []
    const next = takePage(chain, state, page, rows)
    statements.push(statementOf(batchHash, state, page, rows))
    state = next
  }
  const isCommitted = state.pages === header.pageCount
  if (isCommitted) checkEnd(header, state)
  return { isCommitted, carried: state, statements }
}

function checkHeader(chain: ChainState, header: PageHeader): void {
  const expected = chain.batchCount + 1n
  if (header.number !== expected) throw new Revert('WrongNumber', [header.number, expected])
  const firstSeq = chain.lastSeq + 1n
  if (header.firstSeq !== firstSeq) throw new Revert('WrongFirstSeq', [header.firstSeq, firstSeq])
  if (header.lastSeq < header.firstSeq) throw new Revert('EmptySeqRange', [header.firstSeq, header.lastSeq])
  if (header.oldRoot !== chain.lastRoot) throw new Revert('WrongOldRoot', [header.oldRoot, chain.lastRoot])
}

/** Checks a page; its rows go to `rows`; what it passes on. */
function takePage(chain: ChainState, state: CarriedState, page: PostedPage, rows: Row[]): CarriedState {
  const { kind } = page
  if (kind > WITHDRAWALS! || kind < state.kind)
    throw new Revert('WrongKind', [BigInt(kind), BigInt(state.kind)])
  if (page.lastRoot >= FIELD) throw new Revert('NotCanonical', [page.lastRoot])
  if (page.rows === '0x') throw new Revert('EmptyPage')
  let { depositsConsumed, depositHash } = state
  if (kind === DEPOSITS) [depositsConsumed, depositHash] = takeDeposits(chain, state, page, rows)
  else {
    if (page.deposits !== '0x') throw new Revert('BadPackedLength', [BigInt(page.deposits.length / 2 - 1)])
    // Rows increase over all pages of one kind; those of deposit pages by themselves.
    takeRows(kind, page.rows, kind === state.kind ? state.nextLeaf : 0n, rows)
  }
  const sums = [...state.sums]
  for (const { leaf, deltas } of rows)
    deltas.forEach((delta, lane) => {
      if (delta === 0n) return
      const asset = Number(leaf >> 22n) * LANES + lane
      if (asset >= chain.assetCount)
        throw new Revert('UnknownAsset', [BigInt(asset), BigInt(chain.assetCount)])
      if (kind === TRADES) sums[asset]! += delta
    })
  for (const { leaf } of rows) {
    const account = leaf % 2n ** 22n
    if (account >= chain.accountCount)
      throw new Revert('UnknownAccount', [account, BigInt(chain.accountCount)])
  }
  return {
    batchHash: state.batchHash,
    pages: state.pages + 1,
    withdrawalPages: state.withdrawalPages + (kind === WITHDRAWALS ? 1 : 0),
    kind,
    root: page.lastRoot,
    nextLeaf: rows.at(-1)!.leaf + 1n,
    depositsConsumed,
    depositHash,
    sums,
  }
}

function takeRows(kind: number, hex: Hex, nextLeaf: bigint, rows: Row[]): void {
  const bytes = hexToBytes(hex)
  let at = 0
  const take = (size: number): bigint => {
    if (at + size > bytes.length) throw new Revert('BadPackedLength', [BigInt(bytes.length)])
    let value = 0n
    for (const byte of bytes.subarray(at, at + size)) value = value * 256n + BigInt(byte)
    at += size
    return value
  }
  let [next, withdrawals] = [nextLeaf, 0]
  while (at < bytes.length) {
    const head = take(4)
    const leaf = head % LEAVES_END
    const mask = head / LEAVES_END
    if (mask === 0n || mask > 15n) throw new Revert('BadMask', [leaf, mask])
    if (leaf < next) throw new Revert('RowsNotIncreasing', [next - 1n, leaf])
    const deltas = [0n, 0n, 0n, 0n]
    for (let lane = 0; lane < LANES; lane++) {
      if ((mask >> BigInt(lane)) % 2n === 0n) continue
      const raw = take(7)
      if (kind === WITHDRAWALS) {
        if (raw === 0n || raw >= UNITS_END) throw new Revert('BadUnits', [leaf, BigInt(lane), raw])
        deltas[lane] = -raw
        withdrawals++
      } else {
        const delta = BigInt.asIntN(56, raw)
        if (delta === 0n || delta >= UNITS_END || delta <= -UNITS_END)
          throw new Revert('BadDelta', [leaf, BigInt(lane), delta])
        deltas[lane] = delta
      }
    }
    rows.push({ leaf, deltas })
    next = leaf + 1n
  }
  if (rows.length > MAX_ROWS) throw new Revert('TooManyRecords', [BigInt(rows.length), BigInt(MAX_ROWS)])
  if (withdrawals > MAX_WITHDRAWALS)
    throw new Revert('TooManyRecords', [BigInt(withdrawals), BigInt(MAX_WITHDRAWALS)])
}

/** Deposits consumed and the queue's hash behind the page. */
function takeDeposits(chain: ChainState, state: CarriedState, page: PostedPage, rows: Row[]): [bigint, Hex] {
  const [leaves, deposits] = [hexToBytes(page.rows), hexToBytes(page.deposits)]
  if (leaves.length % 4 !== 0) throw new Revert('BadPackedLength', [BigInt(leaves.length)])
  if (deposits.length % 34 !== 0) throw new Revert('BadPackedLength', [BigInt(deposits.length)])
  const numberAt = (bytes: Uint8Array, at: number, size: number): bigint =>
    bytes.subarray(at, at + size).reduce((value, byte) => value * 256n + BigInt(byte), 0n)
  const count = leaves.length / 4
  if (count > MAX_ROWS) throw new Revert('TooManyRecords', [BigInt(count), BigInt(MAX_ROWS)])
  const sums: bigint[][] = []
  for (let row = 0; row < count; row++) {
    const leaf = numberAt(leaves, row * 4, 4)
    const previous = row === 0 ? -1n : numberAt(leaves, row * 4 - 4, 4)
    if (leaf <= previous) throw new Revert('RowsNotIncreasing', [previous, leaf])
    sums.push([0n, 0n, 0n, 0n])
  }
  let { depositsConsumed: consumed, depositHash: hash } = state
  for (let at = 0; at < deposits.length; at += 34) {
    const index = numberAt(deposits, at, 4)
    const units = numberAt(deposits, at + 4, 8)
    const place = Number(numberAt(deposits, at + 32, 2))
    const [account, asset] = [index >> 6n, index % 64n]
    const leaf = ((asset >> 2n) << 22n) + account
    if (place >= count || account >= 2n ** 22n || numberAt(leaves, place * 4, 4) !== leaf)
      throw new Revert('WrongLeaf', [index, BigInt(place)])
    sums[place]![Number(asset % 4n)]! += units
    hash = keccak256(concatHex([hash, `0x${Buffer.from(deposits.subarray(at, at + 32)).toString('hex')}`]))
    consumed++
  }
  sums.forEach((deltas, row) => {
    const leaf = numberAt(leaves, row * 4, 4)
    deltas.forEach((units, lane) => {
      if (units >= UNITS_END) throw new Revert('BadUnits', [leaf, BigInt(lane), units])
    })
    if (deltas.every((units) => units === 0n)) throw new Revert('BadDelta', [leaf, 0n, 0n])
    rows.push({ leaf, deltas })
  })
  const expected = chain.depositHashes[Number(consumed)]
  if (hash !== expected) throw new Revert('DepositQueueMismatch', [hash, expected])
  return [consumed, hash]
}

function checkEnd(header: PageHeader, state: CarriedState): void {
  if (state.root !== header.newRoot) throw new Revert('WrongNewRoot', [state.root, header.newRoot])
  if (state.depositsConsumed !== header.depositsConsumed)
    throw new Revert('DepositCountMismatch', [state.depositsConsumed, header.depositsConsumed])
  state.sums.forEach((sum, asset) => {
    if (sum !== 0n) throw new Revert('NotConserved', [BigInt(asset), sum])
  })
}

/** What a page's proof must have for inputs. */
function statementOf(
  batchHash: Hex,
  state: CarriedState,
  page: PostedPage,
  rows: readonly Row[],
): PublicInputs {
  const z =
    BigInt(
      keccak256(
        concatHex([
          batchHash,
          words(state.pages, page.kind, state.root, page.lastRoot),
          keccak256(page.rows),
          keccak256(page.deposits),
        ]),
      ),
    ) % FIELD
  const terms = rows.flatMap(({ leaf, deltas }) => [
    leaf + 1n,
    deltas.reduce((packed, delta, lane) => packed + delta * 2n ** (63n * BigInt(lane)), 0n),
  ])
  const evaluation = terms.reduce((sum, term) => (((sum * z + term) % FIELD) + FIELD) % FIELD, 0n)
  return [state.root, page.lastRoot, z, evaluation]
}
