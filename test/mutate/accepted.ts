/** Mutants that may survive, with the reason: they change nothing that anybody can see, or only how fast it is. */
import type { Mutant } from './mutants.js'

interface Accepted {
  readonly file: string
  readonly was: string
  readonly becomes: string
  /** Words of the line, where the file has the same piece elsewhere. */
  readonly text?: string
  readonly reason: string
}

export const ACCEPTED: readonly Accepted[] = [
  {
    file: 'sdk/inputs.ts',
    was: '60',
    becomes: '(60 + 1)',
    text: 'JSON.stringify(value.length > 60',
    reason: 'How much of a refused text a message shows: for people, one character more or less.',
  },
  {
    file: 'sdk/client-options.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'isChainId = wholeFrom(0)',
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
  {
    file: 'engine/core/byte-stream.ts',
    was: '4',
    becomes: '(4 + 1)',
    text: 'while (this.at * 4 + extra > this.ints.byteLength) this.grow()',
    reason: 'The buffer grows a little before it must.',
  },
  {
    file: 'engine/limits.ts',
    was: '512',
    becomes: '(512 + 1)',
    text: 'WALLET_CHECKS_WAITING',
    reason: 'A bound of memory whose number nothing names; that it is kept is tested by the constant itself.',
  },
  {
    file: 'gateway/frames.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: "readInt(values[1], 'approval', 0",
    reason: 'Nonces of approvals begin at 1: an approval 0 is refused either way, in other words.',
  },
  {
    file: 'settlement/history.ts',
    was: '5000',
    becomes: '(5000 + 1)',
    text: 'RANGE_BLOCKS',
    reason: 'Blocks asked for at once; a range is halved where a node refuses it.',
  },
]

export const acceptedReason = ({ file, was, becomes, text: line }: Mutant): string | undefined =>
  ACCEPTED.find(
    (one) =>
      one.file === file &&
      one.was === was &&
      one.becomes === becomes &&
      (one.text === undefined || line.includes(one.text)),
  )?.reason
