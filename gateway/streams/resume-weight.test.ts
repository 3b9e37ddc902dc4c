/** What was missed weighs what it takes to tell: a resume from far back costs its account or address more than a short one. */
import { ErrorCode } from '../../sdk/wire/codes.js'
import { jsonCodec } from '../../sdk/wire/codec.js'
import { gatewayConfig } from '../settings/config.js'
import { Connection, type ClientSocket } from '../connections/connection.js'
import { Limits } from '../limits/client-limits.js'
import { Stream } from './stream.js'
import { Subscriptions } from './subscriptions.js'

const NAME = 'trades:0'
const IP = '127.0.0.1'
const EVENTS = 4000

test('resumes from far back spend the budget of requests, short ones do not', () => {
  const limits = new Limits(gatewayConfig({ requestRate: { perSecond: 1, burst: 50 } }), () => 0)
  const stream = new Stream({ name: NAME, epoch: 1, lastSeq: 0, keep: EVENTS, keepBytes: 8 << 20 })
  for (let seq = 1; seq <= EVENTS; seq++) stream.publish(seq, [[seq, 0, 1000, 5, 'buy', 1_700_000_000_000]])
  const subscriptions = new Subscriptions({
    data: { config: gatewayConfig({}) },
    markets: new Map([[0, { stream: () => stream }]]),
    whole: (begin: () => void) => begin(),
    publish: () => {},
    snapshots: { forget: () => {} },
    limits,
  } as never)
  const socket = { getBufferedAmount: () => 0, cork: () => {}, end: () => {} } as unknown as ClientSocket
  let sentBytes = 0
  const resume = (from: number): void => {
    const connection = new Connection({
      id: 1,
      socket,
      codec: jsonCodec,
      ip: IP,
      challenge: new Uint8Array(32),
      unsentBytesMax: 8 << 20,
      onDirty: () => {},
      onRefused: () => {},
    })
    subscriptions.subscribe(connection, 1, NAME, [1, from])
    sentBytes += connection.unsentBytes
    subscriptions.closed(connection)
  }
  for (let count = 0; count < 100; count++) resume(EVENTS - 1)
  expect(limits.request(IP, undefined, 40)).toBeUndefined()
  sentBytes = 0
  for (let count = 0; count < 8; count++) resume(0)
  expect(sentBytes).toBeGreaterThan(20 * (16 << 10))
  expect(limits.request(IP, undefined, 1)).toMatchObject({ code: ErrorCode.RateLimited })
  // What is owed is bounded by the budget.
  for (let count = 0; count < 100; count++) resume(0)
  expect(limits.request(IP, undefined, 1)!.retryAfter).toBeLessThanOrEqual(51_000)
})
