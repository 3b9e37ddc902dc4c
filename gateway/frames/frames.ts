/**
 * Command frames from socket to ring: shape, signature, order. A frame's payload is turned into command
 * records at once; its signature is checked in the thread pool; frames of one connection then reach the
 * ring in the order in which they came, whatever order the pool finished them in.
 *
 * Invariants: nothing enters the ring whose signature has not been found valid for the session that is
 * logged on to the connection (or, where unsigned frames are taken, without a signature). Every frame has a header
 * that names its session: whether that lives, and what it may, the engine alone says, at the frame's place in the
 * journal, for what a thread knows of a session may be older. Nothing is taken
 * from an account's budgets for a sender who has shown neither by a logon nor by this signature that he has its key,
 * nor for a frame that is known to have been taken before.
 */
import { createHash } from 'node:crypto'
import { CommandKind, Scope } from '../../engine/codes.js'
import { writeUnsignedFrame } from '../../engine/commands.js'
import { Cmd, FrameCmd } from '../../engine/layout.js'
import { ACCOUNTS_MAX } from '../../engine/limits.js'
import { AttachmentKind } from '../../engine/messages.js'
import { ErrorCode, errorName, rejectToCode } from '../../sdk/wire/codes.js'
import { FieldError, readArray, readBytes, readInt } from '../../sdk/wire/fields.js'
import { Kind, SESSION_SIGNATURE_BYTES } from '../../sdk/wire/layout.js'
import { MalformedMessage, type WireValue } from '../../sdk/wire/msgpack.js'
import { FRAME_HEADER_BYTES, putFrameMessage } from '../../sdk/wire/signed.js'
import type { Domain } from '../signatures/auth.js'
import type { ErrorDetails } from '../connections/connection.js'
import {
  COMMAND_PAYLOAD_BYTES_MAX,
  CROWDED_RETRY_MS,
  FRAME_ENVELOPE_BYTES_MAX,
  RING_RETRY_MS,
  SHUTDOWN_RETRY_MS,
} from '../limits.js'
import type { Figures } from './figures.js'
import { FrameOutcome } from './frame-outcome.js'
import { HEADERS, readPayload, readReceipt } from './frame-payload.js'
import type { SessionInfo } from '../sessions/directory.js'
import { type KeyCheck, type KeyChecks, crowded } from '../signatures/key-checks.js'
import type { Refusal } from '../limits/budgets.js'
import type { FramePayer, Limits } from '../limits/client-limits.js'
import { FillsUnderWay } from '../limits/fills-under-way.js'
import type { Marketable } from '../limits/marketable.js'
import { scopeMissing } from '../protocol/request-error.js'
import type { Submissions } from '../link/submissions.js'
import type { UsedNonces } from './used-nonces.js'

const NO_BYTES = new Uint8Array(0)

interface PendingFrame {
  readonly id: number
  /** Its header, then `count` commands. */
  readonly records: Int32Array
  readonly count: number
  /** Signed bytes and signature, as the journal keeps them; nothing of an unsigned frame. */
  readonly attachment: Uint8Array
  readonly attachmentKind: number
  readonly hash: Uint8Array
  readonly receipt: boolean
  readonly cameAtMs: number
  /** Who was logged on when it came. */
  readonly session: SessionInfo
  checked: 'waiting' | KeyCheck
}

/** Who sends frames and gets their answers: a WebSocket's connection, or an HTTP request (http-frames.ts). */
export interface FrameSource extends FramePayer {
  /** Whose key signs; undefined from the moment that it may not. */
  readonly session: SessionInfo | undefined
  /** Whether its sender has shown that he has the session's key: until then his address alone pays. */
  readonly isLoggedOn: boolean
  framesInFlight: number
  readonly closed: boolean
  sendError(id: number | null, code: number, details: ErrorDetails): void
  flush(): void
}

/** Signs what became of a frame; `done` gets the receipt as it travels. Absent = the exchange gives none. */
export type ReceiptSigner = (
  outcome: { readonly firstSeq: number; readonly lastSeq: number; readonly frameHash: Uint8Array },
  done: (receipt: WireValue) => void,
) => void

