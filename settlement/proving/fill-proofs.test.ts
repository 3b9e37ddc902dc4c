/** Proofs of fills: right, and no more work for them than their share of the thread, whatever is asked. */
import { FillProofs, type ServedFillProof } from './fill-proofs.js'
import { FILL_BYTES, fillsRoot, verifyFill } from '../batch/fills-root.js'
import type { BatchRecord } from '../store/store.js'

/** As many as are in each batch. */
const FILLS = 10_000
const HASHES = 2 * FILLS - 1
/** What fill-proofs.ts allows. */
const HASHES_PER_SECOND = 40_000

/** Batches of FILLS commands with one fill each, all on the chain, that count how often their fills are read. */
function exchange(batches: number) {
  const reads: number[] = []
  const fills = (number: number): Uint8Array => {
    reads.push(number)
    return leavesOf(number)
  }
  const clock = { ms: 0 }
  const record = (number: number) =>
    ({
      state: 'final',
      header: { firstSeq: BigInt((number - 1) * FILLS + 1), lastSeq: BigInt(number * FILLS) },
    }) as BatchRecord
  const proofs = new FillProofs({ fills }, { count: batches, record }, () => clock.ms)
  return { proofs, reads, clock }
}

function leavesOf(number: number): Uint8Array {
  const leaves = new Uint8Array(FILLS * FILL_BYTES)
  const view = new DataView(leaves.buffer)
  for (let at = 0; at < FILLS; at++) view.setBigUint64(at * FILL_BYTES, BigInt((number - 1) * FILLS + 1 + at))
  return leaves
}

/** Some seq of a batch. */
const seqOf = (number: number): number => (number - 1) * FILLS + 77

test('a proof of any fill leads to the root of its batch', () => {
  const { proofs } = exchange(2)
  for (const number of [1, 2]) {
    const proof = proofs.proof(seqOf(number), 0) as ServedFillProof
    expect(proof.batch).toBe(number)
    expect(verifyFill(fillsRoot(leavesOf(number)), proof)).toBe(true)
  }
  expect(proofs.proof(seqOf(1), 1)).toBeUndefined()
  expect(proofs.proof(2 * FILLS + 1, 0)).toBeUndefined()
})

test('one who goes around among old batches makes the thread hash no more than its share', () => {
  const batches = 100
  const { proofs, reads, clock } = exchange(batches)
  const seconds = 20
  let [served, later] = [0, 0]
  for (let question = 0; question < seconds * 100; question++) {
    clock.ms = question * 10
    const answer = proofs.proof(seqOf(1 + (question % batches)), 0)
    if (answer !== undefined && 'retryAfterMs' in answer) {
      later++
      expect(answer.retryAfterMs).toBeGreaterThan(0)
      // No wait is longer than what one tree may overdraw.
      expect(answer.retryAfterMs).toBeLessThanOrEqual((HASHES * 1000) / HASHES_PER_SECOND + 1)
    } else served++
    // The first second's budget, what was earned since, and the tree that overdrew it.
    expect(reads.length * HASHES).toBeLessThanOrEqual((1 + clock.ms / 1000) * HASHES_PER_SECOND + HASHES)
  }
  expect(reads.length * HASHES).toBeGreaterThan(seconds * HASHES_PER_SECOND * 0.9)
  expect(served).toBeGreaterThan(0)
  expect(later).toBeGreaterThan(0)
})

test('five old batches by turns are hashed once each', () => {
  const { proofs, reads, clock } = exchange(5)
  for (let question = 0; question < 100; question++) {
    clock.ms = question * 1000
    expect(proofs.proof(seqOf(1 + (question % 5)), 0)).toMatchObject({ batch: 1 + (question % 5) })
  }
  expect(reads).toEqual([1, 2, 3, 4, 5])
})

test('the wait that is told is enough, and what is kept is answered meanwhile', () => {
  const { proofs, clock } = exchange(9)
  const isLater = (number: number): number | undefined => {
    const answer = proofs.proof(seqOf(number), 0)
    return answer !== undefined && 'retryAfterMs' in answer ? answer.retryAfterMs : undefined
  }
  let number = 1
  while (number < 9 && isLater(number) === undefined) number++
  const wait = isLater(number)!
  expect(wait).toBeGreaterThan(0)
  expect(isLater(1)).toBeUndefined()
  clock.ms += wait - 2
  expect(isLater(number)).toBeGreaterThan(0)
  clock.ms += 2
  expect(isLater(number)).toBeUndefined()
})

test('trees are let go by their bytes, the oldest first', () => {
  const batches = 40
  const { proofs, reads, clock } = exchange(batches)
  const ask = (number: number): void => {
    clock.ms += 1000
    expect(proofs.proof(seqOf(number), 0)).toMatchObject({ batch: number })
  }
  for (let number = 1; number <= batches; number++) ask(number)
  expect(reads).toHaveLength(batches)
  // 2.2 MB a tree: some thirty of them in 64 MiB.
  ask(batches - 25)
  expect(reads).toHaveLength(batches)
  ask(1)
  expect(reads).toHaveLength(batches + 1)
})
