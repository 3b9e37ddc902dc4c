/**
 * The reference's sessions: who may send what, under which consent, as docs/internals/engine-rules-sessions.md
 * has it. Records are read by the numbers of that page. In tests only.
 */
import { CancelReason, CommandKind, Reject, Scope } from '../codes.js'
import { CancelAllCmd, FrameCmd, RevokeSessionCmd, UnsignedFrameCmd, WithdrawCmd } from '../layout.js'
import { FRAME_COMMANDS_MAX, FRAME_NONCE_WINDOW, FRAME_WINDOW_IDLE_MS, WALLET_AHEAD_MS } from '../limits.js'
import type { EngineOptions } from '../types.js'
import type { ReferenceAccount } from './book.js'
import { ReferenceAdmin } from './admin.js'
import {
  type Command,
  type ReferenceEntry,
  type ReferenceSession,
  END,
  isTrade,
  isWhole,
  reserveAsset,
  unitsReject,
} from './base.js'

const OPERATOR_BIT = 1 << 27
const HIGH = 2 ** 32

export abstract class ReferenceSessions extends ReferenceAdmin {
  private readonly sessionsMax: number
  private readonly accountSessionsMax: number
  private readonly sessionLifetimeMsMax: number
  private readonly frameWindowsMax: number

  constructor(options: EngineOptions) {
    super(options)
    this.sessionsMax = options.sessionsMax ?? 131_072
    this.accountSessionsMax = options.accountSessionsMax ?? 16
    this.sessionLifetimeMsMax = options.sessionLifetimeMsMax ?? 2_592_000_000
    this.frameWindowsMax = options.frameWindowsMax ?? 32_768
  }

  protected approve(command: Command): number {
    const { words, at, account, head } = command
    const number = (low: number, high: number, bits: 'low' | 'high'): number => {
      const word = words[at + high]! >>> 0
      return (words[at + low]! >>> 0) + HIGH * (bits === 'low' ? word % 2 ** 21 : Math.floor(word / 2 ** 21))
    }
    const maxNotional = number(10, 14, 'low')
    const nonce = number(11, 15, 'low')
    const expiresAtMs = number(12, 14, 'high')
    const deadlineMs = number(13, 15, 'high')
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const scopes = (head >>> 20) & 15
    const parity = (head >>> 24) & 1
    if (scopes === 0) return Reject.SessionScope
    if (expiresAtMs <= this.timeMs) return Reject.BadExpiry
    if (expiresAtMs > this.timeMs + this.sessionLifetimeMsMax) return Reject.SessionLifetimeOverLimit
    const unasked = this.walletReject(nonce, deadlineMs, owner.approvalNonce)
    if (unasked !== 0) return unasked === NONCE_USED ? Reject.ApprovalNonceUsed : unasked

    const keyX = Array.from(words.subarray(at + 2, at + 10))
    const own = this.sessions.filter((session) => session.account === account).sort(byEnd)
    const sameKey = own.find((session) => session.keyX.join() === keyX.join() && session.parity === parity)
    const first = [...this.sessions].sort(byEnd)[0]
    let leaving = sameKey ?? own.find((session) => this.ended(session))
    if (leaving === undefined) {
      if (own.length >= this.accountSessionsMax) return Reject.AccountSessionsFull
      if (this.sessions.length >= this.sessionsMax) {
        if (first === undefined || !this.ended(first)) return Reject.SessionsFull
        leaving = first
      }
    }
    this.sessions = this.sessions.filter((session) => session !== leaving)
    owner.approvalNonce = nonce
    this.sessions.push({
      account,
      approval: nonce,
      keyX,
      parity,
      scopes,
      maxNotional,
      endsAtMs: expiresAtMs,
      revoked: false,
      highest: 0,
      floor: 0,
      lastFrameMs: 0,
      entries: new Map(),
    })
    this.emit('SessionApproved', {
      scopes,
      keyParity: parity,
      account,
      keyX,
      maxNotional,
      expiresAtMs,
      replaced: sameKey !== undefined && !this.ended(sameKey) ? sameKey.approval : 0,
      approval: nonce,
    })
    return 0
  }

