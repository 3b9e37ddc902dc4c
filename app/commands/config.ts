/**
 * `glassbook config print [--config FILE] [--gateway-… value]`: the settings that a start with the same
 * file, environment and flags would use, as JSON, so that an operator sees what wins over what.
 * `glassbook config names` lists every setting with its variable and flag.
 */
import { settingNames } from '../../gateway/settings/config.js'
import { gatewaySettings } from '../files/gateway-settings.js'

/** Prints the settings that win. */
export function printConfig(
  { config }: { readonly config?: string | undefined },
  settings: Readonly<Record<string, string>>,
): number {
  process.stdout.write(`${JSON.stringify({ gateway: gatewaySettings(config, settings) }, null, 2)}\n`)
  return 0
}

/** Lists every setting. */
export function printNames(): number {
  for (const { setting, variable, flag } of settingNames())
    process.stdout.write(`gateway.${setting}\n    ${variable}\n    ${flag}\n`)
  return 0
}
