/** What the engine is asked for a forced withdrawal: what the chain still owes, less what is on its way. */
import type { PublicClient } from 'viem'
import { WithdrawCmd } from '../../engine/layout.js'
import type { Batches } from './batches.js'
import type { ChainDeployment } from '../chain/chain.js'
import type { Follower } from '../follow/follow.js'
import { answerForced } from './forced.js'
import { indexOf } from '../batch/rows.js'
import type { Sender } from '../sending/sender.js'

const ACCOUNT = 1
const ASSET = 0
const REMAINING = 50
const HEAD = 100n

/** Units that the engine is asked to pay, at the first look at a request of REMAINING units. */
async function asked(total: number, onTheWay: number): Promise<number[]> {
  const client = {
    getBlockNumber: () => Promise.resolve(HEAD),
    getBlock: () => Promise.resolve({ number: HEAD, timestamp: 1000n }),
    getLogs: () => Promise.resolve([{ args: { account: ACCOUNT, asset: ASSET }, blockNumber: 50n }]),
    readContract: ({ functionName }: { functionName: string }) => {
      if (functionName === 'openRequests') return Promise.resolve(1n)
      if (functionName === 'exitDelay') return Promise.resolve(3600n)
      return Promise.resolve({
        remaining: BigInt(REMAINING),
        requestedAt: 900,
        batchesBefore: 0n,
        depositsBefore: 0n,
      })
    },
  } as unknown as PublicClient
  const index = indexOf(ACCOUNT, ASSET)
  const withdrawals = onTheWay === 0 ? [] : [{ index, units: onTheWay }]
  const units: number[] = []
  let looks = 0
  await answerForced({
    client,
    deployment: { settlement: `0x${'aa'.repeat(20)}`, deployedAtBlock: 1 } as ChainDeployment,
    batches: { closed: undefined, open: () => [], proven: 0, count: 0 } as unknown as Batches,
    follower: { withdrawals, total: () => total } as unknown as Follower,
    sender: {} as Sender,
    onCommand: (record) => {
      expect(
        [WithdrawCmd.ACCOUNT, WithdrawCmd.ASSET, WithdrawCmd.FORCED].map((word) => record[word]),
      ).toEqual([ACCOUNT, ASSET, 1])
      units.push(new Float64Array(record.buffer)[WithdrawCmd.UNITS_F64]!)
    },
    wantBatch: () => true,
    isStopped: () => looks++ > 0,
    onTrouble: (text) => {
      throw new Error(text)
    },
    pollMs: 0,
  })
  return units
}

test.each([
  // The balance of the account, what is on its way, what it is asked for.
  [80, 0, [50]],
  [30, 0, [30]],
  [80, 20, [30]],
  [10, 20, [10]],
  [80, 50, []],
  [0, 20, []],
])('of a balance of %i, with %i on the way', async (total, onTheWay, units) => {
  expect(await asked(total, onTheWay)).toEqual(units)
})
