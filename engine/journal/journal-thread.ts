/**
 * Entry of the journal thread: owns the segment files, drains the journal ring, moves durableSeq.
 * Sleeps on its doorbell when there is nothing to write. Any failed write or sync is recorded in the
 * control block (every thread halts on it) and ends the thread with an error.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ControlBlock, Failure, StopPhase } from '../rings/control.js'
import { RingReader, armDoorbell, disarmDoorbell, ringDoorbell, sleepOnDoorbell } from '../rings/ring.js'
import type { GenesisConfig } from '../types.js'
import { IDLE_SLEEP_MS } from '../limits.js'
import { EpochFenced, JournalSyncError, JournalWriteError } from './backend.js'
import { nodeDisk } from './disk.js'
import { FileBackend } from './file-backend.js'
import { journalFolder, type JournalPosition } from './segments.js'
import { JournalWriter } from './writer.js'

export interface JournalThreadData {
  readonly dataDir: string
  readonly control: SharedArrayBuffer
  readonly ring: SharedArrayBuffer
  readonly position: JournalPosition
  readonly epoch: number
  readonly genesis: GenesisConfig
  readonly stateHash: Uint8Array
  readonly segmentBytes: number
  /** Gateways and operators: each is woken when durableSeq moves. */
  readonly producers: number
}

async function main(data: JournalThreadData, control: ControlBlock): Promise<void> {
  const ring = new RingReader(data.ring, control.roomDoorbell)
  const bells = Array.from({ length: data.producers }, (_, index) => control.producerDoorbell(index))
  bells.push(control.followerDoorbell)
  const backend = new FileBackend({
    disk: nodeDisk,
    folder: journalFolder(data.dataDir),
    segmentBytes: data.segmentBytes,
    segment: data.position.segment,
    offset: data.position.offset,
  })
  const writer = new JournalWriter({
    ring,
    backend,
    position: data.position,
    epoch: data.epoch,
    onDurable: (seq, head) => {
      control.setDurable(seq, head)
      for (const bell of bells) ringDoorbell(bell)
    },
  })
  await writer.start(data.genesis, data.stateHash)
  parentPort!.postMessage('ready')

  const bell = control.journalDoorbell
  for (;;) {
    // Read before the turn: an engine that had ended by then has put its last message in the ring.
    const isEnding = control.stopPhase >= StopPhase.EngineEnded
    const wrote = writer.turn()
    if (typeof wrote === 'boolean' ? wrote : await wrote) continue
    if (control.failure !== Failure.None || isEnding) break
    const seen = armDoorbell(bell)
    if (writer.hasWork() || control.stopPhase >= StopPhase.EngineEnded) disarmDoorbell(bell)
    else sleepOnDoorbell(bell, seen, IDLE_SLEEP_MS)
  }
  backend.close()
  control.advanceStop(StopPhase.JournalEnded)
}

const data = workerData as JournalThreadData
const control = new ControlBlock(data.control)
main(data, control).catch((error: unknown) => {
  const failure =
    error instanceof JournalSyncError
      ? Failure.JournalSync
      : error instanceof JournalWriteError
        ? Failure.JournalWrite
        : error instanceof EpochFenced
          ? Failure.JournalFenced
          : Failure.Journal
  control.fail(failure, error instanceof Error ? error.message : String(error))
  process.exitCode = 1
})
