/**
 * The engine as a filter: commands as JSON lines in, events as JSON lines out, for any language and for
 * conformance tests (`glassbook engine --config markets.json`).
 *
 * Every line that is a JSON object with a known `op` is one command (or query) for the engine, which
 * judges every value: a fraction, a negative number or an unknown name comes back `rejected` with its
 * code. Any other line gets an `error` event with its line number and changes nothing.
 * Output is flushed after each piece of input, so a program may talk to it line by line.
 */
import { readFileSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import {
  type Engine,
  type EventBuffer,
  EVENT_WORDS,
  type GenesisConfig,
  GenesisError,
  createEngine,
} from '../engine/index.js'
import { CommandError, CommandReader } from './engine-filter-commands.js'
import { eventToJson } from './engine-filter-events.js'

/** Characters of one line at most. */
const LINE_LENGTH_MAX = 1 << 20
const OUTPUT_CHUNK = 1 << 16

const USAGE = `Usage: glassbook engine --config markets.json < commands.ndjson > events.ndjson
  config   {"assets":[{"id":0,"symbol":"USD"}],"markets":[{"id":0,"base":1,"quote":0,"lotUnits":1,
           "tickUnits":1,"makerFeePpm":0,"takerFeePpm":0}]}
  op       deposit withdraw transfer place amend cancel cancelAll cancelAfter protection
           resetProtection time openAccount createAsset createMarket marketStatus marketFees priceBand
           accountTier; queries: balances book orders markets stateHash
`

/** Runs the filter until the input ends. Returns the exit code: 0, or 2 for a bad command line or config. */
export async function runEngineFilter(argv: string[]): Promise<number> {
  const at = argv.indexOf('--config')
  const file = at < 0 ? undefined : argv[at + 1]
  if (argv.includes('--help') || file === undefined) {
    process.stderr.write(USAGE)
    return argv.includes('--help') ? 0 : 2
  }
  let filter: EngineFilter
  try {
    filter = new EngineFilter(JSON.parse(readFileSync(file, 'utf8')) as GenesisConfig)
  } catch (error) {
    process.stderr.write(`glassbook engine: ${file}: ${configProblem(error)}\n`)
    return 2
  }
  const decoder = new StringDecoder('utf8')
  let closed = false
  // A reader that goes away (`| head`) ends the filter, not with an error.
  process.stdout.on('error', () => {
    closed = true
  })
  const write = async (text: string): Promise<void> => {
    if (closed || text === '') return
    if (!process.stdout.write(text))
      await new Promise<void>((resolve) => {
        process.stdout.once('drain', resolve)
        process.stdout.once('error', () => resolve())
      })
  }
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    for (const text of filter.feed(decoder.write(chunk))) await write(text)
    if (closed) return 0
  }
  for (const text of filter.end(decoder.end())) await write(text)
  return 0
}

function configProblem(error: unknown): string {
  if (error instanceof GenesisError || error instanceof SyntaxError) return error.message
  if (error instanceof TypeError) return 'the configuration lacks assets or markets'
  return error instanceof Error ? error.message : String(error)
}

/** Turns lines of commands into lines of events; keeps the engine between calls. */
export class EngineFilter {
  readonly engine: Engine
  private readonly reader: CommandReader
  private out = ''
  private rest = ''
  private line = 0
  /** The line that is being skipped grew too long. */
  private skipping = false

  /** @throws GenesisError, or TypeError when the shape is wrong. */
  constructor(genesis: GenesisConfig) {
    this.engine = createEngine({ genesis, onEvents: (events) => this.take(events) })
    this.reader = new CommandReader(this.engine)
  }

  /** Takes a piece of input; yields the output of the lines that it completes, in pieces. */
  *feed(text: string): Generator<string> {
    let from = 0
    for (;;) {
      const end = text.indexOf('\n', from)
      if (end < 0) break
      const line = this.rest + text.slice(from, end)
      this.rest = ''
      from = end + 1
      if (this.skipping) this.skipping = false
      else this.apply(line)
      if (this.out.length > OUTPUT_CHUNK) yield this.drain()
    }
    this.rest += text.slice(from)
    if (this.rest.length > LINE_LENGTH_MAX) {
      if (!this.skipping) {
        this.line++
        this.fail(`longer than ${LINE_LENGTH_MAX} characters`)
      }
      this.skipping = true
      this.rest = ''
    }
    yield this.drain()
  }

  /** The input has ended: takes what is left of it as the last line. */
  *end(text: string): Generator<string> {
    yield* this.feed(text)
    if (this.rest !== '' && !this.skipping) this.apply(this.rest)
    this.rest = ''
    yield this.drain()
  }

  private apply(line: string): void {
    this.line++
    if (line.length > LINE_LENGTH_MAX) {
      this.fail(`longer than ${LINE_LENGTH_MAX} characters`)
      return
    }
    if (line.trim() === '') return
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      this.fail('not JSON')
      return
    }
    try {
      const answer = this.reader.run(value, line)
      this.engine.flush()
      if (answer !== undefined) this.out += JSON.stringify(answer) + '\n'
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      this.fail(error.message)
    }
  }

  private fail(message: string): void {
    this.out += JSON.stringify({ event: 'error', line: this.line, message }) + '\n'
  }

  private take({ words, floats, count }: EventBuffer): void {
    for (let index = 0; index < count; index++)
      this.out += JSON.stringify(eventToJson(words, floats, index * EVENT_WORDS)) + '\n'
  }

  private drain(): string {
    const text = this.out
    this.out = ''
    return text
  }
}
