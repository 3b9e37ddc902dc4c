/**
 * Starts and stops a whole exchange core: recovers the data folder, then runs the engine thread and
 * the journal thread, joined to gateways and operators by rings. Called by the composition root, the
 * crash test and benchmarks.
 *
 * Invariant: handles are given out only after the epoch block of this start is durable. The first
 * failure of any thread halts all of them, and nothing is retried.
 */
import { Worker } from 'node:worker_threads'
import { ControlBlock, Failure, StopPhase, createControl } from '../rings/control.js'
import {
  INBOUND_RING_BYTES,
  JOURNAL_RING_BYTES,
  OUTBOUND_RING_BYTES,
  PRODUCERS_MAX,
  SEGMENT_BYTES,
  SNAPSHOT_CHECK_MS,
  SNAPSHOT_EVERY,
} from '../limits.js'
import type { EngineThreadData, EngineThreadMessage } from './engine-thread.js'
import type { JournalThreadData } from '../journal/journal-thread.js'
import { lockFolder } from '../journal/lock.js'
import { createRing } from '../rings/ring.js'
import { SnapshotTaker, snapshotInThread } from './snapshot-taker.js'
import type { GenesisConfig, OnLog } from '../types.js'

export interface ExchangeOptions {
  readonly dataDir: string
  /** Needed for an empty folder; must equal the journal's otherwise. */
  readonly genesis?: GenesisConfig
  /** Gateway threads. */
  readonly gateways: number
  /** Further producers (chain watcher, administration), 0 unless given. */
  readonly operators?: number
  /** Bytes of each ring, powers of two. */
  readonly inboundBytes?: number
  readonly outboundBytes?: number
  readonly journalBytes?: number
  readonly segmentBytes?: number
  /** A snapshot is taken each time so many commands are durable since the last one; 0 = never. */
  readonly snapshotEvery?: number
  readonly onLog?: OnLog
  /** True: the caller has the folder's lock and keeps it until the exchange has ended. */
  readonly isLocked?: boolean
  /**
   * True: start on a clock that is behind the journal, and follow a clock that jumps. Otherwise the one is
   * refused and the other not followed (steady-clock.ts).
   */
  readonly acceptClock?: boolean
  /** Told what recovery came to, before anything is written: throws to refuse the start. */
  readonly onRecovered?: (recovered: { readonly seq: number; readonly depositsConsumed: number }) => void
}

export interface ExchangeHandles {
  /** The control block (control.ts). */
  readonly control: SharedArrayBuffer
  /** Rings to the engine: one a gateway, then one an operator. Ring `control.engineDoorbell` at commit. */
  readonly inbound: readonly SharedArrayBuffer[]
  /** Rings from the engine, in the same order; read them through GatedReader. */
  readonly outbound: readonly SharedArrayBuffer[]
  readonly genesis: GenesisConfig
  /** State after recovery. */
  readonly seq: number
  readonly timeMs: number
  readonly depositsConsumed: number
  /** Why the whole exchange takes cancels only: bits of CancelOnlyReason. */
  readonly cancelOnlyReasons: number
  readonly epoch: number
  readonly stateHash: Uint8Array
  readonly snapshotSeq: number
  readonly replayed: number
  /** Takes a snapshot now, in a thread of its own; resolves with its seq. One at a time. */
  snapshot(): Promise<number>
  /**
   * Orderly stop: call it when no gateway or operator will publish again. Drains every inbound ring,
   * makes all of it durable, tells producers (OutboundType.Stop), ends the threads. They must keep on
   * reading their outbound rings until Stop came. Rejects when the exchange had failed.
   */
  stop(): Promise<void>
  /** Calls `listener` once when the exchange halts by itself; at once when it already has. */
  onFailure(listener: (failure: Failure, reason: string) => void): void
}

/** Starts the exchange; rejects with what is wrong when the folder is locked, damaged or of another genesis. */
export async function startExchange(options: ExchangeOptions): Promise<ExchangeHandles> {
  const producers = options.gateways + (options.operators ?? 0)
  if (!(producers >= 1 && producers <= PRODUCERS_MAX))
    throw new RangeError(`exchange: ${producers} producers, 1 to ${PRODUCERS_MAX}`)
  const release = options.isLocked === true ? () => {} : lockFolder(options.dataDir)
  try {
    return await startLocked(options, producers, release)
  } catch (error) {
    release()
    throw error
  }
}

