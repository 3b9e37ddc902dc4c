/**
 * One tree of errors with the protocol's stable codes, in viem's manner: a short message, details, the
 * cause. Catch a class for a kind of failure, or look at `code` for the exact one.
 */
import { errorName } from '../wire/codes.js'

export interface GlassbookErrorOptions {
  readonly code: number
  readonly details?: unknown
  readonly cause?: unknown
  /** Milliseconds after which it is worth trying again. */
  readonly retryAfter?: number | undefined
}

/** Base of every error that this SDK throws on purpose. */
export class GlassbookError extends Error {
  override readonly name: string = 'GlassbookError'
  readonly code: number
  /** The code's name in the protocol's table. */
  readonly codeName: string
  readonly shortMessage: string
  readonly details: unknown
  readonly retryAfter: number | undefined

  constructor(shortMessage: string, options: GlassbookErrorOptions) {
    super(`${shortMessage} (${errorName(options.code)}, ${options.code})`, { cause: options.cause })
    this.code = options.code
    this.codeName = errorName(options.code)
    this.shortMessage = shortMessage
    this.details = options.details
    this.retryAfter = options.retryAfter
  }
}

/** 1xxx: the connection. */
export class TransportError extends GlassbookError {
  override readonly name = 'TransportError'
}
/** 2xxx: who you are and what your session may do. */
export class AuthenticationError extends GlassbookError {
  override readonly name = 'AuthenticationError'
}
/** 3xxx: a request that is not as the schema says. */
export class RequestError extends GlassbookError {
  override readonly name = 'RequestError'
}
/** 4xxx: the engine refused an order or another command. */
export class OrderError extends GlassbookError {
  override readonly name = 'OrderError'
}
/** 5xxx: a budget or a bound of the exchange. */
export class LimitError extends GlassbookError {
  override readonly name = 'LimitError'
}
/** 6xxx: the exchange itself. */
export class ExchangeError extends GlassbookError {
  override readonly name = 'ExchangeError'
}
/**
 * The connection broke after a frame was sent and before it was answered: the commands may or may not
 * have been taken. `outcome` resolves with what became of each, once the client is connected again.
 */
export class OutcomeUnknownError<R = unknown> extends GlassbookError {
  override readonly name = 'OutcomeUnknownError'
  /** What became of the commands, in their order; stays open while there is no connection, and may reject when it is closed. */
  outcome: Promise<R> = new Promise(() => {})
}
/** An amount, price or option that never left this process. */
export class InputError extends GlassbookError {
  override readonly name = 'InputError'
}
/** A proof, checksum or signature that does not hold: the exchange said something untrue. */
export class VerificationError extends GlassbookError {
  override readonly name = 'VerificationError'
}

/** The class that a protocol code belongs to. */
export function errorOf(
  code: number,
  message: string,
  options: Omit<GlassbookErrorOptions, 'code'> = {},
): GlassbookError {
  const all = { ...options, code }
  switch (Math.floor(code / 1000)) {
    case 1:
      return new TransportError(message, all)
    case 2:
      return new AuthenticationError(message, all)
    case 3:
      return new RequestError(message, all)
    case 4:
      return new OrderError(message, all)
    case 5:
      return new LimitError(message, all)
    default:
      return new ExchangeError(message, all)
  }
}
