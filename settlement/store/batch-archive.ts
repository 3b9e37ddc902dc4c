/**
 * Files of batches that are final and old, packed, with their hashes beside them. The store (store.ts) reads
 * them as if they were still at hand.
 *
 * Invariant: what `read` gives is what was put in, or a StoreError that names the file: the hashes are
 * synced before the caller removes what they speak of. Nodes of fills lie beside them as they are: they follow from
 * the fills, and the root tells whether they do.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../engine/journal/disk.js'
import { openRecord, sealRecord, sha256 } from '../../engine/journal/sealed-record.js'
import { gunzipSync, gzipSync } from 'node:zlib'
import { openLeaves, openPacks, packFills, type FillPacks, type FillReader } from './fill-files.js'
import { StoreError, baseName, writeDurable } from './store.js'

type Kind = 'json' | 'fills'
/** SHA-256 of each file before and after packing, hex. `packs`: absent where the fills were packed as one. */
type Hashes = { readonly batch: number; readonly packs?: FillPacks } & Readonly<
  Record<Kind, { readonly sha256: string; readonly packedSha256: string }>
>

export class BatchArchive {
  constructor(readonly folder: string) {}

  /** Numbers of the batches that have a file here, in no order. One whose other files are missing is damage. */
  numbers(): number[] {
    const numbers = this.names()
      .map((name) => /^(\d{8})\.(hashes|json\.gz|fills\.gz)$/.exec(name))
      .filter((match) => match !== null)
      .map((match) => Number(match[1]))
    return [...new Set(numbers)]
  }

  private names(): string[] {
    try {
      return readdirSync(this.folder)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  /** Makes a batch's files durable here, and reads them back. `nodes`: as far as they were made. @throws StoreError */
  put(number: number, files: Readonly<Record<Kind, Uint8Array>>, nodes?: Uint8Array): void {
    makeFolder(this.folder)
    if (nodes !== undefined) this.putNodes(number, nodes)
    const { packed: packedFills, packs } = packFills(files.fills)
    const hashes = Object.fromEntries(
      (['json', 'fills'] as const).map((kind) => {
        const packed = kind === 'fills' ? packedFills : gzipSync(files.json)
        writeDurable(this.folder, `${baseName(number)}.${kind}.gz`, packed)
        return [kind, { sha256: sha256(files[kind]), packedSha256: sha256(packed) }]
      }),
    )
    writeDurable(this.folder, `${baseName(number)}.hashes`, sealRecord({ batch: number, ...hashes, packs }))
    this.read(number, 'json')
    this.read(number, 'fills')
  }

  /** Makes the nodes above a batch's fills durable. */
  putNodes(number: number, nodes: Uint8Array): void {
    writeDurable(this.folder, this.nodesName(number), nodes)
  }

  private nodesName(number: number): string {
    return `${baseName(number)}.nodes`
  }

  /** Whether the batch was put in. */
  has(number: number): boolean {
    return existsSync(join(this.folder, `${baseName(number)}.hashes`))
  }

  /** Fills of a batch by place; undefined without their nodes. @throws StoreError when nothing of the batch is here. */
  openFills(number: number): FillReader | undefined {
    const nodesPath = join(this.folder, this.nodesName(number))
    const hashes = this.hashes(number)
    if (hashes?.packs === undefined) {
      const fills = this.read(number, 'fills')
      if (fills === undefined) throw new StoreError(`${this.folder} has nothing of batch ${number}`)
      return openLeaves(fills, nodesPath)
    }
    return openPacks(join(this.folder, `${baseName(number)}.fills.gz`), hashes.packs, nodesPath)
  }

  /** A file of a batch; undefined when nothing of the batch is here. @throws StoreError when it is another one now. */
  read(number: number, kind: Kind): Uint8Array | undefined {
    const path = join(this.folder, `${baseName(number)}.${kind}.gz`)
    const hashes = this.hashes(number)
    if (hashes === undefined) return undefined
    let packed: Uint8Array
    let bytes: Uint8Array
    try {
      packed = readFileSync(path)
      bytes = new Uint8Array(gunzipSync(packed))
    } catch (error) {
      throw new StoreError(`${path} is not what was archived: ${(error as Error).message}`)
    }
    for (const [found, expected] of [
      // Also of the packed file: not each of its bytes says something of what is in it.
      [sha256(packed), hashes[kind].packedSha256],
      [sha256(bytes), hashes[kind].sha256],
    ])
      if (found !== expected)
        throw new StoreError(`${path} is not what was archived: SHA-256 ${found}, not ${expected}`)
    return bytes
  }

  /** What stands in a batch's hashes; undefined when nothing of the batch is here. @throws StoreError */
  private hashes(number: number): Hashes | undefined {
    const path = join(this.folder, `${baseName(number)}.hashes`)
    try {
      const hashes = openRecord(readFileSync(path, 'utf8')) as Hashes
      if (hashes.batch !== number) throw new Error(`it is of batch ${hashes.batch}`)
      return hashes
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      if (isMissing && !this.numbers().includes(number)) return undefined
      throw new StoreError(`${path} is not what was archived: ${(error as Error).message}`)
    }
  }
}
