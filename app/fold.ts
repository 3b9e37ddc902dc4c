/**
 * A bundle as V8 runs it fastest. V8 folds into optimised code what it knows to be constant, and loads and checks all
 * else at each use, so the engine in a bundle as esbuild writes it has 0.6 of its speed. Three changes to a file, made
 * over its syntax tree:
 *
 *   numbers     a constant number, or a number of a constant table (`Order.LEVEL`), is written where it is used
 *   functions   a declared function is a variable: it is made a constant
 *   variables   esbuild writes `var` for what a module declares with const, class or let: const where nobody assigns
 *
 * Why no number can be a wrong one: a name is folded only when the whole file declares it once, so that no inner scope
 * can mean another thing by it, and nothing in the file assigns to it; its value is made of number literals and of
 * constants before it. A table has a capital's name and nothing but such numbers, and is frozen: a write to it by
 * another name throws. A function goes to the top of the file, so it can be called as early as before.
 *
 * Packages stay as they are: a var of theirs may be meant to be used before it is set. Called by bundle.ts.
 */
import ts from 'typescript'

type Table = ReadonlyMap<string, number>
/** Numbers and tables of numbers by name. */
export type Constants = ReadonlyMap<string, number | Table>

export interface Folded {
  readonly text: string
  /** Constants among what the file exports, for the files that import them. */
  readonly exported: Constants
}

interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** `exportedBy` gives the constants of a file that this one imports. */
export function fold(text: string, exportedBy: (path: string) => Constants): Folded {
  const file = ts.createSourceFile('bundle.js', text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS)
  const names = namesOf(file)
  const ours = ourStatements(file)
  const constants = new Map<string, number | Table>()
  const edits: Edit[] = []
  for (const [name, value] of importedConstants(file, exportedBy))
    if (names.isConstant(name) && names.isWhole(name)) constants.set(name, value)
  for (const { name, initializer } of ours.flatMap(declarationsOf)) {
    if (!ts.isIdentifier(name) || initializer === undefined) continue
    if (!names.isConstant(name.text) || !names.isWhole(name.text)) continue
    const value = numberOf(initializer, constants) ?? tableOf(name.text, initializer, constants)
    if (value === undefined) continue
    constants.set(name.text, value)
    if (typeof value === 'object')
      edits.push(insertion(initializer.getStart(), 'Object.freeze('), insertion(initializer.end, ')'))
  }

  const functions: string[] = []
  for (const statement of ours) {
    const start = statement.getStart()
    const numbers = numbersWritten(statement, constants)
    if (ts.isFunctionDeclaration(statement) && names.isConstant(statement.name!.text)) {
      functions.push(`const ${statement.name!.text} = ${edited(statement.getText(), numbers, start)};\n`)
      edits.push({ from: start, to: statement.end, text: '' })
    } else {
      edits.push(...numbers)
      if (canBeConst(statement, names)) edits.push({ from: start, to: start + 'var'.length, text: 'const' })
    }
  }
  const first = file.statements.find((statement) => !ts.isImportDeclaration(statement))
  if (first !== undefined) edits.push(insertion(first.pos, `\n${functions.join('')}`))
  return { text: edited(text, edits, 0), exported: exportedConstants(file, constants) }
}

/** True for a `var` of names that are set where they are declared, and never again. */
function canBeConst(statement: ts.Statement, names: Names): boolean {
  return (
    ts.isVariableStatement(statement) &&
    (statement.declarationList.flags & ts.NodeFlags.BlockScoped) === 0 &&
    declarationsOf(statement).every(
      ({ name, initializer }) => initializer !== undefined && boundNames(name).every(names.isConstant),
    )
  )
}

const insertion = (at: number, text: string): Edit => ({ from: at, to: at, text })

/** `text`, which stands at `start` of the file, after the edits. */
function edited(text: string, edits: readonly Edit[], start: number): string {
  let result = ''
  let at = start
  for (const edit of edits.toSorted((a, b) => a.from - b.from)) {
    result += text.slice(at - start, edit.from - start) + edit.text
    at = edit.to
  }
  return result + text.slice(at - start)
}

