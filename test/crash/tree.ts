/**
 * The crash test of the whole program: `glassbook start` with its chain, prover and gateway processes, as an
 * operator runs it, under clients that log what they wish and what they are told. Each round something of
 * it dies, is stopped for a while, or is told to end at a bad moment; then all of it runs again, and what the
 * clients know, the journal, the history, the batches and the chain must agree.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { Program, gatewayProcesses, processes, until } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'
import { historyOf } from './history-of.js'
import { auditJournal } from './journal-audit.js'
import { SyncedLog } from './synced-log.js'
import { Trader, pause } from './trader.js'

export const FAULTS = [
  'tree killed',
  'main killed',
  'gateway killed',
  'prover killed',
  'chain killed',
  'main stopped for 20 s',
  'SIGTERM twice in start',
  'SIGTERM twice in stop',
] as const
export type Fault = (typeof FAULTS)[number]

export interface TreeCrashOptions {
  readonly rounds: number
  readonly seed: number
  /** Those that rounds go through, in turn. */
  readonly faults?: readonly Fault[]
  readonly onRound?: (round: RoundReport) => void
}

export interface RoundReport {
  readonly round: number
  readonly fault: Fault
  readonly acknowledged: number
  readonly unknown: number
  readonly fillsSeen: number
  readonly seq: number
  /** What did not agree; empty = everything did. */
  readonly findings: readonly string[]
}

const TRADERS = 3
const BATCH_SECONDS = '3'
const STOPPED_MS = 20_000
/** A gateway that reads the journal again has so long. */
const HISTORY_MS_MAX = 120_000

