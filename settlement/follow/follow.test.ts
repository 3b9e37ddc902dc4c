/**
 * The follower: batches cut anywhere are the same batches; frame hashes find their fills; a snapshot goes on
 * where it was taken; what cannot be settled is refused.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Side } from '../../engine/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { sealBatch } from './batch.js'
import { depositRecord, openAccountRecord } from '../chain/chain-watcher.js'
import { decodeFill } from '../batch/fills-root.js'
import { FollowError, Follower, type Range } from './follow.js'
import { readFollowerSnapshot, writeFollowerSnapshot } from './follow-snapshot.js'
import { accountOf, assetOf, indexOf } from '../batch/rows.js'
import { StateTree } from '../tree/tree.js'
import {
  JournalFixture,
  approveRecord,
  frameRecord,
  placeRecord,
  withdrawRecord,
} from '../../test/support/journal-fixture.js'

const OWNER = '0x00000000000000000000000000000000000000a1'
const hashOf = (byte: number): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, at) => (byte * 7 + at * 3) & 0xff)

describe('follower', () => {
  const root = mkdtempSync(join(tmpdir(), 'glassbook-follow-'))
  afterAll(() => rmSync(root, { recursive: true }))
  let count = 0
  const folder = (): string => join(root, String(count++))

  /** Two accounts, their sessions, and trades in signed frames; every block has several commands. */
  function writeJournal(dataDir: string, trades: number): JournalFixture {
    const journal = new JournalFixture(dataDir)
    journal.append(openAccountRecord(1, OWNER), openAccountRecord(2, OWNER))
    journal.append(depositRecord(1, 0, 10_000_000, 0), depositRecord(2, 1, 100_000, 1))
    journal.append(approveRecord(1, 1), approveRecord(2, 2))
    for (let trade = 0; trade < trades; trade++) {
      // The seller rests two orders in one frame; the buyer takes one and a half of them.
      journal.append(
        frameRecord(2, 2, 2, trade + 1, hashOf(2 * trade)),
        placeRecord(2, Side.Sell, 100, 4, 10 * trade + 1),
        placeRecord(2, Side.Sell, 101, 4, 10 * trade + 2),
        frameRecord(1, 1, 1, trade + 1, hashOf(2 * trade + 1)),
        placeRecord(1, Side.Buy, 101, 6, 10 * trade + 3),
        withdrawRecord(1, 1, 5),
      )
    }
    return journal
  }

  const totals = (ranges: readonly Range[]): Map<number, number> => {
    const sums = new Map<number, number>()
    for (const { rows } of ranges)
      rows.indices.forEach((index, row) => sums.set(index, (sums.get(index) ?? 0) + rows.deltas[row]!))
    return sums
  }

  test('cut after every command, or once at the end: the same balances, and those of the engine', () => {
    const dataDir = folder()
    writeJournal(dataDir, 8).close()
    const whole = new Follower({ dataDir })
    whole.advance(() => false)
    const one = whole.close()
    const cut = new Follower({ dataDir })
    const ranges: Range[] = []
    while (cut.advance(() => true) > 0) ranges.push(cut.close())
    expect(ranges).toHaveLength(one.lastSeq)
    expect(ranges.map(({ lastSeq }) => lastSeq)).toEqual(ranges.map((_, at) => at + 1))
    const nonZero = [...totals(ranges)].filter(([, units]) => units !== 0).sort((a, b) => a[0] - b[0])
    expect(nonZero).toEqual([...one.rows.indices].map((index, row) => [index, one.rows.deltas[row]]))
    for (const [index, units] of nonZero) expect(whole.total(accountOf(index), assetOf(index))).toBe(units)
    expect(Buffer.concat(ranges.map(({ fills }) => fills))).toEqual(Buffer.from(one.fills))
    expect(ranges.at(-1)!.journalHead).toEqual(one.journalHead)
    whole.stop()
    cut.stop()
  })

  test('the fee of a withdrawal stays within: the fee account gets it, and only the units go out', () => {
    const dataDir = folder()
    const journal = new JournalFixture(dataDir)
    const FEE_ACCOUNT = 0
    const paying = { deadlineMs: 1000, maxFee: 9 }
    journal.append(
      openAccountRecord(1, OWNER),
      depositRecord(1, 0, 1000, 0),
      commandRecord('SetWithdrawTerms', { asset: 0, withdrawMin: 50, withdrawFee: 7 }),
    )
    journal.append(
      commandRecord('Withdraw', { account: 1, asset: 0, units: 100, nonce: 1, ...paying }),
      commandRecord('Withdraw', { account: 1, asset: 0, units: 60, nonce: 2, ...paying }),
      withdrawRecord(1, 0, 5),
      // The operator takes out some of what it earned.
      withdrawRecord(FEE_ACCOUNT, 0, 4),
    )
    journal.close()
    const follower = new Follower({ dataDir })
    follower.advance(() => false)
    const { rows, withdrawals } = follower.close()
    const own = indexOf(1, 0)
    const fees = indexOf(FEE_ACCOUNT, 0)
    expect(withdrawals).toEqual([
      { index: own, units: 100 },
      { index: own, units: 60 },
      { index: own, units: 5 },
      { index: fees, units: 4 },
    ])
    const deltas = new Map([...rows.indices].map((index, row) => [index, rows.deltas[row]]))
    expect(deltas).toEqual(
      new Map([
        [fees, 10],
        [own, 1000 - 107 - 67 - 5],
      ]),
    )
    expect([follower.total(1, 0), follower.total(FEE_ACCOUNT, 0)]).toEqual([821, 10])
    follower.stop()
  })

  test('each fill carries the frames of both orders, partly filled ones too', () => {
    const dataDir = folder()
    writeJournal(dataDir, 3).close()
    const follower = new Follower({ dataDir })
    follower.advance(() => false)
    const { fills } = follower.close()
    // Trade 0: orders of frame 0 at 100 (4 lots) and 101 (2 of 4). Trade 1 finds the 2 that are left behind.
    const summary = Array.from({ length: fills.length / 152 }, (_, at) => decodeFill(fills, at))
    expect(summary.slice(0, 5).map(({ ticks, lots, fillIndex }) => [ticks, lots, fillIndex])).toEqual([
      [100, 4, 0],
      [101, 2, 1],
      [100, 4, 0],
      [101, 2, 1],
      [100, 4, 0],
    ])
    const frames = summary.map(({ makerFrameHash, takerFrameHash }) => [makerFrameHash, takerFrameHash])
    expect(frames[0]).toEqual([hashOf(0), hashOf(1)])
    expect(frames[1]).toEqual([hashOf(0), hashOf(1)])
    expect(frames[2]).toEqual([hashOf(2), hashOf(3)])
    // What was left of the first trade's second order fills in the second trade, under its own old frame.
    expect(frames[3]).toEqual([hashOf(0), hashOf(3)])
    expect(summary.every(({ takerSide }) => takerSide === Side.Buy)).toBe(true)
    follower.stop()
  })

  test('a fill carries the hash of a frame that the engine opened, and of no other header', () => {
    const dataDir = folder()
    const journal = new JournalFixture(dataDir)
    journal.append(openAccountRecord(1, OWNER), openAccountRecord(2, OWNER))
    journal.append(depositRecord(1, 0, 10_000_000, 0), depositRecord(2, 1, 100_000, 1))
    journal.append(approveRecord(1, 1), approveRecord(2, 2))
    const NONE = new Uint8Array(32)
    let cloid = 0
    const sell = (): Int32Array => placeRecord(2, Side.Sell, 100, 1, ++cloid)
    const header = (frames: number, nonce: number, hash: number): Int32Array =>
      frameRecord(2, 2, frames, nonce, hashOf(hash))
    const unsigned = (count: number): Int32Array =>
      commandRecord('UnsignedFrame', { account: 2, approval: 2, count })
    // Frames in order, with what each order that rests is to carry; those that the engine refuses rest none.
    journal.append(
      ...[header(1, 1, 1), sell()],
      // Behind its last command nothing is of it; a header of no, or too many, commands opens none.
      ...[sell(), header(0, 2, 2), sell(), header(65, 3, 3), sell(), header(-1, 4, 4), sell()],
      // A header within a frame is one of its commands, signed or not.
      ...[header(3, 5, 5), header(2, 6, 6), sell(), sell(), sell()],
      ...[unsigned(2), header(1, 7, 7), sell(), sell()],
      ...[header(2, 8, 8), unsigned(2), sell(), sell()],
      // Refused as a whole: its nonce was used.
      ...[header(2, 8, 9), sell(), sell(), sell()],
      // Time stands for itself.
      ...[header(2, 10, 10), sell(), commandRecord('Time', { timeMs: 5 }), sell(), sell()],
    )
    const carried = [1, 0, 0, 0, 0, 5, 5, 0, 0, 0, 8, 0, 0, 10, 10, 0]
    journal.append(placeRecord(1, Side.Buy, 100, carried.length, 1000))
    journal.close()
    const follower = new Follower({ dataDir })
    follower.advance(() => false)
    const { fills } = follower.close()
    const hashes = Array.from({ length: fills.length / 152 }, (_, at) => decodeFill(fills, at).makerFrameHash)
    expect(hashes).toEqual(carried.map((hash) => (hash === 0 ? NONE : hashOf(hash))))
    // No frame is open: a header that said it had 65 commands keeps no snapshot from being taken.
    expect(follower.snapshot()).toBeDefined()
    follower.stop()
  })

  test('from a snapshot the rest is the same, byte for byte; a damaged snapshot is not used', () => {
    const dataDir = folder()
    writeJournal(dataDir, 6).close()
    const through = new Follower({ dataDir })
    const tree = new StateTree()
    const MIDDLE = 6 + 3 * 6
    through.advance(() => false, Infinity, MIDDLE)
    sealBatch(1, through.close(), tree, 4)
    writeFollowerSnapshot(root, through.snapshot()!)
    through.advance(() => false)
    const expected = through.close()
    through.stop()

    const snapshot = readFollowerSnapshot(root)
    expect(snapshot!.seq).toBe(MIDDLE)
    const restored = new Follower({ dataDir, from: snapshot })
    restored.advance(() => false)
    expect(restored.close()).toEqual(expected)
    restored.stop()

    const path = join(root, 'follower.snapshot')
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    expect(readFollowerSnapshot(root)).toBeUndefined()
    expect(readFollowerSnapshot(join(root, 'nowhere'))).toBeUndefined()
  })

  test('no snapshot is taken within a block', () => {
    const dataDir = folder()
    writeJournal(dataDir, 1).close()
    const follower = new Follower({ dataDir })
    follower.advance(() => false, Infinity, 8)
    follower.close()
    expect(follower.snapshot()).toBeUndefined()
    follower.stop()
  })

  test('skipping collects nothing and goes on with the right balances', () => {
    const dataDir = folder()
    const journal = writeJournal(dataDir, 4)
    const follower = new Follower({ dataDir, durableSeq: () => journal.seq })
    follower.skipTo(journal.seq)
    expect(follower.isEmpty).toBe(true)
    journal.append(withdrawRecord(1, 0, 9))
    follower.advance(() => false)
    const range = follower.close()
    expect(range.rows.indices).toEqual(Int32Array.of(indexOf(1, 0)))
    expect(range.rows.deltas).toEqual(Float64Array.of(-9))
    expect(() => follower.skipTo(journal.seq + 1)).toThrow(FollowError)
    follower.stop()
    journal.close()
  })

  test('what came and left at once moves no balance, and yet the chain must know of it', () => {
    const dataDir = folder()
    const journal = new JournalFixture(dataDir)
    journal.append(openAccountRecord(1, OWNER))
    const follower = new Follower({ dataDir, durableSeq: () => journal.seq })
    follower.advance(() => false)
    expect(follower.isEmpty).toBe(true)
    journal.append(depositRecord(1, 0, 50, 0))
    follower.advance(() => false)
    expect([follower.rowCount, follower.isEmpty]).toEqual([1, false])
    journal.append(withdrawRecord(1, 0, 50))
    follower.advance(() => false)
    expect([follower.rowCount, follower.isEmpty]).toEqual([0, false])
    follower.stop()
    journal.close()
  })

  test('a deposit that is not from the chain cannot be settled, and says so', () => {
    const dataDir = folder()
    const journal = new JournalFixture(dataDir)
    const gift = commandRecord('Deposit', { account: 1, asset: 0, units: 5 })
    journal.append(openAccountRecord(1, OWNER), gift)
    journal.close()
    const follower = new Follower({ dataDir })
    expect(() => follower.advance(() => false)).toThrow('seq 2 is not from the chain')
    follower.stop()
    expect(() => new Follower({ dataDir: join(root, 'empty') })).toThrow(FollowError)
  })
})
