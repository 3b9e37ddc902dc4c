/**
 * Sessions, approvals, wallet nonces: each rule of docs/internals/engine-rules-sessions.md that an attack or a
 * mistake once got around, on the fast core and the reference side by side.
 */
import { Scope } from '../../codes.js'
import * as commands from '../../commands.js'
import { COMMAND_WORDS } from '../../layout.js'
import {
  COMMAND_STEPS_MAX,
  FRAME_WINDOW_IDLE_MS,
  SESSION_LIFETIME_MS,
  WALLET_AHEAD_MS,
} from '../../limits.js'
import type { Engine } from '../../types.js'
import { createEngine, restoreEngine } from '../engine.js'
import { Events } from '../base/events.js'
import { Ledger } from '../money/ledger.js'
import { Work } from '../base/work.js'
import { Rig, USD } from '../../reference/rig.js'
import { Sessions } from './sessions.js'
import { Clock } from '../base/clock-places.js'

const NOW = 1_000_000_000

const keyOf = (number: number): number[] => [number, 2, 3, 4, 5, 6, 7, 8]

interface Approval extends Partial<commands.ApprovalTerms> {
  readonly account?: number
  readonly key?: number
  readonly parity?: number
}

function approve(rig: Rig, approval: Approval): string[] {
  const { account = 1, key = 1, parity = 0, ...terms } = approval
  commands.writeApproveSession(rig.words, 0, account, keyOf(key), parity, {
    scopes: Scope.Read | Scope.Trade,
    maxNotional: 0,
    expiresAtMs: NOW + 1000,
    nonce: 1,
    deadlineMs: NOW,
    ...terms,
  })
  return rig.apply()
}

function revoke(rig: Rig, approval: number, consent: commands.Consent, account = 1): string[] {
  commands.writeRevokeSession(rig.words, rig.floats, 0, account, approval, consent)
  return rig.apply()
}

function withdraw(rig: Rig, consent: commands.Consent): string[] {
  commands.writeWithdraw(rig.words, rig.floats, 0, 1, USD, 1, consent)
  return rig.apply()
}

/** One frame with one command that does nothing; the header's answer. */
function frame(rig: Rig, approval: number, nonce: number, account = 1): string {
  commands.writeFrame(rig.words, rig.floats, 0, account, approval, 1, nonce)
  const [answer] = rig.apply()
  if (answer !== 'Rejected BadFrame') rig.cancel(account, 999)
  return answer!
}

function start(options: ConstructorParameters<typeof Rig>[0] = {}): Rig {
  const rig = new Rig(options).fund(3)
  rig.time(NOW)
  return rig
}

const wallet = (nonce: number, deadlineMs = NOW): commands.Consent => ({ nonce, deadlineMs })

