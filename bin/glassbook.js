#!/usr/bin/env node
/**
 * The program's name on node_modules/.bin, where npx looks first. A workspace of its own, because npx would
 * install the whole repository anew for a program of the root package.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const program = new URL('../dist/program/main.js', import.meta.url)
if (existsSync(fileURLToPath(program))) await import(program.href)
else {
  process.stderr.write('glassbook: not built yet: npm run build\n')
  process.exitCode = 1
}
