/** A broken invariant: a fault of the engine, never of a command. The engine must not be used any more. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}
