/**
 * The command line: each command with what it is for, its arguments and its flags, the one source of every help text
 * and completion; and how a command is run. A command's own module is loaded when it runs: nothing native stands
 * here, nor anything that is slow to load.
 */
import { readFileSync } from 'node:fs'
import {
  Argument,
  Command,
  CommanderError,
  type CommandUnknownOpts,
  type HelpContext,
  InvalidArgumentError,
  Option,
} from '@commander-js/extra-typings'
import { openFilesMax } from '../gateway/limits/open-files.js'
import type { SettingName } from '../gateway/settings/config.js'
import { COMPLETION_SCRIPTS, type Shell, completions } from './completion.js'
import { fileErrorText } from './files/file-errors.js'
import { UsageError } from './files/usage-error.js'
import {
  CONFIRMATIONS_MAX,
  DAY_SECONDS,
  EXIT_DELAY_SECONDS_MAX,
  KEEP_DAYS_MAX,
  SEGMENT_MB_MAX,
  START_FILES_MIN,
} from './limits.js'
import { FEE_PER_GAS_MAX } from '../settlement/limits.js'
import { LOG_FORMATS, LOG_LEVELS } from './log-settings.js'

/** Looked up at once: where no file can be opened any more it cannot be asked. */
const FILES_MAX = openFilesMax()

/** A number below zero behind a flag is its value, for the flag's own bound to judge: no flag begins so. */
const FLAG = /^-(?!\d)/

const HELP = ['-h', '--help']

/**
 * Commander takes whatever stands behind a flag for its value. Here a value that begins with a dash is refused unless
 * it is written as `--flag=--value`: a flag that swallows the next one does two wrong things and says nothing.
 */
class GlassbookCommand extends Command {
  /** Commander's own, which its types keep to themselves; each ends in `error`. */
  declare unknownOption: (flag: string) => never
  declare unknownCommand: () => never

  override createCommand(name?: string): GlassbookCommand {
    return new GlassbookCommand(name)
  }

  override parseOptions(argv: string[]): ReturnType<Command['parseOptions']> {
    for (const [index, word] of argv.entries()) {
      if (word === '--') break
      const next = argv[index + 1]
      const takesValue = this.options.some(({ long, required }) => long === word && required)
      if (takesValue && next !== undefined && FLAG.test(next))
        this.error(
          `${word} needs a value, and ${next} looks like a flag: write ${word}=${next} if it is the value`,
        )
    }
    const parsed = super.parseOptions(argv)
    // Before it is asked what is missing: a mistyped flag is not there, and to say so helps nobody.
    const [unknown] = parsed.unknown
    const isHelp = parsed.unknown.some((word) => HELP.includes(word))
    if (this.commands.length === 0 && unknown !== undefined && !isHelp) this.unknownOption(unknown)
    return parsed
  }

  /** Help of a command that there is none of is no help of all the others. */
  override helpInformation(context?: HelpContext): string {
    this.args = this.args.slice(this.args[0] === 'help' ? 1 : 0)
    const [word] = this.args
    const isCommand = word === undefined || this.commands.some((command) => command.name() === word)
    if (this.commands.length > 0 && !isCommand && !FLAG.test(word)) this.unknownCommand()
    return super.helpInformation(context)
  }

  override error(message: string): never {
    const unknown = /^error: unknown option '--(.*)'$/.exec(message)?.[1]
    const isSetting = this.options.some(({ long }) => long === `--gateway-${unknown}`)
    throw new UsageError(
      `${this.#words(message)}${isSetting ? `\n(Did you mean --gateway-${unknown}?)` : ''}\n` +
        `usage: ${this.createHelp().commandUsage(this)}\n"${pathOf(this)} --help" tells more`,
    )
  }

  /** What commander says, in words of ours where its own leave out what is wrong. */
  #words(message: string): string {
    const text = message.replace(/^error: /, '')
    const argument = /^command-argument value ('.*') is invalid for argument '(.*)'\.(.*)$/s.exec(text)
    if (argument !== null) return `<${argument[2]}> ${argument[1]} is invalid.${argument[3]}`
    const empty = /^option .* value '' from env '(\w+)' is invalid/.exec(text)?.[1]
    if (empty !== undefined) return `${empty} is empty: give it a value, or unset it`
    if (text.startsWith('too many arguments')) {
      const extra = this.args[this.registeredArguments.length]
      const npm =
        this.name() === 'start' ? '\n(With npm, flags stand behind "--": npm start -- --data DIR)' : ''
      return `too many arguments: "${extra}" is one too many for "${pathOf(this)}"${npm}`
    }
    return text
  }
}

