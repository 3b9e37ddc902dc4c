/**
 * A small WebAssembly assembler: functions over i32 parameters and locals of i32, i64 and v128, one imported memory,
 * direct calls, one loop form. Writes the binary format of the WebAssembly core specification, version 1, and the
 * vector instructions of version 2. Used by poseidon-wasm.ts and quad-tree/poseidon2-wasm.ts, so that the hashes'
 * machine code has no build step and no opaque bytes.
 */
const I32 = 0x7f
const I64 = 0x7e
const V128 = 0x7b

/** Vector instructions of two lanes, by their numbers behind the prefix 0xfd. */
export const Simd = {
  AND: 0x4e,
  OR: 0x50,
  SHIFT_RIGHT: 0xcd,
  SHIFT_LEFT: 0xcb,
  ADD_INTEGERS: 0xce,
  ADD: 0xf0,
  SUB: 0xf1,
  MUL: 0xf2,
  NEAREST: 0x94,
  /** Of the relaxed set: a * b + c, rounded once or twice, as the machine does it. */
  MULTIPLY_ADD: 0x107,
} as const

/** Unsigned LEB128 of a non-negative integer below 2^32. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest >>>= 7
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    const isLast = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}

const vector = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
]
const text = (value: string): number[] => [
  ...unsigned(value.length),
  ...Array.from(value, (char) => char.charCodeAt(0)),
]
const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content]

/** Body of one function. Parameters are locals 0 .. params - 1 (i32); `local` and its likes add others behind them. */
export class FunctionBuilder {
  readonly code: number[] = []
  private readonly types: number[] = []

  constructor(
    readonly name: string,
    readonly params: number,
  ) {}

  /** A new i64 local. */
  local(): number {
    return this.params + this.types.push(I64) - 1
  }
  /** A new i32 local. */
  local32(): number {
    return this.params + this.types.push(I32) - 1
  }
  /** A new v128 local. */
  vectorLocal(): number {
    return this.params + this.types.push(V128) - 1
  }
  get localsDeclaration(): number[] {
    return vector(this.types.map((type) => [1, type]))
  }
  get(local: number): this {
    return this.put(0x20, ...unsigned(local))
  }
  set(local: number): this {
    return this.put(0x21, ...unsigned(local))
  }
  constant64(value: bigint): this {
    return this.put(0x42, ...signed(value))
  }
  constant32(value: number): this {
    return this.put(0x41, ...signed(BigInt(value | 0)))
  }
  /** Pops an address, pushes the i64 at address + offset. */
  load64(offset: number): this {
    return this.put(0x29, 3, ...unsigned(offset))
  }
  /** Pops an address, pushes the u32 at address + offset as i64. */
  load32(offset: number): this {
    return this.put(0x35, 2, ...unsigned(offset))
  }
  /** Pops an i64 and an address below it. */
  store64(offset: number): this {
    return this.put(0x37, 3, ...unsigned(offset))
  }
  /** Pops an i64 and an address below it; stores its low 32 bits. */
  store32(offset: number): this {
    return this.put(0x3e, 2, ...unsigned(offset))
  }
  /** Pops an address, pushes the two i64 or f64 at address + offset. */
  loadVector(offset: number): this {
    return this.put(0xfd, 0x00, 4, ...unsigned(offset))
  }
  /** Pops a vector and an address below it. */
  storeVector(offset: number): this {
    return this.put(0xfd, 0x0b, 4, ...unsigned(offset))
  }
  simd(instruction: (typeof Simd)[keyof typeof Simd]): this {
    return this.put(0xfd, ...unsigned(instruction))
  }
  add64(): this {
    return this.put(0x7c)
  }
  sub64(): this {
    return this.put(0x7d)
  }
  mul64(): this {
    return this.put(0x7e)
  }
  and64(): this {
    return this.put(0x83)
  }
  or64(): this {
    return this.put(0x84)
  }
  shiftLeft64(bits: number): this {
    return this.constant64(BigInt(bits)).put(0x86)
  }
  shiftRightSigned64(bits: number): this {
    return this.constant64(BigInt(bits)).put(0x87)
  }
  shiftRight64(bits: number): this {
    return this.constant64(BigInt(bits)).put(0x88)
  }
  add32(): this {
    return this.put(0x6a)
  }
  call(index: number): this {
    return this.put(0x10, ...unsigned(index))
  }
  /** Runs `body` again until the i32 local `counter`, raised by `step` after each turn, reaches `end`. */
  loop(counter: number, step: number, end: number, body: () => void): this {
    this.put(0x03, 0x40)
    body()
    this.get(counter)
      .constant32(step)
      .add32()
      .put(0x22, ...unsigned(counter))
    return this.constant32(end).put(0x49, 0x0d, 0x00, 0x0b)
  }

  private put(...bytes: number[]): this {
    for (const byte of bytes) this.code.push(byte)
    return this
  }
}

/**
 * Bytes of a module that imports `env.memory` and exports the functions named in `exported`. A function
 * takes i32 parameters and returns nothing; its index in `functions` is what `call` takes.
 */
export function buildModule(
  functions: readonly FunctionBuilder[],
  exported: readonly string[],
  memory: { readonly minPages: number; readonly maxPages: number; readonly isShared: boolean },
): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ params }) => [
    0x60,
    ...vector(Array.from({ length: params }, () => [I32])),
    0,
  ])
  const limits = [memory.isShared ? 3 : 1, ...unsigned(memory.minPages), ...unsigned(memory.maxPages)]
  const exports = exported.map((name) => [
    ...text(name),
    0,
    ...unsigned(functions.findIndex((candidate) => candidate.name === name)),
  ])
  const bodies = functions.map((builder) => {
    const body = [...builder.localsDeclaration, ...builder.code, 0x0b]
    return [...unsigned(body.length), ...body]
  })
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector(types)),
    ...section(2, vector([[...text('env'), ...text('memory'), 2, ...limits]])),
    ...section(3, vector(functions.map((_, index) => unsigned(index)))),
    ...section(7, vector(exports)),
    ...section(10, vector(bodies)),
  ])
}
