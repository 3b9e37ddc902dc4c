/**
 * `glassbook config print [--config FILE] [--gateway-… value]`: the settings that a start with the same
 * file, environment and flags would use, as JSON, so that an operator sees what wins over what.
 * `glassbook config names` lists every setting with its variable and flag.
 */
import { ConfigError, loadGatewayConfig, settingNames } from '../../gateway/settings/config.js'
import { FlagError, readFlags } from '../files/flags.js'

const USAGE = 'usage: glassbook config print [--config FILE] [--gateway-SETTING VALUE …] | names\n'

/** Runs the command; answers with the exit code. */
export async function runConfigCommand(argv: string[]): Promise<number> {
  const [command, ...rest] = argv
  if (command === 'names' && rest.length === 0) {
    for (const { setting, variable, flag } of settingNames()) {
      process.stdout.write(`gateway.${setting}\n    ${variable}\n    ${flag}\n`)
    }
    return 0
  }
  if (command !== 'print') {
    process.stderr.write(USAGE)
    return 2
  }
  try {
    const { values, settings } = readFlags(rest, { config: { type: 'string' } })
    const gateway = loadGatewayConfig({ file: values.config, environment: process.env, flags: settings })
    process.stdout.write(`${JSON.stringify({ gateway }, null, 2)}\n`)
    return 0
  } catch (error) {
    if (error instanceof FlagError) {
      process.stderr.write(`glassbook: ${error.message}\n${USAGE}`)
      return 2
    }
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`glassbook: ${error.message}\n`)
    return 2
  }
}
