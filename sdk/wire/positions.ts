/**
 * What stands at which position: params of methods, commands of a frame, entries of streams and answers.
 * Documents are made of it and the schema's descriptions are taken from it; tests hold it together with
 * what gateway and engine read and send.
 */
import { CommandKind } from '../../engine/codes.js'
import type { NumbersName } from './numbers.js'
import { Method } from './layout.js'

export interface Position {
  readonly name: string
  readonly about: string
  /** The table of numbers that its values are of. */
  readonly numbers?: NumbersName
}

const at = (name: string, about = '', numbers?: NumbersName): Position => ({
  name,
  about,
  ...(numbers === undefined ? {} : { numbers }),
})

const cloid = at('cloid', 'client order id: unsigned 64-bit, a decimal string in JSON')
const seq = at('seq', 'number of the command, the order of the world')
const timeMs = at('timeMs', 'engine time, ms since 1970')
const index = at('index', 'counts the fills of one command from 0')

/** Entries of streams and answers. */
export const entries = {
  level: [at('ticks'), at('lots', 'visible size of the level; 0 = it is gone'), at('orders', 'how many')],
  l3: [at('orderId'), at('side', '', 'Side'), at('ticks'), at('lots', 'visible size; 0 = it is gone')],
  trade: [seq, index, at('ticks'), at('lots'), at('takerSide', 'of the order that came in', 'Side'), timeMs],
  candle: [
    at('startMs', 'begin of the interval, ms since 1970'),
    at('open', 'ticks'),
    at('high', 'ticks'),
    at('low', 'ticks'),
    at('close', 'ticks'),
    at('lots', 'traded'),
    at('quoteUnits', 'traded'),
    at('trades', 'how many'),
    at('lastSeq', 'seq of the last trade in it'),
  ],
  balance: [at('asset'), at('available', 'units'), at('reserved', 'units that live orders hold')],
  liveOrder: [
    at('orderId'),
    cloid,
    at('market'),
    at('side', '', 'Side'),
    at('ticks', 'limit or protection price'),
    at('lots', 'total size, the filled part included'),
    at('remaining', 'lots not filled'),
    at('orderType', '', 'OrderType'),
    at('timeInForce', '', 'TimeInForce'),
    at('triggerTicks', '0 = no stop'),
    at('displayLots', '0 = no iceberg'),
    at('expiresAtMs', '0 = none'),
    at('waiting', '1 = a stop that waits for its trigger'),
  ],
  order: [
    seq,
    at('event', 'what happened', 'OrderEvent'),
    at('orderId'),
    cloid,
    at('market'),
    at('side', '', 'Side'),
    at('ticks', 'price of the order; of event 3 (Fill) the price of the fill'),
    at('lots', 'total size of the order; of event 3 (Fill) the lots of this fill'),
    at('remaining', 'lots not filled after it'),
    at('state', 'how the order stands after it', 'OrderState'),
    at('reason', 'of event 4 (Canceled); 0 otherwise', 'CancelReason'),
    timeMs,
    at('code', 'of event 2 (Rejected: an order that was never taken) the error code; 0 otherwise'),
    at('triggerTicks', 'of events 1 (Accepted) and 5 (Amended), 0 = none; 0 otherwise'),
    at('displayLots', 'of the same events, 0 = no iceberg; 0 otherwise'),
    at('expiresAtMs', 'of the same events, 0 = it does not expire; 0 otherwise'),
  ],
  fill: [
    seq,
    index,
    at('market'),
    at('side', 'of this account’s order', 'Side'),
    at('ticks', 'price of the fill'),
    at('lots', 'filled'),
    at('feeUnits', 'units of the quote asset; negative = rebate'),
    at('maker', '1 = this account’s order was resting'),
    at('orderId'),
    cloid,
    at('remaining', 'lots of the order not filled after it'),
    timeMs,
  ],
} as const satisfies Record<string, readonly Position[]>
export type EntryName = keyof typeof entries

/** Names of an entry's positions, as documents write them. */
export const entryText = (name: EntryName): string =>
  `[${entries[name].map((position) => position.name).join(', ')}]`

export interface CommandForm {
  readonly kind: number
  readonly name: keyof typeof CommandKind
  /** Elements that must stand there, the kind included; from then on a missing one is 0. */
  readonly required: number
  readonly positions: readonly Position[]
  readonly about: string
}

const market = at('market')
const deadlineMs = at('deadlineMs', 'engine time after which it is refused; 0 = none, at most a day ahead')

