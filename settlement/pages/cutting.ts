/**
 * Cuts a batch's rows into pages: which rows make a page, and which circuit proves it. Rows keep their order, so a cut
 * is a partition of a list; the least cost of the first n rows is that of the first m plus one page, over all circuits.
 * A circuit's page that ends behind row n begins as early as the circuit can hold it: to begin later never costs less,
 * because the least cost of fewer rows is never higher (a cut of more rows is one of fewer: take rows away from its
 * end, and every page still fits its circuit). So one look a row and circuit finds the least cost of all cuts.
 *
 *   list   holds so many leaves and so many hash slots: a slot for every inner node above the page's leaves
 *   dense  holds whatever changes in one aligned subtree of so many leaves
 *
 * Neighbouring leaves that differ first at bit b (counted from 0) share all nodes but floor(b / 2) of the lower one's
 * path, so the slots of a run of sorted rows are a difference of two sums.
 */
import type { QueuedUnits } from '../batch/netting.js'
import { accountOf, assetOf } from '../batch/rows.js'
import { PAGE_DEPOSITS_MAX, PAGE_ROWS_MAX, PAGE_WITHDRAWALS_MAX } from '../limits.js'
import { LEAF_LANES } from '../quad-tree/leaf.js'
import { LEAVES_END, leafIndexOf, type LeafRows } from './leaf-rows.js'

interface CircuitCost {
  readonly name: string
  /** Seconds that a proof takes. */
  readonly seconds: number
  /** Gas of a page that it proves: the page's place in the batch, and its proof. */
  readonly gas: number
}

/** Proves any rows with so many leaves and so many inner nodes above them. */
export interface ListCircuit extends CircuitCost {
  readonly kind: 'list'
  readonly leaves: number
  readonly slots: number
}

/** Proves any rows within one aligned subtree of `subtreeLeaves`, a power of four. */
export interface DenseCircuit extends CircuitCost {
  readonly kind: 'dense'
  readonly subtreeLeaves: number
}

export type Circuit = ListCircuit | DenseCircuit

/** Rows (or deposits) `from` to `to` of what was cut. */
export interface PageCut {
  readonly from: number
  readonly to: number
  readonly circuit: Circuit
}

export interface CuttingOptions {
  readonly circuits: readonly Circuit[]
  /** What a second of proving may cost in gas: that of a page is gas + seconds * gasPerSecond. */
  readonly gasPerSecond: number
}

/** No circuit takes even one row. */
export class CuttingError extends Error {
  override readonly name = 'CuttingError'
}

/** Levels of inner nodes; the leaves are below them. */
const LEVELS = Math.log2(LEAVES_END) / 2
const WORD_BITS = 32

/** Inner nodes above `leaf` that are not above `previous`, the leaf before it. */
export const slotsBetween = (previous: number, leaf: number): number =>
  (WORD_BITS - 1 - Math.clz32(previous ^ leaf)) >> 1

/** Inner nodes above leaves in increasing order. */
export function slotsOf(leaves: Int32Array): number {
  let slots = leaves.length === 0 ? 0 : LEVELS
  for (let row = 1; row < leaves.length; row++) slots += slotsBetween(leaves[row - 1]!, leaves[row]!)
  return slots
}

/** Cuts trade rows at the least cost. */
export const cutTrades = (rows: LeafRows, options: CuttingOptions): PageCut[] =>
  cutRows(rows, Infinity, options)

/** Cuts withdrawal rows at the least cost: so many withdrawals a page that one transaction credits them. */
export const cutWithdrawals = (rows: LeafRows, options: CuttingOptions): PageCut[] =>
  cutRows(rows, PAGE_WITHDRAWALS_MAX, options)

function cutRows({ leaves, deltas }: LeafRows, lanesMax: number, options: CuttingOptions): PageCut[] {
  const count = leaves.length
  // slotsTo[n] - slotsTo[m]: nodes that rows m + 1 to n add to those above row m; lanesTo likewise, row m included.
  const slotsTo = new Int32Array(count)
  const lanesTo = new Int32Array(count + 1)
  for (let row = 0; row < count; row++) {
    if (row > 0) slotsTo[row] = slotsTo[row - 1]! + slotsBetween(leaves[row - 1]!, leaves[row]!)
    let lanes = 0
    for (let lane = 0; lane < LEAF_LANES; lane++) if (deltas[row * LEAF_LANES + lane] !== 0) lanes++
    lanesTo[row + 1] = lanesTo[row]! + lanes
  }
  const fits = (circuit: Circuit, from: number, last: number): boolean =>
    last - from < PAGE_ROWS_MAX &&
    lanesTo[last + 1]! - lanesTo[from]! <= lanesMax &&
    (circuit.kind === 'list'
      ? last - from < circuit.leaves && LEVELS + slotsTo[last]! - slotsTo[from]! <= circuit.slots
      : subtreeOf(circuit, leaves[from]!) === subtreeOf(circuit, leaves[last]!))
  const starts = options.circuits.map((circuit) => {
    const first = new Int32Array(count)
    for (let last = 0, from = 0; last < count; last++) {
      while (from <= last && !fits(circuit, from, last)) from++
      first[last] = from
    }
    return first
  })
  return leastCost(count, starts, options)
}

