/**
 * The reference book and ledger: what the fast ones must mean, written so that it can be checked by
 * reading. Orders are objects in a list, amounts are bigint, the best order is found by looking at all
 * of them. Used by engine.ts, in tests only; shares no code with the fast core.
 */

export interface ReferenceOrder {
  readonly id: number
  readonly account: number
  readonly market: number
  readonly cloid: bigint
  /** 0 buy, 1 sell. */
  readonly side: number
  readonly type: number
  readonly timeInForce: number
  readonly postOnly: number
  readonly stp: number
  ticks: number
  /** Total size, filled part included. */
  lots: number
  /** Lots not filled, hidden ones included. */
  remaining: number
  /** Lots of `remaining` that a book shows, or that are matched at once. */
  visible: number
  /** 0 = shows itself whole. */
  display: number
  trigger: number
  /** 0 = never. */
  expiresAtMs: number
  /** Quote units that it may still spend; undefined = bounded by its price alone. */
  budget: bigint | undefined
  /** The highest rate that it may be charged, in millionths. */
  feeBound: number
  /** Millionths of a quote unit that it was charged too much so far: 0 to 999,999. */
  carry: bigint
  /** Quote units that a sell may still receive; undefined = no bound. */
  cap: bigint | undefined
  reserved: bigint
  /** A stop whose trigger has not been reached. */
  waiting: boolean
  /** Order of arrival at its price: a smaller one comes first. */
  rank: number
}

/** Every order of one market that rests or waits. */
export class ReferenceBook {
  readonly orders: ReferenceOrder[] = []
  private ranks = 0

  /** Puts an order behind all others at its price. */
  append(order: ReferenceOrder): void {
    order.rank = this.ranks++
    if (!this.orders.includes(order)) this.orders.push(order)
  }

  remove(order: ReferenceOrder): void {
    const index = this.orders.indexOf(order)
    if (index >= 0) this.orders.splice(index, 1)
  }

  /** Resting orders of a side in price-time priority. */
  resting(side: number): ReferenceOrder[] {
    return this.orders
      .filter((order) => !order.waiting && order.side === side)
      .sort((a, b) => (side === 0 ? b.ticks - a.ticks : a.ticks - b.ticks) || a.rank - b.rank)
  }

  /** Stops that wait for a rise (or a fall), the one that is reached first in front. */
  waiting(rising: boolean): ReferenceOrder[] {
    return this.orders
      .filter((order) => order.waiting && waitsForRise(order) === rising)
      .sort((a, b) => (rising ? a.trigger - b.trigger : b.trigger - a.trigger) || a.rank - b.rank)
  }

  /** Price levels: one a side and price of what rests, one a direction and trigger of what waits. */
  levels(): Set<string> {
    return new Set(this.orders.map(levelName))
  }

  /** Price of the best resting order of a side; 0 = none. */
  bestTicks(side: number): number {
    return this.resting(side)[0]?.ticks ?? 0
  }
}

/** The level that an order stands at. */
export function levelName(order: {
  readonly waiting: boolean
  readonly side: number
  readonly type: number
  readonly ticks: number
  readonly trigger: number
}): string {
  if (order.waiting) return `${waitsForRise(order) ? 'rise' : 'fall'} ${order.trigger}`
  return `${order.side === 0 ? 'buy' : 'sell'} ${order.ticks}`
}

/** Stops (types 2 and 3) of buys and take-profits (4 and 5) of sells wait for a higher price. */
export function waitsForRise(order: { readonly side: number; readonly type: number }): boolean {
  return (order.side === 0) === order.type < 4
}

export interface ReferenceBalance {
  available: bigint
  reserved: bigint
}

export class ReferenceAccount {
  readonly balances = new Map<number, ReferenceBalance>()
  owner: number[] = [0, 0, 0, 0, 0]
  tier = 0
  withdrawalNonce = 0
  approvalNonce = 0
  cancelAfterMs = 0

  balance(asset: number): ReferenceBalance {
    let balance = this.balances.get(asset)
    if (balance === undefined) this.balances.set(asset, (balance = { available: 0n, reserved: 0n }))
    return balance
  }

  total(asset: number): bigint {
    const { available, reserved } = this.balance(asset)
    return available + reserved
  }
}
