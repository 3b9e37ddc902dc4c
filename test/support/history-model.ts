/**
 * What an exchange's history must tell, said from the journal alone: every block is applied to an engine of
 * the model's own, and each event is written down in the words of the wire, by the rules of the protocol
 * and not with the gateway's code.
 */
import { CommandKind, EventKind, Reject } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { COMMANDS_AT, JournalReader, genesisOf } from '../../engine/journal/reader.js'
import {
  COMMAND_WORDS,
  EVENT_WORDS,
  Ev,
  FillEv,
  OrderEv,
  RejectedEv,
  TimeAdvancedEv,
  kindOf,
} from '../../engine/layout.js'
import { cloidAt } from '../../engine/records/access.js'

/** [seq, index, market, side, ticks, lots, fee, isMaker, orderId, cloid, remaining, timeMs] */
export type ModelFill = [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  bigint,
  number,
  number,
]

export interface ModelEnd {
  readonly account: number
  readonly cloid: bigint
  readonly orderId: number
  readonly seq: number
  readonly how: 'filled' | 'canceled' | 'rejected'
}

export interface ModelTrade {
  readonly market: number
  readonly seq: number
  readonly index: number
  readonly ticks: number
  readonly lots: number
  readonly takerSide: number
  readonly timeMs: number
}

export interface HistoryModel {
  readonly seq: number
  readonly fills: ReadonlyMap<number, readonly ModelFill[]>
  readonly ends: readonly ModelEnd[]
  readonly trades: readonly ModelTrade[]
}

/** Reads the whole journal of a data folder, at rest or live. */
export function historyModel(dataDir: string): HistoryModel {
  const fills = new Map<number, ModelFill[]>()
  const ends: ModelEnd[] = []
  const trades: ModelTrade[] = []
  let timeMs = 0
  let index = 0
  const reader = new JournalReader(dataDir)
  const first = reader.next()!
  const put = (account: number, fill: ModelFill): void => {
    const list = fills.get(account)
    if (list === undefined) fills.set(account, [fill])
    else list.push(fill)
  }
  const engine = createEngine({
    genesis: genesisOf(first),
    onEvents: ({ words, floats, count }) => {
      for (let event = 0; event < count; event++) {
        const at = event * EVENT_WORDS
        const float = at / 2
        const word = (offset: number): number => words[at + offset]!
        const cloid = (low: number): bigint => cloidAt(words, at + low)
        const kind = kindOf(word(Ev.KIND))
        const seq = floats[float + Ev.SEQ_F64]!
        // Of events of one order, the order's.
        const makerId = floats[float + FillEv.MAKER_ORDER_ID_F64]!
        const takerId = floats[float + FillEv.TAKER_ORDER_ID_F64]!
        const end = (account: number, low: number, orderId: number, how: ModelEnd['how']): void =>
          void ends.push({ account, cloid: cloid(low), orderId, seq, how })
        if (kind === EventKind.Fill) {
          const makerSide = (word(Ev.KIND) >>> FillEv.MAKER_SIDE_SHIFT) & 1
          const [maker, taker] = [word(FillEv.MAKER_ACCOUNT), word(FillEv.TAKER_ACCOUNT)]
          const [market, ticks, lots] = [word(FillEv.MARKET), word(FillEv.TICKS), word(FillEv.LOTS)]
          const [makerLeft, takerLeft] = [word(FillEv.MAKER_REMAINING), word(FillEv.TAKER_REMAINING)]
          const fee = (which: number): number => floats[float + which]!
          const own = index++
          trades.push({ market, seq, index: own, ticks, lots, takerSide: 1 - makerSide, timeMs })
          put(maker, [
            ...([seq, own, market, makerSide, ticks, lots, fee(FillEv.MAKER_FEE_F64), 1, makerId] as const),
            ...([cloid(FillEv.MAKER_CLOID_LO), makerLeft, timeMs] as const),
          ])
          put(taker, [
            ...([
              seq,
              own,
              market,
              1 - makerSide,
              ticks,
              lots,
              fee(FillEv.TAKER_FEE_F64),
              0,
              takerId,
            ] as const),
            ...([cloid(FillEv.TAKER_CLOID_LO), takerLeft, timeMs] as const),
          ])
          if (makerLeft === 0) end(maker, FillEv.MAKER_CLOID_LO, makerId, 'filled')
          if (takerLeft === 0) end(taker, FillEv.TAKER_CLOID_LO, takerId, 'filled')
        } else if (kind === EventKind.Canceled) end(word(Ev.ACCOUNT), OrderEv.CLOID_LO, makerId, 'canceled')
        else if (kind === EventKind.TimeAdvanced) timeMs = floats[float + TimeAdvancedEv.TIME_MS_F64]!
        else if (
          kind === EventKind.Rejected &&
          word(RejectedEv.COMMAND) === CommandKind.Place &&
          word(RejectedEv.CODE) !== Reject.FrameRejected
        )
          end(word(Ev.ACCOUNT), RejectedEv.CLOID_LO, makerId, 'rejected')
      }
    },
  })
  for (let block = reader.next(); block !== undefined; block = reader.next())
    for (let command = 0; command < block.count; command++) {
      index = 0
      engine.apply(block.words, block.floats, COMMANDS_AT + command * COMMAND_WORDS)
      engine.flush()
      timeMs = engine.timeMs
    }
  reader.close()
  return { seq: engine.seq, fills, ends, trades }
}
