/**
 * One run of bench/gateway.ts: engine and journal in this process, the gateway in one of its own, apart as in
 * `glassbook start`, or inside too; the load generator in another; then the journal read again. There is no chain,
 * settlement or prover, and the limits of orders, cancels, addresses and frames under way are lifted.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Rig, startRig } from '../support/gateway-rig.js'
import { type JournalCheck, checkJournal } from '../support/journal-check.js'
import type { LoadOptions, LoadResult } from './load-generator.js'
import { ThreadCpu, childProcesses } from '../support/thread-cpu.js'

export interface RunOptions extends Omit<LoadOptions, 'port'> {
  readonly name: string
  readonly gateways: number
  /** The gateway's threads are in the engine's process. */
  readonly inside?: boolean
}

export interface RunResult extends LoadResult {
  readonly options: RunOptions
  /** Cores that each thread of the server used while the load ran. */
  readonly threads: Readonly<Record<string, number>>
  /** Their sum, and the generator's process. */
  readonly serverCores: number
  readonly generatorCores: number
  readonly rssMiB: number
  readonly journal: JournalCheck
}

const NO_LIMIT = { perSecond: 1_000_000_000, burst: 1_000_000_000 }

/** @throws Error when the journal disagrees. What was refused or never answered is counted. */
export async function runLoadBench(options: RunOptions): Promise<RunResult> {
  const apart = options.inside !== true
  const gatewayNames = Array.from({ length: options.gateways }, (_, index) => `gateway ${index}`)
  const cpu = new ThreadCpu()
  let gatewayCpu: ThreadCpu | undefined
  await cpu.nameOwn()
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  try {
    const rig = await startRig({
      accounts: options.connections,
      gateways: options.gateways,
      apart,
      signed: options.signed,
      dataDir,
      gateway: { folder: join(dataDir, 'gateway') },
      config: {
        orderRate: NO_LIMIT,
        ipOrderRate: NO_LIMIT,
        cancelRate: NO_LIMIT,
        framesInFlightMax: 1_000_000,
      },
      onPart: (part) => {
        if (part === 'exchange') cpu.name('engine', 'journal', 'V8 helpers')
        else if (apart) {
          const [pid] = childProcesses()
          if (pid !== undefined) gatewayCpu = new ThreadCpu(pid)
          gatewayCpu?.nameFirst('gateway process, main')
          // So far they have loaded the gateway, and nobody else has had any work.
          gatewayCpu?.nameBusiest(...gatewayNames, 'gateway process, pool (P-256)')
        } else cpu.name(...gatewayNames, 'V8 helpers')
      },
    })
    const generator = fork(fileURLToPath(new URL('./load-generator.js', import.meta.url)))
    const { name: _name, gateways: _gateways, inside: _inside, ...load } = options
    generator.send({ ...load, port: rig.port })
    let started = 0
    const result = await new Promise<LoadResult>((resolve, reject) => {
      generator.on('message', (message: LoadResult | 'start') => {
        if (message === 'start') {
          started = performance.now()
          cpu.start()
          gatewayCpu?.start()
        } else resolve(message)
      })
      generator.once('exit', (code) => reject(new Error(`the load generator ended with code ${code}`)))
    })
    const threads = { ...cpu.cores(), ...gatewayCpu?.cores() }
    const elapsed = (performance.now() - started) / 1000
    const rssMiB = process.memoryUsage().rss / 2 ** 20
    const live = await restingState(rig, result.lostFrames > 0)
    await rig.stop()
    return {
      options,
      ...result,
      threads,
      serverCores: Object.values(threads).reduce((sum, cores) => sum + cores, 0),
      generatorCores: result.cpuSeconds / elapsed,
      rssMiB,
      journal: checkJournal(dataDir, live, result.acknowledgedOrders, result.lostFrames * options.frame),
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** The engine's state when no more commands come: frames that nobody heard of may still be on their way to it. */
async function restingState(rig: Rig, isBehind: boolean): ReturnType<Rig['stateHash']> {
  let state = await rig.stateHash()
  for (let isMoving = isBehind; isMoving;) {
    await new Promise((resolve) => setTimeout(resolve, 2000))
    const next = await rig.stateHash()
    isMoving = next.seq !== state.seq
    state = next
  }
  return state
}
