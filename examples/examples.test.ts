/**
 * The programs of this folder as a user runs them, against one exchange whose batches are final within seconds; and
 * that they are what they promise: short, with a first comment, by the package's name.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Forger, startForger } from '../test/support/forging-prover.js'
import { Program, WAIT_MS, until } from '../test/support/program.js'
import { freePort } from '../test/support/ports.js'

const built = dirname(fileURLToPath(import.meta.url))
const sources = join(built, '..', '..', 'examples')
const LINES_MAX = 85
const names = readdirSync(sources).filter((name) => /(?<!\.test)\.ts$/.test(name))
const programs = names.filter((name) => name !== 'setup.ts' && name !== 'quotes.ts')

const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-examples-'))
let url = ''
let forger: Forger
let exchange: Program
beforeAll(async () => {
  forger = await startForger()
  const port = await freePort()
  url = `ws://127.0.0.1:${port}`
  const flags = ['--data', dataDir, '--port', String(port), '--batch-seconds', '1']
  exchange = new Program(['start', ...flags, ...forger.flags], forger.environment)
  await exchange.says('Ctrl-C')
}, WAIT_MS)
afterAll(async () => {
  await exchange.kill('SIGTERM')
  await forger.stop()
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 })
}, WAIT_MS)

/** A program as it runs, what it says, and its exit code. */
class Run {
  output = ''
  readonly child: ChildProcess
  readonly code: Promise<number | null>
  constructor(name: string, words: readonly string[] = [url, dataDir]) {
    this.child = spawn(process.execPath, [join(built, name), ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.code = new Promise((done) => this.child.once('close', done))
  }
  says(text: RegExp): Promise<void> {
    return until(
      `${text}`,
      () => text.test(this.output) || this.child.exitCode !== null,
      () => this.output,
    )
  }
  async ends(): Promise<[number | null, string]> {
    return [await this.code, this.output]
  }
}

test(
  'they do what they say',
  async () => {
    const [aloneCode, alone] = await new Run('trade.js').ends()
    expect([aloneCode, alone]).toEqual([
      0,
      expect.stringContaining('not traded: nobody sells; run market-maker.js beside this'),
    ])

    const maker = new Run('market-maker.js')
    const watcher = new Run('follow-book.js')
    await watcher.says(/bid 5\d+(\.\d+)? .* ask 6\d+/)
    const [code, traded] = await new Run('trade.js').ends()
    expect(traded).toMatch(/^placed: order \d+ is open$/m)
    expect(traded).toMatch(/^order \d+ ended: canceled, /m)
    expect(traded).toMatch(/^live orders: 0$/m)
    expect(traded).toMatch(/^traded: \d+ lots$/m)
    expect(code).toBe(0)

    const [moneyCode, money] = await new Run('money.js').ends()
    expect(money).toMatch(/^claimed 100 USDX \(0x/m)
    expect(money).toMatch(/^deposited 25000000 units for account \d+$/m)
    expect(money).toMatch(/^[\d.]+ USDX stand in batch \d+ \((committed|proven|final)\)/m)
    expect(money).toMatch(/^fill \d+:\d+ of \d+ lots is in batch \d+ \(final\)$/m)
    expect(moneyCode).toBe(0)

    // Ctrl-C ends a program that has nothing to put in order, at once.
    const stopped = new Run('money.js')
    await stopped.says(/^asked for 100 USDX/m)
    stopped.child.kill('SIGTERM')
    expect(await stopped.ends()).toEqual([null, expect.not.stringContaining('exchange run?')])

    const [leaveCode, leave] = await new Run('leave.js').ends()
    expect(leave).toMatch(/^proven: \d+ units of USDX$/m)
    expect(leave).toMatch(/^now: request .* USDX: \d+ bytes to 0x\w{40} with \d+ wei$/m)
    expect(leaveCode).toBe(0)

    for (const each of [watcher, maker]) each.child.kill('SIGINT')
    expect(await watcher.ends()).toEqual([0, expect.stringMatching(/[1-9]\d* messages checked, 0 wrong/)])
    expect(await maker.ends()).toEqual([0, expect.stringMatching(/^stopped; -\d+ lots more/m)])
  },
  WAIT_MS,
)

test(
  'each says in a line that nobody is there',
  async () => {
    const nowhere = ['ws://127.0.0.1:1', join(dataDir, 'none')]
    const ends = programs.map((name) => new Run(name.replace('.ts', '.js'), nowhere).ends())
    for (const [code, output] of await Promise.all(ends)) {
      expect([code, output]).toEqual([1, expect.stringContaining('Does the exchange run?')])
      expect(output).not.toContain('    at ')
    }
  },
  WAIT_MS,
)

test(
  'a failure that has another reason is not laid on the exchange',
  async () => {
    writeFileSync(join(dataDir, 'none.json'), '')
    const [code, output] = await new Run('leave.js', [url, join(dataDir, 'none.json')]).ends()
    expect([code, output]).toEqual([1, expect.stringContaining('ENOTDIR')])
    expect(output).not.toContain('Does the exchange run?')
  },
  WAIT_MS,
)

test.each(names)('%s is short, says what it shows, and imports as a user does', (name) => {
  const text = readFileSync(join(sources, name), 'utf8')
  expect(text.split('\n').length).toBeLessThan(LINES_MAX)
  expect(text).toMatch(/^\/\*\*\n \* [A-Z]/)
  if (programs.includes(name)) expect(text).toContain(`node dist/examples/${name.replace('.ts', '.js')}`)
  const imported = [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from!)
  expect(
    imported.filter((from) => !/^(glassbook(\/\w+)?|viem(\/\w+)?|node:\w+|\.\/\w+\.js)$/.test(from)),
  ).toEqual([])
})

test('the list of examples names each program', () => {
  const list = readFileSync(join(sources, 'README.md'), 'utf8')
  expect(programs.length).toBe(5)
  expect(programs.filter((name) => !list.includes(`(${name})`))).toEqual([])
})
