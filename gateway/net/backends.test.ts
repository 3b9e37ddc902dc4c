/**
 * What every server of sockets must do for the gateway (sockets/backend.ts), asked of each that this machine has, over
 * real sockets: `ws` with node:http always, the native one where it fits this Node. GLASSBOOK_SOCKETS=ws runs the
 * gateway's other suites on the former.
 */
import { createHash } from 'node:crypto'
import { type Socket as TcpSocket, connect } from 'node:net'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { MESSAGE_BYTES_MAX } from '../limits.js'
import { type Client, createClient, createSessionKey } from '../../sdk/index.js'
import { packJson } from '../../sdk/wire/codec.js'
import { ErrorCode, closeCode } from '../../sdk/wire/codes.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { domainPreimage, frameMessage } from '../../sdk/wire/signed.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { addressKey } from '../limits/addresses.js'
import { gatewayConfig } from '../settings/config.js'
import { nodeBackend } from '../sockets/node-backend.js'
import { addressBytes } from '../sockets/node-http.js'
import { loadBackend } from './load-backend.js'

const MARKET = 'ETH-USDC'
const DOMAIN = createHash('sha256')
  .update(domainPreimage(31337, `0x${'11'.repeat(20)}`))
  .digest()
const hasNative = loadBackend('auto').backend !== nodeBackend

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 120_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe.each(hasNative ? (['uws', 'ws'] as const) : (['ws'] as const))('sockets: %s', (sockets) => {
  let rig: Rig
  let trader: Client
  const start = async (config: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    rig = await startRig({ accounts: 2, config: { sockets, ...config } })
    trader = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
  }
  afterEach(async () => {
    trader.close()
    await rig.stop()
  })

  /** A TCP connection, what it was sent, and whether it has ended. */
  const raw = (
    text: string,
    localAddress = '127.0.0.1',
  ): { socket: TcpSocket; got: () => string; ended: () => boolean } => {
    const socket = connect({ port: rig.port, host: '127.0.0.1', localAddress })
    let got = ''
    let ended = false
    socket.on('error', () => {})
    socket.on('data', (data) => (got += data.toString('latin1')))
    socket.on('close', () => (ended = true))
    socket.write(text)
    return { socket, got: () => got, ended: () => ended }
  }
  const askedUntilEnd = async (text: string, localAddress?: string): Promise<string> => {
    const one = raw(text, localAddress)
    await until(one.ended, `the end after ${JSON.stringify(text.slice(0, 40))}: ${one.got()}`)
    return one.got()
  }
  const handshake = (subprotocol: string, version = '13'): string =>
    [
      'GET / HTTP/1.1',
      'Host: a',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      `Sec-WebSocket-Version: ${version}`,
      `Sec-WebSocket-Protocol: ${subprotocol}`,
      '\r\n',
    ].join('\r\n')

  test('log on, trade, follow a stream; ask and trade over HTTP', async () => {
    await start()
    const key = await createSessionKey({ extractable: true })
    const { account, approval } = await trader.createSession({ key })
    const trades: unknown[] = []
    await trader.subscribe('trades:0', ({ data }) => trades.push(...(data as unknown[])))
    const taker = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
    await taker.createSession()
    await trader.placeOrder({ market: MARKET, side: 'sell', ticks: 100, lots: 5 })
    await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 100, lots: 2, timeInForce: 'IOC' })
    await until(() => trades.length === 1, 'the trade')
    taker.close()

    const http = `http://127.0.0.1:${rig.port}`
    expect(await (await fetch(`${http}/v1/depth?market=0`)).json()).toMatchObject({
      levels: [[], [[100, 3, 1]]],
    })
    const payload = packJson([[1, 0, 0, 50, 3, 77]])
    // Above those of the client, which are microseconds.
    const nonce = (Date.now() + 1000) * 1000
    const signature = await key.sign(
      frameMessage(DOMAIN, { account, approval }, nonce, Buffer.from(payload)) as never,
    )
    const post = (body: string): Promise<Response> =>
      fetch(`${http}/v1/frames`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const placed = await post(packJson([account, approval, nonce, payload, signature]))
    expect([placed.status, await placed.json()]).toMatchObject([
      200,
      [expect.any(Number), [[0, expect.any(Number), 1, 3, 0]]],
    ])

    const head = await fetch(`${http}/v1/markets`, { method: 'HEAD' })
    const whole = await (await fetch(`${http}/v1/markets`)).text()
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(whole.length)])
    const options = await fetch(`${http}/v1/frames`, { method: 'OPTIONS' })
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST, OPTIONS'])
    expect((await fetch(`${http}/v1/frames`)).status).toBe(405)
    expect((await post('[')).status).toBe(400)
    const large = await askedUntilEnd(
      `POST /v1/frames HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 70000\r\n\r\n[${' '.repeat(69_999)}`,
    )
    expect(large).toMatch(/^HTTP\/1\.1 413 .*connection: close/is)
    const wide = await askedUntilEnd(`GET /v1/time HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(5000)}\r\n\r\n`)
    // The newer native one says it in its own words.
    expect(wide).toMatch(/^HTTP\/1\.1 431 .*("HeadersTooLarge"|uWebSockets)/is)
    // Behind one that waits for its answer: who asks in a later packet is answered in his turn.
    const line = raw('GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => line.got().startsWith('HTTP/1.1 200'), 'metrics')
    line.socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => line.got().endsWith('ok'), 'an answer behind metrics')
    line.socket.destroy()
  }, 120_000)

  test('a handshake that is refused is answered and cut; a message that is too large ends with its code', async () => {
    await start()
    for (const [asked, status] of [
      [handshake('other'), 'HTTP/1.1 400'],
      [handshake(Subprotocol.Json, '12'), 'HTTP/1.1 426'],
    ] as const) {
      const answer = await askedUntilEnd(asked)
      expect(answer.slice(0, status.length)).toBe(status)
      expect(answer.toLowerCase()).toContain('connection: close')
    }
    const taken = raw(handshake(`other, ${Subprotocol.Json}`))
    await until(() => taken.got().includes('101 Switching'), 'the upgrade')
    expect(taken.got().toLowerCase()).toContain(`sec-websocket-protocol: ${Subprotocol.Json}`)
    taken.socket.destroy()
    const closeOf = async (bytes: number): Promise<number> => {
      const socket = new WebSocket(rig.url, Subprotocol.Msgpack)
      socket.on('error', () => {})
      await new Promise((resolve) => socket.once('open', resolve))
      socket.send(Buffer.alloc(bytes))
      return new Promise((resolve) => socket.once('close', resolve))
    }
    expect(await closeOf(MESSAGE_BYTES_MAX + 1)).toBe(closeCode(ErrorCode.MessageTooLarge))
    // So much is not even read.
    expect([1006, 1009]).toContain(await closeOf(1 << 20))
    await until(() => rig.gateway.stats.connections === 1, 'the end of those connections')
  })

  test('who reads late gets everything, whole and in order, and the newest state of its streams', async () => {
    const FREE = { perSecond: 1e9, burst: 1e9 }
    await start({ conflateBytes: 64 << 10, unsentBytesMax: 1 << 28, requestRate: FREE, orderRate: FREE })
    await trader.createSession()
    for (let part = 0; part < 16; part++)
      await trader.batch(
        Array.from({ length: 64 }, (_, index) =>
          trader.place({ market: MARKET, side: 'buy', ticks: 1000 + part * 64 + index, lots: 1 + index }),
        ),
      )
    const late = new WebSocket(rig.url, Subprotocol.Msgpack)
    const messages: (readonly WireValue[])[] = []
    late.on('message', (data: Buffer) => messages.push(unpackMsgpack(data) as readonly WireValue[]))
    await new Promise((resolve) => late.once('open', resolve))
    late.send(packMsgpack([Kind.Request, 5000, Method.Subscribe, ['book:0']]))
    await until(() => messages.some(([kind]) => kind === Kind.Snapshot), 'the book')
    late.pause()
    // Some 40 MiB: more than the kernel takes.
    const count = 4000
    for (let id = 0; id < count; id++) late.send(packMsgpack([Kind.Request, id, Method.Depth, [0, 1000]]))
    for (let lots = 1; lots < 50; lots++)
      await trader.placeOrder({ market: MARKET, side: 'buy', ticks: 77, lots })
    const { seq } = (await trader.call(Method.Depth, [0, 5])) as { seq: number }
    late.resume()
    const isNewest = (message: readonly WireValue[]): boolean =>
      message[1] === 'book:0' && message[message[0] === Kind.Snapshot ? 3 : 2] === seq
    const results = (): (readonly WireValue[])[] => messages.filter(([kind]) => kind === Kind.Result)
    await until(() => results().length > count && messages.some(isNewest), 'everything')
    const ids = results().map(([, id]) => id as number)
    expect(ids.filter((id) => id < count)).toEqual(Array.from({ length: count }, (_, id) => id))
    late.terminate()
  }, 180_000)

  test('HTTP answers of which a client reads nothing are held one at a time, and arrive whole when it reads', async () => {
    const FREE = { perSecond: 1e9, burst: 1e9 }
    await start({ requestRate: FREE, ipRequestRate: FREE, connectRate: FREE })
    const request = 'GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n'
    const body = await (await fetch(`http://127.0.0.1:${rig.port}/v1/openapi.json`)).text()
    const held = async (): Promise<number> => {
      const metrics = await (await fetch(`http://127.0.0.1:${rig.port}/metrics`)).text()
      return Number(/^glassbook_gateway_held_answers\{[^}]*\} (\d+)$/m.exec(metrics)![1])
    }
    const slow = raw('')
    slow.socket.pause()
    let asked = 0
    // Until the buffers of the kernel are full.
    while ((await held()) === 0) {
      if (asked === 5000) throw new Error('never held')
      slow.socket.write(request)
      asked++
    }
    // Many in one packet: they wait, or end their connection; nobody keeps the answers.
    const before = process.memoryUsage().rss
    const flood = raw(request.repeat(3000))
    flood.socket.pause()
    for (let look = 0; look < 20; look++) expect(await held()).toBeLessThanOrEqual(2)
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(120)
    flood.socket.destroy()
    slow.socket.resume()
    const bytes = Buffer.byteLength(body)
    await until(() => slow.got().length > asked * bytes, 'every answer')
    const answers = slow.got().split('HTTP/1.1 200 OK').slice(1)
    const isWhole = (answer: string): boolean =>
      Buffer.from(answer.split('\r\n\r\n')[1]!, 'latin1').toString() === body
    expect([answers.length, answers.every(isWhole)]).toEqual([asked, true])
    // And the next request is read again.
    slow.socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => slow.got().endsWith('ok'), 'an answer behind them')
    await until(async () => (await held()) === 0, 'nothing held')
    slow.socket.destroy()
  }, 120_000)

  test('who never reads is closed, with bounded memory; an address that is kept out gets nothing', async () => {
    await start({
      unsentBytesMax: 1 << 20,
      requestRate: { perSecond: 1, burst: 50 },
      ipRefusalRate: { perSecond: 1, burst: 50 },
      ipOffenceRate: { perSecond: 1, burst: 1 },
      keptOutS: 600,
    })
    const deaf = raw(handshake(Subprotocol.Msgpack))
    await until(() => deaf.got().includes('101 Switching'), 'the upgrade')
    deaf.socket.pause()
    const ping = Buffer.concat([Uint8Array.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)])
    const pings = Buffer.concat(Array.from({ length: 1000 }, () => ping))
    const before = process.memoryUsage().rss
    for (let written = 0; written < 64 << 20 && !deaf.socket.destroyed; written += pings.length) {
      deaf.socket.write(pings)
      await new Promise((resolve) => setTimeout(resolve, deaf.socket.writableLength > 1 << 20 ? 100 : 0))
      if (deaf.socket.writableLength > 8 << 20) break
    }
    // `ws` answers the pings of a packet with one pong, so that these fill nothing.
    if (sockets === 'uws') await until(() => rig.gateway.stats.connections === 1, 'the close')
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(120)
    deaf.socket.destroy()

    const loud = '127.0.0.66'
    let answer = ''
    for (let count = 0; count < 200 && !answer.includes('is kept out'); count++)
      answer = await askedUntilEnd('GET /x HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(100), loud)
    expect(answer).toContain('is kept out')
    let answered = 0
    for (let count = 0; count < 5; count++)
      if ((await askedUntilEnd('GET /v1/time HTTP/1.1\r\nHost: a\r\n\r\n', loud)).includes('200 OK'))
        answered++
    expect(answered).toBe(0)
    expect((await fetch(`http://127.0.0.1:${rig.port}/v1/time`)).status).toBe(200)
  }, 120_000)

  test('bytes that are no WebSocket, a handshake behind an answer, an expectation: each ends or is answered, none ends more', async () => {
    await start({ connectionsPerIp: 20 })
    // The answer to the first has not left when the second is read.
    const both = raw(`GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n${handshake(Subprotocol.Json)}`)
    await until(() => both.got().includes('200 OK') || both.ended(), 'an answer, or the end')
    both.socket.destroy()
    expect(await (await fetch(`http://127.0.0.1:${rig.port}/healthz`)).text()).toBe('ok')
    // Sockets of a broken client are let go at once, whether it closes them or not: there is room for the next ones.
    for (let count = 0; count < 60; count++) {
      const broken = raw(handshake(Subprotocol.Json))
      await until(() => broken.got().includes('101 Switching'), `upgrade ${count}: ${broken.got()}`)
      broken.socket.write(Buffer.alloc(20, 0xff))
      await until(broken.ended, `the end of connection ${count}`)
    }
    const expecting = raw('GET /v1/time HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n')
    await until(() => expecting.got().includes('HTTP/1.1'), 'an answer')
    expect(expecting.got()).not.toContain(' 417 ')
    expecting.socket.destroy()
  }, 120_000)

  test('a message in a few parts is one message; one in very many is that, or the end of its connection alone', async () => {
    await start()
    const text = Buffer.from('[0,1,"time",[]]')
    /** The message a byte a part, and `empty` parts of nothing between. */
    const parts = (empty: number): Buffer => {
      const part = (first: boolean, last: boolean, bytes: Uint8Array): Buffer =>
        Buffer.concat([
          Uint8Array.of((last ? 0x80 : 0) | (first ? 1 : 0), 0x80 | bytes.length, 0, 0, 0, 0),
          bytes,
        ])
      const nothing = Buffer.concat(
        Array.from({ length: empty }, () => part(false, false, new Uint8Array(0))),
      )
      const of = (index: number): Buffer =>
        part(index === 0, index === text.length - 1, text.subarray(index, index + 1))
      return Buffer.concat([
        of(0),
        nothing,
        ...Array.from({ length: text.length - 1 }, (_, at) => of(at + 1)),
      ])
    }
    const answered = (got: string): boolean => /\[1,1,\[\d+,\d+\]\]/.test(got)
    const few = raw(handshake(Subprotocol.Json))
    await until(() => few.got().includes('101 Switching'), 'the upgrade')
    few.socket.write(parts(0))
    await until(() => answered(few.got()), 'an answer')
    const many = raw(handshake(Subprotocol.Json))
    await until(() => many.got().includes('101 Switching'), 'the upgrade')
    many.socket.write(parts(100_000))
    await until(() => answered(many.got()) || many.ended(), 'an answer, or the end')
    if (sockets === 'ws') expect(answered(many.got())).toBe(false)
    // Nobody else notices.
    few.socket.write(parts(1))
    await until(() => few.got().split('[1,1,').length === 3, 'another answer')
    for (const { socket } of [few, many]) socket.destroy()
  }, 120_000)

  test('a wish for another protocol goes unheard: the request is answered as it is', async () => {
    await start()
    const wish =
      'Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n'
    for (const [line, status] of [
      ['GET /healthz HTTP/1.1', '200 OK'],
      ['GET / HTTP/1.1', '404 Not Found'],
      ['GET /v1/depth?market=0 HTTP/1.1', '200 OK'],
      // A key makes a handshake at the WebSocket's own path alone.
      ['GET /healthz HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '200 OK'],
    ] as const) {
      const one = raw(`${line}\r\n${wish}`)
      await until(() => one.got().includes('\r\n\r\n'), `an answer to ${line}`)
      expect([line, one.got().split('\r\n')[0]]).toEqual([line, `HTTP/1.1 ${status}`])
      one.socket.destroy()
    }
    // With the key it is a handshake, for a protocol that is not spoken.
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13'
    expect(await askedUntilEnd(`GET / HTTP/1.1\r\n${key}\r\n${wish}`)).toMatch(/^HTTP\/1\.1 426 /)
    expect(await (await fetch(`http://127.0.0.1:${rig.port}/healthz`)).text()).toBe('ok')
  }, 120_000)

  test('a stop ends every connection: a WebSocket with its code, idle and half-open ones of HTTP', async () => {
    await start()
    const socket = new WebSocket(rig.url, Subprotocol.Msgpack)
    await new Promise((resolve) => socket.once('open', resolve))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const idle = raw('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => idle.got().endsWith('ok'), 'an answer')
    const half = raw('GET /healthz HTTP/1.1\r\nHo')
    const silent = raw('')
    trader.close()
    const { port } = rig
    await rig.stop()
    expect(await closed).toBe(closeCode(ErrorCode.ShuttingDown))
    await until(() => [idle, half, silent].every(({ ended }) => ended()), 'the end of each')
    const refused = await new Promise((resolve) => connect(port, '127.0.0.1').once('error', resolve))
    expect((refused as NodeJS.ErrnoException).code).toBe('ECONNREFUSED')
    await start()
  })

  test('a metrics port of its own, on each of two threads that share a port', async () => {
    const { sharesPorts } = loadBackend(sockets).backend
    const metricsPort = 20_000 + (process.pid % 20_000)
    if (!sharesPorts) {
      await expect(startRig({ accounts: 1, gateways: 2, config: { sockets } })).rejects.toThrow(
        /gateway\.threads: 2/,
      )
      await start({ metricsPort })
    } else {
      rig = await startRig({ accounts: 1, gateways: 2, config: { sockets, metricsPort } })
      trader = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    }
    for (const port of sharesPorts ? [metricsPort, metricsPort + 1] : [metricsPort]) {
      const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
      expect([answer.status, await answer.text()]).toMatchObject([200, expect.stringContaining('glassbook_')])
      expect((await fetch(`http://127.0.0.1:${port}/v1/time`)).status).toBe(404)
    }
    expect((await fetch(`http://127.0.0.1:${rig.port}/metrics`)).status).toBe(404)
  })
})

test('the setting is checked, and told where a server does not fit', async () => {
  expect(() => gatewayConfig({ sockets: 'uvs' })).toThrow(/gateway\.sockets: .*auto, uws, ws/)
  if (!hasNative) {
    const { notice } = loadBackend('auto')
    expect(notice).toMatch(/no native WebSocket server fits Node .*ws and node:http serve instead/)
    await expect(startRig({ accounts: 1, config: { sockets: 'uws' } })).rejects.toThrow(/gateway\.sockets: /)
  } else expect(loadBackend('uws').notice).toBeUndefined()
  expect(loadBackend('ws')).toEqual({ backend: nodeBackend })
})

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['::1', '0:0:0:0::/64'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8::7', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
])('the bytes of the address %s', (text, key) => {
  expect(addressKey(addressBytes(text))).toBe(key)
})
