/**
 * The app of one gateway thread (net/backend.ts): upgrade, open, message, drain, close, and nothing else.
 * A message's buffer is dead after its callback, so whatever is kept is copied by then.
 *
 * uWebSockets.js cannot say why it could not listen, and with several threads on one port it would join
 * another program's port in silence; so the port is first taken and given back by node:net, which can.
 */
import type { OnLog } from '../../engine/types.js'
import { ErrorCode, errorName } from '../../sdk/wire/codes.js'
import { type Codec, codecOf } from '../../sdk/wire/codec.js'
import type { SocketData } from '../connections/connection.js'
import type { Gateway } from '../gateway.js'
import { FILES_LOOK_MS, HTTP_HEAD_BYTES_MAX, IDLE_GRACE_S, IDLE_S_MIN, MESSAGE_BYTES_CUT } from '../limits.js'
import { Door } from './door.js'
import type { HttpRequest, HttpResponse } from '../sockets/backend.js'
import { addHttpRoutes, addMetricsRoutes, addressUnlessTold, headBytes } from './http.js'
import { httpStatus } from '../../sdk/wire/http.js'
import { STATUS_TEXT } from './http-reply.js'
import type { Refusal } from '../limits/budgets.js'
import { DescriptorGuard } from '../limits/open-files.js'
import { loadBackend } from './load-backend.js'
import { ListenError, probePort } from './probe-port.js'

export interface GatewayServer {
  readonly port: number
  /** Stops listening; WebSockets are the gateway's to end. */
  stopListening(): void
  /** Cuts whatever is still open, idle HTTP connections among it. */
  closeSockets(): void
}

export interface ServerOptions {
  readonly host: string
  readonly port: number
  /** Other threads of this exchange listen on the same port. */
  readonly shared: boolean
  /** Lines for the operator. */
  readonly onLog: OnLog
}

/**
 * Starts to listen.
 * @throws ListenError when the port cannot be had.
 */
export async function startServer(
  gateway: Gateway,
  { host, port, shared, onLog }: ServerOptions,
): Promise<GatewayServer> {
  const { config } = gateway.data
  const { backend, notice } = loadBackend(config.sockets)
  if (notice !== undefined && !shared) onLog(notice)
  const isShared = config.threads > 1
  if (isShared && !backend.sharesPorts) {
    const message = `gateway.threads: ${config.threads}, but ${backend.name} share a port from Node 22.12 on: give 1`
    throw new ListenError('ServerUnfit', message)
  }
  const freePort = shared ? port : await probePort(host, port)
  const metricsPort = config.metricsPort + gateway.data.thread
  if (config.metricsPort !== 0) await probePort(host, metricsPort)
  const app = backend.app(isShared)

  app.ws<SocketData>('/', {
    maxPayloadLength: MESSAGE_BYTES_CUT,
    maxBackpressure: 0,
    // The gateway pings and closes those who are silent, with a code (Gateway.sweep); this cuts who does not even close.
    idleTimeout: Math.max(IDLE_S_MIN, config.idleTimeoutS + IDLE_GRACE_S),
    sendPingsAutomatically: false,
    upgrade: (response, request, context) => {
      const ip = addressUnlessTold(gateway, response)
      if (ip === undefined) return
      const admitted = admit(gateway, ip, request)
      if ('code' in admitted) {
        refuse(gateway, ip, response, admitted)
        return
      }
      const { codec } = admitted
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
      gateway.limits.opened(data.ip)
      data.connection = gateway.clients.open(socket, data)
    },
    message: (socket, message) => {
      const { connection } = socket.getUserData()
      if (connection === undefined || connection.closed) return
      connection.heardAtMs = performance.now()
      if (message.byteLength > config.messageBytesMax) {
        const told = `a message of ${message.byteLength} bytes came, at most ${config.messageBytesMax} are taken`
        connection.sendError(null, ErrorCode.MessageTooLarge, { message: told })
        connection.flush()
        connection.close(ErrorCode.MessageTooLarge, told)
        return
      }
      gateway.clients.receive(connection, new Uint8Array(message))
    },
    pong: (socket) => {
      const { connection } = socket.getUserData()
      if (connection !== undefined) connection.heardAtMs = performance.now()
    },
    // A pong waits for it by now, which was sent without asking.
    ping: (socket) => {
      const { connection } = socket.getUserData()
      if (connection === undefined) return
      connection.heardAtMs = performance.now()
      connection.closeIfFull()
    },
    drain: (socket) => {
      const { connection } = socket.getUserData()
      if (connection !== undefined && !connection.closed) gateway.clients.drained(connection)
    },
    close: (socket) => {
      const { connection, ip } = socket.getUserData()
      gateway.limits.closed(ip)
      if (connection !== undefined) gateway.clients.closed(connection)
    },
  })

  addHttpRoutes(app, gateway)
  const door = new Door(backend, app, host, freePort, onLog)
  await door.open()
  const apps = [app]
  const doors = [door]
  if (config.metricsPort !== 0) {
    const metrics = backend.app(false)
    addMetricsRoutes(metrics, gateway)
    const own = new Door(backend, metrics, host, metricsPort, onLog)
    await own.open()
    doors.push(own)
    apps.push(metrics)
  }
  const guard = new DescriptorGuard()
  const guarding = setInterval(() => door.shut(guard.look()), FILES_LOOK_MS)
  return {
    port: freePort,
    stopListening: () => {
      clearInterval(guarding)
      for (const each of doors) each.close()
    },
    closeSockets: () => {
      for (const each of apps) each.close()
    },
  }
}

