/** Writes engine/records/offsets.ts and docs/internals/records.md: `npm run records`, from the repository's root. */
import { writeFileSync } from 'node:fs'
import { offsetsSource, recordsPage } from './generate.js'

writeFileSync('engine/records/offsets.ts', offsetsSource())
writeFileSync('docs/internals/records.md', recordsPage())
