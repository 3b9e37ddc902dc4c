/**
 * The tape that random sessions are read from: bytes, and what of the session so far draws depend on. Any
 * tape is a session, and a shorter tape is a shorter session, so a failing one shrinks well. Used by
 * random-session.ts and its parts; in tests only.
 */
import { INT_NOT_AN_INTEGER, INT_OVER_LIMIT } from '../layout.js'

/** Accounts 0 to 3 have funds, 4 has none. */
export const ACCOUNTS = 5
export const BAD_INTS = [0, -1, INT_OVER_LIMIT, INT_NOT_AN_INTEGER, 2 ** 31 - 1]
export const BAD_UNITS = [0, -1, 1.5, NaN, Infinity, 2 ** 53, 2 ** 53 - 1]

/** Plain; the fee account is emptied; mass cancels are many; frames are many; orders expire in crowds. */
export type Mood = 'plain' | 'emptying' | 'cancelling' | 'framed' | 'expiring'
export const MOODS: readonly Mood[] = ['plain', 'plain', 'emptying', 'cancelling', 'framed', 'expiring']

export class Tape {
  private at = 0
  private last = 0
  /** The last approval drawn of each account. */
  readonly approvals = new Map<number, number>()
  /** Quote units are multiplied by it: large amounts take other paths of the fee arithmetic. */
  scale = 1
  /** Lowest price drawn, and how many ticks above it: at prices of a few ticks bands are narrower than one. */
  lowTicks = 95
  spreadTicks = 12
  /** The largest time drawn. */
  nowMs = 0
  frameNonce = 0
  massCancels = 0
  /** What a session does more of than others. */
  mood: Mood = 'plain'

  constructor(private readonly bytes: Uint8Array) {}

  get empty(): boolean {
    return this.at >= this.bytes.length
  }

  /** The next byte; 0 behind the end. */
  byte(): number {
    return this.bytes[this.at++] ?? 0
  }

  /** One of 0 to `count` - 1. */
  below(count: number): number {
    return this.byte() % count
  }

  /** An account: often the one before again, so that frames and amends find their owner. */
  account(): number {
    const choice = this.byte()
    if (choice < 4) return [-1, 7, 99, ACCOUNTS - 1][choice]!
    if (choice >= 64) this.last = choice % (ACCOUNTS - 1)
    return this.last
  }

  /** True once in `times`. */
  rarely(times: number): boolean {
    return this.byte() % times === times - 1
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  ticks(): number {
    return this.rarely(60) ? this.pick(BAD_INTS) : this.lowTicks + this.below(this.spreadTicks)
  }
}

/** What a draw may look at: orders to name, balances to empty, whose frame is open. */
export interface Scene {
  /** Account of the open frame; undefined = none is open. */
  readonly framed: number | undefined
  readonly live: readonly LiveOrder[]
  readonly feeAccount: number
  /** Steps that one message may take. */
  readonly stepsMax: number
  available(account: number, asset: number): number
  /** A session of the account that may open frames, as far as there is one. */
  approval(account: number): number
  /** A session of the account that was revoked or has expired, as far as there is one. */
  endedApproval(account: number): number
}

/** An order that a command may name. */
export interface LiveOrder {
  readonly account: number
  readonly market: number
  readonly cloid: bigint
  readonly ticks: number
  readonly lots: number
  readonly side: number
  readonly waiting: boolean
  /** 0 = never. */
  readonly expiresAtMs: number
}