  protected revoke(command: Command): number {
    const { floats, at, account } = command
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const session = this.session(account, floats[at / 2 + RevokeSessionCmd.APPROVAL_F64]!)
    if (session === undefined || session.revoked) return Reject.UnknownSession
    const consent = this.consent(command, owner.approvalNonce)
    if (consent.reject !== 0) return consent.reject === NONCE_USED ? Reject.ApprovalNonceUsed : consent.reject
    if (consent.byWallet) owner.approvalNonce = consent.nonce
    session.revoked = true
    session.endsAtMs = Math.min(session.endsAtMs, this.timeMs)
    this.emit('SessionRevoked', { account, approval: session.approval, nonce: consent.nonce })
    return 0
  }

  protected withdraw(command: Command): number {
    const { account, market: asset, amount } = command
    const owner: ReferenceAccount | undefined = this.accounts.get(account)
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    if (owner === undefined) return Reject.UnknownAccount
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    const consent = this.consent(command, owner.withdrawalNonce)
    if (consent.reject !== 0)
      return consent.reject === NONCE_USED ? Reject.WithdrawalNonceUsed : consent.reject
    const isOperators = this.frame.left === 0 && !consent.byWallet
    const isEnough = owner.balance(asset).available >= BigInt(amount)
    const isForced = isOperators && command.words[command.at + WithdrawCmd.FORCED] === 1
    if (isForced && !isEnough && owner.total(asset) > 0n) {
      this.massCancel({
        account,
        market: -1,
        side: -1,
        reason: CancelReason.CancelAll,
        haltedToo: true,
        uptoId: this.seq,
        owed: { asset, units: amount },
      })
      return 0
    }
    const terms = isOperators ? NO_TERMS : this.ownersTerms(command)
    if (typeof terms === 'number') return terms
    if (owner.balance(asset).available < BigInt(amount) + terms.fee) return Reject.InsufficientFunds
    if (consent.byWallet) owner.withdrawalNonce = consent.nonce
    this.takeOut(account, asset, BigInt(amount), consent.nonce, terms.fee)
    return 0
  }

  /** The fee of an owner's withdrawal, which the fee account can hold; or why there is none. */
  private ownersTerms({ market: asset, amount, floats, at }: Command): { readonly fee: bigint } | number {
    const accepted = floats[at / 2 + WithdrawCmd.MAX_FEE_F64]!
    const bad = unitsReject(accepted)
    if (bad !== 0 && bad !== Reject.ZeroUnits) return bad
    const { min, fee } = this.withdrawTerms.get(asset)!
    if (amount < min) return Reject.WithdrawBelowMin
    if (accepted < fee) return Reject.WithdrawFeeNotAccepted
    const room = END - 1n - this.accounts.get(this.feeAccount)!.total(asset)
    return { fee: BigInt(fee) < room ? BigInt(fee) : room }
  }

