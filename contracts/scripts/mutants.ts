/**
 * The mutants of contracts/src that the tests must notice: every guard taken out, every modifier left off,
 * every bound moved by one, every event and every change of state left out, and hand-made ones. mutate.ts
 * runs them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from './compile.js'
import { pageFiles, pageMutants } from './page-mutants.js'

export interface Mutant {
  /** Path from the root. */
  readonly file: string
  readonly from: string
  readonly to: string
  /** Place of `from`; where it is found first when absent. */
  readonly at?: number
}

const BATCHES = 'contracts/src/Batches.sol'
const FORCED = 'contracts/src/ForcedWithdrawals.sol'
const VAULT = 'contracts/src/Vault.sol'
const GOVERNED = 'contracts/src/Governed.sol'
const GROTH16 = 'contracts/src/Groth16ChunkVerifier.sol'
const BATCH_DATA = 'contracts/src/libraries/BatchData.sol'
const FILL_TREE = 'contracts/src/libraries/FillTree.sol'
const BALANCE_TREE = 'contracts/src/libraries/BalanceTree.sol'
const files = [
  ...[VAULT, BATCHES, FORCED, GOVERNED, GROTH16, BATCH_DATA, FILL_TREE, BALANCE_TREE],
  ...pageFiles,
]

/** A pause that reaches further than commits: what the guardian must not be able to do. */
const pauseMutants: readonly Mutant[] = [
  ...[
    'if (number <= provenCount || number > batchCount) revert BatchNotCommitted(number);\n        Batch storage',
    'if (number == 0 || number > provenCount) revert BatchNotProven(number);',
    'if (batchCount == provenCount) revert NothingToStrike();',
  ].map((from) => ({
    file: BATCHES,
    from,
    to: `if (commitsPaused) revert CommitsArePaused();\n        ${from}`,
  })),
  ...[
    'if (frozen) revert ExchangeFrozen();\n        address owner',
    'if (frozen) revert ExchangeFrozen();\n        ForcedWithdrawal',
    'if (frozen) revert ExchangeFrozen();\n        uint256 deadline',
    'if (!frozen) revert NotFrozen();',
    'uint256 refund = refundOf[msg.sender];',
  ].map((from) => ({
    file: FORCED,
    from,
    to: `if (commitsPaused) revert CommitsArePaused();\n        ${from}`,
  })),
]

