/**
 * A disk that fills up: the exchange stops clean and says why, and starts clean when there is space.
 * Needs a file system of its own (tmpfs); without the right to mount one the test is skipped.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { JournalReader } from '../../engine/journal/reader.js'
import { testWith } from '../support/needs.js'
import { mount, resize, unmount } from './small-disk.js'

const FLOOD = fileURLToPath(new URL('./flood.js', import.meta.url))
const SEGMENT_BYTES = 512 * 1024

/** Runs the flood to its end, at most five minutes. */
function flood(
  dataDir: string,
  count: number,
): { code: number | null; acked: number; started: number; stderr: string } {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [FLOOD, dataDir, String(count), String(SEGMENT_BYTES)],
    { encoding: 'utf8', timeout: 300_000 },
  )
  const last = (word: string): number =>
    Number(new RegExp(`${word} (\\d+)\\n(?!.*${word} )`, 's').exec(stdout)?.[1] ?? -1)
  return { code: status, acked: last('acked'), started: last('started'), stderr }
}

describe('disk full', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-full-'))
  const isMounted = mount(folder, '1300k')
  afterAll(() => {
    if (isMounted) unmount(folder)
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  })

  testWith('the right to mount a tmpfs', isMounted)(
    'stops clean with a reason, loses nothing acknowledged, goes on after space is made',
    () => {
      const dataDir = join(folder, 'data')
      const full = flood(dataDir, 100_000)
      expect(full.stderr).toMatch(/exchange halted: .*(ENOSPC|wrote \d+ of \d+ bytes)/)
      expect(full.code).toBe(1)
      expect(full.acked).toBeGreaterThan(1000)

      // Still full: it may start, on the segments that are there, and must stop in the same way again.
      const still = flood(dataDir, 100_000)
      expect(still.code).toBe(1)
      expect(still.stderr).toMatch(/ENOSPC|wrote \d+ of \d+ bytes/)
      const acked = Math.max(full.acked, still.acked)

      resize(folder, '32m')
      const again = flood(dataDir, 6400)
      expect([again.code, again.stderr]).toEqual([0, ''])
      expect(again.started).toBeGreaterThanOrEqual(acked)
      const reader = new JournalReader(dataDir)
      while (reader.next() !== undefined);
      expect(reader.end().kind).toBe('clean')
      expect(reader.position.nextSeq - 1).toBeGreaterThanOrEqual(again.acked)
      reader.close()
    },
  )
})
