/**
 * The bound that a refused command was measured against, where the code alone does not say; in which order commands are
 * checked, orders/place.ts says. A refused command has changed nothing,
 * so the state still is what it was refused for. Called by engine.ts when it tells of a refusal.
 */
import { CommandKind, Reject } from '../codes.js'
import { Attr, Cmd, OrderCmd } from '../layout.js'
import { ORDER_SHIFT, Order } from './book/orders.js'
import { Market } from './book/markets.js'
import type { State } from './state/state.js'

/** Units, or of SessionLifetimeOverLimit ms, of ExchangeCancelOnly its reasons; 0 where there is no such bound. */
export function rejectBound(state: State, words: Int32Array, at: number, code: number): number {
  const { sessions, markets } = state
  switch (code) {
    case Reject.InsufficientFunds:
      return fundsOf(state, words, at)
    case Reject.SessionNotional:
      return sessions.maxNotional(sessions.open)
    case Reject.SessionLifetimeOverLimit:
      return sessions.latestExpiryMs
    case Reject.ExchangeCancelOnly:
      return markets.cancelOnlyReasons
    case Reject.WithdrawBelowMin:
      return markets.withdrawMin[words[at + Cmd.SUBJECT]!]!
    case Reject.WithdrawFeeNotAccepted:
      return markets.withdrawFee[words[at + Cmd.SUBJECT]!]!
    default:
      return 0
  }
}

/** What the account has available for the command; of an amend with what its order reserves. */
function fundsOf({ ledger, markets, trading }: State, words: Int32Array, at: number): number {
  const account = words[at + Cmd.ACCOUNT]!
  const kind = words[at]! & 0xff
  let asset = words[at + Cmd.SUBJECT]!
  let reserved = 0
  if (kind === CommandKind.Place || kind === CommandKind.Amend) {
    const { orders } = trading
    let attributes = words[at]!
    if (kind === CommandKind.Amend) {
      const slot = trading.ids.find(account, words[at + OrderCmd.CLOID_LO]!, words[at + OrderCmd.CLOID_HI]!)
      attributes = orders.words[(slot << ORDER_SHIFT) + Order.ATTR]!
      reserved = orders.numbers[2 * slot]!
    }
    const isSale = ((attributes >>> Attr.SIDE_SHIFT) & 1) === 1
    asset = markets.get(words[at + Cmd.SUBJECT]!, isSale ? Market.BASE : Market.QUOTE)
  }
  const row = ledger.find(account, asset)
  return reserved + (row < 0 ? 0 : ledger.values[2 * row]!)
}
