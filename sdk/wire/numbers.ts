/**
 * Every number of the protocol that has a name, in tables that documents are made of: AsyncAPI, OpenAPI
 * and docs/protocol.md. The numbers themselves stand in engine/codes.ts, layout.ts and codes.ts; nothing
 * is written twice here.
 */
import {
  CancelReason,
  CommandKind,
  EventKind,
  CancelOnlyReason,
  MarketStatus,
  OrderType,
  PostOnly,
  Reject,
  Scope,
  Side,
  Stp,
  TimeInForce,
} from '../../engine/codes.js'
import { ErrorCode, closeCode, rejectToCode } from './codes.js'
import { Control, Kind, OrderState } from './layout.js'

export interface NumberTable {
  readonly about: string
  readonly codes: Readonly<Record<string, number>>
  /** Values are bits to be added up. */
  readonly bits?: boolean
  /** 0 = none of them. */
  readonly orNone?: boolean
  /** What a name does not say by itself, where no comment of the source does. */
  readonly notes?: Readonly<Record<string, string>>
  /** Source file and constant whose comments say more of single numbers. */
  readonly source: readonly [file: string, constant: string]
}

const pick = <T extends Record<string, number>>(codes: T, names: readonly (keyof T & string)[]) =>
  Object.fromEntries(names.map((name) => [name, codes[name]!]))

/** Events that the `orders` stream speaks of. */
const ORDER_EVENTS = pick(EventKind, [
  'Accepted',
  'Rejected',
  'Fill',
  'Canceled',
  'Amended',
  'Triggered',
  'Refilled',
])
/** Commands that a frame may carry. */
const FRAME_COMMANDS = pick(CommandKind, [
  'Place',
  'Amend',
  'Cancel',
  'CancelAll',
  'CancelAfter',
  'SetProtection',
  'ResetProtection',
])
/** Reasons for which the server itself ends a WebSocket. */
const CLOSING = pick(ErrorCode, [
  'MessageTooLarge',
  'IdleTimeout',
  'SlowConsumer',
  'ShuttingDown',
  'TooManyErrors',
])

const engine = (constant: string) => ['engine/codes.ts', constant] as const
const layout = (constant: string) => ['sdk/wire/layout.ts', constant] as const
const codes = (constant: string) => ['sdk/wire/codes.ts', constant] as const

export const numbers = {
  MessageKind: { about: 'First element of every message.', codes: Kind, source: layout('Kind') },
  Control: { about: 'What a control message says.', codes: Control, source: layout('Control') },
  Side: { about: 'Side of an order.', codes: Side, source: engine('Side') },
  OrderType: {
    about: 'Type of an order.',
    codes: OrderType,
    notes: {
      Limit: 'rests at its price or better',
      Market: 'never rests; ticks are the worst price, or a buy has a quote budget instead',
      StopLimit: 'a limit order once the last price reaches its trigger, upwards for a buy',
      Stop: 'a market order once the last price reaches its trigger, upwards for a buy',
      TakeProfitLimit: 'a limit order once the last price reaches its trigger, downwards for a buy',
      TakeProfit: 'a market order once the last price reaches its trigger, downwards for a buy',
    },
    source: engine('OrderType'),
  },
  TimeInForce: {
    about: 'How long an order lives; GTD needs `expiresAtMs`.',
    codes: TimeInForce,
    notes: {
      GTC: 'good till cancelled',
      IOC: 'immediate or cancel: what does not trade at once goes',
      FOK: 'fill or kill: all at once or nothing',
      GTD: 'good till date',
    },
    source: engine('TimeInForce'),
  },
  PostOnly: {
    about:
      'What becomes of an order that would trade at once: it trades, is refused, or rests a tick behind.',
    codes: PostOnly,
    source: engine('PostOnly'),
  },
  Stp: {
    about: 'Self-trade prevention, by the mode of the order that comes in.',
    codes: Stp,
    notes: {
      CancelTaker: 'the order that comes in goes',
      CancelMaker: 'the resting order goes',
      CancelBoth: 'both go',
      Decrement: 'both lose the lots that would have traded',
    },
    source: engine('Stp'),
  },
  CommandKind: {
    about: 'Commands of a frame.',
    codes: FRAME_COMMANDS,
    source: engine('CommandKind'),
  },
  OrderState: {
    about: 'How an order stands.',
    codes: OrderState,
    notes: {
      Open: 'it rests',
    },
    source: layout('OrderState'),
  },
  OrderEvent: {
    about: 'What happened to an order.',
    codes: ORDER_EVENTS,
    notes: {
      Accepted: 'taken; fills at once follow as events of their own',
      Rejected: 'never taken; `code` says why',
      Fill: 'one fill of it',
      Triggered: 'a stop has become the order that it waited to be',
      Refilled: 'the next part of an iceberg is shown, at the end of its level',
    },
    source: engine('EventKind'),
  },
  CancelReason: {
    about: 'Why an order was cancelled; 0 where it was not.',
    codes: CancelReason,
    orNone: true,
    notes: {
      User: 'by a cancel',
      FillOrKill: 'it could not be filled at once',
      SelfTrade: 'self-trade prevention',
      CancelAll: 'by a cancel-all',
      DeadManSwitch: 'CancelAfter was not renewed',
      Protection: 'market-maker protection has fired',
      Disconnect: 'its connection ended, and cancelOnDisconnect was on',
    },
    source: engine('CancelReason'),
  },
  CancelOnlyReason: {
    about: 'Why the whole exchange takes cancels only; it does while there is any.',
    codes: CancelOnlyReason,
    bits: true,
    notes: {
      Operator: 'the operator has said so',
      SettlementLag: 'settlement on the chain is too far behind',
    },
    source: engine('CancelOnlyReason'),
  },
  MarketStatus: {
    about: 'Status of a market.',
    codes: MarketStatus,
    notes: {
      CancelOnly:
        'orders may only be cancelled; where it is the whole exchange alone that says so (cancelOnlyReasons), reduced too',
      Halted: 'nothing happens: cancels of this market are refused too',
    },
    source: engine('MarketStatus'),
  },
  Scope: {
    about: 'What a session may do.',
    codes: Scope,
    bits: true,
    notes: {
      Read: 'private questions and streams',
      Trade: 'frames',
      WithdrawRequest: 'nothing yet: a withdrawal needs the wallet',
    },
    source: engine('Scope'),
  },
  ErrorCode: {
    about: 'What the gateway refuses.',
    codes: ErrorCode,
    source: codes('ErrorCode'),
  },
  RejectCode: {
    about:
      'What the engine refuses: 4000 + its reject; 2100 + where it speaks of sessions, 5100 + of bounds.',
    codes: Object.fromEntries(
      Object.entries(Reject)
        .filter(([, reject]) => reject !== Reject.None)
        .map(([name, reject]) => [name, rejectToCode(reject)]),
    ),
    source: engine('Reject'),
  },
  CloseCode: {
    about: 'Close code of a WebSocket that the server ends: 3000 + the reason’s code.',
    codes: Object.fromEntries(Object.entries(CLOSING).map(([name, code]) => [name, closeCode(code)])),
    source: codes('ErrorCode'),
  },
} as const satisfies Record<string, NumberTable>

export type NumbersName = keyof typeof numbers
