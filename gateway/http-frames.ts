/**
 * Order entry over HTTP: the body of `POST /v1/frames` is the params of the WebSocket's `frame`, and goes
 * the same way (frames.ts) under the same limits. A frame needs no logon here: its own signature names
 * its session and is checked in any case.
 *
 * Frames of one account over HTTP count together as those of one connection do; in which order they
 * reach the engine is only certain for a client that waits for its answers.
 */
import { SESSIONS_MAX } from '../engine/limits.js'
import { ErrorCode } from '../sdk/wire/codes.js'
import { readArray, readInt } from '../sdk/wire/fields.js'
import { Kind } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import type { ErrorDetails } from './connection.js'
import type { SessionInfo } from './directory.js'
import type { FrameSource } from './frames.js'
import type { Gateway } from './gateway.js'
import type { Reply } from './http-reply.js'
import { RequestError } from './request-error.js'

/** What the frames of one account have in common. */
interface Account {
  framesInFlight: number
  warnedAtMs: number
  /** None of them is under way any more. */
  readonly rest: () => void
}

/** One request as the sender of its frame. */
class HttpFrameSource implements FrameSource {
  readonly #gateway: Gateway
  readonly #session: SessionInfo
  readonly #account: Account
  readonly #reply: Reply
  readonly #answer: (result: WireValue) => void

  constructor(
    gateway: Gateway,
    session: SessionInfo,
    account: Account,
    reply: Reply,
    answer: (result: WireValue) => void,
  ) {
    this.#gateway = gateway
    this.#session = session
    this.#account = account
    this.#reply = reply
    this.#answer = answer
  }

  get ip(): string {
    return this.#reply.ip
  }

  /** The session, while it is one: what was revoked or replaced meanwhile is none. */
  get session(): SessionInfo | undefined {
    const { slot, expiresAtMs } = this.#session
    const live = this.#gateway.directory.session(slot) === this.#session && expiresAtMs > Date.now()
    return live ? this.#session : undefined
  }

  get framesInFlight(): number {
    return this.#account.framesInFlight
  }

  set framesInFlight(frames: number) {
    this.#account.framesInFlight = frames
    if (frames === 0) this.#account.rest()
  }

  get warnedAtMs(): number {
    return this.#account.warnedAtMs
  }

  set warnedAtMs(atMs: number) {
    this.#account.warnedAtMs = atMs
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
  readonly #accounts = new Map<number, Account>()

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  /**
   * Takes one frame; `params` are those of the WebSocket's `frame`, `answer` gets its result.
   * @throws RequestError or FieldError when it names no session.
   */
  receive(params: WireValue, reply: Reply, answer: (result: WireValue) => void): void {
    const [slotValue] = readArray(params, 'params', 4, 5)
    const slot = readInt(slotValue, 'params.0', 0, SESSIONS_MAX - 1)
    const session = this.#gateway.directory.session(slot)
    if (session === undefined) throw new RequestError(ErrorCode.UnknownSession, `no session ${slot}`)
    if (session.expiresAtMs <= Date.now())
      throw new RequestError(ErrorCode.SessionExpired, `session ${slot} has expired`)
    let account = this.#accounts.get(session.account)
    if (account === undefined) {
      const rest = (): boolean => this.#accounts.delete(session.account)
      account = { framesInFlight: 0, warnedAtMs: -Infinity, rest }
      this.#accounts.set(session.account, account)
    }
    const source = new HttpFrameSource(this.#gateway, session, account, reply, answer)
    this.#gateway.frames.receive(source, 0, params)
  }
}
