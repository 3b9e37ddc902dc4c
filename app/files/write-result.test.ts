/** A result on a full disk is a failure, and told as one. */
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testWithFile } from '../../test/support/needs.js'
import { writeResult } from './write-result.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-result-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const opened = (path: string) => createWriteStream(path).on('error', () => {})

test('what is written is there', async () => {
  const path = join(folder, 'result.json')
  await writeResult(opened(path), '{}\n')
  expect(readFileSync(path, 'utf8')).toBe('{}\n')
})

testWithFile('/dev/full')('what a full disk does not take is refused', async () => {
  await expect(writeResult(opened('/dev/full'), '{}\n')).rejects.toMatchObject({ code: 'ENOSPC' })
})
