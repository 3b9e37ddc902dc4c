/**
 * Quotes both sides of a market until Ctrl-C, then takes its quotes out; the strategy is in quotes.ts.
 *
 *   node dist/examples/market-maker.js
 */
import { createClient } from 'glassbook'
import { makeMarket } from './quotes.js'
import { demoWallet, stopAtCtrlC, url } from './setup.js'

const stop = stopAtCtrlC()
const client = await createClient({ url, wallet: demoWallet(2) }).connect()
await client.createSession({ scopes: ['read', 'trade'] })
client.onSessionEnded(() => {
  console.error('the session has ended: a new one is needed')
  stop.abort()
})

const { id, symbol } = client.markets.market('BTCX-USDX')
console.log(`quoting ${symbol}, Ctrl-C ends it`)
const options = { market: id, halfSpreadTicks: 5, lots: 100, lotsPerTick: 200, firstMidTicks: 600_000 }
const inventory = await makeMarket(client, options, stop.signal)
console.log(`stopped; ${inventory} lots more than at the beginning`)
client.close()
