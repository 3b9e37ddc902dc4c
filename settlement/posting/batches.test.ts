/** What counts as on the chain and as proven, whatever order states are told in. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { batchRecord } from '../../test/support/batch-record.js'
import { Batches } from './batches.js'
import { BatchStore, type BatchState } from '../store/store.js'
import { TreeStore } from '../store/tree-store.js'
import { StateTree } from '../tree/tree.js'

const cases: readonly [states: BatchState[], onChain: number, proven: number][] = [
  [[], 0, 0],
  [['sealed'], 0, 0],
  [['final', 'proven', 'committed', 'sent'], 3, 2],
  // After a reorganisation a later batch may be told of first.
  [['final', 'committed', 'final'], 3, 1],
  [['final', 'sent', 'committed'], 1, 1],
  [['sent', 'final'], 0, 0],
  [['final', 'final', 'final'], 3, 3],
]

test.each(cases)('%j: %d on the chain, %d proven', async (states, onChain, proven) => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-batches-'))
  const store = new BatchStore(folder)
  states.forEach((state, at) => store.seal(batchRecord(at + 1, state), new Uint8Array(), new Uint8Array()))
  const tree = new StateTree()
  const batches = new Batches(store, new TreeStore(store.folder), tree)
  batches.load()
  expect([batches.count, batches.onChain, batches.proven]).toEqual([states.length, onChain, proven])
  expect([...batches.open()].map(({ state }) => state)).toEqual(states.filter((state) => state !== 'final'))
  await tree.close()
  rmSync(folder, { recursive: true })
})
