/**
 * HTTP on the WebSocket's port: questions and order entry (the same methods, the same errors, the same
 * limits), health, metrics and the protocol's documents. Only documented paths are answered, with GET or
 * POST as documented, HEAD like GET, and OPTIONS.
 *
 * Every request takes from a budget of its address before anything else is done for it. A handler must
 * neither throw nor leave a request without an answer or an abort handler: uWebSockets.js ends the process.
 */
import { ErrorCode } from '../../sdk/wire/codes.js'
import { FieldError } from '../../sdk/wire/fields.js'
import { type HttpEndpoint, httpEndpoints, optionMethods } from '../../sdk/wire/http.js'
import { Method } from '../../sdk/wire/layout.js'
import { MalformedMessage, type WireValue, packMsgpack } from '../../sdk/wire/msgpack.js'
import { methods } from '../../sdk/wire/schema.js'
import { addressKey } from '../limits/addresses.js'
import { EncodedAnswer } from '../streams/depth-answers.js'
import { asyncApi, openApi } from '../protocol/documents.js'
import type { Gateway } from '../gateway.js'
import { HTTP_HEAD_BYTES_MAX } from '../limits.js'
import { type Body, readHttpBody } from './http-body.js'
import { HttpFrames } from './http-frames.js'
import { Reply } from './http-reply.js'
import { HttpTokens } from '../requests/http-token.js'
import { RequestError } from '../protocol/request-error.js'
import { type App, type HttpRequest, type HttpResponse, forEachHeader } from '../sockets/backend.js'
import type { PlainMethod } from '../requests/requests.js'

type Handle = (reply: Reply, request: HttpRequest, response: HttpResponse) => void
/** What is answered at one path of the router, and whether pages of other origins may read it. */
interface Route {
  readonly get?: Handle
  readonly post?: Handle
  readonly isPublic: boolean
}

const FRAMES_PATH = '/v1/frames'

/** Adds every HTTP route to the app, /metrics among them unless it has a port of its own. */
export function addHttpRoutes(app: App, gateway: Gateway): void {
  for (const [path, route] of routes(gateway)) addRoute(app, gateway, path, route)
  app.any('/*', (response, request) => {
    const ip = addressUnlessTold(gateway, response)
    if (ip === undefined) return
    guard(replyTo(gateway, response, request, ip), (reply) => {
      if (!admit(gateway, reply, request)) return
      throw new RequestError(
        ErrorCode.NotFound,
        `there is no path ${JSON.stringify(request.getUrl().slice(0, 60))}; /v1/openapi.json lists them`,
      )
    })
  })
}

/** Adds /metrics and nothing else: for an app on a port that strangers do not reach. */
export function addMetricsRoutes(app: App, gateway: Gateway): void {
  const metrics = later(() => gateway.metrics.text(), 'text/plain; version=0.0.4')
  const reply = (response: HttpResponse, request: HttpRequest): Reply =>
    replyTo(gateway, response, request, addressKey(response.getRemoteAddress()))
  app.get('/metrics', (response, request) => metrics(reply(response, request), request, response))
  app.any('/*', (response, request) => {
    reply(response, request).error(new RequestError(ErrorCode.NotFound, 'the path is /metrics'))
  })
}

