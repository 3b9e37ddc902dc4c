import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { LONGEST, longestFirst } from './longest.js'

const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}.test.js`, import.meta.url))

test('the longest suites are there, and come first', () => {
  expect(LONGEST.filter((name) => !existsSync(pathOf(name)))).toEqual([])
  const suites = ['a/short', ...LONGEST.toReversed(), 'b/short'].map((name) => ({ path: pathOf(name) }))
  expect(longestFirst(suites).map(({ path }) => path)).toEqual([...LONGEST, 'a/short', 'b/short'].map(pathOf))
})
