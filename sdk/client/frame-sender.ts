/**
 * Signed frames on their way to the exchange: nonces, the bound on those unanswered, and those whose answer
 * was lost. Belongs to client-core.ts, which says when a connection stands and which session is logged on.
 *
 * Invariants:
 * - a frame is sent at most once;
 * - nonces are consecutive, and no frame leaves while an unanswered one is FRAME_NONCE_WINDOW or more below
 *   it: whatever was lost can be asked for;
 * - after a connection that took answers with it, no frame leaves before each lost one has its outcome.
 */
import { CommandKind, Reject } from '../../engine/codes.js'
import { FRAME_NONCE_WINDOW } from '../../engine/limits.js'
import {
  FRAMES_WAITING_RETRY_MS,
  NONCE_STEP_MAX,
  OUTCOME_RETRY_MS_MAX,
  OUTCOME_RETRY_MS_MIN,
} from '../limits.js'
import type { CommandResult, Session } from './client-types.js'
import { GlassbookError, LimitError, OutcomeUnknownError, errorOf } from '../base/errors.js'
import { type MarketOf, rejectionOf } from '../money/explain.js'
import { checkCommands } from '../money/raw-commands.js'
import { type SignedReceipt, checkReceipt } from '../verify/receipt.js'
import { isSessionOver } from './session-over.js'
import { notConnected } from './socket.js'
import type { TrackedOrder } from '../streams/trackers.js'
import { type FrameCodes, type LostFrame, type OutcomeSource, resolveLostFrame } from './unknown-outcomes.js'
import { ErrorCode, rejectToCode } from '../wire/codes.js'
import { packJson } from '../wire/codec.js'
import { type WireCommand, commandToWire } from '../wire/commands.js'
import { readArray, readObject, readSafeInt } from '../wire/fields.js'
import { Method, OrderState } from '../wire/layout.js'
import { type WireValue, packMsgpack } from '../wire/msgpack.js'
import { frameMessage } from '../wire/signed.js'

const STATE_NAMES: Readonly<Record<number, CommandResult['state']>> = {
  [OrderState.Open]: 'open',
  [OrderState.Filled]: 'filled',
  [OrderState.Canceled]: 'canceled',
  [OrderState.Waiting]: 'waiting',
}
const NONCE_USED = rejectToCode(Reject.FrameNonceUsed)
const NONCE_TOO_OLD = rejectToCode(Reject.FrameNonceTooOld)

export interface FrameAnswer {
  readonly results: CommandResult[]
  readonly receipt: SignedReceipt | undefined
}

/** What this needs of the client's connection. */
export interface FrameLine {
  readonly url: string
  readonly json: boolean
  /** Frames that may wait for others' outcomes. */
  readonly framesWaitingMax: number
  readonly domain: () => Uint8Array
  readonly receiptKey: () => Uint8Array | undefined
  request(method: Method, params: readonly WireValue[], options?: { command: boolean }): Promise<WireValue>
  order(cloid: bigint): Promise<TrackedOrder | undefined>
  readonly marketOf: MarketOf
  /** Engine time. */
  nowMs(): number
  /** What the key answers. @throws TransportError when the client is closed first. */
  signed<Value>(answer: Promise<Value>): Promise<Value>
}

interface WaitingFrame {
  readonly commands: readonly WireCommand[]
  readonly wantsReceipt: boolean
  readonly resolve: (answer: FrameAnswer) => void
  readonly reject: (error: unknown) => void
}

interface Signed {
  readonly message: Uint8Array<ArrayBuffer>
  readonly params: WireValue[]
}

export class FrameSender {
  readonly #line: FrameLine
  #session: Session | undefined
  /** Counts connections, so that a frame knows whether its own still stands. */
  #connection = 0
  #open = false
  #lastNonce = 0
  #turn: Promise<unknown> = Promise.resolve()
  readonly #waiting: WaitingFrame[] = []
  /** Nonces of this connection's frames without an answer, oldest first. */
  readonly #unanswered = new Set<number>()
  readonly #lost = new Map<LostFrame, (results: CommandResult[]) => void>()
  #resolving = false
  #syncing = false

