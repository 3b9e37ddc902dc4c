/**
 * Lets V8 inline the engine's hot path as a whole. By default TurboFan stops inlining into a function
 * after 920 bytecodes and never inlines one above 460; placing an order is about three times that, spread
 * over functions that are separate for the reader's sake. Measured here: 10 to 25 % more commands a second.
 * Call once, before the first command is applied; a hint only, nothing depends on it. It holds for the whole
 * process: the `glassbook` program and the engine thread call it, an embedding program may.
 */
import { setFlagsFromString } from 'node:v8'

export function tuneForEngine(): void {
  setFlagsFromString('--max-inlined-bytecode-size=1600')
  setFlagsFromString('--max-inlined-bytecode-size-cumulative=12000')
}
