import { Scope } from '../../engine/codes.js'

/**
 * A refusal of one request: becomes an error message on a WebSocket, an error body over HTTP. It has no stack: whoever
 * is refused makes thousands a second, and code and message say all that is told.
 */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly code: number
  readonly retryAfter: number | undefined

  /** `code`: of sdk/wire/codes; `retryAfter`: ms after which it is worth trying again. */
  constructor(code: number, message: string, retryAfter?: number) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.code = code
    this.retryAfter = retryAfter
  }
}

/** A refusal's words: which scope `what` needs, and which the session has. */
export function scopeMissing(what: string, scope: number, has: number): string {
  const names = (bits: number): string =>
    Object.entries(Scope)
      .filter(([, bit]) => (bits & bit) !== 0)
      .map(([name]) => name)
      .join(' and ')
  return `${what} needs a session with the scope ${names(scope)}, this one has ${names(has)}`
}
