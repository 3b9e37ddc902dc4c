/**
 * Arithmetic modulo R as WebAssembly vector code: two numbers side by side, one in each lane.
 *
 * A number is five limbs of radix 2^51, signed, kept as doubles. A product p of two limbs comes in two exact parts
 * (N. Emmart, F. Zheng, C. Weems, "Faster Modular Exponentiation Using Double Precision Floating Point Arithmetic on
 * the GPU", 2018): added to 1.5 * 2^103, whose last place is 2^51, with one rounding, it leaves its high part h, p being
 * near h * 2^51; then p - h * 2^51, at most 2^50, is exact as well. Both stand in the last bits of their doubles, the
 * second one when 1.5 * 2^52 is with it, so they are summed as integers, two products at a time, and what the exponents add is taken off once, in a column's first value.
 *
 * A product of numbers is ten columns. Those from 2^255 on are carried and multiplied by the residues of their weights
 * (again products of limbs); what is over then is R times an estimate, which is taken off. Every result is near 0, in
 * -R .. R, and its limbs near -2^50 .. 2^50.
 *
 * Invariant: no double is ever rounded where it counts: |p| + |p'| <= 2^102, |h| < 2^52, other doubles <= 2^53, columns
 * < 2^61. Limbs carry the bound of their absolute value, and the code is not made when one of these is not kept.
 */
import { R } from '../tree/field.js'
import { Simd, type FunctionBuilder } from '../tree/wasm-builder.js'

export const LIMBS = 5
const LIMB_BITS = 51
/** A limb of the last columns stands for 2^255 and more. */
const COLUMNS = 2 * LIMBS
/** Bytes of a number: five pairs of doubles. */
export const NUMBER_SIZE = LIMBS * 16

const RADIX = 2 ** LIMB_BITS
const HALF = RADIX / 2
/** Products that are added to the first of these stay in its binade. */
const SUM_MAX = 2 ** 102
const HIGH_MAGIC = 1.5 * 2 ** 103
const LOW_MAGIC = 1.5 * 2 ** 52
/** What is added to a column before it is split: it becomes positive, and its low part round to the nearest. */
const COLUMN_BIAS = 2n ** 61n + BigInt(HALF)
const CARRY_BIAS = 2 ** (61 - LIMB_BITS)

const WORD = 0xffffffffffffffffn
const bitsOf = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0]!
const HIGH_BITS = bitsOf(HIGH_MAGIC)
const LOW_BITS = bitsOf(LOW_MAGIC)
/** Of a double of 2^52 and more: OR puts the integer below it. */
const INTEGER_BITS = bitsOf(2 ** 52)

/** The residue of least absolute value, in signed limbs. */
export function limbsOf(value: bigint): number[] {
  let rest = ((value % R) + R) % R
  if (rest > R / 2n) rest -= R
  return signedDigits(rest)
}

function signedDigits(value: bigint): number[] {
  let rest = value
  const limbs: number[] = []
  for (let limb = 0; limb < LIMBS - 1; limb++) {
    const digit = BigInt.asIntN(LIMB_BITS, rest)
    limbs.push(Number(digit))
    rest = (rest - digit) >> BigInt(LIMB_BITS)
  }
  return [...limbs, Number(rest)]
}

const MODULUS = signedDigits(R)
/** R in units of the last limb. */
const MODULUS_TOP = Number(R) / 2 ** (LIMB_BITS * (LIMBS - 1))

function keeps(holds: boolean, what: string): void {
  if (!holds) throw new Error(`poseidon2: ${what} does not fit`)
}

/** Constants of a module, words of 64 bits in both lanes (what is loaded into both is addressed less well). */
export class ConstantPool {
  private readonly words: bigint[] = []
  private readonly places = new Map<bigint, number>()

  /** `at`: address of the first word. */
  constructor(readonly at: number) {}

  /** What is to stand in memory. */
  get lanes(): BigUint64Array {
    return BigUint64Array.from(this.words.flatMap((word) => [word, word]))
  }

