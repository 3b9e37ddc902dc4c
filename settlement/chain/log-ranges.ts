/**
 * Walks block ranges in pieces that an endpoint answers: a piece is halved when it is refused or fails (too
 * many results, too many blocks, too slow), and grows again with every answer. Used by the chain watcher, by
 * the reader of forced withdrawals, and by the auditor's tools.
 */
import { BaseError, HttpRequestError, RpcRequestError } from 'viem'

/** Bad request and too large: how some nodes say that a range has too many blocks or results. */
const REFUSING_STATUSES = new Set([400, 413])

/** Whether an endpoint answered that it will not or cannot, as against not having answered. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof BaseError &&
  error.walk(
    (cause) =>
      cause instanceof RpcRequestError ||
      (cause instanceof HttpRequestError && REFUSING_STATUSES.has(cause.status ?? 0)),
  ) !== null

/** An endpoint refuses the logs of a single block: most often it keeps only those of recent ones. */
export class LogsRefused extends BaseError {
  override readonly name = 'LogsRefused'
  constructor(
    readonly block: bigint,
    cause: BaseError,
  ) {
    super(
      `the RPC endpoint refuses the logs of block ${block} (${cause.details || cause.shortMessage}): it may keep only those of recent blocks; give one that has them from there on`,
      { cause },
    )
  }
}

/** Logs of one block. @throws LogsRefused. */
export async function logsOfBlock<T>(block: bigint, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isRefusal(error) ? new LogsRefused(block, error as BaseError) : error
  }
}

export class LogRanges {
  private size: number

  /** @param blocksMax Blocks asked for at once, at most. */
  constructor(private readonly blocksMax: number) {
    this.size = blocksMax
  }

  /** Blocks that the next piece has at most. */
  get blocks(): number {
    return this.size
  }

  /** What `read` gives of each piece of `from` to `to`, in order. Throws LogsRefused, or what kept it from answering. */
  async *walk<T>(
    from: bigint,
    to: bigint,
    read: (fromBlock: bigint, toBlock: bigint) => Promise<T>,
  ): AsyncGenerator<{ readonly toBlock: bigint; readonly value: T }> {
    for (let fromBlock = from; fromBlock <= to;) {
      const end = fromBlock + BigInt(this.size) - 1n
      const toBlock = end < to ? end : to
      let value: T
      try {
        value = await read(fromBlock, toBlock)
      } catch (error) {
        const isLast = this.size === 1
        this.size = Math.ceil(this.size / 2)
        if (isRefusal(error) && !isLast) continue
        throw isRefusal(error) ? new LogsRefused(fromBlock, error as BaseError) : error
      }
      this.size = Math.min(this.size * 2, this.blocksMax)
      yield { toBlock, value }
      fromBlock = toBlock + 1n
    }
  }
}
