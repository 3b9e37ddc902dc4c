/** Settings of the gateway as the commands take them: what cannot be used is wrong use. */
import { ConfigError, type GatewayConfig, loadGatewayConfig } from '../../gateway/settings/config.js'
import { unreadable } from './file-errors.js'
import { UsageError } from './usage-error.js'

/** `flags`: the settings that flags give, by flag. @throws UsageError. */
export function gatewaySettings(
  file: string | undefined,
  flags: Readonly<Record<string, string>>,
  environment: NodeJS.ProcessEnv = process.env,
): GatewayConfig {
  const refusal = file === undefined ? undefined : unreadable('--config', file)
  if (refusal !== undefined) throw new UsageError(refusal)
  try {
    return loadGatewayConfig({ file, environment, flags })
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error
  }
}
