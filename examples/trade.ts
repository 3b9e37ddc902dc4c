/**
 * Places an order, amends it, follows it and cancels it; then trades once, if anybody quotes (market-maker.ts does).
 *
 *   node dist/examples/trade.js
 */
import { OutcomeUnknownError, cancelReasonNames, createClient } from 'glassbook'
import { demoWallet, url } from './setup.js'

const market = 'BTCX-USDX'

const client = await createClient({ url, wallet: demoWallet(4) }).connect()
// The wallet signs once, for a session key that is made here; that key signs every frame from now on.
await client.createSession({ scopes: ['read', 'trade'] })

// The account's orders as the exchange tells of them, kept through lost connections.
const orders = await client.trackOrders()
orders.onOrder(({ orderId, state, remaining }, event) =>
  console.log(`order ${orderId} ${event}: ${state}, ${remaining} lots remain`),
)

// Prices and sizes are decimal strings. Post-only: it rests or is refused, and never takes.
const cloid = client.nextCloid()
const price = '50000.0'
const placed = await client.placeOrder({ market, side: 'buy', price, size: '0.01', cloid, postOnly: true })
console.log(`placed: order ${placed.orderId} is ${placed.state}`)

// A smaller size at the same price keeps its place in the queue.
await client.amendOrder({ market, cloid, price, size: '0.005' })
await client.cancelOrder({ market, cloid })
console.log(`live orders: ${(await client.orders()).length}`)

try {
  // Pays at most 1 % more than the best ask.
  const order = { market, side: 'buy', type: 'market', size: '0.001', slippagePpm: 10_000 } as const
  if ((await client.ticker(market)).ask === null)
    console.log('not traded: nobody sells; run market-maker.js beside this')
  else {
    const { filledLots, reason } = await client.placeOrder(order)
    console.log(filledLots > 0 ? `traded: ${filledLots} lots` : `not traded: ${cancelReasonNames[reason]}`)
  }
} catch (error) {
  // The line broke before the answer. A frame is sent once: ask what became of it, never send it again blindly.
  if (!(error instanceof OutcomeUnknownError)) throw error
  const [result] = await error.outcome
  console.log(`the answer was lost; what became of the order: ${result?.error?.codeName ?? result?.state}`)
}

for (const { asset, available, reserved } of await client.balances())
  console.log(`${asset.symbol}: ${available} available, ${reserved} reserved`)
client.close()
