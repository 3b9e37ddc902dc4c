/**
 * The attacks of bench/hostile.ts, each run in a process of its own by name: what one account, or nobody,
 * can ask of the exchange within its limits. A connection that is closed comes again; a refusal is no reason
 * to stop.
 */
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { setPriority } from 'node:os'
import { WebSocket } from 'ws'
import { createClient, type Client } from '../../sdk/index.js'
import { OrderType } from '../../engine/codes.js'
import type { WireCommand } from '../../sdk/wire/commands.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { rigWallet } from '../support/gateway-rig.js'

export const ATTACKS = [
  'unknown-methods',
  'never-reads',
  'l3-again',
  'order-by-id',
  'list-orders',
  'cancel-all-empty',
  'iceberg-sweeps',
  'sweeps-at-once',
  'padded-frames',
  'bad-signatures',
  'documents',
  'fills-pages',
  'old-resumes',
  'bad-approvals',
  'toggles',
  'stops-at-one-trigger',
  'stops-that-sweep',
  'idle-http',
  'refused-handshakes',
  'http-refusals',
] as const
export interface AttackOrder {
  readonly name: (typeof ATTACKS)[number]
  readonly port: number
}

/** The attackers' own address. */
const ADDRESS = '127.0.0.9'
const MARKET = 0
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A connection of nobody that sends `texts` without end, and comes again when it is closed. */
function shouter(port: number, texts: readonly string[], reads: boolean): void {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, Subprotocol.Json, { localAddress: ADDRESS })
  const send = (): void => {
    if (socket.readyState !== WebSocket.OPEN) return
    const isFull = socket.bufferedAmount >= 1 << 20
    if (!isFull) for (const text of texts) socket.send(text)
    // Whoever is not read waits: spinning would take the machine's time, not the exchange's.
    if (isFull) setTimeout(send, 5)
    else setImmediate(send)
  }
  socket.once('open', () => {
    if (!reads) socket.pause()
    send()
  })
  socket.on('error', () => {})
  socket.once('close', () => setTimeout(() => shouter(port, texts, reads), 50))
}

/** A handshake of a version that is not spoken here. */
const OLD_HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: a',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 12',
].join('\r\n')

/** A connection that writes `requests` without end and reads what comes, and comes again at once when it is closed. */
function writer(port: number, requests: Buffer): void {
  const socket = connect({ port, host: '127.0.0.1', localAddress: ADDRESS })
  const write = (): void => {
    if (socket.destroyed) return
    if (socket.write(requests)) setImmediate(write)
    else socket.once('drain', write)
  }
  socket.once('connect', write)
  socket.on('data', () => {})
  socket.on('error', () => {})
  socket.once('close', () => setImmediate(() => writer(port, requests)))
}

/** Both parties of trades follow them: what is told to somebody costs more than what is only kept. */
async function follow(...clients: Client[]): Promise<void> {
  for (const client of clients) {
    await client.subscribeOrders(() => {})
    await client.subscribeFills(() => {})
  }
}

/** 10,000 lots of which one is shown at a time: as many fills for whoever takes them. */
function iceberg(client: Client, side: 'buy' | 'sell', ticks: number): WireCommand {
  const order = client.place({ market: MARKET, side, ticks, lots: 10_000 })
  return { ...order, displayLots: 1 } as typeof order
}

async function member(port: number, index: number): Promise<Client> {
  const client = await createClient({ url: `ws://127.0.0.1:${port}`, wallet: rigWallet(index) }).connect()
  await client.createSession()
  return client
}

