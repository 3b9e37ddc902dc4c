/**
 * Which fields each command, query and part of the configuration of the filter has. A field that is not here
 * is refused by its name: an order whose `postonly` went by unread would take where it must not.
 */
import type { AssetConfig, EngineCapacities, GenesisConfig, MarketConfig } from '../../engine/index.js'
import { hint } from '../../gateway/settings/nearest.js'
import { NAME_SHOWN_MAX } from '../limits.js'

/** A line that is no command at all. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

/** A configuration of another shape. */
export class FilterConfigError extends Error {
  override readonly name = 'FilterConfigError'
}

/** Beside `op`. */
const FIELDS = {
  deposit: ['account', 'asset', 'units'],
  withdraw: ['account', 'asset', 'units', 'maxFee', 'nonce', 'deadline'],
  transfer: ['account', 'to', 'asset', 'units'],
  place: [
    'account',
    'market',
    'cloid',
    'side',
    'kind',
    'ticks',
    'lots',
    'tif',
    'postOnly',
    'stp',
    'triggerTicks',
    'displayLots',
    'quoteBudget',
    'expiresAt',
    'deadline',
  ],
  amend: [
    'account',
    'market',
    'cloid',
    'ticks',
    'lots',
    'displayLots',
    'triggerTicks',
    'expiresAt',
    'deadline',
  ],
  cancel: ['account', 'market', 'cloid', 'deadline'],
  cancelAll: ['account', 'market', 'side', 'deadline'],
  cancelAfter: ['account', 'ms', 'deadline'],
  protection: ['account', 'market', 'windowMs', 'fills', 'notional'],
  resetProtection: ['account', 'market'],
  time: ['ms'],
  openAccount: ['account', 'owner'],
  createAsset: ['asset', 'symbol', 'withdrawMin', 'withdrawFee'],
  withdrawTerms: ['asset', 'withdrawMin', 'withdrawFee'],
  createMarket: ['market', 'base', 'quote', 'lotUnits', 'tickUnits', 'makerFeePpm', 'takerFeePpm', 'bandPpm'],
  marketStatus: ['market', 'status'],
  exchangeStatus: ['reason', 'status'],
  marketFees: ['market', 'makerFeePpm', 'takerFeePpm', 'tier'],
  priceBand: ['market', 'bandPpm'],
  accountTier: ['account', 'tier'],
  balances: ['account'],
  book: ['market', 'depth'],
  orders: ['account'],
  markets: [],
  stateHash: [],
} as const satisfies Readonly<Record<string, readonly string[]>>

export type Op = keyof typeof FIELDS
export type JsonFields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is JsonFields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** "PLACE has no field NAME (did you mean …?); allowed: …", undefined when every field is allowed. */
function unknownField(place: string, fields: JsonFields, allowed: readonly string[]): string | undefined {
  const name = Object.keys(fields).find((each) => !allowed.includes(each))
  if (name === undefined) return undefined
  const list = allowed.length === 0 ? 'none' : allowed.join(', ')
  return `${place} has no field "${name.slice(0, NAME_SHOWN_MAX)}"${hint(name.slice(0, NAME_SHOWN_MAX), allowed)}; allowed: ${list}`
}

/** @throws CommandError for what is no object, has no known `op`, or has a field that its `op` has not. */
export function commandOf(value: unknown): { op: Op; fields: JsonFields } {
  if (!isObject(value)) throw new CommandError('not an object')
  const { op, ...fields } = value
  if (typeof op !== 'string') throw new CommandError('no op')
  if (!isOp(op)) {
    const name = op.slice(0, NAME_SHOWN_MAX)
    throw new CommandError(`no op "${name}"${hint(name, Object.keys(FIELDS))}`)
  }
  const problem = unknownField(op, fields, FIELDS[op])
  if (problem !== undefined) throw new CommandError(problem)
  return { op, fields }
}

const isOp = (name: string): name is Op => Object.hasOwn(FIELDS, name)

/** Every name of a type, so that one that is added there is asked for here. */
const namesOf = <T extends object>(names: Readonly<Record<keyof T, true>>): readonly string[] =>
  Object.keys(names)

const GENESIS = namesOf<GenesisConfig>({
  assets: true,
  markets: true,
  feeAccount: true,
  requireFrames: true,
  capacities: true,
})
const ASSET = namesOf<AssetConfig>({
  id: true,
  symbol: true,
  withdrawMinUnits: true,
  withdrawFeeUnits: true,
})
const MARKET = namesOf<MarketConfig>({
  id: true,
  base: true,
  quote: true,
  lotUnits: true,
  tickUnits: true,
  makerFeePpm: true,
  takerFeePpm: true,
  bandPpm: true,
  status: true,
})
const CAPACITIES = namesOf<EngineCapacities>({
  ordersMax: true,
  levelsMax: true,
  accountsMax: true,
  balancesMax: true,
  accountOrdersMax: true,
  marketsMax: true,
  sessionsMax: true,
  commandStepsMax: true,
  accountSessionsMax: true,
  sessionLifetimeMsMax: true,
  frameWindowsMax: true,
})

/**
 * The configuration that a file holds; the engine judges its numbers.
 * @throws FilterConfigError naming what is missing, of another kind, or unknown.
 */
export function filterConfig(value: unknown): GenesisConfig {
  const config = shaped('the configuration', value, GENESIS)
  const { assets, markets, feeAccount, requireFrames, capacities } = config
  if (assets === undefined || markets === undefined)
    throw new FilterConfigError('the configuration lacks assets or markets')
  listed('assets', assets, (place, each) => {
    const { id, symbol, withdrawMinUnits = 0, withdrawFeeUnits = 0 } = shaped(place, each, ASSET)
    number(`${place}.id`, id)
    number(`${place}.withdrawMinUnits`, withdrawMinUnits)
    number(`${place}.withdrawFeeUnits`, withdrawFeeUnits)
    if (typeof symbol !== 'string') throw new FilterConfigError(`${place}.symbol is not a text`)
  })
  listed('markets', markets, (place, each) => {
    const { bandPpm = 0, status = 0, ...needed } = shaped(place, each, MARKET)
    const rest = MARKET.filter((name) => name !== 'bandPpm' && name !== 'status')
    for (const name of rest) number(`${place}.${name}`, needed[name])
    number(`${place}.bandPpm`, bandPpm)
    number(`${place}.status`, status)
  })
  if (feeAccount !== undefined) number('feeAccount', feeAccount)
  if (requireFrames !== undefined && typeof requireFrames !== 'boolean')
    throw new FilterConfigError(`requireFrames is ${JSON.stringify(requireFrames)}, not true or false`)
  if (capacities !== undefined)
    for (const [name, each] of Object.entries(shaped('capacities', capacities, CAPACITIES)))
      number(`capacities.${name}`, each)
  return value as GenesisConfig
}

function shaped(place: string, value: unknown, allowed: readonly string[]): JsonFields {
  if (!isObject(value)) throw new FilterConfigError(`${place} is not an object`)
  const problem = unknownField(place, value, allowed)
  if (problem !== undefined) throw new FilterConfigError(problem)
  return value
}

function listed(name: string, value: unknown, each: (place: string, item: unknown) => void): void {
  if (!Array.isArray(value)) throw new FilterConfigError(`${name} is not a list`)
  value.forEach((item, index) => each(`${name}[${index}]`, item))
}

function number(place: string, value: unknown): void {
  if (typeof value !== 'number')
    throw new FilterConfigError(`${place} is ${JSON.stringify(value) ?? 'missing'}, not a number`)
}
