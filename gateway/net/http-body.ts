/**
 * The body of a POST: the params of a method, as JSON or MessagePack, exactly as they travel over
 * WebSocket. Bounded like a message there; whatever is too large, of another type or no value at all is
 * refused.
 */
import { jsonCodec, msgpackCodec } from '../../sdk/wire/codec.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { MalformedMessage, type WireValue } from '../../sdk/wire/msgpack.js'
import type { HttpRequest, HttpResponse } from '../sockets/backend.js'
import type { Reply } from './http-reply.js'
import type { Refusal } from '../limits/budgets.js'
import { RequestError } from '../protocol/request-error.js'

export interface Body {
  readonly params: WireValue
  /** Which encoding it came in, and its answer goes out in. */
  readonly isJson: boolean
}

const CODECS = new Map([
  ['application/json', jsonCodec],
  ['application/msgpack', msgpackCodec],
])

/**
 * Reads the body and hands it on once `pay` has taken its bytes, or answers with why not. To be called within
 * the request's handler.
 */
export function readHttpBody(
  reply: Reply,
  request: HttpRequest,
  response: HttpResponse,
  bytesMax: number,
  pay: (bytes: number) => Refusal | undefined,
  take: (body: Body) => void,
): void {
  const type = request.getHeader('content-type').split(';')[0]!.trim().toLowerCase()
  const codec = CODECS.get(type)
  if (codec === undefined) {
    throw new RequestError(
      ErrorCode.UnsupportedMediaType,
      `content-type ${JSON.stringify(type.slice(0, 40))}: send ${[...CODECS.keys()].join(' or ')}`,
    )
  }
  const chunks: Buffer[] = []
  let bytes = 0
  response.onData((chunk, isLast) => {
    if (reply.done) return
    bytes += chunk.byteLength
    if (bytes > bytesMax) {
      reply.error(
        new RequestError(ErrorCode.MessageTooLarge, `the body is larger than ${bytesMax} bytes`),
        true,
      )
      return
    }
    // The chunk dies with this call.
    chunks.push(Buffer.from(chunk.slice(0)))
    if (!isLast) return
    const refusal = pay(bytes)
    if (refusal !== undefined) {
      reply.error(new RequestError(refusal.code, refusal.message, refusal.retryAfter))
      return
    }
    let params: WireValue
    try {
      params = codec.decode(Buffer.concat(chunks))
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error
      reply.error(new RequestError(ErrorCode.MalformedMessage, `body: ${error.message}`))
      return
    }
    take({ params, isJson: codec === jsonCodec })
  })
}
