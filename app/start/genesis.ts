/** What the local exchange of `glassbook start` opens with. */
import { JournalDamage, readGenesis } from '../../engine/journal/reader.js'
import type { GenesisConfig } from '../../engine/types.js'
import { hasJournal } from '../files/data-folder.js'

/**
 * The local exchange: BTCX-USDX, 0.00001 BTCX a lot, 0.1 USDX a tick; a taker pays 0.05 %, a maker 0.01 %. A withdrawal
 * takes out 5 USDX or 0.0001 BTCX at least, and costs 0.5 USDX or 0.00001 BTCX: about what a claim costs the operator
 * where gas is cheap.
 */
export const LOCAL_GENESIS: GenesisConfig = {
  assets: [
    { id: 0, symbol: 'USDX', withdrawMinUnits: 5_000_000, withdrawFeeUnits: 500_000 },
    { id: 1, symbol: 'BTCX', withdrawMinUnits: 10_000, withdrawFeeUnits: 1_000 },
  ],
  markets: [{ id: 0, base: 1, quote: 0, lotUnits: 1000, tickUnits: 1, makerFeePpm: 100, takerFeePpm: 500 }],
  feeAccount: 0,
  requireFrames: true,
}

/** As exchanges began before withdrawals had terms: theirs have none, and their folders go on as they began. */
const WITHOUT_TERMS: GenesisConfig = {
  ...LOCAL_GENESIS,
  assets: LOCAL_GENESIS.assets.map(({ id, symbol }) => ({ id, symbol })),
}

/** What the exchange of a folder begins with; that of another program's folder is for recovery to refuse. */
export function genesisFor(dataDir: string): GenesisConfig {
  if (!hasJournal(dataDir)) return LOCAL_GENESIS
  try {
    const begun = JSON.stringify(readGenesis(dataDir))
    return begun === JSON.stringify(WITHOUT_TERMS) ? WITHOUT_TERMS : LOCAL_GENESIS
  } catch (error) {
    // Begun and no further, or damaged: recovery knows which.
    if (error instanceof JournalDamage) return LOCAL_GENESIS
    throw error
  }
}
