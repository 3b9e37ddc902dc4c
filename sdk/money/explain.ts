/**
 * Words for what was refused: a sentence with the value, the bound and what to do. The protocol sends a
 * command's refusal as a number only; what the number is about stands in the command, and both are here.
 */
import {
  CommandKind,
  CancelOnlyReason,
  MarketStatus,
  OrderType,
  PostOnly,
  Reject,
  Side,
  Stp,
  TimeInForce,
} from '../../engine/codes.js'
import {
  ACCOUNT_ORDERS_FLOOR,
  ACCOUNT_ORDERS_SHARE,
  BAND_PPM_MAX,
  FEE_PPM_MAX,
  FRAME_COMMANDS_MAX,
  FRAME_NONCE_WINDOW,
  ICEBERG_PARTS_MAX,
  LOTS_MAX,
  MASS_CANCELS_OF_ACCOUNT,
  TICKS_MAX,
  TIERS_MAX,
} from '../../engine/limits.js'
import { fromLots, fromTicks, fromUnits } from './units-and-atoms.js'
import { type GlassbookError, errorOf } from '../base/errors.js'
import type { Market } from './markets.js'
import { ErrorCode, codeToReject } from '../wire/codes.js'
import type { WireCommand } from '../wire/commands.js'

type Fields = Readonly<Record<string, unknown>>

/** Names of what a command carries as a number. */
const NAMES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  side: Side,
  orderType: OrderType,
  timeInForce: TimeInForce,
  stp: Stp,
  postOnly: PostOnly,
}

/** What a whole number of ticks, lots or quote units is in the words of whoever wrote decimals. */
const IN_TOKENS: Readonly<Record<string, (value: number, market: Market) => string>> = {
  ticks: (ticks, market) => `price ${fromTicks(ticks, market)}`,
  triggerTicks: (ticks, market) => `price ${fromTicks(ticks, market)}`,
  lots: (lots, market) => `size ${fromLots(lots, market)}`,
  displayLots: (lots, market) => `size ${fromLots(lots, market)}`,
  quoteBudget: (units, { quote }) => `${fromUnits(units, quote)} ${quote.symbol}`,
}

/** A value of the command as it was sent, by its name where it has one; in tokens too, where its market is known. */
const of = (command: Fields, field: string, market?: Market): string => {
  const value = command[field]
  if (value === undefined) return `${field} (not given)`
  const [name] = Object.entries(NAMES[field] ?? {}).find(([, number]) => number === value) ?? []
  const inTokens =
    market !== undefined && typeof value === 'number' && Number.isSafeInteger(value)
      ? IN_TOKENS[field]?.(value, market)
      : undefined
  return `${field} ${name ?? String(value)}${inTokens === undefined ? '' : ` (${inTokens})`}`
}
const market = (command: Fields): string => `market ${String(command['market'])}`
const cloid = (command: Fields): string => `client order id ${String(command['cloid'])}`

/** An amount in units, and in tokens where the asset is known. */
const unitsOf = (units: number, asset?: Market['quote']): string =>
  `${units} units${asset === undefined ? '' : `, ${fromUnits(units, asset)} ${asset.symbol}`}`

/** Bounds of a price and of a size, in tokens too where the market is known. */
const ticksBound = (at?: Market): string =>
  `a price is 1 to ${TICKS_MAX} ticks${at === undefined ? '' : ` (${fromTicks(1, at)} to ${fromTicks(TICKS_MAX, at)})`}: give price or ticks within that`
const lotsBound = (at?: Market): string =>
  `a size is 1 to ${LOTS_MAX} lots${at === undefined ? '' : ` (${fromLots(1, at)} to ${fromLots(LOTS_MAX, at)})`}: give size or lots within that`

const isMarketType = (type: unknown): boolean =>
  type === OrderType.Market || type === OrderType.Stop || type === OrderType.TakeProfit

