/**
 * The reference string under which circuits are proven: a folder in the form of the proof system's tool.
 *
 *   bn254_g1.dat   64 bytes a point, big-endian x and y: [1], [s], [s^2], ...
 *   bn254_g2.dat   [s] of the second group: x0, x1, y0, y1, 32 bytes each, big-endian
 *
 * A local chain has the development string, made here; any other chain a public one, whose secret nobody knows as
 * long as one of those who made it was honest: its file is the operator's to get, and is checked here.
 */
import { createHash } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bn254 } from '@noble/curves/bn254.js'
import {
  developmentPoints,
  developmentSecondGroup,
  POINT_BYTES,
  type SecondGroupPoint,
} from './development-string.js'
import { POWERS_CHECKED } from './limits.js'
import { pageCacheFolder } from './page-circuits.js'
import { PageProverError } from './page-prover-error.js'
import { placeBeside } from './place-beside.js'

export interface ReferenceString {
  readonly folder: string
  /** Its secret is public: for local chains only. */
  readonly isDevelopment: boolean
  readonly secondGroup: SecondGroupPoint
}

/** [s] of the public string that the proof system's tool and its verifier contracts know. */
export const PUBLIC_SECOND_GROUP: SecondGroupPoint = [
  0x260e01b251f6f1c7e7ff4e580791dee8ea51d87a358e038b4efe30fac09383c1n,
  0x0118c4d5b837bcc2bc89b5b398b5974e9f5944073b32078b7e231fec938883b0n,
  0x04fc6369f7110fe3d25156c1bb9a72859cf2a04641f99ba4ee413c80da6a5fe4n,
  0x22febda3c0c0632a56475b4214e5615e11e6dd3f96e6cea2854a87d4dacc5e55n,
]

const FIRST_GROUP = 'bn254_g1.dat'
const SECOND_GROUP = 'bn254_g2.dat'
const MARK = 'sha256'

/** The development string of `points` points: made when it is not cached or its file is damaged. */
export function developmentString(points: number): ReferenceString {
  const folder = join(pageCacheFolder(), `development-string-${points}`)
  const file = join(folder, FIRST_GROUP)
  const mark = join(folder, MARK)
  const secondGroup = developmentSecondGroup()
  const isWhole = existsSync(mark) && existsSync(file) && sha256Of(file) === readFileSync(mark, 'utf8')
  if (!isWhole) {
    mkdirSync(folder, { recursive: true })
    placeBeside(file, developmentPoints(points))
    placeBeside(join(folder, SECOND_GROUP), secondGroupBytes(secondGroup))
    placeBeside(mark, sha256Of(file))
  }
  return { folder, isDevelopment: true, secondGroup }
}

/**
 * A public string in `folder`, of at least `points` points. Looks at its size, its first points and some pairs of
 * consecutive powers between them; `sha256` of the file of G1, if given, says that all the others are right.
 * Throws PageProverError.
 */
export function publicString(folder: string, points: number, sha256?: string): ReferenceString {
  const file = join(folder, FIRST_GROUP)
  if (!existsSync(file)) throw new PageProverError(`${file} is not there`)
  const found = Math.floor(statSync(file).size / POINT_BYTES)
  if (found < points) throw new PageProverError(`${file} has ${found} points, ${points} are needed`)
  if (sha256 !== undefined && sha256Of(file) !== sha256)
    throw new PageProverError(`${file} has SHA-256 ${sha256Of(file)}, not ${sha256}`)
  const [x1, x0, y1, y0] = PUBLIC_SECOND_GROUP
  const secret = bn254.G2.Point.fromAffine({ x: { c0: x0, c1: x1 }, y: { c0: y0, c1: y1 } })
  if (!pointAt(file, 0).equals(bn254.G1.Point.BASE))
    throw new PageProverError(`${file} does not begin with the generator`)
  for (const at of [0, ...checkedPlaces(points)])
    if (!isPower(pointAt(file, at), pointAt(file, at + 1), secret))
      throw new PageProverError(
        `${file}: point ${at + 1} is not point ${at} times the public string's secret`,
      )
  return { folder, isDevelopment: false, secondGroup: PUBLIC_SECOND_GROUP }
}

/** Places spread over all points, the last pair among them. */
function checkedPlaces(points: number): number[] {
  return Array.from({ length: POWERS_CHECKED }, (_, at) =>
    Math.floor(((points - 2) * (at + 1)) / POWERS_CHECKED),
  )
}

type FirstGroupPoint = ReturnType<typeof bn254.G1.Point.fromAffine>

function isPower(
  point: FirstGroupPoint,
  next: FirstGroupPoint,
  secret: ReturnType<typeof bn254.G2.Point.fromAffine>,
): boolean {
  const product = bn254.pairingBatch([
    { g1: next.negate(), g2: bn254.G2.Point.BASE },
    { g1: point, g2: secret },
  ])
  return bn254.fields.Fp12.eql(product, bn254.fields.Fp12.ONE)
}

/** Throws PageProverError for what is no point of the curve. */
function pointAt(file: string, at: number): FirstGroupPoint {
  const bytes = Buffer.alloc(POINT_BYTES)
  const handle = openSync(file, 'r')
  try {
    readSync(handle, bytes, 0, POINT_BYTES, at * POINT_BYTES)
  } finally {
    closeSync(handle)
  }
  const [x, y] = [bytes.subarray(0, 32), bytes.subarray(32)].map((word) =>
    BigInt(`0x${word.toString('hex')}`),
  )
  try {
    const point = bn254.G1.Point.fromAffine({ x: x!, y: y! })
    point.assertValidity()
    return point
  } catch {
    throw new PageProverError(`${file}: point ${at} is not on the curve`)
  }
}

function secondGroupBytes([x1, x0, y1, y0]: SecondGroupPoint): Uint8Array {
  return Buffer.from([x0, x1, y0, y1].map((word) => word.toString(16).padStart(64, '0')).join(''), 'hex')
}

function sha256Of(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}
