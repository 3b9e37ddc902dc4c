/**
 * The gateway of `glassbook start` is a process of its own: killed under trading it costs clients a reconnect and
 * nothing else; one that dies again and again is started again ever later, and told; none outlives its parent.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { type Client, createClient } from '../../sdk/index.js'
import { auditJournal } from '../crash/journal-audit.js'
import { historyOf } from '../crash/history-of.js'
import { SyncedLog } from '../crash/synced-log.js'
import { Trader } from '../crash/trader.js'
import { NO_PROVER, Program, gatewayProcesses, processes, until } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-gateway-death-'))
const programs: Program[] = []
const clients: { close(): void }[] = []
afterAll(async () => {
  for (const client of clients) client.close()
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill('SIGTERM'))))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

interface Venue {
  readonly program: Program
  readonly dataDir: string
  readonly url: string
  readonly port: number
}

function begin(dataDir: string, port: number, ...more: string[]): Program {
  const program = new Program([
    ...['start', '--data', dataDir, '--port', String(port), ...NO_PROVER, '--batch-seconds', '1'],
    ...more,
  ])
  programs.push(program)
  return program
}

async function start(name: string, ...more: string[]): Promise<Venue> {
  const dataDir = join(folder, name)
  const port = await freePort()
  const program = begin(dataDir, port, ...more)
  await program.says('Ctrl-C')
  return { program, dataDir, port, url: `ws://127.0.0.1:${port}` }
}

/** Kills the gateway that runs and waits for the next one to listen. */
async function replaceGateway(venue: Venue, signal: NodeJS.Signals): Promise<void> {
  const listens = (): number => venue.program.output.match(/listens again at port/g)?.length ?? 0
  const before = listens()
  const [gateway, ...others] = gatewayProcesses(venue.dataDir)
  expect(others).toEqual([])
  process.kill(gateway!, signal)
  await until(
    'the next gateway listens',
    () => listens() > before,
    () => venue.program.output,
  )
  expect(gatewayProcesses(venue.dataDir)).toEqual([expect.any(Number)])
  expect(gatewayProcesses(venue.dataDir)).not.toEqual([gateway])
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself.
  }
}

test('a gateway that dies under trading: the exchange goes on, nothing told is lost or doubled', async () => {
  const venue = await start('trading', '--gateway-threads', '2')
  const log = new SyncedLog(join(folder, 'trading.ndjson'))
  const traders: Trader[] = []
  for (const index of [4, 5]) {
    const trader = await Trader.open({
      url: venue.url,
      wallet: localAccount(index),
      market: 0,
      ticksFrom: 599_995,
      random: new Random(index),
      log,
      pauseMs: 2,
    })
    traders.push(trader)
    clients.push(trader)
  }
  for (const signal of ['SIGKILL', 'SIGABRT', 'SIGKILL'] as const) {
    const told = traders.map(({ wishes }) => wishes.length)
    await until('orders are answered', () =>
      traders.every(({ wishes }, index) => wishes.length > told[index]! + 20),
    )
    await replaceGateway(venue, signal)
    await until(
      'the clients are back',
      () => traders.every(({ client }) => client.state === 'open'),
      () => venue.program.output,
    )
  }
  for (const trader of traders) await trader.finish()
  const deaths = [
    ...venue.program.output.matchAll(/^gateway: ended by itself \((\w+)\).*starts again (.+)$/gm),
  ]
  expect(deaths.map(([, how, when]) => [how, when])).toEqual([
    ['SIGKILL', 'at once'],
    ['SIGABRT', 'in 0.25 s'],
    ['SIGKILL', 'in 0.5 s'],
  ])
  // The engine has not started again.
  expect(venue.program.output.match(/epoch \d+/g)).toEqual(['epoch 1'])
  const { fillsOf, acknowledged } = auditJournal(venue.dataDir, traders)
  expect(acknowledged).toBeGreaterThan(60)
  for (const { client, account } of traders) {
    await until('history is complete', async () => (await historyOf(client)).complete)
    expect((await historyOf(client)).fills).toEqual(fillsOf.get(account) ?? [])
  }
  // Settlement has gone on.
  await until('a batch of what was traded', async () =>
    (await traders[0]!.client.batches()).some(({ lastSeq }) => lastSeq > 100),
  )
  for (const trader of traders) trader.close()
  log.close()
  expect(await venue.program.kill('SIGTERM')).toBe(0)
  expect(gatewayProcesses(venue.dataDir)).toEqual([])
}, 900_000)

