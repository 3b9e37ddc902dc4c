/** No flag of any command swallows the flag behind it, none that is unknown goes by, and what is refused is told. */
import type { CommandUnknownOpts } from '@commander-js/extra-typings'
import { settingNames } from '../gateway/settings/config.js'
import { startOptionsOf } from '../test/support/start-options.js'
import { told } from '../test/support/told.js'
import { commandLine, glassbook } from './command-line.js'

/** What the command says, and its exit code; it never gets further than its words. */
async function refusal(...argv: string[]): Promise<{ code: number; said: string }> {
  const { code, out } = await told(() => glassbook(argv))
  return { code, said: out }
}

/** Every command that does something, by the words that call it. */
function leaves(command: CommandUnknownOpts, words: string[] = []): [string[], CommandUnknownOpts][] {
  if (command.commands.length === 0) return [[words, command]]
  return command.commands.flatMap((inner) => leaves(inner, [...words, inner.name()]))
}
const all = leaves(commandLine({ settings: settingNames() }))

/** Words that must stand behind a command's name. */
const needed = (command: CommandUnknownOpts): string[] => [
  ...command.registeredArguments.map(() => 'nowhere'),
  ...command.options.flatMap(({ mandatory, long }) => (mandatory ? [long!, '1'] : [])),
]

/** Every flag that takes a value; of a gateway's many settings one for each command. */
const withValue = all.flatMap(([words, command]) =>
  command.options
    .filter(
      ({ required, helpGroupHeading, long }) => required && (!helpGroupHeading || long === '--gateway-host'),
    )
    .map(({ long }) => [words.join(' '), long!, [...words, ...needed(command)]] as const),
)

test('there are flags to look at', () => {
  expect(withValue.length).toBeGreaterThan(60)
})

test.each(withValue)('%s %s does not take the next flag for its value', async (_name, flag, words) => {
  expect(await refusal(...words, flag, '--demo')).toEqual({
    code: 2,
    said: expect.stringContaining(`${flag} needs a value, and --demo looks like a flag`),
  })
  expect(await refusal(...words, flag)).toEqual({ code: 2, said: expect.stringContaining(flag) })
})

test.each(withValue.filter(([, flag]) => flag !== '--gateway-host'))(
  '%s %s is not empty',
  async (_name, flag, words) => {
    for (const empty of [[flag, ''], [`${flag}=`]]) {
      const { code, said } = await refusal(...words, ...empty)
      expect([code, said]).toEqual([2, expect.stringContaining(`'${flag} <`)])
      expect(said).toContain("argument '' is invalid")
    }
  },
)

test.each(
  all.filter(
    ([
      ,
      {
        registeredArguments: [first],
      },
    ]) => first && first.argChoices === undefined,
  ),
)('%s: an empty word is no folder and no file', async (words, command) => {
  const argv = [...words, ...needed(command).map((word) => (word === 'nowhere' ? '' : word))]
  expect(await refusal(...argv)).toEqual({ code: 2, said: expect.stringContaining('It is empty') })
})

test.each(all)('%s refuses a flag that it does not know, and a word too many', async (words, command) => {
  const argv = [...words, ...needed(command)]
  expect((await refusal(...argv, '--nope', 'x')).code).toBe(2)
  expect((await refusal(...argv, 'word', 'too', 'many')).code).toBe(2)
})

test('a setting of the gateway takes no flag for its value, but by an equals sign', () => {
  const isFlag = /looks like a flag/
  expect(() => startOptionsOf(['--gateway-allowed-origins', '--demo'])).toThrow(isFlag)
  expect(() => startOptionsOf(['--gateway-host', '--gateway-port=9002'])).toThrow(isFlag)
  expect(() => startOptionsOf(['--gateway-host'])).toThrow(/argument missing/)
  expect(startOptionsOf(['--gateway-allowed-origins=--demo', '--gateway-port', '9002'])).toMatchObject({
    demo: false,
    gateway: { allowedOrigins: ['--demo'], port: 9002 },
  })
})

test.each([
  ['journal', 'stat', 'nowhere', '--from', '5'],
  ['journal', 'verify', 'nowhere', '--to=5'],
  ['replay', 'nowhere', '--to', '5'],
  ['snapshot', 'nowhere', '--from', '5'],
])('%s %s %s %s: a range goes with a dump only', async (...argv) => {
  expect(await refusal(...argv)).toMatchObject({ code: 2, said: expect.stringContaining('unknown option') })
})

test.each(['1.5', '-1', 'x', '1e3', '9007199254740992'])('a dump from "%s" is refused', async (from) => {
  for (const words of [['--from', from], [`--from=${from}`]]) {
    const { code, said } = await refusal('journal', 'dump', 'nowhere', ...words)
    expect([code, said]).toEqual([
      2,
      expect.stringContaining(`'${from}' is invalid. It must be a whole number from 0 to 9007199254740991.`),
    ])
  }
})

