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
import { testWith, testWithFile } from '../test/support/needs.js'
import { Program, until } from '../test/support/program.js'
import { chainStatePath } from './start/local-chain.js'
import { commandLine } from './command-line.js'

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

const { commands } = commandLine()

test.each([['--help'], ['-h'], ['help'], []])('%s: every command, exit 0', (...argv) => {
  const { status, stdout } = run(argv)
  expect([status, stdout.startsWith('Usage: glassbook ')]).toEqual([0, true])
  for (const command of commands) {
    expect(stdout).toContain(`\n  ${command.name()} `)
    // In lines as wide as the terminal.
    expect(stdout.replace(/\s+/g, ' ')).toContain(command.description())
  }
})

test.each(commands.map((command) => command.name()))(
  '%s answers --help, -h and --version with exit 0',
  (name) => {
    const help = run([name, '--help'])
    expect([help.status, help.stderr]).toEqual([0, ''])
    expect(help.stdout).toMatch(new RegExp(`^Usage: glassbook ${name}`))
    expect(run([name, '-h']).stdout).toBe(help.stdout)
    const version = run([name, '--version'])
    expect([version.status, version.stdout]).toEqual([0, run(['--version']).stdout])
  },
)

test('what stands behind "--" is no flag', () => {
  expect(run(['chain', '--', '-h'])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('-h has no chain'),
  })
})

