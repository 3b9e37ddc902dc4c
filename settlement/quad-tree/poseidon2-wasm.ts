/**
 * Poseidon2 as WebAssembly, assembled at load: two permutations side by side (limb-code.ts).
 *
 * The inner rounds are done on the state times b, with b^4 = (1 + d0) / 2, d being the inner matrix's diagonal less
 * one. With y the fifth power of lane 0 times b, a round is then
 *
 *   lane 0' = z1 + z2 + z3 + 2 y + b c          c: the next round's constant
 *   zi'     = z1 + z2 + z3 + 2 / (1 + d0) y + di zi
 *
 * so that no product stands between two S-boxes, and the product with y is the same in three lanes.
 */
import { setFlagsFromString } from 'node:v8'
import { R, inverse, pow } from '../tree/field.js'
import { FunctionBuilder, Simd, buildModule } from '../tree/wasm-builder.js'
import {
  COLUMN_BYTES,
  ConstantPool,
  LIMBS,
  LimbCode,
  NUMBER_SIZE,
  REDUCED,
  SETTLED,
  type Limbs,
} from './limb-code.js'
import {
  ELEMENT_SIZE,
  ELEMENT_WORDS,
  FAMILY_SIZE,
  FAMILY_WORDS,
  readElement,
  writeElement,
} from './element.js'
import { INNER_ROUNDS, OUTER_ROUNDS, STATE_LANES, poseidon2Constants } from './poseidon2-constants.js'
import { nodeReference } from './poseidon2-reference.js'

const { outer, inner, diagonal } = poseidon2Constants()
/** b, a root of its equation. */
const SCALE = 5116563062127029100476143134713608988837323147718107905362676694079485286281n
if ((pow(SCALE, 4n) * 2n) % R !== (diagonal[0]! + 1n) % R)
  throw new Error('poseidon2: the scale of the inner rounds')

/** Where numbers stand, from the base on: the state's lanes, and their fifth powers; then the constants. */
const laneAt = (lane: number): number => lane * NUMBER_SIZE
const powerAt = (lane: number): number => (STATE_LANES + lane) * NUMBER_SIZE
const CONSTANTS_AT = 2 * STATE_LANES * NUMBER_SIZE + COLUMN_BYTES
/** Bytes of scratch memory that an instance has at its base. */
export const HASH_SCRATCH = 20480
/** Where a trial's families stand in it. */
const TRIAL_AT = HASH_SCRATCH - 512

const MASK = (1n << 51n) - 1n
/** Bits of 2^52 as a double, and of 1.5 * 2^52. */
const INTEGER_BITS = 0x4330000000000000n
const SIGNED_BITS = 0x4338000000000000n

/** Limbs of a stored element, and of a product: the first are not signed. */
const UNPACKED = REDUCED.map((bound, limb) => (limb < LIMBS - 1 ? 2 ** 51 : bound))

const codeOf = (f: FunctionBuilder, pool: ConstantPool): LimbCode =>
  new LimbCode(f, pool, pool.at - COLUMN_BYTES)

/** square(x): the columns of its square. */
function square(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('square', 1)
  const code = codeOf(f, pool)
  code.square(code.load(0, 0, REDUCED))
  return f
}

/** multiply(x, y): the columns of their product. */
function multiply(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('multiply', 2)
  const code = codeOf(f, pool)
  code.multiply(code.load(0, 0, REDUCED), code.load(1, 0, REDUCED))
  return f
}

/** reduce(to): the number of a product's columns. */
function reduce(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('reduce', 1)
  const code = codeOf(f, pool)
  code.store(code.reduceProduct(), 0, 0)
  return f
}

/** box(from, to): the fifth power. */
function box(squares: number, products: number, reductions: number): FunctionBuilder {
  const f = new FunctionBuilder('box', 2)
  f.get(0).call(squares).get(1).call(reductions)
  f.get(1).call(squares).get(1).call(reductions)
  return f.get(0).get(1).call(products).get(1).call(reductions)
}

