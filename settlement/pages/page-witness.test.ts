/**
 * Witnesses of pages, put through every constraint of the statement by the circuits' slow twin; and the attacks on the
 * statement: each constraint group is what stops one.
 */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import type { PublicInputs } from '../batch/commit.js'
import type { DensePageJob, ListPageJob } from '../page-prover/page-job.js'
import { hashFamily, LEAF_LANES, QuadTree, valueAfter } from '../quad-tree/index.js'
import { FIRST_LEAF_KEY } from '../quad-tree/quad-tree.js'
import { R, toField } from '../tree/field.js'
import {
  brokenByDense,
  brokenByList,
  denseAssignment,
  listAssignment,
  packLanes,
  rehash,
  type DenseAssignment,
  type FamilyHash,
  type LeafAssignment,
  type ListAssignment,
  type SlotAssignment,
} from './circuit-twin.js'
import { slotsOf } from './cutting.js'
import { evaluateRows, packedDelta, type LeafRows } from './leaf-rows.js'
import { PageWitnessError, pageJobOf, type NodeOf, type PageTrees } from './page-witness.js'

/** Any hash without collisions serves a statement about trees; this one is quick, and most are asked for often. */
const hashes = new Map<string, bigint>()
const hash: FamilyHash = (...children) => {
  const text = children.map(toField).join()
  const known = hashes.get(text)
  if (known !== undefined) return known
  const value = BigInt(`0x${createHash('sha256').update(text).digest('hex')}`) % R
  hashes.set(text, value)
  return value
}

/** A quad tree by the rules: a map of nodes, and empty ones a height. */
class PlainTree {
  private nodes = new Map<number, bigint>()
  private readonly empty: bigint[] = [0n]

  constructor(private readonly of: FamilyHash) {
    for (let height = 0; height < 13; height++) {
      const below = this.empty[height]!
      this.empty.push(of(below, below, below, below))
    }
  }

  readonly node: NodeOf = (key) => this.nodes.get(key) ?? this.empty[13 - Math.floor(Math.log2(key) / 2)]!

  set(index: number, leaf: bigint): void {
    this.nodes.set(FIRST_LEAF_KEY + index, leaf)
    for (let key = (FIRST_LEAF_KEY + index) >> 2; key >= 1; key >>= 2)
      this.nodes.set(
        key,
        this.of(this.node(4 * key), this.node(4 * key + 1), this.node(4 * key + 2), this.node(4 * key + 3)),
      )
  }

  /** Applies rows; the trees before and behind them. */
  apply(rows: LeafRows): PageTrees {
    const old = new Map(this.nodes)
    const before: NodeOf = (key) => old.get(key) ?? this.empty[13 - Math.floor(Math.log2(key) / 2)]!
    rows.leaves.forEach((index, row) =>
      this.set(index, this.node(FIRST_LEAF_KEY + index) + packedDelta(rows, row)),
    )
    const now = new Map(this.nodes)
    const behind: NodeOf = (key) => now.get(key) ?? before(key)
    return { before, behind }
  }
}

const rowsFrom = (rows: readonly (readonly [number, ...number[]])[]): LeafRows => ({
  leaves: Int32Array.from(rows, ([index]) => index),
  deltas: Float64Array.from(rows.flatMap(([, ...deltas]) => deltas)),
})
const rootsOf = ({ before, behind }: PageTrees): [bigint, bigint] => [before(1), behind(1)]
const Z = 0x1234567890abcdef1234567890abcdefn

const inputsOf = (rows: LeafRows, trees: PageTrees, z = Z): PublicInputs => [
  ...rootsOf(trees),
  z,
  evaluateRows(rows, z),
]
const LIST = { name: 'list', kind: 'list', leaves: 0, slots: 0, seconds: 1, gas: 1 } as const

function listOf(rows: LeafRows, trees: PageTrees, leaves: number, slots: number): ListAssignment {
  const job = pageJobOf(LIST, rows, trees, inputsOf(rows, trees)) as ListPageJob
  return listAssignment(job, { leaves, slots }, hash)
}

function denseOf(rows: LeafRows, trees: PageTrees, subtreeLeaves: number, posted = rows): DenseAssignment {
  const circuit = { name: 'dense', kind: 'dense', subtreeLeaves, seconds: 1, gas: 1 } as const
  return denseAssignment(pageJobOf(circuit, rows, trees, inputsOf(posted, trees)) as DensePageJob)
}

