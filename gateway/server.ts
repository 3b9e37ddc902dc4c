/**
 * The uWebSockets.js app of one gateway thread: upgrade, open, message, drain, close, and nothing else.
 * A message's buffer is dead after its callback, so whatever is kept is copied by then.
 *
 * uWebSockets.js cannot say why it could not listen, and with several threads on one port it would join
 * another program's port in silence; so the port is first taken and given back by node:net, which can.
 */
import { type AddressInfo, createServer } from 'node:net'
import uWS, { type TemplatedApp } from 'uWebSockets.js'
import { ErrorCode, errorName } from '../sdk/wire/codes.js'
import { codecOf } from '../sdk/wire/codec.js'
import { FRAME_BYTES_MAX } from '../engine/limits.js'
import type { SocketData } from './connection.js'
import type { Gateway } from './gateway.js'
import { addHttpRoutes } from './http.js'
import type { FromGateway } from './messages.js'

/** The least idle time that uWebSockets.js takes, and what a close may take beyond the gateway's own. */
const IDLE_S_MIN = 8
const IDLE_GRACE_S = 15
/** Beyond this a socket is cut without a message: nobody reads that much before judging it. */
const MESSAGE_BYTES_CUT = 4 * FRAME_BYTES_MAX

export interface GatewayServer {
  readonly port: number
  /** Stops listening; WebSockets are the gateway's to end. */
  stopListening(): void
  /** Cuts whatever is still open, idle HTTP connections among it. */
  closeSockets(): void
}

/** Why the port cannot be had; the message is fit for an operator. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  constructor(
    readonly code: Extract<FromGateway, { type: 'failed' }>['code'],
    message: string,
  ) {
    super(message)
  }
}

/** Takes the port once, to learn whether it is free. Answers with the port (a free one for 0). */
function probePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new ListenError('PortTaken', `port ${port} of ${host} is taken by another program`))
      } else if (error.code === 'EACCES') {
        reject(new ListenError('PortDenied', `port ${port} of ${host} needs more rights than this user has`))
      } else reject(new ListenError('AddressInvalid', `cannot listen on ${host}:${port}: ${error.message}`))
    })
    probe.listen({ host, port, exclusive: true }, () => {
      const taken = (probe.address() as AddressInfo).port
      probe.close(() => resolve(taken))
    })
  })
}

/**
 * Starts to listen. `shared` = other threads of this exchange listen on the same port.
 * @throws ListenError when the port cannot be had.
 */
export async function startServer(
  gateway: Gateway,
  { host, port, shared }: { readonly host: string; readonly port: number; readonly shared: boolean },
): Promise<GatewayServer> {
  const { config } = gateway.data
  const freePort = shared ? port : await probePort(host, port)
  const app = uWS.App({})
  const origins = new Set(config.allowedOrigins)
  const perIp = new Map<string, number>()

  app.ws<SocketData>('/*', {
    maxPayloadLength: MESSAGE_BYTES_CUT,
    maxBackpressure: 0,
    // The gateway pings and closes those who are silent, with a code (Gateway.sweep); this cuts who does not even close.
    idleTimeout: Math.max(IDLE_S_MIN, config.idleTimeoutS + IDLE_GRACE_S),
    sendPingsAutomatically: false,
    upgrade: (response, request, context) => {
      const ip = Buffer.from(response.getRemoteAddressAsText()).toString()
      const offered = request
        .getHeader('sec-websocket-protocol')
        .split(',')
        .map((name) => name.trim())
      const codec = offered.map(codecOf).find((found) => found !== undefined)
      const refuse = (status: string, code: number, message: string, retryAfter?: number): void => {
        response.writeStatus(status).writeHeader('content-type', 'application/json')
        if (retryAfter !== undefined)
          response.writeHeader('retry-after', String(Math.ceil(retryAfter / 1000)))
        response.end(JSON.stringify({ code, name: errorName(code), message, retryAfter }))
      }
      if (codec === undefined) {
        refuse(
          '400 Bad Request',
          ErrorCode.UnsupportedSubprotocol,
          'offer glassbook.v1.msgpack or glassbook.v1.json',
        )
        return
      }
      if (origins.size > 0 && !origins.has(request.getHeader('origin'))) {
        refuse('403 Forbidden', ErrorCode.OriginNotAllowed, 'this Origin may not connect')
        return
      }
      if ((perIp.get(ip) ?? 0) >= config.connectionsPerIp) {
        refuse(
          '429 Too Many Requests',
          ErrorCode.TooManyConnections,
          `${config.connectionsPerIp} connections are open`,
        )
        return
      }
      const retryAfter = gateway.limits.connect(ip)
      if (retryAfter > 0) {
        refuse(
          '429 Too Many Requests',
          ErrorCode.ConnectRateLimited,
          'too many connections were opened',
          retryAfter,
        )
        return
      }
      response.upgrade<SocketData>(
        { codec, ip },
        request.getHeader('sec-websocket-key'),
        codec.subprotocol,
        request.getHeader('sec-websocket-extensions'),
        context,
      )
    },
    open: (socket) => {
      const data = socket.getUserData()
      perIp.set(data.ip, (perIp.get(data.ip) ?? 0) + 1)
      data.connection = gateway.open(socket, data)
    },
    message: (socket, message) => {
      const { connection } = socket.getUserData()
      if (connection === undefined || connection.closed) return
      connection.heardAtMs = performance.now()
      if (message.byteLength > config.messageBytesMax) {
        connection.sendError(null, ErrorCode.MessageTooLarge, {
          message: `${message.byteLength} bytes, at most ${config.messageBytesMax}`,
        })
        connection.flush()
        connection.close(ErrorCode.MessageTooLarge, 'message too large')
        return
      }
      gateway.receive(connection, new Uint8Array(message))
    },
    pong: (socket) => {
      const { connection } = socket.getUserData()
      if (connection !== undefined) connection.heardAtMs = performance.now()
    },
    // A pong waits for it by now, which uWebSockets.js has sent without asking.
    ping: (socket) => {
      const { connection } = socket.getUserData()
      if (connection === undefined) return
      connection.heardAtMs = performance.now()
      connection.closeIfFull()
    },
    drain: (socket) => {
      const { connection } = socket.getUserData()
      if (connection !== undefined && !connection.closed) gateway.drained(connection)
    },
    close: (socket) => {
      const { connection, ip } = socket.getUserData()
      const open = (perIp.get(ip) ?? 1) - 1
      if (open === 0) perIp.delete(ip)
      else perIp.set(ip, open)
      if (connection !== undefined) gateway.closed(connection)
    },
  })

  addHttpRoutes(app, gateway)

  return new Promise((resolve, reject) => {
    app.listen(host, freePort, (listenSocket) => {
      if (listenSocket === false) {
        reject(new ListenError('PortTaken', `port ${freePort} of ${host} is taken by another program`))
        return
      }
      resolve({
        port: freePort,
        stopListening: () => uWS.closeSocket(listenSocket),
        // The type declarations do not know it.
        closeSockets: () => (app as TemplatedApp & { close(): void }).close(),
      })
    })
  })
}
