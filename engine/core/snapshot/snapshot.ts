/**
 * The whole state as bytes and back. The body is canonical: it says what the state means, in a fixed
 * order, and nothing of slots, rows or free lists. So equal states have equal bodies, and the SHA-256 of
 * the body is the state hash.
 *
 * Capture writes the unsealed bytes in one pass; sealing (the hash) needs no engine and may be done
 * later, in another thread. Called by engine.ts.
 * SHA-256 is the platform's: the one thing that the core takes from outside, a function of its bytes alone.
 */
import { createHash } from 'node:crypto'
import { ByteReader } from '../base/byte-stream.js'
import {
  DIGEST_BYTES,
  SNAPSHOT_HEADER_BYTES,
  SNAPSHOT_MAGIC,
  SNAPSHOT_VERSION,
  SnapshotError,
} from './snapshot-format.js'
import type { State } from '../state/state.js'
import { readBody } from './snapshot-read.js'
import { captureState } from './snapshot-write.js'

export { SnapshotError } from './snapshot-format.js'
export { captureState } from './snapshot-write.js'

/** SHA-256 of the state's body. */
export function hashState(state: State): Uint8Array {
  return new Uint8Array(digestOf(captureState(state)))
}

/** Fills in the checksum of captured bytes, which may be in another thread by now. */
export function sealSnapshot(bytes: Uint8Array): void {
  bytes.set(digestOf(bytes), bytes.length - DIGEST_BYTES)
}

/** SHA-256 of the body of captured bytes. */
function digestOf(bytes: Uint8Array): Uint8Array {
  const body = bytes.subarray(SNAPSHOT_HEADER_BYTES, bytes.length - DIGEST_BYTES)
  return createHash('sha256').update(body).digest()
}

/**
 * Fills an empty state (no markets, accounts or orders yet) from a sealed snapshot.
 * @throws SnapshotError when the bytes are damaged, of another version, or more than the state can hold.
 */
export function restoreState(bytes: Uint8Array, state: State): void {
  readBody(openSnapshot(bytes), state)
}

/** Checks frame, version and checksum; the reader stands at the body. */
function openSnapshot(bytes: Uint8Array): ByteReader {
  if (bytes.length < SNAPSHOT_HEADER_BYTES + DIGEST_BYTES)
    throw new SnapshotError(`${bytes.length} bytes are no snapshot`)
  const aligned = bytes.slice()
  const reader = new ByteReader(aligned)
  if (reader.int() !== SNAPSHOT_MAGIC) throw new SnapshotError('the magic number is not a snapshot’s')
  const version = reader.int()
  if (version !== SNAPSHOT_VERSION)
    throw new SnapshotError(`version ${version}, this engine reads ${SNAPSHOT_VERSION}`)
  const length = reader.float()
  const found = bytes.length - SNAPSHOT_HEADER_BYTES - DIGEST_BYTES
  if (length !== found) throw new SnapshotError(`body of ${found} bytes, its header says ${length}`)
  const digest = digestOf(aligned)
  for (let at = 0; at < DIGEST_BYTES; at++)
    if (digest[at] !== aligned[aligned.length - DIGEST_BYTES + at])
      throw new SnapshotError('the checksum does not match')
  return reader
}