describe('what a wallet signs', () => {
  test('nonce 0 is no nonce: neither a withdrawal nor a revocation can be sent again without end', () => {
    const rig = start()
    expect(approve(rig, { nonce: 1 })).toEqual(['SessionApproved'])
    for (const nonce of [0, -1, 0.5, NaN, 2 ** 53]) {
      expect(withdraw(rig, wallet(nonce))).toEqual(['Rejected BadNonce'])
      expect(revoke(rig, 1, wallet(nonce))).toEqual(['Rejected BadNonce'])
    }
    expect(approve(rig, { key: 2, nonce: 0 })).toEqual(['Rejected BadNonce'])
    expect(withdraw(rig, wallet(1))).toEqual(['Withdrawn'])
    expect(withdraw(rig, wallet(1))).toEqual(['Rejected WithdrawalNonceUsed'])
    // The operator says so in the command's own bit, and uses up nothing.
    expect(withdraw(rig, 'operator')).toEqual(['Withdrawn'])
    expect(rig.engine.nonces(1)).toEqual({ approval: 1, withdrawal: 1 })
    // Without the bit, outside of a frame, nobody has consented.
    expect(withdraw(rig, 'frame')).toEqual(['Rejected BadDeadline'])
  })

  test('a deadline: refused after it, and when it is more than a day ahead', () => {
    const rig = start()
    const deadlines: [number, string][] = [
      [0, 'Rejected BadDeadline'],
      [NaN, 'Rejected BadDeadline'],
      [NOW - 1, 'Rejected DeadlinePassed'],
      [NOW + WALLET_AHEAD_MS + 1, 'Rejected BadDeadline'],
    ]
    for (const [deadlineMs, answer] of deadlines)
      expect([deadlineMs, withdraw(rig, wallet(1, deadlineMs))]).toEqual([deadlineMs, [answer]])
    expect(withdraw(rig, wallet(1, NOW + WALLET_AHEAD_MS))).toEqual(['Withdrawn'])
    expect(approve(rig, { deadlineMs: NOW - 1 })).toEqual(['Rejected DeadlinePassed'])
    expect(approve(rig, { deadlineMs: NOW + WALLET_AHEAD_MS + 1 })).toEqual(['Rejected BadDeadline'])
    expect(approve(rig, { deadlineMs: NOW })).toEqual(['SessionApproved'])
    expect(revoke(rig, 1, wallet(2, NOW - 1))).toEqual(['Rejected DeadlinePassed'])
  })

  test('one wrong clock does not lock a wallet out: nonces end a day ahead of engine time', () => {
    const rig = start()
    const last = (NOW + WALLET_AHEAD_MS) * 1000
    for (const nonce of [last + 1, 9_007_199_254_740_000]) {
      expect(approve(rig, { nonce })).toEqual(['Rejected NonceTooFarAhead'])
      expect(withdraw(rig, wallet(nonce))).toEqual(['Rejected NonceTooFarAhead'])
    }
    expect(approve(rig, { nonce: last })).toEqual(['SessionApproved'])
    // A moment later the next one is in reach again.
    expect(revoke(rig, last, wallet(last + 1))).toEqual(['Rejected NonceTooFarAhead'])
    rig.time(NOW + 1)
    expect(revoke(rig, last, wallet(last + 1, NOW + 1))).toEqual(['SessionRevoked'])
  })

  test('approvals and revocations share one row of nonces', () => {
    const rig = start()
    expect(approve(rig, { nonce: 5 })).toEqual(['SessionApproved'])
    expect(revoke(rig, 5, wallet(5))).toEqual(['Rejected ApprovalNonceUsed'])
    expect(revoke(rig, 4, wallet(6))).toEqual(['Rejected UnknownSession'])
    expect(revoke(rig, 5, wallet(6), 2)).toEqual(['Rejected UnknownSession'])
    expect(revoke(rig, 5, wallet(6))).toEqual(['SessionRevoked'])
    expect(revoke(rig, 5, wallet(7))).toEqual(['Rejected UnknownSession'])
    expect(approve(rig, { nonce: 6 })).toEqual(['Rejected ApprovalNonceUsed'])
  })
})

describe('one session a key', () => {
  test('the newest approval replaces the one before: later expiry, narrower rights, no old frame', () => {
    const rig = start()
    approve(rig, { nonce: 1, scopes: 6 })
    expect(frame(rig, 1, 7)).toBe('FrameOpened')
    expect(approve(rig, { nonce: 2, scopes: Scope.Read, expiresAtMs: NOW + 5000 })).toEqual([
      'SessionApproved',
    ])
    const event = new Float64Array(rig.records[0]!.buffer)
    expect([event[10], event[11]]).toEqual([1, 2])
    expect(rig.engine.sessions(1)).toMatchObject([
      { approval: 2, scopes: Scope.Read, expiresAtMs: NOW + 5000, highestNonce: -1 },
    ])
    // What was signed for approval 1 is nothing any more, whatever its nonce; nonces begin anew.
    expect(frame(rig, 1, 7)).toBe('Rejected UnknownSession')
    expect(frame(rig, 1, 8)).toBe('Rejected UnknownSession')
    expect(frame(rig, 2, 7)).toBe('FrameOpened')
    // Revoked and approved again: neither name comes back.
    revoke(rig, 2, wallet(3))
    approve(rig, { nonce: 4 })
    rig.restore()
    for (const approval of [1, 2, 3]) expect(frame(rig, approval, 9)).toBe('Rejected UnknownSession')
    expect(frame(rig, 4, 7)).toBe('FrameOpened')
  })

  test('x alone is no key, and another account’s approval of it is another session', () => {
    const rig = start()
    approve(rig, { nonce: 1 })
    approve(rig, { nonce: 2, parity: 1 })
    approve(rig, { nonce: 1, account: 2 })
    expect(rig.engine.sessions(1)).toHaveLength(2)
    expect(rig.engine.sessions(2)).toHaveLength(1)
  })
})

