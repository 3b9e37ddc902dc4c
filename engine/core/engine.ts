/** Interim engine (plain objects), stands until the typed-array one lands at this path. */
import {
  CancelReason,
  CommandKind,
  EventKind,
  MarketStatus,
  OrderType,
  PostOnly,
  Reject,
  Side,
  Stp,
  TimeInForce,
} from '../codes.js'
import {
  Attr,
  Cmd,
  COMMAND_WORDS,
  Ev,
  EVENT_WORDS,
  FrameCmd,
  MarketCmd,
  OpenAccountCmd,
  SessionCmd,
} from '../layout.js'
import { ACCOUNTS_MAX, FRAME_NONCE_WINDOW, UNITS_END } from '../limits.js'
import type {
  Balance,
  BookLevel,
  Engine,
  EngineOptions,
  EventBuffer,
  MarketConfig,
  OrderView,
} from '../types.js'

const EVENTS = 4096
interface Order {
  id: number
  account: number
  market: number
  lo: number
  hi: number
  side: Side
  ticks: number
  total: number
  filled: number
  tif: number
  stp: number
  postOnly: number
  expires: number
  reserve: number
  type: number
}
interface Market {
  config: MarketConfig
  status: number
  last: number
  bids: Order[]
  asks: Order[]
}
interface Account {
  id: number
  owner: number[]
  available: Map<number, number>
  reserved: Map<number, number>
  orders: Map<string, Order>
  withdrawalNonce: number
  approvals: number[]
}
interface Session {
  account: number
  x: number[]
  attributes: number
  maxNotional: number
  expires: number
  revoked: boolean
  nonces: Map<number, { first: number; codes: number[] }>
  highest: number
}
interface State {
  seq: number
  timeMs: number
  deposits: number
  markets: Map<number, Market>
  accounts: Map<number, Account>
  sessions: Session[]
  assets: Set<number>
  frame: { left: number; reject: number; session: number; account: number; nonce: number }
}

