/** What is known of used frame nonces says what the engine would say, and never more than that. */
import { Reject } from '../../engine/codes.js'
import { FRAME_NONCE_WINDOW, FRAME_WINDOW_IDLE_MS } from '../../engine/limits.js'
import { UsedNonces } from './used-nonces.js'

const SESSION = { account: 1, approval: 7 }

test('used nonces are refused, new ones are not, and those of another session are its own', () => {
  const used = new UsedNonces()
  expect(used.refusal(SESSION, 5, 0)).toBe(Reject.None)
  used.opened(SESSION, 5, 1000)
  expect(used.refusal(SESSION, 5, 1000)).toBe(Reject.FrameNonceUsed)
  for (const nonce of [0, 4, 6]) expect(used.refusal(SESSION, nonce, 1000)).toBe(Reject.None)
  expect(used.refusal({ ...SESSION, approval: 8 }, 5, 1000)).toBe(Reject.None)
  expect(used.refusal({ ...SESSION, account: 2 }, 5, 1000)).toBe(Reject.None)
})

test('a nonce behind the window is too old, one within it is the engine’s to judge', () => {
  const used = new UsedNonces()
  const nonce = 1_700_000_000_000_000
  used.opened(SESSION, nonce, 1000)
  expect(used.refusal(SESSION, nonce - FRAME_NONCE_WINDOW, 1000)).toBe(Reject.FrameNonceTooOld)
  expect(used.refusal(SESSION, nonce - FRAME_NONCE_WINDOW + 1, 1000)).toBe(Reject.None)
  // One in the same place, an older one that comes late: the newer stays known.
  used.opened(SESSION, nonce - FRAME_NONCE_WINDOW, 1000)
  expect(used.refusal(SESSION, nonce, 1000)).toBe(Reject.FrameNonceUsed)
})

test('an hour after the last frame used nonces are too old, as the engine has forgotten them', () => {
  const used = new UsedNonces()
  used.opened(SESSION, 5, 1000)
  expect(used.refusal(SESSION, 5, 1000 + FRAME_WINDOW_IDLE_MS - 1)).toBe(Reject.FrameNonceUsed)
  expect(used.refusal(SESSION, 5, 1000 + FRAME_WINDOW_IDLE_MS)).toBe(Reject.FrameNonceTooOld)
  expect(used.refusal(SESSION, 6, 1000 + FRAME_WINDOW_IDLE_MS)).toBe(Reject.None)
})

test('after a start the highest nonce is known, and what the engine refuses is learnt', () => {
  const used = new UsedNonces()
  used.load(SESSION, 500)
  expect(used.refusal(SESSION, 500 - FRAME_NONCE_WINDOW, 0)).toBe(Reject.FrameNonceTooOld)
  expect(used.refusal(SESSION, 450, 0)).toBe(Reject.None)
  used.refused(SESSION, 450, Reject.FrameNonceUsed)
  expect(used.refusal(SESSION, 450, 0)).toBe(Reject.FrameNonceUsed)
  used.refused(SESSION, 440, Reject.FrameNonceTooOld)
  expect(used.refusal(SESSION, 430, 0)).toBe(Reject.FrameNonceTooOld)
  used.refused(SESSION, 460, Reject.SessionExpired)
  expect(used.refusal(SESSION, 460, 0)).toBe(Reject.None)
})

test('as many sessions are kept as may be, the newest', () => {
  const used = new UsedNonces(2)
  for (const approval of [1, 2, 3]) used.opened({ account: 1, approval }, 9, 1)
  expect(used.size).toBe(2)
  expect(used.refusal({ account: 1, approval: 1 }, 9, 1)).toBe(Reject.None)
  expect(used.refusal({ account: 1, approval: 3 }, 9, 1)).toBe(Reject.FrameNonceUsed)
})

test('a refusal says the nonce, the bound, the highest and what to do', () => {
  const used = new UsedNonces()
  used.opened(SESSION, 5000, 1000)
  const words = (nonce: number, timeMs = 1000): string =>
    used.sentence(SESSION, nonce, used.refusal(SESSION, nonce, timeMs))
  const tooOld = words(7)
  expect(tooOld).toContain(
    `nonce 7 is too old: it is below ${5001 - FRAME_NONCE_WINDOW}, the lowest that is still taken`,
  )
  expect(tooOld).toContain("the session's highest is 5000; nothing was done now: frameOutcome tells whether")
  // It was never used: that it was is not said.
  expect(tooOld).not.toMatch(/^a frame of nonce/)
  expect(words(5000)).toContain("a frame of nonce 5000 was taken before; the session's highest is 5000;")
  expect(words(5000, 1000 + FRAME_WINDOW_IDLE_MS)).toContain(
    'nonce 5000 is too old: it is not above the highest, and the session was idle for an hour',
  )
  // After a start nothing may be known but what the engine has said.
  const learnt = new UsedNonces()
  learnt.refused(SESSION, 440, Reject.FrameNonceTooOld)
  expect(learnt.sentence(SESSION, 440, Reject.FrameNonceTooOld)).not.toContain('highest is')
})