/** Answers a handshake that is refused, with which its connection ends. */
function refuse(
  gateway: Gateway,
  ip: string,
  response: HttpResponse,
  { code, message, retryAfter }: Refusal,
): void {
  if (!gateway.clients.refusedOverHttp(ip, code, true)) {
    response.close()
    return
  }
  response.writeStatus(STATUS_TEXT[httpStatus(code)]!)
  response.writeHeader('content-type', 'application/json')
  if (code === ErrorCode.UnsupportedVersion) response.writeHeader('sec-websocket-version', '13')
  if (retryAfter !== undefined) response.writeHeader('retry-after', String(Math.ceil(retryAfter / 1000)))
  response.end(JSON.stringify({ code, name: errorName(code), message, retryAfter }), true)
}

/** The codec of a handshake that is taken, or why it is refused; it has paid before it is looked at. */
function admit(gateway: Gateway, ip: string, request: HttpRequest): { codec: Codec } | Refusal {
  const { allowedOrigins } = gateway.data.config
  const refusal = gateway.admission.connect(ip) ?? gateway.limits.connect(ip)
  if (refusal !== undefined) return refusal
  const bytes = headBytes(request)
  if (bytes > HTTP_HEAD_BYTES_MAX) {
    const message = `the request's head has ${bytes} bytes, at most ${HTTP_HEAD_BYTES_MAX}`
    return { code: ErrorCode.HeadersTooLarge, message }
  }
  const version = request.getHeader('sec-websocket-version')
  if (request.getHeader('upgrade').toLowerCase() !== 'websocket' || version !== '13') {
    const message = `a WebSocket of version 13 is spoken here, not ${JSON.stringify(version.slice(0, 20))}`
    return { code: ErrorCode.UnsupportedVersion, message }
  }
  const offered = request.getHeader('sec-websocket-protocol').split(',')
  const codec = offered.map((name) => codecOf(name.trim())).find((found) => found !== undefined)
  if (codec === undefined) {
    const message = 'offer glassbook.v2.msgpack or glassbook.v2.json'
    return { code: ErrorCode.UnsupportedSubprotocol, message }
  }
  if (allowedOrigins.length > 0 && !allowedOrigins.includes(request.getHeader('origin'))) {
    return {
      code: ErrorCode.OriginNotAllowed,
      message: `pages of Origin ${JSON.stringify(request.getHeader('origin').slice(0, 60))} may not connect here`,
    }
  }
  return { codec }
}
