/**
 * Runs suites one after another in this process: Jest's tests and matchers without Jest's own start, which takes
 * longer than most suites. Arguments are paths of suites. A JSON line on file descriptor 3 as each has ended; the
 * first test that fails ends the process. Like jest-light-runner, it does not bound a test's time: run.ts does.
 */
import { writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { pathToFileURL } from 'node:url'
import { jestExpect } from '@jest/expect'
import type { Circus } from '@jest/types'
import * as circus from 'jest-circus'
import type { SuiteEnd } from './run.js'

// Whoever works on this machine goes first.
setPriority(10)
// Ends when run.ts has ended, whose signals from the terminal do not reach it; and as under Jest, this process lives
// on while a test waits for something that keeps none alive.
const starter = process.ppid
setInterval(() => {
  if (process.ppid !== starter) process.exit(1)
}, 1000)

const { test, it, describe, beforeAll, afterAll, beforeEach, afterEach } = circus
Object.assign(globalThis, {
  test,
  it,
  describe,
  beforeAll,
  afterAll,
  beforeEach,
  afterEach,
  expect: jestExpect,
})

/** The test, hook or suite that failed. */
class Failure {
  constructor(
    readonly name: string,
    readonly error: unknown,
  ) {}
}

async function call(fn: Circus.TestEntry['fn'] | Circus.Hook['fn'], name: string): Promise<void> {
  // As a function that takes nothing, which is what every test and hook here is.
  const run = fn as () => unknown
  try {
    jestExpect.setState({ suppressedErrors: [], currentTestName: name })
    await run()
    const [suppressed] = jestExpect.getState().suppressedErrors
    if (suppressed !== undefined) throw suppressed
  } catch (error) {
    throw new Failure(name, error)
  }
}

async function hooks(
  type: Circus.HookType,
  block: Circus.DescribeBlock,
  name: string,
  upwards: boolean,
): Promise<void> {
  const above = async (): Promise<void> => {
    if (upwards && block.parent !== undefined) await hooks(type, block.parent, name, true)
  }
  if (type === 'beforeEach') await above()
  for (const hook of block.hooks) if (hook.type === type) await call(hook.fn, `${name} (${type})`)
  if (type === 'afterEach') await above()
}

async function runBlock(
  block: Circus.DescribeBlock,
  focused: boolean,
  names: readonly string[],
): Promise<void> {
  await hooks('beforeAll', block, names.join(' '), false)
  for (const child of block.children) {
    const all = [...names, String(child.name)]
    const name = all.join(' ')
    if (child.mode === 'skip' || child.mode === 'todo') continue
    if (child.type === 'describeBlock') await runBlock(child, focused, all)
    else if (!focused || child.mode === 'only') {
      await hooks('beforeEach', block, name, true)
      await call(child.fn, name)
      await hooks('afterEach', block, name, true)
    }
  }
  await hooks('afterAll', block, names.join(' '), false)
}

const tell = (end: SuiteEnd): void => void writeSync(3, `${JSON.stringify(end)}\n`)
for (const suite of process.argv.slice(2)) {
  const from = performance.now()
  try {
    circus.resetState()
    jestExpect.setState({ testPath: suite })
    await import(pathToFileURL(suite).href).catch((error: unknown) => {
      throw new Failure('the suite itself', error)
    })
    const { rootDescribeBlock, hasFocusedTests } = circus.getState()
    await runBlock(rootDescribeBlock, hasFocusedTests, [])
    tell({ tookMs: performance.now() - from })
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    console.error(failure.error)
    tell({ failed: failure.name })
    process.exit(1)
  }
}
process.exit(0)