/** How a command is called, from the program's name on. */
const pathOf = (command: Pick<CommandUnknownOpts, 'parent' | 'name'>): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`

/** A variable of a script that was never set makes an empty word, and an empty path is the working folder. */
function text(value: string): string {
  if (value === '') throw new InvalidArgumentError('It is empty: give it a value, or leave it out.')
  return value
}

const texts = (value: string, before: readonly string[] = []): readonly string[] => [...before, text(value)]

/** Where a chain answers. */
function rpcUrl(value: string): string {
  if (!/^https?:\/\//.test(text(value)) || !URL.canParse(value))
    throw new InvalidArgumentError('It is no URL, as in http://127.0.0.1:8545.')
  return value
}

const rpcUrls = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  rpcUrl(value),
]

/** A whole number; bounds are part of the number. */
const whole =
  (min: number, max: number) =>
  (value: string): number => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < min || number > max)
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
    return number
  }

/** Wei of a decimal count of gwei, of which each has 10^9. */
function gwei(value: string): bigint {
  const [, whole, part = ''] = /^(\d+)(?:\.(\d{1,9}))?$/.exec(value) ?? []
  const wei = whole === undefined ? 0n : BigInt(`${whole}${part.padEnd(9, '0')}`)
  if (wei === 0n) throw new InvalidArgumentError('It must be a number of gwei above 0, as in 500 or 0.05.')
  return wei
}

function fillOf(value: string): { seq: number; index: number } {
  const match = /^(\d+)(?::(\d+))?$/.exec(value)
  if (match === null) throw new InvalidArgumentError('It must be SEQ or SEQ:INDEX, as in 1234 or 1234:1.')
  return { seq: Number(match[1]), index: Number(match[2] ?? 0) }
}

const flag = <const Flags extends string>(flags: Flags, about: string) =>
  new Option(flags, about).argParser(text)
const count = <const Flags extends string>(flags: Flags, about: string, min: number, max: number) =>
  new Option(flags, about).argParser(whole(min, max))
const folder = (about: string) => new Argument('<dir>', about).argParser(text)

const rpc = () =>
  new Option('--rpc <url>', 'where the chain is; more than one may be given').argParser(rpcUrls)
const settlement = () =>
  flag('--settlement <address>', "the exchange's settlement contract; the rest is read from the chain")
const deployment = () =>
  flag('--deployment <file>', 'what a start wrote to its data folder, instead of --settlement')
const json = () => new Option('--json', 'the result as JSON on standard output')
const calldata = () =>
  new Option('--calldata', "compare the chain's events with the calldata of their transactions")
const log = () =>
  new Option('--log <format>', 'how it says what happens: lines for people, or JSON, an object a line')
    .choices(LOG_FORMATS)
    .default('pretty' as const)
    .env('GLASSBOOK_LOG')
const logLevel = () =>
  new Option('--log-level <level>', 'the least that is said')
    .choices(LOG_LEVELS)
    .default('info' as const)
    .env('GLASSBOOK_LOG_LEVEL')
const config = () => flag('--config <file>', 'settings of the gateway as JSON')

/** Adds the settings of a gateway; what is given of them is put into `given`, by flag. They may be empty: a list of none. */
function addSettings(command: Command, settings: readonly Setting[], given: Record<string, string>): void {
  for (const { flag: name, about } of settings)
    command.addOption(
      new Option(`${name} <value>`, about)
        .argParser((value) => (given[name.slice(2)] = value))
        .helpGroup('Settings of the gateway ("glassbook config names" has their variables):'),
    )
}

type Setting = Pick<SettingName, 'flag' | 'about'>

/** Every flag of a command. */
export const flagsOf = (command: { readonly options: readonly Option[] }): string[] =>
  command.options.map(({ long }) => long!)

export interface CommandLineOptions {
  /** Behind "glassbook", as the prover's program takes them. */
  readonly words?: readonly string[]
  /** The gateway's; loaded for commands that take them only. */
  readonly settings?: readonly Setting[]
  /** Where settings that flags give are put, by flag. */
  readonly given?: Record<string, string>
  /** Runs what a command does; before it, what `name` needs of the process is looked at. */
  readonly run?: (name: string, work: () => Promise<number>) => Promise<void>
}

/** All commands. */
export function commandLine({
  words = [],
  settings = [],
  given = {},
  run = () => Promise.resolve(),
}: CommandLineOptions = {}): Command {
  const program = new GlassbookCommand('glassbook')
  program
    .description('A transparent, high-throughput decentralized exchange.')
    .version(version(), '-v, --version')
    .helpOption('-h, --help')
    .exitOverride()
    .addHelpText('after', '\n"glassbook COMMAND --help" lists the flags of a command.')

  const start = program
    .command('start')
    .description('chain, contracts, engine, gateway and settlement in one process tree')
    .addOption(flag('--data <dir>', 'where everything is kept; ./data unless given'))
    .addOption(count('--port <n>', 'where the gateway listens; 9001 unless given', 0, 65_535))
    .addOption(
      new Option(
        '--demo',
        'traders trade, until a deposit, trades, a proven batch and a claimed withdrawal were seen',
      ),
    )
    .addOption(
      count(
        '--seconds <n>',
        'end the demo after so long instead; exit 1 when it had not shown everything by then',
        0,
        1e9,
      ),
    )
    .addOption(count('--seed <n>', "of the demo's random walk", 0, 2 ** 31 - 1))
    .addOption(
      count(
        '--batch-seconds <n>',
        'close a batch after so long; 25 unless given, 10 with --demo',
        1,
        DAY_SECONDS,
      ),
    )
    .addOption(count('--batch-fills <n>', 'close a batch after so many fills', 1, 1e7).default(10_000))
    .addOption(
      count(
        '--confirmations <n>',
        'blocks on top of a deposit or a transaction of settlement before it counts',
        0,
        CONFIRMATIONS_MAX,
      ).default(0),
    )
    .addOption(
      count(
        '--exit-delay-seconds <n>',
        'how long a forced withdrawal may wait before anybody may freeze the exchange; 1800 unless given, fixed at the first start',
        1,
        EXIT_DELAY_SECONDS_MAX,
      ),
    )
    .addOption(
      count(
        '--keep-journal-days <n>',
        'then settled segments of the journal go to the archive',
        0,
        KEEP_DAYS_MAX,
      ).default(7),
    )
    .addOption(
      count(
        '--keep-batches-days <n>',
        'then final batches and their fills go to the archive',
        0,
        KEEP_DAYS_MAX,
      ).default(30),
    )
    .addOption(
      count(
        '--archive-seconds <n>',
        'between two looks for what may go to the archive',
        1,
        DAY_SECONDS,
      ).default(60),
    )
    .addOption(
      count(
        '--segment-mb <n>',
        'size of the journal segments that are made from now on; a segment goes to the archive as a whole',
        1,
        SEGMENT_MB_MAX,
      ).default(64),
    )
    .addOption(
      count(
        '--snapshot-every <n>',
        'commands from one snapshot of the engine to the next, 0 = none; segments behind the older of the two that are kept may go to the archive',
        0,
        1e9,
      ).default(2_000_000),
    )
    .addOption(
      flag('--replay <file>', 'feed a LOBSTER day of messages through the exchange, settle it, report, end'),
    )
    .addOption(flag('--orderbook <file>', 'with --replay: compare the books with these rows'))
    .addOption(json())
    .addOption(
      new Option(
        '--gateway-socket <path>',
        'no gateway is run: one of yours connects here; may be given twice',
      )
        .argParser(texts)
        .conflicts(['demo', 'replay']),
    )
    .addOption(
      flag(
        '--prover-listen <place>',
        'PORT or HOST:PORT where provers of other machines may join; their token in GLASSBOOK_PROVER_TOKEN',
      ),
    )
    .option('--no-local-prover', 'have provers of other machines only')
    .addOption(
      new Option('--accept-clock', 'start on a clock that is behind the journal, and follow one that jumps'),
    )
    .addOption(log())
    .addOption(logLevel())
    .addOption(config())
    .action((flags) =>
      run('start', async () => {
        const { startOptions } = await import('./start/start-options.js')
        const options = startOptions(flags, given, flagsOf(start))
        return (await import('./start/start.js')).runStart(options)
      }),
    )
  addSettings(start, settings, given)

  program
    .command('chain')
    .description('the local chain of a data folder alone, without its operator: for whoever leaves')
    .addArgument(folder('the data folder'))
    .addOption(log())
    .addOption(logLevel())
    .action((dir, flags) =>
      run('chain', async () => (await import('./commands/chain.js')).runChain(dir, flags)),
    )

  const gateway = program
    .command('gateway')
    .description('a gateway run by you, for a start with --gateway-socket SOCKET')
    .addOption(flag('--connect <socket>', "the exchange's socket").makeOptionMandatory())
    .addOption(flag('--data <dir>', "the exchange's data folder: history and the key that signs receipts"))
    .addOption(flag('--history <dir>', 'another folder for history: each has one writer'))
    .addOption(log())
    .addOption(logLevel())
    .addOption(config())
    .action((flags) =>
      run('gateway', async () => (await import('./commands/gateway.js')).runGatewayCommand(flags, given)),
    )
  addSettings(gateway, settings, given)

  program
    .command('engine')
    .description('the engine as a filter of JSON lines: commands in, events out')
    .addOption(flag('--config <file>', 'assets and markets that it opens with').makeOptionMandatory())
    .addHelpText('after', ENGINE_HELP)
    .action((flags) =>
      run('engine', async () => (await import('./filter/engine-filter.js')).runEngineFilter(flags)),
    )

  const journal = program.command('journal').description('check, print or measure a journal')
  const journalOf = async () => await import('./commands/journal.js')
  journal
    .command('verify')
    .description('check every block, and the chain of their hashes')
    .addArgument(folder('a data folder'))
    .addOption(json())
    .action((dir, flags) => run('journal', async () => (await journalOf()).runVerify(dir, flags)))
  journal
    .command('dump')
    .description('print blocks and commands')
    .addArgument(folder('a data folder'))
    .addOption(count('--from <seq>', 'first command', 0, Number.MAX_SAFE_INTEGER))
    .addOption(count('--to <seq>', 'last command', 0, Number.MAX_SAFE_INTEGER))
    .addOption(json())
    .action((dir, flags) => run('journal', async () => (await journalOf()).runDump(dir, flags)))
  journal
    .command('stat')
    .description('measure it')
    .addArgument(folder('a data folder'))
    .addOption(json())
    .action((dir, flags) => run('journal', async () => (await journalOf()).runStat(dir, flags)))

  program
    .command('replay')
    .description(
      'recompute every state from the journal; with --rpc every batch too, compared with the chain',
    )
    .addArgument(folder('a data folder'))
    .addOption(rpc())
    .addOption(settlement())
    .addOption(deployment())
    .addOption(calldata())
    .addOption(json())
    .action((dir, flags) =>
      run('replay', async () =>
        flags.calldata || [flags.rpc, flags.settlement, flags.deployment].some((given) => given !== undefined)
          ? (await import('./commands/audit.js')).runChainReplay(dir, flags)
          : (await journalOf()).runReplayCommand(dir, flags),
      ),
    )

  program
    .command('audit')
    .description('rebuild the state tree and every balance from the chain alone')
    .addOption(rpc())
    .addOption(settlement())
    .addOption(deployment())
    .addOption(flag('--balances <file>', 'write every balance as CSV'))
    .addOption(flag('--checkpoint <file>', 'write the state, for "exit" and for later audits'))
    .addOption(flag('--from <file>', 'begin at a checkpoint'))
    .addOption(calldata())
    .addOption(json())
    .action((flags) => run('audit', async () => (await import('./commands/audit.js')).runAudit(flags)))

  program
    .command('order-audit')
    .description('show the signed frames and approvals behind a fill, and verify them')
    .addArgument(folder('a data folder'))
    .addOption(
      new Option('--fill <seq>', 'which fill: SEQ or SEQ:INDEX').argParser(fillOf).makeOptionMandatory(),
    )
    .addOption(flag('--deployment <file>', "of another folder than the journal's"))
    .addOption(new Option('--rpc <url>', 'look at the chain too').argParser(rpcUrl))
    .addOption(json())
    .action((dir, flags) =>
      run('order-audit', async () => (await import('./commands/order-audit.js')).runOrderAudit(dir, flags)),
    )

  program
    .command('exit')
    .description('leave without the operator, from chain data alone')
    .addOption(rpc())
    .addOption(settlement())
    .addOption(deployment())
    .addOption(flag('--owner <address>', 'whose money').makeOptionMandatory())
    .addOption(new Option('--send', 'do it; otherwise the steps are shown only'))
    .addOption(flag('--key-file <file>', 'the private key that signs, instead of GLASSBOOK_OWNER_KEY'))
    .addOption(
      new Option(
        '--fee-per-gas-max <gwei>',
        `pay no more a gas than so many gwei (${FEE_PER_GAS_MAX / 10n ** 9n} unless given)`,
      ).argParser(gwei),
    )
    .addOption(flag('--checkpoint <file>', 'begin at a checkpoint of "audit"'))
    .addOption(json())
    .action((flags) => run('exit', async () => (await import('./commands/exit.js')).runExit(flags)))

  const prover = program
    .command('prover')
    .description('the prover, a program of its own: keys, ceremonies, proofs')
  const prove = () =>
    run('prover', async () => (await import('./commands/prover.js')).runProver(words.slice(1)))
  // Their values are judged by the prover's program, which reads the same words.
  const rows = () => flag('--rows <n>', 'row slots of a chunk')
  const depth = () => flag('--depth <n>', 'of the tree')
  const key = (about: string) => flag('--key <dir>', about)
  prover
    .command('key')
    .description('build and cache the development key')
    .addOption(rows())
    .addOption(depth())
    .action(prove)
  prover
    .command('work')
    .description('prove for a settlement process')
    .addOption(flag('--url <url>', 'where the exchange hands out chunks'))
    .addOption(flag('--token <text>', 'what it wants to see, instead of GLASSBOOK_PROVER_TOKEN'))
    .addOption(rows())
    .addOption(depth())
    .addOption(key("a ceremony's key; the development key unless given"))
    .addOption(flag('--name <name>', 'how this prover is called'))
    .option('--attached', 'end with whoever started it')
    .action(prove)
  prover
    .command('setup')
    .description('first key of a ceremony')
    .addOption(rows())
    .addOption(depth())
    .addOption(flag('--ptau <file>', 'powers of tau'))
    .addOption(flag('--sha256 <hex>', 'hash of that file'))
    .addOption(flag('--out <dir>', 'where the key goes'))
    .action(prove)
  prover
    .command('contribute')
    .description('add a contribution to a ceremony')
    .addOption(key("the ceremony's key"))
    .addOption(flag('--name <name>', 'by whom'))
    .action(prove)
  prover
    .command('check')
    .description("verify a ceremony's key from the circuit")
    .addOption(key("the ceremony's key"))
    .addOption(flag('--ptau <file>', 'powers of tau'))
    .action(prove)

  const configuration = program
    .command('config')
    .description('the settings that a start would use, and what wins over what')
  const configOf = async () => await import('./commands/config.js')
  const print = configuration
    .command('print')
    .description('the settings, from file, environment and flags')
    .addOption(config())
    .action((flags) => run('config', async () => (await configOf()).printConfig(flags, given)))
  addSettings(print, settings, given)
  configuration
    .command('names')
    .description('every setting with its variable and flag')
    .action(() => run('config', async () => (await configOf()).printNames()))

  program
    .command('doctor')
    .description('check that the bytecode and constants on-chain are what the deployment says')
    .addArgument(new Argument('<deployment>', 'its file, deployment.json of a data folder').argParser(text))
    .addOption(new Option('--rpc <url>', "where the chain is, instead of the deployment's").argParser(rpcUrl))
    .addOption(flag('--key <file>', 'the verification key that the verifier should have'))
    .addOption(json())
    .action((file, flags) =>
      run('doctor', async () => (await import('./commands/doctor.js')).runDoctor(file, flags)),
    )

  program
    .command('snapshot')
    .description('write a snapshot of a stopped exchange')
    .addArgument(folder('a data folder'))
    .addOption(json())
    .action((dir, flags) => run('snapshot', async () => (await journalOf()).runSnapshotCommand(dir, flags)))

  program
    .command('complete')
    .description('print completion for a shell; it serves "glassbook" where that is on the PATH')
    .addArgument(
      new Argument('<shell>', 'which').choices(Object.keys(COMPLETION_SCRIPTS) as readonly Shell[]),
    )
    .addHelpText('after', COMPLETE_HELP)
    .action((shell) =>
      run('complete', () => {
        process.stdout.write(COMPLETION_SCRIPTS[shell])
        return Promise.resolve(0)
      }),
    )
  return program
}

const COMPLETE_HELP = `
  source <(npx glassbook complete bash)    # bash; in ~/.bashrc for every shell
  source <(npx glassbook complete zsh)     # zsh, behind compinit
  npx glassbook complete fish | source     # fish

