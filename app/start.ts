/**
 * `glassbook start`: chain, contracts, engine, journal, gateway and settlement in one process tree. Each
 * part is started when what it needs is there, and stopped in the opposite order; every part that fails
 * to start is one clear line and a non-zero exit.
 */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { createPublicClient, http } from 'viem'
import { startExchange } from '../engine/exchange.js'
import { BatchList } from '../gateway/batch-list.js'
import { type GatewayConfig, ConfigError, loadGatewayConfig } from '../gateway/config.js'
import { DEVELOPMENT_ROWS, developmentVerificationKey } from '../settlement/development-key.js'
import { Demo } from './demo.js'
import { type GatewayLink, gatewayCount, startGatewayLink } from './gateway-link.js'
import { LOCAL_GENESIS } from './genesis.js'
import { runLobster } from './lobster/run.js'
import { privateKeyOf, startLocalChain } from './local-chain.js'
import { OperatorLink } from './operator-link.js'
import { startSettlement } from './settlement-link.js'
import { Screen } from './screen.js'

const USAGE =
  'usage: glassbook start [--data DIR] [--port N] [--demo] [--seconds N] [--seed N] [--batch-seconds N] ' +
  '[--batch-fills N] [--replay FILE [--orderbook FILE] [--json]] [--config FILE] [--gateway-SETTING VALUE …] ' +
  '[--gateway-socket PATH …] [--prover-listen [HOST:]PORT] [--no-local-prover]'

const TRADERS = 5
/** A forced withdrawal may be left unanswered this long on the local chain; a week on a real one. */
const LOCAL_EXIT_DELAY_SECONDS = 60
/** Batches that may wait for their proofs; beyond it posting waits, and the next batches net more. */
const LOCAL_UNPROVEN_MAX = 64
const STATUS_EVERY_MS = 1000
/** Budget of the operator's own replay: it is not to be slowed down by rules made for strangers. */
const REPLAY_RATE = { perSecond: 1_000_000, burst: 1_000_000 }

export interface StartOptions {
  readonly dataDir: string
  readonly gateway: GatewayConfig
  /** Local sockets for gateways that run as processes of their own; none = the gateway is inside. */
  readonly gatewaySockets: readonly string[]
  readonly demo: boolean
  /** The demo ends by itself after this long; 0 = at Ctrl-C. */
  readonly seconds: number
  readonly seed: number
  readonly batchSeconds: number
  readonly batchFills: number
  readonly replay: { readonly messages: string; readonly orderbook?: string } | undefined
  readonly json: boolean
  readonly prover: ProverOptions
}

/** Where provers of other processes and machines fetch their work; absent = only our own does. */
export interface ProverOptions {
  readonly runLocal: boolean
  readonly host?: string
  readonly port?: number
  readonly token?: string
}

/** A token that can be guessed lets anybody waste our provers' time. */
const TOKEN_CHARACTERS_MIN = 16

/** Wrong words on the command line, or a file or folder that cannot be used. */
class StartError extends Error {
  override readonly name = 'StartError'
}

function number(text: string | undefined, flag: string, fallback: number, max: number): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new StartError(`--${flag} is ${text}, not a whole number from 0 to ${max}`)
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

