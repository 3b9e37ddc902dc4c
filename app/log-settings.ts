/** What may be set of a log; apart from log.ts, so that a help text does not load what writes one. */
export const LOG_FORMATS = ['pretty', 'json'] as const
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogOptions {
  readonly format: (typeof LOG_FORMATS)[number]
  /** Lines below it are left out, but for the last one. */
  readonly level: LogLevel
}

/** As flags give them. */
export interface LogFlags {
  readonly log: LogOptions['format']
  readonly logLevel: LogLevel
}
