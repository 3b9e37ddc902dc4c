/** What random draws may look at, as the reference engine has it. In tests only. */
import type { Scene } from './random-tape.js'
import type { ReferenceEngine } from './engine.js'

export const sceneOf = (engine: ReferenceEngine): Scene => ({
  get live() {
    return engine.liveOrders()
  },
  get framed() {
    return engine.frame.left > 0 ? engine.frame.session?.account : undefined
  },
  feeAccount: engine.feeAccount,
  stepsMax: engine.stepsMax,
  approval: (account) =>
    engine.sessions.filter((session) => session.account === account && !engine.ended(session)).at(-1)
      ?.approval ?? 1,
  endedApproval: (account) =>
    engine.sessions.filter((session) => session.account === account && engine.ended(session)).at(-1)
      ?.approval ?? 1,
  available: (account, asset) => Number(engine.accounts.get(account)?.balance(asset).available ?? 0n),
})
