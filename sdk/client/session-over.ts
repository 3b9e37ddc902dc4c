/** Answers of the exchange, and of its engine, after which a session is of no use any more. */
import { Reject } from '../../engine/codes.js'
import { GlassbookError } from '../base/errors.js'
import { ErrorCode, rejectToCode } from '../wire/codes.js'

const SESSION_OVER: ReadonlySet<number> = new Set([
  ErrorCode.UnknownSession,
  ErrorCode.SessionExpired,
  ErrorCode.SessionRevoked,
  rejectToCode(Reject.UnknownSession),
  rejectToCode(Reject.SessionExpired),
])

/** Whether an error says that the session is revoked, expired or unknown. */
export const isSessionOver = (error: unknown): boolean =>
  error instanceof GlassbookError && SESSION_OVER.has(error.code)
