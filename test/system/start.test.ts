/**
 * `glassbook start` on a folder that another one runs on, or that is not whole, and on a clock that is wrong:
 * what runs is left alone, what cannot start says why, stops all that it had started, and ends with 1.
 */
import { spawn } from 'node:child_process'
import {
  closeSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { JournalReader } from '../../engine/journal/reader.js'
import { journalFolder, segmentName } from '../../engine/journal/segments.js'
import { createClient } from '../../sdk/index.js'
import { MAIN, NO_PROVER, Program, processes, until } from '../support/program.js'
import { freePort } from '../support/ports.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-start-'))
const dataDir = join(folder, 'data')
const programs: Program[] = []
function run(args: readonly string[], environment?: NodeJS.ProcessEnv): Program {
  const program = new Program(args, environment)
  programs.push(program)
  return program
}
const start = async (data: string, ...more: string[]): Promise<Program> =>
  run(['start', '--data', data, '--port', String(await freePort()), ...NO_PROVER, ...more])
afterAll(async () => {
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill('SIGTERM'))))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

const chainPort = (data: string): number =>
  Number(
    new URL((JSON.parse(readFileSync(join(data, 'deployment.json'), 'utf8')) as { rpcUrl: string }).rpcUrl)
      .port,
  )
/** Whether nobody listens at a port of this machine. */
const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

test('a second start changes nothing of the one that runs; a killed chain comes back; an end leaves a whole folder', async () => {
  const first = await start(dataDir, '--batch-seconds', '1')
  await first.says('Ctrl-C')
  const files = ['deployment.json', 'lock', 'journal/00000000.glass']
  const before = files.map((name) => readFileSync(join(dataDir, name)).toString('hex'))
  const second = await start(dataDir)
  expect(await second.ends()).toBe(1)
  expect(second.output).toContain(
    `data folder ${dataDir} is in use by process ${first.child.pid}: stop it, or`,
  )
  expect(second.output).toContain('--data DIR')
  expect(files.map((name) => readFileSync(join(dataDir, name)).toString('hex'))).toEqual(before)
  expect(first.hasExited).toBe(false)

  const anvil = anvilOf(dataDir)
  expect(anvil).toBeDefined()
  process.kill(anvil!, 'SIGKILL')
  await first.says('local chain: ended by itself')
  await until('the chain is back', () => {
    const now = anvilOf(dataDir)
    return now !== undefined && now !== anvil
  })
  // A batch on the chain that came back: deposits of the demo accounts.
  const doctor = run(['doctor', join(dataDir, 'deployment.json')])
  expect([await doctor.ends(), doctor.output]).toEqual([0, expect.anything()])
  expect(await first.kill('SIGTERM')).toBe(0)
})

/** Process id of the chain that keeps its state in `data`, from /proc. */
function anvilOf(data: string): number | undefined {
  return processes().find(
    ({ command }) => command[0]!.endsWith('/anvil') && command.includes(join(data, 'chain-state.json')),
  )?.pid
}

test('a chain that dies again and again is given up: the exchange says so, stops in order, and starts again', async () => {
  const data = join(folder, 'dying-chain')
  const program = await start(data)
  await program.says('Ctrl-C')
  const restarts = (): number =>
    program.output.match(/^local chain: ended by itself \(.+\); started again at port \d+$/gm)?.length ?? 0
  let killed: number | undefined
  // Also one that does not answer yet.
  await until(
    'the end',
    () => {
      const chain = anvilOf(data)
      if (chain !== undefined && chain !== killed) process.kill((killed = chain), 'SIGKILL')
      return program.hasExited
    },
    () => program.output,
  )
  expect(restarts()).toBe(5)
  expect([await program.ends(), program.output]).toEqual([
    1,
    expect.stringMatching(
      /^glassbook: the local chain: the chain ended by itself 6 times within a minute \(.+\)$/m,
    ),
  ])
  await until('no process is left', () =>
    processes().every(({ command }) => !command.some((word) => word.includes(data))),
  )
  const again = await start(data)
  await again.says('Ctrl-C')
  expect(await again.kill('SIGTERM')).toBe(0)
})

test('a log on a full disk loses its lines; the exchange opens, and stops in order', async () => {
  const port = await freePort()
  // A device that is always full.
  const log = openSync('/dev/full', 'w')
  const args = ['start', '--data', join(folder, 'full-log'), '--port', String(port), ...NO_PROVER]
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ['ignore', log, 'ignore'],
    env: { ...process.env, GLASSBOOK_PROVER_TOKEN: 'a token for no prover' },
  })
  closeSync(log)
  const ended = new Promise<number | null>((done) => child.once('close', done))
  try {
    await until('it is open', () =>
      fetch(`http://127.0.0.1:${port}/v1/time`).then(
        ({ ok }) => ok,
        () => false,
      ),
    )
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  } finally {
    child.kill('SIGKILL')
  }
})

