/** The reference's money, time, protections and operator's commands. In tests only. */
import { CancelReason, CommandKind, EventKind, Reject } from '../codes.js'
import { Cmd, MarketCmd, OpenAccountCmd } from '../layout.js'
import {
  ACCOUNTS_MAX,
  ASSETS_MAX,
  PROTECTIONS_MAX,
  PROTECTIONS_OF_ACCOUNT,
  PROTECTIONS_PER_ACCOUNT,
  TIERS_MAX,
  TIME_MS_END,
} from '../limits.js'
import { ReferenceAccount } from './book.js'
import type { Command } from './base.js'
import { type ReferenceProtection, END, isWhole, unitsReject } from './base.js'
import { ReferenceOrders } from './orders.js'

export abstract class ReferenceAdmin extends ReferenceOrders {
  protected deposit(command: Command): number {
    const { account, market: asset, amount, words, at, floats } = command
    const fromChain = words[at + Cmd.OTHER] === 1
    const position = floats[at / 2 + Cmd.DEADLINE_F64]!
    if (account < 0 || account >= ACCOUNTS_MAX) return Reject.UnknownAccount
    if (asset < 0 || asset >= ASSETS_MAX) return Reject.UnknownAsset
    if (fromChain && position !== this.depositsConsumed) return Reject.DepositOutOfOrder
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    const obstacle = this.obstacle(account, asset, BigInt(amount))
    if (obstacle !== 0) {
      if (!fromChain) return obstacle
      this.depositsConsumed++
      this.emit(EventKind.Deposited, { subject: asset, account, a: amount, b: position, other: 1 })
      this.emit(EventKind.Withdrawn, { subject: asset, account, a: amount, code: obstacle })
      return 0
    }
    this.makeRows(account, asset)
    if (!this.accounts.has(account)) this.accounts.set(account, new ReferenceAccount())
    this.accounts.get(account)!.balance(asset).available += BigInt(amount)
    this.supply.set(asset, (this.supply.get(asset) ?? 0n) + BigInt(amount))
    if (fromChain) this.depositsConsumed++
    this.emit(EventKind.Deposited, {
      subject: asset,
      account,
      a: amount,
      b: fromChain ? position : 0,
      other: fromChain ? 1 : 0,
    })
    return 0
  }

  /** Why an account cannot keep a deposit, or 0. */
  private obstacle(account: number, asset: number, units: bigint): number {
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    if (account >= this.accountsMax) return Reject.AccountsFull
    if ((this.accounts.get(account)?.total(asset) ?? 0n) + units >= END) return Reject.BalanceOverLimit
    return this.rowsFit(account, asset) ? 0 : Reject.BalancesFull
  }

  protected transfer({ account, market: asset, amount, words, at }: Command): number {
    const receiver = words[at + Cmd.OTHER]!
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    const from = this.accounts.get(account)
    const to = this.accounts.get(receiver)
    if (from === undefined || to === undefined) return Reject.UnknownAccount
    if (from === to) return Reject.SameAccount
    if (from.owner.join() !== to.owner.join()) return Reject.NotOwner
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    if (from.balance(asset).available < BigInt(amount)) return Reject.InsufficientFunds
    if (to.total(asset) + BigInt(amount) >= END) return Reject.BalanceOverLimit
    if (!this.rowsFit(receiver, asset)) return Reject.BalancesFull
    this.makeRows(receiver, asset)
    from.balance(asset).available -= BigInt(amount)
    to.balance(asset).available += BigInt(amount)
    this.emit(EventKind.Transferred, { subject: asset, account, counterAccount: receiver, a: amount })
    return 0
  }

  protected time({ amount }: Command): number {
    if (!isWhole(amount, 0) || amount >= TIME_MS_END) return Reject.BadTime
    this.timeMs = Math.max(this.timeMs, amount)
    this.emit(EventKind.TimeAdvanced, { a: this.timeMs })
    this.cancelExpired()
    this.workOffJobs()
    this.fireSwitches()
    this.steps = 0
    for (const [, market] of [...this.markets].sort(([a], [b]) => a - b)) this.fireTriggers(market)
    return 0
  }

