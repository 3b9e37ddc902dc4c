/**
 * One WebSocket to the exchange: requests and their answers, streams' messages, the end. Knows nothing of
 * reconnecting; client.ts opens a new one for that.
 */
import { WebSocket } from 'isows'
import type { GlassbookError } from './errors.js'
import { OutcomeUnknownError, TransportError, errorOf } from './errors.js'
import { ErrorCode, closeCode } from './wire/codes.js'
import { type Codec, codecOf } from './wire/codec.js'
import {
  FieldError,
  readArray,
  readBytes,
  readInt,
  readObject,
  readSafeInt,
  readString,
} from './wire/fields.js'
import { CHALLENGE_BYTES, Kind } from './wire/layout.js'
import { MalformedMessage, type WireValue } from './wire/msgpack.js'

/** What the server says first. */
export interface Hello {
  readonly version: number
  readonly epoch: number
  readonly serverTimeMs: number
  readonly challenge: Uint8Array
  readonly chainId: number
  readonly vault: `0x${string}`
  readonly settlement: `0x${string}`
  readonly signedFrames: boolean
  /** The operator's key for receipts, SEC1 compressed; absent where the venue gives none. */
  readonly receiptKey: Uint8Array | undefined
}

export interface SocketHandler {
  /** An event, a snapshot or a control message. */
  message(message: readonly WireValue[]): void
  /** The socket has ended; every open request has been rejected. */
  closed(error: GlassbookError): void
}

interface OpenRequest {
  readonly resolve: (result: WireValue) => void
  readonly reject: (error: GlassbookError) => void
  /** The request changes state: without an answer its outcome is unknown. */
  readonly command: boolean
}

const OPEN = 1

export class Socket {
  readonly hello: Promise<Hello>
  readonly #socket: WebSocket
  readonly #codec: Codec
  readonly #handler: SocketHandler
  readonly #requests = new Map<number, OpenRequest>()
  #nextId = 0
  #closed = false
  #onHello!: (hello: Hello) => void
  #onRefused!: (error: GlassbookError) => void

  constructor(url: string, subprotocol: string, handler: SocketHandler) {
    const codec = codecOf(subprotocol)
    if (codec === undefined) throw new RangeError(`no subprotocol ${subprotocol}`)
    this.#codec = codec
    this.#handler = handler
    this.hello = new Promise((resolve, reject) => {
      this.#onHello = resolve
      this.#onRefused = reject
    })
    // Whoever awaits hello learns of the failure; nobody need.
    this.hello.catch(() => {})
    const socket = new WebSocket(url, subprotocol)
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }: MessageEvent) => this.#receive(data))
    socket.addEventListener('close', ({ code, reason }: CloseEvent) => this.#end(code, reason))
    socket.addEventListener('error', () => {})
    this.#socket = socket
  }

  get isOpen(): boolean {
    return !this.#closed && this.#socket.readyState === OPEN
  }

  /** Bytes handed over that have not left this process. */
  get unsentBytes(): number {
    return this.#socket.bufferedAmount
  }

  /**
   * Sends a request and resolves with its result.
   * @throws GlassbookError of the server's code; OutcomeUnknownError when the socket ends before the
   * answer to a `command`; TransportError when it ends before any other answer.
   */
  request(method: string, params: readonly WireValue[], { command = false } = {}): Promise<WireValue> {
    if (!this.isOpen) {
      return Promise.reject(
        new TransportError('not connected; nothing was sent', { code: ErrorCode.ShuttingDown }),
      )
    }
    const id = this.#nextId
    this.#nextId = id === 0x7fffffff ? 0 : id + 1
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject, command })
      this.#socket.send(this.#codec.encode([Kind.Request, id, method, params]))
    })
  }

  close(): void {
    this.#socket.close()
  }

  /** Ends at once, as if the network had: whatever still comes is not looked at. */
  drop(): void {
    this.#end(1006, 'dropped')
    this.#socket.close()
  }

  #receive(data: unknown): void {
    if (this.#closed) return
    try {
      const bytes = typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer)
      this.#dispatch(readArray(this.#codec.decode(bytes), 'message', 2, 64))
    } catch (error) {
      if (!(error instanceof MalformedMessage || error instanceof FieldError)) throw error
      // What cannot be read cannot be skipped either: end, and come back to a known state.
      this.#end(closeCode(ErrorCode.MalformedMessage), error.message)
      this.#socket.close()
    }
  }

  #dispatch(message: readonly WireValue[]): void {
    switch (message[0]) {
      case Kind.Result: {
        const id = readInt(message[1], 'id', 0, 0x7fffffff)
        this.#requests.get(id)?.resolve(message[2] ?? null)
        this.#requests.delete(id)
        break
      }
      case Kind.Error:
        this.#error(message)
        break
      case Kind.Hello:
        this.#onHello(helloOf(message))
        break
      default:
        this.#handler.message(message)
        break
    }
  }

  #error(message: readonly WireValue[]): void {
    const code = readInt(message[2], 'code', 0, 9999)
    const body = readObject(message[3], 'error')
    const error = errorOf(code, typeof body['message'] === 'string' ? body['message'] : 'refused', {
      details: body['details'],
      retryAfter: typeof body['retryAfter'] === 'number' ? body['retryAfter'] : undefined,
    })
    if (typeof message[1] !== 'number') return
    this.#requests.get(message[1])?.reject(error)
    this.#requests.delete(message[1])
  }

  #end(ended: number, reason: string): void {
    if (this.#closed) return
    this.#closed = true
    const why = reason === '' ? `close code ${ended}` : `${reason}, close code ${ended}`
    const code = ended >= 4000 && ended < 5000 ? ended - 3000 : ErrorCode.ShuttingDown
    const error = new TransportError(`the connection ended: ${why}`, { code })
    this.#onRefused(error)
    for (const { reject, command } of this.#requests.values()) {
      reject(
        command
          ? new OutcomeUnknownError('the connection ended before the answer', {
              code: ErrorCode.OutcomeUnknown,
              cause: error,
            })
          : error,
      )
    }
    this.#requests.clear()
    this.#handler.closed(error)
  }
}

function helloOf(message: readonly WireValue[]): Hello {
  const details = readObject(message[5], 'hello')
  return {
    version: readInt(message[1], 'version', 1, 1000),
    epoch: readSafeInt(message[2], 'epoch'),
    serverTimeMs: readSafeInt(message[3], 'serverTimeMs'),
    challenge: readBytes(message[4], 'challenge', CHALLENGE_BYTES).slice(),
    chainId: readSafeInt(details['chainId'], 'chainId'),
    vault: readString(details['vault'], 'vault') as `0x${string}`,
    settlement: readString(details['settlement'], 'settlement') as `0x${string}`,
    signedFrames: details['signedFrames'] === true,
    receiptKey:
      details['receiptKey'] === undefined
        ? undefined
        : readBytes(details['receiptKey'], 'receiptKey', 33).slice(),
  }
}
