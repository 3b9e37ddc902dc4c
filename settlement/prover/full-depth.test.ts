/**
 * Random batches at the full depth: the model of the circuit takes every chunk of them, ends at the tree's roots,
 * and has the public inputs that the contract's model computes; the compiled circuit agrees with the model, and
 * both refuse every attack.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import * as contract from '../../contracts/model/batch.js'
import { sealBatch, type SealedBatch } from '../follow/batch.js'
import { chunkCount, decodeRows, publicInputs } from '../batch/commit.js'
import type { Range } from '../follow/follow.js'
import { StateTree, TREE_DEPTH, undoOf } from '../tree/tree.js'
import { attacks, mutableInputs } from '../../test/support/circuit-attacks.js'
import { brokenGroups } from '../../test/support/circuit-model.js'
import { wiresOf } from './circuit-wires.js'
import { BatchWitness, type ChunkInputs } from '../follow/witness.js'
import { compileCircuit } from './circuit.js'

const ROWS = 2
const UNITS_END = 2 ** 53
const DOMAIN = { chainId: 31337, settlement: '0x00000000000000000000000000000000000000aa' } as const
/** Public wires: 1, then firstRoot, lastRoot, z, evaluation. */
const PUBLIC_WIRES = 5

const index = fc.oneof(
  fc.integer({ min: 0, max: 2 ** TREE_DEPTH - 1 }),
  fc.integer({ min: 0, max: 130 }),
  fc.constantFrom(0, 1, 63, 64, 2 ** 27, 2 ** TREE_DEPTH - 2, 2 ** TREE_DEPTH - 1),
)
const units = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, UNITS_END - 1))
/** New balances by index, batch after batch. */
const batches = (minRows: number) =>
  fc.array(
    fc.uniqueArray(fc.tuple(index, units), { selector: ([at]) => at, minLength: minRows, maxLength: 5 }),
    { minLength: 1, maxLength: 3 },
  )

interface Sealed {
  readonly batch: SealedBatch
  readonly witness: BatchWitness
}

/** Seals each batch on one tree; a balance that would not change is left out. */
function seal(changes: readonly (readonly (readonly [number, number])[])[], rowsPerChunk: number): Sealed[] {
  const tree = new StateTree()
  return changes.flatMap((rows, number) => {
    const moved = rows
      .filter(([at, after]) => tree.balanceOf(at) !== after)
      .sort((a, b) => a[0] - b[0])
      .map(([at, after]) => [at, after - tree.balanceOf(at)] as const)
    if (moved.length === 0) return []
    const range = {
      firstSeq: number + 1,
      lastSeq: number + 1,
      journalHead: new Uint8Array(32).fill(number),
      rows: {
        indices: Int32Array.from(moved, ([at]) => at),
        deltas: Float64Array.from(moved, ([, delta]) => delta),
      },
      deposits: [{ index: 64, units: 5, owner: [1, 2, 3, 4, 5] }],
      withdrawals: [{ index: 65, units: 6 }],
      fills: new Uint8Array(0),
      depositsConsumed: 0,
    } satisfies Range
    const batch = sealBatch(number + 1, range, tree, rowsPerChunk)
    const record = { header: batch.header, data: batch.data, rowsPerChunk } as never
    const undo = undoOf(batch.changes)
    // The tree of then, seen from one that has moved on by this batch alone: later batches come later.
    const witness = new BatchWitness(record, (key) => tree.nodeBefore(key, [undo]))
    for (let chunk = 0; chunk < batch.data.chunkRoots.length; chunk++)
      witness.inputs(chunk, publicInputs(DOMAIN, batch.header, batch.data, chunk, rowsPerChunk))
    return [{ batch, witness }]
  })
}

/** All chunks' inputs of a sealed batch. */
const inputsOf = ({ batch: { header, data }, witness }: Sealed, rowsPerChunk: number): ChunkInputs[] =>
  data.chunkRoots.map((_, chunk) =>
    witness.inputs(chunk, publicInputs(DOMAIN, header, data, chunk, rowsPerChunk)),
  )

