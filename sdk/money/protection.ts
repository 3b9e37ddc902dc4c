/**
 * Protection prices: the worst price that a market order, or a stop that becomes one, may trade at. The
 * caller gives it, or the slippage that it may be away from where the market is.
 */
import { TICKS_MAX } from '../../engine/limits.js'
import type { SideName } from './orders.js'

const PPM = 1_000_000

/** `referenceTicks` moved by the slippage against the order; rounded towards it, so never beyond. */
export function protectionTicks(referenceTicks: number, side: SideName, slippagePpm: number): number {
  return side === 'buy'
    ? Math.min(TICKS_MAX, Math.floor((referenceTicks * (PPM + slippagePpm)) / PPM))
    : Math.max(1, Math.ceil((referenceTicks * (PPM - slippagePpm)) / PPM))
}
