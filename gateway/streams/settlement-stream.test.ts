/**
 * What settlement tells, through the gateway: a public stream of batches, the list over HTTP, and figures at
 * /metrics.
 */
import { startRig } from '../../bench/support/gateway-rig.js'
import { createClient } from '../../sdk/index.js'
import type { StreamMessage } from '../../sdk/streams/subscription.js'
import type { BatchInfo, SettlementFigures } from '../link/messages.js'
import { testWithThreads } from '../../test/support/sockets.js'

const batch = (number: number, state: BatchInfo['state']): BatchInfo => ({
  number,
  state,
  firstSeq: 10 * number,
  lastSeq: 10 * number + 9,
  oldRoot: String(number),
  newRoot: String(number + 1),
  fillsRoot: `0x${'ab'.repeat(32)}`,
  journalHead: `0x${'cd'.repeat(32)}`,
  transactionHash: `0x${'ef'.repeat(32)}`,
})

const figures: SettlementFigures = {
  lagSeconds: 12.5,
  proofLagSeconds: 40,
  lagCommands: 77,
  sealedBatch: 9,
  committedBatch: 7,
  provenBatch: 4,
  backlog: 2,
  backlogMax: 4,
  openTransactions: 3,
  stuckTransactions: 1,
  lostTransactions: 5,
  feeBumps: 6,
  troubles: 8,
  rpcFailures: 21,
  prover: { waiting: 11, leased: 2, provenRows: 1234, rowsPerSecond: 0.75, failures: 1 },
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 180_000
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

testWithThreads(
  'anybody follows the settlement stream, reads the list, and an operator the figures',
  async () => {
    const rig = await startRig({ accounts: 1, gateways: 2 })
    const http = rig.url.replace('ws:', 'http:')
    const metrics = async (): Promise<string> => (await fetch(`${http}/metrics`)).text()
    expect(await metrics()).not.toContain('glassbook_settlement_')
    rig.gateway.batchChanged(batch(1, 'final'))
    await until('the first batch', async () => {
      const response = await fetch(`${http}/v1/batches`)
      return ((await response.json()) as unknown[]).length === 1
    })

    // No wallet, no session.
    const stranger = await createClient({ url: rig.url }).connect()
    const messages: StreamMessage[] = []
    await stranger.subscribeSettlement((message) => void messages.push(message))
    await until('a snapshot', () => messages.length > 0)
    expect(messages[0]).toMatchObject({ kind: 'snapshot', data: [batch(1, 'final')] })
    const told = ['committed', 'proven', 'final', 'sealed', 'committed'] as const
    for (const state of told) rig.gateway.batchChanged(batch(2, state))
    await until('five events', () => messages.length > told.length)
    expect(messages.slice(1).map(({ kind }) => kind)).toEqual(told.map(() => 'event'))
    expect(messages.slice(1).map(({ data }) => (data as unknown as BatchInfo).state)).toEqual(told)

    // Who comes later, or comes back, begins with all of it.
    const later = await createClient({ url: rig.url }).connect()
    const seen: StreamMessage[] = []
    await later.subscribeSettlement((message) => void seen.push(message))
    await until('a snapshot', () => seen.length > 0)
    expect(seen[0]).toMatchObject({ kind: 'snapshot', data: [batch(1, 'final'), batch(2, 'committed')] })
    expect(await stranger.call('batches', [10])).toEqual([batch(1, 'final'), batch(2, 'committed')])

    rig.gateway.settlementChanged(figures)
    let text = ''
    await until('the figures', async () =>
      (text = await metrics()).includes('glassbook_settlement_lag_seconds'),
    )
    const value = (name: string): number =>
      Number(new RegExp(`^glassbook_settlement_${name}\\{[^}]*\\} (.*)$`, 'm').exec(text)?.[1])
    const shown: readonly [string, number][] = [
      ['lag_seconds', 12.5],
      ['lag_batches', 2],
      ['lag_commands', 77],
      ['proof_lag_seconds', 40],
      ['proof_lag_batches', 3],
      ['backlog_max', 4],
      ['sealed_batch', 9],
      ['committed_batch', 7],
      ['proven_batch', 4],
      ['open_transactions', 3],
      ['stuck_transactions', 1],
      ['lost_transactions_total', 5],
      ['fee_bumps_total', 6],
      ['failures_total', 8],
      ['rpc_failures_total', 21],
      ['prover_queue_chunks', 11],
      ['prover_leased_chunks', 2],
      ['proven_rows_total', 1234],
      ['proven_rows_per_second', 0.75],
      ['prover_failures_total', 1],
    ]
    expect(shown.map(([name]) => [name, value(name)])).toEqual(shown)

    stranger.close()
    later.close()
    await rig.stop()
  },
)
