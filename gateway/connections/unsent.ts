/** What all clients of a thread have not read yet, in sum: one connection alone is bounded by `unsentBytesMax`. */
import { ErrorCode } from '../../sdk/wire/codes.js'

/** Who has something to read that this thread keeps: a WebSocket, or the answer to an HTTP request. */
export interface Unread {
  readonly unsentBytes: number
  close(code: number, message: string): void
}

/** Closes those who have read least, where more than `most` bytes wait: until half of it does. */
export function boundUnsent(all: Iterable<Unread>, most: number): void {
  const waiting = [...all].map((each) => ({ each, bytes: each.unsentBytes }))
  let sum = waiting.reduce((bytesOfAll, { bytes }) => bytesOfAll + bytes, 0)
  if (sum <= most) return
  waiting.sort((a, b) => b.bytes - a.bytes)
  for (const { each, bytes } of waiting) {
    if (sum <= most / 2) return
    each.close(
      ErrorCode.SlowConsumer,
      `all connections together have more than ${most} bytes to read, and this one has read least`,
    )
    sum -= bytes
  }
}
