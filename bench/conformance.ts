/**
 * Runs a workload file of the public matching-engine benchmark through the engine's own book and prints
 * one JSON line: the SHA-256 of its report stream and the median speed of five timed passes after
 * warm-up, report stream included.
 *
 *   node dist/bench/conformance.js FILE.i32
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { tuneForEngine } from '../engine/tune.js'
import { BookOnly, MESSAGE_WORDS, reportText } from './engine/book-only.js'

const TIMED_PASSES = 5
const WARM_UP_PASSES = 3
/**
 * No message can cause more reports on average: an acknowledgement, the end of an immediate rest, and two
 * fills, because every fill ends its maker or its taker.
 */
export const REPORTS_PER_MESSAGE = 4

export interface ConformanceResult {
  readonly file: string
  readonly messages: number
  /** Of the report stream, in hexadecimal. */
  readonly sha256: string
  /** Millions of messages a second. */
  readonly mps: number
}

/** Messages of a workload file: five little-endian int32 each. */
export function readMessages(path: string): Int32Array {
  const bytes = readFileSync(path)
  if (bytes.length % (MESSAGE_WORDS * 4) !== 0)
    throw new RangeError(
      `${path}: ${bytes.length} bytes are no whole number of ${MESSAGE_WORDS * 4}-byte messages`,
    )
  return new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** SHA-256 of a report stream, in hexadecimal. */
export function hashReports(reports: Int32Array, count: number): string {
  const hash = createHash('sha256')
  for (const text of reportText(reports, count)) hash.update(text)
  return hash.digest('hex')
}

/** Runs the messages `passes` times, each on an empty book; seconds of each pass. */
export function timePasses(messages: Int32Array, passes: number, onBook: (book: BookOnly) => void): number[] {
  const count = messages.length / MESSAGE_WORDS
  const seconds: number[] = []
  // One pool for every pass: memory is touched and mapped before the clock runs.
  const book = new BookOnly(Math.min(count, 1 << 20), count * REPORTS_PER_MESSAGE)
  for (let pass = 0; pass < passes; pass++) {
    book.reset()
    const start = process.hrtime.bigint()
    book.run(messages, 0, count)
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9)
    onBook(book)
  }
  return seconds
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

/** @throws RangeError for a file that is no workload. */
export function runConformance(path: string): ConformanceResult {
  const messages = readMessages(path)
  const count = messages.length / MESSAGE_WORDS
  const hashes = new Set<string>()
  let pass = 0
  const seconds = timePasses(messages, WARM_UP_PASSES + TIMED_PASSES, (book) => {
    pass++
    if (pass === 1 || pass === WARM_UP_PASSES + TIMED_PASSES)
      hashes.add(hashReports(book.reports, book.reportCount))
  })
  if (hashes.size !== 1) throw new Error(`${path}: passes differ: ${[...hashes].join(', ')}`)
  const mps = count / median(seconds.slice(WARM_UP_PASSES)) / 1e6
  return { file: basename(path), messages: count, sha256: [...hashes][0]!, mps: Math.round(mps * 100) / 100 }
}

if (process.argv[1]?.endsWith('conformance.js')) {
  const path = process.argv[2]
  if (path === undefined) {
    process.stderr.write('usage: node dist/bench/conformance.js FILE.i32\n')
    process.exitCode = 2
  } else {
    tuneForEngine()
    try {
      process.stdout.write(JSON.stringify(runConformance(path)) + '\n')
    } catch (error) {
      process.stderr.write(`conformance: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
    }
  }
}