/** An approval for another's account, which its wallet has not signed. */
async function badApproval(port: number): Promise<void> {
  const expiresAtMs = Date.now() + 3_600_000
  const key = `A${'A'.repeat(43)}`
  const params = [1, key, 3, 0, expiresAtMs, Date.now() * 1000, Date.now() + 60_000, 'A'.repeat(87)]
  const response = await fetch(`http://127.0.0.1:${port}/v1/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  })
  await response.text()
}

/** Asks `width` times at once, for ever. */
async function hammer(ask: () => Promise<unknown>, width: number): Promise<void> {
  for (;;) {
    await Promise.all(Array.from({ length: width }, () => ask().catch(() => pause(1))))
  }
}

async function run({ name, port }: AttackOrder): Promise<void> {
  const many = (method: string, params: unknown[]): string[] =>
    Array.from({ length: 100 }, (_, id) => JSON.stringify([0, id, method, params]))
  const started = (): void => void process.send?.('started')
  switch (name) {
    case 'unknown-methods':
      for (let count = 0; count < 10; count++) shouter(port, many('nonsense', []), true)
      started()
      return
    case 'never-reads':
      for (let count = 0; count < 100; count++) shouter(port, many('depth', [MARKET, 1000]), false)
      started()
      return
    case 'l3-again':
      for (let count = 0; count < 4; count++)
        shouter(
          port,
          [...many('subscribe', ['l3:0']).slice(0, 1), ...many('unsubscribe', ['l3:0']).slice(0, 1)],
          true,
        )
      started()
      return
    case 'old-resumes':
      for (let count = 0; count < 10; count++) {
        const names = ['trades:0', 'book:0', 'l3:0', 'candles:0:1m']
        const texts = names.flatMap((stream, id) => [
          JSON.stringify([0, id, 'subscribe', [stream, [1, 1]]]),
          JSON.stringify([0, id, 'unsubscribe', [stream]]),
        ])
        shouter(port, texts, true)
      }
      started()
      return
    case 'bad-approvals':
      started()
      await hammer(() => badApproval(port), 16)
      return
    case 'idle-http': {
      // Each connection asks once and is kept open.
      const agent = new Agent({ keepAlive: true, localAddress: ADDRESS })
      started()
      await hammer(
        () =>
          new Promise((resolve, reject) =>
            get({ host: '127.0.0.1', port, path: '/v1/time', agent }, (response) => {
              response.resume()
              response.once('end', resolve)
            }).once('error', reject),
          ),
        256,
      )
      return
    }
    case 'refused-handshakes':
    case 'http-refusals': {
      const request = name === 'http-refusals' ? 'GET /x HTTP/1.1\r\nHost: a' : OLD_HANDSHAKE
      const requests = Buffer.from(`${request}\r\n\r\n`.repeat(100))
      for (let count = 0; count < 4; count++) writer(port, requests)
      started()
      return
    }
    case 'documents':
      started()
      await hammer(async () => (await fetch(`http://127.0.0.1:${port}/v1/openapi.json`)).text(), 16)
      return
    default:
  }
  const client = await member(port, 1)
  started()
  switch (name) {
    case 'order-by-id':
      await hammer(() => client.order({ orderId: 1 }), 16)
      return
    case 'list-orders':
      await hammer(() => client.orders(), 4)
      return
    case 'cancel-all-empty':
      await hammer(
        () =>
          client.batch(Array.from({ length: 64 }, () => client.cancelAllOf({ market: MARKET, side: 'buy' }))),
        8,
      )
      return
    case 'iceberg-sweeps': {
      const taker = await member(port, 2)
      await follow(client, taker)
      await hammer(async () => {
        await client.batch([iceberg(client, 'sell', 50_000)])
        await taker.placeOrder({
          market: MARKET,
          side: 'buy',
          ticks: 50_000,
          lots: 10_000,
          timeInForce: 'IOC',
        })
      }, 1)
      return
    }
    case 'sweeps-at-once': {
      const taker = await member(port, 2)
      await follow(client, taker)
      const sweep = { market: MARKET, side: 'buy', ticks: 50_000, lots: 1000, timeInForce: 'IOC' } as const
      await hammer(async () => {
        await client.batch(Array.from({ length: 7 }, () => iceberg(client, 'sell', 50_000)))
        // Frames that do nothing: to an exchange that watches what frames do, these two are a busy, harmless address.
        for (let round = 0; round < 8; round++)
          await Promise.all(Array.from({ length: 64 }, () => taker.cancelAll({ market: MARKET })))
        // One refused is no reason not to see the others through.
        await Promise.allSettled(Array.from({ length: 64 }, () => taker.placeOrder(sweep)))
      }, 1)
      return
    }
    case 'fills-pages': {
      const taker = await member(port, 2)
      for (let count = 0; count < 40; count++)
        for (const [each, side] of [
          [client, 'sell'],
          [taker, 'buy'],
        ] as const)
          await each.batch(
            Array.from({ length: 64 }, () => each.place({ market: MARKET, side, ticks: 60_000, lots: 1 })),
          )
      await hammer(() => client.call('fills', [{}]), 4)
      return
    }
    case 'toggles':
      await hammer(async () => {
        await client.cancelAfter(60_000)
        await client.setProtection(MARKET, { windowMs: 1000, fills: 10 })
        await client.resetProtection(MARKET)
        await client.cancelAfter(0)
      }, 16)
      return
    case 'stops-at-one-trigger': {
      const taker = await member(port, 2)
      await hammer(async () => {
        for (let count = 0; count < 16; count++)
          await client.batch(
            Array.from({ length: 64 }, () => {
              const stop = client.place({ market: MARKET, side: 'sell', ticks: 54_000, lots: 1 })
              return { ...stop, orderType: OrderType.StopLimit, triggerTicks: 55_000 } as typeof stop
            }),
          )
        await client.placeOrder({ market: MARKET, side: 'sell', ticks: 55_000, lots: 1 })
        await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 55_000, lots: 1 })
      }, 1)
      return
    }
    case 'stops-that-sweep': {
      const taker = await member(port, 2)
      await follow(client, taker)
      const stop = (): WireCommand => {
        const order = client.place({ market: MARKET, side: 'sell', ticks: 54_000, lots: 1000 })
        return { ...order, orderType: OrderType.StopLimit, triggerTicks: 55_000 } as typeof order
      }
      await hammer(async () => {
        await taker.batch(Array.from({ length: 10 }, () => iceberg(taker, 'buy', 54_000)))
        for (const stops of [50, 50]) await client.batch(Array.from({ length: stops }, stop))
        await client.placeOrder({ market: MARKET, side: 'sell', ticks: 55_000, lots: 1 })
        await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 55_000, lots: 1 })
      }, 1)
      return
    }
    case 'padded-frames':
    case 'bad-signatures': {
      const { approval } = (await client.sessions()).at(-1)!
      const blanks = name === 'padded-frames' ? ' '.repeat(15_000) : ''
      const signature = new Uint8Array(64)
      let nonce = 1
      await hammer(
        () =>
          client.call('frame', [2, approval, Date.now() * 1000 + nonce++, `[[3,0,"1"]]${blanks}`, signature]),
        64,
      )
      return
    }
    default:
      throw new Error(`no attack ${name}`)
  }
}

const [, , order] = process.argv
if (process.send !== undefined && order !== undefined) {
  // Its own work is not what is measured: where both want a core, the exchange has it.
  setPriority(10)
  await run(JSON.parse(order) as AttackOrder)
}
