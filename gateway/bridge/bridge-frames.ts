/**
 * What a gateway in a process of its own and the exchange say to each other over a local socket: ring
 * messages as they are, and the messages of messages.ts as JSON.
 *
 *   uint32 LE   length of the body in bytes
 *   uint32 LE   BridgeFrame
 *   body        padded with zeros to a multiple of 8 is what a ring takes; on the socket it is not padded
 */
import type { Writable } from 'node:stream'
import { BRIDGE_BODY_BYTES_MAX, BRIDGE_SLAB_BYTES } from '../limits.js'

export const BridgeFrame = {
  /** A message of the inbound or outbound ring. */
  Ring: 0,
  /** UTF-8 JSON: first what the exchange is (BridgeHello), then ToGateway or FromGateway. */
  Json: 1,
  /**
   * Exchange -> gateway, before the ring messages that it covers: durable seq, sequenced seq (f64 LE each), journal
   * head at the durable one (32 bytes).
   */
  Durable: 2,
} as const

export const BRIDGE_HEADER_BYTES = 8

function writeHeader(frame: Buffer, type: number, length: number): void {
  frame.writeUInt32LE(length, 0)
  frame.writeUInt32LE(type, 4)
}

/** A frame's bytes. */
function bridgeFrame(type: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(BRIDGE_HEADER_BYTES + body.length)
  writeHeader(frame, type, body.length)
  frame.set(body, BRIDGE_HEADER_BYTES)
  return frame
}

export const jsonFrame = (value: unknown): Buffer =>
  bridgeFrame(BridgeFrame.Json, Buffer.from(JSON.stringify(value)))

/** How far the journal is: durable, with its hash chain there, and sequenced. */
export interface JournalReach {
  readonly durableSeq: number
  readonly sequencedSeq: number
  readonly head: Uint8Array
}

export function durableFrame({ durableSeq, sequencedSeq, head }: JournalReach): Buffer {
  const body = Buffer.alloc(16 + head.length)
  body.writeDoubleLE(durableSeq)
  body.writeDoubleLE(sequencedSeq, 8)
  body.set(head, 16)
  return bridgeFrame(BridgeFrame.Durable, body)
}

export function readDurable(body: Buffer): JournalReach {
  return { durableSeq: body.readDoubleLE(0), sequencedSeq: body.readDoubleLE(8), head: body.subarray(16) }
}

/** Frames of ring messages one behind the other, copied once, so that a turn's messages leave in one write. */
export class RingFrames {
  #slab = Buffer.allocUnsafeSlow(BRIDGE_SLAB_BYTES)
  #from = 0
  #to = 0
  #full: Buffer[] = []

  /** Adds the `length` bytes of `bytes` at `at`. The frame that comes back stays as it is. */
  add(bytes: Uint8Array, at: number, length: number): Buffer {
    const size = BRIDGE_HEADER_BYTES + length
    if (this.#to + size > this.#slab.length) {
      if (this.#to > this.#from) this.#full.push(this.#slab.subarray(this.#from, this.#to))
      this.#slab = Buffer.allocUnsafeSlow(Math.max(BRIDGE_SLAB_BYTES, size))
      this.#from = this.#to = 0
    }
    const frame = this.#slab.subarray(this.#to, this.#to + size)
    writeHeader(frame, BridgeFrame.Ring, length)
    frame.set(bytes.subarray(at, at + length), BRIDGE_HEADER_BYTES)
    this.#to += size
    return frame
  }

  /** What was added since the last call, in few pieces. */
  take(): Buffer[] {
    const pieces = this.#full
    if (this.#to > this.#from) pieces.push(this.#slab.subarray(this.#from, this.#to))
    this.#from = this.#to
    this.#full = []
    return pieces
  }
}

/** Writes pieces in one system call, where the socket takes them at all. */
export function writeTogether(socket: Writable, pieces: readonly Buffer[]): void {
  if (pieces.length === 0) return
  socket.cork()
  for (const piece of pieces) socket.write(piece)
  socket.uncork()
}

/** Splits a byte stream into frames; bodies are valid during the call. */
export class BridgeInbox {
  #rest: Buffer = Buffer.alloc(0)
  readonly #onFrame: (type: number, body: Buffer) => void

  constructor(onFrame: (type: number, body: Buffer) => void) {
    this.#onFrame = onFrame
  }

  /** @throws RangeError for a frame that no peer of ours sends. */
  push(chunk: Buffer): void {
    const data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (data.length - at >= BRIDGE_HEADER_BYTES) {
      const length = data.readUInt32LE(at)
      if (length > BRIDGE_BODY_BYTES_MAX)
        throw new RangeError(`bridge: frame of ${length} bytes, at most ${BRIDGE_BODY_BYTES_MAX}`)
      const from = at + BRIDGE_HEADER_BYTES
      if (data.length < from + length) break
      this.#onFrame(data.readUInt32LE(at + 4), data.subarray(from, from + length))
      at = from + length
    }
    this.#rest = data.subarray(at)
  }
}
