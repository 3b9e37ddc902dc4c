/**
 * Writes and reads little-endian words and doubles, doubles on 8-byte boundaries. Typed-array views need
 * the machine to be little-endian, as every machine is that Node runs on; the check below makes sure.
 */
if (new Uint8Array(new Int32Array([1]).buffer)[0] !== 1)
  throw new Error('the engine needs a little-endian machine')

export class ByteWriter {
  private ints: Int32Array
  private floats: Float64Array
  /** Next word. */
  private at = 0

  constructor(bytes: number) {
    const buffer = new ArrayBuffer(Math.ceil(bytes / 8) * 8)
    this.ints = new Int32Array(buffer)
    this.floats = new Float64Array(buffer)
  }

  /** Bytes written. */
  get length(): number {
    return this.at * 4
  }

  int(value: number): void {
    if (this.at + 2 > this.ints.length) this.grow()
    this.ints[this.at++] = value
  }

  float(value: number): void {
    if (this.at + 2 > this.ints.length) this.grow()
    this.floats[this.at >> 1] = value
    this.at += 2
  }

  section(tag: number, count: number): void {
    this.int(tag)
    this.int(count)
  }

  /** Overwrites the double at index `at`. */
  floatAt(at: number, value: number): void {
    this.floats[at] = value
  }

  /** What was written, and `extra` zero bytes behind it. */
  finish(extra: number): Uint8Array {
    while (this.at * 4 + extra > this.ints.byteLength) this.grow()
    return new Uint8Array(this.ints.buffer as ArrayBuffer, 0, this.at * 4 + extra)
  }

  private grow(): void {
    const ints = new Int32Array(this.ints.length * 2)
    ints.set(this.ints)
    this.ints = ints
    this.floats = new Float64Array(ints.buffer as ArrayBuffer)
  }
}

export class ByteReader {
  private readonly view: DataView
  private at = 0

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  int(): number {
    const value = this.view.getInt32(this.at, true)
    this.at += 4
    return value
  }

  float(): number {
    const value = this.view.getFloat64(this.at, true)
    this.at += 8
    return value
  }
}
