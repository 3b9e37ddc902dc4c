/** Mutants that may survive, with the reason: they change nothing that anybody can see, or only how fast it is. */
import type { Mutant } from './mutants.js'

interface Accepted {
  readonly file: string
  readonly was: string
  readonly becomes: string
  readonly reason: string
}

export const ACCEPTED: readonly Accepted[] = [
  {
    file: 'sdk/inputs.ts',
    was: '60',
    becomes: '(60 + 1)',
    reason: 'How much of a refused text a message shows: for people, one character more or less.',
  },
  {
    file: 'sdk/client-options.ts',
    was: '0',
    becomes: '(0 + 1)',
    reason: 'The least chain id that is taken: no chain has the id 0.',
  },
  {
    file: 'engine/core/order-ids.ts',
    was: 'table[hole * 2 + 1] !== slot + 1',
    becomes: 'true',
    reason: 'The order is searched for although it was found a moment ago: the same entry is found.',
  },
  {
    file: 'engine/core/account-orders.ts',
    was: 'words[accountAt + ACCOUNT_PAIR_ENTRY] === entry',
    becomes: 'true',
    reason:
      'The list that was used last is forgotten more often than it must be: the next use searches for it.',
  },
]

export const acceptedReason = ({ file, was, becomes }: Mutant): string | undefined =>
  ACCEPTED.find((one) => one.file === file && one.was === was && one.becomes === becomes)?.reason