/** @throws StartError for flags that are unknown, out of range, or name what is not there. */
export function parseStartOptions(argv: readonly string[]): StartOptions {
  const gatewayFlags: string[] = []
  const ownFlags: string[] = []
  for (let index = 0; index < argv.length; index++) {
    const flag = argv[index]!
    if (!flag.startsWith('--gateway-') || /^--gateway-socket(=|$)/.test(flag)) ownFlags.push(flag)
    else gatewayFlags.push(...(flag.includes('=') ? [flag] : argv.slice(index, ++index + 1)))
  }
  let values
  try {
    ;({ values } = parseArgs({
      args: ownFlags,
      options: {
        data: { type: 'string' },
        port: { type: 'string' },
        config: { type: 'string' },
        'gateway-socket': { type: 'string', multiple: true, default: [] },
        demo: { type: 'boolean', default: false },
        seconds: { type: 'string' },
        seed: { type: 'string' },
        'batch-seconds': { type: 'string' },
        'batch-fills': { type: 'string' },
        replay: { type: 'string' },
        orderbook: { type: 'string' },
        json: { type: 'boolean', default: false },
        'prover-listen': { type: 'string' },
        'no-local-prover': { type: 'boolean', default: false },
      },
    }))
  } catch (error) {
    throw new StartError(`${(error as Error).message}\n${USAGE}`)
  }
  for (const flag of ['replay', 'orderbook'] as const) {
    const file = values[flag]
    if (file !== undefined && !existsSync(file)) throw new StartError(`--${flag}: no file ${file}`)
  }
  if (values.orderbook !== undefined && values.replay === undefined)
    throw new StartError(`--orderbook goes with --replay\n${USAGE}`)
  const gatewaySockets = values['gateway-socket']
  if (gatewaySockets.length > 0 && (values.demo || values.replay !== undefined))
    throw new StartError(
      `--demo and --replay trade through the gateway inside: without --gateway-socket\n${USAGE}`,
    )
  let gateway: GatewayConfig
  try {
    gateway = loadGatewayConfig({ file: values.config, environment: process.env, flags: gatewayFlags })
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
    gateway,
    gatewaySockets: gatewaySockets.map((path) => resolve(path)),
    demo: values.demo,
    seconds: number(values.seconds, 'seconds', 0, 1e9),
    seed: number(values.seed, 'seed', 1, 2 ** 31 - 1),
    batchSeconds: number(values['batch-seconds'], 'batch-seconds', 25, 86_400),
    batchFills: number(values['batch-fills'], 'batch-fills', 10_000, 1e7),
    replay:
      values.replay === undefined
        ? undefined
        : {
            messages: values.replay,
            ...(values.orderbook === undefined ? {} : { orderbook: values.orderbook }),
          },
    json: values.json,
    prover: proverOptions(
      values['prover-listen'],
      !values['no-local-prover'],
      process.env.GLASSBOOK_PROVER_TOKEN,
    ),
  }
}

function prepareFolder(dataDir: string): void {
  try {
    mkdirSync(dataDir, { recursive: true })
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new StartError(`the data folder ${dataDir} cannot be used: ${(error as Error).message}`)
  }
}

/** Runs the exchange until Ctrl-C, the end of a replay or demo, or a failure; resolves with the exit code. */
export async function runStart(argv: string[]): Promise<number> {
  let options: StartOptions
  try {
    options = parseStartOptions(argv)
    prepareFolder(options.dataDir)
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    process.stderr.write(`glassbook: ${error.message}\n`)
    return 2
  }
  const screen = new Screen(options.json ? process.stderr : process.stdout)
  /** Undone in the opposite order. */
  const running: { name: string; stop: () => Promise<void> }[] = []
  let resolveEnded: (code: number) => void = () => {}
  const ended = {
    promise: new Promise<number>((resolve) => {
      resolveEnded = resolve
    }),
    resolve: (code: number) => resolveEnded(code),
  }
  const interrupt = (): void => ended.resolve(0)
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const fail = (what: string, error: unknown): void => {
    screen.line(`glassbook: ${what}: ${error instanceof Error ? error.message : String(error)}`)
    ended.resolve(1)
  }
  let code = 1
  try {
    await startParts(options, screen, running, ended, fail)
    code = await ended.promise
  } catch (error) {
    screen.line(`glassbook: ${error instanceof Error ? error.message : String(error)}`)
  }
  for (const { name, stop } of running.reverse()) {
    try {
      screen.step(`stopping ${name}`)
      await stop()
    } catch (error) {
      screen.line(
        `glassbook: ${name} did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`,
      )
      code = 1
    }
  }
  if (options.replay !== undefined && !argv.includes('--data'))
    rmSync(options.dataDir, { recursive: true, force: true })
  screen.line(code === 0 ? 'glassbook: stopped, everything is on disk' : `glassbook: ended with code ${code}`)
  process.off('SIGINT', interrupt)
  process.off('SIGTERM', interrupt)
  return code
}

