/**
 * The scalar field of BN254: the numbers of circuits, of Poseidon and of the contracts' commitments.
 * Everything here is bigint and exact; hot paths use poseidon.ts instead. Invariant: a field element
 * that leaves this module is canonical, in 0 .. R - 1.
 */

/** Order of the scalar field (EIP-196). */
export const R = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

/** Representative in 0 .. R - 1 of any integer. */
export function toField(value: bigint): bigint {
  const rest = value % R
  return rest < 0n ? rest + R : rest
}

/** base^exponent, exponent >= 0. */
export function pow(base: bigint, exponent: bigint): bigint {
  let result = 1n
  let square = toField(base)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % R
    square = (square * square) % R
  }
  return result
}

/** Inverse by Fermat's theorem. Throws RangeError for 0. */
export function inverse(value: bigint): bigint {
  if (toField(value) === 0n) throw new RangeError('field: 0 has no inverse')
  return pow(value, R - 2n)
}

/** 32 bytes, big-endian. Throws RangeError for what is not canonical. */
export function fieldToBytes(value: bigint): Uint8Array {
  if (value < 0n || value >= R) throw new RangeError(`field: ${value} is not in 0 .. R - 1`)
  const bytes = new Uint8Array(32)
  let rest = value
  for (let index = 31; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

/** The integer of big-endian bytes. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** "0x" and 64 digits. */
export function fieldToHex(value: bigint): `0x${string}` {
  return `0x${value.toString(16).padStart(64, '0')}`
}