function routes(gateway: Gateway): Map<string, Route> {
  const tokens = new HttpTokens(gateway)
  const frames = new HttpFrames(gateway)
  const table = new Map<string, Route>()
  for (const endpoint of httpEndpoints) {
    const { verb, path, method } = endpoint
    // Named parts of a path are matched here: the router knows only a wildcard at the end.
    const pattern = path.replace(/\{.*$/, '*')
    const route = table.get(pattern) ?? { isPublic: methods[method].scope === 0 && verb === 'GET' }
    if (verb === 'GET') {
      table.set(pattern, {
        ...route,
        get: (reply, request) => question(gateway, tokens, endpoint, reply, request),
      })
    } else {
      const take = (reply: Reply, body: Body): void => order(gateway, frames, method, reply, body)
      table.set(pattern, {
        ...route,
        isPublic: false,
        post: (reply, request, response) =>
          readHttpBody(
            reply,
            request,
            response,
            gateway.data.config.messageBytesMax,
            (bytes) => gateway.admission.bytes(reply.ip, bytes),
            (body) => guard(reply, () => take(reply, body)),
          ),
      })
    }
  }
  const text = (content: string, type: string): Route => ({
    get: (reply) => reply.send(200, type, content),
    isPublic: true,
  })
  table.set('/v1/openapi.json', text(JSON.stringify(openApi()), 'application/json'))
  table.set('/v1/asyncapi.json', text(JSON.stringify(asyncApi()), 'application/json'))
  table.set('/healthz', text('ok', 'text/plain'))
  table.set('/readyz', {
    get: (reply) => {
      const ready = !gateway.link.ended && gateway.link.control.failure === 0
      reply.send(ready ? 200 : 503, 'text/plain', ready ? 'ready' : 'the engine has stopped')
    },
    isPublic: false,
  })
  if (gateway.data.config.metricsPort === 0) {
    table.set('/metrics', {
      get: later(() => gateway.metrics.text(), 'text/plain; version=0.0.4'),
      isPublic: false,
    })
  }
  return table
}

function addRoute(app: App, gateway: Gateway, path: string, route: Route): void {
  const { get, post, isPublic } = route
  const allow = [...(get ? ['GET', 'HEAD'] : []), ...(post ? ['POST'] : []), 'OPTIONS'].join(', ')
  const run =
    (handle: Handle) =>
    (response: HttpResponse, request: HttpRequest): void => {
      const ip = addressUnlessTold(gateway, response)
      if (ip === undefined) return
      guard(replyTo(gateway, response, request, ip), (reply) => {
        if (isPublic) allowOrigin(gateway, reply, request)
        if (admit(gateway, reply, request)) handle(reply, request, response)
      })
    }
  if (get !== undefined) {
    app.get(path, run(get))
    app.head(path, run(get))
  }
  if (post !== undefined) app.post(path, run(post))
  app.options(
    path,
    run((reply) => {
      reply.header('allow', allow)
      reply.header('access-control-allow-methods', allow)
      reply.header('access-control-max-age', '86400')
      reply.send(204, '', '')
    }),
  )
  app.any(
    path,
    run((reply, request) => {
      reply.header('allow', allow)
      const verb = request.getMethod().toUpperCase()
      throw new RequestError(ErrorCode.MethodNotAllowed, `${verb}: this path takes ${allow}`)
    }),
  )
}

/** Whose request or handshake it is; of an address that was told often enough the connection has ended. */
export function addressUnlessTold(gateway: Gateway, response: HttpResponse): string | undefined {
  const ip = addressKey(response.getRemoteAddress())
  if (!gateway.admission.hasBeenTold(ip)) return ip
  response.close()
  return undefined
}

function replyTo(gateway: Gateway, response: HttpResponse, request: HttpRequest, ip: string): Reply {
  return new Reply(
    response,
    request,
    ip,
    (ofIp, code, ends) => gateway.clients.refusedOverHttp(ofIp, code, ends),
    gateway.clients.heldAnswers,
  )
}

/** Runs a handler; whatever it throws becomes the answer, and a fault of our own ends this thread. */
function guard(reply: Reply, handle: (reply: Reply) => void): void {
  try {
    handle(reply)
  } catch (error) {
    fail(reply, error)
  }
}

function fail(reply: Reply, error: unknown): void {
  if (error instanceof RequestError) reply.error(error, error.code === ErrorCode.HeadersTooLarge)
  else if (error instanceof FieldError) reply.error(new RequestError(ErrorCode.BadParams, error.message))
  else if (error instanceof MalformedMessage)
    reply.error(new RequestError(ErrorCode.MalformedMessage, error.message))
  else {
    reply.error(new RequestError(ErrorCode.EngineStopped, 'the gateway has failed'), true)
    // Not within uWebSockets.js's callback, which would end the process: as any other exception here.
    setImmediate(() => {
      throw error
    })
  }
}

/**
 * Takes a request's cost from its address, which may be kept out; false = it is refused, and nothing behind it is read.
 * @throws RequestError when it alone is refused.
 */
function admit(gateway: Gateway, reply: Reply, request: HttpRequest): boolean {
  const isFrame = request.getMethod() === 'post' && request.getUrl() === FRAMES_PATH
  const { limits } = gateway
  const refusal = gateway.admission.connect(reply.ip) ?? limits.http(reply.ip, isFrame)
  if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message, refusal.retryAfter)
  limits.opened(reply.ip)
  reply.onEnd(() => {
    if (!limits.keepsHttp(reply.ip)) reply.closes = true
  })
  reply.onLeft((isKept) => {
    limits.closed(reply.ip)
    if (isKept) limits.keptHttp(reply.ip)
  })
  const bytes = headBytes(request)
  if (bytes > HTTP_HEAD_BYTES_MAX) {
    throw new RequestError(
      ErrorCode.HeadersTooLarge,
      `the request's head has ${bytes} bytes, at most ${HTTP_HEAD_BYTES_MAX}`,
    )
  }
  if (hasOneLength(request)) return true
  reply.refuseLast(
    new RequestError(
      ErrorCode.MalformedMessage,
      'the length of the body is told more than once, or by a coding other than "chunked"',
    ),
  )
  return false
}

/**
 * Whether the length of a request's body is told in one way only. uWebSockets.js goes by the first Content-Length
 * and takes every coding for chunked; a proxy in front may go by the other, and where one request ends for it
 * another one begins here, on a connection that others share.
 */
function hasOneLength(request: HttpRequest): boolean {
  let told = 0
  forEachHeader(request, (name, value) => {
    if (name === 'content-length') told++
    else if (name === 'transfer-encoding') told += value.toLowerCase() === 'chunked' ? 1 : 2
  })
  return told <= 1
}

/** Bytes of a request's first line and headers, the blanks between and the line ends counted. */
export function headBytes(request: HttpRequest): number {
  const query = queryOf(request)
  let bytes = request.getMethod().length + request.getUrl().length + query.length + ' ? HTTP/1.1\r\n'.length
  forEachHeader(request, (name, value) => {
    bytes += name.length + value.length + ': \r\n'.length
  })
  return bytes
}

