/**
 * The nodes of the state tree in shared WebAssembly memory: 32 bytes each, little-endian, canonical. The four children
 * of a node stand side by side, as a *family* of 128 bytes, named by their parent's key, so that a hash reads one
 * family and one look finds it. The root is child 1 of family 0.
 *
 * Invariant: a family that is kept has its place for good; memory grows by pages and is never moved. A family that is
 * not kept stands for four empty roots of its children's height.
 */
import { FAMILIES_MIN, TREE_PAGES_MAX, TREE_THREADS_MAX } from '../limits.js'
import { ELEMENT_WORDS, FAMILY_SIZE, FAMILY_WORDS, writeElement } from './element.js'
import { JOB_SIZE, familyHash, type HashJobs } from './family-hash.js'
import { FamilyPool } from './family-pool.js'
import { HASH_SCRATCH } from './poseidon2-wasm.js'

const PAGE_BYTES = 65536
const GROW_PAGES = 16
const INITIAL_TABLE = 4096
const LIMITS = { minPages: GROW_PAGES, maxPages: TREE_PAGES_MAX, isShared: true }
/** Behind the threads' scratch. */
const NODES_AT = HASH_SCRATCH * TREE_THREADS_MAX
const FAMILIES_END = (TREE_PAGES_MAX * PAGE_BYTES - NODES_AT) / FAMILY_SIZE

/** The tree has more nodes than the memory's bound. */
export class QuadTreeFull extends Error {
  override readonly name = 'QuadTreeFull'
  constructor() {
    super(`tree: more than ${FAMILIES_END} families of nodes`)
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

  private readonly hashJobs: HashJobs
  private pool: FamilyPool | undefined

  /**
   * `emptyRoots`: the same, up to the root's height. `threads` hash long lists, the caller among them; they start with
   * the first one.
   */
  constructor(
    emptyRoots: readonly bigint[],
    private readonly threads = 1,
  ) {
    if (!(Number.isInteger(threads) && threads >= 1 && threads <= TREE_THREADS_MAX))
      throw new RangeError(`tree: ${threads} threads, 1 to ${TREE_THREADS_MAX}`)
    this.empties = new Uint32Array(emptyRoots.length * ELEMENT_WORDS)
    emptyRoots.forEach((root, height) => writeElement(this.empties, height * ELEMENT_WORDS, root))
    this.memory = new WebAssembly.Memory({ initial: GROW_PAGES, maximum: TREE_PAGES_MAX, shared: true })
    this.hashJobs = familyHash(this.memory, LIMITS, 0)
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
      if (keys[at] === key) return wordOf(this.places[at]!)
      if (keys[at] === -1) return -1
    }
  }

  /** Word of the family of `key`, made of empty roots of `height` when it is not kept. Throws QuadTreeFull. */
  ensure(key: number, height: number): number {
    const { keys, mask } = this
    let at = tableAt(key) & mask
    for (; keys[at] !== -1; at = (at + 1) & mask) if (keys[at] === key) return wordOf(this.places[at]!)
    const place = this.kept
    const start = wordOf(place)
    if (start + FAMILY_WORDS > this.words.length) this.grow()
    this.kept++
    for (let word = 0; word < FAMILY_WORDS; word++)
      this.words[start + word] = this.empties[height * ELEMENT_WORDS + (word & (ELEMENT_WORDS - 1))]!
    keys[at] = key
    this.places[at] = place
    if (this.kept * 2 > mask) this.rehash()
    return start
  }

  /** Does the jobs of a list (family-hash.ts), of which none reads what another writes. */
  hash(jobs: Int32Array): void {
    if (this.threads > 1 && jobs.length >= FAMILIES_MIN * JOB_SIZE) {
      const scratchAt = Array.from({ length: this.threads - 1 }, (_, index) => (index + 1) * HASH_SCRATCH)
      this.pool ??= new FamilyPool(this.memory, LIMITS, scratchAt, this.hashJobs)
      this.pool.run(jobs)
    } else this.hashJobs(jobs, 0, jobs.length / JOB_SIZE)
  }

  /** Ends the hash threads, if any were started. */
  async close(): Promise<void> {
    await this.pool?.close()
    this.pool = undefined
  }

  /** Calls `visit` for every family that is kept, with its word, in no order that matters. */
  forEach(visit: (key: number, at: number) => void): void {
    for (let at = 0; at < this.keys.length; at++)
      if (this.keys[at] !== -1) visit(this.keys[at]!, wordOf(this.places[at]!))
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
const wordOf = (place: number): number => NODES_AT / 4 + place * FAMILY_WORDS
