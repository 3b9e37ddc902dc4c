/** What a message is made of, in either encoding, and the refusal of bytes that are none. */
export type WireValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly WireValue[]
  | { readonly [key: string]: WireValue | undefined }

/** Bytes that are not a message of this protocol: `what` says why, `offset` where. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
  constructor(
    readonly what: string,
    readonly offset: number,
  ) {
    super(`${what} at byte ${offset}`)
  }
}
