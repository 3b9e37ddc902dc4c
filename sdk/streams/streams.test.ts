/**
 * Streams through gaps, doubles, refusals and broken connections, against an exchange that does exactly what
 * the test says: what was missed is made good from where it was missed, or said to be missing.
 */
import { type FakeAnswer, type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { until } from '../../test/support/until.js'
import { type Client, type ClientOptions, ErrorCode, createSessionKey } from '../index.js'
import { Control, Kind, Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'

let exchange: FakeExchange
beforeEach(async () => {
  exchange = await startFakeExchange()
})
afterEach(() => exchange.close())

async function open(options?: Partial<ClientOptions>): Promise<Client> {
  const client = await exchange.loggedOn(options)
  exchange.requests.length = 0
  return client
}

const fill = (seq: number, index = 0): WireValue => [seq, index, 0, 0, 50, 1, 0, 1, 7, 1, 0, 1]
const level = (ticks: number): WireValue => [[[ticks, 1, 1]], []]

/** Answers to subscriptions of `name`: each is what `begin` says, sent right after the acceptance. */
function serve(
  name: string,
  begin: (position: readonly number[] | undefined, time: number) => FakeAnswer | (() => void) | undefined,
): void {
  let time = 0
  const before = exchange.answer
  exchange.answer = (request) => {
    if (request.method !== Method.Subscribe || request.params[0] !== name) return before(request)
    const answer = begin(request.params[1] as number[] | undefined, ++time)
    if (typeof answer !== 'function') return answer
    // After the acceptance, as an exchange does.
    setImmediate(answer)
    return undefined
  }
}

describe('history', () => {
  test('a gap in fills is made good from the last good position: none is lost, and complete is true', async () => {
    const client = await open()
    const positions: unknown[] = []
    serve('fills', (position, time) => {
      positions.push(position)
      if (time === 1) return () => exchange.line.snapshot('fills', 10, [1, []])
      return {
        result: { stream: 'fills', resumedTo: 13 },
      }
    })
    const fills = await client.trackFills()
    expect(fills.ready).toBe(true)
    exchange.line.event('fills', 11, 10, [fill(11)])
    await until(() => fills.fills.length === 1, 'the first fill')
    // 12 is lost on the way.
    exchange.line.event('fills', 13, 12, [fill(13)])
    await until(() => positions.length === 2, 'the recovery')
    expect(positions).toEqual([undefined, [1, 11]])
    expect(fills.ready).toBe(false)
    exchange.line.event('fills', 12, 11, [fill(12)])
    exchange.line.event('fills', 13, 12, [fill(13)])
    await until(() => fills.ready, 'the end of the recovery')
    expect(fills.fills.map(({ seq }) => seq)).toEqual([11, 12, 13])
    expect(fills.complete).toBe(true)
  })

  test('what the exchange does not keep any more is told as missing', async () => {
    const client = await open()
    serve('fills', (_, time) =>
      time === 1
        ? () => exchange.line.snapshot('fills', 10, [1, []])
        : () => exchange.line.snapshot('fills', 30, [0, [fill(29)]]),
    )
    const fills = await client.trackFills()
    exchange.line.event('fills', 13, 12, [fill(13)])
    await until(() => fills.fills.length === 1, 'the snapshot')
    expect(fills.complete).toBe(false)
    expect(fills.ready).toBe(true)
  })

  test('doubles and late ones are told once, and ask for nothing', async () => {
    const client = await open()
    serve('fills', () => () => exchange.line.snapshot('fills', 10, [1, []]))
    const fills = await client.trackFills()
    for (const _ of [1, 2]) exchange.line.event('fills', 11, 10, [fill(11)])
    exchange.line.event('fills', 12, 11, [fill(12)])
    exchange.line.event('fills', 11, 10, [fill(11)])
    exchange.line.event('fills', 13, 12, [fill(13)])
    await until(() => fills.fills.length === 3, 'fills')
    expect(exchange.count(Method.Subscribe)).toBe(1)
    expect(fills.ready).toBe(true)
  })

  test('a gap in orders goes on from the last good position too', async () => {
    const client = await open()
    const positions: unknown[] = []
    serve('orders', (position, time) => {
      positions.push(position)
      return time === 1
        ? () => exchange.line.snapshot('orders', 10, [])
        : { result: { stream: 'orders', resumedTo: 10 } }
    })
    const orders = await client.trackOrders()
    exchange.line.event('orders', 13, 12, [])
    await until(() => positions.length === 2 && orders.ready, 'the recovery')
    expect(positions).toEqual([undefined, [1, 10]])
  })
})

test('a book is asked for whole or to a depth that the exchange has', async () => {
  const client = await open()
  const followed = [
    await client.subscribeBook(0, () => {}),
    await client.subscribeBook(0, () => {}, 5),
    await client.subscribeBook(0, () => {}, 50),
  ]
  expect(exchange.requests.map(({ params }) => params)).toEqual([['book:0'], ['book:0:5'], ['book:0:50']])
  await expect((async () => client.subscribeBook(0, () => {}, 7 as never))()).rejects.toThrow(/depth is 7/)
  for (const end of followed) await end()
})

test.each<[string, WireValue[], WireValue]>([
  [
    'fills',
    [
      [1, [fill(11)]],
      [0, [fill(12)]],
      [1, [fill(13)]],
    ],
    [0, [fill(11), fill(12), fill(13)]],
  ],
  ['orders', [[[1]], [[2], [3]]], [[1], [2], [3]]],
  [
    'book:0',
    [
      [[[50, 1, 1]], []],
      [[[49, 1, 1]], [[51, 2, 1]]],
    ],
    [
      [
        [50, 1, 1],
        [49, 1, 1],
      ],
      [[51, 2, 1]],
    ],
  ],
])('a snapshot of %s that comes in pages is told as one', async (name, pages, whole) => {
  const client = await open()
  serve(name, () => () => {
    for (const [at, page] of pages.entries())
      exchange.line.send([Kind.Snapshot, name, 1, 10, page, null, ...(at < pages.length - 1 ? [1] : [])])
  })
  const told: unknown[] = []
  await client.subscribe(name, ({ kind, data }) => told.push([kind, data]))
  await until(() => told.length > 0, 'the snapshot')
  expect(told).toEqual([['snapshot', whole]])
})

describe('recovery', () => {
  test('a line that breaks while a stream is being recovered: it goes on with the next line', async () => {
    const client = await open()
    serve('book:0', (_, time) =>
      time === 2 ? 'silent' : () => exchange.line.snapshot('book:0', 10 * time, level(50)),
    )
    const book = await client.trackBook(0)
    exchange.line.event('book:0', 13, 12, level(51))
    await until(() => exchange.count(Method.Subscribe, 'book:0') === 2, 'the recovery')
    exchange.line.drop()
    await until(() => book.ready, 'the book')
    expect(exchange.count(Method.Subscribe, 'book:0')).toBe(3)
  })

  test('one is in flight, whatever comes meanwhile; a refusal is tried again after what the exchange asks for', async () => {
    const client = await open()
    let release = (): void => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const times: number[] = []
    let time = 0
    exchange.answer = async ({ method, params }) => {
      if (method !== Method.Subscribe || params[0] !== 'book:0') return undefined
      times.push(performance.now())
      time++
      if (time === 1) setImmediate(() => exchange.line.snapshot('book:0', 10, level(50)))
      if (time === 2) {
        await held
        return { error: ErrorCode.RateLimited, retryAfter: 150 }
      }
      if (time === 3) setImmediate(() => exchange.line.snapshot('book:0', 60, level(55)))
      return undefined
    }
    const book = await client.trackBook(0)
    exchange.line.event('book:0', 13, 12, level(51))
    await until(() => time === 2, 'the recovery')
    expect(book.ready).toBe(false)
    // Each of these is a gap as well.
    for (let seq = 20; seq < 50; seq++) exchange.line.event('book:0', seq, seq - 1, level(52))
    release()
    await until(() => book.ready, 'the book')
    expect(time).toBe(3)
    expect(times[2]! - times[1]!).toBeGreaterThanOrEqual(145)
    expect(book.bids(1)[0]!.ticks).toBe(55)
    // It is alive.
    exchange.line.event('book:0', 61, 60, level(56))
    await until(() => book.bids(1)[0]!.ticks === 56, 'the next event')
  })

  test('a stream that was accepted and does not begin is asked for again', async () => {
    const client = await open({ requestTimeoutMs: 100 })
    serve('book:0', (_, time) =>
      time === 1 ? () => {} : () => exchange.line.snapshot('book:0', 10, level(50)),
    )
    const book = await client.trackBook(0)
    expect(book.ready).toBe(true)
    expect(exchange.count(Method.Unsubscribe, 'book:0')).toBe(1)
  })

  test('a line that is down: not ready from its end on, ready when all that was missed is there', async () => {
    const client = await open()
    serve('book:0', (_, time) =>
      time === 1
        ? () => exchange.line.snapshot('book:0', 10, level(50))
        : { result: { stream: 'book:0', resumedTo: 12 } },
    )
    const book = await client.trackBook(0)
    expect(book.ready).toBe(true)
    const states: [string, boolean][] = []
    client.onState((state) => states.push([state, book.ready]))
    exchange.line.drop()
    await until(
      () => client.state === 'open' && exchange.count(Method.Subscribe, 'book:0') === 2,
      'the connection',
    )
    expect(states).toEqual([
      ['closed', false],
      ['connecting', false],
      ['open', false],
    ])
    exchange.line.event('book:0', 11, 10, level(51))
    await client.time()
    expect(book.bids(1)[0]!.ticks).toBe(51)
    expect(book.ready).toBe(false)
    exchange.line.event('book:0', 12, 11, level(52))
    await until(() => book.ready, 'the book')
  })

  test('a resume without anything missed is ready at once', async () => {
    const client = await open()
    serve('book:0', (position) =>
      position === undefined
        ? () => exchange.line.snapshot('book:0', 10, level(50))
        : { result: { stream: 'book:0', resumedTo: 10 } },
    )
    const book = await client.trackBook(0)
    exchange.line.drop()
    await until(() => !book.ready, 'the end')
    await until(() => book.ready, 'the book')
  })

  test('a snapshot in place of what was missed: not ready until it is there', async () => {
    const client = await open()
    serve('book:0', () => () => exchange.line.snapshot('book:0', 10, level(50)))
    const book = await client.trackBook(0)
    exchange.line.send([Kind.Control, Control.Resync, { stream: 'book:0' }])
    await client.time()
    expect(book.ready).toBe(false)
    exchange.line.snapshot('book:0', 40, level(53))
    await until(() => book.ready, 'the book')
    expect(book.bids().map(({ ticks }) => ticks)).toEqual([53])
  })

  test('a tracker that joins a stream later begins with a snapshot too', async () => {
    const client = await open()
    serve('book:0', () => () => exchange.line.snapshot('book:0', 10, level(50)))
    const seen: string[] = []
    await client.subscribe('book:0', ({ kind }) => seen.push(kind))
    await until(() => seen.length === 1, 'the snapshot')
    const book = await client.trackBook(0)
    expect(book.bids().map(({ ticks }) => ticks)).toEqual([50])
  })
})

describe('refusals', () => {
  test('a stream whose session has ended waits for the next one, and is not asked for until then', async () => {
    const client = await open()
    let loggedOn = true
    serve('orders', () =>
      loggedOn ? () => exchange.line.snapshot('orders', 10, []) : { error: ErrorCode.NotLoggedOn },
    )
    const orders = await client.trackOrders()
    loggedOn = false
    exchange.line.send([Kind.Control, Control.SessionEnded, { account: 1, approval: 1 }])
    await until(() => exchange.count(Method.Subscribe, 'orders') === 2, 'the question without a session')
    // Several of the pauses between attempts.
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(exchange.count(Method.Subscribe, 'orders')).toBe(2)
    expect(orders.ready).toBe(false)
    loggedOn = true
    await client.logon({ approval: 1, account: 1, key: await createSessionKey() })
    await until(() => orders.ready, 'the orders')
    expect(exchange.count(Method.Subscribe, 'orders')).toBe(3)
  })

  test('one refused stream ends with its error, and harms nothing else', async () => {
    const errors: unknown[] = []
    const client = await open({ onError: (error) => errors.push(error) })
    let refuse = false
    serve('bbo:0', () =>
      refuse ? { error: ErrorCode.UnknownStream } : () => exchange.line.snapshot('bbo:0', 1, [null, null]),
    )
    serve('book:0', (position) =>
      position === undefined
        ? () => exchange.line.snapshot('book:0', 10, level(50))
        : { result: { stream: 'book:0', resumedTo: 10 } },
    )
    const ended: unknown[] = []
    const kinds: string[] = []
    await client.subscribe('bbo:0', ({ kind }) => kinds.push(kind), { ended: (error) => ended.push(error) })
    await until(() => kinds.length === 1, 'the snapshot')
    const reading = (async () => {
      for await (const _ of client.messages('bbo:0'));
    })().catch((error: unknown) => error)
    const book = await client.trackBook(0)
    refuse = true
    exchange.line.drop()
    await until(() => ended.length === 1 && book.ready, 'the end of the stream')
    expect(ended).toEqual([expect.objectContaining({ codeName: 'UnknownStream' })])
    expect(errors).toEqual(ended)
    expect(await reading).toBe(ended[0])
    expect(client.state).toBe('open')
    expect(exchange.connections).toHaveLength(2)
    await client.time()
    expect(exchange.count(Method.Subscribe, 'bbo:0')).toBe(2)
  })

  test('a tracker whose stream is refused says so, and can be asked for again', async () => {
    const client = await open({ onError: () => {} })
    let refuse = false
    serve('balances', () =>
      refuse ? { error: ErrorCode.TooManySubscriptions } : () => exchange.line.snapshot('balances', 1, []),
    )
    const balances = await client.trackBalances()
    refuse = true
    exchange.line.drop()
    await until(() => balances.error !== undefined, 'the refusal')
    expect(balances.ready).toBe(false)
    expect(balances.error).toMatchObject({ codeName: 'TooManySubscriptions' })
    refuse = false
    expect(await client.trackBalances()).not.toBe(balances)
  })

  test('a first subscription that is refused throws, to everybody who waits for it', async () => {
    const client = await open()
    serve('nothing', () => ({ error: ErrorCode.UnknownStream }))
    const calls = [1, 2].map(() => client.subscribe('nothing', () => {}))
    for (const result of await Promise.allSettled(calls)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { codeName: 'UnknownStream' } })
    }
  })

  test('attempts to connect back off while connections end at once', async () => {
    const client = await open({ reconnectDelayMsMax: 100_000 })
    // Closed again as soon as it has been greeted.
    exchange.answer = ({ method, connection }) => {
      if (method === Method.Logon) connection.drop()
      return method === Method.Logon ? 'silent' : undefined
    }
    exchange.line.drop()
    await new Promise((resolve) => setTimeout(resolve, 1500))
    // Pauses double from 100 ms: 35 in 4 s is what they were without.
    expect(exchange.connections.length).toBeLessThan(10)
    expect(client.state).not.toBe('open')
  })
})

