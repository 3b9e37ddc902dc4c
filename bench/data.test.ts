/** The bringing of published files, from a server of the test: only what has its hash is kept. */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FILES, download, keep, workloadRecords } from './data.js'

const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex')
const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-data-test-'))
let server: Server
let url = ''
beforeAll(async () => {
  server = createServer((request, response) => {
    response.statusCode = request.url === '/there' ? 200 : 404
    response.end('published')
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(async () => {
  rmSync(dataDir, { recursive: true, force: true })
  server.closeAllConnections()
  await new Promise((done) => server.close(done))
})

test('what has its hash is kept; anything else is refused and leaves nothing', async () => {
  const source = { url: `${url}/there`, sha256: sha256Of('published') }
  const bytes = await download(source)
  keep(dataDir, { path: 'vectors/same.txt', source, sha256: source.sha256 }, bytes)
  expect(readFileSync(join(dataDir, 'vectors', 'same.txt'), 'utf8')).toBe('published')
  const make = (folder: string): Buffer => Buffer.from(`${readFileSync(join(folder, 'source'), 'utf8')} made`)
  keep(dataDir, { path: 'made.txt', source, make, sha256: sha256Of('published made') }, bytes)

  const sha256 = sha256Of('something else')
  await expect(download({ ...source, sha256 })).rejects.toThrow(`not ${sha256}: not kept`)
  await expect(download({ ...source, url: `${url}/none` })).rejects.toThrow('answers 404')
  const refused = { path: 'refused.txt', source, sha256 }
  for (const file of [refused, { ...refused, make }])
    expect(() => keep(dataDir, file, bytes)).toThrow(`not ${sha256}: not kept`)
  expect(existsSync(join(dataDir, 'refused.txt'))).toBe(false)
  expect(readdirSync(dataDir).sort()).toEqual(['made.txt', 'vectors'])
})

test('the generator’s messages become records', () => {
  const messages = [
    [0, 1, 0, 7, 5, 100],
    [0, 0, 1, 8, 6, 101],
    [1, 1, 0, 7, 0, 0],
    [2, 0, 0, 8, 9, 99],
  ] as const
  const generated = Buffer.alloc(16 + 40 * messages.length)
  generated.writeUInt32LE(messages.length, 12)
  messages.forEach(([kind, side, isImmediate, id, lots, ticks], index) => {
    const at = 16 + index * 40
    generated.set([kind, side, isImmediate], at)
    generated.writeUInt32LE(lots, at + 4)
    generated.writeBigUInt64LE(BigInt(id), at + 16)
    generated.writeBigInt64LE(BigInt(ticks), at + 24)
  })
  const records = workloadRecords(generated)
  const numbers = Array.from({ length: records.length / 4 }, (_, at) => records.readInt32LE(at * 4))
  expect(numbers).toEqual([0, 7, 1, 100, 5, 1, 8, 0, 101, 6, 2, 7, 1, 0, 0, 3, 8, 0, 99, 9])
})

test('bench/README.md names each file', () => {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
  const readme = readFileSync(join(root, 'bench', 'README.md'), 'utf8')
  expect(FILES.filter(({ path }) => !readme.includes(`\`${path}\``))).toEqual([])
})
