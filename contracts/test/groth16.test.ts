/**
 * Vectors of contracts/test/Groth16.t.sol: Groth16 proofs made with a known trapdoor, so that no circuit
 * is needed. Written anew with GLASSBOOK_WRITE_VECTORS=1; otherwise compared.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bn254 } from '@noble/curves/bn254.js'
import { repositoryRoot } from '../scripts/compile.js'
import { type Trapdoor, trapdoorKey, trapdoorProof } from '../../test/support/groth16-trapdoor.js'
import { toContractKey } from '../deployment/verification-key.js'

const R = bn254.fields.Fr.ORDER
const path = join(repositoryRoot, 'contracts/test/vectors/groth16.json')

const mod = (x: bigint): bigint => ((x % R) + R) % R
/** Fixed scalars: the vectors must come out the same on every machine. */
const scalar = (i: number): bigint => mod(BigInt(i) ** 77n * 0x676c617373626f6f6bn + 12345n)

const trapdoor: Trapdoor = {
  alpha: scalar(2),
  beta: scalar(3),
  gamma: scalar(4),
  delta: scalar(5),
  ic: [scalar(6), scalar(7), scalar(8), scalar(9), scalar(10)],
}

function vectors(): string {
  const cases = [1, 2, 3].map((i) => {
    const publicInputs = [0, 1, 2, 3].map((k) =>
      i === 1 ? BigInt(k) : i === 2 ? R - 1n - BigInt(k) : scalar(20 + k),
    )
    return { publicInputs, proof: trapdoorProof(trapdoor, publicInputs, scalar(30 + i), scalar(40 + i)) }
  })
  // With A and B such that nothing is left for C, which is the point at infinity.
  const publicInputs = [5n, 6n, 7n, 8n]
  const { alpha, beta, gamma } = trapdoor
  const sum = publicInputs.reduce((acc, x, i) => mod(acc + x * trapdoor.ic[i + 1]!), trapdoor.ic[0]!)
  cases.push({
    publicInputs,
    proof: trapdoorProof(trapdoor, publicInputs, mod(alpha * beta + gamma * sum), 1n),
  })
  const { ic, ...points } = toContractKey(trapdoorKey(trapdoor))
  const vector = { ...points, ic: ic.flat(), cases }
  return `${JSON.stringify(vector, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2)}\n`
}

describe('Groth16 vectors', () => {
  test('the committed vectors are what the trapdoor gives', () => {
    const text = vectors()
    if (process.env['GLASSBOOK_WRITE_VECTORS'] === '1') writeFileSync(path, text)
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(text))
  })
})

describe('verification key of snarkjs', () => {
  const key = {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic: 4,
    vk_alpha_1: ['1', '2', '1'],
    vk_beta_2: [
      ['3', '4'],
      ['5', '6'],
      ['1', '0'],
    ],
    vk_gamma_2: [
      ['7', '8'],
      ['9', '10'],
      ['1', '0'],
    ],
    vk_delta_2: [
      ['11', '12'],
      ['13', '14'],
      ['1', '0'],
    ],
    IC: [
      ['15', '16', '1'],
      ['17', '18', '1'],
      ['19', '20', '1'],
      ['21', '22', '1'],
      ['23', '24', '1'],
    ],
  }

  test('field elements of G2 change places', () => {
    expect(toContractKey(key)).toEqual({
      alpha: [1n, 2n],
      beta: [4n, 3n, 6n, 5n],
      gamma: [8n, 7n, 10n, 9n],
      delta: [12n, 11n, 14n, 13n],
      ic: [
        [15n, 16n],
        [17n, 18n],
        [19n, 20n],
        [21n, 22n],
        [23n, 24n],
      ],
    })
  })

  test('another system or another number of inputs is refused', () => {
    expect(() => toContractKey({ ...key, protocol: 'plonk' })).toThrow('plonk over bn128')
    expect(() => toContractKey({ ...key, nPublic: 3 })).toThrow('3 public inputs, 5 IC points')
    expect(() => toContractKey({ ...key, IC: key.IC.slice(1) })).toThrow('4 public inputs, 4 IC points')
  })
})
