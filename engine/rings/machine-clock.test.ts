/** One clock for all threads and processes of a machine. */
import { spawnSync } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { machineMs } from './machine-clock.js'

const MODULE = new URL('./machine-clock.js', import.meta.url).href

/** Readings are of floats that large; a start is known to less than this. */
const ERROR_MS = 1

test('a thread and a process read the same clock, whenever they were started', async () => {
  const beforeMs = machineMs()
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads')
     import(${JSON.stringify(MODULE)}).then(({ machineMs }) => parentPort.postMessage(machineMs()))`,
    { eval: true },
  )
  const threadMs = await new Promise<number>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const betweenMs = machineMs()
  await worker.terminate()
  const program = `import { machineMs } from ${JSON.stringify(MODULE)}; console.log(machineMs())`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  const processMs = Number(stdout)
  const afterMs = machineMs()
  expect(threadMs).toBeGreaterThanOrEqual(beforeMs - ERROR_MS)
  expect(threadMs).toBeLessThanOrEqual(betweenMs + ERROR_MS)
  expect(processMs).toBeGreaterThanOrEqual(betweenMs - ERROR_MS)
  expect(processMs).toBeLessThanOrEqual(afterMs + ERROR_MS)
})
