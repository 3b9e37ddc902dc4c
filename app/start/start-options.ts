/**
 * What the flags of `glassbook start` ask for together: what is refused and why. Read before anything is started or
 * made; each flag with its bounds stands in the command line (command-line.ts).
 */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { GatewayConfig } from '../../gateway/settings/config.js'
import { gatewaySettings } from '../files/gateway-settings.js'
import { UsageError } from '../files/usage-error.js'
import { whyNoSocketPath } from '../../gateway/bridge/bridge-listener.js'
import { PORT_MAX, REPLAY_RATE, TOKEN_CHARACTERS_MIN } from '../limits.js'
import type { LogFlags, LogOptions } from '../log-settings.js'

const MEGABYTE = 1024 * 1024

export interface StartOptions {
  readonly dataDir: string
  /** Nobody named the folder: it goes with the run. */
  readonly isTemporary: boolean
  readonly gateway: GatewayConfig
  /** Local sockets for gateways that others run; none = `start` runs the gateway. */
  readonly gatewaySockets: readonly string[]
  /** The words that gave `gateway` its settings, for whoever runs a gateway on one of those sockets. */
  readonly gatewayWords: readonly string[]
  readonly demo: boolean
  /** The demo ends by itself after this long; 0 = at Ctrl-C. */
  readonly seconds: number
  readonly seed: number
  readonly batchSeconds: number
  readonly batchFills: number
  /** Blocks on top of a deposit, and of a transaction of settlement, before it counts; 0 on the local chain only. */
  readonly confirmations: number
  /** Seconds that a forced withdrawal may wait, fixed when the local chain is made; undefined = as it was made. */
  readonly exitDelaySeconds: number | undefined
  /** Days that what is settled stays at hand: journal segments, and batches with their fills. */
  readonly keepJournalDays: number
  /** Between two looks for journal segments, and for batches, that may go to the archive. */
  readonly archiveSeconds: number
  /** Size of the journal segments that are made from now on. */
  readonly segmentBytes: number
  /** Commands from one snapshot of the engine to the next; 0 = none is taken. */
  readonly snapshotEvery: number
  readonly keepBatchesDays: number
  readonly replay: { readonly messages: string; readonly orderbook?: string } | undefined
  readonly json: boolean
  readonly prover: ProverOptions
  readonly log: LogOptions
  /** Start on a clock that is behind the journal, and follow one that jumps. */
  readonly acceptClock: boolean
}

/** Where provers of other processes and machines fetch their work; absent = only our own does. */
export interface ProverOptions {
  readonly runLocal: boolean
  /** The local prover is as urgent as the exchange: a demo waits for its proofs. */
  readonly isUrgent?: boolean
  readonly host?: string
  readonly port?: number
  readonly token?: string
}

function proverOptions(
  listen: string | undefined,
  runLocal: boolean,
  token: string | undefined,
): ProverOptions {
  if (listen === undefined) return { runLocal }
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(listen)
  const port = Number(match?.[2])
  if (match === null || port > PORT_MAX)
    throw new UsageError(
      `--prover-listen is ${listen}, not PORT or HOST:PORT with a port from 0 to ${PORT_MAX}`,
    )
  if (token === undefined || token.length < TOKEN_CHARACTERS_MIN)
    throw new UsageError(
      `--prover-listen needs what provers must show in GLASSBOOK_PROVER_TOKEN, ${TOKEN_CHARACTERS_MIN} characters or more`,
    )
  return { runLocal, host: match[1] ?? '127.0.0.1', port, token }
}

/** Flags of `start` beside `--gateway-…`. */
export interface StartFlags extends LogFlags {
  readonly data?: string | undefined
  readonly port?: number | undefined
  readonly config?: string | undefined
  readonly gatewaySocket?: readonly string[] | undefined
  readonly demo?: boolean | undefined
  readonly seconds?: number | undefined
  readonly seed?: number | undefined
  readonly batchSeconds?: number | undefined
  readonly batchFills: number
  readonly confirmations: number
  readonly exitDelaySeconds?: number | undefined
  readonly keepJournalDays: number
  readonly keepBatchesDays: number
  readonly archiveSeconds: number
  readonly segmentMb: number
  readonly snapshotEvery: number
  readonly replay?: string | undefined
  readonly orderbook?: string | undefined
  readonly json?: boolean | undefined
  readonly proverListen?: string | undefined
  readonly localProver: boolean
  readonly acceptClock?: boolean | undefined
}

