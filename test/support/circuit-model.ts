/**
 * The chunk circuit in TypeScript, group by group: the slow twin of settlement/circuits/chunk.circom. The
 * groups are those of the table in settlement/circuits/README.md. For tests.
 */
import { toField } from '../../settlement/tree/field.js'
import { poseidonReference as poseidon } from '../../settlement/tree/poseidon-reference.js'
import type { ChunkInputs } from '../../settlement/follow/witness.js'

/** Constraint groups, in the order of the circuit's README. */
export type Group =
  | 'used is a bit'
  | 'used slots come first'
  | 'index in range'
  | 'old balance in range'
  | 'new balance in range'
  | 'a used row moves a balance'
  | 'an unused slot is inert'
  | 'the old leaf is in the tree'
  | 'indices increase'
  | 'the last root'
  | 'the evaluation'

const UNITS_END = 1n << 53n

/** Groups that `inputs` break; none = there is a witness. `depth` of the tree; N is the inputs' length. */
export function brokenGroups(inputs: ChunkInputs, depth: number): Group[] {
  const broken = new Set<Group>()
  const require = (holds: boolean, group: Group): void => void (holds || broken.add(group))
  const element = (text: string): bigint => toField(BigInt(text))
  const z = element(inputs.z)
  let root = element(inputs.firstRoot)
  let evaluation = 0n
  inputs.used.forEach((_, slot) => {
    const at = (column: readonly string[]): bigint => element(column[slot]!)
    const [used, index, oldBalance, newBalance] = [
      at(inputs.used),
      at(inputs.index),
      at(inputs.oldBalance),
      at(inputs.newBalance),
    ]
    const delta = toField(newBalance - oldBalance)
    require(used === 0n || used === 1n, 'used is a bit')
    require(index < 1n << BigInt(depth), 'index in range')
    require(oldBalance < UNITS_END, 'old balance in range')
    require(newBalance < UNITS_END, 'new balance in range')
    require(toField(delta * at(inputs.inverseDelta)) === used, 'a used row moves a balance')
    require(toField((1n - used) * index) === 0n &&
      toField((1n - used) * delta) === 0n, 'an unused slot is inert')
    if (slot > 0) {
      const before = element(inputs.used[slot - 1]!)
      require(toField(used * (1n - before)) === 0n, 'used slots come first')
      const gap = toField(used * (index - element(inputs.index[slot - 1]!) - 1n))
      require(gap < 1n << BigInt(depth), 'indices increase')
    }
    const rootOf = (leaf: bigint): bigint =>
      inputs.siblings[slot]!.reduce((node, sibling, height) => {
        const bit = (index >> BigInt(height)) & 1n
        return bit === 0n ? poseidon(node, element(sibling)) : poseidon(element(sibling), node)
      }, leaf)
    require(toField(used * (rootOf(oldBalance) - root)) === 0n, 'the old leaf is in the tree')
    root = toField(root + used * (rootOf(newBalance) - root))
    evaluation = toField(evaluation * z + index + used)
    evaluation = toField(evaluation * z + delta)
  })
  require(root === element(inputs.lastRoot), 'the last root')
  require(evaluation === element(inputs.evaluation), 'the evaluation')
  return [...broken]
}
