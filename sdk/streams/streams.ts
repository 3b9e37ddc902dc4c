/**
 * The streams that a client follows, over all its connections: each goes on from where it stood, is made
 * good when a message is missing, waits for a session where it needs one, and ends when it is refused for
 * good, without harm to the others. Belongs to client-core.ts.
 *
 * Invariants: of each stream at most one recovery is in flight; a stream that is followed and not live is
 * being recovered, waits for a connection or a session, or has ended.
 */
import {
  AuthenticationError,
  ExchangeError,
  GlassbookError,
  LimitError,
  TransportError,
} from '../base/errors.js'
import type { Report } from '../base/listeners.js'
import { type Pauses, backoffMs } from '../base/pauses.js'
import { type StreamListener, type StreamWatcher, Subscription, streamOf } from './subscription.js'
import { ErrorCode } from '../wire/codes.js'
import { readObject, readSafeInt } from '../wire/fields.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

export interface StreamLine {
  request(method: Method, params: readonly WireValue[]): Promise<WireValue>
  isOpen(): boolean
  /** A connection that breaks will be made again. */
  comesBack(): boolean
  readonly report: Report
  readonly pauses: Pauses
  /** A stream that was accepted and has not begun after this long is asked for again. */
  readonly startMsMax: number
  readonly pauseMsMax: number
}

interface Followed {
  readonly subscription: Subscription
  /** The exchange has been asked for it on this connection, and may send it. */
  asked: boolean
  recovering: boolean
  /** Attempts since it was live. */
  failures: number
  /** The first attempt, for all who subscribe meanwhile. */
  begun: Promise<void>
  ended: GlassbookError | undefined
}

export class Streams {
  readonly #line: StreamLine
  readonly #followed = new Map<string, Followed>()
  /** Counts connections: what began on an earlier one stops. */
  #connection = 0
  /** Ends the wait for a stream to begin. */
  readonly #changed = new Set<() => void>()

  constructor(line: StreamLine) {
    this.#line = line
  }

