/**
 * Client order ids that nobody else of the account chooses: 41 bits of milliseconds, 11 bits of this client's own,
 * 12 bits of a counter.
 */
const TAG_BITS = 11
const COUNT_BITS = 12

export class Cloids {
  readonly #tag = globalThis.crypto.getRandomValues(new Uint16Array(1))[0]! >> (16 - TAG_BITS)
  #ms = 0
  #count = 0

  next(): bigint {
    // Only to differ from others: the wall clock, which is there before any connection.
    // eslint-disable-next-line no-restricted-properties
    const now = Date.now()
    if (now > this.#ms) {
      this.#ms = now
      this.#count = 0
    } else if (++this.#count === 2 ** COUNT_BITS) {
      this.#ms++
      this.#count = 0
    }
    return (
      (BigInt(this.#ms) << BigInt(TAG_BITS + COUNT_BITS)) | BigInt((this.#tag << COUNT_BITS) | this.#count)
    )
  }
}
