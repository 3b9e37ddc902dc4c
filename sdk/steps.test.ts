/**
 * The SDK keeps step with the exchange through bad connections: a proxy that drops, delays, splits and
 * doubles them leaves no order doubled and no state apart. GLASSBOOK_LONG=1 runs the proxy for two
 * minutes instead of six seconds.
 */
import { type AddressInfo, type Socket as TcpSocket, connect, createServer } from 'node:net'
import { type Rig, startRig } from '../bench/gateway-rig.js'
import { makeMarket } from './examples/market-maker.js'
import { type Client, OutcomeUnknownError, createClient } from './index.js'
import { LocalBook } from './local-book.js'

const MARKET = 'ETH-USDC'
const SECONDS = process.env['GLASSBOOK_LONG'] === '1' ? 120 : 6

async function until(condition: () => boolean, what: string, ms = 10_000): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > ms) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Pseudo-random numbers from a seed (mulberry32), so that a failure can be run again. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Proxy {
  readonly url: string
  readonly drops: () => number
  /** Whether it misbehaves; it begins calm. */
  wild(on: boolean): void
  close(): void
}

/** Passes on to `port`, and now and then delays, splits, cuts off, or sends everything twice. */
function startProxy(port: number, seed: number): Promise<Proxy> {
  const next = random(seed)
  let wild = false
  let drops = 0
  const sockets = new Set<TcpSocket>()
  const server = createServer((client) => {
    const doubled = wild && next() < 0.3
    const upstream = connect(port, '127.0.0.1')
    // A second connection that gets every byte of the first: its logon must fail, its frames too.
    const shadow = doubled ? connect(port, '127.0.0.1') : undefined
    for (const socket of [client, upstream, ...(shadow === undefined ? [] : [shadow])]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    const cut = (): void => {
      drops++
      client.destroy()
      // What the client had sent may still be on its way to the exchange.
      if (next() < 0.5) setTimeout(() => upstream.destroy(), next() * 30)
      else upstream.destroy()
      shadow?.destroy()
    }
    const pass = (to: TcpSocket, data: Buffer): void => {
      if (!to.destroyed) to.write(data)
    }
    const relay = (from: TcpSocket, to: TcpSocket, also?: TcpSocket): void => {
      let tail = Promise.resolve()
      from.on('data', (data: Buffer) => {
        if (also !== undefined) pass(also, data)
        if (!wild) {
          tail = tail.then(() => pass(to, data))
          return
        }
        if (next() < 0.02) {
          cut()
          return
        }
        const at = next() < 0.3 ? Math.floor(next() * data.length) : data.length
        const delay = next() < 0.1 ? next() * 20 : 0
        tail = tail.then(async () => {
          if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay))
          pass(to, data.subarray(0, at))
          if (at < data.length) {
            await new Promise((resolve) => setTimeout(resolve, 1))
            pass(to, data.subarray(at))
          }
        })
      })
      from.on('close', () => void tail.then(() => to.end()))
    }
    relay(client, upstream, shadow)
    relay(upstream, client)
    shadow?.resume()
  })
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({
        url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
        drops: () => drops,
        wild: (on) => {
          wild = on
        },
        close: () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        },
      })
    })
  })
}

