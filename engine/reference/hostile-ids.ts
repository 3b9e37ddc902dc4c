/**
 * Client order ids as an attacker would choose them against a formula that can be inverted by hand: for each
 * low word there is a high word that gives one and the same value of
 *
 *   h = imul(low ^ imul(account + 1, 0x9e3779b1), 0x85ebca6b)
 *   hash = imul(h ^ (h >>> 15) ^ high, 0xc2b2ae35)
 *
 * for any account and any number of ids. Under a keyed hash they are ids like any others. Used by tests and
 * benchmarks only.
 */
const VALUE = 0x5eed

/** High word for `low` so that the account's id hashes to one value under the formula above. */
export function collidingHigh(account: number, low: number): number {
  const h = Math.imul(low ^ Math.imul(account + 1, 0x9e3779b1), 0x85ebca6b)
  return h ^ (h >>> 15) ^ VALUE
}