  /** Address of a word. */
  word(bits: bigint): number {
    const word = bits & WORD
    let place = this.places.get(word)
    if (place === undefined) {
      place = this.words.push(word) - 1
      this.places.set(word, place)
    }
    return this.at + place * 16
  }

  /** Address of a number's limbs, one behind the other. */
  number(value: bigint): number {
    const at = this.words.length
    for (const limb of limbsOf(value)) this.words.push(bitsOf(limb))
    return this.at + at * 16
  }
}

/** Limbs in locals, and bounds of their absolute values. */
export interface Limbs {
  readonly locals: readonly number[]
  readonly max: readonly number[]
}

/** Bytes of columns. */
export const COLUMN_BYTES = 1024

/** Addresses of sums of integers, two lanes each. */
type Columns = readonly number[]

/** A product of two limbs for column `column`; `b` pushes the second factor. */
interface Term {
  readonly column: number
  readonly a: number
  readonly pushB: () => void
  readonly max: number
}

/** Bound of a product's last column. */
const UPPER_TOP = HALF

/** The terms of a column, two together where their sum is small enough to stay exact. */
function chainsOf(terms: readonly Term[], column: number): Term[][] {
  const chains: Term[][] = []
  for (const term of terms) {
    if (term.column !== column) continue
    keeps(term.max <= SUM_MAX, 'a product of limbs')
    const open = chains.find((chain) => chain.length === 1 && chain[0]!.max + term.max <= SUM_MAX)
    if (open === undefined) chains.push([term])
    else open.push(term)
  }
  return chains
}

/** Bounds of the limbs of a number that is `share` of R at most, carried. */
const boundsOf = (share: number): number[] => [
  ...Array.from({ length: LIMBS - 1 }, () => HALF + 2 ** 10),
  share * MODULUS_TOP + 4,
]
/** Of what `settle` leaves, and a product at most. */
export const SETTLED: readonly number[] = boundsOf(0.5)
export const REDUCED: readonly number[] = boundsOf(1.5)

/** Writes the body of one function. */
export class LimbCode {
  private readonly first: number
  private readonly second: number

  private columnsAt: number
  private readonly productAt: number

  /** `columnsAt`: address of COLUMN_BYTES, for the columns of one function, and at last those of a product. */
  constructor(
    readonly f: FunctionBuilder,
    private readonly pool: ConstantPool,
    columnsAt: number,
  ) {
    this.columnsAt = columnsAt
    this.productAt = columnsAt + COLUMN_BYTES - COLUMNS * 16
    const constant = (bits: bigint): number => {
      const local = f.vectorLocal()
      this.push(bits)
      f.set(local)
      return local
    }
    this.first = constant(HIGH_BITS)
    this.second = constant(bitsOf(HIGH_MAGIC + LOW_MAGIC))
  }

  /** The limbs of the number at the address in local `address`, and `offset` more. */
  load(address: number, offset: number, max: readonly number[]): Limbs {
    const { f } = this
    const locals = Array.from({ length: LIMBS }, (_, limb) => {
      const local = f.vectorLocal()
      f.get(address)
        .loadVector(offset + limb * 16)
        .set(local)
      return local
    })
    return { locals, max }
  }

  store(limbs: Limbs, address: number, offset: number): void {
    limbs.locals.forEach((local, limb) =>
      this.f
        .get(address)
        .get(local)
        .storeVector(offset + limb * 16),
    )
  }

  /** sum += factor * limbs; `sum` is in locals of its own. */
  addTo(sum: Limbs, limbs: Limbs, factor: 1 | 2 | 4 = 1): Limbs {
    const max = sum.max.map((bound, limb) => bound + factor * limbs.max[limb]!)
    for (const bound of max) keeps(bound <= 2 ** 53, 'a sum')
    sum.locals.forEach((local, limb) => {
      this.f.get(local).get(limbs.locals[limb]!)
      if (factor > 1) {
        this.push(bitsOf(factor))
        this.f.simd(Simd.MUL)
      }
      this.f.simd(Simd.ADD).set(local)
    })
    return { locals: sum.locals, max }
  }

