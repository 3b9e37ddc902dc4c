/**
 * The compiled circuit against its model: every valid chunk has a witness; every attack on a valid one is
 * refused by both, by the group of constraints that the table in settlement/circuits/README.md names; and no
 * wire of a full chunk is free.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { wtns } from 'snarkjs'
import { R, inverse, toField } from '../field.js'
import { brokenGroups, type Group } from '../test/circuit-model.js'
import { chunkOf } from '../test/small-chunks.js'
import type { ChunkInputs } from '../witness.js'
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

type Column = 'used' | 'index' | 'oldBalance' | 'newBalance' | 'inverseDelta'
type Mutable = Record<'firstRoot' | 'lastRoot' | 'z' | 'evaluation', string> &
  Record<Column, string[]> & { siblings: string[][] }
const mutable = (inputs: ChunkInputs): Mutable => structuredClone(inputs) as unknown as Mutable
const plus = (text: string, difference: bigint): string => String(toField(BigInt(text) + difference))
/** Sets a slot's new balance, and its delta's inverse with it. */
function setNew(inputs: Mutable, slot: number, balance: bigint): void {
  inputs.newBalance[slot] = String(toField(balance))
  const delta = toField(balance - BigInt(inputs.oldBalance[slot]!))
  inputs.inverseDelta[slot] = delta === 0n ? '0' : String(inverse(delta))
}
const columns: readonly Column[] = ['used', 'index', 'oldBalance', 'newBalance', 'inverseDelta']
function swap(inputs: Mutable, a: number, b: number): void {
  for (const column of columns)
    [inputs[column][a], inputs[column][b]] = [inputs[column][b]!, inputs[column][a]!]
  const siblings = inputs.siblings[a]!
  inputs.siblings[a] = inputs.siblings[b]!
  inputs.siblings[b] = siblings
}

/** Each attack: what it does to the inputs of a full chunk, and a group that must stop it. */
const attacks: Record<string, { attack: (inputs: Mutable) => void; group: Group }> = {
  'a negative balance': { attack: (inputs) => setNew(inputs, 0, -1n), group: 'new balance in range' },
  'a balance of 2^53': { attack: (inputs) => setNew(inputs, 0, 1n << 53n), group: 'new balance in range' },
  'an old balance that wraps around the field': {
    attack: (inputs) => void (inputs.oldBalance[1] = String(R - 5n)),
    group: 'old balance in range',
  },
  'a wrong sibling': {
    attack: (inputs) => void (inputs.siblings[0]![2] = plus(inputs.siblings[0]![2]!, 1n)),
    group: 'the old leaf is in the tree',
  },
  'another old balance': {
    attack: (inputs) => {
      inputs.oldBalance[0] = String(BigInt(inputs.oldBalance[0]!) ^ 1n)
      setNew(inputs, 0, BigInt(inputs.newBalance[0]!))
    },
    group: 'the old leaf is in the tree',
  },
  'money out of nothing': {
    attack: (inputs) => setNew(inputs, 2, (BigInt(inputs.newBalance[2]!) + 1n) % (1n << 53n)),
    group: 'the last root',
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
    attack: (inputs) => void (inputs.index[2] = plus(inputs.index[2]!, BigInt(LEAVES))),
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
      inputs.used[2] = '0'
      inputs.inverseDelta[2] = '0'
    },
    group: 'an unused slot is inert',
  },
  'a hidden index: used = 0 with the index in the evaluation': {
    attack: (inputs) => {
      inputs.used[2] = '0'
      inputs.newBalance[2] = inputs.oldBalance[2]!
      inputs.inverseDelta[2] = '0'
      inputs.index[2] = plus(inputs.index[2]!, 1n)
    },
    group: 'an unused slot is inert',
  },
  'a gap: an unused slot before a used one': {
    attack: (inputs) => {
      inputs.used[1] = '0'
      inputs.index[1] = '0'
      inputs.newBalance[1] = inputs.oldBalance[1]!
      inputs.inverseDelta[1] = '0'
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

describe(`chunk circuit, ${ROWS} rows at depth ${DEPTH}`, () => {
  let circuit: Circuit
  let wasm: Uint8Array
  let r1cs: R1cs

  beforeAll(async () => {
    circuit = await compileCircuit({ rows: ROWS, depth: DEPTH })
    wasm = new Uint8Array(readFileSync(circuit.wasm))
    r1cs = readR1cs(circuit.r1cs)
  })

  /** All wires, or undefined when the inputs have no witness. */
  async function witnessOf(inputs: ChunkInputs): Promise<bigint[] | undefined> {
    const out: { type: 'mem'; data?: Uint8Array } = { type: 'mem' }
    const { error } = console
    try {
      // snarkjs writes where the circuit stopped to the console before it throws.
      console.error = () => {}
      await wtns.calculate(inputs, { type: 'mem', data: wasm }, out)
    } catch {
      return undefined
    } finally {
      console.error = error
    }
    // iden3's wtns format: a 12-byte head, section 1 (12 + 40 bytes), section 2 (12 bytes, then the wires).
    const bytes = out.data!
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    return Array.from({ length: r1cs.wires }, (_, wire) =>
      [3, 2, 1, 0].reduce(
        (value, word) => (value << 64n) | view.getBigUint64(76 + wire * 32 + word * 8, true),
        0n,
      ),
    )
  }

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
          const attacked = mutable(inputs)
          attack(attacked)
          expect(brokenGroups(attacked as ChunkInputs, DEPTH)).toContain(group)
          expect(await witnessOf(attacked as ChunkInputs)).toBeUndefined()
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
