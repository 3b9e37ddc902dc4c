/**
 * The compiled circuit against its model: every valid chunk has a witness; every attack on a valid one is
 * refused by both, by the group of constraints that the table in settlement/circuits/README.md names; and no
 * wire of a full chunk is free.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { toField } from '../tree/field.js'
import { attacks, mutableInputs } from '../../test/support/circuit-attacks.js'
import { brokenGroups } from '../../test/support/circuit-model.js'
import { wiresOf } from './circuit-wires.js'
import { chunkOf } from '../../test/support/small-chunks.js'
import type { ChunkInputs } from '../follow/witness.js'
import { compileCircuit, type Circuit } from './circuit.js'
import { firstBroken, readR1cs, type R1cs } from './r1cs.js'

const ROWS = 3
const DEPTH = 4
const LEAVES = 1 << DEPTH
const UNITS_END = 2 ** 53
const Z = 0x1234567890abcdef1234567890abcdefn

const units = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, UNITS_END - 1))
const balancesOf = fc.array(units, { minLength: LEAVES, maxLength: LEAVES })
const chunk = (minRows: number) =>
  fc
    .tuple(
      balancesOf,
      fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: LEAVES - 1 }), units), {
        selector: ([index]) => index,
        minLength: minRows,
        maxLength: ROWS,
      }),
    )
    .map(([balances, rows]) => {
      const changes = new Map(rows.filter(([index, after]) => balances[index] !== after))
      return { balances, changes }
    })
    .filter(({ changes }) => changes.size >= minRows)
    .map((made) => ({ ...made, inputs: chunkOf(made.balances, made.changes, ROWS, Z) }))

describe(`chunk circuit, ${ROWS} rows at depth ${DEPTH}`, () => {
  let circuit: Circuit
  let wasm: Uint8Array
  let r1cs: R1cs

  beforeAll(async () => {
    circuit = await compileCircuit({ rows: ROWS, depth: DEPTH })
    wasm = new Uint8Array(readFileSync(circuit.wasm))
    r1cs = readR1cs(circuit.r1cs)
  })

  const witnessOf = (inputs: ChunkInputs) => wiresOf(wasm, inputs, r1cs.wires)

  test('every valid chunk, full or not, has a witness that keeps every constraint', async () => {
    await fc.assert(
      fc.asyncProperty(chunk(1), async ({ inputs }) => {
        expect(brokenGroups(inputs, DEPTH)).toEqual([])
        const witness = await witnessOf(inputs)
        expect(witness).toBeDefined()
        expect(firstBroken(r1cs, witness!)).toBe(-1)
        expect(witness!.slice(1, 5)).toEqual(
          [inputs.firstRoot, inputs.lastRoot, inputs.z, inputs.evaluation].map(BigInt),
        )
      }),
      { numRuns: 8 },
    )
  })

  for (const [name, { attack, group }] of Object.entries(attacks))
    test(`refused: ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(chunk(ROWS), async ({ inputs }) => {
          const attacked = mutableInputs(inputs)
          attack(attacked)
          expect(brokenGroups(attacked, DEPTH)).toContain(group)
          expect(await witnessOf(attacked)).toBeUndefined()
        }),
        { numRuns: 4 },
      )
    })

  test('no wire of a full chunk is free: changing any one of them breaks a constraint', async () => {
    const balances = Array.from({ length: LEAVES }, (_, index) => 100 + index)
    const inputs = chunkOf(
      balances,
      new Map([
        [1, 7],
        [6, 0],
        [15, UNITS_END - 1],
      ]),
      ROWS,
      Z,
    )
    const witness = (await witnessOf(inputs))!
    const users = Array.from({ length: r1cs.wires }, () => new Set<number>())
    r1cs.constraints.forEach((constraint, row) => {
      for (const { wires } of constraint) for (const wire of wires) users[wire]!.add(row)
    })
    const free: number[] = []
    for (let wire = 1; wire < r1cs.wires; wire++) {
      const constraints = [...users[wire]!].map((row) => r1cs.constraints[row]!)
      const changed = witness.slice()
      changed[wire] = toField(witness[wire]! + 1n)
      if (firstBroken({ ...r1cs, constraints }, changed) < 0) free.push(wire)
    }
    expect(r1cs.wires).toBeGreaterThan(1000)
    expect(free).toEqual([])
  })
})
