/**
 * Requests and answers of node:http in the shapes of backend.ts, and the order in which one connection's requests are
 * handled: each when the one before has been answered, as the gateway stops reading while one waits. Called by
 * node-backend.ts.
 */
import { IncomingMessage, type ServerResponse } from 'node:http'
import { type Socket, isIPv4 } from 'node:net'
import { ANSWER_MS, PIPELINED_MAX } from '../limits.js'
import type { HttpRequest, HttpResponse } from './backend.js'

/** Of a handshake's Sec-WebSocket-Key: 16 bytes in base64. */
const KEY_CHARACTERS = 24

/**
 * A request that knows whether it is a handshake, by the rules of uWebSockets.js: the key tells, at the WebSocket's own
 * path. Any other wish to change the protocol (HTTP/2 by curl) goes unheard, and the request is answered as it is.
 */
export class Incoming extends IncomingMessage {
  get upgrade(): boolean {
    const key = this.headers['sec-websocket-key']
    return this.method === 'GET' && pathOf(this) === '/' && key?.length === KEY_CHARACTERS
  }

  set upgrade(_whatTheParserThinks: boolean | null) {
    // Asked for above, when the headers are there.
  }
}

function pathOf({ url = '' }: IncomingMessage): string {
  const mark = url.indexOf('?')
  return mark < 0 ? url : url.slice(0, mark)
}

export class NodeRequest implements HttpRequest {
  readonly #request: IncomingMessage

  constructor(request: IncomingMessage) {
    this.#request = request
  }

  getMethod(): string {
    return this.#request.method!.toLowerCase()
  }

  getUrl(): string {
    return pathOf(this.#request)
  }

  getQuery(): string | undefined {
    const { url = '' } = this.#request
    const mark = url.indexOf('?')
    return mark < 0 ? undefined : url.slice(mark + 1)
  }

  getHeader(name: string): string {
    const { rawHeaders } = this.#request
    for (let at = 0; at < rawHeaders.length; at += 2)
      if (rawHeaders[at]!.toLowerCase() === name) return rawHeaders[at + 1]!
    return ''
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { rawHeaders } = this.#request
    for (let at = 0; at < rawHeaders.length; at += 2)
      visit(rawHeaders[at]!.toLowerCase(), rawHeaders[at + 1]!)
  }
}

/** Takes a handshake over: its connection is no longer HTTP. */
export type Upgrade = (data: unknown, subprotocol: string) => void

export class NodeResponse implements HttpResponse {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #connection: HttpConnection
  readonly #upgrade: Upgrade | undefined
  #status = '200 OK'
  readonly #headers: string[] = []
  #aborted: (() => void) | undefined
  #writable: ((offset: number) => boolean) | undefined
  /** The answer is the connection's last. */
  #closes = false
  #isAnswered = false
  /** The answer has left, or nobody is there to be answered. */
  #isDone = false
  /** Of the body. */
  #bytes = 0

