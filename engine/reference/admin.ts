/** The reference's money, time, protections and operator's commands. In tests only. */
import { CancelReason, CommandKind, Reject } from '../codes.js'
import {
  DepositCmd,
  OpenAccountCmd,
  SetAccountTierCmd,
  SetExchangeStatusCmd,
  SetMarketFeesCmd,
  SetMarketStatusCmd,
  SetPriceBandCmd,
  SetProtectionCmd,
  SetTierFeesCmd,
  SetWithdrawTermsCmd,
  TimeCmd,
  TransferCmd,
} from '../layout.js'
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
    const fromChain = words[at + DepositCmd.FROM_CHAIN] === 1
    const queueIndex = floats[at / 2 + DepositCmd.QUEUE_INDEX_F64]!
    if (account < 0 || account >= ACCOUNTS_MAX) return Reject.UnknownAccount
    if (asset < 0 || asset >= ASSETS_MAX) return Reject.UnknownAsset
    if (fromChain && queueIndex !== this.depositsConsumed) return Reject.DepositOutOfOrder
    const bad = unitsReject(amount)
    if (bad !== 0) return bad
    const obstacle = this.obstacle(account, asset, BigInt(amount))
    if (obstacle !== 0) {
      if (!fromChain) return obstacle
      this.depositsConsumed++
      this.emit('Deposited', { asset, account, units: amount, fromChain, queueIndex })
      this.emit('Withdrawn', { asset, account, units: amount, code: obstacle })
      return 0
    }
    this.makeRows(account, asset)
    if (!this.accounts.has(account)) this.accounts.set(account, new ReferenceAccount())
    this.accounts.get(account)!.balance(asset).available += BigInt(amount)
    this.supply.set(asset, (this.supply.get(asset) ?? 0n) + BigInt(amount))
    if (fromChain) this.depositsConsumed++
    this.emit('Deposited', {
      asset,
      account,
      units: amount,
      fromChain,
      queueIndex: fromChain ? queueIndex : 0,
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
    const receiver = words[at + TransferCmd.RECEIVER]!
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
    this.emit('Transferred', { asset, account, receiver, units: amount })
    return 0
  }

  protected time({ amount, words, at }: Command): number {
    const firstMarket = words[at + TimeCmd.FIRST_MARKET]!
    if (!isWhole(amount, 0) || amount >= TIME_MS_END || firstMarket < 0) return Reject.BadTime
    this.timeMs = Math.max(this.timeMs, amount)
    this.emit('TimeAdvanced', { timeMs: this.timeMs })
    this.cancelExpired()
    this.workOffJobs()
    this.fireSwitches()
    this.steps = 0
    const byId = [...this.markets].sort(([a], [b]) => a - b)
    const inTurn = [...byId.filter(([id]) => id >= firstMarket), ...byId.filter(([id]) => id < firstMarket)]
    for (const [, market] of inTurn) this.fireTriggers(market)
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
    this.emit('CancelAfterSet', { account, atMs: amount })
    return 0
  }

  protected setProtection({ account, market, words, at, amount }: Command): number {
    const fills = words[at + SetProtectionCmd.FILLS]!
    const windowMs = words[at + SetProtectionCmd.WINDOW_MS]!
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    if (fills < 0 || !isWhole(amount, 0)) return Reject.BadProtection
    const off = fills === 0 && amount === 0
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
        fillsMax: fills,
        notionalMax: amount,
        windowStartMs: 0,
        fills: 0,
        notional: 0,
        frozen: false,
      })
    this.emit('ProtectionChanged', { market, account, fills, windowMs, notionalUnits: amount })
    return 0
  }

  protected resetProtection({ account, market }: Command): number {
    if (!this.markets.has(market)) return Reject.UnknownMarket
    if (!this.accounts.has(account)) return Reject.UnknownAccount
    const protection = this.protections.get(account)?.get(market)
    if (protection === undefined) return Reject.BadProtection
    Object.assign(protection, { windowStartMs: 0, fills: 0, notional: 0, frozen: false })
    const { windowMs, fillsMax, notionalMax } = protection
    this.emit('ProtectionChanged', {
      market,
      account,
      fills: fillsMax,
      windowMs,
      notionalUnits: notionalMax,
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
    this.emit('AccountOpened', { account, owner: opened.owner })
    return 0
  }

  protected setStatus({ market, words, at }: Command): number {
    const status = words[at + SetMarketStatusCmd.STATUS]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (status < 0 || status > 2) return Reject.BadStatus
    found.status = status
    this.emit('MarketStatusChanged', { market, status })
    return 0
  }

  protected setFees({ kind, market, words, at }: Command): number {
    const tier = kind === CommandKind.SetTierFees ? words[at + SetTierFeesCmd.TIER]! : 0
    const maker = words[at + SetMarketFeesCmd.MAKER_FEE_PPM]!
    const taker = words[at + SetMarketFeesCmd.TAKER_FEE_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (kind === CommandKind.SetTierFees && (tier < 1 || tier >= TIERS_MAX)) return Reject.BadTier
    if (taker < 0 || taker > 100_000 || maker < -taker || maker > 100_000) return Reject.BadFees
    found.fees.set(tier, { maker, taker })
    this.emit('MarketFeesChanged', { market, tier, makerFeePpm: maker, takerFeePpm: taker })
    return 0
  }

  protected setBand({ market, words, at }: Command): number {
    const bandPpm = words[at + SetPriceBandCmd.BAND_PPM]!
    const found = this.markets.get(market)
    if (found === undefined) return Reject.UnknownMarket
    if (bandPpm < 0 || bandPpm > 1_000_000) return Reject.BadPriceBand
    found.bandPpm = bandPpm
    this.emit('PriceBandChanged', { market, bandPpm })
    return 0
  }

  protected setTier({ account, words, at }: Command): number {
    const tier = words[at + SetAccountTierCmd.TIER]!
    const owner = this.accounts.get(account)
    if (owner === undefined) return Reject.UnknownAccount
    if (tier < 0 || tier >= TIERS_MAX) return Reject.BadTier
    owner.tier = tier
    this.emit('TierChanged', { account, tier })
    return 0
  }

  protected setWithdrawTerms({ market: asset, floats, at }: Command): number {
    const min = floats[at / 2 + SetWithdrawTermsCmd.WITHDRAW_MIN_F64]!
    const fee = floats[at / 2 + SetWithdrawTermsCmd.WITHDRAW_FEE_F64]!
    if (!this.assets.has(asset)) return Reject.UnknownAsset
    if (!isWhole(min, 0) || !isWhole(fee, 0) || fee > min || min > 10_000_000_000)
      return Reject.BadWithdrawTerms
    if (fee > 0 && !this.rowsFit(this.feeAccount, asset)) return Reject.BalancesFull
    if (fee > 0) this.makeRows(this.feeAccount, asset)
    this.withdrawTerms.set(asset, { min, fee })
    this.emit('WithdrawTermsChanged', { asset, withdrawMin: min, withdrawFee: fee })
    return 0
  }

  protected setExchangeStatus({ words, at }: Command): number {
    const reason = words[at + SetExchangeStatusCmd.REASON]!
    const status = words[at + SetExchangeStatusCmd.STATUS]!
    if (![1, 2].includes(reason) || ![0, 1].includes(status)) return Reject.BadStatus
    const stood = Math.floor(this.cancelOnlyReasons / reason) % 2
    this.cancelOnlyReasons += (status - stood) * reason
    this.emit('ExchangeStatusChanged', { reasons: this.cancelOnlyReasons })
    return 0
  }
}
