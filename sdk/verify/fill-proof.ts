/**
 * Proofs that a fill stands in a batch: its leaf, and the SHA-256 Merkle path to the batch's `fillsRoot` on
 * the chain. Hashing as RFC 6962, section 2.1, in its prefixes (0x00 leaf, 0x01 node); a node without a
 * sibling is promoted and has no entry in the path.
 *
 *   leaf, 152 bytes, big-endian
 *     0  u64 seq            8  u32 fill index in the command   12  u32 market    16  u32 ticks
 *    20  u32 lots          24  u32 maker account               28  u32 taker account
 *    32  u64 maker cloid   40  u64 taker cloid                 48  u64 maker order id
 *    56  u64 taker order id                                    64  i64 maker fee    72  i64 taker fee
 *    80  u8 taker side, 7 zero bytes                           88  maker frame hash  120  taker frame hash
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { VerificationError } from '../base/errors.js'
import { type Check, checkFields, isBytes, refuseInput } from '../base/inputs.js'
import type { TrackedFill } from '../streams/trackers.js'
import { fromHex, toHex } from '../wire/bytes.js'
import { ErrorCode } from '../wire/codes.js'
import { readArray, readObject, readSafeInt, readString } from '../wire/fields.js'
import type { WireValue } from '../wire/msgpack.js'
import type { Receipt } from '../wire/signed.js'
import { FILL_TREE_LEVELS_MAX } from '../limits.js'

export const FILL_LEAF_BYTES = 152

export interface FillProof {
  readonly leaf: Uint8Array
  readonly siblings: readonly Uint8Array[]
  /** Bit i is 1 where siblings[i] is the left one. */
  readonly leftSiblings: bigint
}

/** A fill proof with the batch that it is of. */
export interface BatchFillProof {
  readonly batch: number
  /** As the exchange says; the chain knows better. */
  readonly state: string
  readonly proof: FillProof
}

const HASH_BYTES = 32

const isSibling = isBytes(HASH_BYTES)

/** A proof that a caller has from wherever; whether it proves anything, its root says. */
export const isFillProof: Check = (value, field) => {
  const checks: Readonly<Record<keyof FillProof, Check>> = {
    // How many they are, the comparison with the fill judges: what proves nothing is no mistake of the caller.
    leaf: isBytes(),
    siblings: (siblings, name) => {
      if (!Array.isArray(siblings) || siblings.length > FILL_TREE_LEVELS_MAX)
        refuseInput(name, siblings, `an array of at most ${FILL_TREE_LEVELS_MAX} hashes`)
      siblings.forEach((sibling, level) => isSibling(sibling, `${name}[${level}]`))
    },
    leftSiblings: (bits, name) => {
      if (typeof bits !== 'bigint' || bits < 0n) refuseInput(name, bits, 'a bigint from 0n')
    },
  }
  checkFields(field, value, checks, Object.keys(checks))
}

/** A proof as the gateway sends it. @throws FieldError or VerificationError when it is not one. */
export function readFillProof(answer: WireValue): BatchFillProof {
  const proof = readObject(answer, 'fill proof')
  const bytes = (value: unknown, field: string, count: number): Uint8Array => {
    const found = fromHex(readString(value, field, 2 + 2 * count))
    if (found?.length !== count)
      throw new VerificationError(`${field} is not ${count} bytes`, { code: ErrorCode.ProofUnavailable })
    return found
  }
  return {
    batch: readSafeInt(proof['batch'], 'batch'),
    state: readString(proof['state'], 'state'),
    proof: {
      leaf: bytes(proof['leaf'], 'leaf', FILL_LEAF_BYTES),
      siblings: readArray(proof['siblings'], 'siblings', 0, FILL_TREE_LEVELS_MAX).map((value) =>
        bytes(value, 'sibling', HASH_BYTES),
      ),
      leftSiblings: BigInt(readSafeInt(proof['leftSiblings'], 'leftSiblings')),
    },
  }
}

/** The root that a leaf and its path hash to. */
export function fillsRootOf({ leaf, siblings, leftSiblings }: FillProof): Uint8Array {
  let node = sha256(Uint8Array.of(0, ...leaf))
  siblings.forEach((sibling, level) => {
    const isLeft = ((leftSiblings >> BigInt(level)) & 1n) === 1n
    node = sha256(Uint8Array.of(1, ...(isLeft ? sibling : node), ...(isLeft ? node : sibling)))
  })
  return node
}

/**
 * Checks that a leaf is `fill` of `account`, field by field; with a receipt, that the order came from its
 * frame. @throws VerificationError naming the first field that differs, with both values.
 */
export function checkFillLeaf(leaf: Uint8Array, fill: TrackedFill, account: number, receipt?: Receipt): void {
  const refuse = (field: string, found: unknown, expected: unknown): never => {
    throw new VerificationError(`the proof has ${field} ${String(found)}, the fill ${String(expected)}`, {
      code: ErrorCode.ProofUnavailable,
    })
  }
  if (leaf.length !== FILL_LEAF_BYTES) refuse('bytes', leaf.length, FILL_LEAF_BYTES)
  const view = new DataView(leaf.buffer, leaf.byteOffset, leaf.length)
  const takerSide = view.getUint8(80) === 0 ? 'buy' : 'sell'
  const other = takerSide === 'buy' ? 'sell' : 'buy'
  const own = fill.maker ? 0 : 1
  const pairs: readonly (readonly [field: string, found: unknown, expected: unknown])[] = [
    ['seq', Number(view.getBigUint64(0)), fill.seq],
    ['index', view.getUint32(8), fill.index],
    ['market', view.getUint32(12), fill.market],
    ['ticks', view.getUint32(16), fill.ticks],
    ['lots', view.getUint32(20), fill.lots],
    ['account', view.getUint32(24 + 4 * own), account],
    ['client order id', view.getBigUint64(32 + 8 * own), fill.cloid],
    ['order id', Number(view.getBigUint64(48 + 8 * own)), fill.orderId],
    ['fee', Number(view.getBigInt64(64 + 8 * own)), fill.feeUnits],
    ['side', fill.maker ? other : takerSide, fill.side],
  ]
  for (const [field, found, expected] of pairs) if (found !== expected) refuse(field, found, expected)
  if (receipt === undefined) return
  const frameAt = 88 + 32 * own
  const frameHash = toHex(leaf.subarray(frameAt, frameAt + 32))
  if (frameHash !== toHex(receipt.frameHash)) refuse('frame', frameHash, toHex(receipt.frameHash))
}