/** mix(from, constants, to): the outer matrix of four numbers, and four constants more. */
function mix(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('mix', 3)
  const code = codeOf(f, pool)
  const [a, b, c, d] = [0, 1, 2, 3].map((lane) => code.load(0, laneAt(lane), UNPACKED)) as [
    Limbs,
    Limbs,
    Limbs,
    Limbs,
  ]
  const sum = (...parts: readonly (readonly [Limbs, 1 | 2 | 4])[]): Limbs =>
    parts.slice(1).reduce((all, [part, factor]) => code.addTo(all, part, factor), code.copy(parts[0]![0]))
  const ab = code.settle(sum([a, 1], [b, 1]))
  const cd = code.settle(sum([c, 1], [d, 1]))
  const bbcd = code.settle(sum([cd, 1], [b, 2]))
  const ddab = code.settle(sum([ab, 1], [d, 2]))
  const last = sum([ddab, 1], [cd, 4])
  const second = sum([bbcd, 1], [ab, 4])
  const lanes = [sum([second, 1], [ddab, 1]), second, sum([last, 1], [bbcd, 1]), last]
  lanes.forEach((lane, index) => {
    const at = f.local32()
    f.get(1)
      .constant32(index * NUMBER_SIZE)
      .add32()
      .set(at)
    code.store(code.settle(code.addConstant(lane, at)), 2, laneAt(index))
  })
  return f
}

/** name(from, constant, to): the product with `factor`, and a constant more. */
function scale(name: string, pool: ConstantPool, factor: bigint): FunctionBuilder {
  const f = new FunctionBuilder(name, 3)
  const code = codeOf(f, pool)
  const product = code.reduce(code.constantTerms(code.load(0, 0, REDUCED), factor))
  code.store(code.settle(code.addConstant(product, 1)), 2, 0)
  return f
}

/** innerRound(state, power, constant): a round of the scaled state, behind the S-box of its lane 0. */
function innerRound(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('innerRound', 3)
  const code = codeOf(f, pool)
  const y = code.load(1, 0, REDUCED)
  const z = [1, 2, 3].map((lane) => code.load(0, laneAt(lane), REDUCED))
  const shared = code.constantTerms(y, 2n * inverse(diagonal[0]! + 1n))
  const columns = code.plainColumns(shared)
  code.addToColumns(columns, z)
  const sum = code.copy(z[0]!)
  const next = [
    [z[1]!, 1],
    [z[2]!, 1],
    [y, 2],
  ] as const
  code.store(
    code.settle(
      code.addConstant(
        next.reduce((all, [part, factor]) => code.addTo(all, part, factor), sum),
        2,
      ),
    ),
    0,
    laneAt(0),
  )
  const max = code.bound(shared, LIMBS)
  z.forEach((lane, index) =>
    code.store(
      code.reduce(code.constantTerms(lane, diagonal[index + 1]!), { columns, max }),
      0,
      laneAt(index + 1),
    ),
  )
  return f
}

/** join(from, to): the sum, settled. */
function join(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('join', 2)
  const code = codeOf(f, pool)
  code.store(code.settle(code.addTo(code.load(1, 0, SETTLED), code.load(0, 0, UNPACKED))), 1, 0)
  return f
}

/** unpack(a, b, to): the stored elements at two addresses. */
function unpack(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('unpack', 3)
  const word = f.local()
  for (const lane of [0, 1])
    for (let limb = 0; limb < LIMBS; limb++) {
      const bit = limb * 51
      const [at, shift] = [bit >> 6, bit & 63]
      f.get(lane)
        .load64(at * 8)
        .shiftRight64(shift)
      if (shift > 64 - 51 && at < 3)
        f.get(lane)
          .load64(at * 8 + 8)
          .shiftLeft64(64 - shift)
          .or64()
      f.constant64(MASK).and64().constant64(INTEGER_BITS).or64().set(word)
      f.get(2)
        .get(word)
        .store64(limb * 16 + lane * 8)
    }
  for (let limb = 0; limb < LIMBS; limb++)
    f.get(2)
      .get(2)
      .loadVector(limb * 16)
      .constant32(0)
      .loadVector(pool.word(INTEGER_BITS))
      .simd(Simd.SUB)
      .storeVector(limb * 16)
  return f
}

