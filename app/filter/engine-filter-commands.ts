/**
 * One command or query of the filter, from its JSON object to the engine. What a field cannot say in the
 * engine's record is written as a value that the engine rejects by name, so that rejects have one home.
 */
import {
  BOOK_DEPTH_MAX,
  COMMAND_WORDS,
  Cmd,
  type Engine,
  INT_NOT_AN_INTEGER,
  INT_OVER_LIMIT,
  LOTS_MAX,
  type OrderView,
  PostOnly,
  Reject,
  Side,
  Stp,
  TimeInForce,
  type OrderType,
  rejectNames,
  writeAccountTier,
  writeAmend,
  writeCancel,
  writeCancelAfter,
  writeCancelAll,
  writeCreateAsset,
  writeCreateMarket,
  writeDeposit,
  writeMarketFees,
  writeExchangeStatus,
  writeMarketStatus,
  writeOpenAccount,
  writePlace,
  writePriceBand,
  writeProtection,
  writeResetProtection,
  writeTime,
  writeTransfer,
  writeWithdraw,
  writeWithdrawTerms,
  type Consent,
} from '../../engine/index.js'
import { OrderCmd, PlaceCmd } from '../../engine/layout.js'
import { putCloid } from '../../engine/records/access.js'
import { CLOID_END } from '../../engine/limits.js'
import { cloidToJson, kindNames, sideNames, timeInForceNames } from './engine-filter-events.js'
import { CommandError, type JsonFields, type Op, commandOf } from './engine-filter-fields.js'

/** An id that no engine has: what a value becomes that is no id. */
const NO_ID = -2
const ALL = -1
/** Types by name; stops may be written with a hyphen as well. */
const KINDS: Readonly<Record<string, number>> = {
  ...Object.fromEntries(kindNames.map((name, type) => [name, type])),
  'stop-limit': 2,
  'take-profit-limit': 4,
  'take-profit': 5,
}
const STP: Readonly<Record<string, number>> = {
  cancelTaker: Stp.CancelTaker,
  cancelMaker: Stp.CancelMaker,
  cancelBoth: Stp.CancelBoth,
  decrement: Stp.Decrement,
}
const POST_ONLY = new Map<unknown, number>([
  [undefined, PostOnly.None],
  [null, PostOnly.None],
  [false, PostOnly.None],
  ['none', PostOnly.None],
  [true, PostOnly.Reject],
  ['reject', PostOnly.Reject],
  ['slide', PostOnly.Slide],
])
const CANCEL_ONLY_REASON: Readonly<Record<string, number>> = { operator: 1, settlementLag: 2 }
const STATUS: Readonly<Record<string, number>> = { active: 0, cancelOnly: 1, halted: 2 }
/** Numbers that no attribute has, within the bits of its field. */
const BAD_3_BITS = 7
const BAD_2_BITS = 3

/** Ops that change nothing and are answered. */
type Query = 'balances' | 'book' | 'orders' | 'markets' | 'stateHash'

const has = (fields: JsonFields, name: string): boolean => fields[name] !== undefined && fields[name] !== null

/** A whole number as the engine's int32, or the sentinel that says what is wrong with it. */
function int(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    return value === Infinity ? INT_OVER_LIMIT : INT_NOT_AN_INTEGER
  }
  if (value >= 2 ** 31) return INT_OVER_LIMIT
  return value < 0 ? Math.max(value, -1) : value
}

const optionalInt = (fields: JsonFields, name: string): number => (has(fields, name) ? int(fields[name]) : 0)

/** A number for the engine to judge; NaN when it is none. */
const float = (value: unknown): number => (typeof value === 'number' ? value : NaN)
const optionalFloat = (fields: JsonFields, name: string): number =>
  has(fields, name) ? float(fields[name]) : 0

function id(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 31 ? value : NO_ID
}

function nameOf(table: Readonly<Record<string, number>>, value: unknown, bad: number): number {
  return typeof value === 'string' && Object.hasOwn(table, value) ? table[value]! : bad
}

export class CommandReader {
  private readonly engine: Engine
  private readonly words = new Int32Array(COMMAND_WORDS)
  private readonly floats = new Float64Array(this.words.buffer)

  constructor(engine: Engine) {
    this.engine = engine
  }

