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
  readonly offset: number
  /** The byte as it was. */
  readonly before: number
  /** Journal: offset and length of the block that was hit. */
  readonly block?: { readonly offset: number; readonly length: number }
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
    return flipAt(disk, random, path, random.below(disk.raw(path).seen.length))
  }
  const blocks = blocksOn(disk)
  if (blocks.length === 0) return undefined
  const block = random.pick(random.chance(0.5) ? blocks.slice(-2) : blocks)
  const flip = flipAt(disk, random, block.path, block.offset + random.below(block.length))
  return { ...flip, block: { offset: block.offset, length: block.length } }
}

function flipAt(disk: FakeDisk, random: Random, path: string, offset: number): Flip {
  const before = disk.raw(path).seen[offset]!
  disk.poke(path, offset, before ^ (1 << random.below(8)))
  return { path, offset, before }
}

/** Makes the checksums of a flipped block right again. */
export function mendChecksums(disk: FakeDisk, { path, block }: Flip): void {
  if (block === undefined) return
  const bytes = disk.raw(path).seen.slice(block.offset, block.offset + block.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(96, crc32c(bytes.subarray(BLOCK_HEADER_BYTES)), true)
  view.setUint32(124, crc32c(bytes.subarray(0, 124)), true)
  for (let at = 96; at < BLOCK_HEADER_BYTES; at++) disk.poke(path, block.offset + at, bytes[at]!)
}
