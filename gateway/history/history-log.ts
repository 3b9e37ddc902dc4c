/**
 * A file of records (record.ts) that is only appended to, and marks that say up to which command it is
 * whole. A mark is written after what it speaks of was synced; at a start everything behind the last
 * mark that stands on sound records is dropped, and the rebuild from the journal brings it back. So a
 * torn, cut, flipped or missing file costs time, and never tells what is not so.
 *
 *   record 0   header: magic "GLASSHIS", u32 version at 8, u32 kind at 12
 *   mark       f64 covered seq, f64 seq of the journal head, 32 bytes journal head at 16, f64 file offset
 *              at 48 up to which records belong to it, f64 floor at 56 (FillStore.floor)
 *   forgotten  i32 account at 0 (-1 = all others), f64 seq at 8, f64 number at 16
 *
 * Grown beyond twice what it must hold, it is written anew beside and renamed. A disk that fails costs
 * one log line: history goes on in memory, and the file is written anew when the disk takes it.
 * Used by history.ts; one thread of an exchange writes.
 */
import type { OnLog } from '../../engine/types.js'
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32cOfWords } from '../../engine/journal/crc32c.js'
import { PENDING_RECORDS, SLACK_RECORDS } from '../limits.js'
import {
  CRC_WORD,
  HISTORY_RECORD_BYTES,
  RECORD_FLOATS,
  HISTORY_RECORD_WORDS,
  TYPE_WORD,
  copyRecord,
} from './record.js'

const MAGIC = 'GLASSHIS'
const VERSION = 1
const Type = { Header: 1, Data: 2, Mark: 3, Forgotten: 4 } as const

export const LogKind = { Fills: 1, Orders: 2 } as const

/** How far a file goes, and the journal's head then: seq of its last command and hash of its last block. */
export interface LogMark {
  readonly seq: number
  readonly headSeq: number
  readonly head: Uint8Array
  readonly floor: number
}
const NO_MARK: LogMark = { seq: 0, headSeq: 0, head: new Uint8Array(32), floor: 0 }

export interface LogSink {
  record(words: Int32Array, word: number): void
  forgotten(account: number, seq: number, number: number): void
}

/** Everything that a file must hold when it is written anew. */
export interface LogContent {
  readonly size: number
  forEach(sink: LogSink): void
}

export interface HistoryLogOptions {
  /** The file; none = memory only. */
  readonly path: string | undefined
  readonly kind: number
  /** Whether this thread writes the file. */
  readonly write: boolean
  readonly onLog: OnLog
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A buffer of records that are to be written. */
class Records {
  words: Int32Array
  floats: Float64Array
  bytes: Uint8Array
  count = 0

  constructor(capacity: number) {
    this.words = new Int32Array(capacity * HISTORY_RECORD_WORDS)
    this.floats = new Float64Array(this.words.buffer)
    this.bytes = new Uint8Array(this.words.buffer)
  }

  /** Word of one more record, zeroed. */
  next(): number {
    const at = this.count * HISTORY_RECORD_WORDS
    if (at === this.words.length) {
      const old = this.words
      this.words = new Int32Array(2 * old.length)
      this.words.set(old)
      this.floats = new Float64Array(this.words.buffer)
      this.bytes = new Uint8Array(this.words.buffer)
    }
    this.words.fill(0, at, at + HISTORY_RECORD_WORDS)
    this.count++
    return at
  }

  seal(at: number, type: number, parties = 0): void {
    this.words[at + TYPE_WORD] = type | (parties << 8)
    this.words[at + CRC_WORD] = crc32cOfWords(this.words, at, at + CRC_WORD)
  }

  header(kind: number): void {
    const at = this.next()
    this.bytes.set(Buffer.from(MAGIC, 'latin1'), at * 4)
    this.words[at + 2] = VERSION
    this.words[at + 3] = kind
    this.seal(at, Type.Header)
  }

  data(words: Int32Array, word: number): void {
    const at = this.next()
    copyRecord(words, word, this.words, at)
    this.seal(at, Type.Data, words[word + TYPE_WORD]! >>> 8)
  }

  mark({ seq, headSeq, head, floor }: LogMark, end: number): void {
    const at = this.next()
    const float = at >> 1
    this.floats[float] = seq
    this.floats[float + 1] = headSeq
    this.bytes.set(head, at * 4 + 16)
    this.floats[float + 6] = end
    this.floats[float + 7] = floor
    this.seal(at, Type.Mark)
  }

