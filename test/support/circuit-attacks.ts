/**
 * Attacks on the inputs of a full chunk of at least two rows: what each changes, and a group of constraints (the
 * table in settlement/circuits/README.md) that must stop it. For tests, at any depth.
 *
 * Leaves are not packed, so no balance has a neighbour in its leaf to run over into: the nearest things are
 * balances of 2^53 and 2^64, the field's wrap-around, and the leaf of the next index.
 */
import { R, inverse, toField } from '../../settlement/tree/field.js'
import type { ChunkInputs } from '../../settlement/follow/witness.js'
import type { Group } from './circuit-model.js'

type Column = 'used' | 'index' | 'oldBalance' | 'newBalance' | 'inverseDelta'
export type MutableInputs = Record<'firstRoot' | 'lastRoot' | 'z' | 'evaluation', string> &
  Record<Column, string[]> & { siblings: string[][] }

const columns: readonly Column[] = ['used', 'index', 'oldBalance', 'newBalance', 'inverseDelta']

export const mutableInputs = (inputs: ChunkInputs): MutableInputs =>
  structuredClone(inputs) as unknown as MutableInputs

const plus = (text: string, difference: bigint): string => String(toField(BigInt(text) + difference))

/** Sets a slot's new balance, and its delta's inverse with it. */
function setNew(inputs: MutableInputs, slot: number, balance: bigint): void {
  inputs.newBalance[slot] = String(toField(balance))
  const delta = toField(balance - BigInt(inputs.oldBalance[slot]!))
  inputs.inverseDelta[slot] = delta === 0n ? '0' : String(inverse(delta))
}

function swap(inputs: MutableInputs, a: number, b: number): void {
  for (const column of columns)
    [inputs[column][a], inputs[column][b]] = [inputs[column][b]!, inputs[column][a]!]
  const siblings = inputs.siblings[a]!
  inputs.siblings[a] = inputs.siblings[b]!
  inputs.siblings[b] = siblings
}

const lastOf = ({ used }: MutableInputs): number => used.length - 1

export interface CircuitAttack {
  readonly attack: (inputs: MutableInputs) => void
  readonly group: Group
}

export const attacks: Readonly<Record<string, CircuitAttack>> = {
  'a negative balance': { attack: (inputs) => setNew(inputs, 0, -1n), group: 'new balance in range' },
  'a balance of 2^53': { attack: (inputs) => setNew(inputs, 0, 1n << 53n), group: 'new balance in range' },
  'a balance of 2^64, which 64 bits would take for 0': {
    attack: (inputs) => setNew(inputs, 0, 1n << 64n),
    group: 'new balance in range',
  },
  'an old balance of 2^53': {
    attack: (inputs) => void (inputs.oldBalance[0] = String(1n << 53n)),
    group: 'old balance in range',
  },
  'an old balance that wraps around the field': {
    attack: (inputs) => void (inputs.oldBalance[1] = String(R - 5n)),
    group: 'old balance in range',
  },
  'a wrong sibling': {
    attack: (inputs) => void (inputs.siblings[0]![1] = plus(inputs.siblings[0]![1]!, 1n)),
    group: 'the old leaf is in the tree',
  },
  'another old balance': {
    attack: (inputs) => {
      inputs.oldBalance[0] = String(BigInt(inputs.oldBalance[0]!) ^ 1n)
      setNew(inputs, 0, BigInt(inputs.newBalance[0]!))
    },
    group: 'the old leaf is in the tree',
  },
  'the neighbour’s leaf: the same balances at the next index': {
    attack: (inputs) => void (inputs.index[0] = String(BigInt(inputs.index[0]!) ^ 1n)),
    group: 'the evaluation',
  },
  'money out of nothing': {
    attack: (inputs) => {
      const last = lastOf(inputs)
      setNew(inputs, last, (BigInt(inputs.newBalance[last]!) + 1n) % (1n << 53n))
    },
    group: 'the last root',
  },
  'two rows exchange their new balances': {
    attack: (inputs) => {
      const [first, second] = [BigInt(inputs.newBalance[0]!), BigInt(inputs.newBalance[1]!)]
      setNew(inputs, 0, second === first ? (first + 1n) % (1n << 53n) : second)
      setNew(inputs, 1, first)
    },
    group: 'the evaluation',
  },
  'swapped rows': { attack: (inputs) => swap(inputs, 0, 1), group: 'indices increase' },
  'one row twice': {
    attack: (inputs) => {
      for (const column of columns) inputs[column][1] = inputs[column][0]!
      inputs.siblings[1] = [...inputs.siblings[0]!]
    },
    group: 'indices increase',
  },
  'an index beyond the tree': {
    attack: (inputs) => {
      const last = lastOf(inputs)
      inputs.index[last] = plus(inputs.index[last]!, 1n << BigInt(inputs.siblings[0]!.length))
    },
    group: 'index in range',
  },
  'a zero row': {
    attack: (inputs) => {
      inputs.newBalance[1] = inputs.oldBalance[1]!
      inputs.inverseDelta[1] = '0'
    },
    group: 'a used row moves a balance',
  },
  'a hidden row: used = 0, and still it moves a balance': {
    attack: (inputs) => {
      inputs.used[lastOf(inputs)] = '0'
      inputs.inverseDelta[lastOf(inputs)] = '0'
    },
    group: 'an unused slot is inert',
  },
  'a hidden index: used = 0 with the index in the evaluation': {
    attack: (inputs) => {
      const last = lastOf(inputs)
      inputs.used[last] = '0'
      inputs.newBalance[last] = inputs.oldBalance[last]!
      inputs.inverseDelta[last] = '0'
      inputs.index[last] = plus(inputs.index[last]!, 1n)
    },
    group: 'an unused slot is inert',
  },
  'a row left out: its slot is unused, and the root is the one with it': {
    attack: (inputs) => {
      const last = lastOf(inputs)
      for (const column of columns) inputs[column][last] = '0'
    },
    group: 'the last root',
  },
  'a gap: an unused slot before a used one': {
    attack: (inputs) => {
      const slot = lastOf(inputs) - 1
      inputs.used[slot] = '0'
      inputs.index[slot] = '0'
      inputs.newBalance[slot] = inputs.oldBalance[slot]!
      inputs.inverseDelta[slot] = '0'
    },
    group: 'used slots come first',
  },
  'a half-used slot': { attack: (inputs) => void (inputs.used[1] = '2'), group: 'used is a bit' },
  'z of other data': { attack: (inputs) => void (inputs.z = plus(inputs.z, 1n)), group: 'the evaluation' },
  'an evaluation of other rows': {
    attack: (inputs) => void (inputs.evaluation = plus(inputs.evaluation, 1n)),
    group: 'the evaluation',
  },
  'another first root': {
    attack: (inputs) => void (inputs.firstRoot = plus(inputs.firstRoot, 1n)),
    group: 'the old leaf is in the tree',
  },
  'another last root': {
    attack: (inputs) => void (inputs.lastRoot = plus(inputs.lastRoot, 1n)),
    group: 'the last root',
  },
}
