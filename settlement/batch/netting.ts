/**
 * Netting: the balance changes of a batch, summed per (account, asset), by its tree index
 * (rows.ts). Called by follow.ts for every event that moves balances.
 *
 * Invariant: every partial sum is the difference of two balances of one account, each 0 to 2^53 - 1, so
 * Float64 sums are exact and below 2^53 in absolute value.
 */
import { ASSETS_MAX } from '../../engine/limits.js'
import { type Rows, assetOf } from './rows.js'

const INITIAL_SLOTS = 1024

/** Open-addressing table of index -> delta; doubles at half load. */
export class Net {
  /** index + 1; 0 = empty. */
  private keys = new Int32Array(INITIAL_SLOTS)
  private values = new Float64Array(INITIAL_SLOTS)
  private mask = INITIAL_SLOTS - 1
  private count = 0
  private nonZero = 0

  /** (account, asset) pairs whose delta is not zero now. */
  get rowCount(): number {
    return this.nonZero
  }

  /** Adds signed `units` to the delta of `index`. */
  add(index: number, units: number): void {
    const { keys, values, mask } = this
    let slot = Math.imul(index, 0x9e3779b1) >>> 7
    for (slot &= mask; ; slot = (slot + 1) & mask) {
      const key = keys[slot]!
      if (key === index + 1) break
      if (key === 0) {
        keys[slot] = index + 1
        this.count++
        break
      }
    }
    const before = values[slot]!
    const after = before + units
    values[slot] = after
    if (before === 0) this.nonZero += after === 0 ? 0 : 1
    else if (after === 0) this.nonZero--
    if (this.count * 2 > mask) this.grow()
  }

  /** Delta of `index`, 0 when untouched. */
  deltaOf(index: number): number {
    const { keys, mask } = this
    for (let slot = (Math.imul(index, 0x9e3779b1) >>> 7) & mask; ; slot = (slot + 1) & mask) {
      if (keys[slot] === index + 1) return this.values[slot]!
      if (keys[slot] === 0) return 0
    }
  }

  /** The rows so far. The table keeps them until `clear`. */
  rows(): Rows {
    const { keys, values } = this
    const indices = new Int32Array(this.nonZero)
    let count = 0
    for (let slot = 0; slot < keys.length; slot++)
      if (keys[slot] !== 0 && values[slot] !== 0) indices[count++] = keys[slot]! - 1
    indices.sort()
    return { indices, deltas: Float64Array.from(indices, (index) => this.deltaOf(index)) }
  }

  clear(): void {
    this.keys = new Int32Array(INITIAL_SLOTS)
    this.values = new Float64Array(INITIAL_SLOTS)
    this.mask = INITIAL_SLOTS - 1
    this.count = 0
    this.nonZero = 0
  }

  private grow(): void {
    const { keys, values } = this
    const size = keys.length * 2
    this.keys = new Int32Array(size)
    this.values = new Float64Array(size)
    this.mask = size - 1
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === 0) continue
      let slot = (Math.imul(keys[from]! - 1, 0x9e3779b1) >>> 7) & this.mask
      while (this.keys[slot] !== 0) slot = (slot + 1) & this.mask
      this.keys[slot] = keys[from]!
      this.values[slot] = values[from]!
    }
  }
}

/** Amount of units at a tree index: a deposit or a withdrawal. */
export interface IndexedUnits {
  readonly index: number
  readonly units: number
}

/** A deposit of the vault's queue. */
export interface QueuedUnits extends IndexedUnits {
  /** The account's owner as the journal says it: five big-endian words. */
  readonly owner: readonly number[]
}

/** The rows of a batch do not add up: a broken invariant, never posted. */
export class NotConserved extends Error {
  override readonly name = 'NotConserved'
  constructor(
    readonly asset: number,
    readonly difference: bigint,
  ) {
    super(`asset ${asset}: rows differ from deposits minus withdrawals by ${difference} units`)
  }
}

/** Proves per asset: sum of deltas = deposits - withdrawals. Throws NotConserved. */
export function assertConserved(
  rows: Rows,
  deposits: readonly IndexedUnits[],
  withdrawals: readonly IndexedUnits[],
): void {
  const sums = new Array<bigint>(ASSETS_MAX).fill(0n)
  const add = (index: number, units: number, sign: bigint): void => {
    sums[assetOf(index)]! += sign * BigInt(units)
  }
  rows.indices.forEach((index, row) => add(index, rows.deltas[row]!, 1n))
  for (const { index, units } of deposits) add(index, units, -1n)
  for (const { index, units } of withdrawals) add(index, units, 1n)
  sums.forEach((difference, asset) => {
    if (difference !== 0n) throw new NotConserved(asset, difference)
  })
}
