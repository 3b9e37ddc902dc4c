/**
 * Loss of power of `glassbook start` as operators run it: what its syncs have saved is a folder whose journal
 * has all that clients were told, with the receipt key that signed it and the batches that are on the chain.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import type { BatchInfo } from '../../gateway/link/messages.js'
import { createClient } from '../../sdk/index.js'
import { Method } from '../../sdk/wire/layout.js'
import { BatchStore } from '../../settlement/store/store.js'
import { auditJournal } from '../crash/journal-audit.js'
import { Trader } from '../crash/trader.js'
import { NO_PROVER, Program, processes, until } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'
import { Mirror } from './mirror.js'
import { powerEnvironment } from './watch.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-power-start-'))
const root = join(folder, 'disk')
const dataDir = join(root, 'data')
let program: Program | undefined
afterAll(async () => {
  if (program !== undefined && !program.hasExited) await program.kill()
  // What is left of it notices its end by itself; this only makes sure before the folder goes.
  await until(
    'its chain has ended',
    () => !processes().some(({ command }) => command.join().includes(dataDir)),
  )
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

test('what was told is in the journal, with its receipt key and the batches of the chain', async () => {
  mkdirSync(root)
  const mirror = Mirror.begin(root, join(folder, 'mirror'))
  const url = `ws://127.0.0.1:${await freePort()}`
  program = new Program(
    ['start', '--data', dataDir, '--port', url.split(':')[2]!, ...NO_PROVER, '--batch-seconds', '1'],
    powerEnvironment(mirror, 5),
  )
  await program.says('Ctrl-C')
  const traders = await Promise.all(
    [4, 5].map((index) =>
      Trader.open({
        url,
        wallet: localAccount(index),
        market: 0,
        ticksFrom: 599_995,
        random: new Random(index),
        pauseMs: 5,
      }),
    ),
  )
  const watcher = await createClient({ url }).connect()
  let told: BatchInfo[] = []
  await until(
    'two batches are on the chain, and orders were placed',
    async () => {
      told = (await watcher.call(Method.Batches, [100])) as unknown as BatchInfo[]
      const orders = traders.flatMap(({ wishes }) => wishes.filter(({ orderId }) => orderId !== undefined))
      return told.filter(({ state }) => state !== 'sealed').length >= 2 && orders.length > 50
    },
    () => program!.output,
  )
  // Those of which an answer may still be on its way are told by nobody.
  const known = traders.map(({ wishes, fills, account }) => ({
    wishes: wishes.filter(({ orderId, refusal }) => orderId !== undefined || refusal !== '').slice(),
    fills: { fills: fills.fills.slice() },
    account,
    unknown: 0,
  }))
  await program.kill()
  watcher.close()
  for (const trader of traders) trader.close()

  const after = join(folder, 'after')
  mirror.restore(after)
  expect(mirror.findings).toEqual([])
  const saved = join(after, 'data')
  const { acknowledged } = auditJournal(saved, known as unknown as Trader[])
  expect(acknowledged).toBeGreaterThan(50)
  for (const file of ['receipt-key.pem', 'deployment.json'])
    expect(readFileSync(join(saved, file), 'utf8')).toBe(readFileSync(join(dataDir, file), 'utf8'))
  const store = new BatchStore(saved)
  for (const { number, newRoot, state } of told)
    if (state !== 'sealed') expect(String(store.read(number).header.newRoot)).toBe(String(newRoot))
}, 900_000)
