/**
 * The development setup: a Groth16 key computed directly from secrets that everybody can read here.
 *
 * THIS KEY PROTECTS NOTHING. Whoever knows tau, alpha, beta, gamma and delta can prove anything. It exists so
 * that the whole line runs with real proofs on a local chain a minute after a fresh clone: being
 * deterministic, its verification key is committed and the proving key is rebuilt where it is needed. A
 * chain that holds value needs the keys of a ceremony (ceremony.ts).
 *
 * With the secrets known, each element of the key is one scalar times a generator (J. Groth, "On the Size of
 * Pairing-Based Non-interactive Arguments", EUROCRYPT 2016, section 3.1), in snarkjs' zkey format: points of
 * A, B1, B2, C, IC by wire; H in the Lagrange basis of the odd places of the doubled domain; and one more
 * constraint a public wire, so that no public input is free.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { curves, type Curve, type Group } from 'snarkjs'
import { putInPlace } from './put-in-place.js'
import { readR1cs, type R1cs } from './r1cs.js'

const LABEL = 'glassbook insecure development setup, version 1'
/** Order of the largest power-of-two subgroup of the scalar field, and its generator (5 is no residue). */
const TWO_ADICITY = 28
const NON_RESIDUE = 5n

export interface Secrets {
  readonly tau: bigint
  readonly alpha: bigint
  readonly beta: bigint
  readonly gamma: bigint
  readonly delta: bigint
}

export function secretsOf(prime: bigint): Secrets {
  const secret = (name: string): bigint =>
    BigInt(`0x${createHash('sha512').update(`${LABEL}: ${name}`).digest('hex')}`) % prime
  return {
    tau: secret('tau'),
    alpha: secret('alpha'),
    beta: secret('beta'),
    gamma: secret('gamma'),
    delta: secret('delta'),
  }
}

const modulo = (value: bigint, prime: bigint): bigint => ((value % prime) + prime) % prime

function power(base: bigint, exponent: bigint, prime: bigint): bigint {
  let result = 1n
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % prime
    square = (square * square) % prime
  }
  return result
}

const invert = (value: bigint, prime: bigint): bigint => power(value, prime - 2n, prime)

/** Inverses of many by one inversion (P. Montgomery's trick). */
function invertAll(values: readonly bigint[], prime: bigint): bigint[] {
  const products = [1n]
  for (const value of values) products.push((products.at(-1)! * value) % prime)
  let rest = invert(products.at(-1)!, prime)
  const inverses = new Array<bigint>(values.length)
  for (let index = values.length - 1; index >= 0; index--) {
    inverses[index] = (products[index]! * rest) % prime
    rest = (rest * values[index]!) % prime
  }
  return inverses
}

/** Lagrange basis of the domain of 2^log elements at `tau`: w^i (tau^n - 1) / (n (tau - w^i)). */
function lagrangeAt(tau: bigint, log: number, prime: bigint): bigint[] {
  const n = 1n << BigInt(log)
  const root = power(
    power(NON_RESIDUE, (prime - 1n) >> BigInt(TWO_ADICITY), prime),
    1n << BigInt(TWO_ADICITY - log),
    prime,
  )
  const points: bigint[] = []
  for (let point = 1n; points.length < Number(n); point = (point * root) % prime) points.push(point)
  const factor = ((power(tau, n, prime) - 1n) * invert(n, prime)) % prime
  const inverses = invertAll(
    points.map((point) => modulo(tau - point, prime)),
    prime,
  )
  return points.map((point, index) => modulo(((point * inverses[index]!) % prime) * factor, prime))
}

/** A's, B's and C's polynomial of each wire at tau. */
function wirePolynomials(r1cs: R1cs, basis: readonly bigint[]): [bigint[], bigint[], bigint[]] {
  const { prime, wires, publics, constraints } = r1cs
  const sums: [bigint[], bigint[], bigint[]] = [
    new Array<bigint>(wires).fill(0n),
    new Array<bigint>(wires).fill(0n),
    new Array<bigint>(wires).fill(0n),
  ]
  constraints.forEach((constraint, row) =>
    constraint.forEach(({ wires: wireList, factors }, matrix) =>
      wireList.forEach((wire, term) => {
        sums[matrix]![wire] = (sums[matrix]![wire]! + factors[term]! * basis[row]!) % prime
      }),
    ),
  )
  for (let wire = 0; wire <= publics; wire++)
    sums[0][wire] = (sums[0][wire]! + basis[constraints.length + wire]!) % prime
  return sums
}

const WINDOW_BITS = 8
const WINDOWS = 32

/** Multiplies the generator of a group: a table of every byte at every place, then 32 additions. */
class FixedBase {
  private readonly table: Uint8Array[][] = []
  private readonly pointBytes: number

  constructor(private readonly group: Group) {
    this.pointBytes = group.F.n8 * 2
    let base = group.g
    for (let window = 0; window < WINDOWS; window++) {
      const row: Uint8Array[] = [group.zero]
      for (let digit = 1; digit < 1 << WINDOW_BITS; digit++)
        row.push(group.toAffine(group.add(row[digit - 1]!, base)))
      this.table.push(row)
      base = group.toAffine(group.add(row.at(-1)!, base))
    }
  }

