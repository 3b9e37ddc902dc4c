/** Sealed batches without rows, for tests of what happens to them on their way. */
import type { BatchRecord, BatchState } from '../../settlement/store/store.js'

const ZERO = `0x${'00'.repeat(32)}` as const

/** Batch `number`, of one command. */
export const batchRecord = (number: number, state: BatchState): BatchRecord => ({
  header: {
    number: BigInt(number),
    firstSeq: BigInt(number),
    lastSeq: BigInt(number),
    oldRoot: 0n,
    newRoot: 0n,
    journalHead: ZERO,
    fillsRoot: ZERO,
    depositsConsumed: 0n,
  },
  data: { chunkRoots: [], rows: new Uint8Array(), deposits: new Uint8Array(), withdrawals: new Uint8Array() },
  fillCount: 0,
  rowsPerChunk: 1,
  sealedAtMs: 0,
  state,
})
