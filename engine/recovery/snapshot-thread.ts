/**
 * Entry of the snapshot thread: follows the journal up to what is durable now with an engine of its
 * own, writes a snapshot, ends. The matching thread takes no part, so its pause is zero at any size;
 * the price is a second engine's memory while a snapshot is taken.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ControlBlock } from '../rings/control.js'
import { nodeDisk } from '../journal/disk.js'
import { takeSnapshot } from './take-snapshot.js'

export interface SnapshotThreadData {
  readonly dataDir: string
  readonly control: SharedArrayBuffer
}

const data = workerData as SnapshotThreadData
const durableSeq = new ControlBlock(data.control).durableSeq
const seq = takeSnapshot({
  disk: nodeDisk,
  dataDir: data.dataDir,
  durableSeq: () => durableSeq,
  onLog: (line) => parentPort!.postMessage(line),
})
parentPort!.postMessage(seq)
