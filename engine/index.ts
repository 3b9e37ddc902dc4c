/** Public face of the engine: embedded use, units, codes, limits, record layouts, command builders. */
export * from './codes.js'
export * from './commands.js'
export * from './layout.js'
export * from './limits.js'
export * from './types.js'
export * from './units.js'
export { GenesisError, SnapshotError, createEngine, restoreEngine, sealSnapshot } from './core/engine.js'
export { InvariantError } from './core/invariants.js'
