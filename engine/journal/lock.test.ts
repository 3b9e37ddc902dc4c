/** The folder's lock: one holder whatever happens to the others, and it ends with its process. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { testWith } from '../../test/support/needs.js'
import { FolderInUse, lockFolder } from './lock.js'

const LOCK = fileURLToPath(new URL('./lock.js', import.meta.url))
/** Says `got` or `refused`, and holds what it got until its input ends. */
const HOLDER = `
  import { lockFolder } from ${JSON.stringify(LOCK)}
  let said = 'got'
  try { lockFolder(process.argv[1]) } catch (error) { said = error.name === 'FolderInUse' ? 'refused' : error.stack }
  process.stdout.write(said + '\\n')
  process.stdin.resume()
`
const holderArguments = (folder: string): string[] => ['--input-type=module', '-e', HOLDER, folder]

interface Holder {
  readonly child: ChildProcess
  readonly said: Promise<string>
  end(): Promise<void>
}

function startHolder(folder: string): Holder {
  const child = spawn(process.execPath, holderArguments(folder), { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    said: new Promise((resolve) =>
      child.stdout!.once('data', (line: Buffer) => resolve(line.toString().trim())),
    ),
    async end() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glassbook-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('the file names its holder, and nobody after an orderly release', () => {
  const release = lockFolder(folder)
  expect(readFileSync(join(folder, 'lock'), 'utf8')).toBe(`${process.pid}\n`)
  release()
  expect(readFileSync(join(folder, 'lock'), 'utf8')).toBe('')
})

test('one holder in one process, and in its threads', async () => {
  const release = lockFolder(folder)
  expect(() => lockFolder(folder)).toThrow(FolderInUse)
  expect(() => lockFolder(folder)).toThrow(`in use by process ${process.pid}`)
  const inWorker = `
    import(${JSON.stringify(LOCK)}).then(({ lockFolder }) => {
      try { lockFolder(${JSON.stringify(folder)}); require('node:worker_threads').parentPort.postMessage('got') }
      catch (error) { require('node:worker_threads').parentPort.postMessage(error.name) }
    })`
  const worker = new Worker(inWorker, { eval: true })
  expect(await new Promise((resolve) => worker.once('message', resolve))).toBe('FolderInUse')
  await worker.terminate()
  release()
  // A second release gives up nothing that is not held.
  const again = lockFolder(folder)
  release()
  expect(() => lockFolder(folder)).toThrow(FolderInUse)
  again()
})

test('what stands in the file says nothing about who holds it', () => {
  writeFileSync(join(folder, 'lock'), `${process.pid}\n`)
  lockFolder(folder)()
  writeFileSync(join(folder, 'lock'), '999999 12345\n')
  lockFolder(folder)()
})

test('of three processes that come at once to a stale lock exactly one gets it, each time', async () => {
  for (let trial = 0; trial < 8; trial++) {
    writeFileSync(join(folder, 'lock'), '999999 12345\n')
    const holders = [startHolder(folder), startHolder(folder), startHolder(folder)]
    const said = await Promise.all(holders.map((holder) => holder.said))
    expect(said.sort()).toEqual(['got', 'refused', 'refused'])
    // Killed, not released: the kernel gives the lock up.
    await Promise.all(holders.map((holder) => holder.end()))
  }
  lockFolder(folder)()
}, 300_000)

test('a lock file that is removed and made again belongs to whoever made it', () => {
  const release = lockFolder(folder)
  unlinkSync(join(folder, 'lock'))
  const other = lockFolder(folder)
  release()
  expect(() => lockFolder(folder)).toThrow(FolderInUse)
  other()
})

const namespaced = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc']
const canUnshare = spawnSync('unshare', [...namespaced, 'true']).status === 0
testWith('the right to make a pid namespace', canUnshare)(
  'another pid namespace does not take a live lock',
  () => {
    const release = lockFolder(folder)
    const { stdout } = spawnSync('unshare', [...namespaced, process.execPath, ...holderArguments(folder)], {
      input: '',
      encoding: 'utf8',
    })
    expect(stdout.trim()).toBe('refused')
    release()
  },
)
