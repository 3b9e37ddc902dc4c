/**
 * One WebSocket to the exchange: requests and their answers, streams' messages, the end. Knows nothing of
 * reconnecting; connection.ts opens a new one for that.
 *
 * A line that is dead without an end is noticed: after half of `silenceMs` without a word the exchange is
 * asked for its time, after the whole of it the socket ends. No request stays open for longer than
 * `requestTimeoutMs`. Both are counted in ticks of one timer, not by the clock: a process that slept or was
 * busy first reads what has come meanwhile.
 */
import { WebSocket } from 'isows'
import type { GlassbookError } from '../base/errors.js'
import { OutcomeUnknownError, TransportError, errorOf } from '../base/errors.js'
import { withAdvice } from '../money/explain.js'
import { ErrorCode, closeCode } from '../wire/codes.js'
import { type Codec, codecOf } from '../wire/codec.js'
import {
  FieldError,
  readArray,
  readBytes,
  readInt,
  readObject,
  readSafeInt,
  readString,
} from '../wire/fields.js'
import { CHALLENGE_BYTES, Kind, Method } from '../wire/layout.js'
import { MalformedMessage, type WireValue } from '../wire/msgpack.js'

/** What the server says first. */
export interface Hello {
  readonly version: number
  readonly epoch: number
  /** Engine time. */
  readonly timeMs: number
  readonly challenge: Uint8Array
  readonly chainId: number
  readonly vault: `0x${string}`
  readonly settlement: `0x${string}`
  readonly signedFrames: boolean
  /** The operator's key for receipts, SEC1 compressed; absent where the exchange gives none. */
  readonly receiptKey: Uint8Array | undefined
}

export interface SocketHandler {
  /** An event, a snapshot or a control message. */
  message(message: readonly WireValue[]): void
  /** The socket has ended; every open request has been rejected. */
  closed(error: GlassbookError): void
}

export interface SocketOptions {
  readonly url: string
  readonly subprotocol: string
  /** Until the exchange has said hello. */
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly silenceMs: number
}

interface OpenRequest {
  /** Tick in which it was sent. */
  readonly sentTick: number
  readonly resolve: (result: WireValue) => void
  readonly reject: (error: GlassbookError) => void
  /** The request changes state: without an answer its outcome is unknown. */
  readonly command: boolean
}

const OPEN = 1
/** Ticks in the shorter of the two times that are watched. */
const TICKS = 4

export class Socket {
  readonly hello: Promise<Hello>
  readonly #socket: WebSocket
  readonly #codec: Codec
  readonly #handler: SocketHandler
  readonly #requests = new Map<number, OpenRequest>()
  readonly #options: SocketOptions
  readonly #tickMs: number
  readonly #watch: ReturnType<typeof setInterval>
  readonly #connectTimer: ReturnType<typeof setTimeout>
  #nextId = 0
  #closed = false
  #greeted = false
  #failure = ''
  #tick = 0
  #heardTick = 0
  #heardAtMs = performance.now()
  #onHello!: (hello: Hello) => void
  #onRefused!: (error: GlassbookError) => void

