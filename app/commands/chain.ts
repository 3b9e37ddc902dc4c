/**
 * `glassbook chain DIR`: the local chain of a data folder alone, at the address that it always had, for whoever
 * wants to leave when the operator does not come back. It takes the folder's lock, so it and a start exclude each
 * other; Ctrl-C stops it after its state is written. Only a chain that `start` has made is run.
 *
 * Exit codes: 0 = stopped, 1 = failure, 2 = wrong use.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { startAnvil } from '../../contracts/anvil/anvil.js'
import { probePort } from '../../gateway/net/probe-port.js'
import { chainStatePath, deploymentOf } from '../start/local-chain.js'
import { lockStopped } from '../files/data-folder.js'
import { Log } from '../log.js'
import type { LogFlags } from '../log-settings.js'
import { Parts } from '../start/parts.js'
import { RunEnd, RunEnded } from '../start/run-end.js'
import { FORMER_CHAIN_MS_MAX, FORMER_LOOK_MS } from '../limits.js'

/** Runs the chain until Ctrl-C; resolves with the exit code. */
export async function runChain(folder: string, { log: format, logLevel: level }: LogFlags): Promise<number> {
  const dataDir = resolve(folder)
  const log = new Log({ format, level }, (line) => process.stdout.write(`${line}\n`))
  const say = log.of('glassbook')
  const deployment = existsSync(dataDir) ? deploymentOf(dataDir) : undefined
  if (deployment?.rpcUrl === undefined || !existsSync(chainStatePath(dataDir)))
    throw new Error(`${dataDir} has no chain: "glassbook start --data ${folder}" makes one`)
  const port = Number(new URL(deployment.rpcUrl).port)
  const parts = new Parts()
  parts.started('the lock', lockStopped(dataDir))
  const end = new RunEnd((text) => say(text, 'error'))
  end.listen()
  let code = 1
  try {
    await end.during(untilFree(port))
    const anvil = await startAnvil({
      port,
      statePath: chainStatePath(dataDir),
      onLine: log.of('local chain'),
      onDied: (error) => end.fail('the local chain', error),
    })
    parts.started('the chain', () => anvil.stop())
    if (format === 'json')
      log.fact('local chain', 'open', {
        dataDir,
        chainId: deployment.chainId,
        rpcUrl: anvil.rpcUrl,
        settlement: deployment.settlement,
      })
    else if (log.says('info'))
      process.stdout.write(
        `the local chain of ${dataDir}, chain id ${deployment.chainId}\n` +
          `  rpc         ${anvil.rpcUrl}\n` +
          `  settlement  ${deployment.settlement}\n` +
          '  leave       glassbook exit --help\n' +
          '  stop        Ctrl-C\n',
      )
    code = await end.code
  } catch (error) {
    if (error instanceof RunEnded) code = await end.code
    else say(error instanceof Error ? error.message : String(error), 'error')
  }
  end.end(code)
  for (const { name, error } of await parts.stopAll(() => {})) {
    say(`${name} did not stop cleanly: ${error instanceof Error ? error.message : String(error)}`, 'error')
    code = 1
  }
  if (code === 0) log.last('glassbook', 'stopped, the chain is on disk')
  end.leave(code)
  return code
}

/** Throws ListenError when the port is still taken after the wait. */
async function untilFree(port: number): Promise<void> {
  const deadline = performance.now() + FORMER_CHAIN_MS_MAX
  for (;;) {
    try {
      await probePort('127.0.0.1', port)
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await new Promise((done) => setTimeout(done, FORMER_LOOK_MS))
    }
  }
}
