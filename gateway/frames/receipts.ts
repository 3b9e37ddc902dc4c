/**
 * Receipts: the operator's signed word that a frame's commands stand in the journal. What is signed is in
 * sdk/wire/signed.ts. Given only after the commands are durable, on a frame that asks for one.
 */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { ControlBlock } from '../../engine/rings/control.js'
import { PUBLIC_KEY_BYTES } from '../../sdk/wire/layout.js'
import { receiptMessage } from '../../sdk/wire/signed.js'
import type { Domain } from '../signatures/auth.js'
import type { ReceiptSigner } from './frames.js'

export interface Receipts {
  readonly sign: ReceiptSigner
  /** The operator's key, SEC1 compressed: clients are told it in the hello. */
  readonly publicKey: Uint8Array
}

/** A signer with the operator's P-256 key (PKCS#8 DER); throws when it is not one. */
export function createReceipts(pkcs8: Uint8Array, domain: Domain, control: ControlBlock): Receipts {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  const { crv, x, y } = createPublicKey(key).export({ format: 'jwk' })
  if (crv !== 'P-256') throw new Error(`receipt key: P-256 is needed, not ${String(crv)}`)
  const publicKey = new Uint8Array(PUBLIC_KEY_BYTES)
  publicKey[0] = 2 | (Buffer.from(y!, 'base64url').at(-1)! & 1)
  publicKey.set(Buffer.from(x!, 'base64url'), 1)
  return {
    publicKey,
    sign: ({ firstSeq, lastSeq, frameHash }, done) => {
      const { seq: headSeq, head: journalHead } = control.durableHead()
      const message = receiptMessage(domain.hash, { firstSeq, lastSeq, frameHash, headSeq, journalHead })
      sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, (error, signature) => {
        if (error !== null) throw error
        done([firstSeq, lastSeq, frameHash, headSeq, journalHead, signature])
      })
    },
  }
}
