/**
 * The commands, field by field: the one source for where a field of a command lies, its unit and its bound.
 * `npm run records` writes offsets.ts and docs/internals/records.md from it; access.ts reads and writes records by it.
 * Append only: records stand in journals. A new field takes a place that its kind has not used, and 0 there must mean
 * what records without it meant.
 *
 * Bounds are those of a command that the engine may take; a record may hold any number, and the engine rejects by name
 * what lies outside.
 */
import {
  CancelOnlyReason,
  CancelReason,
  CommandKind,
  MarketStatus,
  OrderType,
  PostOnly,
  Side,
  Stp,
  TimeInForce,
} from '../codes.js'
import {
  BAND_PPM_MAX,
  COMMAND_STEPS_MAX,
  DEADLINE_AHEAD_MS_MAX,
  EXPIRY_AHEAD_MS_MAX,
  FRAME_COMMANDS_MAX,
  WITHDRAW_MIN_UNITS_MAX,
} from '../limits.js'
import {
  type Fields,
  type Kind,
  bits,
  codeBits,
  float,
  int,
  optional,
  run,
  split,
  text,
  uint64,
  words,
} from './fields.js'

export const COMMAND_WORDS = 16
export const COMMAND_BYTES = COMMAND_WORDS * 4

/** What stands at the same place in every record of commands; `subject` is a market or an asset. */
export const commandHead = {
  account: int(1, 'account'),
  subject: int(2, 'subject'),
} as const

/** What an order is, in word 0 of Place commands, of order events and of the engine's own records of orders. */
export const attributes = {
  side: codeBits(8, 1, Side),
  orderType: codeBits(9, 3, OrderType, 'Limit unless given'),
  timeInForce: codeBits(12, 3, TimeInForce, 'GTC unless given; a market order is IOC'),
  postOnly: codeBits(15, 2, PostOnly),
  stp: codeBits(17, 3, Stp, 'self-trade prevention'),
} as const

/** What every command that names an order says. */
export const orderCommand = {
  account: commandHead.account,
  market: int(2, 'market'),
  cloid: uint64(4, 'clientOrderId'),
  invalidCloid: optional(
    bits(26, 1, 'flag', 'the edge could not represent the client order id that it was given', {
      givenBy: 'edge',
    }),
  ),
} as const

const { account } = commandHead
const market = int(2, 'market')
const asset = int(2, 'asset')
const money = float(6, 'units')
const deadlineMs = optional(
  float(
    14,
    'timeMs',
    `engine time after which it is rejected; 0 = none, at most ${DEADLINE_AHEAD_MS_MAX} ms ahead`,
  ),
)
const expiry = float(12, 'timeMs', `of GTD: when it is cancelled; at most ${EXPIRY_AHEAD_MS_MAX} ms ahead`)
const walletNonce = optional(float(12, 'nonce', 'the wallet’s; 0 where no wallet answers'))
const walletDeadline = optional(float(14, 'timeMs', 'of the wallet’s message'))
const operator = optional(
  bits(27, 1, 'flag', 'the operator, or the program around an embedded engine, answers', {
    givenBy: 'operator',
  }),
)
const stepsUsed = optional(
  int(2, 'count', 'steps that count as used before its first command', {
    min: 0,
    max: COMMAND_STEPS_MAX,
    givenBy: 'sequencer',
  }),
)
const band = { min: 0, max: BAND_PPM_MAX } as const
const withdrawTerms = { min: 0, max: WITHDRAW_MIN_UNITS_MAX } as const
const withdrawMin = float(12, 'units', 'least that a withdrawal takes out; 0 = no bound', withdrawTerms)
const withdrawFee = float(14, 'units', 'that a withdrawal costs; at most the least', withdrawTerms)
const makerFeePpm = int(8, 'ppm', 'negative = a rebate, not above what the taker pays')
const takerFeePpm = int(9, 'ppm', '', { min: 0 })

interface Command<F extends Fields> extends Kind<F> {
  /** Whose signed frames may carry it: a client's. */
  readonly isClients: boolean
}
const command = <F extends Fields>(kind: CommandKind, about: string, fields: F): Command<F> => ({
  kind,
  about,
  fields,
  isClients: false,
})
const ofClients = <F extends Fields>(kind: CommandKind, about: string, fields: F): Command<F> => ({
  ...command(kind, about, fields),
  isClients: true,
})

