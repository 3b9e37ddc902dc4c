/**
 * Runs the market maker against an exchange until Ctrl-C:
 *
 *   node dist/sdk/examples/market-maker-cli.js ws://127.0.0.1:9001 0xPRIVATE_KEY [MARKET] [FIRST_MID_TICKS]
 */
import { privateKeyToAccount } from 'viem/accounts'
import { createClient } from '../index.js'
import { makeMarket } from './market-maker.js'

/** Says why in one line, and ends. */
function refuse(why: string, code: number): never {
  console.error(
    `market-maker-cli: ${why}\nusage: market-maker-cli URL PRIVATE_KEY [MARKET] [FIRST_MID_TICKS]`,
  )
  process.exit(code)
}
const failed = (error: unknown): never => refuse(error instanceof Error ? error.message : String(error), 1)

const [url, privateKey, market = '0', firstMid = '1000'] = process.argv.slice(2)
if (url === undefined || privateKey === undefined) refuse('URL or PRIVATE_KEY is missing', 2)
if (!/^0x[0-9a-fA-F]{64}$/.test(privateKey)) refuse('PRIVATE_KEY is not 0x and 64 hex digits', 2)
if (!/^[1-9][0-9]*$/.test(firstMid)) refuse(`FIRST_MID_TICKS is ${firstMid}, not a whole number from 1 on`, 2)
const wallet = privateKeyToAccount(privateKey as `0x${string}`)
const client = await Promise.resolve()
  .then(() => createClient({ url, wallet }).connect())
  .catch(failed)
await client.createSession().catch(failed)
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())
const options = {
  market: /^[0-9]+$/.test(market) ? Number(market) : market,
  halfSpreadTicks: 5,
  lots: 10,
  lotsPerTick: 20,
  firstMidTicks: Number(firstMid),
}
const inventory = await makeMarket(client, options, stop.signal).catch(failed)
console.log(`inventory at the end: ${inventory} lots`)
client.close()
