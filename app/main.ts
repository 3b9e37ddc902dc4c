#!/usr/bin/env node
/** The `glassbook` program: runs the command that is asked for (command-line.ts) and ends with its exit code. */
import { glassbook } from './command-line.js'

const NODE_MAJOR_MIN = 20

// Whoever read the output has gone (`| head`): what runs until a signal stops in order, all else is done. Of a log on
// a full disk lines are lost, and nothing else: to end, or to speak of it, would fail at the same place.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    const runsOn = process.listenerCount('SIGTERM') > 0
    if (error.code === 'EPIPE') {
      if (runsOn) process.kill(process.pid, 'SIGTERM')
      else process.exit()
    } else if (!runsOn && stream === process.stdout) {
      // Of a tool the result is lost, which must not pass for success.
      process.stderr.write(`glassbook: the output cannot be written: ${error.message}\n`)
      process.exit(1)
    }
  })

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `glassbook: needs Node ${NODE_MAJOR_MIN} or later, this is ${process.versions.node} ("nvm install ${NODE_MAJOR_MIN}")\n`,
  )
  process.exitCode = 1
} else
  void glassbook(process.argv.slice(2)).then((code) => {
    process.exitCode = code
  })
