/**
 * The end of `glassbook start`, as an operator asks for it: every part says that it stops, in the order opposite to
 * the start, and each has: nobody listens, no process is left, the journal is closed, the folder is free. The same
 * with a chain that has died in its boots: it answers nothing, and what waits for it is given up.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { lockFolder } from '../../engine/journal/lock.js'
import { JournalReader } from '../../engine/journal/reader.js'
import { createClient } from '../../sdk/index.js'
import { NO_PROVER, Program, processes, until } from '../support/program.js'
import { freePort } from '../support/ports.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-shutdown-'))
const programs: Program[] = []
afterAll(async () => {
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill())))
  for (const { pid } of below(folder)) process.kill(pid, 'SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

const below = (text: string): ReturnType<typeof processes> =>
  processes().filter(({ command }) => command.some((word) => word.includes(text)))
const PARTS = [
  'the status line',
  'the gateway',
  'the archive',
  'settlement',
  'the operator switch',
  'engine and journal',
  'the chain',
  'the lock',
]

test.each([
  ['with its chain', false],
  ['with a chain that hangs', true],
])(
  '%s, every part stops, and says so',
  async (name, hangs) => {
    const dataDir = join(folder, hangs ? 'hanging' : 'sound')
    const port = await freePort()
    const program = new Program([
      ...['start', '--data', dataDir, '--port', String(port), ...NO_PROVER, '--batch-seconds', '1'],
    ])
    programs.push(program)
    await program.says('Ctrl-C')
    const client = await createClient({
      url: `ws://127.0.0.1:${port}`,
      wallet: localAccount(4),
      reconnect: false,
    }).connect()
    await client.createSession()
    const { seq } = await client.placeOrder({ market: 0, side: 'buy', ticks: 600_000, lots: 1 })
    const anvil = below(join(dataDir, 'chain-state.json')).filter(({ command }) =>
      command[0]!.endsWith('/anvil'),
    )
    expect([name, anvil.length]).toEqual([name, 1])
    if (hangs) process.kill(anvil[0]!.pid, 'SIGSTOP')

    program.child.kill('SIGTERM')
    // A supervisor that asks again and again, to the very last moment, changes nothing.
    const again = setInterval(() => program.child.kill('SIGTERM'), 1)
    // `ends` gives up after minutes: a wait without an end is a failure, a slow machine is not.
    const code = await program.ends()
    clearInterval(again)
    client.close()
    const said = [...program.output.matchAll(/stopping ([a-z ]+)/g)].map(([, part]) => part!.trim())
    expect(said.filter((part) => PARTS.includes(part))).toEqual(PARTS)
    // The chain's guard looks twice a second whether the chain has ended.
    await until('no process is left', () => below(dataDir).length === 0)
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow()
    lockFolder(dataDir)()
    const reader = new JournalReader(dataDir)
    let last
    for (let block = reader.next(); block !== undefined; block = reader.next()) last = block
    expect(reader.end().kind).toBe('clean')
    reader.close()
    expect(last!.lastSeq).toBeGreaterThanOrEqual(seq)
    // A chain that had to be killed is said; nothing of the exchange itself is lost by it.
    if (!hangs) expect([code, program.output]).toEqual([0, expect.stringContaining('everything is on disk')])
    else expect([0, 1]).toContain(code)
  },
  900_000,
)