describe('shares', () => {
  test('an account has so many sessions; the one that ended first makes room', () => {
    const rig = start({ accountSessionsMax: 3 })
    expect(approve(rig, { key: 1, nonce: 1, expiresAtMs: NOW + 300 })).toEqual(['SessionApproved'])
    expect(approve(rig, { key: 2, nonce: 2, expiresAtMs: NOW + 100 })).toEqual(['SessionApproved'])
    expect(approve(rig, { key: 3, nonce: 3, expiresAtMs: NOW + 200 })).toEqual(['SessionApproved'])
    expect(approve(rig, { key: 4, nonce: 4 })).toEqual(['Rejected AccountSessionsFull'])
    // It uses up no nonce, and nobody else is kept out.
    expect(approve(rig, { key: 4, nonce: 4, account: 2 })).toEqual(['SessionApproved'])
    rig.time(NOW + 200)
    const terms = { expiresAtMs: NOW + 900, deadlineMs: NOW + 200 }
    expect(approve(rig, { key: 4, nonce: 4, ...terms })).toEqual(['SessionApproved'])
    expect(rig.engine.sessions(1).map(({ approval }) => approval)).toEqual([1, 3, 4])
    expect(approve(rig, { key: 5, nonce: 5, ...terms })).toEqual(['SessionApproved'])
    expect(rig.engine.sessions(1).map(({ approval }) => approval)).toEqual([1, 4, 5])
    revoke(rig, 4, wallet(6, NOW + 200))
    expect(approve(rig, { key: 6, nonce: 7, ...terms })).toEqual(['SessionApproved'])
    expect(rig.engine.sessions(1).map(({ approval }) => approval)).toEqual([1, 5, 7])
  })

  test('a full table: whoever ended first makes room, live ones never', () => {
    const rig = start({ sessionsMax: 2 })
    approve(rig, { account: 1, nonce: 1, expiresAtMs: NOW + 100 })
    approve(rig, { account: 2, nonce: 1, expiresAtMs: NOW + 900 })
    expect(approve(rig, { account: 3, nonce: 1 })).toEqual(['Rejected SessionsFull'])
    rig.time(NOW + 100)
    expect(approve(rig, { account: 3, nonce: 1, deadlineMs: NOW + 100 })).toEqual(['SessionApproved'])
    expect([1, 2, 3].map((account) => rig.engine.sessions(account).length)).toEqual([0, 1, 1])
    expect(frame(rig, 1, 1)).toBe('Rejected UnknownSession')
  })

  test('a session lives for 30 days at most, or as the genesis says', () => {
    const rig = start()
    expect(approve(rig, { expiresAtMs: NOW + SESSION_LIFETIME_MS + 1 })).toEqual([
      'Rejected SessionLifetimeOverLimit',
    ])
    expect(approve(rig, { expiresAtMs: NOW + SESSION_LIFETIME_MS })).toEqual(['SessionApproved'])
    const short = start({ sessionLifetimeMsMax: 10 })
    expect(approve(short, { expiresAtMs: NOW + 11 })).toEqual(['Rejected SessionLifetimeOverLimit'])
    expect(approve(short, { expiresAtMs: NOW + 10 })).toEqual(['SessionApproved'])
  })
})

