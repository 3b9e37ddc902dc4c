/**
 * Price levels of every book, found by price in a few steps and linked in price order.
 *
 * A book is one side of one market (four books a market: bids, asks, and the two kinds of waiting
 * stops). Inside it a level's place is its key: ticks for books whose best price is the lowest, ticks
 * with all bits flipped for books whose best price is the highest. So the best level is always the one
 * with the smallest key, and no code below asks for a side.
 *
 * Keys are indexed by a radix trie, 16 children a node, with both ends of every chain cut away: a level
 * hangs from the deepest node that it needs. An inner node has at least two children; a bottom node (16
 * neighbouring prices) is made for two and stays until none is left, because levels near the touch come
 * and go all the time. So there are fewer than two nodes a level whatever the prices are. Levels are also
 * linked to their neighbours, best first, which makes "the next best" one load.
 *
 *   level (8 words)   0 key   1 head   2 tail   3 orders   4 better   5 worse   6 trie node   7 book
 *   node (20 words)   0 shift + 256 * book, -1 free   1 bitmap of children   2 parent   3 a key below it
 *                     4..19 children
 *   child             0 none, > 0 a node, < 0 a level (its complement)
 *
 * Word 0 of a node is used as a shift count as it is: only its low five bits count.
 *
 * Invariants: a free node's words 4..19 are zero; a level stands in the trie exactly while it has orders.
 * Called by book.ts only.
 */
import { OFFSETS } from '../base/offsets.js'

// Optimised code folds a local constant, but loads and checks an exported one at each use: so each of these two has a
// name in this file, and one for others.
const SHIFT = 3
const NO_LEVEL = -1
/** A level's record: `words` at level << LEVEL_SHIFT. */
export const LEVEL_SHIFT = SHIFT
/** No level, no order. */
export const NONE = NO_LEVEL
export const Level = { KEY: 0, HEAD: 1, TAIL: 2, ORDERS: 3, BETTER: 4, WORSE: 5, NODE: 6, BOOK: 7 } as const

const NODE_WORDS = 20
const Node = { TAG: 0, BITMAP: 1, PARENT: 2, KEY: 3, CHILDREN: 4 } as const
const DIGIT_BITS = 4
const DIGIT_MASK = 15
/** Places of each book in the table of bottom nodes. */
const RECENT_BITS = 7
const RECENT_MASK = 127
/** Flips a price so that a higher one gets the smaller key. */
const KEY_FLIP = 0x7fffffff

/** Kinds of book; book index = market * 4 + kind. The best price of the odd kinds is the lowest one. */
export const BookKind = { Bids: 0, Asks: 1, FallingStops: 2, RisingStops: 3 } as const
export const BOOK_KINDS = 4

/** Exclusive-or mask between ticks and keys of a book. */
export function keyMask(book: number): number {
  return book & 1 ? 0 : KEY_FLIP
}

const BOOK_SHIFT = 8
const SHIFT_MASK = 31

export class Levels {
  readonly words: Int32Array
  /** Visible lots of each level; sums may pass 2^32. */
  readonly lots: Float64Array
  /** Best level of each book, or NO_LEVEL. */
  readonly best: Int32Array
  readonly capacity: number
  private readonly nodes: Int32Array
  /** A bottom node used lately, by book and low bits of its prefix; what it says is checked on use. */
  private readonly recent: Int32Array
  /** Root of each book's trie: a child as in a node. */
  private readonly roots: Int32Array
  private count = 0
  private freeLevel = NO_LEVEL
  private usedLevels = 0
  private freeNode = 0
  private usedNodes = 1

  constructor(books: number, capacity: number) {
    this.capacity = capacity
    this.words = new Int32Array(capacity << SHIFT)
    this.lots = new Float64Array(capacity)
    this.best = new Int32Array(books).fill(NO_LEVEL)
    this.nodes = new Int32Array((2 * capacity + 1) * NODE_WORDS)
    // Node 0 is none: it must look like no bottom node.
    this.nodes[0] = -1
    this.roots = new Int32Array(books)
    this.recent = new Int32Array(books << RECENT_BITS)
  }

  get full(): boolean {
    return this.count >= this.capacity
  }

  /** Levels in use, for checks and figures. */
  get live(): number {
    return this.count
  }

  /** The level with `key`, or NO_LEVEL. */
  find(book: number, key: number): number {
    const nodes = this.nodes
    let child = this.roots[book]!
    while (child > 0) {
      const at = (child * NODE_WORDS) & OFFSETS
      child = nodes[at + Node.CHILDREN + ((key >>> nodes[at]!) & DIGIT_MASK)]!
    }
    if (child === 0) return NO_LEVEL
    const level = ~child
    return this.words[level << SHIFT] === key ? level : NO_LEVEL
  }

