/**
 * How many connections a process may take and still open the files that it needs: history, and the journal where it
 * is beside it, must never find that strangers hold every descriptor. Connections that are whole are counted
 * (client-limits.ts); uWebSockets.js does not tell of those that have sent nothing yet, so the process's descriptors are
 * looked at, and where few are free nobody is let in until more are (`DescriptorGuard`, which server.ts looks by).
 */
import { closeSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { FILES_HELD, OPEN_FROM, OTHER_FILES, SHUT_BELOW } from '../limits.js'

const otherFiles = (files: number): number => Math.min(OTHER_FILES, Math.floor(files / 2))

/** Connections of one of `threads` gateway threads of a process that may open `files` files. */
export function connectionsOf(files: number, threads: number): number {
  return Math.max(1, Math.floor((files - otherFiles(files)) / threads))
}

/** Descriptors that this process has open; 0 where nothing tells. */
function openDescriptors(): number {
  try {
    // Linux tells their number as the folder's size since 6.2.
    return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EMFILE' ? Infinity : 0
  }
}

/**
 * Shuts a door while few descriptors are free. What it held back is given to files one look after the door was shut,
 * when the process's other threads have shut theirs too, and taken again before the door opens.
 */
export class DescriptorGuard {
  readonly #files: number
  readonly #open: () => number
  readonly #held: number[] = []
  #isShut = false

  /** `files`: how many the process may open; `open` tells how many are. */
  constructor(files = openFilesMax(), open = openDescriptors) {
    this.#files = files
    this.#open = open
    this.#hold()
  }

  /** Looks; answers whether nobody may be let in until the next look. */
  look(): boolean {
    if (this.#files === Infinity) return false
    const free = this.#files - this.#open()
    const other = otherFiles(this.#files)
    if (!this.#isShut) this.#isShut = free < other * SHUT_BELOW
    else if (free < other * OPEN_FROM) this.#release()
    else {
      this.#hold()
      this.#isShut = false
    }
    return this.#isShut
  }

  #hold(): void {
    if (this.#files === Infinity) return
    try {
      while (this.#held.length < Math.min(FILES_HELD, otherFiles(this.#files) / 8))
        this.#held.push(openSync('/dev/null', 'r'))
    } catch {
      // As many as there are.
    }
  }

  #release(): void {
    for (const file of this.#held.splice(0)) closeSync(file)
  }
}

/** Files that this process may have open, where the system tells (Linux); else without a bound. */
export function openFilesMax(): number {
  try {
    const line = /^Max open files +([0-9]+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return line === null ? Infinity : Number(line[1])
  } catch {
    return Infinity
  }
}