/** pack(from, a, b): a settled number's two lanes to their addresses, canonical. */
function pack(pool: ConstantPool): FunctionBuilder {
  const f = new FunctionBuilder('pack', 3)
  const digits = Array.from({ length: LIMBS }, () => f.local())
  const less = Array.from({ length: LIMBS }, () => f.local())
  const carry = f.local()
  const modulus = Array.from({ length: LIMBS }, (_, limb) => (R >> BigInt(51 * limb)) & MASK)
  // As integers above the bits of a double, where they lie.
  for (let limb = 0; limb < LIMBS; limb++)
    f.get(0)
      .get(0)
      .loadVector(limb * 16)
      .constant32(0)
      .loadVector(pool.word(SIGNED_BITS))
      .simd(Simd.ADD)
      .storeVector(limb * 16)
  for (const lane of [0, 1]) {
    // R more, so that it is positive; then R less where that is not negative.
    f.constant64(0n).set(carry)
    for (let limb = 0; limb < LIMBS; limb++) {
      f.get(0)
        .load64(limb * 16 + lane * 8)
        .constant64(modulus[limb]! - SIGNED_BITS)
        .add64()
        .get(carry)
        .add64()
        .set(carry)
      f.get(carry)
      if (limb < LIMBS - 1) f.constant64(MASK).and64()
      f.set(digits[limb]!)
      f.get(carry).shiftRightSigned64(51).set(carry)
    }
    f.constant64(0n).set(carry)
    for (let limb = 0; limb < LIMBS; limb++) {
      f.get(digits[limb]!).constant64(modulus[limb]!).sub64().get(carry).add64().set(carry)
      f.get(carry)
      if (limb < LIMBS - 1) f.constant64(MASK).and64()
      f.set(less[limb]!)
      f.get(carry).shiftRightSigned64(51).set(carry)
    }
    // The carry is -1 when it was below R: keep it; else 0.
    for (let limb = 0; limb < LIMBS; limb++)
      f.get(digits[limb]!)
        .get(less[limb]!)
        .sub64()
        .get(carry)
        .and64()
        .get(less[limb]!)
        .add64()
        .set(digits[limb]!)
    for (let word = 0; word < 4; word++) {
      const [limb, shift] = [Math.floor((word * 64) / 51), (word * 64) % 51]
      f.get(1 + lane)
        .get(digits[limb]!)
        .shiftRight64(shift)
      f.get(digits[limb + 1]!)
        .shiftLeft64(51 - shift)
        .or64()
        .store64(word * 8)
    }
  }
  return f
}

/**
 * The module's functions for scratch memory at `base`:
 *   hash(familyA, nodeA, familyB, nodeB): addresses of four stored elements, and of one, twice.
 */
function functionsAt(base: number, pool: ConstantPool): FunctionBuilder[] {
  const list: FunctionBuilder[] = []
  const define = (f: FunctionBuilder): number => list.push(f) - 1
  const boxes = define(box(define(square(pool)), define(multiply(pool)), define(reduce(pool))))
  const mixes = define(mix(pool))
  const enter = define(scale('enter', pool, SCALE))
  const leave = define(scale('leave', pool, inverse(SCALE)))
  const rounds = define(innerRound(pool))
  const load = define(unpack(pool))
  const joins = define(join(pool))
  const store = define(pack(pool))

  const table = (numbers: readonly bigint[]): number => numbers.map((value) => pool.number(value))[0]!
  const zeros = [0n, 0n, 0n, 0n]
  // What a matrix adds is the constants of the round behind it.
  const half = OUTER_ROUNDS / 2
  const outerTables = outer.map(table)
  const innerTable = table([...inner.slice(1).map((constant) => constant * SCALE), 0n])
  const enterTable = table([inner[0]! * SCALE, 0n, 0n, 0n])
  const leaveTable = outerTables[half]!
  const zeroTable = table(zeros)

  const f = new FunctionBuilder('hash', 4)
  define(f)
  const push = (...offsets: number[]): FunctionBuilder => {
    for (const offset of offsets) f.constant32(base + offset)
    return f
  }
  const lanes = [0, 1, 2, 3]
  const boxAll = (): void => {
    for (const lane of lanes) push(laneAt(lane), powerAt(lane)).call(boxes)
  }
  const loadChild = (lane: number): void => {
    for (const family of [0, 2])
      f.get(family)
        .constant32(lane * ELEMENT_SIZE)
        .add32()
    push(powerAt(lane)).call(load)
  }
  lanes.forEach(loadChild)
  const mixInto = (constants: number): void => {
    push(powerAt(0)).constant32(constants)
    push(laneAt(0)).call(mixes)
  }
  for (let round = 0; round < half; round++) {
    mixInto(outerTables[round]!)
    boxAll()
  }
  mixInto(zeroTable)
  for (const lane of lanes) {
    push(laneAt(lane)).constant32(enterTable + lane * NUMBER_SIZE)
    push(laneAt(lane)).call(enter)
  }
  const constant = f.local32()
  f.constant32(innerTable).set(constant)
  f.loop(constant, NUMBER_SIZE, innerTable + INNER_ROUNDS * NUMBER_SIZE, () => {
    push(laneAt(0), powerAt(0)).call(boxes)
    push(laneAt(0), powerAt(0)).get(constant).call(rounds)
  })
  for (const lane of lanes) {
    push(laneAt(lane)).constant32(leaveTable + lane * NUMBER_SIZE)
    push(laneAt(lane)).call(leave)
  }
  boxAll()
  for (let round = half + 1; round < OUTER_ROUNDS; round++) {
    mixInto(outerTables[round]!)
    boxAll()
  }
  mixInto(zeroTable)
  loadChild(0)
  push(powerAt(0), laneAt(0)).call(joins)
  push(laneAt(0)).get(1).get(3).call(store)
  return list
}

