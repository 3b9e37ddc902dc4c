/**
 * The process tree that the crash test kills: a whole exchange with its gateway on a fixed port.
 * Prints `ready SEQ` when clients may connect; ends in order on SIGTERM.
 *
 *   node venue.js DIR PORT ACCOUNTS
 */
import { startRig } from '../../bench/support/gateway-rig.js'

const [dataDir = '', port = '0', accounts = '1'] = process.argv.slice(2)

const rig = await startRig({
  accounts: Number(accounts),
  dataDir,
  config: { port: Number(port) },
})
rig.exchange.onFailure((_failure, reason) => {
  process.stderr.write(`exchange halted: ${reason}\n`)
  process.exit(1)
})
process.on('SIGTERM', () => {
  void rig.stop().then(() => process.exit(0))
})
process.stdout.write(`ready ${rig.exchange.seq}\n`)