test('help of a gateway names its settings and what they are for', async () => {
  const { code, out } = await told(() => glassbook(['gateway', '--help']))
  expect(code).toBe(0)
  for (const { flag, about } of settingNames())
    expect(out.replace(/\s+/g, ' ')).toContain(`${flag} <value> ${about}`)
})

test('an unknown flag or command is named, with the nearest that there is', async () => {
  expect(() => startOptionsOf(['--gateway-prot', '1'])).toThrow(
    "unknown option '--gateway-prot'\n(Did you mean --gateway-port?)",
  )
  expect(() => startOptionsOf(['--dmeo'])).toThrow("unknown option '--dmeo'\n(Did you mean --demo?)")
  expect((await refusal('sttart')).said).toContain("unknown command 'sttart'\n(Did you mean start?)")
})

test.each(all.filter(([, { options }]) => options.some(({ mandatory }) => mandatory)))(
  '%s: a mistyped flag is named, not missed',
  async (words, command) => {
    const { long } = command.options.find(({ mandatory }) => mandatory)!
    const typed = long!.slice(0, -1)
    const { code, said } = await refusal(...words, typed, 'x')
    expect([code, said]).toEqual([
      2,
      expect.stringContaining(`unknown option '${typed}'\n(Did you mean ${long}?)`),
    ])
  },
)

test.each(all)('help %s is the help of that command', async (words) => {
  const { code, said } = await refusal('help', ...words)
  expect([code, said]).toEqual([0, expect.stringMatching(`^Usage: glassbook ${words.join(' ')} `)])
  expect(said).toBe((await refusal(...words, '--help')).said)
})

test.each([
  ['nothing', ['help', 'nothing']],
  ['nothing', ['nothing', '--help']],
  ['nothing', ['journal', 'help', 'nothing']],
  ['nothing', ['help', 'journal', 'nothing']],
])('no command %s: %j', async (word, argv) => {
  expect(await refusal(...argv)).toEqual({
    code: 2,
    said: expect.stringContaining(`unknown command '${word}'`),
  })
})

test('help of a group of commands, and of help, is shown', async () => {
  for (const argv of [
    ['help', 'help'],
    ['journal', 'help'],
    ['journal', 'help', 'verify'],
  ])
    expect(await refusal(...argv)).toEqual({ code: 0, said: expect.stringMatching(/^Usage: glassbook/) })
})

test.each(['zsh', 'bash', 'fish'])('completion for %s is printed', async (shell) => {
  const { code, out } = await told(async () => glassbook(['complete', shell]))
  expect([code, out]).toEqual([0, expect.stringContaining('glassbook complete --')])
})

test('a shell that there is no completion for is told which there are', async () => {
  for (const shell of ['bahs', 'powershell']) {
    const { code, said } = await refusal('complete', shell)
    expect([code, said]).toEqual([
      2,
      expect.stringContaining(`<shell> '${shell}' is invalid. Allowed choices are bash, zsh, fish.`),
    ])
    expect(said).toContain('usage: glassbook complete ')
  }
})

test('commands, flags, settings and choices are completed, each by its own line', async () => {
  const complete = async (...words: string[]) =>
    (await told(async () => glassbook(['complete', '--', ...words]))).out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t')[0]!)
  expect(await complete('au')).toEqual(['audit'])
  expect(await complete('')).toEqual(expect.arrayContaining(['start', 'complete', 'help']))
  expect(await complete('journal', '')).toContain('dump')
  expect(await complete('audit', '--ch')).toEqual(['--checkpoint'])
  expect(await complete('gateway', '--gateway-por')).toEqual(['--gateway-port'])
  expect(await complete('complete', '')).toEqual(['bash', 'zsh', 'fish'])
  expect(await complete('start', '--log', '')).toEqual(['pretty', 'json'])
  expect(await complete('start', '--log=')).toEqual(['--log=pretty', '--log=json'])
  // As bash hands it over.
  expect(await complete('start', '--log', '=')).toEqual(['pretty', 'json'])
  expect(await complete('start', '--log', '=', 'j')).toEqual(['json'])
  // A command's name behind a flag is its value; of files and folders the shell knows more.
  expect(await complete('start', '--data', 'journal', '--dem')).toEqual(['--demo'])
  for (const words of [
    ['start', '--data', ''],
    ['chain', ''],
    ['start', '--data', '=', './d'],
  ])
    expect(await complete(...words)).toEqual([''])
})

