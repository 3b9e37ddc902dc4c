/** Networks and their addresses take turns; when all places are taken whoever has most gives way, never who has none. */
import { FairQueue } from './fair-queue.js'

const drained = (queue: FairQueue<string>): string[] => {
  const taken: string[] = []
  for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) taken.push(entry)
  return taken
}

test('keys take turns, each in its own order', () => {
  const queue = new FairQueue<string>(100, 100)
  for (const entry of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push([entry[0]!], entry)
  expect(queue.size).toBe(6)
  expect(drained(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'c2', 'a3'])
  expect(queue.size).toBe(0)
})

test('a key has a share of its own', () => {
  const queue = new FairQueue<string>(100, 2)
  expect(['a1', 'a2', 'a3'].map((entry) => queue.push(['a'], entry))).toEqual([undefined, undefined, 'a3'])
})

test('full: the newest of the longest line gives way to who has fewer, and to nobody else', () => {
  const queue = new FairQueue<string>(6, 100)
  for (const entry of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2']) queue.push([entry[0]!], entry)
  expect(queue.push(['c'], 'c1')).toBe('a4')
  expect(queue.push(['a'], 'a5')).toBe('a5')
  expect(queue.push(['c'], 'c2')).toBe('a3')
  // Two each: nobody has more than his share.
  expect(queue.push(['b'], 'b3')).toBe('b3')
  expect(queue.push(['d'], 'd1')).toMatch(/^[abc]2$/)
  expect(queue.size).toBe(6)
  expect(drained(queue)).toHaveLength(6)
})

test('networks take turns, and the addresses of each within its turns', () => {
  const queue = new FairQueue<string>(100, 100)
  for (const entry of ['a1x', 'a1y', 'a2x', 'a3x', 'b1x', 'b1y', 'c1x'])
    queue.push([entry[0]!, entry.slice(0, 2)], entry)
  expect(drained(queue)).toEqual(['a1x', 'b1x', 'c1x', 'a2x', 'b1y', 'a3x', 'a1y'])
})

test('full: the network that has most gives way, however few each of its addresses has', () => {
  const queue = new FairQueue<string>(6, 100)
  for (const entry of ['a1', 'a2', 'a3', 'a4', 'b1']) queue.push([entry[0]!, entry], entry)
  queue.push(['b', 'b1'], 'b1 again')
  // Four addresses of a have one each, the one of b two; a has most, and its newest line is no longer than others.
  expect(queue.push(['c', 'c1'], 'c1')).toMatch(/^a[1-4]$/)
  // Within a network its own addresses give way to one another.
  expect(queue.push(['a', 'a9'], 'a9')).toBe('a9')
  expect(queue.push(['b', 'b2'], 'b2')).toBe('b1 again')
  expect(drained(queue).sort()).toEqual(expect.arrayContaining(['b1', 'b2', 'c1']))
  expect(queue.size).toBe(0)
})

test('a random crowd of networks: who has no entry finds a place while another network, or neighbour, has two', () => {
  const queue = new FairQueue<number>(32, 8)
  const waiting = new Map<number, [network: string, address: string]>()
  const of = (level: 0 | 1, key: string): number =>
    [...waiting.values()].filter((path) => path[level] === key).length
  let random = 1
  const below = (count: number): number => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0
    return (random >>> 8) % count
  }
  let replaced = 0
  for (let entry = 0; entry < 10_000; entry++) {
    if (below(3) === 0) {
      const taken = queue.shift()
      if (taken !== undefined) expect(waiting.delete(taken)).toBe(true)
      continue
    }
    const network = `n${below(40) >> below(4)}`
    const address = `${network}.${below(6)}`
    const [mine, own] = [of(0, network), of(1, address)]
    const others = [...waiting.values()]
    const hasRicher = others.some(([name]) => of(0, name) > mine + 1)
    const hasRicherNeighbour = others.some(([name, each]) => name === network && of(1, each) > own + 1)
    const isFull = queue.size === 32
    const out = queue.push([network, address], entry)
    if (out !== entry) waiting.set(entry, [network, address])
    if (own < 8 && isFull) expect(out === entry).toBe(!hasRicher && !hasRicherNeighbour)
    if (out !== undefined && out !== entry) {
      replaced++
      expect(waiting.delete(out)).toBe(true)
    }
    expect(queue.size).toBe(waiting.size)
    expect(queue.size).toBeLessThanOrEqual(32)
  }
  expect(replaced).toBeGreaterThan(100)
  for (let taken = queue.shift(); taken !== undefined; taken = queue.shift()) waiting.delete(taken)
  expect(waiting.size).toBe(0)
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
    const out = queue.push([key], entry)
    if (out !== undefined) lengths.set(keyOf.get(out)!, lengths.get(keyOf.get(out)!)! - 1)
    if (before === 0 && longest > 1) expect(out).not.toBe(entry)
    const size = [...lengths.values()].reduce((sum, length) => sum + length, 0)
    expect(queue.size).toBe(size)
    expect(size).toBeLessThanOrEqual(32)
  }
})
