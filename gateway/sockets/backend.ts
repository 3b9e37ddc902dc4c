/**
 * What the gateway asks of whoever speaks WebSocket and HTTP for it: the small part of uWebSockets.js that it uses, in
 * its shapes, so that the native module is used as it is, and `ws` with node:http (node-backend.ts) can stand in where
 * no binary of it fits. load-backend.ts picks one.
 *
 * The rules are those of uWebSockets.js: a request is dead after its handler's turn, and so is every ArrayBuffer
 * handed to a callback; what is sent has been copied, or is never changed by whoever sent it; every request is
 * answered, closed, or has an abort handler by the end of its handler.
 */

export interface Backend {
  /** As an operator reads it. */
  readonly name: string
  /** Whether the apps of several threads can listen on one port. */
  readonly sharesPorts: boolean
  /** An app that does not listen yet; `isShared`: others listen on its port. */
  app(isShared: boolean): App
  /** Nobody new is let in; who is inside stays. */
  closeListenSocket(socket: ListenSocket): void
}

/** Known to its backend alone. */
export type ListenSocket = object
export type UpgradeContext = object

export interface App {
  ws<Data>(path: string, behavior: SocketBehavior<Data>): unknown
  /** A path is matched whole, or, where it ends in `*`, by what stands before that; the longest one wins. */
  get(path: string, handle: HttpHandler): unknown
  head(path: string, handle: HttpHandler): unknown
  post(path: string, handle: HttpHandler): unknown
  options(path: string, handle: HttpHandler): unknown
  /** Takes what no other method of the same path takes. */
  any(path: string, handle: HttpHandler): unknown
  /** Tells the listen socket, or false where the port cannot be had. */
  listen(host: string, port: number, told: (socket: ListenSocket | false) => void): unknown
  /** Ends listening and every connection at once. */
  close(): unknown
}

export type HttpHandler = (response: HttpResponse, request: HttpRequest) => void

export interface HttpRequest {
  /** In small letters. */
  getMethod(): string
  /** The path, without the query. */
  getUrl(): string
  /** What stands behind the question mark; undefined or empty where nothing does. */
  getQuery(): string | undefined
  /** The first value of a header; empty where there is none. `name` is in small letters. */
  getHeader(name: string): string
  /** What `forEachHeader` below calls; the older native package has it by its own name. */
  forEach?(visit: (name: string, value: string) => void): void
  forEachHeader?(visit: (name: string, value: string) => void): void
}

/** Every header of a request as it came, each of several ones of a name, the names in small letters. */
export function forEachHeader(request: HttpRequest, visit: (name: string, value: string) => void): void {
  if (request.forEach !== undefined) request.forEach(visit)
  else request.forEachHeader!(visit)
}

export interface HttpResponse {
  /** 4 or 16 bytes. */
  getRemoteAddress(): ArrayBuffer
  /** Called once, when the client goes before it is answered, or is closed. */
  onAborted(run: () => void): unknown
  /** Takes the body; a request without one has one empty last chunk. */
  onData(take: (chunk: ArrayBuffer, isLast: boolean) => void): unknown
  /** Stops and goes on with the reading of the connection. */
  pause(): void
  resume(): void
  /** What is written within leaves together. */
  cork(write: () => void): unknown
  /** Status and headers come before the end, in this order. */
  writeStatus(status: string): unknown
  writeHeader(name: string, value: string): unknown
  /** Answers; `closes` says so to the client and ends the connection after it. What the kernel does not take is kept. */
  end(body: string | Uint8Array, closes: boolean): unknown
  /**
   * Answers with a body of `bytes`, of which `body` is what has not left yet; never of none. Whether all of `body` was
   * taken, and whether the answer has left: of what was not taken nothing is kept, and `onWritable` asks for it. The
   * response is dead once its answer has left.
   */
  tryEnd(body: string | Uint8Array, bytes: number): [isTaken: boolean, hasLeft: boolean]
  /** Bytes of the body that have left. */
  getWriteOffset(): number
  /** Called when more may be written, with the bytes of the body that have left; answers whether all was taken. */
  onWritable(write: (offset: number) => boolean): unknown
  /** Answers with the headers alone, a length among them. */
  endWithoutBody(): unknown
  /** Makes a WebSocket of a handshake, within its handler. */
  upgrade<Data>(
    data: Data,
    key: string,
    subprotocol: string,
    extensions: string,
    context: UpgradeContext,
  ): unknown
  /** Ends the connection now, answered or not. */
  close(): unknown
}

export interface SocketBehavior<Data> {
  /** A message of more bytes ends its connection. */
  readonly maxPayloadLength: number
  /** Unsent bytes at which a connection is cut; 0 = the gateway looks to that itself. */
  readonly maxBackpressure: 0
  /** Seconds without a byte from the client after which its connection is cut. */
  readonly idleTimeout: number
  readonly sendPingsAutomatically: false
  readonly upgrade: (response: HttpResponse, request: HttpRequest, context: UpgradeContext) => void
  readonly open: (socket: BackendSocket<Data>) => void
  readonly message: (socket: BackendSocket<Data>, message: ArrayBuffer, isBinary: boolean) => void
  /** A pong has been sent by then. */
  readonly ping: (socket: BackendSocket<Data>) => void
  readonly pong: (socket: BackendSocket<Data>) => void
  /** Some of what waited has left. */
  readonly drain: (socket: BackendSocket<Data>) => void
  /** Called once; `end` calls it before it returns. Nothing may touch the socket any more. */
  readonly close: (socket: BackendSocket<Data>) => void
}

export interface BackendSocket<Data> {
  getUserData(): Data
  /** Bytes that the kernel has not taken. */
  getBufferedAmount(): number
  cork(write: () => void): unknown
  /** A message in one WebSocket frame. */
  send(data: string | Uint8Array, isBinary: boolean): unknown
  /** A message in several: a first, any number between, a last. */
  sendFirstFragment(data: Uint8Array, isBinary: boolean): unknown
  sendFragment(data: Uint8Array): unknown
  sendLastFragment(data: Uint8Array): unknown
  ping(): unknown
  /** Says goodbye behind whatever waits, and ends the connection. */
  end(code: number, reason: string): unknown
}
