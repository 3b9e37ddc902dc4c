/** What all connections of a thread have not read yet, in sum: one alone is bounded by `unsentBytesMax`. */
import { ErrorCode } from '../../sdk/wire/codes.js'
import type { Connection } from './connection.js'

/** Closes those who have read least, where more than `most` bytes wait: until half of it does. */
export function boundUnsent(connections: Iterable<Connection>, most: number): void {
  const waiting = [...connections].map((connection) => ({ connection, bytes: connection.unsentBytes }))
  let sum = waiting.reduce((all, { bytes }) => all + bytes, 0)
  if (sum <= most) return
  waiting.sort((a, b) => b.bytes - a.bytes)
  for (const { connection, bytes } of waiting) {
    if (sum <= most / 2) return
    connection.close(
      ErrorCode.SlowConsumer,
      `all connections together have more than ${most} bytes to read, and this one has read least`,
    )
    sum -= bytes
  }
}
