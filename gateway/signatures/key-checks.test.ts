/** Signatures of session keys: a few in the pool, the rest in turns of addresses; an IPv6 network is one address. */
import { addressKey, turnPath } from '../limits/addresses.js'
import type { SessionInfo } from '../sessions/directory.js'
import { KEY_CHECKS_PER_IP, KEY_CHECKS_WAITING } from '../limits.js'
import { KeyChecks } from './key-checks.js'

const nothing = new Uint8Array(0)
const session = {} as SessionInfo

test('forty addresses fill the way to the pool: another one’s frame is checked within a turn of all', async () => {
  const inPool: (() => void)[] = []
  const checks = new KeyChecks((_session, _message, _signature, done) => inPool.push(() => done(true)))
  const outcomes: string[] = []
  for (let index = 0; index < KEY_CHECKS_PER_IP; index++)
    for (let address = 0; address < 40; address++)
      checks.check(`crowd ${address}`, session, nothing, nothing, (check) => outcomes.push(check))
  let other = ''
  checks.check('other', session, nothing, nothing, (check) => (other = check))
  const most = inPool.length + 41
  let done = 0
  for (; other === '' && done < most; done++) inPool.shift()!()
  expect(other).toBe('valid')
  for (let next = inPool.shift(); next !== undefined; next = inPool.shift()) {
    next()
    done++
  }
  // Those without a place hear of it later, not within the call.
  await Promise.resolve()
  expect(done).toBeLessThanOrEqual(KEY_CHECKS_WAITING + 41)
  expect(outcomes.filter((outcome) => outcome === 'crowded').length).toBe(40 * KEY_CHECKS_PER_IP + 1 - done)
})

const ipv6 = (...words: number[]): ArrayBuffer =>
  Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255])).buffer

test('an address is an IPv4 address, or the /64 of an IPv6 one', () => {
  expect(addressKey(Uint8Array.of(127, 0, 0, 9).buffer)).toBe('127.0.0.9')
  expect(addressKey(ipv6(0, 0, 0, 0, 0, 0xffff, 0x7f00, 9))).toBe('127.0.0.9')
  const one = addressKey(ipv6(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6))
  expect(one).toBe('2001:db8:1:2::/64')
  expect(addressKey(ipv6(0x2001, 0xdb8, 1, 2, 9, 9, 9, 9))).toBe(one)
  expect(addressKey(ipv6(0x2001, 0xdb8, 1, 3, 3, 4, 5, 6))).not.toBe(one)
})

test('the networks of an IPv4 address take turns before it', () => {
  expect(turnPath('127.1.2.9')).toEqual(['127.1.0.0/16', '127.1.2.0/24', '127.1.2.9'])
})

test('addresses of one network that fill the way to the pool keep no place from those of another', async () => {
  const inPool: (() => void)[] = []
  const checks = new KeyChecks((_session, _message, _signature, done) => inPool.push(() => done(true)))
  // An address each, of half a /16: none has more than one place.
  for (let index = 0; index < 2 * KEY_CHECKS_WAITING; index++)
    checks.check(`10.7.${index >> 8}.${index & 255}`, session, nothing, nothing, () => {})
  const outcomes = new Map<string, string>()
  // Neighbours of the crowd in a /24 that has no place yet find one, too.
  for (const address of ['10.8.0.1', '10.7.255.1'])
    checks.check(address, session, nothing, nothing, (check) => outcomes.set(address, check))
  while (outcomes.get('10.8.0.1') === undefined) inPool.shift()!()
  // It had the second turn of all that wait.
  expect(inPool.length).toBe(32)
  for (let next = inPool.shift(); next !== undefined; next = inPool.shift()) next()
  await Promise.resolve()
  expect(Object.fromEntries(outcomes)).toEqual({ '10.8.0.1': 'valid', '10.7.255.1': 'valid' })
})

test('all networks of one /48 share one turn: they do not keep a place from others', () => {
  const keys = Array.from({ length: KEY_CHECKS_WAITING }, (_, subnet) =>
    addressKey(ipv6(0x2001, 0xdb8, 1, subnet, 0, 0, 0, 1)),
  )
  expect(new Set(keys).size).toBe(KEY_CHECKS_WAITING)
  expect(new Set(keys.map((key) => turnPath(key).slice(0, -1).join(' ')))).toEqual(
    new Set(['2001:db8::/32 2001:db8:1::/48']),
  )

  const inPool: (() => void)[] = []
  const checks = new KeyChecks((_session, _message, _signature, done) => inPool.push(() => done(true)))
  for (const key of keys) checks.check(key, session, nothing, nothing, () => {})
  let other = ''
  checks.check(
    addressKey(ipv6(0x2001, 0xdb8, 2, 0, 0, 0, 0, 1)),
    session,
    nothing,
    nothing,
    (check) => (other = check),
  )
  for (let turns = inPool.length + 2; turns > 0 && other === ''; turns--) inPool.shift()!()
  expect(other).toBe('valid')
})

test('of one /48 each /64 has its turn, and a share of its own: a neighbour’s flood takes no place from it', () => {
  expect(turnPath('2001:db8:1:7::/64')).toEqual(['2001:db8::/32', '2001:db8:1::/48', '2001:db8:1:7::/64'])
  const inPool: (() => void)[] = []
  const checks = new KeyChecks((_session, _message, _signature, done) => inPool.push(() => done(true)))
  const flood = addressKey(ipv6(0x2001, 0xdb8, 1, 1, 0, 0, 0, 1))
  const crowded: string[] = []
  for (let index = 0; index < 2 * KEY_CHECKS_PER_IP; index++)
    checks.check(flood, session, nothing, nothing, (check) => crowded.push(check))
  let other = ''
  const neighbour = addressKey(ipv6(0x2001, 0xdb8, 1, 2, 0, 0, 0, 1))
  checks.check(neighbour, session, nothing, nothing, (check) => (other = check))
  for (let turns = inPool.length + 2; turns > 0 && other === ''; turns--) inPool.shift()!()
  expect(other).toBe('valid')
})