  protected openFrame(command: Command): number {
    const { words, floats, at, account } = command
    const count = words[at + FrameCmd.COUNT]!
    if (!this.begins(count, words[at + FrameCmd.STEPS_USED]!)) return Reject.BadFrame
    const session = this.session(account, floats[at / 2 + FrameCmd.APPROVAL_F64]!)
    const nonce = floats[at / 2 + FrameCmd.NONCE_F64]!
    if (session === undefined || session.revoked) return Reject.UnknownSession
    if (this.ended(session)) return Reject.SessionExpired
    if (!isWhole(nonce, 0)) return Reject.BadFrame
    if (nonce + 1 <= this.frameFloor(session)) return Reject.FrameNonceTooOld
    if (!this.idle(session) && session.entries.has(nonce)) return Reject.FrameNonceUsed
    const inUse = this.sessions.filter((other) => this.windowInUse(other))
    if (!this.windowInUse(session) && inUse.length >= this.frameWindowsMax) {
      const own = inUse.filter((other) => other.account === account)
      const [leaving] = (own.length > 0 ? own : inUse).sort((a, b) => latestFrame(a) - latestFrame(b))
      leaving!.entries.clear()
      leaving!.floor = leaving!.highest
    }

    if (this.idle(session)) {
      session.entries.clear()
      session.floor = session.highest
    }
    session.highest = Math.max(session.highest, nonce + 1)
    session.lastFrameMs = this.timeMs
    for (const old of session.entries.keys())
      if (old + 1 <= session.highest - FRAME_NONCE_WINDOW) session.entries.delete(old)
    const entry = { firstSeq: this.seq, count, codes: [] }
    session.entries.set(nonce, entry)
    this.frame = { left: count, session, nonce, entry }
    this.emit('FrameOpened', { account, count, nonce, approval: session.approval })
    return 0
  }

  /** A frame that nobody signed, of a session that lives, where no genesis asks for signatures. */
  protected openUnsignedFrame({ words, floats, at, account }: Command): number {
    const count = words[at + UnsignedFrameCmd.COUNT]!
    const approval = floats[at / 2 + UnsignedFrameCmd.APPROVAL_F64]!
    if (!this.begins(count, words[at + UnsignedFrameCmd.STEPS_USED]!)) return Reject.BadFrame
    if (this.requireFrames) return Reject.FrameRequired
    const session = this.session(account, approval)
    if (session === undefined || session.revoked) return Reject.UnknownSession
    if (this.ended(session)) return Reject.SessionExpired
    this.frame.session = session
    this.emit('UnsignedFrameOpened', { account, count, approval })
    return 0
  }

  /** Whether a frame begins; it does so too where its header is refused for what comes later. */
  private begins(count: number, stepsUsed: number): boolean {
    if (this.frame.left > 0 || count < 1 || count > FRAME_COMMANDS_MAX) return false
    if (stepsUsed < 0 || stepsUsed > this.stepsMax) return false
    this.frame = { left: count, session: undefined, nonce: 0, entry: undefined }
    this.steps = stepsUsed
    return true
  }

  /** Whether a command may stand in the frame that is open. */
  protected frameAllows({ kind, account }: Command): number {
    const { session, entry } = this.frame
    if (session === undefined) return Reject.FrameRejected
    if (kind === CommandKind.Frame || kind === CommandKind.UnsignedFrame) return Reject.BadFrame
    if (account !== session.account) return Reject.WrongAccount
    const has = (scope: number): number => ((session.scopes & scope) !== 0 ? 0 : Reject.SessionScope)
    if (isTrade(kind)) return has(Scope.Trade)
    const isSigned = entry !== undefined
    if (!isSigned) return Reject.SessionScope
    if (kind === CommandKind.Withdraw) return has(Scope.WithdrawRequest)
    return kind === CommandKind.RevokeSession ? 0 : Reject.SessionScope
  }

  protected needsFrame({ kind, words, at }: Command): boolean {
    if (!this.requireFrames || !(isTrade(kind) || kind === CommandKind.Transfer)) return false
    return !(kind === CommandKind.CancelAll && words[at + CancelAllCmd.REASON] !== 0)
  }

  /** The entry that a Frame command names. */
  protected entryNamed({ floats, at, account }: Command): ReferenceEntry | undefined {
    const approval = floats[at / 2 + FrameCmd.APPROVAL_F64]!
    return this.session(account, approval)?.entries.get(floats[at / 2 + FrameCmd.NONCE_F64]!)
  }

