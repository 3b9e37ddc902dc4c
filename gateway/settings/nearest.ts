/** What a mistyped word was probably meant to be, for the errors that name it. */
import { MISTAKES_MAX } from '../limits.js'

/** The word of `allowed` that is nearest to `word`; undefined when none is near. */
export function nearest(word: string, allowed: Iterable<string>): string | undefined {
  let found: string | undefined
  // A short word is near to everything: at most a third of it may be wrong.
  let fewest = Math.min(MISTAKES_MAX, Math.max(1, Math.floor(word.length / 3))) + 1
  for (const candidate of allowed) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue
    const mistakes = mistakesBetween(word.toLowerCase(), candidate.toLowerCase())
    if (mistakes >= fewest) continue
    fewest = mistakes
    found = candidate
  }
  return found
}

/** " (did you mean X?)", or nothing. */
export function hint(word: string, allowed: Iterable<string>): string {
  const found = nearest(word, allowed)
  return found === undefined ? '' : ` (did you mean ${found}?)`
}

/** Edits that make `a` into `b`, a swap of neighbours counting as one (optimal string alignment). */
function mistakesBetween(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  for (let row = 1; row <= a.length; row++) {
    const above = rows[row - 1]!
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      let least = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (isSame ? 0 : 1),
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        least = Math.min(least, rows[row - 2]![column - 2]! + 1)
      current.push(least)
    }
    rows.push(current)
  }
  return rows[a.length]![b.length]!
}
