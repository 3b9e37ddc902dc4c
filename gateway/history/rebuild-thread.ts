/**
 * Entry of the thread that says again what the history files lack: replays the journal beside the live
 * exchange and hands on what history keeps, in order, a few batches ahead of its owner. It works half of
 * the time, so that a machine with few cores goes on trading. Started by rebuild.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { EventKind } from '../../engine/codes.js'
import { EventReplay } from '../../engine/recovery/replay-events.js'
import { EVENT_WORDS, Ev, kindOf } from '../../engine/layout.js'
import {
  BATCHES_AHEAD,
  BATCH_COMMANDS,
  BATCH_RECORDS,
  REBUILD_STEP_COMMANDS,
  REBUILD_WORK_MS,
} from '../limits.js'
import { endedParties } from './order-history.js'
import type { FromRebuild, RebuildThreadData, ToRebuild } from './rebuild.js'
import { NUMBER_F64, Party, RECORD_FLOATS, HISTORY_RECORD_WORDS, TIME_F64, TYPE_WORD } from './record.js'

async function main(data: RebuildThreadData): Promise<void> {
  const port = parentPort!
  let ahead = 0
  let taken: () => void = () => {}
  port.on('message', (_message: ToRebuild) => {
    ahead--
    taken()
  })
  let words = new Int32Array(BATCH_RECORDS * HISTORY_RECORD_WORDS)
  let floats = new Float64Array(words.buffer)
  let count = 0
  let [fillSeq, fillIndex] = [0, 0]
  const replay = new EventReplay({
    ...data,
    onEvents: ({ words: from, floats: fromFloats, count: events }, timeMs) => {
      for (let at = 0; at < events * EVENT_WORDS; at += EVENT_WORDS) {
        const kind = kindOf(from[at + Ev.KIND]!)
        const isFill = kind === EventKind.Fill
        if (isFill) {
          const seq = fromFloats[(at >> 1) + Ev.SEQ_F64]!
          fillIndex = seq === fillSeq ? fillIndex + 1 : 0
          fillSeq = seq
        }
        const ended = endedParties(kind, from, at)
        if (!isFill && ended === 0) continue
        if ((count + 1) * HISTORY_RECORD_WORDS > words.length) {
          const larger = new Int32Array(2 * words.length)
          larger.set(words)
          words = larger
          floats = new Float64Array(words.buffer)
        }
        const to = count * HISTORY_RECORD_WORDS
        words.set(from.subarray(at, at + EVENT_WORDS), to)
        words[to + TYPE_WORD] = (isFill ? Party.Both : ended) << 8
        floats[count * RECORD_FLOATS + NUMBER_F64] = isFill ? fillIndex : 0
        floats[count * RECORD_FLOATS + TIME_F64] = timeMs
        count++
      }
    },
  })
  const post = (message: FromRebuild, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(message, transfer)
  let handedOn = replay.from
  const handOn = async (): Promise<void> => {
    while (ahead >= BATCHES_AHEAD) await new Promise<void>((resolve) => (taken = resolve))
    ahead++
    handedOn = replay.seq
    post({ type: 'records', words, count, upTo: replay.seq }, [words.buffer as ArrayBuffer])
    words = new Int32Array(BATCH_RECORDS * HISTORY_RECORD_WORDS)
    floats = new Float64Array(words.buffer)
    count = 0
  }
  for (let goesOn = true; goesOn;) {
    const until = performance.now() + REBUILD_WORK_MS
    while (goesOn && performance.now() < until && count < BATCH_RECORDS)
      goesOn = replay.advance(REBUILD_STEP_COMMANDS)
    if (count >= BATCH_RECORDS || replay.seq - handedOn >= BATCH_COMMANDS) await handOn()
    await sleep(REBUILD_WORK_MS)
  }
  await handOn()
  post({ type: 'done', from: replay.from })
  port.close()
}

await main(workerData as RebuildThreadData)
