/** Runs a compiled circuit's witness program. For tests. */
import { wtns } from 'snarkjs'
import type { ChunkInputs } from './prove.js'

/** All `count` wires, or undefined when the inputs break a constraint. */
export async function wiresOf(
  wasm: Uint8Array,
  inputs: ChunkInputs,
  count: number,
): Promise<bigint[] | undefined> {
  const out: { type: 'mem'; data?: Uint8Array } = { type: 'mem' }
  const { error } = console
  try {
    // snarkjs writes where the circuit stopped to the console before it throws.
    console.error = () => {}
    await wtns.calculate(inputs, { type: 'mem', data: wasm }, out)
  } catch {
    return undefined
  } finally {
    console.error = error
  }
  // iden3's wtns format: a 12-byte head, section 1 (12 + 40 bytes), section 2 (12 bytes, then the wires).
  const bytes = out.data!
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Array.from({ length: count }, (_, wire) =>
    [3, 2, 1, 0].reduce(
      (value, word) => (value << 64n) | view.getBigUint64(76 + wire * 32 + word * 8, true),
      0n,
    ),
  )
}
