/**
 * What sizes and trades come to in units of the ledger: balances and amounts are whole units below 2^53, prices whole
 * ticks, sizes whole lots. A name says its unit (`ticks`, `lots`, `units`); no type does, for whoever embeds the engine
 * or writes a record has plain numbers. The formulas are products, so no order of their factors is a wrong one. The hot
 * part of the core has them written out over its tables; everything else counts by these.
 * Atoms, the token's own smallest part, exist on the chain alone: `unitAtoms` in contracts/src/Vault.sol. Amounts as
 * people write them: sdk/money/units-and-atoms.ts.
 */

/** Base units of `lots`; `lotUnits`: of one lot. Exact below 2^53, which placement checks. */
export function baseUnits(lots: number, lotUnits: number): number {
  return lots * lotUnits
}

/** Quote units of `lots` at `ticks`; `tickUnits`: of one lot at one tick. Exact below 2^53, which placement checks. */
export function quoteUnits(ticks: number, lots: number, tickUnits: number): number {
  return ticks * lots * tickUnits
}
