/**
 * A bounded queue in which keys (addresses) take turns: who asks much waits behind its own, never before
 * others. When it is full, the newest entry of the longest line gives way, not whoever comes: a crowd of
 * addresses that fill it lose their places to the one that has none.
 *
 *   lines       key -> its entries, oldest first; the first line of the map has the next turn
 *   byLength    length -> the lines that have it, so that the longest is found at once
 *
 * Called by wallet-checks.ts and key-checks.ts. Invariant: `size` is at most `most` after each call.
 */
interface Line<T> {
  readonly key: string
  readonly entries: T[]
}

export class FairQueue<T> {
  readonly #most: number
  readonly #mostOfKey: number
  readonly #lines = new Map<string, Line<T>>()
  readonly #byLength: Set<Line<T>>[] = []
  #longest = 0
  #size = 0

  /** Holds `most` entries, `mostOfKey` of one key. */
  constructor(most: number, mostOfKey: number) {
    this.#most = most
    this.#mostOfKey = mostOfKey
  }

  get size(): number {
    return this.#size
  }

  /** Puts an entry behind the others of its key. The entry that has no place is given back: another's, or this one. */
  push(key: string, entry: T): T | undefined {
    const line = this.#lines.get(key) ?? { key, entries: [] }
    const { length } = line.entries
    if (length >= this.#mostOfKey) return entry
    let out: T | undefined
    if (this.#size >= this.#most) {
      // Its own line would be the longest: nobody has more than it.
      if (length + 1 >= this.#longest) return entry
      const [longest] = this.#byLength[this.#longest]!
      out = longest!.entries.pop()
      this.#resized(longest!, longest!.entries.length + 1)
    }
    line.entries.push(entry)
    if (length === 0) this.#lines.set(key, line)
    this.#resized(line, length)
    return out
  }

  /** The oldest entry of the key whose turn it is. */
  shift(): T | undefined {
    for (const line of this.#lines.values()) {
      const entry = line.entries.shift()!
      // Its next turn is behind everybody else's.
      this.#lines.delete(line.key)
      if (line.entries.length > 0) this.#lines.set(line.key, line)
      this.#resized(line, line.entries.length + 1)
      return entry
    }
    return undefined
  }

  /** A line that had `before` entries has one more, or one less. */
  #resized(line: Line<T>, before: number): void {
    const { length } = line.entries
    this.#size += length - before
    this.#byLength[before]?.delete(line)
    if (length > 0) (this.#byLength[length] ??= new Set()).add(line)
    else this.#lines.delete(line.key)
    this.#longest = Math.max(this.#longest, length)
    while (this.#longest > 0 && this.#byLength[this.#longest]!.size === 0) this.#longest--
  }
}
