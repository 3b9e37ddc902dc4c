/**
 * Strangers that open TCP connections and send nothing, on a system that lets a process open few files: engine and
 * journal go on, who trades does not notice, and who comes after them is let in.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { type Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { createClient } from '../../sdk/index.js'
import { auditJournal } from '../crash/journal-audit.js'
import { Trader } from '../crash/trader.js'
import { NO_PROVER, Program, gatewayProcesses, until } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'

const FILES = 1024
/** Orders that are answered while strangers come without end. */
const ORDERS = 60

test('silent connections take no descriptor that the exchange needs', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-few-files-'))
  const dataDir = join(folder, 'data')
  const port = await freePort()
  const args = ['start', '--data', dataDir, '--port', String(port), ...NO_PROVER, '--segment-mb', '1']
  const program = new Program(args, {}, FILES)
  const strangers = new Set<Socket>()
  let coming: NodeJS.Timeout | undefined
  try {
    await program.says('Ctrl-C')
    const [gateway] = gatewayProcesses(dataDir)
    const limits = readFileSync(`/proc/${gateway}/limits`, 'utf8')
    expect(limits).toMatch(new RegExp(`^Max open files +${FILES} `, 'm'))
    const trader = await Trader.open({
      url: `ws://127.0.0.1:${port}`,
      wallet: localAccount(4),
      market: 0,
      ticksFrom: 599_995,
      random: new Random(1),
      pauseMs: 2,
    })
    coming = setInterval(() => {
      for (let count = 0; count < 20 && strangers.size < 2 * FILES; count++) {
        const stranger = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.9' })
        strangers.add(stranger)
        stranger.on('error', () => {})
        stranger.once('close', () => strangers.delete(stranger))
      }
    }, 20)
    await program.says('no new connections for a while')
    const told = trader.wishes.length
    await until('orders are answered meanwhile', () => trader.wishes.length > told + ORDERS)
    clearInterval(coming)
    for (const stranger of strangers) stranger.destroy()
    await until('somebody new is let in', async () => {
      const client = createClient({ url: `ws://127.0.0.1:${port}`, reconnect: false })
      return client.connect().then(
        () => {
          client.close()
          return true
        },
        () => false,
      )
    })
    expect(program.output).toContain('new connections are taken')
    await until('history is complete', async () => (await trader.client.fillsPage({ afterSeq: 0 })).complete)
    await trader.finish()
    trader.close()
    // The gateway has not died of it, and the engine has not started again.
    expect(gatewayProcesses(dataDir)).toEqual([gateway])
    expect(readdirSync(`/proc/${gateway}/fd`).length).toBeLessThan(FILES / 2)
    expect(program.output.match(/epoch \d+/g)).toEqual(['epoch 1'])
    expect(await program.kill('SIGTERM')).toBe(0)
    expect(auditJournal(dataDir, [trader]).acknowledged).toBeGreaterThan(ORDERS)
  } finally {
    clearInterval(coming)
    for (const stranger of strangers) stranger.destroy()
    if (!program.hasExited) await program.kill()
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}, 900_000)
