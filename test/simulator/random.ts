/** Seeded generator of the simulator (sfc32): the same seed gives the same run on every machine. */
export class Random {
  private a: number
  private b: number
  private c: number
  private counter = 1

  constructor(seed: number) {
    this.a = seed | 0
    this.b = 0x9e3779b9 ^ Math.imul(seed, 0x85ebca6b)
    this.c = 0x243f6a88
    for (let round = 0; round < 12; round++) this.next()
  }

  /** Uniform uint32. */
  next(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0
    this.counter = (this.counter + 1) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum
    this.c |= 0
    return sum >>> 0
  }

  /** Uniform integer in 0..end - 1. */
  below(end: number): number {
    return Math.floor((this.next() / 2 ** 32) * end)
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.next() < p * 2 ** 32
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}
