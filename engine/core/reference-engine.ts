/**
 * The reference engine: the rules of the exchange, one after the other, without regard to speed. It takes
 * the same command records as the fast core and answers with the same events; property tests compare
 * events, balances and state after each command. Frames and the switch over kinds stand here; what it is
 * built on is named in reference-base.ts. In tests only.
 */
import { CommandKind, EventKind, Reject, Scope } from '../codes.js'
import { Attr, FrameCmd, SessionCmd } from '../layout.js'
import { FRAME_COMMANDS_MAX, FRAME_NONCE_WINDOW, UNITS_END } from '../limits.js'
import { isWhole, Command, isTrade } from './reference-base.js'
import { ReferenceAdmin } from './reference-admin.js'

export class ReferenceEngine extends ReferenceAdmin {
  /** Applies the command record at `offset`; its events are then in `events`. */
  apply(words: Int32Array, floats: Float64Array, offset: number): void {
    this.seq++
    this.events = []
    const command = new Command(words, floats, offset)
    const inFrame = this.frame.left > 0 && command.kind !== CommandKind.Time
    let code: number
    if (inFrame) {
      code = this.frameAllows(command)
      if (code === 0) code = this.act(command)
      if (this.frame.accepted)
        this.sessions[this.frame.session]!.frames.get(this.frame.nonce)!.codes.push(code)
      this.frame.left--
    } else code = this.needsFrame(command) ? Reject.FrameRequired : this.act(command)
    if (code !== 0) this.reject(command, code)
  }

  protected needsFrame({ kind, lots }: Command): boolean {
    if (!this.requireFrames || !isTrade(kind)) return false
    return !(kind === CommandKind.CancelAll && lots !== 0)
  }

  protected frameAllows({ kind, account }: Command): number {
    const session = this.sessions[this.frame.session]
    if (!this.frame.accepted || session === undefined) return Reject.FrameRejected
    if (kind === CommandKind.Frame) return Reject.BadFrame
    if (account !== session.account) return Reject.WrongAccount
    const has = (scope: number): boolean => (session.attributes & scope) !== 0
    if (isTrade(kind)) return has(Scope.Trade) ? 0 : Reject.SessionScope
    if (kind === CommandKind.Withdraw) return has(Scope.WithdrawRequest) ? 0 : Reject.SessionScope
    return kind === CommandKind.RevokeSession ? 0 : Reject.SessionScope
  }

  protected openFrame({ words, floats, at, account }: Command): number {
    const count = words[at + FrameCmd.COUNT]!
    if (count < 1 || count > FRAME_COMMANDS_MAX) return Reject.BadFrame
    const slot = words[at + FrameCmd.SESSION]!
    const nonce = floats[at / 2 + FrameCmd.NONCE_F64]!
    this.frame = { left: count, session: -1, nonce: -1, accepted: false }
    const session = this.sessions[slot]
    if (session === undefined || session.state !== 'active') return Reject.UnknownSession
    if (session.account !== account) return Reject.WrongAccount
    if (session.expiresAtMs <= this.timeMs) return Reject.SessionExpired
    if (!isWhole(nonce, 0)) return Reject.BadFrame
    if (nonce <= session.highest - FRAME_NONCE_WINDOW) return Reject.FrameNonceTooOld
    if (session.frames.has(nonce)) return Reject.FrameNonceUsed
    session.highest = Math.max(session.highest, nonce)
    session.frames.set(nonce, { firstSeq: this.seq, codes: [], count })
    for (const old of session.frames.keys())
      if (old <= session.highest - FRAME_NONCE_WINDOW) session.frames.delete(old)
    this.frame = { left: count, session: slot, nonce, accepted: true }
    this.emit(EventKind.FrameOpened, { account, code: slot, lots: count, a: nonce })
    return 0
  }

  protected approve({ words, floats, at, account, head }: Command): number {
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const scopes = (head >>> Attr.SCOPE_SHIFT) & 15
    if (scopes === 0) return Reject.SessionScope
    const maxNotional = floats[at / 2 + SessionCmd.MAX_NOTIONAL_F64]!
    if (!Number.isInteger(maxNotional)) return Reject.NotAnInteger
    if (maxNotional < 0) return Reject.NegativeUnits
    if (maxNotional >= UNITS_END) return Reject.UnitsOverLimit
    const expiresAtMs = floats[at / 2 + SessionCmd.EXPIRES_AT_F64]!
    if (!isWhole(expiresAtMs, this.timeMs + 1)) return Reject.BadExpiry
    const nonce = floats[at / 2 + SessionCmd.NONCE_F64]!
    if (!isWhole(nonce, owner.approvalNonce + 1)) return Reject.ApprovalNonceUsed
    owner.approvalNonce = nonce
    const attributes = scopes | (((head >>> Attr.PARITY_SHIFT) & 1) << 4)
    const keyX = Array.from(words.subarray(at + SessionCmd.X, at + SessionCmd.X + 8))
    const slot =
      this.sessions.push({
        state: 'active',
        account,
        attributes,
        keyX,
        maxNotional,
        expiresAtMs,
        highest: -1,
        frames: new Map(),
      }) - 1
    this.emit(EventKind.SessionApproved, {
      attributes: attributes << 16,
      account,
      code: slot,
      tail: keyX,
      a: maxNotional,
      b: expiresAtMs,
    })
    return 0
  }

  protected revoke({ words, floats, at, account }: Command): number {
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const slot = words[at + SessionCmd.X]!
    const session = this.sessions[slot]
    if (session === undefined || session.state !== 'active' || session.account !== account)
      return Reject.UnknownSession
    const nonce = floats[at / 2 + SessionCmd.NONCE_F64]!
    if (nonce !== 0) {
      if (!isWhole(nonce, owner.approvalNonce + 1)) return Reject.ApprovalNonceUsed
      owner.approvalNonce = nonce
    }
    session.state = 'revoked'
    this.emit(EventKind.SessionRevoked, { account, code: slot })
    return 0
  }

  protected act(command: Command): number {
    this.traded = undefined
    switch (command.kind) {
      case CommandKind.Place:
        return this.place(command)
      case CommandKind.Amend:
        return this.amend(command)
      case CommandKind.Cancel:
        return this.cancelOne(command)
      case CommandKind.CancelAll:
        return this.cancelAll(command)
      case CommandKind.Deposit:
        return this.deposit(command)
      case CommandKind.Withdraw:
        return this.withdraw(command)
      case CommandKind.Transfer:
        return this.transfer(command)
      case CommandKind.Time:
        return this.time(command)
      case CommandKind.OpenAccount:
        return this.openAccount(command)
      case CommandKind.ApproveSession:
        return this.approve(command)
      case CommandKind.RevokeSession:
        return this.revoke(command)
      case CommandKind.Frame:
        return this.openFrame(command)
      case CommandKind.SetMarketStatus:
        return this.setStatus(command)
      case CommandKind.SetMarketFees:
      case CommandKind.SetTierFees:
        return this.setFees(command)
      case CommandKind.SetPriceBand:
        return this.setBand(command)
      case CommandKind.SetAccountTier:
        return this.setTier(command)
      case CommandKind.CancelAfter:
        return this.cancelAfter(command)
      case CommandKind.SetProtection:
        return this.setProtection(command)
      case CommandKind.ResetProtection:
        return this.resetProtection(command)
      default:
        return Reject.UnknownCommand
    }
  }
}
