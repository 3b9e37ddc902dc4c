/** Public face of the SDK. */
export { ClientCore } from './client-core.js'
export type * from './client-types.js'
export { ClientQueries, type FillsAfter, type FillsPage } from './client-queries.js'
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
export * from './local-book.js'
export * from './markets.js'
export * from './orders.js'
export { readProof, rootOf, STATE_TREE_DEPTH, type BalanceProof } from './proof.js'
export { checkReceipt, type SignedReceipt } from './receipt.js'
export * from './session-key.js'
export type { StreamListener, StreamMessage } from './subscription.js'
export * from './trackers.js'
export * from './wire/index.js'
