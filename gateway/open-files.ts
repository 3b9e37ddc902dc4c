/**
 * How many connections a process may take and still open the files that it needs: the journal beside it must
 * never find that strangers hold every descriptor. Called by limits.ts.
 */
import { readFileSync } from 'node:fs'

/** Files beside connections: segments, snapshots, history, and connections that are not whole yet. */
const OTHER_FILES = 1024

/** Connections of one of `threads` gateway threads of a process that may open `files` files. */
export function connectionsOf(files: number, threads: number): number {
  return Math.max(1, Math.floor((files - Math.min(OTHER_FILES, Math.floor(files / 2))) / threads))
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
