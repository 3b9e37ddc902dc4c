/**
 * Takes guards out of the contracts one at a time and requires a test to notice: in a copy of the
 * sources, each `if (...) revert` is removed, and each change of the table below is made; the attack tests
 * (contracts/test/Attacks.t.sol) must then fail, or else some other test. A mutant that no test notices
 * is a hole in the tests or a line that guards nothing. `npm run contracts:mutate` runs all of them;
 * the test suite a few.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from './compile.js'
import { runForge } from './forge.js'

export interface Mutant {
  /** Path from the root. */
  readonly file: string
  /** Text that occurs once in the file, from `at` on. */
  readonly from: string
  readonly to: string
  /** Place of `from`; where it is searched for when absent. */
  readonly at?: number
}

export interface Verdict {
  readonly mutant: Mutant
  /** Names of attack tests that failed. */
  readonly attacks: readonly string[]
  /** Names of other tests that failed; looked for only when no attack test did. */
  readonly others: readonly string[]
}

const profile = 'mutants'
const SETTLEMENT = 'contracts/src/Settlement.sol'
const VAULT = 'contracts/src/Vault.sol'

/** Guards that are no `if (...) revert`: marks, locks, and what goes into a hash. */
export const handMutants: readonly Mutant[] = [
  { file: VAULT, from: 'external payable nonReentrant returns', to: 'external payable returns' },
  { file: VAULT, from: '_claims[index] = 0;', to: '' },
  { file: VAULT, from: '_escaped[index] = true;', to: '' },
  { file: VAULT, from: '_refunded[position] = true;', to: '' },
  {
    file: VAULT,
    from: 'return IERC20(token).balanceOf(address(this)) - before;',
    to: 'return amount + before - before;',
  },
  { file: VAULT, from: 'IERC20(token).safeTransferFrom(', to: 'IERC20(token).transferFrom(' },
  { file: VAULT, from: 'IERC20(kind.token).safeTransfer(', to: 'IERC20(kind.token).transfer(' },
  { file: VAULT, from: '_pay(asset, kind, owner, units);', to: '_pay(asset, kind, msg.sender, units);' },
  { file: VAULT, from: '_custodyUnits[asset] -= units;', to: '' },
  { file: 'contracts/src/libraries/BalanceTree.sol', from: 'if (sibling >= Field.R) return false;', to: '' },
  { file: SETTLEMENT, from: '                block.chainid,\n', to: '                uint256(31337),\n' },
  { file: SETTLEMENT, from: '                address(this),\n', to: '                address(vault),\n' },
  { file: SETTLEMENT, from: '                keccak256(rows),\n', to: '' },
  { file: SETTLEMENT, from: '                header,\n', to: '                header.number,\n' },
  { file: SETTLEMENT, from: '_chunks[number][chunk] = 0;', to: '' },
  { file: SETTLEMENT, from: 'batch.credited = true;', to: '' },
  { file: SETTLEMENT, from: 'if (batchCount != provenCount) _strike();', to: '' },
  { file: SETTLEMENT, from: 'batchCount = provenCount;', to: '' },
  { file: SETTLEMENT, from: 'refundOf[msg.sender] = 0;', to: '' },
  { file: SETTLEMENT, from: 'frozen = true;', to: '' },
  { file: SETTLEMENT, from: 'delete _requests[index];', to: '' },
  { file: SETTLEMENT, from: ' || committedAt <= request.requestedAt', to: '' },
  { file: SETTLEMENT, from: 'account < Packed.ACCOUNTS_MAX && asset < _assetCount', to: 'account + 1 > 0' },
  {
    file: SETTLEMENT,
    from: 'next = index + 1;\n            evaluation',
    to: 'next = index;\n            evaluation',
  },
  { file: 'contracts/src/libraries/FillTree.sol', from: 'bytes1(0x00), fill', to: 'fill' },
  { file: 'contracts/src/Governed.sol', from: 'block.timestamp + verifierDelay', to: 'block.timestamp' },
]

