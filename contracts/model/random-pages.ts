/**
 * Random batches in pages, posted in random parts, mostly right, sometimes broken in one way. Seeded: the same seed
 * and the same deposits give the same calls. The differential test makes each call on the model of the checks
 * (pages.ts) and on the contract.
 */
import { type Address, type Hex, concatHex, keccak256, numberToHex, zeroHash } from 'viem'
import { FIELD } from '../poseidon-table.js'
import type { PublicInputs } from './batch.js'
import {
  type CarriedState,
  type ChainState,
  type PageHeader,
  type PostedPage,
  headerHash,
  postPages,
} from './pages.js'
import { generator } from './random-calls.js'

export interface QueuedDeposit {
  readonly account: number
  readonly asset: number
  readonly units: bigint
  readonly owner: Address
}

/** Arguments of one call of commitPages. */
export interface PagesCall {
  readonly header: PageHeader
  readonly carried: CarriedState | undefined
  readonly pages: readonly PostedPage[]
  /** In which way it is broken; it may be right all the same. */
  readonly broken: string
}

/** A page that is committed, with the public inputs of its proof. */
export interface CommittedPage {
  readonly number: bigint
  readonly page: number
  readonly statement: PublicInputs
}

type Row = readonly [leaf: number, deltas: readonly bigint[]]
interface Plan {
  readonly header: PageHeader
  readonly pages: readonly PostedPage[]
}

const UNITS_END = 2n ** 53n
const CHANCE_OF_FAULT = 40

export class RandomPages {
  readonly random: (n: number) => number
  chain: ChainState
  private readonly queue: QueuedDeposit[] = []
  private plan: Plan | undefined
  private statements: PublicInputs[] = []

  constructor(seed: number, chain: Omit<ChainState, 'depositHashes' | 'open'>) {
    this.random = generator(seed)
    this.chain = { ...chain, depositHashes: [zeroHash], open: undefined }
  }

  /** A deposit that the vault took, of an account that is new or not. */
  noteDeposit(deposit: QueuedDeposit, accountCount: number): void {
    this.queue.push(deposit)
    const { depositHashes } = this.chain
    const hash = keccak256(concatHex([depositHashes.at(-1)!, recordOf(deposit)]))
    this.chain = { ...this.chain, accountCount, depositHashes: [...depositHashes, hash] }
  }

  /** The next call: of the batch that is open, or of a new one. */
  next(): PagesCall {
    const { open } = this.chain
    if (open === undefined) this.plan = this.newPlan()
    const { header, pages } = this.plan!
    const from = open?.pages ?? 0
    const count = pages.length === 0 ? 0 : 1 + this.random(pages.length - from)
    const call = { header, carried: open, pages: pages.slice(from, from + count), broken: '' }
    return this.random(100) < CHANCE_OF_FAULT ? this.broken(call) : call
  }

  /** Makes the call on the model. Throws Revert. Returns the pages of a batch that is committed with it. */
  apply({ header, carried, pages }: PagesCall): CommittedPage[] {
    const outcome = postPages(this.chain, header, carried, pages)
    if (carried === undefined) this.statements = []
    this.statements.push(...outcome.statements)
    // A call that is broken may be right, and open a batch that cannot be closed as planned.
    this.plan = { header, pages: [...this.plan!.pages] }
    if (!outcome.isCommitted) {
      this.chain = { ...this.chain, open: outcome.carried }
      return []
    }
    this.chain = {
      ...this.chain,
      batchCount: header.number,
      lastSeq: header.lastSeq,
      lastRoot: header.newRoot,
      depositsConsumed: header.depositsConsumed,
      open: undefined,
    }
    return this.statements.map((statement, page) => ({ number: header.number, page, statement }))
  }

  /** Gives up the batch that is open. */
  drop(): void {
    this.chain = { ...this.chain, open: undefined }
  }

  private newPlan(): Plan {
    const { chain } = this
    const pages: PostedPage[] = []
    const root = (): bigint => BigInt(keccak256(numberToHex(this.random(2 ** 31)))) % FIELD
    const before = Number(chain.depositsConsumed)
    const waiting = this.queue.slice(before)
    const taken = waiting.slice(0, this.random(Math.min(waiting.length, 8) + 1))
    for (let at = 0; at < taken.length;) {
      const some = taken.slice(at, at + 1 + this.random(4))
      at += some.length
      pages.push({ kind: 0, lastRoot: root(), ...depositPage(some) })
    }
    for (const part of this.parts(this.trades()))
      pages.push({ kind: 1, lastRoot: root(), rows: packed(part), deposits: '0x' })
    for (const part of this.parts(this.rows(this.random(4), () => this.units())))
      pages.push({ kind: 2, lastRoot: root(), rows: packed(part), deposits: '0x' })
    const firstSeq = chain.lastSeq + 1n
    return {
      header: {
        number: chain.batchCount + 1n,
        firstSeq,
        lastSeq: firstSeq + BigInt(this.random(100)),
        oldRoot: chain.lastRoot,
        newRoot: pages.at(-1)?.lastRoot ?? chain.lastRoot,
        journalHead: keccak256(numberToHex(this.random(2 ** 31))),
        fillsRoot: keccak256(numberToHex(this.random(2 ** 31))),
        depositsConsumed: BigInt(before + taken.length),
        pageCount: pages.length,
      },
      pages,
    }
  }

