/**
 * What a run left on the disk, read again: the journal is replayed from its start, must end in the state
 * that the live engine told, and must hold exactly the order commands that were acknowledged, and of those that
 * nobody heard of at most all.
 */
import { CommandKind, EventKind } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { COMMANDS_AT, JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/recovery/recovery.js'
import { COMMAND_WORDS, Cmd, EVENT_WORDS, kindOf } from '../../engine/layout.js'
import type { Engine, EventSink } from '../../engine/types.js'

const ORDER_KINDS: ReadonlySet<number> = new Set([
  CommandKind.Place,
  CommandKind.Amend,
  CommandKind.Cancel,
  CommandKind.CancelAll,
])

export interface JournalCheck {
  readonly seq: number
  readonly stateHash: string
  /** Order commands in the journal. */
  readonly journaledOrders: number
  /** Commands that the engine rejected: they are acknowledged and journaled as the others. */
  readonly rejected: number
  readonly replaySeconds: number
}

/** @throws Error when the journal does not say what `live`, `acknowledged` and `unanswered` say. */
export function checkJournal(
  dataDir: string,
  live: { readonly seq: number; readonly stateHash: string },
  acknowledged: number,
  unanswered = 0,
): JournalCheck {
  const started = performance.now()
  const reader = new JournalReader(dataDir)
  let engine: Engine | undefined
  let journaledOrders = 0
  let rejected = 0
  const onEvents: EventSink = ({ words, count }) => {
    for (let event = 0; event < count; event++)
      if (kindOf(words[event * EVENT_WORDS]!) === EventKind.Rejected) rejected++
  }
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    engine ??= createEngine({ genesis: genesisOf(block), onEvents })
    for (let index = 0; index < block.count; index++) {
      if (ORDER_KINDS.has(kindOf(block.words[COMMANDS_AT + index * COMMAND_WORDS + Cmd.KIND]!)))
        journaledOrders++
    }
    applyBlock(engine, block)
  }
  reader.close()
  if (engine === undefined) throw new Error(`${dataDir}: the journal is empty`)
  engine.flush()
  const stateHash = Buffer.from(engine.stateHash()).toString('hex')
  if (engine.seq !== live.seq || stateHash !== live.stateHash)
    throw new Error(
      `replay ends at seq ${engine.seq}, state ${stateHash}; the engine was at ${live.seq}, ${live.stateHash}`,
    )
  if (journaledOrders < acknowledged || journaledOrders > acknowledged + unanswered)
    throw new Error(
      `${acknowledged} orders were acknowledged, ${unanswered} not answered, ${journaledOrders} are in the journal`,
    )
  return {
    seq: engine.seq,
    stateHash,
    journaledOrders,
    rejected,
    replaySeconds: (performance.now() - started) / 1000,
  }
}
