/** What the build makes of the engine for the program. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { type Engines, newSeen, playTape } from '../engine/reference/compare.js'

const BUNDLE = new URL('../program/engine.js', import.meta.url)
const SESSIONS = Number(process.env['GLASSBOOK_RUNS'] ?? 300)

test('a module’s constants, tables and functions are constants in the bundle, or V8 would load them at each use', () => {
  const text = readFileSync(BUNDLE, 'utf8')
  const ours = text.slice(text.indexOf('\n// engine/'))
  expect(ours).toMatch(/^const Order = Object\.freeze\(\{$/m)
  expect(ours).not.toMatch(/^(var|function) /m)
  expect(text).toMatch(/^const placeOrder = function/m)
  expect(text).not.toMatch(/\bOrder\.LEVEL\b/)
})

test(`${SESSIONS} random sessions: the engine of the bundle and the reference agree`, async () => {
  const engines = (await import(BUNDLE.href)) as Engines
  const seen = newSeen()
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 400, maxLength: 2000, size: 'max' }),
      fc.integer({ min: 5, max: 40 }),
      (bytes, snapshotEvery) => playTape(bytes, snapshotEvery, seen, engines),
    ),
    { numRuns: SESSIONS, seed: 20_261_128, endOnFailure: true, includeErrorInReport: true },
  )
  expect(seen.commands).toBeGreaterThan(50 * SESSIONS)
}, 600_000)
