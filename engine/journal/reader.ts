/**
 * Reads a journal block by block and checks every one: checksums, shape, number, epoch, seq and the
 * hash chain. Recovery, replay, `glassbook journal` and settlement's follower all read through it.
 *
 * Invariant: a block that `next` returns is whole, and is the only possible successor of the one
 * before. Where the journal ends, `end` says how: cleanly, with a torn last block, or damaged.
 *
 * What a crash can do to the last block: its sectors reach the disk in any order, or not at all (they
 * are zeros then), or a write stops short. What it cannot do: leave every sector written and a
 * checksum wrong, or a valid block behind an invalid one, because each block is synced before the
 * next is written. The first is `torn`, the second `damage`: nothing acknowledged is thrown away as if
 * it were torn.
 */
import { AttachmentKind } from '../messages.js'
import type { GenesisConfig } from '../types.js'
import { BLOCK_BYTES_MAX, JOURNAL_READ_BYTES } from '../limits.js'
import { nodeDisk, type Disk, type DiskFile } from './disk.js'
import {
  BLOCK_HEADER_BYTES,
  BlockType,
  SECTOR_BYTES,
  ZERO_HASH,
  readBlock,
  readHeader,
  sectorsOf,
  type JournalBlock,
} from './format.js'
import { listSegments, openSegment } from './segment-files.js'
import { segmentName, type JournalPosition } from './segments.js'

export type { Attachment, JournalBlock } from './format.js'
export { BlockType, COMMANDS_AT } from './format.js'
export type { JournalPosition } from './segments.js'

/** The journal's place before block 0. */
export const JOURNAL_START: JournalPosition = {
  segment: 0,
  offset: 0,
  number: 0,
  nextSeq: 1,
  epoch: 0,
  head: ZERO_HASH,
}

/** A journal that must not be used as it is. Nothing of it has been changed. */
export class JournalDamage extends Error {
  override readonly name = 'JournalDamage'
  constructor(
    readonly segment: number,
    readonly offset: number,
    readonly reason: string,
  ) {
    super(`journal damaged in segment ${segmentName(segment)} at offset ${offset}: ${reason}`)
  }
}

/** How the journal ends, and where the next block belongs. */
export interface JournalEnd {
  readonly kind: 'clean' | 'torn'
  readonly position: JournalPosition
  /** Torn: bytes from the position to the last one that is not zero; they are no block. */
  readonly tornBytes: number
  /** Torn: what is wrong with the block. */
  readonly reason: string
}

export interface ReaderOptions {
  readonly disk?: Disk
  /** Where to begin; the start of the journal unless given (a snapshot gives its own position). */
  readonly from?: JournalPosition
  /**
   * Follow a live journal: blocks whose last seq is at most `durableSeq()` are handed out. A block
   * that is half there is not an error then, it is not there yet.
   */
  readonly durableSeq?: () => number
  /**
   * Follow a live journal of another process: a block is handed out once a later one stands behind it
   * (the journal writes a block only after the one before is synced), or when it closes the journal.
   */
  readonly follow?: boolean
}

/** Reads one data folder. Not safe for two users at once: blocks are views of one buffer. */
export class JournalReader {
  /** Place of the next block: after the last one that `next` returned. */
  position: JournalPosition
  /** Place of the last block that `next` returned, and its length in bytes; undefined before the first. */
  last: { readonly position: JournalPosition; readonly length: number } | undefined
  private readonly disk: Disk
  private readonly dataDir: string
  private readonly durableSeq: (() => number) | undefined
  private readonly follow: boolean
  private window = new Uint8Array(0)
  private windowSegment = -1
  private windowAt = 0
  private windowBytes = 0
  private file: DiskFile | undefined
  private fileSegment = -1

  constructor(dataDir: string, options: ReaderOptions = {}) {
    this.disk = options.disk ?? nodeDisk
    this.dataDir = dataDir
    this.position = options.from ?? JOURNAL_START
    this.durableSeq = options.durableSeq
    this.follow = options.follow === true
  }

