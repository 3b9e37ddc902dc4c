/**
 * The Solidity tests inside the test suite: all of them, with the committed gas snapshots compared, full
 * branch coverage of contracts/src, and a few mutants. Long mode (GLASSBOOK_LONG=1): many more runs of
 * fuzzing and invariants (500,000 calls), and every mutant.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './compile.js'
import { coverageGaps, measureCoverage } from './coverage.js'
import { runForge } from './forge.js'
import { allMutants, handMutants } from './mutants.js'
import { describeVerdict, runMutants } from './mutate.js'

const long = process.env['GLASSBOOK_LONG'] === '1'
const snapshots = ['Glassbook', 'Pages'].map((name) =>
  join(repositoryRoot, `contracts/snapshots/${name}.json`),
)
const gasFigures = (): unknown => snapshots.map((path) => JSON.parse(readFileSync(path, 'utf8')) as unknown)

describe('Solidity', () => {
  test('every test passes, and gas is what the snapshots say', async () => {
    const before = gasFigures()
    const { code, stdout, stderr } = await runForge(['test'], { profile: long ? 'long' : 'default' })
    if (code !== 0) throw new Error(`forge test failed\n${stdout}\n${stderr}`)
    expect(stdout).toMatch(/ (\d+) tests passed, 0 failed/)
    // forge writes the file anew: a change of gas shows here, and is committed on purpose or not at all.
    expect(gasFigures()).toEqual(before)
  })

  test('every branch of contracts/src is covered', async () => {
    const files = await measureCoverage()
    const measured = files.map(({ file }) => file)
    // A file of interfaces, structs and constants only has nothing to cover.
    for (const name of [
      'Vault',
      'Batches',
      'ForcedWithdrawals',
      'Governed',
      'Groth16ChunkVerifier',
      'libraries/BatchData',
      'pages/PageVault',
      'pages/PageBatches',
      'pages/PageExits',
      'pages/PageGoverned',
      'pages/PageVerifier',
      'pages/PageRows',
      'pages/StateTree',
    ])
      expect(measured).toContain(`contracts/src/${name}.sol`)
    expect(coverageGaps(files)).toEqual([])
  })

  test('every mutant that was made by hand has its place in the sources', () => {
    expect(allMutants().length).toBeGreaterThan(handMutants.length)
  })

  // Both must be noticed by the attack tests: the others are compiled only for what gets past those.
  const chosen = long
    ? allMutants()
    : [handMutants[0]!, handMutants.find(({ from }) => from.includes('_creditRefund'))!]
  test(`${chosen.length} guards: taken out, a test fails`, async () => {
    const { verdicts, idleAttacks } = await runMutants(chosen)
    const survived = verdicts.filter(({ attacks, others }) => attacks.length + others.length === 0)
    expect(survived.map(describeVerdict)).toEqual([])
    if (long) expect(idleAttacks).toEqual([])
    else expect(verdicts.every(({ attacks }) => attacks.length > 0)).toBe(true)
  })
})
