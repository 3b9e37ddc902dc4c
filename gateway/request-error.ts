/** A refusal of one request: becomes an error message on a WebSocket, an error body over HTTP. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** `code`: of sdk/wire/codes; `retryAfter`: ms after which it is worth trying again. */
  constructor(
    readonly code: number,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}
