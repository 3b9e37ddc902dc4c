/**
 * What an engine begins with: its tables, sized as asked, and the assets and markets of its genesis. Every configuration
 * that cannot be is refused by name. Called by engine.ts.
 */
import {
  ACCOUNTS_MAX,
  ACCOUNT_ORDERS_MAX,
  ACCOUNT_ORDERS_SHARE,
  ACCOUNT_SESSIONS,
  ACCOUNT_SESSIONS_MAX,
  ASSETS_MAX,
  BALANCES_MAX,
  COMMAND_STEPS_MAX,
  COMMAND_STEPS_MIN,
  FRAME_WINDOWS,
  LEVELS,
  LEVELS_MAX,
  MARKETS_MAX,
  ORDERS,
  ORDERS_MAX,
  PROTECTIONS_MAX,
  PROTECTIONS_PER_ACCOUNT,
  SESSIONS_MAX,
  SESSION_LIFETIME_MS,
  SESSION_LIFETIME_MS_MAX,
  WITHDRAW_MIN_UNITS_MAX,
} from '../limits.js'
import type { EngineOptions, GenesisConfig } from '../types.js'
import { Events } from './base/events.js'
import { Work } from './base/work.js'
import {
  Markets,
  bandIsValid,
  feesAreValid,
  priceIsDecimal,
  symbolIsValid,
  unitsAreValid,
  withdrawTermsAreValid,
} from './book/markets.js'
import { Ledger } from './money/ledger.js'
import { DeadManSwitches } from './orders/clock.js'
import { Protections } from './orders/protections.js'
import { Trading } from './orders/trading.js'
import { Sessions } from './sessions/sessions.js'
import type { State } from './state/state.js'

/** A configuration that no engine can be made from. */
export class GenesisError extends Error {
  override readonly name = 'GenesisError'
}

function capacity(name: string, given: number | undefined, max: number, min = 1): number {
  const value = given ?? max
  if (!Number.isInteger(value) || value < min || value > max)
    throw new GenesisError(`${name} is ${value}, ${min} to ${max} allowed`)
  return value
}

/** The state of an engine that nothing was done to yet, its tables as large as asked. Throws GenesisError. */
export function emptyState(options: EngineOptions): State {
  const { genesis } = options
  const given = { ...genesis.capacities, ...options }
  const ordersMax = capacity('ordersMax', given.ordersMax ?? ORDERS, ORDERS_MAX)
  const levelsMax = capacity('levelsMax', given.levelsMax ?? LEVELS, LEVELS_MAX)
  const accountsMax = capacity('accountsMax', given.accountsMax, ACCOUNTS_MAX)
  const balancesMax = capacity(
    'balancesMax',
    given.balancesMax,
    Math.min(BALANCES_MAX, accountsMax * ASSETS_MAX),
  )
  const marketsMax = capacity('marketsMax', given.marketsMax, MARKETS_MAX)
  const bounds = {
    sessionsMax: capacity('sessionsMax', given.sessionsMax, SESSIONS_MAX),
    accountSessionsMax: capacity(
      'accountSessionsMax',
      given.accountSessionsMax ?? ACCOUNT_SESSIONS,
      ACCOUNT_SESSIONS_MAX,
    ),
    sessionLifetimeMsMax: capacity(
      'sessionLifetimeMsMax',
      given.sessionLifetimeMsMax ?? SESSION_LIFETIME_MS,
      SESSION_LIFETIME_MS_MAX,
    ),
    frameWindowsMax: capacity('frameWindowsMax', given.frameWindowsMax ?? FRAME_WINDOWS, SESSIONS_MAX),
  }
  const accountOrdersMax = capacity(
    'accountOrdersMax',
    given.accountOrdersMax ?? Math.max(1, Math.floor(ordersMax / ACCOUNT_ORDERS_SHARE)),
    ACCOUNT_ORDERS_MAX,
  )
  const stepsMax = capacity('commandStepsMax', given.commandStepsMax, COMMAND_STEPS_MAX, COMMAND_STEPS_MIN)
  const feeAccount = genesis.feeAccount ?? 0
  if (!Number.isInteger(feeAccount) || feeAccount < 0 || feeAccount >= accountsMax)
    throw new GenesisError(`fee account ${feeAccount}, 0 to ${accountsMax - 1} allowed`)
  const work = new Work(stepsMax)
  const clock = new Float64Array(2)
  const events = new Events(options.onEvents)
  const ledger = new Ledger(accountsMax, balancesMax, ordersMax)
  const markets = new Markets(marketsMax)
  const protections = new Protections(
    ledger,
    Math.min(PROTECTIONS_MAX, accountsMax * PROTECTIONS_PER_ACCOUNT),
  )
  return {
    genesis,
    feeAccount,
    clock,
    counters: new Float64Array(1),
    events,
    ledger,
    markets,
    protections,
    trading: new Trading(
      ordersMax,
      levelsMax,
      accountOrdersMax,
      ledger,
      markets,
      protections,
      events,
      clock,
      work,
    ),
    switches: new DeadManSwitches(ledger),
    sessions: new Sessions(ledger, events, clock, work, bounds),
  }
}

