/**
 * Poseidon of two elements as WebAssembly, assembled at load from the coefficients of poseidon-rounds.ts.
 *
 * Numbers are in Montgomery form (P. Montgomery, "Modular Multiplication Without Trial Division", 1985)
 * with factor 2^261, as nine limbs of 29 bits in 64-bit words. A column of a product sums at most 45
 * products of limbs and 9 of the reduction: 54 * 2^58 < 2^64, so nothing is carried inside a column, and a
 * sum of five products is reduced once. Every result is below 1.1 R: (5 * (2.2 R)^2) / 2^261 + R; only what
 * leaves is brought below R.
 *
 * A stored element is 32 bytes, little-endian, Montgomery form, canonical.
 */
import { R, toField } from './field.js'
import { FULL_ROUNDS, PARTIAL_ROUNDS, WIDTH } from './poseidon-constants.js'
import { poseidonRounds } from './poseidon-rounds.js'
import { FunctionBuilder, buildModule } from './wasm-builder.js'

const LIMBS = 9
const LIMB_BITS = 29
const MASK = (1n << BigInt(LIMB_BITS)) - 1n
export const MONTGOMERY = 1n << BigInt(LIMBS * LIMB_BITS)
/** Bytes of an element in limbs. */
const SLOT = LIMBS * 8
/** Bytes of a stored element. */
export const ELEMENT_BYTES = 32

const limbsOf = (value: bigint): bigint[] =>
  Array.from({ length: LIMBS }, (_, limb) => (value >> BigInt(limb * LIMB_BITS)) & MASK)

/** -R^-1 mod 2^29. */
const R_NEGATIVE_INVERSE = (() => {
  let inverse = 1n
  for (let bits = 1; bits < LIMB_BITS; bits *= 2) inverse = (inverse * (2n - R * inverse)) & MASK
  return -inverse & MASK
})()
const R_LIMBS = limbsOf(R)

/** Where things stand in the module's memory, from `base` on. */
const Layout = (() => {
  let end = 0
  const take = (slots: number): number => {
    const at = end
    end += slots * SLOT
    return at
  }
  return {
    /** The three lanes, before and after the S-boxes. */
    state: take(WIDTH),
    boxed: take(WIDTH),
    /** y_0 .. y_56, s_0 .. s_57 of the partial rounds. */
    y: take(PARTIAL_ROUNDS),
    s: take(PARTIAL_ROUNDS + 1),
    /** Constants of full rounds (WIDTH each), of the entry, the recurrence, the exit, and a zero. */
    full: take(FULL_ROUNDS * WIDTH),
    enter: take(3),
    recurrence: take(PARTIAL_ROUNDS - 2),
    leave: take(2),
    zero: take(1),
    squareFactor: take(1),
    end,
    get bytes() {
      return end
    },
  }
})()

/** Bytes of scratch memory that an instance needs at its base. */
export const SCRATCH_BYTES = Math.ceil(Layout.bytes / 64) * 64

/**
 * Montgomery reduction column by column. `column(k)` emits code that adds the products of column k to the
 * value on the stack; `result(limb, value)` gets code that pushes each limb of the result.
 */
function reduceColumns(
  f: FunctionBuilder,
  column: (k: number) => void,
  result: (limb: number, pushValue: () => void) => void,
): void {
  const sum = f.local()
  const quotient = Array.from({ length: LIMBS }, () => f.local())
  f.constant64(0n).set(sum)
  for (let k = 0; k < 2 * LIMBS; k++) {
    f.get(sum)
    if (k < 2 * LIMBS - 1) column(k)
    for (let i = Math.max(0, k - LIMBS + 1); i < Math.min(k, LIMBS); i++)
      f.get(quotient[i]!)
        .constant64(R_LIMBS[k - i]!)
        .mul64()
        .add64()
    f.set(sum)
    if (k < LIMBS) {
      f.get(sum).constant64(R_NEGATIVE_INVERSE).mul64().constant64(MASK).and64().set(quotient[k]!)
      f.get(sum).get(quotient[k]!).constant64(R_LIMBS[0]!).mul64().add64().shiftRight64(LIMB_BITS).set(sum)
    } else {
      const isTop = k === 2 * LIMBS - 1
      result(k - LIMBS, () => (isTop ? f.get(sum) : f.get(sum).constant64(MASK).and64()))
      if (!isTop) f.get(sum).shiftRight64(LIMB_BITS).set(sum)
    }
  }
}