  /**
   * The next block, or undefined when there is none (yet): call again later to follow a live journal,
   * ask `end` when the journal is at rest. Throws JournalDamage for a whole block that cannot be the
   * successor, and when following for a block that is durable and not whole.
   */
  next(): JournalBlock | undefined {
    const { segment, offset } = this.position
    // The genesis block is durable before anybody is told of a durableSeq; later ones speak for themselves.
    const isGenesis = this.position.number === 0
    if (this.durableSeq !== undefined && !isGenesis && this.durableSeq() < this.position.nextSeq)
      return undefined
    const block = this.at(segment, offset)
    if (typeof block !== 'string') return this.handOut(block, segment, offset)
    // The journal goes on in the next segment when what stands there is the successor: the hash says so.
    const first = this.at(segment + 1, 0)
    if (typeof first !== 'string' && this.whyNotSuccessor(first) === '')
      return this.handOut(first, segment + 1, 0)
    if (this.durableSeq !== undefined && !isGenesis)
      throw new JournalDamage(segment, offset, `durable, but ${block}`)
    return undefined
  }

  /**
   * How a journal at rest ends. Call after `next` returned undefined. Throws JournalDamage when what
   * stands at the end is no work of a crash: a valid block behind an invalid one, or bytes that are
   * wrong though all of them were written.
   */
  end(): JournalEnd {
    const at = this.tornPlace()
    if (at === undefined) return { kind: 'clean', position: this.position, tornBytes: 0, reason: '' }
    const { segment, offset } = at
    const found = this.at(segment, offset)
    const reason = typeof found === 'string' ? found : this.whyNotSuccessor(found)
    if (typeof found !== 'string') throw new JournalDamage(segment, offset, reason)
    const header = this.load(segment, offset, BLOCK_HEADER_BYTES)
      ? readHeader(this.window.subarray(offset - this.windowAt))
      : ''
    const length = typeof header === 'string' ? SECTOR_BYTES : sectorsOf(header.length)
    this.refuseValidBlocksFrom(at, segment, offset + length, reason)
    if (!this.couldBeTorn(segment, offset)) throw new JournalDamage(segment, offset, reason)
    return { kind: 'torn', position: at, tornBytes: this.lastNonZero(segment, offset) + 1 - offset, reason }
  }

  /** Where bytes that are not zero begin behind the last block, or undefined: the end is clean. */
  private tornPlace(): JournalPosition | undefined {
    const { segment } = this.position
    if (!this.isZeroFrom(segment, this.position.offset)) return this.position
    if (!this.isZeroFrom(segment + 1, 0)) {
      // A torn first block of the next segment, unless this segment lost one: then a valid one is behind.
      this.refuseValidBlocksFrom(this.position, segment + 1, 0, 'no block')
      return { ...this.position, segment: segment + 1, offset: 0 }
    }
    this.refuseValidBlocksFrom(this.position, segment + 2, 0, 'no block')
    return undefined
  }

  /** Closes the open segment. The reader may be used again and reopens it. */
  close(): void {
    this.file?.close()
    this.file = undefined
    this.fileSegment = -1
    this.windowSegment = -1
  }

  private handOut(block: JournalBlock, segment: number, offset: number): JournalBlock | undefined {
    const wrong = this.whyNotSuccessor(block)
    if (wrong !== '') throw new JournalDamage(segment, offset, wrong)
    const after = offset + sectorsOf(block.bytes.length)
    if (this.durableSeq !== undefined && block.lastSeq > this.durableSeq()) return undefined
    if (this.follow && block.type !== BlockType.Close && !this.hasBlockBehind(segment, after, block.number))
      return undefined
    this.last = { position: { ...this.position, segment, offset }, length: block.bytes.length }
    this.position = {
      segment,
      offset: after,
      number: block.number + 1,
      nextSeq: block.lastSeq + 1,
      epoch: block.epoch,
      head: block.hash,
    }
    return block
  }

