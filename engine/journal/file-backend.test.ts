/**
 * The next segment is prepared a little with each append: never in one long stall, never too late.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodeDisk, type Disk, type DiskFile } from './disk.js'
import { FileBackend } from './file-backend.js'
import { segmentName } from './segments.js'

const SEGMENT_BYTES = 4 * 1024 * 1024
const BLOCK_BYTES = 32 * 1024
/** What `maintain` may write at once: twice what was appended since it last did, and it acts from 512 KiB on. */
const STEP_BYTES_MAX = 512 * 1024 + 2 * BLOCK_BYTES

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glassbook-segments-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The real disk, and how many bytes were written to it. */
function countingDisk(): { disk: Disk; written: () => number } {
  let bytes = 0
  const counted = (file: DiskFile): DiskFile => ({
    size: () => file.size(),
    read: (target, position) => file.read(target, position),
    write(source, position) {
      const count = file.write(source, position)
      bytes += count
      return count
    },
    sync: () => file.sync(),
    close: () => file.close(),
  })
  return {
    disk: {
      ...nodeDisk,
      openWrite: (path) => counted(nodeDisk.openWrite(path)),
      create: (path) => counted(nodeDisk.create(path)),
    },
    written: () => bytes,
  }
}

test('over several segments no step is long, and the next segment always stands ready', () => {
  const { disk, written } = countingDisk()
  const backend = new FileBackend({ disk, folder, segmentBytes: SEGMENT_BYTES, segment: 0, offset: 0 })
  const bytes = new Uint8Array(BLOCK_BYTES).fill(7)
  const appends: number[] = []
  const steps: number[] = []
  for (let number = 0; backend.segment < 5; number++) {
    let before = written()
    backend.append({ bytes, length: BLOCK_BYTES, number, epoch: 1 })
    appends.push(written() - before)
    before = written()
    backend.maintain()
    steps.push(written() - before)
    if (backend.offset > SEGMENT_BYTES * 0.75)
      expect(readdirSync(folder)).toContain(segmentName(backend.segment + 1))
  }
  backend.close()
  expect(Math.max(...appends)).toBe(BLOCK_BYTES)
  expect(Math.max(...steps)).toBeLessThanOrEqual(STEP_BYTES_MAX)
  expect(steps.reduce((sum, step) => sum + step, 0)).toBeGreaterThanOrEqual(5 * SEGMENT_BYTES)
})