/** The vector hash cannot be had here: a compiler without the instructions, or a machine that rounds twice. */
export class NoVectorHash extends Error {
  override readonly name = 'NoVectorHash'
}

/** Families at two addresses, and where their nodes go. */
export type HashPair = (familyA: number, nodeA: number, familyB: number, nodeB: number) => void

/** What a memory was made with. */
export interface MemoryLimits {
  readonly minPages: number
  readonly maxPages: number
  readonly isShared: boolean
}

interface Code {
  readonly module: WebAssembly.Module
  readonly constants: BigUint64Array
}
/** Code that was made before, by its memory's limits and its place there: making it takes a tenth of a second. */
const made = new Map<string, Code>()

/**
 * Instantiates the hash over `memory`, with its scratch of HASH_SCRATCH at `base` (a multiple of 64), and tries it
 * there. Throws NoVectorHash.
 */
export function instantiatePoseidon2(
  memory: WebAssembly.Memory,
  limits: MemoryLimits,
  base: number,
): HashPair {
  const name = `${base} ${limits.minPages} ${limits.maxPages} ${limits.isShared}`
  const known = made.get(name)
  const { module, constants } = known ?? makeCode(limits, base)
  new BigUint64Array(memory.buffer, base + CONSTANTS_AT, constants.length).set(constants)
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const hash = exports.hash as HashPair
  if (known === undefined) tryHash(hash, memory, base + TRIAL_AT)
  made.set(name, { module, constants })
  return hash
}

function makeCode(limits: MemoryLimits, base: number): Code {
  const pool = new ConstantPool(base + CONSTANTS_AT)
  const bytes = buildModule(functionsAt(base, pool), ['hash'], limits)
  const constants = pool.lanes
  if (CONSTANTS_AT + constants.byteLength > TRIAL_AT)
    throw new Error('poseidon2: more constants than scratch')
  // Node 20's compiler has the instructions behind a flag, which any thread sets for all; later ones have no such flag.
  setFlagsFromString('--experimental-wasm-relaxed-simd')
  try {
    return { module: new WebAssembly.Module(bytes), constants }
  } catch (error) {
    throw new NoVectorHash(`no relaxed vector instructions here: ${(error as Error).message}`)
  }
}

/** Compares two nodes with their definition. */
function tryHash(hash: HashPair, memory: WebAssembly.Memory, at: number): void {
  const words = new Uint32Array(memory.buffer, at, (2 * FAMILY_SIZE + 2 * ELEMENT_SIZE) / 4)
  const families = [[R - 1n, 2n, R - 3n, 4n], outer[0]!]
  families.flat().forEach((child, index) => writeElement(words, index * ELEMENT_WORDS, child))
  const nodes = at + 2 * FAMILY_SIZE
  hash(at, nodes, at + FAMILY_SIZE, nodes + ELEMENT_SIZE)
  families.forEach((children, index) => {
    if (readElement(words, 2 * FAMILY_WORDS + index * ELEMENT_WORDS) !== nodeReference(children))
      throw new NoVectorHash('what is multiplied and added is not rounded once here')
  })
}
