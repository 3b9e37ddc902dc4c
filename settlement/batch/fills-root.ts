/**
 * The fills of a batch and their SHA-256 Merkle tree (`fillsRoot`), as contracts/src/libraries/FillTree.sol
 * checks it. Node hashing follows RFC 6962, section 2.1, in its prefixes; an odd last node is promoted
 * unchanged; no fills = 32 zero bytes. The nodes above the leaves are kept beside them: a proof reads one a level.
 *
 *   fill leaf, 152 bytes, big-endian
 *     0  u64 seq            8  u32 fill index in the command   12  u32 market    16  u32 ticks
 *    20  u32 lots          24  u32 maker account               28  u32 taker account
 *    32  u64 maker cloid   40  u64 taker cloid                 48  u64 maker order id
 *    56  u64 taker order id                                    64  i64 maker fee    72  i64 taker fee
 *    80  u8 taker side, 7 zero bytes                           88  maker frame hash  120  taker frame hash
 */
import * as crypto from 'node:crypto'
import { Attr, Ev, FillEv } from '../../engine/layout.js'
import { FILL_HASHES_A_TURN } from '../limits.js'

export const FILL_BYTES = 152
/** A leaf hashed, or a node: a SHA-256. */
export const FILL_NODE_BYTES = 32
const NO_FRAME = new Uint8Array(FILL_NODE_BYTES)

/** One fill, read back from its leaf. Fees in quote units, negative = rebate. */
export interface Fill {
  readonly seq: number
  readonly fillIndex: number
  readonly market: number
  readonly ticks: number
  readonly lots: number
  readonly makerAccount: number
  readonly takerAccount: number
  readonly makerCloid: bigint
  readonly takerCloid: bigint
  readonly makerOrderId: number
  readonly takerOrderId: number
  readonly makerFee: number
  readonly takerFee: number
  readonly takerSide: number
  readonly makerFrameHash: Uint8Array
  readonly takerFrameHash: Uint8Array
}

/** Leaves of one batch, in order of (seq, fill index). */
export class FillLeaves {
  private bytes = new Uint8Array(64 * FILL_BYTES)
  private view = new DataView(this.bytes.buffer)
  count = 0

  /**
   * Appends the leaf of a Fill event record (offset in words). A frame hash is undefined for an order
   * that came without a signed frame: 32 zero bytes then.
   */
  add(
    words: Int32Array,
    floats: Float64Array,
    offset: number,
    fillIndex: number,
    makerFrame: Uint8Array | undefined,
    takerFrame: Uint8Array | undefined,
  ): void {
    if ((this.count + 1) * FILL_BYTES > this.bytes.length) this.grow()
    const at = this.count++ * FILL_BYTES
    const { view, bytes } = this
    const float = offset >> 1
    putU64(view, at, floats[float + Ev.SEQ_F64]!)
    view.setUint32(at + 8, fillIndex)
    view.setUint32(at + 12, words[offset + FillEv.MARKET]!)
    view.setUint32(at + 16, words[offset + FillEv.TICKS]!)
    view.setUint32(at + 20, words[offset + FillEv.LOTS]!)
    view.setUint32(at + 24, words[offset + FillEv.MAKER_ACCOUNT]!)
    view.setUint32(at + 28, words[offset + FillEv.TAKER_ACCOUNT]!)
    view.setUint32(at + 32, words[offset + FillEv.MAKER_CLOID_HI]!)
    view.setUint32(at + 36, words[offset + FillEv.MAKER_CLOID_LO]!)
    view.setUint32(at + 40, words[offset + FillEv.TAKER_CLOID_HI]!)
    view.setUint32(at + 44, words[offset + FillEv.TAKER_CLOID_LO]!)
    putU64(view, at + 48, floats[float + FillEv.MAKER_ORDER_ID_F64]!)
    putU64(view, at + 56, floats[float + FillEv.TAKER_ORDER_ID_F64]!)
    putU64(view, at + 64, floats[float + FillEv.MAKER_FEE_F64]!)
    putU64(view, at + 72, floats[float + FillEv.TAKER_FEE_F64]!)
    // The event's side is the maker's.
    view.setUint32(at + 80, (((words[offset]! >>> Attr.SIDE_SHIFT) & 1) ^ 1) << 24)
    view.setUint32(at + 84, 0)
    bytes.set(makerFrame ?? NO_FRAME, at + 88)
    bytes.set(takerFrame ?? NO_FRAME, at + 120)
  }