describe('SDK', () => {
  let rig: Rig
  const clients: Client[] = []
  const open = async (index: number, url = rig.url): Promise<Client> => {
    const client = await createClient({
      url,
      wallet: rig.wallets[index]!,
      reconnectDelayMsMax: 100,
    }).connect()
    await client.createSession()
    clients.push(client)
    return client
  }

  beforeAll(async () => {
    rig = await startRig({
      accounts: 4,
      config: {
        connectRate: { perSecond: 10_000, burst: 10_000 },
        requestRate: { perSecond: 10_000, burst: 10_000 },
      },
    })
  })
  afterAll(async () => {
    for (const client of clients) client.close()
    await rig.stop()
  })

  test('a local book follows, and heals itself when it does not', async () => {
    const maker = await open(0)
    const book = await maker.trackBook(MARKET)
    const placed = await maker.batch(
      [90, 91, 92, 110, 111].map((ticks) =>
        maker.place({ market: MARKET, side: ticks < 100 ? 'buy' : 'sell', ticks, lots: ticks }),
      ),
    )
    await until(() => book.asks().length === 2, 'book')
    expect(book.bids().map(({ ticks, lots }) => [ticks, lots])).toEqual([
      [92, 92],
      [91, 91],
      [90, 90],
    ])
    expect(book.bestAsk).toMatchObject({ ticks: 110, lots: 110 })

    // A book that lost a level finds out at the next message.
    const broken = new LocalBook(0)
    let restarts = 0
    await maker.subscribe('book:0:10', (message) => {
      const [bids, asks] = message.data as [number[][], number[][]]
      const data = restarts === 0 ? [bids.slice(1), asks] : [bids, asks]
      const agreed = broken.take({ ...message, data: data as never })
      if (agreed === 'restart') restarts++
      return agreed
    })
    await until(() => broken.ready, 'healed book')
    expect(broken.healed).toBe(1)
    expect(broken.bids().map(({ ticks }) => ticks)).toEqual([92, 91, 90])
    await maker.cancelAll()
    expect(placed.every(({ error }) => error === undefined)).toBe(true)
  })

  test('an outcome that was lost is found, taken or not', async () => {
    const client = await open(1)
    const order = client.place({ market: MARKET, side: 'buy', ticks: 10, lots: 1 })
    // Sent, and cut off before the answer: taken or lost, the client cannot know.
    const sending = client.batch([order, client.place({ market: MARKET, side: 'buy', ticks: 0, lots: 1 })])
    await new Promise((resolve) => setTimeout(resolve, 2))
    client.dropConnection()
    const unknown = await sending.then(
      () => undefined,
      (error: unknown) => (error instanceof OutcomeUnknownError ? error : undefined),
    )
    if (unknown !== undefined) {
      const outcome = (await unknown.outcome) as { error?: { codeName: string }; state: string }[]
      const known = await client.order({ cloid: (order as { cloid: bigint }).cloid })
      if (known === undefined) expect(outcome[0]!.error!.codeName).toBe('NotTaken')
      else {
        expect(outcome[0]).toMatchObject({ state: 'open', error: undefined })
        expect(outcome[1]!.error!.codeName).toBe('ZeroTicks')
      }
    }
    await until(() => client.state === 'open', 'connection')
    expect(client.unknownFrames).toBe(0)
    await client.cancelAll()
  })

  test('messages come as an async iterable', async () => {
    const client = await open(1)
    const seen: string[] = []
    for await (const { kind } of client.messages('book:0')) {
      seen.push(kind)
      if (seen.length === 1) await client.placeOrder({ market: MARKET, side: 'buy', ticks: 5, lots: 1 })
      else break
    }
    expect(seen).toEqual(['snapshot', 'event'])
    await client.cancelAll()
  })

  test(`${SECONDS} s of quoting through a bad line leave no order doubled and no state apart`, async () => {
    const proxy = await startProxy(rig.port, 7)
    const maker = await open(2, proxy.url)
    const taker = await open(3)
    proxy.wild(true)
    const stop = new AbortController()
    const fills = await maker.trackFills()
    const orders = await maker.trackOrders()
    const balances = await maker.trackBalances()
    const book = await maker.trackBook(MARKET)
    const seen = new Set<string>()
    let doubled = 0
    fills.onFill(({ seq, index, maker: own }) => {
      const key = `${seq}:${index}:${own}`
      if (seen.has(key)) doubled++
      seen.add(key)
    })
    const quoting = makeMarket(
      maker,
      { market: MARKET, halfSpreadTicks: 3, lots: 10, lotsPerTick: 10, firstMidTicks: 1000 },
      stop.signal,
    )
    const until0 = performance.now() + SECONDS * 1000
    let trades = 0
    while (performance.now() < until0) {
      const { bids, asks } = await taker.depth(MARKET, 1)
      // More than one quote a side would be an order placed twice.
      expect(bids.length + asks.length).toBeLessThanOrEqual(2)
      const side = trades % 2 === 0 ? 'buy' : 'sell'
      const ticks = (side === 'buy' ? asks : bids)[0]?.[0]
      if (ticks !== undefined) {
        const { filledLots } = await taker.placeOrder({
          market: MARKET,
          side,
          ticks,
          lots: 3,
          timeInForce: 'IOC',
        })
        if (filledLots > 0) trades++
      }
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    proxy.wild(false)
    stop.abort()
    await quoting
    await until(() => maker.state === 'open' && maker.unknownFrames === 0, 'calm')
    await maker.cancelAll()
    expect(trades).toBeGreaterThan(5)
    expect(proxy.drops()).toBeGreaterThan(0)

    // What the client believes is what the exchange says.
    const all = await maker.fills({ limit: 1000 })
    await until(() => fills.fills.length === all.length || all.length === 1000, 'fills')
    expect(doubled).toBe(0)
    expect(fills.complete).toBe(true)
    if (all.length < 1000) {
      expect(fills.fills.map(({ seq, index }) => [seq, index])).toEqual(
        all.map(({ seq, index }) => [seq, index]),
      )
    }
    await until(() => orders.live.size === 0 && book.bids().length === 0 && book.asks().length === 0, 'end')
    expect(await maker.orders()).toEqual([])
    for (const { asset, availableUnits, reservedUnits } of await maker.balances()) {
      await until(() => balances.balances.get(asset.id)?.available === availableUnits, 'balance')
      expect(balances.balances.get(asset.id)).toEqual({ available: availableUnits, reserved: reservedUnits })
    }
    console.log(`proxy: ${proxy.drops()} connections cut, ${trades} trades`)
    proxy.close()
  })
})
