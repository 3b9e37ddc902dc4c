/**
 * The journal's block, byte by byte. All numbers are little-endian; u64 values stay below 2^53.
 *
 *   header, 128 bytes
 *     0  magic "GLASSBLK"          8  u32 version (2)          12  u32 type (BlockType)
 *    16  u64 block number, from 0                              24  u32 epoch
 *    28  u32 count of commands    32  u64 first seq            40  u32 length: header to footer, bytes
 *    44  u32 count of attachments 48  zero                     64  previous block's hash, 32 bytes
 *    96  u32 CRC-32C of bytes 128 to length                   100  zero
 *   124  u32 CRC-32C of bytes 0 to 123
 *   commands, 64 bytes each (engine/records); command i has seq `first seq + i`
 *   attachments, each:  u32 kind, u32 bytes, u32 index of its first command, u32 its count of commands,
 *                       the bytes, zeros to a multiple of 8
 *   footer, 8 bytes "ENDBLOCK"
 *
 * A block's hash is SHA-256 of all its bytes, header to footer; it stands in the next block's header,
 * so the last hash (the journal head) fixes the whole journal. Blocks start on 512-byte sectors of
 * fixed-size, zero-filled segment files and never cross from one to the next: the header lies in one
 * sector, and a torn write cannot reach a sector of the block before.
 */
import { createHash } from 'node:crypto'
import { COMMAND_BYTES } from '../layout.js'
import { BLOCK_BYTES_MAX } from '../limits.js'
import { crc32c } from './crc32c.js'

export const BLOCK_VERSION = 2
export const BLOCK_HEADER_BYTES = 128
export const BLOCK_FOOTER_BYTES = 8
export const ATTACHMENT_HEADER_BYTES = 16
/** Blocks start at multiples of this. */
export const SECTOR_BYTES = 512
export const HASH_BYTES = 32
/** The previous hash of block 0. */
export const ZERO_HASH: Uint8Array = new Uint8Array(HASH_BYTES)

export const BlockType = {
  /** Block 0: one attachment, the GenesisConfig as JSON. */
  Genesis: 1,
  Commands: 2,
  /** First block of each start: one attachment, the state hash that recovery came to. */
  Epoch: 3,
  /** Last block of an orderly stop: one attachment, the state hash. */
  Close: 4,
} as const
export type BlockType = (typeof BlockType)[keyof typeof BlockType]

const MAGIC_LOW = 0x53414c47 // "GLAS"
const MAGIC_HIGH = 0x4b4c4253 // "SBLK"
const FOOTER_LOW = 0x42444e45 // "ENDB"
const FOOTER_HIGH = 0x4b434f4c // "LOCK"

/** Word offsets of the header. */
const Head = {
  MAGIC: 0,
  VERSION: 2,
  TYPE: 3,
  NUMBER: 4,
  EPOCH: 6,
  COUNT: 7,
  FIRST_SEQ: 8,
  LENGTH: 10,
  ATTACHMENTS: 11,
  PREVIOUS: 16,
  PAYLOAD_CRC: 24,
  HEADER_CRC: 31,
} as const

/** Bytes that a block takes in its segment: its length, rounded up to sectors. */
export const sectorsOf = (length: number): number => Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES
const padded = (bytes: number): number => (bytes + 7) & ~7

/** Bytes that an attachment of `bytes` adds to a block. */
export const attachmentSize = (bytes: number): number => ATTACHMENT_HEADER_BYTES + padded(bytes)

export interface Attachment {
  /** AttachmentKind. */
  readonly kind: number
  /** Seq of its first command; a state hash: seq of the first command after it. */
  readonly firstSeq: number
  /** Commands that it covers. */
  readonly count: number
  /** A view: valid as long as the block is. */
  readonly bytes: Uint8Array
}

/** A block that passed every check. Views of the reader's buffer: valid until the next block is read. */
export interface JournalBlock {
  readonly number: number
  readonly type: BlockType
  readonly epoch: number
  /** Seq of command 0; of a block without commands, the seq that comes next. */
  readonly firstSeq: number
  /** Seq of the last command; firstSeq - 1 without commands. */
  readonly lastSeq: number
  readonly count: number
  /** The block from its header on; command i is at word BLOCK_HEADER_BYTES / 4 + i * COMMAND_WORDS. */
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly bytes: Uint8Array
  readonly attachments: readonly Attachment[]
  /** SHA-256 of the previous block and of this one. */
  readonly previousHash: Uint8Array
  readonly hash: Uint8Array
}

/** Word offset of command 0 in a block's words. */
export const COMMANDS_AT = BLOCK_HEADER_BYTES / 4