/** Guards that are no `if (...) revert`: what is measured, hashed, compared and paid. */
export const handMutants: readonly Mutant[] = [
  {
    file: VAULT,
    from: 'return IERC20(token).balanceOf(address(this)) - before;',
    to: 'return amount + before - before;',
  },
  { file: VAULT, from: 'IERC20(token).safeTransferFrom(', to: 'IERC20(token).transferFrom(' },
  { file: VAULT, from: 'IERC20(kind.token).safeTransfer(', to: 'IERC20(kind.token).transfer(' },
  ...[
    'emit Claimed(uint32(account), uint8(asset), units, owner);',
    'emit Escaped(uint32(account), uint8(asset), units);',
    'uint8(asset), units, owner);',
  ].map((before): Mutant => ({
    file: VAULT,
    from: `${before}\n        _pay(asset, kind, owner, units);`,
    to: `${before}\n        _pay(asset, kind, msg.sender, units);`,
  })),
  { file: VAULT, from: 'asset), units, msg.sender)', to: 'asset), units, address(0))' },
  { file: VAULT, from: 'ISettlement(settlement).provenRoot()', to: 'ISettlement(settlement).lastRoot() + 1' },
  { file: BALANCE_TREE, from: 'if (sibling >= Field.R) return false;', to: '' },
  { file: BATCH_DATA, from: '                block.chainid,\n', to: '                uint256(31337),\n' },
  { file: BATCH_DATA, from: '                address(this),\n', to: '                address(1),\n' },
  { file: BATCH_DATA, from: '                keccak256(rows),\n', to: '' },
  { file: BATCH_DATA, from: '                keccak256(deposits),\n', to: '' },
  { file: BATCH_DATA, from: '                keccak256(withdrawals)\n', to: '                bytes32(0)\n' },
  { file: BATCH_DATA, from: '                header,\n', to: '                header.number,\n' },
  {
    file: BATCH_DATA,
    from: '                keccak256(abi.encodePacked(chunkRoots)),\n',
    to: '',
  },
  {
    file: BATCH_DATA,
    from: 'next = index + 1;\n            evaluation',
    to: 'next = index;\n            evaluation',
  },
  { file: BATCH_DATA, from: 'next = index + 1;\n        }\n    }', to: 'next = index;\n        }\n    }' },
  { file: BATCH_DATA, from: 'Field.R - uint256(-delta)', to: 'uint256(-delta)' },
  { file: BATCHES, from: '_checkAccount(next);', to: '' },
  {
    file: BATCHES,
    from: '_checkAccount(BatchData.sumWithdrawals(sums, withdrawals));',
    to: 'BatchData.sumWithdrawals(sums, withdrawals);',
  },
  { file: BATCHES, from: 'chunk == 0 ? header.oldRoot : chunkRoots[chunk - 1]', to: 'header.oldRoot' },
  {
    file: BATCHES,
    from: 'if (batch.chunksProven != batch.chunkCount) break;',
    to: 'if (batch.chunksProven == 0 && batch.chunkCount != 0) break;',
  },
  { file: BATCHES, from: 'if (batchCount != provenCount) _strike();', to: '' },
  { file: BATCHES, from: 'withdrawals.length - left * Packed.RECORD_BYTES', to: '0' },
  { file: BATCHES, from: 'IChunkVerifier(batch.verifier)', to: 'IChunkVerifier(verifier)' },
  { file: BATCHES, from: '_grantRequests(part, number, batch.committedAt);', to: '' },
  { file: FORCED, from: 'owed == 0 || !_isLater(number, committedAt, request)', to: 'owed == 0' },
  { file: FORCED, from: 'return number > request.batchesBefore', to: 'return false' },
  { file: FORCED, from: 'return number > request.batchesBefore', to: 'return true' },
  {
    file: FORCED,
    from: 'return committedAt > request.requestedAt',
    to: 'return committedAt >= request.requestedAt || number > 0',
  },
  { file: FORCED, from: 'account < Packed.ACCOUNTS_MAX && asset < _assetCount', to: 'account + 1 > 0' },
  { file: FORCED, from: 'isOperator[msg.sender] && !request.granted', to: '!request.granted' },
  { file: FORCED, from: 'isOperator[msg.sender] && !request.granted', to: 'isOperator[msg.sender]' },
  { file: FORCED, from: '_creditRefund(owner, msg.value - fee);', to: '' },
  { file: FORCED, from: 'requestFee << feeStep', to: 'requestFee' },
  { file: FILL_TREE, from: 'bytes1(0x00), fill', to: 'fill' },
  { file: GOVERNED, from: 'block.timestamp + verifierDelay', to: 'block.timestamp' },
  { file: GOVERNED, from: 'block.timestamp + PROPOSAL_LIFE', to: 'type(uint256).max' },
  { file: GOVERNED, from: 'verifierActiveFrom + PROPOSAL_LIFE', to: 'type(uint256).max' },
  { file: GOVERNED, from: 'rowsPerChunk = proposedRowsPerChunk;', to: '' },
  { file: GROTH16, from: 'if (publicInputs[i] >= Field.R) return false;', to: '{}' },
  { file: GROTH16, from: 'if (proof[7] >= Field.Q) return false;', to: '' },
  { file: GROTH16, from: 'return ok && result[0] == 1;', to: 'return ok;' },
  ...pauseMutants,
  ...pageMutants,
]

/**
 * Changes that change nothing that anybody can see, with the reason; by description, so that a change of the
 * source brings the question back.
 */
const equivalent: Readonly<Record<string, string>> = {
  'ForcedWithdrawals.sol | < -> <=: if (account < Packed.ACCOUNTS_MAX && asset < _assetCount)':
    'one account, or one asset, beyond the last has no request either: requestWithdrawal refuses both',
}

/** One mutant for each `if (...) revert ...;` of a source: the statement is taken out. */
export function guardMutants(file: string, text: string): Mutant[] {
  return conditions(text).flatMap(({ at, end }) => {
    const rest = /^\s*revert [^;]*;/.exec(text.slice(end))
    if (rest === null) return []
    return [{ file, from: text.slice(at, end + rest[0].length), to: '{}', at }]
  })
}