export const commandTable = {
  Place: ofClients(CommandKind.Place, 'a new order', {
    ...orderCommand,
    side: attributes.side,
    orderType: optional(attributes.orderType),
    timeInForce: optional(attributes.timeInForce),
    postOnly: optional(attributes.postOnly),
    stp: optional(attributes.stp),
    invalidSide: optional(
      bits(25, 1, 'flag', 'the edge could not represent the side that it was given', { givenBy: 'edge' }),
    ),
    ticks: int(3, 'ticks', 'limit price; of a market order the worst price that it may trade at'),
    lots: int(8, 'lots'),
    displayLots: optional(int(9, 'lots', 'what an iceberg shows; 0 = all')),
    triggerTicks: optional(int(10, 'ticks', 'of stops and take-profits; 0 = none')),
    quoteBudget: optional(float(6, 'quoteUnits', 'what a market buy may spend; 0 = bounded by its price')),
    expiresAtMs: optional(expiry),
    deadlineMs,
  }),
  Amend: ofClients(CommandKind.Amend, 'another price or size of a live order', {
    ...orderCommand,
    ticks: int(3, 'ticks', 'the new price'),
    lots: int(8, 'lots', 'the new total size, the filled part included'),
    displayLots: optional(int(9, 'lots', '0 = as it is')),
    triggerTicks: optional(int(10, 'ticks', '0 = as it is')),
    quoteBudget: optional(float(6, 'quoteUnits', 'must be 0: a budget cannot be amended', { max: 0 })),
    expiresAtMs: optional(float(12, 'timeMs', '0 = as it is')),
    deadlineMs,
  }),
  Cancel: ofClients(CommandKind.Cancel, 'the end of an order', { ...orderCommand, deadlineMs }),
  CancelAll: ofClients(CommandKind.CancelAll, 'the end of an account’s orders', {
    account,
    market: optional(int(2, 'market', '-1 = every one'), -1),
    side: optional(int(11, 'code', '-1 = both', { codes: Side, max: 1 }), -1),
    reason: optional(
      int(8, 'code', 'not 0: the operator asks, and no frame is needed', {
        codes: CancelReason,
        givenBy: 'operator',
      }),
    ),
    deadlineMs,
  }),
  Deposit: command(CommandKind.Deposit, 'units come in; opens an account that nobody opened', {
    account,
    asset,
    units: money,
    fromChain: optional(int(11, 'flag', 'from the vault’s queue')),
    queueIndex: optional(
      float(14, 'seq', 'from the chain: its place in the vault’s queue, from 0', { min: 0 }),
    ),
    owner: optional(
      words(
        [3, 4, 5, 8, 9],
        'address',
        'from the chain: who it is for; zeros = the account’s owner. Settlement’s: the engine reads none of it',
      ),
    ),
  }),
  Withdraw: command(CommandKind.Withdraw, 'units go out; the operator, a frame or a wallet answers', {
    account,
    asset,
    units: money,
    operator,
    forced: optional(
      int(8, 'flag', 'for a request on the chain: orders end for it, and what is free is paid', {
        givenBy: 'operator',
      }),
    ),
    nonce: walletNonce,
    deadlineMs: walletDeadline,
    maxFee: optional(
      float(10, 'units', 'fee that the owner accepts beyond the units; the operator’s own has none', {
        min: 0,
      }),
    ),
  }),
  Transfer: command(CommandKind.Transfer, 'units go to another account of the same owner', {
    account,
    asset,
    receiver: int(11, 'account'),
    units: money,
  }),
  Time: command(CommandKind.Time, 'engine time moves; only the sequencer gives it', {
    timeMs: float(6, 'timeMs'),
    firstMarket: optional(
      int(
        2,
        'market',
        'whose triggers fire first, of those that are left; then come those behind it, then the others',
        {
          givenBy: 'sequencer',
        },
      ),
    ),
  }),
  OpenAccount: command(CommandKind.OpenAccount, 'an account gets its owner', {
    account,
    owner: words(run(2, 5), 'address'),
  }),
  ApproveSession: command(CommandKind.ApproveSession, 'a wallet approves a P-256 session key', {
    account,
    keyX: words(run(2, 8), 'publicKeyX', 'x coordinate of the key'),
    keyParity: bits(24, 1, 'count', 'parity of the key’s y coordinate'),
    scopes: bits(20, 4, 'count', 'bits of Scope', { min: 1 }),
    maxNotional: split(
      10,
      { word: 14, shift: 0, width: 21 },
      'quoteUnits',
      'what one order may execute; 0 = no bound',
    ),
    expiresAtMs: split(12, { word: 14, shift: 21, width: 11 }, 'timeMs'),
    nonce: split(
      11,
      { word: 15, shift: 0, width: 21 },
      'nonce',
      'grows with each approval and revocation of the account; names the session',
    ),
    deadlineMs: split(
      13,
      { word: 15, shift: 21, width: 11 },
      'timeMs',
      'engine time after which the approval is refused; at most a day ahead',
    ),
  }),
  RevokeSession: command(CommandKind.RevokeSession, 'a session ends', {
    account,
    approval: float(6, 'nonce', 'of the session'),
    operator,
    nonce: walletNonce,
    deadlineMs: walletDeadline,
  }),
  Frame: command(CommandKind.Frame, 'the commands that follow are one signed frame', {
    account,
    approval: float(4, 'nonce', 'of the session that signed it'),
    count: int(3, 'count', 'commands that follow', { min: 1, max: FRAME_COMMANDS_MAX }),
    nonce: float(6, 'nonce', 'of the frame', { min: 0 }),
    stepsUsed,
    sha256: optional(words(run(8, 8), 'sha256', 'of the signed bytes')),
  }),
  UnsignedFrame: command(
    CommandKind.UnsignedFrame,
    'the commands that follow are one frame, which nobody signed',
    {
      account,
      approval: float(4, 'nonce', 'of the session that they are of'),
      count: int(3, 'count', 'commands that follow', { min: 1, max: FRAME_COMMANDS_MAX }),
      stepsUsed,
    },
  ),
  CreateMarket: command(CommandKind.CreateMarket, 'a new market', {
    market,
    base: int(3, 'asset'),
    quote: int(4, 'asset'),
    lotUnits: float(6, 'units', 'base units of a lot'),
    tickUnits: float(12, 'units', 'quote units of a lot at one tick'),
    makerFeePpm,
    takerFeePpm,
    bandPpm: optional(int(10, 'ppm', '0 = no band', band)),
  }),
  SetMarketStatus: command(CommandKind.SetMarketStatus, 'a market opens, takes cancels only, or halts', {
    market,
    status: int(11, 'code', '', { codes: MarketStatus, max: 2 }),
  }),
  SetMarketFees: command(CommandKind.SetMarketFees, 'fees of a market', { market, makerFeePpm, takerFeePpm }),
  SetPriceBand: command(CommandKind.SetPriceBand, 'how far from the last price an order may be', {
    market,
    bandPpm: int(10, 'ppm', '0 = no band', band),
  }),
  SetAccountTier: command(CommandKind.SetAccountTier, 'an account’s fee tier', {
    account,
    tier: int(11, 'tier'),
  }),
  SetTierFees: command(CommandKind.SetTierFees, 'fees of a market for the accounts of one tier', {
    market,
    tier: int(11, 'tier', '', { min: 1 }),
    makerFeePpm,
    takerFeePpm,
  }),
  CreateAsset: command(CommandKind.CreateAsset, 'a new asset', {
    asset,
    symbol: text(8, 3, '1 to 16 characters'),
    withdrawMin: optional(withdrawMin),
    withdrawFee: optional(withdrawFee),
  }),
  CancelAfter: ofClients(
    CommandKind.CancelAfter,
    'dead-man switch: the account’s orders end unless it is renewed',
    {
      account,
      atMs: float(6, 'timeMs', 'when they end; 0 = off'),
      deadlineMs,
    },
  ),
  SetProtection: ofClients(CommandKind.SetProtection, 'market-maker protection; all zeros = off', {
    account,
    market,
    windowMs: int(11, 'ms'),
    fills: int(8, 'count', 'bound of fills in the window; 0 = none'),
    notionalUnits: float(6, 'quoteUnits', 'bound of quote units in the window; 0 = none'),
  }),
  ResetProtection: ofClients(CommandKind.ResetProtection, 'quoting is allowed again', { account, market }),
  SetExchangeStatus: command(
    CommandKind.SetExchangeStatus,
    'the whole exchange takes cancels only for a reason, or no longer for that one',
    {
      reason: int(8, 'code', '', { codes: CancelOnlyReason, min: 1, max: 2 }),
      status: int(11, 'code', 'cancel-only = the reason stands, active = it does not', {
        codes: MarketStatus,
        max: 1,
      }),
    },
  ),
  SetWithdrawTerms: command(CommandKind.SetWithdrawTerms, 'minimum and fee of withdrawals of an asset', {
    asset,
    withdrawMin,
    withdrawFee,
  }),
} as const satisfies Record<keyof typeof CommandKind, Command<Fields>>