  private units(): bigint {
    const some = BigInt(1 + this.random(1000))
    return this.random(4) === 0 ? UNITS_END - some : some
  }

  /** Rows of random leaves, each with at least one lane. */
  private rows(count: number, delta: () => bigint): Row[] {
    const { accountCount, assetCount } = this.chain
    const leaves = new Map<number, bigint[]>()
    for (let at = 0; at < count; at++) {
      const asset = this.random(assetCount)
      const leaf = leafOf(this.random(accountCount), asset)
      const deltas = leaves.get(leaf) ?? [0n, 0n, 0n, 0n]
      deltas[asset % 4] = delta()
      leaves.set(leaf, deltas)
    }
    return sorted(leaves)
  }

  /** Pairs of changes that cancel, over distinct cells. */
  private trades(): Row[] {
    const { accountCount, assetCount } = this.chain
    const leaves = new Map<number, bigint[]>()
    for (let pair = this.random(6); pair > 0; pair--) {
      const asset = this.random(assetCount)
      const first = this.random(accountCount)
      const second = (first + 1 + this.random(accountCount)) % accountCount
      const units = this.units()
      const cells = [first, second].map((account) => {
        const leaf = leafOf(account, asset)
        const deltas = leaves.get(leaf) ?? [0n, 0n, 0n, 0n]
        return { leaf, deltas }
      })
      if (first === second || cells.some(({ deltas }) => deltas[asset % 4] !== 0n)) continue
      cells.forEach(({ leaf, deltas }, place) => {
        deltas[asset % 4] = place === 0 ? units : -units
        leaves.set(leaf, deltas)
      })
    }
    return sorted(leaves)
  }

  private parts(rows: readonly Row[]): Row[][] {
    const parts: Row[][] = []
    for (let at = 0; at < rows.length;) {
      const part = rows.slice(at, at + 1 + this.random(4))
      at += part.length
      parts.push(part)
    }
    return parts
  }

  /** The call, changed in one way. */
  private broken(call: PagesCall): PagesCall {
    const header = (name: string, change: Partial<PageHeader>): PagesCall => ({
      ...call,
      header: { ...call.header, ...change },
      broken: name,
    })
    const at = this.random(Math.max(1, call.pages.length))
    const page = (name: string, change: (page: PostedPage) => Partial<PostedPage>): PagesCall => ({
      ...call,
      pages: call.pages.map((each, place) => (place === at ? { ...each, ...change(each) } : each)),
      broken: name,
    })
    const { accountCount, assetCount } = this.chain
    const of = call.header
    const ways: (() => PagesCall)[] = [
      () => header('number', { number: of.number + 1n }),
      () => header('first seq', { firstSeq: of.firstSeq + 1n }),
      () => header('empty range', { lastSeq: of.firstSeq - 1n }),
      () => header('old root', { oldRoot: of.oldRoot + 1n }),
      () => header('new root', { newRoot: of.newRoot === 0n ? 1n : of.newRoot - 1n }),
      () => header('root beyond the field', { newRoot: FIELD }),
      () => header('deposits', { depositsConsumed: of.depositsConsumed + 1n }),
      () => header('fewer pages', { pageCount: Math.max(0, of.pageCount - 1) }),
      () => header('more pages', { pageCount: of.pageCount + 1 }),
      () => ({ ...call, pages: [], broken: 'no page' }),
      () => ({ ...call, pages: [...call.pages, ...call.pages.slice(-1)], broken: 'page twice' }),
      () => ({ ...call, pages: [...call.pages].reverse(), broken: 'pages the other way' }),
      () => ({ ...call, carried: this.otherCarried(call), broken: 'carried' }),
      () => page('kind', () => ({ kind: this.random(4) })),
      () => page('page root', ({ lastRoot }) => ({ lastRoot: (lastRoot + 1n) % FIELD })),
      () => page('page root beyond the field', () => ({ lastRoot: FIELD })),
      () => page('no rows', () => ({ rows: '0x' })),
      () => page('a byte more', ({ rows }) => ({ rows: `${rows}00` })),
      () => page('a byte of rows', ({ rows }) => ({ rows: this.otherByte(rows) })),
      () => page('a byte of deposits', ({ deposits }) => ({ deposits: this.otherByte(deposits) })),
      () => page('deposits cut', ({ deposits }) => ({ deposits: cut(deposits, 34) })),
      () => page('leaf without deposit', ({ kind, rows }) => (kind === 0 ? { rows: `${rows}03000000` } : {})),
      () =>
        page('one row', ({ kind }) =>
          kind === 0 ? {} : { rows: packed([this.oddRow(accountCount, assetCount)]) },
        ),
    ]
    return ways[this.random(ways.length)]!()
  }

