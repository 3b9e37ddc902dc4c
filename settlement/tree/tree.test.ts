/** The state tree against a plain recomputation with poseidon-lite; proofs, undo, refusals, the store. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { encodeRows } from '../batch/commit.js'
import type { BatchRecord } from '../store/store.js'
import { TreeStore } from '../store/tree-store.js'
import {
  StateTree,
  TREE_DEPTH,
  emptyRoots,
  rootOfProof,
  undoOf,
  type NodeChanges,
  type Undo,
} from './tree.js'

/** Root of a subtree with one leaf; remembered, because shrinking asks for the same ones again. */
const ofOne = new Map<string, bigint>()
function rootOfOne([index, units]: readonly [number, number], height: number): bigint {
  const key = `${index} ${units} ${height}`
  let root = ofOne.get(key)
  if (root === undefined) {
    const below = height === 0 ? BigInt(units) : rootOfOne([index, units], height - 1)
    const empty = emptyRoots[height - 1]
    if (height === 0) root = below
    else root = (index >>> (height - 1)) & 1 ? poseidon2([empty!, below]) : poseidon2([below, empty!])
    ofOne.set(key, root)
  }
  return root
}

/** Root of a sparse tree, by definition. */
function rootOf(leaves: ReadonlyMap<number, number>, height = TREE_DEPTH, prefix = 0): bigint {
  if (leaves.size === 0) return emptyRoots[height]!
  if (leaves.size === 1) return rootOfOne([...leaves][0]!, height)
  const half = 2 ** (height - 1)
  const split = (isRight: boolean): Map<number, number> =>
    new Map([...leaves].filter(([index]) => index >= prefix + half === isRight))
  return poseidon2([rootOf(split(false), height - 1, prefix), rootOf(split(true), height - 1, prefix + half)])
}

const index = fc.oneof(
  fc.integer({ min: 0, max: 2 ** TREE_DEPTH - 1 }),
  fc.integer({ min: 0, max: 130 }),
  fc.constantFrom(0, 1, 63, 64, 2 ** TREE_DEPTH - 1),
)
const balance = fc.oneof(fc.integer({ min: 0, max: 1000 }), fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER))
const batch = fc.uniqueArray(fc.tuple(index, balance), {
  selector: ([at]) => at,
  minLength: 1,
  maxLength: 12,
})

const sorted = (rows: readonly (readonly [number, number])[]): [number[], number[]] => {
  const order = [...rows].sort((a, b) => a[0] - b[0])
  return [order.map(([at]) => at), order.map(([, units]) => units)]
}

