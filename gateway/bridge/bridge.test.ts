/**
 * A gateway in a process of its own: it trades like the one inside; killed, it takes its connections with
 * it and nothing else; the next one goes on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { createClient } from '../../sdk/index.js'
import { startGatewayBridge } from './bridge-listener.js'
import type { BatchInfo, SettlementFigures } from '../link/messages.js'

const NO_FIGURES: SettlementFigures = {
  lagSeconds: 0,
  proofLagSeconds: 0,
  lagCommands: 0,
  sealedBatch: 0,
  committedBatch: 0,
  provenBatch: 0,
  backlog: 0,
  backlogMax: 4,
  openTransactions: 0,
  stuckTransactions: 0,
  lostTransactions: 0,
  feeBumps: 0,
  troubles: 0,
  rpcFailures: 0,
  prover: null,
}

const PROGRAM = `
  import { glassbook } from ${JSON.stringify(new URL('../../app/command-line.js', import.meta.url).href)}
  process.exitCode = await glassbook(['gateway', ...process.argv.slice(2)])
`

async function startProcess(folder: string, path: string): Promise<{ child: ChildProcess; url: string }> {
  const program = join(folder, 'program.mjs')
  writeFileSync(program, PROGRAM)
  const child = spawn(
    process.execPath,
    [program, '--connect', path, '--gateway-port', '0', '--data', folder],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const url = await new Promise<string>((resolve, reject) => {
    let out = ''
    child.stdout!.on('data', (data: Buffer) => {
      out += data.toString()
      const match = /ws:\S+/.exec(out)
      if (match !== null) resolve(match[0])
    })
    child.once('exit', (code) => reject(new Error(`the gateway process ended with code ${code}`)))
  })
  return { child, url }
}

test('a gateway process may die and be replaced; the exchange goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-bridge-'))
  const path = join(folder, 'gateway.sock')
  // Two producers: the rig's own gateway thread, and the bridge.
  const rig = await startRig({ accounts: 2, spare: 1 })
  const bridge = await startGatewayBridge({
    path,
    link: rig.spareLinks[0]!,
    deployment: RIG_DEPLOYMENT,
    askProof: () =>
      Promise.resolve({
        account: 1,
        asset: 0,
        units: '1',
        siblings: [],
        batch: 1,
        root: '2',
        state: 'committed' as const,
      }),
  })
  const first = await startProcess(folder, path)
  const outside = await createClient({ url: first.url, wallet: rig.wallets[0]!, reconnect: false }).connect()
  const session = await outside.createSession()
  const inside = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  await inside.createSession()
  const book = await inside.trackBook(0)
  await outside.placeOrder({ market: 0, side: 'sell', ticks: 100, lots: 5 })
  expect(await inside.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 2 })).toMatchObject({
    filledLots: 2,
  })
  await outside.placeOrder({ market: 0, side: 'sell', ticks: 95, lots: 2, cloid: 4242n })
  expect(await outside.call('proof', [1, 0])).toMatchObject({ units: '1', batch: 1 })

  // What settlement tells goes through the socket, too.
  const batch: BatchInfo = {
    number: 1,
    state: 'proven',
    firstSeq: 1,
    lastSeq: 2,
    oldRoot: '1',
    newRoot: '2',
    fillsRoot: '0x01',
    journalHead: '0x02',
    transactionHash: '0x03',
  }
  bridge.batchChanged(batch)
  bridge.settlementChanged({ ...NO_FIGURES, lagSeconds: 3 })
  const batches: unknown[] = []
  const stranger = await createClient({ url: first.url, reconnect: false }).connect()
  await stranger.subscribeSettlement(({ data }) => void batches.push(data))
  const metrics = async (): Promise<string> =>
    (await fetch(`${first.url.replace('ws', 'http')}/metrics`)).text()
  for (
    let waited = 0;
    waited < 5000 && !(await metrics()).includes('settlement_lag_seconds{thread="0"} 3');
    waited += 5
  )
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect(await metrics()).toContain('glassbook_settlement_lag_seconds{thread="0"} 3')
  // The list is before the figures on the way, so one of the messages has it.
  expect(batches.flat()).toContainEqual(batch)
  stranger.close()

  first.child.kill('SIGKILL')
  await new Promise((resolve) => first.child.once('exit', resolve))
  // Nobody else notices.
  expect(await inside.placeOrder({ market: 0, side: 'buy', ticks: 90, lots: 1 })).toMatchObject({
    state: 'open',
  })
  // Orders of the one whose gateway is gone trade; one of them comes to its end.
  await inside.placeOrder({ market: 0, side: 'buy', ticks: 95, lots: 2, timeInForce: 'IOC' })
  await inside.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 1, timeInForce: 'IOC' })
  const second = await startProcess(folder, path)
  const back = await createClient({ url: second.url }).connect()
  await back.logon(session)
  // What happened while there was none is in the history of the next one.
  const history = (await back.call('fills', [])) as { fills: number[][]; complete: boolean }
  expect(history.fills.map((fill) => [fill[4], fill[5]])).toEqual([
    [100, 2],
    [95, 2],
    [100, 1],
  ])
  expect(history.complete).toBe(true)
  expect((await back.trades(0)).map((trade) => trade[3])).toEqual([2, 2, 1])
  expect(await back.order({ cloid: 4242n })).toMatchObject({ state: 'filled' })
  expect(await back.orders()).toMatchObject([{ ticks: 100, remaining: 2 }])
  await back.cancelAll()
  for (let waited = 0; book.asks().length > 0 && waited < 5000; waited += 5)
    await new Promise((resolve) => setTimeout(resolve, 5))
  expect(book.asks()).toEqual([])

  const ended = new Promise((resolve) => second.child.once('exit', resolve))
  inside.close()
  back.close()
  await bridge.stop()
  await rig.stop()
  expect(await ended).toBe(0)
  await bridge.ended
  rmSync(folder, { recursive: true, force: true })
})
