/**
 * /metrics: sensible from the first scrape, counts what happened, and stands on a port of its own where
 * the operator wants that.
 */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { createClient } from '../../sdk/index.js'
import { freePort } from '../../test/support/ports.js'

let rig: Rig
afterEach(() => rig.stop())

/** Samples by name and labels, as they are written. */
async function scrape(port = rig.port): Promise<Map<string, number>> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`)
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4'])
  const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

const value = (samples: Map<string, number>, name: string, labels = ''): number | undefined =>
  samples.get(`${name}{${labels}${labels === '' ? '' : ','}thread="0"}`)

test('the first scrape makes sense, with the process under its usual names', async () => {
  rig = await startRig({ accounts: 1 })
  const samples = await scrape()
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'process_start_time_seconds',
    'process_open_fds',
    'nodejs_eventloop_lag_seconds',
    'nodejs_heap_size_used_bytes',
  ])
    expect([name, value(samples, name)]).toEqual([name, expect.any(Number)])
  // Of a collector that starts with the scrape, the least lag is 9 billion seconds and the mean is none.
  for (const part of ['min', 'max', 'mean', 'p50', 'p99']) {
    const lag = value(samples, `nodejs_eventloop_lag_${part}_seconds`)!
    expect([part, lag >= 0 && lag < 3600]).toEqual([part, true])
  }
  for (const [name, sample] of samples) expect([name, Number.isNaN(sample)]).toEqual([name, false])
  expect([...samples.keys()].filter((name) => name.startsWith('glassbook_gateway_process'))).toEqual([])
})

test('orders, fills, rejects by code and the time that frames took are counted', async () => {
  rig = await startRig({ accounts: 2 })
  const maker = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  const taker = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  await maker.createSession()
  await taker.createSession()
  const before = await scrape()
  expect([value(before, 'glassbook_orders_total'), value(before, 'glassbook_fills_total')]).toEqual([0, 0])
  expect(value(before, 'glassbook_frame_latency_seconds_count')).toBe(0)
  const handed = (samples: typeof before): unknown[] =>
    ['frames', 'commands'].map((what) => value(samples, `glassbook_gateway_${what}_total`))
  expect(handed(before)).toEqual([0, 0])
  await maker.batch([
    maker.place({ market: 0, side: 'sell', ticks: 100, lots: 1 }),
    maker.place({ market: 0, side: 'sell', ticks: 101, lots: 1 }),
    maker.place({ market: 0, side: 'sell', ticks: 102, lots: 2n ** 40n }),
    maker.cancel({ market: 0, cloid: 1n }),
  ])
  await taker.placeOrder({ market: 0, side: 'buy', ticks: 101, lots: 2 })
  await expect(taker.call('depth', [99, 5])).rejects.toMatchObject({ codeName: 'UnknownMarket' })
  expect((await fetch(`http://127.0.0.1:${rig.port}/v1/depth?market=99`)).status).toBe(404)
  const after = await scrape()
  expect(handed(after)).toEqual([2, 5])
  expect(value(after, 'glassbook_orders_total')).toBe(3)
  expect(value(after, 'glassbook_fills_total')).toBe(2)
  expect(value(after, 'glassbook_rejects_total', 'code="4016",name="LotsOverLimit"')).toBe(1)
  expect(value(after, 'glassbook_rejects_total', 'code="4025",name="UnknownOrder"')).toBe(1)
  expect(value(after, 'glassbook_rejects_total', 'code="3004",name="UnknownMarket"')).toBe(2)
  expect(value(after, 'glassbook_frame_latency_seconds_count')).toBe(2)
  expect(value(after, 'glassbook_frame_latency_seconds_bucket', 'le="+Inf"')).toBe(2)
  expect(value(after, 'glassbook_frame_latency_seconds_sum')).toBeGreaterThan(0)
  const buckets = [...after].filter(([name]) => name.startsWith('glassbook_frame_latency_seconds_bucket'))
  expect(buckets.map(([, count]) => count)).toEqual(buckets.map(([, count]) => count).sort((a, b) => a - b))
  // A second scrape adds nothing of its own.
  expect(value(await scrape(), 'glassbook_orders_total')).toBe(3)
  maker.close()
  taker.close()
})

test('on a port of its own it is there and nowhere else, and nothing else is there', async () => {
  const metricsPort = await freePort()
  rig = await startRig({ accounts: 1, config: { metricsPort } })
  expect(value(await scrape(metricsPort), 'glassbook_orders_total')).toBe(0)
  expect((await fetch(`http://127.0.0.1:${rig.port}/metrics`)).status).toBe(404)
  for (const path of ['/v1/time', '/', '/healthz'])
    expect([path, (await fetch(`http://127.0.0.1:${metricsPort}${path}`)).status]).toEqual([path, 404])
})
