/**
 * What a batch is on the chain: packed rows, deposits and withdrawals, the challenge z, the evaluation
 * of each chunk, and the public inputs of its proof. Pure; mirrors contracts/src/Batches.sol, and
 * shares its test vectors.
 *
 *   row or withdrawal, 12 bytes, big-endian: u32 index, then i64 delta (rows) or u64 units (withdrawals)
 *   deposit, 32 bytes: u32 index, u64 units, the owner's address
 */
import { type Address, type Hex, encodeAbiParameters, encodePacked, keccak256 } from 'viem'
import { UNITS_END } from '../../engine/limits.js'
import { R, bytesToBigint, toField } from '../tree/field.js'
import { COMMIT_GAS_SHARE, ROWS_MAX, TRANSACTION_GAS_MAX } from '../limits.js'
import type { IndexedUnits, QueuedUnits } from './netting.js'
import type { Rows } from './rows.js'

export const RECORD_BYTES = 12
export const DEPOSIT_BYTES = 32

/** Measured (bench/results/gas.json), rounded up: a commit without rows, a row, and a chunk's slot and root. */
const COMMIT_GAS = 250_000
const ROW_GAS = 1_500
const CHUNK_GAS = 23_500

/** Rows that one commit can post: the contract's bound, or what a transaction's gas allows. */
export function rowsLimit(rowsPerChunk: number): number {
  const perRow = ROW_GAS + CHUNK_GAS / rowsPerChunk
  return Math.min(ROWS_MAX, Math.floor((TRANSACTION_GAS_MAX * COMMIT_GAS_SHARE - COMMIT_GAS) / perRow))
}

/** BatchHeader of contracts/src/types/Batch.sol. */
export interface BatchHeader {
  readonly number: bigint
  readonly firstSeq: bigint
  readonly lastSeq: bigint
  readonly oldRoot: bigint
  readonly newRoot: bigint
  readonly journalHead: Hex
  readonly fillsRoot: Hex
  readonly depositsConsumed: bigint
}

/** Everything that commitBatch posts, apart from the header. */
export interface BatchData {
  readonly chunkRoots: readonly bigint[]
  readonly rows: Uint8Array
  readonly deposits: Uint8Array
  readonly withdrawals: Uint8Array
}

/** Chain and contract that a commitment is made for. */
export interface CommitDomain {
  readonly chainId: number
  readonly settlement: Address
}

/** [firstRoot, lastRoot, z, evaluation] of a chunk. */
export type PublicInputs = readonly [bigint, bigint, bigint, bigint]

export const bytesToHex = (bytes: Uint8Array): Hex => `0x${Buffer.from(bytes).toString('hex')}`
export const hexToBytes = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.startsWith('0x') ? hex.slice(2) : hex, 'hex'))

/** Bytes of `count` words of a record, each big-endian: how records carry hashes, keys and addresses. */
export function wordsToBytes(words: Int32Array, offset: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 4)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < count; word++) view.setInt32(word * 4, words[offset + word]!)
  return bytes
}

function checkIndex(index: number, previous: number): void {
  if (!(index > previous)) throw new RangeError(`records: index ${index} after ${previous}`)
}

/** Packs rows. Throws RangeError for a zero or too large delta, or an index out of order. */
export function encodeRows(rows: Rows): Uint8Array {
  const bytes = new Uint8Array(rows.indices.length * RECORD_BYTES)
  const view = new DataView(bytes.buffer)
  rows.indices.forEach((index, row) => {
    const delta = rows.deltas[row]!
    checkIndex(index, row === 0 ? -1 : rows.indices[row - 1]!)
    if (!Number.isInteger(delta) || delta === 0 || Math.abs(delta) >= UNITS_END)
      throw new RangeError(`rows: delta ${delta} at index ${index}, 0 < |delta| < 2^53`)
    view.setUint32(row * RECORD_BYTES, index)
    view.setBigInt64(row * RECORD_BYTES + 4, BigInt(delta))
  })
  return bytes
}

