/**
 * One answer over HTTP: status, headers, body, exactly once. A HEAD gets the headers of its GET; a page of
 * another origin may read public answers where `corsOrigins` names it. An answer may come after the client
 * has gone: then nothing may be written.
 *
 * A request whose answer has to wait stops the reading of its connection until it is answered, because
 * uWebSockets.js cuts a connection that sends a request while one is open. What came in one packet with it
 * is beyond that.
 */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { packJson } from '../sdk/wire/codec.js'
import { errorName } from '../sdk/wire/codes.js'
import { httpStatus } from '../sdk/wire/http.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { addressKey } from './addresses.js'
import type { RequestError } from './request-error.js'

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

export class Reply {
  readonly ip: string
  readonly #response: HttpResponse
  readonly #head: boolean
  readonly #headers: [name: string, value: string][] = [['cache-control', 'no-store']]
  readonly #onEnd: (() => void)[] = []
  readonly #onRefused: (code: number, ip: string) => void
  /** The connection ends with the answer. */
  closes = false
  #done = false
  #waits = false

  /** `onRefused` is told the code of the error that it ends with, and whose request it was. */
  constructor(response: HttpResponse, request: HttpRequest, onRefused: (code: number, ip: string) => void) {
    this.#onRefused = onRefused
    this.#response = response
    this.#head = request.getMethod() === 'head'
    this.ip = addressKey(response.getRemoteAddress())
    response.onAborted(() => this.#end())
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
      if (this.#head) {
        response.writeHeader('content-length', String(Buffer.byteLength(body)))
        // With arguments it would write a length of its own, or nothing at all.
        response.endWithoutBody()
      } else response.end(body, close || this.closes)
    })
  }

  json(status: number, value: WireValue): void {
    this.send(status, 'application/json', packJson(value))
  }

  /** Refuses; `close` also ends the connection, where what follows cannot be understood. */
  error({ code, message, retryAfter }: RequestError, close = false): void {
    this.#onRefused(code, this.ip)
    if (retryAfter !== undefined) this.header('retry-after', String(Math.ceil(retryAfter / 1000)))
    const body = packJson({ code, name: errorName(code), message, retryAfter })
    this.send(httpStatus(code), 'application/json', body, close)
  }

  #end(): void {
    if (this.#done) return
    this.#done = true
    for (const callback of this.#onEnd) callback()
  }
}
