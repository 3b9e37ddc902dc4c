/**
 * Runs the market maker against an exchange until Ctrl-C:
 *
 *   node dist/sdk/examples/market-maker-cli.js ws://127.0.0.1:9001 0xPRIVATE_KEY [MARKET] [FIRST_MID_TICKS]
 */
import { privateKeyToAccount } from 'viem/accounts'
import { createClient } from '../index.js'
import { makeMarket } from './market-maker.js'

const [url, privateKey, market = '0', firstMid = '1000'] = process.argv.slice(2)
if (url === undefined || privateKey === undefined) {
  console.error('usage: market-maker-cli URL PRIVATE_KEY [MARKET] [FIRST_MID_TICKS]')
  process.exit(2)
}
const client = await createClient({ url, wallet: privateKeyToAccount(privateKey as `0x${string}`) }).connect()
await client.createSession()
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
const options = {
  market: /^[0-9]+$/.test(market) ? Number(market) : market,
  halfSpreadTicks: 5,
  lots: 10,
  lotsPerTick: 20,
  firstMidTicks: Number(firstMid),
}
console.log(`inventory at the end: ${await makeMarket(client, options, stop.signal)} lots`)
client.close()
