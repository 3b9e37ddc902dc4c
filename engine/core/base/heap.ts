/**
 * A min-heap of ids under two keys: orders by (expiry, order id), accounts by (deadline, account). The second
 * key makes the order of removal total, so it is the same on every machine and after every restore, whatever
 * the heap looks like inside.
 *
 * Four children a node, and the keys beside the ids: at a million orders a removal touches few cache lines
 * beyond the places that it must note.
 */
export interface HeapKeys {
  /** Keys of an id; neither changes while the id is in the heap. */
  first(id: number): number
  second(id: number): number
  /** Of two ids with equal keys, true when `a` comes before `b`; absent where no two are equal. */
  isFirst?(a: number, b: number): boolean
  /** Notes where `id` stands in the heap; -1 = not in it. */
  setPlace(id: number, place: number): void
  place(id: number): number
}

const CHILDREN = 4

export class Heap {
  private readonly ids: Int32Array
  /** First and second key of each place. */
  private readonly keyPairs: Float64Array
  private readonly keys: HeapKeys
  size = 0

  constructor(capacity: number, keys: HeapKeys) {
    this.ids = new Int32Array(capacity)
    this.keyPairs = new Float64Array(2 * capacity)
    this.keys = keys
  }

  /** The first id. The caller has checked `size`. */
  get first(): number {
    return this.ids[0]!
  }

  add(id: number): void {
    this.rise(this.size++, id, this.keys.first(id), this.keys.second(id))
  }

  /** Takes out an id that is in the heap. */
  remove(id: number): void {
    const place = this.keys.place(id)
    this.keys.setPlace(id, -1)
    const end = --this.size
    const last = this.ids[end]!
    if (last === id) return
    const first = this.keyPairs[2 * end]!
    const second = this.keyPairs[2 * end + 1]!
    this.rise(place, last, first, second)
    this.sink(this.keys.place(last), last, first, second)
  }

  private rise(from: number, id: number, first: number, second: number): void {
    let place = from
    while (place > 0) {
      const parent = Math.floor((place - 1) / CHILDREN)
      if (!this.isBefore(id, first, second, parent)) break
      this.move(parent, place)
      place = parent
    }
    this.put(place, id, first, second)
  }

  private sink(from: number, id: number, first: number, second: number): void {
    const { keyPairs } = this
    let place = from
    for (;;) {
      let child = CHILDREN * place + 1
      if (child >= this.size) break
      const end = Math.min(child + CHILDREN, this.size)
      for (let other = child + 1; other < end; other++)
        if (this.isBefore(this.ids[other]!, keyPairs[2 * other]!, keyPairs[2 * other + 1]!, child))
          child = other
      if (this.isBefore(id, first, second, child)) break
      this.move(child, place)
      place = child
    }
    this.put(place, id, first, second)
  }

  /** True when `id` with its two keys comes before the id at `place`. */
  private isBefore(id: number, first: number, second: number, place: number): boolean {
    const otherFirst = this.keyPairs[2 * place]!
    if (first !== otherFirst) return first < otherFirst
    const otherSecond = this.keyPairs[2 * place + 1]!
    if (second !== otherSecond) return second < otherSecond
    return this.keys.isFirst?.(id, this.ids[place]!) ?? false
  }

  private move(from: number, to: number): void {
    this.put(to, this.ids[from]!, this.keyPairs[2 * from]!, this.keyPairs[2 * from + 1]!)
  }

  private put(place: number, id: number, first: number, second: number): void {
    this.ids[place] = id
    this.keyPairs[2 * place] = first
    this.keyPairs[2 * place + 1] = second
    this.keys.setPlace(id, place)
  }
}
