/**
 * The engine as a filter: commands as JSON lines in, events as JSON lines out, for any language and for
 * conformance tests (`glassbook engine --config markets.json`).
 *
 * Every line that is a JSON object with a known `op` and that op's fields is one command (or query) for the
 * engine, which judges every value: a fraction, a negative number or an unknown name comes back `rejected`
 * with its code. Any other line gets an `error` event with its line number and changes nothing.
 * Output leaves in pieces while it is made, also within one command or answer, and is flushed after each piece
 * of input, so a program may talk to it line by line and no command's output is held in memory.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import {
  type Engine,
  type EventBuffer,
  EVENT_WORDS,
  type GenesisConfig,
  createEngine,
} from '../../engine/index.js'
import { readEvent } from '../../engine/records/access.js'
import { unreadable } from '../files/file-errors.js'
import { UsageError } from '../files/usage-error.js'
import { LINE_LENGTH_MAX, OUTPUT_CHARACTERS_AT_ONCE } from '../limits.js'
import { CommandReader } from './engine-filter-commands.js'
import { eventToJson } from './engine-filter-events.js'
import { CommandError, filterConfig } from './engine-filter-fields.js'

/** Runs the filter until the input ends. @throws UsageError for a file that holds no such markets. */
export async function runEngineFilter({ config: file }: { readonly config: string }): Promise<number> {
  const refusal = unreadable('--config', file)
  if (refusal !== undefined) throw new UsageError(refusal)
  let full = false
  let filter: EngineFilter
  try {
    // Files and pipes are written at once (Node, "process I/O"), so a piece is gone when `write` returns.
    filter = new EngineFilter(filterConfig(JSON.parse(readFileSync(file, 'utf8'))), (text) => {
      full = !process.stdout.write(text)
    })
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
  }
  const decoder = new StringDecoder('utf8')
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    filter.feed(decoder.write(chunk))
    // A reader that goes away (`| head`) ends the program (main.ts).
    if (full) await once(process.stdout, 'drain')
  }
  filter.end(decoder.end())
  return 0
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

  /**
   * Output goes to `write` in pieces of whole lines, but for long answers, as it is made.
   * @throws GenesisError.
   */
  constructor(
    genesis: GenesisConfig,
    private readonly write: (text: string) => void,
  ) {
    this.engine = createEngine({ genesis, onEvents: (events) => this.take(events) })
    this.reader = new CommandReader(this.engine)
  }

  /** Takes a piece of input; the output of the lines that it completes has been written when it returns. */
  feed(text: string): void {
    let from = 0
    for (;;) {
      const end = text.indexOf('\n', from)
      if (end < 0) break
      const line = this.rest + text.slice(from, end)
      this.rest = ''
      from = end + 1
      if (this.skipping) this.skipping = false
      else this.apply(line)
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
    this.drain()
  }

  /** The input has ended: takes what is left of it as the last line. */
  end(text: string): void {
    this.feed(text)
    if (this.rest !== '' && !this.skipping) this.apply(this.rest)
    this.rest = ''
    this.drain()
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
      if (answer !== undefined) this.answer(answer)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      this.fail(error.message)
    }
  }

  private fail(message: string): void {
    this.say(JSON.stringify({ event: 'error', line: this.line, message }) + '\n')
  }

  private take({ words, floats, count }: EventBuffer): void {
    for (let index = 0; index < count; index++)
      this.say(JSON.stringify(eventToJson(readEvent(words, floats, index * EVENT_WORDS)!)) + '\n')
  }

  /** One line; a list in it entry by entry, since an account may have a hundred thousand orders. */
  private answer(answer: object): void {
    let separator = '{'
    for (const [key, value] of Object.entries(answer) as [string, unknown][]) {
      if (value === undefined) continue
      this.say(`${separator}${JSON.stringify(key)}:`)
      separator = ','
      if (Array.isArray(value)) {
        value.forEach((entry, index) => this.say((index === 0 ? '[' : ',') + JSON.stringify(entry)))
        this.say(value.length === 0 ? '[]' : ']')
      } else this.say(JSON.stringify(value))
    }
    this.say('}\n')
  }

  private say(text: string): void {
    this.out += text
    if (this.out.length > OUTPUT_CHARACTERS_AT_ONCE) this.drain()
  }

  private drain(): void {
    if (this.out === '') return
    this.write(this.out)
    this.out = ''
  }
}