class ObjectEngine implements Engine {
  seq = 0
  timeMs = 0
  depositsConsumed = 0
  s: State
  private readonly events: EventBuffer
  constructor(private readonly options: EngineOptions) {
    const buffer = new ArrayBuffer(EVENTS * EVENT_WORDS * 4)
    this.events = { words: new Int32Array(buffer), floats: new Float64Array(buffer), count: 0 }
    this.s = {
      seq: 0,
      timeMs: 0,
      deposits: 0,
      markets: new Map(),
      accounts: new Map(),
      sessions: [],
      assets: new Set(options.genesis.assets.map((a) => a.id)),
      frame: { left: 0, reject: 0, session: -1, account: -1, nonce: 0 },
    }
    for (const config of options.genesis.markets)
      this.s.markets.set(config.id, { config, status: config.status ?? 0, last: 0, bids: [], asks: [] })
    this.account(options.genesis.feeAccount ?? 0)
  }
  private account(id: number): Account {
    let a = this.s.accounts.get(id)
    if (!a)
      this.s.accounts.set(
        id,
        (a = {
          id,
          owner: [0, 0, 0, 0, 0],
          available: new Map(),
          reserved: new Map(),
          orders: new Map(),
          withdrawalNonce: 0,
          approvals: [],
        }),
      )
    return a
  }
  private ev(kind: number): { w: Int32Array; f: Float64Array; o: number; p: number } {
    if (this.events.count === EVENTS) this.flush()
    const o = this.events.count++ * EVENT_WORDS
    this.events.words.fill(0, o, o + EVENT_WORDS)
    this.events.words[o] = kind
    this.events.floats[o / 2 + Ev.SEQ_F64] = this.seq
    return { w: this.events.words, f: this.events.floats, o, p: o / 2 }
  }
  private orderEvent(kind: number, x: Order, code = 0): void {
    const { w, f, o, p } = this.ev(kind | (x.side << 8))
    w[o + Ev.MARKET] = x.market
    w[o + Ev.TICKS] = x.ticks
    w[o + Ev.LOTS] = x.total
    w[o + Ev.ACCOUNT] = x.account
    w[o + Ev.CODE] = code
    w[o + Ev.CLOID_LO] = x.lo
    w[o + Ev.CLOID_HI] = x.hi
    w[o + Ev.REMAINING] = x.total - x.filled
    f[p + Ev.ORDER_ID_F64] = x.id
  }
  flush(): void {
    if (this.events.count > 0) {
      this.options.onEvents(this.events)
      this.events.count = 0
    }
  }
  apply(words: Int32Array, floats: Float64Array, offset: number): void {
    this.seq++
    const code = this.run(words, floats, offset)
    if (code !== Reject.None) {
      const { w, f, o, p } = this.ev(EventKind.Rejected)
      w[o + Ev.MARKET] = words[offset + Cmd.MARKET]!
      w[o + Ev.ACCOUNT] = words[offset + Cmd.ACCOUNT]!
      w[o + Ev.CODE] = code
      w[o + Ev.CLOID_LO] = words[offset + Cmd.CLOID_LO]!
      w[o + Ev.CLOID_HI] = words[offset + Cmd.CLOID_HI]!
      w[o + Ev.OTHER] = words[offset]! & 255
      if (this.dup) {
        w[o + Ev.LOTS] = this.dup.codes.length
        f[p + Ev.AMOUNT_A_F64] = this.dup.first
      }
    }
    this.dup = undefined
  }
  private dup: { first: number; codes: number[] } | undefined
  private run(w: Int32Array, f: Float64Array, o: number): number {
    const head = w[o]!,
      kind = head & 255,
      accountId = w[o + Cmd.ACCOUNT]!,
      s = this.s
    const inFrame = s.frame.left > 0 && kind !== CommandKind.Frame && kind !== CommandKind.Time
    if (inFrame) {
      s.frame.left--
      const code =
        s.frame.reject !== 0
          ? Reject.FrameRejected
          : s.frame.account !== accountId
            ? Reject.WrongAccount
            : this.exec(kind, w, f, o, head, accountId)
      if (s.frame.reject === 0) s.sessions[s.frame.session]!.nonces.get(s.frame.nonce)!.codes.push(code)
      return code
    }
    if (this.options.genesis.requireFrames === true && kind <= CommandKind.CancelAll)
      return Reject.FrameRejected
    return this.exec(kind, w, f, o, head, accountId)
  }
  private exec(
    kind: number,
    w: Int32Array,
    f: Float64Array,
    o: number,
    head: number,
    accountId: number,
  ): number {
    const s = this.s,
      p = o / 2
    switch (kind) {
      case CommandKind.Time: {
        const ms = f[p + Cmd.AMOUNT_F64]!
        if (!(ms >= 0)) return Reject.BadTime
        if (ms > this.timeMs) this.timeMs = ms
        const e = this.ev(EventKind.TimeAdvanced)
        e.f[e.p + Ev.AMOUNT_A_F64] = this.timeMs
        for (const m of s.markets.values())
          for (const side of [m.bids, m.asks])
            for (const x of [...side])
              if (x.tif === TimeInForce.GTD && x.expires <= this.timeMs)
                this.remove(m, x, CancelReason.Expired)
        return 0
      }
      case CommandKind.OpenAccount: {
        if (accountId < 0 || accountId >= ACCOUNTS_MAX) return Reject.UnknownAccount
        const a = this.account(accountId)
        if (a.owner.some((x) => x !== 0)) return Reject.AccountExists
        a.owner = [...w.subarray(o + OpenAccountCmd.OWNER, o + OpenAccountCmd.OWNER + 5)]
        const e = this.ev(EventKind.AccountOpened)
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.w.set(a.owner, e.o + 8)
        return 0
      }
      case CommandKind.ApproveSession: {
        const a = s.accounts.get(accountId)
        if (!a) return Reject.UnknownAccount
        const nonce = f[p + SessionCmd.NONCE_F64]!
        if (a.approvals.includes(nonce)) return Reject.ApprovalNonceUsed
        a.approvals.push(nonce)
        const x = [...w.subarray(o + SessionCmd.X, o + SessionCmd.X + 8)]
        s.sessions.push({
          account: accountId,
          x,
          attributes: (head >>> Attr.SCOPE_SHIFT) & 31,
          maxNotional: f[p + SessionCmd.MAX_NOTIONAL_F64]!,
          expires: f[p + SessionCmd.EXPIRES_AT_F64]!,
          revoked: false,
          nonces: new Map(),
          highest: 0,
        })
        const e = this.ev(EventKind.SessionApproved | (((head >>> Attr.SCOPE_SHIFT) & 31) << 16))
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.w[e.o + 7] = s.sessions.length - 1
        e.w.set(x, e.o + 8)
        e.f[e.p + Ev.AMOUNT_A_F64] = f[p + SessionCmd.MAX_NOTIONAL_F64]!
        e.f[e.p + Ev.AMOUNT_B_F64] = f[p + SessionCmd.EXPIRES_AT_F64]!
        return 0
      }
      case CommandKind.RevokeSession: {
        const x = s.sessions[w[o + 2]!]
        if (!x || x.account !== accountId) return Reject.UnknownSession
        x.revoked = true
        const e = this.ev(EventKind.SessionRevoked)
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.w[e.o + 7] = w[o + 2]!
        return 0
      }
      case CommandKind.Frame: {
        const slot = w[o + FrameCmd.SESSION]!,
          nonce = f[p + FrameCmd.NONCE_F64]!,
          x = s.sessions[slot]
        s.frame = { left: w[o + FrameCmd.COUNT]!, reject: 0, session: slot, account: accountId, nonce }
        let code = 0
        if (!x || x.account !== accountId || x.revoked) code = Reject.UnknownSession
        else if (x.expires <= this.timeMs) code = Reject.SessionExpired
        else if (x.nonces.has(nonce)) {
          code = Reject.FrameNonceUsed
          this.dup = x.nonces.get(nonce)!
        } else if (nonce <= x.highest - FRAME_NONCE_WINDOW) code = Reject.FrameNonceTooOld
        if (code) {
          s.frame.reject = code
          return code
        }
        x!.highest = Math.max(x!.highest, nonce)
        x!.nonces.set(nonce, { first: this.seq, codes: [] })
        for (const n of x!.nonces.keys()) if (n <= x!.highest - FRAME_NONCE_WINDOW) x!.nonces.delete(n)
        const e = this.ev(EventKind.FrameOpened)
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.w[e.o + 7] = slot
        e.w[e.o + Ev.LOTS] = w[o + FrameCmd.COUNT]!
        e.f[e.p + Ev.AMOUNT_A_F64] = nonce
        return 0
      }
      case CommandKind.CreateMarket: {
        const id = w[o + MarketCmd.MARKET]!
        if (s.markets.has(id)) return Reject.MarketExists
        s.markets.set(id, {
          config: {
            id,
            base: w[o + MarketCmd.BASE]!,
            quote: w[o + MarketCmd.QUOTE]!,
            lotUnits: f[p + MarketCmd.LOT_UNITS_F64]!,
            tickUnits: f[p + MarketCmd.TICK_UNITS_F64]!,
            makerFeePpm: w[o + MarketCmd.MAKER_FEE_PPM]!,
            takerFeePpm: w[o + MarketCmd.TAKER_FEE_PPM]!,
          },
          status: 0,
          last: 0,
          bids: [],
          asks: [],
        })
        const e = this.ev(EventKind.MarketCreated)
        e.w[e.o + Ev.MARKET] = id
        return 0
      }
      case CommandKind.Deposit:
      case CommandKind.Withdraw: {
        const asset = w[o + Cmd.ASSET]!,
          units = f[p + Cmd.AMOUNT_F64]!
        if (
          kind === CommandKind.Deposit &&
          w[o + Cmd.OTHER] === 1 &&
          f[p + Cmd.DEADLINE_F64] !== this.depositsConsumed
        )
          return Reject.DepositOutOfOrder
        if (!s.assets.has(asset)) return Reject.UnknownAsset
        if (!Number.isSafeInteger(units)) return Reject.NotAnInteger
        if (units === 0) return Reject.ZeroUnits
        if (units < 0) return Reject.NegativeUnits
        let a = s.accounts.get(accountId)
        if (kind === CommandKind.Deposit) {
          a ??= this.account(accountId)
          const balance = a.available.get(asset) ?? 0
          if (balance + units >= UNITS_END) return Reject.BalanceOverLimit
          a.available.set(asset, balance + units)
          if (w[o + Cmd.OTHER] === 1) this.depositsConsumed++
        } else {
          if (!a) return Reject.UnknownAccount
          const nonce = f[p + Cmd.DEADLINE_F64]!
          if (nonce !== 0 && nonce <= a.withdrawalNonce) return Reject.WithdrawalNonceUsed
          const balance = a.available.get(asset) ?? 0
          if (balance < units) return Reject.InsufficientFunds
          a.available.set(asset, balance - units)
          if (nonce) a.withdrawalNonce = nonce
        }
        const e = this.ev(kind === CommandKind.Deposit ? EventKind.Deposited : EventKind.Withdrawn)
        e.w[e.o + Ev.ASSET] = asset
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.f[e.p + Ev.AMOUNT_A_F64] = units
        return 0
      }
      case CommandKind.Cancel: {
        const a = s.accounts.get(accountId)
        if (!a) return Reject.UnknownAccount
        const x = a.orders.get(`${w[o + 5]}:${w[o + 4]}`)
        if (!x) return Reject.UnknownOrder
        this.remove(s.markets.get(x.market)!, x, CancelReason.User)
        return 0
      }
      case CommandKind.CancelAll: {
        const a = s.accounts.get(accountId)
        if (!a) return Reject.UnknownAccount
        let n = 0
        for (const x of [...a.orders.values()]) {
          if (w[o + Cmd.MARKET]! >= 0 && x.market !== w[o + Cmd.MARKET]) continue
          if (w[o + Cmd.OTHER]! >= 0 && x.side !== w[o + Cmd.OTHER]) continue
          this.remove(s.markets.get(x.market)!, x, CancelReason.CancelAll)
          n++
        }
        const e = this.ev(EventKind.CanceledAll)
        e.w[e.o + Ev.ACCOUNT] = accountId
        e.w[e.o + Ev.LOTS] = n
        e.w[e.o + Ev.MARKET] = w[o + Cmd.MARKET]!
        return 0
      }
      case CommandKind.Amend: {
        const a = s.accounts.get(accountId)
        if (!a) return Reject.UnknownAccount
        const x = a.orders.get(`${w[o + 5]}:${w[o + 4]}`)
        if (!x) return Reject.UnknownOrder
        const lots = w[o + Cmd.LOTS]!
        if (lots === 0) return Reject.ZeroLots
        if (lots < 0) return Reject.NegativeLots
        const ticks = w[o + Cmd.TICKS]!,
          m = s.markets.get(x.market)!
        if (lots <= x.filled) {
          this.remove(m, x, CancelReason.AmendedToFilled)
          return 0
        }
        if (ticks === x.ticks && lots <= x.total) {
          x.total = lots
          const keep = this.reserveFor(m, x.side, x.ticks, lots - x.filled)
          this.move(x, keep)
          this.orderEvent(EventKind.Amended, x)
          return 0
        }
        const need = this.reserveFor(m, x.side, ticks, lots - x.filled)
        const asset = x.side === Side.Buy ? m.config.quote : m.config.base
        if ((a.available.get(asset) ?? 0) + x.reserve < need) return Reject.InsufficientFunds
        this.unbook(m, x)
        x.ticks = ticks
        x.total = lots
        this.move(x, need)
        this.orderEvent(EventKind.Amended, x)
        this.match(m, x)
        return 0
      }
      case CommandKind.Place:
        return this.place(w, f, o, head, accountId)
      default:
        return Reject.UnknownCommand
    }
  }
  private reserveFor(m: Market, side: number, ticks: number, lots: number): number {
    if (side === Side.Sell) return lots * m.config.lotUnits
    const q = ticks * lots * m.config.tickUnits,
      rate = Math.max(m.config.makerFeePpm, m.config.takerFeePpm, 0)
    return q + (rate === 0 ? 0 : this.fee(q, rate) + lots - 1)
  }
  private fee(q: number, ppm: number): number {
    const n = BigInt(q) * BigInt(Math.abs(ppm))
    return ppm >= 0 ? Number((n + 999999n) / 1000000n) : -Number(n / 1000000n)
  }
  private move(x: Order, reserve: number): void {
    const m = this.s.markets.get(x.market)!,
      asset = x.side === Side.Buy ? m.config.quote : m.config.base,
      a = this.account(x.account)
    a.available.set(asset, (a.available.get(asset) ?? 0) + x.reserve - reserve)
    a.reserved.set(asset, (a.reserved.get(asset) ?? 0) - x.reserve + reserve)
    x.reserve = reserve
  }
  private unbook(m: Market, x: Order): void {
    const side = x.side === Side.Buy ? m.bids : m.asks
    const i = side.indexOf(x)
    if (i >= 0) side.splice(i, 1)
  }
  private remove(m: Market, x: Order, reason: number): void {
    this.unbook(m, x)
    this.account(x.account).orders.delete(`${x.hi}:${x.lo}`)
    this.move(x, 0)
    this.orderEvent(EventKind.Canceled, x, reason)
  }
  private place(w: Int32Array, f: Float64Array, o: number, head: number, accountId: number): number {
    const p = o / 2,
      a = this.s.accounts.get(accountId),
      m = this.s.markets.get(w[o + Cmd.MARKET]!)
    if (!a) return Reject.UnknownAccount
    if (!m) return Reject.UnknownMarket
    if (m.status === MarketStatus.Halted) return Reject.MarketHalted
    if (m.status === MarketStatus.CancelOnly) return Reject.MarketCancelOnly
    const side = ((head >>> Attr.SIDE_SHIFT) & 1) as Side,
      type = (head >>> Attr.TYPE_SHIFT) & 7,
      tif = type === OrderType.Market ? TimeInForce.IOC : (head >>> Attr.TIF_SHIFT) & 7,
      ticks = w[o + Cmd.TICKS]!,
      lots = w[o + Cmd.LOTS]!
    if (type > OrderType.Market) return Reject.BadOrderType
    if (ticks === 0) return Reject.ZeroTicks
    if (ticks < 0) return Reject.NegativeTicks
    if (lots === 0) return Reject.ZeroLots
    if (lots < 0) return Reject.NegativeLots
    if (ticks * lots * m.config.tickUnits >= UNITS_END) return Reject.NotionalOverLimit
    const key = `${w[o + 5]}:${w[o + 4]}`
    if (a.orders.has(key)) return Reject.DuplicateClientOrderId
    const x: Order = {
      id: this.seq,
      account: accountId,
      market: m.config.id,
      lo: w[o + 4]!,
      hi: w[o + 5]!,
      side,
      ticks,
      total: lots,
      filled: 0,
      tif,
      stp: (head >>> Attr.STP_SHIFT) & 7,
      postOnly: (head >>> Attr.POST_ONLY_SHIFT) & 3,
      expires: f[p + Cmd.EXPIRES_AT_F64]!,
      reserve: 0,
      type,
    }
    const need = this.reserveFor(m, side, ticks, lots),
      asset = side === Side.Buy ? m.config.quote : m.config.base
    const best = this.best(m, x)
    if (x.postOnly === PostOnly.Reject && best && this.crosses(x, best)) return Reject.PostOnlyWouldCross
    if ((a.available.get(asset) ?? 0) < need) return Reject.InsufficientFunds
    this.move(x, need)
    a.orders.set(key, x)
    this.orderEvent(EventKind.Accepted, x)
    this.match(m, x)
    return 0
  }
  private best(m: Market, x: Order): Order | undefined {
    return (x.side === Side.Buy ? m.asks : m.bids)[0]
  }
  private crosses(x: Order, y: Order): boolean {
    return x.side === Side.Buy ? y.ticks <= x.ticks : y.ticks >= x.ticks
  }
  private match(m: Market, x: Order): void {
    if (x.tif === TimeInForce.FOK) {
      let sum = 0
      for (const y of x.side === Side.Buy ? m.asks : m.bids) {
        if (!this.crosses(x, y)) break
        sum += y.total - y.filled
      }
      if (sum < x.total) {
        this.remove(m, x, CancelReason.FillOrKill)
        return
      }
    }
    while (x.filled < x.total) {
      const y = this.best(m, x)
      if (!y || !this.crosses(x, y)) break
      if (y.account === x.account) {
        if (x.stp === Stp.CancelMaker || x.stp === Stp.CancelBoth) this.remove(m, y, CancelReason.SelfTrade)
        if (x.stp === Stp.CancelMaker) continue
        this.remove(m, x, CancelReason.SelfTrade)
        return
      }
      const lots = Math.min(x.total - x.filled, y.total - y.filled),
        q = y.ticks * lots * m.config.tickUnits,
        base = lots * m.config.lotUnits
      const makerFee = this.fee(q, m.config.makerFeePpm),
        takerFee = this.fee(q, m.config.takerFeePpm)
      x.filled += lots
      y.filled += lots
      m.last = y.ticks
      for (const [z, fee] of [
        [x, takerFee],
        [y, makerFee],
      ] as const) {
        const a = this.account(z.account),
          done = z.filled === z.total
        if (z.side === Side.Buy) {
          z.reserve -= q + fee
          a.reserved.set(m.config.quote, a.reserved.get(m.config.quote)! - q - fee)
          a.available.set(m.config.base, (a.available.get(m.config.base) ?? 0) + base)
        } else {
          z.reserve -= base
          a.reserved.set(m.config.base, a.reserved.get(m.config.base)! - base)
          a.available.set(m.config.quote, (a.available.get(m.config.quote) ?? 0) + q - fee)
        }
        if (done) {
          this.move(z, 0)
          a.orders.delete(`${z.hi}:${z.lo}`)
          this.unbook(m, z)
        }
      }
      const feeAccount = this.account(this.options.genesis.feeAccount ?? 0)
      feeAccount.available.set(
        m.config.quote,
        (feeAccount.available.get(m.config.quote) ?? 0) + makerFee + takerFee,
      )
      const { w, f, o, p } = this.ev(EventKind.Fill | (y.side << 8))
      w[o + Ev.MARKET] = m.config.id
      w[o + Ev.TICKS] = y.ticks
      w[o + Ev.LOTS] = lots
      w[o + Ev.ACCOUNT] = y.account
      w[o + Ev.CLOID_LO] = y.lo
      w[o + Ev.CLOID_HI] = y.hi
      w[o + Ev.COUNTER_ACCOUNT] = x.account
      w[o + Ev.COUNTER_CLOID_LO] = x.lo
      w[o + Ev.COUNTER_CLOID_HI] = x.hi
      w[o + Ev.REMAINING] = y.total - y.filled
      w[o + Ev.COUNTER_REMAINING] = x.total - x.filled
      f[p + Ev.AMOUNT_A_F64] = makerFee
      f[p + Ev.AMOUNT_B_F64] = takerFee
      f[p + Ev.TAKER_ORDER_ID_F64] = x.id
      f[p + Ev.ORDER_ID_F64] = y.id
    }
    if (x.filled === x.total) return
    if (x.tif === TimeInForce.IOC || x.tif === TimeInForce.FOK) {
      this.remove(m, x, CancelReason.ImmediateOrCancel)
      return
    }
    const side = x.side === Side.Buy ? m.bids : m.asks
    let i = side.findIndex((y) => (x.side === Side.Buy ? y.ticks < x.ticks : y.ticks > x.ticks))
    if (i < 0) i = side.length
    side.splice(i, 0, x)
  }
  private json(): string {
    return JSON.stringify([this.seq, this.timeMs, this.depositsConsumed, this.s], (_k, v: unknown) =>
      v instanceof Map ? { M: [...v] } : v instanceof Set ? { S: [...v] } : v,
    )
  }
  stateHash(): Uint8Array {
    const text = this.json()
    const out = new Uint8Array(32)
    let h = 7
    for (let i = 0; i < text.length; i++) {
      h = (Math.imul(h, 31) + text.charCodeAt(i)) | 0
      out[i & 31]! ^= h >>> 13
    }
    return out
  }
  snapshot(): Uint8Array {
    return new TextEncoder().encode(this.json())
  }
  load(bytes: Uint8Array): void {
    const [seq, time, deposits, state] = JSON.parse(
      new TextDecoder().decode(bytes),
      (_k, v: { M?: [unknown, unknown][]; S?: unknown[] } | null) =>
        v && typeof v === 'object' && v.M
          ? new Map(v.M)
          : v && typeof v === 'object' && v.S
            ? new Set(v.S)
            : v,
    ) as [number, number, number, State]
    this.seq = seq
    this.timeMs = time
    this.depositsConsumed = deposits
    this.s = state
    for (const m of state.markets.values())
      for (const list of [m.bids, m.asks])
        for (let i = 0; i < list.length; i++) {
          const x = list[i]!
          list[i] = state.accounts.get(x.account)!.orders.get(`${x.hi}:${x.lo}`)!
        }
  }
  balances(account: number): Balance[] {
    const a = this.s.accounts.get(account)
    if (!a) return []
    return [...new Set([...a.available.keys(), ...a.reserved.keys()])]
      .sort((x, y) => x - y)
      .map((asset) => ({
        asset,
        available: a.available.get(asset) ?? 0,
        reserved: a.reserved.get(asset) ?? 0,
      }))
      .filter((b) => b.available !== 0 || b.reserved !== 0)
  }
  available(account: number, asset: number): number {
    return this.s.accounts.get(account)?.available.get(asset) ?? 0
  }
  reserved(account: number, asset: number): number {
    return this.s.accounts.get(account)?.reserved.get(asset) ?? 0
  }
  book(market: number, side: Side, depth: number): BookLevel[] {
    const m = this.s.markets.get(market),
      out: { ticks: number; lots: number; orders: number }[] = []
    if (!m) return out
    for (const x of side === Side.Buy ? m.bids : m.asks) {
      const l = out.at(-1)
      if (l && l.ticks === x.ticks) {
        l.lots += x.total - x.filled
        l.orders++
      } else {
        if (out.length === depth) break
        out.push({ ticks: x.ticks, lots: x.total - x.filled, orders: 1 })
      }
    }
    return out
  }
  level(market: number, side: Side, ticks: number, out: Float64Array): void {
    out[0] = 0
    out[1] = 0
    const m = this.s.markets.get(market)
    if (m)
      for (const x of side === Side.Buy ? m.bids : m.asks)
        if (x.ticks === ticks) {
          out[0]! += x.total - x.filled
          out[1]!++
        }
  }
  private view(x: Order): OrderView {
    return {
      orderId: x.id,
      account: x.account,
      market: x.market,
      cloid: (BigInt(x.hi >>> 0) << 32n) | BigInt(x.lo >>> 0),
      side: x.side,
      ticks: x.ticks,
      lots: x.total,
      remaining: x.total - x.filled,
      orderType: x.type,
      timeInForce: x.tif,
      triggerTicks: 0,
      displayLots: 0,
      expiresAtMs: x.expires,
    }
  }
  orders(account: number): OrderView[] {
    return [...(this.s.accounts.get(account)?.orders.values() ?? [])]
      .map((x) => this.view(x))
      .sort((a, b) => a.orderId - b.orderId)
  }
  restingOrders(market: number): OrderView[] {
    const m = this.s.markets.get(market)
    return m ? [...m.bids, ...m.asks].map((x) => this.view(x)) : []
  }
  markets(): readonly MarketConfig[] {
    return [...this.s.markets.values()].map((m) => m.config)
  }
  lastTicks(market: number): number {
    return this.s.markets.get(market)?.last ?? 0
  }
  checkInvariants(): void {}
  owner(account: number): number[] | undefined {
    return this.s.accounts.get(account)?.owner
  }
}
void COMMAND_WORDS
export function createEngine(options: EngineOptions): Engine {
  return new ObjectEngine(options)
}
export function restoreEngine(bytes: Uint8Array, options: EngineOptions): Engine {
  const e = new ObjectEngine(options)
  e.load(bytes)
  return e
}
