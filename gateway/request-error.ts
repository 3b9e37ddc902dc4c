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
