/**
 * The events, field by field: the one source for where a field of an event lies, and its unit. See command-table.ts.
 * The core writes every word of an event: what a kind has no field for is 0.
 */
import { CancelReason, CommandKind, EventKind, MarketStatus, Reject } from '../codes.js'
import { BAND_PPM_MAX, WITHDRAW_MIN_UNITS_MAX } from '../limits.js'
import { attributes } from './command-table.js'
import { type Fields, type Kind, bits, float, int, run, text, uint64, words } from './fields.js'

export const EVENT_WORDS = 24
export const EVENT_BYTES = EVENT_WORDS * 4

/** What stands at the same place in every event; `subject` is a market or an asset. */
export const eventHead = {
  seq: float(2, 'seq', 'of its command'),
  subject: int(1, 'subject'),
  account: int(6, 'account'),
} as const
const { account } = eventHead
const market = int(1, 'market')
const asset = int(1, 'asset')
const money = float(16, 'units')
const walletNonce = float(18, 'nonce', 'the wallet’s; 0 = no wallet was asked', { min: 0 })
const side = attributes.side

/** What every event of one order says. An order id is the seq of the order's placement. */
export const orderEvent = {
  ...attributes,
  market,
  account,
  cloid: uint64(8, 'clientOrderId'),
  orderId: float(22, 'seq'),
  ticks: int(4, 'ticks', 'of a market order the worst price, 0 = none', { min: 0 }),
  lots: int(5, 'lots', 'total size'),
  remaining: int(11, 'lots', 'not filled', { min: 0 }),
} as const

/** What Accepted and Amended say of an order beyond that. */
const described = {
  triggerTicks: int(12, 'ticks', '0 = no stop', { min: 0 }),
  displayLots: int(14, 'lots', '0 = no iceberg', { min: 0 }),
  expiresAtMs: float(16, 'timeMs', '0 = it does not expire'),
} as const
const withdrawTerms = { min: 0, max: WITHDRAW_MIN_UNITS_MAX } as const
const withdrawMin = float(16, 'units', 'least that a withdrawal takes out; 0 = no bound', withdrawTerms)
const withdrawFee = float(18, 'units', 'that a withdrawal costs', withdrawTerms)
const makerFeePpm = int(10, 'ppm')
const takerFeePpm = int(11, 'ppm')

const event = <F extends Fields>(kind: EventKind, about: string, fields: F): Kind<F> => ({
  kind,
  about,
  fields,
})