/** pow5(from, to): the S-box. */
function pow5(): FunctionBuilder {
  const f = new FunctionBuilder('pow5', 2)
  const fresh = (): number[] => Array.from({ length: LIMBS }, () => f.local())
  const square = (x: readonly number[], into: readonly number[]): void => {
    const double = fresh()
    x.forEach((limb, index) => f.get(limb).shiftLeft64(1).set(double[index]!))
    reduceColumns(
      f,
      (k) => {
        for (let i = Math.max(0, k - LIMBS + 1); i < k - i; i++)
          f.get(x[i]!)
            .get(double[k - i]!)
            .mul64()
            .add64()
        if (k % 2 === 0)
          f.get(x[k / 2]!)
            .get(x[k / 2]!)
            .mul64()
            .add64()
      },
      (limb, pushValue) => {
        pushValue()
        f.set(into[limb]!)
      },
    )
  }
  const x = fresh()
  x.forEach((limb, index) =>
    f
      .get(0)
      .load64(index * 8)
      .set(limb),
  )
  const squared = fresh()
  square(x, squared)
  const fourth = fresh()
  square(squared, fourth)
  reduceColumns(
    f,
    (k) => {
      for (let i = Math.max(0, k - LIMBS + 1); i <= Math.min(k, LIMBS - 1); i++)
        f.get(x[i]!)
          .get(fourth[k - i]!)
          .mul64()
          .add64()
    },
    (limb, pushValue) => {
      f.get(1)
      pushValue()
      f.store64(limb * 8)
    },
  )
  return f
}

/**
 * name(from, constant, to): to = constant + sum of factor[i] * input i. Input i stands at
 * from + offsets[i]. The constant is added behind the reduction.
 */
function linear(name: string, factors: readonly bigint[], offsets: readonly number[]): FunctionBuilder {
  const f = new FunctionBuilder(name, 3)
  const factorLimbs = factors.map((factor) => limbsOf((factor * MONTGOMERY) % R))
  const inputs = offsets.map((offset) =>
    Array.from({ length: LIMBS }, (_, limb) => {
      const local = f.local()
      f.get(0)
        .load64(offset + limb * 8)
        .set(local)
      return local
    }),
  )
  reduceColumns(
    f,
    (k) => {
      if (k >= LIMBS)
        f.get(1)
          .load64((k - LIMBS) * 8)
          .add64()
      for (const [index, limbs] of inputs.entries())
        for (let i = Math.max(0, k - LIMBS + 1); i <= Math.min(k, LIMBS - 1); i++)
          f.get(limbs[i]!)
            .constant64(factorLimbs[index]![k - i]!)
            .mul64()
            .add64()
    },
    (limb, pushValue) => {
      f.get(2)
      pushValue()
      if (limb === LIMBS - 1)
        f.get(1)
          .load64(limb * 8)
          .add64()
      f.store64(limb * 8)
    },
  )
  return f
}

/** unpack(from, constant, to): 32 stored bytes, plus a constant, into limbs. */
function unpack(): FunctionBuilder {
  const f = new FunctionBuilder('unpack', 3)
  const carry = f.local()
  f.constant64(0n).set(carry)
  for (let limb = 0; limb < LIMBS; limb++) {
    const bit = limb * LIMB_BITS
    const [word, shift] = [bit >> 5, bit & 31]
    f.get(0)
      .load32(word * 4)
      .shiftRight64(shift)
    if (shift > 32 - LIMB_BITS && word < 7)
      f.get(0)
        .load32((word + 1) * 4)
        .shiftLeft64(32 - shift)
        .or64()
    f.constant64(MASK)
      .and64()
      .get(1)
      .load64(limb * 8)
      .add64()
      .get(carry)
      .add64()
      .set(carry)
    f.get(2).get(carry)
    if (limb < LIMBS - 1) f.constant64(MASK).and64()
    f.store64(limb * 8)
    f.get(carry).shiftRight64(LIMB_BITS).set(carry)
  }
  return f
}

