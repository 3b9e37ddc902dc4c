/**
 * Withdraws, claims and deposits money of one's own, and verifies a balance and a fill against the chain, with contracts
 * that are pinned here. A withdrawal waits for its batch and the batch's proofs: a minute or two with `npm start`.
 *
 *   node dist/examples/money.js
 */
import { createClient } from 'glassbook'
import { createPublicClient, createWalletClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { demoWallet, pause, readDeployment, url } from './setup.js'

const asset = 'USDX'

const deployment = readDeployment()
const transport = http(deployment.rpcUrl)
const wallet = createWalletClient({ account: demoWallet(4), chain: foundry, transport, pollingInterval: 100 })
const publicClient = createPublicClient({ chain: foundry, transport })

// An exchange that names other contracts than the pinned ones is refused.
const client = await createClient({ url, wallet, publicClient, deployment }).connect()
await client.createSession({ scopes: ['read'] })

// Asked for with the wallet's signature: no session key can withdraw.
const { seq, fee, total } = await client.requestWithdrawal({ asset, amount: '100', maxFee: '1' })
console.log(`asked for 100 ${asset}, which cost ${total} with a fee of ${fee} (seq ${seq})`)
for (let last = ''; last !== 'final'; await pause(500)) {
  const { state, claimable } = await client.withdrawalStatus({ asset, seq })
  if (state === 'unknown') throw new Error(`seq ${seq} is no withdrawal of this account`)
  if (state !== last) console.log(`the withdrawal is ${state}; ${claimable} ${asset} are claimable`)
  last = state ?? ''
}
const claimed = await client.claim({ asset })
console.log(`claimed ${claimed.amount} ${asset} (${claimed.transactionHash})`)

// And back in: token approval, deposit, a block.
const deposited = await client.deposit({ asset, amount: '25' })
console.log(`deposited ${deposited.units} units for account ${deposited.account}`)

// The balance in the newest batch, hashed up to a root, compared with the root that the pinned contract holds.
const { amount, batch, state, ageMs } = await client.verifyBalance({ asset })
console.log(`${amount} ${asset} stand in batch ${batch} (${state}), posted ${Math.round(ageMs / 1000)} s ago`)

// A fill in its batch, leaf by leaf. It was made before the withdrawal, so its batch is on the chain.
const { fills } = await client.fills()
const fill = fills.filter((each) => each.seq < seq).at(-1)
if (fill === undefined) console.log('no fill to verify: let trade.ts trade with market-maker.ts first')
else {
  const found = await client.verifyFill({ fill })
  console.log(
    `fill ${fill.seq}:${fill.index} of ${fill.lots} lots is in batch ${found.batch} (${found.state})`,
  )
}
client.close()
