/** A suite that leaves something open fails the run, although each of its tests has passed; one that does not does not. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const jest = resolve(here, '..', '..', '..', 'node_modules', 'jest', 'bin', 'jest.js')
const folder = mkdtempSync(join(tmpdir(), 'glassbook-runner-'))
afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }))

/** Runs jest, as jest.config.js has it, over suites of these names and bodies. */
function run(
  name: string,
  suites: Readonly<Record<string, string>>,
  preload?: string,
): Promise<{ code: unknown; said: string }> {
  const rootDir = join(folder, name)
  mkdirSync(rootDir)
  for (const [suite, body] of Object.entries(suites))
    writeFileSync(join(rootDir, `${suite}.test.js`), `test('passes', () => { ${body} })`)
  writeFileSync(join(rootDir, 'package.json'), '{ "type": "module" }')
  const config = {
    rootDir,
    testMatch: ['**/*.test.js'],
    runner: join(here, 'jest-runner.js'),
    setupFiles: [join(here, 'worker-end.js')],
    transform: {},
    maxWorkers: 2,
  }
  const words = [jest, '--config', JSON.stringify(config)]
  const options = {
    cwd: rootDir,
    env: { ...process.env, ...(preload === undefined ? {} : { NODE_OPTIONS: `--import=${preload}` }) },
  }
  return new Promise((done) => {
    const child = execFile(process.execPath, words, options, (_error, stdout, stderr) =>
      done({ code: child.exitCode, said: stdout + stderr }),
    )
  })
}

test('what is left open', async () => {
  const [whole, open] = await Promise.all([
    run('whole', { one: '', two: 'setInterval(() => {}, 1000).unref()' }),
    run('open', { one: '', two: 'setInterval(() => {}, 1000)' }),
  ])
  expect([whole.code, whole.said]).toEqual([0, expect.stringContaining('Tests:       2 passed')])
  expect([open.code, open.said]).toEqual([1, expect.stringContaining('Tests:       2 passed')])
  expect(open.said).toMatch(/open 10 s after the last suite: .*1 Timeout/)
}, 300_000)

test('a process that comes up late is told what to run as well', async () => {
  const preload = join(folder, 'late.mjs')
  writeFileSync(
    preload,
    "if (process.env.TINYPOOL_WORKER_ID === '2') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000)",
  )
  const { code, said } = await run('late', { one: '', two: '' }, preload)
  expect([code, said]).toEqual([0, expect.stringContaining('Tests:       2 passed')])
}, 300_000)
