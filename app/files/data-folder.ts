/**
 * What the files of a data folder know of each other, asked at a start. Every file that a start rests on is
 * written only after what it speaks of is durable in the journal, so a journal that ends before any of them
 * has lost commands that clients were told of: the start is refused, and nothing is written.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { FolderInUse, lockFolder } from '../../engine/journal/lock.js'
import { JournalDamage } from '../../engine/journal/reader.js'
import { journalFolder, segmentOf, snapshotFolder } from '../../engine/journal/segments.js'
import { ListenError } from '../../gateway/net/probe-port.js'
import { BatchStore } from '../../settlement/store/store.js'
import { BATCHES_LOOKED_AT } from '../limits.js'
import { historyFolder } from './gateway-folder.js'

/** The journal does not hold what other files of the folder speak of. */
export class JournalLost extends Error {
  override readonly name = 'JournalLost'
}

const ADVICE =
  'Put back the newest copy of the whole folder; a journal cannot be made again from what rests on it'

/** What an operator can do about an error of a start; empty where its message says it. */
export function adviceFor(error: unknown): string {
  if (error instanceof JournalDamage)
    return `. ${ADVICE}; "glassbook journal verify DIR" says how far it is whole`
  if (error instanceof ListenError && error.code !== 'AddressInvalid') return ': choose another with --port N'
  if (error instanceof FolderInUse && error.message.startsWith('data folder'))
    return ': stop it, or start another exchange in a folder of its own with --data DIR and --port N'
  if (error instanceof FolderInUse && error.message.startsWith('history folder'))
    return ', a gateway that should have ended with its exchange: end that process (kill -9), then start again'
  return ''
}

/** Takes the lock of a folder whose exchange has to be stopped; returns its release. */
export function lockStopped(dataDir: string): () => void {
  try {
    return lockFolder(dataDir)
  } catch (error) {
    if (!(error instanceof FolderInUse)) throw error
    throw new Error(`${error.message}: stop that one first`, { cause: error })
  }
}

/** Whether a journal was begun. An empty folder is none: it may be where a disk of its own is mounted. */
export const hasJournal = (dataDir: string): boolean =>
  names(journalFolder(dataDir)).some((name) => segmentOf(name) >= 0)

/** @throws JournalLost when there is no journal where there was one. */
export function expectNothingLost(dataDir: string): void {
  if (hasJournal(dataDir)) return
  const folders = [snapshotFolder(dataDir), join(dataDir, 'settlement', 'batches')]
  const deposits = join(dataDir, 'settlement', 'deposits.json')
  const witness =
    folders.find((path) => names(path).length > 0) ?? (existsSync(deposits) ? deposits : undefined)
  if (witness !== undefined)
    throw new JournalLost(
      `${journalFolder(dataDir)} has no journal, and ${witness} shows that there was one. ${ADVICE}`,
    )
}

export interface RecoveredJournal {
  readonly seq: number
  readonly depositsConsumed: number
}

/** @throws JournalLost when settlement or history has seen commands that the journal does not hold. */
export function expectRecovered(dataDir: string, recovered: RecoveredJournal): void {
  const lost = (what: string): never => {
    throw new JournalLost(
      `the journal ends at seq ${recovered.seq} (${recovered.depositsConsumed} deposits), but ${what}: it is an older copy, or another exchange's. ${ADVICE}`,
    )
  }
  const store = new BatchStore(dataDir)
  const last = store.numbers().at(-1)
  if (last !== undefined) {
    const { lastSeq } = store.read(last).header
    if (Number(lastSeq) > recovered.seq) lost(`batch ${last} of settlement ends at seq ${lastSeq}`)
  }
  const deposits = numberOf(join(dataDir, 'settlement', 'deposits.json'), 'position')
  if (deposits > recovered.depositsConsumed) lost(`${deposits} deposits were credited`)
  const history = numberOf(join(historyFolder(dataDir), 'state.json'), 'seq')
  if (history > recovered.seq) lost(`the gateway has told clients of seq ${history}`)
}

/**
 * A line when the local chain ends before what settlement has seen of it: its file is an older copy. Batches are
 * sent again; what others did on the chain since is lost.
 */
export function olderChain(dataDir: string, statePath: string, head: number): string | undefined {
  const store = new BatchStore(dataDir)
  for (const number of store.numbers().slice(-BATCHES_LOOKED_AT).reverse()) {
    const { commitBlock } = store.read(number)
    if (commitBlock === undefined || commitBlock <= head) continue
    return (
      `local chain: ${statePath} ends at block ${head}, and batch ${number} was committed in block ${commitBlock}: it is an ` +
      `older copy. Batches are sent again; what others did on the chain since then is lost unless you stop and put back the newest copy`
    )
  }
  return undefined
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** A number in a JSON file; 0 when the file is not there or is no such file, which its reader tells. */
function numberOf(path: string, field: string): number {
  try {
    const value = (JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)[field]
    return typeof value === 'number' ? value : 0
  } catch {
    return 0
  }
}
