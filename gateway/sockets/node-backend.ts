/**
 * `ws` and node:http behind backend.ts, for a Node or a C library that no native module fits. It behaves as
 * uWebSockets.js does wherever a client could tell, and better where that is simpler: requests that came in one packet
 * behind one that waits are answered. Only what cannot be parsed is refused in node:http's own words.
 */
import { type Server, ServerResponse, createServer } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { type ServerOptions, WebSocketServer } from 'ws'
import {
  FRAGMENTS_MAX,
  GOODBYE_MS_MAX,
  HEAD_LOOK_MS,
  HEAD_MS_MAX,
  NODE_HEAD_BYTES_MAX,
  NODE_IDLE_MS,
  REQUEST_MS_MAX,
} from '../limits.js'
import type { App, Backend, HttpHandler, ListenSocket, SocketBehavior } from './backend.js'
import { HttpConnection, Incoming, NodeRequest, NodeResponse, addressBytes } from './node-http.js'
import { NodeSocket } from './node-socket.js'

/** node:net lets several sockets of a process listen on one port from 22.12 on, and from 23.1. */
function sharesPorts(version: string): boolean {
  const [major, minor] = version.split('.').map(Number) as [number, number]
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)
}

export const nodeBackend: Backend = {
  name: 'ws and node:http',
  sharesPorts: sharesPorts(process.versions.node),
  app: (isShared) => new NodeApp(isShared),
  closeListenSocket: (socket) => (socket as NodeListenSocket).close(),
}

interface NodeListenSocket extends ListenSocket {
  close(): void
}

/** Which handler takes a method at a path; `any` takes all others. */
type Route = Map<string, HttpHandler>

class NodeApp implements App {
  readonly #server: Server<typeof Incoming>
  readonly #isShared: boolean
  readonly #routes = new Map<string, Route>()
  readonly #connections = new Map<Socket, HttpConnection>()

  constructor(isShared: boolean) {
    this.#isShared = isShared
    this.#server = createServer({
      IncomingMessage: Incoming,
      maxHeaderSize: NODE_HEAD_BYTES_MAX,
      headersTimeout: HEAD_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      connectionsCheckingInterval: HEAD_LOOK_MS,
      keepAliveTimeout: NODE_IDLE_MS,
    })
    // Those beyond a number would be left out in silence; their bytes are bounded.
    this.#server.maxHeadersCount = 0
    this.#server.on('connection', (socket: Socket) => this.#connected(socket))
    const asked = (request: Incoming, response: ServerResponse): void => {
      const connection = this.#connections.get(request.socket)
      connection?.take(() => this.#handle(request, response, connection))
      // A wish that is not heard: the parser has stopped behind it, so nothing more of this connection is read.
      if (request.headers.upgrade === undefined) return
      response.shouldKeepAlive = false
      connection?.takeNoMore()
    }
    this.#server.on('request', asked)
    // Else node:http would refuse it by itself, past every budget.
    this.#server.on('checkExpectation', asked)
  }

  ws<Data>(path: string, behavior: SocketBehavior<Data>): void {
    if (path !== '/') throw new Error(`node-backend: a WebSocket at ${path}, but handshakes are known at /`)
    let subprotocol = ''
    // The type declarations do not know all of them.
    const options: ServerOptions & { readonly closeTimeout: number; readonly maxFragments: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      // A pong counts as unsent until it has left (node-socket.ts).
      autoPong: false,
      maxPayload: behavior.maxPayloadLength,
      maxFragments: FRAGMENTS_MAX,
      closeTimeout: GOODBYE_MS_MAX,
      handleProtocols: () => subprotocol,
    }
    const webSockets = new WebSocketServer(options)
    this.#server.on('upgrade', (request, duplex, head) => {
      const socket = duplex as Socket
      // node:http has let go of it.
      socket.on('error', () => socket.destroy())
      const connection = this.#connections.get(socket)
      if (connection === undefined) return
      const response = new ServerResponse(request)
      response.shouldKeepAlive = false
      try {
        response.assignSocket(socket)
      } catch {
        // An answer to what came before it has not left yet: no client that means it asks so.
        connection.cut()
        return
      }
      response.on('finish', () => socket.destroySoon())
      const upgrade = (data: unknown, taken: string): void => {
        response.detachSocket(socket)
        subprotocol = taken
        webSockets.handleUpgrade(
          request,
          socket,
          head,
          (ws) => new NodeSocket(ws, socket, data as Data, behavior),
        )
      }
      connection.take(() =>
        behavior.upgrade(
          new NodeResponse(request, response, connection, upgrade),
          new NodeRequest(request),
          {},
        ),
      )
    })
  }

  get(path: string, handle: HttpHandler): void {
    this.#route(path, 'get', handle)
  }

  head(path: string, handle: HttpHandler): void {
    this.#route(path, 'head', handle)
  }

  post(path: string, handle: HttpHandler): void {
    this.#route(path, 'post', handle)
  }

  options(path: string, handle: HttpHandler): void {
    this.#route(path, 'options', handle)
  }

  any(path: string, handle: HttpHandler): void {
    this.#route(path, 'any', handle)
  }

  listen(host: string, port: number, told: (socket: ListenSocket | false) => void): void {
    const server = this.#server
    const failed = (): void => {
      server.off('listening', listening)
      told(false)
    }
    const listening = (): void => {
      server.off('error', failed)
      // A connection that could not be taken harms nobody else.
      server.on('error', () => {})
      // Not as node:http closes, which would cut idle connections and look no more after those that are half-open.
      const socket: NodeListenSocket = { close: () => void NetServer.prototype.close.call(server) }
      told(socket)
    }
    server.once('error', failed)
    server.once('listening', listening)
    const options = { host, port, exclusive: true, ...(this.#isShared ? { reusePort: true } : {}) }
    server.listen(options)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#connections.keys()) socket.destroy()
  }

  #connected(socket: Socket): void {
    const { remoteAddress } = socket
    if (remoteAddress === undefined) {
      // It has gone already.
      socket.destroy()
      return
    }
    this.#connections.set(socket, new HttpConnection(socket, addressBytes(remoteAddress)))
    socket.on('close', () => this.#connections.delete(socket))
  }

  #handle(request: Incoming, response: ServerResponse, connection: HttpConnection): void {
    const asked = new NodeRequest(request)
    const answer = new NodeResponse(request, response, connection)
    const route = this.#find(asked.getUrl())
    const handle = route?.get(asked.getMethod()) ?? route?.get('any')
    if (handle === undefined) answer.close()
    else handle(answer, asked)
  }

  #route(path: string, method: string, handle: HttpHandler): void {
    const route = this.#routes.get(path) ?? new Map<string, HttpHandler>()
    this.#routes.set(path, route.set(method, handle))
  }

  /** The route of a path: its own, else the longest that ends in `*` and fits. */
  #find(path: string): Route | undefined {
    const own = this.#routes.get(path)
    if (own !== undefined) return own
    for (let end = path.lastIndexOf('/'); end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
      const route = this.#routes.get(`${path.slice(0, end)}/*`)
      if (route !== undefined) return route
    }
    return undefined
  }
}
