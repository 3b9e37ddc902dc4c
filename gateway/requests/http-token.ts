/**
 * Whom a private HTTP request speaks for: `Authorization: Glassbook ACCOUNT.APPROVAL.EXPIRES_MS.SIGNATURE`,
 * signed by the session key (sdk/wire/signed.ts), good until engine time reaches EXPIRES_MS, for an hour at most.
 *
 * A token is paid for before its signature is looked at, and remembered once it was found good, so that
 * its later requests cost no signature. Checked at once rather than in the pool: a request that is
 * answered at once may have others behind it on its connection.
 */
import { ErrorCode } from '../../sdk/wire/codes.js'
import { readBytes } from '../../sdk/wire/fields.js'
import { SESSION_SIGNATURE_BYTES } from '../../sdk/wire/layout.js'
import { httpTokenMessage } from '../../sdk/wire/signed.js'
import type { Limits } from '../limits/client-limits.js'
import { type Domain, isSessionSignature } from '../signatures/auth.js'
import type { SessionInfo } from '../sessions/directory.js'
import type { LiveSessions } from '../sessions/still-standing.js'
import { RequestError } from '../protocol/request-error.js'
import { TOKENS_KEPT, TOKEN_MS_MAX, TOKEN_WEIGHT } from '../limits.js'

/** What the header carries, as errors tell it. */
export const TOKEN_FORM = 'Glassbook ACCOUNT.APPROVAL.EXPIRES_MS.SIGNATURE'
const TOKEN = /^Glassbook ([0-9]{1,7})\.([0-9]{1,16})\.([0-9]{1,16})\.([A-Za-z0-9_-]{86})$/

/** What a token is checked against. */
export interface TokenChecks extends LiveSessions {
  readonly domain: Domain
  readonly limits: Limits
}

export class HttpTokens {
  readonly #checks: TokenChecks
  /** Tokens found good, and the very session that signed each. */
  readonly #known = new Map<string, SessionInfo>()

  constructor(checks: TokenChecks) {
    this.#checks = checks
  }

  /** The session that an Authorization header speaks for. @throws RequestError or FieldError when it does not. */
  session(authorization: string, ip: string): SessionInfo {
    const match = TOKEN.exec(authorization)
    if (match === null) {
      throw new RequestError(
        ErrorCode.BadSignature,
        `Authorization is "${TOKEN_FORM}": three numbers, and 64 bytes as 86 characters of base64url`,
      )
    }
    const [, accountText, approvalText, expiresText, signatureText] = match
    const name = { account: Number(accountText), approval: Number(approvalText) }
    const expiresAtMs = Number(expiresText)
    const { timeMs } = this.#checks
    if (expiresAtMs <= timeMs || expiresAtMs > timeMs + TOKEN_MS_MAX) {
      throw new RequestError(
        ErrorCode.SessionExpired,
        `the token's EXPIRES_MS ${expiresText} has passed, or is more than an hour after engine time ${timeMs}; sign another`,
      )
    }
    const session = this.#checks.directory.session(name)
    if (session === undefined)
      throw new RequestError(ErrorCode.UnknownSession, `no session ${approvalText} of account ${accountText}`)
    if (session.expiresAtMs <= timeMs)
      throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
    if (this.#known.get(authorization) === session) return session
    const refusal = this.#checks.limits.request(ip, undefined, TOKEN_WEIGHT)
    if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message, refusal.retryAfter)
    const signature = readBytes(signatureText, 'signature', SESSION_SIGNATURE_BYTES)
    const message = httpTokenMessage(this.#checks.domain.hash, name, expiresAtMs)
    if (!isSessionSignature(session, message, signature))
      throw new RequestError(ErrorCode.BadSignature, 'the token is not signed by the session key')
    if (this.#known.size >= TOKENS_KEPT) this.#known.delete(this.#known.keys().next().value!)
    this.#known.set(authorization, session)
    return session
  }
}