  /** All leaves, `count * FILL_BYTES` bytes; a view, valid until the next `add` or `clear`. */
  all(): Uint8Array {
    return this.bytes.subarray(0, this.count * FILL_BYTES)
  }

  clear(): void {
    this.count = 0
  }

  private grow(): void {
    const larger = new Uint8Array(this.bytes.length * 2)
    larger.set(this.bytes)
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}

/** Two's complement for negative fees; |value| < 2^53. */
function putU64(view: DataView, at: number, value: number): void {
  view.setInt32(at, Math.floor(value / 2 ** 32))
  view.setUint32(at + 4, value >>> 0)
}

function sha256(bytes: Uint8Array): Uint8Array {
  return crypto.hash('sha256', bytes, 'buffer')
}

/** Through text, because a digest as a buffer is an allocation outside the heap: a third of the speed. */
function hashInto(target: Buffer, at: number, bytes: Uint8Array): void {
  target.write(crypto.hash('sha256', bytes, 'hex'), at, 'hex')
}

/** Nodes above `size` of them. */
const above = (size: number): number => Math.ceil(size / 2)

/** Nodes of the tree above `count` leaves. */
function nodeCount(count: number): number {
  let size = above(count)
  let nodes = size
  while (size > 1) {
    size = above(size)
    nodes += size
  }
  return nodes
}

/** Bytes of the nodes above `count` leaves. */
export const fillNodesBytes = (count: number): number => nodeCount(count) * FILL_NODE_BYTES

/**
 * Nodes of the tree above concatenated leaves, level by level from the parents of leaves up, each from the left; the
 * last one is the root. Leaf hashes are not among them. Yields after every FILL_HASHES_A_TURN hashes, for whoever
 * shares its thread. Throws RangeError for a partial leaf.
 */
export function* fillNodesInTurns(leaves: Uint8Array): Generator<undefined, Uint8Array> {
  if (leaves.length % FILL_BYTES !== 0)
    throw new RangeError(`fills: ${leaves.length} bytes are no whole leaves`)
  const count = leaves.length / FILL_BYTES
  const nodes = Buffer.alloc(fillNodesBytes(count))
  const leaf = new Uint8Array(1 + FILL_BYTES)
  const pair = Buffer.alloc(1 + 2 * FILL_NODE_BYTES)
  pair[0] = 1
  let at = 0
  const setLeaf = (index: number): void =>
    leaf.set(leaves.subarray(index * FILL_BYTES, (index + 1) * FILL_BYTES), 1)
  for (let index = 0; index < count; index += 2) {
    setLeaf(index)
    if (index + 1 === count) hashInto(nodes, at, leaf)
    else {
      hashInto(pair, 1, leaf)
      setLeaf(index + 1)
      hashInto(pair, 1 + FILL_NODE_BYTES, leaf)
      hashInto(nodes, at, pair)
    }
    at += FILL_NODE_BYTES
    if (index % FILL_HASHES_A_TURN === 0) yield
  }
  let from = 0
  for (let size = above(count); size > 1; size = above(size)) {
    for (let index = 0; index + 1 < size; index += 2) {
      const left = from + index * FILL_NODE_BYTES
      pair.set(nodes.subarray(left, left + 2 * FILL_NODE_BYTES), 1)
      hashInto(nodes, at, pair)
      at += FILL_NODE_BYTES
      if (index % FILL_HASHES_A_TURN === 0) yield
    }
    from += size * FILL_NODE_BYTES
    if (size % 2 === 1) {
      nodes.copy(nodes, at, from - FILL_NODE_BYTES, from)
      at += FILL_NODE_BYTES
    }
  }
  return nodes
}

/** All of `fillNodesInTurns` at once. */
export function fillNodes(leaves: Uint8Array): Uint8Array {
  const turns = fillNodesInTurns(leaves)
  for (;;) {
    const turn = turns.next()
    if (turn.done === true) return turn.value
  }
}

/** Root of a tree from its nodes; 32 zero bytes without fills. */
export const rootOfNodes = (nodes: Uint8Array): Uint8Array =>
  nodes.length === 0 ? NO_FRAME : nodes.slice(-FILL_NODE_BYTES)

/** Root over concatenated leaves; 32 zero bytes when there are none. Throws RangeError for a partial leaf. */
export const fillsRoot = (leaves: Uint8Array): Uint8Array => rootOfNodes(fillNodes(leaves))

/** Path of one leaf; levels where the node is promoted have no entry. */
export interface FillProof {
  readonly leaf: Uint8Array
  readonly siblings: readonly Uint8Array[]
  /** Bit i is 1 where siblings[i] is the left one. */
  readonly leftSiblings: bigint
}

/** Fills in order of (seq, fill index) and the nodes above them, read by place. */
export interface FillSource {
  readonly count: number
  leaf(index: number): Uint8Array
  /** Node `place` of those that `fillNodes` gives. */
  node(place: number): Uint8Array
}

/** Leaves in memory, and the nodes above them. */
export const fillSource = (leaves: Uint8Array, nodes: Uint8Array): FillSource => ({
  count: leaves.length / FILL_BYTES,
  leaf: (index) => leaves.slice(index * FILL_BYTES, (index + 1) * FILL_BYTES),
  node: (place) => nodes.slice(place * FILL_NODE_BYTES, (place + 1) * FILL_NODE_BYTES),
})

/** Proof of leaf `index`. Throws RangeError when there is no such leaf. */
export function proofFrom(source: FillSource, index: number): FillProof {
  const { count } = source
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new RangeError(`fills: no leaf ${index} among ${count}`)
  const siblings: Uint8Array[] = []
  let leftSiblings = 0n
  const step = (at: number, size: number, hashOf: (sibling: number) => Uint8Array): void => {
    const sibling = at ^ 1
    if (sibling >= size) return
    if (sibling < at) leftSiblings |= 1n << BigInt(siblings.length)
    siblings.push(hashOf(sibling))
  }
  step(index, count, (sibling) => sha256(Uint8Array.of(0, ...source.leaf(sibling))))
  let [at, from] = [index >> 1, 0]
  for (let size = above(count); size > 1; size = above(size)) {
    const first = from
    step(at, size, (sibling) => source.node(first + sibling))
    from += size
    at >>= 1
  }
  return { leaf: source.leaf(index), siblings, leftSiblings }
}

/** Proof of leaf `index` among concatenated leaves. Throws RangeError when there is no such leaf. */
export const fillProof = (leaves: Uint8Array, index: number): FillProof =>
  proofFrom(fillSource(leaves, fillNodes(leaves)), index)

/** Place of a fill between `low` and `high`; where it is not there, -1 less the place at which it would stand. */
export function placeOfFill(
  source: FillSource,
  seq: number,
  fillIndex: number,
  low = 0,
  high = source.count,
): number {
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareFill(source.leaf(middle), seq, fillIndex)
    if (order === 0) return middle
    if (order < 0) low = middle + 1
    else high = middle
  }
  return -1 - low
}

