/**
 * The page prover's program. It shares nothing with the exchange but files and HTTP. Prints one JSON line an event.
 *
 *   keys                                   compile the circuits and make their keys, unless they are there
 *   verifiers --out DIR                    write each circuit's verifier contract: Solidity, and creation code
 *   work --url URL --token T [--threads N] [--name NAME] [--attached]
 *                                          prove for a settlement process; attached = end at once when standard input
 *                                          closes: with whoever started it
 *   check-string --string DIR              look at a public string
 *
 * All with [--string DIR [--sha256 HEX]]: a public string, and the hash of its file of G1; else the development string.
 * Exit codes: 0 = done, 1 = failed; 2 = wrong use.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PROOF_THREADS_MAX } from './limits.js'
import { PAGE_CIRCUITS } from './page-circuits.js'
import { pageKeys, type PageKey, type PublicStringPlace } from './page-keys.js'
import { PageProver } from './page-prove.js'
import { verifierCode, verifierSource } from './page-verifier.js'
import { workOnPages } from './page-work.js'
import { placeBeside } from './place-beside.js'

// Who listened has gone: nobody is left to tell of it, or to prove for.
process.stdout.on('error', () => process.exit(1))
const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** Wrong use of a command. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

const OPTIONS = {
  url: { type: 'string' },
  token: { type: 'string' },
  threads: { type: 'string' },
  name: { type: 'string' },
  string: { type: 'string' },
  sha256: { type: 'string' },
  out: { type: 'string' },
  attached: { type: 'boolean', default: false },
} as const

function threadsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > PROOF_THREADS_MAX)
    throw new UsageError(`--threads is ${text}, not a whole number from 1 to ${PROOF_THREADS_MAX}`)
  return value
}

/** Runs one command; resolves with the exit code. */
async function run(argv: string[]): Promise<number> {
  const [command, ...rest] = argv
  const { values } = parseArgs({ args: rest, options: OPTIONS })
  const needed = (name: 'url' | 'out' | 'string'): string => {
    const value = values[name]
    if (value === undefined) throw new UsageError(`${command ?? ''} needs --${name}`)
    return value
  }
  const place: PublicStringPlace | undefined =
    values.string === undefined
      ? undefined
      : { folder: values.string, ...(values.sha256 === undefined ? {} : { sha256: values.sha256 }) }
  const keys = (): Promise<PageKey[]> =>
    pageKeys(PAGE_CIRCUITS, place, (step, share) => say({ event: 'key', step, share }))
  switch (command) {
    case 'keys':
      for (const { compiled, keyFile, gates } of await keys())
        say({ event: 'ready', circuit: compiled.circuit.name, gates, keyFile })
      return 0
    case 'check-string':
      needed('string')
      await keys()
      say({ event: 'checked', string: values.string })
      return 0
    case 'verifiers': {
      const out = needed('out')
      mkdirSync(out, { recursive: true })
      for (const key of await keys()) {
        const { name } = key.compiled.circuit
        const source = await verifierSource(key)
        placeBeside(join(out, `${name}.sol`), source)
        placeBeside(join(out, `${name}.hex`), verifierCode(source))
        say({ event: 'verifier', circuit: name, file: join(out, `${name}.hex`) })
      }
      return 0
    }
    case 'work': {
      if (values.attached) process.stdin.on('close', () => process.exit(0)).resume()
      const token = values.token ?? process.env.GLASSBOOK_PROVER_TOKEN
      if (token === undefined) throw new UsageError('work needs --token or GLASSBOOK_PROVER_TOKEN')
      const url = needed('url')
      if (!URL.canParse(url)) throw new UsageError(`--url ${url} is not a URL, as in http://127.0.0.1:9500`)
      const threads = threadsOf(values.threads)
      const all = await keys()
      let isStopped = false
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (isStopped = true))
      say({ event: 'ready', circuits: PAGE_CIRCUITS.map(({ name }) => name) })
      await workOnPages({
        url,
        token,
        provers: new Map(all.map((key) => [key.compiled.circuit.name, new PageProver(key, threads)])),
        isDevelopment: place === undefined,
        ...(values.name === undefined ? {} : { name: values.name }),
        onProgress: say,
        isStopped: () => isStopped,
      })
      return 0
    }
    default:
      throw new UsageError(`no command "${command ?? ''}": keys, verifiers, work or check-string`)
  }
}

run(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const name = error instanceof Error ? error.name : 'Error'
    say({ event: 'error', name, error: error instanceof Error ? error.message : String(error) })
    const isUsage =
      error instanceof UsageError ||
      (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS') === true
    process.exit(isUsage ? 2 : 1)
  },
)
