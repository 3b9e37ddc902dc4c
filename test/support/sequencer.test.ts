import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from '@jest/test-result'
import LongestFirst, { LONGEST } from './sequencer.js'

test('the longest suites are there, and come first', async () => {
  const pathOf = (name: string): string => fileURLToPath(new URL(`../../${name}.test.js`, import.meta.url))
  expect(LONGEST.filter((name) => !existsSync(pathOf(name)))).toEqual([])
  const sequencer = new LongestFirst({ contexts: [], globalConfig: {} as never })
  const context = { config: { id: 'x', cacheDirectory: '/' }, hasteFS: { getSize: () => 1 } }
  const tests = ['a/short', ...[...LONGEST].reverse()].map(
    (name) => ({ path: pathOf(name), context }) as unknown as Test,
  )
  const sorted = await sequencer.sort(tests)
  expect(sorted.map(({ path }) => path)).toEqual([...LONGEST, 'a/short'].map(pathOf))
})
