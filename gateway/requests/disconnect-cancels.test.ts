/** How many connections of an account ask for their orders' end: what outlives the gateway is told each change. */
import type { Connection } from '../connections/connection.js'
import { DisconnectCancels, disconnectCancel } from './disconnect-cancels.js'
import type { EngineLink } from '../link/engine-link.js'
import type { FromGateway } from '../link/messages.js'
import type { Submissions } from '../link/submissions.js'

test('each connection counts once, and an account until its cancel is done', async () => {
  const told: FromGateway[] = []
  const submitted: { records: Int32Array; onApplied: (applied: { more: boolean }) => void }[] = []
  const submissions = {
    submit: (
      records: Int32Array,
      _count: number,
      _bytes: unknown,
      _kind: unknown,
      _when: unknown,
      onApplied: never,
    ) => submitted.push({ records, onApplied }) > 0,
  } as unknown as Submissions
  const cancels = new DisconnectCancels({ ended: false } as EngineLink, submissions, (message) =>
    told.push(message),
  )
  const [first, second] = [{ account: 7 }, { account: 7 }] as Connection[]
  const counts = (): number[] =>
    told
      .splice(0)
      .map((message) => (message.type === 'guard' && message.account === 7 ? message.connections : -1))

  let known = 0
  void cancels.set(first!, true).then(() => known++)
  void cancels.set(second!, true).then(() => known++)
  void cancels.set(second!, true)
  expect(counts()).toEqual([1, 2, 2])
  cancels.told(2)
  await Promise.resolve()
  expect(known).toBe(1)
  void cancels.set(first!, false)
  expect(counts().at(-1)).toBe(1)
  // One that does not ask ends: nothing.
  cancels.closed(first!)
  expect(submitted).toEqual([])
  cancels.closed(second!)
  expect(submitted.map(({ records }) => records)).toEqual([disconnectCancel(7)])
  // Its orders may still be on the book.
  submitted[0]!.onApplied({ more: true })
  expect(counts()).toEqual([])
  submitted[0]!.onApplied({ more: false })
  expect(counts()).toEqual([0])
  void cancels.set(first!, true)
  expect(counts()).toEqual([1])
})

test('a full ring: the cancel is tried again, until the engine has ended', async () => {
  let tries = 0
  const link = { ended: false } as { -readonly [K in keyof EngineLink]: EngineLink[K] }
  const submissions = { submit: () => ++tries > 3 } as unknown as Submissions
  const cancels = new DisconnectCancels(link as EngineLink, submissions, () => {})
  const leaving = { account: 7 } as Connection
  void cancels.set(leaving, true)
  cancels.closed(leaving)
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(tries).toBe(4)
})