const readU64 = (words: Int32Array, at: number): number => words[at + 1]! * 2 ** 32 + (words[at]! >>> 0)

/** SHA-256 of a block's bytes. */
export function hashBlock(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** What a header says, once its own checksum holds. */
export interface BlockHeader {
  readonly number: number
  readonly type: BlockType
  readonly epoch: number
  readonly firstSeq: number
  readonly count: number
  readonly length: number
  readonly attachments: number
}

/**
 * Reads the header at the start of `bytes` (8-byte aligned in its buffer). Returns what is wrong with
 * it as text: magic, version, checksum, a field out of its range.
 */
export function readHeader(bytes: Uint8Array): BlockHeader | string {
  if (bytes.length < BLOCK_HEADER_BYTES) return `header of ${bytes.length} bytes, needs ${BLOCK_HEADER_BYTES}`
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, BLOCK_HEADER_BYTES / 4)
  if (words[Head.MAGIC] !== MAGIC_LOW || words[Head.MAGIC + 1] !== MAGIC_HIGH) return 'no block magic'
  const sum = crc32c(bytes.subarray(0, Head.HEADER_CRC * 4))
  if (sum !== words[Head.HEADER_CRC]! >>> 0)
    return `header CRC ${words[Head.HEADER_CRC]! >>> 0}, computed ${sum}`
  if (words[Head.VERSION] !== BLOCK_VERSION)
    return `block version ${words[Head.VERSION]!}, this reader knows ${BLOCK_VERSION}`
  const header: BlockHeader = {
    number: readU64(words, Head.NUMBER),
    type: words[Head.TYPE]! as BlockType,
    epoch: words[Head.EPOCH]! >>> 0,
    firstSeq: readU64(words, Head.FIRST_SEQ),
    count: words[Head.COUNT]! >>> 0,
    length: words[Head.LENGTH]! >>> 0,
    attachments: words[Head.ATTACHMENTS]! >>> 0,
  }
  const smallest = BLOCK_HEADER_BYTES + header.count * COMMAND_BYTES + BLOCK_FOOTER_BYTES
  if (header.length < smallest || header.length > BLOCK_BYTES_MAX || header.length % 8 !== 0)
    return `block length ${header.length} with ${header.count} commands`
  if (header.type < BlockType.Genesis || header.type > BlockType.Close) return `block type ${header.type}`
  return header
}

/**
 * Checks the block at the start of `bytes` (8-byte aligned, at least `header.length` long) and returns
 * it with its hash, or what is wrong as text.
 */
export function readBlock(bytes: Uint8Array, header: BlockHeader): JournalBlock | string {
  const { length, count, firstSeq } = header
  const block = bytes.subarray(0, length)
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, length / 4)
  const sum = crc32c(block.subarray(BLOCK_HEADER_BYTES))
  if (sum !== words[Head.PAYLOAD_CRC]! >>> 0)
    return `payload CRC ${words[Head.PAYLOAD_CRC]! >>> 0}, computed ${sum}`
  if (words[length / 4 - 2] !== FOOTER_LOW || words[length / 4 - 1] !== FOOTER_HIGH) return 'no block footer'
  const attachments: Attachment[] = []
  let at = BLOCK_HEADER_BYTES + count * COMMAND_BYTES
  const end = length - BLOCK_FOOTER_BYTES
  for (let index = 0; index < header.attachments; index++) {
    if (at + ATTACHMENT_HEADER_BYTES > end) return `attachment ${index} passes the block's end`
    const size = words[at / 4 + 1]! >>> 0
    if (at + attachmentSize(size) > end) return `attachment ${index} of ${size} bytes passes the block's end`
    attachments.push({
      kind: words[at / 4]!,
      firstSeq: firstSeq + words[at / 4 + 2]!,
      count: words[at / 4 + 3]!,
      bytes: block.subarray(at + ATTACHMENT_HEADER_BYTES, at + ATTACHMENT_HEADER_BYTES + size),
    })
    at += attachmentSize(size)
  }
  if (at !== end) return `${end - at} bytes after the last attachment`
  return {
    number: header.number,
    type: header.type,
    epoch: header.epoch,
    firstSeq,
    lastSeq: firstSeq + count - 1,
    count,
    words,
    floats: new Float64Array(bytes.buffer, bytes.byteOffset, length / 8),
    bytes: block,
    attachments,
    previousHash: block.subarray(Head.PREVIOUS * 4, Head.PREVIOUS * 4 + HASH_BYTES),
    hash: hashBlock(block),
  }
}

