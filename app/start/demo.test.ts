/** How the demo ends; the whole of it takes two minutes and is not run here. */
import { type Chapter, demoEnd } from './demo.js'

const all: readonly Chapter[] = ['deposit', 'trade', 'proven batch', 'claimed withdrawal']

test('everything was seen: it says so, exit 0', () => {
  expect(demoEnd(new Set(all), 0)).toEqual({
    line: 'demo: deposit, trades, proven batch and claimed withdrawal: that was all',
    code: 0,
  })
})

test('a trader that failed is a failure, whatever was seen', () => {
  expect(demoEnd(new Set(all), 1).code).toBe(1)
})

test.each(all)('ended before "%s" was seen: named, exit 1', (missing) => {
  const told = new Set(all.filter((chapter) => chapter !== missing))
  expect(demoEnd(told, 0)).toEqual({ line: `demo: ended before this was seen: ${missing}`, code: 1 })
})

test('nothing was seen: all is named', () => {
  expect(demoEnd(new Set(), 0).line).toBe(`demo: ended before this was seen: ${all.join(', ')}`)
})
