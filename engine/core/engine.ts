/**
 * The engine: one deterministic state machine. `apply` is the one switch over command kinds; it gives
 * the command its seq, lets frames decide whether it may act, and turns every refusal into a Rejected
 * event. The same commands give the same events and the same state hash, on any machine.
 *
 * Invariant: nothing here reads a clock, randomness or the order of a map; a rejected command has
 * changed nothing but the seq (and, inside a frame, that frame's record).
 */
import { CommandKind, EventKind, Reject, Scope, type Side } from '../codes.js'
import { Attr, CancelAllCmd, Cmd, PlaceCmd, RejectedEv, KIND_MASK, COMMAND_WORDS } from '../layout.js'
import { ASSETS_MAX, LOOK_AHEAD_COMMANDS } from '../limits.js'
import type {
  AccountFees,
  AccountPage,
  Balance,
  BookLevel,
  Engine,
  EngineOptions,
  FrameResults,
  MarketConfig,
  MarketPage,
  OrderPage,
  OrderView,
  SessionPage,
  SessionView,
  WalletNonces,
} from '../types.js'
import {
  openAccount,
  createAsset,
  createMarket,
  setAccountTier,
  setBand,
  setExchangeStatus,
  setFees,
  setStatus,
  setTierFees,
  setWithdrawTerms,
} from './admin.js'
import { LookAhead } from './look-ahead.js'
import { actIfDue, advanceTime, cancelAfter, nextDueMs } from './orders/clock.js'
import { checkInvariants } from './state/invariants.js'
import { cancelAllOrders, resetProtection, setProtection } from './orders/mass.js'
import { Market } from './book/markets.js'
import { deposit, transfer, withdraw, payAvailable } from './transfers.js'
import { rejectBound } from './reject-bound.js'
import type { Sessions } from './sessions/sessions.js'
import { captureState, hashState, restoreState, sealSnapshot } from './snapshot/snapshot.js'
import { Counter, type State } from './state/state.js'
import { Clock } from './base/clock-places.js'
import { amendOrder, cancelOrder } from './orders/amend.js'
import { placeOrder } from './orders/place.js'
import { applyGenesis, emptyState } from './genesis.js'
import * as pages from './state/pages.js'
import type { Work } from './base/work.js'
import * as views from './state/views.js'

/** Kinds that only a signed frame may carry when genesis requires frames, and that need the trade scope. */
const TRADE_KINDS = new Set<number>([
  CommandKind.Place,
  CommandKind.Amend,
  CommandKind.Cancel,
  CommandKind.CancelAll,
  CommandKind.CancelAfter,
  CommandKind.SetProtection,
  CommandKind.ResetProtection,
])
/**
 * Nobody signs a transfer yet: where genesis requires frames it is refused, or a journal could move a balance that
 * nobody gave away.
 */
const needsFrame = (kind: number): boolean => TRADE[kind] === 1 || kind === CommandKind.Transfer
/** TRADE_KINDS by number. */
const TRADE = Uint8Array.from({ length: 256 }, (_, kind) => (TRADE_KINDS.has(kind) ? 1 : 0))

class Core implements Engine {
  readonly #state: State
  readonly #clock: Float64Array
  readonly #sessions: Sessions
  readonly #requireFrames: boolean
  readonly #work: Work
  readonly #ahead: LookAhead
  readonly #places = new Int32Array(LOOK_AHEAD_COMMANDS)

  constructor(state: State) {
    this.#state = state
    this.#clock = state.clock
    this.#sessions = state.sessions
    this.#work = state.trading.work
    this.#ahead = new LookAhead(state)
    this.#requireFrames = state.genesis.requireFrames === true
    state.trading.massCancels.pay = (account, asset, units) => payAvailable(state, account, asset, units)
  }

  get seq(): number {
    return this.#clock[Clock.SEQ]!
  }

  get timeMs(): number {
    return this.#clock[Clock.TIME]!
  }

