/**
 * Settlement's figures as Prometheus metrics. A gateway shows what it was told last; where it was told
 * nothing, the metrics are absent, not zero. Used by metrics.ts.
 */
import { Gauge, type Registry } from 'prom-client'
import type { SettlementFigures } from '../link/messages.js'

type Read = (figures: SettlementFigures) => number | undefined

/** Name, help, value. Totals are counted by settlement, so they are set here, not added up. */
const metrics: readonly (readonly [name: string, help: string, read: Read])[] = [
  ['lag_seconds', 'age of the oldest change that no batch on the chain holds', (f) => f.lagSeconds],
  ['lag_batches', 'sealed batches that the chain does not have', (f) => f.backlog],
  ['lag_commands', 'commands durable and not in a batch on the chain', (f) => f.lagCommands],
  ['proof_lag_seconds', 'age of the oldest change that no proven batch holds', (f) => f.proofLagSeconds],
  ['proof_lag_batches', 'batches on the chain and not proven', (f) => f.committedBatch - f.provenBatch],
  ['backlog_max', 'lag_batches at which no further batch is sealed', (f) => f.backlogMax],
  ['sealed_batch', 'last batch sealed', (f) => f.sealedBatch],
  ['committed_batch', 'last batch on the chain', (f) => f.committedBatch],
  ['proven_batch', 'last proven batch', (f) => f.provenBatch],
  ['open_transactions', 'transactions signed and not confirmed', (f) => f.openTransactions],
  ['stuck_transactions', 'transactions that wait at the fee cap', (f) => f.stuckTransactions],
  ['lost_transactions_total', 'transactions that the chain took back', (f) => f.lostTransactions],
  ['fee_bumps_total', 'transactions signed again with a higher fee', (f) => f.feeBumps],
  ['failures_total', 'troubles of posting, told in the log', (f) => f.troubles],
  ['rpc_failures_total', 'questions that an RPC endpoint did not answer', (f) => f.rpcFailures],
  ['prover_queue_chunks', 'chunks that wait for a prover', (f) => f.prover?.waiting],
  ['prover_leased_chunks', 'chunks that a prover works on', (f) => f.prover?.leased],
  ['proven_rows_total', 'rows that provers have proven', (f) => f.prover?.provenRows],
  ['proven_rows_per_second', 'proven rows a second, over the last minute', (f) => f.prover?.rowsPerSecond],
  ['prover_failures_total', 'chunks that a prover gave back', (f) => f.prover?.failures],
]

export class SettlementMetrics {
  private readonly gauges = new Map<string, Gauge>()

  constructor(private readonly registry: Registry) {}

  set(figures: SettlementFigures): void {
    for (const [name, help, read] of metrics) {
      const value = read(figures)
      if (value !== undefined) this.gauge(name, help).set(value)
    }
  }

  private gauge(name: string, help: string): Gauge {
    const known = this.gauges.get(name)
    if (known !== undefined) return known
    const gauge = new Gauge({ name: `glassbook_settlement_${name}`, help, registers: [this.registry] })
    this.gauges.set(name, gauge)
    return gauge
  }
}
