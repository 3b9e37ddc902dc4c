/**
 * A binary min-heap of ids under keys that stand elsewhere: orders by (expiry, order id), accounts by
 * (deadline, account). The second key makes the order of removal total, so it is the same on every
 * machine and after every restore, whatever the heap looks like inside.
 */
export interface HeapKeys {
  /** True when `a` comes before `b`. */
  before(a: number, b: number): boolean
  /** Notes where `id` stands in the heap; -1 = not in it. */
  setPlace(id: number, place: number): void
  place(id: number): number
}

export class Heap {
  private readonly ids: Int32Array
  private readonly keys: HeapKeys
  size = 0

  constructor(capacity: number, keys: HeapKeys) {
    this.ids = new Int32Array(capacity)
    this.keys = keys
  }

  /** The first id. The caller has checked `size`. */
  get first(): number {
    return this.ids[0]!
  }

  add(id: number): void {
    this.rise(this.size++, id)
  }

  /** Takes out an id that is in the heap, its key unchanged since it was added. */
  remove(id: number): void {
    const place = this.keys.place(id)
    this.keys.setPlace(id, -1)
    const last = this.ids[--this.size]!
    if (last === id) return
    this.rise(place, last)
    this.sink(this.keys.place(last), last)
  }

  private rise(from: number, id: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const other = this.ids[parent]!
      if (!this.keys.before(id, other)) break
      this.put(place, other)
      place = parent
    }
    this.put(place, id)
  }

  private sink(from: number, id: number): void {
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.size) break
      if (child + 1 < this.size && this.keys.before(this.ids[child + 1]!, this.ids[child]!)) child++
      const other = this.ids[child]!
      if (!this.keys.before(other, id)) break
      this.put(place, other)
      place = child
    }
    this.put(place, id)
  }

  private put(place: number, id: number): void {
    this.ids[place] = id
    this.keys.setPlace(id, place)
  }
}