  /** What a refusal tells of the bound that was met; 0 for most. */
  protected boundOf(command: Command, code: number): number | bigint {
    if (code === Reject.SessionLifetimeOverLimit) return this.timeMs + this.sessionLifetimeMsMax
    if (code === Reject.SessionNotional) return this.sessionNotional
    if (code === Reject.ExchangeCancelOnly) return this.cancelOnlyReasons
    if (code === Reject.WithdrawBelowMin) return this.withdrawTerms.get(command.market)!.min
    if (code === Reject.WithdrawFeeNotAccepted) return this.withdrawTerms.get(command.market)!.fee
    if (code !== Reject.InsufficientFunds) return 0
    const owner = this.accounts.get(command.account)!
    if (command.kind === CommandKind.Amend) {
      const { side, market, reserved } = this.find(command.account, command.cloid)!
      return owner.balance(reserveAsset(this.markets.get(market)!, side)).available + reserved
    }
    const side = (command.head >>> 8) & 1
    const isOrder = command.kind === CommandKind.Place
    const asset = isOrder ? reserveAsset(this.markets.get(command.market)!, side) : command.market
    return owner.balance(asset).available
  }

  session(account: number, approval: number): ReferenceSession | undefined {
    return this.sessions.find((session) => session.account === account && session.approval === approval)
  }

  ended({ endsAtMs }: ReferenceSession): boolean {
    return endsAtMs <= this.timeMs
  }

  /** Nothing has come under it for so long that its nonces are forgotten. */
  idle(session: ReferenceSession): boolean {
    const { highest, lastFrameMs } = session
    const { left, session: framed, entry } = this.frame
    if (left > 0 && framed === session && entry !== undefined) return false
    return highest > 0 && this.timeMs - lastFrameMs >= FRAME_WINDOW_IDLE_MS
  }

  private windowInUse(session: ReferenceSession): boolean {
    return session.entries.size > 0 && !this.idle(session)
  }

  /** 1 + the highest nonce that is too old. */
  frameFloor(session: ReferenceSession): number {
    const { highest, floor } = session
    return this.idle(session) ? highest : Math.max(floor, highest - FRAME_NONCE_WINDOW)
  }

  /** By whose word an account's command acts, and the wallet's nonce if it is the wallet's. */
  private consent(
    { head, floats, at }: Command,
    last: number,
  ): { readonly reject: number; readonly byWallet: boolean; readonly nonce: number } {
    if (this.frame.left > 0 || (head & OPERATOR_BIT) !== 0) return { reject: 0, byWallet: false, nonce: 0 }
    // A RevokeSession has both where a Withdraw has them.
    const nonce = floats[at / 2 + WithdrawCmd.NONCE_F64]!
    const deadlineMs = floats[at / 2 + WithdrawCmd.DEADLINE_MS_F64]!
    return { reject: this.walletReject(nonce, deadlineMs, last), byWallet: true, nonce }
  }

  private walletReject(nonce: number, deadlineMs: number, last: number): number {
    if (!isWhole(deadlineMs, 1) || deadlineMs > this.timeMs + WALLET_AHEAD_MS) return Reject.BadDeadline
    if (deadlineMs < this.timeMs) return Reject.DeadlinePassed
    if (!isWhole(nonce, 1)) return Reject.BadNonce
    if (nonce > (this.timeMs + WALLET_AHEAD_MS) * 1000) return Reject.NonceTooFarAhead
    return nonce <= last ? NONCE_USED : 0
  }
}

/** Of the operator's own withdrawals. */
const NO_TERMS = { fee: 0n }

/** Stands for the reject of a used nonce, which approvals and withdrawals name differently. */
const NONCE_USED = -1

/** First seq of a session's latest frame. */
const latestFrame = ({ entries }: ReferenceSession): number =>
  Math.max(...[...entries.values()].map(({ firstSeq }) => firstSeq))

const byEnd = (a: ReferenceSession, b: ReferenceSession): number =>
  a.endsAtMs - b.endsAtMs || a.account - b.account || a.approval - b.approval