/** A tree with some balances, and a page of five leaves, two of them neighbours, one the tree's last. */
function scene(): { rows: LeafRows; trees: PageTrees; make: () => ListAssignment } {
  const tree = new PlainTree(hash)
  const old = (index: number, ...balances: bigint[]): void => tree.set(index, packLanes(balances))
  old(40, 5n, 6n, 7n, 2n ** 53n - 1n)
  old(42, 1n, 0n, 0n, 0n)
  old(70_000, 9n, 9n, 9n, 9n)
  const rows = rowsFrom([
    [40, 1, -6, 0, -1],
    [41, 0, 6, 0, 0],
    [70_000, 0, 0, 0, -9],
    [4_000_000, -0, 0, 3, 0],
    [FIRST_LEAF_KEY - 1, 0, 0, 0, 10],
  ])
  const trees = tree.apply(rows)
  const make = (): ListAssignment => listOf(rows, trees, 8, 64)
  return { rows, trees, make }
}

describe('witnesses', () => {
  const deltas = fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { minLength: 4, maxLength: 4 })
  const leaf = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: FIRST_LEAF_KEY - 1 }))
  const leaves = fc.uniqueArray(fc.tuple(leaf, deltas), {
    minLength: 1,
    maxLength: 12,
    selector: ([index]) => index,
  })
  const sorted = (changes: readonly [number, number[]][], sign = 1): LeafRows =>
    rowsFrom(
      [...changes]
        .sort((a, b) => a[0] - b[0])
        .map(([index, four]) => [index, ...four.map((delta) => sign * delta)] as const),
    )

  test('lists: every constraint holds, and the slots are as many as were counted', () => {
    fc.assert(
      fc.property(leaves, leaves, (first, second) => {
        const tree = new PlainTree(hash)
        tree.apply(sorted(first))
        for (const rows of [sorted(second), sorted(first, -1)]) {
          const trees = tree.apply(rows)
          const slots = slotsOf(rows.leaves)
          const exact = listOf(rows, trees, rows.leaves.length, slots)
          expect([...brokenByList(exact, hash)]).toEqual([])
          expect([...brokenByList(listOf(rows, trees, 16, slots + 3), hash)]).toEqual([])
        }
      }),
      { numRuns: 12 },
    )
  })

  test('dense subtrees: every constraint holds, first and last subtree too', () => {
    for (const base of [0, 256 * 1023, FIRST_LEAF_KEY - 16]) {
      const tree = new PlainTree(hash)
      tree.apply(rowsFrom([[base + 3, 1, 2, 3, 4]]))
      const rows = rowsFrom([
        [base, 5, 0, 0, 0],
        [base + 3, 0, -2, 7, -4],
        [base + 15, 0, 0, 1, 2],
      ])
      const trees = tree.apply(rows)
      for (const size of [16, 64]) expect([...brokenByDense(denseOf(rows, trees, size), hash)]).toEqual([])
    }
  })

  test('pages of one batch on the tree itself, with its own hash', () => {
    const tree = new QuadTree()
    tree.update(rowsFrom([[70, 1, 2, 3, 4]]))
    const pages = [
      rowsFrom([
        [70, 5, 0, 0, 0],
        [9_000, 1, 0, 0, 1],
      ]),
      rowsFrom([
        [64, 0, 0, 0, 8],
        [70, 0, -2, 0, 0],
      ]),
    ]
    const changes = pages.map((rows) => tree.update(rows))
    pages.forEach((rows, page) => {
      const trees: PageTrees = {
        before: (key) => tree.nodeBefore(key, changes.slice(page)),
        behind: (key) => valueAfter(changes[page]!, key) ?? tree.nodeBefore(key, changes.slice(page + 1)),
      }
      const job = pageJobOf(LIST, rows, trees, inputsOf(rows, trees))
      const assignment = listAssignment(job as ListPageJob, { leaves: 2, slots: 26 }, hashFamily)
      expect([...brokenByList(assignment, hashFamily)]).toEqual([])
      if (page === 1) expect([...brokenByDense(denseOf(rows, trees, 16), hashFamily)]).toEqual([])
    })
  })

  test('rows and trees that do not belong together', () => {
    const { rows, trees } = scene()
    const [first, last, z, evaluation] = inputsOf(rows, trees)
    const make = (inputs: PublicInputs, of = rows) => pageJobOf(LIST, of, trees, inputs)
    expect(() => make([first, first, z, evaluation])).toThrow(PageWitnessError)
    expect(() => make([last, last, z, evaluation])).toThrow(PageWitnessError)
    expect(() => denseOf(rows, trees, 256)).toThrow('is not of subtree')
    const other = { leaves: rows.leaves, deltas: rows.deltas.map((delta) => delta * 2) }
    expect(() => make([first, last, z, evaluation], other)).toThrow('leaf 40 does not move by its row')
  })
})

