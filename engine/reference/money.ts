/**
 * The reference's arithmetic of fees and reserves, in bigint: what an order is charged for a fill, and what
 * it must hold for its unfilled lots. Pure; used by trading.ts. In tests only.
 */
const MILLION = 1_000_000n

export const ceilDivide = (dividend: bigint, divisor: bigint): bigint => {
  const quotient = dividend / divisor
  return dividend > quotient * divisor ? quotient + 1n : quotient
}

export interface Charge {
  /** Quote units; negative = the order receives them. */
  readonly fee: bigint
  /** What the order has paid too much since its placement, in millionths. */
  readonly carry: bigint
}

/** Fee of a fill of `quote` units for an order that has paid `carry` millionths too much. */
export function charge(quote: bigint, ppm: number, carry: bigint): Charge {
  const exact = quote * BigInt(ppm) - carry
  const fee = ceilDivide(exact, MILLION)
  return { fee, carry: fee * MILLION - exact }
}

/** The charge of a fill whose rebate can be no larger than `paid` units. */
export function chargeAtLeast(paid: bigint, quote: bigint, ppm: number, carry: bigint): Charge {
  const full = charge(quote, ppm, carry)
  if (full.fee >= -paid) return full
  const over = -paid * MILLION - (quote * BigInt(ppm) - carry)
  return { fee: -paid, carry: over < MILLION ? over : MILLION - 1n }
}

/** Quote units that a buy holds: what it may spend, and the fee on that, less what it has paid before. */
export function buyNeed(quote: bigint, feeBound: number, carry: bigint): bigint {
  const fee = ceilDivide(quote * BigInt(feeBound) - carry, MILLION)
  return quote + (fee > 0n ? fee : 0n)
}
