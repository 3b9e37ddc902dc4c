/**
 * A bounded queue in which addresses take turns, and their networks before them: who asks much waits behind its own,
 * never before others, and whoever has all addresses of a network has one network's turns. When it is full, the newest
 * entry of whoever has most gives way, not whoever comes: a crowd of addresses that fill it lose their places to a
 * network that has none.
 *
 *   group   networks that are side by side, or addresses of one network; the first of the map has the next turn
 *   line    an address: its entries, oldest first
 *   bySize  size -> the parts of a group that have it, so that the largest is found at once
 *
 * Called by wallet-checks.ts and key-checks.ts. Invariant: `size` is at most `most` after each call, and a group's size
 * is the sum of its parts', none of which is empty.
 */
interface Line<T> {
  readonly key: string
  readonly entries: T[]
  size: number
}

interface Group<T> {
  readonly key: string
  readonly parts: Map<string, Part<T>>
  readonly bySize: Set<Part<T>>[]
  largest: number
  size: number
}

type Part<T> = Line<T> | Group<T>

const groupOf = <T>(key: string): Group<T> => ({ key, parts: new Map(), bySize: [], largest: 0, size: 0 })
const isLine = <T>(part: Part<T>): part is Line<T> => 'entries' in part

export class FairQueue<T> {
  readonly #most: number
  readonly #mostOfAddress: number
  readonly #root = groupOf<T>('')

  /** Holds `most` entries, `mostOfAddress` of one address. */
  constructor(most: number, mostOfAddress: number) {
    this.#most = most
    this.#mostOfAddress = mostOfAddress
  }

  get size(): number {
    return this.#root.size
  }

  /**
   * Puts an entry behind the others of its address, which is the last key of `path`; those before are its networks,
   * the widest first. The entry that has no place is given back: another's, or this one.
   */
  push(path: readonly string[], entry: T): T | undefined {
    const mine = this.#mine(path)
    if (mine.length === path.length && mine.at(-1)!.size >= this.#mostOfAddress) return entry
    let out: T | undefined
    if (this.size >= this.#most) {
      const rich = this.#richer(mine)
      if (rich === undefined) return entry
      out = takeNewest(rich)
      this.#fewer(rich)
    }
    this.#put(path, entry)
    return out
  }

  /** The oldest entry of the address whose turn it is in the network whose turn it is. */
  shift(): T | undefined {
    if (this.size === 0) return undefined
    const path: Part<T>[] = []
    let group = this.#root
    for (;;) {
      const [next] = group.parts.values()
      path.push(next!)
      // Its next turn is behind everybody else's.
      group.parts.delete(next!.key)
      group.parts.set(next!.key, next!)
      if (isLine(next!)) {
        const entry = next.entries.shift()!
        this.#fewer(path)
        return entry
      }
      group = next!
    }
  }

  /** What is there of a path: its networks and its line, as far as they have entries. */
  #mine(path: readonly string[]): Part<T>[] {
    const found: Part<T>[] = []
    let group: Part<T> = this.#root
    for (const key of path) {
      const part: Part<T> | undefined = isLine(group) ? undefined : group.parts.get(key)
      if (part === undefined) break
      found.push(part)
      group = part
    }
    return found
  }

  /**
   * The way to a line that gives way to `mine`: of the widest network that would still have more than mine with one
   * entry more, the line of most. Undefined = nobody has more.
   */
  #richer(mine: readonly Part<T>[]): Part<T>[] | undefined {
    let group = this.#root
    for (let depth = 0; ; depth++) {
      const part = mine[depth]
      if ((part?.size ?? 0) + 1 < group.largest) return [...mine.slice(0, depth), ...wayToMost(group)]
      if (part === undefined || isLine(part)) return undefined
      group = part
    }
  }

  #put(path: readonly string[], entry: T): void {
    let group = this.#root
    group.size++
    for (const [depth, key] of path.entries()) {
      let part = group.parts.get(key)
      if (part === undefined) {
        part = depth === path.length - 1 ? { key, entries: [], size: 0 } : groupOf<T>(key)
        group.parts.set(key, part)
      }
      resize(group, part, part.size + 1)
      if (isLine(part)) part.entries.push(entry)
      else group = part
    }
  }

  /** One entry has left the line at the end of `path`. */
  #fewer(path: readonly Part<T>[]): void {
    let group = this.#root
    group.size--
    for (const part of path) {
      resize(group, part, part.size - 1)
      if (!isLine(part)) group = part
    }
  }
}

function wayToMost<T>(group: Group<T>): Part<T>[] {
  const way: Part<T>[] = []
  for (let within: Part<T> = group; !isLine(within);) {
    const [most]: Set<Part<T>> = within.bySize[within.largest]!
    way.push(most!)
    within = most!
  }
  return way
}

function takeNewest<T>(way: readonly Part<T>[]): T {
  return (way.at(-1) as Line<T>).entries.pop()!
}

/** A part of a group has another size. */
function resize<T>(group: Group<T>, part: Part<T>, size: number): void {
  group.bySize[part.size]?.delete(part)
  part.size = size
  if (size > 0) (group.bySize[size] ??= new Set()).add(part)
  else group.parts.delete(part.key)
  group.largest = Math.max(group.largest, size)
  while (group.largest > 0 && group.bySize[group.largest]!.size === 0) group.largest--
}