/** Statements of our modules: esbuild names each module in a comment of one line. */
function ourStatements(file: ts.SourceFile): ts.Statement[] {
  let isOurs = false
  return file.statements.filter((statement) => {
    for (const { pos, end } of ts.getLeadingCommentRanges(file.text, statement.pos) ?? []) {
      const comment = file.text.slice(pos, end)
      // esbuild names each module in one; it writes what a package says of a function (`// @__NO_SIDE_EFFECTS__`) alike.
      if (comment.startsWith('// ') && !comment.startsWith('// @'))
        isOurs = !comment.includes('node_modules/')
    }
    return isOurs && !ts.isImportDeclaration(statement)
  })
}

const declarationsOf = (statement: ts.Statement): readonly ts.VariableDeclaration[] =>
  ts.isVariableStatement(statement) ? statement.declarationList.declarations : []

function boundNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text]
  return name.elements.flatMap((element) => (ts.isOmittedExpression(element) ? [] : boundNames(element.name)))
}

interface Names {
  /** Declared once in the whole file, and never assigned to. */
  isConstant(name: string): boolean
  /** Nothing is assigned to a part of it. */
  isWhole(name: string): boolean
}

function namesOf(file: ts.SourceFile): Names {
  const declared = new Set<string>()
  const repeated = new Set<string>()
  const assigned = new Set<string>()
  const changed = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (isDeclared(node)) (declared.has(node.text) ? repeated : declared).add(node.text)
    const target = targetOf(node)
    if (target !== undefined) addTargets(target, assigned, changed)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return {
    isConstant: (name) => declared.has(name) && !repeated.has(name) && !assigned.has(name),
    isWhole: (name) => !changed.has(name),
  }
}

/** True for an identifier that gives a name its meaning in some scope. */
function isDeclared(node: ts.Node): node is ts.Identifier {
  if (!ts.isIdentifier(node)) return false
  const { parent } = node
  return (
    (ts.isVariableDeclaration(parent) ||
      ts.isParameter(parent) ||
      ts.isBindingElement(parent) ||
      ts.isFunctionDeclaration(parent) ||
      ts.isFunctionExpression(parent) ||
      ts.isClassLike(parent) ||
      ts.isImportClause(parent) ||
      ts.isNamespaceImport(parent) ||
      ts.isImportSpecifier(parent)) &&
    parent.name === node
  )
}

/** What the node assigns to, if it assigns. */
function targetOf(node: ts.Node): ts.Node | undefined {
  if (ts.isBinaryExpression(node)) {
    const { kind } = node.operatorToken
    const assigns = kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment
    return assigns ? node.left : undefined
  }
  if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
    const { operator } = node
    const steps = operator === ts.SyntaxKind.PlusPlusToken || operator === ts.SyntaxKind.MinusMinusToken
    return steps ? node.operand : undefined
  }
  if (ts.isDeleteExpression(node)) return node.expression
  return ts.isForInStatement(node) || ts.isForOfStatement(node) ? node.initializer : undefined
}

/** Adds the names that `target` assigns to, and those of a part of which it assigns to. */
function addTargets(target: ts.Node, assigned: Set<string>, changed: Set<string>): void {
  if (ts.isIdentifier(target)) assigned.add(target.text)
  else if (ts.isPropertyAccessExpression(target) || ts.isElementAccessExpression(target))
    addTargets(target.expression, changed, changed)
  else if (!ts.isVariableDeclarationList(target))
    ts.forEachChild(target, (child) => addTargets(child, assigned, changed))
}

/** Value of an expression of number literals and constants; undefined where it is no such expression. */
function numberOf(node: ts.Expression, constants: Constants): number | undefined {
  const value = anyNumberOf(node, constants)
  return value !== undefined && Number.isFinite(value) && !Object.is(value, -0) ? value : undefined
}

function anyNumberOf(node: ts.Expression, constants: Constants): number | undefined {
  if (ts.isNumericLiteral(node)) return Number(node.text)
  if (ts.isParenthesizedExpression(node)) return numberOf(node.expression, constants)
  if (ts.isIdentifier(node)) {
    const value = constants.get(node.text)
    return typeof value === 'number' ? value : undefined
  }
  if (ts.isPropertyAccessExpression(node)) return ofTable(node, constants)
  if (ts.isPrefixUnaryExpression(node)) {
    const operand = numberOf(node.operand, constants)
    return operand === undefined ? undefined : UNARY.get(node.operator)?.(operand)
  }
  if (!ts.isBinaryExpression(node)) return undefined
  const left = numberOf(node.left, constants)
  const right = numberOf(node.right, constants)
  return left === undefined || right === undefined
    ? undefined
    : BINARY.get(node.operatorToken.kind)?.(left, right)
}