/** One mutant for each comparison in an `if`: the bound moved by one. */
export function boundaryMutants(file: string, text: string): Mutant[] {
  const moved: Record<string, string> = { '>=': '>', '<=': '<', '>': '>=', '<': '<=' }
  return conditions(text).flatMap(({ at, end }) =>
    [...text.slice(at, end).matchAll(/ (>=|<=|>|<) /g)].map((match) => ({
      file,
      from: match[0],
      to: ` ${moved[match[1]!]!} `,
      at: at + match.index,
    })),
  )
}

/** One mutant for each modifier that a function or a role has: left off. */
export function modifierMutants(file: string, text: string): Mutant[] {
  return [...text.matchAll(/ (nonReentrant|onlyGovernor|onlyOperator)(?= (\{|returns))/g)].map((match) => ({
    file,
    from: match[0],
    to: '',
    at: match.index,
  }))
}

/** One mutant for each event, and for each statement of its own line that changes state: left out. */
export function statementMutants(file: string, text: string): Mutant[] {
  const statement =
    /^ {8,}(?:emit [^;]*;|(?:delete |\+\+|--)[a-zA-Z_.[\]]+;|(?:batch|request|_[a-z]\w*(?:\[[^\]]*\])+|[a-z]\w*(?:\[[^\]]*\])*)(?:\.\w+)? (?:[+-]?=) [^;=]*;)$/gm
  const local =
    /^ {8,}(?:index|units|owner|position|received|node|hash|next|evaluation|end|x|y|ok|term|rows|record|expected|i|from|sent|proven|request|account|left|sibling|value|asset|count) /
  return [...text.matchAll(statement)]
    .filter(({ 0: line, index }) => !local.test(line) && isInFunction(text, index))
    .map((match) => ({ file, from: match[0], to: '', at: match.index }))
}

/** Whether the text at `at` is in a function that is not the constructor, which sets what views then read. */
function isInFunction(text: string, at: number): boolean {
  const before = text.slice(0, at)
  return before.lastIndexOf('\n    function ') > before.lastIndexOf('\n    constructor')
}

/** Every `if (...)` of a source: where it begins, and where its condition ends. */
function conditions(text: string): { at: number; end: number }[] {
  return [...text.matchAll(/\bif \(/g)].map((match) => {
    let depth = 1
    let end = match.index + match[0].length
    for (; depth > 0; end++) depth += text[end] === '(' ? 1 : text[end] === ')' ? -1 : 0
    return { at: match.index, end }
  })
}

/** Every mutant there is, hand-made ones first, without the equivalent ones. */
export function allMutants(root = repositoryRoot): Mutant[] {
  const made = files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return [guardMutants, boundaryMutants, modifierMutants, statementMutants].flatMap((make) =>
      make(file, text),
    )
  })
  const unique = new Map(
    [...handMutants, ...made].map((mutant) => [`${mutant.file} ${place(root, mutant)} ${mutant.to}`, mutant]),
  )
  return [...unique.values()].filter((mutant) => !(describeMutant(mutant, root) in equivalent))
}

/** Where a mutant changes its file. Throws Error when the file does not have the text there. */
export function place(root: string, { file, from, at }: Mutant): number {
  const text = readFileSync(join(root, file), 'utf8')
  const found = at ?? text.indexOf(from)
  if (found < 0 || !text.startsWith(from, found)) throw new Error(`mutants: ${file} has no ${from}`)
  return found
}

const oneLine = (text: string): string => text.replace(/\s+/g, ' ').trim()

/** The change in one line: what goes, or the line that is changed and how. */
export function describeMutant(mutant: Mutant, root = repositoryRoot): string {
  const { file, from, to } = mutant
  const text = readFileSync(join(root, file), 'utf8')
  const at = place(root, mutant)
  const line = oneLine(text.slice(text.lastIndexOf('\n', at) + 1, text.indexOf('\n', at + from.length)))
  const change =
    to === '' || to === '{}'
      ? `without ${oneLine(from)}${/^\w+$/.test(oneLine(from)) ? `: ${line}` : ''}`
      : from.length < 5
        ? `${oneLine(from)} -> ${oneLine(to)}: ${line}`
        : `${oneLine(from)} -> ${oneLine(to)}`
  return `${file.slice('contracts/src/'.length)} | ${change}`
}
