/**
 * Whether a call failed by what the chain itself made of it, or on the way to the chain. The EVM ends a call in more
 * ways than by a revert (an opcode that is none, no gas left, a jump to nowhere), and nodes word and number them
 * differently; all of them are the contract's answer, and asking again brings the same. Used by settlement's RPC
 * transport, the auditor's tools, doctor, the sender and the SDK.
 *
 * A node that says only "Internal error" (Besu, of an ending without revert data) cannot be told from one that fails:
 * that is no answer.
 */
import { BaseError, ContractFunctionRevertedError, ExecutionRevertedError } from 'viem'

/** Geth's code of a revert; what our transport gives every ending, so that viem knows it for one. */
export const REVERTED = 3
/** Nethermind's and OpenEthereum's code of anything that ended in the EVM. */
const EXECUTION_ERROR = -32015

/**
 * As the nodes' sources have it in 2026: geth and erigon `core/vm/errors.go` in words; reth and anvil the names of
 * revm's reasons ("EVM error: InvalidFEOpcode", "EVM error OutOfGas"), besides "out of gas: …"; Nethermind the names of
 * its EvmExceptionType ("BadInstruction"); Besu and OpenEthereum "Bad instruction", "Out of stack".
 */
const WORDINGS: readonly RegExp[] = [
  /revert/,
  /out ?of ?gas|memory(limit)?oog|precompileoog|invalidoperandoog|gas required exceeds|gas uint64 overflow/,
  /invalid (fe )?opcode|invalidfeopcode|opcodenotfound|bad ?instruction|notactivated/,
  /stack ?underflow|stack ?overflow|stack limit reached|out of stack/,
  /(invalid|bad) ?jump/,
  /return data out of bounds|^out of bounds$|outofoffset|access ?violation/,
  /write protection|illegal state change|static ?call ?violation|statechangeduringstaticcall|callnotallowedinsidestatic/,
  /max call depth exceeded|calltoodeep|precompile ?(error|failure)/,
]

/** Whether a node's error about a call says that the EVM ended it. */
export function isEvmEnding({ code, message }: { readonly code: number; readonly message: string }): boolean {
  if (code === REVERTED || code === EXECUTION_ERROR) return true
  const text = message.toLowerCase()
  return WORDINGS.some((wording) => wording.test(text))
}

/** Names of what viem throws of bytes that are not what the ABI says; not all of the classes are exported. */
const UNREADABLE = new Set([
  'ContractFunctionZeroDataError',
  'AbiDecodingZeroDataError',
  'AbiDecodingDataSizeTooSmallError',
  'AbiDecodingDataSizeInvalidError',
  'AbiDecodingSizeLimitExceededError',
  'IntegerOutOfRangeError',
  'InvalidBytesBooleanError',
  'PositionOutOfBoundsError',
  'RecursiveReadLimitExceededError',
  'SizeOverflowError',
])

/**
 * Whether a call or a simulation failed by what the contract did: an ending in the EVM, no such function, bytes of
 * another shape.
 */
export function isContractAnswer(error: unknown): boolean {
  if (!(error instanceof BaseError)) return false
  const isAnswer = (cause: unknown): boolean => {
    if (cause instanceof ExecutionRevertedError || UNREADABLE.has((cause as Error).name)) return true
    // viem takes every internal error of a node (-32603) for a revert: without revert data the node's words decide.
    if (cause instanceof ContractFunctionRevertedError && cause.raw !== undefined) return true
    const { code, details } = cause as { code?: unknown; details?: unknown }
    return typeof code === 'number' && typeof details === 'string' && isEvmEnding({ code, message: details })
  }
  return error.walk(isAnswer) !== null
}
