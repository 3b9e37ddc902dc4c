/**
 * Tests that need what not every machine has: data files, Python modules, the right to mount. Where it is absent
 * they are skipped, and counted as skipped; with GLASSBOOK_REQUIRE=1, for a machine that has all of it, its absence
 * is a failure.
 */
import { existsSync } from 'node:fs'

type Register = (name: string, body: () => unknown, timeoutMs?: number) => void

/** `test`, for tests that need `what`. */
export function testWith(what: string, isThere: boolean): Register {
  if (isThere) return (name, body, timeoutMs) => test(name, body as () => void, timeoutMs)
  if (process.env['GLASSBOOK_REQUIRE'] === '1')
    return (name) =>
      test(name, () => {
        throw new Error(`absent: ${what}; GLASSBOOK_REQUIRE=1 asks for it`)
      })
  return (name, body) => test.skip(`${name} (absent: ${what})`, body as () => void)
}

export const testWithFile = (path: string): Register => testWith(path, existsSync(path))