/** Runs the rounds; a promise that is broken is a finding of its round. Throws when the exchange does not come back. */
export async function runTreeCrash(options: TreeCrashOptions): Promise<RoundReport[]> {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-tree-'))
  const tree = new Tree(join(folder, 'data'), await freePort())
  const log = new SyncedLog(join(folder, 'client.ndjson'))
  const random = new Random(options.seed)
  const faults = options.faults ?? FAULTS
  const reports: RoundReport[] = []
  const traders: Trader[] = []
  try {
    await tree.start()
    for (let index = 0; index < TRADERS; index++)
      traders.push(
        await Trader.open({
          url: tree.url,
          wallet: localAccount(4 + index),
          market: 0,
          ticksFrom: 599_995,
          random: new Random(options.seed + 1 + index),
          log,
          pauseMs: 10,
        }),
      )
    for (let round = 1; round <= options.rounds; round++) {
      const fault = faults[(round - 1) % faults.length]!
      await pause(500 + random.below(2000))
      await tree.suffer(fault, random)
      const findings = await settled(tree, traders)
      let known = { acknowledged: 0, unknown: 0, fillsSeen: 0, seq: 0 }
      try {
        known = auditJournal(tree.dataDir, traders)
      } catch (error) {
        findings.push((error as Error).message)
      }
      const { acknowledged, unknown, fillsSeen, seq } = known
      const report = { round, fault, acknowledged, unknown, fillsSeen, seq, findings }
      reports.push(report)
      options.onRound?.(report)
      for (const trader of traders) trader.resume()
    }
    for (const trader of traders) await trader.finish()
    return reports
  } finally {
    for (const trader of traders) trader.close()
    await tree.kill()
    log.close()
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}

/** Waits until the clients know the fate of everything, then compares history, batches and chain with the journal. */
async function settled(tree: Tree, traders: readonly Trader[]): Promise<string[]> {
  await until(
    'the clients are back',
    () => traders.every(({ client }) => client.state === 'open'),
    () => tree.said(),
  )
  for (const trader of traders) await trader.rest()
  const findings: string[] = []
  const { fillsOf } = auditJournal(tree.dataDir, traders)
  for (const { client, account } of traders) {
    const expected = fillsOf.get(account) ?? []
    let told: { complete: boolean; fills: string[] } = { complete: false, fills: [] }
    // A gateway may still be reading the journal; then it must say that its answer is not complete.
    const deadline = performance.now() + HISTORY_MS_MAX
    do {
      told = await historyOf(client)
      if (!told.complete) await pause(250)
    } while (!told.complete && performance.now() < deadline)
    if (!told.complete)
      findings.push(`history of account ${account} is not complete after ${HISTORY_MS_MAX} ms`)
    if (told.fills.join() !== expected.join()) {
      const missing = expected.filter((fill) => !told.fills.includes(fill))
      findings.push(
        `history of account ${account} tells ${told.fills.length} fills, the journal has ${expected.length}; missing: ${missing.slice(0, 3).join(', ')}`,
      )
    }
  }
  for (const args of [
    ['replay', tree.dataDir, '--rpc', tree.rpcUrl, '--deployment', tree.deployment, '--json'],
    ['audit', '--rpc', tree.rpcUrl, '--deployment', tree.deployment, '--json'],
  ]) {
    const tool = new Program(args)
    const code = await tool.ends()
    if (code !== 0) findings.push(`glassbook ${args[0]} ended with ${code}: ${tool.output.slice(-300)}`)
  }
  return findings
}

/** The processes of one exchange. */
class Tree {
  #main: Program | undefined
  readonly deployment: string

  constructor(
    readonly dataDir: string,
    private readonly port: number,
  ) {
    this.deployment = join(dataDir, 'deployment.json')
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  get rpcUrl(): string {
    return /chain {7}(\S+)/.exec(this.#main!.output)![1]!
  }

  said(): string {
    return this.#main?.output.slice(-3000) ?? ''
  }

  #startMain(): Program {
    this.#main = new Program([
      ...['start', '--data', this.dataDir, '--port', String(this.port)],
      ...['--batch-seconds', BATCH_SECONDS],
    ])
    return this.#main
  }

  async start(): Promise<void> {
    await this.#startMain().says('Ctrl-C')
  }

  /** Does it, and has everything run again. */
  async suffer(fault: Fault, random: Random): Promise<void> {
    const main = this.#main!
    switch (fault) {
      case 'tree killed':
        for (const pid of [...this.#descendants(main.child.pid!), main.child.pid!]) kill(pid)
        await main.exited
        return this.start()
      case 'main killed':
        await main.kill()
        await this.#alone()
        return this.start()
      case 'gateway killed':
        return this.#killGateway()
      case 'prover killed':
        for (const { pid } of this.#proverProcesses()) kill(pid)
        return
      case 'chain killed': {
        for (const { pid } of this.#chainProcesses()) kill(pid)
        return until(
          'the chain is back',
          () => this.#chainProcesses().length > 0,
          () => this.said(),
        )
      }
      case 'main stopped for 20 s':
        main.child.kill('SIGSTOP')
        await pause(STOPPED_MS)
        main.child.kill('SIGCONT')
        return
      case 'SIGTERM twice in start': {
        await this.#stopOrderly(main)
        const starting = this.#startMain()
        await pause(random.below(4000))
        starting.child.kill('SIGTERM')
        await pause(random.below(300))
        starting.child.kill('SIGTERM')
        await starting.ends()
        await this.#alone()
        return this.start()
      }
      case 'SIGTERM twice in stop':
        main.child.kill('SIGTERM')
        await pause(random.below(1000))
        main.child.kill('SIGTERM')
        await this.#stopOrderly(main)
        return this.start()
    }
  }

  async #stopOrderly(main: Program): Promise<void> {
    main.child.kill('SIGTERM')
    const code = await main.ends()
    if (code !== 0) throw new Error(`a stop ended with ${code}:\n${this.said()}`)
    await this.#alone()
  }

  /** Nothing of a main that ended is left. */
  async #alone(): Promise<void> {
    await until(
      'its chain, prover and gateway have ended',
      () =>
        [...this.#chainProcesses(), ...this.#proverProcesses(), ...gatewayProcesses(this.dataDir)].length ===
        0,
    )
  }

  async #killGateway(): Promise<void> {
    const [before, ...others] = gatewayProcesses(this.dataDir)
    if (before === undefined || others.length > 0) throw new Error(`not one gateway:\n${this.said()}`)
    kill(before)
    await until(
      'another gateway process',
      () => gatewayProcesses(this.dataDir).some((pid) => pid !== before),
      () => this.said(),
    )
  }

  #chainProcesses() {
    const state = join(this.dataDir, 'chain-state.json')
    return processes().filter(({ command }) => command[0]!.endsWith('/anvil') && command.includes(state))
  }

  #proverProcesses() {
    const below = new Set(this.#main === undefined ? [] : this.#descendants(this.#main.child.pid!))
    return processes().filter(({ pid, command }) => below.has(pid) && command.includes('work'))
  }

  #descendants(root: number): number[] {
    const all = processes()
    const found: number[] = []
    for (let level = [root]; level.length > 0;) {
      level = all.filter(({ parent }) => level.includes(parent)).map(({ pid }) => pid)
      found.push(...level)
    }
    return found
  }

  async kill(): Promise<void> {
    this.#main?.child.kill('SIGCONT')
    if (this.#main?.hasExited === false) await this.#main.kill('SIGTERM')
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}