describe('nonce windows', () => {
  const DAY = 86_400_000

  test('an idle session forgets its nonces, and opens none of them again', () => {
    const rig = start()
    approve(rig, { nonce: 1, expiresAtMs: NOW + DAY })
    expect(frame(rig, 1, 50)).toBe('FrameOpened')
    rig.time(NOW + FRAME_WINDOW_IDLE_MS - 1)
    expect(frame(rig, 1, 50)).toBe('Rejected FrameNonceUsed')
    expect(rig.engine.frameResults(1, 1, 50)).toBeDefined()
    rig.time(NOW + FRAME_WINDOW_IDLE_MS)
    expect(rig.engine.frameResults(1, 1, 50)).toBeUndefined()
    expect(rig.engine.frameFloor(1, 1)).toBe(51)
    rig.restore()
    // 49 was never used and lies within a hundred of the highest: nobody can tell any more.
    for (const nonce of [49, 50]) expect(frame(rig, 1, nonce)).toBe('Rejected FrameNonceTooOld')
    expect(frame(rig, 1, 51)).toBe('FrameOpened')
    for (const nonce of [49, 50]) expect(frame(rig, 1, nonce)).toBe('Rejected FrameNonceTooOld')
    expect(frame(rig, 1, 51)).toBe('Rejected FrameNonceUsed')
    rig.restore()
    expect(frame(rig, 1, 50)).toBe('Rejected FrameNonceTooOld')
  })

  test('as many as trade have one; who is idle gives it back', () => {
    const rig = start({ frameWindowsMax: 2 })
    for (const account of [1, 2, 3]) approve(rig, { account, nonce: 1, expiresAtMs: NOW + DAY })
    expect(frame(rig, 1, 1, 1)).toBe('FrameOpened')
    rig.time(NOW + 10)
    expect(frame(rig, 1, 1, 2)).toBe('FrameOpened')
    expect(frame(rig, 1, 2, 1)).toBe('FrameOpened')
    rig.time(NOW + 10 + FRAME_WINDOW_IDLE_MS)
    expect(frame(rig, 1, 1, 3)).toBe('FrameOpened')
    expect(frame(rig, 1, 1, 2)).toBe('Rejected FrameNonceTooOld')
    expect(frame(rig, 1, 3, 1)).toBe('FrameOpened')
  })

  test('who has a live session can always trade: what has not traded for longest gives way', () => {
    const rig = start({ frameWindowsMax: 2 })
    for (const account of [1, 2, 3]) approve(rig, { account, nonce: 1, expiresAtMs: NOW + DAY })
    for (const account of [1, 2]) expect(frame(rig, 1, 5, account)).toBe('FrameOpened')
    // All within the same millisecond: the order is that of the frames, also in a snapshot.
    expect(frame(rig, 1, 6, 1)).toBe('FrameOpened')
    rig.restore()
    expect(frame(rig, 1, 5, 3)).toBe('FrameOpened')
    expect(rig.engine.frameResults(2, 1, 5)).toBeUndefined()
    expect(rig.engine.frameFloor(2, 1)).toBe(6)
    expect(rig.engine.frameResults(1, 1, 6)).toBeDefined()
    rig.restore()
    // Nothing old opens anew, and what is new is taken.
    for (const nonce of [4, 5]) expect(frame(rig, 1, nonce, 2)).toBe('Rejected FrameNonceTooOld')
    expect(frame(rig, 1, 6, 2)).toBe('FrameOpened')
    expect(frame(rig, 1, 6, 1)).toBe('Rejected FrameNonceTooOld')
  })

  test('an account that has one takes it from itself, and from nobody else: the one that it used last stays', () => {
    const rig = start({ frameWindowsMax: 3 })
    for (const account of [1, 2]) approve(rig, { account, nonce: 1, expiresAtMs: NOW + DAY })
    for (const nonce of [2, 3, 4]) approve(rig, { account: 1, nonce, key: nonce, expiresAtMs: NOW + DAY })
    expect(frame(rig, 1, 1, 2)).toBe('FrameOpened')
    for (const [approval, nonce] of [
      [1, 1],
      [2, 1],
      [1, 2],
    ] as const)
      expect(frame(rig, approval, nonce, 1)).toBe('FrameOpened')
    rig.restore()
    const known = (): number[] => [1, 2, 3, 4].filter((approval) => rig.engine.frameResults(1, approval, 1))
    expect(frame(rig, 3, 1, 1)).toBe('FrameOpened')
    expect(known()).toEqual([1, 3])
    expect(frame(rig, 4, 1, 1)).toBe('FrameOpened')
    expect(known()).toEqual([3, 4])
    expect(rig.engine.frameResults(2, 1, 1)).toBeDefined()
    expect(frame(rig, 1, 1, 2)).toBe('Rejected FrameNonceUsed')
    expect(frame(rig, 1, 2, 1)).toBe('Rejected FrameNonceTooOld')
  })
})

