/**
 * Fills of one batch and the nodes above them, read by place from their files: a proof needs one fill, one node a
 * level and, to find the fill, as many more fills. What is read is checked by whoever has the root.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  FILL_BYTES,
  FILL_NODE_BYTES,
  compareFill,
  fillNodesBytes,
  fillSource,
  type FillSource,
} from '../batch/fills-root.js'
import { FILLS_PACKED } from '../limits.js'

/** Open files of a batch's fills. */
export interface FillReader extends FillSource {
  /** Places from the first up to the second, the fill among them if it is anywhere. */
  placesOf(seq: number, fillIndex: number): readonly [number, number]
  close(): void
}

/** Where the packs of FILLS_PACKED fills begin in a packed file, and the seq and fill index of the first fill of each. */
export interface FillPacks {
  readonly at: readonly number[]
  readonly seq: readonly number[]
  readonly fillIndex: readonly number[]
  readonly fillCount: number
}

class ReadFile {
  private readonly file: number
  readonly bytes: number

  constructor(path: string) {
    this.file = openSync(path, 'r')
    this.bytes = opened(this, () => fstatSync(this.file).size)
  }

  /** Bytes from `at` up to `end`. Throws RangeError behind the end of the file. */
  read(at: number, end: number): Uint8Array {
    const target = new Uint8Array(end - at)
    if (readSync(this.file, target, 0, target.length, at) !== target.length)
      throw new RangeError(`a file of fills ends at ${this.bytes}, not behind ${end}`)
    return target
  }

  close(): void {
    closeSync(this.file)
  }
}

/** What `rest` makes with an open file; where it throws or gives nothing, the file is closed again. */
function opened<Found>(file: { close(): void }, rest: () => Found): Found {
  let found: Found | undefined
  try {
    found = rest()
    return found
  } finally {
    if (found === undefined) file.close()
  }
}

/** The file, or undefined when there is none or it is not as long as nodes above `count` fills are. */
function openNodes(path: string, count: number): ReadFile | undefined {
  let nodes: ReadFile
  try {
    nodes = new ReadFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return opened(nodes, () => (nodes.bytes === fillNodesBytes(count) ? nodes : undefined))
}

const nodeOf = (nodes: ReadFile, place: number): Uint8Array =>
  nodes.read(place * FILL_NODE_BYTES, (place + 1) * FILL_NODE_BYTES)

/** undefined when the nodes are not there. Throws what the disk says, also when there are no fills. */
export function openFills(fillsPath: string, nodesPath: string): FillReader | undefined {
  const fills = new ReadFile(fillsPath)
  const count = Math.floor(fills.bytes / FILL_BYTES)
  const nodes = opened(fills, () => openNodes(nodesPath, count))
  if (nodes === undefined) return undefined
  return {
    count,
    leaf: (index) => fills.read(index * FILL_BYTES, (index + 1) * FILL_BYTES),
    node: (place) => nodeOf(nodes, place),
    placesOf: () => [0, count],
    close() {
      fills.close()
      nodes.close()
    },
  }
}

/** The same of fills that are in memory. */
export function openLeaves(leaves: Uint8Array, nodesPath: string): FillReader | undefined {
  const count = leaves.length / FILL_BYTES
  const nodes = openNodes(nodesPath, count)
  if (nodes === undefined) return undefined
  return {
    ...fillSource(leaves, new Uint8Array(0)),
    node: (place) => nodeOf(nodes, place),
    placesOf: () => [0, count],
    close: () => nodes.close(),
  }
}

/** The same of a packed file, of which a pack at a time is unpacked. */
export function openPacks(path: string, packs: FillPacks, nodesPath: string): FillReader | undefined {
  const nodes = openNodes(nodesPath, packs.fillCount)
  if (nodes === undefined) return undefined
  const packed = opened(nodes, () => new ReadFile(path))
  let [unpacked, leaves] = [-1, new Uint8Array(0)]
  const key = new Uint8Array(FILL_BYTES)
  const keyView = new DataView(key.buffer)
  const isBehind = (pack: number, seq: number, fillIndex: number): boolean => {
    keyView.setBigUint64(0, BigInt(packs.seq[pack]!))
    keyView.setUint32(8, packs.fillIndex[pack]!)
    return compareFill(key, seq, fillIndex) > 0
  }
  return {
    count: packs.fillCount,
    leaf(index) {
      const pack = Math.floor(index / FILLS_PACKED)
      if (pack !== unpacked) {
        leaves = new Uint8Array(gunzipSync(packed.read(packs.at[pack]!, packs.at[pack + 1] ?? packed.bytes)))
        unpacked = pack
      }
      const at = (index % FILLS_PACKED) * FILL_BYTES
      return leaves.slice(at, at + FILL_BYTES)
    },
    node: (place) => nodeOf(nodes, place),
    placesOf(seq, fillIndex) {
      let [low, high] = [0, packs.at.length]
      while (low < high) {
        const middle = (low + high) >>> 1
        if (isBehind(middle, seq, fillIndex)) high = middle
        else low = middle + 1
      }
      return [Math.max(0, low - 1) * FILLS_PACKED, Math.min(low * FILLS_PACKED, packs.fillCount)]
    },
    close() {
      packed.close()
      nodes.close()
    },
  }
}

/** Packs fills, FILLS_PACKED of them at a time; the whole is unpacked as any packed file is. */
export function packFills(fills: Uint8Array): { readonly packed: Uint8Array; readonly packs: FillPacks } {
  const parts: Uint8Array[] = []
  const at: number[] = []
  const seq: number[] = []
  const fillIndex: number[] = []
  const view = new DataView(fills.buffer, fills.byteOffset, fills.length)
  let bytes = 0
  for (let first = 0; first < fills.length; first += FILLS_PACKED * FILL_BYTES) {
    const part = gzipSync(fills.subarray(first, first + FILLS_PACKED * FILL_BYTES))
    parts.push(part)
    at.push(bytes)
    seq.push(Number(view.getBigUint64(first)))
    fillIndex.push(view.getUint32(first + 8))
    bytes += part.length
  }
  if (parts.length === 0) parts.push(gzipSync(fills))
  return { packed: Buffer.concat(parts), packs: { at, seq, fillIndex, fillCount: fills.length / FILL_BYTES } }
}
