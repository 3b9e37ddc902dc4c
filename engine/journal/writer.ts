/**
 * The journal's side of the journal ring: gathers sequenced messages into a block, makes it durable,
 * and only then moves durableSeq. While one block is being synced the next gathers in the ring (group
 * commit), so a slow disk makes blocks larger, not the queue longer.
 *
 * Invariant: durableSeq is never ahead of what the backend has acknowledged; a message is never split
 * over two blocks. Runs in the journal thread, and in the simulator's single thread.
 */
import { JOURNAL_HEADER_WORDS, AttachmentKind, JournalMessage, JournalMessageType } from '../messages.js'
import type { RingReader } from '../rings/ring.js'
import type { GenesisConfig } from '../types.js'
import { COMMAND_BYTES } from '../layout.js'
import { BLOCK_BYTES_MAX } from '../limits.js'
import type { JournalBackend } from './backend.js'
import { BlockBuilder, BlockType } from './format.js'
import type { JournalPosition } from './segments.js'

export interface JournalWriterOptions {
  readonly ring: RingReader
  readonly backend: JournalBackend
  /** Where recovery found the end of the journal. */
  readonly position: JournalPosition
  /** The epoch of this start: larger than every one in the journal. */
  readonly epoch: number
  /** Called with the last durable seq after each block. */
  readonly onDurable: (seq: number, head: Uint8Array) => void
  /** Largest block in bytes; BLOCK_BYTES_MAX unless given. */
  readonly blockBytesMax?: number
}

export class JournalWriter {
  private readonly ring: RingReader
  private readonly backend: JournalBackend
  private readonly builder: BlockBuilder
  private readonly epoch: number
  private readonly onDurable: (seq: number, head: Uint8Array) => void
  /** Number and hash chain of the next block. */
  number: number
  head: Uint8Array
  private nextSeq: number
  /** True once the Close message was written: nothing may follow. */
  isClosed = false

  constructor(options: JournalWriterOptions) {
    this.ring = options.ring
    this.backend = options.backend
    this.builder = new BlockBuilder(options.blockBytesMax ?? BLOCK_BYTES_MAX)
    this.epoch = options.epoch
    this.onDurable = options.onDurable
    this.number = options.position.number
    this.head = options.position.head
    this.nextSeq = options.position.nextSeq
  }

  /**
   * Writes what every start writes: the genesis block when the journal is empty, then the epoch block
   * with the state hash that recovery came to.
   */
  start(genesis: GenesisConfig, stateHash: Uint8Array): void | Promise<void> {
    const openEpoch = (): void | Promise<void> => {
      this.builder.addAttachment(AttachmentKind.StateHash, stateHash, 0, 0)
      return this.append(BlockType.Epoch)
    }
    if (this.number > 0) return openEpoch()
    this.builder.addAttachment(
      AttachmentKind.Genesis,
      new TextEncoder().encode(JSON.stringify(genesis)),
      0,
      0,
    )
    const done = this.append(BlockType.Genesis)
    return done === undefined ? openEpoch() : done.then(openEpoch)
  }

  /** True when there is a message to write. */
  hasWork(): boolean {
    return this.ring.peek() >= 0
  }

  /**
   * Writes one block of all messages waiting, as far as they fit; false when there were none. With a
   * synchronous backend the block is durable on return, else when the promise resolves. Throws what the
   * backend throws: then the exchange halts.
   */
  turn(): boolean | Promise<boolean> {
    const type = this.gather()
    if (type === 0) return false
    const done = this.append(type)
    return done === undefined ? true : done.then(() => true)
  }

  /** Fills the builder; returns the type of the block to write, 0 = none. */
  private gather(): BlockType | 0 {
    const { ring, builder } = this
    let at: number
    while ((at = ring.peek()) >= 0) {
      const word = at / 4
      if (ring.words[word + JournalMessage.TYPE] === JournalMessageType.Close) {
        if (!builder.isEmpty()) return BlockType.Commands
        this.addMessage(word, 0)
        this.isClosed = true
        return BlockType.Close
      }
      const count = ring.words[word + JournalMessage.COUNT]!
      if (!builder.fits(count, ring.words[word + JournalMessage.ATTACHMENT_BYTES]!)) {
        if (builder.isEmpty()) throw new Error(`journal: message of ${count} commands fits no block`)
        break
      }
      const expected = this.nextSeq + builder.count
      const firstSeq = ring.floats[word / 2 + JournalMessage.FIRST_SEQ_F64]!
      if (firstSeq !== expected) throw new Error(`journal: seq ${firstSeq} where ${expected} belongs`)
      this.addMessage(word, count)
    }
    return builder.isEmpty() ? 0 : BlockType.Commands
  }

  private addMessage(word: number, count: number): void {
    const { ring, builder } = this
    const attachmentBytes = ring.words[word + JournalMessage.ATTACHMENT_BYTES]!
    const commandsAt = (word + JOURNAL_HEADER_WORDS) * 4
    const first = builder.count
    if (count > 0) builder.addCommands(ring.bytes, commandsAt, count * COMMAND_BYTES)
    if (attachmentBytes > 0) {
      const from = commandsAt + count * COMMAND_BYTES
      const covered = ring.words[word + JournalMessage.ATTACHMENT_FIRST]!
      builder.addAttachment(
        ring.words[word + JournalMessage.ATTACHMENT_KIND]!,
        ring.bytes.subarray(from, from + attachmentBytes),
        first + covered,
        count - covered,
      )
    }
    ring.release()
  }

  private append(type: BlockType): void | Promise<void> {
    const count = this.builder.count
    const block = this.builder.finish(type, this.number, this.epoch, this.nextSeq, this.head)
    const done = this.backend.append({
      bytes: block.bytes,
      length: block.length,
      number: this.number,
      epoch: this.epoch,
    })
    const finish = (): void => {
      this.number++
      this.head = block.hash
      this.nextSeq += count
      this.onDurable(this.nextSeq - 1, this.head)
      this.backend.maintain()
    }
    if (done !== undefined) return done.then(finish)
    finish()
  }
}
