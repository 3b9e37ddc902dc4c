/** The strings: the development one is the powers of its published secret, and a public one is looked at. */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bn254 } from '@noble/curves/bn254.js'
import { R, pow } from '../tree/field.js'
import { developmentPoints, DEVELOPMENT_SECRET, POINT_BYTES } from './development-string.js'
import { PageProverError } from './page-prover-error.js'
import { developmentString, publicString } from './reference-string.js'

const POINTS = 2 ** 10 + 1
const KNOWN_SHA256 = 'a6fca6edc4b6fe37ea985ea628c7236571623640f0a89a60dec9eab36359815e'

const wordsOf = (bytes: Uint8Array, at: number): string =>
  Buffer.from(bytes.subarray(at * POINT_BYTES, (at + 1) * POINT_BYTES)).toString('hex')

describe('the development string', () => {
  test('is the powers of the 257th root of 2', () => {
    expect(pow(DEVELOPMENT_SECRET, 257n)).toBe(2n)
    const bytes = developmentPoints(POINTS)
    expect(bytes).toHaveLength(POINTS * POINT_BYTES)
    for (const at of [0, 1, 256, 257, 258, 777, POINTS - 1]) {
      const { x, y } = bn254.G1.Point.BASE.multiply(pow(DEVELOPMENT_SECRET, BigInt(at)) % R).toAffine()
      expect(wordsOf(bytes, at)).toBe([x, y].map((word) => word.toString(16).padStart(64, '0')).join(''))
    }
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(KNOWN_SHA256)
  })

  test('is made again when its file is damaged', () => {
    const { folder } = developmentString(POINTS)
    const file = join(folder, 'bn254_g1.dat')
    const whole = readFileSync(file)
    writeFileSync(file, whole.subarray(1))
    developmentString(POINTS)
    expect(readFileSync(file)).toEqual(whole)
  })
})

describe('a public string', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'string-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const write = (bytes: Uint8Array): void => writeFileSync(join(folder, 'bn254_g1.dat'), bytes)

  test('is refused when it is absent, too short, of another hash, or of another secret', () => {
    expect(() => publicString(folder, 5)).toThrow(/is not there/)
    const points = developmentPoints(5)
    write(points)
    expect(() => publicString(folder, 6)).toThrow(/5 points, 6 are needed/)
    expect(() => publicString(folder, 5, '00')).toThrow(/SHA-256/)
    expect(() => publicString(folder, 5)).toThrow(/point 1 is not point 0 times/)
    const damaged = Uint8Array.from(points)
    damaged[POINT_BYTES + 1]! ^= 1
    write(damaged)
    expect(() => publicString(folder, 5)).toThrow(PageProverError)
    write(points.subarray(POINT_BYTES))
    expect(() => publicString(folder, 4)).toThrow(/generator/)
  })
})
