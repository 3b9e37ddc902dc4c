/**
 * The wall clock, which may be wrong: for people to compare with, and for nothing that is decided. What the engine's
 * rules speak of (expiries, deadlines, bounds of nonces) is measured against engine time (`Gateway.timeMs`), rates
 * and ages against performance.now(). ESLint refuses `Date.now` anywhere else in the gateway (eslint.config.js).
 */
export const wallMs = (): number => Date.now()
