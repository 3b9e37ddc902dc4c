/**
 * Balances, fee tiers and fees of every account, kept from the engine's events: what `balances` and `fees`
 * are answered from. Loaded in pieces at the start; every row is absolute, so events and pieces may come in
 * any order that the engine told them in.
 */
import { EventKind } from '../../engine/codes.js'
import { BalanceEv, MarketFeesChangedEv, TierChangedEv } from '../../engine/layout.js'
import { ASSETS_MAX, TIERS_MAX } from '../../engine/limits.js'
import type { AccountRow, MarketConfig, MarketRow } from '../../engine/types.js'
import type { BalanceEntry } from '../../sdk/wire/layout.js'
import { ShardedMap } from './sharded-map.js'
import { Slab } from './slab.js'

/** A row: available and reserved units. */
const ROW_WORDS = 4

export class BalanceTable {
  readonly #rows = new ShardedMap<number, number>((key) => key ^ (key >>> 6))
  readonly #slab = new Slab(ROW_WORDS)
  /** Assets that anybody ever held. */
  readonly #assets = new Set<number>()
  /** Tiers other than 0. */
  readonly #tiers = new Map<number, number>()
  /** Fees of tiers that have their own, by market and tier. */
  readonly #tierFees = new Map<number, readonly [makerFeePpm: number, takerFeePpm: number]>()

  load([account, , tier, balances]: AccountRow): void {
    this.#setTier(account, tier)
    for (const [asset, available, reserved] of balances) this.#set(account, asset, available, reserved)
  }

  loadFees({ config, tiers }: MarketRow): void {
    for (const [tier, maker, taker] of tiers) this.#tierFees.set(config.id * TIERS_MAX + tier, [maker, taker])
  }

  event(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    switch (kind) {
      case EventKind.Balance: {
        const float = word >> 1
        this.#set(
          words[word + BalanceEv.ACCOUNT]!,
          words[word + BalanceEv.ASSET]!,
          floats[float + BalanceEv.AVAILABLE_F64]!,
          floats[float + BalanceEv.RESERVED_F64]!,
        )
        break
      }
      case EventKind.TierChanged:
        this.#setTier(words[word + TierChangedEv.ACCOUNT]!, words[word + TierChangedEv.TIER]!)
        break
      case EventKind.MarketFeesChanged: {
        const tier = words[word + MarketFeesChangedEv.TIER]!
        // Tier 0 is the market's own.
        if (tier !== 0)
          this.#tierFees.set(words[word + MarketFeesChangedEv.MARKET]! * TIERS_MAX + tier, [
            words[word + MarketFeesChangedEv.MAKER_FEE_PPM]!,
            words[word + MarketFeesChangedEv.TAKER_FEE_PPM]!,
          ])
        break
      }
      default:
        break
    }
  }

  #setTier(account: number, tier: number): void {
    if (tier === 0) this.#tiers.delete(account)
    else this.#tiers.set(account, tier)
  }

  #set(account: number, asset: number, available: number, reserved: number): void {
    const key = account * ASSETS_MAX + asset
    let row = this.#rows.get(key)
    if (row === undefined) {
      if (available === 0 && reserved === 0) return
      row = this.#slab.take()
      this.#rows.set(key, row)
      this.#assets.add(asset)
    }
    const float = this.#slab.at(row) >> 1
    const floats = this.#slab.floats(row)
    floats[float] = available
    floats[float + 1] = reserved
  }

  /** Balances of an account, ascending by asset, zero rows left out. */
  balances(account: number): BalanceEntry[] {
    const found: BalanceEntry[] = []
    for (const asset of this.#assets) {
      const row = this.#rows.get(account * ASSETS_MAX + asset)
      if (row === undefined) continue
      const float = this.#slab.at(row) >> 1
      const floats = this.#slab.floats(row)
      if (floats[float] !== 0 || floats[float + 1] !== 0)
        found.push([asset, floats[float]!, floats[float + 1]!])
    }
    return found.sort(([a], [b]) => a - b)
  }

  /** Fees of an account's orders in a market. */
  fees(account: number, { id, makerFeePpm, takerFeePpm }: MarketConfig) {
    const own = this.#tierFees.get(id * TIERS_MAX + (this.#tiers.get(account) ?? 0))
    const [maker, taker] = own ?? [makerFeePpm, takerFeePpm]
    return { market: id, makerFeePpm: maker, takerFeePpm: taker }
  }
}