  /** sum += the constant number at the address in local `address`. */
  addConstant(sum: Limbs, address: number): Limbs {
    sum.locals.forEach((local, limb) =>
      this.f
        .get(local)
        .get(address)
        .loadVector(limb * 16)
        .simd(Simd.ADD)
        .set(local),
    )
    const max = sum.max.map((bound) => bound + HALF)
    for (const bound of max) keeps(bound <= 2 ** 53, 'a sum')
    return { locals: sum.locals, max }
  }

  copy(limbs: Limbs): Limbs {
    const locals = limbs.locals.map((local) => {
      const other = this.f.vectorLocal()
      this.f.get(local).set(other)
      return other
    })
    return { locals, max: limbs.max }
  }

  /** Brings a sum of a few numbers to -R/2 .. R/2, in its own locals. */
  settle(limbs: Limbs): Limbs {
    const once = this.carry(limbs)
    const quotient = this.f.vectorLocal()
    const top = once.locals[LIMBS - 1]!
    this.rounded(() => this.f.get(top), 1 / MODULUS_TOP, quotient)
    const quotientMax = once.max[LIMBS - 1]! / MODULUS_TOP + 1
    const max = once.locals.map((local, limb) => {
      this.f.get(quotient)
      this.push(bitsOf(-MODULUS[limb]!))
      this.f.get(local).simd(Simd.MULTIPLY_ADD).set(local)
      // The last limb is what the quotient was made from.
      if (limb === LIMBS - 1) return MODULUS_TOP
      const bound = once.max[limb]! + quotientMax * Math.abs(MODULUS[limb]!)
      keeps(bound <= 2 ** 53, 'a settled limb')
      return bound
    })
    const { locals } = this.carry({ locals: once.locals, max })
    return { locals, max: SETTLED }
  }

  /** Leaves the product's columns where `reduceProduct` takes them. */
  square(x: Limbs): void {
    const doubled = x.locals.slice(1).map((local) => {
      const twice = this.f.vectorLocal()
      this.f.get(local).get(local).simd(Simd.ADD).set(twice)
      return twice
    })
    const terms: Term[] = []
    for (let i = 0; i < LIMBS; i++)
      for (let j = i; j < LIMBS; j++)
        terms.push({
          column: i + j,
          a: x.locals[i]!,
          pushB: () => this.f.get(j === i ? x.locals[i]! : doubled[j - 1]!),
          max: x.max[i]! * x.max[j]! * (j === i ? 1 : 2),
        })
    this.productColumns(terms)
  }

  /** As `square`, of two numbers. */
  multiply(x: Limbs, y: Limbs): void {
    const terms = x.locals.flatMap((a, i) =>
      y.locals.map((b, j) => ({
        column: i + j,
        a,
        pushB: () => this.f.get(b),
        max: x.max[i]! * y.max[j]!,
      })),
    )
    this.productColumns(terms)
  }

  /** Terms of x times a constant: each limb times the residue of the constant at its weight, so six columns. */
  constantTerms(x: Limbs, factor: bigint): Term[] {
    return x.locals.flatMap((a, i) => this.termsBy(a, x.max[i]!, factor * 2n ** BigInt(LIMB_BITS * i)))
  }

  /** The columns of terms as they are, six of them: to be added to others. */
  plainColumns(terms: readonly Term[]): Columns {
    return this.columns(terms, LIMBS + 1, () => 0n)
  }

  /** Adds limbs of at most 2^51 to plain columns. */
  addToColumns(columns: Columns, numbers: readonly Limbs[]): void {
    for (let limb = 0; limb < LIMBS; limb++) {
      this.f.constant32(0)
      this.pushColumn(columns[limb]!)
      this.push(-LOW_BITS * BigInt(numbers.length))
      this.f.simd(Simd.ADD_INTEGERS)
      for (const { locals, max } of numbers) {
        keeps(max[limb]! <= 2 ** 51, 'a limb that becomes an integer')
        this.f.get(locals[limb]!)
        this.push(LOW_BITS)
        this.f.simd(Simd.ADD).simd(Simd.ADD_INTEGERS)
      }
      this.f.storeVector(columns[limb]!)
    }
  }

