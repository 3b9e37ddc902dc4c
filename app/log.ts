/**
 * What a program that runs on says: one line a fact, with its part (engine, gateway, settlement, …) and level. Pretty
 * for people: `part: words`. As JSON for machines: an object a line, with `time`, `level`, `part`, `msg`, and figures
 * as fields. Given to standard output at once, on the thread that says it; what that does not take waits (files/terminal.ts).
 */
import { type Logger, pino } from 'pino'
import type { LogLevel, LogOptions } from './log-settings.js'

/** Says one line; a fact unless a level is given. */
export type Say = (text: string, level?: LogLevel) => void

export class Log {
  readonly #logger: Logger

  /** `write` takes whole lines, without their end. */
  constructor({ format, level }: LogOptions, write: (line: string) => void) {
    const shown = (json: string): string => {
      if (format === 'json') return json.trimEnd()
      const { part, msg } = JSON.parse(json) as { part: string; msg: string }
      return `${part}: ${msg}`
    }
    this.#logger = pino(
      {
        level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: (json: string) => write(shown(json)) },
    )
  }

  /** A part's own voice. A text that begins with the part's name says it once. */
  of(part: string): Say {
    const logger = this.#logger.child({ part })
    const prefix = `${part}: `
    return (text, level = 'info') => logger[level](text.startsWith(prefix) ? text.slice(prefix.length) : text)
  }

  /** How a run ended: what a person looks for, and never left out. */
  last(part: string, text: string): void {
    this.#logger.child({ part }, { level: 'info' }).info(text)
  }

  /** Whether lines of this level are said; what is shown beside the log is of the level of facts. */
  says(level: LogLevel): boolean {
    return this.#logger.isLevelEnabled(level)
  }

  /** A fact with figures. */
  fact(part: string, text: string, figures: object): void {
    this.#logger.info({ part, ...figures }, text)
  }
}
