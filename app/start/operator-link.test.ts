/**
 * The operator's own way into the engine, on a real exchange with small tables: a deposit of the chain that they have
 * no room for is told in one line, which names it and why, and is taken as far as the chain's queue goes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Reject } from '../../engine/codes.js'
import { type ExchangeHandles, startExchange } from '../../engine/runtime/exchange.js'
import { UNITS_END } from '../../engine/limits.js'
import { depositRecord } from '../../settlement/chain/chain-watcher.js'
import { LOCAL_GENESIS } from './genesis.js'
import { OperatorLink } from './operator-link.js'

const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-operator-'))
const NO_ATTACHMENT = new Uint8Array(0)
afterAll(() => rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 }))

/** A start on the folder, what the operator was told, and its end. */
async function start(): Promise<{
  readonly exchange: ExchangeHandles
  readonly operator: OperatorLink
  readonly told: string[]
  stop(): Promise<void>
}> {
  const exchange = await startExchange({
    dataDir,
    genesis: { ...LOCAL_GENESIS, capacities: { accountsMax: 4, balancesMax: 4 } },
    gateways: 0,
    operators: 1,
  })
  const told: string[] = []
  const operator = new OperatorLink(
    {
      producer: 0,
      inbound: exchange.inbound[0]!,
      outbound: exchange.outbound[0]!,
      control: exchange.control,
    },
    (text) => told.push(text),
  )
  const stop = async (): Promise<void> => {
    operator.leave()
    await exchange.stop()
    await operator.ended
  }
  return { exchange, operator, told, stop }
}

test('a deposit that full tables cannot keep is told, with whose it is, how much and why; no other is', async () => {
  const first = await start()
  const deposits = [
    [1, 0, 1_000],
    [2, 1, 5_000],
    // Every row of the ledger is taken: the fee account has two from the start.
    [3, 0, 77],
    [2, 0, 78],
    // Accounts end at 3.
    [4, 1, 79],
    // A row that is there takes more, up to what an amount may be.
    [1, 0, UNITS_END - 1_000],
    [1, 0, UNITS_END - 1_001],
  ] as const
  try {
    for (const [position, [account, asset, units]] of deposits.entries())
      expect(await first.operator.submit(depositRecord(account, asset, units, position), NO_ATTACHMENT)).toBe(
        Reject.None,
      )
    // A place of the queue that was taken is refused to whoever submits it, and nothing goes back.
    expect(await first.operator.submit(depositRecord(3, 0, 77, 2), NO_ATTACHMENT)).toBe(
      Reject.DepositOutOfOrder,
    )
    expect(first.told).toEqual([
      'a deposit of 77 units of asset 0 for account 3 goes back to its owner: BalancesFull',
      'a deposit of 78 units of asset 0 for account 2 goes back to its owner: BalancesFull',
      'a deposit of 79 units of asset 1 for account 4 goes back to its owner: AccountsFull',
      `a deposit of ${UNITS_END - 1_000} units of asset 0 for account 1 goes back to its owner: BalanceOverLimit`,
    ])
  } finally {
    await first.stop()
  }
  // A later start counts the ones that went back as taken from the queue, and does not tell of them again.
  const second = await start()
  expect([second.exchange.depositsConsumed, second.told]).toEqual([deposits.length, []])
  await second.stop()
}, 300_000)