test('100,000 live sessions of 6,250 accounts: memory follows those who trade', () => {
  const accounts = 6250
  const clock = new Float64Array(2)
  clock[Clock.TIME] = NOW
  const ledger = new Ledger(accounts + 1, 1024)
  const events = new Events(() => {})
  const sessions = new Sessions(ledger, events, clock, new Work(COMMAND_STEPS_MAX), {
    sessionsMax: 1 << 17,
    accountSessionsMax: 16,
    sessionLifetimeMsMax: SESSION_LIFETIME_MS,
    frameWindowsMax: 1 << 15,
  })
  const empty = sessions.bytes
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  for (let account = 1; account <= accounts; account++) {
    ledger.open(account)
    for (let nonce = 1; nonce <= 16; nonce++) {
      commands.writeApproveSession(words, 0, account, keyOf(nonce), 0, {
        scopes: 2,
        maxNotional: 0,
        expiresAtMs: NOW + 1e9,
        nonce,
        deadlineMs: NOW,
      })
      expect(sessions.approve(words, floats, 0)).toBe(0)
    }
    events.flush()
  }
  expect(sessions.table.end).toBe(100_000)
  // None of them trades: the tables are what they were, 136 bytes a session and its share of lists.
  expect(sessions.bytes).toBe(empty)
  expect(sessions.bytes).toBeLessThan(20 << 20)
  const trade = (first: number): void => {
    for (let account = first; account < first + 1000; account++) {
      commands.writeFrame(words, floats, 0, account, 1, 1, 1)
      expect(sessions.openFrame(words, floats, 0)).toBe(0)
      sessions.closeCommand(0)
      events.flush()
    }
  }
  trade(1)
  const trading = sessions.bytes
  // 8,100 bytes a window, in chunks of 64.
  expect(trading - empty).toBeGreaterThanOrEqual(1000 * 8100)
  expect(trading - empty).toBeLessThanOrEqual(1064 * 8100)
  // An hour later a thousand others trade: they get what the first have given back.
  clock[Clock.TIME] = NOW + FRAME_WINDOW_IDLE_MS
  trade(1001)
  expect(sessions.bytes - trading).toBeLessThanOrEqual(64 * 8100)
})

