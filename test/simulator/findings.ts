/**
 * Seeds that once broke a promise, run by the tests ever since, and what was wrong. `found` were met by
 * the simulator on its way; `guards` fail when the defence that they name is taken out.
 */
export interface PastFinding {
  readonly seed: number
  readonly steps: number
  readonly what: string
}

export const found: readonly PastFinding[] = [
  { seed: 31, steps: 63, what: 'whoever followed the book kept an amended order at its old price' },
  {
    seed: 1_022_482,
    steps: 378,
    what: 'power lost while a start cut off a torn block: the next start took what was left for damage',
  },
]

export const guards: readonly PastFinding[] = [
  {
    seed: 24,
    steps: 412,
    what: 'a start must write the last block again: after a failed sync it may be in the page cache only',
  },
  {
    seed: 35,
    steps: 259,
    what: 'a start must write zeros again over all that a torn block may have reached',
  },
  {
    seed: 4032,
    steps: 876,
    what: 'a start must sync the folder: a segment may have its name in memory only',
  },
  { seed: 2, steps: 18, what: 'a segment must be synced before it gets its name' },
  {
    seed: 61,
    steps: 48,
    what: 'a last block of which every sector was written and a checksum is wrong is no torn one',
  },
]
