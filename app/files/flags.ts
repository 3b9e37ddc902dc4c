/**
 * Flags of the commands that take settings of the gateway (`--gateway-…`) beside their own. All are read by
 * Node's parseArgs, as those of every other command are: what is unknown is refused, and so is a value that
 * begins with a dash unless it is written as `--flag=--value`, since a flag that swallows the next one does
 * two wrong things and says nothing.
 */
import { parseArgs } from 'node:util'
import { settingFlags } from '../../gateway/settings/config.js'
import { hint } from '../../gateway/settings/nearest.js'

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
    const { values } = parseArgs({ args: withNegatives(argv, options), options: options as T })
    refuseEmpty(values, Object.keys(own))
    return { values, settings: values as Readonly<Record<string, unknown>> }
  } catch (error) {
    if (error instanceof FlagError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    const unknown = code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? /'--([^']*)'/.exec(message)?.[1] : undefined
    if (unknown === undefined) throw new FlagError(message)
    const nearest =
      `gateway-${unknown}` in options
        ? ` (did you mean --gateway-${unknown}?)`
        : hint(
            `--${unknown}`,
            Object.keys(options).map((flag) => `--${flag}`),
          )
    throw new FlagError(`--${unknown}: no such flag${nearest}`)
  }
}

/**
 * A variable of a script that was never set makes an empty word, and an empty path is the working folder. Settings
 * of the gateway may be empty: a list of none.
 */
function refuseEmpty(values: Readonly<Record<string, unknown>>, flags: readonly string[]): void {
  for (const flag of flags)
    if ([values[flag]].flat().includes(''))
      throw new FlagError(`--${flag} is empty: give it a value, or leave the flag out`)
}

/** A number below zero behind a flag is its value, for the flag's own bound to judge: no flag begins so. */
function withNegatives(argv: readonly string[], options: Options): string[] {
  const words: string[] = []
  for (const word of argv) {
    const flag = words.at(-1)
    const takesValue = flag?.startsWith('--') === true && options[flag.slice(2)]?.type === 'string'
    if (takesValue && /^-\d/.test(word)) words[words.length - 1] = `${flag}=${word}`
    else words.push(word)
  }
  return words
}