/** Cuts the deposits, which keep the queue's order: a page's leaves are those of its deposits, each once. */
export function cutDeposits(deposits: readonly QueuedUnits[], options: CuttingOptions): PageCut[] {
  const leaves = Int32Array.from(deposits, ({ index }) => leafIndexOf(accountOf(index), assetOf(index)))
  const starts = options.circuits.map((circuit) => {
    const first = new Int32Array(leaves.length)
    const window = new LeafWindow(circuit)
    for (let last = 0, from = 0; last < leaves.length; last++) {
      window.add(leaves[last]!)
      // Without leaves it fits: the loop ends.
      while (!window.fits || last - from >= PAGE_DEPOSITS_MAX) window.remove(leaves[from++]!)
      first[last] = from
    }
    return first
  })
  return leastCost(leaves.length, starts, options)
}

const subtreeOf = ({ subtreeLeaves }: DenseCircuit, leaf: number): number => Math.floor(leaf / subtreeLeaves)

/** Leaves in any order, some more than once: how many there are, and how many nodes above them. */
class LeafWindow {
  /** Times that each node is used, by its key: leaves, and inner nodes or subtrees. */
  private readonly uses = new Map<number, number>()
  private leaves = 0
  private nodes = 0

  constructor(private readonly circuit: Circuit) {}

  get fits(): boolean {
    const { circuit, leaves, nodes } = this
    if (leaves > PAGE_ROWS_MAX) return false
    return circuit.kind === 'list' ? leaves <= circuit.leaves && nodes <= circuit.slots : nodes <= 1
  }

  add(leaf: number): void {
    const { uses } = this
    const use = (key: number): boolean => {
      const before = uses.get(key) ?? 0
      uses.set(key, before + 1)
      return before === 0
    }
    if (!use(LEAVES_END + leaf)) return
    this.leaves++
    for (const key of this.nodesAbove(leaf)) if (use(key)) this.nodes++
  }

  remove(leaf: number): void {
    const { uses } = this
    const release = (key: number): boolean => {
      const left = uses.get(key)! - 1
      if (left === 0) uses.delete(key)
      else uses.set(key, left)
      return left === 0
    }
    if (!release(LEAVES_END + leaf)) return
    this.leaves--
    for (const key of this.nodesAbove(leaf)) if (release(key)) this.nodes--
  }

  private nodesAbove(leaf: number): number[] {
    const { circuit } = this
    if (circuit.kind === 'dense') return [subtreeOf(circuit, leaf)]
    return Array.from({ length: LEVELS }, (_, level) => (LEAVES_END + leaf) >>> (2 * (level + 1)))
  }
}

/**
 * The cut of least cost; of equals, the one whose last pages are of the circuits named first. `starts[c][n]`: where
 * the longest page of circuit c begins that ends with item n; n + 1 when there is none.
 */
function leastCost(
  count: number,
  starts: readonly Int32Array[],
  { circuits, gasPerSecond }: CuttingOptions,
): PageCut[] {
  const costs = circuits.map(({ gas, seconds }) => gas + seconds * gasPerSecond)
  const least = new Float64Array(count + 1).fill(Infinity)
  const chosen = new Int32Array(count)
  least[0] = 0
  for (let last = 0; last < count; last++)
    for (let circuit = 0; circuit < circuits.length; circuit++) {
      const from = starts[circuit]![last]!
      if (from > last) continue
      const cost = least[from]! + costs[circuit]!
      if (cost >= least[last + 1]!) continue
      least[last + 1] = cost
      chosen[last] = circuit
    }
  if (least[count] === Infinity) throw new CuttingError('there is a row that no circuit takes')
  const pages: PageCut[] = []
  for (let to = count; to > 0; to = pages.at(-1)!.from) {
    const circuit = chosen[to - 1]!
    pages.push({ from: starts[circuit]![to - 1]!, to, circuit: circuits[circuit]! })
  }
  return pages.reverse()
}
