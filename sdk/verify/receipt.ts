/**
 * Receipts: the operator's signed word that a frame's commands stand in the journal. Checked here against
 * the frame that was really sent; kept by whoever may have to show one day that it was given.
 */
import { p256 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { VerificationError } from '../base/errors.js'
import { ErrorCode } from '../wire/codes.js'
import { readArray, readBytes, readSafeInt } from '../wire/fields.js'
import { SESSION_SIGNATURE_BYTES } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import { type Receipt, receiptMessage } from '../wire/signed.js'

export interface SignedReceipt extends Receipt {
  readonly signature: Uint8Array
}

/**
 * A receipt as it travels, checked: it is for `frame` (the signed bytes) and by `publicKey`.
 * @throws VerificationError when it is not.
 */
export async function checkReceipt(
  value: WireValue,
  publicKey: Uint8Array | undefined,
  domain: Uint8Array,
  frame: Uint8Array,
): Promise<SignedReceipt> {
  const fields = readArray(value, 'receipt', 6, 16)
  const receipt = {
    firstSeq: readSafeInt(fields[0], 'firstSeq'),
    lastSeq: readSafeInt(fields[1], 'lastSeq'),
    frameHash: readBytes(fields[2], 'frameHash', 32).slice(),
    headSeq: readSafeInt(fields[3], 'headSeq'),
    journalHead: readBytes(fields[4], 'journalHead', 32).slice(),
    signature: readBytes(fields[5], 'signature', SESSION_SIGNATURE_BYTES).slice(),
  }
  const hash = sha256(frame)
  const refuse = (why: string): never => {
    throw new VerificationError(`the receipt ${why}`, { code: ErrorCode.BadSignature })
  }
  if (hash.some((byte, index) => byte !== receipt.frameHash[index])) refuse('is for another frame')
  if (receipt.headSeq < receipt.lastSeq) refuse('names a journal head before its own commands')
  const message = receiptMessage(domain, receipt)
  if (publicKey === undefined || !p256.verify(receipt.signature, message, publicKey, { lowS: false })) {
    refuse('is not signed by the operator')
  }
  return receipt
}
