/**
 * Where the fields of records lie, and what stands in an int32 field that its edge could not represent. The records
 * themselves: engine/records.
 */
import { KIND_MASK } from './records/offsets.js'

export * from './records/offsets.js'

/** The kind of a record, from its word 0. */
export const kindOf = (head: number): number => head & KIND_MASK

/** Sentinels of an int32 field that the edge could not represent: the engine rejects them by name. */
export const INT_OVER_LIMIT = -(2 ** 31)
export const INT_NOT_AN_INTEGER = -(2 ** 31) + 1
