/**
 * Damage at rest: one flipped bit inside a block of the journal or in a snapshot, in the page cache and
 * on the platter. With the checksum check "switched off" the disk mends both checksums of the block, so
 * that only what does not rest on them can still notice.
 */
import { BLOCK_HEADER_BYTES, SECTOR_BYTES, readHeader } from '../../engine/journal/format.js'
import { crc32c } from '../../engine/journal/crc32c.js'
import { journalFolder, snapshotFolder } from '../../engine/journal/segments.js'
import type { FakeDisk } from './fake-disk.js'
import type { Random } from './random.js'
import { DATA_DIR } from './server.js'

export interface Flip {
  readonly path: string
  /** Where `original` belongs: the block that was hit, or the byte of a snapshot. */
  readonly offset: number
  readonly original: Uint8Array
}

interface Place {
  readonly path: string
  readonly offset: number
  readonly length: number
}

/** Places of all blocks on the disk, in order. */
export function blocksOn(disk: FakeDisk): Place[] {
  const places: Place[] = []
  const folder = journalFolder(DATA_DIR)
  for (const name of disk.list(folder).filter((file) => file.endsWith('.glass'))) {
    const path = `${folder}/${name}`
    const { seen } = disk.raw(path)
    for (let offset = 0; offset + BLOCK_HEADER_BYTES <= seen.length;) {
      const header = readHeader(seen.subarray(offset))
      if (typeof header === 'string') break
      places.push({ path, offset, length: header.length })
      offset += Math.ceil(header.length / SECTOR_BYTES) * SECTOR_BYTES
    }
  }
  return places
}

/** Flips one bit of a snapshot or of a block, of one of the last two blocks half of the time. */
export function flipBit(disk: FakeDisk, random: Random): Flip | undefined {
  const snapshots = disk.list(snapshotFolder(DATA_DIR)).filter((name) => name.endsWith('.snapshot'))
  if (snapshots.length > 0 && random.chance(0.25)) {
    const path = `${snapshotFolder(DATA_DIR)}/${random.pick(snapshots)}`
    return flipIn(disk, random, { path, offset: random.below(disk.raw(path).seen.length), length: 1 })
  }
  const blocks = blocksOn(disk)
  if (blocks.length === 0) return undefined
  return flipIn(disk, random, random.pick(random.chance(0.5) ? blocks.slice(-2) : blocks))
}

function flipIn(disk: FakeDisk, random: Random, { path, offset, length }: Place): Flip {
  const original = disk.raw(path).seen.slice(offset, offset + length)
  const at = random.below(length)
  disk.poke(path, offset + at, original[at]! ^ (1 << random.below(8)))
  return { path, offset, original }
}

/** Puts back what a flip changed, if the file is still there (of snapshots only two are kept). */
export function mendFlip(disk: FakeDisk, { path, offset, original }: Flip): void {
  if (disk.has(path)) original.forEach((byte, index) => disk.poke(path, offset + index, byte))
}

/** Makes the checksums of a flipped block right again. */
export function mendChecksums(disk: FakeDisk, { path, offset, original }: Flip): void {
  if (original.length < BLOCK_HEADER_BYTES) return
  const bytes = disk.raw(path).seen.slice(offset, offset + original.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(96, crc32c(bytes.subarray(BLOCK_HEADER_BYTES)), true)
  view.setUint32(124, crc32c(bytes.subarray(0, 124)), true)
  for (let at = 96; at < BLOCK_HEADER_BYTES; at++) disk.poke(path, offset + at, bytes[at]!)
}