/** Reads packed rows. Throws RangeError when they are not what encodeRows writes. */
export function decodeRows(bytes: Uint8Array): Rows {
  const count = recordCount(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const indices = new Int32Array(count)
  const deltas = new Float64Array(count)
  for (let row = 0; row < count; row++) {
    indices[row] = view.getUint32(row * RECORD_BYTES)
    deltas[row] = Number(view.getBigInt64(row * RECORD_BYTES + 4))
    checkIndex(indices[row]!, row === 0 ? -1 : indices[row - 1]!)
    if (deltas[row] === 0 || Math.abs(deltas[row]!) >= UNITS_END)
      throw new RangeError(`rows: delta ${deltas[row]} at index ${indices[row]}, 0 < |delta| < 2^53`)
  }
  return { indices, deltas }
}

/** Packs withdrawals in order of their indices. Throws RangeError for units that are not 0 < units < 2^53. */
export function encodeUnits(records: readonly IndexedUnits[]): Uint8Array {
  const bytes = new Uint8Array(records.length * RECORD_BYTES)
  const view = new DataView(bytes.buffer)
  records.forEach((record, at) => writeUnits(view, at * RECORD_BYTES, record))
  return bytes
}

/** Packs deposits in queue order. Throws RangeError for units that are not 0 < units < 2^53. */
export function encodeDeposits(deposits: readonly QueuedUnits[]): Uint8Array {
  const bytes = new Uint8Array(deposits.length * DEPOSIT_BYTES)
  const view = new DataView(bytes.buffer)
  deposits.forEach((deposit, at) => {
    writeUnits(view, at * DEPOSIT_BYTES, deposit)
    deposit.owner.forEach((word, place) => view.setInt32(at * DEPOSIT_BYTES + RECORD_BYTES + place * 4, word))
  })
  return bytes
}

function writeUnits(view: DataView, at: number, { index, units }: IndexedUnits): void {
  if (!Number.isInteger(units) || units <= 0 || units >= UNITS_END)
    throw new RangeError(`records: ${units} units at index ${index}, 0 < units < 2^53`)
  view.setUint32(at, index)
  view.setBigUint64(at + 4, BigInt(units))
}

/** Reads packed withdrawals. */
export function decodeUnits(bytes: Uint8Array): IndexedUnits[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: recordCount(bytes) }, (_, at) => ({
    index: view.getUint32(at * RECORD_BYTES),
    units: Number(view.getBigUint64(at * RECORD_BYTES + 4)),
  }))
}

function recordCount(bytes: Uint8Array): number {
  if (bytes.length % RECORD_BYTES !== 0) throw new RangeError(`records: ${bytes.length} bytes`)
  return bytes.length / RECORD_BYTES
}

/** Sums withdrawals per index, ascending: at most one record an index and batch. */
export function sumByIndex(records: readonly IndexedUnits[]): IndexedUnits[] {
  const sums = new Map<number, number>()
  for (const { index, units } of records) sums.set(index, (sums.get(index) ?? 0) + units)
  return [...sums].map(([index, units]) => ({ index, units })).sort((a, b) => a.index - b.index)
}

const headerType = {
  type: 'tuple',
  components: [
    { name: 'number', type: 'uint64' },
    { name: 'firstSeq', type: 'uint64' },
    { name: 'lastSeq', type: 'uint64' },
    { name: 'oldRoot', type: 'uint256' },
    { name: 'newRoot', type: 'uint256' },
    { name: 'journalHead', type: 'bytes32' },
    { name: 'fillsRoot', type: 'bytes32' },
    { name: 'depositsConsumed', type: 'uint64' },
  ],
} as const

/** z: keccak256 of everything posted, reduced to the field. */
export function challenge(domain: CommitDomain, header: BatchHeader, data: BatchData): bigint {
  const encoded = encodeAbiParameters(
    [
      { type: 'uint256' },
      { type: 'address' },
      headerType,
      { type: 'bytes32' },
      { type: 'bytes32' },
      { type: 'bytes32' },
      { type: 'bytes32' },
    ],
    [
      BigInt(domain.chainId),
      domain.settlement,
      header,
      keccak256(encodePacked(['uint256[]'], [[...data.chunkRoots]])),
      keccak256(data.rows),
      keccak256(data.deposits),
      keccak256(data.withdrawals),
    ],
  )
  return bytesToBigint(keccak256(encoded, 'bytes')) % R
}

/** Arguments of the contract's `commitBatch`. */
export const commitArguments = (
  header: BatchHeader,
  { chunkRoots, rows, deposits, withdrawals }: BatchData,
) => [header, chunkRoots, bytesToHex(rows), bytesToHex(deposits), bytesToHex(withdrawals)] as const

/**
 * Evaluation of chunk `chunk` of `rows` at z: Horner over (index + 1, delta) of each of `rowsPerChunk`
 * slots; unused slots come last and contribute zeros.
 */
export function evaluateChunk(rows: Rows, chunk: number, rowsPerChunk: number, z: bigint): bigint {
  let sum = 0n
  for (let row = chunk * rowsPerChunk; row < (chunk + 1) * rowsPerChunk; row++) {
    const isUsed = row < rows.indices.length
    sum = (sum * z + (isUsed ? BigInt(rows.indices[row]! + 1) : 0n)) % R
    sum = toField(sum * z + (isUsed ? BigInt(rows.deltas[row]!) : 0n))
  }
  return sum
}

export const chunkCount = (rowCount: number, rowsPerChunk: number): number =>
  Math.ceil(rowCount / rowsPerChunk)

/** Public inputs of one chunk's proof. */
export function publicInputs(
  domain: CommitDomain,
  header: BatchHeader,
  data: BatchData,
  chunk: number,
  rowsPerChunk: number,
): PublicInputs {
  const z = challenge(domain, header, data)
  const firstRoot = chunk === 0 ? header.oldRoot : data.chunkRoots[chunk - 1]!
  return [firstRoot, data.chunkRoots[chunk]!, z, evaluateChunk(decodeRows(data.rows), chunk, rowsPerChunk, z)]
}