  /** Where the level with `key` hangs, if a node used lately has it: for levelAt. Any key may be asked for. */
  placeOf(book: number, key: number): number {
    const node = this.recent[(book << RECENT_BITS) | ((key >>> DIGIT_BITS) & RECENT_MASK)]!
    return node * NODE_WORDS + Node.CHILDREN + (key & DIGIT_MASK)
  }

  /** The level that hangs at a place, or NO_LEVEL; perhaps another than the one whose place it was. */
  levelAt(place: number): number {
    const child = this.nodes[place & OFFSETS]!
    return child < 0 ? ~child : NO_LEVEL
  }

  /** The level with `key`, made when there is none. The caller has checked `full`. */
  findOrInsert(book: number, key: number): number {
    const nodes = this.nodes
    const node = this.recent[(book << RECENT_BITS) | ((key >>> DIGIT_BITS) & RECENT_MASK)]!
    const at = (node * NODE_WORDS) & OFFSETS
    if (nodes[at] !== book << BOOK_SHIFT || (key ^ nodes[at + Node.KEY]!) >>> DIGIT_BITS !== 0)
      return this.descend(book, key)
    const child = nodes[at + Node.CHILDREN + (key & DIGIT_MASK)]!
    return child < 0 ? ~child : this.insertInto(book, key, node, key & DIGIT_MASK)
  }

  /** findOrInsert from the root. */
  private descend(book: number, key: number): number {
    const nodes = this.nodes
    let parent = 0
    let child = this.roots[book]!
    while (child > 0) {
      parent = child
      const at = (child * NODE_WORDS) & OFFSETS
      child = nodes[at + Node.CHILDREN + ((key >>> nodes[at]!) & DIGIT_MASK)]!
    }
    const level =
      child < 0 && this.words[~child << SHIFT] === key ? ~child : this.insert(book, key, parent, child)
    const node = this.words[(level << SHIFT) + Level.NODE]!
    if (nodes[node * NODE_WORDS] === book << BOOK_SHIFT)
      this.recent[(book << RECENT_BITS) | ((key >>> DIGIT_BITS) & RECENT_MASK)] = node
    return level
  }

  /** Takes an empty level out. */
  remove(level: number): void {
    const words = this.words
    const at = (level << SHIFT) & OFFSETS
    const better = words[at + Level.BETTER]!
    const worse = words[at + Level.WORSE]!
    if (better === NO_LEVEL) this.best[words[at + Level.BOOK]!] = worse
    else words[(better << SHIFT) + Level.WORSE] = worse
    if (worse !== NO_LEVEL) words[(worse << SHIFT) + Level.BETTER] = better
    this.removeFromTrie(words[at + Level.BOOK]!, words[at]!, words[at + Level.NODE]!)
    words[at + Level.WORSE] = this.freeLevel
    this.freeLevel = level
    this.count--
  }

  /** Makes the level where a descent to `parent` and its `child` found none. */
  private insert(book: number, key: number, parent: number, child: number): number {
    const { words, nodes } = this
    if (parent === 0 && child === 0) {
      const level = this.allocateLevel(book, key)
      const at = (level << SHIFT) & OFFSETS
      this.roots[book] = ~level
      words[at + Level.NODE] = 0
      words[at + Level.BETTER] = NO_LEVEL
      words[at + Level.WORSE] = NO_LEVEL
      this.best[book] = level
      return level
    }
    let node = parent
    const nodeAt = (parent * NODE_WORDS) & OFFSETS
    const fits = child === 0 && ((key ^ nodes[nodeAt + Node.KEY]!) >>> nodes[nodeAt]!) >>> DIGIT_BITS === 0
    if (!fits) {
      const other = child < 0 ? words[~child << SHIFT]! : nodes[nodeAt + Node.KEY]!
      node = this.split(book, key, other, parent, child)
    }
    return this.insertInto(book, key, node, (key >>> nodes[node * NODE_WORDS]!) & DIGIT_MASK)
  }

  /** Makes the level at an empty place of a node that holds at least one other child. */
  private insertInto(book: number, key: number, node: number, digit: number): number {
    const nodes = this.nodes
    const level = this.allocateLevel(book, key)
    this.link(book, level, node, digit)
    nodes[node * NODE_WORDS + Node.CHILDREN + digit] = ~level
    nodes[node * NODE_WORDS + Node.BITMAP]! |= 1 << digit
    this.words[(level << SHIFT) + Level.NODE] = node
    return level
  }

