/**
 * `npm run bench:lobster`: replays the LOBSTER samples through the whole exchange (SDK, WebSocket,
 * engine, journal, settlement) and writes the reports to bench/results/lobster.json; "batch" there is the last one. The replay draws no
 * random numbers, so there is no seed. Skipped, and said so, where the data is absent.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { machine } from './support/machine.js'

const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..')
const data = process.env['GLASSBOOK_DATA'] ?? resolve(root, '..', 'shared', 'data')
const lobster = join(data, 'lobster')
const SAMPLE = 'AAPL_2012-06-21_HEAD_message_10.csv'
const HOUR = 'AAPL_2012-06-21_34200000_37800000_message_50.csv'

async function replay(args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(root, 'dist', 'program', 'main.js'), 'start', '--port', '0', '--json', '--replay', ...args],
    { maxBuffer: 64 << 20 },
  )
  return JSON.parse(stdout) as Record<string, unknown>
}

if (!existsSync(join(lobster, SAMPLE))) {
  console.log(`skipped: no file ${SAMPLE} in the data folder (GLASSBOOK_DATA)`)
} else {
  const results: Record<string, unknown>[] = []
  const sample = join(lobster, SAMPLE)
  results.push({
    file: SAMPLE,
    ...(await replay([sample, '--orderbook', sample.replace('message', 'orderbook')])),
  })
  if (existsSync(join(lobster, `${HOUR}.xz`))) {
    const folder = mkdtempSync(join(tmpdir(), 'glassbook-lobster-'))
    const hour = join(folder, HOUR)
    writeFileSync(hour, execFileSync('xz', ['-dc', join(lobster, `${HOUR}.xz`)], { maxBuffer: 1 << 30 }))
    results.push({ file: HOUR, ...(await replay([hour])) })
    rmSync(folder, { recursive: true, force: true })
  }
  const report = {
    machine: machine(),
    seed: 'none: the replay draws no random numbers',
    version: (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version,
    results,
  }
  writeFileSync(join(root, 'bench', 'results', 'lobster.json'), `${JSON.stringify(report, null, 2)}\n`)
  console.log(JSON.stringify(report, null, 2))
}
