/**
 * A full disk under each part of a running exchange that is not the journal: it goes on, says so in one line, and
 * heals when there is room. Each part has a file system of its own (tmpfs); without the right to mount one the
 * test is skipped. A journal without room is in journal-full.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { testWith } from '../support/needs.js'
import { NO_PROVER, Program, until } from '../support/program.js'
import { freePort } from '../support/ports.js'
import { Random } from '../simulator/random.js'
import { fillUp, mount, unmount } from './small-disk.js'
import { Trader } from './trader.js'

interface Part {
  readonly name: string
  /** Folder inside the data folder. */
  readonly folder: string
  readonly size: string
  readonly fails: RegExp
  readonly heals: RegExp
}

const PARTS: readonly Part[] = [
  {
    name: 'the local chain',
    folder: '.',
    size: '128m',
    // The disk is full for the copy, or was already while the chain wrote the file in place.
    fails: /no copy of \S+chain-state\.json could be made \((ENOSPC|it is torn)/,
    heals: /copies of \S+chain-state\.json are made again/,
  },
  {
    name: 'snapshots',
    folder: 'snapshots',
    size: '512m',
    fails: /snapshot failed \(.*ENOSPC/,
    heals: /snapshots are written again/,
  },
  {
    name: 'settlement',
    folder: 'settlement',
    size: '32m',
    fails: /settlement: no room on the disk \(ENOSPC/,
    heals: /settlement: the disk has room again/,
  },
  {
    name: 'history',
    folder: 'gateway',
    size: '64m',
    fails: /(is not written|are not written) \(ENOSPC/,
    heals: /(is|are) written again/,
  },
]

/** The journal has a disk of its own here: without room it stops the exchange, which it may at any time. */
const DISKS = [...PARTS, { folder: 'journal', size: '128m' }]

describe('a full disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-parts-'))
  const dataDir = join(folder, 'data')
  const mounted = DISKS.filter((disk) => mount(join(dataDir, disk.folder), disk.size))
  afterAll(() => {
    for (const disk of [...mounted].reverse()) unmount(join(dataDir, disk.folder))
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  })

  testWith('the right to mount a tmpfs', mounted.length === DISKS.length)(
    'under each part is told once, stops nothing, and is over when there is room',
    async () => {
      const port = await freePort()
      const program = new Program([
        ...['start', '--data', dataDir, '--port', String(port), ...NO_PROVER],
        ...['--batch-seconds', '1', '--snapshot-every', '20', '--segment-mb', '16'],
      ])
      const traders: Trader[] = []
      try {
        await program.says('Ctrl-C')
        for (const index of [0, 1])
          traders.push(
            await Trader.open({
              url: `ws://127.0.0.1:${port}`,
              wallet: localAccount(4 + index),
              market: 0,
              ticksFrom: 599_995,
              random: new Random(index + 1),
              pauseMs: 50,
            }),
          )
        const orders = (): number => traders.reduce((sum, { wishes }) => sum + wishes.length, 0)
        const goesOn = async (): Promise<void> => {
          const before = orders()
          await until(
            'more orders',
            () => orders() > before + 50 || program.hasExited,
            () => `${traders.map((trader) => trader.toString()).join('\n')}\n${program.output}`,
          )
          expect([program.hasExited, program.output]).toEqual([false, expect.anything()])
        }
        for (const { folder: part, fails, heals } of PARTS) {
          const before = program.output.length
          const said = (): string => program.output.slice(before)
          const zeros = join(dataDir, part, 'zeros')
          // Again and again: a copy that is replaced makes room.
          const isTold = (): boolean => {
            fillUp(zeros)
            return fails.test(said()) || program.hasExited
          }
          await until(String(fails), isTold, said)
          await goesOn()
          rmSync(zeros)
          await until(String(heals), () => heals.test(said()) || program.hasExited, said)
          await goesOn()
          const lines = said()
            .split('\n')
            .filter((line) => line.includes('ENOSPC'))
          expect(lines.filter((line) => fails.test(line))).toEqual(lines)
          expect(new Set(lines).size).toBe(lines.length)
        }
        for (const trader of traders) await trader.finish()
        for (const trader of traders) trader.close()
        expect(await program.kill('SIGTERM')).toBe(0)
        expect(program.output).toContain('everything is on disk')
        expect(program.output).not.toMatch(/uncaught|unhandled|node:internal|^ +at /im)
      } finally {
        for (const trader of traders) trader.close()
        await program.kill()
      }
    },
  )
})