  /** A connection stands: every stream is asked for on it. */
  opened(): void {
    this.#connection++
    for (const followed of this.#followed.values()) void this.#recover(followed)
  }

  closed(): void {
    this.#connection++
    this.#wake()
    for (const followed of this.#followed.values()) {
      followed.asked = false
      followed.recovering = false
      followed.subscription.lost()
    }
  }

  /** A session is logged on: streams that waited for one are asked for. */
  loggedOn(): void {
    for (const followed of this.#followed.values())
      if (followed.subscription.phase === 'off') void this.#recover(followed)
  }

  /** The exchange has taken every stream off this connection. */
  sessionEnded(): void {
    this.closed()
    this.opened()
  }

  /** An event or a snapshot. @throws FieldError when it is none. */
  message(message: readonly WireValue[]): void {
    const followed = this.#followed.get(streamOf(message))
    if (followed === undefined) return
    const { subscription } = followed
    const taking = subscription.take(message)
    if (subscription.phase === 'live') {
      followed.failures = 0
      this.#wake()
    }
    if (taking !== 'gap' && taking !== 'disagreed') return
    if (taking === 'disagreed') subscription.forget()
    subscription.lost()
    this.#wake()
    void this.#recover(followed)
  }

  /** A snapshot comes in place of what the exchange does not keep any more. */
  resync(name: string): void {
    this.#followed.get(name)?.subscription.awaitSnapshot()
  }

  /** @throws GlassbookError when the exchange refuses the stream. */
  async subscribe(
    name: string,
    listener: StreamListener,
    watcher: StreamWatcher,
    fromSnapshot: boolean,
  ): Promise<() => Promise<void>> {
    let followed = this.#followed.get(name)
    const first = followed === undefined
    if (followed === undefined) {
      followed = {
        subscription: new Subscription(name, this.#line.report),
        asked: false,
        recovering: false,
        failures: 0,
        begun: Promise.resolve(),
        ended: undefined,
      }
      this.#followed.set(name, followed)
    }
    const { subscription } = followed
    subscription.listeners.set(listener, watcher)
    if (first) followed.begun = this.#begin(followed)
    await followed.begun
    if (!first && fromSnapshot) {
      subscription.forget()
      subscription.lost()
      void this.#recover(followed)
    }
    return async () => {
      subscription.listeners.delete(listener)
      if (subscription.listeners.size > 0 || this.#followed.get(name) !== followed) return
      this.#followed.delete(name)
      subscription.lost()
      this.#wake()
      if (followed.asked && this.#line.isOpen()) await this.#leave(followed)
    }
  }

  async #begin(followed: Followed): Promise<void> {
    followed.recovering = true
    const connection = this.#connection
    try {
      await this.#ask(followed, connection)
    } catch (error) {
      // A connection that broke meanwhile is not the stream's fault: coming back follows it.
      if (!(error instanceof TransportError && this.#line.comesBack())) {
        if (this.#followed.get(followed.subscription.name) === followed)
          this.#followed.delete(followed.subscription.name)
        throw error
      }
    } finally {
      if (connection === this.#connection) followed.recovering = false
    }
    void this.#recover(followed)
  }

  /** Asks until the stream is live, refused for good, or the connection is another one. */
  async #recover(followed: Followed): Promise<void> {
    const { subscription } = followed
    if (followed.recovering) return
    followed.recovering = true
    const connection = this.#connection
    const isWanted = (): boolean =>
      connection === this.#connection &&
      this.#line.isOpen() &&
      followed.ended === undefined &&
      this.#followed.get(subscription.name) === followed
    try {
      while (isWanted() && subscription.phase !== 'live') {
        try {
          if (subscription.phase === 'off') {
            if (followed.failures > 0)
              await this.#line.pauses.wait(
                Math.random() * backoffMs(followed.failures, this.#line.pauseMsMax),
              )
            if (!isWanted()) return
            followed.failures++
            await this.#ask(followed, connection)
          }
          await this.#begins(followed, connection)
        } catch (error) {
          if (!isWanted()) return
          if (!(await this.#isWorthAnother(followed, error))) return
        }
      }
    } finally {
      if (connection === this.#connection) followed.recovering = false
    }
  }

  /** Whether to ask again, after the pause that the exchange asks for. */
  async #isWorthAnother(followed: Followed, error: unknown): Promise<boolean> {
    const { subscription } = followed
    subscription.lost()
    if (!(error instanceof GlassbookError)) {
      this.#line.report(error)
      return false
    }
    // It goes on with the next session that is logged on.
    if (error instanceof AuthenticationError) return false
    if (error.code === ErrorCode.AlreadySubscribed) {
      followed.asked = true
      return true
    }
    const passes =
      error instanceof TransportError ||
      error instanceof ExchangeError ||
      (error instanceof LimitError && error.code !== ErrorCode.TooManySubscriptions)
    if (passes) {
      await this.#line.pauses.wait(error.retryAfter ?? 0)
      return true
    }
    followed.ended = error
    this.#followed.delete(subscription.name)
    subscription.end(error)
    this.#line.report(error)
    return false
  }

  /** One request for the stream, from where it stands. @throws what the exchange answers. */
  async #ask(followed: Followed, connection: number): Promise<void> {
    const { subscription } = followed
    if (followed.asked) await this.#leave(followed)
    if (connection !== this.#connection) return
    const { name, position } = subscription
    followed.asked = true
    subscription.asking()
    try {
      const params = position === undefined ? [name] : [name, position]
      const answer = readObject(await this.#line.request(Method.Subscribe, params), 'subscription')
      if (connection !== this.#connection) return
      const { resumedTo } = answer
      subscription.accepted(resumedTo === undefined ? undefined : readSafeInt(resumedTo, 'resumedTo'))
    } catch (error) {
      // Unanswered, it may have been taken all the same.
      if (connection === this.#connection && !(error instanceof TransportError)) followed.asked = false
      subscription.lost()
      throw error
    }
  }

  /** Takes the stream off the connection. */
  async #leave(followed: Followed): Promise<void> {
    try {
      await this.#line.request(Method.Unsubscribe, [followed.subscription.name])
    } catch (error) {
      if (!(error instanceof GlassbookError && error.code === ErrorCode.NotSubscribed)) throw error
    }
    followed.asked = false
  }

  /** Resolves when the stream is live or has lost its thread again; `startMsMax` without a message is that too. */
  async #begins({ subscription }: Followed, connection: number): Promise<void> {
    const isDone = (): boolean =>
      subscription.phase === 'live' || subscription.phase === 'off' || connection !== this.#connection
    if (isDone()) return
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (!isDone()) return
        this.#changed.delete(look)
        resolve()
      }
      this.#changed.add(look)
      const wait = (): void => {
        const { taken } = subscription
        timer = setTimeout(() => {
          // A large snapshot comes in pages.
          if (subscription.taken > taken) return wait()
          subscription.lost()
          this.#changed.delete(look)
          resolve()
        }, this.#line.startMsMax)
      }
      wait()
    })
    clearTimeout(timer)
  }

  #wake(): void {
    for (const look of [...this.#changed]) look()
  }
}
