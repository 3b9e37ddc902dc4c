/**
 * A disk without room for the journal, under the whole program: it stops in order and says why, nothing that was
 * acknowledged is missing, and it starts again when there is room. The disk is a tmpfs; without the right to mount
 * one the test is skipped.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { testWith } from '../support/needs.js'
import { NO_PROVER, Program } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'
import { auditJournal } from './journal-audit.js'
import { fillUp, mount, unmount } from './small-disk.js'
import { Trader } from './trader.js'

describe('a disk without room for the journal', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-journal-full-'))
  const isMounted = mount(folder, '150m')
  afterAll(() => {
    if (isMounted) unmount(folder)
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  })

  testWith('the right to mount a tmpfs', isMounted)(
    'ends the exchange in order, with its reason',
    async () => {
      const dataDir = join(folder, 'data')
      const zeros = join(folder, 'zeros')
      const port = await freePort()
      const start = (): Program =>
        new Program([
          ...['start', '--data', dataDir, '--port', String(port), ...NO_PROVER],
          ...['--batch-seconds', '1', '--segment-mb', '1'],
        ])
      const full = start()
      let again: Program | undefined
      let trader: Trader | undefined
      try {
        await full.says('Ctrl-C')
        trader = await Trader.open({
          url: `ws://127.0.0.1:${port}`,
          wallet: localAccount(4),
          market: 0,
          ticksFrom: 599_995,
          random: new Random(1),
          pauseMs: 5,
        })
        fillUp(zeros)
        expect([await full.ends(), full.output]).toEqual([
          1,
          expect.stringMatching(/glassbook: the exchange halted: .*(ENOSPC|wrote \d+ of \d+ bytes)/),
        ])
        expect(full.output).not.toMatch(/uncaught|unhandled|node:internal|^ +at /im)
        rmSync(zeros)

        again = start()
        await again.says('Ctrl-C')
        // Its last order has an outcome now: it is in the journal, or nothing of it is.
        await trader.finish()
        trader.close()
        expect(await again.kill('SIGTERM')).toBe(0)
        expect(auditJournal(dataDir, [trader]).acknowledged).toBeGreaterThan(0)
      } finally {
        trader?.close()
        await full.kill()
        await again?.kill()
      }
    },
  )
})
