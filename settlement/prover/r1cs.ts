/**
 * Reads a circuit's constraints: iden3's r1cs binary format, version 1. Each constraint is three linear
 * combinations of wires with (A . w) * (B . w) = C . w; wire 0 is 1, then outputs, public inputs, the rest.
 */
import { readFileSync } from 'node:fs'

export interface LinearCombination {
  readonly wires: readonly number[]
  readonly factors: readonly bigint[]
}

export interface R1cs {
  readonly prime: bigint
  readonly wires: number
  /** Public outputs and inputs. */
  readonly publics: number
  readonly constraints: readonly (readonly [LinearCombination, LinearCombination, LinearCombination])[]
}

const HEADER = 1
const CONSTRAINTS = 2

/** Little-endian integer of `bytes` bytes, a multiple of 8. */
function readInteger(view: DataView, at: number, bytes: number): bigint {
  let value = 0n
  for (let word = bytes - 8; word >= 0; word -= 8) value = (value << 64n) | view.getBigUint64(at + word, true)
  return value
}

/** Throws an Error when the file is not version 1 of the format. */
export function readR1cs(path: string): R1cs {
  const file = readFileSync(path)
  const view = new DataView(file.buffer, file.byteOffset, file.length)
  if (file.subarray(0, 4).toString('latin1') !== 'r1cs' || view.getUint32(4, true) !== 1)
    throw new Error(`${path}: not an r1cs file of version 1`)
  const sections = new Map<number, number>()
  for (let index = 0, at = 12; index < view.getUint32(8, true); index++) {
    sections.set(view.getUint32(at, true), at + 12)
    at += 12 + Number(view.getBigUint64(at + 4, true))
  }
  let at = sections.get(HEADER)!
  const elementBytes = view.getUint32(at, true)
  const prime = readInteger(view, at + 4, elementBytes)
  at += 4 + elementBytes
  const wires = view.getUint32(at, true)
  const publics = view.getUint32(at + 4, true) + view.getUint32(at + 8, true)
  const count = view.getUint32(at + 24, true)
  at = sections.get(CONSTRAINTS)!
  const combination = (): LinearCombination => {
    const terms = view.getUint32(at, true)
    at += 4
    const [wireList, factors]: [number[], bigint[]] = [[], []]
    for (let term = 0; term < terms; term++) {
      wireList.push(view.getUint32(at, true))
      factors.push(readInteger(view, at + 4, elementBytes))
      at += 4 + elementBytes
    }
    return { wires: wireList, factors }
  }
  const constraints = Array.from(
    { length: count },
    () => [combination(), combination(), combination()] as const,
  )
  return { prime, wires, publics, constraints }
}

/** Index of the first constraint that `witness` breaks, or -1. */
export function firstBroken(r1cs: R1cs, witness: readonly bigint[]): number {
  const value = ({ wires, factors }: LinearCombination): bigint =>
    wires.reduce((sum, wire, term) => (sum + factors[term]! * witness[wire]!) % r1cs.prime, 0n)
  return r1cs.constraints.findIndex(([a, b, c]) => (value(a) * value(b) - value(c)) % r1cs.prime !== 0n)
}
