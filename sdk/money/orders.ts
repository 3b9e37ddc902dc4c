/**
 * What a caller writes for an order, and the wire command that it becomes. Prices and sizes are decimal
 * strings (or whole ticks and lots); floating-point numbers, unknown fields and values are refused by name
 * (inputs.ts). Raw wire commands are checked in raw-commands.ts.
 */
import { CommandKind, OrderType, PostOnly, Side, Stp, TimeInForce } from '../../engine/codes.js'
import { DEADLINE_AHEAD_MS_MAX } from '../../engine/limits.js'
import { EXPIRES_AHEAD_MS_MAX, SLIPPAGE_PPM_DEFAULT } from '../limits.js'
import { type MarketScale, toLots, toTicks, toUnits } from './units-and-atoms.js'
import {
  type Check,
  checkFields,
  checkOneOf,
  isAmount,
  isCloid,
  isDecimal,
  isIdOrSymbol,
  oneOf,
  refuseInput,
  timeMsWithin,
  wholeFrom,
  wholeOrBigFrom,
} from '../base/inputs.js'
import type { Market } from './markets.js'
import { protectionTicks } from './protection.js'
import type { AmendCommand, CancelAllCommand, CancelCommand, PlaceCommand } from '../wire/commands.js'

export type SideName = 'buy' | 'sell'

/** A price: decimal string of quote tokens for one base token, or whole ticks. */
export type Price = { readonly price: string } | { readonly ticks: number | bigint }
/** A size: decimal string of base tokens, or whole lots. */
export type Size = { readonly size: string } | { readonly lots: number | bigint }

export interface OrderOptions {
  /** Market id or symbol. */
  readonly market: number | string
  readonly side: SideName
  /** Chosen by the SDK when absent; unique among the account's orders, 0 to 2^64 - 1. */
  readonly cloid?: bigint
  /** Default 'limit'. */
  readonly type?: 'limit' | 'market' | 'stop' | 'stopLimit' | 'takeProfit' | 'takeProfitLimit'
  /** Default 'GTC'. */
  readonly timeInForce?: 'GTC' | 'IOC' | 'FOK' | 'GTD'
  /** true = reject when it would cross; 'slide' = rest one tick behind the touch. */
  readonly postOnly?: boolean | 'slide'
  readonly selfTrade?: 'cancelTaker' | 'cancelMaker' | 'cancelBoth' | 'decrement'
  /** Stop and take-profit: the price that sets them off. */
  readonly trigger?: Price
  /** Iceberg: what is shown at a time. */
  readonly display?: Size
  /** Market buy: quote tokens to spend at most. */
  readonly budget?: string | bigint
  /**
   * Market, stop and take-profit without a price: how far it may trade from the touch (market) or the trigger
   * (stop, take-profit), in millionths; default 10,000 = 1 %.
   */
  readonly slippagePpm?: number
  /** GTD: engine time in ms since 1970, at most a year ahead. */
  readonly expiresAtMs?: number
  /** Rejected when it reaches the engine later than this engine time, ms since 1970; at most a day ahead. */
  readonly deadlineMs?: number
}
export type PlaceOrder = OrderOptions &
  Size &
  Partial<{ readonly price: string; readonly ticks: number | bigint }>

/** What is left out of display, trigger and expiry stays as it is. */
export type AmendOrder = {
  readonly market: number | string
  readonly cloid: bigint
  /** Of a stop or take-profit that still waits. */
  readonly trigger?: Price
  readonly display?: Size
  /** Of a GTD order. */
  readonly expiresAtMs?: number
  readonly deadlineMs?: number
} & Price &
  Size
export interface CancelOrder {
  readonly market: number | string
  readonly cloid: bigint
  readonly deadlineMs?: number
}
export interface CancelAllOrders {
  /** Absent = every market. */
  readonly market?: number | string
  /** Absent = both sides. */
  readonly side?: SideName
  readonly deadlineMs?: number
}

const ORDER_TYPES = {
  limit: OrderType.Limit,
  market: OrderType.Market,
  stop: OrderType.Stop,
  stopLimit: OrderType.StopLimit,
  takeProfit: OrderType.TakeProfit,
  takeProfitLimit: OrderType.TakeProfitLimit,
} as const
const SELF_TRADE = {
  cancelTaker: Stp.CancelTaker,
  cancelMaker: Stp.CancelMaker,
  cancelBoth: Stp.CancelBoth,
  decrement: Stp.Decrement,
} as const
const SIDES: Readonly<Record<SideName, Side>> = { buy: Side.Buy, sell: Side.Sell }

// What the engine judges by name (0, beyond 31 bits) reaches it; what is no number of the kind does not.
const isWhole = wholeOrBigFrom(Number.MIN_SAFE_INTEGER)
const isPpm = wholeFrom(0, 1_000_000, ' of millionths')
const isSide = oneOf('buy', 'sell')

