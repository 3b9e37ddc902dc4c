/**
 * The nodes of the state tree in shared WebAssembly memory: 32 bytes each, little-endian, canonical. The four children
 * of a node stand side by side, as a *family* of 128 bytes, named by their parent's key, so that a hash reads one
 * family and one look finds it. The root is child 1 of family 0.
 *
 * Invariant: a family that is kept has its place for good; memory grows by pages and is never moved. A family that is
 * not kept stands for four empty roots of its children's height.
 */
import { TREE_PAGES_MAX } from '../limits.js'
import { R } from '../tree/field.js'
import { permuteReference } from './poseidon2-reference.js'

export const ELEMENT_WORDS = 8
export const ELEMENT_SIZE = ELEMENT_WORDS * 4
export const CHILDREN = 4
export const FAMILY_WORDS = CHILDREN * ELEMENT_WORDS
export const FAMILY_SIZE = CHILDREN * ELEMENT_SIZE
const PAGE_BYTES = 65536
const GROW_PAGES = 16
const INITIAL_TABLE = 4096

/** The tree has more nodes than the memory's bound. */
export class QuadTreeFull extends Error {
  override readonly name = 'QuadTreeFull'
  constructor() {
    super(`tree: more than ${(TREE_PAGES_MAX * PAGE_BYTES) / FAMILY_SIZE} families of nodes`)
  }
}

/** The element at word `at`. */
export function readElement(words: Uint32Array, at: number): bigint {
  let value = 0n
  for (let word = ELEMENT_WORDS - 1; word >= 0; word--) value = (value << 32n) | BigInt(words[at + word]!)
  return value
}

/** Writes a canonical element at word `at`. */
export function writeElement(words: Uint32Array, at: number, value: bigint): void {
  if (value < 0n || value >= R) throw new RangeError(`node: ${value} is not in 0 .. R - 1`)
  let rest = value
  for (let word = 0; word < ELEMENT_WORDS; word++) {
    words[at + word] = Number(rest & 0xffffffffn)
    rest >>= 32n
  }
}

export class QuadNodes {
  private readonly memory: WebAssembly.Memory
  /** All of the memory; another view after each `ensure`. */
  words: Uint32Array
  private keys = new Int32Array(INITIAL_TABLE).fill(-1)
  private places = new Int32Array(INITIAL_TABLE)
  private mask = INITIAL_TABLE - 1
  private kept = 0

  /** Element h: root of a subtree of height h whose leaves are all 0. */
  private readonly empties: Uint32Array

  /** `emptyRoots`: the same, up to the root's height. */
  constructor(emptyRoots: readonly bigint[]) {
    this.empties = new Uint32Array(emptyRoots.length * ELEMENT_WORDS)
    emptyRoots.forEach((root, height) => writeElement(this.empties, height * ELEMENT_WORDS, root))
    this.memory = new WebAssembly.Memory({ initial: GROW_PAGES, maximum: TREE_PAGES_MAX, shared: true })
    this.words = new Uint32Array(this.memory.buffer)
    this.ensure(0, emptyRoots.length - 1)
  }

  /** Families that are kept. */
  get count(): number {
    return this.kept
  }

  /** Word of the family of `key`; -1 when it is not kept. */
  familyAt(key: number): number {
    const { keys, mask } = this
    for (let at = tableAt(key) & mask; ; at = (at + 1) & mask) {
      if (keys[at] === key) return this.places[at]! * FAMILY_WORDS
      if (keys[at] === -1) return -1
    }
  }

  /** Word of the family of `key`, made of empty roots of `height` when it is not kept. Throws QuadTreeFull. */
  ensure(key: number, height: number): number {
    const { keys, mask } = this
    let at = tableAt(key) & mask
    for (; keys[at] !== -1; at = (at + 1) & mask) if (keys[at] === key) return this.places[at]! * FAMILY_WORDS
    const place = this.kept
    if ((place + 1) * FAMILY_WORDS > this.words.length) this.grow()
    this.kept++
    for (let word = 0; word < FAMILY_WORDS; word++)
      this.words[place * FAMILY_WORDS + word] =
        this.empties[height * ELEMENT_WORDS + (word & (ELEMENT_WORDS - 1))]!
    keys[at] = key
    this.places[at] = place
    if (this.kept * 2 > mask) this.rehash()
    return place * FAMILY_WORDS
  }

  /** jobs: pairs of words (family, node): node = P(family)[0] + the family's first. No job reads what another writes. */
  hash(jobs: Int32Array): void {
    const { words } = this
    for (let at = 0; at < jobs.length; at += 2) {
      const family = jobs[at]!
      const children = Array.from({ length: CHILDREN }, (_, child) =>
        readElement(words, family + child * ELEMENT_WORDS),
      )
      writeElement(words, jobs[at + 1]!, (permuteReference(children)[0]! + children[0]!) % R)
    }
  }

  /** Calls `visit` for every family that is kept, with its word, in no order that matters. */
  forEach(visit: (key: number, at: number) => void): void {
    for (let at = 0; at < this.keys.length; at++)
      if (this.keys[at] !== -1) visit(this.keys[at]!, this.places[at]! * FAMILY_WORDS)
  }

  private grow(): void {
    const pages = (this.words.length * 4) / PAGE_BYTES
    const more = Math.min(Math.max(GROW_PAGES, pages >> 3), TREE_PAGES_MAX - pages)
    if (more <= 0) throw new QuadTreeFull()
    this.memory.grow(more)
    this.words = new Uint32Array(this.memory.buffer)
  }

  private rehash(): void {
    const { keys, places } = this
    const size = keys.length * 2
    this.keys = new Int32Array(size).fill(-1)
    this.places = new Int32Array(size)
    this.mask = size - 1
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === -1) continue
      let at = tableAt(keys[from]!) & this.mask
      while (this.keys[at] !== -1) at = (at + 1) & this.mask
      this.keys[at] = keys[from]!
      this.places[at] = places[from]!
    }
  }
}

const tableAt = (key: number): number => Math.imul(key, 0x9e3779b1) >>> 5
