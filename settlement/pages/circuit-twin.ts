/**
 * The slow twin of the page circuits: an assignment of every value that a circuit knows, and each constraint of it, one
 * after the other, in bigint. Written from the statement (docs/internals/pages.md), not from the circuits; imported by
 * tests alone, to try attacks on the statement itself and to check the witnesses that provers are given.
 *
 * `brokenBy...` name every group of constraints that an assignment breaks; none: a proof of it exists.
 */
import type { PublicInputs } from '../batch/commit.js'
import type { DensePageJob, ListPageJob, PageJob } from '../page-prover/page-job.js'
import { inverse, toField } from '../tree/field.js'

/** Value of a node of four children. */
export type FamilyHash = (a: bigint, b: bigint, c: bigint, d: bigint) => bigint

export interface LeafAssignment {
  index: bigint
  used: bigint
  before: bigint[]
  behind: bigint[]
  /** Of the change, where there is one. */
  inverse: bigint
}

export interface ChildAssignment {
  used: bigint
  /** Place in the table of leaves and slots. */
  pointer: number
  sibling: bigint
}

export interface SlotAssignment {
  key: bigint
  active: bigint
  before: bigint
  behind: bigint
  children: ChildAssignment[]
}

export interface ListAssignment {
  inputs: PublicInputs
  leaves: LeafAssignment[]
  slots: SlotAssignment[]
}

export interface DenseAssignment {
  inputs: PublicInputs
  subtree: bigint
  before: bigint[][]
  behind: bigint[][]
  siblings: bigint[]
}

const LANES = 4
const LANE_SHIFT = 63n
const CHILD_COUNT = 4
const NO_POINTER = -1
const BALANCE_BITS = 53n
const KEY_BITS = 26n
const UNUSED_LEAF = 2n ** 61n
/**
 * What a leaf's key rises by at least where the used ones end. Less than UNUSED_LEAF by a whole range of indices, so
 * that unused leaves count from 0, whatever the last used one is: also behind the tree's last leaf.
 */
const LEAF_JUMP = UNUSED_LEAF - 2n ** KEY_BITS
const SLOT_JUMP = 2n ** 60n
const FIRST_LEAF_KEY = 2n ** KEY_BITS

const fits = (value: bigint, bits: bigint): boolean => toField(value) < 2n ** bits
const isBit = (value: bigint): boolean => value === 0n || value === 1n

/** The element that holds four balances, whatever they are. */
export const packLanes = (balances: readonly bigint[]): bigint =>
  balances.reduceRight((packed, balance) => (packed << LANE_SHIFT) + balance, 0n)

/** Balances of a job, four a leaf. */
const leavesOf = (units: readonly number[]): bigint[][] =>
  Array.from({ length: units.length / LANES }, (_, leaf) =>
    units.slice(leaf * LANES, (leaf + 1) * LANES).map(BigInt),
  )
const inputsOf = (job: PageJob): PublicInputs => [
  BigInt(job.firstRoot),
  BigInt(job.lastRoot),
  BigInt(job.z),
  BigInt(job.evaluation),
]

/** Every value of a list circuit of so many leaves and slots: unused ones last. */
export function listAssignment(
  job: ListPageJob,
  { leaves, slots }: { readonly leaves: number; readonly slots: number },
  hash: FamilyHash,
): ListAssignment {
  const count = job.indices.length
  const [allBefore, allBehind] = [leavesOf(job.before), leavesOf(job.behind)]
  const used: LeafAssignment[] = job.indices.map((index, row) => {
    const [before, behind] = [allBefore[row]!, allBehind[row]!]
    const change = toField(packLanes(behind) - packLanes(before))
    return { index: BigInt(index), used: 1n, before, behind, inverse: inverse(change) }
  })
  const unused = Array.from({ length: leaves - count }, (_, place) => ({
    index: BigInt(place),
    used: 0n,
    before: [0n, 0n, 0n, 0n],
    behind: [0n, 0n, 0n, 0n],
    inverse: 0n,
  }))
  const all: LeafAssignment[] = [...used, ...unused]
  const active: SlotAssignment[] = job.slotKeys.map((key, slot) => ({
    key: BigInt(key),
    active: 1n,
    before: 0n,
    behind: 0n,
    children: Array.from({ length: CHILD_COUNT }, (_, place) => {
      const at = slot * CHILD_COUNT + place
      const pointer = job.pointers[at]!
      const isUsed = pointer !== NO_POINTER
      return {
        used: isUsed ? 1n : 0n,
        // Slots stand behind all leaves of the circuit, used or not.
        pointer: !isUsed ? 0 : pointer < count ? pointer : pointer - count + leaves,
        sibling: BigInt(job.siblings[at]!),
      }
    }),
  }))
  const lastKey = active.at(-1)!.key
  const idle: SlotAssignment[] = Array.from({ length: slots - active.length }, (_, place) => ({
    key: lastKey + 1n + SLOT_JUMP + BigInt(place),
    active: 0n,
    before: 0n,
    behind: 0n,
    children: Array.from({ length: CHILD_COUNT }, () => ({ used: 0n, pointer: 0, sibling: 0n })),
  }))
  const assignment: ListAssignment = { inputs: inputsOf(job), leaves: all, slots: [...active, ...idle] }
  rehash(assignment, hash)
  return assignment
}

/** Sets every slot's values to what its children make, the lowest ones first. */
export function rehash({ leaves, slots }: ListAssignment, hash: FamilyHash): void {
  for (const slot of [...slots].reverse()) {
    slot.before = hashOf(slot, 'before', leaves, slots, hash)
    slot.behind = hashOf(slot, 'behind', leaves, slots, hash)
  }
}