  constructor(options: SocketOptions, handler: SocketHandler) {
    const codec = codecOf(options.subprotocol)
    if (codec === undefined) throw new RangeError(`no subprotocol ${options.subprotocol}`)
    this.#codec = codec
    this.#handler = handler
    this.#options = options
    this.hello = new Promise((resolve, reject) => {
      this.#onHello = resolve
      this.#onRefused = reject
    })
    // Whoever awaits hello learns of the failure; nobody need.
    this.hello.catch(() => {})
    const socket = new WebSocket(options.url, options.subprotocol)
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }: MessageEvent) => this.#receive(data))
    socket.addEventListener('close', ({ code, reason }: CloseEvent) => this.#end(code, reason))
    socket.addEventListener('error', (event: Event) => {
      // Node says why; browsers do not.
      const { message } = event as { message?: unknown }
      if (typeof message === 'string') this.#failure = message
    })
    this.#socket = socket
    this.#tickMs = Math.min(options.silenceMs, options.requestTimeoutMs) / TICKS
    this.#watch = setInterval(() => this.#look(), this.#tickMs)
    this.#connectTimer = setTimeout(
      () =>
        this.#give(
          ErrorCode.IdleTimeout,
          `the exchange has not said hello within ${options.connectTimeoutMs} ms`,
        ),
      options.connectTimeoutMs,
    )
  }

  /** When the exchange was last heard of, of performance.now(). */
  get heardAtMs(): number {
    return this.#heardAtMs
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
   * @throws GlassbookError of the server's code; OutcomeUnknownError when the socket ends, or the time is up,
   * before the answer to a `command`; TransportError before any other answer.
   */
  request(method: string, params: readonly WireValue[], { command = false } = {}): Promise<WireValue> {
    if (!this.isOpen) return Promise.reject(notConnected(this.#options.url))
    const id = this.#nextId
    this.#nextId = id === 0x7fffffff ? 0 : id + 1
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { sentTick: this.#tick, resolve, reject, command })
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

  /** Ends at once, because the other side does not keep its word. */
  #give(code: number, why: string): void {
    this.#end(closeCode(code), why)
    // A line that is dead would never answer a close; browsers have nothing but that.
    const socket = this.#socket as WebSocket & { terminate?: () => void }
    if (code === ErrorCode.IdleTimeout && socket.terminate !== undefined) socket.terminate()
    else socket.close()
  }

  #look(): void {
    this.#tick++
    const { silenceMs, requestTimeoutMs } = this.#options
    const expired = Math.ceil(requestTimeoutMs / this.#tickMs)
    // In the order in which they were sent.
    for (const [id, request] of this.#requests) {
      if (this.#tick - request.sentTick <= expired) break
      this.#requests.delete(id)
      request.reject(unanswered(request, `no answer within ${requestTimeoutMs} ms`, ErrorCode.RequestTimeout))
    }
    if (!this.#greeted) return
    const silentTicks = this.#tick - this.#heardTick
    const ticks = Math.ceil(silenceMs / this.#tickMs)
    if (silentTicks > ticks) this.#give(ErrorCode.IdleTimeout, `nothing was heard for ${silenceMs} ms`)
    else if (silentTicks === Math.ceil(ticks / 2) && this.isOpen)
      this.request(Method.Time, []).catch(() => {})
  }

  #receive(data: unknown): void {
    if (this.#closed) return
    this.#heardTick = this.#tick
    this.#heardAtMs = performance.now()
    try {
      const bytes = typeof data === 'string' ? data : new Uint8Array(data as ArrayBuffer)
      this.#dispatch(readArray(this.#codec.decode(bytes), 'message', 2, 64))
    } catch (error) {
      if (!(error instanceof MalformedMessage || error instanceof FieldError)) throw error
      // What cannot be read cannot be skipped either: end, and come back to a known state.
      this.#give(ErrorCode.MalformedMessage, error.message)
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
      case Kind.Hello: {
        const hello = helloOf(message)
        this.#greeted = true
        clearTimeout(this.#connectTimer)
        this.#onHello(hello)
        break
      }
      default:
        this.#handler.message(message)
        break
    }
  }

  #error(message: readonly WireValue[]): void {
    const code = readInt(message[2], 'code', 0, 9999)
    const body = readObject(message[3], 'error')
    const told = typeof body['message'] === 'string' ? body['message'] : 'the exchange refused this'
    const error = errorOf(code, withAdvice(told, code), {
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
    clearInterval(this.#watch)
    clearTimeout(this.#connectTimer)
    const error = this.#endError(ended, reason)
    this.#onRefused(error)
    for (const request of this.#requests.values())
      request.reject(unanswered(request, error.shortMessage, error.code, error))
    this.#requests.clear()
    this.#handler.closed(error)
  }

  #endError(ended: number, reason: string): GlassbookError {
    const { url } = this.#options
    const why = reason === '' ? this.#failure : reason
    // A close code that the exchange chose carries its protocol code; others are the line's.
    const told = ended >= 4000 && ended < 5000 ? ended - 3000 : undefined
    const because = why === '' ? '' : `: ${why}`
    if (!this.#greeted) {
      const message = `cannot connect to ${url}${because}; check the address, and that the exchange runs there`
      return new TransportError(message, { code: told ?? ErrorCode.CannotConnect })
    }
    return new TransportError(`the connection to ${url} ended${because}`, {
      code: told ?? ErrorCode.ConnectionLost,
    })
  }
}

/** What a request is told that gets no answer. */
function unanswered(
  { command }: OpenRequest,
  why: string,
  code: number,
  cause: GlassbookError = new TransportError(why, { code }),
): GlassbookError {
  if (!command) return cause
  const message = `${why}, before the answer: it is not known whether the commands were taken; await "outcome"`
  return new OutcomeUnknownError(message, { code: ErrorCode.OutcomeUnknown, cause })
}

export const notConnected = (url: string): TransportError =>
  new TransportError(
    `not connected to ${url}, nothing was sent; call connect, or wait for state "open" where the client comes back by itself`,
    {
      code: ErrorCode.NotConnected,
    },
  )

function helloOf(message: readonly WireValue[]): Hello {
  const details = readObject(message[5], 'hello')
  return {
    version: readInt(message[1], 'version', 1, 1000),
    epoch: readSafeInt(message[2], 'epoch'),
    timeMs: readSafeInt(message[3], 'timeMs'),
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
