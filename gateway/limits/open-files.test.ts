/** When a process that has few descriptors left lets nobody in, and what it holds back for its files. */
import { readdirSync, readlinkSync } from 'node:fs'
import { gatewayConfig } from '../settings/config.js'
import { Limits } from './client-limits.js'
import { DescriptorGuard } from './open-files.js'

const FILES = 400
/** Of 400 files 200 are for others than connections; of these an eighth is held back. */
const HELD = 25

/** How often this process has /dev/null open. */
const nulls = (): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/null'
    } catch {
      // The folder's own.
      return false
    }
  }).length

test('shut below a quarter of the other files, open again from a half', () => {
  let open = FILES - 50
  const before = nulls()
  const guard = new DescriptorGuard(FILES, () => open)
  expect(nulls() - before).toBe(HELD)
  expect(guard.look()).toBe(false)
  open = FILES - 49
  expect(guard.look()).toBe(true)
  // Still held: threads that look later have not shut their doors yet.
  expect(nulls() - before).toBe(HELD)
  open = FILES - 99
  expect(guard.look()).toBe(true)
  expect(nulls() - before).toBe(0)
  open = FILES - 100
  expect(guard.look()).toBe(false)
  expect(nulls() - before).toBe(HELD)
  open = FILES - 50
  expect(guard.look()).toBe(false)
})

test('without a bound nobody is shut out, and nothing is held', () => {
  const before = nulls()
  const guard = new DescriptorGuard(Infinity, () => 1e6)
  expect(guard.look()).toBe(false)
  expect(nulls()).toBe(before)
})

test('one address never has every connection that the system allows', () => {
  // Of 400 files 200 are for connections, and three quarters of these for one address.
  const limits = new Limits(gatewayConfig(), () => 0, FILES)
  for (let open = 0; open < 150; open++) {
    expect(limits.connect('192.0.2.1')).toBeUndefined()
    limits.opened('192.0.2.1')
  }
  expect(limits.connect('192.0.2.1')?.message).toContain('150 connections of 192.0.2.1 are open')
  expect(limits.connect('192.0.2.2')).toBeUndefined()
})
