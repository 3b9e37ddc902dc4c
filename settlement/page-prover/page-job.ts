/**
 * What a prover is given of a page, as JSON: the public inputs, and what the circuit must know beside them. Field
 * elements are decimal strings, balances whole units below 2^53, so numbers. The prover derives the rest (keys,
 * changes, hashes of the nodes, inverses), and the circuit checks all of it: a wrong job has no witness.
 */

/** Of every page circuit, in this order. */
export interface PagePublicInputs {
  readonly firstRoot: string
  readonly lastRoot: string
  readonly z: string
  readonly evaluation: string
}

interface PageJobBase extends PagePublicInputs {
  /** Name of the circuit that proves it. */
  readonly circuit: string
  /** Balances before and behind the page, four a leaf. */
  readonly before: readonly number[]
  readonly behind: readonly number[]
}

/** A page for a list circuit: its rows, and every inner node above them. */
export interface ListPageJob extends PageJobBase {
  readonly kind: 'list'
  /** Leaf indices, strictly increasing. */
  readonly indices: readonly number[]
  /** Keys of the nodes, strictly increasing: the root, 1, first. */
  readonly slotKeys: readonly number[]
  /** Four a slot: a leaf's place, or the number of leaves and a slot's place, or -1: a sibling. */
  readonly pointers: readonly number[]
  /** Four a slot: the values of siblings; "0" where there is a pointer. */
  readonly siblings: readonly string[]
}

/** A page for a dense circuit: all leaves of one aligned subtree, changed or not, and the path above it. */
export interface DensePageJob extends PageJobBase {
  readonly kind: 'dense'
  /** Which subtree of its size, from the left. */
  readonly subtree: number
  /** Three a level, from the subtree's root up: the other children in order. */
  readonly siblings: readonly string[]
}

export type PageJob = ListPageJob | DensePageJob