  forgotten(account: number, seq: number, number: number): void {
    const at = this.next()
    this.words[at] = account
    this.floats[(at >> 1) + 1] = seq
    this.floats[(at >> 1) + 2] = number
    this.seal(at, Type.Forgotten)
  }

  used(): Uint8Array {
    return this.bytes.subarray(0, this.count * HISTORY_RECORD_BYTES)
  }
}

export class HistoryLog {
  readonly #options: HistoryLogOptions
  #file = -1
  /** Bytes of the file. */
  #end = 0
  #pending = new Records(PENDING_RECORDS)
  /** Its file is not what it should be: it is written anew at the next checkpoint. */
  #broken = false
  /** What is done aside: nothing, a sync, or writing the file anew, during which nothing is written to it. */
  #aside: 'nothing' | 'sync' | 'renewal' = 'nothing'
  #closed = false

  constructor(options: HistoryLogOptions) {
    this.#options = options
  }

  /**
   * Hands what the file holds to `sink`, oldest first, and opens it for writing. Answers with the mark that
   * all of it stands on.
   */
  load(sink: LogSink): LogMark {
    const { path, write, onLog } = this.#options
    if (path === undefined) return NO_MARK
    let bytes: Buffer
    try {
      bytes = readFileSync(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        onLog(`${path} cannot be read: ${text(error)}`, 'warn')
      bytes = Buffer.alloc(0)
    }
    const found = this.#read(bytes, sink)
    if (write) this.#open(path, found)
    return found.mark
  }

  /** Checks the records, chooses the mark, hands over what stands before it. */
  #read(file: Buffer, sink: LogSink): { mark: LogMark; end: number; bytes: number } {
    const count = Math.floor(file.length / HISTORY_RECORD_BYTES)
    const records = new Records(Math.max(1, count))
    records.bytes.set(file.subarray(0, count * HISTORY_RECORD_BYTES))
    const { words, floats, bytes } = records
    const type = (index: number): number => words[index * HISTORY_RECORD_WORDS + TYPE_WORD]! & 0xff
    const isSound = (index: number): boolean => {
      const at = index * HISTORY_RECORD_WORDS
      return words[at + CRC_WORD] === (crc32cOfWords(words, at, at + CRC_WORD) | 0)
    }
    const isOurs =
      count > 0 &&
      isSound(0) &&
      type(0) === Type.Header &&
      Buffer.from(bytes.subarray(0, 8)).toString('latin1') === MAGIC &&
      words[2] === VERSION &&
      words[3] === this.#options.kind
    let bad = isOurs ? count : 0
    let chosen: { mark: LogMark; end: number } | undefined
    /** Furthest that any mark speaks of: records before it were there once. */
    let spokenFor = 0
    for (let index = 1; index < count; index++) {
      if (!isSound(index)) {
        bad = Math.min(bad, index)
        continue
      }
      if (type(index) !== Type.Mark) continue
      const float = index * RECORD_FLOATS
      const end = floats[float + 6]!
      spokenFor = Math.max(spokenFor, end)
      if (end > bad * HISTORY_RECORD_BYTES || end > index * HISTORY_RECORD_BYTES) continue
      chosen = {
        mark: {
          seq: floats[float]!,
          headSeq: floats[float + 1]!,
          head: bytes.slice(index * HISTORY_RECORD_BYTES + 16, index * HISTORY_RECORD_BYTES + 48),
          floor: floats[float + 7]!,
        },
        end,
      }
    }
    if (file.length > 0 && (bad * HISTORY_RECORD_BYTES < spokenFor || !isOurs))
      this.#options.onLog(
        `${this.#options.path} is damaged at byte ${bad * HISTORY_RECORD_BYTES}: ` +
          `what it held after seq ${chosen?.mark.seq ?? 0} is taken from the journal again`,
      )
    if (chosen === undefined) return { mark: NO_MARK, end: 0, bytes: file.length }
    for (let index = 1; index < chosen.end / HISTORY_RECORD_BYTES; index++) {
      const at = index * HISTORY_RECORD_WORDS
      if (type(index) === Type.Data) sink.record(words, at)
      else if (type(index) === Type.Forgotten)
        sink.forgotten(words[at]!, floats[(at >> 1) + 1]!, floats[(at >> 1) + 2]!)
    }
    return { ...chosen, bytes: file.length }
  }

