/** The thread of fills-hasher.ts. */
import { parentPort } from 'node:worker_threads'
import type { FillsAnswer } from './fills-hasher.js'
import { fillsRoot } from './fills-root.js'

if (parentPort === null) throw new Error('fills-hash-thread runs in a worker thread')
const port = parentPort
port.on('message', (leaves: Uint8Array) =>
  port.postMessage({ root: fillsRoot(leaves) } satisfies FillsAnswer),
)
