/** No flag of any command swallows the flag behind it, and none that is unknown goes by. */
import { commands } from './command-list.js'
import { FlagError, readFlags } from './files/flags.js'
import { parseStartOptions } from './start/start-options.js'

/** What the command says, and its exit code; it never gets further than its words. */
async function refusal(name: string, argv: readonly string[]): Promise<{ code: number; said: string }> {
  let said = ''
  const { stdout, stderr } = process
  const kept = [stdout.write, stderr.write] as const
  stdout.write = stderr.write = ((text: string | Uint8Array) => {
    said += typeof text === 'string' ? text : Buffer.from(text).toString()
    return true
  }) as never
  try {
    const run = await commands[name]!.load()
    return { code: await run([...argv]), said }
  } finally {
    stdout.write = kept[0]
    stderr.write = kept[1]
  }
}

/** Words that must stand before a command's flags. */
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  journal: ['dump', 'nowhere'],
  replay: ['nowhere'],
  'order-audit': ['nowhere', '--fill', '1'],
  config: ['print'],
  doctor: ['nowhere.json'],
  snapshot: ['nowhere'],
  chain: ['nowhere'],
}

/** Every flag that takes a value, as the help names it. Those of the prover are read by its own program. */
const withValue = Object.entries(commands)
  .filter(([name]) => name !== 'prover')
  .flatMap(([name, { flags }]) =>
    flags.flatMap(([text]) => {
      const [flag, value] = text.split(' ')
      if (value === undefined) return []
      return [[name, flag === '--gateway-SETTING' ? '--gateway-host' : flag!] as const]
    }),
  )

test.each(withValue)('%s %s does not take the next flag for its value', async (name, flag) => {
  const argv = [...(BEFORE[name] ?? []), flag, '--demo']
  const { code, said } = await refusal(name, argv)
  expect(code).toBe(2)
  expect(said).toContain(flag)
  expect(said).toMatch(/ambiguous/)
})

test.each(Object.keys(commands).filter((name) => name !== 'prover'))(
  '%s refuses a flag that it does not know, and a word too many',
  async (name) => {
    const before = BEFORE[name] ?? []
    const unknown = await refusal(name, [...before, '--nope', 'x'])
    expect(unknown.code).toBe(2)
    expect((await refusal(name, [...before, 'word', 'too', 'many'])).code).toBe(2)
  },
)

test('a setting of the gateway takes no flag for its value, but by an equals sign', () => {
  expect(() => parseStartOptions(['--gateway-allowed-origins', '--demo'])).toThrow(/ambiguous/)
  expect(() => parseStartOptions(['--gateway-host', '--gateway-port=9002'])).toThrow(/ambiguous/)
  expect(() => parseStartOptions(['--gateway-host'])).toThrow(/argument missing/)
  expect(parseStartOptions(['--gateway-allowed-origins=--demo', '--gateway-port', '9002'])).toMatchObject({
    demo: false,
    gateway: { allowedOrigins: ['--demo'], port: 9002 },
  })
})

test.each([
  ['journal', 'stat', 'nowhere', '--from', '5'],
  ['journal', 'verify', 'nowhere', '--to=5'],
  ['replay', 'nowhere', '--to', '5'],
  ['snapshot', 'nowhere', '--from', '5'],
])('%s %s %s: a range goes with a dump only', async (name, ...argv) => {
  expect(await refusal(name, argv)).toMatchObject({ code: 2, said: expect.stringContaining('journal dump') })
})

test.each(['', '1.5', '-1', 'x', '1e3'])('a dump from "%s" is refused', async (from) => {
  const { code, said } = await refusal('journal', ['dump', 'nowhere', `--from=${from}`])
  expect([code, said]).toEqual([2, expect.stringContaining(`--from "${from}" is not a sequence number`)])
})

test('an unknown flag is named, with the nearest that there is', () => {
  expect(() => readFlags(['--gateway-prot', '1'], {})).toThrow(FlagError)
  expect(() => readFlags(['--gateway-prot', '1'], {})).toThrow(
    '--gateway-prot: no such flag (did you mean --gateway-port?)',
  )
  expect(() => parseStartOptions(['--dmeo'])).toThrow('--dmeo: no such flag (did you mean --demo?)')
})

test('a port of a gateway is asked for by the name of its setting', async () => {
  const { code, said } = await refusal('gateway', ['--connect', '/nowhere', '--port', '9300'])
  expect([code, said]).toEqual([
    2,
    expect.stringContaining('--port: no such flag (did you mean --gateway-port?)'),
  ])
})

test.each([['gateway', '--connect', '/nowhere'], ['config', 'print'], ['start']])(
  '%s: a setting that cannot be is wrong use',
  async (name, ...argv) => {
    const { code, said } = await refusal(name, [...argv, '--gateway-port', 'x'])
    expect([code, said]).toEqual([2, expect.stringContaining('gateway.port')])
  },
)

test('a gateway without its exchange is told what makes the socket', async () => {
  const { code, said } = await refusal('gateway', ['--connect', '/no/such.sock', '--gateway-port', '0'])
  expect(code).toBe(1)
  expect(said).toBe(
    'glassbook: no exchange answers at --connect /no/such.sock (ENOENT): "glassbook start --gateway-socket /no/such.sock" makes the socket\n',
  )
})

test('what npm has kept for itself is answered, not run without', () => {
  const environment = { npm_lifecycle_event: 'start', npm_config_demo: 'true', npm_config_batch_seconds: '5' }
  expect(() => parseStartOptions([], environment)).toThrow(
    'npm keeps --demo --batch-seconds for itself: put "--" before it, as in "npm start -- --demo --batch-seconds"',
  )
  expect(() =>
    parseStartOptions([], { npm_lifecycle_event: 'start', npm_config_gateway_port: '9002' }),
  ).toThrow('--gateway-port')
  expect(() => parseStartOptions([], { npm_lifecycle_event: 'start', npm_config_local_prover: '' })).toThrow(
    '--no-local-prover',
  )
  // Another script of npm, and npm's own settings, are none of ours.
  expect(parseStartOptions([], { ...environment, npm_lifecycle_event: 'test' }).demo).toBe(false)
  expect(parseStartOptions([], { npm_lifecycle_event: 'start', npm_config_json: 'true' }).json).toBe(false)
})