test('help costs little: nothing of any command is loaded for it', () => {
  const cpuOf = (...argv: string[]): number => {
    const script = `process.on('exit', () => { const { user, system } = process.cpuUsage(); process.stderr.write(String(user + system)) })`
    const { stderr } = spawnSync(
      process.execPath,
      ['--import', `data:text/javascript,${encodeURIComponent(script)}`, ...argv],
      { encoding: 'utf8' },
    )
    return Number(stderr)
  }
  const least = (...argv: string[]): number => Math.min(...Array.from({ length: 5 }, () => cpuOf(...argv)))
  // Beside what Node itself costs, on a machine of any speed.
  expect(least(program, '--help')).toBeLessThan(2 * least('-e', '0'))
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

test('a chain whose port is taken for good is told, with exit 1, also where the log is JSON by a flag', async () => {
  // Both wait for some seconds, at once.
  await Promise.all([
    withTakenPort(async (folder) => {
      const chain = new Program(['chain', folder])
      expect([await chain.ends(), chain.output]).toEqual([1, expect.stringMatching(/^glassbook: \S/)])
    }),
    withTakenPort(async (folder) => {
      const failure = {
        level: 'error',
        part: 'glassbook',
        msg: expect.stringContaining('is taken') as string,
      }
      const chain = new Program(['chain', folder, '--log', 'json'])
      expect([await chain.ends(), JSON.parse(chain.output)]).toEqual([1, expect.objectContaining(failure)])
    }),
  ])
}, 300_000)

test('a log that is neither for people nor JSON is refused, by a flag and by a variable', () => {
  const environment = { ...process.env, GLASSBOOK_LOG: 'xml' }
  for (const { status, stderr } of [
    run(['start', '--log', 'xml']),
    spawnSync(process.execPath, [program, 'start'], { encoding: 'utf8', env: environment }),
  ]) {
    expect([status, stderr]).toEqual([2, expect.stringContaining('Allowed choices are pretty, json.')])
  }
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

test('help of prover names every flag that its program takes', () => {
  const taken = [
    ...source('settlement/prover/main.ts').matchAll(/([a-z0-9]+): \{ type: '(?:string|boolean)'/g),
  ].map(([, flag]) => `--${flag!}`)
  const named = commands
    .find((command) => command.name() === 'prover')!
    .commands.flatMap(({ options }) => options.map(({ long }) => long))
  expect(taken.length).toBeGreaterThan(5)
  expect([...new Set(named)].sort()).toEqual(taken.sort())
})

test('README names every flag of start, and help the environment that a command reads', () => {
  const start = commands.find((command) => command.name() === 'start')!
  const readme = source('README.md')
  expect(start.options.filter(({ long }) => !readme.includes(long!))).toEqual([])
  expect(run(['exit', '--help']).stdout).toContain('GLASSBOOK_OWNER_KEY')
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
  [['work', '--url', '--attached'], '--url needs a value'],
  [['key', '--nope'], '--nope'],
  [['key', 'more'], 'too many arguments'],
])('prover %j is refused', (argv, said) => {
  const { status, stdout, stderr } = run(['prover', ...argv])
  expect([status, stdout + stderr]).toEqual([2, expect.stringContaining(said)])
})

test.each([
  [['prover', 'key', '--rows', 'x'], '--rows is x, not a whole number from 1 to 64'],
  [['prover', 'key', '--depth', '29'], '--depth is 29, not a whole number from 1 to 28'],
  // Said before a circuit is compiled: neither a compiler nor a key is named.
  [['prover', 'work', '--token', 'x'], 'work needs --url'],
  [['prover', 'work', '--token', 'x', '--url', 'here'], '--url here is not a URL'],
  [['order-audit', 'nowhere', '--fill', 'x'], "'x' is invalid. It must be SEQ or SEQ:INDEX"],
  [['order-audit', 'nowhere'], "required option '--fill <seq>' not specified"],
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
  expect([status, stderr]).toEqual([2, expect.stringContaining('usage: glassbook replay [options] <dir>')])
  expect(run(['start', '--nope']).stderr).toContain('"glassbook start --help" tells more')
  expect(run(['chain'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('glassbook chain [options] <dir>'),
  })
  const none = run(['chain', fileURLToPath(new URL('nothing-here', root))])
  expect(none).toMatchObject({ status: 1, stderr: expect.stringContaining('has no chain') })
})

const testWithBash = testWith('bash', spawnSync('bash', ['--version']).status === 0)
testWithBash('completion in bash needs nothing else, may be sourced twice, runs nothing typed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-complete-'))
  try {
    const script = `
      glassbook() { "$NODE" "$PROGRAM" "$@"; }
      source <(glassbook complete bash) && source <(glassbook complete bash) || exit
      at_tab() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _glassbook_complete; echo "\${COMPREPLY[*]}"; }
      at_tab glassbook jour
      at_tab glassbook journal ''
      at_tab glassbook start --data '\$(touch pwned)' --dem
      at_tab glassbook start --data '\`touch pwned\`;touch' pwned
      complete -p glassbook`
    const { stdout, stderr } = spawnSync('bash', ['--norc', '-uc', script], {
      encoding: 'utf8',
      cwd: folder,
      env: { PATH: process.env.PATH, NODE: process.execPath, PROGRAM: program },
    })
    expect(stderr).toBe('')
    expect(stdout.split('\n')).toEqual([
      'journal',
      'verify dump stat help',
      '--demo',
      '',
      // Where it has nothing to offer, names of files are.
      'complete -o default -F _glassbook_complete glassbook',
      '',
    ])
    expect(existsSync(join(folder, 'pwned'))).toBe(false)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.each([['config names'], ['--help'], ['start --help']])('%s | head: quiet', (words) => {
  // Output that nobody reads any more when it is written.
  const script = `("$0" "$1" ${words}; echo "code $?" >&2) | true`
  const { stderr } = spawnSync('sh', ['-c', script, process.execPath, program], { encoding: 'utf8' })
  expect(stderr).toBe('code 0\n')
})

describe('output that a full disk does not take', () => {
  testWithFile('/dev/full')('ends a tool with one line and exit 1', () => {
    for (const words of ['config names', '--help', 'config print']) {
      const script = `exec "$0" "$1" ${words} > /dev/full`
      const { status, stderr } = spawnSync('sh', ['-c', script, process.execPath, program], {
        encoding: 'utf8',
      })
      expect([status, stderr]).toEqual([
        1,
        'glassbook: the output cannot be written: ENOSPC: no space left on device, write\n',
      ])
    }
  })

  testWithFile('/dev/full')('may be what tells of a failure: the exit code still does', () => {
    const script = 'exec "$0" "$1" nonsense 2> /dev/full'
    const { status, stdout } = spawnSync('sh', ['-c', script, process.execPath, program], {
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([2, ''])
  })
})
