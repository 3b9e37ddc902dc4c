/** What a client of the crash tests knows, a JSON line each, on the disk before the call returns. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'

export class SyncedLog {
  readonly #file: number

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o640)
  }

  write(entry: object): void {
    const text = JSON.stringify(entry, (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
    writeSync(this.#file, `${text}\n`)
    fdatasyncSync(this.#file)
  }

  close(): void {
    closeSync(this.#file)
  }
}
