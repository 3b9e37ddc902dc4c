/**
 * A disk in memory with the sins of real ones. Each file has the bytes that a process sees (the page
 * cache) and the bytes that a power loss leaves (the platter). A write changes the first; a sync copies
 * its dirty sectors to the second. At a power loss each dirty sector is old or new by lot; folder
 * entries that were not synced survive as a random prefix of what was done.
 *
 * Faults: a crash in the middle of any call, short writes, a full disk, failed syncs after which the
 * dirty sectors are clean but never reached the platter (as Linux does), flipped bits.
 */
import type { Disk, DiskFile } from '../../engine/journal/disk.js'
import type { Random } from './random.js'

const SECTOR = 512

/** Thrown out of a disk call when the simulated process or machine dies in it. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash'
}

class Inode {
  seen = new Uint8Array(0)
  platter = new Uint8Array(0)
  readonly dirty = new Set<number>()

  write(source: Uint8Array, position: number): void {
    const end = position + source.length
    if (end > this.seen.length) this.seen = grown(this.seen, end)
    this.seen.set(source, position)
    for (let sector = Math.floor(position / SECTOR); sector * SECTOR < end; sector++) this.dirty.add(sector)
  }

  /** Copies a sector to the platter as it is seen. */
  land(sector: number): void {
    const from = sector * SECTOR
    const part = this.seen.subarray(from, from + SECTOR)
    if (from + part.length > this.platter.length) this.platter = grown(this.platter, from + part.length)
    this.platter.set(part, from)
  }

  sync(): void {
    for (const sector of this.dirty) this.land(sector)
    this.dirty.clear()
  }

  losePower(random: Random): void {
    for (const sector of this.dirty) if (random.chance(0.5)) this.land(sector)
    this.dirty.clear()
    this.seen = this.platter.slice()
  }
}

function grown(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(size)
  larger.set(bytes)
  return larger
}

type Entries = Map<string, Inode>

/** What the next disk calls do wrong. */
export interface DiskFaults {
  /** Die in the call after so many more calls; negative = never. */
  crashIn: number
  /** Fail writes that make a file larger. */
  full: boolean
  /** Fail or cut the write after so many more writes; negative = never. */
  badWriteIn: number
  /** Fail the sync after so many more syncs; negative = never. */
  badSyncIn: number
}

export class FakeDisk implements Disk {
  readonly faults: DiskFaults = { crashIn: -1, full: false, badWriteIn: -1, badSyncIn: -1 }
  /** A call was interrupted by death since the last `clearFaults`: whatever was thrown, it means that. */
  hasCrashed = false
  private entries: Entries = new Map()
  private durable: Entries = new Map()
  /** Changes of folder entries since the last sync of a folder, oldest first. */
  private pending: ((entries: Entries) => void)[] = []

  constructor(private readonly random: Random) {}

  list(folder: string): string[] {
    const names: string[] = []
    for (const path of this.entries.keys())
      if (path.startsWith(`${folder}/`)) names.push(path.slice(folder.length + 1))
    return names.sort()
  }

  makeFolder(): void {}

  openRead(path: string): DiskFile {
    return this.open(path)
  }

  openWrite(path: string): DiskFile {
    return this.open(path)
  }

  create(path: string): DiskFile {
    this.maybeCrash()
    const inode = new Inode()
    this.change((entries) => entries.set(path, inode))
    return this.handle(inode)
  }

  rename(from: string, to: string): void {
    this.maybeCrash()
    this.change((entries) => {
      const inode = entries.get(from)
      if (inode === undefined) return
      entries.delete(from)
      entries.set(to, inode)
    })
  }

  remove(path: string): void {
    this.maybeCrash()
    this.change((entries) => entries.delete(path))
  }

  syncFolder(): void {
    this.maybeCrash()
    if (this.countDown('badSyncIn')) throw new Error('EIO: i/o error, fsync of folder')
    for (const apply of this.pending) apply(this.durable)
    this.pending = []
  }

