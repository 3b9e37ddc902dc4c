/**
 * The nodes of the state tree in WebAssembly memory, 32 bytes each in stored form (poseidon-wasm.ts), found
 * by key through an open-addressing table. Nodes are hashed where they lie.
 *
 * Invariant: slot h up to the depth holds the empty root of height h and never changes; every other slot
 * belongs to one key for good, or to a work place (`reserve`). Memory grows by pages and is never moved.
 */
import { HASH_JOBS_MIN, TREE_PAGES_MAX, TREE_THREADS_MAX } from '../limits.js'
import { HashPool, JOB_WORDS } from './hash-pool.js'
import { loadElement, poseidon, storeElement } from './poseidon.js'
import { ELEMENT_BYTES, SCRATCH_BYTES, instantiatePoseidon } from './poseidon-wasm.js'

const PAGE_BYTES = 65536
const GROW_PAGES = 16
const INITIAL_TABLE = 4096
const LIMITS = { minPages: GROW_PAGES, maxPages: TREE_PAGES_MAX, isShared: true }
const NODES_AT = Math.ceil((SCRATCH_BYTES * TREE_THREADS_MAX) / 64) * 64

/** The tree has more nodes than the memory's bound. */
export class TreeFull extends Error {
  override readonly name = 'TreeFull'
  constructor() {
    super(`tree: more nodes than ${Math.floor((TREE_PAGES_MAX * PAGE_BYTES - NODES_AT) / ELEMENT_BYTES)}`)
  }
}

export class NodeMemory {
  private readonly memory: WebAssembly.Memory
  private readonly hashAt: (left: number, right: number, out: number) => void
  private pool: HashPool | undefined
  private words: BigUint64Array
  private bytes: Uint8Array
  /** Key of each table entry, 0 = none (keys begin at 1). */
  private keys = new Int32Array(INITIAL_TABLE)
  private slots = new Int32Array(INITIAL_TABLE)
  private mask = INITIAL_TABLE - 1
  private nextSlot: number
  /** Slots that belong to no key, those of smaller places that were given up among them. */
  private reserved = 0
  private workAt = 0
  private workSlots = 0

  /**
   * `emptyRoots[h]` for each height; a key's height is depth - floor(log2(key)). `threads`: threads that hash
   * long lists, the caller among them; they start with the first long list.
   */
  constructor(
    private readonly emptyRoots: readonly bigint[],
    private readonly threads = 1,
  ) {
    if (!(threads >= 1 && threads <= TREE_THREADS_MAX))
      throw new RangeError(`tree: ${threads} threads, 1 to ${TREE_THREADS_MAX}`)
    this.memory = new WebAssembly.Memory({ initial: GROW_PAGES, maximum: TREE_PAGES_MAX, shared: true })
    this.hashAt = instantiatePoseidon(this.memory, LIMITS, 0).hash
    this.words = new BigUint64Array(this.memory.buffer)
    this.bytes = new Uint8Array(this.memory.buffer)
    emptyRoots.forEach((root, height) => storeElement(this.words, wordOf(height), root))
    this.nextSlot = emptyRoots.length
  }

  /** Nodes that are kept. */
  get count(): number {
    return this.nextSlot - this.emptyRoots.length - this.reserved
  }

  /**
   * First slots of two places of at least `count` slots each, for values that belong to no key yet. They are the
   * same ones at each call, larger when need be.
   */
  reserve(count: number): [number, number] {
    if (count > this.workSlots) {
      const slots = Math.max(count, this.workSlots * 2)
      this.workAt = this.nextSlot
      this.nextSlot += 2 * slots
      this.reserved += 2 * slots
      this.workSlots = slots
      while (addressOf(this.nextSlot) > this.bytes.length) this.grow()
    }
    return [this.workAt, this.workAt + this.workSlots]
  }

  /** Node `to` becomes what node `from` is. */
  copy(from: number, to: number): void {
    this.words.copyWithin(wordOf(to), wordOf(from), wordOf(from + 1))
  }

