/** Thread of replay.ts that owns the state tree: a range in, the batch that it makes out. */
import { availableParallelism } from 'node:os'
import { applyRange, type AppliedBatch } from '../follow/batch.js'
import { HASH_THREADS_MAX } from '../limits.js'
import { answerQuestions } from './beside.js'
import type { Range } from '../follow/follow.js'
import { StateTree } from '../tree/tree.js'

/** A range without its fills, which are hashed elsewhere. */
export interface ApplyQuestion {
  readonly number: number
  readonly range: Omit<Range, 'fills'>
  readonly rowsPerChunk: number
}

export type ApplyAnswer = Pick<AppliedBatch, 'header' | 'data'>

const NO_FILLS = new Uint8Array(0)

/** The engine has a core of its own. */
const tree = new StateTree(Math.min(HASH_THREADS_MAX, Math.max(1, availableParallelism() - 1)))

answerQuestions(({ number, range, rowsPerChunk }: ApplyQuestion): ApplyAnswer => {
  const { header, data } = applyRange(number, { ...range, fills: NO_FILLS }, tree, rowsPerChunk)
  return { header, data }
})