test('what was fixed at the first start of a folder is not changed in silence', async () => {
  const data = join(folder, 'fixed')
  const first = await start(data, '--exit-delay-seconds', '3600')
  await first.says('Ctrl-C')
  expect(await first.kill('SIGTERM')).toBe(0)
  const other = await start(data, '--exit-delay-seconds', '60')
  expect(await other.ends()).toBe(2)
  expect(other.output).toContain(`--exit-delay-seconds is 60, but ${data} was made with 3600`)
  const same = await start(data, '--exit-delay-seconds', '3600')
  await same.says('Ctrl-C')
  expect(await same.kill('SIGTERM')).toBe(0)
}, 900_000)

test('a port that is taken is said before anything is made', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  const data = join(folder, 'never')
  for (const [flags, advice] of [
    [['--port', String(port)], '--port N'],
    [['--port', '0', '--prover-listen', String(port)], '--prover-listen [HOST:]PORT'],
  ] as const) {
    const refused = run(['start', '--data', data, ...flags])
    expect(await refused.ends()).toBe(1)
    expect(refused.output).toContain(
      `port ${port} of 127.0.0.1 is taken by another program: choose another with ${advice}`,
    )
    expect(refused.output.trim().split('\n')).toHaveLength(1)
    // Nothing is left of it.
    expect(() => statSync(data)).toThrow('ENOENT')
  }
  taken.close()
})

