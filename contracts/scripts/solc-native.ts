/**
 * Presents solc of npm as a native compiler: forge calls it as `solc --version` and
 * `solc --standard-json < input`. contracts/scripts/forge.ts writes the launcher that starts it.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const solc = createRequire(import.meta.url)('solc') as { version(): string; compile(input: string): string }

if (process.argv.includes('--version')) {
  process.stdout.write(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace('.Emscripten.clang', '.Linux.g++')}\n`,
  )
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write(
    `solc-native: knows --version and --standard-json, got ${process.argv.slice(2).join(' ')}\n`,
  )
  process.exitCode = 2
}
