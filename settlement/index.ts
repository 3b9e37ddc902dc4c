/** Public face of settlement: commitments, proofs of balances and fills, and the parts that replay a journal. */
export * from './batch.js'
export * from './chain.js'
export * from './chain-watcher.js'
export * from './commit.js'
export type { ChainOrigin } from './deposit-queue.js'
export type { FeePolicy } from './fees.js'
export * from './fills-root.js'
export * from './follow.js'
export * from './net.js'
export type { RpcOptions } from './rpc.js'
export {
  Settler,
  defaultPolicy,
  type BatchPolicy,
  type SettlerOptions,
  type SettlerStatus,
} from './settler.js'
export { BatchStore, type BatchRecord } from './store.js'
export { StateTree, TREE_DEPTH, rootOfProof, type BalanceProof } from './tree.js'