export class FrameIntake {
  readonly #domain: Domain
  readonly #keyChecks: KeyChecks
  readonly #submissions: Submissions
  readonly #limits: Limits
  readonly #marketable: Marketable
  readonly #fillsUnderWay: FillsUnderWay<FrameSource>
  readonly #figures: Figures
  readonly #usedNonces: UsedNonces
  readonly #timeMs: () => number
  readonly #signReceipt: ReceiptSigner | undefined
  readonly #signed: boolean
  readonly #queues = new Map<FrameSource, PendingFrame[]>()
  /** Connections whose next frame found the way to the engine full. */
  readonly #waiting = new Set<FrameSource>()
  #retry: NodeJS.Timeout | undefined
  #frames = 0
  #commands = 0

  constructor(options: {
    readonly domain: Domain
    readonly keyChecks: KeyChecks
    readonly submissions: Submissions
    readonly limits: Limits
    readonly marketable: Marketable
    readonly figures: Figures
    readonly usedNonces: UsedNonces
    /** Engine time of a command that is given now. */
    readonly timeMs: () => number
    readonly signReceipt?: ReceiptSigner | undefined
    /** False = unsigned frames are taken too. */
    readonly requireSignedFrames: boolean
  }) {
    this.#domain = options.domain
    this.#keyChecks = options.keyChecks
    this.#submissions = options.submissions
    this.#limits = options.limits
    this.#marketable = options.marketable
    this.#fillsUnderWay = new FillsUnderWay(options.marketable)
    this.#figures = options.figures
    this.#usedNonces = options.usedNonces
    this.#timeMs = options.timeMs
    this.#signReceipt = options.signReceipt
    this.#signed = options.requireSignedFrames
  }

  get counts(): { frames: number; commands: number } {
    return { frames: this.#frames, commands: this.#commands }
  }

  /**
   * Takes a `frame` request. Answers with an error at once, or later with the frame's result.
   * `params` may be views of the socket's buffer: everything kept is copied here.
   */
  receive(connection: FrameSource, id: number, params: WireValue): void {
    const session = this.#admit(connection, id)
    if (session === undefined) return
    let frame: PendingFrame
    try {
      const values = readArray(params, 'params', 5, 6)
      const account = readInt(values[0], 'account', 0, ACCOUNTS_MAX - 1)
      const approval = readInt(values[1], 'approval', 0, Number.MAX_SAFE_INTEGER)
      if (account !== session.account || approval !== session.approval) {
        connection.sendError(id, ErrorCode.WrongAccount, {
          message: `session ${approval} of account ${account} is not the one that is logged on (${session.text})`,
        })
        return
      }
      const nonce = readInt(values[2], 'nonce', 0, Number.MAX_SAFE_INTEGER)
      const signature = readBytes(values[4], 'signature', SESSION_SIGNATURE_BYTES)
      frame = this.#build(id, session, nonce, values[3]!, signature, values[5])
    } catch (error) {
      this.#refuse(connection, id, error)
      return
    }
    const { isLoggedOn } = connection
    if (isLoggedOn ? !this.#enqueue(connection, frame, false) : !this.#admitUnproven(connection, frame))
      return
    const { attachment } = frame
    this.#keyChecks.check(
      connection.ip,
      session,
      attachment.subarray(0, attachment.length - SESSION_SIGNATURE_BYTES),
      attachment.subarray(attachment.length - SESSION_SIGNATURE_BYTES),
      (check) => {
        frame.checked = check
        if (!isLoggedOn && !this.#enqueueProven(connection, frame)) return
        this.#advance(connection)
      },
    )
  }

  /** Takes what a frame costs from its address; false = it has been refused. */
  #admitUnproven(connection: FrameSource, frame: PendingFrame): boolean {
    const refusal = this.#limits.unprovenFrame(connection.ip, frame.records, HEADERS, frame.count)
    if (refusal !== undefined) connection.sendError(frame.id, refusal.code, refusal)
    return refusal === undefined
  }

  /** Puts a frame whose signature alone proves its sender behind its others; false = it has been refused. */
  #enqueueProven(connection: FrameSource, frame: PendingFrame): boolean {
    const refusal = this.#refusalOf(connection, frame)
    if (refusal === undefined) return this.#enqueue(connection, frame, true)
    connection.sendError(frame.id, refusal.code, refusal)
    return false
  }

