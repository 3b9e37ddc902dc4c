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

  /** What `read` gives of each piece of `from` to `to`, in order. Throws what it threw of a single block. */
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
        throw error
      }
      this.size = Math.min(this.size * 2, this.blocksMax)
      yield { toBlock, value }
      fromBlock = toBlock + 1n
    }
  }
}