  /** The number of six columns' terms, and of `others`, plain columns. */
  reduce(terms: readonly Term[], others?: { readonly columns: Columns; readonly max: number }): Limbs {
    const quotientColumns = this.quotientColumns()
    const sum = this.columns(
      terms,
      LIMBS + 1,
      (column) =>
        (column < LIMBS - 1 ? COLUMN_BIAS : column === LIMBS ? LOW_BITS : 0n) - quotientColumns[column]!,
      others?.columns,
    )
    const top = this.bound(terms, LIMBS) + (others?.max ?? 0)
    return this.takeQuotient(sum, top)
  }

  /** Bound of a column, of terms. */
  bound(terms: readonly Term[], column: number): number {
    return terms.reduce(
      (sum, term) =>
        sum + (term.column === column ? HALF : term.column === column - 1 ? term.max / RADIX + 1 : 0),
      0,
    )
  }

  /** Pushes a constant in both lanes. */
  push(bits: bigint): void {
    this.f.constant32(0).loadVector(this.pool.word(bits))
  }

  /** Of `square` or `multiply`: carries the columns from 2^255 on, replaces them by residues, and reduces the sum. */
  reduceProduct(): Limbs {
    const { f } = this
    const { limbs, folds, product } = this.productPlan()
    const upper = product.slice(LIMBS)
    upper.forEach((column, place) => {
      const limb = limbs[place]!
      if (place < LIMBS - 1) this.split(column, place === 0 ? undefined : upper[place - 1]!, limb)
      else {
        this.pushColumn(column)
        this.carryOf(upper[place - 1]!)
        f.simd(Simd.ADD_INTEGERS)
        this.push(LOW_BITS)
        f.simd(Simd.SUB).set(limb)
      }
    })
    const over = this.newColumn()
    f.constant32(0)
    this.push(LOW_BITS - this.quotientColumns()[LIMBS]! - this.exponents(LIMBS, folds))
    f.storeVector(over)
    const sum = [...product.slice(0, LIMBS), over]
    this.accumulate(folds, sum)
    return this.takeQuotient(sum, this.bound(folds, LIMBS))
  }

  private productColumns(terms: readonly Term[]): void {
    keeps(this.bound(terms, COLUMNS - 1) <= UPPER_TOP, 'the last column')
    const { folds, product } = this.productPlan()
    const quotientColumns = this.quotientColumns()
    // The first values of the low columns take off what the later products add to them.
    this.accumulate(terms, product, (column) => {
      const bias =
        column < LIMBS
          ? (column < LIMBS - 1 ? COLUMN_BIAS : 0n) - quotientColumns[column]! - this.exponents(column, folds)
          : column < COLUMNS - 1
            ? COLUMN_BIAS
            : LOW_BITS - BigInt(CARRY_BIAS)
      this.push(bias - this.exponents(column, terms))
    })
  }

  /** Where a product's columns are, the limbs of the upper ones, and the products with their residues. */
  private productPlan(): { product: Columns; limbs: readonly number[]; folds: readonly Term[] } {
    const limbs = Array.from({ length: LIMBS }, () => this.f.vectorLocal())
    const folds = limbs.flatMap((limb, place) =>
      this.termsBy(
        limb,
        place === LIMBS - 1 ? UPPER_TOP + 2 ** 10 : HALF + 2 ** 10,
        2n ** BigInt(LIMB_BITS * (LIMBS + place)),
      ),
    )
    return {
      product: Array.from({ length: COLUMNS }, (_, column) => this.productAt + column * 16),
      limbs,
      folds,
    }
  }

  /** Terms of one limb times a constant number. */
  private termsBy(a: number, max: number, constant: bigint): Term[] {
    return limbsOf(constant).map((limb, column) => ({
      column,
      a,
      pushB: () => this.push(bitsOf(limb)),
      max: max * Math.abs(limb),
    }))
  }

  /** What the exponents of terms add to a column. */
  private exponents(column: number, terms: readonly Term[]): bigint {
    const [lows, highs] = [chainsOf(terms, column).length, chainsOf(terms, column - 1).length]
    return BigInt(lows) * LOW_BITS + BigInt(highs) * HIGH_BITS
  }