  private whyNotSuccessor(block: JournalBlock): string {
    const { number, nextSeq, epoch, head } = this.position
    if (block.number !== number) return `block ${block.number} where ${number} belongs`
    if (!equal(block.previousHash, head)) return `block ${number} does not continue the hash chain`
    if (block.firstSeq !== nextSeq) return `block ${number} begins at seq ${block.firstSeq}, not ${nextSeq}`
    if ((block.type === BlockType.Genesis) !== (number === 0)) return `block ${number} has type ${block.type}`
    // Each start opens a larger epoch; the first start's genesis block has it before its epoch block does.
    const grows = block.epoch > epoch || (number === 1 && block.epoch === epoch)
    const beginsEpoch = block.type === BlockType.Genesis || block.type === BlockType.Epoch
    const epochExpected = beginsEpoch ? grows : block.epoch === epoch
    if (!epochExpected) return `block ${number} has epoch ${block.epoch} after ${epoch}`
    return ''
  }

  /** The valid block at a place, whatever its number, or what is wrong there. */
  private at(segment: number, offset: number): JournalBlock | string {
    const cached = this.tryAt(segment, offset)
    if (typeof cached !== 'string') return cached
    // A live journal may have grown since the window was read: look again before calling it absent.
    this.windowSegment = -1
    return this.tryAt(segment, offset)
  }

  private tryAt(segment: number, offset: number): JournalBlock | string {
    if (!this.load(segment, offset, BLOCK_HEADER_BYTES)) return 'end of segment'
    const header = readHeader(this.window.subarray(offset - this.windowAt))
    if (typeof header === 'string') return header
    if (!this.load(segment, offset, header.length))
      return `block of ${header.length} bytes passes the segment's end`
    return readBlock(this.window.subarray(offset - this.windowAt), header)
  }

  /** Brings `bytes` bytes at `offset` into the window; false when the segment has fewer. */
  private load(segment: number, offset: number, bytes: number): boolean {
    const end = this.windowAt + this.windowBytes
    if (segment === this.windowSegment && offset >= this.windowAt && offset + bytes <= end) return true
    const file = this.openSegment(segment)
    if (file === undefined) return false
    const wanted = Math.min(JOURNAL_READ_BYTES, sectorsOf(file.size()))
    if (this.window.length < wanted) this.window = new Uint8Array(wanted)
    this.windowSegment = segment
    this.windowAt = offset
    this.windowBytes = file.read(this.window, offset)
    return bytes <= this.windowBytes
  }

  private openSegment(segment: number): DiskFile | undefined {
    if (segment === this.fileSegment) return this.file
    const file = openSegment(this.disk, this.dataDir, segment)
    if (file === undefined) return undefined
    this.file?.close()
    this.file = file
    this.fileSegment = segment
    return this.file
  }

  /** True when the block after the one that ends at `after` has been written, so that that one is synced. */
  private hasBlockBehind(segment: number, after: number, number: number): boolean {
    return [
      [segment, after],
      [segment + 1, 0],
    ].some(([at, offset]) => {
      const bytes = new Uint8Array(BLOCK_HEADER_BYTES)
      const isThere = this.openSegment(at!)?.read(bytes, offset!) === BLOCK_HEADER_BYTES
      const header = isThere ? readHeader(bytes) : ''
      return typeof header !== 'string' && header.number === number + 1
    })
  }

  private isZeroFrom(segment: number, offset: number): boolean {
    return this.lastNonZero(segment, offset) < 0
  }

  /** Offset of the last byte from `offset` on that is not zero, or -1. */
  private lastNonZero(segment: number, offset: number): number {
    let last = -1
    this.forEachWindow(segment, offset, (bytes, at) => {
      let index = bytes.length - 1
      while (index >= 0 && bytes[index] === 0) index--
      if (index >= 0) last = at + index
    })
    return last
  }

