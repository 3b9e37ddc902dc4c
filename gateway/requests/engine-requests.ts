/**
 * What a request asks of the engine: single commands that are not a client's frame, and the two questions
 * that only it can answer, each in a few microseconds (a place that is tried, a frame's outcome). All else is
 * answered from what the gateway keeps.
 */
import { EventKind } from '../../engine/codes.js'
import { EVENT_WORDS, Ev, RejectedEv, kindOf } from '../../engine/layout.js'
import type { QueryKind } from '../../engine/messages.js'
import { ErrorCode, rejectToCode } from '../../sdk/wire/codes.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import type { Applied, Answer as EngineAnswer, EngineLink } from '../link/engine-link.js'
import type { Submissions } from '../link/submissions.js'
import { RequestError } from '../protocol/request-error.js'
import { ENGINE_RETRY_MS } from '../limits.js'

/** The questions that reach the engine for a client. */
export type EngineQuestion = typeof QueryKind.TryPlace | typeof QueryKind.FrameResults

/** Asks the engine and turns its answer into a result. @throws RequestError when it cannot be asked. */
export function askEngine(
  link: EngineLink,
  kind: EngineQuestion,
  subject: number,
  toResult: (value: unknown) => WireValue,
  id: number | bigint = 0,
  record?: Int32Array,
): Promise<WireValue> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: EngineAnswer | undefined): void => {
      if (answer === undefined) {
        reject(new RequestError(ErrorCode.EngineStopped, 'the engine has stopped'))
        return
      }
      try {
        resolve(toResult(answer.value))
      } catch (error) {
        reject(error as Error)
      }
    }
    const asked = link.query(kind, subject, onAnswer, id, record)
    if (!asked)
      reject(
        new RequestError(
          ErrorCode.EngineBusy,
          'the engine’s queue is full: the question was not asked',
          ENGINE_RETRY_MS,
        ),
      )
  })
}

/**
 * Submits one command of its own and answers with what `toResult` finds in the events; `refusal` says in words
 * why the engine refused it, and by which bound where the event tells one.
 * @throws RequestError with the engine's reject.
 */
export function giveCommand(
  submissions: Submissions,
  records: Int32Array,
  attachment: Uint8Array,
  attachmentKind: number,
  refusal: (reject: number, bound: number) => string,
  toResult: (applied: Applied) => WireValue | undefined,
): Promise<WireValue> {
  return new Promise((resolve, reject) => {
    let result: WireValue | undefined
    const taken = submissions.submit(records, 1, attachment, attachmentKind, 'in turn', (applied) => {
      const { words, floats, at, count } = applied
      for (let index = 0; index < count; index++) {
        const word = at + index * EVENT_WORDS
        if (kindOf(words[word + Ev.KIND]!) === EventKind.Rejected) {
          const refused = words[word + RejectedEv.CODE]!
          const bound = floats[(word >> 1) + RejectedEv.BOUND_F64]!
          reject(new RequestError(rejectToCode(refused), refusal(refused, bound)))
        }
      }
      result ??= toResult(applied)
      if (!applied.more) resolve(result ?? null)
    })
    if (!taken)
      reject(
        new RequestError(
          ErrorCode.EngineBusy,
          'the engine’s queue is full: the command was not taken',
          ENGINE_RETRY_MS,
        ),
      )
  })
}
