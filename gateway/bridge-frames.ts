/**
 * What a gateway in a process of its own and the exchange say to each other over a local socket: ring
 * messages as they are, and the messages of messages.ts as JSON.
 *
 *   uint32 LE   length of the body in bytes
 *   uint32 LE   BridgeFrame
 *   body        padded with zeros to a multiple of 8 is what a ring takes; on the socket it is not padded
 */
export const BridgeFrame = {
  /** A message of the inbound or outbound ring. */
  Ring: 0,
  /** UTF-8 JSON: first what the exchange is (BridgeHello), then ToGateway or FromGateway. */
  Json: 1,
  /** Exchange -> gateway, before the ring messages that it covers: durable seq (f64 LE), journal head (32 bytes). */
  Durable: 2,
} as const

const HEADER_BYTES = 8
/** The largest answer piece or applied chunk is far below; more is a broken peer. */
const BODY_BYTES_MAX = 8 << 20

/** A frame's bytes. */
export function bridgeFrame(type: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length)
  frame.writeUInt32LE(body.length, 0)
  frame.writeUInt32LE(type, 4)
  frame.set(body, HEADER_BYTES)
  return frame
}

export const jsonFrame = (value: unknown): Buffer =>
  bridgeFrame(BridgeFrame.Json, Buffer.from(JSON.stringify(value)))

/** How far the journal is durable, and its hash chain there. */
export function durableFrame({ seq, head }: { seq: number; head: Uint8Array }): Buffer {
  const body = Buffer.alloc(8 + head.length)
  body.writeDoubleLE(seq)
  body.set(head, 8)
  return bridgeFrame(BridgeFrame.Durable, body)
}

export function readDurable(body: Buffer): { seq: number; head: Uint8Array } {
  return { seq: body.readDoubleLE(0), head: body.subarray(8) }
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
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (data.length >= HEADER_BYTES) {
      const length = data.readUInt32LE(0)
      if (length > BODY_BYTES_MAX)
        throw new RangeError(`bridge: frame of ${length} bytes, at most ${BODY_BYTES_MAX}`)
      if (data.length < HEADER_BYTES + length) break
      this.#onFrame(data.readUInt32LE(4), data.subarray(HEADER_BYTES, HEADER_BYTES + length))
      data = data.subarray(HEADER_BYTES + length)
    }
    this.#rest = data
  }
}
