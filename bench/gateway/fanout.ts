/**
 * Many connections, for bench/gateway.ts; the gateway is in the engine's process, limits lifted; the clients are in a
 * process of their own (fanout-clients.ts):
 *
 *   market data   1,000 subscribers of one book, 1,000 updates a second
 *   connections   10,000 idle and 1,000 active ones, each an order a second
 *   return        1,000 clients of the trade stream lose their connections, come back at once and resume
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FanoutOptions, FanoutResult } from './fanout-clients.js'
import { startRig } from '../support/gateway-rig.js'
import { type JournalCheck, checkJournal } from '../support/journal-check.js'
import { ThreadCpu } from '../support/thread-cpu.js'

const FREE = { perSecond: 1e9, burst: 1e9 }

export type FanoutRun = Omit<FanoutOptions, 'port'>

export interface FanoutReport extends FanoutResult {
  readonly options: FanoutRun
  /** Cores that each thread of the server used while the clients were at work. */
  readonly threads: Readonly<Record<string, number>>
  readonly serverCores: number
  /** Before any client came, with all connected, at the end. */
  readonly rssMiB: { readonly before: number; readonly connected: number; readonly after: number }
  readonly journal: JournalCheck
}

export const fanoutRuns: readonly FanoutRun[] = [
  { scenario: 'market data', idle: 1000, active: 1, rate: 1000, seconds: 10 },
  { scenario: 'connections', idle: 10_000, active: 1000, rate: 1000, seconds: 10 },
  { scenario: 'return', idle: 1000, active: 1, rate: 100, seconds: 3 },
]

const rssMiB = (): number => process.memoryUsage().rss / 2 ** 20

/** @throws Error when the journal does not hold what was acknowledged. */
export async function runFanout(options: FanoutRun): Promise<FanoutReport> {
  const cpu = new ThreadCpu()
  await cpu.nameOwn()
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  try {
    const rig = await startRig({
      accounts: options.scenario === 'connections' ? options.active : 2,
      dataDir,
      gateway: { folder: join(dataDir, 'gateway') },
      config: {
        requestRate: FREE,
        ipRequestRate: FREE,
        connectRate: FREE,
        orderRate: FREE,
        ipOrderRate: FREE,
        cancelRate: FREE,
        connectionsPerIp: 100_000,
        framesInFlightMax: 1_000_000,
      },
      onPart: (part) => {
        if (part === 'exchange') cpu.name('engine', 'journal', 'V8 helpers')
        else cpu.name('gateway 0', 'V8 helpers')
      },
    })
    const before = rssMiB()
    let connected = before
    const clients = fork(fileURLToPath(new URL('./fanout-clients.js', import.meta.url)))
    clients.send({ ...options, port: rig.port })
    const result = await new Promise<FanoutResult>((resolve, reject) => {
      clients.on('message', (message: FanoutResult | 'open') => {
        if (message === 'open') {
          connected = rssMiB()
          cpu.start()
        } else resolve(message)
      })
      clients.once('exit', (code) => reject(new Error(`the clients ended with code ${code}`)))
    })
    const threads = cpu.cores()
    const after = rssMiB()
    const live = await rig.stateHash()
    await rig.stop()
    return {
      options,
      ...result,
      threads,
      serverCores: Object.values(threads).reduce((sum, cores) => sum + cores, 0),
      rssMiB: { before, connected, after },
      journal: checkJournal(dataDir, live, result.counts['acknowledged']!),
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}
