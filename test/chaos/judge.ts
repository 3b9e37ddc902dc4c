/** Holds what clients were told and what their trackers say against the journal, applied to an engine of its own. */
import { EventKind, Side } from '../../engine/codes.js'
import { type Engine, createEngine } from '../../engine/index.js'
import { COMMANDS_AT, JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { AcceptedEv, COMMAND_WORDS, EVENT_WORDS, Ev, FillEv, kindOf } from '../../engine/layout.js'
import { cloidAt } from '../../engine/records/access.js'
import type { BookSideLevel, TrackedFill, TrackedOrder } from '../../sdk/index.js'

const MARKET = 0

/** A market's resting orders as its L3 stream tells them: "id side ticks lots", in the order of ids. */
export interface L3Claim {
  readonly seq: number
  readonly orders: readonly string[]
}

/** What became of a command, as it was told. */
export interface Told {
  readonly seq: number
  readonly cloid: bigint
  readonly isTaken: boolean
}

/** A book that called itself ready. */
export interface Claims {
  readonly seq: number
  readonly bids: readonly BookSideLevel[]
  readonly asks: readonly BookSideLevel[]
}

export interface PartyEnd {
  readonly account: number
  readonly told: readonly Told[]
  readonly complete: boolean
  readonly fills: readonly TrackedFill[]
  readonly ready: Readonly<Record<'book' | 'orders' | 'fills' | 'balances', boolean>>
  readonly bids: readonly BookSideLevel[]
  readonly asks: readonly BookSideLevel[]
  readonly orders: readonly TrackedOrder[]
  /** Of each order, how often its end was told. */
  readonly endsTold: ReadonlyMap<number, number>
  /** What the account's history tells, all pages. */
  readonly history: readonly TrackedFill[]
  readonly balances: ReadonlyMap<number, { readonly available: number; readonly reserved: number }>
}

const FINDINGS_MAX = 20
const levelsText = (levels: readonly BookSideLevel[]): string =>
  levels.map(({ ticks, lots, orders }) => `${ticks}:${lots}/${orders}`).join(' ')
const orderText = ({
  orderId,
  cloid,
  ticks,
  lots,
  remaining,
}: Pick<TrackedOrder, 'orderId' | 'cloid' | 'ticks' | 'lots' | 'remaining'>): string =>
  `${orderId} (${cloid}): ${remaining} of ${lots} at ${ticks}`

/** `untilSeq`: what was settled when the ends were taken; later commands (a clock's) change nothing told here. */
export function judge(
  dataDir: string,
  untilSeq: number,
  ends: readonly PartyEnd[],
  claims: readonly Claims[],
  l3Claims: readonly L3Claim[],
): {
  readonly fills: number
  readonly booksCompared: number
  readonly l3Compared: number
  readonly findings: readonly string[]
} {
  const findings: string[] = []
  const differ = (what: string, told: string, is: string): void => {
    if (told !== is && findings.length < FINDINGS_MAX)
      findings.push(`${what}: told ${told.slice(0, 300)} | the journal ${is.slice(0, 300)}`)
  }
  const fillsOf = new Map<number, string[]>()
  const accepted = new Map<number, bigint>()
  const rejected = new Set<number>()
  let fills = 0
  let index = 0
  let lastSeq = -1
  const onEvents = ({
    words,
    floats,
    count,
  }: {
    words: Int32Array
    floats: Float64Array
    count: number
  }): void => {
    for (let at = 0; at < count * EVENT_WORDS; at += EVENT_WORDS) {
      const kind = kindOf(words[at]!)
      const seq = floats[at / 2 + Ev.SEQ_F64]!
      const account = words[at + Ev.ACCOUNT]!
      if (kind === EventKind.Accepted) accepted.set(seq, cloidAt(words, at + AcceptedEv.CLOID_LO))
      if (kind === EventKind.Rejected) rejected.add(seq)
      if (kind !== EventKind.Fill) continue
      fills++
      index = seq === lastSeq ? index + 1 : 0
      lastSeq = seq
      const terms = `${words[at + FillEv.TICKS]}/${words[at + FillEv.LOTS]}`
      for (const [of, orderId] of [
        [account, floats[at / 2 + FillEv.MAKER_ORDER_ID_F64]!],
        [words[at + FillEv.TAKER_ACCOUNT]!, floats[at / 2 + FillEv.TAKER_ORDER_ID_F64]!],
      ] as const)
        fillsOf.set(of, [...(fillsOf.get(of) ?? []), `${seq}.${index}/${orderId}/${terms}`])
    }
  }
  const bySeq = new Map<number, Claims[]>()
  for (const claim of claims) bySeq.set(claim.seq, [...(bySeq.get(claim.seq) ?? []), claim])
  let booksCompared = 0
  const l3BySeq = new Map(l3Claims.map((claim) => [claim.seq, claim]))
  let l3Compared = 0
  const compareL3 = (engine: Engine): void => {
    const claim = l3BySeq.get(engine.seq)
    if (claim === undefined) return
    l3Compared++
    const resting = engine
      .restingOrders(MARKET)
      .sort((a, b) => a.orderId - b.orderId)
      .map(({ orderId, side, ticks, visible }) => `${orderId} ${side} ${ticks} ${visible}`)
    differ(`L3 at seq ${claim.seq}`, claim.orders.join('; '), resting.join('; '))
  }
  const compareBooks = (engine: Engine): void => {
    for (const { seq, bids, asks } of bySeq.get(engine.seq) ?? []) {
      booksCompared++
      for (const [side, levels] of [
        [Side.Buy, bids],
        [Side.Sell, asks],
      ] as const)
        differ(
          `a book that is ready at seq ${seq}`,
          levelsText(levels),
          levelsText(engine.book(MARKET, side, 10)),
        )
    }
  }
  let engine: Engine | undefined
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined; block = reader.next()) {
    engine ??= createEngine({ genesis: genesisOf(block), onEvents })
    for (let command = 0; command < block.count; command++) {
      engine.apply(block.words, block.floats, COMMANDS_AT + command * COMMAND_WORDS)
      engine.flush()
      compareBooks(engine)
      compareL3(engine)
    }
  }
  if (reader.end().kind !== 'clean') findings.push('the journal is torn')
  reader.close()
  if (engine === undefined || engine.seq < untilSeq) throw new Error('the journal ends before what was told')

  for (const end of ends) {
    const who = `account ${end.account}`
    for (const { seq, cloid, isTaken } of end.told) {
      if (accepted.has(seq)) differ(`${who}, command ${seq}`, String(cloid), String(accepted.get(seq)))
      differ(`${who}, command ${seq}`, isTaken ? 'taken' : 'refused', rejected.has(seq) ? 'refused' : 'taken')
    }
    const seen = end.fills.map(
      ({ seq, index: at, orderId, ticks, lots }) => `${seq}.${at}/${orderId}/${ticks}/${lots}`,
    )
    const made = fillsOf.get(end.account) ?? []
    // In their order, each once; all of them unless it is said that some were missed.
    const expected = end.complete ? made : made.filter((fill) => seen.includes(fill))
    if (seen.join() !== expected.join()) {
      const missed = made.filter((fill) => !seen.includes(fill))
      differ(
        `${who}, fills (complete ${end.complete})`,
        `${seen.length}`,
        `${made.length}, missed ${missed.slice(0, 3).join(' ')}`,
      )
    }
    const told = end.history.map(
      ({ seq, index: at, orderId, ticks, lots }) => `${seq}.${at}/${orderId}/${ticks}/${lots}`,
    )
    differ(`${who}, history`, told.join(' '), made.join(' '))
    for (const [orderId, times] of end.endsTold)
      differ(`${who}, order ${orderId}: its end was told`, `${times} times`, '1 times')
    if (end.ready.book) {
      differ(`${who}, bids`, levelsText(end.bids), levelsText(engine.book(MARKET, Side.Buy, 10_000)))
      differ(`${who}, asks`, levelsText(end.asks), levelsText(engine.book(MARKET, Side.Sell, 10_000)))
    }
    if (end.ready.orders)
      differ(
        `${who}, orders`,
        end.orders.map(orderText).sort().join('; '),
        engine.orders(end.account).map(orderText).sort().join('; '),
      )
    if (end.ready.balances)
      for (const { asset, available, reserved } of engine.balances(end.account)) {
        const told = end.balances.get(asset)
        differ(
          `${who}, asset ${asset}`,
          `${told?.available} and ${told?.reserved}`,
          `${available} and ${reserved}`,
        )
      }
  }
  return { fills, booksCompared, l3Compared, findings }
}
