/** Keys take turns; when all places are taken the longest line gives way, and never whoever has none. */
import { FairQueue } from './fair-queue.js'

const drained = (queue: FairQueue<string>): string[] => {
  const taken: string[] = []
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) taken.push(entry)
  return taken
}

test('keys take turns, each in its own order', () => {
  const queue = new FairQueue<string>(100, 100)
  for (const entry of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(entry[0]!, entry)
  expect(queue.size).toBe(6)
  expect(drained(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  expect(queue.size).toBe(0)
})

test('a key has a share of its own', () => {
  const queue = new FairQueue<string>(100, 2)
  expect(['a1', 'a2', 'a3'].map((entry) => queue.push('a', entry))).toEqual([undefined, undefined, 'a3'])
})

test('full: the newest of the longest line gives way to who has fewer, and to nobody else', () => {
  const queue = new FairQueue<string>(6, 100)
  for (const entry of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']) queue.push(entry[0]!, entry)
  expect(queue.push('c', 'c1')).toBe('a4')
  expect(queue.push('a', 'a5')).toBe('a5')
  expect(queue.push('c', 'c2')).toBe('a3')
  // Two each: nobody has more than his share.
  expect(queue.push('b', 'b3')).toBe('b3')
  expect(queue.push('d', 'd1')).toMatch(/^[abc]2$/)
  expect(queue.size).toBe(6)
  expect(drained(queue)).toHaveLength(6)
})

test('a random crowd: never more than there is room, and who has none gets a place while another has two', () => {
  const queue = new FairQueue<number>(32, 8)
  const lengths = new Map<string, number>()
  const keyOf = new Map<number, string>()
  let random = 1
  for (let entry = 0; entry < 20_000; entry++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    if (random % 3 === 0) {
      const taken = queue.shift()
      if (taken !== undefined) lengths.set(keyOf.get(taken)!, lengths.get(keyOf.get(taken)!)! - 1)
      continue
    }
    const key = `k${(random >>> 8) % 20}`
    const before = lengths.get(key) ?? 0
    const longest = Math.max(0, ...lengths.values())
    keyOf.set(entry, key)
    lengths.set(key, before + 1)
    const out = queue.push(key, entry)
    if (out !== undefined) lengths.set(keyOf.get(out)!, lengths.get(keyOf.get(out)!)! - 1)
    if (before === 0 && longest > 1) expect(out).not.toBe(entry)
    const size = [...lengths.values()].reduce((sum, length) => sum + length, 0)
    expect(queue.size).toBe(size)
    expect(size).toBeLessThanOrEqual(32)
  }
})
