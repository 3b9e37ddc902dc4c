/**
 * What this gateway thread has done with orders since it started: plain numbers, counted on the way and
 * read by metrics.ts when somebody asks, so that nothing on the way touches the metrics library.
 */
import { EventKind } from '../../engine/codes.js'

/** Upper bounds of the latency histogram's buckets, seconds. */
export const LATENCY_BUCKETS_S = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const

export class Figures {
  /** Orders that came in here and were taken, and the fills that they met with. */
  orders = 0
  fills = 0
  /** Commands and requests refused, by code of the protocol. */
  readonly rejects = new Map<number, number>()
  /** Frames by latency: of each bucket alone, and those beyond the last. */
  readonly latencies: number[] = new Array<number>(LATENCY_BUCKETS_S.length + 1).fill(0)
  latencySumS = 0

  /** One event of a command that came in here. */
  event(kind: number): void {
    if (kind === EventKind.Accepted) this.orders++
    else if (kind === EventKind.Fill) this.fills++
  }

  reject(code: number): void {
    this.rejects.set(code, (this.rejects.get(code) ?? 0) + 1)
  }

  /** A frame was answered, so long after it came. */
  latency(ms: number): void {
    const seconds = ms / 1000
    const bucket = LATENCY_BUCKETS_S.findIndex((bound) => seconds <= bound)
    this.latencies[bucket < 0 ? LATENCY_BUCKETS_S.length : bucket]!++
    this.latencySumS += seconds
  }
}
