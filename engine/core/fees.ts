/**
 * Fee arithmetic, exact for every quote amount below 2^53 without bigint. Charges round up and rebates
 * round down, per fill, so what rounding leaves goes to the fee account.
 */
const MILLION = 1_000_000
/** Below this a product divided by a million cannot round to a wrong whole number. */
const EXACT_PRODUCT = 2 ** 32 * MILLION

/** Fee in quote units of `quote` units (0 to 2^53 - 1) at `ppm` millionths; negative = a rebate. */
export function feeUnits(quote: number, ppm: number): number {
  if (ppm === 0) return 0
  if (ppm > 0) return chargeUnits(quote, ppm)
  // Not a minus sign alone: that would make a rebate of nothing -0.
  return 0 - rebateUnits(quote, -ppm)
}

/** quote * ppm / 10^6 rounded up. */
export function chargeUnits(quote: number, ppm: number): number {
  const product = quote * ppm
  if (product < EXACT_PRODUCT) return Math.ceil(product / MILLION)
  return splitUnits(quote, ppm, MILLION - 1)
}

function rebateUnits(quote: number, ppm: number): number {
  const product = quote * ppm
  if (product < EXACT_PRODUCT) return Math.floor(product / MILLION)
  return splitUnits(quote, ppm, 0)
}

/** floor((quote * ppm + extra) / 10^6), by whole millions and the rest of the amount. */
function splitUnits(quote: number, ppm: number, extra: number): number {
  let millions = Math.floor(quote / MILLION)
  let rest = quote - millions * MILLION
  if (rest < 0) {
    millions--
    rest += MILLION
  }
  return millions * ppm + Math.floor((rest * ppm + extra) / MILLION)
}
