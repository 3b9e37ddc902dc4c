/**
 * Everything that the engine is, in one bundle; what engine.ts applies commands to and what snapshots
 * and hashes are taken of. No behaviour of its own.
 */
import type { GenesisConfig } from '../../types.js'
import type { DeadManSwitches } from '../orders/clock.js'
import type { Events } from '../base/events.js'
import type { Ledger } from '../money/ledger.js'
import type { Markets } from '../book/markets.js'
import type { Protections } from '../orders/protections.js'
import type { Sessions } from '../sessions/sessions.js'
import type { Trading } from '../orders/trading.js'

/** Places in the counters. */
export const Counter = { DEPOSITS_CONSUMED: 0 } as const

export interface State {
  readonly genesis: GenesisConfig
  readonly feeAccount: number
  /** Seq and engine time (trading.ts, Clock). */
  readonly clock: Float64Array
  readonly counters: Float64Array
  readonly events: Events
  readonly ledger: Ledger
  readonly markets: Markets
  readonly protections: Protections
  readonly trading: Trading
  readonly switches: DeadManSwitches
  readonly sessions: Sessions
}