/** What each reject means for the command that got it; [is said, what to do] in one sentence. */
const REJECTS: Readonly<Record<number, (command: Fields, at?: Market, bound?: number) => string>> = {
  [Reject.UnknownCommand]: (c) =>
    `${of(c, 'kind')} is not a command; make commands with place, amend, cancel and cancelAllOf`,
  [Reject.UnknownAccount]: () => 'the account is not open; deposit on the chain first',
  [Reject.UnknownAsset]: (c) => `${of(c, 'asset')} does not exist; see client.markets.assets`,
  [Reject.UnknownMarket]: (c) => `${market(c)} does not exist; see client.markets.markets`,
  [Reject.MarketHalted]: (c) =>
    `${market(c)} is halted (status ${MarketStatus.Halted}); wait for its "status" stream`,
  [Reject.MarketCancelOnly]: (c) =>
    `${market(c)} takes cancels only (status ${MarketStatus.CancelOnly}); wait for its "status" stream`,
  [Reject.BadSide]: (c) => `${of(c, 'side')} is not a side; it must be 0 (buy) or 1 (sell)`,
  [Reject.BadOrderType]: (c) => `${of(c, 'orderType')} is not an order type; it must be 0 to 5`,
  [Reject.BadTimeInForce]: (c) =>
    `${of(c, 'timeInForce')} is not a time in force, or does not go with ${of(c, 'orderType')}; it must be 0 to 3 (GTC, IOC, FOK, GTD)`,
  [Reject.BadStp]: (c) => `${of(c, 'stp')} is not a mode of self-trade prevention; it must be 0 to 3`,
  [Reject.ZeroTicks]: (c, at) => `${of(c, 'ticks')} is not a price; ${ticksBound(at)}`,
  [Reject.NegativeTicks]: (c, at) => `${of(c, 'ticks', at)} is below 1; ${ticksBound(at)}`,
  [Reject.TicksOverLimit]: (c, at) => `${of(c, 'ticks', at)} is above ${TICKS_MAX}; ${ticksBound(at)}`,
  [Reject.ZeroLots]: (c, at) => `${of(c, 'lots')} is not a size; ${lotsBound(at)}`,
  [Reject.NegativeLots]: (c, at) => `${of(c, 'lots', at)} is below 1; ${lotsBound(at)}`,
  [Reject.LotsOverLimit]: (c, at) => `${of(c, 'lots', at)} is above ${LOTS_MAX}; ${lotsBound(at)}`,
  [Reject.NotAnInteger]: () => 'a number of the command is not whole; give whole ticks, lots and units',
  [Reject.NotionalOverLimit]: (c, at) =>
    `${of(c, 'ticks', at)} x ${of(c, 'lots', at)} is 2^53 units or more; make the order smaller`,
  [Reject.BadDisplayLots]: (c, at) =>
    `${of(c, 'displayLots', at)} does not go with ${of(c, 'lots', at)}; it is 1 to lots, in at most ${ICEBERG_PARTS_MAX} parts`,
  [Reject.BadTriggerTicks]: (c, at) =>
    `${of(c, 'triggerTicks', at)} does not go with this order; stops and take-profits that wait need 1 to ${TICKS_MAX}, others none`,
  [Reject.BadExpiry]: (c) =>
    c['kind'] === CommandKind.CancelAfter
      ? `${of(c, 'atMs')} had passed when it reached the engine, or is too far ahead; give cancelAfter more time, at most a day`
      : `${of(c, 'expiresAtMs')} does not go with this order; GTD orders need a later time in ms since 1970, others none`,
  [Reject.PostOnlyNotGtc]: (c) =>
    isMarketType(c['orderType'])
      ? `${of(c, 'orderType')} trades at once, which postOnly forbids; give a limit order, or leave postOnly out`
      : `${of(c, 'timeInForce')} does not go with postOnly; use GTC or GTD`,
  [Reject.PostOnlyWouldCross]: (c, at) =>
    `${of(c, 'ticks', at)} would trade at once, which postOnly forbids; give a price behind the touch, or postOnly "slide"`,
  [Reject.DuplicateClientOrderId]: (c) =>
    `${cloid(c)} is of a live order of this account; choose another, or leave it out`,
  [Reject.UnknownOrder]: (c) => `${cloid(c)} is of no live order in ${market(c)}; see orders()`,
  [Reject.InsufficientFunds]: (c, at, available) => {
    const isSale = c['side'] === Side.Sell
    const needed = isSale
      ? of(c, 'lots', at)
      : c['quoteBudget']
        ? of(c, 'quoteBudget', at)
        : `${of(c, 'ticks', at)} x ${of(c, 'lots', at)} and its fee`
    // An amend names no side.
    const asset = at === undefined || c['side'] === undefined ? undefined : isSale ? at.base : at.quote
    const has = available === undefined ? '' : ` (${unitsOf(available, asset)})`
    return `the available ${asset?.symbol ?? 'balance'}${has} is less than ${needed}; see balances(), cancel orders that reserve some, or make the order smaller`
  },
  [Reject.BalanceOverLimit]: () => 'a balance would reach 2^53 units; withdraw first',
  [Reject.ZeroUnits]: (c) => `${of(c, 'units')} is not an amount; give at least 1 unit`,
  [Reject.NegativeUnits]: (c) => `${of(c, 'units')} is below 1; give at least 1 unit`,
  [Reject.UnitsOverLimit]: (c) => `${of(c, 'units')} is 2^53 or more; give less`,
  [Reject.PriceBand]: (c, at) =>
    `${of(c, 'ticks', at)} is outside the market's price band; give a price nearer to the last trade (see the "status" stream)`,
  [Reject.OrdersFull]: () => 'the exchange has room for no more orders; try again later',
  [Reject.LevelsFull]: (c, at) =>
    `the exchange has room for no more price levels, and ${of(c, 'ticks', at)} would be a new one; use a price of the book`,
  [Reject.AccountsFull]: () => 'the exchange has room for no more accounts',
  [Reject.MarketsFull]: () => 'the exchange has room for no more markets',
  [Reject.AccountOrdersFull]: () =>
    `the account has as many live orders as it may: ${ACCOUNT_ORDERS_FLOOR}, or one in ${ACCOUNT_ORDERS_SHARE} of the room that is left when that is more; cancel some first`,
  [Reject.BadQuoteBudget]: (c, at) =>
    `${of(c, 'quoteBudget', at)} does not go with this order; market orders that buy may have 1 to 2^53 - 1 units, others none`,
  [Reject.DeadlinePassed]: (c) =>
    `${of(c, 'deadlineMs')} had passed when it reached the engine; nothing was done: send it anew`,
  [Reject.DepositOutOfOrder]: () => 'the deposit is not the next of the queue',
  [Reject.AccountExists]: () => 'the account is open already',
  [Reject.UnknownSession]: () =>
    'the exchange does not know this session, or has revoked it; make one with createSession',
  [Reject.SessionExpired]: () => 'the session has expired; make another with createSession',
  [Reject.SessionScope]: () => 'the session may not do this; make one with the scope "trade"',
  [Reject.SessionNotional]: (c, at, bound) =>
    `${of(c, 'ticks', at)} x ${of(c, 'lots', at)} is above the session's maxNotional${bound === undefined ? '' : ` (${unitsOf(bound, at?.quote)})`}; make the order smaller, or another session`,
  [Reject.SessionsFull]: () => 'there is room for no more sessions; revoke one with revokeSession',
  [Reject.FrameNonceUsed]: () => "the frame's nonce was used before; use a session in one client at a time",
  [Reject.FrameNonceTooOld]: () =>
    `the frame's nonce is ${FRAME_NONCE_WINDOW} or more below the highest; use a session in one client at a time`,
  [Reject.ApprovalNonceUsed]: () => 'a later approval or revocation of this wallet came first; sign it again',
  [Reject.BadMarketConfig]: () => "the market's units are not possible",
  [Reject.BadFees]: () =>
    `a fee is out of bounds: at most ${FEE_PPM_MAX} millionths, and a rebate at most what the taker pays`,
  [Reject.AssetExists]: () => 'the asset exists already',
  [Reject.MarketExists]: () => 'the market exists already',
  [Reject.ProtectionFrozen]: (c) =>
    `market-maker protection has pulled the quotes of ${market(c)}; call resetProtection before quoting again`,
  [Reject.SameAccount]: () => 'both accounts are the same',
  [Reject.BadPriceBand]: () => `the price band must be 0 to ${BAND_PPM_MAX} millionths`,
  [Reject.BadTier]: () => `the fee tier must be below ${TIERS_MAX}`,
  [Reject.WithdrawalNonceUsed]: () =>
    'this withdrawal, or a later one of this wallet, was taken before; sign it again',
  [Reject.FrameRejected]: () =>
    'the frame that the command came in was refused as a whole; see the error of the frame',
  [Reject.WrongAccount]: () => "the session is of another account; log one of this account's on",
  [Reject.BalancesFull]: () => 'there is room for no more balances; try again later',
  [Reject.BadTime]: (c) => `${of(c, 'atMs')} is not a time in ms since 1970`,
  [Reject.BadPostOnly]: (c) => `${of(c, 'postOnly')} is not a kind of post-only; it must be 0 to 2`,
  [Reject.BadStatus]: () => 'the market status must be 0 (active), 1 (cancel-only) or 2 (halted)',
  [Reject.FrameRequired]: () => 'this exchange takes signed frames only; use batch',
  [Reject.BadClientOrderId]: (c) => `${cloid(c)} is not an unsigned 64-bit number; use 0n to 2^64 - 1`,
  [Reject.NotOwner]: () => 'the accounts have different owners',
  [Reject.BadProtection]: (c) =>
    c['kind'] === CommandKind.ResetProtection
      ? `${market(c)} has no protection of this account; make one with setProtection`
      : `${of(c, 'windowMs')} with ${of(c, 'fills')} and ${of(c, 'notionalUnits')} protects from nothing; give a window of 1 ms or more, and a bound`,
  [Reject.BadFrame]: () => `a frame has 1 to ${FRAME_COMMANDS_MAX} commands; send fewer`,
  [Reject.ProtectionsFull]: () => 'there is room for no more protections; reset one first',
  [Reject.AccountSessionsFull]: () =>
    'the account has as many live sessions as it may; revoke one with revokeSession',
  [Reject.SessionLifetimeOverLimit]: () =>
    'the session would live longer than the exchange allows; give an earlier expiresAtMs (ms since 1970)',
  [Reject.BadNonce]: () => 'a nonce of a wallet is a whole number from 1 up; sign it again',
  [Reject.NonceTooFarAhead]: () =>
    "the wallet's nonce is above (engine time in ms + a day) * 1000; sign it again with a lower one",
  [Reject.BadDeadline]: () =>
    "the wallet's deadline must be a time at most a day after engine time; sign it again",
  [Reject.FrameWindowsFull]: () => 'as many sessions trade as the exchange has room for; try again later',
  [Reject.DeadlineTooFar]: (c) =>
    `${of(c, 'deadlineMs')} is more than a day ahead; give milliseconds since 1970`,
  [Reject.MassCancelsFull]: () =>
    `the account has ${MASS_CANCELS_OF_ACCOUNT} mass cancels under way, the most that it may; wait until one has ended`,
  [Reject.TriggersPending]: (c, at) =>
    `trades of before have reached ${of(c, 'triggerTicks', at)}, and ${market(c)} is still firing their triggers; nothing was done: send it again`,
  [Reject.ExchangeCancelOnly]: (_c, _at, reasons = 0) =>
    `the exchange takes cancels and reductions only${(reasons & CancelOnlyReason.SettlementLag) === 0 ? '' : ', for its settlement on the chain is behind'}; wait for a "status" stream`,
  [Reject.WithdrawBelowMin]: () =>
    'the amount is below the least of the asset that a withdrawal takes out; see client.markets.assets, and withdraw more at once',
  [Reject.WithdrawFeeNotAccepted]: () =>
    'the fee of a withdrawal of the asset is above maxFee; see client.markets.assets, and sign for it',
  [Reject.BadWithdrawTerms]: () =>
    'minimum and fee of withdrawals are whole units, and the fee is at most the minimum; only the operator sets them',
  [Reject.WithdrawalForced]: () =>
    'a withdrawal that was forced on the chain is being paid; it takes a moment, then the account may trade again',
}

