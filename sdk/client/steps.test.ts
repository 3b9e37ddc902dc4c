/** The SDK keeps step with the exchange: books that heal, outcomes that are found, streams as iterables. */
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { until } from '../../test/support/until.js'
import { type Client, type Notice, OutcomeUnknownError, createClient } from '../index.js'
import { LocalBook } from '../streams/local-book.js'

const MARKET = 'ETH-USDC'

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

  test('an iterable ends with its client', async () => {
    const client = await open(2)
    const kinds: string[] = []
    const reading = (async () => {
      for await (const { kind } of client.messages('bbo:0')) kinds.push(kind)
    })()
    await until(() => kinds.length > 0, 'the snapshot')
    client.close()
    await reading
    expect(kinds).toEqual(['snapshot'])
  })

  test('a client is told when its budget is nearly spent, and when the exchange stops', async () => {
    const small = await startRig({ accounts: 1, config: { orderRate: { perSecond: 1, burst: 50 } } })
    const client = await createClient({
      url: small.url,
      wallet: small.wallets[0]!,
      reconnect: false,
    }).connect()
    await client.createSession()
    const notices: Notice[] = []
    client.onNotice((notice) => notices.push(notice))
    const orders = Array.from({ length: 48 }, () =>
      client.place({ market: MARKET, side: 'buy', ticks: 5, lots: 1 }),
    )
    await client.batch(orders)
    await until(() => notices.length > 0, 'a notice')
    await small.stop()
    await until(() => client.state === 'closed', 'the end')
    expect(notices.map(({ kind }) => kind)).toEqual(['throttle', 'shutdown'])
  })
})
