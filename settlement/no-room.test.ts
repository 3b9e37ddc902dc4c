/**
 * Settlement on a disk without room: it waits, tells so once, answers proofs meanwhile, and goes on where it
 * stood when there is room again. The failures are put into the store; a real full disk is in test/crash.
 */
import { Side } from '../engine/codes.js'
import { SettlementFixture, owner, until } from '../test/support/settlement-fixture.js'
import { chainClient } from './chain/chain.js'
import { Settler } from './settler.js'
import type { BatchStore } from './store/store.js'
import { rootOfProof } from './tree/tree.js'
import { placeRecord } from '../test/support/journal-fixture.js'

const noSpace = (): never => {
  throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
}

/** Lets `methods` of a store fail; gives back what makes them whole again. */
function fill(store: BatchStore, ...methods: ('seal' | 'save' | 'writeOutbox')[]): () => void {
  for (const method of [...methods, 'expectRoom'] as const) Object.assign(store, { [method]: noSpace })
  return () => {
    for (const method of [...methods, 'expectRoom'] as const) Reflect.deleteProperty(store, method)
  }
}

test('batches, states and transactions wait for room, told once, and lose nothing', async () => {
  const fixture = await SettlementFixture.start()
  const lines: string[] = []
  const settler = new Settler({
    dataDir: fixture.dataDir,
    durableSeq: () => fixture.journal.seq,
    client: chainClient([fixture.anvil.rpcUrl]),
    deployment: fixture.deployment,
    account: owner(0),
    policy: { seconds: 3600, fills: 1000, rows: 1000 },
    pollMs: 20,
    onTrouble: (text) => lines.push(text),
  })
  try {
    await fixture.deposit(1, 0, 1_000_000)
    await fixture.deposit(2, 1, 1_000)
    await fixture.credit()
    await settler.start()
    fixture.journal.append(placeRecord(2, Side.Sell, 100, 20, 1), placeRecord(1, Side.Buy, 100, 15, 1))
    await settler.flush()
    const root = settler.status().lastRoot
    let batch = 1
    for (const methods of [['seal'], ['save'], ['writeOutbox'], ['seal', 'save', 'writeOutbox']] as const) {
      lines.length = 0
      const mend = fill(settler.store, ...methods)
      fixture.journal.append(placeRecord(1, Side.Buy, 100, 1, 1))
      const flushed = settler.flush()
      const { troubles } = settler.status()
      await until('some tries', () => Promise.resolve(settler.status().troubles > troubles + 2))
      expect(lines).toEqual([expect.stringMatching(/no room on the disk .*ENOSPC.*batches wait/)])
      // A balance of the last batch is shown as before, although the tree is further.
      const shown = settler.proof(1, 0, 1)!
      expect(rootOfProof(shown.index, shown.balance, shown.siblings)).toBe(root)
      expect(settler.status().state).toBe('following')
      mend()
      await flushed
      batch++
      await until('the commit', () => Promise.resolve(settler.status().lastBatch === batch))
      await until('the word', () => Promise.resolve(lines.length > 1))
      expect(lines.slice(1)).toEqual(['the disk has room again: batches go on'])
      await until('the state', () => Promise.resolve(settler.store.read(batch).state === 'final'))
    }
    expect(settler.store.numbers()).toEqual([1, 2, 3, 4, 5])
  } finally {
    await settler.stop()
    await fixture.stop()
  }
})
