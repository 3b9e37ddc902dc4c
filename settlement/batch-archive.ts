/**
 * Files of batches that are final and old, packed, with their hashes beside them. The store (store.ts) reads
 * them as if they were still at hand.
 *
 * Invariant: what `read` gives is what was put in, or a StoreError that names the file: the hashes are
 * synced before the caller removes what they speak of.
 */
import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../engine/journal/disk.js'
import { gunzipSync, gzipSync } from 'node:zlib'
import { StoreError, baseName, writeDurable } from './store.js'

type Kind = 'json' | 'fills'
/** SHA-256 of each file before and after packing, hex. */
type Hashes = Readonly<Record<Kind, { readonly sha256: string; readonly packedSha256: string }>>

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export class BatchArchive {
  constructor(readonly folder: string) {}

  /** Numbers of the batches that are wholly here, in no order. */
  numbers(): number[] {
    return this.names()
      .map((name) => /^(\d{8})\.hashes$/.exec(name))
      .filter((match) => match !== null)
      .map((match) => Number(match[1]))
  }

  private names(): string[] {
    try {
      return readdirSync(this.folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  /** Makes a batch's files durable here, and reads them back. @throws StoreError */
  put(number: number, files: Readonly<Record<Kind, Uint8Array>>): void {
    makeFolder(this.folder)
    const hashes = Object.fromEntries(
      (['json', 'fills'] as const).map((kind) => {
        const packed = gzipSync(files[kind])
        writeDurable(this.folder, `${baseName(number)}.${kind}.gz`, packed)
        return [kind, { sha256: sha256(files[kind]), packedSha256: sha256(packed) }]
      }),
    )
    writeDurable(this.folder, `${baseName(number)}.hashes`, `${JSON.stringify(hashes, null, 1)}\n`)
    this.read(number, 'json')
    this.read(number, 'fills')
  }

  /** A file of a batch; undefined when the batch is not here. @throws StoreError when it is another one now. */
  read(number: number, kind: Kind): Uint8Array | undefined {
    const path = join(this.folder, `${baseName(number)}.${kind}.gz`)
    let hashes: Hashes
    try {
      hashes = JSON.parse(readFileSync(join(this.folder, `${baseName(number)}.hashes`), 'utf8')) as Hashes
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new StoreError(`${path}: its hashes cannot be read: ${(error as Error).message}`)
    }
    let bytes: Uint8Array
    try {
      bytes = new Uint8Array(gunzipSync(readFileSync(path)))
    } catch (error) {
      throw new StoreError(`${path} cannot be unpacked: ${(error as Error).message}`)
    }
    const found = sha256(bytes)
    if (found !== hashes[kind].sha256)
      throw new StoreError(`${path}: SHA-256 ${found}, not ${hashes[kind].sha256}`)
    return bytes
  }
}
