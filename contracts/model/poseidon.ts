/**
 * Poseidon of two inputs and the balance tree, over bigint: the model's side of libraries/Poseidon.sol and
 * BalanceTree.sol. Slow and plain; used by tests, benchmarks and the exit check, not by settlement.
 */
import { FIELD, poseidonTable } from '../poseidon-table.js'

const table = poseidonTable()
const DEPTH = 28

const fifth = (x: bigint): bigint => {
  const square = (x * x) % FIELD
  return (((square * square) % FIELD) * x) % FIELD
}

/** Poseidon(left, right) with circomlib's parameters. Inputs are below FIELD. */
export function poseidon(left: bigint, right: bigint): bigint {
  let state = [0n, left, right]
  const full = (constants: readonly bigint[][]): void => {
    for (const row of constants) {
      const powers = state.map((x, i) => fifth((x + row[i]!) % FIELD))
      state = table.mix.map((m) => m.reduce((sum, x, k) => sum + x * powers[k]!, 0n) % FIELD)
    }
  }
  full(table.first)
  for (const [constant, v1, v2, u1, u2] of table.partial as bigint[][]) {
    const x = fifth((state[0]! + constant!) % FIELD)
    state = [
      (x * table.mix[0]![0]! + state[1]! * v1! + state[2]! * v2!) % FIELD,
      (state[1]! + x * u1!) % FIELD,
      (state[2]! + x * u2!) % FIELD,
    ]
  }
  const [h00, h01, h10, h11] = table.rest as [bigint, bigint, bigint, bigint]
  state = [
    state[0]!,
    (h00 * state[1]! + h01 * state[2]!) % FIELD,
    (h10 * state[1]! + h11 * state[2]!) % FIELD,
  ]
  full(table.second)
  return state[0]!
}

const empty: bigint[] = [0n]
for (let height = 0; height < DEPTH; height++) empty.push(poseidon(empty[height]!, empty[height]!))

/** The balance tree: depth 28, leaves are units, 0 when empty. */
export class BalanceTree {
  private readonly nodes = Array.from({ length: DEPTH + 1 }, () => new Map<number, bigint>())

  get root(): bigint {
    return this.node(DEPTH, 0)
  }

  leaf(index: number): bigint {
    return this.node(0, index)
  }

  /** Siblings of the path of `index`, from the leaf's own up. */
  path(index: number): bigint[] {
    return Array.from({ length: DEPTH }, (_, height) => this.node(height, (index >> height) ^ 1))
  }

  set(index: number, units: bigint): void {
    let node = units
    for (let height = 0; height < DEPTH; height++) {
      const place = index >> height
      this.nodes[height]!.set(place, node)
      const sibling = this.node(height, place ^ 1)
      node = (place & 1) === 0 ? poseidon(node, sibling) : poseidon(sibling, node)
    }
    this.nodes[DEPTH]!.set(0, node)
  }

  private node(height: number, place: number): bigint {
    return this.nodes[height]!.get(place) ?? empty[height]!
  }
}

/** Root that `units` at `index` gives with these siblings. */
export function rootOf(index: number, units: bigint, siblings: readonly bigint[]): bigint {
  return siblings.reduce(
    (node, sibling, height) =>
      ((index >> height) & 1) === 0 ? poseidon(node, sibling) : poseidon(sibling, node),
    units,
  )
}