  /** The machine loses power: what was not synced is there or not, by lot. */
  losePower(): void {
    const kept = this.random.below(this.pending.length + 1)
    for (const apply of this.pending.slice(0, kept)) apply(this.durable)
    this.pending = []
    this.entries = new Map(this.durable)
    for (const inode of new Set(this.entries.values())) inode.losePower(this.random)
  }

  /** A process died: nothing is lost, but the faults that were set up for it are gone. */
  clearFaults(): void {
    this.hasCrashed = false
    Object.assign(this.faults, { crashIn: -1, full: false, badWriteIn: -1, badSyncIn: -1 })
  }

  has(path: string): boolean {
    return this.entries.has(path)
  }

  /** Bytes of a file as they are seen and on the platter: for flips, comparisons and cutting short. */
  raw(path: string): { seen: Uint8Array; platter: Uint8Array } {
    return this.inode(path)
  }

  /** Sets one byte, in the page cache and on the platter. */
  poke(path: string, offset: number, value: number): void {
    const inode = this.inode(path)
    inode.seen[offset] = value
    if (offset < inode.platter.length) inode.platter[offset] = value
  }

  /** A copy of all that a process sees, by path. */
  contents(): Map<string, Uint8Array> {
    return new Map([...this.entries].map(([path, inode]) => [path, inode.seen.slice()]))
  }

  private inode(path: string): Inode {
    const inode = this.entries.get(path)
    if (inode === undefined) throw new Error(`ENOENT: no such file, open '${path}'`)
    return inode
  }

  private open(path: string): DiskFile {
    return this.handle(this.inode(path))
  }

  private handle(inode: Inode): DiskFile {
    return {
      size: () => inode.seen.length,
      read: (target, position) => {
        const part = inode.seen.subarray(position, position + target.length)
        target.set(part)
        return part.length
      },
      write: (source, position) => this.write(inode, source, position),
      sync: () => this.sync(inode),
      close: () => {},
    }
  }

  private write(inode: Inode, source: Uint8Array, position: number): number {
    if (this.isCrashNow()) {
      inode.write(source.subarray(0, this.random.below(source.length + 1)), position)
      throw new SimulatedCrash('in a write')
    }
    if (this.faults.full && position + source.length > inode.seen.length) {
      const room = Math.max(0, inode.seen.length - position)
      if (room === 0) throw new Error('ENOSPC: no space left on device, write')
      inode.write(source.subarray(0, room), position)
      return room
    }
    if (this.countDown('badWriteIn')) {
      const written = this.random.below(source.length)
      if (written === 0) throw new Error('EIO: i/o error, write')
      inode.write(source.subarray(0, written), position)
      return written
    }
    inode.write(source, position)
    return source.length
  }

  private sync(inode: Inode): void {
    if (this.isCrashNow()) {
      for (const sector of inode.dirty)
        if (this.random.chance(0.5)) {
          inode.land(sector)
          inode.dirty.delete(sector)
        }
      throw new SimulatedCrash('in a sync')
    }
    if (this.countDown('badSyncIn')) {
      // What the platter did not take is dropped, yet stands in the page cache as if it were clean.
      for (const sector of inode.dirty) if (this.random.chance(0.5)) inode.land(sector)
      inode.dirty.clear()
      throw new Error('EIO: i/o error, fdatasync')
    }
    inode.sync()
  }

  private change(apply: (entries: Entries) => void): void {
    apply(this.entries)
    this.pending.push(apply)
  }

  private maybeCrash(): void {
    if (this.isCrashNow()) throw new SimulatedCrash('in a change of a folder')
  }

  private isCrashNow(): boolean {
    const isNow = this.countDown('crashIn')
    if (isNow) this.hasCrashed = true
    return isNow
  }

  /** Counts a fault down; true when it is due, once. */
  private countDown(fault: 'crashIn' | 'badWriteIn' | 'badSyncIn'): boolean {
    const left = this.faults[fault]
    if (left < 0) return false
    this.faults[fault] = left - 1
    return left === 0
  }
}
