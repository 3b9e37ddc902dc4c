/** The program as it is called: by its name, for help, for its version. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Program, until } from '../test/support/program.js'
import { chainStatePath } from './start/local-chain.js'
import { asksForHelp, commandHelp, commands, programHelp } from './command-list.js'

const program = fileURLToPath(new URL('../program/main.js', import.meta.url))
const root = new URL('../../', import.meta.url)
const source = (name: string): string => readFileSync(new URL(name, root), 'utf8')

const run = (argv: readonly string[]) => spawnSync(process.execPath, [program, ...argv], { encoding: 'utf8' })

test('a build can be run by its name, as npx does', () => {
  expect(run(['config', 'names']).stdout).toContain('--gateway-port')
  // npx takes what is on node_modules/.bin; for a program of the root package it would install it anew.
  const linked = fileURLToPath(new URL('node_modules/.bin/glassbook', root))
  expect(existsSync(linked)).toBe(true)
  expect(realpathSync(linked)).toBe(realpathSync(fileURLToPath(new URL('bin/glassbook.js', root))))
  expect(JSON.parse(source('package.json'))).not.toHaveProperty('bin')
  expect(execFileSync(linked, ['--version'], { encoding: 'utf8' })).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test.each([['--help'], ['-h'], ['help']])('%s: every command, exit 0', (...argv) => {
  const { status, stdout } = run(argv)
  expect([status, stdout]).toEqual([0, programHelp()])
  for (const { usage } of Object.values(commands)) expect(stdout).toContain(`glassbook ${usage}`)
})

test.each(Object.keys(commands))('%s answers --help, -h and --version with exit 0', (name) => {
  const help = run([name, '--help'])
  expect([help.status, help.stdout, help.stderr]).toEqual([0, commandHelp(commands[name]!), ''])
  const version = run([name, '--version'])
  expect([version.status, version.stdout]).toEqual([0, run(['--version']).stdout])
  expect(asksForHelp([name, '-h'])).toBe(true)
  expect(asksForHelp([name, '--', '-h'])).toBe(false)
})

test('where too few files may be open, that is said with value and bound', () => {
  const limited = (files: number, ...argv: string[]) =>
    spawnSync('sh', ['-c', `ulimit -n ${files}; exec "$0" "$@"`, process.execPath, program, ...argv], {
      encoding: 'utf8',
    })
  const start = limited(64, 'start', '--data', '/nowhere/at/all')
  expect([start.status, start.stderr]).toEqual([
    1,
    'glassbook: this process may open 64 files at once, "start" needs 1024: raise the limit (ulimit -n 1024)\n',
  ])
  // Enough for Node itself, not for the files of the program.
  const other = limited(24, 'doctor', '/nowhere')
  expect(other.status).toBe(1)
  expect(other.stderr).toMatch(
    /^glassbook: EMFILE.*: this process may open 24 files at once, raise the limit/,
  )
  // With as many as are asked for the command is begun.
  const enough = limited(1024, 'start', '--nonsense')
  expect(enough.status).toBe(2)
})

/** A data folder with a local chain whose port somebody else has. */
async function withTakenPort(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-chain-'))
  const taken = createServer()
  try {
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const rpcUrl = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`
    const [vault, settlement, verifier] = Array<string>(3).fill(`0x${'11'.repeat(20)}`)
    const deployment = { chainId: 31337, rpcUrl, vault, settlement, verifier, assets: [], constants: {} }
    writeFileSync(join(folder, 'deployment.json'), JSON.stringify(deployment))
    mkdirSync(dirname(chainStatePath(folder)), { recursive: true })
    writeFileSync(chainStatePath(folder), '{}')
    await work(folder)
  } finally {
    taken.close()
    rmSync(folder, { recursive: true })
  }
}

test('a chain whose port is taken for good is told, with exit 1', async () => {
  await withTakenPort((folder) => {
    const { status, stdout } = run(['chain', folder])
    expect([status, stdout]).toEqual([1, expect.stringMatching(/^glassbook: \S/)])
  })
}, 300_000)

test('a chain that is stopped while it waits for its port ends with exit 0', async () => {
  await withTakenPort(async (folder) => {
    const chain = new Program(['chain', folder])
    const lock = join(folder, 'lock')
    await until('the lock', () => existsSync(lock) && readFileSync(lock, 'utf8').endsWith('\n'))
    chain.child.kill('SIGINT')
    expect([await chain.ends(), chain.output]).toEqual([0, 'glassbook: stopped, the chain is on disk\n'])
  })
}, 300_000)

/** Where each command says which flags it takes. */
const SOURCES: Readonly<Record<string, readonly string[]>> = {
  start: ['app/start/start-options.ts'],
  gateway: ['app/commands/gateway.ts'],
  journal: ['app/commands/journal.ts'],
  audit: ['app/commands/audit.ts', 'app/commands/chain-options.ts'],
  'order-audit': ['app/commands/order-audit.ts'],
  exit: ['app/commands/exit.ts', 'app/commands/chain-options.ts'],
  replay: ['app/commands/chain-options.ts'],
  prover: ['settlement/prover/main.ts'],
  doctor: ['app/commands/doctor.ts'],
}

test.each(Object.entries(SOURCES))('help of %s names every flag that it takes', (name, files) => {
  const taken = files.flatMap((file) =>
    [...source(file).matchAll(/'?([a-z][a-z0-9-]*)'?: \{\s*type: '(?:string|boolean)'/g)].map(
      ([, flag]) => flag!,
    ),
  )
  expect(taken.length).toBeGreaterThan(0)
  const text = commandHelp(commands[name]!)
  expect(taken.filter((flag) => !text.includes(`--${flag}`))).toEqual([])
})

test('README names every flag of start, and help the environment that a command reads', () => {
  const flags = [...source('app/start/start-options.ts').matchAll(/'?([a-z][a-z0-9-]*)'?: \{\s*type: '/g)]
  const readme = source('README.md')
  expect(flags.map(([, flag]) => flag!).filter((flag) => !readme.includes(`--${flag}`))).toEqual([])
  expect(commandHelp(commands['exit']!)).toContain('GLASSBOOK_OWNER_KEY')
  expect(source('app/commands/exit.ts')).toContain('process.env.GLASSBOOK_OWNER_KEY')
})

test('CI runs the test command of the README, and fails when it does', () => {
  const command = /^(npm ci && npm test)\s+# all tests$/m.exec(source('README.md'))?.[1]
  expect(command).toBeDefined()
  // In parentheses: with -e alone, bash goes on after what stands before an "&&" has failed.
  expect(source('.ci/run').split('\n')).toContain(`(${command!})`)
  expect(source('.ci/run')).toMatch(/^set -e/m)
})

test.each([
  [['key', '--rows', 'many'], '--rows is many, not a whole number from 1 to 64'],
  [['key', '--depth=0'], '--depth is 0, not a whole number from 1 to 28'],
  [['work', '--url', '--attached'], 'ambiguous'],
  [['key', '--nope'], '--nope'],
  [['key', 'more'], 'more'],
])('prover %j is refused', (argv, said) => {
  const { status, stdout } = run(['prover', ...argv])
  expect([status, stdout]).toEqual([2, expect.stringContaining(said)])
})

test.each([
  [['prover', 'key', '--rows', 'x'], '--rows is x, not a whole number from 1 to 64'],
  [['prover', 'key', '--depth', '29'], '--depth is 29, not a whole number from 1 to 28'],
  // Said before a circuit is compiled: neither a compiler nor a key is named.
  [['prover', 'work', '--token', 'x'], 'work needs --url'],
  [['prover', 'work', '--token', 'x', '--url', 'here'], '--url here is not a URL'],
  [['order-audit', 'nowhere', '--fill', 'x'], '--fill "x" is not a fill; it is SEQ or SEQ:INDEX'],
  [['order-audit', 'nowhere'], '--fill is missing'],
  [['audit', '--deployment', '/no/file'], '--deployment /no/file: there is no such file or folder'],
  [
    ['audit', '--settlement', '0x00', '--rpc', 'http://127.0.0.1:1', '--from', '/no/file'],
    '--from /no/file: there',
  ],
  [
    ['audit', '--settlement', '0x00', '--rpc', 'http://127.0.0.1:1', '--balances', '/no/file'],
    '--balances /no/file',
  ],
  [
    ['audit', '--settlement', '0x00', '--rpc', 'http://127.0.0.1:1', '--checkpoint', '/'],
    '--checkpoint /: it is a folder',
  ],
  [
    ['exit', '--owner', `0x${'11'.repeat(20)}`, '--checkpoint', '/no/file'],
    '--checkpoint /no/file: there is no',
  ],
])('%j: said as wrong use, before any work', (argv, text) => {
  const { status, stdout, stderr } = run(argv)
  expect(stdout + stderr).toContain(text)
  expect(stdout + stderr).not.toMatch(/circuit|ECONNREFUSED/)
  expect(status).toBe(2)
})

test('wrong use points at the one help text', () => {
  const { status, stderr } = run(['replay'])
  expect([status, stderr]).toEqual([2, expect.stringContaining(`glassbook ${commands['replay']!.usage}`)])
  expect(run(['start', '--nope']).stderr).toContain('"glassbook start --help" lists its flags')
  expect(run(['chain'])).toMatchObject({ status: 2, stderr: expect.stringContaining('glassbook chain DIR') })
  const none = run(['chain', fileURLToPath(new URL('nothing-here', root))])
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('has no chain') })
})

test.each([['config names'], ['--help'], ['start --help']])('%s | head: quiet', (words) => {
  // Output that nobody reads any more when it is written.
  const script = `("$0" "$1" ${words}; echo "code $?" >&2) | true`
  const { stderr } = spawnSync('bash', ['-c', script, process.execPath, program], { encoding: 'utf8' })
  expect(stderr).toBe('code 0\n')
})
