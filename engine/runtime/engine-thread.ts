/**
 * Entry of the engine thread: recovers the state, then runs the loop of run.ts until it is told to
 * stop. Sleeps on its doorbell when nothing comes in and never spins.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { ControlBlock, Failure, StopPhase } from '../rings/control.js'
import { nodeDisk } from '../journal/disk.js'
import { recover } from '../recovery/recovery.js'
import type { JournalPosition } from '../journal/segments.js'
import { machineMs } from '../rings/machine-clock.js'
import { IDLE_SLEEP_MS, ROOM_SLEEP_MS } from '../limits.js'
import { Publisher } from './publisher.js'
import { RingReader, RingWriter, armDoorbell, disarmDoorbell, sleepOnDoorbell } from '../rings/ring.js'
import { RunLoop } from './run.js'
import { Sequencer } from './sequencer.js'
import { SteadyClock, clockBehind } from './steady-clock.js'
import { tuneForEngine } from '../tune.js'
import type { GenesisConfig } from '../types.js'

export interface EngineThreadData {
  readonly dataDir: string
  readonly genesis: GenesisConfig | undefined
  readonly control: SharedArrayBuffer
  readonly inbound: readonly SharedArrayBuffer[]
  readonly outbound: readonly SharedArrayBuffer[]
  readonly journal: SharedArrayBuffer
  readonly segmentBytes: number
  readonly acceptClock: boolean
}

/** What the engine thread tells the main thread, in this order (logs in between). */
export type EngineThreadMessage =
  | { readonly type: 'log'; readonly line: string; readonly level?: 'warn' }
  | { readonly type: 'failed'; readonly error: string }
  | {
      readonly type: 'recovered'
      readonly position: JournalPosition
      readonly genesis: GenesisConfig
      readonly stateHash: Uint8Array
      readonly seq: number
      readonly timeMs: number
      readonly depositsConsumed: number
      readonly cancelOnlyReasons: number
      readonly snapshotSeq: number
      readonly replayed: number
    }

function tell(message: EngineThreadMessage): void {
  parentPort!.postMessage(message)
}

function prepare(data: EngineThreadData, control: ControlBlock): RunLoop {
  const waitForRoom = (hasRoom: () => boolean): void => {
    const bell = control.roomDoorbell
    while (!hasRoom()) {
      if (control.failure !== Failure.None) throw new Error(`halted: ${control.failureText}`)
      const seen = armDoorbell(bell)
      if (hasRoom()) {
        disarmDoorbell(bell)
        return
      }
      sleepOnDoorbell(bell, seen, ROOM_SLEEP_MS)
    }
  }
  const outbound = data.outbound.map((sab, index) => ({
    ring: new RingWriter(sab),
    doorbell: control.producerDoorbell(index),
  }))
  const publisher = new Publisher(outbound, control, waitForRoom)
  const recovered = recover({
    disk: nodeDisk,
    dataDir: data.dataDir,
    ...(data.genesis === undefined ? {} : { genesis: data.genesis }),
    segmentBytes: data.segmentBytes,
    onEvents: (events) => publisher.onEvents(events),
    onLog: (line) => tell({ type: 'log', line }),
  })
  const { engine, genesis, position, stateHash, snapshotSeq, replayed } = recovered
  const behind = clockBehind(engine.timeMs, Date.now())
  if (behind !== undefined && !data.acceptClock) throw new Error(behind)
  const clock = new SteadyClock({
    wall: Date.now,
    monotonic: machineMs,
    timeMs: engine.timeMs,
    accept: data.acceptClock,
    onTrouble: (line) => tell({ type: 'log', line, level: 'warn' }),
    onBase: (baseMs) => {
      control.clockBaseMs = baseMs
    },
  })
  clock.now()
  control.setDurable(engine.seq, position.head)
  control.sequencedSeq = engine.seq
  const { seq, timeMs, depositsConsumed, cancelOnlyReasons } = engine
  tell({
    type: 'recovered',
    position,
    genesis,
    stateHash,
    seq,
    timeMs,
    depositsConsumed,
    cancelOnlyReasons,
    snapshotSeq,
    replayed,
  })
  return new RunLoop({
    engine,
    genesis,
    sequencer: new Sequencer(engine.seq, engine.timeMs, () => clock.now()),
    inbound: data.inbound.map((sab) => new RingReader(sab)),
    journal: new RingWriter(data.journal, control.journalDoorbell),
    publisher,
    control,
    waitForRoom,
  })
}

function run(loop: RunLoop, control: ControlBlock): void {
  const bell = control.engineDoorbell
  for (;;) {
    // Read before the turn: nobody publishes after this phase, so an empty turn has seen everything.
    const isDraining = control.stopPhase >= StopPhase.Draining
    if (control.failure !== Failure.None) return
    if (loop.turn() > 0) continue
    if (isDraining) break
    // Work that is left goes on, one bounded command at a time, between messages.
    if (loop.quietMs() === 0) {
      loop.tick()
      continue
    }
    const seen = armDoorbell(bell)
    if (loop.hasWork() || control.stopPhase >= StopPhase.Draining) {
      disarmDoorbell(bell)
      continue
    }
    sleepOnDoorbell(bell, seen, Math.max(1, Math.min(IDLE_SLEEP_MS, loop.quietMs())))
    if (!loop.hasWork()) loop.tick()
  }
  loop.close()
  control.advanceStop(StopPhase.EngineEnded)
}

const data = workerData as EngineThreadData
const control = new ControlBlock(data.control)
const fail = (error: unknown): void => {
  control.fail(Failure.Engine, error instanceof Error ? (error.stack ?? error.message) : String(error))
  process.exitCode = 1
}
try {
  tuneForEngine()
  const loop = prepare(data, control)
  parentPort!.once('message', () => {
    try {
      run(loop, control)
    } catch (error) {
      fail(error)
    }
    parentPort!.close()
  })
} catch (error) {
  // Damage, a wrong genesis, a full disk: the start is refused, in words for the operator.
  tell({ type: 'failed', error: error instanceof Error ? error.message : String(error) })
  process.exitCode = 1
}
