/**
 * Loss of power under the real file system, helper by helper: when a function that says "durable" returns, its
 * files are what a disk has that forgets everything without a sync, and on the way there no name ever stood for
 * less than the whole old or the whole new content.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { receiptKey } from '../../app/files/receipt-key.js'
import { backupState } from '../../contracts/anvil/anvil-state.js'
import { writeDeployment } from '../../contracts/deployment/deploy.js'

import { makeFolder, nodeDisk } from '../../engine/journal/disk.js'
import { JOURNAL_START } from '../../engine/journal/reader.js'
import { FileBackend } from '../../engine/journal/file-backend.js'
import { writeSnapshot } from '../../engine/recovery/snapshots.js'
import { HistoryLog, LogKind } from '../../gateway/history/history-log.js'
import { replaceFiles, replaceFilesNow } from '../../gateway/history/replace-files.js'
import { FILL_BYTES } from '../../settlement/batch/fills-root.js'
import { BatchArchive } from '../../settlement/store/batch-archive.js'
import { stageCheckpoint } from '../../settlement/audit/checkpoint.js'
import { writeWhole } from '../../settlement/prover/keys.js'
import { BatchStore, writeDurable } from '../../settlement/store/store.js'
import { StateTree } from '../../settlement/tree/tree.js'
import { TreeStore } from '../../settlement/store/tree-store.js'
import { Mirror } from './mirror.js'
import { watch } from './watch.js'

/** What is on a disk: by path from the root, the bytes as text; folders have a slash at their end. */
function content(folder: string, below = ''): Record<string, string> {
  return Object.fromEntries(
    readdirSync(join(folder, below), { withFileTypes: true }).flatMap((entry): [string, string][] => {
      const path = join(below, entry.name)
      return entry.isDirectory()
        ? [[`${path}/`, ''], ...Object.entries(content(folder, path))]
        : [[path, readFileSync(join(folder, path), 'latin1')]]
    }),
  )
}

let base: string
let root: string
let mirror: Mirror
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'glassbook-power-'))
  root = join(base, 'root')
  mkdirSync(root)
})
afterEach(() => rmSync(base, { recursive: true, force: true, maxRetries: 20 }))

/** Files that may be anywhere between: nobody reads them under these names, or what is in them says how far it is good. */
const PASSING = /\.(writing|new|aside|copy|preparing|building-\d+)$|^lock$|\/\.receipt-key/

const durable = (at: string): Record<string, string> => {
  const target = join(base, `cut-${at}`)
  rmSync(target, { recursive: true, force: true, maxRetries: 20 })
  mirror.restore(target)
  return Object.fromEntries(Object.entries(content(target)).filter(([path]) => !PASSING.test(path)))
}

/** Runs `act` under the watch; what a loss of power right after it leaves must be all that stands there. */
async function expectDurable(act: () => unknown): Promise<void> {
  mirror = Mirror.begin(root, join(base, 'mirror'))
  const before = durable('before')
  const seen: Record<string, string>[] = []
  const end = watch(mirror, { onSync: () => seen.push(durable('between')) })
  try {
    await act()
  } finally {
    end()
  }
  const after = Object.fromEntries(Object.entries(content(root)).filter(([path]) => !PASSING.test(path)))
  expect(durable('after')).toEqual(after)
  expect(mirror.findings).toEqual([])
  expect(seen.length).toBeGreaterThan(0)
  for (const state of seen)
    for (const [path, bytes] of Object.entries(state)) expect([before[path], after[path]]).toContain(bytes)
}

const tree = (): StateTree => {
  const state = new StateTree()
  state.update(Int32Array.of(3, 9), Float64Array.of(5, 7))
  return state
}
const block = (number: number): { bytes: Uint8Array; length: number; number: number; epoch: number } => ({
  bytes: new Uint8Array(4096).fill(1 + number),
  length: 4096,
  number,
  epoch: 1,
})
const head = {
  chainId: 1,
  settlement: '0x0000000000000000000000000000000000000001' as const,
  batch: 1,
  block: 1,
  blockHash: `0x${'00'.repeat(32)}` as const,
  depositsConsumed: 0,
  lastSeq: '4',
  waiting: [],
}

