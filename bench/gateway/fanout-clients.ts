/**
 * Clients of bench/gateway/fanout.ts, as a process of their own. Latencies are from the planned send time
 * of an update to its arrival, or to its answer.
 */
import { build, type Histogram } from 'hdr-histogram-js'
import { type Client, createClient } from '../../sdk/index.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { rigWallet } from '../support/gateway-rig.js'
import { type RawConnection, openRaw } from '../support/raw-websocket.js'

export interface FanoutOptions {
  readonly port: number
  readonly scenario: 'market data' | 'connections' | 'return'
  /** Connections that only listen, or do nothing. */
  readonly idle: number
  /** Connections that send. */
  readonly active: number
  /** Orders a second, over all active connections. */
  readonly rate: number
  readonly seconds: number
}

export interface FanoutResult {
  readonly seconds: number
  readonly latencyMs: Record<'p50' | 'p99' | 'max', number>
  /** What the scenario counts; see each. */
  readonly counts: Record<string, number>
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const histogram = (): Histogram =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 })
const percentiles = (of: Histogram): FanoutResult['latencyMs'] => ({
  p50: of.getValueAtPercentile(50) / 1000,
  p99: of.getValueAtPercentile(99) / 1000,
  max: of.maxValue / 1000,
})

/** Opens `count` connections, a few hundred at a time. */
async function openMany(port: number, count: number): Promise<RawConnection[]> {
  const connections: RawConnection[] = []
  while (connections.length < count) {
    const more = Math.min(200, count - connections.length)
    connections.push(...(await Promise.all(Array.from({ length: more }, () => openRaw(port)))))
  }
  return connections
}

async function trader(port: number, index: number): Promise<Client> {
  const client = await createClient({
    url: `ws://127.0.0.1:${port}`,
    wallet: rigWallet(index),
    reconnect: false,
  }).connect()
  await client.createSession()
  return client
}

/** Calls `send` at each planned time, open loop; resolves when all have been sent. */
async function pace(
  rate: number,
  seconds: number,
  send: (index: number, plannedAt: number) => void,
): Promise<void> {
  const start = performance.now()
  const total = rate * seconds
  for (let index = 0; index < total;) {
    const now = performance.now()
    while (index < total && start + (index * 1000) / rate <= now) {
      send(index, start + (index * 1000) / rate)
      index++
    }
    await sleep(1)
  }
}

/** Delivery of book updates to every subscriber. */
async function marketData({ port, idle, rate, seconds }: FanoutOptions): Promise<FanoutResult> {
  const maker = await trader(port, 0)
  const subscribers = await openMany(port, idle)
  let messages = 0
  let bytes = 0
  /** Arrival of each event at a few of the subscribers. */
  const arrivals: { seq: number; at: number }[][] = Array.from({ length: 20 }, () => [])
  for (const [index, subscriber] of subscribers.entries()) {
    const own =
      index % Math.max(1, Math.floor(idle / 20)) === 0
        ? arrivals[Math.floor(index / Math.max(1, Math.floor(idle / 20)))]
        : undefined
    subscriber.onBody = (body) => {
      messages++
      bytes += body.length
      if (own === undefined || body[1] !== Kind.Event) return
      own.push({ seq: (unpackMsgpack(body) as WireValue[])[2] as number, at: performance.now() })
    }
    await subscriber.request(Method.Subscribe, ['book:0'])
  }
  process.send!('open')
  messages = 0
  bytes = 0
  const planned: { seq: number; at: number }[] = []
  const sending: Promise<unknown>[] = []
  const started = performance.now()
  const { cloid } = await maker.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 1 })
  await pace(rate, seconds, (index, at) => {
    sending.push(
      maker
        .amendOrder({ market: 0, cloid, ticks: 100 + (index % 50), lots: 1 + (index % 90) })
        .then(({ seq }) => planned.push({ seq, at })),
    )
  })
  await Promise.all(sending)
  await sleep(500)
  const elapsed = (performance.now() - started) / 1000
  const latency = histogram()
  planned.sort((a, b) => a.seq - b.seq)
  for (const own of arrivals) {
    let next = 0
    for (const { seq, at } of planned) {
      while (next < own.length && own[next]!.seq < seq) next++
      if (next < own.length) latency.recordValue(Math.max(1, Math.round((own[next]!.at - at) * 1000)))
    }
  }
  maker.close()
  for (const { socket } of subscribers) socket.destroy()
  return {
    seconds: elapsed,
    latencyMs: percentiles(latency),
    counts: { updates: planned.length, acknowledged: planned.length + 1, messages, bytes },
  }
}

