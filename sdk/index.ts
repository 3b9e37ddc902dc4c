/** Public face of the SDK. */
export { cancelReasonNames } from '../engine/codes.js'
export { settlementAbi, vaultAbi } from '../contracts/abi.js'
export { ClientCore } from './client-core.js'
export { ClientChain } from './client-chain.js'
export type * from './client-types.js'
export { ClientQueries, type Fills, type FillsAfter, type FillsPage } from './client-queries.js'
export * from './client.js'
export * from './decimals.js'
export * from './errors.js'
export {
  type BatchFillProof,
  type FillProof,
  FILL_LEAF_BYTES,
  checkFillLeaf,
  fillsRootOf,
  readFillProof,
} from './fill-proof.js'
export type { RefusedInput } from './inputs.js'
export * from './local-book.js'
export * from './markets.js'
export * from './orders.js'
export { readProof, rootOf, STATE_TREE_DEPTH, type BalanceProof } from './proof.js'
export { checkCommands } from './raw-commands.js'
export { checkReceipt, type SignedReceipt } from './receipt.js'
export * from './protection.js'
export * from './session-key.js'
export { StreamState } from './stream-state.js'
export type { StreamListener, StreamMessage, StreamWatcher } from './subscription.js'
export * from './trackers.js'
export * from './wire/index.js'