/** An object with one of two fields, which messages name by their path. */
const eitherOf =
  (checks: Readonly<Record<string, Check>>, example: string): Check =>
  (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      refuseInput(field, value, `an object, as in ${field}: ${example}`)
    const inside = Object.entries(checks).map(([name, check]): [string, Check] => [
      name,
      (given) => check(given, `${field}.${name}`),
    ])
    checkFields(field, value, Object.fromEntries(inside))
    const names = Object.keys(checks)
    const given = names.filter((name) => (value as Readonly<Record<string, unknown>>)[name] !== undefined)
    const paths = names.map((name) => `${field}.${name}`)
    if (given.length === 0)
      refuseInput(paths.join(' (or ') + ')', undefined, `given, as in ${field}: ${example}`)
    if (given.length > 1)
      refuseInput(
        paths.join(' beside '),
        (value as Readonly<Record<string, unknown>>)[given[0]!],
        'left out: one of the two is taken',
      )
  }
const isPrice = eitherOf({ price: isDecimal, ticks: isWhole }, "{ price: '59990.5' }")
const isSize = eitherOf({ size: isAmount, lots: isWhole }, "{ size: '0.01' }")

const placeChecks = (nowMs: number): Readonly<Record<string, Check>> => ({
  market: isIdOrSymbol,
  side: isSide,
  type: oneOf(...Object.keys(ORDER_TYPES)),
  price: isDecimal,
  ticks: isWhole,
  size: isAmount,
  lots: isWhole,
  cloid: isCloid,
  timeInForce: oneOf(...Object.keys(TimeInForce)),
  postOnly: oneOf(true, false, 'slide'),
  selfTrade: oneOf(...Object.keys(SELF_TRADE)),
  trigger: isPrice,
  display: isSize,
  budget: isAmount,
  slippagePpm: isPpm,
  expiresAtMs: timeMsWithin(nowMs, EXPIRES_AHEAD_MS_MAX),
  deadlineMs: timeMsWithin(nowMs, DEADLINE_AHEAD_MS_MAX),
})

const hasPrice = (order: PlaceOrder): boolean => order.price !== undefined || order.ticks !== undefined
const isStopType = (type: string): boolean => type !== 'limit' && type !== 'market'
/** It trades with whatever is there, within its protection price. */
const isMarketType = (type: string): boolean => type === 'market' || type === 'stop' || type === 'takeProfit'

/**
 * Checks an order's fields, each and together. @throws InputError naming the first that may not be so.
 */
export function checkPlace(order: PlaceOrder, nowMs: number): void {
  checkFields('an order', order, placeChecks(nowMs), ['market', 'side'])
  const { type = 'limit', side, timeInForce = 'GTC', trigger, budget, display, slippagePpm } = order
  checkOneOf('an order', order, ['price', 'ticks'], { optional: true })
  checkOneOf('an order', order, ['size', 'lots'])
  if (isStopType(type) && trigger === undefined)
    refuseInput('trigger', trigger, `the price that sets a ${type} order off, as { price } or { ticks }`)
  if (!isStopType(type) && trigger !== undefined)
    refuseInput('trigger', trigger, `left out of a ${type} order`)
  if (!isMarketType(type) && !hasPrice(order))
    refuseInput('price (or ticks)', undefined, `given for a ${type} order`)
  if (budget !== undefined && !(type === 'market' && side === 'buy'))
    refuseInput('budget', budget, 'left out, unless it is a market order that buys')
  if (isMarketType(type) && display !== undefined)
    refuseInput('display', display, `left out of a ${type} order, which never rests`)
  if (slippagePpm !== undefined && (!isMarketType(type) || hasPrice(order) || budget !== undefined))
    refuseInput(
      'slippagePpm',
      slippagePpm,
      'left out, unless it is a market, stop or takeProfit order without price and budget',
    )
  if ((timeInForce === 'GTD') !== (order.expiresAtMs !== undefined))
    refuseInput('expiresAtMs', order.expiresAtMs, 'given for timeInForce "GTD", and left out of any other')
}

/** Whether the order's protection price has to come from the book. */
export function needsTouch(order: PlaceOrder): boolean {
  return order.type === 'market' && !hasPrice(order) && order.budget === undefined
}

/** Ticks of what the caller wrote. */
function ticksOf(
  price: { readonly price?: string; readonly ticks?: number | bigint },
  market: MarketScale,
): number {
  return price.ticks !== undefined ? Number(price.ticks) : toTicks(price.price!, market)
}

function lotsOf(
  size: { readonly size?: string | bigint; readonly lots?: number | bigint },
  market: MarketScale,
): number {
  return size.lots !== undefined ? Number(size.lots) : toLots(size.size!, market)
}

