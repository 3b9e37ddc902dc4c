/**
 * Compiles Noir projects: `compile-page-cli.js FILE PROJECT...`, each into its FILE. A program of its own, because the
 * compiler needs nearly a gigabyte while it works, and prints to standard output.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { compile_program, createFileManager } from '@noir-lang/noir_wasm'

const [file, ...projects] = process.argv.slice(2)
for (const project of projects) {
  const { program, warnings } = await compile_program(
    createFileManager(project),
    undefined,
    () => {},
    () => {},
  )
  if (warnings.length > 0) throw new Error(JSON.stringify(warnings))
  writeFileSync(join(project, file!), JSON.stringify(program))
}
