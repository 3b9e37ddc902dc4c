/**
 * Plans the way out without the operator, from the chain alone: rebuilds the state tree from all batches, compares its
 * root with the contract's, and says what the owner can send now. Nothing is sent; `npx glassbook exit --send` does
 * that.
 *
 *   node dist/examples/leave.js
 */
import { planExit } from 'glassbook/settlement'
import { createPublicClient, http } from 'viem'
import { demoWallet, readDeployment } from './setup.js'

// The contracts that you trust, and a node of your own choice: the exchange is not asked for anything.
const deployment = readDeployment()
const client = createPublicClient({ transport: http(deployment.rpcUrl) })
const owner = demoWallet(6).address

const plan = await planExit(client, deployment, owner)
const amount = (asset: number, units: number | bigint): string =>
  `${units} units of ${deployment.assets[asset]?.symbol}`

console.log(`account ${plan.account} of ${owner}, last proven batch ${plan.provenBatch}`)
for (const { asset, units } of plan.balances) console.log(`proven: ${amount(asset, units)}`)
for (const { asset, units } of plan.deposited)
  console.log(`deposited, in no proven batch yet: ${amount(asset, units)}`)

// Each step is a transaction that the owner may send as it stands: to, data, value.
for (const { what, to, data, value } of plan.steps)
  console.log(`now: ${what}: ${data.length / 2 - 1} bytes to ${to} with ${value} wei`)
for (const { asset, units, deadline } of plan.waiting)
  console.log(
    `wait: ${amount(asset, units)} were asked for; freeze after ${new Date(deadline * 1000).toISOString()}`,
  )
if (plan.steps.length + plan.waiting.length === 0) console.log('nothing is left to do')