test('orders that were to go with their connection go with the gateway; the others stay', async () => {
  const venue = await start('cut')
  const open = async (index: number): Promise<Client> => {
    const client = await createClient({
      url: venue.url,
      wallet: localAccount(index),
      reconnectDelayMsMax: 200,
    }).connect()
    clients.push(client)
    await client.createSession()
    return client
  }
  const leaving = await open(4)
  const changed = await open(5)
  const staying = await open(6)
  for (const client of [leaving, changed]) await client.cancelOnDisconnect(true)
  await changed.cancelOnDisconnect(false)
  const order = (client: Client, ticks: number, cloid: bigint) =>
    client.placeOrder({ market: 0, side: 'buy', ticks, lots: 1, cloid })
  for (const client of [leaving, changed, staying]) await order(client, 500_000, 1n)
  await replaceGateway(venue, 'SIGKILL')
  await until('they are back', () => [leaving, changed, staying].every(({ state }) => state === 'open'))
  expect(await leaving.order({ cloid: 1n })).toMatchObject({ state: 'canceled' })
  for (const client of [changed, staying])
    expect(await client.order({ cloid: 1n })).toMatchObject({ state: 'open' })
  // What was placed since then is not touched by what was asked before.
  await leaving.cancelOnDisconnect(false)
  await order(leaving, 500_001, 2n)
  await replaceGateway(venue, 'SIGKILL')
  await until('they are back once more', () => leaving.state === 'open')
  expect(await leaving.order({ cloid: 2n })).toMatchObject({ state: 'open' })
  expect(await venue.program.kill('SIGTERM')).toBe(0)
}, 900_000)

test('a gateway that cannot live is tried again ever later, and told; then it lives', async () => {
  const venue = await start('dying')
  const taken = createServer()
  const take = (): Promise<boolean> =>
    new Promise((resolve) => {
      taken.once('error', () => resolve(false))
      taken.listen({ port: venue.port, host: '127.0.0.1', exclusive: true }, () => resolve(true))
    })
  // Another program takes its port in a moment in which it is away.
  await until('the port is taken', async () => {
    for (const pid of gatewayProcesses(venue.dataDir)) kill(pid, 'SIGKILL')
    return take()
  })
  const deaths = (): string[] =>
    [...venue.program.output.matchAll(/^gateway: ended by itself \((.+)\);.* starts again (.+)$/gm)].map(
      ([, how, when]) => `${how}; ${when}`,
    )
  const refused = (): string[] => deaths().filter((line) => line.includes(`port ${venue.port}`))
  await until(
    'three tries',
    () => refused().length >= 3,
    () => venue.program.output,
  )
  const pauses = deaths().map((line) => (line.endsWith('at once') ? 0 : Number(/([\d.]+) s$/.exec(line)![1])))
  expect(pauses.slice(0, 4)).toEqual([0, 0.25, 0.5, 1])
  expect(venue.program.hasExited).toBe(false)
  await new Promise((resolve) => taken.close(resolve))
  await venue.program.says('listens again')
  const client = await createClient({ url: venue.url, wallet: localAccount(4) }).connect()
  await client.createSession()
  await client.placeOrder({ market: 0, side: 'buy', ticks: 500_000, lots: 1 })
  client.close()
  expect(await venue.program.kill('SIGTERM')).toBe(0)
}, 900_000)

test('no gateway outlives its parent, and a stop ends one that hangs', async () => {
  const killed = await start('orphan')
  const client = await createClient({ url: killed.url, reconnect: false }).connect()
  await killed.program.kill('SIGKILL')
  await until('no process is left', () =>
    processes().every(({ command }) => !command.some((word) => word.includes(killed.dataDir))),
  )
  client.close()
  const hanging = await start('hanging')
  const [gateway] = gatewayProcesses(hanging.dataDir)
  process.kill(gateway!, 'SIGSTOP')
  hanging.program.child.kill('SIGTERM')
  expect([await hanging.program.ends(), hanging.program.output]).toEqual([
    0,
    expect.stringContaining('everything is on disk'),
  ])
  expect(gatewayProcesses(hanging.dataDir)).toEqual([])
}, 900_000)

test('what its settings say reaches it; signals to the whole group do not', async () => {
  const config = join(folder, 'long.json')
  // Longer than a command line may be.
  const origins = Array.from({ length: 20_000 }, (_, index) => `https://origin-${index}.example`)
  writeFileSync(config, JSON.stringify({ gateway: { corsOrigins: origins, connectionsPerIp: 1 } }))
  const venue = await start('settings', '--config', config)
  const [gateway] = gatewayProcesses(venue.dataDir)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(gateway!, signal)
  const origin = origins.at(-1)!
  const response = await fetch(`http://127.0.0.1:${venue.port}/v1/markets`, { headers: { origin } })
  expect(response.headers.get('access-control-allow-origin')).toBe(origin)
  const first = await createClient({ url: venue.url, reconnect: false }).connect()
  await expect(createClient({ url: venue.url, reconnect: false }).connect()).rejects.toThrow()
  first.close()
  expect(gatewayProcesses(venue.dataDir)).toEqual([gateway])
  expect(readFileSync(join(venue.dataDir, 'gateway', 'lock'), 'utf8').trim()).toBe(String(gateway))
  expect(await venue.program.kill('SIGTERM')).toBe(0)
}, 900_000)

test('a gateway that hangs and outlives its exchange is named by the next start, and waited for when it ends', async () => {
  const { program, dataDir, port } = await start('outlived')
  const [gateway] = gatewayProcesses(dataDir)
  process.kill(gateway!, 'SIGSTOP')
  await program.kill()
  const refused = begin(dataDir, port)
  expect(await refused.ends()).toBe(1)
  expect(refused.output).toContain(`is in use by process ${gateway}, a gateway that should have ended`)
  const again = begin(dataDir, port)
  process.kill(gateway!, 'SIGCONT')
  await again.says('Ctrl-C')
  expect(gatewayProcesses(dataDir)).not.toContain(gateway)
  expect(await again.kill('SIGTERM')).toBe(0)
}, 900_000)