  /**
   * Applies the command, or answers the query, that `value` is; `line` is its text, in which a client
   * order id keeps the digits that a double loses. Returns the query's answer.
   * @throws CommandError when it is neither.
   */
  run(value: unknown, line: string): object | undefined {
    const { op, fields } = commandOf(value)
    switch (op) {
      case 'balances':
        return this.balances(fields)
      case 'book':
        return this.book(fields)
      case 'orders':
        return this.orders(fields)
      case 'markets':
        return {
          seq: this.engine.seq,
          event: 'markets',
          assets: this.engine.assets(),
          markets: this.engine.markets(),
        }
      case 'stateHash':
        return {
          seq: this.engine.seq,
          event: 'stateHash',
          stateHash: Buffer.from(this.engine.stateHash()).toString('hex'),
        }
      default:
        this.write(op, fields, line)
        this.engine.apply(this.words, this.floats, 0)
        return undefined
    }
  }

  private write(op: Exclude<Op, Query>, fields: JsonFields, line: string): void {
    const { words, floats } = this
    const account = id(fields['account'])
    const market = id(fields['market'])
    switch (op) {
      case 'place':
        this.writePlace(fields, account, market, line)
        return
      case 'amend':
        this.writeAmend(fields, account, line)
        return
      case 'cancel': {
        const cloid = readCloid(fields, line)
        writeCancel(
          words,
          floats,
          0,
          account,
          this.marketOf(fields, account, cloid),
          0,
          0,
          optionalFloat(fields, 'deadline'),
        )
        this.putCloid(cloid)
        return
      }
      case 'cancelAll': {
        const side = has(fields, 'side') ? nameOf({ buy: 0, sell: 1 }, fields['side'], NO_ID) : ALL
        const where = has(fields, 'market') ? market : ALL
        writeCancelAll(words, floats, 0, account, where, side, 0, optionalFloat(fields, 'deadline'))
        return
      }
      case 'deposit':
        writeDeposit(words, floats, 0, account, id(fields['asset']), float(fields['units']))
        return
      case 'withdraw':
        writeWithdraw(
          words,
          floats,
          0,
          account,
          id(fields['asset']),
          float(fields['units']),
          walletOf(fields),
          optionalFloat(fields, 'maxFee'),
        )
        return
      case 'transfer':
        writeTransfer(
          words,
          floats,
          0,
          account,
          id(fields['to']),
          id(fields['asset']),
          float(fields['units']),
        )
        return
      case 'time':
        writeTime(words, floats, 0, float(fields['ms']))
        return
      case 'cancelAfter':
        writeCancelAfter(words, floats, 0, account, float(fields['ms']), optionalFloat(fields, 'deadline'))
        return
      case 'protection':
        writeProtection(
          words,
          floats,
          0,
          account,
          market,
          optionalInt(fields, 'windowMs'),
          optionalInt(fields, 'fills'),
          optionalFloat(fields, 'notional'),
        )
        return
      case 'resetProtection':
        writeResetProtection(words, 0, account, market)
        return
      case 'openAccount':
        writeOpenAccount(words, 0, account, ownerWords(fields['owner']))
        return
      case 'createAsset':
        writeCreateAsset(
          words,
          0,
          id(fields['asset']),
          typeof fields['symbol'] === 'string' ? fields['symbol'] : '',
          optionalFloat(fields, 'withdrawMin'),
          optionalFloat(fields, 'withdrawFee'),
        )
        return
      case 'withdrawTerms':
        writeWithdrawTerms(
          words,
          floats,
          0,
          id(fields['asset']),
          float(fields['withdrawMin']),
          float(fields['withdrawFee']),
        )
        return
      case 'createMarket':
        writeCreateMarket(
          words,
          floats,
          0,
          market,
          id(fields['base']),
          id(fields['quote']),
          float(fields['lotUnits']),
          float(fields['tickUnits']),
          ppm(fields, 'makerFeePpm'),
          ppm(fields, 'takerFeePpm'),
          optionalInt(fields, 'bandPpm'),
        )
        return
      case 'marketStatus':
        writeMarketStatus(words, 0, market, nameOf(STATUS, fields['status'], BAD_3_BITS))
        return
      case 'exchangeStatus': {
        const reason = nameOf(CANCEL_ONLY_REASON, fields['reason'], 0)
        writeExchangeStatus(words, 0, reason, nameOf(STATUS, fields['status'], BAD_3_BITS))
        return
      }
      case 'marketFees':
        writeMarketFees(
          words,
          0,
          market,
          ppm(fields, 'makerFeePpm'),
          ppm(fields, 'takerFeePpm'),
          optionalInt(fields, 'tier'),
        )
        return
      case 'priceBand':
        writePriceBand(words, 0, market, int(fields['bandPpm']))
        return
      case 'accountTier':
        writeAccountTier(words, 0, account, int(fields['tier']))
    }
  }

