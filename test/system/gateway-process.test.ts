/**
 * `glassbook start` and `glassbook gateway` as an operator runs them: the gateway is killed, clients come back to the
 * next one and miss nothing; after a restart with a gateway that `start` runs, history, batches and the receipt key are those of before.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { localAccount } from '../../app/start/local-chain.js'
import type { BatchInfo } from '../../gateway/link/messages.js'
import { type Client, createClient } from '../../sdk/index.js'
import { Method } from '../../sdk/wire/layout.js'
import { freePort } from '../support/ports.js'

const main = resolve(fileURLToPath(import.meta.url), '..', '..', '..', 'program', 'main.js')
/** Long, for machines that do much else. */
const WAIT_MS = 600_000

async function until<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + WAIT_MS
  while (Date.now() < deadline) {
    const value = await probe()
    if (value !== undefined && value !== false) return value
    await new Promise((done) => setTimeout(done, 20))
  }
  throw new Error(`not in ${WAIT_MS} ms: ${what}`)
}

interface Program {
  readonly child: ChildProcess
  readonly exited: Promise<number | null>
}
const programs: Program[] = []

/** Starts the program and waits until it has said `ready`. */
async function run(args: readonly string[], ready: string): Promise<Program> {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const exited = new Promise<number | null>((done) => child.once('exit', done))
  programs.push({ child, exited })
  await until(ready, () => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${output}`)
    return output.includes(ready)
  })
  return { child, exited }
}

const batches = async (client: Client): Promise<BatchInfo[]> =>
  (await client.call(Method.Batches, [100])) as unknown as BatchInfo[]

const folder = mkdtempSync(join(tmpdir(), 'glassbook-process-'))
afterAll(async () => {
  for (const { child } of programs) child.kill('SIGTERM')
  await Promise.all(programs.map(({ exited }) => exited))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

test('a gateway process dies and comes back; a restart goes on from there', async () => {
  const dataDir = join(folder, 'data')
  const socket = join(folder, 'gateway.sock')
  const port = String(await freePort())
  const url = `ws://127.0.0.1:${port}`
  const started = ['start', '--data', dataDir, '--batch-seconds', '1']
  const gatewayArgs = ['gateway', '--connect', socket, '--data', dataDir, '--gateway-port', port]
  const exchange = await run([...started, '--gateway-socket', socket], 'Ctrl-C')
  expect(statSync(socket).mode & 0o777).toBe(0o600)
  const first = await run(gatewayArgs, url)
  expect(statSync(join(dataDir, 'receipt-key.pem')).mode & 0o777).toBe(0o600)

  const open = async (index: number): Promise<Client> => {
    const client = await createClient({
      url,
      wallet: localAccount(index),
      reconnectDelayMsMax: 200,
    }).connect()
    await client.createSession()
    return client
  }
  const maker = await open(4)
  const taker = await open(5)
  const book = await taker.trackBook(0)
  const fills = await maker.trackFills()
  const { receipt } = await maker.sendFrameForReceipt([
    maker.place({ market: 0, side: 'sell', ticks: 600_000, lots: 10, cloid: 1n }),
    maker.place({ market: 0, side: 'sell', ticks: 600_100, lots: 10, cloid: 2n }),
  ])
  // Checked against the operator's key by the client; the head is at or after the frame's commands.
  expect(receipt!.lastSeq).toBe(receipt!.firstSeq + 2)
  await taker.placeOrder({ market: 0, side: 'buy', ticks: 600_000, lots: 10, timeInForce: 'IOC' })
  await until('the fill', () => fills.fills.length === 1)

  first.child.kill('SIGKILL')
  await first.exited
  await until('clients notice', () => maker.state !== 'open' && taker.state !== 'open')
  const second = await run(gatewayArgs, url)
  await until('clients are back', () => maker.state === 'open' && taker.state === 'open')
  await taker.placeOrder({ market: 0, side: 'buy', ticks: 600_100, lots: 4, timeInForce: 'IOC' })
  await until('the next fill', () => fills.fills.length === 2)
  expect(fills.fills.map(({ lots }) => lots)).toEqual([10, 4])
  await until('the book', () => book.asks().length === 1)
  expect(book.healed).toBe(0)
  expect(await maker.order({ cloid: 1n })).toMatchObject({ state: 'filled' })
  const batch = await until('a batch', async () => (await batches(maker))[0])

  exchange.child.kill('SIGINT')
  expect(await exchange.exited).toBe(0)
  expect(await second.exited).toBe(0)

  // With one that `start` runs, on two threads: clients come back to the same address with the sessions that they have.
  const inside = await run([...started, '--port', port, '--gateway-threads', '2'], 'Ctrl-C')
  await until('clients are back after the restart', () => maker.state === 'open' && taker.state === 'open')
  const told = await until('the batch of before', async () =>
    (await batches(maker)).find(({ number }) => number === batch.number),
  )
  expect(told.newRoot).toBe(batch.newRoot)
  const response = await fetch(`http://127.0.0.1:${port}/v1/batches`)
  expect((await response.json()) as { number: number }[]).toContainEqual(
    expect.objectContaining({ number: batch.number, newRoot: batch.newRoot }) as unknown,
  )
  expect((await maker.fills()).fills.map(({ lots }) => lots)).toEqual([10, 4])
  expect((await taker.trades(0)).map((trade) => trade[3])).toEqual([10, 4])
  expect(await maker.order({ cloid: 1n })).toMatchObject({ state: 'filled' })
  expect((await maker.candles(0, '1d')).at(-1)).toContain(14)
  const later = await maker.sendFrameForReceipt([maker.cancel({ market: 0, cloid: 2n })])
  expect(later.receipt!.firstSeq).toBeGreaterThan(receipt!.lastSeq)
  for (const client of [maker, taker]) client.close()
  inside.child.kill('SIGINT')
  expect(await inside.exited).toBe(0)
})

test('what cannot be is one clear line', async () => {
  const refused = async (args: readonly string[]): Promise<[number | null, string]> => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
    let text = ''
    child.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    return [await new Promise((done) => child.once('close', done)), text]
  }
  const socket = join(folder, 'none.sock')
  expect(await refused(['gateway'])).toEqual([
    2,
    expect.stringContaining("required option '--connect <socket>'"),
  ])
  expect(await refused(['gateway', '--connect', socket])).toEqual([1, expect.stringContaining(socket)])
  expect(await refused(['gateway', '--connect', socket, '--gateway-threads', '2'])).toEqual([
    2,
    expect.stringContaining('gateway.threads: 2'),
  ])
  expect(await refused(['start', '--demo', '--gateway-socket', socket])).toEqual([
    2,
    expect.stringContaining('--gateway-socket'),
  ])
})
