import { commandLine, flagsOf } from '../../app/command-line.js'
import { type StartFlags, type StartOptions, startOptions } from '../../app/start/start-options.js'
import { settingNames } from '../../gateway/settings/config.js'

/** What `glassbook start` makes of the words behind it. @throws UsageError. */
export function startOptionsOf(argv: readonly string[], environment = process.env): StartOptions {
  const given: Record<string, string> = {}
  const program = commandLine({ settings: settingNames(), given })
  const start = program.commands.find((command) => command.name() === 'start')!
  start.action(() => {})
  program.parse(['start', ...argv], { from: 'user' })
  return startOptions(start.opts() as unknown as StartFlags, given, flagsOf(start), environment)
}
