/** A system that gives no process for a while: the keeper goes on trying, tells each time, and the exchange does not end. */
import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { childProcesses } from '../../bench/support/thread-cpu.js'
import { Bridge } from '../../gateway/bridge/bridge.js'
import { gatewayConfig } from '../../gateway/settings/config.js'
import { GatewayKeeper } from './gateway-keeper.js'
import { keepPublicKey } from '../files/receipt-key.js'

const program = process.execPath
afterEach(() => {
  process.execPath = program
})

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 10) {
    if (waited > 120_000) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** A gateway process that listens, what is said of it, and the end of all, at which it must answer. */
async function running(): Promise<{
  readonly dataDir: string
  readonly lines: string[]
  readonly port: number
  /** Its process id. */
  readonly gateway: number
  end(): Promise<void>
}> {
  const rig = await startRig({ accounts: 1, spare: 1 })
  const lines: string[] = []
  const others = childProcesses()
  const keeper = new GatewayKeeper({
    dataDir: rig.dataDir,
    config: gatewayConfig({ port: 0 }),
    bridges: [new Bridge({ link: rig.spareLinks[0]!, deployment: RIG_DEPLOYMENT })],
    onLine: (line) => lines.push(line),
  })
  const port = await keeper.listening
  const end = async (): Promise<void> => {
    expect((await fetch(`http://127.0.0.1:${port}/v1/time`)).status).toBe(200)
    await keeper.stop()
    await rig.stop(() => keeper.end())
    expect(childProcesses()).toEqual(others)
  }
  const gateway = childProcesses().find((pid) => !others.includes(pid))!
  return { dataDir: rig.dataDir, lines, port, gateway, end }
}

test('a process that cannot be made is tried again, each time later, until there is one', async () => {
  const { dataDir, lines, port, gateway, end } = await running()
  const tries = (): string[] =>
    lines.flatMap((line) => {
      const match = /ended by itself \((.+)\);.* starts again (.+)$/.exec(line)
      return match === null ? [] : [`${match[1]}: ${match[2]}`]
    })
  // What a start does when the gateway listens.
  keepPublicKey(dataDir, (line) => lines.push(line))
  process.execPath = '/none/there'
  // The key of its receipts is lost while it runs: the next one makes another, which is told.
  unlinkSync(join(dataDir, 'receipt-key.pem'))
  process.kill(gateway, 'SIGKILL')
  await until('three tries', () => tries().length >= 4)
  process.execPath = program
  await until('the next one', () => lines.includes(`listens again at port ${port}`))
  expect(lines.filter((line) => line.startsWith('receipts: '))).toEqual([
    expect.stringContaining('receipt-key.pem is another key than before'),
  ])
  expect(tries().slice(0, 4)).toEqual([
    'SIGKILL: at once',
    'spawn /none/there ENOENT: in 0.25 s',
    'spawn /none/there ENOENT: in 0.5 s',
    'spawn /none/there ENOENT: in 1 s',
  ])
  await end()
}, 300_000)

test('a process that hangs is told, ended, and followed by the next one', async () => {
  const { lines, port, gateway, end } = await running()
  process.kill(gateway, 'SIGSTOP')
  await until('the next one', () => lines.includes(`listens again at port ${port}`))
  expect(lines).toEqual([
    'not heard of for 5 s; it is ended and started again after 30 s',
    'ended by itself (SIGKILL); the exchange goes on; it starts again at once',
    `listens again at port ${port}`,
  ])
  await end()
}, 300_000)