test('a word too many is named, with what npm does to flags', async () => {
  expect((await refusal('chain', 'data', 'more')).said).toContain(
    'too many arguments: "more" is one too many for "glassbook chain"\nusage:',
  )
  expect((await refusal('start', '9474')).said).toContain(
    '"9474" is one too many for "glassbook start"\n(With npm, flags stand behind "--": npm start -- ',
  )
})

test.each(['GLASSBOOK_LOG', 'GLASSBOOK_LOG_LEVEL', 'GLASSBOOK_GATEWAY_THREADS'])(
  'an empty %s is to be unset',
  async (variable) => {
    process.env[variable] = ''
    try {
      const { code, said } = await refusal('start')
      expect([code, said]).toEqual([
        2,
        expect.stringContaining(`glassbook: ${variable} is empty: give it a value, or unset it\n`),
      ])
    } finally {
      delete process.env[variable]
    }
  },
)

test.each(all.filter(([, { options }]) => options.some(({ long }) => long === '--rpc')))(
  '%s: where a chain is, is a URL',
  async (words, command) => {
    for (const url of ['foo', 'localhost:8545', 'http://']) {
      const { code, said } = await refusal(...words, ...needed(command), '--rpc', url)
      expect([code, said]).toEqual([
        2,
        expect.stringContaining(`'${url}' is invalid. It is no URL, as in http`),
      ])
    }
  },
)

test('an owner whose capitals do not fit is looked at again', async () => {
  const owner = '0xF39Fd6e51aad88F6F4ce6aB8827279cffFb92266'
  const { code, said } = await refusal('exit', '--owner', owner, '--checkpoint', '/no/file')
  expect([code, said]).toEqual([2, expect.stringContaining(`--owner ${owner}: its capitals do not fit`)])
  expect(said).toContain('all in lower case it is not checked')
  for (const fits of [owner.toLowerCase(), '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266'])
    expect((await refusal('exit', '--owner', fits, '--checkpoint', '/no/file')).said).toContain(
      '--checkpoint',
    )
})

test.each([['engine'], ['gateway', '--connect', '/nowhere'], ['config', 'print'], ['start']])(
  '%s: a file of settings that is not there is named with its flag',
  async (...words) => {
    expect(await refusal(...words, '--config', '/no/file')).toEqual({
      code: 2,
      said: 'glassbook: --config /no/file: there is no such file or folder: check the path (ENOENT)\n',
    })
  },
)

test('a port that is given twice is refused', async () => {
  expect(await refusal('start', '--gateway-port', '9000', '--port', '9474')).toEqual({
    code: 2,
    said: 'glassbook: --port 9474 and --gateway-port 9000 are one setting: give one of them\n',
  })
})

test('a port of a gateway is asked for by the name of its setting', async () => {
  const { code, said } = await refusal('gateway', '--connect', '/nowhere', '--port', '9300')
  expect([code, said]).toEqual([
    2,
    expect.stringContaining("unknown option '--port'\n(Did you mean --gateway-port?)"),
  ])
})

test.each([['gateway', '--connect', '/nowhere'], ['config', 'print'], ['start']])(
  '%s: a setting that cannot be is wrong use',
  async (...argv) => {
    const { code, said } = await refusal(...argv, '--gateway-port', 'x')
    expect([code, said]).toEqual([2, expect.stringContaining('--gateway-port: is "x"')])
  },
)

test('a gateway without its exchange is told what makes the socket', async () => {
  const { code, said } = await refusal('gateway', '--connect', '/no/such.sock', '--gateway-port', '0')
  expect(code).toBe(1)
  expect(said).toBe(
    'glassbook: no exchange answers at --connect /no/such.sock (ENOENT): "glassbook start --gateway-socket /no/such.sock" makes the socket\n',
  )
})

test('what npm has kept for itself is answered, not run without', () => {
  const environment = { npm_lifecycle_event: 'start', npm_config_demo: 'true', npm_config_batch_seconds: '5' }
  expect(() => startOptionsOf([], environment)).toThrow(
    'npm keeps --demo --batch-seconds for itself: put "--" before it, as in "npm start -- --demo --batch-seconds"',
  )
  expect(() => startOptionsOf([], { npm_lifecycle_event: 'start', npm_config_gateway_port: '9002' })).toThrow(
    '--gateway-port',
  )
  expect(() => startOptionsOf([], { npm_lifecycle_event: 'start', npm_config_local_prover: '' })).toThrow(
    '--no-local-prover',
  )
  // Another script of npm, and npm's own settings, are none of ours.
  expect(startOptionsOf([], { ...environment, npm_lifecycle_event: 'test' }).demo).toBe(false)
  expect(startOptionsOf([], { npm_lifecycle_event: 'start', npm_config_json: 'true' }).json).toBe(false)
})
