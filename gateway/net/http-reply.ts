/**
 * One answer over HTTP: status, headers, body, exactly once. A HEAD gets the headers of its GET; a page of
 * another origin may read public answers where `corsOrigins` names it. An answer may come after the client
 * has gone: then nothing may be written.
 *
 * A request whose answer has to wait stops the reading of its connection until it is answered, because
 * uWebSockets.js cuts a connection that sends a request while one is open. What came in one packet with it
 * is beyond that.
 *
 * An answer that its client does not read is held here until the kernel has all of it, counts as a connection of its
 * address for so long, and its bytes are bounded with those of all who read too little (unsent.ts). Whoever takes
 * nothing of it for ten seconds is cut; so is, by uWebSockets.js, who sends a request meanwhile, for a connection whose
 * reading is stopped is not written to either. (node:http lets the request wait.)
 */
import { LAST_BYTES_MAX } from '../limits.js'
import { packJson } from '../../sdk/wire/codec.js'
import { errorName } from '../../sdk/wire/codes.js'
import { httpStatus } from '../../sdk/wire/http.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { Unread } from '../connections/unsent.js'
import type { HttpRequest, HttpResponse } from '../sockets/backend.js'
import type { RequestError } from '../protocol/request-error.js'

export const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: '200 OK',
  204: '204 No Content',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  413: '413 Content Too Large',
  415: '415 Unsupported Media Type',
  426: '426 Upgrade Required',
  429: '429 Too Many Requests',
  431: '431 Request Header Fields Too Large',
  503: '503 Service Unavailable',
}

/**
 * Told the code of the error that a request of `ip` ends with, and whether its connection `ends` too; answers whether
 * the error is to be told.
 */
export type OnRefused = (ip: string, code: number, ends: boolean) => boolean

export class Reply implements Unread {
  readonly ip: string
  readonly #response: HttpResponse
  readonly #head: boolean
  readonly #headers: [name: string, value: string][] = [['cache-control', 'no-store']]
  readonly #onEnd: (() => void)[] = []
  readonly #onLeft: ((isKept: boolean) => void)[] = []
  readonly #onRefused: OnRefused
  /** Answers that are held; this one among them while it is. */
  readonly #held: Set<Unread>
  /** Of the body that is held. */
  #heldBytes = 0
  /** The connection ends with the answer. */
  closes = false
  #done = false
  #waits = false
  #hasLeft = false
  #isKept = false

  constructor(
    response: HttpResponse,
    request: HttpRequest,
    ip: string,
    onRefused: OnRefused,
    held: Set<Unread>,
  ) {
    this.#onRefused = onRefused
    this.#held = held
    this.#response = response
    this.#head = request.getMethod() === 'head'
    this.ip = ip
    response.onAborted(() => {
      this.#end()
      this.#leave()
    })
  }

  /** Whether it has been answered, or nobody is there to be answered. */
  get done(): boolean {
    return this.#done
  }

  header(name: string, value: string): void {
    this.#headers.push([name, value])
  }

  /** Called once, when it is answered or the client has gone. */
  onEnd(callback: () => void): void {
    this.#onEnd.push(callback)
  }

  /**
   * Called once, behind `onEnd`: nothing of the answer is held any more. `isKept`: its connection is open from now on,
   * whatever was said of it when it was answered.
   */
  onLeft(callback: (isKept: boolean) => void): void {
    this.#onLeft.push(callback)
  }

  /** Bytes of the answer that its client has not read, as far as this thread keeps them. */
  get unsentBytes(): number {
    return this.#held.has(this) ? this.#heldBytes - this.#response.getWriteOffset() : 0
  }

  /** Ends the connection of an answer that is held; its client hears no more words. */
  close(): void {
    if (this.#held.has(this)) this.#response.close()
  }

  /** The answer comes later: the client's next request is read after it. */
  wait(): void {
    if (this.#done || this.#waits) return
    this.#waits = true
    this.#response.pause()
  }

  send(status: number, type: string, body: string | Uint8Array, close = false): void {
    if (this.#done) return
    this.#end()
    const response = this.#response
    if (this.#waits) response.resume()
    response.cork(() => {
      response.writeStatus(STATUS_TEXT[status] ?? STATUS_TEXT[503]!)
      if (type !== '') response.writeHeader('content-type', type)
      for (const [name, value] of this.#headers) response.writeHeader(name, value)
      if (this.#head && !close) {
        response.writeHeader('content-length', String(Buffer.byteLength(body)))
        // With arguments it would write a length of its own, or nothing at all.
        response.endWithoutBody()
        this.#leave()
        // It cannot end a connection: only an answer with a body does, be it an empty one.
      } else this.#write(this.#head ? '' : body, close || this.closes)
    })
  }

  #write(body: string | Uint8Array, closes: boolean): void {
    const response = this.#response
    const bytes = Buffer.byteLength(body)
    if (bytes === 0 || (closes && bytes <= LAST_BYTES_MAX)) {
      response.end(body, closes)
      this.#leave()
      return
    }
    // It cannot be the last by itself: the client is asked to end the connection, which counts until it does.
    this.#isKept = closes
    if (closes) response.writeHeader('connection', 'close')
    const [, hasLeft] = response.tryEnd(body, bytes)
    if (hasLeft) this.#leave()
    else this.#hold(typeof body === 'string' ? Buffer.from(body) : body)
  }

  /** Keeps what the kernel has not taken. */
  #hold(body: Uint8Array): void {
    const response = this.#response
    this.#heldBytes = body.length
    this.#held.add(this)
    response.onWritable((offset) => {
      const [isTaken, hasLeft] = response.tryEnd(body.subarray(offset), body.length)
      if (hasLeft) this.#leave()
      return isTaken
    })
  }

  #leave(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    const wasHeld = this.#held.delete(this)
    for (const callback of this.#onLeft) callback(wasHeld || this.#isKept)
  }

  json(status: number, value: WireValue): void {
    this.send(status, 'application/json', packJson(value))
  }

  /**
   * Refuses; `close` also ends the connection, where what follows cannot be understood. So does what is refused for
   * its rate: who does not wait pays with a connection for each.
   */
  error({ code, message, retryAfter }: RequestError, close = false): void {
    const status = httpStatus(code)
    const ends = close || status === 429
    if (!this.#onRefused(this.ip, code, ends)) {
      if (!this.#done) this.#response.close()
      return
    }
    if (retryAfter !== undefined) this.header('retry-after', String(Math.ceil(retryAfter / 1000)))
    const body = packJson({ code, name: errorName(code), message, retryAfter })
    this.send(status, 'application/json', body, ends)
  }

  /**
   * Refuses a request whose end nobody knows for certain, in a later turn: whatever stands behind it in its packet
   * has ended the connection by then, unanswered.
   */
  refuseLast(error: RequestError): void {
    this.wait()
    setImmediate(() => this.error(error, true))
  }

  #end(): void {
    if (this.#done) return
    this.#done = true
    for (const callback of this.#onEnd) callback()
  }
}