  /** What the exponents of a quotient's products add to the columns: one in each but the last. */
  private quotientColumns(): bigint[] {
    return Array.from(
      { length: LIMBS + 1 },
      (_, column) => (column < LIMBS ? LOW_BITS : 0n) + (column > 0 ? HIGH_BITS : 0n),
    )
  }

  /** Columns of terms, each with `bias` at first and what `others` has. */
  private columns(
    terms: readonly Term[],
    count: number,
    bias: (column: number) => bigint,
    others?: Columns,
  ): Columns {
    const sum = Array.from({ length: count }, () => this.newColumn())
    this.accumulate(terms, sum, (column) => {
      this.push(bias(column) - this.exponents(column, terms))
      if (others !== undefined) this.pushColumn(others[column]!).simd(Simd.ADD_INTEGERS)
    })
    return sum
  }

  /**
   * Adds terms to columns; `start` pushes a column's first value where it has none yet. Columns are stored as soon as
   * they are known: a compiler that may move what has no effect would keep hundreds of values waiting.
   */
  private accumulate(terms: readonly Term[], sum: Columns, start?: (column: number) => void): void {
    const { f, first, second } = this
    const started = new Set<number>()
    const begin = (column: number): void => {
      f.constant32(0)
      if (start === undefined || started.has(column)) this.pushColumn(sum[column]!)
      else start(column)
      started.add(column)
    }
    sum.forEach((address, column) => {
      const own = terms.filter((term) => term.column === column)
      if (own.length === 0) {
        if (start !== undefined && !started.has(column)) {
          begin(column)
          f.storeVector(address)
        }
        return
      }
      begin(column)
      const highs: number[] = []
      for (const chain of chainsOf(terms, column)) {
        let before = first
        for (const { a, pushB } of chain) {
          const [factor, high] = [f.vectorLocal(), f.vectorLocal()]
          pushB()
          f.set(factor)
          f.get(a).get(factor).get(before).simd(Simd.MULTIPLY_ADD).set(high)
          f.get(a)
            .get(factor)
            .get(before === first ? second : before)
            .get(high)
            .simd(Simd.SUB)
            .simd(Simd.MULTIPLY_ADD)
          if (before !== first) f.simd(Simd.ADD)
          before = high
        }
        f.simd(Simd.ADD_INTEGERS)
        highs.push(before)
      }
      f.storeVector(address)
      begin(column + 1)
      for (const high of highs) f.get(high).simd(Simd.ADD_INTEGERS)
      f.storeVector(sum[column + 1]!)
    })
  }

  private newColumn(): number {
    const address = this.columnsAt
    this.columnsAt += 16
    keeps(this.columnsAt <= this.productAt, 'a column')
    return address
  }

  private pushColumn(address: number): FunctionBuilder {
    return this.f.constant32(0).loadVector(address)
  }