  /** Affine points in snarkjs' Montgomery form, concatenated; zero scalars give zero bytes. */
  all(scalars: readonly bigint[], onEach: () => void): Uint8Array {
    const { group, pointBytes, table } = this
    const out = new Uint8Array(scalars.length * pointBytes)
    scalars.forEach((scalar, index) => {
      onEach()
      if (scalar === 0n) return
      let point = group.zero
      for (let window = 0, rest = scalar; rest > 0n; window++, rest >>= BigInt(WINDOW_BITS)) {
        const digit = Number(rest & 0xffn)
        if (digit !== 0) point = group.add(point, table[window]![digit]!)
      }
      group.toRprLEM(out, index * pointBytes, group.toAffine(point))
    })
    return out
  }
}

/** Little-endian bytes of a field element. */
function elementBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  for (let word = 0; word < 4; word++)
    view.setBigUint64(word * 8, (value >> BigInt(64 * word)) & (2n ** 64n - 1n), true)
  return bytes
}

function uint32(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer)
}

/** Section 4: the entries of A and B, each with its factor times 2^512 (Montgomery form, twice). */
function coefficients({ prime, publics, constraints }: R1cs): Uint8Array {
  const parts: Uint8Array[] = []
  const scale = (1n << 512n) % prime
  const put = (matrix: number, row: number, wire: number, factor: bigint): void => {
    parts.push(uint32(matrix, row, wire), elementBytes((factor * scale) % prime))
  }
  constraints.forEach(([a, b], row) => {
    a.wires.forEach((wire, term) => put(0, row, wire, a.factors[term]!))
    b.wires.forEach((wire, term) => put(1, row, wire, b.factors[term]!))
  })
  for (let wire = 0; wire <= publics; wire++) put(0, constraints.length + wire, wire, 1n)
  return Buffer.concat([uint32(parts.length / 2), ...parts])
}

/**
 * Writes the development proving key of the circuit at `r1csPath` to `zkeyPath` (snarkjs' zkey format).
 * `onProgress` gets shares from 0 to 1.
 */
export async function writeDevelopmentKey(
  r1csPath: string,
  zkeyPath: string,
  onProgress: (share: number) => void = () => {},
): Promise<void> {
  const curve = await curves.getCurveFromName('bn128', { singleThread: true })
  try {
    const r1cs = readR1cs(r1csPath)
    // Two programs may build it at a time; both make the same bytes.
    const building = `${zkeyPath}.building-${process.pid}`
    writeFileSync(building, zkeyBytes(curve, r1cs, onProgress))
    putInPlace(building, zkeyPath)
  } finally {
    await curve.terminate()
  }
}

function zkeyBytes(curve: Curve, r1cs: R1cs, onProgress: (share: number) => void): Uint8Array {
  const { prime, wires, publics, constraints } = r1cs
  if (prime !== curve.r) throw new Error('the circuit is over another field than BN254’s')
  const { tau, alpha, beta, gamma, delta } = secretsOf(prime)
  const log = Math.ceil(Math.log2(constraints.length + publics + 1))
  const [a, b, c] = wirePolynomials(r1cs, lagrangeAt(tau, log, prime))
  const [perGamma, perDelta] = [invert(gamma, prime), invert(delta, prime)]
  const mixed = a.map((value, wire) => (beta * value + alpha * b[wire]! + c[wire]!) % prime)
  const oddBasis = lagrangeAt(tau, log + 1, prime).filter((_, index) => index % 2 === 1)

  let done = 0
  const total = 4 * wires + oddBasis.length
  const onEach = (): void => {
    if (++done % 256 === 0) onProgress(done / total)
  }
  const g1 = new FixedBase(curve.G1)
  const g2 = new FixedBase(curve.G2)
  const one = (base: FixedBase, scalar: bigint): Uint8Array => base.all([scalar], () => {})
  const header = Buffer.concat([
    uint32(32),
    elementBytes(curve.q),
    uint32(32),
    elementBytes(prime),
    uint32(wires, publics, 2 ** log),
    one(g1, alpha),
    one(g1, beta),
    one(g2, beta),
    one(g2, gamma),
    one(g1, delta),
    one(g2, delta),
  ])
  const section = (id: number, content: Uint8Array): Uint8Array => {
    const head = new Uint8Array(12)
    const view = new DataView(head.buffer)
    view.setUint32(0, id, true)
    view.setBigUint64(4, BigInt(content.length), true)
    return Buffer.concat([head, content])
  }
  const scaled = (values: readonly bigint[], factor: bigint): bigint[] =>
    values.map((value) => (value * factor) % prime)
  const sections = [
    section(1, uint32(1)),
    section(2, header),
    section(3, g1.all(scaled(mixed.slice(0, publics + 1), perGamma), onEach)),
    section(4, coefficients(r1cs)),
    section(5, g1.all(a, onEach)),
    section(6, g1.all(b, onEach)),
    section(7, g2.all(b, onEach)),
    section(8, g1.all(scaled(mixed.slice(publics + 1), perDelta), onEach)),
    section(9, g1.all(scaled(oddBasis, perDelta), onEach)),
    // Section 10: hash of the circuit and the list of contributions; there are none.
    section(10, Buffer.concat([createHash('sha512').update(LABEL).digest(), uint32(0)])),
  ]
  const magic = Buffer.concat([Buffer.from('zkey', 'latin1'), uint32(1, sections.length)])
  onProgress(1)
  return Buffer.concat([magic, ...sections])
}
