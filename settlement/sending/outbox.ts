/**
 * The transactions of one key, in memory and on disk: the open ones, that are waited for, and the kept ones,
 * that are mined deep enough to count and shallow enough for a reorganisation to take them back. Used by
 * sender.ts.
 *
 * Invariant: what was signed is on disk before it is known here; a nonce has one entry.
 */
import type { Attempt, BatchStore, OutboxEntry } from '../store/store.js'

export class Outbox {
  private readonly entries = new Map<number, OutboxEntry>()

  /** Throws StoreError for a file that does not parse. */
  constructor(private readonly store: BatchStore) {
    for (const entry of store.readOutbox()) this.entries.set(entry.nonce, entry)
  }

  /** Entries that are waited for, in order of their nonces. */
  get open(): OutboxEntry[] {
    return this.sorted().filter(({ mined }) => mined === undefined)
  }

  /** Entries that were mined and may be taken back, in order of their nonces. */
  get kept(): OutboxEntry[] {
    return this.sorted().filter(({ mined }) => mined !== undefined)
  }

  get isEmpty(): boolean {
    return this.entries.size === 0
  }

  /** -1 without entries. */
  get highestNonce(): number {
    return Math.max(-1, ...this.entries.keys())
  }

  has(nonce: number): boolean {
    return this.entries.has(nonce)
  }

  at(nonce: number): OutboxEntry | undefined {
    return this.entries.get(nonce)
  }

  /** The newest entry for `label`: a batch that was struck is committed twice. */
  find(label: string): OutboxEntry | undefined {
    return this.sorted().findLast((entry) => entry.label === label)
  }

  put(entry: OutboxEntry): void {
    this.store.writeOutbox(entry)
    this.entries.set(entry.nonce, entry)
  }

  addAttempt(nonce: number, attempt: Attempt): void {
    const entry = this.entries.get(nonce)!
    this.put({ ...entry, attempts: [...entry.attempts, attempt], attemptAtMs: Date.now() })
  }

  /** It counts now. */
  keep(nonce: number, mined: NonNullable<OutboxEntry['mined']>): void {
    this.put({ ...this.entries.get(nonce)!, mined })
  }

  /** The chain took it back: it is waited for again. */
  reopen(nonce: number): void {
    const { mined: _mined, ...entry } = this.entries.get(nonce)!
    this.put({ ...entry, attemptAtMs: Date.now() })
  }

  remove(nonce: number): void {
    this.entries.delete(nonce)
    this.store.removeOutbox(nonce)
  }

  private sorted(): OutboxEntry[] {
    return [...this.entries.values()].sort((a, b) => a.nonce - b.nonce)
  }
}
