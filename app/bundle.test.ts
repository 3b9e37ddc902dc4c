/** What the build makes of the engine for the program. */
import { readFileSync } from 'node:fs'

test('a module’s constants stay constants in the bundle, or V8 would load them at each use', () => {
  const text = readFileSync(new URL('../program/engine.js', import.meta.url), 'utf8')
  const ours = text.slice(text.indexOf('\n// engine/'))
  expect(ours).toMatch(/^const Order = \{$/m)
  expect(ours).not.toMatch(/^var /m)
})
