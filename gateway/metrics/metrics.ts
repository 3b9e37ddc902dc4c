/**
 * What Prometheus reads at /metrics: gauges and counters of this gateway thread, sampled when asked for,
 * so that nothing on the way of an order touches the metrics library. Made when the gateway is, so that
 * the collectors of the process have been at work before the first scrape.
 *
 * Each series carries the thread's number: several threads share a port, and a scrape meets any of them.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import { errorName } from '../../sdk/wire/codes.js'
import { type Figures, LATENCY_BUCKETS_S } from '../frames/figures.js'
import type { EngineLink } from '../link/engine-link.js'
import type { GatewayStats, SettlementFigures } from '../link/messages.js'
import type { Submissions } from '../link/submissions.js'
import { SettlementMetrics } from './settlement-metrics.js'

/** What is counted: the parts of a gateway that metrics read. */
export interface MeasuredParts {
  readonly data: { readonly thread: number }
  readonly link: EngineLink
  readonly figures: Figures
  readonly submissions: Submissions
  readonly stats: GatewayStats
  readonly clients: { readonly heldAnswers: { readonly size: number } }
  readonly settlementFigures: SettlementFigures | undefined
}

export class Metrics {
  readonly #gateway: MeasuredParts
  readonly #registry = new Registry()
  readonly #settlement: SettlementMetrics
  readonly #gauges: readonly (readonly [gauge: Gauge, read: () => number])[]
  readonly #counters: readonly (readonly [counter: Counter, read: () => number])[]
  readonly #rejects: Counter

  constructor(gateway: MeasuredParts) {
    this.#gateway = gateway
    const registers = [this.#registry]
    this.#registry.setDefaultLabels({ thread: String(gateway.data.thread) })
    collectDefaultMetrics({ register: this.#registry })
    this.#settlement = new SettlementMetrics(this.#registry)
    const { link, figures } = gateway
    const gauge = (name: string, help: string, read: () => number) =>
      [new Gauge({ name, help, registers }), read] as const
    const counter = (name: string, help: string, read: () => number) =>
      [new Counter({ name, help, registers }), read] as const
    this.#gauges = [
      gauge('glassbook_gateway_connections', 'open WebSocket connections', () => gateway.stats.connections),
      gauge(
        'glassbook_gateway_held_answers',
        'HTTP answers of which the client has not read all',
        () => gateway.clients.heldAnswers.size,
      ),
      gauge('glassbook_durable_seq', 'last seq that is known to be on disk', () => link.control.durableSeq),
      gauge('glassbook_journal_lag_commands', 'commands sequenced and not yet durable', () =>
        Math.max(0, link.control.sequencedSeq - link.control.durableSeq),
      ),
      gauge(
        'glassbook_gateway_waiting',
        'submissions in the hands of the engine',
        () => gateway.submissions.count,
      ),
    ]
    this.#counters = [
      counter(
        'glassbook_gateway_frames_total',
        'command frames handed to the engine',
        () => gateway.stats.frames,
      ),
      counter(
        'glassbook_gateway_commands_total',
        'commands handed to the engine',
        () => gateway.stats.commands,
      ),
      counter(
        'glassbook_gateway_sends_total',
        'flushes of connections with something to send',
        () => gateway.stats.messagesOut,
      ),
      counter('glassbook_orders_total', 'orders that came in here and were taken', () => figures.orders),
      counter(
        'glassbook_fills_total',
        'fills that orders met with as they came in here',
        () => figures.fills,
      ),
    ]
    this.#rejects = new Counter({
      name: 'glassbook_rejects_total',
      help: 'commands and requests refused, by code of the protocol',
      labelNames: ['code', 'name'],
      registers,
    })
  }

  /** Metrics of this moment in Prometheus' text format. */
  async text(): Promise<string> {
    const { figures, settlementFigures } = this.#gateway
    for (const [gauge, read] of this.#gauges) gauge.set(read())
    for (const [counter, read] of this.#counters) {
      counter.reset()
      counter.inc(read())
    }
    this.#rejects.reset()
    for (const [code, count] of figures.rejects) this.#rejects.inc({ code, name: errorName(code) }, count)
    if (settlementFigures !== undefined) this.#settlement.set(settlementFigures)
    const text = await this.#registry.metrics()
    return `${text.trimEnd()}\n\n${latencyText(figures, this.#gateway.data.thread)}`
  }
}

/** The latency histogram in the text format: buckets hold all that are at or below their bound. */
function latencyText({ latencies, latencySumS }: Figures, thread: number): string {
  const name = 'glassbook_frame_latency_seconds'
  const lines = [`# HELP ${name} from a frame's arrival to its answer`, `# TYPE ${name} histogram`]
  let count = 0
  for (const [index, frames] of latencies.entries()) {
    count += frames
    lines.push(`${name}_bucket{le="${LATENCY_BUCKETS_S[index] ?? '+Inf'}",thread="${thread}"} ${count}`)
  }
  lines.push(`${name}_sum{thread="${thread}"} ${latencySumS}`, `${name}_count{thread="${thread}"} ${count}`)
  return `${lines.join('\n')}\n`
}