  /** `upgrade`: of a handshake. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    connection: HttpConnection,
    upgrade?: Upgrade,
  ) {
    this.#request = request
    this.#response = response
    this.#connection = connection
    this.#upgrade = upgrade
    response.sendDate = false
    response.on('close', () => this.#abort())
  }

  getRemoteAddress(): ArrayBuffer {
    return this.#connection.address
  }

  onAborted(run: () => void): void {
    this.#aborted = run
  }

  onData(take: (chunk: ArrayBuffer, isLast: boolean) => void): void {
    this.#request.on('data', (chunk: Buffer) => take(arrayBufferOf(chunk), false))
    this.#request.on('end', () => take(new ArrayBuffer(0), true))
  }

  pause(): void {
    this.#connection.socket.pause()
  }

  resume(): void {
    this.#connection.socket.resume()
  }

  cork(write: () => void): void {
    // node:http sends head and body together by itself.
    write()
  }

  writeStatus(status: string): void {
    this.#status = status
  }

  writeHeader(name: string, value: string): void {
    this.#headers.push(name, value)
    if (name === 'connection') this.#closes = true
  }

  end(body: string | Uint8Array, closes: boolean): void {
    // "No content" has no length either.
    if (!this.#status.startsWith('204')) this.writeHeader('content-length', String(Buffer.byteLength(body)))
    if (closes) this.writeHeader('connection', 'close')
    this.#send(body)
  }

  endWithoutBody(): void {
    this.#send('')
  }

  /** Of what the kernel does not take node:http keeps all; it says so like one that keeps nothing. */
  tryEnd(body: string | Uint8Array, bytes: number): [isTaken: boolean, hasLeft: boolean] {
    if (!this.#isAnswered) {
      this.#bytes = bytes
      this.writeHeader('content-length', String(bytes))
      this.#send(body)
    }
    return [this.#isDone, this.#isDone]
  }

  getWriteOffset(): number {
    return Math.max(0, this.#bytes - this.#connection.socket.writableLength)
  }

  onWritable(write: (offset: number) => boolean): void {
    this.#writable = write
  }

  #send(body: string | Uint8Array): void {
    if (this.#isAnswered || this.#isDone) return
    this.#isAnswered = true
    const space = this.#status.indexOf(' ')
    this.#response.writeHead(
      Number(this.#status.slice(0, space)),
      this.#status.slice(space + 1),
      this.#headers,
    )
    const { socket } = this.#connection
    // Until it has left; then node:http gives the connection its idle time.
    socket.setTimeout(ANSWER_MS)
    this.#response.end(body)
    if (socket.writableLength === 0) this.#left()
    else this.#response.once('finish', () => this.#left())
  }

  /** The kernel has the whole answer: the connection's next request has its turn. */
  #left(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#writable?.(this.#bytes)
    // Not within this call: whoever answered has not heard yet that it has left.
    if (this.#closes) this.#connection.answered(true)
    else queueMicrotask(() => this.#connection.answered(false))
  }

  upgrade<Data>(data: Data, _key: string, subprotocol: string): void {
    this.#isDone = true
    this.#upgrade?.(data, subprotocol)
  }

  close(): void {
    this.#connection.cut()
    this.#abort()
  }

  #abort(): void {
    if (this.#isDone) return
    this.#isDone = true
    this.#aborted?.()
  }
}

/** One TCP connection, from its beginning on. */
export class HttpConnection {
  readonly socket: Socket
  /** Whose it is, 4 or 16 bytes. */
  readonly address: ArrayBuffer
  readonly #waiting: (() => void)[] = []
  #isBusy = false
  #isOver = false
  #takesMore = true

  constructor(socket: Socket, address: ArrayBuffer) {
    this.socket = socket
    this.address = address
    socket.on('timeout', () => socket.destroy())
  }

  /** Handles a request when those before it have been answered. */
  take(handle: () => void): void {
    if (this.#isOver || !this.#takesMore) return
    if (!this.#isBusy) {
      this.#isBusy = true
      handle()
    } else if (this.#waiting.length < PIPELINED_MAX) this.#waiting.push(handle)
    else this.cut()
  }

  /** What is taken already is answered; nothing that comes behind it is. */
  takeNoMore(): void {
    this.#takesMore = false
  }

  /** The request that is being handled has its answer; one that `closes` is the connection's last. */
  answered(closes: boolean): void {
    if (closes) this.#isOver = true
    if (this.#isOver) return
    const next = this.#waiting.shift()
    if (next === undefined) this.#isBusy = false
    else next()
  }

  cut(): void {
    this.#isOver = true
    this.socket.destroy()
  }
}

/** The bytes in a buffer of their own. */
export function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes
  if (byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) return buffer
  return new Uint8Array(bytes).buffer
}

/** The 4 or 16 bytes of an address as node:net writes it. */
export function addressBytes(text: string): ArrayBuffer {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number).buffer
  const bytes = new Uint8Array(16)
  const tail = /:([0-9]+\.[0-9.]+)$/.exec(text)?.[1]
  const v4 = tail === undefined ? [] : tail.split('.').map(Number)
  // Without the interface that a link's own address names.
  const words = text.replace(/%.*$/, '').slice(0, tail === undefined ? undefined : -tail.length)
  const [front, back] = words.split('::') as [string, string?]
  const parse = (part = ''): number[] =>
    part
      .split(':')
      .flatMap((word) => (word === '' ? [] : [parseInt(word, 16) >> 8, parseInt(word, 16) & 255]))
  const after = [...parse(back), ...v4]
  bytes.set(parse(front))
  bytes.set(after, 16 - after.length)
  return bytes.buffer
}
