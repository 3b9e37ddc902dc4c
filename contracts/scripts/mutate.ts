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
import { runForge } from './forge.js'
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
const notHere = 'Invariant|Gas'

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
    // A test that fails by itself would seem to notice every mutant.
    const base = await runForge(['test', '--no-match-contract', notHere], { root, profile })
    if (base.code !== 0)
      throw new Error(`mutate: tests fail without any mutation\n${base.stdout}${base.stderr}`)
    const attacks = await runForge(['test', '--match-contract', 'AttacksTest'], { root, profile })
    const idle = new Set([...attacks.stdout.matchAll(/^\[PASS\] (\w+)\(/gm)].map((match) => match[1]!))
    const verdicts: Verdict[] = []
    for (const mutant of mutants) {
      const verdict = await runMutant(root, mutant)
      verdicts.push(verdict)
      for (const name of verdict.attacks) idle.delete(name)
      each?.(verdict)
    }
    return { verdicts, idleAttacks: [...idle] }
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function runMutant(root: string, mutant: Mutant): Promise<Verdict> {
  const path = join(root, mutant.file)
  const original = readFileSync(path, 'utf8')
  const at = place(root, mutant)
  writeFileSync(path, original.slice(0, at) + mutant.to + original.slice(at + mutant.from.length))
  try {
    const attack = await runForge(['test', '--match-contract', 'AttacksTest'], { root, profile })
    const failed = new Set(failedTests(attack.stdout))
    // Where nothing works any more, no attack was noticed.
    const attacks = [...failed].filter((name) => name !== 'setUp')
    if (attack.code !== 0 && failed.size === 0)
      throw new Error(
        `mutate: no test ran on ${mutant.file}: ${mutant.from}\n${attack.stdout}${attack.stderr}`,
      )
    if (attacks.length > 0) return { mutant, attacks, others: [] }
    const all = await runForge(['test', '--no-match-contract', `AttacksTest|${notHere}`], { root, profile })
    return { mutant, attacks, others: [...new Set(failedTests(all.stdout))] }
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
