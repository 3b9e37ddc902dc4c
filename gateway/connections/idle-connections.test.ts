/** What is open and does nothing is bounded as well: idle HTTP connections, those of all addresses, unread bytes in sum. */
import { type Socket, connect } from 'node:net'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { ErrorCode } from '../../sdk/wire/codes.js'
import { HTTP_IDLE_MS } from '../limits.js'
import type { Connection } from './connection.js'
import { KeptConnections } from './kept-connections.js'
import { connectionsOf } from '../limits/open-files.js'
import { boundUnsent } from './unsent.js'

let rig: Rig
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await rig.stop()
})

/** Asks once on a connection of its own, from an address; answers with the head, and whether it is closed then. */
async function ask(address: string): Promise<{ head: string; closed: () => boolean }> {
  const socket = connect({ port: rig.port, host: '127.0.0.1', localAddress: address })
  sockets.push(socket)
  let closed = false
  socket.on('close', () => (closed = true))
  socket.on('error', () => {})
  const head = await new Promise<string>((resolve) => {
    let text = ''
    socket.on('data', (data) => {
      text += data.toString()
      if (text.includes('\r\n\r\n')) resolve(text)
    })
    socket.write('GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n')
  })
  return { head, closed: () => closed }
}

/** Whether a WebSocket may be opened from an address. */
const opens = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = new WebSocket(rig.url, 'glassbook.v2.json', { localAddress: address })
    socket.once('open', () => resolve(true))
    socket.on('error', () => resolve(false))
  })

test('idle HTTP connections count as connections of their address', async () => {
  rig = await startRig({ accounts: 0, config: { connectionsPerIp: 4 } })
  const [first, second, third, fourth] = [
    await ask('127.0.0.5'),
    await ask('127.0.0.5'),
    await ask('127.0.0.5'),
    await ask('127.0.0.5'),
  ]
  // Half of what the address may have is kept open; of the others the answer is the end.
  for (let waited = 0; !(third.closed() && fourth.closed()) && waited < 2000; waited++)
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect([first, second, third, fourth].map(({ closed }) => closed())).toEqual([false, false, true, true])
  expect(first.head).toContain('200 OK')
  expect(fourth.head).toContain('200 OK')
  expect([await opens('127.0.0.5'), await opens('127.0.0.5'), await opens('127.0.0.5')]).toEqual([
    true,
    true,
    false,
  ])
  // Another address has its own.
  expect(await opens('127.0.0.6')).toBe(true)
})

test('connections of all addresses are bounded, so that there are descriptors left', async () => {
  rig = await startRig({ accounts: 0, config: { connectionsMax: 2 } })
  expect([await opens('127.0.0.5'), await opens('127.0.0.6'), await opens('127.0.0.7')]).toEqual([
    true,
    true,
    false,
  ])
})

describe('without an exchange', () => {
  beforeEach(() => {
    rig = { stop: () => Promise.resolve() } as Rig
  })

  test('connections of a process leave files for everything else', () => {
    expect(connectionsOf(Infinity, 2)).toBe(Infinity)
    expect(connectionsOf(20_000, 1)).toBe(18_976)
    expect(connectionsOf(20_000, 2)).toBe(9488)
    expect(connectionsOf(1024, 1)).toBe(512)
  })

  test('a kept connection is forgotten when it must have ended', () => {
    const kept = new KeptConnections(2)
    expect([kept.keep('a', 0), kept.keep('a', 5), kept.keep('a', 6), kept.keep('b', 6)]).toEqual([
      true,
      true,
      false,
      true,
    ])
    expect(kept.count('a', HTTP_IDLE_MS)).toBe(1)
    expect(kept.keep('a', HTTP_IDLE_MS)).toBe(true)
    kept.sweep(3 * HTTP_IDLE_MS)
    expect(kept.count('a', 3 * HTTP_IDLE_MS)).toBe(0)
  })

  test('those who have read least are closed, until half of the bound is left', () => {
    const closed: [number, number][] = []
    const connections = [10, 500, 30, 400, 100].map(
      (unsentBytes) =>
        ({ unsentBytes, close: (code: number) => closed.push([unsentBytes, code]) }) as unknown as Connection,
    )
    boundUnsent(connections, 1040)
    expect(closed).toEqual([])
    boundUnsent(connections, 1000)
    // 540 are left of the first, 140 of both.
    expect(closed).toEqual([500, 400].map((bytes) => [bytes, ErrorCode.SlowConsumer]))
  })
})
