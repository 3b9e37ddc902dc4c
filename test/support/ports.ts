/**
 * Ports for programs that a test starts with `--port N`.
 *
 * They lie below the range that the system gives to port 0 and to outgoing connections (from 32768 on
 * Linux, 49152 elsewhere), and each process of tests asks in a slice of its own: so nothing takes a port
 * between the moment it was found free and the moment the program binds it, not even another part of that
 * program, which had once been given the gateway's port for its own port 0.
 */
import { createServer } from 'node:net'

const FIRST = 10_000
/** Ports of a process. */
const SLICE = 100
const SLICES = 220

let asked = 0

/** A port of 127.0.0.1 that is free, and that this process does not hand out again for 99 calls. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < SLICE; tries++) {
    const port = FIRST + (process.pid % SLICES) * SLICE + (asked++ % SLICE)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port among the ${SLICE} of this process`)
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const probe = createServer()
    probe.once('error', () => done(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)))
  })
