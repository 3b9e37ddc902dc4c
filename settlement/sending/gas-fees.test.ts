/**
 * Base fees of a real chain that rise over what a transaction offers, and over the cap: raised on the same
 * nonce, never above the cap, told while it is stuck, mined when the fees have fallen.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestClient, http } from 'viem'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import { owner, until } from '../../test/support/settlement-fixture.js'
import { chainClient } from '../chain/chain.js'
import { firstFees, raisedFees, type FeePolicy, type Fees } from './gas-fees.js'
import { Sender } from './sender.js'
import { BatchStore } from '../store/store.js'

const GWEI = 1_000_000_000n
const TO = '0x00000000000000000000000000000000000000aa'
const fees: FeePolicy = { maxFeePerGasCap: 20n * GWEI, priorityFeePerGas: GWEI, bumpAfterMs: 100 }

describe('the cap', () => {
  const { maxFeePerGasCap: cap } = fees
  /** Least that nodes take in the place of a transaction, of each of its two fees: a tenth more. */
  const replaces = (next: Fees, last: Fees): boolean =>
    next.maxFeePerGas * 10n >= last.maxFeePerGas * 11n &&
    next.maxPriorityFeePerGas * 10n >= last.maxPriorityFeePerGas * 11n

  test('a first transaction offers twice the base fee and the tip, up to the cap', () => {
    const half = (cap - GWEI) / 2n
    expect(firstFees(fees, half)).toEqual({ maxFeePerGas: cap, maxPriorityFeePerGas: GWEI })
    for (const baseFee of [half + 1n, cap, cap * 1000n])
      expect(firstFees(fees, baseFee)).toEqual({ maxFeePerGas: cap, maxPriorityFeePerGas: GWEI })
    expect(firstFees(fees, half - 1n).maxFeePerGas).toBe(cap - 2n)
    // A tip over the cap: a chain refuses a transaction whose tip is above all that it pays.
    expect(firstFees({ ...fees, priorityFeePerGas: cap + 1n }, 0n)).toEqual({
      maxFeePerGas: cap,
      maxPriorityFeePerGas: cap,
    })
  })

  test('raised again and again: each takes the place of the one before, the last one is at the cap', () => {
    let last: Fees = firstFees(fees, GWEI)
    let steps = 0
    /** More than it takes to come from the least fee to the cap by a quarter each. */
    const STEPS_MAX = 20
    for (let next = raisedFees(fees, last, GWEI); next !== undefined; next = raisedFees(fees, last, GWEI)) {
      expect(steps).toBeLessThan(STEPS_MAX)
      expect(next.maxFeePerGas).toBeLessThanOrEqual(cap)
      expect(next.maxPriorityFeePerGas).toBeLessThanOrEqual(next.maxFeePerGas)
      if (next.maxFeePerGas < cap) expect(replaces(next, last)).toBe(true)
      last = next
      steps++
    }
    expect(last.maxFeePerGas).toBe(cap)
    expect(steps).toBeGreaterThan(3)
  })

  test('a base fee over the cap raises to the cap and no further', () => {
    const dear = raisedFees(fees, firstFees(fees, GWEI), cap * 10n)
    expect(dear?.maxFeePerGas).toBe(cap)
    expect(raisedFees(fees, dear!, cap * 10n)).toBeUndefined()
    // One wei below it is raised once more.
    const below = { maxFeePerGas: cap - 1n, maxPriorityFeePerGas: cap - 1n }
    expect(raisedFees(fees, below, 0n)).toEqual({ maxFeePerGas: cap, maxPriorityFeePerGas: cap })
    // What an earlier start signed under a higher cap is not raised under this one.
    expect(raisedFees(fees, { maxFeePerGas: cap + 1n, maxPriorityFeePerGas: GWEI }, 0n)).toBeUndefined()
  })
})

describe('fee spikes on a chain', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-fees-'))
  let chain: Anvil
  let sender: Sender
  const store = new BatchStore(folder)
  const troubles: string[] = []
  const anvil = () => createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
  const client = () => chainClient([chain.rpcUrl])
  const mineAt = async (baseFeePerGas: bigint): Promise<void> => {
    await anvil().setNextBlockBaseFeePerGas({ baseFeePerGas })
    await anvil().mine({ blocks: 1 })
  }
  const nonce = (): Promise<number> => client().getTransactionCount({ address: owner(0).address })
  const offered = (label: string): bigint[] =>
    store
      .readOutbox()
      .find((entry) => entry.label === label)
      ?.attempts.map(({ maxFeePerGas }) => maxFeePerGas) ?? []

  beforeAll(async () => {
    chain = await startAnvil()
    await anvil().setAutomine(false)
    await mineAt(GWEI)
    sender = new Sender({
      client: client(),
      account: owner(0),
      chainId: 31337,
      store,
      confirmations: 0,
      fees,
      pollMs: 10,
      onTrouble: (text) => void troubles.push(text),
    })
  })
  afterAll(async () => {
    sender.stop()
    await chain.stop()
    rmSync(folder, { recursive: true })
  })

  test('a spike below the cap: raised on the same nonce until it is mined', async () => {
    const sending = sender.send('commit 1', TO, '0x')
    await until('the first bytes', () => offered('commit 1').length > 0)
    expect(offered('commit 1')[0]).toBeLessThanOrEqual(3n * GWEI)
    let isMined = false
    void sending.then(() => (isMined = true))
    // The fee stays high while nothing of ours pays it.
    await until('the transaction to be mined', async () => {
      await mineAt(9n * GWEI)
      return isMined
    })
    const receipt = await sending
    expect(receipt.status).toBe('success')
    expect(receipt.effectiveGasPrice).toBeGreaterThanOrEqual(9n * GWEI)
    expect(receipt.effectiveGasPrice).toBeLessThanOrEqual(fees.maxFeePerGasCap)
    expect(await nonce()).toBe(1)
    expect(offered('commit 1').length).toBeGreaterThan(1)
    expect(sender.metrics().bumps).toBeGreaterThanOrEqual(1)
  })

  test('a spike over the cap: stuck, told, never above the cap; two of them go on when fees fall', async () => {
    await mineAt(60n * GWEI)
    const sending = Promise.all([sender.send('commit 2', TO, '0x'), sender.send('prove 2/0', TO, '0x')])
    await until('it to be told', async () => {
      await mineAt(60n * GWEI)
      return (
        troubles.some((text) => /commit 2: waits for the base fee/.test(text)) && sender.metrics().stuck === 2
      )
    })
    expect(await nonce()).toBe(1)
    for (const label of ['commit 2', 'prove 2/0'])
      expect(offered(label).every((fee) => fee <= fees.maxFeePerGasCap)).toBe(true)
    let isMined = false
    void sending.then(() => (isMined = true))
    await until('both to be mined', async () => {
      await mineAt(5n * GWEI)
      return isMined
    })
    for (const { effectiveGasPrice } of await sending)
      expect(effectiveGasPrice).toBeLessThanOrEqual(fees.maxFeePerGasCap)
    expect(await nonce()).toBe(3)
    expect(sender.metrics()).toMatchObject({ open: 0, stuck: 0 })
  })
})