  private writePlace(fields: JsonFields, account: number, market: number, line: string): void {
    const side = nameOf({ buy: 0, sell: 1 }, fields['side'], NO_ID)
    const type = has(fields, 'kind') ? nameOf(KINDS, fields['kind'], BAD_3_BITS) : 0
    const expiresAtMs = optionalFloat(fields, 'expiresAt')
    const quoteBudget = optionalFloat(fields, 'quoteBudget')
    const byDefault = expiresAtMs !== 0 ? TimeInForce.GTD : TimeInForce.GTC
    const timeInForce = has(fields, 'tif') ? nameOf(TimeInForce, fields['tif'], BAD_3_BITS) : byDefault
    const marketOrder = (type & 1) === 1
    let ticks = has(fields, 'ticks') ? int(fields['ticks']) : INT_NOT_AN_INTEGER
    // A market order may go without a protection price where nothing needs one.
    if (marketOrder && !has(fields, 'ticks')) ticks = side === Side.Sell ? 1 : 0
    let lots = has(fields, 'lots') ? int(fields['lots']) : INT_NOT_AN_INTEGER
    if (marketOrder && !has(fields, 'lots') && quoteBudget > 0)
      lots = this.affordableLots(market, quoteBudget)
    const cloid = readCloid(fields, line)
    writePlace(
      this.words,
      this.floats,
      0,
      account,
      market,
      side === Side.Sell ? Side.Sell : Side.Buy,
      ticks,
      lots,
      0,
      0,
      {
        type: type as OrderType,
        timeInForce: timeInForce as TimeInForce,
        postOnly: (POST_ONLY.get(fields['postOnly']) ?? BAD_2_BITS) as PostOnly,
        stp: (has(fields, 'stp') ? nameOf(STP, fields['stp'], BAD_3_BITS) : Stp.CancelTaker) as Stp,
        triggerTicks: optionalInt(fields, 'triggerTicks'),
        displayLots: optionalInt(fields, 'displayLots'),
        quoteBudget,
        expiresAtMs,
        deadlineMs: optionalFloat(fields, 'deadline'),
      },
    )
    if (side === NO_ID) this.words[Cmd.KIND]! |= 1 << PlaceCmd.INVALID_SIDE_SHIFT
    this.putCloid(cloid)
  }

  private writeAmend(fields: JsonFields, account: number, line: string): void {
    const cloid = readCloid(fields, line)
    // What an amend leaves out stays as it is.
    const order = this.order(account, cloid)
    const ticks = has(fields, 'ticks') ? int(fields['ticks']) : (order?.ticks ?? INT_NOT_AN_INTEGER)
    const lots = has(fields, 'lots') ? int(fields['lots']) : (order?.lots ?? INT_NOT_AN_INTEGER)
    writeAmend(
      this.words,
      this.floats,
      0,
      account,
      this.marketOf(fields, account, cloid),
      ticks,
      lots,
      0,
      0,
      {
        displayLots: optionalInt(fields, 'displayLots'),
        triggerTicks: optionalInt(fields, 'triggerTicks'),
        expiresAtMs: optionalFloat(fields, 'expiresAt'),
        deadlineMs: optionalFloat(fields, 'deadline'),
      },
    )
    this.putCloid(cloid)
  }

  private putCloid(cloid: bigint | undefined): void {
    if (cloid === undefined) {
      this.words[Cmd.KIND]! |= 1 << OrderCmd.INVALID_CLOID_SHIFT
      return
    }
    putCloid(this.words, OrderCmd.CLOID_LO, cloid)
  }

  private order(account: number, cloid: bigint | undefined): OrderView | undefined {
    return cloid === undefined ? undefined : this.engine.orderByCloid(account, cloid)
  }

  /** The market that a command names, or else that of the order it names; any market does for one unknown. */
  private marketOf(fields: JsonFields, account: number, cloid: bigint | undefined): number {
    if (has(fields, 'market')) return id(fields['market'])
    return this.order(account, cloid)?.market ?? this.engine.markets()[0]?.id ?? NO_ID
  }

