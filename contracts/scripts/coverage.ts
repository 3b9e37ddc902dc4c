/**
 * Coverage of contracts/src by the Solidity tests, measured by forge: lines, statements, branches and functions
 * of every file. `npm run contracts:coverage` prints it and fails below 100 %; the test suite asks the same.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runForge } from './forge.js'

export interface FileCoverage {
  /** Path from the root. */
  readonly file: string
  /** [covered, all] of each. */
  readonly lines: readonly [number, number]
  readonly statements: readonly [number, number]
  readonly branches: readonly [number, number]
  readonly functions: readonly [number, number]
}

const parts = ['lines', 'statements', 'branches', 'functions'] as const

/** Runs the tests under coverage. Throws Error with forge's output when a test fails or no file is in the report. */
export async function measureCoverage(): Promise<FileCoverage[]> {
  const args = [
    'coverage',
    '--report',
    'summary',
    '--no-match-coverage',
    'test/|node_modules',
    '--no-match-contract',
    'Invariants|Gas',
  ]
  const { code, stdout, stderr } = await runForge(args, { profile: 'coverage' })
  const rows = [...stdout.matchAll(/^\| (contracts\/src\/\S+) +\|(.*)$/gm)]
  if (code !== 0 || rows.length === 0) throw new Error(`forge coverage failed\n${stdout}\n${stderr}`)
  return rows.map(([, file, figures]) => {
    const shares = [...figures!.matchAll(/\((\d+)\/(\d+)\)/g)].map(([, covered, all]): [number, number] => [
      Number(covered),
      Number(all),
    ])
    const [lines, statements, branches, functions] = shares
    if (functions === undefined) throw new Error(`forge coverage: ${file} has figures ${figures}`)
    return { file: file!, lines: lines!, statements: statements!, branches: branches!, functions }
  })
}

/** What is not covered, one line a file and part. */
export function coverageGaps(files: readonly FileCoverage[]): string[] {
  return files.flatMap((coverage) =>
    parts.flatMap((part) => {
      const [covered, all] = coverage[part]
      return covered === all ? [] : [`${coverage.file}: ${covered} of ${all} ${part}`]
    }),
  )
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const files = await measureCoverage()
  for (const coverage of files)
    console.log(`${coverage.file}: ${parts.map((part) => `${part} ${coverage[part].join('/')}`).join(', ')}`)
  const gaps = coverageGaps(files)
  for (const gap of gaps) console.log(`NOT COVERED ${gap}`)
  process.exitCode = gaps.length === 0 ? 0 : 1
}
