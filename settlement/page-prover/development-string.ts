/**
 * The development string: powers of a secret that everybody knows, so that a local chain needs no download. Whoever
 * knows the secret can forge proofs under it: it is for local chains only.
 *
 *   points of G1: [1], [s], [s^2], ...   and of G2: [s]      s^257 = 2
 *
 * So point i + 257 is twice point i, and the points are 257 chains of doublings that go on side by side: one inversion
 * for all chains of a step, and seconds for 2^18 points. An honest prover meets no special case: its sums are of
 * distinct points with signs, and no such sum of fewer than R's bits of terms is zero or meets another.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { fieldToHex, pow, R } from '../tree/field.js'

/** Order of the field of the curve's coordinates. */
const Q = bn254.fields.Fp.ORDER
const CHAINS = 257
export const POINT_BYTES = 64

/** The published secret: 257 has an inverse modulo R - 1, so this is the only 257th root of 2. */
export const DEVELOPMENT_SECRET = pow(2n, inverseModulo(BigInt(CHAINS), R - 1n))

/** A point of G2 as four words, in the order of the precompile: x1, x0, y1, y0. */
export type SecondGroupPoint = readonly [bigint, bigint, bigint, bigint]

function inverseModulo(value: bigint, modulus: bigint): bigint {
  let [low, high, a, b] = [value % modulus, modulus, 1n, 0n]
  while (low > 1n) {
    const times = high / low
    ;[low, high, a, b] = [high - times * low, low, b - times * a, a]
  }
  return ((a % modulus) + modulus) % modulus
}

/** The first `count` points, 64 bytes each: x and y, big-endian. */
export function developmentPoints(count: number): Uint8Array {
  const x: bigint[] = []
  const y: bigint[] = []
  let power = 1n
  for (let chain = 0; chain < CHAINS; chain++) {
    const point = bn254.G1.Point.BASE.multiply(power).toAffine()
    x.push(point.x)
    y.push(point.y)
    power = (power * DEVELOPMENT_SECRET) % R
  }
  const bytes = Buffer.alloc(count * POINT_BYTES)
  for (let first = 0; first < count; first += CHAINS) {
    for (let chain = 0; chain < CHAINS && first + chain < count; chain++)
      bytes.write(hex(x[chain]!) + hex(y[chain]!), (first + chain) * POINT_BYTES, 'hex')
    doubleAll(x, y)
  }
  return bytes
}

/** [s] of G2. */
export function developmentSecondGroup(): SecondGroupPoint {
  const { x, y } = bn254.G2.Point.BASE.multiply(DEVELOPMENT_SECRET).toAffine()
  return [x.c1, x.c0, y.c1, y.c0]
}

const hex = (value: bigint): string => fieldToHex(value).slice(2)

/** Doubles affine points in place, with one inversion for all: no point of an odd order has y = 0. */
function doubleAll(x: bigint[], y: bigint[]): void {
  const products: bigint[] = []
  let product = 1n
  for (const value of y) {
    products.push(product)
    product = (product * 2n * value) % Q
  }
  let rest = inverseModulo(product, Q)
  for (let at = y.length - 1; at >= 0; at--) {
    const inverse = (rest * products[at]!) % Q
    rest = (rest * 2n * y[at]!) % Q
    const slope = (((3n * x[at]! * x[at]!) % Q) * inverse) % Q
    const newX = (slope * slope + 2n * (Q - x[at]!)) % Q
    y[at] = (slope * (x[at]! + Q - newX) + Q - y[at]!) % Q
    x[at] = newX
  }
}