/** pack(from, to): limbs of a value below 2 R into 32 canonical bytes. */
function pack(): FunctionBuilder {
  const f = new FunctionBuilder('pack', 2)
  const x = Array.from({ length: LIMBS }, () => f.local())
  const reduced = Array.from({ length: LIMBS }, () => f.local())
  const borrow = f.local()
  x.forEach((limb, index) =>
    f
      .get(0)
      .load64(index * 8)
      .set(limb),
  )
  f.constant64(0n).set(borrow)
  for (let limb = 0; limb < LIMBS; limb++) {
    f.get(x[limb]!).constant64(R_LIMBS[limb]!).sub64().get(borrow).add64().set(borrow)
    f.get(borrow).constant64(MASK).and64().set(reduced[limb]!)
    f.get(borrow).shiftRightSigned64(LIMB_BITS).set(borrow)
  }
  // borrow is -1 when x < R: keep x; else 0: take x - R.
  for (let limb = 0; limb < LIMBS; limb++)
    f.get(x[limb]!).get(reduced[limb]!).sub64().get(borrow).and64().get(reduced[limb]!).add64().set(x[limb]!)
  for (let word = 0; word < 8; word++) {
    const bit = word * 32
    const [limb, shift] = [Math.floor(bit / LIMB_BITS), bit % LIMB_BITS]
    f.get(1).get(x[limb]!).shiftRight64(shift)
    f.get(x[limb + 1]!)
      .shiftLeft64(LIMB_BITS - shift)
      .or64()
    if (limb + 2 < LIMBS && 2 * LIMB_BITS - shift < 32)
      f.get(x[limb + 2]!)
        .shiftLeft64(2 * LIMB_BITS - shift)
        .or64()
    f.store32(word * 4)
  }
  return f
}

/** Writes the constants of an instance at `base` of its memory. */
function writeConstants(memory: ArrayBufferLike, base: number): void {
  const rounds = poseidonRounds()
  const words = new BigUint64Array(memory, base, Layout.bytes / 8)
  const put = (at: number, value: bigint): void => words.set(limbsOf(value), at / 8)
  const montgomery = (value: bigint): bigint => toField(value * MONTGOMERY)
  const fullRounds = [0, 1, 2, 3, 61, 62, 63, 64]
  fullRounds.forEach((round, index) => {
    for (let lane = 0; lane < WIDTH; lane++)
      put(Layout.full + (index * WIDTH + lane) * SLOT, montgomery(rounds.roundConstant(round, lane)))
  })
  rounds.enter.forEach(({ constant }, index) => put(Layout.enter + index * SLOT, montgomery(constant)))
  rounds.recurrenceConstants.forEach((constant, k) => put(Layout.recurrence + k * SLOT, montgomery(constant)))
  rounds.leave.forEach(({ constant }, lane) => put(Layout.leave + lane * SLOT, montgomery(constant)))
  put(Layout.zero, 0n)
}

/**
 * The module's functions for scratch memory at `base`:
 *   hash(left, right, out): addresses of stored elements; out may be one of the inputs.
 */
