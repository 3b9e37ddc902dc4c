/** A batch of ours is compared with what the chain has under its number: another one there stops everything. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublicClient } from 'viem'
import { batchRecord } from '../../test/support/batch-record.js'
import type { ChainDeployment } from '../chain/chain.js'
import { TransactionReverted, type Sender } from '../sending/sender.js'
import { BatchStore, type BatchState } from '../store/store.js'
import type { Chunking } from './chunking.js'
import { ForeignBatch, Poster } from './post.js'

/** What the contract says of batch 1. */
interface OnChain {
  readonly newRoot: bigint
  readonly lastSeq: bigint
}
const OURS: OnChain = { newRoot: 0n, lastSeq: 1n }
const others: [string, OnChain][] = [
  ['another root', { ...OURS, newRoot: 5n }],
  ['another end', { ...OURS, lastSeq: 2n }],
  ['another root and end', { newRoot: 5n, lastSeq: 2n }],
]
/** By the contract's numbers. */
const PROVEN = 2

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glassbook-post-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A batch of ours, and a chain that has `batch` under its number; `send` is the chain's answer to a transaction. */
function posting(state: BatchState, batch: () => OnChain | undefined, send: () => Promise<never>) {
  const store = new BatchStore(folder)
  const record = batchRecord(1, state)
  store.seal(record, new Uint8Array(), new Uint8Array())
  const told: BatchState[] = []
  const answers: Record<string, () => unknown> = {
    batchCount: () => (batch() === undefined ? 0n : 1n),
    provenCount: () => (batch() === undefined ? 0n : 1n),
    batchState: () => (batch() === undefined ? 0 : PROVEN),
    batchOf: () => batch() ?? { newRoot: 0n, lastSeq: 0n },
  }
  const poster = new Poster({
    client: {
      readContract: ({ functionName }: { functionName: string }) => Promise.resolve(answers[functionName]!()),
    } as unknown as PublicClient,
    deployment: {} as ChainDeployment,
    sender: { isOpen: () => false, minedAs: () => undefined, send } as unknown as Sender,
    store,
    chunking: {
      beforeCommit: () => Promise.resolve(),
      afterCommit: () => Promise.resolve(),
    } as unknown as Chunking,
    onState: ({ state: reached }) => void told.push(reached),
  })
  return { poster, record, told, saved: () => store.read(1).state }
}
const nothingSent = () => Promise.reject(new Error('a transaction was sent'))

test.each(others)(
  '%s under our number: nothing is taken from it, and nothing is sent',
  async (_what, theirs) => {
    for (const state of ['sealed', 'committed', 'proven'] as const) {
      const { poster, record, told, saved } = posting(state, () => theirs, nothingSent)
      await expect(poster.reconcile(record)).rejects.toThrow(ForeignBatch)
      await expect(poster.reconcile(record)).rejects.toThrow(
        `batch 1 on the chain ends at seq ${theirs.lastSeq} with root ${theirs.newRoot}, ours at seq 1 with root 0`,
      )
      if (state === 'sealed') await expect(poster.commit(record)).rejects.toThrow(ForeignBatch)
      if (state === 'proven') await expect(poster.finalize(record)).rejects.toThrow(ForeignBatch)
      expect([record.state, saved(), told]).toEqual([state, state, []])
    }
  },
)

test.each(others)(
  '%s comes there while ours is sent: ours is not called committed',
  async (_what, theirs) => {
    let now: OnChain | undefined
    const { poster, record, told, saved } = posting(
      'sealed',
      () => now,
      () => {
        now = theirs
        return Promise.reject(new TransactionReverted('commit 1', 'WrongNumber', true))
      },
    )
    await expect(poster.commit(record)).rejects.toThrow(ForeignBatch)
    expect([record.state, saved(), told]).toEqual(['sealed', 'sealed', []])
  },
)

test('our own, which an earlier start sent, is taken as the chain has it', async () => {
  const { poster, record, told, saved } = posting('sealed', () => OURS, nothingSent)
  await poster.commit(record)
  expect([record.state, saved(), told]).toEqual(['proven', 'proven', ['proven']])
})