  private forEachWindow(
    segment: number,
    offset: number,
    visit: (bytes: Uint8Array, at: number) => void,
  ): void {
    this.windowSegment = -1
    for (let at = offset; this.load(segment, at, 1); at += this.windowBytes) {
      visit(this.window.subarray(0, this.windowBytes), at)
      this.windowSegment = -1
    }
  }

  /** Throws JournalDamage at `damaged` when a valid block not older than the next one stands at or behind a place. */
  private refuseValidBlocksFrom(
    damaged: JournalPosition,
    segment: number,
    offset: number,
    reason: string,
  ): void {
    const segments = listSegments(this.disk, this.dataDir)
    for (const candidate of segments.filter((other) => other >= segment)) {
      const from = candidate === segment ? offset : 0
      const size = this.openSegment(candidate)!.size()
      for (let at = from; at < size; at += SECTOR_BYTES) {
        if (this.isZeroSector(candidate, at)) continue
        const block = this.tryAt(candidate, at)
        if (typeof block === 'string' || block.number < damaged.number) continue
        const where = `${segmentName(candidate)} at ${at}`
        throw new JournalDamage(
          damaged.segment,
          damaged.offset,
          `${reason}, and a valid block ${block.number} stands behind it in ${where}`,
        )
      }
    }
  }

  private isZeroSector(segment: number, offset: number): boolean {
    if (!this.load(segment, offset, 1)) return true
    const at = offset - this.windowAt
    const end = Math.min(this.windowBytes, at + SECTOR_BYTES)
    for (let index = at; index < end; index++) if (this.window[index] !== 0) return false
    return true
  }

  /** Whether a crash while the block at a place was written explains what stands there. */
  private couldBeTorn(segment: number, offset: number): boolean {
    const area = new Uint8Array(BLOCK_BYTES_MAX)
    this.openSegment(segment)?.read(area, offset)
    const isZero = (from: number, to: number): boolean => area.subarray(from, to).every((byte) => byte === 0)
    const header = readHeader(area)
    const last = this.lastNonZero(segment, offset)
    if (typeof header === 'string') {
      // The first sector never came, or the cutting off of a torn block was itself interrupted.
      if (area[0] === 0) return last < offset + BLOCK_BYTES_MAX
      // A short write ended within the header.
      return last < offset + BLOCK_HEADER_BYTES
    }
    if (last >= offset + header.length) return false
    // A short write ended before the footer's last byte, or a sector never came.
    if (area[header.length - 1] === 0) return true
    for (let at = SECTOR_BYTES; at < header.length; at += SECTOR_BYTES)
      if (isZero(at, Math.min(at + SECTOR_BYTES, header.length))) return true
    return false
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => a.every((byte, index) => byte === b[index])

/** The GenesisConfig in a genesis block. Throws when there is none in it. */
export function genesisOf(block: JournalBlock): GenesisConfig {
  const attachment = block.attachments.find(({ kind }) => kind === AttachmentKind.Genesis)
  if (attachment === undefined)
    throw new Error(`journal: block ${block.number} carries no genesis configuration`)
  return JSON.parse(new TextDecoder().decode(attachment.bytes)) as GenesisConfig
}

/** The state hash in a block (32 bytes: the state before command `firstSeq` of it), or undefined. */
export function stateHashOf(block: JournalBlock): Uint8Array | undefined {
  return block.attachments.find(({ kind }) => kind === AttachmentKind.StateHash)?.bytes
}

/** Reads the GenesisConfig of a data folder's journal. Throws JournalDamage when block 0 is not valid. */
export function readGenesis(dataDir: string, disk: Disk = nodeDisk): GenesisConfig {
  const reader = new JournalReader(dataDir, { disk })
  try {
    const block = reader.next()
    if (block === undefined) throw new JournalDamage(0, 0, 'no genesis block')
    return genesisOf(block)
  } finally {
    reader.close()
  }
}
