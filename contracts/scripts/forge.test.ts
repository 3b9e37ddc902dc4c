/**
 * The Solidity tests inside the test suite: all of them, with the committed gas snapshots compared, the generated files
 * held against what was compiled, full
 * branch coverage of contracts/src, and a few mutants. Long mode (GLASSBOOK_LONG=1): many more runs of
 * fuzzing and invariants (500,000 calls), and every mutant.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  groth16ChunkVerifierAbi,
  pageSettlementAbi,
  pageVaultAbi,
  pageVerifierAbi,
  settlementAbi,
  vaultAbi,
} from '../abi.js'
import {
  type ContractCode,
  groth16ChunkVerifierCode,
  pageSettlementCode,
  pageVaultCode,
  pageVerifierCode,
  settlementCode,
  vaultCode,
} from '../bytecode.js'
import { repositoryRoot } from './compile.js'
import { coverageGaps, measureCoverage } from './coverage.js'
import { runForge } from './forge.js'
import { allMutants, handMutants } from './mutants.js'
import { describeVerdict, runMutants } from './mutate.js'

const deployedAbis: Readonly<Record<string, readonly unknown[]>> = {
  Vault: vaultAbi,
  Settlement: settlementAbi,
  PageVault: pageVaultAbi,
  PageSettlement: pageSettlementAbi,
  PageVerifier: pageVerifierAbi,
  Groth16ChunkVerifier: groth16ChunkVerifierAbi,
}
const deployedCodes: Readonly<Record<string, ContractCode>> = {
  Vault: vaultCode,
  Settlement: settlementCode,
  PageVault: pageVaultCode,
  PageSettlement: pageSettlementCode,
  PageVerifier: pageVerifierCode,
  Groth16ChunkVerifier: groth16ChunkVerifierCode,
}

/** forge lists what a contract has in another order than solc does. */
const inOrder = (abi: readonly unknown[]): unknown[] =>
  abi
    .map((part) => part as { type: string; name?: string; inputs?: unknown })
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
const keyOf = ({ type, name = '', inputs }: { type: string; name?: string; inputs?: unknown }): string =>
  `${type} ${name} ${JSON.stringify(inputs)}`

/** Of forge's artifact of a contract, what is compared. */
interface Artifact {
  readonly abi: readonly unknown[]
  readonly bytecode: { readonly object: string }
  readonly deployedBytecode: {
    readonly object: string
    readonly immutableReferences?: Readonly<Record<string, { start: number; length: number }[]>>
  }
}

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

  test('abi.ts and bytecode.ts are what the sources give', () => {
    // forge has compiled what is deployed, with the settings of compile.ts; the local chain's are in compile.test.ts.
    for (const [name, abi] of Object.entries(deployedAbis)) {
      const path = join(repositoryRoot, 'contracts/out', `${name}.sol`, `${name}.json`)
      const { abi: made, bytecode, deployedBytecode } = JSON.parse(readFileSync(path, 'utf8')) as Artifact
      const code = deployedCodes[name]!
      expect([name, inOrder(made)]).toEqual([name, inOrder(abi)])
      // Compared as booleans: a diff of bytecode helps nobody.
      expect([name, bytecode.object === code.creation]).toEqual([name, true])
      expect([name, deployedBytecode.object === code.runtime]).toEqual([name, true])
      const ranges = Object.values(deployedBytecode.immutableReferences ?? {}).flat()
      expect([name, ranges.sort((a, b) => a.start - b.start)]).toEqual([
        name,
        code.immutables.map(({ start, length }) => ({ start, length })),
      ])
    }
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