  /** A row at an edge: an account or an asset too many, or amounts at their ends. */
  private oddRow(accountCount: number, assetCount: number): Row {
    const odd: Row[] = [
      [leafOf(accountCount, 0), [1n, 0n, 0n, 0n]],
      [leafOf(0, assetCount), lanesOf(assetCount, 1n)],
      [leafOf(0, 0), [UNITS_END, 0n, 0n, 0n]],
      [leafOf(0, 0), [-UNITS_END, 0n, 0n, 0n]],
      [leafOf(0, 0), [UNITS_END - 1n, 0n, 0n, 0n]],
      [leafOf(0, 0), [-(2n ** 55n), 0n, 0n, 0n]],
    ]
    return odd[this.random(odd.length)]!
  }

  private otherCarried({ carried, header }: PagesCall): CarriedState | undefined {
    if (carried === undefined)
      return {
        batchHash: headerHash(this.chain.chainId, this.chain.settlement, header),
        pages: 0,
        withdrawalPages: 0,
        kind: 0,
        root: header.oldRoot,
        nextLeaf: 0n,
        depositsConsumed: this.chain.depositsConsumed,
        depositHash: this.chain.depositHashes[Number(this.chain.depositsConsumed)]!,
        sums: Array.from({ length: this.chain.assetCount }, () => 0n),
      }
    const ways: (CarriedState | undefined)[] = [
      undefined,
      { ...carried, nextLeaf: 0n },
      { ...carried, kind: 0 },
      { ...carried, pages: carried.pages - 1 },
      { ...carried, root: carried.root + 1n },
      { ...carried, depositsConsumed: carried.depositsConsumed + 1n },
      { ...carried, sums: carried.sums.map((sum, asset) => (asset === 0 ? sum + 1n : sum)) },
    ]
    return ways[this.random(ways.length)]
  }

  private otherByte(hex: Hex): Hex {
    const size = hex.length / 2 - 1
    if (size === 0) return hex
    const at = 2 + 2 * this.random(size)
    const byte = (parseInt(hex.slice(at, at + 2), 16) + 1 + this.random(255)) % 256
    return `${hex.slice(0, at)}${byte.toString(16).padStart(2, '0')}${hex.slice(at + 2)}` as Hex
  }
}

const leafOf = (account: number, asset: number): number => (asset >> 2) * 2 ** 22 + account
const lanesOf = (asset: number, units: bigint): bigint[] =>
  [0, 1, 2, 3].map((lane) => (lane === asset % 4 ? units : 0n))
const sorted = (leaves: ReadonlyMap<number, readonly bigint[]>): Row[] =>
  [...leaves].sort((a, b) => a[0] - b[0])
const cut = (hex: Hex, bytes: number): Hex =>
  hex.length > 2 * bytes ? (hex.slice(0, -2 * bytes) as Hex) : hex

const recordOf = ({ account, asset, units, owner }: QueuedDeposit): Hex =>
  concatHex([numberToHex(account * 64 + asset, { size: 4 }), numberToHex(units, { size: 8 }), owner])

/** Rows as they are posted: deltas, or units. */
function packed(rows: readonly Row[]): Hex {
  const parts = rows.flatMap(([leaf, deltas]) => {
    const mask = deltas.reduce((bits, delta, lane) => (delta === 0n ? bits : bits | (1 << lane)), 0)
    return [
      numberToHex(mask * 2 ** 26 + leaf, { size: 4 }),
      ...deltas
        .filter((delta) => delta !== 0n)
        .map((delta) => numberToHex(BigInt.asUintN(56, delta), { size: 7 })),
    ]
  })
  return parts.length === 0 ? '0x' : concatHex(parts)
}

function depositPage(deposits: readonly QueuedDeposit[]): Pick<PostedPage, 'rows' | 'deposits'> {
  const leaves = [...new Set(deposits.map(({ account, asset }) => leafOf(account, asset)))].sort(
    (a, b) => a - b,
  )
  return {
    rows: concatHex(leaves.map((leaf) => numberToHex(leaf, { size: 4 }))),
    deposits: concatHex(
      deposits.flatMap((deposit) => [
        recordOf(deposit),
        numberToHex(leaves.indexOf(leafOf(deposit.account, deposit.asset)), { size: 2 }),
      ]),
    ),
  }
}
