/** Public face of the engine: embedded use, units, codes, limits and record layouts. */
export * from './codes.js'
export * from './layout.js'
export * from './limits.js'
export * from './types.js'
export * from './units.js'
export { createEngine, restoreEngine } from './core/engine.js'