/** The order's limit or protection price; 0 = its budget alone bounds it. @throws InputError */
function priceTicks(order: PlaceOrder, market: Market, touchTicks: number | undefined): number {
  if (hasPrice(order)) return ticksOf(order, market)
  if (order.budget !== undefined) return 0
  const { side, slippagePpm = SLIPPAGE_PPM_DEFAULT } = order
  if (order.trigger !== undefined) return protectionTicks(ticksOf(order.trigger, market), side, slippagePpm)
  if (touchTicks === undefined) {
    const other = side === 'buy' ? 'offers' : 'bids'
    refuseInput(
      'price (or ticks)',
      undefined,
      `given, the worst price that this market order may trade at: the book has no ${other}, or is not known here ` +
        '(placeOrder asks for it; place needs trackBook)',
    )
  }
  return protectionTicks(touchTicks, side, slippagePpm)
}

/**
 * The wire command of an order that `checkPlace` has let pass. `touchTicks` = the best price that a market order
 * trades with, where it is known. @throws InputError for what is not whole ticks, lots or units, or lacks a price.
 */
export function placeCommand(
  order: PlaceOrder,
  market: Market,
  cloid: bigint,
  touchTicks?: number,
): PlaceCommand {
  const { postOnly = false, trigger, display } = order
  return {
    kind: CommandKind.Place,
    market: market.id,
    side: SIDES[order.side],
    ticks: priceTicks(order, market, touchTicks),
    lots: lotsOf(order, market),
    cloid,
    orderType: ORDER_TYPES[order.type ?? 'limit'],
    timeInForce: TimeInForce[order.timeInForce ?? 'GTC'],
    postOnly: postOnly === 'slide' ? PostOnly.Slide : postOnly ? PostOnly.Reject : PostOnly.None,
    stp: SELF_TRADE[order.selfTrade ?? 'cancelTaker'],
    triggerTicks: trigger === undefined ? 0 : ticksOf(trigger, market),
    displayLots: display === undefined ? 0 : lotsOf(display, market),
    quoteBudget: order.budget === undefined ? 0 : toUnits(order.budget, market.quote),
    expiresAtMs: order.expiresAtMs ?? 0,
    deadlineMs: order.deadlineMs ?? 0,
  }
}

/** 0 on the wire leaves what is; a caller who means that leaves the field out. */
function changedTo(value: number, field: string): number {
  if (value === 0) refuseInput(field, value, 'at least 1; leave it out to keep what is')
  return value
}

/** Of an amend that `checkAmend` has let pass. @throws InputError for what is not whole ticks or lots. */
export function amendCommand(amend: AmendOrder, market: Market): AmendCommand {
  const { trigger, display } = amend
  return {
    kind: CommandKind.Amend,
    market: market.id,
    cloid: amend.cloid,
    ticks: ticksOf(amend, market),
    lots: lotsOf(amend, market),
    deadlineMs: amend.deadlineMs ?? 0,
    displayLots: display === undefined ? 0 : changedTo(lotsOf(display, market), 'display'),
    triggerTicks: trigger === undefined ? 0 : changedTo(ticksOf(trigger, market), 'trigger'),
    expiresAtMs: amend.expiresAtMs === undefined ? 0 : changedTo(amend.expiresAtMs, 'expiresAtMs'),
  }
}

/** @throws InputError */
export function checkAmend(amend: AmendOrder, nowMs: number): void {
  const { market, cloid, price, ticks, size, lots, trigger, display, expiresAtMs, deadlineMs } = placeChecks(
    nowMs,
  ) as Readonly<Record<string, Check>>
  const checks = { market, cloid, price, ticks, size, lots, trigger, display, expiresAtMs, deadlineMs }
  checkFields('an amend', amend, checks as Readonly<Record<string, Check>>, ['market', 'cloid'])
  checkOneOf('an amend', amend, ['price', 'ticks'])
  checkOneOf('an amend', amend, ['size', 'lots'])
}

/** @throws InputError */
export function checkCancel(cancel: CancelOrder, nowMs: number): void {
  const deadlineMs = timeMsWithin(nowMs, DEADLINE_AHEAD_MS_MAX)
  checkFields('a cancel', cancel, { market: isIdOrSymbol, cloid: isCloid, deadlineMs }, ['market', 'cloid'])
}

export function cancelCommand({ cloid, deadlineMs }: CancelOrder, market: Market): CancelCommand {
  return { kind: CommandKind.Cancel, market: market.id, cloid, deadlineMs: deadlineMs ?? 0 }
}

/** @throws InputError */
export function checkCancelAll(options: CancelAllOrders, nowMs: number): void {
  const deadlineMs = timeMsWithin(nowMs, DEADLINE_AHEAD_MS_MAX)
  checkFields('a cancel-all', options, { market: isIdOrSymbol, side: isSide, deadlineMs })
}

export function cancelAllCommand({ side, deadlineMs }: CancelAllOrders, market?: Market): CancelAllCommand {
  return {
    kind: CommandKind.CancelAll,
    market: market?.id ?? -1,
    side: side === undefined ? -1 : SIDES[side],
    deadlineMs: deadlineMs ?? 0,
  }
}