/** A batch as the contract's model takes it. */
function postedOf({ header, data }: SealedBatch): contract.PostedBatch {
  const rows = decodeRows(data.rows)
  return {
    header,
    chunkRoots: data.chunkRoots,
    rows: [...rows.indices].map((at, row) => ({ index: at, value: BigInt(rows.deltas[row]!) })),
    deposits: [{ index: 64, value: 5n, owner: '0x0000000100000002000000030000000400000005' }],
    withdrawals: [{ index: 65, value: 6n }],
  }
}

describe(`chunks at depth ${TREE_DEPTH}`, () => {
  test('random batches: no group broken, roots of the tree, public inputs of the contract', () => {
    fc.assert(
      fc.property(batches(1), fc.integer({ min: 1, max: 7 }), (changes, rowsPerChunk) => {
        for (const sealed of seal(changes, rowsPerChunk)) {
          const { batch } = sealed
          const posted = postedOf(batch)
          const z = contract.challenge(DOMAIN.chainId, DOMAIN.settlement, posted)
          const chunks = inputsOf(sealed, rowsPerChunk)
          expect(chunks).toHaveLength(chunkCount(posted.rows.length, rowsPerChunk))
          let root = batch.header.oldRoot
          chunks.forEach((inputs, chunk) => {
            // The model hashes with its own Poseidon, from the first root to the last one.
            expect(brokenGroups(inputs, TREE_DEPTH)).toEqual([])
            expect([inputs.firstRoot, inputs.lastRoot, inputs.z, inputs.evaluation].map(BigInt)).toEqual(
              contract.publicInputs(posted, z, chunk, rowsPerChunk),
            )
            expect(BigInt(inputs.firstRoot)).toBe(root)
            root = BigInt(inputs.lastRoot)
          })
          expect(root).toBe(batch.header.newRoot)
        }
      }),
      { numRuns: Number(process.env.GLASSBOOK_RUNS ?? 12) },
    )
  })

  test('every attack on a random full chunk breaks its group', () => {
    for (const [name, { attack, group }] of Object.entries(attacks))
      fc.assert(
        fc.property(batches(ROWS), (changes) => {
          const chunk = seal(changes, ROWS)
            .flatMap((sealed) => inputsOf(sealed, ROWS))
            .find(({ used }) => used.every((bit) => bit === '1'))
          fc.pre(chunk !== undefined)
          const attacked = mutableInputs(chunk)
          attack(attacked)
          const broken = brokenGroups(attacked, TREE_DEPTH)
          if (!broken.includes(group)) throw new Error(`${name}: breaks ${broken.join(', ')}, not ${group}`)
        }),
        { numRuns: 2 },
      )
  })

  test('the compiled circuit takes what the model takes, and refuses every attack', async () => {
    const circuit = await compileCircuit({ rows: ROWS, depth: TREE_DEPTH })
    const wasm = new Uint8Array(readFileSync(circuit.wasm))
    const sealed = seal(
      [
        [
          [1, 1000],
          [2 ** TREE_DEPTH - 1, UNITS_END - 1],
        ],
        [
          [1, 7],
          [64, 5],
          [65, 6],
        ],
      ],
      ROWS,
    )
    const chunks = sealed.flatMap((one) => inputsOf(one, ROWS))
    expect(chunks).toHaveLength(3)
    for (const inputs of chunks) {
      const wires = await wiresOf(wasm, inputs, PUBLIC_WIRES)
      expect(wires).toEqual([1n, inputs.firstRoot, inputs.lastRoot, inputs.z, inputs.evaluation].map(BigInt))
    }
    for (const [name, { attack }] of Object.entries(attacks)) {
      const attacked = mutableInputs(chunks[1]!)
      attack(attacked)
      const wires = await wiresOf(wasm, attacked, PUBLIC_WIRES)
      expect([name, wires]).toEqual([name, undefined])
    }
  }, 300_000)
})