const HELPERS: Record<string, (file: (name: string) => string) => unknown> = {
  'a folder and its parents': (file) => makeFolder(file('one/two/three')),
  'the receipt key': () => receiptKey(root),
  'the receipt key in a new folder': (file) => receiptKey(file('data')),
  'a file of the settlement store': () => writeDurable(root, 'file', 'new'),
  'the settlement store': (file) => new BatchStore(file('data')),
  'the nodes of a batch': (file) => {
    const store = new TreeStore(file('settlement'))
    const state = new StateTree()
    state.beginBatch()
    state.update(Int32Array.of(3), Float64Array.of(5))
    store.write(1, state.root, state.endBatch())
    store.checkpoint(1, state)
  },
  'an archived batch': (file) =>
    new BatchArchive(file('archive/batches')).put(1, {
      json: Buffer.from('{}'),
      fills: Buffer.alloc(FILL_BYTES, 1),
    }),
  'a checkpoint of the audit': (file) => stageCheckpoint(file('file'), head, tree()).keep(),
  'the small files of history, aside': () => replaceFiles(root, [[['file', 'new']], [['later', 'x']]]),
  'the small files of history, at a stop': () =>
    replaceFilesNow(join(root, 'history'), [[['file', 'new']], [['later', 'x']]]),
  'a snapshot of the journal': () =>
    writeSnapshot(nodeDisk, root, {
      seq: 5,
      stateHash: new Uint8Array(32),
      payload: new Uint8Array(1000).fill(4),
      lastBlock: JOURNAL_START,
      head: new Uint8Array(32),
      epoch: 1,
    }),
  'the deployment': (file) => writeDeployment(file('file'), { chainId: 1 } as never),
  "a copy of the local chain's state": (file) => backupState(file('chain-state')),
  "a prover's key files": (file) => writeWhole(file('file'), { new: true }),
}

test.each(Object.keys(HELPERS))('%s: on the disk when it returns, old or new until then', async (name) => {
  writeFileSync(join(root, 'file'), 'old')
  writeFileSync(join(root, 'chain-state'), '{"a":1}')
  await expectDurable(() => HELPERS[name]!((path) => join(root, path)))
})

test('each block of the journal is on the disk when its append returns, over several segments', async () => {
  let backend: FileBackend | undefined
  mirror = Mirror.begin(root, join(base, 'mirror'))
  const end = watch(mirror)
  try {
    const folder = join(root, 'journal')
    makeFolder(folder)
    backend = new FileBackend({ disk: nodeDisk, folder, segmentBytes: 16_384, segment: 0, offset: 0 })
    for (let number = 0; number < 10; number++) {
      backend.append(block(number))
      const segment = content(join(root, 'journal'))
      for (const [path, bytes] of Object.entries(durable('append')))
        if (path.startsWith('journal/0')) expect([path, bytes]).toEqual([path, segment[path.slice(8)]])
      const last = Object.keys(durable('append')).filter((path) => /\/\d+\.glass$/.test(path))
      expect(last.length).toBeGreaterThanOrEqual(1 + Math.floor(number / 4))
      backend.maintain()
    }
  } finally {
    backend?.close()
    end()
  }
  expect(mirror.findings).toEqual([])
})

test('history that is marked is on the disk', async () => {
  mirror = Mirror.begin(root, join(base, 'mirror'))
  const end = watch(mirror)
  try {
    const path = join(root, 'fills.log')
    const log = new HistoryLog({ path, kind: LogKind.Fills, write: true, onLog: () => {} })
    log.load({ record: () => {}, forgotten: () => {} })
    log.append(new Int32Array(64).fill(3), 0)
    log.close({ seq: 4, headSeq: 4, head: new Uint8Array(32), floor: 0 })
    expect(mirror.isSynced(path)).toBe(true)
  } finally {
    end()
  }
})

test('the watch itself: what is not synced is lost, a rename before the sync is found', () => {
  mirror = Mirror.begin(root, join(base, 'mirror'))
  const end = watch(mirror)
  try {
    writeFileSync(join(root, 'file'), 'x')
    expect(durable('now')).toEqual({})
    nodeDisk.rename(join(root, 'file'), join(root, 'other'))
    nodeDisk.syncFolder(root)
    expect(durable('now')).toEqual({ other: '' })
  } finally {
    end()
  }
  expect(mirror.findings).toEqual(['file is renamed before it is synced'])
})
