/**
 * What `glassbook start` shows beside its log: steps while it starts, one screen when it runs, then a status line that
 * refreshes in place on a terminal and is printed now and then elsewhere. A log as JSON has the same as facts.
 */
import { bar } from '../files/bar.js'
import { Output } from '../files/terminal.js'
import { Log } from '../log.js'
import type { LogOptions } from '../log-settings.js'
import type { Deployment } from '../../contracts/deployment/deploy.js'
import type { LobsterReport } from '../lobster/replay.js'
import { PLAIN_STATUS_EVERY_MS } from '../limits.js'

/** What is said of the exchange as a whole. */
export const PART = 'glassbook'

export interface StartedParts {
  /** Where clients connect; undefined with gateways that others run. */
  readonly url: string | undefined
  /** Commands of gateways that others run. */
  readonly gateways: readonly string[]
  readonly rpcUrl: string
  readonly deployment: Deployment
  readonly dataDir: string
  readonly seq: number
  readonly snapshotSeq: number
  readonly replayed: number
  readonly stateHash: string
  readonly epoch: number
}

export interface ProverStatus {
  readonly text: string
  readonly keyShare: number
  /** Chunks that wait for a prover, and those that provers work on: of the first batches without a proof only. */
  readonly waiting: number
  readonly leased: number
  /** Since the start. */
  readonly provenRows: number
}

export interface SettlementStatus {
  readonly lastBatch: number
  readonly provenBatch: number
  /** The last batch that is closed, on the chain or not. */
  readonly sealedBatch: number
  readonly lastRoot: string
  /** Last seq of the last batch. */
  readonly settledSeq: number
  /** The local prover: what it does, how far its key is built (1 = ready); null without proofs. */
  readonly prover: ProverStatus | null
}

export interface StatusNumbers {
  /** Since the start. */
  readonly orders: number
  readonly fills: number
  readonly sequencedSeq: number
  readonly durableSeq: number
  readonly settlement: SettlementStatus
  readonly connections: number
}

export interface SettledBatch {
  readonly number: number
  readonly transactionHash: `0x${string}`
  readonly newRoot: string
}

const short = (hex: string): string => (hex.length > 18 ? `${hex.slice(0, 10)}…${hex.slice(-6)}` : hex)
const percent = (part: number, whole: number): string =>
  whole === 0 ? '–' : `${((100 * part) / whole).toFixed(2)} %`

/** Where proofs stand, in a few words. */
export function proverText({ prover, sealedBatch, provenBatch }: SettlementStatus): string {
  if (prover === null) return ''
  if (prover.keyShare < 1) return `building the proving key ${Math.floor(100 * prover.keyShare)} %  `
  // Few batches are given out at once, so their chunks stand still while work piles up behind them, or goes on.
  return `${sealedBatch - provenBatch} batches to prove (${prover.waiting + prover.leased} chunks given out, ${prover.provenRows} rows proven)  `
}

export interface Face {
  readonly log: Log
  /** What is being done. */
  step(text: string): void
  progress(what: string, done: number, total: number): void
  /** Everything is open. */
  start(parts: StartedParts): void
  /** To be told once a second. */
  status(numbers: StatusNumbers): void
  report(report: LobsterReport, last: SettledBatch | undefined, gasUsed: bigint | undefined): void
}

export const faceOf = (options: LogOptions, out: NodeJS.WriteStream): Face =>
  options.format === 'json' ? new JsonFace(options, out) : new Screen(options, out)

/** For machines: facts of the log. */
class JsonFace implements Face {
  readonly log: Log
  #statusAt = 0

  constructor(options: LogOptions, stream: NodeJS.WriteStream) {
    const out = new Output(stream)
    this.log = new Log(options, (line) => out.line(line))
  }

  step(text: string): void {
    this.log.of(PART)(text)
  }

  progress(): void {}

  start({ deployment, ...parts }: StartedParts): void {
    const { chainId, vault, settlement, constants } = deployment
    this.log.fact(PART, 'open', { ...parts, chainId, vault, settlement, proven: constants.proven })
  }

  status(numbers: StatusNumbers): void {
    const now = performance.now()
    if (now - this.#statusAt < PLAIN_STATUS_EVERY_MS) return
    this.#statusAt = now
    this.log.fact(PART, 'status', numbers)
  }

  report(report: LobsterReport, batch: SettledBatch | undefined, gasUsed: bigint | undefined): void {
    this.log.fact(PART, 'replay', { ...report, batch: batch ?? null, gasUsed: gasUsed?.toString() ?? null })
  }
}

/** For people. All but the log's own lines are facts, left out where those are. */
class Screen implements Face {
  readonly log: Log
  readonly #out: Output
  #temporary = false
  #last: { at: number; orders: number; fills: number } | undefined
  #plainAt = 0

  constructor(options: LogOptions, stream: NodeJS.WriteStream) {
    this.#out = new Output(stream)
    this.log = new Log(options, (line) => this.#line(line))
  }

  get #saysFacts(): boolean {
    return this.log.says('info')
  }