  /**
   * Six columns, the last plus LOW_BITS, those before the last two plus COLUMN_BIAS, and all less what the quotient's
   * products add: takes R off as often as it goes, and carries. `overMax`: bound of the last column.
   */
  private takeQuotient(sum: Columns, overMax: number): Limbs {
    const { f } = this
    keeps(overMax <= 2 ** 51, 'the column over the last limb')
    const quotientColumns = this.quotientColumns()
    const [top, over] = [sum[LIMBS - 1]!, sum[LIMBS]!]
    const quotient = f.vectorLocal()
    // The quotient, from the last two columns: the first of them without its ten last bits.
    this.pushColumn(over)
    this.push(quotientColumns[LIMBS]!)
    f.simd(Simd.ADD_INTEGERS)
    this.push(LOW_BITS)
    f.simd(Simd.SUB)
    this.push(bitsOf(RADIX / MODULUS_TOP))
    this.pushColumn(top)
    this.push(quotientColumns[LIMBS - 1]! + 2n ** 61n)
    f.simd(Simd.ADD_INTEGERS).constant32(10).simd(Simd.SHIFT_RIGHT)
    this.push(INTEGER_BITS)
    f.simd(Simd.OR)
    this.push(bitsOf(2 ** 52 + 2 ** 51))
    f.simd(Simd.SUB)
    this.push(bitsOf(2 ** 10 / MODULUS_TOP))
    f.simd(Simd.MUL).simd(Simd.MULTIPLY_ADD).simd(Simd.NEAREST).set(quotient)
    const quotientMax = (overMax * RADIX) / MODULUS_TOP + 2 ** 12
    keeps(quotientMax <= 2 ** 53, 'a quotient')
    this.accumulate(
      MODULUS.map((limb, column) => ({
        column,
        a: quotient,
        pushB: () => this.push(bitsOf(-limb)),
        max: quotientMax * Math.abs(limb),
      })),
      sum,
    )
    const locals = sum.slice(0, LIMBS).map((column, place) => {
      const limb = f.vectorLocal()
      if (place < LIMBS - 1) this.split(column, place === 0 ? undefined : sum[place - 1]!, limb)
      else {
        // What is over is a multiple of the radix that the last limb cancels, to a limb's size.
        this.pushColumn(top)
        this.pushColumn(over).constant32(LIMB_BITS).simd(Simd.SHIFT_LEFT).simd(Simd.ADD_INTEGERS)
        this.carryOf(sum[place - 1]!)
        f.simd(Simd.ADD_INTEGERS)
        this.push(LOW_BITS - BigInt(CARRY_BIAS) - (LOW_BITS << BigInt(LIMB_BITS)))
        f.simd(Simd.ADD_INTEGERS)
        this.push(LOW_BITS)
        f.simd(Simd.SUB).set(limb)
      }
      return limb
    })
    // The quotient's own rounding, and that of its factor and sum.
    const share = 0.51 + quotientMax * 2 ** -52
    keeps(share <= 1.5, 'a remainder')
    return { locals, max: boundsOf(share) }
  }

  /** Low part of a biased column, and the carry of the one below it: a limb. */
  private split(column: number, below: number | undefined, limb: number): void {
    const { f } = this
    this.pushColumn(column)
    this.push(BigInt(RADIX) - 1n)
    f.simd(Simd.AND)
    if (below !== undefined) {
      this.carryOf(below)
      f.simd(Simd.ADD_INTEGERS)
    }
    this.push(INTEGER_BITS)
    f.simd(Simd.OR)
    this.push(bitsOf(2 ** 52 + HALF + (below === undefined ? 0 : CARRY_BIAS)))
    f.simd(Simd.SUB).set(limb)
  }

  /** Pushes the carry of a biased column, plus CARRY_BIAS. */
  private carryOf(column: number): void {
    this.pushColumn(column).constant32(LIMB_BITS).simd(Simd.SHIFT_RIGHT)
  }

  /** Carries each limb but the last into the next, in its own locals. */
  private carry(limbs: Limbs): Limbs {
    const { f } = this
    const carries = limbs.locals.slice(0, -1).map((local) => {
      const carry = f.vectorLocal()
      this.rounded(() => f.get(local), 1 / RADIX, carry)
      return carry
    })
    limbs.locals.forEach((local, limb) => {
      if (limb < LIMBS - 1) {
        f.get(carries[limb]!)
        this.push(bitsOf(-RADIX))
        f.get(local).simd(Simd.MULTIPLY_ADD)
      } else f.get(local)
      if (limb > 0) f.get(carries[limb - 1]!).simd(Simd.ADD)
      f.set(local)
    })
    return {
      locals: limbs.locals,
      max: limbs.max.map((bound, limb) => (limb < LIMBS - 1 ? HALF + 2 ** 4 : bound + 2 ** 4)),
    }
  }

  /** target = the integer nearest to factor times what is pushed; below 2^51. */
  private rounded(push: () => void, factor: number, target: number): void {
    push()
    this.push(bitsOf(factor))
    this.push(LOW_BITS)
    this.f.simd(Simd.MULTIPLY_ADD)
    this.push(LOW_BITS)
    this.f.simd(Simd.SUB).set(target)
  }
}
