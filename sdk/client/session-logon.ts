/**
 * The session that is logged on: to the connection that stands, and to every later one until it ends. Belongs to
 * client-core.ts, which says when a connection is there and what the exchange says of sessions.
 *
 * A session ends by the exchange's word (revoked, expired), in a message or in the answer to a logon, or leaves by the
 * caller's wish; only of the former are listeners told.
 *
 * Invariant: a logon or logoff is sent when the one before has its answer, and a logon only to the connection whose
 * challenge was signed. A key that signs elsewhere may take its time: nothing waits for it but its own logon.
 */
import type { Session } from './client-types.js'
import { Listeners, type Report } from '../base/listeners.js'
import { readObject } from '../wire/fields.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import { logonMessage } from '../wire/signed.js'
import { isSessionOver } from './session-over.js'
import { notConnected } from './socket.js'

/** What this needs of the client's connection. */
export interface LogonLine {
  readonly url: string
  request(method: Method, params: readonly WireValue[]): Promise<WireValue>
  domain(): Uint8Array
  /** What the exchange gave this connection to sign. @throws TransportError before the first connection. */
  challenge(): Uint8Array
  /** What the key answers. @throws TransportError when the client is closed first. */
  signed<Value>(answer: Promise<Value>): Promise<Value>
}

/** Who is told of the session. */
export interface LogonHandler {
  /** This one, or none, is logged on from now on. */
  changed(session: Session | undefined): void
  /** The exchange has taken a session, and every stream with it, off the connection that stands. */
  left(): void
  /** Takes what a listener threw. */
  readonly report: Report
}

export class SessionLogon {
  readonly #line: LogonLine
  readonly #handler: LogonHandler
  readonly #endListeners: Listeners<[session: Session]>
  #session: Session | undefined
  /** Settles when the newest logon or logoff has had its answer. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(line: LogonLine, handler: LogonHandler) {
    this.#line = line
    this.#handler = handler
    this.#endListeners = new Listeners(handler.report)
  }

  get session(): Session | undefined {
    return this.#session
  }

  /** Calls `listener` when the exchange ends a session; returns how to stop that. */
  onEnded(listener: (session: Session) => void): () => void {
    return this.#endListeners.add(listener)
  }

  /** Logs a session on. @throws AuthenticationError when the exchange does not take it; the one of before stays. */
  async logon(session: Session): Promise<void> {
    const send = await this.#sign(session)
    await this.#inTurn(async () => {
      await send()
      this.#change(session)
    })
  }

  /** Logs the session on to a new connection, if there is one. @throws what is no end of it. */
  async logonAgain(): Promise<void> {
    const session = this.#session
    if (session === undefined) return
    const send = await this.#sign(session)
    await this.#inTurn(async () => {
      // It has left or ended, or another one is logged on: this one would be in the way of what follows.
      if (this.#session !== session) return
      try {
        await send()
      } catch (error) {
        if (!isSessionOver(error)) throw error
        // It will never log on again; the public half of the client lives on.
        this.#end()
      }
    })
  }

  /** Signs a logon of `session` to the connection that is there; answers with what sends it. */
  async #sign(session: Session): Promise<() => Promise<void>> {
    const challenge = this.#line.challenge()
    const { account, approval, key } = session
    const signature = await this.#line.signed(key.sign(logonMessage(this.#line.domain(), session, challenge)))
    return async () => {
      if (this.#line.challenge() !== challenge) throw notConnected(this.#line.url)
      await this.#line.request(Method.Logon, [account, approval, signature])
    }
  }

  /** Takes the session off the connection, if there is one; one whose logon is not sent yet never logs on. */
  async logoff(): Promise<void> {
    if (this.#session === undefined) return
    this.#change(undefined)
    await this.#inTurn(async () => {
      await this.#line.request(Method.Logoff, [])
      this.#handler.left()
    })
  }

  #inTurn(send: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(send)
    this.#turn = turn.catch(() => {})
    return turn
  }

  /** The exchange says that a session has ended: the one that is logged on, or one of before. */
  ended(details: WireValue | undefined): void {
    const { account, approval } = readObject(details ?? {}, 'control')
    if (this.#session?.account !== account || this.#session?.approval !== approval) return
    this.#end()
    this.#handler.left()
  }

  #end(): void {
    const session = this.#session
    if (session === undefined) return
    this.#change(undefined)
    this.#endListeners.tell(session)
  }

  #change(session: Session | undefined): void {
    this.#session = session
    this.#handler.changed(session)
  }
}
