/**
 * Reads LOBSTER files (lobsterdata.com, "Data structure"): a message file, one event a row, and an
 * order-book file, row by row the book after each event. Prices are dollars x 10,000 and become
 * ticks as they are; sizes are shares and become lots. A row that does not parse stops the reading
 * with its file and line, so that a damaged file is never half replayed.
 */
import { readFileSync } from 'node:fs'

export const LobsterType = {
  Limit: 1,
  Reduce: 2,
  Delete: 3,
  Execution: 4,
  Hidden: 5,
  Cross: 6,
  Halt: 7,
} as const

/** Price of an order-book column that holds no level. */
const EMPTY_PRICE = 9_999_999_999

export interface LobsterMessage {
  /** Seconds after midnight. */
  readonly timeS: number
  /** 1 to 7, see LobsterType. */
  readonly type: number
  readonly orderId: number
  readonly lots: number
  readonly ticks: number
  /** Side of the resting order, also in an execution. */
  readonly side: 'buy' | 'sell'
}

/** Levels as [ticks, lots], best first. */
export interface LobsterBook {
  readonly bids: readonly (readonly [ticks: number, lots: number])[]
  readonly asks: readonly (readonly [ticks: number, lots: number])[]
}

/** A file that is not what its name says: names the file, the line and what was found there. */
export class LobsterFileError extends Error {
  override readonly name = 'LobsterFileError'
  constructor(file: string, line: number, found: string) {
    super(`${file}:${line}: not a LOBSTER row: ${found.slice(0, 80)}`)
  }
}

function rows(file: string, text: string): { cells: number[]; line: number }[] {
  return text.split('\n').flatMap((raw, index) => {
    const row = raw.trim()
    if (row === '') return []
    const cells = row.split(',').map(Number)
    if (cells.some((cell) => !Number.isFinite(cell))) throw new LobsterFileError(file, index + 1, row)
    return [{ cells, line: index + 1 }]
  })
}

/**
 * Parses a message file's text.
 * @throws LobsterFileError at the first row that does not have six numeric columns in range.
 */
export function parseMessages(file: string, text: string): LobsterMessage[] {
  return rows(file, text).map(({ cells, line }) => {
    const [timeS, type, orderId, lots, ticks, direction] = cells
    const whole = cells.length === 6 && [type, orderId, lots, ticks].every(Number.isSafeInteger)
    if (!whole || type! < 1 || type! > 7 || (direction !== 1 && direction !== -1)) {
      throw new LobsterFileError(file, line, cells.join(','))
    }
    return {
      timeS: timeS!,
      type: type!,
      orderId: orderId!,
      lots: lots!,
      ticks: ticks!,
      side: direction === 1 ? 'buy' : 'sell',
    }
  })
}

/**
 * Parses an order-book file's text: columns ask price, ask size, bid price, bid size, level by level.
 * @throws LobsterFileError at the first row whose columns are not a multiple of four.
 */
export function parseOrderbook(file: string, text: string): LobsterBook[] {
  return rows(file, text).map(({ cells, line }) => {
    if (cells.length === 0 || cells.length % 4 !== 0) throw new LobsterFileError(file, line, cells.join(','))
    const asks: [number, number][] = []
    const bids: [number, number][] = []
    for (let column = 0; column < cells.length; column += 4) {
      const [askTicks, askLots, bidTicks, bidLots] = cells.slice(column, column + 4) as [
        number,
        number,
        number,
        number,
      ]
      if (Math.abs(askTicks) !== EMPTY_PRICE) asks.push([askTicks, askLots])
      if (Math.abs(bidTicks) !== EMPTY_PRICE) bids.push([bidTicks, bidLots])
    }
    return { bids, asks }
  })
}

/** Reads and parses the two files; the order-book file must have one row for each message. */
export function readLobster(
  messageFile: string,
  orderbookFile?: string,
): { messages: LobsterMessage[]; books?: LobsterBook[] } {
  const messages = parseMessages(messageFile, readFileSync(messageFile, 'utf8'))
  if (orderbookFile === undefined) return { messages }
  const books = parseOrderbook(orderbookFile, readFileSync(orderbookFile, 'utf8'))
  if (books.length !== messages.length) {
    throw new LobsterFileError(
      orderbookFile,
      books.length,
      `${books.length} rows for ${messages.length} messages`,
    )
  }
  return { messages, books }
}
