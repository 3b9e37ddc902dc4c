/**
 * A node that loses its pool of transactions, in front of a real chain: what was sent comes again in order of its
 * nonces, with the same bytes.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestClient, http } from 'viem'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import { owner, until } from '../../test/support/settlement-fixture.js'
import { chainClient } from '../chain/chain.js'
import { Sender } from './sender.js'
import { BatchStore } from '../store/store.js'

const TO = '0x00000000000000000000000000000000000000aa'
const labels = ['commit 1', 'prove 1/0', 'prove 1/1', 'commit 2']

describe('a node that loses its pool', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-pool-'))
  const store = new BatchStore(folder)
  let chain: Anvil
  const senders: Sender[] = []
  const anvil = () => createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
  const client = () => chainClient([chain.rpcUrl])
  const nonce = (): Promise<number> => client().getTransactionCount({ address: owner(0).address })
  const pooled = async (): Promise<number> => Number((await anvil().getTxpoolStatus()).pending)
  const newSender = (): Sender => {
    const sender = new Sender({
      client: client(),
      account: owner(0),
      chainId: 31337,
      store,
      confirmations: 0,
      pollMs: 10,
    })
    senders.push(sender)
    return sender
  }
  const mineUntil = (count: number): Promise<void> =>
    until(`nonce ${count}`, async () => {
      await anvil().mine({ blocks: 1 })
      return (await nonce()) === count
    })

  beforeAll(async () => {
    chain = await startAnvil()
    await anvil().setAutomine(false)
  })
  afterEach(() => senders.splice(0).forEach((sender) => sender.stop()))
  afterAll(async () => {
    await chain.stop()
    rmSync(folder, { recursive: true })
  })

  test('all of it, or the lowest of it: the same bytes come again', async () => {
    const sender = newSender()
    const sending = labels.map((label) => sender.send(label, TO, '0x'))
    await until('all to be in the pool', async () => (await pooled()) === labels.length)
    const hashes = store.readOutbox().map(({ attempts }) => attempts[0]!.hash)
    await anvil().dropTransaction({ hash: hashes[0]! })
    await mineUntil(labels.length)
    const receipts = await Promise.all(sending)
    expect(receipts.map(({ transactionHash }) => transactionHash)).toEqual(hashes)

    const again = labels.map((label) => sender.send(`${label}0`, TO, '0x'))
    await until('all to be in the pool', async () => (await pooled()) === labels.length)
    for (const { attempts, mined } of store.readOutbox())
      if (mined === undefined) await anvil().dropTransaction({ hash: attempts[0]!.hash })
    expect(await pooled()).toBe(0)
    await mineUntil(2 * labels.length)
    for (const { status } of await Promise.all(again)) expect(status).toBe('success')
  })

  test('with a restart in between', async () => {
    const first = newSender()
    const before = await nonce()
    const lost = ['commit 3', 'prove 3/0'].map((label) => first.send(label, TO, '0x'))
    for (const one of lost) one.catch(() => undefined)
    await until('both to be in the pool', async () => (await pooled()) === 2)
    first.stop()
    const open = store.readOutbox().filter(({ mined }) => mined === undefined)
    for (const { attempts } of open) await anvil().dropTransaction({ hash: attempts[0]!.hash })
    const second = newSender()
    void second.resume()
    await mineUntil(before + 2)
    await until('both to count', () => second.metrics().open === 0)
    expect(
      store
        .readOutbox()
        .slice(-2)
        .map(({ mined }) => mined!.hash),
    ).toEqual(open.map(({ attempts }) => attempts[0]!.hash))
  })
})
