/**
 * Clients that mean no good, or mean well and read nothing: what each gets is documented (docs/internals/gateway.md,
 * "Abuse"), those who trade do not notice, and memory stays bounded.
 */
import { createHash } from 'node:crypto'
import { type Socket as TcpSocket, connect } from 'node:net'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient, createSessionKey } from '../../sdk/index.js'
import { type Codec, codecOf, msgpackCodec } from '../../sdk/wire/codec.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { Control, Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { domainPreimage, logonMessage } from '../../sdk/wire/signed.js'
import { Subprotocol } from '../../sdk/wire/version.js'

const MARKET = 'ETH-USDC'
const FREE = { perSecond: 1e9, burst: 1e9 }
/** Clients that come back at once; GLASSBOOK_LONG=1 makes them a thousand. */
const CROWD = process.env['GLASSBOOK_LONG'] === '1' ? 1000 : 100

async function until(condition: () => boolean | Promise<boolean>, what: string, ms = 180_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A TCP connection, everything that it was sent, and whether it has ended. */
function raw(
  port: number,
  localAddress = '127.0.0.1',
): { socket: TcpSocket; text: () => string; ended: () => boolean } {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let text = ''
  let ended = false
  socket.on('error', () => {})
  socket.on('data', (data) => (text += data.toString('latin1')))
  socket.on('close', () => (ended = true))
  return { socket, text: () => text, ended: () => ended }
}

const UPGRADE = [
  'GET / HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Protocol: ${Subprotocol.Msgpack}`,
].join('\r\n')

/** A masked client frame (mask zero), as a browser would send it. */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const head =
    payload.length < 126
      ? [0x80 | opcode, 0x80 | payload.length]
      : [0x80 | opcode, 0xfe, payload.length >> 8, payload.length & 255]
  return Buffer.concat([Uint8Array.from([...head, 0, 0, 0, 0]), payload])
}

/** Answers of a WebSocket of its own, by name of error or 'Result'. */
async function plain(url: string): Promise<{
  socket: WebSocket
  messages: (readonly WireValue[])[]
  closed: () => number | undefined
}> {
  const socket = new WebSocket(url, Subprotocol.Msgpack)
  const messages: (readonly WireValue[])[] = []
  let closed: number | undefined
  socket.on('message', (data: Buffer) => messages.push(unpackMsgpack(data) as readonly WireValue[]))
  socket.on('close', (code) => (closed = code))
  socket.on('error', () => {})
  await until(() => messages.length > 0, 'hello')
  return { socket, messages, closed: () => closed }
}

const rss = (): number => process.memoryUsage().rss / 2 ** 20

