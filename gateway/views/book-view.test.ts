/** The L2 book that clients see, beside a model that sorts all levels anew. */
import type { Side } from '../../engine/codes.js'
import type { LevelEntry } from '../../sdk/wire/layout.js'
import { BookView } from './book-view.js'

test('random levels set, added to, taken away: depth and changes are those of a sorted list', () => {
  let state = 7
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * bound)
  }
  const view = new BookView(0)
  const model = [new Map<number, LevelEntry>(), new Map<number, LevelEntry>()]
  const changed = [new Set<number>(), new Set<number>()]
  let deepest = 0
  for (let step = 1; step <= 8000; step++) {
    const side = below(2) as Side
    const ticks = 1 + below(2000)
    const own = model[side]!
    const [, lots = 0, orders = 0] = own.get(ticks) ?? []
    changed[side]!.add(ticks)
    if (below(4) === 0) {
      view.add(side, ticks, 5, step)
      own.set(ticks, [ticks, lots + 5, orders + 1])
    } else {
      const left = below(3) * 10
      view.set(side, ticks, left, left === 0 ? 0 : 2, step)
      if (left === 0) own.delete(ticks)
      else own.set(ticks, [ticks, left, 2])
    }
    if (below(100) !== 0) continue
    const sorted = (of: number, sign: number): LevelEntry[] =>
      [...model[of]!.values()].sort((a, b) => (a[0] - b[0]) * sign)
    expect(view.top(1000)).toEqual([sorted(0, -1).slice(0, 1000), sorted(1, 1).slice(0, 1000)])
    deepest = Math.max(deepest, model[0]!.size)
    const [bids, asks] = view.takeChanges()!
    for (const [of, told] of [bids, asks].entries()) {
      expect(told).toEqual([...changed[of]!].map((each) => model[of]!.get(each) ?? [each, 0, 0]))
      changed[of]!.clear()
    }
  }
  // More than fits one block of a side.
  expect(deepest).toBeGreaterThan(600)
})
