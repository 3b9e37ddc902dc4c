/**
 * Check, await, act: after every await the world is another one. Whoever waits for an answer on behalf of a
 * client waits for it here, and goes on only while the connection and the session that it began with still
 * stand. ESLint refuses any other `await` in the files that act for clients (eslint.config.js).
 */
import { ErrorCode } from '../../sdk/wire/codes.js'
import type { Directory, SessionInfo } from './directory.js'
import { RequestError } from '../protocol/request-error.js'

/** Which sessions are live, and the engine time at which they are asked for. */
export interface LiveSessions {
  readonly directory: Directory
  readonly timeMs: number
}

/** What has to be as it was; what is absent does not matter. */
export interface Standing {
  /** A connection, or an HTTP request: nobody is there to be answered once it has closed. */
  readonly connection?: { readonly closed: boolean }
  /** Neither revoked, replaced nor expired. */
  readonly session?: SessionInfo | undefined
}

/** @throws RequestError when the connection has closed or the session has ended. */
export function checkStanding(live: LiveSessions, { connection, session }: Standing): void {
  if (connection?.closed === true) throw new RequestError(ErrorCode.ShuttingDown, 'the connection has ended')
  if (session === undefined || live.directory.isLive(session, live.timeMs)) return
  if (session.expiresAtMs <= live.timeMs)
    throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
  throw new RequestError(ErrorCode.UnknownSession, `${session.text} has been revoked or replaced`)
}

/** What `promise` gives or rejects with, if all still stands by then. @throws RequestError when it does not. */
export async function stillStanding<T>(
  live: LiveSessions,
  standing: Standing,
  promise: Promise<T>,
): Promise<T> {
  try {
    return await promise
  } finally {
    // A refusal tells something too: who may not ask any more is told that, and nothing else.
    checkStanding(live, standing)
  }
}
