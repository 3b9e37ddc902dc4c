/** Writes docs/protocol.md: `npm run docs:protocol`, from the repository's root. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { protocolPage } from './protocol-page.js'

mkdirSync('docs', { recursive: true })
writeFileSync(
  'docs/protocol.md',
  protocolPage((path) => readFileSync(path, 'utf8')),
)
