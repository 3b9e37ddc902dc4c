/** Public face of the SDK. */
export { cancelReasonNames } from '../engine/codes.js'
export { settlementAbi, vaultAbi } from '../contracts/abi.js'
export { ClientCore } from './client/client-core.js'
export { ClientChain } from './client/client-chain.js'
export type * from './client/client-types.js'
export { ClientQueries, type Fills, type FillsAfter, type FillsPage } from './client/client-queries.js'
export * from './client/client.js'
export * from './money/units-and-atoms.js'
export * from './base/errors.js'
export {
  type BatchFillProof,
  type FillProof,
  FILL_LEAF_BYTES,
  checkFillLeaf,
  fillsRootOf,
  readFillProof,
} from './verify/fill-proof.js'
export type { RefusedInput } from './base/inputs.js'
export * from './streams/local-book.js'
export * from './money/markets.js'
export * from './money/orders.js'
export { readProof, rootOf, STATE_TREE_DEPTH, type BalanceProof } from './verify/proof.js'
export { checkCommands } from './money/raw-commands.js'
export { checkReceipt, type SignedReceipt } from './verify/receipt.js'
export { SLIPPAGE_PPM_DEFAULT } from './limits.js'
export * from './money/protection.js'
export * from './client/session-key.js'
export { StreamState } from './streams/stream-state.js'
export type { StreamListener, StreamMessage, StreamWatcher } from './streams/subscription.js'
export * from './streams/trackers.js'
export * from './wire/index.js'