async function startParts(
  options: StartOptions,
  screen: Screen,
  running: { name: string; stop: () => Promise<void> }[],
  ended: { promise: Promise<number>; resolve: (code: number) => void },
  fail: (what: string, error: unknown) => void,
): Promise<void> {
  const chain = await startLocalChain(
    options.dataDir,
    TRADERS,
    {
      exitDelaySeconds: LOCAL_EXIT_DELAY_SECONDS,
      maxUnproven: LOCAL_UNPROVEN_MAX,
      verificationKey: developmentVerificationKey,
      rowsPerChunk: DEVELOPMENT_ROWS,
    },
    (step) => screen.step(step),
  )
  running.push({ name: 'the chain', stop: () => chain.anvil.stop() })
  const { deployment } = chain
  const rpcUrl = chain.anvil.rpcUrl

  const gateways = gatewayCount(options.gatewaySockets, options.gateway)
  screen.step('recovering the engine')
  const exchange = await startExchange({
    dataDir: options.dataDir,
    genesis: LOCAL_GENESIS,
    gateways,
    operators: 1,
    onLog: (line) => screen.line(line),
  })
  exchange.onFailure((_failure, reason) => fail('the exchange halted', reason))
  const operator = new OperatorLink({
    producer: gateways,
    inbound: exchange.inbound[gateways]!,
    outbound: exchange.outbound[gateways]!,
    control: exchange.control,
  })
  // Started last, but spoken to by parts that start before it.
  const late: { gateway?: GatewayLink } = {}
  /** What settlement tells before there is a gateway. */
  const batches = new BatchList()
  running.push({
    name: 'engine and journal',
    stop: async () => {
      operator.leave()
      await exchange.stop()
      await operator.ended
      await late.gateway?.ended
    },
  })

  screen.step('starting settlement')
  const demoBatches: ((number: number) => void)[] = []
  const settlement = await startSettlement({
    dataDir: options.dataDir,
    control: exchange.control,
    deployment,
    rpcUrl,
    operatorKey: privateKeyOf(chain.operator),
    batchSeconds: options.batchSeconds,
    batchFills: options.batchFills,
    prover: options.prover,
    depositsConsumed: exchange.depositsConsumed,
    submit: (record, attachment) => operator.submit(record, attachment),
    onBatch: (batch) => {
      batches.put(batch)
      late.gateway?.batchChanged(batch)
      if (batch.state === 'posted') for (const listener of demoBatches) listener(batch.number)
    },
    onFigures: (figures) => late.gateway?.settlementChanged(figures),
    onLine: (line) => screen.line(line),
    onDied: (error) => fail('settlement', error),
  })
  running.push({ name: 'settlement', stop: () => settlement.stop() })

  screen.step('starting the gateway')
  const gateway = await startGatewayLink({
    dataDir: options.dataDir,
    sockets: options.gatewaySockets,
    links: Array.from({ length: gateways }, (_, producer) => ({
      producer,
      inbound: exchange.inbound[producer]!,
      outbound: exchange.outbound[producer]!,
      control: exchange.control,
    })),
    config: options.gateway,
    deployment: { ...deployment, rpcUrl },
    batches: batches.latest(),
    askProof: (question) => settlement.proof(question),
    onDied: (error) => fail('the gateway', error),
  })
  late.gateway = gateway
  running.push({ name: 'the gateway', stop: () => gateway.stop() })
  const { url } = gateway

  await settlement.depositsSeen
  screen.start({
    url,
    gatewaySockets: options.gatewaySockets,
    rpcUrl,
    deployment,
    dataDir: options.dataDir,
    seq: exchange.seq,
    replayed: exchange.replayed,
    snapshotSeq: exchange.snapshotSeq,
    stateHash: Buffer.from(exchange.stateHash).toString('hex'),
    epoch: exchange.epoch,
  })
  const status = setInterval(
    () =>
      screen.status({
        orders: operator.orders,
        fills: operator.fills,
        sequencedSeq: operator.sequencedSeq,
        durableSeq: operator.durableSeq,
        settlement: settlement.status(),
        connections: gateway.stats.connections,
      }),
    STATUS_EVERY_MS,
  )
  running.push({ name: 'the status line', stop: async () => clearInterval(status) })

  if (url === undefined) return
  if (options.replay !== undefined) {
    const report = await runLobster({
      url,
      files: options.replay,
      traders: chain.traders,
      onProgress: (done, total) => screen.progress('replay', done, total),
    })
    screen.line('settling what is open')
    const last = await settlement.flush()
    const transaction =
      last === undefined
        ? undefined
        : await createPublicClient({ transport: http(rpcUrl) }).getTransactionReceipt({
            hash: last.transactionHash,
          })
    screen.report(report, last, transaction?.gasUsed)
    if (options.json) process.stdout.write(`${JSON.stringify({ ...report, batch: last ?? null })}\n`)
    ended.resolve(0)
  } else if (options.demo) {
    const demo = new Demo({
      url,
      deployment,
      traders: chain.traders,
      seed: options.seed,
      onLine: (line) => screen.line(line),
    })
    await demo.start()
    demoBatches.push((batch) => void demo.batchPosted(batch))
    running.push({ name: 'the demo traders', stop: () => demo.stop() })
    if (options.seconds > 0)
      setTimeout(() => ended.resolve(demo.errors === 0 ? 0 : 1), options.seconds * 1000)
  }
}
