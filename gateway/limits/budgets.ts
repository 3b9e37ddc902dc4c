/**
 * Token buckets: how much a client may ask for. A bucket holds `burst` tokens and gains `perSecond`; a
 * request takes its weight or is refused with the time after which it would not be. Cancels have a bucket
 * of their own, so that nobody is kept from taking risk off by having put too much on.
 *
 * Buckets of those who are gone are forgotten once they would be full again.
 */
import { BUCKETS_SWEPT } from '../limits.js'
export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

/** Why a client does not get what he asks for, and where it helps to wait, how long (ms). */
export interface Refusal {
  readonly code: number
  readonly message: string
  readonly retryAfter?: number
}

class Bucket {
  tokens: number
  atMs: number
  constructor(tokens: number, atMs: number) {
    this.tokens = tokens
    this.atMs = atMs
  }
}

/** Buckets of one kind, by key (an account or an address). */
export class Budget<K> {
  readonly #rate: Rate
  readonly #buckets = new Map<K, Bucket>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes `weight` tokens of `key` at `nowMs`. 0 = taken; else the milliseconds until it could be. */
  take(key: K, weight: number, nowMs: number): number {
    const { perSecond, burst } = this.#rate
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      this.#sweep(nowMs)
      bucket = new Bucket(burst, nowMs)
      this.#buckets.set(key, bucket)
    } else {
      if (nowMs > bucket.atMs) {
        bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1000)
      }
      bucket.atMs = nowMs
    }
    if (bucket.tokens >= weight) {
      bucket.tokens -= weight
      return 0
    }
    return Math.ceil(((weight - bucket.tokens) * 1000) / perSecond)
  }

  /** Takes what has been spent already, also where it is not there: down to minus the burst, or to `least`. */
  charge(key: K, weight: number, nowMs: number, least = -this.#rate.burst): void {
    if (weight <= 0) return
    this.take(key, 0, nowMs)
    const bucket = this.#buckets.get(key)!
    bucket.tokens = Math.max(Math.min(least, bucket.tokens), bucket.tokens - weight)
  }

  /** The part of the bucket that is left, 0 to 1. */
  left(key: K): number {
    return (this.#buckets.get(key)?.tokens ?? this.#rate.burst) / this.#rate.burst
  }

  #sweep(nowMs: number): void {
    const { perSecond, burst } = this.#rate
    let looked = 0
    for (const [key, bucket] of this.#buckets) {
      if (++looked > BUCKETS_SWEPT) break
      this.#buckets.delete(key)
      // Put back at the end, to be looked at again later.
      const tokens = bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1000
      if (tokens < burst) this.#buckets.set(key, bucket)
    }
  }
}

/** A budget whose spender is told so: by which code, which budget has nothing left, whose it is, and what it holds. */
export class ToldBudget<K> extends Budget<K> {
  readonly #code: number
  readonly #words: (key: K) => string

  /** `what` is counted, as in "the order budget"; `whose` says who a key is. */
  constructor(rate: Rate, code: number, what: string, whose: (key: K) => string) {
    super(rate)
    this.#code = code
    this.#words = (key) =>
      `the ${what} budget of ${whose(key)} is spent: ${rate.perSecond} a second, at most ${rate.burst} at once`
  }

  /** Takes `weight` tokens of `key` at `nowMs`, or says why not. */
  pay(key: K, weight: number, nowMs: number): Refusal | undefined {
    const retryAfter = this.take(key, weight, nowMs)
    return retryAfter === 0 ? undefined : { code: this.#code, message: this.#words(key), retryAfter }
  }
}

/** Keys as refusals say them. */
export const ofAddress = (ip: string): string => ip
export const ofAccount = (account: number): string => `account ${account}`