/** Orders of many connections while many more are open. */
async function connections({ port, idle, active, rate, seconds }: FanoutOptions): Promise<FanoutResult> {
  const resting = await openMany(port, idle)
  const traders: Client[] = []
  for (let index = 0; index < active; index++) traders.push(await trader(port, index))
  process.send!('open')
  const latency = histogram()
  const started = performance.now()
  const sending: Promise<unknown>[] = []
  await pace(rate, seconds, (index, at) => {
    const client = traders[index % active]!
    const order = { market: 0, side: 'buy', ticks: 10, lots: 1, timeInForce: 'IOC' } as const
    sending.push(
      client.placeOrder(order).then(() => {
        latency.recordValue(Math.max(1, Math.round((performance.now() - at) * 1000)))
      }),
    )
  })
  await Promise.all(sending)
  const elapsed = (performance.now() - started) / 1000
  for (const client of traders) client.close()
  for (const { socket } of resting) socket.destroy()
  return {
    seconds: elapsed,
    latencyMs: percentiles(latency),
    counts: { connections: idle + active, acknowledged: sending.length },
  }
}

/** All subscribers leave at once and come back at once; each event must be seen once, by all of them. */
async function comeBack({ port, idle, rate, seconds }: FanoutOptions): Promise<FanoutResult> {
  const maker = await trader(port, 0)
  const taker = await trader(port, 1)
  interface Follower {
    position: readonly [epoch: number, seq: number]
    events: number
    gaps: number
    /** Snapshots taken: after the first one, each stands for events that were not resumed. */
    snapshots: number
  }
  const followers: Follower[] = Array.from({ length: idle }, () => ({
    position: [0, 0],
    events: 0,
    gaps: 0,
    snapshots: 0,
  }))
  let live: RawConnection[] = []
  const follow = async (follower: Follower): Promise<void> => {
    const connection = await openRaw(port)
    live.push(connection)
    connection.onBody = (body) => {
      const [kind, , third, fourth, data] = unpackMsgpack(body) as [
        number,
        string,
        number,
        number,
        WireValue[],
      ]
      if (kind === Kind.Snapshot) {
        follower.snapshots++
        follower.position = [third, fourth]
      } else if (kind === Kind.Event) {
        if (fourth !== follower.position[1]) follower.gaps++
        follower.position = [follower.position[0], third]
        follower.events += data.length
      }
    }
    await connection.request(
      Method.Subscribe,
      follower.snapshots === 0 ? ['trades:0'] : ['trades:0', follower.position],
    )
  }
  for (let at = 0; at < followers.length; at += 200)
    await Promise.all(followers.slice(at, at + 200).map(follow))
  process.send!('open')
  const started = performance.now()
  let trades = 0
  const trade = (): Promise<unknown> =>
    Promise.all([
      maker.placeOrder({ market: 0, side: 'sell', ticks: 100, lots: 1 }),
      taker.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 1 }),
    ])
  const trading: Promise<unknown>[] = []
  const latency = histogram()
  await pace(rate, seconds, (index) => {
    trading.push(trade())
    trades++
    if (index !== Math.floor((rate * seconds) / 2)) return
    const gone = live
    live = []
    for (const { socket } of gone) socket.destroy()
    const from = performance.now()
    for (const follower of followers) {
      trading.push(
        sleep(50)
          .then(() => follow(follower))
          .then(() => latency.recordValue(Math.max(1, Math.round((performance.now() - from - 50) * 1000)))),
      )
    }
  })
  await Promise.all(trading)
  await sleep(1000)
  const elapsed = (performance.now() - started) / 1000
  maker.close()
  taker.close()
  for (const { socket } of live) socket.destroy()
  const wrong = followers.filter(
    ({ events, gaps, snapshots }) => events !== trades || gaps > 0 || snapshots !== 1,
  ).length
  return {
    seconds: elapsed,
    latencyMs: percentiles(latency),
    counts: { clients: idle, trades, acknowledged: 2 * trades, clientsWithGapOrDuplicate: wrong },
  }
}

const SCENARIOS = { 'market data': marketData, connections, return: comeBack } as const

process.once('message', (options: FanoutOptions) => {
  SCENARIOS[options.scenario](options).then(
    (result) => process.send!(result, () => process.exit(0)),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
})