describe('attacks on the statement of a list', () => {
  const { rows, make } = scene()
  const evaluate = (changed: LeafRows): bigint => evaluateRows(changed, Z)
  /** An assignment after `change`, its hashes made anew; with the evaluation of `posted` rows. */
  function attack(change: (assignment: ListAssignment) => void, posted = rows): string[] {
    const assignment = make()
    change(assignment)
    rehash(assignment, hash)
    const [first, last, z] = assignment.inputs
    return [...brokenByList({ ...assignment, inputs: [first, last, z, evaluate(posted)] }, hash)]
  }
  /** Takes the prover's own roots: what is left is what the chain's roots do not stop. */
  const ownRoots = (assignment: ListAssignment): void => {
    rehash(assignment, hash)
    const root = assignment.slots[0]!
    assignment.inputs = [root.before, root.behind, assignment.inputs[2], assignment.inputs[3]]
  }
  const without = (count: number): LeafRows => ({
    leaves: rows.leaves.slice(0, count),
    deltas: rows.deltas.slice(0, count * LEAF_LANES),
  })
  const leafAt = (assignment: ListAssignment, place: number): LeafAssignment => assignment.leaves[place]!
  /** The slot above leaf `place`, and the child that points there. */
  const above = (assignment: ListAssignment, place: number) => {
    const slot = assignment.slots.find(({ children }) =>
      children.some(({ used, pointer }) => used === 1n && pointer === place),
    )!
    return { slot, child: slot.children.find(({ used, pointer }) => used === 1n && pointer === place)! }
  }
  const firstIdle = (assignment: ListAssignment): SlotAssignment =>
    assignment.slots.find(({ active }) => active === 0n)!

  test('none: the scene itself is sound', () => {
    expect(attack(() => undefined)).toEqual([])
  })

  test('a hidden row: a leaf changes that is not posted', () => {
    expect(attack(() => undefined, without(4))).toEqual(['evaluation'])
    // Not absorbed as it is unused: then nobody may consume it.
    expect(attack((a) => (leafAt(a, 4).used = 0n), without(4))).toEqual(
      expect.arrayContaining(['child key', 'each consumed']),
    )
    // As an inner change: its parent becomes a bare sibling, another one before and behind is not possible.
    const hidden = attack((a) => {
      const { child } = above(a, 4)
      Object.assign(child, { used: 0n, sibling: packLanes(leafAt(a, 4).behind) })
      leafAt(a, 4).used = 0n
      leafAt(a, 4).inverse = 0n
    }, without(4))
    expect(hidden).toContain('roots')
  })

  test('a row that changes nothing', () => {
    expect(attack((a) => ((leafAt(a, 1).behind = [...leafAt(a, 1).before]), ownRoots(a)))).toContain('change')
  })

  test('leaves out of order, or twice', () => {
    const swapped = attack(
      (a) => {
        const [second, third] = [leafAt(a, 1), leafAt(a, 2)]
        const [up, down] = [above(a, 1).child, above(a, 2).child]
        Object.assign(up, { pointer: 2 })
        Object.assign(down, { pointer: 1 })
        a.leaves.splice(1, 2, third, second)
      },
      {
        leaves: Int32Array.of(40, 70_000, 41, 4_000_000, FIRST_LEAF_KEY - 1),
        deltas: Float64Array.of(
          ...rows.deltas.slice(0, 4),
          ...rows.deltas.slice(8, 12),
          ...rows.deltas.slice(4, 8),
          ...rows.deltas.slice(12),
        ),
      },
    )
    expect(swapped).toEqual(['leaf order'])
    expect(attack((a) => (a.leaves[1] = { ...leafAt(a, 0) }))).toContain('leaf order')
  })

  test('a used leaf behind an unused one', () => {
    expect(attack((a) => (leafAt(a, 2).used = 0n))).toContain('used last')
  })

  test('a leaf index beyond 26 bits', () => {
    expect(attack((a) => (leafAt(a, 4).index = 2n ** 26n))).toContain('index')
  })

  test('a balance of 2^53, or below zero, before or behind, in any lane', () => {
    for (const when of ['before', 'behind'] as const)
      for (let lane = 0; lane < LEAF_LANES; lane++)
        for (const balance of [2n ** 53n, -1n, R - 1n])
          expect(attack((a) => ((leafAt(a, 0)[when][lane] = balance), ownRoots(a)))).toContain('balance')
  })

  test('the old leaf in another packing', () => {
    // The same element: a unit of lane 1 is 2^63 units of lane 0.
    const broken = attack((a) => {
      const { before } = leafAt(a, 0)
      before[1]! -= 1n
      before[0]! += 2n ** 63n
    })
    expect(broken).toEqual(['balance'])
  })

  test('a leaf that two slots consume, and one that none does', () => {
    const twice = attack((a) => {
      const spare = above(a, 2).slot.children.find(({ used }) => used === 0n)!
      Object.assign(spare, { used: 1n, pointer: 2 })
    })
    expect(twice).toEqual(expect.arrayContaining(['child key', 'each consumed']))
    // One twice instead of another: the count is met, the keys are not.
    expect(attack((a) => (above(a, 1).child.pointer = 0))).toContain('child key')
    expect(
      attack((a) => Object.assign(above(a, 3).child, { used: 0n, sibling: packLanes(leafAt(a, 3).before) })),
    ).toContain('each consumed')
  })

  test('a leaf below an idle slot', () => {
    const broken = attack((a) => {
      const { child } = above(a, 3)
      Object.assign(firstIdle(a).children[0]!, { used: 1n, pointer: child.pointer })
      Object.assign(child, { used: 0n, sibling: packLanes(leafAt(a, 3).before) })
      // With the key that its children's keys ask for.
      firstIdle(a).key = (BigInt(FIRST_LEAF_KEY) + leafAt(a, 3).index) / 4n
    })
    expect(broken).toEqual(expect.arrayContaining(['idle slot', 'slot order']))
  })

  test('an idle entry in place of a leaf, to meet the count', () => {
    const place = (a: ListAssignment): number => a.leaves.length + a.slots.indexOf(firstIdle(a))
    for (const entry of [place, () => 7])
      expect(
        attack((a) => {
          const { slot, child } = above(a, 3)
          Object.assign(child, { used: 0n, sibling: packLanes(leafAt(a, 3).before) })
          Object.assign(
            slot.children.find((each) => each !== child)!,
            { used: 1n, pointer: entry(a) },
          )
        }),
      ).toContain('child key')
  })

  test('an inner node taken for a leaf', () => {
    // A leaf entry whose index makes the key of an inner node: keys of leaves begin at 2^26, so it is beyond range.
    const broken = attack((a) => {
      const slot = a.slots[1]!
      leafAt(a, 0).index = toField(slot.key - BigInt(FIRST_LEAF_KEY))
      for (const { children } of a.slots)
        for (const child of children)
          if (child.used === 1n && child.pointer === a.leaves.length + 1) child.pointer = 0
    })
    expect(broken).toEqual(expect.arrayContaining(['index', 'child key']))
  })

  test('slots out of order, a second root, a root of another key', () => {
    expect(attack((a) => ((a.slots[2]!.key = a.slots[1]!.key), undefined))).toContain('slot order')
    expect(attack((a) => (a.slots[0]!.key = 2n))).toContain('root key')
    expect(attack((a) => ((a.slots[0]!.active = 0n), undefined))).toContain('root key')
  })

  test('a slot of its own that none consumes', () => {
    const broken = attack((a) => {
      const idle = firstIdle(a)
      idle.active = 1n
      idle.key = a.slots[a.slots.indexOf(idle) - 1]!.key + 1n
    })
    expect(broken).toEqual(['each consumed'])
  })

  test('a sibling that is not the tree’s; other roots; another z', () => {
    const { slots } = make()
    slots.forEach(({ children, active }, slot) =>
      children.forEach(({ used }, child) => {
        if (used === 1n || active === 0n) return
        expect(attack((a) => (a.slots[slot]!.children[child]!.sibling += 1n))).toEqual(['roots'])
      }),
    )
    for (const place of [0, 1, 2, 3]) {
      const assignment = make()
      const inputs = [...assignment.inputs] as [bigint, bigint, bigint, bigint]
      inputs[place]! += 1n
      expect([...brokenByList({ ...assignment, inputs }, hash)]).toEqual([place < 2 ? 'roots' : 'evaluation'])
    }
  })

  test('each single value that says something, changed', () => {
    const whole = make()
    const changedBy = (change: (a: ListAssignment) => void): void => {
      const assignment = structuredClone(whole)
      change(assignment)
      expect([...brokenByList(assignment, hash)]).not.toEqual([])
    }
    whole.leaves.forEach(({ used }, leaf) => {
      changedBy((a) => (a.leaves[leaf]!.used = 1n - used))
      // What an unused leaf holds is nobody's.
      if (used === 0n) return
      changedBy((a) => (a.leaves[leaf]!.index += 1n))
      changedBy((a) => (a.leaves[leaf]!.inverse += 1n))
      for (let lane = 0; lane < LEAF_LANES; lane++) {
        changedBy((a) => (a.leaves[leaf]!.before[lane]! += 1n))
        changedBy((a) => (a.leaves[leaf]!.behind[lane]! += 1n))
      }
    })
    whole.slots.forEach(({ active, children }, slot) => {
      changedBy((a) => (a.slots[slot]!.active = 1n - active))
      changedBy((a) => (a.slots[slot]!.before += 1n))
      changedBy((a) => (a.slots[slot]!.behind += 1n))
      if (active === 1n) changedBy((a) => (a.slots[slot]!.key += 1n))
      children.forEach(({ used }, child) => {
        changedBy((a) => (a.slots[slot]!.children[child]!.used = 1n - used))
        if (used === 1n) changedBy((a) => (a.slots[slot]!.children[child]!.pointer ^= 1))
        else changedBy((a) => (a.slots[slot]!.children[child]!.sibling += 1n))
      })
    })
  })
})

