/**
 * Flags of the commands that take settings of the gateway (`--gateway-…`) beside their own. All are read by
 * Node's parseArgs, as those of every other command are: what is unknown is refused, and so is a value that
 * begins with a dash unless it is written as `--flag=--value`, since a flag that swallows the next one does
 * two wrong things and says nothing.
 */
import { parseArgs } from 'node:util'
import { settingFlags } from '../gateway/config.js'
import { hint } from '../gateway/nearest.js'

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values']

/** Words on the command line that are no flags of the command, or flags without a value. */
export class FlagError extends Error {
  override readonly name = 'FlagError'
}

/** `settings`: the flags of the gateway, for `loadGatewayConfig`. @throws FlagError. */
export function readFlags<const T extends Options>(
  argv: readonly string[],
  own: T,
): { values: Values<T>; settings: Readonly<Record<string, unknown>> } {
  const options = { ...own, ...settingFlags }
  try {
    const { values } = parseArgs({ args: [...argv], options: options as T })
    return { values, settings: values as Readonly<Record<string, unknown>> }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'--([^']*)'/.exec(message)?.[1] : undefined
    throw new FlagError(
      unknown === undefined
        ? message
        : `--${unknown}: no such flag${hint(
            `--${unknown}`,
            Object.keys(options).map((flag) => `--${flag}`),
          )}`,
    )
  }
}
