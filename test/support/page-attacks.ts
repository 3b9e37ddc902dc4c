/**
 * Attacks on a list circuit's inputs, made of SMALL_PAGE: what each changes, and the statement of the circuit's source
 * that refuses it (the table in settlement/circuits/pages/README.md). For tests.
 */
import { toField } from '../../settlement/tree/field.js'
import { hashUp, setBalances, type ForgedPage } from './forged-pages.js'
import { SMALL_LIST_CIRCUIT } from './sample-pages.js'

const { leaves: LEAVES, slots: SLOTS } = SMALL_LIST_CIRCUIT
const SENTINEL = LEAVES + SLOTS
const NOTHING = SENTINEL + 1
const FIRST_LEAF = 2n ** 26n
/** Slots of SMALL_PAGE; its two parents of leaves; the place of the last leaf, which is the second parent's. */
const ACTIVE = 14
const [FIRST_PARENT, PARENT] = [ACTIVE - 2, ACTIVE - 1]
const LAST_LEAF = 2

/** Takes a child out of the tree's pointers: what it was becomes a sibling. */
function unpoint(page: ForgedPage, slot: number, place: number): void {
  page.points[slot]![place] = 0n
  page.pointer[slot]![place] = BigInt(NOTHING)
}

function point(page: ForgedPage, slot: number, place: number, to: number): void {
  page.points[slot]![place] = 1n
  page.pointer[slot]![place] = BigInt(to)
}

function swapLeaves(page: ForgedPage, a: number, b: number): void {
  for (const column of [page.key, page.old, page.change]) [column[a], column[b]] = [column[b]!, column[a]!]
  ;[page.balances[a], page.balances[b]] = [page.balances[b]!, page.balances[a]!]
  const to = (value: bigint): bigint =>
    value === BigInt(a) ? BigInt(b) : value === BigInt(b) ? BigInt(a) : value
  page.pointer = page.pointer.map((pointers) => pointers.map(to))
}

export interface PageAttack {
  readonly attack: (page: ForgedPage) => void
  /** Part of the statement that refuses it. */
  readonly stoppedBy: RegExp
  /** The roots stay those of the tree: hashing up is not done. */
  readonly keepsRoots?: boolean
}