  /** Opens the file so that it ends with the chosen mark. */
  #open(path: string, { mark, end, bytes }: { mark: LogMark; end: number; bytes: number }): void {
    try {
      mkdirSync(dirname(path), { recursive: true })
      this.#file = openSync(path, bytes === 0 ? 'w+' : 'r+')
      const start = new Records(2)
      if (end === 0) start.header(this.#options.kind)
      else start.mark(mark, end)
      this.#end = end
      this.#write(start.used())
      ftruncateSync(this.#file, this.#end)
      fdatasyncSync(this.#file)
    } catch (error) {
      this.#fail(error)
    }
  }

  /** Takes over the record at `word` of `words`. */
  append(words: Int32Array, word: number): void {
    if (!this.#options.write || this.#options.path === undefined) return
    // What is broken is written anew from what the caller holds.
    if (this.#broken) return
    this.#pending.data(words, word)
    if (this.#pending.count >= PENDING_RECORDS) this.flush()
  }

  /** Writes what was appended since the last call. */
  flush(): void {
    if (this.#aside === 'renewal' || this.#broken || this.#pending.count === 0 || this.#file < 0) return
    try {
      this.#write(this.#pending.used())
      this.#pending.count = 0
    } catch (error) {
      this.#fail(error)
    }
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#file, bytes, done, bytes.length - done, this.#end + done)
    this.#end += bytes.length
  }

  #fail(error: unknown): void {
    this.#pending = new Records(PENDING_RECORDS)
    if (this.#broken) return
    this.#broken = true
    this.#options.onLog(
      `${this.#options.path} is not written (${text(error)}): history goes on in memory until it can be`,
      'warn',
    )
  }

  /**
   * Syncs what was appended and then marks it: `mark` speaks of all of it. The work is done aside; a call
   * during one before does nothing.
   */
  checkpoint(mark: LogMark, content: LogContent): void {
    const { path, write } = this.#options
    if (path === undefined || !write || this.#aside !== 'nothing' || this.#closed) return
    this.flush()
    if (this.#broken || this.#end / HISTORY_RECORD_BYTES > 2 * content.size + SLACK_RECORDS) {
      void this.#writeAnew(path, mark, content)
      return
    }
    const end = this.#end
    this.#aside = 'sync'
    fdatasync(this.#file, (error) => {
      this.#aside = 'nothing'
      if (this.#closed) return
      if (error !== null) this.#fail(error)
      else this.#pending.mark(mark, end)
      this.flush()
    })
  }

  /** Writes the whole file beside and puts it in the place of the old one. */
  async #writeAnew(path: string, mark: LogMark, content: LogContent): Promise<void> {
    const records = new Records(content.size + 64)
    records.header(this.#options.kind)
    content.forEach({
      record: (words, word) => records.data(words, word),
      forgotten: (account, seq, number) => records.forgotten(account, seq, number),
    })
    records.mark(mark, records.count * HISTORY_RECORD_BYTES)
    // All that waited is in it; what comes from now on waits until it is in place.
    const wasBroken = this.#broken
    this.#pending = new Records(PENDING_RECORDS)
    this.#aside = 'renewal'
    this.#broken = false
    try {
      const file = await open(`${path}.new`, 'w', 0o640)
      try {
        await file.writeFile(records.used())
        await file.sync()
      } finally {
        await file.close()
      }
      if (this.#closed) return
      await rename(`${path}.new`, path)
      const folder = await open(dirname(path), 'r')
      await folder.sync().finally(() => folder.close())
      if (this.#closed) return
      if (this.#file >= 0) closeSync(this.#file)
      this.#file = -1
      this.#file = openSync(path, 'r+')
      this.#end = records.count * HISTORY_RECORD_BYTES
      this.#aside = 'nothing'
      if (wasBroken) this.#options.onLog(`${path} is written again`)
      this.flush()
    } catch (error) {
      this.#aside = 'nothing'
      this.#broken = wasBroken
      this.#fail(error)
    }
  }

  /** Forgets everything, on disk too: the file is of another journal. */
  clear(): void {
    this.#pending.count = 0
    if (this.#file < 0) return
    try {
      ftruncateSync(this.#file, HISTORY_RECORD_BYTES)
      fdatasyncSync(this.#file)
      this.#end = HISTORY_RECORD_BYTES
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The last checkpoint, done before it returns. */
  close(mark: LogMark): void {
    this.#closed = true
    // A renewal is given up: what it would have marked is rebuilt at the next start.
    if (this.#aside !== 'renewal' && !this.#broken && this.#file >= 0) {
      this.flush()
      try {
        const end = this.#end
        fdatasyncSync(this.#file)
        const last = new Records(1)
        last.mark(mark, end)
        this.#write(last.used())
        fdatasyncSync(this.#file)
      } catch (error) {
        this.#fail(error)
      }
    }
    if (this.#file >= 0) closeSync(this.#file)
    this.#file = -1
  }
}
