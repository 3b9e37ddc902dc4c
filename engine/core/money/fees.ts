/**
 * Fee arithmetic, exact for every quote amount below 2^53 without bigint. An order carries the millionths
 * of a unit that it was charged too much so far; so over its life it pays the exact fee of all its fills,
 * rounded up once (a rebate: rounded down once), however finely it is filled.
 */
const MILLION = 1_000_000
/** Below this a product divided by a million cannot round to a wrong whole number. */
const EXACT_PRODUCT = 2 ** 32 * MILLION

/**
 * Fee in quote units of a fill of `quote` units (0 to 2^53 - 1) at `ppm` millionths for an order that
 * carries `carry` millionths; negative = a rebate.
 */
export function feeUnits(quote: number, ppm: number, carry: number): number {
  const product = quote * ppm
  // Adding zero makes a fee of nothing 0, never -0.
  if (product < EXACT_PRODUCT && product > -EXACT_PRODUCT) return Math.ceil((product - carry) / MILLION) + 0
  const millions = wholeMillions(quote)
  return millions * ppm + Math.ceil(((quote - millions * MILLION) * ppm - carry) / MILLION)
}

/** Millionths that the order carries after it was charged `fee` units for such a fill. */
export function carryAfter(quote: number, ppm: number, carry: number, fee: number): number {
  const product = quote * ppm
  if (product < EXACT_PRODUCT && product > -EXACT_PRODUCT) return fee * MILLION - (product - carry)
  const millions = wholeMillions(quote)
  return (fee - millions * ppm) * MILLION - ((quote - millions * MILLION) * ppm - carry)
}

/** floor(quote / 10^6): the quotient of two doubles can round up to the next whole number. */
function wholeMillions(quote: number): number {
  const millions = Math.floor(quote / MILLION)
  return millions * MILLION > quote ? millions - 1 : millions
}
