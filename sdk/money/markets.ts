/**
 * The exchange's assets and markets with their scales, and the names people use for them. Read once a
 * connection; conversions between decimal strings and the exchange's integers are in units-and-atoms.ts.
 */
import { ASSETS_MAX, MARKETS_MAX } from '../../engine/limits.js'
import { NAMES_SHOWN_MAX } from '../limits.js'
import type { AssetScale, MarketScale } from './units-and-atoms.js'
import { InputError } from '../base/errors.js'
import { anyOf, shown } from '../base/inputs.js'
import { ErrorCode } from '../wire/codes.js'
import { readArray, readObject, readSafeInt, readString } from '../wire/fields.js'
import type { WireValue } from '../wire/msgpack.js'

export interface Asset extends AssetScale {
  readonly id: number
  readonly symbol: string
  readonly token: `0x${string}`
  /** As they were at the last connect, in units: the least that a withdrawal takes out, and what it costs beyond that. */
  readonly withdrawMinUnits: number
  readonly withdrawFeeUnits: number
}

export interface Market extends MarketScale {
  readonly id: number
  /** Base and quote symbols joined by a hyphen, such as "ETH-USDC". */
  readonly symbol: string
  readonly base: Asset
  readonly quote: Asset
  readonly makerFeePpm: number
  readonly takerFeePpm: number
}

export class Markets {
  readonly assets: readonly Asset[]
  readonly markets: readonly Market[]

  /** From the answer to `markets`. @throws FieldError when it is not one. */
  constructor(answer: WireValue) {
    const body = readObject(answer, 'markets')
    this.assets = readArray(body['assets'], 'assets', 0, ASSETS_MAX).map((value) => {
      const asset = readObject(value, 'asset')
      return {
        id: readSafeInt(asset['id'], 'id'),
        symbol: readString(asset['symbol'], 'symbol'),
        token: readString(asset['token'], 'token') as `0x${string}`,
        decimals: readSafeInt(asset['decimals'], 'decimals'),
        unitAtoms: BigInt(readString(asset['unitAtoms'], 'unitAtoms')),
        withdrawMinUnits: readSafeInt(asset['withdrawMinUnits'] ?? 0, 'withdrawMinUnits'),
        withdrawFeeUnits: readSafeInt(asset['withdrawFeeUnits'] ?? 0, 'withdrawFeeUnits'),
      }
    })
    this.markets = readArray(body['markets'], 'markets', 0, MARKETS_MAX).map((value) => {
      const market = readObject(value, 'market')
      const base = this.asset(readSafeInt(market['base'], 'base'))
      const quote = this.asset(readSafeInt(market['quote'], 'quote'))
      return {
        id: readSafeInt(market['id'], 'id'),
        symbol: `${base.symbol}-${quote.symbol}`,
        base,
        quote,
        lotUnits: readSafeInt(market['lotUnits'], 'lotUnits'),
        tickUnits: readSafeInt(market['tickUnits'], 'tickUnits'),
        makerFeePpm: readSafeInt(market['makerFeePpm'], 'makerFeePpm'),
        takerFeePpm: readSafeInt(market['takerFeePpm'], 'takerFeePpm'),
      }
    })
  }

  /** By id or symbol. @throws InputError when there is none. */
  asset(key: number | string): Asset {
    const found = this.assets.find(({ id, symbol }) => id === key || symbol === key)
    if (found === undefined) throw none('asset', key, this.assets)
    return found
  }

  /** By id or symbol. @throws InputError when there is none. */
  market(key: number | string): Market {
    const found = this.markets.find(({ id, symbol }) => id === key || symbol === key)
    if (found === undefined) throw none('market', key, this.markets)
    return found
  }
}

function none(
  what: 'asset' | 'market',
  key: unknown,
  known: readonly { id: number; symbol: string }[],
): InputError {
  const names = known.slice(0, NAMES_SHOWN_MAX).map(({ id, symbol }) => `"${symbol}" (${id})`)
  const allowed = `${anyOf(names)}${known.length > NAMES_SHOWN_MAX ? ', or another of the exchange' : ''}`
  return new InputError(`${what} is ${shown(key)}; it must be ${allowed}`, {
    code: what === 'asset' ? ErrorCode.UnknownAsset : ErrorCode.UnknownMarket,
    details: { field: what, value: key, allowed },
  })
}
