/**
 * Minimum and fee of withdrawals of each asset, as the engine has told them: what `markets` answers, and what a
 * refusal is explained with. Fed by gateway.ts.
 */
import { EventKind } from '../../engine/codes.js'
import { Ev, WithdrawTermsChangedEv } from '../../engine/layout.js'
import type { AssetConfig } from '../../engine/types.js'

/** Units of the asset; 0 = no bound, no fee. */
export interface WithdrawTerms {
  readonly withdrawMinUnits: number
  readonly withdrawFeeUnits: number
}

const NO_TERMS: WithdrawTerms = { withdrawMinUnits: 0, withdrawFeeUnits: 0 }

export class AssetTerms {
  readonly #terms = new Map<number, WithdrawTerms>()

  /** Every asset's, as they are now. */
  load(assets: readonly AssetConfig[]): void {
    for (const { id, withdrawMinUnits = 0, withdrawFeeUnits = 0 } of assets)
      this.#terms.set(id, { withdrawMinUnits, withdrawFeeUnits })
  }

  event(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    if (kind !== EventKind.WithdrawTermsChanged && kind !== EventKind.AssetCreated) return
    // Both have them in the same places.
    this.#terms.set(words[word + Ev.SUBJECT]!, {
      withdrawMinUnits: floats[(word >> 1) + WithdrawTermsChangedEv.WITHDRAW_MIN_F64]!,
      withdrawFeeUnits: floats[(word >> 1) + WithdrawTermsChangedEv.WITHDRAW_FEE_F64]!,
    })
  }

  of(asset: number): WithdrawTerms {
    return this.#terms.get(asset) ?? NO_TERMS
  }
}