  /** A new node where `key` and `other`, which share the path down to `parent`, part ways. */
  private split(book: number, key: number, other: number, parent: number, leaf: number): number {
    const nodes = this.nodes
    const shift = (31 - Math.clz32(key ^ other)) & ~(DIGIT_BITS - 1)
    let below = leaf < 0 ? leaf : parent
    let above = leaf < 0 ? parent : nodes[parent * NODE_WORDS + Node.PARENT]!
    while (above > 0 && (nodes[above * NODE_WORDS]! & SHIFT_MASK) <= shift) {
      below = above
      above = nodes[above * NODE_WORDS + Node.PARENT]!
    }
    const node = this.allocateNode()
    const at = (node * NODE_WORDS) & OFFSETS
    const digit = (other >>> shift) & DIGIT_MASK
    nodes[at] = (book << BOOK_SHIFT) | shift
    nodes[at + Node.BITMAP] = 1 << digit
    nodes[at + Node.PARENT] = above
    nodes[at + Node.KEY] = key
    nodes[at + Node.CHILDREN + digit] = below
    this.setParent(below, node)
    this.setChild(book, above, key, node)
    return node
  }

  /** Links a new level between its neighbours; `node` holds at least one other child. */
  private link(book: number, level: number, node: number, digit: number): void {
    const { words, nodes } = this
    const base = (node * NODE_WORDS) & OFFSETS
    const bitmap = nodes[base + Node.BITMAP]!
    const lower = bitmap & ((1 << digit) - 1)
    let better: number
    let worse: number
    if (lower !== 0) {
      let child = nodes[base + Node.CHILDREN + 31 - Math.clz32(lower)]!
      while (child > 0) {
        const at = (child * NODE_WORDS) & OFFSETS
        child = nodes[at + Node.CHILDREN + 31 - Math.clz32(nodes[at + Node.BITMAP]!)]!
      }
      better = ~child
      worse = words[(better << SHIFT) + Level.WORSE]!
    } else {
      let rest = bitmap
      let child = nodes[base + Node.CHILDREN + 31 - Math.clz32(rest & -rest)]!
      while (child > 0) {
        const at = (child * NODE_WORDS) & OFFSETS
        rest = nodes[at + Node.BITMAP]!
        child = nodes[at + Node.CHILDREN + 31 - Math.clz32(rest & -rest)]!
      }
      worse = ~child
      better = words[(worse << SHIFT) + Level.BETTER]!
    }
    const at = (level << SHIFT) & OFFSETS
    words[at + Level.BETTER] = better
    words[at + Level.WORSE] = worse
    if (better === NO_LEVEL) this.best[book] = level
    else words[(better << SHIFT) + Level.WORSE] = level
    if (worse !== NO_LEVEL) words[(worse << SHIFT) + Level.BETTER] = level
  }

  private removeFromTrie(book: number, key: number, node: number): void {
    if (node === 0) {
      this.roots[book] = 0
      return
    }
    const nodes = this.nodes
    const at = (node * NODE_WORDS) & OFFSETS
    const digit = (key >>> nodes[at]!) & DIGIT_MASK
    const bitmap = nodes[at + Node.BITMAP]! & ~(1 << digit)
    nodes[at + Node.CHILDREN + digit] = 0
    nodes[at + Node.BITMAP] = bitmap
    const bottom = nodes[at] === book << BOOK_SHIFT
    if (bottom ? bitmap !== 0 : (bitmap & (bitmap - 1)) !== 0) return
    const above = nodes[at + Node.PARENT]!
    if (bottom) {
      this.releaseNode(node)
      this.removeFromTrie(book, key, above)
      return
    }
    // One child left: it takes the node's place.
    const last = at + Node.CHILDREN + 31 - Math.clz32(bitmap)
    const child = nodes[last]!
    nodes[last] = 0
    this.setParent(child, above)
    this.setChild(book, above, key, child)
    this.releaseNode(node)
  }

  private releaseNode(node: number): void {
    const at = (node * NODE_WORDS) & OFFSETS
    this.nodes[at] = -1
    this.nodes[at + Node.PARENT] = this.freeNode
    this.freeNode = node
  }

  private setParent(child: number, parent: number): void {
    if (child < 0) this.words[(~child << SHIFT) + Level.NODE] = parent
    else this.nodes[child * NODE_WORDS + Node.PARENT] = parent
  }

  private setChild(book: number, parent: number, key: number, child: number): void {
    if (parent === 0) {
      this.roots[book] = child
      return
    }
    const at = (parent * NODE_WORDS) & OFFSETS
    this.nodes[at + Node.CHILDREN + ((key >>> this.nodes[at]!) & DIGIT_MASK)] = child
  }

  private allocateLevel(book: number, key: number): number {
    const { words } = this
    this.count++
    let level = this.freeLevel
    if (level === NO_LEVEL) level = this.usedLevels++
    else this.freeLevel = words[(level << SHIFT) + Level.WORSE]!
    words[level << SHIFT] = key
    words[(level << SHIFT) + Level.BOOK] = book
    return level
  }

  private allocateNode(): number {
    const node = this.freeNode
    if (node === 0) return this.usedNodes++
    this.freeNode = this.nodes[node * NODE_WORDS + Node.PARENT]!
    return node
  }
}
