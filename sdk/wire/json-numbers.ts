/**
 * Numbers of a JSON text are read as doubles, and a double may be whole where what is written is not: 0.99999999999999999
 * is read as 1, 9007199254740993 as another number. Nobody behind the reader can tell, so such a number is refused here.
 * Any other that is no whole number within 2^53 is refused by its field's name. Called by codec.ts.
 */
import { MalformedMessage } from './wire-value.js'

const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const POINT = 0x2e
const SMALL_E = 0x65
/** Makes a capital letter a small one. */
const SMALL = 0x20
/** A string, or a number, of a text that is JSON. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g

/** Looks at every number of a text that is JSON. @throws MalformedMessage when one is read as another whole number. */
export function refuseInexact(text: string): void {
  if (!mayBeInexact(text)) return
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token.startsWith('"')) continue
    const value = Number(token)
    if (Number.isInteger(value) && !isSame(decimalOf(token), decimalOf(BigInt(value).toString())))
      throw new MalformedMessage(
        `the number ${token.slice(0, 40)} would be read as ${value}; write one that is exact`,
        index,
      )
  }
}

/**
 * Whether a text has a number with a point or an exponent, or of 16 digits: all others are exact. A string may look like
 * one, too. (Each message of JSON comes through here; a regular expression takes half as long again.)
 */
function mayBeInexact(text: string): boolean {
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code >= DIGIT_0 && code <= DIGIT_9) {
      if (++digits === 16) return true
    } else {
      if (digits > 0 && (code === POINT || (code | SMALL) === SMALL_E)) return true
      digits = 0
    }
  }
  return false
}

/** digits x 10^exponent; no digit zero at either end, none at all of 0. */
interface Decimal {
  readonly digits: string
  readonly exponent: number
}

function decimalOf(text: string): Decimal {
  const [, whole, fraction = '', exponent = '0'] = /^-?(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(text)!
  const digits = `${whole}${fraction}`.replace(/^0+/, '')
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  return {
    digits: digits.slice(0, end),
    exponent: Number(exponent) - fraction.length + digits.length - end,
  }
}

const isSame = (a: Decimal, b: Decimal): boolean =>
  a.digits === b.digits && (a.digits === '' || a.exponent === b.exponent)