function functionsAt(base: number): FunctionBuilder[] {
  const { matrix, enter, second, third, recurrence, leave } = poseidonRounds()
  const lanes = [0, SLOT, 2 * SLOT]
  const list: FunctionBuilder[] = []
  const define = (f: FunctionBuilder): number => list.push(f) - 1
  const box = define(pow5())
  const load = define(unpack())
  const store = define(pack())
  const rows = matrix.map((row, index) => define(linear(`row${index}`, row, lanes)))
  const enters = enter.map(({ factors }, index) => define(linear(`enter${index}`, factors, lanes)))
  const seconds = define(linear('second', second, [0]))
  const thirds = define(linear('third', third, [0, SLOT]))
  const toS = Layout.s - Layout.y
  // Inputs from &y_k: y_k, y_k+1, y_k+2, s_k+1, s_k+2.
  const steps = define(linear('step', recurrence, [0, SLOT, 2 * SLOT, toS + SLOT, toS + 2 * SLOT]))
  // Inputs from &y_55: y_55, y_56, s_56, s_57.
  const leaves = leave.map(({ factors }, lane) =>
    define(linear(`leave${lane}`, factors, [0, SLOT, toS + SLOT, toS + 2 * SLOT])),
  )

  const f = new FunctionBuilder('hash', 3)
  define(f)
  const at = (offset: number): number => base + offset
  const push = (...addresses: number[]): FunctionBuilder => {
    for (const address of addresses) f.constant32(at(address))
    return f
  }
  const boxAll = (): void => {
    for (const lane of lanes) push(Layout.state + lane, Layout.boxed + lane).call(box)
  }
  /** Matrix of full round `index` (of 8), then the constants of the next full round. */
  const mix = (index: number): void =>
    rows.forEach((row, lane) =>
      push(Layout.boxed, Layout.full + ((index + 1) * WIDTH + lane) * SLOT, Layout.state + lane * SLOT).call(
        row,
      ),
    )
  // Round 0: lane 0 is its constant.
  push(Layout.full, Layout.boxed).call(box)
  f.get(0)
  push(Layout.full + SLOT, Layout.state + SLOT).call(load)
  f.get(1)
  push(Layout.full + 2 * SLOT, Layout.state + 2 * SLOT).call(load)
  push(Layout.state + SLOT, Layout.boxed + SLOT).call(box)
  push(Layout.state + 2 * SLOT, Layout.boxed + 2 * SLOT).call(box)
  mix(0)
  for (const index of [1, 2]) {
    boxAll()
    mix(index)
  }
  boxAll()
  // s_0; p1 and p2 wait in s_1 and s_2.
  enters.forEach((form, index) =>
    push(Layout.boxed, Layout.enter + index * SLOT, Layout.s + index * SLOT).call(form),
  )
  push(Layout.s, Layout.y).call(box)
  push(Layout.y, Layout.s + SLOT, Layout.s + SLOT).call(seconds)
  push(Layout.s + SLOT, Layout.y + SLOT).call(box)
  push(Layout.y, Layout.s + 2 * SLOT, Layout.s + 2 * SLOT).call(thirds)
  // Local 0 counts the bytes of k slots from here on.
  f.constant32(0).set(0)
  f.loop(0, SLOT, (PARTIAL_ROUNDS - 2) * SLOT, () => {
    const shifted = (offset: number): FunctionBuilder => f.get(0).constant32(at(offset)).add32()
    shifted(Layout.s + 2 * SLOT)
    shifted(Layout.y + 2 * SLOT).call(box)
    shifted(Layout.y)
    shifted(Layout.recurrence)
    shifted(Layout.s + 3 * SLOT).call(steps)
  })
  leaves.forEach((form, lane) =>
    push(
      Layout.y + (PARTIAL_ROUNDS - 2) * SLOT,
      Layout.leave + lane * SLOT,
      Layout.state + (lane + 1) * SLOT,
    ).call(form),
  )
  push(Layout.s + PARTIAL_ROUNDS * SLOT, Layout.boxed).call(box)
  push(Layout.state + SLOT, Layout.boxed + SLOT).call(box)
  push(Layout.state + 2 * SLOT, Layout.boxed + 2 * SLOT).call(box)
  for (const index of [4, 5, 6]) {
    mix(index)
    boxAll()
  }
  push(Layout.boxed, Layout.zero, Layout.state).call(rows[0]!)
  f.constant32(at(Layout.state)).get(2).call(store)
  return list
}

export interface PoseidonInstance {
  /** out = Poseidon(left, right); byte addresses of stored elements. */
  readonly hash: (left: number, right: number, out: number) => void
}

/** Instantiates the hash over `memory`, with its scratch of SCRATCH_BYTES at `base` (a multiple of 8). */
export function instantiatePoseidon(
  memory: WebAssembly.Memory,
  limits: { readonly minPages: number; readonly maxPages: number; readonly isShared: boolean },
  base: number,
): PoseidonInstance {
  writeConstants(memory.buffer, base)
  const module = new WebAssembly.Module(buildModule(functionsAt(base), ['hash'], limits))
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return { hash: exports.hash as PoseidonInstance['hash'] }
}
