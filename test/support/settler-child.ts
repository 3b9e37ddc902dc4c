/**
 * A settlement process for the kill tests: settles the journal of a data folder and ends with code 0 when
 * the chain has all of it, final. It kills itself at the n-th time that a step is reached, like a power cut.
 *
 *   node settler-child.js DATA RPC_URL DEPLOYMENT_FILE OPERATOR_KEY STEP NTH
 */
import { readFileSync } from 'node:fs'
import type { Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { chainClient, sleep, type ChainDeployment } from '../../settlement/chain/chain.js'
import { Settler } from '../../settlement/settler.js'

const [dataDir, rpcUrl, deploymentFile, operatorKey, killStep, nth] = process.argv.slice(2)
let left = Number(nth)

const settler = new Settler({
  dataDir: dataDir!,
  client: chainClient([rpcUrl!]),
  deployment: JSON.parse(readFileSync(deploymentFile!, 'utf8')) as ChainDeployment,
  account: privateKeyToAccount(operatorKey as Hex),
  policy: { seconds: 0, fills: 1, rows: 100 },
  pollMs: 5,
  snapshotEvery: 10,
  onStep: (step, label) => {
    const kind = `${step} ${label.split(' ')[0]}`
    if (kind === killStep && --left === 0) process.kill(process.pid, 'SIGKILL')
  },
})
await settler.start()
settler.ended().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(1)
})
const last = await settler.flush()
while (settler.store.read(Number(last!.header.number)).state !== 'final') await sleep(10)
await settler.stop()
process.exit(0)
