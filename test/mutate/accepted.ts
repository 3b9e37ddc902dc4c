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
    file: 'sdk/base/inputs.ts',
    was: '60',
    becomes: '(60 + 1)',
    text: 'JSON.stringify(value.length > 60',
    reason: 'How much of a refused text a message shows: for people, one character more or less.',
  },
  {
    file: 'sdk/client/client-options.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'isChainId = wholeFrom(0)',
    reason: 'The least chain id that is taken: no chain has the id 0.',
  },
  {
    file: 'engine/core/book/order-ids.ts',
    was: 'table[hole * 2 + 1] !== slot + 1',
    becomes: 'true',
    reason: 'The order is searched for although it was found a moment ago: the same entry is found.',
  },
  {
    file: 'engine/core/orders/account-orders.ts',
    was: 'words[accountAt + Account.LAST_ENTRY] === entry',
    becomes: 'true',
    reason:
      'The list that was used last is forgotten more often than it must be: the next use searches for it.',
  },
  {
    file: 'engine/core/base/byte-stream.ts',
    was: '4',
    becomes: '(4 + 1)',
    text: 'while (this.at * 4 + extra > this.ints.byteLength) this.grow()',
    reason: 'The buffer grows a little before it must.',
  },
  {
    file: 'engine/runtime/engine-thread.ts',
    was: 'parentPort!.close()',
    becomes: '{}',
    reason: 'The port has lost its only listener by then, and so keeps the thread alive no more.',
  },
  {
    file: 'gateway/limits.ts',
    was: '512',
    becomes: '(512 + 1)',
    text: 'WALLET_CHECKS_WAITING',
    reason: 'A bound of memory whose number nothing names; that it is kept is tested by the constant itself.',
  },
  {
    file: 'gateway/frames/frames.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: "readInt(values[1], 'approval', 0",
    reason: 'Nonces of approvals begin at 1: an approval 0 is refused either way, in other words.',
  },
  {
    file: 'settlement/limits.ts',
    was: '5000',
    becomes: '(5000 + 1)',
    text: 'LOG_RANGE_BLOCKS',
    reason: 'Blocks asked for at once; a range is halved where a node refuses it.',
  },
  {
    file: 'engine/limits.ts',
    was: "assert(ACCOUNT_BITS + ASSET_BITS <= 31, 'a state tree index fits an int32')",
    becomes: '{}',
    reason: 'A relation of constants that holds: it stops whoever changes one of them.',
  },
  {
    file: 'engine/core/book/levels.ts',
    was: '>',
    becomes: '>=',
    text: 'while (above > 0 && (nodes[above * NODE_WORDS]',
    reason: 'Node 0 is none, and its first word is above every shift: the loop ends there either way.',
  },
  {
    file: 'engine/core/book/levels.ts',
    was: '7',
    becomes: '(7 + 1)',
    text: 'RECENT_BITS = 7',
    reason: 'More places for nodes that were used lately, of which half stay empty.',
  },
  {
    file: 'engine/core/book/order-ids.ts',
    was: '<=',
    becomes: '<',
    text: 'entries <= SPARSE_ENTRIES_MAX',
    reason: 'How full a table of just this size may be.',
  },
  {
    file: 'engine/runtime/publisher.ts',
    was: '1024',
    becomes: '(1024 + 1)',
    text: 'CHUNK_ANSWER_BYTES',
    reason: 'How large the pieces are that a long answer is sent in.',
  },
  {
    file: 'engine/tune.ts',
    was: "setFlagsFromString('--max-inlined-bytecode-size=1000')",
    becomes: '{}',
    reason: 'Only how fast the engine is.',
  },
  {
    file: 'gateway/views/live-orders.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'this.#filled(floats[float + FillEv.TAKER_ORDER_ID_F64]!',
    reason: 'Of a taker the size of the trade is not looked at: it shows what is left.',
  },
  {
    file: 'gateway/limits/admission.ts',
    was: '32',
    becomes: '(32 + 1)',
    text: 'SOCKET_MESSAGES_A_TURN',
    reason: 'How many messages are taken before others have their turn.',
  },
  {
    file: 'app/commands/journal.ts',
    was: '18',
    becomes: '(18 + 1)',
    text: 'name.padEnd(18)',
    reason: 'The width of a column that people read.',
  },
  {
    file: 'settlement/proving/prover-process.ts',
    was: 'child.exitCode === null && child.signalCode === null',
    becomes: 'true',
    text: "child.kill('SIGTERM')",
    reason: 'A signal to a process that has ended goes nowhere.',
  },
  {
    file: 'settlement/audit/checkpoint.ts',
    was: 'closeSync(descriptor)',
    becomes: '{}',
    reason: 'A program writes one file and ends.',
  },
  {
    file: 'sdk/client/frame-sender.ts',
    was: '64',
    becomes: '(64 + 1)',
    text: "readArray(answer['codes'], 'codes', 0, 64)",
    reason: 'A bound of what is believed, one above what is ever sent.',
  },
  {
    file: 'engine/core/book/levels.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'if (child === 0) return NO_LEVEL',
    reason: 'Without this way out the level is looked for at place -1, where none has the key.',
  },
  {
    file: 'engine/core/base/keyed-hash.ts',
    was: '4',
    becomes: '(4 + 1)',
    text: 'const WORD_BYTES = 4',
    reason: 'More random words are drawn than are read.',
  },
  {
    file: 'engine/core/book/order-ids.ts',
    was: '1',
    becomes: '(1 + 1)',
    text: 'return -1',
    reason: 'Whoever is answered looks whether it is below 0.',
  },
  {
    file: 'engine/core/book/order-ids.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'if (high === 0 && account >>> 16 === 0) return hash',
    reason: 'Another hash for the same id, when it is put in and when it is looked for.',
  },
  {
    file: 'engine/core/book/match.ts',
    was: '0',
    becomes: '(0 + 1)',
    text: 'if ((attributes & BOUNDED) !== 0) this.spend(',
    reason: 'The budget of an order that has none is read by nobody, and set before one in its slot has one.',
  },
  {
    file: 'engine/core/snapshot/snapshot-write.ts',
    was: '+',
    becomes: '-',
    text: 'Fee.MAKER',
    reason: 'MAKER is 0.',
  },
  {
    file: 'gateway/streams/subscriptions.ts',
    was: 'super.clear()',
    becomes: '{}',
    reason:
      'What a closed connection followed is forgotten as a whole, and what waits asks whether it is closed.',
  },
  {
    file: 'gateway/streams/subscriptions.ts',
    was: 'connection.closed',
    becomes: 'false',
    reason:
      'A closed connection follows nothing any more, which is asked next; what is sent to it goes nowhere.',
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
