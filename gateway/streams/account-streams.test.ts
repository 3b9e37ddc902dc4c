/** The private streams of a thread: those of 20,000 accounts are kept, and whose go beyond. */
import { StreamName } from '../../sdk/wire/layout.js'
import { AccountStreams } from './account-streams.js'
import type { Connection } from '../connections/connection.js'
import { EventMemory } from './kept-events.js'

const ACCOUNTS_KEPT = 20_000

test('beyond the bound those unused longest go, but none that somebody follows', () => {
  const streams = new AccountStreams({
    epoch: 1,
    keep: 10,
    keepBytes: 1000,
    memory: new EventMemory(1e6),
    idleMsMax: 1000,
    orders: () => ({ source: () => ({ done: true, next: () => undefined }), begin: () => {} }) as never,
  })
  const open = (account: number): void => void streams.open(account, StreamName.Balances, 0)
  const isKept = (account: number): boolean => streams.stream(account, StreamName.Balances) !== undefined
  const reader = { send: () => {}, sendEncoded: () => {}, codec: { encode: () => '' } }
  for (let account = 0; account < ACCOUNTS_KEPT; account++) open(account)
  streams.stream(1, StreamName.Balances)!.startFromSnapshot(reader as unknown as Connection, { data: [] })
  // Used again: it is no longer the oldest.
  open(0)
  expect(streams.size).toBe(ACCOUNTS_KEPT)
  for (let account = ACCOUNTS_KEPT; account < ACCOUNTS_KEPT + 2; account++) open(account)
  expect([0, 1, 2, 3, 4].map(isKept)).toEqual([true, true, false, false, true])
  expect(streams.size).toBe(ACCOUNTS_KEPT)
})