  readonly #notSent = (): GlassbookError => notConnected(this.#line.url)

  constructor(line: FrameLine) {
    this.#line = line
  }

  /** Frames sent whose outcome is not known yet. */
  get unknownFrames(): number {
    return this.#lost.size
  }

  /** Frames that have not left yet. */
  get waitingFrames(): number {
    return this.#waiting.length
  }

  /** A connection stands, with this session logged on to it. */
  opened(session: Session | undefined): void {
    this.#connection++
    this.#open = true
    this.loggedOn(session)
  }

  /** The connection has ended. What had not left is refused; what had and was not answered is lost. */
  closed(): void {
    this.#open = false
    this.#refuseWaiting(this.#notSent)
  }

  /** Another session, or none, is logged on to the connection that stands. */
  loggedOn(session: Session | undefined): void {
    this.#session = session
    this.#lastNonce = Math.max(this.#lastNonce, firstNonce(this.#line.nowMs()))
    if (session === undefined) this.#refuseWaiting(notLoggedOn)
    this.#go()
  }

  /** @throws what `CommandResult` does not carry: see `Client.batch`. */
  async send(commands: readonly WireCommand[], wantsReceipt: boolean): Promise<FrameAnswer> {
    checkCommands(commands)
    if (!this.#open) throw this.#notSent()
    if (this.#session === undefined) throw notLoggedOn()
    const { framesWaitingMax } = this.#line
    if (this.#waiting.length >= framesWaitingMax) {
      const message = `${this.#waiting.length} frames wait for others' outcomes, at most ${framesWaitingMax}; await some first`
      throw new LimitError(message, {
        code: ErrorCode.TooManyFramesInFlight,
        retryAfter: FRAMES_WAITING_RETRY_MS,
      })
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commands, wantsReceipt, resolve, reject })
      this.#go()
    })
  }

  #refuseWaiting(why: () => GlassbookError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(why())
  }

  /** Sends what may leave; finds out what was lost before anything does. */
  #go(): void {
    const session = this.#session
    if (!this.#open || session === undefined || this.#resolving) return
    if (this.#lost.size > 0) {
      this.#resolving = true
      void this.#resolve().finally(() => {
        this.#resolving = false
        this.#go()
      })
      return
    }
    while (this.#waiting.length > 0 && !this.#syncing && this.#hasRoom()) {
      const frame = this.#waiting.shift()!
      this.#dispatch(frame, session, this.#connection).then(frame.resolve, frame.reject)
    }
  }

  #hasRoom(): boolean {
    const [oldest] = this.#unanswered
    return oldest === undefined || this.#lastNonce + 1 - oldest < FRAME_NONCE_WINDOW
  }

  async #dispatch(frame: WaitingFrame, session: Session, connection: number): Promise<FrameAnswer> {
    const nonce = ++this.#lastNonce
    this.#unanswered.add(nonce)
    const { commands, wantsReceipt } = frame
    try {
      // Signatures are made side by side, but frames leave in the order of the calls.
      const signing = this.#sign(session, nonce, commands)
      // A key that signs elsewhere may fail before the frame's turn comes, when nobody waits for it yet.
      signing.catch(() => {})
      const turn = this.#turn.then(() => signing)
      this.#turn = turn.catch(() => {})
      const { message, params } = await turn
      // Not on a later connection: it has to wait there for what was lost here.
      if (connection !== this.#connection || !this.#open) throw this.#notSent()
      if (wantsReceipt) params.push({ receipt: true })
      const answer = await this.#request(params, { session, nonce, commands })
      return await this.#read(answer, commands, message)
    } finally {
      this.#unanswered.delete(nonce)
      this.#go()
    }
  }

  async #sign(session: Session, nonce: number, commands: readonly WireCommand[]): Promise<Signed> {
    const wire = commands.map(commandToWire)
    const text = this.#line.json ? packJson(wire) : undefined
    const payload = text === undefined ? packMsgpack(wire) : new TextEncoder().encode(text)
    const message = frameMessage(this.#line.domain(), session, nonce, payload)
    const signature = await this.#line.signed(session.key.sign(message))
    return { message, params: [session.account, session.approval, nonce, text ?? payload, signature] }
  }

  /** Sends a frame; when its answer is lost, the error's `outcome` will tell what became of it. */
  async #request(params: readonly WireValue[], frame: LostFrame): Promise<WireValue> {
    try {
      return await this.#line.request(Method.Frame, params, { command: true })
    } catch (error) {
      if (error instanceof OutcomeUnknownError) {
        error.outcome = new Promise<CommandResult[]>((resolve) => this.#lost.set(frame, resolve))
      } else if (error instanceof GlassbookError && [NONCE_USED, NONCE_TOO_OLD].includes(error.code)) {
        void this.#stepOver(frame.session)
      }
      throw error
    }
  }

  async #read(
    value: WireValue,
    commands: readonly WireCommand[],
    message: Uint8Array<ArrayBuffer>,
  ): Promise<FrameAnswer> {
    const answer = readArray(value, 'result', 2, 8)
    // The frame's own command is the first; those that it carries follow.
    const results = readResults(value, commands, 1, this.#line.marketOf)
    if (answer[2] === undefined || answer[2] === null) return { results, receipt: undefined }
    const receipt = await checkReceipt(answer[2], this.#line.receiptKey(), this.#line.domain(), message)
    return { results, receipt }
  }

  // ---- nonces that somebody else took

  /**
   * Goes on above the nonces of whoever used this session meanwhile, another program. Frames wait until that
   * is done.
   */
  async #stepOver(session: Session): Promise<void> {
    if (this.#syncing) return
    this.#syncing = true
    try {
      await this.readNonce(session)
    } catch (error) {
      // The connection broke: the next refusal asks again.
      if (!(error instanceof GlassbookError)) throw error
    } finally {
      this.#lastNonce = Math.max(this.#lastNonce, firstNonce(this.#line.nowMs()))
      this.#syncing = false
      this.#go()
    }
  }

  /** Puts the next nonce above every one that the exchange has seen of the session, if it may ask. */
  async readNonce({ approval }: Session): Promise<void> {
    const answer = await this.#line.request(Method.Sessions, []).catch(undefinedIfMayNotAsk)
    for (const value of readArray(answer ?? [], 'sessions', 0, 100_000)) {
      const view = readObject(value, 'session')
      const highest = view['highestNonce']
      if (view['approval'] !== approval || typeof highest !== 'number' || highest < this.#lastNonce) continue
      this.#lastNonce = highest + FRAME_NONCE_WINDOW + Math.floor(Math.random() * NONCE_STEP_MAX)
    }
  }

  // ---- frames whose answer was lost

  /** Gives each lost frame its outcome while a connection stands; what fails is tried again. */
  async #resolve(): Promise<void> {
    const source: OutcomeSource = {
      frameCodes: (frame) => this.#frameCodes(frame),
      marketOf: this.#line.marketOf,
      occupy: (frame, count) => this.#occupy(frame, count),
      order: (cloid) => this.#line.order(cloid).catch(undefinedIfMayNotAsk),
    }
    let pauseMs = OUTCOME_RETRY_MS_MIN
    while (this.#open && this.#session !== undefined) {
      const [next] = this.#lost
      if (next === undefined) return
      const [frame, done] = next
      try {
        const results = await resolveLostFrame(source, frame)
        this.#lost.delete(frame)
        done(results)
      } catch (error) {
        if (!(error instanceof GlassbookError)) throw error
        if (!this.#open) return
        // Over a budget, or the exchange is busy: the frame stays lost until it can be asked for.
        const waitMs = error.retryAfter ?? pauseMs
        await new Promise((resolve) => setTimeout(resolve, waitMs))
        pauseMs = Math.min(2 * pauseMs, OUTCOME_RETRY_MS_MAX)
      }
    }
  }

  async #frameCodes({ session, nonce }: LostFrame): Promise<FrameCodes | undefined> {
    try {
      const answer = readObject(
        await this.#line.request(Method.FrameOutcome, [session.approval, nonce]),
        'outcome',
      )
      return {
        firstSeq: readSafeInt(answer['firstSeq'], 'firstSeq'),
        codes: readArray(answer['codes'], 'codes', 0, 64).map((code) => readSafeInt(code, 'code')),
      }
    } catch (error) {
      if (!(error instanceof GlassbookError)) throw error
      if (error.code === ErrorCode.NotFound || error.code === ErrorCode.UnknownSession) return undefined
      return undefinedIfMayNotAsk(error)
    }
  }

  async #occupy({ session, nonce }: LostFrame, count: number): Promise<'occupied' | 'used' | 'gone'> {
    // Only the session that is logged on may send; another one of before is over.
    const { account, approval } = session
    if (account !== this.#session?.account || approval !== this.#session.approval) return 'gone'
    // Cancels that are too late by their own word: refused, whatever they name.
    const nothing = { kind: CommandKind.Cancel, market: 0, cloid: 0n, deadlineMs: 1 } as const
    const { params } = await this.#sign(session, nonce, Array<WireCommand>(count).fill(nothing))
    try {
      await this.#line.request(Method.Frame, params, { command: true })
      return 'occupied'
    } catch (error) {
      if (!(error instanceof GlassbookError)) throw error
      if (error.code === NONCE_USED) return 'used'
      // A session of another account has none of these nonces.
      if (error.code === NONCE_TOO_OLD || error.code === ErrorCode.WrongAccount || isSessionOver(error))
        return 'gone'
      throw error
    }
  }
}

/** Above every nonce of an earlier run of this program: engine time never goes back. */
const firstNonce = (nowMs: number): number => nowMs * 1000 + Math.floor(Math.random() * 1000)

const notLoggedOn = (): GlassbookError =>
  errorOf(ErrorCode.NotLoggedOn, 'no session is logged on; call createSession or logon before trading')

function undefinedIfMayNotAsk(error: unknown): undefined {
  if (error instanceof GlassbookError && error.code === ErrorCode.ScopeMissing) return undefined
  throw error
}

/** Results of a frame's answer; `headers` = commands in front of the frame's own. */
export function readResults(
  value: WireValue,
  commands: readonly WireCommand[],
  headers: 0 | 1,
  marketOf: MarketOf,
): CommandResult[] {
  const answer = readArray(value, 'result', 2, 8)
  const firstSeq = readSafeInt(answer[0], 'seq') + headers
  return readArray(answer[1], 'items', commands.length, commands.length).map((item, index) =>
    resultOf(item, commands[index]!, firstSeq + index, marketOf),
  )
}

function resultOf(item: WireValue, command: WireCommand, seq: number, marketOf: MarketOf): CommandResult {
  const values = readArray(item, 'item', 1, 16)
  const code = readSafeInt(values[0], 'code')
  const number = (index: number): number => (typeof values[index] === 'number' ? values[index] : 0)
  const order = values.length > 3
  return {
    cloid: 'cloid' in command ? command.cloid : undefined,
    seq,
    error:
      code === 0
        ? undefined
        : rejectionOf(code, command, marketOf(command), values.length > 1 ? number(1) : undefined),
    orderId: order ? number(1) : 0,
    state: order ? (STATE_NAMES[number(2)] ?? 'none') : 'none',
    remainingLots: number(3),
    filledLots: number(4),
    reason: order ? number(5) : 0,
    count: order || code !== 0 ? 0 : number(1),
    more: !order && number(2) === 1,
  }
}
