/**
 * What a circuit is given, made from a job: the table that slots point into (leaves, slots, a sentinel, the entry of no
 * pointer), and hints that the circuit checks. Nothing here is trusted: the circuit has no witness of a wrong job.
 */
import { inverse, R, toField } from '../tree/field.js'
import type { DensePageCircuit, ListPageCircuit } from './page-circuits.js'
import type { DensePageJob, ListPageJob } from './page-job.js'
import { NoPageWitness } from './page-prover-error.js'

/** By the names of the circuit's parameters: hexadecimal numbers, nested as they are. */
export type InputTree = string | readonly InputTree[]
export type CircuitInputs = Readonly<Record<string, InputTree>>

/** Value of a node of four children. */
export type NodeHash = (a: bigint, b: bigint, c: bigint, d: bigint) => bigint

const LANES = 4
const LANE_BITS = 63n
const FIRST_LEAF_KEY = 2 ** 26
const UNUSED_LEAF_KEY = 2n ** 61n + 2n ** 26n
const SENTINEL_KEY = 2n ** 50n
const UNUSED_SLOT_KEY = 2 ** 27

const hex = (value: bigint | number): string => `0x${value.toString(16)}`
const hexAll = (values: readonly (bigint | number)[]): string[] => values.map(hex)

function packed(balances: readonly number[], leaf: number): bigint {
  let value = 0n
  for (let lane = LANES - 1; lane >= 0; lane--)
    value = (value << LANE_BITS) + BigInt(balances[leaf * LANES + lane]!)
  return value
}

const lanesOf = (balances: readonly number[], leaf: number): string[] =>
  hexAll(balances.slice(leaf * LANES, (leaf + 1) * LANES))

/** Inverses by one inversion; 0 where the value is 0. */
function inverses(values: readonly bigint[]): bigint[] {
  const before: bigint[] = []
  let product = 1n
  for (const value of values) {
    before.push(product)
    if (value !== 0n) product = (product * value) % R
  }
  let rest = inverse(product)
  const found = values.map(() => 0n)
  for (let at = values.length - 1; at >= 0; at--)
    if (values[at] !== 0n) {
      found[at] = (rest * before[at]!) % R
      rest = (rest * values[at]!) % R
    }
  return found
}

function publicInputs(job: ListPageJob | DensePageJob): CircuitInputs {
  return {
    first_root: hex(BigInt(job.firstRoot)),
    last_root: hex(BigInt(job.lastRoot)),
    z: hex(BigInt(job.z)),
    evaluation: hex(BigInt(job.evaluation)),
  }
}

/** Throws NoPageWitness for a job that the circuit has no room for. */
export function listInputs(job: ListPageJob, circuit: ListPageCircuit, node: NodeHash): CircuitInputs {
  const { leaves, slots } = circuit
  const count = job.indices.length
  const active = job.slotKeys.length
  if (count > leaves || active > slots || active === 0)
    throw new NoPageWitness(`${count} leaves and ${active} slots, the circuit has ${leaves} and ${slots}`)

  const sentinel = leaves + slots
  const nothing = sentinel + 1
  const key: bigint[] = []
  const old: bigint[] = new Array<bigint>(nothing + 1).fill(0n)
  const change: bigint[] = new Array<bigint>(nothing + 1).fill(0n)
  for (let leaf = 0; leaf < leaves; leaf++) {
    key.push(
      leaf < count
        ? BigInt(FIRST_LEAF_KEY + job.indices[leaf]!)
        : UNUSED_LEAF_KEY + BigInt((job.indices[count - 1] ?? 0) + 1 + leaf - count),
    )
    if (leaf >= count) continue
    old[leaf] = packed(job.before, leaf)
    change[leaf] = toField(packed(job.behind, leaf) - old[leaf]!)
  }
  for (let slot = 0; slot < slots; slot++)
    key.push(BigInt(slot < active ? job.slotKeys[slot]! : UNUSED_SLOT_KEY + slot - active))
  key.push(SENTINEL_KEY, 0n)

  const children: bigint[][] = []
  const pointer: number[][] = []
  // From the last slot up: a slot's children stand behind it.
  const noChildren = node(0n, 0n, 0n, 0n)
  for (let slot = slots - 1; slot >= 0; slot--) {
    const entry = leaves + slot
    if (slot >= active) {
      old[entry] = noChildren
      children[slot] = [0n, 0n, 0n, 0n]
      pointer[slot] = [nothing, nothing, nothing, nothing]
      continue
    }
    const to = job.pointers
      .slice(slot * LANES, (slot + 1) * LANES)
      .map((place) => (place < 0 ? nothing : place < count ? place : leaves + place - count))
    const values = to.map((place, child) =>
      place === nothing ? BigInt(job.siblings[slot * LANES + child]!) : old[place]!,
    )
    const moved = to.map((place, child) => toField(values[child]! + change[place]!))
    old[entry] = node(values[0]!, values[1]!, values[2]!, values[3]!)
    change[entry] = toField(node(moved[0]!, moved[1]!, moved[2]!, moved[3]!) - old[entry])
    children[slot] = values
    pointer[slot] = to
  }
  const used = Array.from({ length: leaves }, (_, leaf) => (leaf < count ? 1 : 0))
  return {
    ...publicInputs(job),
    key: hexAll(key),
    old: hexAll(old),
    change: hexAll(change),
    balances: used.map((isUsed, leaf) => (isUsed === 1 ? lanesOf(job.behind, leaf) : hexAll([0, 0, 0, 0]))),
    rows: hex(count),
    used: hexAll(used),
    inverse: hexAll(inverses(change.slice(0, leaves))),
    active: hex(active),
    children: children.map(hexAll),
    points: pointer.map((to) => hexAll(to.map((place) => (place === nothing ? 0 : 1)))),
    pointer: pointer.map(hexAll),
  }
}

/** Throws NoPageWitness for a job of another size. */
export function denseInputs(job: DensePageJob, circuit: DensePageCircuit): CircuitInputs {
  const leaves = 4 ** circuit.levels
  if (job.before.length !== leaves * LANES || job.behind.length !== leaves * LANES)
    throw new NoPageWitness(`${job.before.length} balances, the circuit has ${leaves * LANES}`)
  const path = job.siblings.length / (LANES - 1)
  const old = Array.from({ length: leaves }, (_, leaf) => packed(job.before, leaf))
  const change = old.map((value, leaf) => toField(packed(job.behind, leaf) - value))
  const levels = Array.from({ length: path }, (_, level) => level)
  return {
    ...publicInputs(job),
    old: hexAll(old),
    balances: old.map((_, leaf) => lanesOf(job.behind, leaf)),
    changed: hexAll(change.map((value) => (value === 0n ? 0 : 1))),
    inverse: hexAll(inverses(change)),
    low: hexAll(levels.map((level) => Math.floor(job.subtree / 4 ** level) % 2)),
    high: hexAll(levels.map((level) => Math.floor(job.subtree / 4 ** level / 2) % 2)),
    siblings: levels.map((level) => hexAll(job.siblings.slice(level * 3, level * 3 + 3).map(BigInt))),
  }
}
