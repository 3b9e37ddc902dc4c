/**
 * The state tree from its rules, in bigint and slow: what quad-tree.ts is compared with. Tests alone import it.
 *
 *   node(q) = leaf                                     q >= 2^26; packed balances, 0 where there are none
 *   node(q) = P(a, b, c, d)[0] + a  mod R              a..d = node(4 q), node(4 q + 1), node(4 q + 2), node(4 q + 3)
 */
import { R } from '../tree/field.js'
import { permuteReference } from './poseidon2-reference.js'

const LEAVES_FROM = 67_108_864
const BALANCE_END = 9_007_199_254_740_992n
/** Hashes seen: shrinking asks for the same ones again. */
const seen = new Map<string, bigint>()

function over(children: readonly bigint[]): bigint {
  const name = children.join()
  let node = seen.get(name)
  if (node === undefined) {
    node = (permuteReference(children)[0]! + children[0]!) % R
    seen.set(name, node)
  }
  return node
}

/** A row: leaf index, and its four deltas. */
export type TwinRow = readonly [number, readonly [bigint, bigint, bigint, bigint]]

export class QuadTreeTwin {
  private balances = new Map<number, readonly bigint[]>()

  /** The balances of a leaf. */
  leaf(index: number): readonly bigint[] {
    return this.balances.get(index) ?? [0n, 0n, 0n, 0n]
  }

  /** Leaves that are not empty, by index. */
  filled(): Map<number, readonly bigint[]> {
    return new Map([...this.balances].filter(([, lanes]) => lanes.some((balance) => balance !== 0n)))
  }

  /** Applies a page; false, and nothing is changed, when its rows are not to be taken. */
  apply(rows: readonly TwinRow[]): boolean {
    const next = new Map(this.balances)
    for (const [at, [index, deltas]] of rows.entries()) {
      if (index < 0 || index >= LEAVES_FROM || deltas.every((delta) => delta === 0n)) return false
      if (at > 0 && rows[at - 1]![0] >= index) return false
      const lanes = this.leaf(index).map((balance, lane) => balance + deltas[lane]!)
      if (lanes.some((balance) => balance < 0n || balance >= BALANCE_END)) return false
      next.set(index, lanes)
    }
    this.balances = next
    return true
  }

  node(key: number): bigint {
    return this.below(key, [...this.filled().keys()])
  }

  /** Node `key`; `indices`: the leaves that are not empty, of which those below it count. */
  private below(key: number, indices: readonly number[]): bigint {
    if (key >= LEAVES_FROM)
      return this.leaf(key - LEAVES_FROM).reduce(
        (sum, balance, lane) => sum + balance * 2n ** (63n * BigInt(lane)),
        0n,
      )
    const inside = indices.filter((index) => {
      let ancestor = index + LEAVES_FROM
      while (ancestor > key) ancestor = Math.floor(ancestor / 4)
      return ancestor === key
    })
    if (inside.length === 0) return emptyBelow(key)
    return over([0, 1, 2, 3].map((child) => this.below(key * 4 + child, inside)))
  }
}

/** A node without leaves. */
function emptyBelow(key: number): bigint {
  if (key >= LEAVES_FROM) return 0n
  const child = emptyBelow(key * 4)
  return over([child, child, child, child])
}