  private cancelExpired(): void {
    const expired = this.liveOrders()
      .filter((order) => this.expired(order))
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.id - b.id)
    for (const order of expired) {
      if (this.usedUp()) return
      this.steps++
      this.cancel(order, CancelReason.Expired)
    }
  }

  private workOffJobs(): void {
    while (this.jobs.length > 0) {
      const { rest } = this.workOff(this.jobs[0]!)
      this.payOwed(this.jobs[0]!)
      if (rest) return
      this.jobs.shift()
    }
  }

  private fireSwitches(): void {
    const due = [...this.accounts]
      .filter(([, { cancelAfterMs }]) => this.due(cancelAfterMs))
      .sort(([a, first], [b, second]) => first.cancelAfterMs - second.cancelAfterMs || a - b)
    for (const [account, owner] of due) {
      if (this.usedUp()) return
      this.steps++
      owner.cancelAfterMs = 0
      this.massCancel({
        account,
        market: -1,
        side: -1,
        reason: CancelReason.DeadManSwitch,
        haltedToo: true,
        uptoId: this.seq,
      })
    }
  }

  /** A switch that is due acts before its account's next order or renewal. */
  protected fireOwnSwitch(account: number): void {
    const owner = this.accounts.get(account)
    if (owner === undefined || !this.due(owner.cancelAfterMs)) return
    owner.cancelAfterMs = 0
    this.massCancel({
      account,
      market: -1,
      side: -1,
      reason: CancelReason.DeadManSwitch,
      haltedToo: true,
      uptoId: this.seq - 1,
    })
  }

  protected cancelAfter(command: Command): number {
    const { account, amount } = command
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    const late = this.deadlineReject(command)
    if (late !== 0) return late
    if (amount !== 0 && !this.expiryFits(amount)) return Reject.BadExpiry
    owner.cancelAfterMs = amount
    this.emit(EventKind.CancelAfterSet, { account, a: amount })
    return 0
  }

  protected setProtection({ account, market, words, at, lots, amount }: Command): number {
    const windowMs = words[at + Cmd.OTHER]!
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    if (lots < 0 || !isWhole(amount, 0)) return Reject.BadProtection
    const off = lots === 0 && amount === 0
    if (off ? windowMs !== 0 : windowMs < 1) return Reject.BadProtection
    const own = this.protections.get(account) ?? new Map<number, ReferenceProtection>()
    const all = [...this.protections.values()].reduce((sum, { size }) => sum + size, 0)
    const room = Math.min(PROTECTIONS_MAX, this.accountsMax * PROTECTIONS_PER_ACCOUNT)
    if (!off && !own.has(market) && (all >= room || own.size >= PROTECTIONS_OF_ACCOUNT))
      return Reject.ProtectionsFull
    this.protections.set(account, own)
    if (off) own.delete(market)
    else
      own.set(market, {
        windowMs,
        fillsMax: lots,
        notionalMax: amount,
        windowStartMs: 0,
        fills: 0,
        notional: 0,
        frozen: false,
      })
    this.emit(EventKind.ProtectionChanged, { subject: market, account, lots, other: windowMs, a: amount })
    return 0
  }

  protected resetProtection({ account, market }: Command): number {
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    const protection = this.protections.get(account)?.get(market)
    if (protection === undefined) return Reject.BadProtection
    Object.assign(protection, { windowStartMs: 0, fills: 0, notional: 0, frozen: false })
    const { windowMs, fillsMax, notionalMax } = protection
    this.emit(EventKind.ProtectionChanged, {
      subject: market,
      account,
      lots: fillsMax,
      other: windowMs,
      a: notionalMax,
    })
    return 0
  }

  protected openAccount({ account, words, at }: Command): number {
    if (account < 0) return Reject.UnknownAccount
    if (account >= this.accountsMax) return Reject.AccountsFull
    const known = this.accounts.get(account)
    if (known !== undefined && known.owner.some((word) => word !== 0)) return Reject.AccountExists
    const opened = known ?? new ReferenceAccount()
    opened.owner = Array.from(words.subarray(at + OpenAccountCmd.OWNER, at + OpenAccountCmd.OWNER + 5))
    this.accounts.set(account, opened)
    this.emit(EventKind.AccountOpened, { account, tail: opened.owner })
    return 0
  }

  protected setStatus({ market, words, at }: Command): number {
    const status = words[at + Cmd.OTHER]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (status < 0 || status > 2) return Reject.BadStatus
    found.status = status
    this.emit(EventKind.MarketStatusChanged, { subject: market, other: status })
    return 0
  }

  protected setFees({ kind, market, words, at }: Command): number {
    const tier = kind === CommandKind.SetTierFees ? words[at + Cmd.OTHER]! : 0
    const maker = words[at + MarketCmd.MAKER_FEE_PPM]!
    const taker = words[at + MarketCmd.TAKER_FEE_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (kind === CommandKind.SetTierFees && (tier < 1 || tier >= TIERS_MAX)) return Reject.BadTier
    if (taker < 0 || taker > 100_000 || maker < -taker || maker > 100_000) return Reject.BadFees
    found.fees.set(tier, { maker, taker })
    this.emit(EventKind.MarketFeesChanged, {
      subject: market,
      other: tier,
      counterAccount: maker,
      remaining: taker,
    })
    return 0
  }

  protected setBand({ market, words, at }: Command): number {
    const bandPpm = words[at + MarketCmd.BAND_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (bandPpm < 0 || bandPpm > 1_000_000) return Reject.BadPriceBand
    found.bandPpm = bandPpm
    this.emit(EventKind.PriceBandChanged, { subject: market, other: bandPpm })
    return 0
  }

  protected setTier({ account, words, at }: Command): number {
    const tier = words[at + Cmd.OTHER]!
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    if (tier < 0 || tier >= TIERS_MAX) return Reject.BadTier
    owner.tier = tier
    this.emit(EventKind.TierChanged, { account, other: tier })
    return 0
  }
}