/** One mutant for each `if (...) revert ...;` of a source: the statement is taken out. */
export function guardMutants(file: string, text: string): Mutant[] {
  const mutants: Mutant[] = []
  for (const match of text.matchAll(/\bif \(/g)) {
    let depth = 1
    let end = match.index + match[0].length
    for (; depth > 0; end++) depth += text[end] === '(' ? 1 : text[end] === ')' ? -1 : 0
    const rest = /^\s*revert [^;]*;/.exec(text.slice(end))
    if (rest === null) continue
    const from = text.slice(match.index, end + rest[0].length)
    mutants.push({ file, from, to: '{}', at: match.index })
  }
  return mutants
}

/** Every mutant there is, hand-made ones first. */
export function allMutants(root = repositoryRoot): Mutant[] {
  const files = [
    VAULT,
    SETTLEMENT,
    'contracts/src/Governed.sol',
    'contracts/src/Groth16ChunkVerifier.sol',
    'contracts/src/libraries/FillTree.sol',
  ]
  return [
    ...handMutants,
    ...files.flatMap((file) => guardMutants(file, readFileSync(join(root, file), 'utf8'))),
  ]
}

const failedTests = (output: string): string[] =>
  [...output.matchAll(/^\[FAIL.*\] (\w+)\(/gm)].map((match) => match[1]!)

/** Runs the tests on each mutant in a copy of contracts/, which is removed at the end. */
export async function runMutants(
  mutants: readonly Mutant[],
  each?: (verdict: Verdict) => void,
): Promise<Verdict[]> {
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
    const base = await runForge(['test', '--no-match-contract', 'Invariant|Gas'], { root, profile })
    if (base.code !== 0)
      throw new Error(`mutate: tests fail without any mutation\n${base.stdout}${base.stderr}`)
    const verdicts: Verdict[] = []
    for (const mutant of mutants) {
      const verdict = await runMutant(root, mutant)
      verdicts.push(verdict)
      each?.(verdict)
    }
    return verdicts
  } finally {
    rmSync(root, { recursive: true })
  }
}

async function runMutant(root: string, mutant: Mutant): Promise<Verdict> {
  const path = join(root, mutant.file)
  const original = readFileSync(path, 'utf8')
  const at = mutant.at ?? original.indexOf(mutant.from)
  if (at < 0 || !original.startsWith(mutant.from, at))
    throw new Error(`mutate: ${mutant.file} has no ${mutant.from}`)
  writeFileSync(path, original.slice(0, at) + mutant.to + original.slice(at + mutant.from.length))
  try {
    const attack = await runForge(['test', '--match-contract', 'AttacksTest'], { root, profile })
    const attacks = failedTests(attack.stdout)
    if (attack.code !== 0 && attacks.length === 0)
      throw new Error(
        `mutate: no test ran on ${mutant.file}: ${mutant.from}\n${attack.stdout}${attack.stderr}`,
      )
    if (attacks.length > 0) return { mutant, attacks, others: [] }
    const all = await runForge(['test', '--no-match-contract', 'AttacksTest|Invariant|Gas'], {
      root,
      profile,
    })
    return { mutant, attacks, others: failedTests(all.stdout) }
  } finally {
    writeFileSync(path, original)
  }
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** One line of the report. */
export function describeVerdict({ mutant, attacks, others }: Verdict): string {
  const killer = [...new Set(attacks.length > 0 ? attacks : others)]
  const names =
    killer.length > 3 ? `${killer.slice(0, 3).join(', ')} and ${killer.length - 3} more` : killer.join(', ')
  const change =
    mutant.to === '' || mutant.to === '{}'
      ? oneLine(mutant.from)
      : `${oneLine(mutant.from)} -> ${oneLine(mutant.to)}`
  return `${killer.length === 0 ? 'SURVIVED' : attacks.length > 0 ? 'attack' : 'unit'} | ${mutant.file.slice(14)} | ${change} | ${names}`
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const verdicts = await runMutants(allMutants(), (verdict) => console.log(describeVerdict(verdict)))
  const survived = verdicts.filter(({ attacks, others }) => attacks.length + others.length === 0).length
  const byAttack = verdicts.filter(({ attacks }) => attacks.length > 0).length
  console.log(
    `${verdicts.length} mutants: ${byAttack} noticed by attack tests, ${verdicts.length - byAttack - survived} by other tests, ${survived} survived`,
  )
  process.exitCode = survived === 0 ? 0 : 1
}
