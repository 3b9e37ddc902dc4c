/**
 * `glassbook start`: chain, contracts, engine, journal, gateway and settlement in one process tree. The
 * folder's lock comes before everything that is shared, then the gateway's port is probed, then each part is
 * started when what it needs is there, and stopped in the opposite order. A part that fails to start is one
 * clear line, the end of all that was started, and a non-zero exit.
 */
import { accessSync, constants, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { createPublicClient, http } from 'viem'
import { startArchiver } from '../../engine/runtime/archiver.js'
import { startExchange } from '../../engine/runtime/exchange.js'
import { makeFolder } from '../../engine/journal/disk.js'
import { lockFile, lockFolder } from '../../engine/journal/lock.js'
import { BatchList } from '../../gateway/views/batch-list.js'
import { probePort } from '../../gateway/net/probe-port.js'
import { DEVELOPMENT_ROWS, developmentVerificationKey } from '../../settlement/chain/development-key.js'
import { DAY_MS } from '../../engine/limits.js'
import { BLOCK_SECONDS, LOCAL_UNPROVEN_MAX, STATUS_EVERY_MS } from '../limits.js'
import { Demo } from './demo.js'
import { adviceFor, expectNothingLost, expectRecovered, olderChain } from '../files/data-folder.js'
import { type GatewayLink, gatewayCount, startGatewayLink } from './gateway-link.js'
import { gatewayCommand } from './gateway-command.js'
import { earlierGatewayEnded } from '../files/gateway-folder.js'
import { genesisFor } from './genesis.js'
import { runLobster } from '../lobster/run.js'
import { FixedAtFirstStart, chainStatePath, privateKeyOf, startLocalChain } from './local-chain.js'
import { OperatorLink } from './operator-link.js'
import { startOperatorSwitch } from './operator-switch.js'
import { Parts } from './parts.js'
import { keepPublicKey } from '../files/receipt-key.js'
import { RunEnd, RunEnded, exitCodeOf } from './run-end.js'
import type { BatchMessage } from '../../settlement/settlement-thread.js'
import { startSettlement } from './settlement-link.js'
import { type Face, PART, faceOf } from './screen.js'
import type { StartOptions } from './start-options.js'
import { UsageError } from '../files/usage-error.js'
import { writeResult } from '../files/write-result.js'

const TRADERS = 5

/** Runs the exchange until Ctrl-C, the end of a replay or demo, or a failure; resolves with the exit code. */
export async function runStart(options: StartOptions): Promise<number> {
  const screen = faceOf(options.log, options.json ? process.stderr : process.stdout)
  const say = screen.log.of(PART)
  const end = new RunEnd((text) => say(text, 'error'))
  const parts = new Parts()
  end.listen()
  let code = 1
  try {
    await startParts(options, screen, parts, end)
    code = await end.code
  } catch (error) {
    code = error instanceof UsageError || error instanceof FixedAtFirstStart ? 2 : exitCodeOf(error)
    if (error instanceof RunEnded) code = await end.code
    else say(`${error instanceof Error ? error.message : String(error)}${adviceFor(error)}`, 'error')
  }
  end.end(code)
  for (const { name, error } of await parts.stopAll((part) => {
    // After a reason for the end nothing else is said.
    if (code === 0) screen.step(`stopping ${part}`)
  })) {
    say(`${name} did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`, 'error')
    code = 1
  }
  if (options.isTemporary) rmSync(options.dataDir, { recursive: true, force: true })
  // Any other end has said its reason.
  if (code === 0) screen.log.last(PART, 'stopped, everything is on disk')
  end.leave(code)
  return code
}

/**
 * Makes the folder if need be and takes its lock: before anything that another exchange could share. A folder
 * that was made here goes again when nothing was written to it.
 */
function takeFolder(dataDir: string, parts: Parts): void {
  let isNew
  try {
    isNew = makeFolder(dataDir)
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new UsageError(`the data folder ${dataDir} cannot be used: ${(error as Error).message}`)
  }
  const release = lockFolder(dataDir)
  parts.started('the lock', () => {
    if (isNew && readdirSync(dataDir).every((name) => name === 'lock'))
      rmSync(dataDir, { recursive: true, force: true })
    release()
  })
}

/** What clients and provers will come to must be free: looked at before anything is made. */
async function takePlaces(options: StartOptions, parts: Parts): Promise<void> {
  const { gateway, gatewaySockets, prover } = options
  for (const path of gatewaySockets) {
    mkdirSync(dirname(path), { recursive: true })
    parts.started('the socket', lockFile(`${path}.lock`, `gateway socket ${path}`))
  }
  if (gatewaySockets.length === 0) {
    await earlierGatewayEnded(options.dataDir)
    await probePort(gateway.host, gateway.port)
  }
  if (prover.host !== undefined && prover.port !== undefined)
    await probePort(prover.host, prover.port).catch((error: Error) => {
      throw new Error(`${error.message}: choose another with --prover-listen [HOST:]PORT`)
    })
}

async function startParts(options: StartOptions, screen: Face, parts: Parts, end: RunEnd): Promise<void> {
  const { dataDir } = options
  const { log } = screen
  takeFolder(dataDir, parts)
  await takePlaces(options, parts)
  expectNothingLost(dataDir)
  const chain = await startLocalChain(
    dataDir,
    TRADERS,
    {
      exitDelaySeconds: options.exitDelaySeconds,
      maxUnproven: LOCAL_UNPROVEN_MAX,
      verificationKey: developmentVerificationKey,
      rowsPerChunk: DEVELOPMENT_ROWS,
    },
    // Confirmations need blocks, also where nobody sends transactions.
    options.confirmations === 0 ? undefined : BLOCK_SECONDS,
    {
      onStep: (step) => screen.step(step),
      onLine: log.of('local chain'),
      onDied: (error) => end.fail('the local chain', error),
      during: (work) => end.during(work),
      onStarted: (stop) => parts.started('the chain', stop),
    },
  )
  const { deployment } = chain
  const rpcUrl = chain.anvil.rpcUrl

  const head = await createPublicClient({ transport: http(rpcUrl) }).getBlockNumber()
  const older = olderChain(dataDir, chainStatePath(dataDir), Number(head))
  if (older !== undefined) log.of('local chain')(older, 'warn')

  const gateways = gatewayCount(options.gatewaySockets, options.gateway)
  screen.step('recovering the engine')
  const exchange = await startExchange({
    dataDir,
    genesis: genesisFor(dataDir),
    gateways,
    operators: 1,
    isLocked: true,
    acceptClock: options.acceptClock,
    segmentBytes: options.segmentBytes,
    snapshotEvery: options.snapshotEvery,
    onRecovered: (recovered) => expectRecovered(dataDir, recovered),
    onLog: log.of('engine'),
  })
  exchange.onFailure((_failure, reason) => end.fail('the exchange halted', reason))
  const operator = new OperatorLink(
    {
      producer: gateways,
      inbound: exchange.inbound[gateways]!,
      outbound: exchange.outbound[gateways]!,
      control: exchange.control,
    },
    (text) => log.of('chain')(text, 'warn'),
  )
  // Started last, but spoken to by parts that start before it.
  const late: { gateway?: GatewayLink } = {}
  /** What settlement tells before there is a gateway. */
  const batches = new BatchList()
  parts.started('engine and journal', async () => {
    operator.leave()
    await exchange.stop()
    await operator.ended
    await late.gateway?.end()
  })
  const operatorSwitch = startOperatorSwitch({
    dataDir,
    reasons: exchange.cancelOnlyReasons,
    submit: (record, attachment) => operator.submit(record, attachment),
    onLine: log.of('operator'),
  })
  parts.started('the operator switch', () => operatorSwitch.stop())
  if (end.hasEnded) throw new RunEnded()

  screen.step('starting settlement')
  const demoBatches: ((batch: BatchMessage) => void)[] = []
  /** Last seq of a final batch: what is up to it may go to the archive. */
  let finalSeq = 0
  const settlement = await startSettlement({
    dataDir,
    control: exchange.control,
    deployment,
    rpcUrl,
    operatorKey: privateKeyOf(chain.operator),
    batchSeconds: options.batchSeconds,
    batchFills: options.batchFills,
    confirmations: options.confirmations,
    keepBatchesMs: options.keepBatchesDays * DAY_MS,
    archiveEveryMs: options.archiveSeconds * 1000,
    prover: options.prover,
    depositsConsumed: exchange.depositsConsumed,
    submit: (record, attachment) => operator.submit(record, attachment),
    onBatch: (batch) => {
      batches.put(batch)
      if (batch.state === 'final') finalSeq = Math.max(finalSeq, batch.lastSeq)
      late.gateway?.batchChanged(batch)
      for (const listener of demoBatches) listener(batch)
    },
    onFigures: (figures) => late.gateway?.settlementChanged(figures),
    onLine: log.of('settlement'),
    onDied: (error) => end.fail('settlement', error),
  })
  parts.started('settlement', () => settlement.stop())
  const archiver = startArchiver({
    dataDir: options.dataDir,
    keepMs: options.keepJournalDays * DAY_MS,
    settledSeq: () => finalSeq,
    everyMs: options.archiveSeconds * 1000,
    onLog: log.of('archive'),
  })
  parts.started('the archive', () => archiver.stop())
  if (end.hasEnded) throw new RunEnded()

  screen.step('starting the gateway')
  const told = batches.latest()
  const gateway = await startGatewayLink({
    dataDir,
    sockets: options.gatewaySockets,
    links: Array.from({ length: gateways }, (_, producer) => ({
      producer,
      inbound: exchange.inbound[producer]!,
      outbound: exchange.outbound[producer]!,
      control: exchange.control,
    })),
    config: options.gateway,
    deployment: { ...deployment, rpcUrl },
    batches: told,
    askProof: (question) => settlement.proof(question),
    onLine: log.of('gateway'),
  })
  late.gateway = gateway
  // What changed while it started: `put` keeps another object then.
  for (const batch of batches.latest()) if (!told.includes(batch)) gateway.batchChanged(batch)
  parts.started('the gateway', () => gateway.stop())
  const url = await end.during(gateway.url)
  // The gateway has made the key if there was none.
  if (options.gatewaySockets.length === 0) keepPublicKey(dataDir, log.of('receipts'))

  await end.during(settlement.depositsSeen)
  screen.start({
    url,
    gateways: options.gatewaySockets.map((socket, index) =>
      gatewayCommand({ socket, index, dataDir, port: options.gateway.port, words: options.gatewayWords }),
    ),
    rpcUrl,
    deployment,
    dataDir,
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
  parts.started('the status line', () => clearInterval(status))

  if (url === undefined) return
  if (options.replay !== undefined) {
    const report = await end.during(
      runLobster({
        url,
        files: options.replay,
        traders: chain.traders,
        onProgress: (done, total) => screen.progress('replay', done, total),
      }),
    )
    log.of(PART)('settling what is open')
    const last = await end.during(settlement.flush())
    const transaction =
      last === undefined
        ? undefined
        : await createPublicClient({ transport: http(rpcUrl) }).getTransactionReceipt({
            hash: last.transactionHash,
          })
    screen.report(report, last, transaction?.gasUsed)
    if (options.json)
      try {
        await writeResult(process.stdout, `${JSON.stringify({ ...report, batch: last ?? null })}\n`)
      } catch (error) {
        end.fail('--json: the result cannot be written', error)
      }
    end.end(0)
  } else if (options.demo) {
    const demo = new Demo({
      url,
      deployment,
      traders: chain.traders,
      seed: options.seed,
      onLine: log.of('demo'),
      onFailed: (what, error) => end.fail(`demo: ${what}`, error),
    })
    parts.started('the demo traders', () => demo.stop())
    await end.during(demo.start())
    demoBatches.push((batch) => demo.batchChanged(batch))
    for (const batch of batches.latest()) demo.batchChanged(batch)
    if (options.seconds > 0) setTimeout(() => end.end(demo.finish()), options.seconds * 1000).unref()
    else void demo.storyTold.then(() => end.end(demo.finish()))
  }
}