/** Below 0 when the leaf stands before fill `fillIndex` of the command at `seq`, 0 when it is that one. */
export function compareFill(leaf: Uint8Array, seq: number, fillIndex: number): number {
  const view = new DataView(leaf.buffer, leaf.byteOffset, FILL_BYTES)
  return Number(view.getBigUint64(0)) - seq || view.getUint32(8) - fillIndex
}

/** Whether `proof` leads to `root`; what the contract's verifyFill computes. */
export function verifyFill(root: Uint8Array, proof: FillProof): boolean {
  let node = sha256(Uint8Array.of(0, ...proof.leaf))
  proof.siblings.forEach((sibling, level) => {
    const isLeft = ((proof.leftSiblings >> BigInt(level)) & 1n) === 1n
    node = sha256(Uint8Array.of(1, ...(isLeft ? sibling : node), ...(isLeft ? node : sibling)))
  })
  return node.every((byte, index) => byte === root[index])
}

/** Reads leaf `index` back. */
export function decodeFill(leaves: Uint8Array, index: number): Fill {
  const leaf = leaves.subarray(index * FILL_BYTES, (index + 1) * FILL_BYTES)
  if (leaf.length !== FILL_BYTES) throw new RangeError(`fills: no leaf ${index}`)
  const view = new DataView(leaf.buffer, leaf.byteOffset, FILL_BYTES)
  const u64 = (at: number): number => Number(view.getBigUint64(at))
  return {
    seq: u64(0),
    fillIndex: view.getUint32(8),
    market: view.getUint32(12),
    ticks: view.getUint32(16),
    lots: view.getUint32(20),
    makerAccount: view.getUint32(24),
    takerAccount: view.getUint32(28),
    makerCloid: view.getBigUint64(32),
    takerCloid: view.getBigUint64(40),
    makerOrderId: u64(48),
    takerOrderId: u64(56),
    makerFee: Number(view.getBigInt64(64)),
    takerFee: Number(view.getBigInt64(72)),
    takerSide: view.getUint8(80),
    makerFrameHash: leaf.slice(88, 120),
    takerFrameHash: leaf.slice(120, 152),
  }
}