describe('attacks on the statement of a dense subtree', () => {
  const tree = new PlainTree(hash)
  tree.apply(rowsFrom([[259, 9, 2, 3, 4]]))
  const rows = rowsFrom([
    [256, 5, 0, 0, 0],
    [259, 0, -2, 7, -4],
  ])
  const trees = tree.apply(rows)
  const make = (posted = rows): DenseAssignment => denseOf(rows, trees, 16, posted)

  test('each changed value, each sibling, each input', () => {
    const broken = (change: (a: DenseAssignment) => void): string[] => {
      const assignment = make()
      change(assignment)
      return [...brokenByDense(assignment, hash)]
    }
    expect(broken(() => undefined)).toEqual([])
    for (let place = 0; place < 16; place++)
      for (let lane = 0; lane < LEAF_LANES; lane++)
        for (const when of ['before', 'behind'] as const) {
          expect(broken((a) => (a[when][place]![lane]! += 1n))).toContain('roots')
          expect(broken((a) => (a[when][place]![lane]! = -1n))).toContain('balance')
          expect(broken((a) => (a[when][place]![lane]! = 2n ** 53n))).toContain('balance')
        }
    make().siblings.forEach((_, at) => expect(broken((a) => (a.siblings[at]! += 1n))).toEqual(['roots']))
    expect(broken((a) => (a.subtree += 1n))).toContain('evaluation')
    expect(broken((a) => (a.subtree = BigInt(FIRST_LEAF_KEY / 16)))).toContain('subtree')
    for (const place of [0, 1, 2, 3])
      expect(
        broken((a) => {
          const inputs = [...a.inputs] as [bigint, bigint, bigint, bigint]
          inputs[place]! += 1n
          a.inputs = inputs
        }),
      ).toEqual([place < 2 ? 'roots' : 'evaluation'])
  })

  test('a hidden row, a row too many, the old leaf in another packing', () => {
    const one = { leaves: rows.leaves.slice(0, 1), deltas: rows.deltas.slice(0, 4) }
    expect([...brokenByDense(make(one), hash)]).toEqual(['evaluation'])
    const more = rowsFrom([
      [256, 5, 0, 0, 0],
      [257, 1, 0, 0, 0],
      [259, 0, -2, 7, -4],
    ])
    expect([...brokenByDense(make(more), hash)]).toEqual(['evaluation'])
    const packed = make()
    const leaf = packed.before[3]!
    leaf[0]! += 2n ** 63n
    leaf[1]! -= 1n
    expect([...brokenByDense(packed, hash)]).toEqual(['balance'])
  })
})
