/**
 * HTTP on the WebSocket's port: questions (the same methods, the same errors), health, metrics and the
 * protocol's documents. A private question carries `Authorization: Glassbook SLOT.EXPIRES_MS.SIGNATURE`,
 * signed by the session key (sdk/wire/signed.ts), good until it expires and for an hour at most.
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'
import { packJson } from '../sdk/wire/codec.js'
import { ErrorCode, errorName } from '../sdk/wire/codes.js'
import { FieldError, readBytes } from '../sdk/wire/fields.js'
import { type HttpEndpoint, httpEndpoints, httpStatus } from '../sdk/wire/http.js'
import { Method, SESSION_SIGNATURE_BYTES } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { httpTokenMessage } from '../sdk/wire/signed.js'
import { verifySessionSignature } from './auth.js'
import type { SessionInfo } from './directory.js'
import { asyncApi, openApi } from './documents.js'
import type { Gateway } from './gateway.js'
import { metricsText } from './metrics.js'
import { RequestError } from './request-error.js'
import type { PlainMethod } from './requests.js'

const TOKEN_MS_MAX = 3_600_000
const TOKEN = /^Glassbook ([0-9]{1,4})\.([0-9]{1,16})\.([A-Za-z0-9_-]{86})$/

const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: '200 OK',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  429: '429 Too Many Requests',
  503: '503 Service Unavailable',
}

/** An answer may come after the client has gone: then nothing may be written. */
class Reply {
  #gone = false
  readonly #response: HttpResponse

  constructor(response: HttpResponse) {
    this.#response = response
    response.onAborted(() => {
      this.#gone = true
    })
  }

  send(status: number, type: string, body: string, retryAfter?: number): void {
    if (this.#gone) return
    this.#gone = true
    this.#response.cork(() => {
      this.#response.writeStatus(STATUS_TEXT[status] ?? STATUS_TEXT[503]!)
      this.#response.writeHeader('content-type', type)
      this.#response.writeHeader('cache-control', 'no-store')
      if (retryAfter !== undefined)
        this.#response.writeHeader('retry-after', String(Math.ceil(retryAfter / 1000)))
      this.#response.end(body)
    })
  }

  json(status: number, value: WireValue, retryAfter?: number): void {
    this.send(status, 'application/json', packJson(value), retryAfter)
  }

  error(error: RequestError): void {
    const { code, message, retryAfter } = error
    this.json(httpStatus(code), { code, name: errorName(code), message, retryAfter }, retryAfter)
  }
}

/** Adds every HTTP route to the app. */
export function addHttpRoutes(app: TemplatedApp, gateway: Gateway): void {
  for (const endpoint of httpEndpoints) {
    // Named parts of a path are matched here: the router knows only a wildcard at the end.
    app.get(endpoint.path.replace(/\{.*$/, '*'), (response, request) => {
      const reply = new Reply(response)
      answer(gateway, endpoint, response, request, reply).catch((error: unknown) => {
        if (error instanceof RequestError) reply.error(error)
        else if (error instanceof FieldError)
          reply.error(new RequestError(ErrorCode.BadParams, error.message))
        else throw error
      })
    })
  }
  const text = (path: string, type: string, body: () => Promise<string> | string): void => {
    app.get(path, (response) => {
      const reply = new Reply(response)
      void Promise.resolve(body()).then((content) => reply.send(200, type, content))
    })
  }
  text('/metrics', 'text/plain; version=0.0.4', () => metricsText(gateway))
  text('/v1/openapi.json', 'application/json', () => JSON.stringify(openApi()))
  text('/v1/asyncapi.json', 'application/json', () => JSON.stringify(asyncApi()))
  text('/healthz', 'text/plain', () => 'ok')
  app.get('/readyz', (response) => {
    const reply = new Reply(response)
    const ready = !gateway.link.ended && gateway.link.control.failure === 0
    reply.send(ready ? 200 : 503, 'text/plain', ready ? 'ready' : 'the engine has stopped')
  })
  app.any('/*', (response) => {
    new Reply(response).error(new RequestError(ErrorCode.NotFound, 'no such path'))
  })
}

async function answer(
  gateway: Gateway,
  { path, method, query }: HttpEndpoint,
  response: HttpResponse,
  request: HttpRequest,
  reply: Reply,
): Promise<void> {
  // The request is dead after the first await: everything is read before.
  const inPath = pathParams(path, request.getUrl())
  const given = query.map(({ name, fallback }) => {
    const value = request.getQuery(name)
    return value === undefined || value === '' ? fallback : valueOf(value)
  })
  const authorization = request.getHeader('authorization')
  const ip = Buffer.from(response.getRemoteAddressAsText()).toString()
  const named = Object.fromEntries(query.map(({ name }, index) => [name, given[index]]))
  const missing = query.find((_parameter, index) => given[index] === undefined)
  if (missing !== undefined) throw new RequestError(ErrorCode.BadParams, `params.${missing.name}: is missing`)
  // `fills` takes its options as one object; every other method takes them in order.
  const params = method === Method.Fills ? [named as WireValue] : [...inPath, ...(given as WireValue[])]
  const session = authorization === '' ? undefined : await sessionOf(gateway, authorization)
  const result = await gateway.requests.ask(
    { ip, session, account: session?.account },
    method as PlainMethod,
    params,
  )
  reply.json(200, result)
}

/** Values of the `{name}` parts of `path` in `url`. @throws RequestError when they are not as many. */
function pathParams(path: string, url: string): WireValue[] {
  const names = path.split('/')
  const parts = url.split('/')
  if (parts.length !== names.length) throw new RequestError(ErrorCode.NotFound, `the path is ${path}`)
  return parts.filter((_part, index) => names[index]!.startsWith('{')).map(valueOf)
}

/** A whole number where it is written as one; else the text. */
function valueOf(text: string | undefined): WireValue {
  if (text === undefined) return null
  return /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : text
}

/** The session that an Authorization header speaks for. @throws RequestError when it does not. */
async function sessionOf(gateway: Gateway, authorization: string): Promise<SessionInfo> {
  const match = TOKEN.exec(authorization)
  if (match === null) {
    throw new RequestError(ErrorCode.BadSignature, 'Authorization is "Glassbook SLOT.EXPIRES_MS.SIGNATURE"')
  }
  const [, slotText, expiresText, signatureText] = match
  const expiresAtMs = Number(expiresText)
  const now = Date.now()
  if (expiresAtMs <= now || expiresAtMs > now + TOKEN_MS_MAX) {
    throw new RequestError(
      ErrorCode.SessionExpired,
      'the token has expired, or is good for more than an hour',
    )
  }
  const session = gateway.directory.session(Number(slotText))
  if (session === undefined) throw new RequestError(ErrorCode.UnknownSession, `no session ${slotText}`)
  if (session.expiresAtMs <= now)
    throw new RequestError(ErrorCode.SessionExpired, `session ${slotText} has expired`)
  const signature = readBytes(signatureText, 'signature', SESSION_SIGNATURE_BYTES)
  const message = httpTokenMessage(gateway.domain.hash, session.slot, expiresAtMs)
  const valid = await new Promise<boolean>((resolve) => {
    verifySessionSignature(session, message, signature, resolve)
  })
  if (!valid) throw new RequestError(ErrorCode.BadSignature, 'the token is not signed by the session key')
  return session
}
