/** Records found by keys that clients choose. */
import { RecordIndex } from './record-index.js'

test('no formula over the key puts many records into one chain', () => {
  const RECORDS = 20_000
  const index = new RecordIndex(RECORDS)
  // High words that made the formula of an earlier version, which anybody could invert, one value for all.
  const inverse = (odd: number): number => {
    let found = odd
    for (let round = 0; round < 5; round++) found = Math.imul(found, 2 - Math.imul(odd, found))
    return found
  }
  const high = (low: number): number => Math.imul(inverse(0x27d4eb2f), 77 ^ Math.imul(low, 0xc2b2ae35))
  for (let low = 0; low < RECORDS; low++) index.add(low, 1, low, high(low))
  let longest = 0
  for (let low = 0; low < RECORDS; low += 97) {
    let asked = 0
    expect(index.find(1, low, high(low), (slot) => ++asked > 0 && slot === low)).toBe(low)
    longest = Math.max(longest, asked)
  }
  expect(longest).toBeLessThan(64)
})
