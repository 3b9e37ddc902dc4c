/** The state tree against its slow twin: roots, nodes, proofs, changes, undo, refusals, dumps. */
import fc from 'fast-check'
import { R } from '../tree/field.js'
import { packLeaf } from './leaf.js'
import { QuadTreeTwin, type TwinRow } from './quad-tree-twin.js'
import {
  FIRST_LEAF_KEY,
  QUAD_DEPTH,
  QuadTree,
  RowError,
  emptyQuadRoots,
  heightOfKey,
  verifyLeafProof,
  type LeafDeltas,
} from './quad-tree.js'
import { valueAfter, valueBefore, type TreeChanges } from './tree-changes.js'

const LAST = 2 ** 26 - 1
const MAX = Number.MAX_SAFE_INTEGER

const index = fc.oneof(
  fc.integer({ min: 0, max: LAST }),
  fc.integer({ min: 0, max: 70 }),
  fc.constantFrom(0, 1, 3, 4, 15, 16, 2 ** 22, LAST - 1, LAST),
)
const delta = fc.oneof(
  { weight: 60, arbitrary: fc.integer({ min: 0, max: 9 }) },
  { weight: 2, arbitrary: fc.constantFrom(-1, 2 ** 33) },
  { weight: 1, arbitrary: fc.constantFrom(MAX, -MAX) },
)
/** Most pages are to be taken: sorted, and seldom more than there is. */
const page = fc
  .uniqueArray(fc.tuple(index, fc.tuple(delta, delta, delta, delta)), {
    selector: ([at]) => at,
    maxLength: 10,
  })
  .map((rows) => rows.sort((a, b) => a[0] - b[0]))
type Row = readonly [number, readonly number[]]

const rowsOf = (rows: readonly Row[]): LeafDeltas => ({
  leaves: rows.map(([at]) => at),
  deltas: rows.flatMap(([, deltas]) => deltas),
})
const twinRows = (rows: readonly Row[]): TwinRow[] =>
  rows.map(([at, deltas]) => [at, deltas.map(BigInt) as unknown as TwinRow[1]])

/** What `update` makes of rows: the changes, or undefined when it refuses them. */
function tryUpdate(tree: QuadTree, rows: readonly Row[]): TreeChanges | undefined {
  try {
    return tree.update(rowsOf(rows))
  } catch (error) {
    expect(error).toBeInstanceOf(RowError)
    return undefined
  }
}

