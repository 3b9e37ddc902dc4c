/**
 * The crash test: traders load a venue through its gateway while the whole process tree is killed with
 * SIGKILL at random times and started again. Afterwards the journal is audited: every order that was
 * acknowledged is in it exactly once and with the order id that was told, nothing refused or given up is
 * in it, every fill that a trader saw is in it unchanged.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rigWallet } from '../../bench/gateway-rig.js'
import { Random } from '../simulator/random.js'
import { auditJournal } from './journal-audit.js'
import { Trader, bounded, pause } from './trader.js'

const VENUE = fileURLToPath(new URL('./venue.js', import.meta.url))
const MARKET = 'ETH-USDC'
const START_MS_MAX = 30_000

export interface CrashOptions {
  readonly rounds: number
  readonly seed: number
  readonly traders: number
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
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-crash-'))
  const port = await freePort()
  const random = new Random(options.seed)
  let venue = await startVenue(dataDir, port, options.traders)
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
      venue = await startVenue(dataDir, port, options.traders)
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
    const { fillsOf: _fillsOf, ...audited } = auditJournal(dataDir, traders)
    return { kills: options.rounds, ...audited }
  } finally {
    for (const trader of traders) trader.close()
    venue.kill('SIGKILL')
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function startVenue(dataDir: string, port: number, traders: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [VENUE, dataDir, String(port), String(traders)], {
    stdio: ['ignore', 'pipe', 'pipe'],
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

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