/** Commands of a frame, as positional arrays. */
export const commandForms: readonly CommandForm[] = [
  {
    kind: CommandKind.Place,
    name: 'Place',
    required: 6,
    positions: [
      at('kind'),
      market,
      at('side', '', 'Side'),
      at('ticks', 'limit price; of a market order, stop or take-profit the worst price that it may trade at'),
      at('lots', 'size'),
      cloid,
      at('type', '', 'OrderType'),
      at('timeInForce', '', 'TimeInForce'),
      at('postOnly', '', 'PostOnly'),
      at('stp', '', 'Stp'),
      at('triggerTicks', 'of stops and take-profits'),
      at('displayLots', 'of an iceberg: lots that are shown at once'),
      at('quoteBudget', 'of a market buy, in place of ticks: quote units that it may spend'),
      at('expiresAtMs', 'of GTD: engine time at which it ends, at most 366 days ahead'),
      deadlineMs,
    ],
    about: 'A new order. Its client order id must be unused among the account’s live orders.',
  },
  {
    kind: CommandKind.Amend,
    name: 'Amend',
    required: 5,
    positions: [
      at('kind'),
      market,
      cloid,
      at('ticks', 'new price'),
      at('lots', 'new total size, the filled part included'),
      deadlineMs,
      at('displayLots', '0 = as it is'),
      at('triggerTicks', '0 = as it is'),
      at('expiresAtMs', '0 = as it is'),
    ],
    about:
      'Changes a live order. A smaller size at the same price keeps its place; a total from 1 to what is filled cancels the order (reason 7); a total of 0 is refused (ZeroLots).',
  },
  {
    kind: CommandKind.Cancel,
    name: 'Cancel',
    required: 3,
    positions: [at('kind'), market, cloid, deadlineMs],
    about: 'Cancels one order.',
  },
  {
    kind: CommandKind.CancelAll,
    name: 'CancelAll',
    required: 3,
    positions: [
      at('kind'),
      at('market', '-1 = every market; must be given, 0 is a market'),
      at('side', '-1 = both; must be given, 0 is buy'),
      deadlineMs,
    ],
    about: 'Cancels the account’s orders of a market and side.',
  },
  {
    kind: CommandKind.CancelAfter,
    name: 'CancelAfter',
    required: 2,
    positions: [at('kind'), at('atMs', 'engine time at which every order is cancelled; 0 = off'), deadlineMs],
    about: 'Dead-man switch: renew it before its time.',
  },
  {
    kind: CommandKind.SetProtection,
    name: 'SetProtection',
    required: 5,
    positions: [
      at('kind'),
      market,
      at('windowMs', '0 = off'),
      at('fills', 'bound of fills in the window; 0 = none'),
      at('notionalUnits', 'bound of quote units in the window; 0 = none'),
    ],
    about:
      'Market-maker protection: beyond a bound the account’s orders of the market go, until it is reset.',
  },
  {
    kind: CommandKind.ResetProtection,
    name: 'ResetProtection',
    required: 2,
    positions: [at('kind'), market],
    about: 'Lets the account trade again after its protection has fired.',
  },
]

/** Names of each method's params, in order. */
export const paramNames: Readonly<Record<Method, readonly string[]>> = {
  [Method.Time]: [],
  [Method.Markets]: [],
  [Method.Account]: ['owner'],
  [Method.ApproveSession]: [
    'account',
    'publicKey',
    'scopes',
    'maxNotional',
    'expiresAtMs',
    'nonce',
    'deadlineMs',
    'signature',
  ],
  [Method.RevokeSession]: ['account', 'approval', 'nonce', 'deadlineMs', 'signature'],
  [Method.Sessions]: [],
  [Method.Session]: ['account', 'publicKey'],
  [Method.Nonces]: ['account'],
  [Method.Logon]: ['account', 'approval', 'signature'],
  [Method.Logoff]: [],
  [Method.Frame]: ['account', 'approval', 'nonce', 'payload', 'signature', 'options'],
  [Method.UnsignedFrame]: ['payload'],
  [Method.Subscribe]: ['stream', 'from'],
  [Method.Unsubscribe]: ['stream'],
  [Method.Balances]: [],
  [Method.Orders]: ['options'],
  [Method.Order]: ['id'],
  [Method.FrameOutcome]: ['approval', 'nonce'],
  [Method.Fills]: ['options'],
  [Method.Depth]: ['market', 'depth'],
  [Method.Trades]: ['market', 'limit'],
  [Method.Candles]: ['market', 'interval', 'limit'],
  [Method.Ticker]: ['market'],
  [Method.Withdraw]: ['account', 'asset', 'units', 'maxFee', 'nonce', 'deadlineMs', 'signature'],
  [Method.Withdrawal]: ['account', 'nonce'],
  [Method.Proof]: ['account', 'asset', 'batch'],
  [Method.FillProof]: ['seq', 'index'],
  [Method.Batches]: ['limit'],
  [Method.CancelOnDisconnect]: ['on'],
  [Method.PlaceTest]: ['command'],
  [Method.Fees]: [],
}