export const eventTable = {
  Accepted: event(EventKind.Accepted, 'an order was taken', {
    ...orderEvent,
    ...described,
    quoteBudget: float(18, 'quoteUnits', '0 = none'),
  }),
  Rejected: event(EventKind.Rejected, 'a command was refused, and changed nothing', {
    code: int(7, 'code', '', { codes: Reject, max: Math.max(...Object.values(Reject)) }),
    command: int(15, 'code', '', { codes: CommandKind, max: 255 }),
    account,
    subject: int(1, 'subject', 'word 2 of the command'),
    side,
    ticks: int(4, 'ticks', 'of Place, Amend and Cancel, as it came', { min: -(2 ** 31) }),
    lots: int(5, 'lots', 'of the same', { min: -(2 ** 31) }),
    cloid: uint64(8, 'clientOrderId', 'of the same'),
    frameCount: int(5, 'count', 'of a Frame that was taken before: its count of commands', {
      insteadOf: 'lots',
    }),
    firstSeq: float(16, 'seq', 'of the same: seq of its first header', { min: 0 }),
    bound: float(
      18,
      'units',
      'of InsufficientFunds: what is available, of an amend with what its order reserves; of SessionNotional: maxNotional; of WithdrawBelowMin: the minimum; of WithdrawFeeNotAccepted: the fee',
      { min: 0 },
    ),
    reasons: float(18, 'count', 'of ExchangeCancelOnly: bits of CancelOnlyReason', { insteadOf: 'bound' }),
    latestExpiryMs: float(18, 'timeMs', 'of SessionLifetimeOverLimit: the latest that is taken', {
      insteadOf: 'bound',
    }),
  }),
  Fill: event(EventKind.Fill, 'two orders trade, at the maker’s price; word 0 has the maker’s side', {
    makerSide: side,
    market,
    ticks: int(4, 'ticks'),
    lots: int(5, 'lots', 'filled'),
    makerAccount: int(6, 'account'),
    makerCloid: uint64(8, 'clientOrderId'),
    makerOrderId: float(22, 'seq'),
    makerRemaining: int(11, 'lots', 'not filled after it', { min: 0 }),
    makerFee: float(16, 'quoteUnits', 'negative = a rebate', { min: -(2 ** 53) + 1 }),
    takerAccount: int(10, 'account'),
    takerCloid: uint64(12, 'clientOrderId'),
    takerOrderId: float(20, 'seq'),
    takerRemaining: int(14, 'lots', 'not filled after it', { min: 0 }),
    takerFee: float(18, 'quoteUnits'),
  }),
  Canceled: event(EventKind.Canceled, 'an order ended; after a match its fills stand before it', {
    ...orderEvent,
    reason: int(7, 'code', '', {
      codes: CancelReason,
      min: 1,
      max: Math.max(...Object.values(CancelReason)),
    }),
  }),
  Amended: event(EventKind.Amended, 'an order as it is now', {
    ...orderEvent,
    ...described,
    keptPlace: int(7, 'flag', '0 = it was entered anew'),
    ticksBefore: int(15, 'ticks', '', { min: 0 }),
    waits: float(18, 'flag', 'a stop or take-profit that waits for its trigger'),
  }),
  Triggered: event(EventKind.Triggered, 'a stop or take-profit goes on, and is matched right after', {
    ...orderEvent,
    triggerTicks: int(12, 'ticks'),
  }),
  Refilled: event(EventKind.Refilled, 'an iceberg shows its next part', {
    ...orderEvent,
    shownLots: int(14, 'lots', 'shown now; remaining has what is hidden too'),
  }),
  Deposited: event(EventKind.Deposited, 'units came in', {
    account,
    asset,
    units: money,
    fromChain: int(15, 'flag'),
    queueIndex: float(18, 'seq', 'from the chain: its place in the vault’s queue', { min: 0 }),
  }),
  Withdrawn: event(EventKind.Withdrawn, 'units went out', {
    account,
    asset,
    units: money,
    nonce: walletNonce,
    code: int(
      7,
      'code',
      'not 0: why a deposit from the chain (its Deposited stands before it) could not be kept, and goes back',
      { codes: Reject, max: Math.max(...Object.values(Reject)) },
    ),
    fee: float(20, 'units', 'that the account paid beyond the units, to the fee account', {
      min: 0,
      max: WITHDRAW_MIN_UNITS_MAX,
    }),
  }),
  Transferred: event(EventKind.Transferred, 'units went to another account of the owner', {
    account,
    asset,
    receiver: int(10, 'account'),
    units: money,
  }),
  TimeAdvanced: event(EventKind.TimeAdvanced, 'engine time', { timeMs: float(16, 'timeMs') }),
  AccountOpened: event(EventKind.AccountOpened, 'an account has an owner', {
    account,
    owner: words(run(8, 5), 'address'),
  }),
  SessionApproved: event(EventKind.SessionApproved, 'a session key may act', {
    account,
    approval: float(22, 'nonce', 'names the session'),
    keyX: words(run(8, 8), 'publicKeyX'),
    keyParity: bits(20, 1, 'count'),
    scopes: bits(16, 4, 'count', 'bits of Scope', { min: 1 }),
    maxNotional: float(16, 'quoteUnits', '0 = no bound'),
    expiresAtMs: float(18, 'timeMs'),
    replaced: float(20, 'nonce', 'approval of the live session of this key that it replaces; 0 = none', {
      min: 0,
    }),
  }),
  SessionRevoked: event(EventKind.SessionRevoked, 'a session ended', {
    account,
    approval: float(16, 'nonce', 'of the session'),
    nonce: walletNonce,
  }),
  FrameOpened: event(EventKind.FrameOpened, 'a signed frame was taken', {
    account,
    approval: float(18, 'nonce', 'of its session'),
    nonce: float(16, 'nonce', 'of the frame', { min: 0 }),
    count: int(5, 'count', 'of its commands', { min: 1 }),
  }),
  UnsignedFrameOpened: event(EventKind.UnsignedFrameOpened, 'a frame that nobody signed was taken', {
    account,
    approval: float(18, 'nonce', 'of its session'),
    count: int(5, 'count', 'of its commands', { min: 1 }),
  }),
  MarketCreated: event(EventKind.MarketCreated, 'a market is there', {
    market,
    base: int(4, 'asset'),
    quote: int(5, 'asset'),
    lotUnits: float(16, 'units', 'base units of a lot'),
    tickUnits: float(18, 'units', 'quote units of a lot at one tick'),
    makerFeePpm,
    takerFeePpm,
    bandPpm: int(7, 'ppm', '0 = no band', { min: 0, max: BAND_PPM_MAX }),
  }),
  MarketStatusChanged: event(EventKind.MarketStatusChanged, 'a market’s status', {
    market,
    status: int(15, 'code', '', { codes: MarketStatus, max: 2 }),
  }),
  MarketFeesChanged: event(EventKind.MarketFeesChanged, 'fees of a market', {
    market,
    tier: int(15, 'tier', '0 = the market’s own'),
    makerFeePpm,
    takerFeePpm,
  }),
  PriceBandChanged: event(EventKind.PriceBandChanged, 'a market’s price band', {
    market,
    bandPpm: int(15, 'ppm', '0 = no band', { min: 0, max: BAND_PPM_MAX }),
  }),
  TierChanged: event(EventKind.TierChanged, 'an account’s fee tier', { account, tier: int(15, 'tier') }),
  AssetCreated: event(EventKind.AssetCreated, 'an asset is there', {
    asset,
    symbol: text(8, 5),
    withdrawMin,
    withdrawFee,
  }),
  ExchangeStatusChanged: event(EventKind.ExchangeStatusChanged, 'what holds of the whole exchange', {
    reasons: int(15, 'count', 'bits of CancelOnlyReason: it takes cancels only while there is any', {
      max: 3,
    }),
  }),
  WithdrawTermsChanged: event(EventKind.WithdrawTermsChanged, 'minimum and fee of withdrawals of an asset', {
    asset,
    withdrawMin,
    withdrawFee,
  }),
  CancelAfterSet: event(EventKind.CancelAfterSet, 'a dead-man switch', {
    account,
    atMs: float(16, 'timeMs', '0 = off'),
  }),
  ProtectionChanged: event(EventKind.ProtectionChanged, 'market-maker protection; zeros = off', {
    account,
    market,
    windowMs: int(15, 'ms'),
    fills: int(5, 'count'),
    notionalUnits: float(16, 'quoteUnits'),
  }),
  ProtectionTriggered: event(
    EventKind.ProtectionTriggered,
    'its orders of the market are cancelled right after',
    {
      account,
      market,
    },
  ),
  CanceledAll: event(EventKind.CanceledAll, 'closes a cancel-all', {
    account,
    market: int(1, 'market', 'as asked for; -1 = every one', { min: -1 }),
    side: int(15, 'code', 'as asked for; -1 = both', { min: -1, max: 1 }),
    orders: int(5, 'count', 'cancelled by now'),
    restFollows: int(14, 'flag', 'the rest is cancelled in the next Time commands'),
  }),
  Level: event(EventKind.Level, 'a level’s new total: a view, appended by the publisher', {
    side,
    market,
    ticks: int(4, 'ticks'),
    lots: float(16, 'lots', 'visible at the level; 0 = it is gone', { min: 0, max: 2 ** 53 - 1 }),
    orders: float(18, 'count'),
  }),
  Balance: event(EventKind.Balance, 'a new balance: a view, appended by the publisher', {
    account,
    asset,
    available: float(16, 'units', '', { min: 0 }),
    reserved: float(18, 'units', '', { min: 0 }),
  }),
} as const satisfies Record<keyof typeof EventKind, Kind>
