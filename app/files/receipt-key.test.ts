/** The operator's receipt key: made once, for its owner only, refused when others may read it. */
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReceiptKeyError, keepPublicKey, receiptKey } from './receipt-key.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-key-'))
const file = join(folder, 'receipt-key.pem')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('one key a folder, with mode 600 and nothing left over', () => {
  const key = receiptKey(folder)
  expect(receiptKey(folder)).toEqual(key)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual(['receipt-key.pem'])
  const other = mkdtempSync(join(tmpdir(), 'glassbook-key-'))
  expect(receiptKey(other)).not.toEqual(key)
  rmSync(other, { recursive: true, force: true })
})

test('another key than before is told once, and the public key of before is kept', () => {
  const data = mkdtempSync(join(tmpdir(), 'glassbook-key-'))
  const lines: string[] = []
  const keep = (): void => {
    receiptKey(data)
    keepPublicKey(data, (line) => lines.push(line))
  }
  keep()
  keep()
  expect(lines).toEqual([])
  const before = readFileSync(join(data, 'receipt-key.pub'), 'utf8')
  rmSync(join(data, 'receipt-key.pem'))
  keep()
  keep()
  expect(lines).toEqual([
    expect.stringMatching(/receipt-key.pem is another key than before.*put back a copy/),
  ])
  const kept = readdirSync(data).find((name) => name.includes('before'))!
  expect(lines[0]).toContain(kept)
  expect(readFileSync(join(data, kept), 'utf8')).toBe(before)
  rmSync(data, { recursive: true, force: true })
})

test('a file that others may read, or that holds no key, is refused by name', () => {
  chmodSync(file, 0o640)
  expect(() => receiptKey(folder)).toThrow(ReceiptKeyError)
  expect(() => receiptKey(folder)).toThrow(/receipt-key\.pem has mode 640/)
  chmodSync(file, 0o600)
  writeFileSync(file, 'nothing')
  expect(() => receiptKey(folder)).toThrow(ReceiptKeyError)
})
