/** What is said of files that cannot be read or written. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileErrorText, unreadable, unwritable } from './file-errors.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-files-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('an error of a file names it and says what to do; others are not taken for one', () => {
  const missing = join(folder, 'missing')
  const caught = (act: () => unknown): unknown => {
    try {
      return act()
    } catch (error) {
      return error
    }
  }
  expect(fileErrorText(caught(() => readFileSync(missing)))).toBe(
    `${missing}: there is no such file or folder: check the path (ENOENT)`,
  )
  const denied = Object.assign(new Error('EACCES: …'), { code: 'EACCES', path: '/srv/journal' })
  expect(fileErrorText(denied)).toContain('/srv/journal: this user has no right to it')
  for (const other of [new Error('x'), Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), null])
    expect(fileErrorText(other)).toBeUndefined()
})

test('files are looked at before they are needed', () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  expect([unreadable('--from', file), unwritable('--balances', file, '')]).toEqual([undefined, undefined])
  expect(unwritable('--balances', join(folder, 'new'), '')).toBeUndefined()
  expect(unreadable('--from', folder)).toBe(
    `--from ${folder}: it is a folder, not a file: name a file (EISDIR)`,
  )
  expect(unwritable('--balances', join(folder, 'no', 'new'), '')).toContain(
    `--balances ${folder}/no/new: ${folder}/no: there is no such file or folder`,
  )
  expect(unwritable('--balances', join(file, 'new'), '')).toContain('a part of the path is a file')
  // A file of another kind would be lost; one of its own kind is replaced.
  const other = join(folder, 'deployment.json')
  writeFileSync(other, '{"chainId":1}')
  expect(unwritable('--balances', other, 'account,')).toBe(
    `--balances ${other}: a file is there that does not begin with account,, and would be lost: name another`,
  )
  writeFileSync(other, 'account,asset,units\n')
  expect(unwritable('--balances', other, 'account,')).toBeUndefined()
})
