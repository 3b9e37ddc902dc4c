/**
 * What sessions remember of their frames: for each of the FRAME_NONCE_WINDOW highest nonces the first seq,
 * the count and a reject code a command. A window is some 8 KB, so a session has one only while it trades:
 * it is given with the first frame, and may be taken back once FRAME_WINDOW_IDLE_MS have passed since the
 * last, or when another session trades and no other is free. Which nonces are
 * still taken: nonce-windows.ts.
 *
 *   entry   window * FRAME_NONCE_WINDOW + nonce % FRAME_NONCE_WINDOW: distinct within any window
 *   chunk   the entries of CHUNK_WINDOWS windows; made when first needed, so memory follows use
 *   list    windows given out, by the seq of their latest frame; `head` is idle for longest
 *
 * Called by sessions.ts, nonce-windows.ts and the snapshot.
 */
import { FRAME_COMMANDS_MAX, FRAME_NONCE_WINDOW } from '../../limits.js'

const CHUNK_WINDOWS = 64
const CHUNK_ENTRIES = CHUNK_WINDOWS * FRAME_NONCE_WINDOW
const NONE = -1

interface Chunk {
  /** nonce + 1; 0 = unused. */
  readonly nonces: Float64Array
  readonly firstSeqs: Float64Array
  readonly counts: Uint8Array
  /** FRAME_COMMANDS_MAX an entry. */
  readonly codes: Uint8Array
}

export class FrameWindows {
  readonly capacity: number
  /** Oldest and youngest window that is given out; -1 = none is. */
  head = NONE
  private tail = NONE
  /** Windows at or above this were never given. */
  private end = 0
  private free = NONE
  private readonly next: Int32Array
  private readonly previous: Int32Array
  /** Session slot of each window that is given out. */
  private readonly slots: Int32Array
  /** Seq of each window's latest frame. */
  private readonly latest: Float64Array
  private readonly chunks: Chunk[] = []

  constructor(capacity: number) {
    this.capacity = capacity
    this.next = new Int32Array(capacity)
    this.previous = new Int32Array(capacity)
    this.slots = new Int32Array(capacity)
    this.latest = new Float64Array(capacity)
  }

  /** Bytes of all tables as they are now. */
  get bytes(): number {
    const lists =
      this.next.byteLength + this.previous.byteLength + this.slots.byteLength + this.latest.byteLength
    return (
      lists +
      this.chunks.length *
        CHUNK_ENTRIES *
        (2 * Float64Array.BYTES_PER_ELEMENT + 1 + FRAME_COMMANDS_MAX * Uint8Array.BYTES_PER_ELEMENT)
    )
  }

  /** Seq of a window's latest frame. */
  latestSeq(window: number): number {
    return this.latest[window]!
  }

  /** Session that has a window. */
  slotOf(window: number): number {
    return this.slots[window]!
  }

  /** True when `give` would find a window. */
  get hasFree(): boolean {
    return this.free !== NONE || this.end < this.capacity
  }

  /** Gives a session an empty window, the youngest. The caller has made sure that one is free. */
  give(slot: number): number {
    let window = this.free
    if (window === NONE) window = this.end++
    else this.free = this.next[window]!
    const chunk = Math.floor(window / CHUNK_WINDOWS)
    if (chunk === this.chunks.length) this.chunks.push(newChunk())
    this.slots[window] = slot
    this.append(window)
    this.clear(window)
    return window
  }

  /** Takes a window back. */
  take(window: number): void {
    this.unlink(window)
    this.next[window] = this.free
    this.free = window
  }

  /** Makes a window the youngest. */
  touch(window: number): void {
    if (window === this.tail) return
    this.unlink(window)
    this.append(window)
  }

  /** Forgets every nonce of a window. */
  clear(window: number): void {
    const { nonces } = this.chunks[Math.floor(window / CHUNK_WINDOWS)]!
    const at = (window % CHUNK_WINDOWS) * FRAME_NONCE_WINDOW
    nonces.fill(0, at, at + FRAME_NONCE_WINDOW)
    this.latest[window] = 0
  }

  /** Where a nonce stands in a window. */
  entryOf(window: number, nonce: number): number {
    return window * FRAME_NONCE_WINDOW + (nonce % FRAME_NONCE_WINDOW)
  }

  /** Nonce + 1 of an entry; 0 = unused. */
  nonce(entry: number): number {
    return this.chunk(entry).nonces[entry % CHUNK_ENTRIES]!
  }

  firstSeq(entry: number): number {
    return this.chunk(entry).firstSeqs[entry % CHUNK_ENTRIES]!
  }

  count(entry: number): number {
    return this.chunk(entry).counts[entry % CHUNK_ENTRIES]!
  }

  /** A copy of an entry's codes, one a command. */
  codes(entry: number): Uint8Array {
    const from = (entry % CHUNK_ENTRIES) * FRAME_COMMANDS_MAX
    return this.chunk(entry).codes.slice(from, from + this.count(entry))
  }

  /** Makes an entry anew, its codes all 0. */
  set(entry: number, noncePlusOne: number, firstSeq: number, count: number): void {
    const chunk = this.chunk(entry)
    const at = entry % CHUNK_ENTRIES
    chunk.nonces[at] = noncePlusOne
    chunk.firstSeqs[at] = firstSeq
    chunk.counts[at] = count
    const window = Math.floor(entry / FRAME_NONCE_WINDOW)
    this.latest[window] = Math.max(this.latest[window]!, firstSeq)
    chunk.codes.fill(0, at * FRAME_COMMANDS_MAX, (at + 1) * FRAME_COMMANDS_MAX)
  }

  setCode(entry: number, index: number, code: number): void {
    this.chunk(entry).codes[(entry % CHUNK_ENTRIES) * FRAME_COMMANDS_MAX + index] = code
  }

  private chunk(entry: number): Chunk {
    return this.chunks[Math.floor(entry / CHUNK_ENTRIES)]!
  }

  private append(window: number): void {
    this.next[window] = NONE
    this.previous[window] = this.tail
    if (this.tail === NONE) this.head = window
    else this.next[this.tail] = window
    this.tail = window
  }

  private unlink(window: number): void {
    const next = this.next[window]!
    const previous = this.previous[window]!
    if (previous === NONE) this.head = next
    else this.next[previous] = next
    if (next === NONE) this.tail = previous
    else this.previous[next] = previous
  }
}

function newChunk(): Chunk {
  return {
    nonces: new Float64Array(CHUNK_ENTRIES),
    firstSeqs: new Float64Array(CHUNK_ENTRIES),
    counts: new Uint8Array(CHUNK_ENTRIES),
    codes: new Uint8Array(CHUNK_ENTRIES * FRAME_COMMANDS_MAX),
  }
}