/** Puts the configuration's assets and markets into an empty state. Throws GenesisError, and the state must not be used then. */
export function applyGenesis({ ledger, markets, feeAccount }: State, genesis: GenesisConfig): void {
  for (const { id, symbol } of genesis.assets) {
    if (!Number.isInteger(id) || id < 0 || id >= ASSETS_MAX)
      throw new GenesisError(`asset id ${id}, 0 to ${ASSETS_MAX - 1} allowed`)
    if (markets.hasAsset(id)) throw new GenesisError(`asset ${id} is there twice`)
    if (!symbolIsValid(symbol))
      throw new GenesisError(`asset ${id}: symbol "${symbol}" is not 1 to 16 printable ASCII characters`)
    markets.symbols[id] = symbol
  }
  ledger.open(feeAccount)
  for (const { id, withdrawMinUnits = 0, withdrawFeeUnits = 0 } of genesis.assets) {
    if (!withdrawTermsAreValid(withdrawMinUnits, withdrawFeeUnits))
      throw new GenesisError(
        `asset ${id}: withdrawMinUnits ${withdrawMinUnits} and withdrawFeeUnits ${withdrawFeeUnits} are not whole units, ` +
          `the minimum at most ${WITHDRAW_MIN_UNITS_MAX} and the fee at most the minimum`,
      )
    if (withdrawFeeUnits > 0 && ledger.findOrAdd(feeAccount, id) < 0)
      throw new GenesisError(`asset ${id}: no balance row is left for the fees of its withdrawals`)
    markets.withdrawMin[id] = withdrawMinUnits
    markets.withdrawFee[id] = withdrawFeeUnits
  }
  for (const market of genesis.markets) {
    const { id, base, quote, lotUnits, tickUnits, makerFeePpm, takerFeePpm, bandPpm = 0, status = 0 } = market
    const wrong = (what: string): never => {
      throw new GenesisError(`market ${id}: ${what}`)
    }
    if (!Number.isInteger(id) || id < 0 || id >= markets.capacity)
      wrong(`ids are 0 to ${markets.capacity - 1}`)
    if (markets.has(id)) wrong('is there twice')
    if (!markets.hasAsset(base) || !markets.hasAsset(quote))
      wrong(`base ${base} or quote ${quote} is no asset`)
    if (base === quote) wrong('base and quote are the same asset')
    if (!unitsAreValid(lotUnits)) wrong(`lotUnits ${lotUnits} is no whole positive number of units`)
    if (!unitsAreValid(tickUnits)) wrong(`tickUnits ${tickUnits} is no whole positive number of units`)
    if (!priceIsDecimal(lotUnits, tickUnits))
      wrong(
        `prices cannot be written in decimals: lotUnits ${lotUnits} over tickUnits ${tickUnits} has a factor but 2 and 5`,
      )
    if (!feesAreValid(makerFeePpm, takerFeePpm))
      wrong(`fees ${makerFeePpm} and ${takerFeePpm} ppm are out of bounds`)
    if (!bandIsValid(bandPpm)) wrong(`band ${bandPpm} ppm is out of bounds`)
    if (status !== 0 && status !== 1 && status !== 2) wrong(`status ${String(status)} is none`)
    const feeRow = ledger.findOrAdd(feeAccount, quote)
    if (feeRow < 0) wrong('no balance row is left for its fees')
    markets.add(id, base, quote, lotUnits, tickUnits, makerFeePpm, takerFeePpm, bandPpm, feeRow)
    markets.setOwnStatus(id, status)
  }
}
