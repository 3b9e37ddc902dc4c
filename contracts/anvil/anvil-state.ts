/**
 * Whole copies of the local chain's state file. Anvil writes the file in place, so a kill inside a write can
 * leave a torn one; the last two whole copies are kept beside it (FILE.1, FILE.2), and a start takes the newest
 * one that parses.
 *
 * A stop leaves a mark (FILE.sha256): the hash of what it left. It goes with the next start, and is of no state that a
 * killed chain leaves. While it stands, a state that parses and was changed is noticed all the same.
 *
 * Copies are made in a thread of their own: a state file is parsed to know that it is whole, and that takes
 * the time of whoever does it. No copy is not the end of anything (a full disk): it is told once, tried again,
 * and told when it goes on.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { syncFolder } from '../sync-folder.js'
import { CHAIN_BACKUP_INTERVAL_MS, STATE_TEXT_BYTES_MAX } from '../limits.js'

/** There is a state file, and neither it nor a copy of it is whole. */
export class ChainStateError extends Error {
  override readonly name = 'ChainStateError'
}

/**
 * A state file's bytes when they are a whole state, undefined when it is torn or missing. Throws when it cannot be
 * read: that says nothing of what is in it.
 */
export function wholeState(path: string, textBytesMax = STATE_TEXT_BYTES_MAX): Buffer | undefined {
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  if (bytes.length > textBytesMax) {
    const begins = bytes.subarray(0, 64).toString('latin1').trimStart().startsWith('{')
    return begins && bytes.subarray(-64).toString('latin1').trimEnd().endsWith('}') ? bytes : undefined
  }
  try {
    const state: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof state === 'object' && state !== null ? bytes : undefined
  } catch {
    return undefined
  }
}

/**
 * Copies a whole state file aside. A torn one is left for the next turn: false, as it is being written, or could not be.
 * Throws when the disk does.
 */
export function backupState(statePath: string): boolean {
  const state = statSync(statePath, { throwIfNoEntry: false })
  const newest = statSync(`${statePath}.1`, { throwIfNoEntry: false })
  if (state === undefined || (newest !== undefined && newest.mtimeMs >= state.mtimeMs)) return true
  const bytes = wholeState(statePath)
  if (bytes === undefined) return false
  const copy = `${statePath}.copy`
  writeWhole(copy, bytes)
  if (newest !== undefined) renameSync(`${statePath}.1`, `${statePath}.2`)
  renameSync(copy, `${statePath}.1`)
  syncFolder(dirname(statePath))
  return true
}

/** Writes and syncs a file. Throws what the disk does. */
function writeWhole(path: string, bytes: Uint8Array): void {
  try {
    const file = openSync(path, 'w', 0o644)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    // Half a copy would only take the room that others need.
    rmSync(path, { force: true })
    throw error
  }
}

const markPath = (statePath: string): string => `${statePath}.sha256`
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Marks the state that an orderly stop left, when it is whole. A disk without room is told, and there is no mark. */
export function markState(statePath: string, onLine: (line: string, level?: 'warn') => void): void {
  try {
    const bytes = wholeState(statePath)
    if (bytes !== undefined) writeWhole(markPath(statePath), Buffer.from(`${sha256(bytes)}\n`))
  } catch (error) {
    onLine(`local chain: ${markPath(statePath)} could not be written (${(error as Error).message})`, 'warn')
  }
}

/** Takes the mark away and answers with the hash in it; undefined when there is none. */
function takeMark(statePath: string): string | undefined {
  const path = markPath(statePath)
  if (!existsSync(path)) return undefined
  const mark = readFileSync(path, 'utf8').trim()
  rmSync(path)
  syncFolder(dirname(statePath))
  return mark
}

/**
 * A state that is whole and not the one that the last stop left was changed or exchanged since: the copy with the
 * stop's hash takes its place, or it is said that there is none.
 */
function restoreMarked(statePath: string, onLine: (line: string, level?: 'warn') => void): void {
  const mark = takeMark(statePath)
  if (mark === undefined) return
  const bytes = wholeState(statePath)
  if (bytes === undefined || sha256(bytes) === mark) return
  const changed = `local chain: ${statePath} is not the state that the last stop left`
  const copy = [`${statePath}.1`, `${statePath}.2`].find((path) => {
    const whole = wholeState(path)
    return whole !== undefined && sha256(whole) === mark
  })
  if (copy === undefined)
    onLine(
      `${changed}, and neither is a copy beside it: it is taken as it is; put back the newest copy if you have one`,
      'warn',
    )
  else {
    onLine(`${changed}; it is now ${statePath}.changed, and the state is taken from ${copy}`, 'warn')
    renameSync(statePath, `${statePath}.changed`)
    copyFileSync(copy, statePath)
  }
}

/**
 * Puts the newest whole copy in the place of a state file that is not whole, which is kept beside it; says so in a
 * line.
 * @throws ChainStateError when there is none.
 */
export function restoreChainState(statePath: string, onLine: (line: string, level?: 'warn') => void): void {
  restoreMarked(statePath, onLine)
  if (wholeState(statePath) !== undefined) return
  const copy = [`${statePath}.1`, `${statePath}.2`].find((path) => wholeState(path) !== undefined)
  if (copy !== undefined) {
    onLine(
      existsSync(statePath)
        ? `local chain: ${statePath} is not a whole state; it is now ${statePath}.torn, and the state is taken from ${copy}`
        : `local chain: ${statePath} is missing; taken from ${copy}`,
      'warn',
    )
    if (existsSync(statePath)) renameSync(statePath, `${statePath}.torn`)
    copyFileSync(copy, statePath)
  } else if (existsSync(statePath))
    throw new ChainStateError(
      `${statePath} is not a whole chain state, and there is no whole copy beside it (${statePath}.1, .2): put ` +
        `back a copy, or remove the whole data folder to begin anew`,
    )
}

/**
 * Takes the next older whole copy in the place of a state that parses and that the chain refuses all the same;
 * says so in a line. `tries` counts from 0.
 * @throws ChainStateError when there is none left.
 */
export function takeCopy(
  statePath: string,
  tries: number,
  why: string,
  onLine: (line: string, level?: 'warn') => void,
): void {
  const copies = [`${statePath}.1`, `${statePath}.2`].filter((path) => wholeState(path) !== undefined)
  const copy = copies[tries]
  if (copy === undefined)
    throw new ChainStateError(
      `${statePath} is refused by the chain, and so is each whole copy beside it (${statePath}.1, .2): put back a ` +
        `copy, or remove the whole data folder to begin anew (${why})`,
    )
  onLine(`local chain: ${statePath} is refused by the chain; taken from ${copy}`, 'warn')
  copyFileSync(statePath, `${statePath}.refused`)
  copyFileSync(copy, statePath)
}

/** What the thread that makes copies says. */
export interface StateThreadMessage {
  readonly line: string
  readonly level?: 'warn'
}

/** Makes copies until stopped; troubles and their end are told in one line each. */
export function keepBackups(
  statePath: string,
  onLine: (line: string, level?: 'warn') => void,
): () => Promise<void> {
  const worker = new Worker(new URL('./anvil-state-thread.js', import.meta.url), {
    workerData: { statePath, everyMs: CHAIN_BACKUP_INTERVAL_MS },
    name: 'chain state copies',
  })
  worker.on('message', ({ line, level }: StateThreadMessage) => onLine(line, level))
  worker.on('error', (error) =>
    onLine(`local chain: no more copies of ${statePath}: ${error.message}`, 'warn'),
  )
  worker.unref()
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  return async () => {
    worker.ref()
    worker.postMessage('stop')
    await exited
  }
}
