/** Random sessions, frames and withdrawals, read from a tape; see random-session.ts. In tests only. */
import * as commands from '../commands.js'
import { FrameCmd, UnsignedFrameCmd } from '../layout.js'
import { COMMAND_STEPS_MAX, FRAME_WINDOW_IDLE_MS, WALLET_AHEAD_MS } from '../limits.js'
import { BAD_UNITS, type Scene, type Tape } from './random-tape.js'

/** Mostly a little later; now and then none, or past the hour after which a session's nonces are forgotten. */
export function drawTime(tape: Tape): number {
  if (tape.rarely(30)) return tape.pick(BAD_UNITS)
  if (tape.rarely(30)) return Math.max(0, tape.nowMs - tape.below(5))
  tape.nowMs += tape.below(8) + (tape.rarely(60) ? FRAME_WINDOW_IDLE_MS : 0)
  return tape.nowMs
}

/** Few keys, so that approvals meet those of before. */
const sessionKey = (number: number): number[] => [0, 0, 0, 0, 0, 0, 0, number]

/** The session key that an account starts with. */
export function drawFirstSession(tape: Tape, words: Int32Array, account: number): void {
  commands.writeApproveSession(words, 0, account, sessionKey(account), 1, {
    scopes: tape.pick([2, 2, 2, 6, 6, 1]),
    maxNotional: tape.pick([0, 15_000, 2000]) * tape.scale,
    expiresAtMs: 150,
    nonce: 1,
    deadlineMs: 200,
  })
  tape.approvals.set(account, 1)
}

export function drawSession(tape: Tape, words: Int32Array, floats: Float64Array, account: number): void {
  const last = tape.approvals.get(account) ?? 0
  const nonce = tape.rarely(6) ? tape.below(8) : last + 1 + tape.below(3)
  if (tape.rarely(4)) {
    const approval = tape.rarely(3) ? tape.byte() : last
    commands.writeRevokeSession(words, floats, 0, account, approval, drawConsent(tape, nonce))
    return
  }
  const tooFar = (tape.nowMs + WALLET_AHEAD_MS) * 1000 + 1
  commands.writeApproveSession(words, 0, account, sessionKey(tape.below(6)), tape.below(2), {
    scopes: tape.pick([2, 2, 6, 7, 1, 0]),
    maxNotional: Math.min(tape.pick([0, 2000, 8000, 1e9]) * tape.scale, 2 ** 53 - 1),
    expiresAtMs: Math.max(0, tape.nowMs - 5) + tape.byte() * tape.pick([1, 1, 1, 8]),
    nonce: tape.rarely(20) ? tape.pick([0, tooFar, 2 ** 53 - 1]) : nonce,
    deadlineMs: drawWalletDeadline(tape, [0, 1, tape.nowMs + WALLET_AHEAD_MS + 1, 2 ** 43 - 1]),
  })
  tape.approvals.set(account, nonce)
}

const drawWalletDeadline = (tape: Tape, bad: readonly number[]): number =>
  tape.rarely(8) ? tape.pick(bad) : tape.nowMs + tape.below(20)

/** Mostly a wallet's, with now and then a nonce or deadline that is none, or is too far ahead. */
function drawConsent(tape: Tape, nonce: number): commands.Consent {
  if (tape.rarely(4)) return tape.rarely(2) ? 'forced' : 'operator'
  if (tape.rarely(6)) return 'frame'
  const bad = [0, -1, 0.5, NaN, (tape.nowMs + WALLET_AHEAD_MS) * 1000 + 1, 2 ** 53]
  return {
    nonce: tape.rarely(8) ? tape.pick(bad) : nonce,
    deadlineMs: drawWalletDeadline(tape, [0, NaN, 1, tape.nowMs + WALLET_AHEAD_MS + 1, tape.nowMs + 0.5]),
  }
}

/** Some units, or all that the account (often the one that fees go to) may take out. */
export function drawWithdraw(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  scene: Scene,
): void {
  if (tape.mood === 'emptying' ? !tape.rarely(4) : tape.rarely(2)) {
    const from = tape.rarely(6) ? account : scene.feeAccount
    const asset = tape.rarely(4) ? 1 : 0
    const units = scene.available(from, asset)
    if (units > 0 || tape.rarely(10)) commands.writeWithdraw(words, floats, 0, from, asset, units, 'operator')
    else commands.writeDeposit(words, floats, 0, account, tape.below(3), 1 + 100 * tape.byte())
    return
  }
  if (scene.live.length > 0 && tape.rarely(4)) {
    // More than is free: the account's orders are cancelled for it, over several commands where steps are few.
    const { account: owner } = tape.pick(scene.live)
    const asset = tape.below(2)
    const more = scene.available(owner, asset) + 1 + tape.byte()
    commands.writeWithdraw(words, floats, 0, owner, asset, more, 'forced')
    return
  }
  const units = 1 + tape.byte()
  const consent = drawConsent(tape, tape.below(6))
  const maxFee = tape.rarely(20) ? tape.pick(BAD_UNITS) : tape.pick([0, 1, 2, 5, 20])
  commands.writeWithdraw(words, floats, 0, account, tape.below(4), units, consent, maxFee)
}

/** The header of a frame, every third of one that nobody signed: mostly of a session that lives. */
export function drawFrame(
  tape: Tape,
  words: Int32Array,
  floats: Float64Array,
  account: number,
  scene: Scene,
): void {
  const known = tape.rarely(10) ? scene.endedApproval(account) : scene.approval(account)
  const approval = tape.rarely(12) ? tape.below(6) : known
  const count = tape.rarely(30)
    ? tape.pick([0, 65])
    : tape.pick(tape.mood === 'plain' ? [1, 2, 3] : [3, 5, 20])
  const stepsUsed = drawStepsUsed(tape, scene.stepsMax)
  if (tape.rarely(3)) {
    commands.writeUnsignedFrame(words, floats, 0, account, approval, count)
    words[UnsignedFrameCmd.STEPS_USED] = stepsUsed
  } else {
    commands.writeFrame(words, floats, 0, account, approval, count, drawNonce(tape))
    words[FrameCmd.STEPS_USED] = stepsUsed
  }
}

/** Mostly 0; now and then some of the bound, often more than half; rarely what no header may give. */
function drawStepsUsed(tape: Tape, bound: number): number {
  if (!tape.rarely(4)) return 0
  if (tape.rarely(10)) return tape.pick([-1, bound + 1, COMMAND_STEPS_MAX + 1])
  return tape.rarely(3) ? tape.below(bound + 1) : bound - tape.below(Math.ceil(bound / 2))
}

/** Mostly near one another, now and then far ahead, so that windows slide; rarely no nonce. */
function drawNonce(tape: Tape): number {
  if (tape.rarely(60)) return tape.pick([-1, 0.5, NaN, 2 ** 53])
  if (tape.rarely(6)) return tape.below(100)
  tape.frameNonce += 1 + tape.below(2) + (tape.rarely(20) ? 100 : 0)
  return tape.frameNonce
}
