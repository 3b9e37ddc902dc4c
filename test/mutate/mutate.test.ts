/** That `npm run mutate` finds mutants, the suites near them, and tells a noticed one from one that survives. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ACCEPTED, acceptedReason } from './accepted.js'
import { Compiler } from './compiler.js'
import { Random } from '../simulator/random.js'
import { compiled, describeMutant, mutantsOf, sample, sourceFiles } from './mutants.js'
import { MutationBox, suitesNear } from './run.js'

const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..', '..')

test('the same seed draws the same mutants, each another program', () => {
  const names = (seed: number): string[] => sample(root, new Random(seed), 30).map(describeMutant)
  expect(names(3)).toEqual(names(3))
  expect(names(3)).not.toEqual(names(4))
  expect(sourceFiles(root).length).toBeGreaterThan(150)
  const [first] = mutantsOf(root, 'sdk/base/pauses.ts')
  expect(compiled(root, first!)).not.toBe(compiled(root, { ...first!, becomes: first!.was }))
})

test('suites beside a file come first', () => {
  const graph = new Map([
    ['far/x.test.js', ['near/a.js']],
    ['near/a.test.js', ['near/b.js']],
    ['near/b.js', ['near/a.js']],
    ['near/other.test.js', []],
  ])
  expect(suitesNear(graph, 'near/a.js')).toEqual(['near/a.test.js', 'far/x.test.js'])
})

test('a mutant that its suite notices, and one that nobody can', async () => {
  const box = new MutationBox(root, {
    suitesMax: 1,
    suiteMsMax: 300_000,
    without: /engine\/(runtime\/(exchange|run)\.|core|reference)/,
  })
  try {
    const mutants = mutantsOf(root, 'engine/runtime/sequencer.ts')
    const noticed = mutants.find(({ was }) => was === '+')!
    const same = { ...mutants[0]!, becomes: mutants[0]!.was }
    expect(await box.judge(same)).toEqual({ mutant: same, passed: ['engine/runtime/sequencer.test.js'] })
    expect(await box.judge(noticed)).toMatchObject({ by: 'engine/runtime/sequencer.test.js', passed: [] })
    expect(box.leftOut).toEqual([])
  } finally {
    box.close()
  }
}, 600_000)

test('what the type checker refuses is no mutant', () => {
  const compiler = new Compiler(root)
  const mutants = mutantsOf(root, 'engine/runtime/sequencer.ts')
  const plus = mutants.find(({ was }) => was === '+')!
  expect(compiler.refusal(plus)).toBeUndefined()
  expect(compiler.refusal({ ...plus, becomes: '+ "" +' })).toMatch(/not assignable/)
  expect(compiler.refusal({ ...plus, becomes: '+ +' })).toBeUndefined()
}, 600_000)

test('a survivor is accepted by the words of its line', () => {
  const [one] = ACCEPTED.filter(({ text }) => text !== undefined)
  const mutant = { ...one!, line: 1, from: 0, to: 1, text: `const x = ${one!.text}` }
  expect(acceptedReason(mutant)).toBe(one!.reason)
  expect(acceptedReason({ ...mutant, text: 'const y = 1' })).toBeUndefined()
})