describe('quad tree', () => {
  test('the empty root', () => {
    expect(new QuadTree().root).toBe(new QuadTreeTwin().node(1))
    expect(emptyQuadRoots).toHaveLength(QUAD_DEPTH + 1)
    expect([1, 4, 7, 16, FIRST_LEAF_KEY, 2 * FIRST_LEAF_KEY - 1].map(heightOfKey)).toEqual([
      13, 12, 12, 11, 0, 0,
    ])
  })

  test('random pages: taken when the twin takes them; roots, changes, proofs and the way back are the twin’s', () => {
    let taken = 0
    fc.assert(
      fc.property(fc.array(page, { minLength: 1, maxLength: 4 }), (pages) => {
        const tree = new QuadTree()
        const twin = new QuadTreeTwin()
        const past: { root: bigint; leaf: readonly bigint[]; changes: TreeChanges }[] = []
        const watched = pages[0]![0]?.[0] ?? 5
        for (const rows of pages) {
          const [root, leaf] = [twin.node(1), twin.leaf(watched)]
          expect(tree.root).toBe(root)
          const changes = tryUpdate(tree, rows)
          expect(changes !== undefined).toBe(twin.apply(twinRows(rows)))
          if (changes === undefined) continue
          past.push({ root, leaf, changes })
          taken += rows.length
          // Keys are the paths of the rows, each once, ascending.
          const keys = new Set<number>()
          for (const [at] of rows) for (let key = FIRST_LEAF_KEY + at; key >= 1; key >>>= 2) keys.add(key)
          expect([...changes.keys]).toEqual([...keys].sort((a, b) => a - b))
          if (rows.length > 0)
            expect([valueBefore(changes, 1), valueAfter(changes, 1)]).toEqual([root, twin.node(1)])
          for (const [at] of rows)
            expect(valueAfter(changes, FIRST_LEAF_KEY + at)).toBe(packLeaf(tree.leaf(at)))
        }
        expect(tree.root).toBe(twin.node(1))
        const { leaves, deltas } = tree.filledLeaves()
        expect(
          new Map(
            Array.from(leaves, (at, row) => [at, [...deltas.subarray(row * 4, row * 4 + 4)].map(BigInt)]),
          ),
        ).toEqual(new Map([...twin.filled()].sort((a, b) => a[0] - b[0])))
        for (const [at] of pages.flat()) expect(tree.leaf(at).map(BigInt)).toEqual(twin.leaf(at))
        // Proofs now, and of every root before.
        past.forEach(({ root, leaf }, at) => {
          const proof = tree.proof(
            watched,
            past.slice(at).map(({ changes }) => changes),
          )
          expect([proof.root, proof.balances.map(BigInt)]).toEqual([root, leaf])
          expect(verifyLeafProof(proof, root)).toBe(true)
        })
        // Back and forth.
        const last = tree.root
        for (const { changes, root } of [...past].reverse()) {
          tree.undo(changes)
          expect(tree.root).toBe(root)
        }
        expect(tree.filledLeaves().leaves).toHaveLength(0)
        for (const { changes } of past) tree.redo(changes)
        expect(tree.root).toBe(last)
      }),
      { numRuns: 25 },
    )
    expect(taken).toBeGreaterThan(50)
  })

  test('a page of many rows is the pages of one row, and every node is the hash of its children', () => {
    const rows: Row[] = Array.from({ length: 60 }, (_, at) => [
      at * at * at * 7 + (at >> 1),
      [at + 1, 0, 0, at],
    ])
    const [once, each, twin] = [new QuadTree(), new QuadTree(), new QuadTreeTwin()]
    const changes = once.update(rowsOf(rows))
    for (const row of rows) each.update(rowsOf([row]))
    twin.apply(twinRows(rows))
    expect(each.root).toBe(once.root)
    for (const key of changes.keys) {
      expect(once.node(key)).toBe(each.node(key))
      if (key < 300) expect(once.node(key)).toBe(twin.node(key))
    }
    for (const key of [2 ** 24, 5, 4 * 7]) expect(once.node(key)).toBe(twin.node(key))
  })

  test('a tree made of its leaves, and one restored from a dump, are the tree', () => {
    const tree = new QuadTree()
    tree.update(
      rowsOf([
        [7, [1, 2, 3, MAX]],
        [8, [0, 0, 1, 0]],
        [LAST, [0, 9, 0, 0]],
      ]),
    )
    tree.update(
      rowsOf([
        [7, [-1, -2, -3, -MAX]],
        [9, [0, 0, 1, 0]],
      ]),
    )
    const made = new QuadTree()
    made.update(tree.filledLeaves())
    const restored = new QuadTree()
    restored.restore(tree.dump())
    expect([made.root, restored.root]).toEqual([tree.root, tree.root])
    expect(restored.nodeCount).toBe(tree.nodeCount)
    expect(restored.proof(9)).toEqual(tree.proof(9))
    const { families, values } = tree.dump()
    for (const family of [-1, 2 ** 25, 2 ** 26, 2, 0.5, NaN])
      expect(() =>
        new QuadTree().restore({ families: [family] as unknown as Int32Array, values: values.slice(0, 128) }),
      ).toThrow(RangeError)
    expect(() => new QuadTree().restore({ families, values: values.slice(128) })).toThrow(RangeError)
  })

  test('refused rows say what is wrong with the first bad one, and change nothing', () => {
    const tree = new QuadTree()
    tree.update(rowsOf([[5, [7, 0, 0, MAX]]]))
    const { root } = tree
    const ok: Row = [1, [9, 9, 9, 9]]
    const cases: readonly (readonly [string, number, readonly Row[]])[] = [
      ['order', 1, [ok, ok]],
      ['order', 1, [[2, [1, 0, 0, 0]], ok]],
      ['index', 1, [ok, [LAST + 1, [1, 0, 0, 0]]]],
      ['index', 0, [[-1, [1, 0, 0, 0]], ok]],
      ['index', 0, [[0.5, [1, 0, 0, 0]], ok]],
      ['index', 0, [[NaN, [1, 0, 0, 0]], ok]],
      ['delta', 1, [ok, [2, [0, 0.5, 0, 0]]]],
      ['delta', 1, [ok, [2, [0, 0, NaN, 0]]]],
      ['delta', 1, [ok, [2, [0, 0, 0, 2 ** 53]]]],
      ['zero', 1, [ok, [2, [0, 0, -0, 0]]]],
      ['balance', 1, [ok, [5, [-8, 0, 0, 0]]]],
      ['balance', 1, [ok, [5, [0, 0, 0, 1]]]],
      ['balance', 1, [ok, [5, [0, 0, 0, MAX]]]],
      ['balance', 1, [ok, [6, [0, -1, 0, 0]]]],
    ]
    for (const [fault, row, rows] of cases) {
      let caught: unknown
      try {
        tree.update(rowsOf(rows))
      } catch (error) {
        caught = error
      }
      expect(caught).toMatchObject({ name: 'RowError', fault, row })
    }
    expect(() => tree.update({ leaves: [1, 2], deltas: [1, 1, 1, 1, 1] })).toThrow(RowError)
    expect(tree.root).toBe(root)
    expect(tree.leaf(1)).toEqual([0, 0, 0, 0])
    expect([...tree.update({ leaves: [], deltas: [] }).keys]).toEqual([])
  })

  test('there is no node but those of the tree', () => {
    const tree = new QuadTree()
    for (const key of [0, -1, 2, 3, 8, 2 ** 25, 2 ** 27, 1.5, NaN])
      expect(() => tree.node(key)).toThrow(RangeError)
    for (const at of [-1, LAST + 1, 0.5]) {
      expect(() => tree.leaf(at)).toThrow(RangeError)
      expect(() => tree.proof(at)).toThrow(RangeError)
    }
  })

  test('changes are taken back in their order alone', () => {
    const tree = new QuadTree()
    const first = tree.update(rowsOf([[5, [7, 0, 0, 0]]]))
    const second = tree.update(rowsOf([[5, [1, 0, 0, 0]]]))
    const { root } = tree
    expect(() => tree.undo(first)).toThrow(RangeError)
    expect(() => tree.redo(first)).toThrow(RangeError)
    expect(() => tree.undo({ ...second, before: second.before.slice(32) })).toThrow(RangeError)
    expect(() => tree.undo({ ...second, keys: Int32Array.from(second.keys, (key) => key + 1) })).toThrow(
      RangeError,
    )
    expect(tree.root).toBe(root)
  })

  test('a proof with anything else in it does not verify', () => {
    const tree = new QuadTree()
    tree.update(
      rowsOf([
        [5, [7, 0, 1, 2]],
        [70_000, [0, 1, 0, 0]],
      ]),
    )
    const proof = tree.proof(5)
    const { root } = tree
    expect(verifyLeafProof(proof, root)).toBe(true)
    expect(verifyLeafProof(tree.proof(6), root)).toBe(true)
    const wrong: Partial<typeof proof>[] = [
      { index: 6 },
      { index: 2 ** 26 + 5 },
      { index: -1 },
      { balances: [7, 0, 1, 3] },
      { balances: [7, 0, 1, -2] },
      { balances: [7, 0, 1, 2 ** 53] },
      { siblings: proof.siblings.slice(1) },
      { siblings: [...proof.siblings, 0n] },
      { siblings: proof.siblings.map((sibling, at) => (at === 4 ? sibling + R : sibling)) },
      { siblings: proof.siblings.map((sibling, at) => (at === 38 ? sibling + 1n : sibling)) },
    ]
    for (const part of wrong) expect(verifyLeafProof({ ...proof, ...part }, root)).toBe(false)
    expect(verifyLeafProof(proof, root + 1n)).toBe(false)
  })
})

describe('hash threads', () => {
  test('three threads give the root and the changes that one gives', async () => {
    const [one, three] = [new QuadTree(), new QuadTree(3)]
    for (const factor of [1, 2]) {
      const rows: Row[] = Array.from({ length: 500 }, (_, at) => [at * 37, [at * factor + 1, 0, 7, 0]])
      expect(three.update(rowsOf(rows))).toEqual(one.update(rowsOf(rows)))
    }
    expect(three.root).toBe(one.root)
    await three.close()
    // Threads start again when there is work.
    const row: Row[] = Array.from({ length: 100 }, (_, at) => [at, [1, 0, 0, 0]])
    three.update(rowsOf(row))
    one.update(rowsOf(row))
    expect(three.root).toBe(one.root)
    await three.close()
    for (const threads of [0, 1.5, 17]) expect(() => new QuadTree(threads)).toThrow(RangeError)
  })
})