describe('state tree', () => {
  test('the empty root is the contract’s', () => {
    // BalanceTree.EMPTY_ROOT in contracts/src/libraries/BalanceTree.sol.
    expect(new StateTree().root).toBe(
      16619959921569409661790279042024627172199214148318086837362003702249041851090n,
    )
  })

  test('random batches: root as defined, every proof leads to it, undo leads back', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 4 }), (batches) => {
        const tree = new StateTree()
        const leaves = new Map<number, number>()
        const past: { root: bigint; leaves: Map<number, number> }[] = []
        const undos: Undo[] = []
        for (const rows of batches) {
          past.push({ root: tree.root, leaves: new Map(leaves) })
          tree.beginBatch()
          tree.update(...sorted(rows))
          undos.push(undoOf(tree.endBatch()))
          for (const [at, units] of rows) leaves.set(at, units)
        }
        expect(tree.root).toBe(rootOf(leaves))
        for (const [at, units] of leaves) {
          const proof = tree.proof(at)
          expect(proof.balance).toBe(units)
          expect(rootOfProof(at, units, proof.siblings)).toBe(tree.root)
          for (const [number, before] of past.entries()) {
            const old = tree.proof(at, undos.slice(number))
            expect(old.root).toBe(before.root)
            expect(old.balance).toBe(before.leaves.get(at) ?? 0)
            expect(rootOfProof(at, old.balance, old.siblings)).toBe(before.root)
          }
        }
        expect(tree.balances()).toEqual(new Map([...leaves].filter(([, units]) => units !== 0)))
      }),
      { numRuns: 15 },
    )
  })

  test('a refused update changes nothing', () => {
    const tree = new StateTree()
    tree.update([5], [7])
    const { root } = tree
    for (const [indices, balances] of [
      [
        [1, 1],
        [1, 2],
      ],
      [
        [2, 1],
        [1, 2],
      ],
      [[-1], [1]],
      [[2 ** TREE_DEPTH], [1]],
      [[1.5], [1]],
      [
        [1, 9],
        [1, -1],
      ],
      [
        [1, 9],
        [1, 2 ** 53],
      ],
      [
        [1, 9],
        [1, 0.5],
      ],
      [
        [1, 9],
        [1, NaN],
      ],
    ] as const)
      expect(() => tree.update(indices, balances)).toThrow(RangeError)
    expect(tree.root).toBe(root)
    expect(tree.balanceOf(1)).toBe(0)
  })

  test('one update of many rows gives the root of many updates of one row', () => {
    const rows = Array.from({ length: 300 }, (_, at) => [at * at * 7 + 3, at + 1] as const)
    const [indices, balances] = sorted(rows)
    const [once, each] = [new StateTree(), new StateTree()]
    once.update(indices, balances)
    indices.forEach((at, row) => each.update([at], [balances[row]!]))
    expect(once.root).toBe(each.root)
  })
})

describe('chunk roots', () => {
  test('in one pass: roots, nodes and changes of one update a chunk, for any rows a chunk', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.tuple(index, balance), { selector: ([at]) => at, maxLength: 40 }), {
          minLength: 1,
          maxLength: 3,
        }),
        fc.integer({ min: 1, max: 9 }),
        (batches, rowsPerChunk) => {
          const [whole, each] = [new StateTree(), new StateTree()]
          for (const rows of batches) {
            const [indices, balances] = sorted(rows)
            for (const tree of [whole, each]) tree.beginBatch()
            const roots: bigint[] = []
            for (let from = 0; from < indices.length; from += rowsPerChunk) {
              each.update(indices.slice(from, from + rowsPerChunk), balances.slice(from, from + rowsPerChunk))
              roots.push(each.root)
            }
            expect(whole.updateChunks(indices, balances, rowsPerChunk)).toEqual(roots)
            const [ours, theirs] = [whole.endBatch(), each.endBatch()]
            expect(byKey(ours)).toEqual(byKey(theirs))
          }
          expect(byKey(asChanges(whole))).toEqual(byKey(asChanges(each)))
          expect(whole.nodeCount).toBe(each.nodeCount)
        },
      ),
      { numRuns: 25 },
    )
  })

  test('no chunk of no rows, and none of half a row', () => {
    const tree = new StateTree()
    expect(tree.updateChunks([], [], 7)).toEqual([])
    for (const rowsPerChunk of [0, -1, 0.5, NaN])
      expect(() => tree.updateChunks([1], [1], rowsPerChunk)).toThrow(RangeError)
    expect(tree.root).toBe(emptyRoots[TREE_DEPTH])
  })
})

/** Stored values before and after, by key. */
const byKey = ({ keys, before, after }: NodeChanges): Map<number, string> =>
  new Map(
    Array.from(keys, (key, at) => [
      key,
      [before, after].map((v) => Buffer.from(v.subarray(32 * at, 32 * at + 32)).toString('hex')).join(' '),
    ]),
  )
const asChanges = (tree: StateTree): NodeChanges => {
  const { keys, values } = tree.dump()
  return { keys, before: values, after: values }
}

