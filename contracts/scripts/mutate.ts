/**
 * Runs the tests on the mutants of mutants.ts, one at a time, in a copy of contracts/: the attack tests
 * (contracts/test/*Attacks.t.sol) must fail, or else some other test. A mutant that no test notices is a hole
 * in the tests or a line that guards nothing. And the other way round: an attack test that fails under no mutant
 * shows nothing. `npm run contracts:mutate` runs all of them; the test suite a few. An argument picks the
 * mutants whose description has it.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from './compile.js'
import { type ForgeResult, runForge } from './forge.js'
import { type Mutant, allMutants, describeMutant, place } from './mutants.js'

export interface Verdict {
  readonly mutant: Mutant
  /** Names of attack tests that failed. */
  readonly attacks: readonly string[]
  /** Names of other tests that failed; looked for only when no attack test did. */
  readonly others: readonly string[]
}

export interface MutationReport {
  readonly verdicts: readonly Verdict[]
  /** Attack tests that no mutant made fail. */
  readonly idleAttacks: readonly string[]
}

const profile = 'mutants'
const attackTests = ['--match-contract', 'AttacksTest']
const otherTests = ['--no-match-contract', 'AttacksTest|Invariant|Gas']

const failedTests = (output: string): string[] =>
  [...output.matchAll(/^\[FAIL.*\] (\w+)\(/gm)].map((match) => match[1]!)

/** Runs the tests on each mutant in a copy of contracts/, which is removed at the end. */
export async function runMutants(
  mutants: readonly Mutant[],
  each?: (verdict: Verdict) => void,
): Promise<MutationReport> {
  const root = mkdtempSync(join(tmpdir(), 'glassbook-mutants-'))
  try {
    mkdirSync(join(root, 'contracts'))
    for (const part of ['src', 'test', 'foundry.toml'])
      cpSync(join(repositoryRoot, 'contracts', part), join(root, 'contracts', part), {
        recursive: true,
        preserveTimestamps: true,
      })
    symlinkSync(join(repositoryRoot, 'node_modules'), join(root, 'node_modules'))
    const unchanged = await runUnchanged(root, attackTests)
    const idle = new Set([...unchanged.stdout.matchAll(/^\[PASS\] (\w+)\(/gm)].map((match) => match[1]!))
    // Compiled and run when the first mutant gets past the attack tests: the few of the test suite do not.
    let doOthersPass = false
    const verdicts: Verdict[] = []
    for (const mutant of mutants) {
      const failed = await failedUnder(root, mutant, attackTests)
      // Where nothing works any more, no attack was noticed.
      const attacks = failed.filter((name) => name !== 'setUp')
      let others: readonly string[] = []
      if (attacks.length === 0) {
        if (!doOthersPass) await runUnchanged(root, otherTests)
        doOthersPass = true
        others = await failedUnder(root, mutant, otherTests)
      }
      const verdict = { mutant, attacks, others }
      verdicts.push(verdict)
      for (const name of verdict.attacks) idle.delete(name)
      each?.(verdict)
    }
    return { verdicts, idleAttacks: [...idle] }
  } finally {
    rmSync(root, { recursive: true })
  }
}

/** Runs tests on the sources as they are. Throws Error when one fails: it would seem to notice every mutant. */
async function runUnchanged(root: string, tests: readonly string[]): Promise<ForgeResult> {
  const result = await runForge(['test', ...tests], { root, profile })
  if (result.code !== 0)
    throw new Error(`mutate: tests fail without any mutation\n${result.stdout}${result.stderr}`)
  return result
}

/** Names of those of `tests` that fail under a mutant. */
async function failedUnder(root: string, mutant: Mutant, tests: readonly string[]): Promise<string[]> {
  const path = join(root, mutant.file)
  const original = readFileSync(path, 'utf8')
  const at = place(root, mutant)
  writeFileSync(path, original.slice(0, at) + mutant.to + original.slice(at + mutant.from.length))
  try {
    const { code, stdout, stderr } = await runForge(['test', ...tests], { root, profile })
    const failed = failedTests(stdout)
    if (code !== 0 && failed.length === 0)
      throw new Error(`mutate: no test ran on ${mutant.file}: ${mutant.from}\n${stdout}${stderr}`)
    return [...new Set(failed)]
  } finally {
    writeFileSync(path, original)
  }
}

/** One line of the report. */
export function describeVerdict({ mutant, attacks, others }: Verdict): string {
  const killer = attacks.length > 0 ? attacks : others
  const names =
    killer.length > 3 ? `${killer.slice(0, 3).join(', ')} and ${killer.length - 3} more` : killer.join(', ')
  const kind = killer.length === 0 ? 'SURVIVED' : attacks.length > 0 ? 'attack' : 'unit'
  return `${kind} | ${describeMutant(mutant)} | ${names}`
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const wanted = process.argv[2]
  const mutants = allMutants().filter(
    (mutant) => wanted === undefined || describeMutant(mutant).includes(wanted),
  )
  const report = await runMutants(mutants, (verdict) => console.log(describeVerdict(verdict)))
  const { verdicts, idleAttacks } = report
  const survived = verdicts.filter(({ attacks, others }) => attacks.length + others.length === 0).length
  const byAttack = verdicts.filter(({ attacks }) => attacks.length > 0).length
  console.log(
    `${verdicts.length} mutants: ${byAttack} noticed by attack tests, ${verdicts.length - byAttack - survived} by other tests, ${survived} survived`,
  )
  if (wanted === undefined) {
    console.log(`attack tests that no mutant made fail: ${idleAttacks.join(', ') || 'none'}`)
    process.exitCode = survived + idleAttacks.length === 0 ? 0 : 1
  } else process.exitCode = survived === 0 ? 0 : 1
}