export const PAGE_ATTACKS: Readonly<Record<string, PageAttack>> = {
  'a hidden row: changed in the tree, not used, its key kept': {
    attack: (page) => {
      page.used[LAST_LEAF] = 0n
      page.rows--
    },
    stoppedBy: /jump \* UNUSED_LEAF/,
  },
  'a hidden row with the key of an unused leaf': {
    attack: (page) => {
      page.used[LAST_LEAF] = 0n
      page.rows--
      page.key[LAST_LEAF]! += 2n ** 61n
    },
    stoppedBy: /key\[to\]/,
  },
  'a hidden row in the unused leaf': {
    attack: (page) => {
      page.key[LAST_LEAF + 1] = FIRST_LEAF + 41n
      setBalances(page, LAST_LEAF + 1, [1n, 0n, 0n, 0n])
      point(page, PARENT, 1, LAST_LEAF + 1)
    },
    stoppedBy: /jump \* UNUSED_LEAF/,
  },
  'a row fewer said to be used': {
    attack: (page) => void page.rows--,
    stoppedBy: /leaves == rows/,
  },
  'a gap before a used leaf': {
    attack: (page) => {
      page.used[1] = 0n
      page.key[1]! += 2n ** 61n
    },
    stoppedBy: /assert_bit\(jump\)/,
  },
  'a leaf that is used twice': { attack: (page) => void (page.used[1] = 2n), stoppedBy: /x \* x/ },
  'a zero row': {
    attack: (page) => {
      page.balances[0] = [0n, 0n, 0n, 0n]
      page.change[0] = 0n
    },
    stoppedBy: /inverse\[i\]/,
  },
  'a leaf one level too deep': {
    attack: (page) => {
      const slot = ACTIVE
      page.active++
      page.key[LEAVES + slot] = FIRST_LEAF + 40n
      page.key[LAST_LEAF] = 4n * (FIRST_LEAF + 40n) + 1n
      page.key[LAST_LEAF + 1] = page.key[LAST_LEAF] + 1n + 2n ** 61n
      point(page, PARENT, 0, LEAVES + slot)
      point(page, slot, 1, LAST_LEAF)
    },
    stoppedBy: /key\[rows - 1\]/,
  },
  'a leaf beyond the last one': {
    attack: (page) => {
      page.key[LAST_LEAF] = 2n * FIRST_LEAF
      page.key[LAST_LEAF + 1] = page.key[LAST_LEAF] + 1n + 2n ** 61n
    },
    stoppedBy: /key\[to\]/,
  },
  'an inner node in place of a leaf': {
    attack: (page) => {
      page.key[0] = page.key[LEAVES + FIRST_PARENT]!
      point(page, FIRST_PARENT - 1, 2, 0)
    },
    stoppedBy: /key\[0\] - LEAVES_BEGIN/,
  },
  'a leaf that two places consume': {
    attack: (page) => point(page, PARENT, 1, LAST_LEAF),
    stoppedBy: /key\[to\]/,
  },
  'one leaf listed twice': {
    attack: (page) => {
      const copy = LAST_LEAF + 1
      page.used[copy] = 1n
      page.rows++
      page.key[copy] = page.key[LAST_LEAF]!
      page.old[copy] = page.old[LAST_LEAF]!
      page.change[copy] = page.change[LAST_LEAF]!
      page.balances[copy] = page.balances[LAST_LEAF]!
    },
    stoppedBy: /jump \* UNUSED_LEAF/,
  },
  'a leaf below no slot': {
    attack: (page) => unpoint(page, PARENT, 0),
    stoppedBy: /pointers == leaves/,
  },
  'a leaf below an unused slot': {
    attack: (page) => {
      unpoint(page, PARENT, 0)
      point(page, ACTIVE, 0, LAST_LEAF)
    },
    stoppedBy: /key\[to\]/,
  },
  'a leaf below an unused slot with the parent’s key': {
    attack: (page) => {
      unpoint(page, PARENT, 0)
      page.key[LEAVES + ACTIVE] = page.key[LEAVES + PARENT]!
      point(page, ACTIVE, 0, LAST_LEAF)
    },
    stoppedBy: /key\[LEAVES \+ s - 1\]/,
  },
  'an unused slot in place of a leaf': {
    attack: (page) => {
      page.key[LEAVES + ACTIVE] = page.key[LAST_LEAF]!
      page.children[ACTIVE] = [1n, 2n, 3n, 4n]
      point(page, PARENT, 0, LEAVES + ACTIVE)
    },
    stoppedBy: /UNUSED_SLOT/,
  },
  'the sentinel in place of a leaf': {
    attack: (page) => point(page, PARENT, 0, SENTINEL),
    stoppedBy: /key\[to\]/,
  },
  'an unused slot below another, to make up for a leaf below none': {
    attack: (page) => {
      unpoint(page, PARENT, 0)
      page.key[SENTINEL - 2] = 2n * page.key[LEAVES + ACTIVE]!
      page.key[SENTINEL - 1] = 4n * page.key[LEAVES + ACTIVE]!
      point(page, ACTIVE, 0, SENTINEL - 1)
    },
    stoppedBy: /key\[SENTINEL - 1\]/,
  },
  'a slot more said to be active': {
    attack: (page) => void page.active++,
    stoppedBy: /key\[LEAVES - 1 \+ active\]/,
  },
  'a slot fewer said to be active': {
    attack: (page) => void page.active--,
    stoppedBy: /UNUSED_SLOT/,
  },
  'a part of the tree cut off, one slot fewer said to be active': {
    attack: (page) => {
      unpoint(page, FIRST_PARENT - 1, 2)
      page.active--
    },
    stoppedBy: /UNUSED_SLOT/,
  },
  'slots in the wrong order': {
    attack: (page) => {
      const [a, b] = [LEAVES + FIRST_PARENT, LEAVES + PARENT]
      ;[page.key[a], page.key[b]] = [page.key[b]!, page.key[a]!]
      for (const columns of [page.children, page.points, page.pointer])
        [columns[FIRST_PARENT], columns[PARENT]] = [columns[PARENT]!, columns[FIRST_PARENT]!]
      const grandparent = page.pointer[FIRST_PARENT - 1]!
      page.pointer[FIRST_PARENT - 1] = grandparent.map((to) =>
        to === BigInt(a) ? BigInt(b) : to === BigInt(b) ? BigInt(a) : to,
      )
    },
    stoppedBy: /key\[LEAVES \+ s - 1\]/,
  },
  'rows in the wrong order': { attack: (page) => swapLeaves(page, 0, 1), stoppedBy: /jump \* UNUSED_LEAF/ },
  'a negative balance': {
    attack: (page) => setBalances(page, 0, [-1n, 1n, 0n, 0n].map(toField)),
    stoppedBy: /balances\[lane\]/,
  },
  'a balance of 2^53': {
    attack: (page) => setBalances(page, 0, [2n ** 53n, 0n, 0n, 0n]),
    stoppedBy: /balances\[lane\]/,
  },
  'a balance that runs over into its neighbour': {
    attack: (page) => setBalances(page, 1, [2n ** 63n, 6n, 7n, 0n]),
    stoppedBy: /balances\[lane\]/,
  },
  'a leaf of other balances than its change says': {
    attack: (page) => void (page.balances[0]![0]! += 1n),
    stoppedBy: /packed\(balances/,
  },
  'an old leaf that is not the tree’s': {
    attack: (page) => {
      page.old[1]! += 1n
      page.change[1]! -= 1n
      const { firstRoot } = page
      hashUp(page)
      page.firstRoot = firstRoot
    },
    stoppedBy: /first_root/,
    keepsRoots: true,
  },
  'a sibling that changes': {
    attack: (page) => void (page.change[NOTHING] = 1n),
    stoppedBy: /change\[NOTHING\]/,
  },
  'a pointer to nothing that has a value': {
    attack: (page) => void (page.old[NOTHING] = 1n),
    stoppedBy: /old\[NOTHING\]/,
  },
  'half a pointer': {
    attack: (page) => void (page.points[PARENT]![0] = 2n),
    stoppedBy: /x \* x/,
    keepsRoots: true,
  },
  'another first root': {
    attack: (page) => void page.firstRoot++,
    stoppedBy: /first_root/,
    keepsRoots: true,
  },
  'another last root': {
    attack: (page) => void page.lastRoot++,
    stoppedBy: /last_root/,
    keepsRoots: true,
  },
  'z of other data': { attack: (page) => void page.z++, stoppedBy: /evaluation/, keepsRoots: true },
  'another evaluation': {
    attack: (page) => void page.evaluation++,
    stoppedBy: /evaluation/,
    keepsRoots: true,
  },
}