  /** A line that stays. */
  #line(text: string): void {
    if (this.#temporary) this.#out.before('\r\x1b[K')
    this.#temporary = false
    this.#out.line(text)
  }

  /** A line that the next one takes the place of, on a terminal. */
  step(text: string): void {
    if (!this.#saysFacts) return
    if (this.#out.isTTY) this.#replace(text)
    else this.#out.line(`${text} …`)
  }

  #replace(text: string): void {
    this.#out.passing(`\r\x1b[K${text.slice(0, Math.max(20, this.#out.columns - 1))}`)
    this.#temporary = true
  }

  progress(what: string, done: number, total: number): void {
    if (!this.#saysFacts || !this.#out.isTTY || (done !== total && done % 97 !== 0)) return
    this.#replace(`${what} ${bar(done / total)} ${done}/${total}`)
  }

  start(parts: StartedParts): void {
    if (!this.#saysFacts) return
    const { deployment: at } = parts
    const [base, quote] = [at.assets[1]!.symbol, at.assets[0]!.symbol]
    for (const row of [
      '',
      'Glassbook is open',
      `  chain       ${parts.rpcUrl}  (chain id ${at.chainId}, local)`,
      `  contracts   vault ${at.vault}`,
      `              settlement ${at.settlement}`,
      `  engine      seq ${parts.seq} (snapshot at ${parts.snapshotSeq}, ${parts.replayed} commands replayed), state ${short(parts.stateHash)}`,
      `  journal     ${parts.dataDir}, epoch ${parts.epoch}`,
      at.constants.proven
        ? `  settlement  batches are committed, then proven in chunks of ${at.constants.rowsPerChunk} rows`
        : '  settlement  batches are committed; the stand-in verifier accepts every proof, so nothing is proven',
      ...(parts.url === undefined
        ? parts.gateways.map((command) => `  gateway     ${command}`)
        : [`  gateway     ${parts.url}  (subprotocols glassbook.v2.msgpack, glassbook.v2.json)`]),
      `  market      0 ${base}-${quote}`,
      '',
      ...(parts.url === undefined
        ? []
        : [
            `  connect     import { createClient } from '@glassbook/sdk'`,
            `              const client = await createClient({ url: '${parts.url}', wallet }).connect()`,
          ]),
      '  stop        Ctrl-C stops everything in order; start again to go on from here',
      '',
    ])
      this.#line(row)
  }

  status(numbers: StatusNumbers): void {
    if (!this.#saysFacts) return
    const now = performance.now()
    const last = this.#last
    this.#last ??= { at: now, orders: numbers.orders, fills: numbers.fills }
    if (last === undefined) return
    if (!this.#out.isTTY && now - this.#plainAt < PLAIN_STATUS_EVERY_MS) return
    this.#plainAt = now
    const seconds = (now - last.at) / 1000
    this.#last = { at: now, orders: numbers.orders, fills: numbers.fills }
    const { settlement } = numbers
    const text =
      `${Math.round((numbers.orders - last.orders) / seconds)} orders/s  ` +
      `${Math.round((numbers.fills - last.fills) / seconds)} fills/s  ` +
      `seq ${numbers.sequencedSeq}  journal lag ${numbers.sequencedSeq - numbers.durableSeq}  ` +
      `batch ${settlement.lastBatch} (proven ${settlement.provenBatch}), ${numbers.sequencedSeq - settlement.settledSeq} to settle  ` +
      `root ${short(settlement.lastRoot)}  ${proverText(settlement)}${numbers.connections} clients`
    if (this.#out.isTTY) this.#replace(text)
    else this.#line(text)
  }

  report(report: LobsterReport, last: SettledBatch | undefined, gasUsed: bigint | undefined): void {
    if (!this.#saysFacts) return
    for (const row of [
      '',
      'LOBSTER replay',
      `  messages            ${report.messages} (${report.limitOrders} limit, ${report.reductions} reductions, ${report.deletions} deletions, ${report.executions} executions, ${report.skipped} skipped, ${report.unknownOrders} of unknown orders, ${report.endedOrders} of ended ones)`,
      `  fills               ${report.fills}`,
      `  published maker hit ${report.makerHits} of ${report.executions} executions (${percent(report.makerHits, report.executions)})`,
      `  best bid and offer  ${report.bestBidOfferAgreed} of ${report.rowsCompared} rows (${percent(report.bestBidOfferAgreed, report.rowsCompared)})`,
      `  all ${String(report.levels).padEnd(2)} levels       ${report.allLevelsAgreed} of ${report.rowsCompared} rows (${percent(report.allLevelsAgreed, report.rowsCompared)}), ${report.corrections} corrections`,
      `  time                ${report.seconds.toFixed(2)} s, ${report.messagesPerSecond.toFixed(0)} messages/s`,
      last === undefined
        ? '  settled             nothing to settle'
        : `  settled             batch ${last.number}, root ${short(last.newRoot)}, transaction ${last.transactionHash}${gasUsed === undefined ? '' : `, ${gasUsed} gas`}`,
      '',
    ])
      this.#line(row)
  }
}