test('with confirmations: the chain goes on by itself, deposits are credited, a batch counts', async () => {
  const data = join(folder, 'confirmed')
  const program = await start(data, '--confirmations', '3', '--batch-seconds', '1')
  // At once, and also where no terminal is.
  await program.says('starting the local chain')
  await program.says('Ctrl-C')
  await program.says(/batch [1-9]\d* \(proven/)
  expect(await program.kill('SIGTERM')).toBe(0)
})

test('a log as JSON is JSON on every line, from the first to the last', async () => {
  const program = await start(join(folder, 'json'), '--log', 'json')
  await program.says('"msg":"open"')
  await program.says('"msg":"status"')
  expect(await program.kill('SIGTERM')).toBe(0)
  const lines = program.output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  const of = (msg: string) => lines.find((line) => line['msg'] === msg)
  expect(of('open')).toMatchObject({ level: 'info', part: 'glassbook', epoch: 1, chainId: 31337 })
  expect(of('open')!['stateHash']).toMatch(/^[0-9a-f]{64}$/)
  expect(of('status')).toMatchObject({ orders: 0, connections: 0, settlement: { provenBatch: 0 } })
  expect(lines.at(-1)).toMatchObject({ part: 'glassbook', msg: 'stopped, everything is on disk' })
}, 120_000)

describe('a folder that is not whole', () => {
  /** A copy of the folder of the first test, changed; what a start on it says. It must end by itself, and leave no chain. */
  const refusal = async (name: string, change: (data: string) => void): Promise<string> => {
    const data = join(folder, name)
    cpSync(dataDir, data, { recursive: true })
    change(data)
    const program = await start(data)
    expect([await program.ends(), program.output]).toEqual([1, expect.stringMatching(/^glassbook: .+/m)])
    expect(program.output).not.toContain('ended with code')
    await until('the chain has ended', () => anvilOf(data) === undefined)
    return program.output
  }
  const segment = (data: string): string => join(journalFolder(data), segmentName(0))

  test('a flipped byte in the journal', async () => {
    const text = await refusal('flipped', (data) => {
      const bytes = readFileSync(segment(data))
      // In the header of the second block; what stands between two blocks is read by nobody.
      bytes[600]! ^= 0xff
      writeFileSync(segment(data), bytes)
    })
    expect(text).toMatch(/00000000\.glass|segment 0/)
  })
  test('no journal where there was one', async () => {
    expect(await refusal('no-journal', (data) => unlinkSync(segment(data)))).toContain('has no journal')
  })
  test('a journal that is an older copy', async () => {
    const text = await refusal('older', (data) => {
      // The first blocks only, as a copy made at once after the first start would have them.
      const reader = new JournalReader(data)
      const ends: number[] = []
      while (reader.next() !== undefined) ends.push(reader.position.offset)
      reader.close()
      const { size } = statSync(segment(data))
      truncateSync(segment(data), ends[2]!)
      truncateSync(segment(data), size)
    })
    expect(text).toContain('older copy')
  })
  test.each(['', '{"rpcUrl": "http://127.'])('deployment.json is %j', async (content) => {
    const text = await refusal(`deployment-${content.length}`, (data) =>
      writeFileSync(join(data, 'deployment.json'), content),
    )
    expect(text).toContain(join('deployment.json is not what a start wrote'))
  })
  test.each([
    ['the decimals of an asset', /"decimals": 6/, '"decimals": 7', 'decimals of USDX: found 6'],
    ['a symbol', /"symbol": "USDX"/, '"symbol": "USDZ"', 'symbol of asset 0: found USDX'],
    ['the address of the vault', /"vault": "0x.{8}/, '"vault": "0x00000000', 'no contract at "vault"'],
    ['a number of the key', /"vk_alpha_1": \[\s+"\d/, '"vk_alpha_1": ["%', 'to a BigInt'],
    ['the port of the chain', /"rpcUrl": "http/, '"rpcUrl": "h%tp:', '"rpcUrl" is not a URL'],
  ])('deployment.json with %s changed', async (what, from, to, words) => {
    const text = await refusal(`deployment-${what.replaceAll(' ', '-')}`, (data) => {
      const path = join(data, 'deployment.json')
      const changed = readFileSync(path, 'utf8').replace(from, to)
      expect(changed).not.toBe(readFileSync(path, 'utf8'))
      writeFileSync(path, changed)
    })
    expect(text).toMatch(
      /deployment\.json is not (what a start wrote|the deployment on the chain).*put back a copy/,
    )
    expect(text).toContain(words)
  })
  test('the chain of another exchange', async () => {
    const text = await refusal('chain', (data) => {
      for (const suffix of ['', '.1', '.2']) rmSync(join(data, `chain-state.json${suffix}`), { force: true })
    })
    expect(text).toContain('chain-state.json')
  })

  test.each(['', '{"position":'])(
    'settlement/deposits.json is %j: read again from the chain',
    async (content) => {
      const data = join(folder, `deposits-${content.length}`)
      cpSync(dataDir, data, { recursive: true })
      writeFileSync(join(data, 'settlement', 'deposits.json'), content)
      const program = await start(data)
      await program.says('Ctrl-C')
      expect(program.output).toContain('deposits.json is not what was written there')
      expect(await program.kill('SIGTERM')).toBe(0)
    },
  )
})

test('a clock behind the journal is refused, and taken when told', async () => {
  const data = join(folder, 'clock')
  cpSync(dataDir, data, { recursive: true })
  const port = String(await freePort())
  const ahead = async (ms: number, ...more: string[]): Promise<Program> =>
    run(['start', '--data', data, '--port', port, ...NO_PROVER, ...more], {
      NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(`const now = Date.now; Date.now = () => now() + ${ms}`)}`,
    })
  const early = await ahead(3_600_000)
  await early.says('Ctrl-C')
  // What comes in takes the journal's time ahead; with nothing the wrong clock has left no trace.
  const client = await createClient({ url: `ws://127.0.0.1:${port}`, wallet: localAccount(4) }).connect()
  await client.createSession()
  await client.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 1 })
  client.close()
  expect(await early.kill('SIGTERM')).toBe(0)
  const late = await ahead(0)
  const said = await Promise.race([late.exited, late.says('Ctrl-C').then(() => 'open')]).catch(() => 'ended')
  expect(said).not.toBe('open')
  expect(late.output).toMatch(/s behind, at most 60 s are taken.*--accept-clock/s)
  const told = await ahead(0, '--accept-clock')
  await told.says('Ctrl-C')
  expect(told.output).toContain('behind the journal and was accepted')
  expect(await told.kill('SIGTERM')).toBe(0)
})

test('signals during a start and during a stop: one orderly end', async () => {
  const data = join(folder, 'signals')
  const starting = await start(data)
  await until('it has the folder', () => readable(join(data, 'lock')))
  starting.child.kill('SIGTERM')
  starting.child.kill('SIGTERM')
  expect([await starting.ends(), starting.output]).toEqual([0, expect.stringContaining('stopped')])
  const stopping = await start(data)
  await stopping.says('Ctrl-C')
  stopping.child.kill('SIGTERM')
  stopping.child.kill('SIGTERM')
  expect(await stopping.ends()).toBe(0)
  expect(anvilOf(data)).toBeUndefined()
  expect(await isFree(chainPort(data))).toBe(true)
})

function readable(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').trim() !== ''
  } catch {
    return false
  }
}
