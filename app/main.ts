#!/usr/bin/env node
/**
 * The `glassbook` program: picks a command and runs it. Commands are loaded only when asked for, so
 * that a Node version that a native module does not know is told before that module is touched.
 */
import { tuneForEngine } from '../engine/tune.js'

const NODE_MAJOR = 20

interface Command {
  readonly usage: string
  readonly about: string
  readonly load: () => Promise<(argv: string[]) => Promise<number>>
}

const commands: Record<string, Command> = {
  start: {
    usage:
      'start [--data DIR] [--port N] [--demo] [--replay FILE [--orderbook FILE]] [--json] [--gateway-socket PATH]',
    about: 'chain, contracts, engine, gateway and settlement in one process tree',
    load: async () => (await import('./start.js')).runStart,
  },
  gateway: {
    usage: 'gateway --connect SOCKET [--data DIR] [--config FILE] [--gateway-SETTING VALUE …]',
    about: 'a gateway as a process of its own, for a start with --gateway-socket SOCKET',
    load: async () => (await import('./gateway-cli.js')).runGatewayCommand,
  },
  engine: {
    usage: 'engine --config markets.json < commands.ndjson > events.ndjson',
    about: 'the engine as a filter of JSON lines',
    load: async () => (await import('./engine-filter.js')).runEngineFilter,
  },
  journal: {
    usage: 'journal verify|dump|stat DIR [--json]',
    about: 'check, print or measure a journal',
    load: async () => (await import('./journal-cli.js')).runJournalCommand,
  },
  replay: {
    usage: 'replay DIR [--rpc URL [--settlement 0x… | --deployment FILE]] [--json]',
    about: 'recompute every state from the journal; with --rpc every batch too, compared with the chain',
    load: async () => {
      const journal = await import('./journal-cli.js')
      const audit = await import('./audit-cli.js')
      return (argv) =>
        argv.some((word) => word.startsWith('--rpc'))
          ? audit.runChainReplay(argv)
          : journal.runReplayCommand(argv)
    },
  },
  audit: {
    usage: 'audit --rpc URL [--settlement 0x… | --deployment FILE] [--json]',
    about: 'rebuild the state tree and every balance from the chain alone',
    load: async () => (await import('./audit-cli.js')).runAudit,
  },
  'order-audit': {
    usage: 'order-audit DIR --fill SEQ[:INDEX] [--deployment FILE] [--rpc URL] [--json]',
    about: 'show the signed frames and approvals behind a fill, and verify them',
    load: async () => (await import('./order-audit-cli.js')).runOrderAudit,
  },
  exit: {
    usage: 'exit --rpc URL --owner 0x…',
    about: 'leave without the operator, from chain data alone',
    load: async () => (await import('./exit-cli.js')).runExit,
  },
  prover: {
    usage: 'prover key|work|setup|contribute|check …',
    about: 'the prover, a program of its own: keys, ceremonies, proofs',
    load: async () => (await import('./prover-cli.js')).runProver,
  },
  config: {
    usage: 'config print [--config FILE] [--gateway-SETTING VALUE …] | names',
    about: 'the settings that a start would use, and what wins over what',
    load: async () => (await import('./config-cli.js')).runConfigCommand,
  },
  doctor: {
    usage: 'doctor DEPLOYMENT.json [--rpc URL] [--key VERIFICATION_KEY.json] [--json]',
    about: 'check that the bytecode and constants on-chain are what the deployment says',
    load: async () => (await import('./doctor.js')).runDoctor,
  },
  snapshot: {
    usage: 'snapshot DIR',
    about: 'write a snapshot of a stopped exchange',
    load: async () => (await import('./journal-cli.js')).runSnapshotCommand,
  },
}

function help(): string {
  const lines = Object.values(commands).map(({ usage, about }) => `  glassbook ${usage}\n      ${about}`)
  return `Usage:\n${lines.join('\n')}\n`
}

async function main(argv: string[]): Promise<number> {
  const major = Number(process.versions.node.split('.')[0])
  if (major !== NODE_MAJOR) {
    process.stderr.write(
      `glassbook: needs Node ${NODE_MAJOR}, this is ${process.versions.node}. The WebSocket server is a native module ` +
        `built for Node ${NODE_MAJOR}: use it ("nvm install ${NODE_MAJOR}"), or see "Other Node versions" in README.md.\n`,
    )
    return 1
  }
  const [name = 'help', ...rest] = argv
  if (name === 'help' || name === '--help' || name === '-h') {
    process.stdout.write(help())
    return 0
  }
  const command = commands[name]
  if (command === undefined) {
    process.stderr.write(`glassbook: no command "${name}"\n${help()}`)
    return 2
  }
  tuneForEngine()
  const run = await command.load()
  return run(rest)
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(`glassbook: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  },
)
