/**
 * What Prometheus reads at /metrics: gauges and counters of this gateway thread, sampled when asked for,
 * so that nothing on the way of an order touches the metrics library.
 */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { Gateway } from './gateway.js'
import { SettlementMetrics } from './settlement-metrics.js'

interface Metrics {
  readonly registry: Registry
  readonly connections: Gauge
  readonly frames: Counter
  readonly commands: Counter
  readonly messagesOut: Counter
  readonly durableSeq: Gauge
  readonly journalLag: Gauge
  readonly waiting: Gauge
  readonly settlement: SettlementMetrics
  last: { frames: number; commands: number; messagesOut: number }
}

const byGateway = new WeakMap<Gateway, Metrics>()

function create(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'glassbook_gateway_' })
  const registers = [registry]
  const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers })
  const counter = (name: string, help: string): Counter => new Counter({ name, help, registers })
  return {
    registry,
    connections: gauge('glassbook_gateway_connections', 'open WebSocket connections'),
    frames: counter('glassbook_gateway_frames_total', 'command frames handed to the engine'),
    commands: counter('glassbook_gateway_commands_total', 'commands handed to the engine'),
    messagesOut: counter('glassbook_gateway_sends_total', 'flushes of connections with something to send'),
    durableSeq: gauge('glassbook_durable_seq', 'last seq that is known to be on disk'),
    journalLag: gauge('glassbook_journal_lag_commands', 'commands sequenced and not yet durable'),
    waiting: gauge('glassbook_gateway_waiting', 'submissions in the hands of the engine'),
    settlement: new SettlementMetrics(registry),
    last: { frames: 0, commands: 0, messagesOut: 0 },
  }
}

/** Metrics of this moment in Prometheus' text format. */
export async function metricsText(gateway: Gateway): Promise<string> {
  let metrics = byGateway.get(gateway)
  if (metrics === undefined) {
    metrics = create()
    byGateway.set(gateway, metrics)
  }
  const { connections, frames, commands, messagesOut } = gateway.stats
  const { control } = gateway.link
  metrics.connections.set(connections)
  metrics.frames.inc(frames - metrics.last.frames)
  metrics.commands.inc(commands - metrics.last.commands)
  metrics.messagesOut.inc(messagesOut - metrics.last.messagesOut)
  metrics.last = { frames, commands, messagesOut }
  metrics.durableSeq.set(control.durableSeq)
  metrics.journalLag.set(Math.max(0, control.sequencedSeq - control.durableSeq))
  metrics.waiting.set(gateway.submissions.count)
  if (gateway.settlementFigures !== undefined) metrics.settlement.set(gateway.settlementFigures)
  return metrics.registry.metrics()
}
