/**
 * Exact conversions between what people write (decimal strings of tokens), what the chain holds (atoms,
 * bigint) and what the exchange counts (whole units, lots, ticks). Nothing is rounded: an amount that is
 * not a whole multiple is refused. Floating-point numbers are refused everywhere.
 */
import { ErrorCode } from '../wire/codes.js'
import { InputError } from '../base/errors.js'

const refuse = (message: string): never => {
  throw new InputError(message, { code: ErrorCode.BadParams })
}

/** A decimal string as numerator over a power of ten. */
function parseDecimal(text: string, what: string): { digits: bigint; scale: number } {
  // A program without types may pass a floating-point number, which is no exact amount.
  if (typeof text !== 'string') return refuse(`${what} ${String(text)} is not a decimal string`)
  const match = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/.exec(text)
  if (match === null) return refuse(`${what} "${text}" is not a decimal number`)
  const fraction = match[2] ?? ''
  return { digits: BigInt(match[1]! + fraction), scale: fraction.length }
}

/** Atoms of a decimal amount of a token with `decimals`. Throws InputError when it has more places, by the name `what`. */
export function toAtoms(amount: string | bigint, decimals: number, what = 'amount'): bigint {
  if (typeof amount === 'bigint') return amount
  if (typeof amount !== 'string') return refuse(`${what} is not a decimal string or a bigint of atoms`)
  const { digits, scale } = parseDecimal(amount, what)
  if (scale <= decimals) return digits * 10n ** BigInt(decimals - scale)
  const excess = 10n ** BigInt(scale - decimals)
  if (digits % excess !== 0n) refuse(`${what} ${amount} has more than ${decimals} decimal places`)
  return digits / excess
}

/** Decimal string of atoms, without trailing zeros. */
export function fromAtoms(atoms: bigint, decimals: number): string {
  const negative = atoms < 0n
  const digits = (negative ? -atoms : atoms).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}

/** What an asset's amounts are counted in. */
export interface AssetScale {
  readonly decimals: number
  /** Atoms of one unit. */
  readonly unitAtoms: bigint
}
/** What a market's prices and sizes are counted in. */
export interface MarketScale {
  readonly base: AssetScale
  readonly quote: AssetScale
  /** Base units of a lot. */
  readonly lotUnits: number
  /** Quote units of a lot at one tick. */
  readonly tickUnits: number
}

/** `what` was given, and `most` is the most that the exchange counts, both in the caller's own unit. */
function safe(value: bigint, what: string, most: () => string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    refuse(`${what} is above ${most()}, the most that the exchange counts`)
  return Number(value)
}

/** What the caller gave, beside bounds in tokens: a bigint counts atoms. */
const told = (given: string | bigint, decimals: number): string =>
  typeof given === 'string' ? given : `${given} atoms (${fromAtoms(given, decimals)})`

/** Units of an amount (decimal string of tokens, or bigint of atoms). */
export function toUnits(amount: string | bigint, asset: AssetScale): number {
  const atoms = toAtoms(amount, asset.decimals)
  if (atoms % asset.unitAtoms !== 0n) {
    refuse(
      `amount ${told(amount, asset.decimals)} is not whole units of ${fromAtoms(asset.unitAtoms, asset.decimals)}`,
    )
  }
  return safe(atoms / asset.unitAtoms, `amount ${told(amount, asset.decimals)}`, () =>
    fromUnits(Number.MAX_SAFE_INTEGER, asset),
  )
}

/** Decimal string of units. */
export function fromUnits(units: number | bigint, asset: AssetScale): string {
  return fromAtoms(BigInt(units) * asset.unitAtoms, asset.decimals)
}

/** Lots of a size (decimal string of base tokens, or bigint of base atoms). */
export function toLots(size: string | bigint, market: MarketScale): number {
  const atoms = toAtoms(size, market.base.decimals, 'size')
  const lotAtoms = BigInt(market.lotUnits) * market.base.unitAtoms
  if (atoms % lotAtoms !== 0n) {
    refuse(
      `size ${told(size, market.base.decimals)} is not a multiple of the lot ${fromAtoms(lotAtoms, market.base.decimals)}`,
    )
  }
  return safe(atoms / lotAtoms, `size ${told(size, market.base.decimals)}`, () =>
    fromLots(Number.MAX_SAFE_INTEGER, market),
  )
}

/** Decimal string of lots. */
export function fromLots(lots: number, market: MarketScale): string {
  return fromAtoms(BigInt(lots) * BigInt(market.lotUnits) * market.base.unitAtoms, market.base.decimals)
}

/** The price of one tick as a fraction: quote tokens for one base token. */
function tickPrice({ base, quote, lotUnits, tickUnits }: MarketScale): {
  numerator: bigint
  denominator: bigint
} {
  return {
    numerator: BigInt(tickUnits) * quote.unitAtoms * 10n ** BigInt(base.decimals),
    denominator: BigInt(lotUnits) * base.unitAtoms * 10n ** BigInt(quote.decimals),
  }
}

/** Ticks of a price (decimal string: quote tokens for one base token). */
export function toTicks(price: string, market: MarketScale): number {
  const { digits, scale } = parseDecimal(price, 'price')
  const { numerator, denominator } = tickPrice(market)
  const top = digits * denominator
  const bottom = numerator * 10n ** BigInt(scale)
  if (top % bottom !== 0n) refuse(`price ${price} is not a multiple of the tick ${fromTicks(1, market)}`)
  return safe(top / bottom, `price ${price}`, () => fromTicks(Number.MAX_SAFE_INTEGER, market))
}

/** Decimal string of ticks: quote tokens for one base token. */
export function fromTicks(ticks: number, market: MarketScale): string {
  const { numerator, denominator } = tickPrice(market)
  const places = 36
  const scaled = (BigInt(ticks) * numerator * 10n ** BigInt(places)) / denominator
  return fromAtoms(scaled, places)
}
