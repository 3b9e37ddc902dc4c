#!/usr/bin/env node
/**
 * The `glassbook` program: picks a command and runs it. Commands are loaded only when asked for, so
 * that a Node that is too old is told so before what it cannot read is touched.
 */
import { readFileSync } from 'node:fs'
import { tuneForEngine } from '../engine/tune.js'
import { openFilesMax } from '../gateway/limits/open-files.js'
import { asksForHelp, commandHelp, commands, programHelp } from './command-list.js'

const NODE_MAJOR_MIN = 20
/** With fewer the program's own modules cannot be read, and what fails then tells of anything but files. */
const START_FILES_MIN = 1024
/** Looked up at once: where no file can be opened any more it cannot be asked. */
const FILES_MAX = openFilesMax()

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

async function main(argv: string[]): Promise<number> {
  const [name = 'help', ...rest] = argv
  const command = commands[name]
  if (
    name === 'version' ||
    name === '--version' ||
    name === '-v' ||
    (command && rest.includes('--version'))
  ) {
    process.stdout.write(`${version()}\n`)
    return 0
  }
  if (command !== undefined && asksForHelp(rest)) {
    process.stdout.write(commandHelp(command))
    return 0
  }
  if (name === 'help' || name === '--help' || name === '-h') {
    const about = commands[rest[0] ?? '']
    process.stdout.write(about === undefined ? programHelp() : commandHelp(about))
    return 0
  }
  const major = Number(process.versions.node.split('.')[0])
  if (major < NODE_MAJOR_MIN) {
    process.stderr.write(
      `glassbook: needs Node ${NODE_MAJOR_MIN} or later, this is ${process.versions.node} ("nvm install ${NODE_MAJOR_MIN}")\n`,
    )
    return 1
  }
  if (command === undefined) {
    process.stderr.write(`glassbook: no command "${name}"\n${programHelp()}`)
    return 2
  }
  if (name === 'start' && FILES_MAX < START_FILES_MIN) {
    process.stderr.write(
      `glassbook: this process may open ${FILES_MAX} files at once, "start" needs ${START_FILES_MIN}: raise the limit (ulimit -n ${START_FILES_MIN})\n`,
    )
    return 1
  }
  // A gateway is no engine: what is gained there by inlining more is lost to the compiler (tune.ts).
  if (name !== 'gateway') tuneForEngine()
  const run = await command.load()
  return run(rest)
}

// Whoever read the output has gone (`| head`): what runs until a signal stops in order, all else is done. Of a log on
// a full disk lines are lost, and nothing else: to end, or to speak of it, would fail at the same place.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    const runsOn = process.listenerCount('SIGTERM') > 0
    if (error.code !== 'EPIPE') {
      if (!runsOn) throw error
    } else if (runsOn) process.kill(process.pid, 'SIGTERM')
    else process.exit()
  })

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const isOutOfFiles = (error as NodeJS.ErrnoException | null)?.code === 'EMFILE'
    const advice = isOutOfFiles
      ? `: this process may open ${FILES_MAX} files at once, raise the limit (ulimit -n ${START_FILES_MIN})`
      : ''
    process.stderr.write(`glassbook: ${error instanceof Error ? error.message : String(error)}${advice}\n`)
    process.exitCode = 1
  },
)
