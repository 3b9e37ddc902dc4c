/**
 * A list circuit's inputs as an attacker writes them: any value of the table, hashed up and evaluated as an honest
 * prover would, so that nothing but what an attack is about is wrong.
 */
import { hashFamily } from '../../settlement/quad-tree/index.js'
import type { CircuitInputs } from '../../settlement/page-prover/page-inputs.js'
import { inverse, toField } from '../../settlement/tree/field.js'
import { evaluationOf } from './sample-pages.js'

export interface ForgedPage {
  firstRoot: bigint
  lastRoot: bigint
  z: bigint
  evaluation: bigint
  /** Of the table: leaves, slots, a sentinel, the entry of no pointer. */
  key: bigint[]
  old: bigint[]
  change: bigint[]
  balances: bigint[][]
  rows: bigint
  used: bigint[]
  inverse: bigint[]
  active: bigint
  children: bigint[][]
  points: bigint[][]
  pointer: bigint[][]
}

const numbers = (input: CircuitInputs[string]): bigint[] => (input as readonly string[]).map(BigInt)
const rows = (input: CircuitInputs[string]): bigint[][] =>
  (input as readonly (readonly string[])[]).map((row) => row.map(BigInt))

export function forgedFrom(inputs: CircuitInputs): ForgedPage {
  const one = (name: string): bigint => BigInt(inputs[name] as string)
  const many = (name: string): bigint[] => numbers(inputs[name]!)
  const nested = (name: string): bigint[][] => rows(inputs[name]!)
  return {
    firstRoot: one('first_root'),
    lastRoot: one('last_root'),
    z: one('z'),
    evaluation: one('evaluation'),
    key: many('key'),
    old: many('old'),
    change: many('change'),
    balances: nested('balances'),
    rows: one('rows'),
    used: many('used'),
    inverse: many('inverse'),
    active: one('active'),
    children: nested('children'),
    points: nested('points'),
    pointer: nested('pointer'),
  }
}

const hex = (value: bigint): string => `0x${toField(value).toString(16)}`

export function inputsOfForged(page: ForgedPage): CircuitInputs {
  const { firstRoot, lastRoot, ...rest } = page
  const told = { first_root: firstRoot, last_root: lastRoot, ...rest }
  return Object.fromEntries(
    Object.entries(told).map(([name, value]) => [
      name,
      typeof value === 'bigint'
        ? hex(value)
        : value.map((each) => (typeof each === 'bigint' ? hex(each) : each.map(hex))),
    ]),
  )
}

/** Sets a leaf's balances behind the page, and its change with them. */
export function setBalances(page: ForgedPage, leaf: number, balances: readonly bigint[]): void {
  page.balances[leaf] = [...balances]
  const packed = balances.reduceRight((sum, balance) => sum * 2n ** 63n + balance, 0n)
  page.change[leaf] = toField(packed - page.old[leaf]!)
}

/** Hashes from the leaves up along the pointers as they are; then roots, inverses and evaluation follow. */
export function hashUp(page: ForgedPage): void {
  const leaves = page.used.length
  for (let slot = page.children.length - 1; slot >= 0; slot--) {
    const entry = leaves + slot
    const moved = page.children[slot]!.map((child, place) => {
      const to = Number(page.pointer[slot]![place])
      if (page.points[slot]![place] === 1n) page.children[slot]![place] = child = page.old[to]!
      return toField(child + page.change[to]!)
    })
    page.old[entry] = hashOf(page.children[slot]!)
    page.change[entry] = toField(hashOf(moved) - page.old[entry]!)
  }
  page.firstRoot = page.old[leaves]!
  page.lastRoot = toField(page.old[leaves]! + page.change[leaves]!)
  page.inverse = page.used.map((used, leaf) =>
    page.change[leaf] === 0n ? 0n : toField(used * inverse(page.change[leaf]!)),
  )
  evaluate(page)
}

export function evaluate(page: ForgedPage): void {
  page.evaluation = evaluationOf(
    page.used.flatMap((used, leaf) =>
      used === 1n ? [[toField(page.key[leaf]! - 2n ** 26n), page.change[leaf]!] as const] : [],
    ),
    page.z,
  )
}

const hashOf = ([a, b, c, d]: readonly bigint[]): bigint => hashFamily(a!, b!, c!, d!)
