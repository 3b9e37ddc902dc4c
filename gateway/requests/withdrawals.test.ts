/** What is known of withdrawals, and from where on: nothing is told of what was before, or was forgotten. */
import { Directory } from '../sessions/directory.js'

const taken = (nonce: number, seq: number) => ({ nonce, seq, asset: 1, units: 5 })

test('after a start older ones are unknown, by nonce and by seq', () => {
  const directory = new Directory()
  directory.beginsAfter(100)
  directory.beginsAfter(200)
  directory.loadNonces(1, 0, 7)
  expect(directory.withdrawal(1, 7)).toMatchObject({ state: 'unknown', recent: [], recentAfter: 100 })
  expect(directory.withdrawal(1, 8)).toMatchObject({ state: 'notTaken', highest: 7 })
  directory.noteWithdrawal(1, taken(9, 150))
  expect(directory.withdrawal(1, 9)).toMatchObject({ state: 'taken', seq: 150, recent: [[150, 1]] })
  expect(directory.withdrawal(1, 8)).toMatchObject({ state: 'notTaken' })
  expect(directory.withdrawal(1, 7)).toMatchObject({ state: 'unknown' })
})

test('those without a wallet’s word have a seq, and are found by no nonce', () => {
  const directory = new Directory()
  directory.beginsAfter(0)
  directory.noteWithdrawal(1, taken(0, 10))
  expect(directory.withdrawal(1, 0)).toMatchObject({ state: 'unknown', recent: [[10, 1]], highest: 0 })
  expect(directory.withdrawal(1, 1)).toMatchObject({ state: 'notTaken' })
  // Told again: known already.
  directory.noteWithdrawal(1, taken(0, 10))
  expect(directory.withdrawal(1, 1).recent).toHaveLength(1)
})

test('what is forgotten is unknown, and nothing behind it', () => {
  const directory = new Directory()
  directory.beginsAfter(0)
  for (let nonce = 1; nonce <= 40; nonce++) directory.noteWithdrawal(1, taken(nonce, nonce * 10))
  const { recent, recentAfter } = directory.withdrawal(1, 40)
  expect(recent).toHaveLength(32)
  expect([recentAfter, recent[0]]).toEqual([80, [90, 1]])
  expect([8, 9].map((nonce) => directory.withdrawal(1, nonce).state)).toEqual(['unknown', 'taken'])
  // Another account knows all of its own.
  expect(directory.withdrawal(2, 1)).toMatchObject({ state: 'notTaken', recentAfter: 0 })
})