describe('hash threads', () => {
  test('three threads give the root that one gives, over several updates', async () => {
    const rows = Array.from({ length: 600 }, (_, at) => [at * 3, at + 1] as const)
    const [indices, balances] = sorted(rows)
    const [one, three] = [new StateTree(), new StateTree(3)]
    for (const factor of [1, 2]) {
      const more = balances.map((units) => units * factor)
      one.update(indices, more)
      three.update(indices, more)
      expect(three.root).toBe(one.root)
      const again = more.map((units) => units + 1)
      expect(three.updateChunks(indices, again, 2)).toEqual(one.updateChunks(indices, again, 2))
    }
    await three.close()
  })
})

describe('tree store', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-tree-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('a tree comes back from changes, from rows where they are damaged, and old roots stay provable', () => {
    const tree = new StateTree()
    const store = new TreeStore(folder)
    const records: BatchRecord[] = []
    const roots = [tree.root]
    for (let number = 1; number <= 5; number++) {
      const indices = Int32Array.from([number, number + 10, 64 * number + 100])
      const deltas = Float64Array.from([5, 6, 7])
      tree.beginBatch()
      tree.update(
        indices,
        Array.from(indices, (at, row) => tree.balanceOf(at) + deltas[row]!),
      )
      store.write(number, tree.root, tree.endBatch())
      roots.push(tree.root)
      records.push({
        header: { number: BigInt(number), newRoot: tree.root },
        data: { rows: encodeRows({ indices, deltas }) },
      } as unknown as BatchRecord)
    }
    const restored = (): bigint => {
      const fresh = new StateTree()
      new TreeStore(folder).restore(fresh, records.length, (number) => records[number - 1]!)
      return fresh.root
    }
    expect(restored()).toBe(tree.root)
    const undos = [3, 4, 5].map((number) => store.undo(number)!)
    expect(tree.proof(1, undos).root).toBe(roots[2])
    const names = readdirSync(join(folder, 'tree')).sort()
    expect(names).toHaveLength(5)
    writeFileSync(join(folder, 'tree', names[1]!), 'not a node file')
    rmSync(join(folder, 'tree', names[3]!))
    expect(restored()).toBe(tree.root)
    // What was damaged has been written again.
    expect(new TreeStore(folder).undo(2)).toBeDefined()
    expect(new TreeStore(folder).undo(6)).toBeUndefined()
  })

  test('a checkpoint is written when enough has changed, and is held against the root that it restores to', () => {
    const own = join(folder, 'own')
    const file = join(own, 'tree', 'checkpoint')
    const tree = new StateTree()
    const store = new TreeStore(own, 100)
    const records: BatchRecord[] = []
    const changes = (number: number): number => {
      const indices = Int32Array.of(number)
      tree.beginBatch()
      tree.update(indices, [5])
      const changed = tree.endBatch()
      store.write(number, tree.root, changed)
      const header = { number: BigInt(number), newRoot: tree.root }
      const rows = encodeRows({ indices, deltas: Float64Array.of(5) })
      records.push({ header, data: { rows } } as unknown as BatchRecord)
      store.checkpointIfDue(number, tree, number)
      return changed.keys.length
    }
    let changed = 0
    for (let number = 1; !existsSync(file); number++) {
      // Not before a half of the least.
      expect(changed * 2).toBeLessThan(100)
      changed += changes(number)
    }
    expect(changed * 2).toBeGreaterThanOrEqual(100)
    const recordOf = (number: number): BatchRecord => records[number - 1]!
    const restored = new StateTree()
    new TreeStore(own).restore(restored, records.length, recordOf)
    expect(restored.root).toBe(tree.root)
    // Whole, and of the root of the last record; but its nodes give another one.
    const bytes = readFileSync(file)
    const count = bytes.readUInt32LE(12)
    for (let at = 0; at < count; at++) bytes[64 + count * 4 + at * 32 + 31]! ^= 1
    const end = bytes.length - 32
    createHash('sha256').update(bytes.subarray(0, end)).digest().copy(bytes, end)
    writeFileSync(file, bytes)
    expect(() => new TreeStore(own).restore(new StateTree(), records.length, recordOf)).toThrow(
      /checkpoint after batch \d+ says root \d+, its nodes give \d+/,
    )
  })
})