  get nextDueMs(): number {
    return nextDueMs(this.#state.trading, this.#state.switches)
  }

  get isFiring(): boolean {
    return this.#state.trading.triggers.nextUnfired(0) >= 0
  }

  nextFiring(from: number): number {
    return this.#state.trading.triggers.nextUnfired(from)
  }

  isFiringIn(market: number): boolean {
    const { triggers, markets } = this.#state.trading
    return market >= 0 && market < markets.end && triggers.isUnfired(market)
  }

  get stepsBesideFiring(): number {
    return Math.floor(this.#work.max / 2) + 1
  }

  get depositsConsumed(): number {
    return this.#state.counters[Counter.DEPOSITS_CONSUMED]!
  }

  get frameLeft(): number {
    return this.#sessions.left
  }

  apply(words: Int32Array, floats: Float64Array, offset: number): void {
    this.#clock[Clock.SEQ]!++
    const kind = words[offset]! & KIND_MASK
    const sessions = this.#sessions
    let code: number
    if (sessions.left > 0 && kind !== CommandKind.Time) {
      code = this.#mayAct(words, offset, kind)
      if (code === Reject.None) code = this.#act(words, floats, offset, kind)
      sessions.closeCommand(code)
    } else {
      // The commands of a frame share what one message may do; Time stands for itself, wherever it comes.
      this.#work.used = 0
      if (this.#requireFrames && needsFrame(kind) && !isOperatorCancel(words, offset, kind))
        code = Reject.FrameRequired
      else code = this.#act(words, floats, offset, kind)
    }
    if (code !== Reject.None) this.#reject(words, offset, kind, code)
  }

  applyAll(words: Int32Array, floats: Float64Array, offset: number, count: number): void {
    for (let done = 0; done < count; done += LOOK_AHEAD_COMMANDS) {
      const some = Math.min(LOOK_AHEAD_COMMANDS, count - done)
      const first = offset + done * COMMAND_WORDS
      for (let index = 0; index < some; index++) this.#places[index] = first + index * COMMAND_WORDS
      this.#ahead.touch(words, this.#places, some)
      for (let index = 0; index < some; index++) this.apply(words, floats, first + index * COMMAND_WORDS)
    }
  }

  lookAhead(words: Int32Array, places: Int32Array, count: number): void {
    this.#ahead.touch(words, places, count)
  }

  /** Reject of a command of the open frame that its session may not give, or 0. */
  #mayAct(words: Int32Array, at: number, kind: number): number {
    const sessions = this.#sessions
    if (sessions.open < 0) return Reject.FrameRejected
    if (kind === CommandKind.Frame || kind === CommandKind.UnsignedFrame) return Reject.BadFrame
    if (words[at + Cmd.ACCOUNT] !== sessions.openAccount()) return Reject.WrongAccount
    const scopes = sessions.scopes(sessions.open)
    if (TRADE[kind] === 1) return (scopes & Scope.Trade) === 0 ? Reject.SessionScope : Reject.None
    // What needs consent needs a signature.
    if (sessions.entry < 0) return Reject.SessionScope
    if (kind === CommandKind.Withdraw)
      return (scopes & Scope.WithdrawRequest) === 0 ? Reject.SessionScope : Reject.None
    return kind === CommandKind.RevokeSession ? Reject.None : Reject.SessionScope
  }

  #act(words: Int32Array, floats: Float64Array, at: number, kind: number): number {
    const state = this.#state
    const { trading } = state
    if (this.#work.switchesDue && (kind === CommandKind.Place || kind === CommandKind.CancelAfter))
      actIfDue(trading, state.switches, words[at + Cmd.ACCOUNT]!, this.seq - 1)
    switch (kind) {
      case CommandKind.Place:
        return placeOrder(trading, words, floats, at, this.#maxNotional())
      case CommandKind.Amend:
        return amendOrder(trading, words, floats, at, this.#maxNotional())
      case CommandKind.Cancel:
        return cancelOrder(trading, words, floats, at)
      case CommandKind.CancelAll:
        return cancelAllOrders(trading, words, floats, at)
      case CommandKind.Deposit:
        return deposit(state, words, floats, at)
      case CommandKind.Withdraw:
        return withdraw(state, words, floats, at)
      case CommandKind.Transfer:
        return transfer(state, words, floats, at)
      case CommandKind.Time:
        return advanceTime(trading, state.switches, words, floats, at)
      case CommandKind.OpenAccount:
        return openAccount(state, words, at)
      case CommandKind.ApproveSession:
        return state.sessions.approve(words, floats, at)
      case CommandKind.RevokeSession:
        return state.sessions.revoke(words, floats, at)
      case CommandKind.Frame:
        return state.sessions.openFrame(words, floats, at)
      case CommandKind.UnsignedFrame:
        return state.sessions.openUnsignedFrame(words, floats, at, !this.#requireFrames)
      case CommandKind.CreateMarket:
        return createMarket(state, words, floats, at)
      case CommandKind.SetMarketStatus:
        return setStatus(state, words, at)
      case CommandKind.SetMarketFees:
        return setFees(state, words, at)
      case CommandKind.SetPriceBand:
        return setBand(state, words, at)
      case CommandKind.SetAccountTier:
        return setAccountTier(state, words, at)
      case CommandKind.SetTierFees:
        return setTierFees(state, words, at)
      case CommandKind.CreateAsset:
        return createAsset(state, words, floats, at)
      case CommandKind.CancelAfter:
        return cancelAfter(trading, state.switches, words, floats, at)
      case CommandKind.SetProtection:
        return setProtection(trading, words, floats, at)
      case CommandKind.ResetProtection:
        return resetProtection(trading, words, at)
      case CommandKind.SetExchangeStatus:
        return setExchangeStatus(state, words, at)
      case CommandKind.SetWithdrawTerms:
        return setWithdrawTerms(state, words, floats, at)
      default:
        return Reject.UnknownCommand
    }
  }

  tryPlace(words: Int32Array, floats: Float64Array, offset: number, approval: number, nowMs: number): Reject {
    const { trading } = this.#state
    const sessions = this.#sessions
    const clock = this.#clock
    const timeMs = clock[Clock.TIME]!
    const tryAtMs = Math.max(timeMs, nowMs)
    if ((words[offset]! & KIND_MASK) !== CommandKind.Place) return Reject.UnknownCommand
    const session = approval === 0 ? -1 : sessions.table.find(words[offset + Cmd.ACCOUNT]!, approval)
    if (approval !== 0) {
      const refused = sessions.mayOpen(session, tryAtMs)
      if (refused !== Reject.None) return refused as Reject
      if ((sessions.scopes(session) & Scope.Trade) === 0) return Reject.SessionScope
    }
    trading.isTrial = true
    clock[Clock.TIME] = tryAtMs
    try {
      const maxNotional = session < 0 ? 0 : sessions.maxNotional(session)
      return placeOrder(trading, words, floats, offset, maxNotional) as Reject
    } finally {
      clock[Clock.TIME] = timeMs
      trading.isTrial = false
    }
  }

  /** Bound of one order's notional by the open frame's session; 0 = none. */
  #maxNotional(): number {
    const sessions = this.#sessions
    return sessions.left > 0 ? sessions.maxNotional(sessions.open) : 0
  }

  #reject(words: Int32Array, at: number, kind: number, code: number): void {
    const { events } = this.#state
    const side = (words[at]! >>> Attr.SIDE_SHIFT) & 1
    const event = events.next(
      EventKind.Rejected | (kind === CommandKind.Place ? side << Attr.SIDE_SHIFT : 0),
      this.#clock,
    )
    const out = events.words
    out[event + RejectedEv.SUBJECT] = words[at + Cmd.SUBJECT]!
    out[event + RejectedEv.ACCOUNT] = words[at + Cmd.ACCOUNT]!
    out[event + RejectedEv.CODE] = code
    out[event + RejectedEv.COMMAND] = kind
    if (kind <= CommandKind.Cancel) {
      // Amend and Cancel have what they have of these in the same places.
      out[event + RejectedEv.TICKS] = words[at + PlaceCmd.TICKS]!
      out[event + RejectedEv.LOTS] = words[at + PlaceCmd.LOTS]!
      out[event + RejectedEv.CLOID_LO] = words[at + PlaceCmd.CLOID_LO]!
      out[event + RejectedEv.CLOID_HI] = words[at + PlaceCmd.CLOID_HI]!
    }
    if (code === Reject.FrameNonceUsed && kind === CommandKind.Frame) {
      const { windows, repeated } = this.#sessions
      out[event + RejectedEv.FRAME_COUNT] = windows.count(repeated)
      events.floats[(event >> 1) + RejectedEv.FIRST_SEQ_F64] = windows.firstSeq(repeated)
    }
    events.floats[(event >> 1) + RejectedEv.BOUND_F64] = rejectBound(this.#state, words, at, code)
  }

  flush(): void {
    this.#state.events.flush()
  }

  stateHash(): Uint8Array {
    return hashState(this.#state)
  }

  captureSnapshot(): Uint8Array {
    return captureState(this.#state)
  }

  snapshot(): Uint8Array {
    const bytes = captureState(this.#state)
    sealSnapshot(bytes)
    return bytes
  }

  balances(account: number): Balance[] {
    return views.balances(this.#state, account)
  }

  available(account: number, asset: number): number {
    const { ledger } = this.#state
    const row = isAsset(asset) && ledger.isOpen(account) ? ledger.find(account, asset) : -1
    return row < 0 ? 0 : ledger.values[2 * row]!
  }

  reserved(account: number, asset: number): number {
    const { ledger } = this.#state
    const row = isAsset(asset) && ledger.isOpen(account) ? ledger.find(account, asset) : -1
    return row < 0 ? 0 : ledger.values[2 * row + 1]!
  }

  book(market: number, side: Side, depth: number): BookLevel[] {
    return views.book(this.#state, market, side, depth)
  }

  level(market: number, side: Side, ticks: number, out: Float64Array): void {
    views.level(this.#state, market, side, ticks, out)
  }

  orders(account: number): OrderView[] {
    return views.orders(this.#state, account)
  }

  orderByCloid(account: number, cloid: bigint): OrderView | undefined {
    return views.orderByCloid(this.#state, account, cloid)
  }

  restingOrders(market: number): OrderView[] {
    return views.restingOrders(this.#state, market)
  }

  orderPage(first: number): OrderPage {
    return pages.orderPage(this.#state, first)
  }

  accountPage(first: number): AccountPage {
    return pages.accountPage(this.#state, first)
  }

  marketPage(first: number): MarketPage {
    return pages.marketPage(this.#state, first)
  }

  liveOrders(): number {
    return this.#state.trading.orders.count
  }

  assets(): ReturnType<Engine['assets']> {
    return this.#state.markets.assetConfigs()
  }

  get cancelOnlyReasons(): number {
    return this.#state.markets.cancelOnlyReasons
  }

  markets(): readonly MarketConfig[] {
    return this.#state.markets.configs()
  }

  fees(account: number): AccountFees[] {
    return views.fees(this.#state, account)
  }

  lastTicks(market: number): number {
    return this.#state.markets.has(market) ? this.#state.markets.get(market, Market.LAST_TICKS) : 0
  }

  owner(account: number): number[] | undefined {
    return views.owner(this.#state, account)
  }

  sessions(account: number): SessionView[] {
    return views.sessions(this.#state, account)
  }

  session(account: number, approval: number): SessionView | undefined {
    return views.session(this.#state, account, approval)
  }

  sessionPage(first: number): SessionPage {
    return views.sessionPage(this.#state, first)
  }

  nonces(account: number): WalletNonces {
    return views.nonces(this.#state, account)
  }

  frameResults(account: number, approval: number, nonce: number): FrameResults | undefined {
    const { table, windows } = this.#sessions
    const slot = table.find(account, approval)
    const entry = slot < 0 ? -1 : this.#sessions.nonces.find(slot, nonce)
    return entry < 0 ? undefined : { firstSeq: windows.firstSeq(entry), codes: windows.codes(entry) }
  }

  frameFloor(account: number, approval: number): number | undefined {
    const slot = this.#sessions.table.find(account, approval)
    return slot < 0 ? undefined : this.#sessions.nonces.floor(slot)
  }

  checkInvariants(): void {
    checkInvariants(this.#state)
  }
}

const isAsset = (asset: number): boolean => asset >= 0 && asset < ASSETS_MAX

/** The operator may take orders away unasked (a connection was lost), never add or change them. */
function isOperatorCancel(words: Int32Array, at: number, kind: number): boolean {
  return kind === CommandKind.CancelAll && words[at + CancelAllCmd.REASON] !== 0
}

/**
 * An engine at its genesis: seq 0, no orders, no balances.
 * @throws GenesisError naming what in the configuration cannot be.
 */
export function createEngine(options: EngineOptions): Engine {
  const state = emptyState(options)
  applyGenesis(state, options.genesis)
  return new Core(state)
}

/**
 * The engine that `bytes` (from `snapshot`, or captured and sealed) were taken of. Assets and markets
 * come from the bytes; fee account and frame rule must be those of the genesis given.
 * @throws SnapshotError when the bytes are damaged or do not fit.
 */
export function restoreEngine(bytes: Uint8Array, options: EngineOptions): Engine {
  const state = emptyState(options)
  restoreState(bytes, state)
  return new Core(state)
}

export { GenesisError } from './genesis.js'
export { SnapshotError, sealSnapshot } from './snapshot/snapshot.js'
