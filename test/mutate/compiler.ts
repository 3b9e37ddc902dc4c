/** Says whether a mutant compiles: what the type checker refuses never becomes a program, so no test has to notice it. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { type Mutant, mutated } from './mutants.js'

export class Compiler {
  readonly #service: ts.LanguageService
  /** The mutant's text in place of the file's. */
  #changed: { path: string; text: string } | undefined
  #version = 0

  constructor(private readonly root: string) {
    const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
    const { options, fileNames } = ts.parseJsonConfigFileContent(config.config, ts.sys, root)
    const textOf = (path: string): string | undefined =>
      this.#changed?.path === path ? this.#changed.text : ts.sys.readFile(path)
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => options,
      getScriptFileNames: () => fileNames,
      getScriptVersion: (path) => (this.#changed?.path === path ? String(this.#version) : '0'),
      getScriptSnapshot: (path) => {
        const text = textOf(path)
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text)
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
      fileExists: (path) => ts.sys.fileExists(path),
      readFile: textOf,
      readDirectory: (path, ...rest) => ts.sys.readDirectory(path, ...rest),
      directoryExists: (path) => ts.sys.directoryExists(path),
      getDirectories: (path) => ts.sys.getDirectories(path),
    })
  }

  /** What the compiler says against the mutant's file, without that it is no longer used; absent = it compiles. */
  refusal(mutant: Mutant): string | undefined {
    const path = join(this.root, mutant.file)
    this.#changed = { path, text: mutated(readFileSync(path, 'utf8'), mutant) }
    this.#version += 1
    const [first] = [
      ...this.#service.getSyntacticDiagnostics(path),
      ...this.#service.getSemanticDiagnostics(path),
    ].filter(({ reportsUnnecessary }) => reportsUnnecessary === undefined)
    this.#changed = undefined
    return first === undefined ? undefined : ts.flattenDiagnosticMessageText(first.messageText, ' ')
  }
}