function hashOf(
  slot: SlotAssignment,
  when: 'before' | 'behind',
  leaves: readonly LeafAssignment[],
  slots: readonly SlotAssignment[],
  hash: FamilyHash,
): bigint {
  const [a, b, c, d] = slot.children.map(({ used, pointer, sibling }) => {
    const leaf = leaves[pointer]
    const value = leaf === undefined ? slots[pointer - leaves.length]![when] : packLanes(leaf[when])
    return toField(used * (value - sibling) + sibling)
  })
  return hash(a!, b!, c!, d!)
}

const leafKey = ({ index, used }: LeafAssignment): bigint =>
  FIRST_LEAF_KEY + index + (1n - used) * UNUSED_LEAF

/** Groups of constraints of a list circuit that the assignment breaks. */
export function brokenByList({ inputs, leaves, slots }: ListAssignment, hash: FamilyHash): Set<string> {
  const broken = new Set<string>()
  const must = (holds: boolean, group: string): void => {
    if (!holds) broken.add(group)
  }
  const [firstRoot, lastRoot, z, evaluation] = inputs
  let sum = 0n
  leaves.forEach((leaf, place) => {
    const { index, used, before, behind } = leaf
    must(fits(index, KEY_BITS), 'index')
    for (const balance of [...before, ...behind]) must(fits(balance, BALANCE_BITS), 'balance')
    must(isBit(used), 'used')
    const previous = leaves[place - 1]
    if (previous !== undefined) {
      const jump = previous.used - used
      must(isBit(jump), 'used last')
      must(fits(leafKey(leaf) - leafKey(previous) - 1n - jump * LEAF_JUMP, KEY_BITS), 'leaf order')
    }
    const change = packLanes(behind) - packLanes(before)
    must(toField(change * leaf.inverse) === used, 'change')
    const absorbed = toField((sum * z + index + 1n) * z + change)
    sum = toField(sum + used * (absorbed - sum))
  })
  must(sum === evaluation, 'evaluation')

  let [pointers, activeSlots] = [0n, 0n]
  slots.forEach((slot, place) => {
    const { key, active, children } = slot
    const previous = slots[place - 1]
    if (previous === undefined) {
      must(key === 1n && active === 1n, 'root key')
      must(slot.before === firstRoot && slot.behind === lastRoot, 'roots')
    } else {
      const jump = previous.active - active
      must(isBit(jump) && isBit(active), 'active last')
      must(fits(key - previous.key - 1n - jump * SLOT_JUMP, KEY_BITS), 'slot order')
    }
    must(slot.before === hashOf(slot, 'before', leaves, slots, hash), 'hash')
    must(slot.behind === hashOf(slot, 'behind', leaves, slots, hash), 'hash')
    let usedHere = 0n
    children.forEach(({ used, pointer }, child) => {
      must(isBit(used), 'pointer used')
      const leaf = leaves[pointer]
      const entryKey = leaf === undefined ? slots[pointer - leaves.length]!.key : leafKey(leaf)
      must(toField(used * (entryKey - 4n * key - BigInt(child))) === 0n, 'child key')
      usedHere += used
    })
    must(toField(usedHere * (1n - active)) === 0n, 'idle slot')
    pointers += usedHere
    activeSlots += active
  })
  const usedLeaves = leaves.reduce((count, { used }) => count + used, 0n)
  must(toField(pointers - usedLeaves - activeSlots + 1n) === 0n, 'each consumed')
  return broken
}

/** Every value of a dense circuit. */
export const denseAssignment = (job: DensePageJob): DenseAssignment => ({
  inputs: inputsOf(job),
  subtree: BigInt(job.subtree),
  before: leavesOf(job.before),
  behind: leavesOf(job.behind),
  siblings: job.siblings.map(BigInt),
})

/** Groups of constraints of a dense circuit that the assignment breaks. */
export function brokenByDense(
  { inputs, subtree, before, behind, siblings }: DenseAssignment,
  hash: FamilyHash,
): Set<string> {
  const broken = new Set<string>()
  const must = (holds: boolean, group: string): void => {
    if (!holds) broken.add(group)
  }
  const [firstRoot, lastRoot, z, evaluation] = inputs
  const count = BigInt(before.length)
  must(fits(subtree, BigInt((FIRST_LEAF_KEY / count).toString(2).length - 1)), 'subtree')
  for (const balance of [...before.flat(), ...behind.flat()]) must(fits(balance, BALANCE_BITS), 'balance')
  let sum = 0n
  before.forEach((balances, place) => {
    const change = toField(packLanes(behind[place]!) - packLanes(balances))
    if (change === 0n) return
    sum = toField((sum * z + subtree * count + BigInt(place) + 1n) * z + change)
  })
  must(sum === evaluation, 'evaluation')
  const rootOf = (leaves: readonly bigint[][]): bigint => {
    let level = leaves.map(packLanes)
    while (level.length > 1)
      level = Array.from({ length: level.length / CHILD_COUNT }, (_, parent) => {
        const [a, b, c, d] = level.slice(parent * CHILD_COUNT, (parent + 1) * CHILD_COUNT)
        return hash(a!, b!, c!, d!)
      })
    let node = level[0]!
    for (let at = 0, path = subtree; at < siblings.length; at += CHILD_COUNT - 1, path /= 4n) {
      const children = siblings.slice(at, at + CHILD_COUNT - 1)
      children.splice(Number(path % 4n), 0, node)
      const [a, b, c, d] = children
      node = hash(a!, b!, c!, d!)
    }
    return node
  }
  must(rootOf(before) === firstRoot, 'roots')
  must(rootOf(behind) === lastRoot, 'roots')
  return broken
}
