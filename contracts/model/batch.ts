/**
 * The bytes of a batch as the settlement contract reads them, and what it derives from them: packed
 * records, the point z, the evaluation of each chunk. Plain functions over bigint, written from the text
 * of the format and not from the contract; the differential test compares the two.
 */
import { type Address, type Hex, concatHex, encodeAbiParameters, keccak256, numberToHex, toHex } from 'viem'
import { FIELD } from '../poseidon-table.js'

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

/** One row or withdrawal: index = account << 6 | asset; units, or a signed delta. */
export interface BatchRecord {
  readonly index: number
  readonly value: bigint
}

/** One deposit of the queue. */
export interface DepositRecord extends BatchRecord {
  readonly owner: Address
}

/** Arguments of commitBatch. */
export interface PostedBatch {
  readonly header: BatchHeader
  readonly chunkRoots: readonly bigint[]
  readonly rows: readonly BatchRecord[]
  readonly deposits: readonly DepositRecord[]
  readonly withdrawals: readonly BatchRecord[]
}

/** 12 bytes a record, big-endian: uint32 index, 64-bit value in two's complement. */
export function pack(records: readonly BatchRecord[]): Hex {
  const parts = records.map(({ index, value }) =>
    concatHex([numberToHex(index, { size: 4 }), numberToHex(BigInt.asUintN(64, value), { size: 8 })]),
  )
  return parts.length === 0 ? '0x' : concatHex(parts)
}

/** 32 bytes a deposit: as above, then the owner's address. */
export function packDeposits(deposits: readonly DepositRecord[]): Hex {
  const parts = deposits.flatMap((deposit) => [pack([deposit]), deposit.owner])
  return parts.length === 0 ? '0x' : concatHex(parts)
}

/** The point at which rows are evaluated: keccak256 of everything posted, mod the field. */
export function challenge(chainId: number, settlement: Address, batch: PostedBatch): bigint {
  const { header } = batch
  const roots = batch.chunkRoots.map((root) => toHex(root, { size: 32 }))
  const words = [
    'uint256',
    'address',
    'uint64',
    'uint64',
    'uint64',
    'uint256',
    'uint256',
    'bytes32',
    'bytes32',
    'uint64',
  ]
  const encoded = encodeAbiParameters(
    [...words, 'bytes32', 'bytes32', 'bytes32', 'bytes32'].map((type) => ({ type })),
    [
      BigInt(chainId),
      settlement,
      header.number,
      header.firstSeq,
      header.lastSeq,
      header.oldRoot,
      header.newRoot,
      header.journalHead,
      header.fillsRoot,
      header.depositsConsumed,
      keccak256(roots.length === 0 ? '0x' : concatHex(roots)),
      keccak256(pack(batch.rows)),
      keccak256(packDeposits(batch.deposits)),
      keccak256(pack(batch.withdrawals)),
    ],
  )
  return BigInt(keccak256(encoded)) % FIELD
}

/** Public inputs of a chunk's proof: first root, last root, z, evaluation. */
export type PublicInputs = readonly [bigint, bigint, bigint, bigint]

/** Those of chunk `chunk` of `rowsPerChunk` row slots. */
export function publicInputs(
  batch: PostedBatch,
  z: bigint,
  chunk: number,
  rowsPerChunk: number,
): PublicInputs {
  let evaluation = 0n
  for (let slot = 0; slot < rowsPerChunk; slot++) {
    const row = batch.rows[chunk * rowsPerChunk + slot]
    const place = row === undefined ? 0n : BigInt(row.index) + 1n
    const delta = row === undefined ? 0n : (row.value + FIELD) % FIELD
    evaluation = (evaluation * z + place) % FIELD
    evaluation = (evaluation * z + delta) % FIELD
  }
  const first = chunk === 0 ? batch.header.oldRoot : batch.chunkRoots[chunk - 1]!
  return [first, batch.chunkRoots[chunk]!, z, evaluation]
}

/** What the contract keeps of a chunk until its proof. */
export function chunkCommitment(inputs: PublicInputs): Hex {
  return keccak256(encodeAbiParameters([{ type: 'uint256[4]' }], [inputs]))
}

/** Next value of the deposit queue's running hash. */
export function extendDeposits(previous: Hex, deposit: DepositRecord): Hex {
  return keccak256(concatHex([previous, packDeposits([deposit])]))
}
