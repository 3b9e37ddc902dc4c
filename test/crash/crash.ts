/**
 * The crash test: traders load a venue through its gateway while the whole process tree is killed with
 * SIGKILL at random times and started again. Afterwards the journal is audited: every order that was
 * acknowledged is in it exactly once and with the order id that was told, nothing refused or given up is
 * in it, every fill that a trader saw is in it unchanged.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rigWallet } from '../../bench/support/gateway-rig.js'
import { Mirror } from '../power/mirror.js'
import { powerEnvironment } from '../power/watch.js'
import { Random } from '../simulator/random.js'
import { freePort } from '../support/ports.js'
import { auditJournal } from './journal-audit.js'
import { Trader, bounded, pause } from './trader.js'

const VENUE = fileURLToPath(new URL('./venue.js', import.meta.url))
const MARKET = 'ETH-USDC'
const START_MS_MAX = 120_000
const SYNC_MS = 5

export interface CrashOptions {
  readonly rounds: number
  readonly seed: number
  readonly traders: number
  /**
   * Power goes with each kill: the venue starts again on what its syncs have saved. Syncs take their time, so
   * that an answer that does not wait for one is out long before it.
   */
  readonly losesPower?: boolean
  readonly onRound?: (round: number, orders: number) => void
}

export interface CrashReport {
  readonly kills: number
  readonly acknowledged: number
  readonly refused: number
  /** Frames whose answer a kill swallowed, and what became of them when asked for afterwards. */
  readonly unknown: number
  readonly fillsSeen: number
  readonly seq: number
}

/** Runs the test. Throws an Error that says which promise was broken. */
export async function runCrashTest(options: CrashOptions): Promise<CrashReport> {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-crash-'))
  const disk = new VenueDisk(folder, options.losesPower ?? false)
  const port = await freePort()
  const random = new Random(options.seed)
  let venue = await startVenue(disk, port, options.traders)
  const traders: Trader[] = []
  try {
    for (let index = 0; index < options.traders; index++)
      traders.push(
        await Trader.open({
          url: `ws://127.0.0.1:${port}`,
          wallet: rigWallet(index),
          market: MARKET,
          ticksFrom: 95,
          random: new Random(options.seed + 1 + index),
        }),
      )
    for (let round = 0; round < options.rounds; round++) {
      await pause(50 + random.below(500))
      venue.kill('SIGKILL')
      await exited(venue)
      disk.die()
      venue = await startVenue(disk, port, options.traders)
      options.onRound?.(
        round + 1,
        traders.reduce((sum, { wishes }) => sum + wishes.length, 0),
      )
    }
    await pause(200)
    for (const trader of traders) await trader.finish()
    venue.kill('SIGTERM')
    const code = await exited(venue)
    if (code !== 0) throw new Error(`the venue ended with code ${code}`)
    const { fillsOf: _fillsOf, ...audited } = auditJournal(disk.dataDir, traders)
    if (disk.findings.length > 0) throw new Error(disk.findings.join('\n'))
    return { kills: options.rounds, ...audited }
  } finally {
    for (const trader of traders) trader.close()
    venue.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}

/** The disk of a venue; one that can lose power has a root a life. */
class VenueDisk {
  readonly findings: string[] = []
  #life = 0
  #mirror: Mirror | undefined

  constructor(
    private readonly folder: string,
    losesPower: boolean,
  ) {
    mkdirSync(this.#root)
    if (losesPower) this.#mirror = Mirror.begin(this.#root, join(folder, 'mirror-0'))
  }

  get #root(): string {
    return join(this.folder, `disk-${this.#life}`)
  }

  get dataDir(): string {
    return join(this.#root, 'data')
  }

  get environment(): NodeJS.ProcessEnv {
    return this.#mirror === undefined ? {} : powerEnvironment(this.#mirror, SYNC_MS)
  }

  /** The process was killed. */
  die(): void {
    if (this.#mirror === undefined) return
    this.findings.push(...this.#mirror.findings)
    this.#life++
    this.#mirror.restore(this.#root)
    this.#mirror = Mirror.begin(this.#root, join(this.folder, `mirror-${this.#life}`))
  }
}

async function startVenue(disk: VenueDisk, port: number, traders: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [VENUE, disk.dataDir, String(port), String(traders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...disk.environment },
  })
  let stderr = ''
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const ready = new Promise<void>((resolve, reject) => {
    let stdout = ''
    child.stdout!.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
      if (stdout.includes('ready ')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the venue did not start (code ${code}): ${stderr}`)))
  })
  try {
    await bounded(ready, START_MS_MAX, 'the venue does not start')
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return child
}

const exited = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child.exitCode)
    : new Promise((resolve) => child.once('exit', resolve))
