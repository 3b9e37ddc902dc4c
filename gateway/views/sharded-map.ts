/**
 * A map in parts. A Map of a million entries stands still for a tenth of a second each time that it grows or
 * is cleaned of what was deleted; a part of it does so for a millisecond. Keys are numbers that the engine
 * gave, or strings, whose hash V8 seeds by the process: nobody outside can choose keys that collide.
 *
 * Called by live-orders.ts and balance-view.ts.
 */
const PARTS = 64

export class ShardedMap<K, V> {
  readonly #parts: readonly Map<K, V>[] = Array.from({ length: PARTS }, () => new Map<K, V>())
  readonly #shard: (key: K) => number

  /** `shard` spreads the keys: any whole number from 0. */
  constructor(shard: (key: K) => number) {
    this.#shard = shard
  }

  #part(key: K): Map<K, V> {
    return this.#parts[this.#shard(key) % PARTS]!
  }

  get(key: K): V | undefined {
    return this.#part(key).get(key)
  }

  set(key: K, value: V): void {
    this.#part(key).set(key, value)
  }

  delete(key: K): void {
    this.#part(key).delete(key)
  }

  get size(): number {
    return this.#parts.reduce((sum, { size }) => sum + size, 0)
  }
}
