/**
 * The prover program. It shares nothing with the exchange but files and HTTP: it is the only part that runs
 * on GPL packages (snarkjs, circomlib). Prints one JSON line an event.
 *
 *   key --rows N [--depth 28]                            build and cache the development key
 *   work --url URL --token T [--rows N] [--key DIR] [--name NAME] [--attached]
 *                                                        prove for a settlement process; attached = end at once
 *                                                        when standard input closes: with whoever started it
 *   setup --rows N --ptau FILE --sha256 HEX --out DIR    a ceremony's first key from a powers-of-tau file
 *   contribute --key DIR --name NAME                     add a contribution
 *   check --key DIR --ptau FILE                          verify a ceremony's key from the circuit
 *
 * Exit codes: 0 = done, 1 = failed, or a check that does not hold; 2 = wrong use.
 */
import { parseArgs } from 'node:util'
import { checkKey, contribute, setup } from './ceremony.js'
import { developmentKey, keyFrom } from './keys.js'
import { work } from './work.js'
import { CIRCUIT_ROWS_MAX, TREE_DEPTH } from './limits.js'

// Who listened has gone: nobody is left to tell of it, or to prove for.
process.stdout.on('error', () => process.exit(1))
const say = (line: Record<string, unknown>): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

/** Wrong use of a command. */
class UsageError extends Error {
  override readonly name = 'UsageError'
}

function whole(flag: string, text: string, max: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < 1 || value > max)
    throw new UsageError(`--${flag} is ${text}, not a whole number from 1 to ${max}`)
  return value
}

/** Runs one command; resolves with the exit code. */
async function run(argv: string[]): Promise<number> {
  const [command, ...rest] = argv
  const { values } = parseArgs({
    args: rest,
    options: {
      rows: { type: 'string', default: '1' },
      depth: { type: 'string', default: String(TREE_DEPTH) },
      url: { type: 'string' },
      token: { type: 'string' },
      key: { type: 'string' },
      ptau: { type: 'string' },
      sha256: { type: 'string' },
      out: { type: 'string' },
      name: { type: 'string' },
      attached: { type: 'boolean', default: false },
    },
  })
  const needed = (name: 'url' | 'ptau' | 'sha256' | 'out' | 'key' | 'name'): string => {
    const value = values[name]
    if (value === undefined) throw new UsageError(`${command ?? ''} needs --${name}`)
    return value
  }
  const shape = {
    rows: whole('rows', values.rows, CIRCUIT_ROWS_MAX),
    depth: whole('depth', values.depth, TREE_DEPTH),
  }
  let lastShare = -1
  const onKey = (step: string, share: number): void => {
    if (Math.floor(share * 50) === lastShare) return
    lastShare = Math.floor(share * 50)
    say({ event: 'key', step, share: Math.round(share * 100) / 100 })
  }
  switch (command) {
    case 'key': {
      const key = await developmentKey(shape, onKey)
      say({ event: 'ready', folder: key.circuit.folder, verificationKey: key.verificationKey })
      return 0
    }
    case 'work': {
      if (values.attached) process.stdin.on('close', () => process.exit(0)).resume()
      const token = values.token ?? process.env.GLASSBOOK_PROVER_TOKEN
      if (token === undefined) throw new UsageError('work needs --token or GLASSBOOK_PROVER_TOKEN')
      // Asked before a key is made, which takes a minute.
      const url = needed('url')
      if (!URL.canParse(url)) throw new UsageError(`--url ${url} is not a URL, as in http://127.0.0.1:9500`)
      const key = values.key === undefined ? await developmentKey(shape, onKey) : await keyFrom(values.key)
      let isStopped = false
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => (isStopped = true))
      say({ event: 'ready', rows: key.circuit.rows, depth: key.circuit.depth })
      await work({
        url,
        token,
        key,
        ...(values.name === undefined ? {} : { name: values.name }),
        onProgress: say,
        isStopped: () => isStopped,
      })
      return 0
    }
    case 'setup':
      await setup(shape, needed('ptau'), needed('sha256'), needed('out'), say)
      return 0
    case 'contribute':
      await contribute(needed('key'), needed('name'), say)
      return 0
    case 'check':
      return (await checkKey(needed('key'), needed('ptau'), say)) ? 0 : 1
    default:
      throw new UsageError(`no command "${command ?? ''}": key, work, setup, contribute or check`)
  }
}

// snarkjs keeps worker threads alive for as long as its curve lives: the program ends by itself.
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