  /** Slot of `key`, or the empty one of `height` when the node is not kept. */
  slotOf(key: number, height: number): number {
    const { keys, mask } = this
    for (let at = tableAt(key) & mask; ; at = (at + 1) & mask) {
      if (keys[at] === key) return this.slots[at]!
      if (keys[at] === 0) return height
    }
  }

  /** Slot of `key`, made when the node is not kept yet; it then holds the empty root of `height`. */
  ensure(key: number, height: number): number {
    const { keys, mask } = this
    let at = tableAt(key) & mask
    for (; keys[at] !== 0; at = (at + 1) & mask) if (keys[at] === key) return this.slots[at]!
    const slot = this.nextSlot
    if (addressOf(slot + 1) > this.bytes.length) this.grow()
    this.nextSlot++
    this.words.copyWithin(wordOf(slot), wordOf(height), wordOf(height + 1))
    keys[at] = key
    this.slots[at] = slot
    if (this.count * 2 > mask) this.rehash()
    return slot
  }

  /**
   * node(out) = Poseidon(node(left), node(right)) for each job of `list`: three slots each, turned into
   * addresses in place. No job may read what another writes.
   */
  hash(list: Int32Array): void {
    for (let at = 0; at < list.length; at++) list[at] = addressOf(list[at]!)
    if (this.threads > 1 && list.length >= HASH_JOBS_MIN * JOB_WORDS) {
      this.pool ??= new HashPool(
        this.memory,
        LIMITS,
        Array.from({ length: this.threads - 1 }, (_, index) => (index + 1) * SCRATCH_BYTES),
        this.hashAt,
      )
      this.pool.run(list)
      return
    }
    for (let at = 0; at < list.length; at += JOB_WORDS) this.hashAt(list[at]!, list[at + 1]!, list[at + 2]!)
  }

  /** Ends the hash threads, if any were started. */
  async close(): Promise<void> {
    await this.pool?.close()
    this.pool = undefined
  }

  load(slot: number): bigint {
    return loadElement(this.words, wordOf(slot))
  }

  store(slot: number, value: bigint): void {
    storeElement(this.words, wordOf(slot), value)
  }

  /** Stored form of a slot; a view, valid until a node is made. */
  raw(slot: number): Uint8Array {
    return this.bytes.subarray(addressOf(slot), addressOf(slot + 1))
  }

  /** Calls `visit` for every node that is kept, in no order that matters. */
  forEach(visit: (key: number, slot: number) => void): void {
    for (let at = 0; at < this.keys.length; at++)
      if (this.keys[at] !== 0) visit(this.keys[at]!, this.slots[at]!)
  }

  private grow(): void {
    const pages = this.bytes.length / PAGE_BYTES
    const more = Math.min(Math.max(GROW_PAGES, pages >> 3), TREE_PAGES_MAX - pages)
    if (more <= 0) throw new TreeFull()
    this.memory.grow(more)
    this.words = new BigUint64Array(this.memory.buffer)
    this.bytes = new Uint8Array(this.memory.buffer)
  }

  private rehash(): void {
    const { keys, slots } = this
    const size = keys.length * 2
    this.keys = new Int32Array(size)
    this.slots = new Int32Array(size)
    this.mask = size - 1
    for (let from = 0; from < keys.length; from++) {
      if (keys[from] === 0) continue
      let at = tableAt(keys[from]!) & this.mask
      while (this.keys[at] !== 0) at = (at + 1) & this.mask
      this.keys[at] = keys[from]!
      this.slots[at] = slots[from]!
    }
  }
}

const addressOf = (slot: number): number => NODES_AT + slot * ELEMENT_BYTES
const wordOf = (slot: number): number => addressOf(slot) / 8
const tableAt = (key: number): number => Math.imul(key, 0x9e3779b1) >>> 5

/** emptyRoots[h]: root of a subtree of height h whose leaves are all 0. */
export function emptyRootsOf(depth: number): readonly bigint[] {
  const roots = [0n]
  for (let height = 0; height < depth; height++) roots.push(poseidon(roots[height]!, roots[height]!))
  return roots
}
