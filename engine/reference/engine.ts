/**
 * The reference engine: the rules of the exchange, one after the other, without regard to speed. It takes
 * the same command records as the fast core and answers with the same events; property tests compare
 * events, balances and state after each command. The switch over kinds stands here; what it is built on is
 * named in base.ts. In tests only.
 */
import { CommandKind, Reject } from '../codes.js'
import { Command } from './base.js'
import { ReferenceSessions } from './sessions.js'

export class ReferenceEngine extends ReferenceSessions {
  /** Applies the command record at `offset`; its events are then in `events`. */
  apply(words: Int32Array, floats: Float64Array, offset: number): void {
    this.seq++
    this.events = []
    const command = new Command(words, floats, offset)
    const isTime = command.kind === CommandKind.Time
    if (isTime || this.frame.left === 0) this.steps = 0
    if (isTime || this.frame.left === 0) this.answer(command)
    else this.answerInFrame(command)
  }

  private answer(command: Command): void {
    const code = this.needsFrame(command) ? Reject.FrameRequired : this.act(command)
    if (code === 0) return
    const isRepeated = command.kind === CommandKind.Frame && code === Reject.FrameNonceUsed
    this.reject(command, code, this.boundOf(command, code), isRepeated ? this.entryNamed(command) : undefined)
  }

  private answerInFrame(command: Command): void {
    const refused = this.frameAllows(command)
    const code = refused === 0 ? this.act(command) : refused
    if (code !== 0) this.reject(command, code, this.boundOf(command, code))
    this.frame.entry?.codes.push(code)
    this.frame.left--
  }

  protected act(command: Command): number {
    if (command.kind === CommandKind.Place || command.kind === CommandKind.CancelAfter)
      this.fireOwnSwitch(command.account)
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
      case CommandKind.UnsignedFrame:
        return this.openUnsignedFrame(command)
      case CommandKind.SetMarketStatus:
        return this.setStatus(command)
      case CommandKind.SetMarketFees:
      case CommandKind.SetTierFees:
        return this.setFees(command)
      case CommandKind.SetPriceBand:
        return this.setBand(command)
      case CommandKind.SetAccountTier:
        return this.setTier(command)
      case CommandKind.SetExchangeStatus:
        return this.setExchangeStatus(command)
      case CommandKind.SetWithdrawTerms:
        return this.setWithdrawTerms(command)
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