  /** Takes commands without a signature where the operator accepts them. */
  receiveUnsigned(connection: FrameSource, id: number, params: WireValue): void {
    const session = this.#admit(connection, id)
    if (session === undefined) return
    if (this.#signed) {
      connection.sendError(id, ErrorCode.SignatureRequired, {
        message: 'this exchange takes signed frames only',
      })
      return
    }
    let frame: PendingFrame
    try {
      const values = readArray(params, 'params', 1, 1)
      const { records, floats, count } = readPayload(values[0]!, session.account)
      writeUnsignedFrame(records, floats, 0, session.account, session.approval, count)
      frame = {
        id,
        records,
        count,
        attachment: NO_BYTES,
        attachmentKind: AttachmentKind.None,
        hash: NO_BYTES,
        receipt: false,
        cameAtMs: performance.now(),
        session,
        checked: 'valid',
      }
    } catch (error) {
      this.#refuse(connection, id, error)
      return
    }
    if (this.#enqueue(connection, frame, false)) this.#advance(connection)
  }

  /** The connection is gone: frames that are not in the ring yet never will be. */
  forget(connection: FrameSource): void {
    this.#queues.delete(connection)
    this.#waiting.delete(connection)
    this.#fillsUnderWay.forget(connection)
  }

  /** Refuses what waits for room: the engine takes nothing any more. */
  stop(): void {
    if (this.#retry !== undefined) clearTimeout(this.#retry)
    for (const [connection, frames] of this.#queues) {
      for (const { id } of frames)
        connection.sendError(id, ErrorCode.ShuttingDown, {
          message: 'the exchange stops; the frame was not taken',
          retryAfter: SHUTDOWN_RETRY_MS,
        })
      connection.flush()
    }
    this.#queues.clear()
    this.#waiting.clear()
    this.#fillsUnderWay.clear()
  }

  #admit(connection: FrameSource, id: number): SessionInfo | undefined {
    const { session } = connection
    if (session === undefined) {
      connection.sendError(id, ErrorCode.NotLoggedOn, { message: 'frames need a session: log one on first' })
      return undefined
    }
    if ((session.scopes & Scope.Trade) === 0) {
      connection.sendError(id, ErrorCode.ScopeMissing, {
        message: scopeMissing('a frame', Scope.Trade, session.scopes),
      })
      return undefined
    }
    return session
  }

  #build(
    id: number,
    session: SessionInfo,
    nonce: number,
    payload: WireValue,
    signature: Uint8Array,
    options: WireValue | undefined,
  ): PendingFrame {
    const text = typeof payload === 'string'
    const payloadBytes = text ? Buffer.from(payload) : readBytes(payload, 'payload')
    const { records, floats, count } = readPayload(payload, session.account)
    const signedBytes = FRAME_HEADER_BYTES + payloadBytes.length
    const bytes = signedBytes + SESSION_SIGNATURE_BYTES
    const bytesMax = FRAME_ENVELOPE_BYTES_MAX + count * COMMAND_PAYLOAD_BYTES_MAX
    // Before it is copied and hashed: blanks around the commands are only load.
    if (bytes > bytesMax)
      throw new FieldError('payload', `a frame of at most ${bytesMax} bytes with ${count} commands`, bytes)
    const attachment = new Uint8Array(bytes)
    putFrameMessage(attachment, 0, this.#domain.hash, session, nonce, payloadBytes)
    attachment.set(signature, signedBytes)
    const hash = createHash('sha256').update(attachment.subarray(0, signedBytes)).digest()
    records[Cmd.KIND] = CommandKind.Frame
    records[Cmd.ACCOUNT] = session.account
    records[FrameCmd.COUNT] = count
    floats[FrameCmd.APPROVAL_F64] = session.approval
    floats[FrameCmd.NONCE_F64] = nonce
    for (let word = 0; word < 8; word++) records[FrameCmd.SHA256 + word] = hash.readInt32BE(word * 4)
    return {
      id,
      records,
      count,
      attachment,
      attachmentKind: text ? AttachmentKind.FrameJson : AttachmentKind.FrameMsgpack,
      hash,
      receipt: readReceipt(options),
      cameAtMs: performance.now(),
      session,
      checked: 'waiting',
    }
  }

  #refuse(connection: FrameSource, id: number, error: unknown): void {
    if (error instanceof FieldError) connection.sendError(id, ErrorCode.BadParams, { message: error.message })
    else if (error instanceof MalformedMessage) {
      connection.sendError(id, ErrorCode.BadParams, { message: `payload: ${error.message}` })
    } else throw error
  }

