/**
 * `connect` and `close` in any order: one connection at most, made by one attempt at a time, and none after `close`.
 */
import { type FakeExchange, startFakeExchange } from '../../test/support/fake-exchange.js'
import { until } from '../../test/support/until.js'
import type { Client } from '../index.js'
import { Control, Kind, Method } from '../wire/layout.js'

let exchange: FakeExchange
beforeEach(async () => {
  exchange = await startFakeExchange()
})
afterEach(() => exchange.close())

const openConnections = (): number => exchange.connections.filter(({ isOpen }) => isOpen).length

async function comesBack(client: Client): Promise<void> {
  const before = exchange.connections.length
  exchange.line.drop()
  await until(() => exchange.connections.length > before && client.state === 'open', 'the next connection')
}

test('an attempt that close gave up does nothing to the one that follows', async () => {
  const client = exchange.client()
  const first = client.connect()
  client.close()
  const second = client.connect()
  await expect(first).rejects.toMatchObject({ name: 'TransportError' })
  await second
  expect(client.state).toBe('open')
  await comesBack(client)
  expect(await client.time()).toBeGreaterThan(0)
  expect(openConnections()).toBe(1)
})

test('nor does one that was given up behind its hello', async () => {
  const client = exchange.client()
  let asked = 0
  exchange.answer = ({ method }) => (method === Method.Time && ++asked === 1 ? 'silent' : undefined)
  const first = client.connect()
  await until(() => asked === 1, 'the question')
  client.close()
  await Promise.all([
    expect(first).rejects.toMatchObject({ name: 'TransportError' }),
    expect(client.connect()).resolves.toBe(client),
  ])
  expect(client.state).toBe('open')
  await comesBack(client)
})

test('a client that was closed while it reconnected is connected again, by one loop', async () => {
  const client = exchange.client()
  await client.connect()
  client.dropConnection()
  client.close()
  await client.connect()
  await comesBack(client)
  // Long enough for a loop of before to make one of its own.
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(exchange.connections).toHaveLength(3)
  expect(openConnections()).toBe(1)
})

test('connect joins the attempt under way, and does nothing where the connection stands', async () => {
  const client = exchange.client()
  const states: string[] = []
  client.onState((state) => states.push(state))
  await Promise.all([client.connect(), client.connect()])
  await client.connect()
  expect(exchange.connections).toHaveLength(1)
  expect(states).toEqual(['connecting', 'open'])
  client.close()
  await until(() => openConnections() === 0, 'the end')
})

test('connect does not wait for the pause before the next attempt, which makes none of its own', async () => {
  const client = exchange.client()
  await client.connect()
  let notices = 0
  client.onNotice(() => notices++)
  // The exchange asks for a pause that nobody would wait for here.
  exchange.line.send([Kind.Control, Control.Shutdown, { retryAfter: 10_000_000 }])
  await until(() => notices > 0, 'the notice')
  exchange.line.drop()
  await until(() => client.state === 'closed', 'the drop')
  await Promise.all([client.connect(), client.connect()])
  expect(client.state).toBe('open')
  expect(exchange.connections).toHaveLength(2)
  await comesBack(client)
  client.close()
  await until(() => openConnections() === 0, 'the end')
  expect(exchange.connections).toHaveLength(3)
})

test('an attempt by hand that fails leaves the client to reconnect', async () => {
  const client = exchange.client()
  await client.connect()
  let refused = 0
  exchange.answer = ({ method, connection }) => {
    if (method !== Method.Time || refused > 0) return undefined
    refused++
    connection.drop()
    return 'silent'
  }
  exchange.line.drop()
  await until(() => client.state === 'closed', 'the drop')
  await expect(client.connect()).rejects.toMatchObject({ name: 'TransportError' })
  await until(() => client.state === 'open', 'the loop')
  expect(refused).toBe(1)
  expect(openConnections()).toBe(1)
})

test('whoever hears that it is closed may connect', async () => {
  const client = exchange.client({ reconnect: false })
  await client.connect()
  let attempts = 0
  client.onState((state) => {
    if (state !== 'closed' || attempts > 0) return
    attempts++
    void client.connect()
  })
  exchange.line.drop()
  await until(() => attempts === 1 && client.state === 'open', 'the next connection')
  expect(exchange.connections).toHaveLength(2)
})
