/**
 * What one update changed in the state tree: each touched node with its value before and after. A batch is applied
 * page by page, and its pages' changes together give the tree as it was before any of them.
 */
import { ELEMENT_SIZE, ELEMENT_WORDS, readElement } from './element.js'

export interface TreeChanges {
  /** Ascending: the root first, the leaves last. None when nothing changed. */
  readonly keys: Int32Array
  /** 32 bytes a key, little-endian. */
  readonly before: Uint8Array
  readonly after: Uint8Array
}

/** Value of node `key` before the update; undefined when it did not touch the node. */
export const valueBefore = (changes: TreeChanges, key: number): bigint | undefined =>
  valueOf(changes.keys, changes.before, key)

/** Value of node `key` after the update; undefined when it did not touch the node. */
export const valueAfter = (changes: TreeChanges, key: number): bigint | undefined =>
  valueOf(changes.keys, changes.after, key)

function valueOf(keys: Int32Array, values: Uint8Array, key: number): bigint | undefined {
  let from = 0
  let end = keys.length
  while (from < end) {
    const middle = (from + end) >>> 1
    if (keys[middle]! < key) from = middle + 1
    else end = middle
  }
  if (keys[from] !== key) return undefined
  const copy = values.slice(from * ELEMENT_SIZE, (from + 1) * ELEMENT_SIZE)
  return readElement(new Uint32Array(copy.buffer, 0, ELEMENT_WORDS), 0)
}
