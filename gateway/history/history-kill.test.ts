/**
 * History after a crash: the whole tree is killed under load, or only the gateway's process, and the next
 * one tells exactly what the journal says.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RIG_DEPLOYMENT, rigWallet, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { type HistoryModel, type ModelFill, historyModel } from '../../test/support/history-model.js'
import { startGatewayBridge } from '../bridge/bridge-listener.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-kill-'))
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }))

const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href)
/** An exchange with a gateway and two accounts that trade as fast as they can; a line for every 20 rounds. */
const EXCHANGE = `
  import { join } from 'node:path'
  import { startRig } from ${url('../../bench/support/gateway-rig.js')}
  import { createClient } from ${url('../../sdk/index.js')}
  const dataDir = process.argv[2]
  const rig = await startRig({ accounts: 2, dataDir, gateway: { folder: join(dataDir, 'gateway') } })
  const clients = []
  for (const wallet of rig.wallets) {
    const client = await createClient({ url: rig.url, wallet }).connect()
    await client.createSession()
    clients.push(client)
  }
  const [maker, taker] = clients
  for (let round = 1; ; round++) {
    const ticks = 100 + (round % 50)
    await maker.batch([0, 1, 2].map((more) => maker.place({ market: 0, side: 'sell', ticks: ticks + more, lots: 1 })))
    await taker.placeOrder({ market: 0, side: 'buy', ticks: 200, lots: 3, timeInForce: 'IOC' })
    if (round % 20 === 0) process.stdout.write('traded\\n')
  }
`
const GATEWAY = `
  import { glassbook } from ${url('../../app/command-line.js')}
  process.exitCode = await glassbook(['gateway', ...process.argv.slice(2)])
`

function run(name: string, program: string, ...argv: string[]): ChildProcess {
  const path = join(folder, name)
  writeFileSync(path, program)
  return spawn(process.execPath, [path, ...argv], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Resolves with the first match in what a child prints; rejects when it ends. */
function says(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout!.on('data', (data: Buffer) => {
      out += data.toString()
      const match = pattern.exec(out)
      if (match !== null) resolve(match[0])
    })
    child.once('exit', (code) => reject(new Error(`the process ended with code ${code}`)))
  })
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** Every fill of an account, a page after the other, once the exchange says that it is complete. */
async function fillsOf(client: Client): Promise<ModelFill[]> {
  const all: ModelFill[] = []
  const end = performance.now() + 60_000
  for (let more = true; more;) {
    const [afterSeq, afterIndex] = all.at(-1) ?? [0, -1]
    const options = all.length === 0 ? [] : [{ afterSeq, afterIndex }]
    const page = (await client.call('fills', options)) as unknown as {
      fills: ModelFill[]
      complete: boolean
      more: boolean
    }
    if (!page.complete) {
      if (performance.now() > end) throw new Error('history was not made complete')
      all.length = 0
      await new Promise((resolve) => setTimeout(resolve, 50))
      continue
    }
    all.push(...page.fills)
    ;({ more } = page)
  }
  return all
}

async function expectJournal(at: string, model: HistoryModel): Promise<void> {
  for (const account of [1, 2]) {
    const client = await createClient({ url: at, wallet: rigWallet(account - 1) }).connect()
    await client.createSession()
    expect(await fillsOf(client)).toEqual(model.fills.get(account) ?? [])
    client.close()
  }
}

test('the whole tree is killed under load, again and again', async () => {
  const dataDir = join(folder, 'tree')
  mkdirSync(dataDir)
  let fills = 0
  for (let round = 0; round < 2; round++) {
    const exchange = run('exchange.mjs', EXCHANGE, dataDir)
    await says(exchange, /traded/)
    await kill(exchange)
    const model = historyModel(dataDir)
    expect(model.fills.get(1)!.length).toBeGreaterThan(fills)
    fills = model.fills.get(1)!.length
    const rig = await startRig({
      accounts: 2,
      dataDir,
      gateway: { folder: join(dataDir, 'gateway'), onLog: () => {} },
    })
    await expectJournal(rig.url, model)
    await rig.stop()
  }
})

test('a gateway process is killed, then the exchange is started anew: the next process reads the journal', async () => {
  const dataDir = join(folder, 'process')
  mkdirSync(dataDir)
  const path = join(folder, 'gateway.sock')
  const trade = async (at: string): Promise<void> => {
    const clients: Client[] = []
    for (const account of [0, 1]) {
      const client = await createClient({ url: at, wallet: rigWallet(account) }).connect()
      await client.createSession()
      clients.push(client)
    }
    for (let round = 0; round < 10; round++) {
      await clients[0]!.placeOrder({ market: 0, side: 'sell', ticks: 100 + round, lots: 2 })
      await clients[1]!.placeOrder({ market: 0, side: 'buy', ticks: 200, lots: 1 + (round % 2) })
    }
    for (const client of clients) client.close()
  }
  const open = async () => {
    const rig = await startRig({ accounts: 2, dataDir, spare: 1, gateway: { onLog: () => {} } })
    const bridge = await startGatewayBridge({ path, link: rig.spareLinks[0]!, deployment: RIG_DEPLOYMENT })
    const child = run('gateway.mjs', GATEWAY, '--connect', path, '--gateway-port', '0', '--data', dataDir)
    return { rig, bridge, child, at: await says(child, /ws:\S+/) }
  }
  const first = await open()
  await trade(first.at)
  await kill(first.child)
  // Without a gateway process, the exchange goes on.
  await trade(first.rig.url)
  await first.bridge.stop()
  await first.rig.stop()
  await first.bridge.ended

  const second = await open()
  await expectJournal(second.at, historyModel(dataDir))
  await trade(second.at)
  await expectJournal(second.at, historyModel(dataDir))
  const ended = new Promise((resolve) => second.child.once('exit', resolve))
  await second.bridge.stop()
  await second.rig.stop()
  await ended
  await second.bridge.ended
})
