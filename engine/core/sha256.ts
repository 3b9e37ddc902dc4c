/**
 * SHA-256 (FIPS 180-4) over byte ranges, in steps of any size, without allocation after construction.
 * The core may import no platform module, and the state hash must be the same in every one.
 */
const K = new Int32Array(64)
const INITIAL = new Int32Array(8)

// Constants: fractional parts of the cube and square roots of the first primes (FIPS 180-4, 4.2.2, 5.3.3).
function fillConstants(): void {
  let count = 0
  for (let candidate = 2; count < 64; candidate++) {
    let prime = true
    for (let divisor = 2; divisor * divisor <= candidate; divisor++)
      if (candidate % divisor === 0) prime = false
    if (!prime) continue
    if (count < 8) INITIAL[count] = fraction(Math.sqrt(candidate))
    K[count++] = fraction(Math.cbrt(candidate))
  }
}
const fraction = (root: number): number => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0
fillConstants()

export class Sha256 {
  private readonly state = INITIAL.slice()
  private readonly block = new Uint8Array(64)
  private readonly schedule = new Int32Array(64)
  private filled = 0
  private length = 0

  /** Takes in bytes [start, end). */
  update(bytes: Uint8Array, start: number, end: number): void {
    this.length += end - start
    let at = start
    while (at < end) {
      if (this.filled === 0 && end - at >= 64) {
        this.compress(bytes, at)
        at += 64
        continue
      }
      const take = Math.min(64 - this.filled, end - at)
      for (let index = 0; index < take; index++) this.block[this.filled + index] = bytes[at + index]!
      this.filled += take
      at += take
      if (this.filled === 64) {
        this.compress(this.block, 0)
        this.filled = 0
      }
    }
  }

  /** Ends the message and writes the 32 bytes of its digest. */
  digestInto(out: Uint8Array, at: number): void {
    const { block, state } = this
    const length = this.length
    block[this.filled++] = 0x80
    if (this.filled > 56) {
      block.fill(0, this.filled)
      this.compress(block, 0)
      this.filled = 0
    }
    block.fill(0, this.filled)
    // The length in bits, 64 bits big-endian.
    const view = new DataView(block.buffer)
    view.setUint32(56, Math.floor(length / 2 ** 29))
    view.setUint32(60, (length << 3) >>> 0)
    this.compress(block, 0)
    const result = new DataView(out.buffer, out.byteOffset + at, 32)
    for (let word = 0; word < 8; word++) result.setInt32(word * 4, state[word]!)
  }

  private compress(bytes: Uint8Array, at: number): void {
    const { schedule: w, state } = this
    for (let index = 0; index < 16; index++) {
      const from = at + index * 4
      w[index] = (bytes[from]! << 24) | (bytes[from + 1]! << 16) | (bytes[from + 2]! << 8) | bytes[from + 3]!
    }
    for (let index = 16; index < 64; index++) {
      const x = w[index - 15]!
      const y = w[index - 2]!
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[index] = (w[index - 16]! + s0 + w[index - 7]! + s1) | 0
    }
    let a = state[0]!
    let b = state[1]!
    let c = state[2]!
    let d = state[3]!
    let e = state[4]!
    let f = state[5]!
    let g = state[6]!
    let h = state[7]!
    for (let round = 0; round < 64; round++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[round]! + w[round]!) | 0
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    state[0] = (state[0]! + a) | 0
    state[1] = (state[1]! + b) | 0
    state[2] = (state[2]! + c) | 0
    state[3] = (state[3]! + d) | 0
    state[4] = (state[4]! + e) | 0
    state[5] = (state[5]! + f) | 0
    state[6] = (state[6]! + g) | 0
    state[7] = (state[7]! + h) | 0
  }
}
