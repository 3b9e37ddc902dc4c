/**
 * Seeds that once broke a promise, run by the tests ever since, and what was wrong. `found` were met by
 * the simulator on its way; `guards` fail when the defence that they name is taken out. A change of the
 * simulator's own draws makes another run of a seed: look for new ones then.
 */
export interface PastFinding {
  readonly seed: number
  readonly steps: number
  readonly what: string
}

export const found: readonly PastFinding[] = [
  { seed: 7, steps: 259, what: 'whoever followed the book kept an amended order at its old price' },
]

export const guards: readonly PastFinding[] = [
  {
    seed: 2,
    steps: 313,
    what: 'a start must write the last block again: after a failed sync it may be in the page cache only',
  },
  {
    seed: 63,
    steps: 233,
    what: 'a start must write zeros again over all that a torn block may have reached',
  },
  { seed: 106, steps: 178, what: 'a start must sync the folder: a segment may have its name in memory only' },
  {
    seed: 78,
    steps: 81,
    what: 'a last block of which every sector was written and a checksum is wrong is no torn one',
  },
]
