/**
 * The commands of the program: how each is called, what it is for, its flags, and where it is. The one source
 * of every help text; loaded without anything native.
 */
export interface ProgramCommand {
  readonly usage: string
  readonly about: string
  /** Each flag with what it means, as it is printed. */
  readonly flags: readonly (readonly [flag: string, about: string])[]
  readonly load: () => Promise<(argv: string[]) => Promise<number>>
}

const CHAIN_FLAGS = [
  ['--rpc URL', 'where the chain is; more than one may be given'],
  ['--settlement 0x…', "the exchange's settlement contract; the rest is read from the chain"],
  ['--deployment FILE', 'what a start wrote to its data folder, instead of --settlement'],
] as const
const JSON_FLAG = ['--json', 'the result as JSON on standard output'] as const
const GATEWAY_FLAGS = [
  ['--config FILE', 'settings of the gateway as JSON'],
  ['--gateway-SETTING VALUE', 'one setting; "glassbook config names" lists them'],
] as const

export const commands: Readonly<Record<string, ProgramCommand>> = {
  start: {
    usage: 'start [FLAGS]',
    about: 'chain, contracts, engine, gateway and settlement in one process tree',
    flags: [
      ['--data DIR', 'where everything is kept; ./data unless given'],
      ['--port N', 'where the gateway listens; 9001 unless given'],
      ['--demo', 'traders trade, until a deposit, trades, a proven batch and a claimed withdrawal were seen'],
      [
        '--seconds N',
        'end the demo after N seconds instead; exit 1 when it had not shown everything by then',
      ],
      ['--seed N', "of the demo's random walk"],
      ['--batch-seconds N', 'close a batch after so long; 25 unless given, 10 with --demo'],
      ['--batch-fills N', 'close a batch after so many fills; 10000 unless given'],
      [
        '--confirmations N',
        'blocks on top of a deposit or a transaction of settlement before it counts; 0 unless given',
      ],
      [
        '--exit-delay-seconds N',
        'how long a forced withdrawal may wait before anybody may freeze the exchange; 1800 unless given, fixed at the first start',
      ],
      ['--keep-journal-days N', 'then settled segments of the journal go to the archive; 7 unless given'],
      ['--keep-batches-days N', 'then final batches and their fills go to the archive; 30 unless given'],
      ['--archive-seconds N', 'between two looks for what may go to the archive; 60 unless given'],
      [
        '--segment-mb N',
        'size of the journal segments that are made from now on; 64 unless given. A segment goes to the archive as a whole',
      ],
      [
        '--snapshot-every N',
        'commands from one snapshot of the engine to the next; 2000000 unless given, 0 = none. Segments behind the older of the two that are kept may go to the archive',
      ],
      ['--replay FILE', 'feed a LOBSTER day of messages through the exchange, settle it, report, end'],
      ['--orderbook FILE', 'with --replay: compare the books with these rows'],
      JSON_FLAG,
      ['--gateway-socket PATH', 'no gateway is run: one of yours connects here; may be given twice'],
      [
        '--prover-listen [HOST:]PORT',
        'let provers of other machines join; their token in GLASSBOOK_PROVER_TOKEN',
      ],
      ['--no-local-prover', 'have provers of other machines only'],
      ['--accept-clock', 'start on a clock that is behind the journal, and follow one that jumps'],
      ...GATEWAY_FLAGS,
    ],
    load: async () => (await import('./start/start.js')).runStart,
  },
  chain: {
    usage: 'chain DIR',
    about: 'the local chain of a data folder alone, without its operator: for whoever leaves',
    flags: [],
    load: async () => (await import('./commands/chain.js')).runChain,
  },
  gateway: {
    usage: 'gateway --connect SOCKET [FLAGS]',
    about: 'a gateway run by you, for a start with --gateway-socket SOCKET',
    flags: [
      ['--connect SOCKET', "the exchange's socket"],
      ['--data DIR', "the exchange's data folder: history and the key that signs receipts"],
      ['--history DIR', 'another folder for history: each has one writer'],
      ...GATEWAY_FLAGS,
    ],
    load: async () => (await import('./commands/gateway.js')).runGatewayCommand,
  },
  engine: {
    usage: 'engine --config markets.json < commands.ndjson > events.ndjson',
    about: 'the engine as a filter of JSON lines',
    flags: [['--config FILE', 'assets and markets that it opens with; README.md, "Tools", has an example']],
    load: async () => (await import('./filter/engine-filter.js')).runEngineFilter,
  },
  journal: {
    usage: 'journal verify|dump|stat DIR [FLAGS]',
    about: 'check, print or measure a journal',
    flags: [['--from SEQ', 'dump: first command'], ['--to SEQ', 'dump: last command'], JSON_FLAG],
    load: async () => (await import('./commands/journal.js')).runJournalCommand,
  },
  replay: {
    usage: 'replay DIR [FLAGS]',
    about: 'recompute every state from the journal; with --rpc every batch too, compared with the chain',
    flags: [
      ...CHAIN_FLAGS,
      ['--calldata', "compare the chain's events with the calldata of their transactions"],
      JSON_FLAG,
    ],
    load: async () => {
      const journal = await import('./commands/journal.js')
      const audit = await import('./commands/audit.js')
      return (argv) =>
        argv.some((word) => /^--(rpc|settlement|deployment|calldata)(=|$)/.test(word))
          ? audit.runChainReplay(argv)
          : journal.runReplayCommand(argv)
    },
  },
  audit: {
    usage: 'audit --rpc URL [FLAGS]',
    about: 'rebuild the state tree and every balance from the chain alone',
    flags: [
      ...CHAIN_FLAGS,
      ['--balances FILE', 'write every balance as CSV'],
      ['--checkpoint FILE', 'write the state, for "exit" and for later audits'],
      ['--from FILE', 'begin at a checkpoint'],
      ['--calldata', "compare the chain's events with the calldata of their transactions"],
      JSON_FLAG,
    ],
    load: async () => (await import('./commands/audit.js')).runAudit,
  },
  'order-audit': {
    usage: 'order-audit DIR --fill SEQ[:INDEX] [FLAGS]',
    about: 'show the signed frames and approvals behind a fill, and verify them',
    flags: [
      ['--fill SEQ[:INDEX]', 'which fill'],
      ['--deployment FILE', "of another folder than the journal's"],
      ['--rpc URL', 'look at the chain too'],
      JSON_FLAG,
    ],
    load: async () => (await import('./commands/order-audit.js')).runOrderAudit,
  },
  exit: {
    usage: 'exit --rpc URL --owner 0x… [FLAGS]',
    about: 'leave without the operator, from chain data alone',
    flags: [
      ...CHAIN_FLAGS,
      ['--owner 0x…', 'whose money'],
      ['--send', 'do it; otherwise the steps are shown only'],
      ['--key-file FILE', 'the private key that signs, instead of GLASSBOOK_OWNER_KEY'],
      ['--checkpoint FILE', 'begin at a checkpoint of "audit"'],
      JSON_FLAG,
    ],
    load: async () => (await import('./commands/exit.js')).runExit,
  },
  prover: {
    usage: 'prover key|work|setup|contribute|check [FLAGS]',
    about: 'the prover, a program of its own: keys, ceremonies, proofs',
    flags: [
      ['--rows N', 'row slots of a chunk'],
      ['--depth N', 'of the tree'],
      ['--url URL', 'work: where the exchange hands out chunks'],
      ['--token TEXT', 'work: what it wants to see, instead of GLASSBOOK_PROVER_TOKEN'],
      ['--key DIR', "a ceremony's key"],
      ['--ptau FILE', 'setup, check: powers of tau'],
      ['--sha256 HEX', 'setup: hash of that file'],
      ['--out DIR', 'setup: where the key goes'],
      ['--name NAME', 'contribute: by whom; work: how this prover is called'],
      ['--attached', 'work: end with whoever started it'],
    ],
    load: async () => (await import('./commands/prover.js')).runProver,
  },
  config: {
    usage: 'config print [FLAGS] | names',
    about: 'the settings that a start would use, and what wins over what',
    flags: GATEWAY_FLAGS,
    load: async () => (await import('./commands/config.js')).runConfigCommand,
  },
  doctor: {
    usage: 'doctor DEPLOYMENT.json [FLAGS]',
    about: 'check that the bytecode and constants on-chain are what the deployment says',
    flags: [
      ['--rpc URL', "where the chain is, instead of the deployment's"],
      ['--key VERIFICATION_KEY.json', 'the key that the verifier should have'],
      JSON_FLAG,
    ],
    load: async () => (await import('./commands/doctor.js')).runDoctor,
  },
  snapshot: {
    usage: 'snapshot DIR [FLAGS]',
    about: 'write a snapshot of a stopped exchange',
    flags: [JSON_FLAG],
    load: async () => (await import('./commands/journal.js')).runSnapshotCommand,
  },
}

const FLAG_COLUMNS = 30

/** Help of one command. */
export function commandHelp({ usage, about, flags }: ProgramCommand): string {
  const rows = flags.map(([flag, what]) => `  ${flag.padEnd(FLAG_COLUMNS)} ${what}\n`)
  return `Usage: glassbook ${usage}\n\n${about}\n${rows.length === 0 ? '' : `\n${rows.join('')}`}`
}

/** How a command is called, for whoever called it wrongly. */
export function usageOf(name: string): string {
  return `glassbook ${commands[name]!.usage}\n"glassbook ${name} --help" lists its flags`
}

/** Help of the program. */
export function programHelp(): string {
  const rows = Object.values(commands).map(({ usage, about }) => `  glassbook ${usage}\n      ${about}\n`)
  return (
    `Usage:\n${rows.join('')}\n` +
    '  glassbook COMMAND --help       flags of a command\n  glassbook --version\n'
  )
}

/** Whether the words ask for help; what stands behind "--" is no flag. */
export function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).some((word) => word === '--help' || word === '-h')
}
