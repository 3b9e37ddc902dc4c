/** Netting, following a journal, the auditor's replay of it, and the fills root: parts of bench/settle.ts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Side } from '../../engine/codes.js'
import { EVENT_WORDS, Ev, FillEv } from '../../engine/layout.js'
import { sealBatch } from '../../settlement/follow/batch.js'
import { depositRecord, openAccountRecord } from '../../settlement/chain/chain-watcher.js'
import { FillLeaves, fillProof, fillsRoot, verifyFill } from '../../settlement/batch/fills-root.js'
import { Follower } from '../../settlement/follow/follow.js'
import type { PostedBatch } from '../../settlement/chain/history.js'
import { Net, assertConserved } from '../../settlement/batch/netting.js'
import { indexOf } from '../../settlement/batch/rows.js'
import { replayBatches } from '../../settlement/audit/replay.js'
import { defaultPolicy } from '../../settlement/settler-options.js'
import { StateTree } from '../../settlement/tree/tree.js'
import { JournalFixture, placeRecord } from '../../test/support/journal-fixture.js'
import { DEPOSITS_MAX } from '../../settlement/limits.js'
import { expect, random, rate, round, seconds } from './common.js'

const FILLS = 1_000_000
const ACCOUNTS = 100_000
const JOURNAL_TRADES = 1_000_000
/** So that a batch of 100,000 fills, which is when one closes, has about 1,000 rows, which is when one closes, too. */
const TRADERS = 500
const ROWS_PER_CHUNK = 16
const OWNER = '0x00000000000000000000000000000000000000a1'

export function netting() {
  const next = random(23)
  const net = new Net()
  const add = (): void => {
    for (let fill = 0; fill < FILLS; fill++) {
      const [maker, taker] = [1 + (next() % ACCOUNTS), 1 + (next() % ACCOUNTS)]
      const [base, quote] = [1 + (next() % 1000), 1 + (next() % 1_000_000)]
      net.add(indexOf(taker, 1), base)
      net.add(indexOf(taker, 0), -quote - 5)
      net.add(indexOf(maker, 1), -base)
      net.add(indexOf(maker, 0), quote - 2)
      net.add(indexOf(0, 0), 7)
    }
  }
  const adding = seconds(add)
  let rows = net.rows()
  const took = adding + seconds(() => (rows = net.rows()))
  assertConserved(rows, [], [])
  return { fills: FILLS, accounts: ACCOUNTS, rows: rows.indices.length, seconds: round(took) }
}

/** Writes a journal of crossing orders. */
function writeJournal(dataDir: string): void {
  const journal = new JournalFixture(dataDir)
  const next = random(7)
  let position = 0
  for (let account = 1; account <= TRADERS; account++)
    journal.append(
      openAccountRecord(account, OWNER),
      depositRecord(account, 0, 2 ** 40, position++),
      depositRecord(account, 1, 2 ** 40, position++),
    )
  let cloid = 1
  for (let trade = 0; trade < JOURNAL_TRADES;) {
    const records: Int32Array[] = []
    for (let at = 0; at < 500 && trade < JOURNAL_TRADES; at++, trade++) {
      const ticks = 1000 + (next() % 8)
      records.push(
        placeRecord(1 + (next() % TRADERS), Side.Sell, ticks, 3, cloid++),
        placeRecord(1 + (next() % TRADERS), Side.Buy, ticks, 3, cloid++),
      )
    }
    journal.append(...records)
  }
  journal.close()
}

/** Batches as a settler closes them by default, as the chain would have them. */
function settle(dataDir: string): PostedBatch[] {
  const follower = new Follower({ dataDir })
  const tree = new StateTree()
  const batches: PostedBatch[] = []
  const { fills, rows } = defaultPolicy
  const isFull = (): boolean =>
    follower.fills.count >= fills || follower.rowCount >= rows || follower.deposits.length >= DEPOSITS_MAX
  while (follower.advance(isFull) > 0) {
    const { header, data } = sealBatch(batches.length + 1, follower.close(), tree, ROWS_PER_CHUNK)
    batches.push({
      header,
      z: 0n,
      rows: data.rows,
      withdrawals: data.withdrawals,
      data,
      rowsPerChunk: ROWS_PER_CHUNK,
      transactionHash: '0x',
      blockNumber: 0,
    })
  }
  follower.stop()
  return batches
}

/** The journal followed with an engine alone, and replayed against its batches as `glassbook replay` does. */
export async function replaying() {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  try {
    writeJournal(dataDir)
    const follower = new Follower({ dataDir })
    const took = seconds(() => void follower.advance(() => false))
    const commands = follower.seq
    follower.stop()
    const batches = settle(dataDir)
    const report = await replayBatches({ dataDir, batches })
    expect(report.difference === undefined, 'the replay agrees')
    expect(report.batches === batches.length && report.commands === commands, 'the replay did all')
    return {
      commands,
      fills: report.fills,
      batches: report.batches,
      rows: report.rows,
      rowsPerChunk: ROWS_PER_CHUNK,
      followSeconds: round(took),
      followedCommandsPerSecond: rate(commands, took),
      replaySeconds: round(report.seconds),
      replayedCommandsPerSecond: rate(commands, report.seconds),
    }
  } finally {
    rmSync(dataDir, { recursive: true })
  }
}

export function fillsTree() {
  const next = random(5)
  const leaves = new FillLeaves()
  const words = new Int32Array(EVENT_WORDS)
  const floats = new Float64Array(words.buffer)
  const frame = Uint8Array.from({ length: 32 }, (_, at) => at)
  const encodeSeconds = seconds(() => {
    for (let fill = 0; fill < FILLS; fill++) {
      words[FillEv.TICKS] = next() & 0xffff
      words[FillEv.LOTS] = next() & 0xffff
      floats[Ev.SEQ_F64] = fill
      leaves.add(words, floats, 0, 0, frame, frame)
    }
  })
  let top: Uint8Array = new Uint8Array(0)
  const rootSeconds = seconds(() => (top = fillsRoot(leaves.all())))
  expect(verifyFill(top, fillProof(leaves.all(), 777_777)), 'a fill’s proof leads to the fills root')
  return { leaves: FILLS, encodeSeconds: round(encodeSeconds), rootSeconds: round(rootSeconds) }
}