describe('callbacks', () => {
  test('what a callback throws reaches onError; the process, the stream and the others go on', async () => {
    const client = await open()
    const errors: unknown[] = []
    client.onError((error) => errors.push((error as Error).message))
    client.onError(() => {
      throw new Error('even here')
    })
    const quiet = console.error
    console.error = () => {}
    try {
      serve('trades:0', () => () => exchange.line.snapshot('trades:0', 1, []))
      serve('fills', () => () => exchange.line.snapshot('fills', 1, [1, []]))
      serve('orders', () => () => exchange.line.snapshot('orders', 1, []))
      const seen: number[] = []
      await client.subscribeTrades(0, () => {
        throw new Error('trades')
      })
      await client.subscribeTrades(0, () => Promise.reject(new Error('later')))
      await client.subscribeTrades(0, ({ seq }) => seen.push(seq))
      const fills = await client.trackFills()
      fills.onFill(() => {
        throw new Error('fill')
      })
      const orders = await client.trackOrders()
      orders.onOrder(() => {
        throw new Error('order')
      })
      client.onNotice(() => {
        throw new Error('notice')
      })
      errors.length = 0
      exchange.line.event('trades:0', 2, 1, [])
      exchange.line.event('trades:0', 3, 2, [])
      exchange.line.event('fills', 2, 1, [fill(2)])
      exchange.line.event('orders', 2, 1, [[2, 1, 2, 1, 0, 0, 50, 1, 1, 1, 0, 1, 0, 0, 0, 0]])
      exchange.line.send([Kind.Control, Control.Throttle, { budget: 'orders' }])
      await until(() => errors.length === 7 && seen.length === 2, 'the errors')
      expect([...errors].sort()).toEqual(['fill', 'later', 'later', 'notice', 'order', 'trades', 'trades'])
      client.onState(() => {
        throw new Error('state')
      })
      client.close()
      expect(errors.at(-1)).toBe('state')
    } finally {
      console.error = quiet
    }
  })

  test('without onError they go to the console', async () => {
    const client = await open()
    const written: unknown[] = []
    const { error } = console
    console.error = (...values: unknown[]) => void written.push(values.at(-1))
    try {
      serve('bbo:0', () => () => exchange.line.snapshot('bbo:0', 1, [null, null]))
      await client.subscribeBbo(0, () => {
        throw new Error('unheard')
      })
      await until(() => written.length === 1, 'the console')
    } finally {
      console.error = error
    }
    expect(written).toEqual([expect.objectContaining({ message: 'unheard' })])
  })
})
