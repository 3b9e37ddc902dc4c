/** Fee rates as events tell them, by market, tier and account; for session-audit.ts. In tests only. */
import type { MarketConfig } from '../types.js'

interface Rates {
  readonly maker: number
  readonly taker: number
}

export class AuditRates {
  private readonly ofTier = new Map<string, Rates>()
  private readonly tiers = new Map<number, number>()

  constructor(markets: readonly MarketConfig[]) {
    for (const { id, makerFeePpm, takerFeePpm } of markets) this.set(id, 0, makerFeePpm, takerFeePpm)
  }

  set(market: number, tier: number, maker: number, taker: number): void {
    this.ofTier.set(`${market} ${tier}`, { maker, taker })
  }

  setTier(account: number, tier: number): void {
    this.tiers.set(account, tier)
  }

  maker(market: number, account: number): number {
    return this.of(market, account).maker
  }

  taker(market: number, account: number): number {
    return this.of(market, account).taker
  }

  worst(market: number, account: number): number {
    const { maker, taker } = this.of(market, account)
    return Math.max(maker, taker)
  }

  private of(market: number, account: number): Rates {
    const tier = this.tiers.get(account) ?? 0
    return this.ofTier.get(`${market} ${tier}`) ?? this.ofTier.get(`${market} 0`)!
  }
}
