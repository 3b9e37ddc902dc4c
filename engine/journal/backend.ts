/**
 * Where journal blocks go. The embedded default is a folder of segment files (file-backend.ts). The
 * interface is shaped so that a replicated log can stand in its place: one call is one fencing
 * transaction ("put block N if block N is absent and the leader's epoch is still mine"), its
 * acknowledgement is durability on a quorum, and blocks (up to 256 KiB) are its unit.
 *
 * Invariant: blocks are appended in order of their number, one at a time; the next one is handed over
 * only after the one before is durable. So at most one block can ever be half there after a crash.
 */
export interface AppendedBlock {
  /** Whole sectors: the block and zeros up to the sector's end. Valid until `append` is done. */
  readonly bytes: Uint8Array
  /** Length without the padding. */
  readonly length: number
  readonly number: number
  /** Fencing token: a backend that has seen a larger epoch must refuse with EpochFenced. */
  readonly epoch: number
}

export interface JournalBackend {
  /**
   * Makes a block durable: done when it returns, or when its promise resolves. Throws JournalWriteError,
   * JournalSyncError or EpochFenced, after which the backend must not be used again: nobody knows what
   * of the block is there, and recovery decides.
   */
  append(block: AppendedBlock): void | Promise<void>
  /** Called after each append, once its durability was announced: a moment for work that can be done ahead. */
  maintain(): void
  close(): void
}

/** A write failed or was short. */
export class JournalWriteError extends Error {
  override readonly name = 'JournalWriteError'
}

/** A sync failed. It must not be tried again: the kernel may have marked the lost pages clean. */
export class JournalSyncError extends Error {
  override readonly name = 'JournalSyncError'
}

/** Another process leads with a newer epoch. */
export class EpochFenced extends Error {
  override readonly name = 'EpochFenced'
}