TAB runs "glassbook", which must be on the PATH: in a clone, PATH=$PWD/node_modules/.bin:$PATH
`

const ENGINE_HELP = `
  glassbook engine --config markets.json < commands.ndjson > events.ndjson

  config   {"assets":[{"id":0,"symbol":"USD"}],"markets":[{"id":0,"base":1,"quote":0,"lotUnits":1,
           "tickUnits":1,"makerFeePpm":0,"takerFeePpm":0}]}
  op       deposit withdraw transfer place amend cancel cancelAll cancelAfter protection
           resetProtection time openAccount createAsset withdrawTerms createMarket marketStatus exchangeStatus
           marketFees priceBand accountTier; queries: balances book orders markets stateHash
`

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** Commands that take settings of the gateway, or complete them. */
const WITH_SETTINGS = new Set(['start', 'gateway', 'config', 'complete'])

/** `help journal verify` is `journal verify --help`, which commander reads as far as `journal`; no words ask for help. */
function helpAsFlag(words: readonly string[]): string[] {
  const [first = 'help', ...rest] = words
  return first === 'help' ? [...rest, '--help'] : [first, ...rest]
}

/**
 * Runs the command that `words` name, and says on standard error what failed.
 * @returns exit code: the command's own; 2 = wrong use, 1 = any other failure.
 */
export async function glassbook(words: readonly string[]): Promise<number> {
  let code = 0
  try {
    const asked = helpAsFlag(words)
    const [name] = asked
    const settings = WITH_SETTINGS.has(name!)
      ? (await import('../gateway/settings/config.js')).settingNames()
      : []
    const program = commandLine({
      words: asked,
      settings,
      run: async (command, work) => {
        await prepare(command)
        code = await work()
      },
    })
    if (name === 'complete' && asked[1] === '--') {
      const lines = completions(program, asked.slice(2))
      process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    } else await program.parseAsync(asked, { from: 'user' })
    return code
  } catch (error) {
    // Help and version end so, and a command that has only commands of its own, called without one.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`glassbook: ${failureText(error)}\n`)
    return error instanceof UsageError ? 2 : 1
  }
}

/** What a command needs of the process. */
async function prepare(command: string): Promise<void> {
  if (command === 'start' && FILES_MAX < START_FILES_MIN)
    throw new Error(
      `this process may open ${FILES_MAX} files at once, "start" needs ${START_FILES_MIN}: raise the limit (ulimit -n ${START_FILES_MIN})`,
    )
  // A gateway is no engine: what is gained there by inlining more is lost to the compiler (tune.ts).
  if (command !== 'gateway') (await import('../engine/tune.js')).tuneForEngine()
}

function failureText(error: unknown): string {
  if ((error as NodeJS.ErrnoException | null)?.code === 'EMFILE')
    return `${(error as Error).message}: this process may open ${FILES_MAX} files at once, raise the limit (ulimit -n ${START_FILES_MIN})`
  return fileErrorText(error) ?? (error instanceof Error ? error.message : String(error))
}
