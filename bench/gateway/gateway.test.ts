/** The gateway's benchmark at a small scale: it checks itself, so a run that ends has found what it must. */
import { CommandKind } from '../../engine/codes.js'
import { runFanout } from './fanout.js'
import { commands } from './load-generator.js'
import { runLoadBench } from './run.js'

const load = { rate: 2000, seconds: 1, warmupSeconds: 0.2, frame: 16, connections: 2, gateways: 1 }

test.each([
  ['signed', true],
  ['unsigned', false],
])('%s orders: all answered, journaled, replayed to the same state', async (name, signed) => {
  const result = await runLoadBench({ ...load, name, signed })
  expect([result.refusedFrames, result.lostFrames]).toEqual([0, 0])
  expect(result.acknowledgedOrders).toBeGreaterThanOrEqual(load.rate * load.seconds)
  expect(result.journal.journaledOrders).toBe(result.acknowledgedOrders)
  expect(result.latencyMs.p50).toBeGreaterThan(0)
  if (process.platform === 'linux')
    expect(Object.keys(result.threads)).toEqual(expect.arrayContaining(['engine', 'journal', 'gateway 0']))
})

test('the stream of a connection is the same in frames of any size', () => {
  const inFramesOf = (size: number) =>
    Array.from({ length: 64 / size }, (_, k) => commands(1, k, size)).flat()
  const stream = inFramesOf(1)
  for (const size of [4, 16, 64]) expect(inFramesOf(size)).toEqual(stream)
  // Of each round of 16 after the first: 7 rest, 7 cancel those of the round before, 2 cross.
  const round = stream.slice(16, 32)
  expect(round.filter(({ kind }) => kind === CommandKind.Cancel)).toHaveLength(7)
  expect(round.filter((command) => 'timeInForce' in command)).toHaveLength(2)
})

test.each([
  ['market data', { idle: 10, active: 1, rate: 100, seconds: 0.5 }],
  ['connections', { idle: 50, active: 10, rate: 100, seconds: 0.5 }],
  ['return', { idle: 10, active: 1, rate: 50, seconds: 1 }],
] as const)('%s: counted and replayed', async (scenario, options) => {
  const { counts, journal } = await runFanout({ scenario, ...options })
  expect(journal.journaledOrders).toBe(counts['acknowledged'])
  if (scenario === 'return') expect(counts['clientsWithGapOrDuplicate']).toBe(0)
})