describe('a frame that nobody signed', () => {
  const open = (rig: Rig, approval: number, count = 1, account = 1): string[] => {
    commands.writeUnsignedFrame(rig.words, rig.floats, 0, account, approval, count)
    return rig.apply()
  }
  /** A session of approval 1, which may spend 1,000 an order and has every scope. */
  function approved(options: ConstructorParameters<typeof Rig>[0] = {}): Rig {
    const rig = start(options)
    approve(rig, { scopes: Scope.Read | Scope.Trade | Scope.WithdrawRequest, maxNotional: 1000 })
    return rig
  }

  test('is of a session that lives: not of one revoked, expired, replaced or never approved', () => {
    const rig = approved()
    expect(open(rig, 1)).toEqual(['UnsignedFrameOpened'])
    expect(rig.buy(1, 100, 1, 1)).toEqual(['Accepted 1'])
    const refused = (approval: number, reject: string, account = 1): void => {
      expect([approval, open(rig, approval, 2, account)]).toEqual([approval, [`Rejected ${reject}`]])
      for (const cloid of [7, 8]) expect(rig.buy(account, 100, 1, cloid)).toEqual(['Rejected FrameRejected'])
    }
    refused(2, 'UnknownSession')
    refused(0, 'UnknownSession')
    refused(1, 'UnknownSession', 2)
    // The key's session is replaced.
    approve(rig, { nonce: 2 })
    refused(1, 'UnknownSession')
    expect(open(rig, 2)).toEqual(['UnsignedFrameOpened'])
    expect(rig.buy(1, 100, 1, 2)).toEqual(['Accepted 2'])
    revoke(rig, 2, wallet(3))
    refused(2, 'UnknownSession')
    approve(rig, { nonce: 4, expiresAtMs: NOW + 10 })
    rig.time(NOW + 9)
    expect(open(rig, 4)).toEqual(['UnsignedFrameOpened'])
    expect(rig.buy(1, 100, 1, 3)).toEqual(['Accepted 3'])
    rig.time(NOW + 10)
    refused(4, 'SessionExpired')
    expect(rig.engine.orders(1)).toHaveLength(3)
  })

  test('keeps the scopes and the bound of its session, and asks for nothing but orders', () => {
    const rig = approved()
    expect(open(rig, 1, 8)).toEqual(['UnsignedFrameOpened'])
    expect(rig.buy(1, 100, 11, 1)).toEqual(['Rejected SessionNotional'])
    expect(rig.buy(1, 100, 10, 1)).toEqual(['Accepted 1'])
    expect(rig.amend(1, 1, 100, 11)).toEqual(['Rejected SessionNotional'])
    expect(rig.buy(2, 100, 1, 1)).toEqual(['Rejected WrongAccount'])
    // Each of these rests on a signature, whatever the scopes are.
    expect(withdraw(rig, 'frame')).toEqual(['Rejected SessionScope'])
    expect(revoke(rig, 1, 'frame')).toEqual(['Rejected SessionScope'])
    expect(rig.deposit(1, USD)).toEqual(['Rejected SessionScope'])
    expect(approve(rig, { nonce: 9 })).toEqual(['Rejected SessionScope'])
    expect(withdraw(rig, wallet(1))).toEqual(['Withdrawn'])
    approve(rig, { nonce: 2, scopes: Scope.Read | Scope.WithdrawRequest })
    expect(open(rig, 2, 2)).toEqual(['UnsignedFrameOpened'])
    expect(rig.cancel(1, 1)).toEqual(['Rejected SessionScope'])
    expect(withdraw(rig, 'frame')).toEqual(['Rejected SessionScope'])
  })

  test('of 1 to 64 commands, in no other frame; none where genesis requires signed ones', () => {
    const rig = approved()
    for (const count of [0, -1, 65]) expect(open(rig, 1, count)).toEqual(['Rejected BadFrame'])
    expect(open(rig, 1, 2)).toEqual(['UnsignedFrameOpened'])
    expect(open(rig, 1)).toEqual(['Rejected BadFrame'])
    expect(frame(rig, 1, 1)).toBe('Rejected BadFrame')
    commands.writeFrame(rig.words, rig.floats, 0, 1, 1, 1, 1)
    expect(rig.apply()).toEqual(['FrameOpened'])
    expect(open(rig, 1)).toEqual(['Rejected BadFrame'])
    const strict = approved({ requireFrames: true })
    expect(open(strict, 1)).toEqual(['Rejected FrameRequired'])
    expect(strict.buy(1, 100, 1, 1)).toEqual(['Rejected FrameRejected'])
    expect(strict.buy(1, 100, 1, 1)).toEqual(['Rejected FrameRequired'])
  })

  test('leaves nothing behind in its session, and a snapshot inside goes on with it', () => {
    const rig = approved()
    expect(frame(rig, 1, 5)).toBe('FrameOpened')
    const before = rig.engine.session(1, 1)
    expect(open(rig, 1, 3)).toEqual(['UnsignedFrameOpened'])
    rig.restore()
    expect(rig.buy(1, 100, 11, 1)).toEqual(['Rejected SessionNotional'])
    // The session ends, the frame that was opened before goes on.
    rig.time(NOW + 1000)
    rig.restore()
    expect(rig.buy(1, 100, 10, 1)).toEqual(['Accepted 1'])
    // An hour later nonces are forgotten, frame or no frame.
    rig.time(NOW + FRAME_WINDOW_IDLE_MS)
    expect(rig.engine.frameResults(1, 1, 5)).toBeUndefined()
    rig.restore()
    expect(revoke(rig, 1, 'frame')).toEqual(['Rejected SessionScope'])
    expect(rig.engine.session(1, 1)).toEqual({ ...before, active: false })
  })
})

test('a snapshot inside of a frame goes on with its session and its entry', () => {
  const options = {
    genesis: {
      assets: [{ id: 0, symbol: 'USD' }],
      markets: [],
      requireFrames: true,
    },
    onEvents: () => {},
    accountsMax: 8,
  }
  let engine: Engine = createEngine(options)
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  const apply = (): void => {
    engine.apply(words, floats, 0)
    engine.flush()
  }
  commands.writeDeposit(words, floats, 0, 3, 0, 100)
  apply()
  const terms = { scopes: 6, maxNotional: 0, expiresAtMs: 1000, nonce: 9, deadlineMs: 10 }
  commands.writeApproveSession(words, 0, 3, keyOf(1), 0, terms)
  apply()
  commands.writeFrame(words, floats, 0, 3, 9, 2, 4)
  apply()
  engine = restoreEngine(engine.snapshot(), options)
  commands.writeWithdraw(words, floats, 0, 3, 0, 101, 'frame')
  apply()
  commands.writeWithdraw(words, floats, 0, 3, 0, 100, 'frame')
  apply()
  expect([...engine.frameResults(3, 9, 4)!.codes]).toEqual([26, 0])
  expect(engine.available(3, 0)).toBe(0)
})
