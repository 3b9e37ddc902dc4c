/**
 * The words of `glassbook start`: what each flag means, what is refused and why. Read before anything is
 * started or made.
 */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { parseArgs } from 'node:util'
import {
  type GatewayConfig,
  ConfigError,
  loadGatewayConfig,
  settingFlags,
} from '../../gateway/settings/config.js'
import { SNAPSHOT_EVERY } from '../../engine/runtime/exchange.js'
import { SEGMENT_BYTES } from '../../engine/journal/segments.js'
import { usageOf } from '../command-list.js'
import { FlagError, readFlags } from '../files/flags.js'

const USAGE = `usage: ${usageOf('start')}`

/** Budget of the operator's own replay: it is not to be slowed down by rules made for strangers. */
const REPLAY_RATE = { perSecond: 1_000_000, burst: 1_000_000 }

/** A hundred years: for ever. */
const KEEP_DAYS_MAX = 36_500
/** Some hours of blocks on any chain; deeper than that nothing is taken back that anybody could mend. */
const CONFIRMATIONS_MAX = 1000
const EXIT_DELAY_SECONDS_MAX = 30 * 86_400

const MEGABYTE = 1024 * 1024
const SEGMENT_MB_MAX = 1024

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

/** A token that can be guessed lets anybody waste our provers' time. */
const TOKEN_CHARACTERS_MIN = 16

/** Wrong words on the command line, or a file or folder that cannot be used. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

function number(text: string | undefined, flag: string, fallback: number, max: number, min = 0): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new StartError(`--${flag} is ${text}, not a whole number from ${min} to ${max}`)
  return value
}

function proverOptions(
  listen: string | undefined,
  runLocal: boolean,
  token: string | undefined,
): ProverOptions {
  if (listen === undefined) return { runLocal }
  const match = /^(?:(.+):)?(\d+)$/.exec(listen)
  if (match === null) throw new StartError(`--prover-listen is ${listen}, not PORT or HOST:PORT`)
  const port = number(match[2], 'prover-listen', 0, 65535)
  if (token === undefined || token.length < TOKEN_CHARACTERS_MIN)
    throw new StartError(
      `--prover-listen needs what provers must show in GLASSBOOK_PROVER_TOKEN, ${TOKEN_CHARACTERS_MIN} characters or more`,
    )
  return { runLocal, host: match[1] ?? '127.0.0.1', port, token }
}

/** Flags of `start` beside `--gateway-…`, as parseArgs takes them. */
export const startFlags = {
  data: { type: 'string' },
  port: { type: 'string' },
  config: { type: 'string' },
  'gateway-socket': { type: 'string', multiple: true, default: [] },
  demo: { type: 'boolean', default: false },
  seconds: { type: 'string' },
  seed: { type: 'string' },
  'batch-seconds': { type: 'string' },
  'batch-fills': { type: 'string' },
  confirmations: { type: 'string' },
  'exit-delay-seconds': { type: 'string' },
  'keep-journal-days': { type: 'string' },
  'keep-batches-days': { type: 'string' },
  'archive-seconds': { type: 'string' },
  'segment-mb': { type: 'string' },
  'snapshot-every': { type: 'string' },
  replay: { type: 'string' },
  orderbook: { type: 'string' },
  json: { type: 'boolean', default: false },
  'prover-listen': { type: 'string' },
  'no-local-prover': { type: 'boolean', default: false },
  'accept-clock': { type: 'boolean', default: false },
} satisfies NonNullable<Parameters<typeof parseArgs>[0]>['options']

/**
 * npm keeps flags that stand before `--` for itself, as settings of its own (`npm start --demo`), and the
 * exchange would run without them. It leaves them in the environment, so they can be answered. `json` is
 * not looked at: npm has a setting of that name.
 */
function refuseSwallowed(environment: NodeJS.ProcessEnv): void {
  if (environment.npm_lifecycle_event !== 'start') return
  const isSwallowed = (flag: string): boolean =>
    flag !== 'json' && `npm_config_${flag.replace(/^no-/, '').replaceAll('-', '_')}` in environment
  const swallowed = [
    ...Object.keys(startFlags).filter(isSwallowed),
    ...Object.keys(environment)
      .filter((name) => name.startsWith('npm_config_gateway_') && name !== 'npm_config_gateway_socket')
      .map((name) => name.replace('npm_config_', '').replaceAll('_', '-')),
  ]
  if (swallowed.length === 0) return
  const words = swallowed.map((flag) => `--${flag}`).join(' ')
  throw new StartError(`npm keeps ${words} for itself: put "--" before it, as in "npm start -- ${words}"`)
}

