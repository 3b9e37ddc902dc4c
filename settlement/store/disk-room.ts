/**
 * Whether the disk has room for what settlement writes. Without it batches wait and trading goes on; what waits is
 * written, and batches go on, once there is enough for it and for a common batch more.
 */
import { isNoRoom } from './store.js'

export interface DiskRoomOptions {
  /** Writes what waits for room, then as much as a common batch takes. Throws what the disk says. */
  readonly write: () => void
  /** A write failed for want of room; `isFirst` = there was room until now. */
  readonly onNoRoom: (text: string, isFirst: boolean) => void
  readonly onRoom: () => void
}

export class DiskRoom {
  private out = false

  constructor(private readonly options: DiskRoomOptions) {}

  /** There was no room when something was last written. */
  get isOut(): boolean {
    return this.out
  }

  /** Told by whoever could not write. */
  noRoom(error: unknown): void {
    const isFirst = !this.out
    this.out = true
    const why = error instanceof Error ? error.message : String(error)
    this.options.onNoRoom(`no room on the disk (${why})`, isFirst)
  }

  /** Whether `write` went through; a want of room is noted, anything else is thrown. */
  during(write: () => void): boolean {
    try {
      write()
      return true
    } catch (error) {
      if (!isNoRoom(error)) throw error
      this.noRoom(error)
      return false
    }
  }

  /** Writes what waits; whether there is room again. */
  regain(): boolean {
    if (!this.during(this.options.write)) return false
    this.out = false
    this.options.onRoom()
    return true
  }
}