/** The text behind the question mark. */
const queryOf = (request: HttpRequest): string => request.getQuery() ?? ''

/** Lets a page of an origin that `corsOrigins` names read the answer. */
function allowOrigin(gateway: Gateway, reply: Reply, request: HttpRequest): void {
  const { corsOrigins } = gateway.data.config
  if (corsOrigins.length === 0) return
  const origin = request.getHeader('origin')
  const any = corsOrigins.includes('*')
  reply.header('vary', 'origin')
  if (origin === '' || (!any && !corsOrigins.includes(origin))) return
  reply.header('access-control-allow-origin', any ? '*' : origin)
  reply.header('access-control-expose-headers', 'retry-after')
}

function later(content: () => Promise<string>, type: string): Handle {
  return (reply) => {
    reply.wait()
    content().then(
      (text) => reply.send(200, type, text),
      (error: unknown) => fail(reply, error),
    )
  }
}

/** Answers a GET. The request is dead after the first await: everything is read before. */
function question(
  gateway: Gateway,
  tokens: HttpTokens,
  { path, method, query }: HttpEndpoint,
  reply: Reply,
  request: HttpRequest,
): void {
  const params = questionParams(path, method, query, request)
  const authorization = request.getHeader('authorization')
  inTurn(gateway, reply, () => {
    const session = authorization === '' ? undefined : tokens.session(authorization, reply.ip)
    const caller = { ip: reply.ip, session, account: session?.account }
    answer(reply, gateway.requests.ask(caller, method as PlainMethod, params), (result) =>
      reply.json(200, result),
    )
  })
}

/** Answers when what was answered to anybody before is in what questions are answered from: at once, as a rule. */
function inTurn(gateway: Gateway, reply: Reply, ask: () => void): void {
  let isLater = false
  gateway.caughtUp(() => {
    if (isLater) guard(reply, ask)
    else ask()
  })
  isLater = true
  // `wait` of one that has been answered does nothing.
  reply.wait()
}

/** Params of a GET's method, from path and query. @throws RequestError naming what is missing or unknown. */
function questionParams(
  path: string,
  method: Method,
  query: HttpEndpoint['query'],
  request: HttpRequest,
): WireValue[] {
  const inPath = pathParams(path, request.getUrl())
  const given = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(queryOf(request))) {
    const allowed = query.map((parameter) => parameter.name)
    if (!allowed.includes(name)) {
      const known = allowed.length === 0 ? 'takes no query' : `takes ${allowed.join(', ')}`
      throw new RequestError(
        ErrorCode.BadParams,
        `params.${name.slice(0, 40)}: is not known; ${path} ${known}`,
      )
    }
    if (given.has(name)) throw new RequestError(ErrorCode.BadParams, `params.${name}: stands twice`)
    given.set(name, value)
  }
  const values = query.map(({ name, fallback }) => {
    const value = given.get(name)
    if (value !== undefined && value !== '') return valueOf(value)
    if (fallback === undefined) throw new RequestError(ErrorCode.BadParams, `params.${name}: is missing`)
    return fallback
  })
  if (optionMethods.has(method))
    return [Object.fromEntries(query.map(({ name }, index) => [name, values[index]]))]
  return [...inPath, ...values]
}

/** Takes a POST's frame, or what a wallet has signed. */
function order(gateway: Gateway, frames: HttpFrames, method: Method, reply: Reply, body: Body): void {
  const tell = (result: WireValue): void => {
    if (body.isJson) reply.json(200, result)
    else reply.send(200, 'application/msgpack', packMsgpack(result))
  }
  if (method === Method.Frame) {
    reply.wait()
    try {
      frames.receive(body.params, reply, tell)
    } catch (error) {
      fail(reply, error)
    }
    return
  }
  const caller = { ip: reply.ip, session: undefined, account: undefined }
  inTurn(gateway, reply, () =>
    answer(reply, gateway.requests.ask(caller, method as PlainMethod, body.params), tell),
  )
}

function answer(
  reply: Reply,
  given: WireValue | EncodedAnswer | Promise<WireValue>,
  tell: (result: WireValue) => void,
): void {
  if (given instanceof EncodedAnswer) {
    reply.send(200, 'application/json', given.json())
    return
  }
  if (!(given instanceof Promise)) {
    tell(given)
    return
  }
  reply.wait()
  given.then(tell, (error: unknown) => fail(reply, error))
}

/** Values of the `{name}` parts of `path` in `url`. @throws RequestError when they are not as many. */
function pathParams(path: string, url: string): WireValue[] {
  const names = path.split('/')
  const parts = url.split('/')
  if (parts.length !== names.length) throw new RequestError(ErrorCode.NotFound, `the path is ${path}`)
  return parts.filter((_part, index) => names[index]!.startsWith('{')).map(valueOf)
}

/** A whole number where it is written as one that is read exactly; else the text. */
function valueOf(text: string): WireValue {
  return /^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : text
}