describe('abuse', () => {
  let rig: Rig
  let trader: Client
  const start = async (config: Readonly<Record<string, unknown>>): Promise<void> => {
    rig = await startRig({ accounts: 2, config: { orderRate: FREE, cancelRate: FREE, ...config } })
    trader = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    await trader.createSession()
  }
  /** One order in and out: who trades does not notice the others. */
  const trade = async (): Promise<void> => {
    const { cloid } = await trader.placeOrder({ market: MARKET, side: 'buy', ticks: 10, lots: 1 })
    await trader.cancelOrder({ market: MARKET, cloid: cloid! })
  }
  /** Asks for a WebSocket by hand; answers with the status and, of a refusal, the error object. */
  const upgrade = async (): Promise<{ status: string; body?: { code: number; message: string } }> => {
    const one = raw(rig.port)
    one.socket.write(`${UPGRADE}\r\n\r\n`)
    await until(() => /\r\n\r\n/.test(one.text()) && /101 Switching|\}/.test(one.text()), 'an answer')
    const [head, body] = one.text().split('\r\n\r\n') as [string, string]
    one.socket.destroy()
    const status = head.split('\r\n')[0]!.replace('HTTP/1.1 ', '')
    return status.startsWith('101')
      ? { status }
      : { status, body: JSON.parse(body) as { code: number; message: string } }
  }
  afterEach(async () => {
    trader.close()
    await rig.stop()
  })

  test('handshakes that never end are cut, and take nothing from those who trade', async () => {
    await start({})
    const half = Array.from({ length: 300 }, () => raw(rig.port))
    half.forEach(({ socket }, index) => socket.write(index % 3 === 0 ? UPGRADE : 'GET / HTTP/1.1\r\nX: '))
    // A third of them drips on, a byte at a time.
    const drip = setInterval(() => {
      for (const [index, { socket }] of half.entries())
        if (index % 3 === 1 && !socket.destroyed) socket.write('a')
    }, 500)
    await trade()
    await until(() => half.every(({ ended }) => ended()), 'the end of half-open connections')
    clearInterval(drip)
    await trade()
    expect(rig.gateway.stats.connections).toBe(1)
  }, 300_000)

  test('giant headers and requests that are none are refused and cut', async () => {
    await start({})
    const giant = raw(rig.port)
    giant.socket.write(`${UPGRADE}\r\nX-Filler: ${'a'.repeat(1 << 20)}\r\n\r\n`)
    const many = raw(rig.port)
    many.socket.write(
      `${UPGRADE}\r\n${Array.from({ length: 5000 }, (_, index) => `X-${index}: 1`).join('\r\n')}\r\n\r\n`,
    )
    const noise = raw(rig.port)
    noise.socket.write(Buffer.alloc(10_000, 0xff))
    await until(() => [giant, many, noise].every(({ ended }) => ended()), 'the end')
    for (const { text } of [giant, many, noise]) expect(text()).not.toContain('101 Switching')
    await trade()
  })

  test('connections over the bound of an address get 429 until there is room', async () => {
    await start({ connectionsPerIp: 5 })
    const open = await Promise.all(Array.from({ length: 4 }, () => plain(rig.url)))
    expect(await upgrade()).toMatchObject({
      status: '429 Too Many Requests',
      body: { code: 1003, message: expect.stringContaining('5 connections') as string },
    })
    await trade()
    open.pop()!.socket.terminate()
    await until(async () => (await upgrade()).status.startsWith('101'), 'room')
    for (const { socket } of open) socket.terminate()
  })

  test('connections that come too fast from an address get 429 with the time to wait', async () => {
    await start({ connectRate: { perSecond: 1, burst: 3 } })
    const answers = await Promise.all(Array.from({ length: 200 }, () => upgrade()))
    const refused = answers.filter(({ status }) => status.startsWith('429'))
    // The bucket fills by one a second: a few may have come in by time.
    expect(refused.length).toBeGreaterThan(100)
    expect(refused[0]!.body).toMatchObject({
      name: 'ConnectRateLimited',
      retryAfter: expect.any(Number) as number,
    })
    await trade()
  })

  /** An address of nobody else. */
  const LOUD = '127.0.0.66'
  const OLD_UPGRADE = UPGRADE.replace('Version: 13', 'Version: 12')
  const statuses = (text: string): string[] =>
    [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, code]) => code!)
  /** What a connection of its own is answered until it ends. */
  const askedUntilEnd = async (request: string, times = 1): Promise<string> => {
    const one = raw(rig.port, LOUD)
    one.socket.write(`${request}\r\n\r\n`.repeat(times))
    await until(one.ended, 'the end of a refused connection')
    return one.text()
  }

  test('a refused handshake pays and ends its connection', async () => {
    await start({ connectRate: { perSecond: 1, burst: 20 } })
    const texts: string[] = []
    for (let count = 0; count < 60; count++) {
      texts.push(await askedUntilEnd(OLD_UPGRADE))
      // Not by its silence: the answer says so.
      expect(texts.at(-1)!.toLowerCase()).toContain('connection: close')
    }
    const codes = texts.map((text) => statuses(text))
    expect(codes.slice(0, 20)).toEqual(Array(20).fill(['426']))
    // A token comes back each second.
    expect(codes.some(([code]) => code === '429')).toBe(true)
    for (const wrong of [
      UPGRADE.replace('glassbook.v2.msgpack', 'other'),
      `${UPGRADE}\r\nX-Filler: ${'a'.repeat(5000)}`,
    ])
      expect((await askedUntilEnd(wrong)).toLowerCase()).toContain('connection: close')
    await trade()
  })

  test.each([
    ['handshakes', OLD_UPGRADE],
    ['requests', 'GET /x HTTP/1.1\r\nHost: a'],
    ['HEAD requests', 'HEAD /v1/time HTTP/1.1\r\nHost: a'],
  ])(
    'refused %s keep their address out; who goes on is not even answered',
    async (_what, request) => {
      await start({
        requestRate: { perSecond: 1, burst: 200 },
        ipRefusalRate: { perSecond: 1, burst: 200 },
        ipOffenceRate: { perSecond: 1, burst: 2 },
        keptOutS: 600,
      })
      // Many in one packet: what uWebSockets.js has read of a connection it goes on with, closed or not, where `ws`
      // takes one refused handshake of each. So whoever means no good goes on until it is kept out.
      let last = ''
      for (let times = 0; statuses(last)[0] !== '429' || !last.includes('is kept out'); times++) {
        if (times > 200) throw new Error(`never kept out: ${last}`)
        expect(statuses(await askedUntilEnd(request, 2000)).length).toBeLessThan(1000)
        last = await askedUntilEnd('GET /v1/time HTTP/1.1\r\nHost: a\r\nConnection: close')
      }
      const told = await askedUntilEnd('GET /v1/time HTTP/1.1\r\nHost: a')
      expect(told.toLowerCase()).toContain('connection: close')
      const handshake = await askedUntilEnd(UPGRADE)
      if (handshake !== '') expect(statuses(handshake)).toEqual(['429'])
      // Far more than are told in the time that this takes: the connection ends without a word for the rest.
      let answered = 0
      const asked = 20 * 1000
      for (let count = 0; count < 20; count++) answered += statuses(await askedUntilEnd(request, 1000)).length
      expect(answered).toBeLessThan(asked / 2)
      await trade()
    },
    60_000,
  )

  test('a flood of subscriptions is refused by count, then by budget', async () => {
    await start({ subscriptionsMax: 4, requestRate: { perSecond: 100, burst: 500 }, refusalRate: FREE })
    const flood = await plain(rig.url)
    const names = ['book:0', 'bbo:0', 'trades:0', 'ticker:0', 'status:0', 'l3:0']
    for (let id = 0; id < 2000; id++)
      flood.socket.send(packMsgpack([Kind.Request, id, Method.Subscribe, [names[id % 6]!]]))
    const answers = (): (readonly WireValue[])[] =>
      flood.messages.filter(([kind]) => kind === Kind.Result || kind === Kind.Error)
    await until(() => answers().length === 2000, 'every answer')
    const named = answers().map(([kind, , , body]) =>
      kind === Kind.Result ? 'ok' : (body as { name: string }).name,
    )
    expect(named.filter((name) => name === 'ok')).toHaveLength(4)
    expect(new Set(named)).toEqual(
      new Set(['ok', 'AlreadySubscribed', 'TooManySubscriptions', 'RateLimited']),
    )
    expect(flood.closed()).toBeUndefined()
    await trade()
    flood.socket.terminate()
  })

  test('a flood of pings from a client that reads nothing ends with a close, and bounded memory', async () => {
    await start({ unsentBytesMax: 1 << 20 })
    const pinger = raw(rig.port)
    pinger.socket.write(`${UPGRADE}\r\n\r\n`)
    await until(() => pinger.text().includes('101 Switching'), 'the upgrade')
    pinger.socket.pause()
    const before = rss()
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => frame(9, new Uint8Array(125))))
    // As much as would be held for it if nobody looked: kernel buffers take a few MiB of it.
    for (let written = 0; written < 256 << 20 && !pinger.socket.destroyed; written += pings.length) {
      if (!pinger.socket.write(pings)) {
        const drained = new Promise((resolve) => pinger.socket.once('drain', resolve))
        await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, 1000))])
      }
      if (pinger.socket.writableLength > 8 << 20) break
    }
    await until(() => rig.gateway.stats.connections === 1, 'the close')
    expect(rss() - before).toBeLessThan(120)
    await trade()
    pinger.socket.destroy()
  }, 300_000)

  test('a flood of pings from a client that reads is answered, and nobody waits for it', async () => {
    await start({})
    const pinger = await plain(rig.url)
    let pongs = 0
    pinger.socket.on('pong', () => pongs++)
    for (let ping = 0; ping < 20_000; ping++) pinger.socket.ping()
    await trade()
    await until(() => pongs === 20_000, 'pongs')
    pinger.socket.terminate()
  })

  /** 4,096 price levels: a snapshot of some 45 KiB. */
  const fillBook = async (): Promise<void> => {
    for (let part = 0; part < 64; part++) {
      await trader.batch(
        Array.from({ length: 64 }, (_, index) =>
          trader.place({
            market: MARKET,
            side: 'buy',
            ticks: 100_000 + part * 64 + index,
            lots: 1000 + index,
          }),
        ),
      )
    }
  }
  /** Asks for a thousand levels `count` times; a snapshot would wait until the one before has been read. */
  const askDepth = (socket: WebSocket, codec: Codec, count: number): void => {
    for (let id = 0; id < count; id++) socket.send(codec.encode([Kind.Request, id, Method.Depth, [0, 1000]]))
  }
  const isSnapshot = ([kind]: readonly WireValue[]): boolean => kind === Kind.Snapshot

  test('who never reads a private stream is closed with a code', async () => {
    await start({ unsentBytesMax: 1 << 20, openOrdersMax: 1e6 })
    const key = await createSessionKey({ extractable: true })
    const owner = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    const session = await owner.createSession({ key })
    owner.close()
    const deaf = await plain(rig.url)
    const domain = createHash('sha256')
      .update(domainPreimage(31337, `0x${'11'.repeat(20)}`))
      .digest()
    const logon = logonMessage(domain, session, deaf.messages[0]![4] as Uint8Array)
    const params = [session.account, session.approval, await key.sign(logon as never)]
    deaf.socket.send(packMsgpack([Kind.Request, 1, Method.Logon, params]))
    await until(() => deaf.messages.some(([kind]) => kind === Kind.Result), 'the logon')
    deaf.socket.send(packMsgpack([Kind.Request, 2, Method.Subscribe, ['orders']]))
    await until(() => deaf.messages.some(isSnapshot), 'the snapshot')
    await until(() => rig.gateway.stats.connections === 2, 'two connections')
    deaf.socket.pause()
    const before = rss()
    // Orders in and out until far more was to be sent than the kernel's buffers take.
    for (let round = 0; rig.gateway.stats.connections === 2; round++) {
      if (round === 2000) throw new Error('never closed')
      await Promise.all(
        Array.from({ length: 8 }, (_, part) =>
          trader.batch(
            Array.from({ length: 64 }, (_unused, index) =>
              trader.place({
                market: MARKET,
                side: 'buy',
                ticks: 1 + part * 64 + index,
                lots: 1 + (round % 9),
              }),
            ),
          ),
        ),
      )
      await trader.cancelAll()
    }
    expect(rss() - before).toBeLessThan(300)
    await trade()
    deaf.socket.resume()
    await until(() => deaf.closed() !== undefined, 'the close')
    expect(deaf.closed()).toBe(4006)
    // Up to there nothing is missing: it resumes from the last.
    const events = deaf.messages.filter(([kind]) => kind === Kind.Event)
    expect(events.length).toBeGreaterThan(0)
    for (const [index, event] of events.slice(1).entries()) expect(event[3]).toEqual(events[index]![2])
  }, 300_000)

  test('who never reads a public stream is told, and gets the newest state when it reads again', async () => {
    await start({ unsentBytesMax: 128 << 20, conflateBytes: 64 << 10, requestRate: FREE, openOrdersMax: 1e6 })
    await fillBook()
    const deaf = await plain(rig.url)
    deaf.socket.send(packMsgpack([Kind.Request, 100_000, Method.Subscribe, ['book:0']]))
    await until(() => deaf.messages.some((message) => isSnapshot(message) && message[6] === 0), 'the book')
    deaf.socket.pause()
    const rssBefore = rss()
    // Some 54 MiB, more than kernel buffers take (32 MiB to read and 4 MiB to write is usual), all of it answered (the
    // last one, refused, is counted): then the stream goes on.
    askDepth(deaf.socket, msgpackCodec, 6000)
    deaf.socket.send(packMsgpack([Kind.Request, 100_001, Method.Depth, [99, 5]]))
    const refused = new RegExp(`glassbook_rejects_total\\{code="${ErrorCode.UnknownMarket}".* 1$`, 'm')
    for (let told = ''; !refused.test(told);)
      told = await (await fetch(`http://127.0.0.1:${rig.port}/metrics`)).text()
    await trade()
    for (let lots = 1; lots < 200; lots++)
      await trader.placeOrder({ market: MARKET, side: 'buy', ticks: 77, lots })
    expect(rss() - rssBefore).toBeLessThan(300)
    const { seq } = (await trader.call(Method.Depth, [0, 5])) as { seq: number }
    deaf.socket.resume()
    const ofBook = ([, stream]: readonly WireValue[]): boolean => stream === 'book:0'
    const seqOf = (message: readonly WireValue[]): WireValue => message[isSnapshot(message) ? 3 : 2]!
    const newest = (): readonly WireValue[] | undefined => deaf.messages.findLast(ofBook)
    await until(() => newest() !== undefined && seqOf(newest()!) === seq, 'the newest state')
    expect(deaf.closed()).toBeUndefined()
    const slow = deaf.messages.findIndex(([kind, what]) => kind === Kind.Control && what === Control.Slow)
    expect(slow).toBeGreaterThan(0)
    // After that word a snapshot replaces what was skipped, and from there on nothing is missing.
    const after = deaf.messages.slice(slow).filter(ofBook)
    expect(isSnapshot(after[0]!)).toBe(true)
    // How much was skipped depends on when the system's buffers had room; something was.
    const before = deaf.messages.slice(0, slow).findLast(ofBook)!
    expect(seqOf(after[0]!)).toBeGreaterThan(seqOf(before) as number)
    for (const [index, message] of after.slice(1).entries())
      if (!isSnapshot(message)) expect(message[3]).toEqual(seqOf(after[index]!))
    deaf.socket.terminate()
  }, 300_000)

  test.each([Subprotocol.Msgpack, Subprotocol.Json])(
    'large messages to who reads late arrive whole (%s)',
    async (subprotocol) => {
      await start({ unsentBytesMax: 1 << 28, requestRate: FREE, openOrdersMax: 1e6 })
      await fillBook()
      const late = new WebSocket(rig.url, subprotocol)
      const answers: WireValue[] = []
      let failure: unknown
      late.on('error', (error) => (failure = error))
      const codec = codecOf(subprotocol)!
      late.on('message', (data: Buffer, isBinary) => {
        const message = codec.decode(isBinary ? new Uint8Array(data) : data.toString()) as WireValue[]
        if (message[0] === Kind.Result) answers.push((message[2] as { levels: WireValue }).levels)
      })
      await new Promise((resolve) => late.once('open', resolve))
      late.pause()
      // Some 12 MiB, which the kernel takes in pieces.
      const count = 1200
      askDepth(late, codec, count)
      await trade()
      late.resume()
      await until(() => answers.length === count || failure !== undefined, 'answers')
      expect(failure).toBeUndefined()
      const [bids] = answers[0] as [WireValue[]]
      expect(bids).toHaveLength(1000)
      for (const answer of answers) expect(answer).toEqual(answers[0])
      late.terminate()
    },
    60_000,
  )

  test(`${CROWD} clients that come back at once resume: no gap, nothing twice`, async () => {
    await start({ connectRate: FREE, requestRate: FREE })
    const taker = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
    await taker.createSession()
    const clients = await Promise.all(
      Array.from({ length: CROWD }, () => createClient({ url: rig.url, reconnectDelayMsMax: 200 }).connect()),
    )
    const seen = clients.map(() => [] as string[])
    const snapshots = clients.map(() => 0)
    await Promise.all(
      clients.map((client, index) =>
        client.subscribe('trades:0', ({ kind, data }) => {
          if (kind === 'snapshot') snapshots[index]!++
          for (const [seq, fill] of data as number[][]) seen[index]!.push(`${seq}:${fill}`)
        }),
      ),
    )
    const books = await Promise.all(clients.map((client) => client.trackBook(0)))
    const rounds = async (count: number): Promise<void> => {
      for (let round = 0; round < count; round++) {
        await trader.placeOrder({ market: MARKET, side: 'sell', ticks: 100 + (round % 7), lots: 3 })
        await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 110, lots: 2, timeInForce: 'IOC' })
      }
    }
    await rounds(20)
    const trading = rounds(60)
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (const client of clients) client.dropConnection()
    await trading
    await until(() => clients.every(({ state }) => state === 'open'), 'connections')
    await rounds(5)
    const trades = await trader.trades(0, 1000)
    const expected = trades.map(([seq, fill]) => `${seq}:${fill}`)
    expect(expected.length).toBeGreaterThanOrEqual(85)
    await until(() => seen.every((list) => list.length >= expected.length), 'every trade')
    for (const list of seen) expect(list).toEqual(expected)
    expect(snapshots).toEqual(Array(CROWD).fill(1))
    const { asks } = await trader.depth(0, 50)
    await until(() => books.every((book) => book.asks().length === asks.length), 'books')
    for (const book of books) {
      expect(book.asks(50).map(({ ticks, lots, orders }) => [ticks, lots, orders])).toEqual(asks)
      expect(book.healed).toBe(0)
    }
    for (const client of [...clients, taker]) client.close()
  }, 300_000)
})
