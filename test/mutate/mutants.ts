/**
 * Mutants of the TypeScript code: one operator, condition, constant or statement changed, found in the syntax tree
 * of each source file. run.ts runs the tests beside on them.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import type { Random } from '../simulator/random.js'

export interface Mutant {
  /** Path from the root. */
  readonly file: string
  readonly line: number
  /** Characters of the file that are replaced. */
  readonly from: number
  readonly to: number
  readonly was: string
  readonly becomes: string
  /** The whole line, trimmed: what names a mutant although lines move. */
  readonly text: string
}

export const FOLDERS = ['engine', 'gateway', 'sdk', 'settlement', 'app'] as const
/** What only tests and benchmarks run, what is generated or read by people, and programs of their own. */
const NOT_HERE =
  /\.test\.ts$|\.d\.ts$|\/test\/|\/dist\/|\/examples\/|\/reference|\/random-|\/rig\.ts$|\/(compare|audit-rates|session-audit|hostile-ids)\.ts$|protocol-page|documents\.ts$|explain\.ts$|poseidon-constants|prover\/|demo\.ts$|screen\.ts$|commands\.ts$|lobster\//

const SWAPS: Readonly<Partial<Record<ts.SyntaxKind, string>>> = {
  [ts.SyntaxKind.LessThanToken]: '<=',
  [ts.SyntaxKind.LessThanEqualsToken]: '<',
  [ts.SyntaxKind.GreaterThanToken]: '>=',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>',
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '!==',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '===',
  [ts.SyntaxKind.AmpersandAmpersandToken]: '||',
  [ts.SyntaxKind.BarBarToken]: '&&',
  [ts.SyntaxKind.PlusToken]: '-',
  [ts.SyntaxKind.MinusToken]: '+',
  [ts.SyntaxKind.AsteriskToken]: '/',
  [ts.SyntaxKind.PlusEqualsToken]: '-=',
  [ts.SyntaxKind.MinusEqualsToken]: '+=',
}

export function sourceFiles(root: string): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((file) => !NOT_HERE.test(file)),
  ).sort()
}

/** All mutants of one file. */
export function mutantsOf(root: string, file: string): Mutant[] {
  const text = readFileSync(join(root, file), 'utf8')
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true)
  const lines = text.split('\n')
  const found: Mutant[] = []
  const add = (node: ts.Node, becomes: string): void => {
    const from = node.getStart(source)
    const { line } = source.getLineAndCharacterOfPosition(from)
    const was = text.slice(from, node.end)
    found.push({ file, line: line + 1, from, to: node.end, was, becomes, text: lines[line]!.trim() })
  }
  const visit = (node: ts.Node): void => {
    // Types do nothing, and what an error says is for people.
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isImportDeclaration(node)) return
    if (ts.isNewExpression(node) && /Error|Damage|Failed/.test(node.expression.getText(source))) return
    if (ts.isBinaryExpression(node)) {
      const swap = SWAPS[node.operatorToken.kind]
      const isText = [node.left, node.right].some(
        (side) => ts.isStringLiteralLike(side) || ts.isTemplateExpression(side),
      )
      const joins = node.operatorToken.kind === ts.SyntaxKind.PlusToken && isText
      if (swap !== undefined && !joins) add(node.operatorToken, swap)
    } else if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken)
      add(node, node.operand.getText(source))
    else if (ts.isIfStatement(node)) {
      add(node.expression, 'false')
      add(node.expression, 'true')
    } else if (ts.isNumericLiteral(node)) add(node, `(${node.getText(source)} + 1)`)
    else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'false')
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'true')
    else if (ts.isExpressionStatement(node) && !node.expression.getText(source).startsWith('super('))
      // A body that is one statement stays one.
      add(node, '{}')
    ts.forEachChild(node, visit)
  }
  ts.forEachChild(source, visit)
  return found
}

/** `count` of all mutants, each with the same chance. */
export function sample(root: string, random: Random, count: number, only = ''): Mutant[] {
  const all = sourceFiles(root)
    .filter((file) => file.includes(only))
    .flatMap((file) => mutantsOf(root, file))
  const chosen: Mutant[] = []
  while (chosen.length < count && all.length > 0) chosen.push(...all.splice(random.below(all.length), 1))
  return chosen
}

export const describeMutant = ({ file, line, was, becomes }: Mutant): string => {
  const short = (words: string): string => {
    const one = words.replace(/\s+/g, ' ')
    return one.length > 70 ? `${one.slice(0, 67)}...` : one
  }
  return `${file}:${line} \`${short(was)}\` -> \`${short(becomes)}\``
}

/** A file's text with the mutant in it. */
export const mutated = (text: string, { from, to, becomes }: Mutant): string =>
  text.slice(0, from) + becomes + text.slice(to)

/** The JavaScript of a mutant's file; its types are not checked here. */
export function compiled(root: string, mutant: Mutant): string {
  return ts.transpileModule(mutated(readFileSync(join(root, mutant.file), 'utf8'), mutant), {
    fileName: mutant.file,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
    },
  }).outputText
}