const UNARY: ReadonlyMap<ts.SyntaxKind, (operand: number) => number> = new Map([
  [ts.SyntaxKind.MinusToken, (operand) => -operand],
  [ts.SyntaxKind.TildeToken, (operand) => ~operand],
])
const BINARY: ReadonlyMap<ts.SyntaxKind, (left: number, right: number) => number> = new Map([
  [ts.SyntaxKind.PlusToken, (left, right) => left + right],
  [ts.SyntaxKind.MinusToken, (left, right) => left - right],
  [ts.SyntaxKind.AsteriskToken, (left, right) => left * right],
  [ts.SyntaxKind.AsteriskAsteriskToken, (left, right) => left ** right],
  [ts.SyntaxKind.SlashToken, (left, right) => left / right],
  [ts.SyntaxKind.LessThanLessThanToken, (left, right) => left << right],
  [ts.SyntaxKind.GreaterThanGreaterThanToken, (left, right) => left >> right],
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken, (left, right) => left >>> right],
  [ts.SyntaxKind.BarToken, (left, right) => left | right],
  [ts.SyntaxKind.AmpersandToken, (left, right) => left & right],
  [ts.SyntaxKind.CaretToken, (left, right) => left ^ right],
])

/** Number of a constant table that the expression reads. */
function ofTable(node: ts.PropertyAccessExpression, constants: Constants): number | undefined {
  if (!ts.isIdentifier(node.expression) || node.questionDotToken !== undefined) return undefined
  const table = constants.get(node.expression.text)
  return typeof table === 'object' ? table.get(node.name.text) : undefined
}

/** An object literal of numbers alone, under a name as tables have it. */
function tableOf(name: string, node: ts.Expression, constants: Constants): Table | undefined {
  if (!/^[A-Z]/.test(name) || !ts.isObjectLiteralExpression(node) || node.properties.length === 0)
    return undefined
  const table = new Map<string, number>()
  for (const property of node.properties) {
    if (!ts.isPropertyAssignment(property) || !ts.isIdentifier(property.name)) return undefined
    const value = numberOf(property.initializer, constants)
    if (value === undefined || property.name.text === '__proto__') return undefined
    table.set(property.name.text, value)
  }
  return table
}

/** The constants that the statement uses, as the numbers that they are. */
function numbersWritten(statement: ts.Statement, constants: Constants): Edit[] {
  const edits: Edit[] = []
  const visit = (node: ts.Node): void => {
    const value =
      ts.isPropertyAccessExpression(node) || (ts.isIdentifier(node) && isRead(node))
        ? numberOf(node, constants)
        : undefined
    if (value === undefined) ts.forEachChild(node, visit)
    else {
      const isOperand = value < 0 || ts.isPropertyAccessExpression(node.parent)
      edits.push({ from: node.getStart(), to: node.end, text: isOperand ? `(${value})` : String(value) })
    }
  }
  visit(statement)
  return edits
}

/** True for an identifier that stands for its value: no name that is declared, no property, label or export. */
function isRead(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (
    ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isVariableDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent)
  )
    return parent.initializer === node
  if (ts.isCaseClause(parent) || ts.isTemplateSpan(parent) || ts.isComputedPropertyName(parent)) return true
  if (ts.isMetaProperty(parent) || ts.isLabeledStatement(parent) || ts.isBreakOrContinueStatement(parent))
    return false
  return ts.isExpression(parent) || ts.isStatement(parent)
}

function importedConstants(
  file: ts.SourceFile,
  exportedBy: (path: string) => Constants,
): [local: string, value: number | Table][] {
  return file.statements.flatMap((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return []
    const names = statement.importClause?.namedBindings
    if (names === undefined || !ts.isNamedImports(names)) return []
    const constants = exportedBy(statement.moduleSpecifier.text)
    return names.elements.flatMap(({ name, propertyName }): [string, number | Table][] => {
      const value = constants.get((propertyName ?? name).text)
      return value === undefined ? [] : [[name.text, value]]
    })
  })
}

function exportedConstants(file: ts.SourceFile, constants: Constants): Constants {
  const exported = new Map<string, number | Table>()
  for (const statement of file.statements) {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier !== undefined) continue
    const names = statement.exportClause
    if (names === undefined || !ts.isNamedExports(names)) continue
    for (const { name, propertyName } of names.elements) {
      const value = constants.get((propertyName ?? name).text)
      if (value !== undefined) exported.set(name.text, value)
    }
  }
  return exported
}
