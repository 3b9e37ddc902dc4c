/**
 * What a caller writes for an order, and the wire command that it becomes. Prices and sizes are decimal
 * strings (or whole ticks and lots); floating-point numbers are refused.
 */
import { FRAME_COMMANDS_MAX } from '../engine/limits.js'
import { CommandKind, OrderType, PostOnly, Side, Stp, TimeInForce } from '../engine/codes.js'
import { type MarketScale, toLots, toTicks, toUnits } from './decimals.js'
import { InputError } from './errors.js'
import type { Market } from './markets.js'
import { ErrorCode } from './wire/codes.js'
import type {
  AmendCommand,
  CancelAllCommand,
  CancelCommand,
  PlaceCommand,
  WireCommand,
} from './wire/commands.js'

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
  /** GTD: engine time in ms. */
  readonly expiresAtMs?: number
  /** Rejected when it reaches the engine later than this engine time, ms. */
  readonly deadlineMs?: number
}
export type PlaceOrder = OrderOptions &
  Size &
  Partial<{ readonly price: string; readonly ticks: number | bigint }>

export type AmendOrder = {
  readonly market: number | string
  readonly cloid: bigint
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

/** @throws InputError when `value` is not whole, or 2^53 or more. */
export function whole(value: number | bigint, what: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) {
    throw new InputError(`${what} ${value} is not a safe whole number`, { code: ErrorCode.BadParams })
  }
  return number
}

/** Ticks of what the caller wrote; 0 when no price is given (a market order). */
function ticksOf(price: { price?: string; ticks?: number | bigint }, market: MarketScale): number {
  if (price.ticks !== undefined) return whole(price.ticks, 'ticks')
  return price.price === undefined ? 0 : toTicks(price.price, market)
}

function lotsOf(size: { size?: string; lots?: number | bigint }, market: MarketScale): number {
  if (size.lots !== undefined) return whole(size.lots, 'lots')
  return size.size === undefined ? 0 : toLots(size.size, market)
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
const sideOf = (side: SideName): Side => (side === 'buy' ? Side.Buy : Side.Sell)

/** The wire command of an order. @throws InputError when an amount is not whole ticks, lots or units. */
export function placeCommand(order: PlaceOrder, market: Market, cloid: bigint): PlaceCommand {
  const { postOnly = false } = order
  return {
    kind: CommandKind.Place,
    market: market.id,
    side: sideOf(order.side),
    ticks: ticksOf(order, market),
    lots: lotsOf(order, market),
    cloid,
    orderType: ORDER_TYPES[order.type ?? 'limit'],
    timeInForce: TimeInForce[order.timeInForce ?? 'GTC'],
    postOnly: postOnly === 'slide' ? PostOnly.Slide : postOnly ? PostOnly.Reject : PostOnly.None,
    stp: SELF_TRADE[order.selfTrade ?? 'cancelTaker'],
    triggerTicks: order.trigger === undefined ? 0 : ticksOf(order.trigger, market),
    displayLots: order.display === undefined ? 0 : lotsOf(order.display, market),
    quoteBudget: order.budget === undefined ? 0 : toUnits(order.budget, market.quote),
    expiresAtMs: order.expiresAtMs ?? 0,
    deadlineMs: order.deadlineMs ?? 0,
  }
}

export function amendCommand(amend: AmendOrder, market: Market): AmendCommand {
  return {
    kind: CommandKind.Amend,
    market: market.id,
    cloid: amend.cloid,
    ticks: ticksOf(amend, market),
    lots: lotsOf(amend, market),
    deadlineMs: amend.deadlineMs ?? 0,
  }
}

export function cancelCommand({ cloid, deadlineMs }: CancelOrder, market: Market): CancelCommand {
  return { kind: CommandKind.Cancel, market: market.id, cloid, deadlineMs: deadlineMs ?? 0 }
}

export function cancelAllCommand({ side, deadlineMs }: CancelAllOrders, market?: Market): CancelAllCommand {
  return {
    kind: CommandKind.CancelAll,
    market: market?.id ?? -1,
    side: side === undefined ? -1 : sideOf(side),
    deadlineMs: deadlineMs ?? 0,
  }
}

/**
 * Refuses a frame that cannot be encoded exactly: no or too many commands, a number that is not whole, a
 * client order id beyond 64 bits. What is whole but wrong is the engine's to refuse. @throws InputError
 */
export function checkCommands(commands: readonly WireCommand[]): void {
  if (commands.length < 1 || commands.length > FRAME_COMMANDS_MAX) {
    throw new InputError(`a frame of ${commands.length} commands, 1 to ${FRAME_COMMANDS_MAX} are possible`, {
      code: ErrorCode.BadParams,
    })
  }
  for (const command of commands) {
    for (const [field, value] of Object.entries(command) as [string, unknown][]) {
      if (field === 'cloid' ? isCloid(value) : Number.isSafeInteger(value)) continue
      throw new InputError(
        `${field} ${String(value)} is no ${field === 'cloid' ? 'unsigned 64-bit' : 'safe whole'} number`,
        {
          code: ErrorCode.BadParams,
        },
      )
    }
  }
}

const isCloid = (value: unknown): boolean => typeof value === 'bigint' && value >= 0n && value < 1n << 64n