/** Assembles one block at a time in a buffer of its own. */
export class BlockBuilder {
  private readonly bytes: Uint8Array
  private readonly words: Int32Array
  private readonly staged: Uint8Array
  private readonly stagedWords: Int32Array
  private stagedBytes = 0
  private attachments = 0
  /** Commands in the block so far. */
  count = 0

  /** `limit`: largest block in bytes, a multiple of SECTOR_BYTES up to BLOCK_BYTES_MAX. */
  constructor(private readonly limit = BLOCK_BYTES_MAX) {
    this.bytes = new Uint8Array(limit)
    this.words = new Int32Array(this.bytes.buffer)
    this.staged = new Uint8Array(limit)
    this.stagedWords = new Int32Array(this.staged.buffer)
  }

  /** True while `commands` more records and an attachment of `attachmentBytes` (0 = none) still fit. */
  fits(commands: number, attachmentBytes: number): boolean {
    return this.length() + commands * COMMAND_BYTES + attachmentSize(attachmentBytes) <= this.limit
  }

  /** Appends `byteLength` bytes of command records of `source` from byte `at`. Caller has asked `fits`. */
  addCommands(source: Uint8Array, at: number, byteLength: number): void {
    this.bytes.set(source.subarray(at, at + byteLength), BLOCK_HEADER_BYTES + this.count * COMMAND_BYTES)
    this.count += byteLength / COMMAND_BYTES
  }

  /** Appends an attachment that covers `count` commands from command `firstIndex` of this block. */
  addAttachment(kind: number, attachment: Uint8Array, firstIndex: number, count: number): void {
    const at = this.stagedBytes
    this.stagedWords[at / 4] = kind
    this.stagedWords[at / 4 + 1] = attachment.length
    this.stagedWords[at / 4 + 2] = firstIndex
    this.stagedWords[at / 4 + 3] = count
    const end = at + attachmentSize(attachment.length)
    this.staged.set(attachment, at + ATTACHMENT_HEADER_BYTES)
    this.staged.fill(0, at + ATTACHMENT_HEADER_BYTES + attachment.length, end)
    this.stagedBytes = end
    this.attachments++
  }

  /** True when nothing was added since the last `finish`. */
  isEmpty(): boolean {
    return this.count === 0 && this.attachments === 0
  }

  /**
   * Closes the block and returns its bytes, padded with zeros to whole sectors (a view, valid until the
   * next addition), its length without the padding, and its hash. The builder is then empty again.
   */
  finish(
    type: BlockType,
    number: number,
    epoch: number,
    firstSeq: number,
    previousHash: Uint8Array,
  ): { bytes: Uint8Array; length: number; hash: Uint8Array } {
    const { words, bytes } = this
    const length = this.length()
    const payloadAt = BLOCK_HEADER_BYTES + this.count * COMMAND_BYTES
    bytes.set(this.staged.subarray(0, this.stagedBytes), payloadAt)
    words[length / 4 - 2] = FOOTER_LOW
    words[length / 4 - 1] = FOOTER_HIGH
    bytes.fill(0, length, sectorsOf(length))
    words.fill(0, 0, BLOCK_HEADER_BYTES / 4)
    words[Head.MAGIC] = MAGIC_LOW
    words[Head.MAGIC + 1] = MAGIC_HIGH
    words[Head.VERSION] = BLOCK_VERSION
    words[Head.TYPE] = type
    words[Head.NUMBER] = number | 0
    words[Head.NUMBER + 1] = Math.floor(number / 2 ** 32)
    words[Head.EPOCH] = epoch
    words[Head.COUNT] = this.count
    words[Head.FIRST_SEQ] = firstSeq | 0
    words[Head.FIRST_SEQ + 1] = Math.floor(firstSeq / 2 ** 32)
    words[Head.LENGTH] = length
    words[Head.ATTACHMENTS] = this.attachments
    bytes.set(previousHash, Head.PREVIOUS * 4)
    words[Head.PAYLOAD_CRC] = crc32c(bytes.subarray(BLOCK_HEADER_BYTES, length))
    words[Head.HEADER_CRC] = crc32c(bytes.subarray(0, Head.HEADER_CRC * 4))
    this.count = 0
    this.attachments = 0
    this.stagedBytes = 0
    return {
      bytes: bytes.subarray(0, sectorsOf(length)),
      length,
      hash: hashBlock(bytes.subarray(0, length)),
    }
  }

  private length(): number {
    return BLOCK_HEADER_BYTES + this.count * COMMAND_BYTES + this.stagedBytes + BLOCK_FOOTER_BYTES
  }
}
