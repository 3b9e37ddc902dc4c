/**
 * The follower's state on disk, so that a start replays the journal's end only. Written now and then when a
 * batch is sealed; a start takes it when it is whole and not behind the wrong batch, else replays from the
 * beginning.
 *
 *   settlement/follower.snapshot
 *     0  magic "GLASSFOL"     8  u32 version (1), little-endian    12  u32 bytes of the head
 *    16  head, UTF-8 JSON (FollowerHead)
 *        frames: f64 order id and 32-byte hash each, `frames` of them
 *        Engine.snapshot()
 *        SHA-256 of all that
 *
 * Invariant: only a cache: everything in it follows from the journal.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JournalPosition } from '../../engine/journal/reader.js'
import { bytesToHex, hexToBytes } from '../batch/commit.js'
import { writeDurable } from '../store/store.js'

const MAGIC = 'GLASSFOL'
const VERSION = 1
const NAME = 'follower.snapshot'
const HASH_BYTES = 32
const FRAME_BYTES = 8 + HASH_BYTES
const HEAD_AT = 16

export interface FollowerSnapshot {
  /** Place behind the last block that was applied, all of it. */
  readonly position: JournalPosition
  readonly seq: number
  /** Hash of the last block with commands. */
  readonly head: Uint8Array
  /** Frame hash of each live order. */
  readonly frames: ReadonlyMap<number, Uint8Array>
  readonly engine: Uint8Array
}

interface FollowerHead {
  readonly position: Omit<JournalPosition, 'head'> & { readonly head: string }
  readonly seq: number
  readonly head: string
  readonly frames: number
}

/** Makes a snapshot durable in `folder`. */
export function writeFollowerSnapshot(folder: string, snapshot: FollowerSnapshot): void {
  const { position, seq, head, frames, engine } = snapshot
  const json: FollowerHead = {
    position: { ...position, head: bytesToHex(position.head) },
    seq,
    head: bytesToHex(head),
    frames: frames.size,
  }
  const headBytes = Buffer.from(JSON.stringify(json))
  const framesAt = HEAD_AT + headBytes.length
  const engineAt = framesAt + frames.size * FRAME_BYTES
  const bytes = Buffer.alloc(engineAt + engine.length + HASH_BYTES)
  bytes.write(MAGIC, 'latin1')
  bytes.writeUInt32LE(VERSION, 8)
  bytes.writeUInt32LE(headBytes.length, 12)
  bytes.set(headBytes, HEAD_AT)
  let at = framesAt
  for (const [orderId, hash] of frames) {
    bytes.writeDoubleLE(orderId, at)
    bytes.set(hash, at + 8)
    at += FRAME_BYTES
  }
  bytes.set(engine, engineAt)
  const end = bytes.length - HASH_BYTES
  bytes.set(createHash('sha256').update(bytes.subarray(0, end)).digest(), end)
  writeDurable(folder, NAME, bytes)
}

/** The snapshot in `folder`; undefined when there is none, or none that is whole. */
export function readFollowerSnapshot(folder: string): FollowerSnapshot | undefined {
  let bytes: Buffer
  try {
    bytes = readFileSync(join(folder, NAME))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const end = bytes.length - HASH_BYTES
  if (end < HEAD_AT || bytes.toString('latin1', 0, 8) !== MAGIC || bytes.readUInt32LE(8) !== VERSION)
    return undefined
  if (!createHash('sha256').update(bytes.subarray(0, end)).digest().equals(bytes.subarray(end)))
    return undefined
  const framesAt = HEAD_AT + bytes.readUInt32LE(12)
  const head = JSON.parse(bytes.toString('utf8', HEAD_AT, framesAt)) as FollowerHead
  const frames = new Map<number, Uint8Array>()
  for (let at = framesAt, left = head.frames; left > 0; left--, at += FRAME_BYTES)
    frames.set(bytes.readDoubleLE(at), Uint8Array.from(bytes.subarray(at + 8, at + FRAME_BYTES)))
  return {
    position: { ...head.position, head: hexToBytes(head.position.head) },
    seq: head.seq,
    head: hexToBytes(head.head),
    frames,
    engine: Uint8Array.from(bytes.subarray(framesAt + head.frames * FRAME_BYTES, end)),
  }
}