  /** Puts a frame behind the connection's others; false = it is over a budget and has been refused. */
  #enqueue(connection: FrameSource, frame: PendingFrame, addressHasPaid: boolean): boolean {
    const limits = this.#limits
    const { attachment, count, records, session } = frame
    const { account } = session
    const refusal =
      this.#usedRefusal(frame) ??
      limits.frameBytes(account, attachment.length) ??
      limits.frame(connection, account, records, HEADERS, count, addressHasPaid)
    if (refusal !== undefined) {
      connection.sendError(frame.id, refusal.code, refusal)
      return false
    }
    connection.framesInFlight++
    const queue = this.#queues.get(connection)
    if (queue === undefined) this.#queues.set(connection, [frame])
    else queue.push(frame)
    return true
  }

  /** Why a frame whose nonce is known to be used is not taken again. */
  #usedRefusal(frame: PendingFrame): Refusal | undefined {
    if (!isSigned(frame)) return undefined
    const { session } = frame
    const nonce = nonceOf(frame)
    const reject = this.#usedNonces.refusal(session, nonce, this.#timeMs())
    if (reject === 0) return undefined
    return { code: rejectToCode(reject), message: this.#usedNonces.sentence(session, nonce, reject) }
  }

  /**
   * Submits, or refuses, every frame at the head of the connection's queue whose check is done. `isFirst`: no other
   * connection of its address has waited for longer.
   */
  #advance(connection: FrameSource, isFirst = false): void {
    const queue = this.#queues.get(connection)
    if (queue === undefined) return
    let done = 0
    for (; done < queue.length; done++) {
      const frame = queue[done]!
      if (frame.checked === 'waiting') break
      let refusal = this.#refusalOf(connection, frame)
      const fills = refusal === undefined ? this.#fillsAtMost(frame) : 0
      refusal ??= this.#debtOf(connection, frame, fills)
      if (refusal !== undefined) {
        connection.framesInFlight--
        connection.sendError(frame.id, refusal.code, refusal)
      } else if (!this.#fillsUnderWay.hasRoom(connection, fills, isFirst)) {
        this.#fillsUnderWay.hold(connection)
        break
      } else if (!this.#submit(connection, frame, fills)) {
        this.#wait(connection)
        break
      }
    }
    if (done === queue.length) this.#queues.delete(connection)
    else if (done > 0) queue.splice(0, done)
    connection.flush()
  }

  /** Why a frame whose signature was checked may not go on. */
  #refusalOf(connection: FrameSource, { checked, session }: PendingFrame): Refusal | undefined {
    if (checked === 'crowded') {
      const message = `${crowded(connection.ip)}; the frame was not taken`
      return { code: ErrorCode.IpRateLimited, message, retryAfter: CROWDED_RETRY_MS }
    }
    if (checked === 'invalid')
      return { code: ErrorCode.BadSignature, message: `the signature is not by the key of ${session.text}` }
    // It ended while the signature was checked, or while there was no room.
    if (connection.session !== session)
      return { code: ErrorCode.UnknownSession, message: `${session.text} has ended; the frame was not taken` }
    // The engine says so too; what is known to be over needs no place in the journal.
    if (session.expiresAtMs <= this.#timeMs())
      return {
        code: ErrorCode.SessionExpired,
        message: `${session.text} has expired; the frame was not taken`,
      }
    return undefined
  }

  /** Why a frame that could fill more waits until those before it are paid for: they are charged when they come back. */
  #debtOf({ ip }: FrameSource, { session }: PendingFrame, fills: number): Refusal | undefined {
    return fills === 0 ? undefined : this.#limits.debt(ip, session.account)
  }

  /** Fills that a frame could make if it were sent now. */
  #fillsAtMost({ records, count }: PendingFrame): number {
    return this.#fillsUnderWay.atMost(records, HEADERS, count)
  }

  /** The way to the engine is full: goes on with this connection when there may be room again. */
  #wait(connection: FrameSource): void {
    this.#waiting.add(connection)
    this.#retry ??= setTimeout(() => this.#resume(), RING_RETRY_MS)
  }

  /** Frames of an address came back: those who waited for it go on. */
  #goOn(ip: string): void {
    this.#fillsUnderWay.goOn(
      ip,
      (connection) => {
        const frame = this.#queues.get(connection)?.[0]
        return frame === undefined || this.#fillsUnderWay.hasRoom(connection, this.#fillsAtMost(frame), true)
      },
      (connection) => this.#advance(connection, true),
    )
  }

  #resume(): void {
    this.#retry = undefined
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const connection of waiting) this.#advance(connection)
  }

  /** False = the ring is full and nothing was taken. */
  #submit(connection: FrameSource, frame: PendingFrame, fills: number): boolean {
    const outcome = new FrameOutcome(frame.count)
    const { records, count } = frame
    const round = this.#marketable.sent(records, HEADERS, count)
    const taken = this.#submissions.submit(
      records,
      HEADERS + count,
      frame.attachment,
      frame.attachmentKind,
      'at once',
      (applied) => {
        outcome.add(applied)
        if (applied.more) return
        connection.framesInFlight--
        this.#marketable.back(round, applied.lastSeq)
        this.#fillsUnderWay.back(connection, fills)
        this.#goOn(connection.ip)
        this.#count(frame, outcome)
        if (isSigned(frame)) this.#usedNonces.refused(frame.session, nonceOf(frame), outcome.frameReject)
        if (connection.closed) return
        if (outcome.frameCode !== 0) {
          const which = isSigned(frame) ? `with nonce ${nonceOf(frame)}` : `of ${frame.session.text}`
          const message = `the engine refused the frame ${which}: ${errorName(outcome.frameCode)}`
          connection.sendError(frame.id, outcome.frameCode, { message })
        } else this.#answer(connection, frame, outcome)
      },
    )
    if (!taken) {
      this.#marketable.back(round, 0)
      return false
    }
    this.#fillsUnderWay.sent(connection, fills)
    this.#frames++
    this.#commands += count
    return true
  }

  #count({ cameAtMs }: PendingFrame, outcome: FrameOutcome): void {
    this.#figures.latency(performance.now() - cameAtMs)
    if (outcome.frameCode === 0) outcome.eachRefused((code) => this.#figures.reject(code))
  }

  #answer(connection: FrameSource, frame: PendingFrame, outcome: FrameOutcome): void {
    const { lastSeq } = outcome
    // Of an unsigned frame clients know no header: for them it begins with its first command.
    const firstSeq = outcome.firstSeq + (isSigned(frame) ? 0 : HEADERS)
    const items = outcome.items((frame.session.scopes & Scope.Read) !== 0)
    if (!frame.receipt || this.#signReceipt === undefined || frame.hash.length === 0) {
      connection.send([Kind.Result, frame.id, [firstSeq, items]])
      return
    }
    this.#signReceipt({ firstSeq, lastSeq, frameHash: frame.hash }, (receipt) => {
      connection.send([Kind.Result, frame.id, [firstSeq, items, receipt]])
      connection.flush()
    })
  }
}

const isSigned = ({ attachmentKind }: PendingFrame): boolean => attachmentKind !== AttachmentKind.None

/** Nonce of a signed frame. */
const nonceOf = ({ records }: PendingFrame): number =>
  new Float64Array(records.buffer, records.byteOffset)[FrameCmd.NONCE_F64]!
