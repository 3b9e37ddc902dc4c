/** What `createClient` may be given; see ClientOptions. */
import { TIMER_MS_MAX } from '../limits.js'
import type { ClientOptions } from './client-types.js'
import {
  checkFields,
  isAddress,
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
  const { chainId, vault, settlement } = value as Readonly<Record<string, unknown>>
  isChainId(chainId, `${field}.chainId`)
  isAddress(vault, `${field}.vault`)
  isAddress(settlement, `${field}.settlement`)
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