  /** Lots that a budget buys at the lowest price there is. */
  private affordableLots(market: number, budget: number): number {
    const tickUnits = this.engine.markets().find(({ id }) => id === market)?.tickUnits ?? 1
    return Math.max(1, Math.min(LOTS_MAX, Math.floor(budget / tickUnits)))
  }

  private refuse(code: number): object {
    return { seq: this.engine.seq, event: 'rejected', code, name: rejectNames[code] }
  }

  private balances(fields: JsonFields): object {
    const account = id(fields['account'])
    if (account < 0) return this.refuse(Reject.UnknownAccount)
    return { seq: this.engine.seq, event: 'balances', account, balances: this.engine.balances(account) }
  }

  private book(fields: JsonFields): object {
    const market = id(fields['market'])
    if (!this.engine.markets().some((each) => each.id === market)) return this.refuse(Reject.UnknownMarket)
    const depth = has(fields, 'depth') ? fields['depth'] : 10
    if (typeof depth !== 'number' || !Number.isInteger(depth) || depth < 1)
      throw new CommandError(`depth must be a whole number from 1 to ${BOOK_DEPTH_MAX}`)
    const levels = (side: Side): number[][] =>
      this.engine
        .book(market, side, Math.min(depth, BOOK_DEPTH_MAX))
        .map(({ ticks, lots, orders }) => [ticks, lots, orders])
    return { seq: this.engine.seq, event: 'book', market, bids: levels(Side.Buy), asks: levels(Side.Sell) }
  }

  private orders(fields: JsonFields): object {
    const account = id(fields['account'])
    if (account < 0) return this.refuse(Reject.UnknownAccount)
    const orders = this.engine.orders(account).map((order) => ({
      orderId: order.orderId,
      market: order.market,
      cloid: cloidToJson(order.cloid),
      side: sideNames[order.side],
      kind: kindNames[order.orderType],
      ticks: order.ticks,
      lots: order.lots,
      remaining: order.remaining,
      tif: timeInForceNames[order.timeInForce],
      ...(order.displayLots === 0 ? {} : { displayLots: order.displayLots, visible: order.visible }),
      ...(order.triggerTicks === 0 ? {} : { triggerTicks: order.triggerTicks, waiting: order.waiting }),
      ...(order.expiresAtMs === 0 ? {} : { expiresAt: order.expiresAtMs }),
      reserved: order.reserved,
    }))
    return { seq: this.engine.seq, event: 'orders', account, orders }
  }
}

/** A client order id, as a number or as decimal digits in a string; undefined = none that is valid. */
function readCloid(fields: JsonFields, line: string): bigint | undefined {
  const value = fields['cloid']
  if (typeof value === 'string') return /^\d{1,20}$/.test(value) ? inUint64(BigInt(value)) : undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) return undefined
  if (Number.isSafeInteger(value)) return BigInt(value)
  const digits = /"cloid"\s*:\s*(\d{1,20})\s*[,}]/.exec(line)?.[1]
  return digits === undefined ? undefined : inUint64(BigInt(digits))
}

const inUint64 = (value: bigint): bigint | undefined => (value < CLOID_END ? value : undefined)

/** A fee in ppm, which may be negative; what is no int32 becomes one that is out of every bound. */
function ppm(fields: JsonFields, name: string): number {
  const value = fields[name]
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31
    ? value
    : INT_OVER_LIMIT
}

/** An address in hexadecimal as 5 words; zeros when it is none. */
function ownerWords(value: unknown): number[] {
  const digits = typeof value === 'string' ? /^0x([0-9a-fA-F]{40})$/.exec(value)?.[1] : undefined
  return Array.from({ length: 5 }, (_, word) =>
    digits === undefined ? 0 : Number.parseInt(digits.slice(word * 8, word * 8 + 8), 16) | 0,
  )
}

/** Who answers for a withdrawal: a wallet where its nonce or deadline is given, else whoever runs the filter. */
function walletOf(fields: JsonFields): Consent {
  if (!has(fields, 'nonce') && !has(fields, 'deadline')) return 'operator'
  return { nonce: optionalFloat(fields, 'nonce'), deadlineMs: optionalFloat(fields, 'deadline') }
}