/**
 * npm keeps flags that stand before `--` for itself, as settings of its own (`npm start --demo`), and the
 * exchange would run without them. It leaves them in the environment, so they can be answered. `json` is
 * not looked at: npm has a setting of that name.
 */
function refuseSwallowed(names: readonly string[], environment: NodeJS.ProcessEnv): void {
  if (environment.npm_lifecycle_event !== 'start') return
  const swallowed = names.filter(
    (flag) =>
      flag !== '--json' && `npm_config_${flag.replace(/^--(no-)?/, '').replaceAll('-', '_')}` in environment,
  )
  if (swallowed.length === 0) return
  const words = swallowed.join(' ')
  throw new UsageError(`npm keeps ${words} for itself: put "--" before it, as in "npm start -- ${words}"`)
}

/**
 * `settings`: those of the gateway that flags give, by flag; `names`: every flag that the command has.
 * @throws UsageError for flags that do not go together, or name what is not there.
 */
export function startOptions(
  flags: StartFlags,
  settings: Readonly<Record<string, string>>,
  names: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): StartOptions {
  refuseSwallowed(names, environment)
  const { replay, orderbook, demo = false, json = false } = flags
  for (const [flag, file] of Object.entries({ replay, orderbook }))
    if (file !== undefined && !existsSync(file)) throw new UsageError(`--${flag}: no file ${file}`)
  if (orderbook !== undefined && replay === undefined) throw new UsageError('--orderbook goes with --replay')
  if (json && replay === undefined) throw new UsageError('--json goes with --replay')
  if (!flags.localProver && flags.proverListen === undefined)
    throw new UsageError(
      '--no-local-prover needs --prover-listen [HOST:]PORT, where provers of other machines join: without both nobody proves',
    )
  for (const flag of ['seconds', 'seed'] as const)
    if (flags[flag] !== undefined && !demo) throw new UsageError(`--${flag} ${flags[flag]} goes with --demo`)
  if (flags.port !== undefined && settings['gateway-port'] !== undefined)
    throw new UsageError(
      `--port ${flags.port} and --gateway-port ${settings['gateway-port']} are one setting: give one of them`,
    )
  let gateway = gatewaySettings(flags.config, settings, environment)
  gateway = { ...gateway, port: flags.port ?? gateway.port }
  if (replay !== undefined)
    gateway = {
      ...gateway,
      requestRate: REPLAY_RATE,
      orderRate: REPLAY_RATE,
      cancelRate: REPLAY_RATE,
      ipRequestRate: REPLAY_RATE,
      ipOrderRate: REPLAY_RATE,
    }
  // A replay wants an empty book: it gets a folder of its own unless one is named.
  const dataDir =
    flags.data ?? (replay === undefined ? 'data' : mkdtempSync(join(tmpdir(), 'glassbook-replay-')))
  return {
    dataDir: resolve(dataDir),
    isTemporary: flags.data === undefined && replay !== undefined,
    gateway,
    gatewaySockets: (flags.gatewaySocket ?? []).map(socketPath),
    gatewayWords: [
      ...(flags.config === undefined ? [] : ['--config', resolve(flags.config)]),
      ...Object.entries(settings).flatMap(([flag, value]) =>
        flag === 'gateway-port' ? [] : [`--${flag}=${value}`],
      ),
    ],
    demo,
    seconds: flags.seconds ?? 0,
    seed: flags.seed ?? 1,
    batchSeconds: flags.batchSeconds ?? (demo ? 10 : 25),
    batchFills: flags.batchFills,
    confirmations: flags.confirmations,
    exitDelaySeconds: flags.exitDelaySeconds,
    keepJournalDays: flags.keepJournalDays,
    archiveSeconds: flags.archiveSeconds,
    segmentBytes: flags.segmentMb * MEGABYTE,
    snapshotEvery: flags.snapshotEvery,
    keepBatchesDays: flags.keepBatchesDays,
    replay:
      replay === undefined
        ? undefined
        : { messages: replay, ...(orderbook === undefined ? {} : { orderbook }) },
    json,
    acceptClock: flags.acceptClock ?? false,
    log: { format: flags.log, level: flags.logLevel },
    prover: {
      ...proverOptions(flags.proverListen, flags.localProver, environment.GLASSBOOK_PROVER_TOKEN),
      ...(demo ? { isUrgent: true } : {}),
    },
  }
}

/** The whole path of a socket for a gateway. @throws UsageError where there can be none. */
function socketPath(flag: string): string {
  const path = resolve(flag)
  const why = whyNoSocketPath(path)
  if (why !== undefined) throw new UsageError(`--gateway-socket: ${why}`)
  return path
}
