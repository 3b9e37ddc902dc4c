/** The result of a command that runs on: what could not be written must not pass for success. */
import type { Writable } from 'node:stream'

/** Resolves when `text` was taken. @throws what the stream says, such as ENOSPC. */
export function writeResult(stream: Writable, text: string): Promise<void> {
  return new Promise((resolve, reject) =>
    stream.write(text, (error) => (error === undefined || error === null ? resolve() : reject(error))),
  )
}