async function startLocked(
  options: ExchangeOptions,
  producers: number,
  release: () => void,
): Promise<ExchangeHandles> {
  const { dataDir } = options
  const segmentBytes = options.segmentBytes ?? SEGMENT_BYTES
  const log = options.onLog ?? (() => {})
  const controlBlock = createControl()
  const control = new ControlBlock(controlBlock)
  const rings = (bytes: number): SharedArrayBuffer[] =>
    Array.from({ length: producers }, () => createRing(bytes))
  const inbound = rings(options.inboundBytes ?? INBOUND_RING_BYTES)
  const outbound = rings(options.outboundBytes ?? OUTBOUND_RING_BYTES)
  const journal = createRing(options.journalBytes ?? JOURNAL_RING_BYTES)

  const engineData: EngineThreadData = {
    dataDir,
    genesis: options.genesis,
    control: controlBlock,
    inbound,
    outbound,
    journal,
    segmentBytes,
    acceptClock: options.acceptClock ?? false,
  }
  const engine = new Worker(new URL('./engine-thread.js', import.meta.url), { workerData: engineData })
  const recovered = await recoveredState(engine, log)
  try {
    options.onRecovered?.(recovered)
  } catch (error) {
    await engine.terminate()
    throw error
  }
  const epoch = recovered.position.epoch + 1
  control.epoch = epoch

  const journalData: JournalThreadData = {
    dataDir,
    control: controlBlock,
    ring: journal,
    position: recovered.position,
    epoch,
    genesis: recovered.genesis,
    stateHash: recovered.stateHash,
    segmentBytes,
    producers,
  }
  const journalWorker = new Worker(new URL('../journal/journal-thread.js', import.meta.url), {
    workerData: journalData,
  })
  try {
    await firstMessage(journalWorker, () => control.failureText)
  } catch (error) {
    await engine.terminate()
    throw error
  }

  const failure = watchForFailure([engine, journalWorker], control)
  const snapshots = new SnapshotTaker({
    take: () => snapshotInThread({ dataDir, control: controlBlock }, log),
    onLog: log,
  })
  const every = options.snapshotEvery ?? SNAPSHOT_EVERY
  const timer = setInterval(() => {
    if (every > 0 && control.durableSeq - Math.max(snapshots.lastSeq, recovered.snapshotSeq) >= every)
      void snapshots.takeIfDue()
  }, SNAPSHOT_CHECK_MS)
  const exits = Promise.all([exitOf(engine), exitOf(journalWorker)])
  engine.postMessage('run')

  return {
    control: controlBlock,
    inbound,
    outbound,
    genesis: recovered.genesis,
    seq: recovered.seq,
    timeMs: recovered.timeMs,
    depositsConsumed: recovered.depositsConsumed,
    cancelOnlyReasons: recovered.cancelOnlyReasons,
    epoch,
    stateHash: recovered.stateHash,
    snapshotSeq: recovered.snapshotSeq,
    replayed: recovered.replayed,
    snapshot: () => snapshots.take(),
    onFailure: (listener) => failure.listen(listener),
    stop: async () => {
      clearInterval(timer)
      control.advanceStop(StopPhase.Draining)
      await exits
      await snapshots.settled()
      release()
      if (control.failure !== Failure.None) throw new Error(`exchange halted: ${control.failureText}`)
    },
  }
}

type RecoveredMessage = Extract<EngineThreadMessage, { type: 'recovered' }>

function recoveredState(worker: Worker, log: OnLog): Promise<RecoveredMessage> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: EngineThreadMessage) => {
      if (message.type === 'log') log(message.line, message.level)
      else if (message.type === 'failed') reject(new Error(message.error))
      else resolve(message)
    })
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error('the engine thread ended during recovery')))
  })
}

function firstMessage(worker: Worker, reason: () => string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
    worker.once('exit', () => reject(new Error(`the journal thread ended at its start: ${reason()}`)))
  })
}

const exitOf = (worker: Worker): Promise<number> =>
  new Promise((resolve) => worker.once('exit', (code) => resolve(code)))

type FailureListener = (failure: Failure, reason: string) => void

/** Turns a thread's death into a failure of all, and tells listeners once. */
function watchForFailure(
  workers: readonly Worker[],
  control: ControlBlock,
): { listen: (listener: FailureListener) => void } {
  const listeners: FailureListener[] = []
  let told = false
  const tellAll = (): void => {
    if (told || control.failure === Failure.None) return
    told = true
    for (const listener of listeners) listener(control.failure, control.failureText)
  }
  for (const worker of workers) {
    worker.once('error', (error: Error) => control.fail(Failure.ThreadDied, error.stack ?? error.message))
    worker.once('exit', (code) => {
      if (control.stopPhase === StopPhase.Running || code !== 0)
        control.fail(Failure.ThreadDied, `a thread ended with code ${code}`)
      tellAll()
    })
  }
  return {
    listen: (listener) => {
      if (told) listener(control.failure, control.failureText)
      else listeners.push(listener)
    },
  }
}
