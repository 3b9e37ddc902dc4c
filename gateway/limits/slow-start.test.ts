import { FRAMES_AT_FIRST, FRAMES_MAX, SLOW_START_MS } from '../limits.js'
import { SlowStart } from './slow-start.js'

const IP = '192.0.2.1'
/** Sends until there is no room; how many that were, at most `most`. */
function fill(start: SlowStart, ip: string, most = Infinity, nowMs = 0): number {
  let sent = 0
  for (; sent < most && start.hasRoom(ip); sent++) start.sent(ip, nowMs)
  return sent
}

test('twice as many frames each time that as many came back', () => {
  const start = new SlowStart()
  let size = FRAMES_AT_FIRST
  for (; size <= FRAMES_MAX; size *= 2) {
    expect(fill(start, IP)).toBe(size)
    for (let index = 0; index < size; index++) start.back(IP)
  }
  expect(fill(start, IP)).toBe(FRAMES_MAX)
})

test('one frame behind a sweep, and none until those that are on their way are back', () => {
  const start = new SlowStart()
  expect(fill(start, IP)).toBe(4)
  start.swept(IP)
  for (let left = 3; left > 0; left--) {
    start.back(IP)
    expect(start.hasRoom(IP)).toBe(false)
    start.swept(IP)
  }
  start.back(IP)
  expect(fill(start, IP)).toBe(1)
  start.back(IP)
  expect(fill(start, IP)).toBe(2)
  // Another address goes by its own.
  expect(fill(start, '192.0.2.2')).toBe(4)
})

test('who sent nothing for a while begins anew, and is not remembered; who waits for a frame is', () => {
  const start = new SlowStart()
  fill(start, IP)
  for (let index = 0; index < 4; index++) start.back(IP)
  fill(start, '192.0.2.2')
  expect(start.size).toBe(2)
  for (let index = 0; index < 4; index++) start.sent(`198.51.100.${index}`, SLOW_START_MS)
  expect(fill(start, IP, Infinity, SLOW_START_MS)).toBe(4)
  expect(start.hasRoom('192.0.2.2')).toBe(false)
})