/** The rejects that have words of their own. */
export const explainedRejects: ReadonlySet<number> = new Set(Object.keys(REJECTS).map(Number))

/** The market of a command, where the client knows it. */
export type MarketOf = (command: WireCommand) => Market | undefined

/**
 * The error of a command that the engine refused. `market`: of the command, for words in tokens; `bound`: what its
 * answer tells beyond the code.
 */
export function rejectionOf(
  code: number,
  command: WireCommand,
  market?: Market,
  bound?: number,
): GlassbookError {
  const explain = REJECTS[codeToReject(code)]
  const words =
    explain === undefined
      ? withAdvice('the exchange refused the command', code)
      : explain(command as unknown as Fields, market, bound)
  return errorOf(code, words)
}

/** What to do about an error that the exchange has described itself. */
const ADVICE: Readonly<Record<number, string>> = {
  [ErrorCode.TooManyConnections]: 'close a connection first',
  [ErrorCode.SlowConsumer]: 'read faster, or follow fewer streams',
  [ErrorCode.NotLoggedOn]: 'call createSession or logon first',
  [ErrorCode.BadSignature]: 'sign with the key that was approved, for this chain and vault',
  [ErrorCode.UnknownSession]: 'make a session with createSession',
  [ErrorCode.SessionExpired]: 'make another session with createSession',
  [ErrorCode.SessionRevoked]: 'make another session with createSession',
  [ErrorCode.ScopeMissing]: 'make a session with this scope',
  [ErrorCode.UnknownAccount]: 'deposit on the chain first, and wait until it is credited',
  [ErrorCode.BadApproval]: 'sign the approval with the wallet that owns the account',
  [ErrorCode.SignatureRequired]: 'use batch',
  [ErrorCode.WrongAccount]: "log on a session of this account's",
  [ErrorCode.AlreadyLoggedOn]: 'use another client for another session',
  [ErrorCode.UnknownStream]: 'see the table of streams in the protocol',
  [ErrorCode.RateLimited]: 'wait for retryAfter ms',
  [ErrorCode.TooManyFramesInFlight]: 'wait for answers first',
  [ErrorCode.TooManySubscriptions]: 'leave a stream first',
  [ErrorCode.TooManyOpenOrders]: 'cancel orders first',
  [ErrorCode.OrderRateLimited]: 'wait for retryAfter ms; cancels have a budget of their own',
  [ErrorCode.CancelRateLimited]: 'wait for retryAfter ms, or use cancelAll',
  [ErrorCode.IpRateLimited]: 'wait for retryAfter ms',
  [ErrorCode.IpOrderRateLimited]: 'wait for retryAfter ms',
  [ErrorCode.ConnectRateLimited]: 'wait before connecting again',
  [ErrorCode.EngineBusy]: 'try again after retryAfter ms',
  [ErrorCode.ProofUnavailable]: 'try again when the next batch is on the chain',
  [ErrorCode.SettlementUnavailable]: 'ask an exchange that settles on a chain',
}

/** A description with what to do about it. */
export function withAdvice(message: string, code: number): string {
  const advice = ADVICE[code]
  return advice === undefined ? message : `${message}; ${advice}`
}
