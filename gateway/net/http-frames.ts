/**
 * Order entry over HTTP: the body of `POST /v1/frames` is the params of the WebSocket's `frame`, and goes
 * the same way (frames.ts) under the same limits. A frame needs no logon here: its own signature proves
 * its session. Until it is found valid the address pays, as anybody can write an account's name.
 *
 * Frames of one account over HTTP count together as those of one connection do; in which order they
 * reach the engine is only certain for a client that waits for its answers.
 */
import { ACCOUNTS_MAX } from '../../engine/limits.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { readArray, readInt } from '../../sdk/wire/fields.js'
import { Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { ErrorDetails } from '../connections/connection.js'
import type { SessionInfo } from '../sessions/directory.js'
import type { FrameSource } from '../frames/frames.js'
import type { Gateway } from '../gateway.js'
import type { Reply } from './http-reply.js'
import { RequestError } from '../protocol/request-error.js'

/** One request as the sender of its frame. */
class HttpFrameSource implements FrameSource {
  readonly #gateway: Gateway
  readonly #session: SessionInfo
  readonly #inFlight: Map<number, number>
  readonly #reply: Reply
  readonly #answer: (result: WireValue) => void
  readonly isLoggedOn = false
  /** Nobody is warned here, so nobody was. */
  warnedAtMs = -Infinity

  constructor(
    gateway: Gateway,
    session: SessionInfo,
    inFlight: Map<number, number>,
    reply: Reply,
    answer: (result: WireValue) => void,
  ) {
    this.#gateway = gateway
    this.#session = session
    this.#inFlight = inFlight
    this.#reply = reply
    this.#answer = answer
  }

  get ip(): string {
    return this.#reply.ip
  }

  /** The session, while it is one: what was revoked or replaced meanwhile is none. */
  get session(): SessionInfo | undefined {
    const { directory, timeMs } = this.#gateway
    return directory.isLive(this.#session, timeMs) ? this.#session : undefined
  }

  get framesInFlight(): number {
    return this.#inFlight.get(this.#session.account) ?? 0
  }

  set framesInFlight(frames: number) {
    if (frames === 0) this.#inFlight.delete(this.#session.account)
    else this.#inFlight.set(this.#session.account, frames)
  }

  get closed(): boolean {
    return this.#reply.done
  }

  /** A frame's result is the answer; warnings have no place in one. */
  send(message: WireValue): void {
    const [kind, , result] = message as readonly WireValue[]
    if (kind === Kind.Result) this.#answer(result!)
  }

  sendError(_id: number | null, code: number, { message, retryAfter }: ErrorDetails): void {
    this.#reply.error(new RequestError(code, message, retryAfter))
  }

  flush(): void {
    // An answer leaves when it is given.
  }
}

export class HttpFrames {
  readonly #gateway: Gateway
  /** Frames of each account that have been taken and have no answer yet. */
  readonly #inFlight = new Map<number, number>()

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /**
   * Takes one frame; `params` are those of the WebSocket's `frame`, `answer` gets its result.
   * @throws RequestError or FieldError when it names no session.
   */
  receive(params: WireValue, reply: Reply, answer: (result: WireValue) => void): void {
    const values = readArray(params, 'params', 5, 6)
    const number = readInt(values[0], 'params.0', 0, ACCOUNTS_MAX - 1)
    const approval = readInt(values[1], 'params.1', 0, Number.MAX_SAFE_INTEGER)
    const session = this.#gateway.directory.session({ account: number, approval })
    if (session === undefined)
      throw new RequestError(ErrorCode.UnknownSession, `no session ${approval} of account ${number}`)
    if (session.expiresAtMs <= this.#gateway.timeMs)
      throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
    const source = new HttpFrameSource(this.#gateway, session, this.#inFlight, reply, answer)
    this.#gateway.frames.receive(source, 0, params)
  }
}
