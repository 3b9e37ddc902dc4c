/** What `createClient` may be given; see ClientOptions. */
import { TIMER_MS_MAX } from '../limits.js'
import type { ClientOptions, PinnedAsset, PinnedMarket } from './client-types.js'
import {
  type Check,
  checkFields,
  isAddress,
  isArray,
  isBoolean,
  isFunction,
  isObject,
  oneOf,
  refuseInput,
  wholeFrom,
} from '../base/inputs.js'

const isMs = wholeFrom(1, TIMER_MS_MAX, ' of milliseconds')
/** Ids of chains that the wire and the domain can carry. */
const isChainId = wholeFrom(0)

/** A WebSocket address; one for HTTP is refused with the one that is meant. */
function isWebSocketUrl(value: unknown, field: string): void {
  const allowed = 'a WebSocket address such as "ws://127.0.0.1:9001" or "wss://example.org"'
  if (typeof value !== 'string') return refuseInput(field, value, allowed)
  const http = /^http(s?):\/\/(.*)$/i.exec(value)
  if (http !== null)
    refuseInput(field, value, `a WebSocket address: write "ws${http[1]!.toLowerCase()}://${http[2]!}"`)
  if (!/^wss?:\/\/[^/]/i.test(value) || !URL.canParse(value)) refuseInput(field, value, allowed)
}

function isDeployment(value: unknown, field: string): void {
  isObject(value, field)
  // A deployment file has more fields than these.
  const { chainId, vault, settlement, assets, markets } = value as Readonly<Record<string, unknown>>
  isChainId(chainId, `${field}.chainId`)
  isAddress(vault, `${field}.vault`)
  isAddress(settlement, `${field}.settlement`)
  if (assets !== undefined) eachOf(assets, `${field}.assets`, ASSET_CHECKS)
  if (markets !== undefined) eachOf(markets, `${field}.markets`, MARKET_CHECKS)
}

const isId = wholeFrom(0)
const ASSET_CHECKS: Readonly<Record<keyof PinnedAsset, Check>> = {
  id: isId,
  symbol: (value, field) => {
    if (typeof value !== 'string' || value === '') refuseInput(field, value, 'a symbol such as "USDC"')
  },
  token: (value, field) => {
    if (value !== undefined) isAddress(value, field)
  },
  decimals: wholeFrom(0),
  unitAtoms: (value, field) => {
    if (typeof value !== 'string' || !/^[1-9][0-9]*$/.test(value))
      refuseInput(field, value, 'a whole number of atoms as a decimal string')
  },
}
const MARKET_CHECKS: Readonly<Record<keyof PinnedMarket, Check>> = {
  id: isId,
  base: isId,
  quote: isId,
  lotUnits: wholeFrom(1),
  tickUnits: wholeFrom(1),
}

/** An array whose entries have these fields, and may have more. */
function eachOf(value: unknown, field: string, checks: Readonly<Record<string, Check>>): void {
  isArray(value, field)
  ;(value as readonly unknown[]).forEach((entry, at) => {
    isObject(entry, `${field}[${at}]`)
    for (const [name, check] of Object.entries(checks))
      check((entry as Readonly<Record<string, unknown>>)[name], `${field}[${at}].${name}`)
  })
}

/** @throws InputError */
export function checkOptions(options: ClientOptions): void {
  checkFields(
    'createClient',
    options,
    {
      url: isWebSocketUrl,
      wallet: isObject,
      publicClient: isObject,
      deployment: isDeployment,
      encoding: oneOf('msgpack', 'json'),
      reconnect: isBoolean,
      reconnectDelayMsMax: isMs,
      framesWaitingMax: wholeFrom(1),
      connectTimeoutMs: isMs,
      requestTimeoutMs: isMs,
      silenceMs: isMs,
      onError: isFunction,
    },
    ['url'],
  )
}