/** As `number`, from 1 on. */
function positive(text: string | undefined, flag: string, fallback: number, max: number): number {
  return number(text, flag, fallback, max, 1)
}

/** @throws StartError for flags that are unknown, out of range, or name what is not there. */
export function parseStartOptions(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): StartOptions {
  refuseSwallowed(environment)
  let flags
  try {
    flags = readFlags(argv, startFlags)
  } catch (error) {
    if (error instanceof FlagError) throw new StartError(`${error.message}\n${USAGE}`)
    throw error
  }
  const { values, settings } = flags
  for (const flag of ['replay', 'orderbook'] as const) {
    const file = values[flag]
    if (file !== undefined && !existsSync(file)) throw new StartError(`--${flag}: no file ${file}`)
  }
  if (values.orderbook !== undefined && values.replay === undefined)
    throw new StartError(`--orderbook goes with --replay\n${USAGE}`)
  if (values.json && values.replay === undefined) throw new StartError(`--json goes with --replay\n${USAGE}`)
  if (values['no-local-prover'] && values['prover-listen'] === undefined)
    throw new StartError(
      `--no-local-prover needs --prover-listen [HOST:]PORT, where provers of other machines join: without both nobody proves\n${USAGE}`,
    )
  for (const flag of ['seconds', 'seed'] as const)
    if (values[flag] !== undefined && !values.demo)
      throw new StartError(`--${flag} ${values[flag]} goes with --demo\n${USAGE}`)
  const gatewaySockets = values['gateway-socket']
  if (gatewaySockets.length > 0 && (values.demo || values.replay !== undefined))
    throw new StartError(
      `--demo and --replay trade through a gateway that start runs: without --gateway-socket\n${USAGE}`,
    )
  let gateway: GatewayConfig
  try {
    gateway = loadGatewayConfig({ file: values.config, environment, flags: settings })
  } catch (error) {
    if (error instanceof ConfigError) throw new StartError(error.message)
    throw error
  }
  gateway = { ...gateway, port: number(values.port, 'port', gateway.port, 65535) }
  if (values.replay !== undefined)
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
    values.data ?? (values.replay === undefined ? 'data' : mkdtempSync(join(tmpdir(), 'glassbook-replay-')))
  return {
    dataDir: resolve(dataDir),
    isTemporary: values.data === undefined && values.replay !== undefined,
    gateway,
    gatewaySockets: gatewaySockets.map((path) => resolve(path)),
    gatewayWords: [
      ...(values.config === undefined ? [] : ['--config', resolve(values.config)]),
      ...Object.keys(settingFlags).flatMap((flag) =>
        settings[flag] === undefined || flag === 'gateway-port'
          ? []
          : [`--${flag}=${String(settings[flag])}`],
      ),
    ],
    demo: values.demo,
    seconds: number(values.seconds, 'seconds', 0, 1e9),
    seed: number(values.seed, 'seed', 1, 2 ** 31 - 1),
    batchSeconds: positive(values['batch-seconds'], 'batch-seconds', values.demo ? 10 : 25, 86_400),
    batchFills: positive(values['batch-fills'], 'batch-fills', 10_000, 1e7),
    confirmations: number(values.confirmations, 'confirmations', 0, CONFIRMATIONS_MAX),
    exitDelaySeconds:
      values['exit-delay-seconds'] === undefined
        ? undefined
        : positive(values['exit-delay-seconds'], 'exit-delay-seconds', 0, EXIT_DELAY_SECONDS_MAX),
    keepJournalDays: number(values['keep-journal-days'], 'keep-journal-days', 7, KEEP_DAYS_MAX),
    archiveSeconds: positive(values['archive-seconds'], 'archive-seconds', 60, 86_400),
    segmentBytes:
      positive(values['segment-mb'], 'segment-mb', SEGMENT_BYTES / MEGABYTE, SEGMENT_MB_MAX) * MEGABYTE,
    snapshotEvery: number(values['snapshot-every'], 'snapshot-every', SNAPSHOT_EVERY, 1e9),
    keepBatchesDays: number(values['keep-batches-days'], 'keep-batches-days', 30, KEEP_DAYS_MAX),
    replay:
      values.replay === undefined
        ? undefined
        : {
            messages: values.replay,
            ...(values.orderbook === undefined ? {} : { orderbook: values.orderbook }),
          },
    json: values.json,
    acceptClock: values['accept-clock'],
    prover: {
      ...proverOptions(
        values['prover-listen'],
        !values['no-local-prover'],
        environment.GLASSBOOK_PROVER_TOKEN,
      ),
      ...(values.demo ? { isUrgent: true } : {}),
    },
  }
}
