/**
 * `glassbook config print [--config FILE] [--gateway-… value]`: the settings that a start with the same
 * file, environment and flags would use, as JSON, so that an operator sees what wins over what.
 * `glassbook config names` lists every setting with its variable and flag.
 */
import { ConfigError, loadGatewayConfig, settingNames } from '../gateway/config.js'

const USAGE = 'usage: glassbook config print [--config FILE] [--gateway-SETTING VALUE …] | names\n'

/** Runs the command; answers with the exit code. */
export async function runConfigCommand(argv: string[]): Promise<number> {
  const [command, ...rest] = argv
  if (command === 'names') {
    for (const { setting, variable, flag } of settingNames()) {
      process.stdout.write(`gateway.${setting}\n    ${variable}\n    ${flag}\n`)
    }
    return 0
  }
  if (command !== 'print') {
    process.stderr.write(USAGE)
    return 2
  }
  const at = rest.indexOf('--config')
  if (at >= 0 && rest[at + 1] === undefined) {
    process.stderr.write(`glassbook: --config needs a file\n${USAGE}`)
    return 2
  }
  const file = at < 0 ? undefined : rest[at + 1]
  const flags = at < 0 ? rest : rest.toSpliced(at, 2)
  const foreign = flags.find((flag) => flag.startsWith('--') && !flag.startsWith('--gateway-'))
  if (foreign !== undefined) {
    process.stderr.write(`glassbook: no flag ${foreign}\n${USAGE}`)
    return 2
  }
  try {
    const gateway = loadGatewayConfig({ file, environment: process.env, flags })
    process.stdout.write(`${JSON.stringify({ gateway }, null, 2)}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`glassbook: ${error.message}\n`)
    return 1
  }
}
