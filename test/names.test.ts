/**
 * One name a thing, one thing a name: what two files of the product export under one name must be told apart by
 * whoever reads both. Not counted: what is a twin on purpose, what can never meet, and what ACCEPTED gives a reason for.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const FOLDERS = ['engine', 'gateway', 'settlement', 'contracts', 'sdk', 'app']
/** Twins say the same in their own way; the prover is a program of its own. */
const APART = /^(engine\/reference|contracts\/model|settlement\/prover)\//
/** Made of one another: the layout's tables are those of the records. */
const SAME = /^engine\/(layout|records\/offsets|records\/[a-z]+-table)$/

const ACCEPTED: Readonly<Record<string, string>> = {
  BalanceProof: 'faces of two packages, the SDK and settlement, which share no code',
  FillProof: 'faces of two packages, the SDK and settlement, which share no code',
  Kind: 'kinds of records of the engine; kinds of messages in the SDK, whose name is public',
  ProofLater: 'what settlement answers and the gateway hands on: neither may know the other',
  RequestError: 'the refusal of a request, at its two ends',
  SessionView: 'faces of two packages: a session as the engine has it, and as its owner is told',
  syncFolder: 'the contracts may not import the engine',
}

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name === 'out') continue
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) yield* sources(path)
    else if (/\.ts$/.test(path) && !/\.(test|bench|fuzz|d)\.ts$/.test(path)) yield path
  }
}

/** Names that a file declares and exports; what it hands on of other files is theirs. */
function exported(path: string): string[] {
  const source = ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2022)
  return source.statements.flatMap((statement) => {
    const isExported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    if (isExported !== true) return []
    if (ts.isVariableStatement(statement))
      return statement.declarationList.declarations.flatMap(({ name }) =>
        ts.isIdentifier(name) ? [name.text] : [],
      )
    const { name } = statement as ts.DeclarationStatement
    return name === undefined ? [] : [name.text]
  })
}

/** Names that two files of `files` export, each with those files. */
function twice(files: ReadonlyMap<string, readonly string[]>): Map<string, string[]> {
  const byName = new Map<string, string[]>()
  for (const [file, names] of files)
    for (const name of new Set(names)) byName.set(name, [...(byName.get(name) ?? []), file])
  return new Map(
    [...byName].flatMap(([name, all]) => {
      // Only the engine sees its core: names of it meet names of the engine alone.
      const outside = all.some((file) => !file.startsWith('engine/'))
      const meeting = outside ? all.filter((file) => !file.startsWith('engine/core/')) : all
      const things = new Set(meeting.map((file) => (SAME.test(file) ? 'engine/records' : file)))
      return things.size > 1 ? [[name, meeting] as const] : []
    }),
  )
}

test('no two files of the product export one name', () => {
  const files = new Map(
    FOLDERS.flatMap((folder) => [...sources(folder)])
      .filter((path) => !APART.test(path))
      .map((path) => [path.replace(/\.ts$/, ''), exported(path)]),
  )
  const found = twice(files)
  expect([...found].filter(([name]) => !Object.hasOwn(ACCEPTED, name))).toEqual([])
  // What is accepted is still there, or it has no place in the list.
  expect(Object.keys(ACCEPTED).filter((name) => !found.has(name))).toEqual([])
})

test('names are found where they meet', () => {
  const files = (...all: [string, string[]][]): string[] => [...twice(new Map(all)).keys()]
  expect(files(['gateway/a', ['X']], ['settlement/b', ['X', 'Y']])).toEqual(['X'])
  expect(files(['engine/core/a', ['X']], ['sdk/b', ['X']])).toEqual([])
  expect(files(['engine/core/a', ['X']], ['engine/types', ['X']])).toEqual(['X'])
  expect(files(['engine/layout', ['X']], ['engine/records/offsets', ['X']])).toEqual([])
})
