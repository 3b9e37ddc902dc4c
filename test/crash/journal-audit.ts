/**
 * Holds the journal against what clients were told: every order that was acknowledged is in it exactly once
 * and with the order id that was told, nothing refused is in it, every fill that a client saw is in it
 * unchanged. The state at its end is checked, and the fills of each account are answered with, for who
 * compares them with what history tells.
 */
import { EventKind } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { applyBlock } from '../../engine/recovery/recovery.js'
import { AcceptedEv, EVENT_WORDS, Ev, FillEv, kindOf } from '../../engine/layout.js'
import { cloidAt } from '../../engine/records/access.js'
import type { Engine, EventBuffer } from '../../engine/types.js'
import type { Trader } from './trader.js'

export interface JournalAudit {
  readonly acknowledged: number
  readonly refused: number
  /** Frames whose answer was lost, and what became of them when asked for afterwards. */
  readonly unknown: number
  readonly fillsSeen: number
  readonly seq: number
  /** By account: its side of each fill, oldest first, as "seq/orderId/ticks/lots". */
  readonly fillsOf: ReadonlyMap<number, readonly string[]>
}

/** Reads the journal from its beginning and holds what the traders know against it. Throws what is broken. */
export function auditJournal(dataDir: string, traders: readonly Trader[]): JournalAudit {
  const fillsOf = new Map<number, string[]>()
  const accepted = new Map<string, number[]>()
  const fills = new Set<string>()
  const onEvents = ({ words, floats, count }: EventBuffer): void => {
    for (let index = 0; index < count; index++) {
      const at = index * EVENT_WORDS
      const kind = kindOf(words[at]!)
      if (kind === EventKind.Accepted) {
        const cloid = cloidAt(words, at + AcceptedEv.CLOID_LO)
        const key = `${words[at + Ev.ACCOUNT]}/${cloid}`
        accepted.set(key, [...(accepted.get(key) ?? []), floats[at / 2 + AcceptedEv.ORDER_ID_F64]!])
      } else if (kind === EventKind.Fill) {
        const seq = floats[at / 2 + Ev.SEQ_F64]!
        const terms = `${words[at + FillEv.TICKS]}/${words[at + FillEv.LOTS]}`
        for (const [account, orderId] of [
          [words[at + FillEv.MAKER_ACCOUNT]!, floats[at / 2 + FillEv.MAKER_ORDER_ID_F64]!],
          [words[at + FillEv.TAKER_ACCOUNT]!, floats[at / 2 + FillEv.TAKER_ORDER_ID_F64]!],
        ] as const) {
          const fill = `${seq}/${orderId}/${terms}`
          fills.add(fill)
          fillsOf.set(account, [...(fillsOf.get(account) ?? []), fill])
        }
      }
    }
  }
  let engine: Engine | undefined
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    engine ??= createEngine({ genesis: genesisOf(block), onEvents })
    applyBlock(engine, block)
  }
  if (reader.end().kind !== 'clean') throw new Error('the journal of a stopped venue is torn')
  reader.close()
  engine!.checkInvariants()

  let acknowledged = 0
  let refused = 0
  let fillsSeen = 0
  for (const { wishes, fills: seen } of traders) {
    for (const { account, cloid, orderId, refusal } of wishes) {
      const orders = accepted.get(`${account}/${cloid}`) ?? []
      const order = `order ${cloid} of account ${account}`
      if (orders.length > 1) throw new Error(`${order} was executed at ${orders.join(' and ')}`)
      if (orderId !== undefined && (orders.length === 0 || (orderId !== 0 && orders[0] !== orderId)))
        throw new Error(`${order} was acknowledged as ${orderId}, the journal has ${String(orders[0])}`)
      if (refusal !== '' && orders.length > 0)
        throw new Error(`${order} was refused (${refusal}), and is in the journal at ${orders[0]}`)
      if (orderId === undefined && refusal === '') throw new Error(`${order} has no outcome`)
      if (refusal !== '') refused++
      else acknowledged++
    }
    for (const { seq, orderId, ticks, lots } of seen.fills) {
      fillsSeen++
      if (!fills.has(`${seq}/${orderId}/${ticks}/${lots}`))
        throw new Error(`the fill of order ${orderId} at seq ${seq} was seen and is not in the journal`)
    }
  }
  const unknown = traders.reduce((sum, trader) => sum + trader.unknown, 0)
  return { acknowledged, refused, unknown, fillsSeen, seq: engine!.seq, fillsOf }
}
