/**
 * Finds the forced withdrawals that wait on the chain. Used by forced.ts.
 *
 * Invariant: as many are found as the contract says are open, or it is told that some are not. What was found is
 * kept in a file, so that a restart needs the logs of recent blocks only; a request that an endpoint left out, or
 * that another branch of the chain has in a block that was read already, is looked for again, further back each time.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { getAbiItem, type PublicClient } from 'viem'
import { settlementAbi } from '../../contracts/abi.js'
import { nextBlockTime, type ChainDeployment } from '../chain/chain.js'
import { LogRanges, LogsRefused } from '../chain/log-ranges.js'
import { writeDurable } from '../store/store.js'
import { BACK_BLOCKS, LATE_SHARE, LOG_RANGE_BLOCKS, REFUSED_AGAIN_MS } from '../limits.js'

/** A request that waits on the chain. */
export interface OpenRequest {
  readonly account: number
  readonly asset: number
  /** Units not granted yet. */
  readonly remaining: number
  /** Seconds since 1970, and the block. */
  readonly requestedAt: number
  readonly block: number
  /** The last batch that was committed then: it orders what the request's block has. */
  readonly batchesBefore: number
  /** Deposits that an answer must have consumed. */
  readonly depositsBefore: number
  /** A large part of the time to answer it is over. */
  readonly isLate: boolean
}

export interface RequestReaderOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  /** Where a restart finds what was read; absent = it reads from the deployment on. */
  readonly statePath?: string
  readonly onTrouble: (text: string) => void
}

/** Reads requests from the chain; remembers where it has read to. */
export class RequestReader {
  private nextBlock: bigint
  /** Block of the last request of (account, asset), by "account/asset". */
  private readonly seen = new Map<string, number>()
  private readonly ranges = new LogRanges(LOG_RANGE_BLOCKS)
  private back = BACK_BLOCKS
  /** Seconds. */
  private exitDelay: number | undefined
  /** Blocks before this one have no logs to be had, as of `refusedAtMs`. */
  private refusedBefore = 0n
  private refusedAtMs = -Infinity
  private told = ''
  private saved = ''
  private unsaved = ''

  constructor(private readonly options: RequestReaderOptions) {
    this.nextBlock = BigInt(options.deployment.deployedAtBlock)
    this.load()
  }

  /**
   * Requests that are open and older than the block that comes next: only what is committed later than a
   * request counts as its answer.
   */
  async open(): Promise<OpenRequest[]> {
    const { client, deployment } = this.options
    const settlement = { address: deployment.settlement, abi: settlementAbi } as const
    const nextTime = await nextBlockTime(client)
    this.exitDelay ??= Number(await client.readContract({ ...settlement, functionName: 'exitDelay' }))
    // All of one block: beside the newest count, requests of blocks that an endpoint has not read yet seemed missing.
    const head = await client.getBlockNumber({ cacheTime: 0 })
    const requests = await this.standing(nextTime, head)
    const count = Number(
      await client.readContract({ ...settlement, functionName: 'openRequests', blockNumber: head }),
    )
    // Where none is missing no logs are needed; a reorganisation moves a request by a few blocks.
    if (count <= this.seen.size) {
      const recent = head - BigInt(BACK_BLOCKS)
      if (recent > this.nextBlock) this.nextBlock = recent
      this.back = BACK_BLOCKS
      this.told = ''
      this.save()
      return requests
    }
    await this.readEvents(head)
    const found = await this.standing(nextTime, head)
    if (count > this.seen.size) this.lookFurtherBack(count)
    this.save()
    return found
  }

  /** What the contract says at block `head` of those that were seen; closed ones are forgotten. */
  private async standing(nextTime: number, head: bigint): Promise<OpenRequest[]> {
    const { client, deployment } = this.options
    const requests: OpenRequest[] = []
    for (const [key, block] of this.seen) {
      const [account, asset] = key.split('/').map(Number) as [number, number]
      const request = await client.readContract({
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'requestOf',
        args: [BigInt(account), BigInt(asset)],
        blockNumber: head,
      })
      if (request.remaining === 0n) this.seen.delete(key)
      else if (request.requestedAt < nextTime)
        requests.push({
          account,
          asset,
          remaining: Number(request.remaining),
          requestedAt: request.requestedAt,
          block,
          batchesBefore: Number(request.batchesBefore),
          depositsBefore: Number(request.depositsBefore),
          isLate: nextTime - request.requestedAt > this.exitDelay! * LATE_SHARE,
        })
    }
    return requests
  }

  /** Reads the events up to `head`; those of recent blocks where older ones are refused. */
  private async readEvents(head: bigint): Promise<void> {
    if (this.nextBlock < this.refusedBefore && Date.now() - this.refusedAtMs < REFUSED_AGAIN_MS)
      this.nextBlock = this.refusedBefore
    try {
      await this.readRange(this.nextBlock, head)
    } catch (error) {
      const recent = head - BigInt(BACK_BLOCKS)
      if (!(error instanceof LogsRefused) || error.block >= recent) throw error
      this.refusedBefore = recent
      this.refusedAtMs = Date.now()
      this.tell(error.shortMessage)
      await this.readRange(recent, head)
    }
  }

  private async readRange(from: bigint, head: bigint): Promise<void> {
    const { client, deployment } = this.options
    const event = getAbiItem({ abi: settlementAbi, name: 'WithdrawalRequested' })
    const pieces = this.ranges.walk(from, head, (fromBlock, toBlock) =>
      client.getLogs({ address: deployment.settlement, event, fromBlock, toBlock, strict: true }),
    )
    for await (const { toBlock, value } of pieces) {
      for (const { args, blockNumber } of value)
        this.seen.set(`${args.account}/${args.asset}`, Number(blockNumber))
      this.nextBlock = toBlock + 1n
    }
  }

  /** Reads older blocks again at the next call: the contract has more open requests than were found. */
  private lookFurtherBack(count: number): void {
    const first = BigInt(this.options.deployment.deployedAtBlock)
    const from = this.nextBlock - BigInt(this.back)
    if (from <= first)
      this.tell(
        `forced withdrawals: ${count} wait on the chain and the RPC endpoint shows the events of ${this.seen.size}; those that are not found cannot be answered, and anybody may freeze the exchange for one: give an endpoint that has the logs from block ${first} on`,
      )
    this.nextBlock = from > first ? from : first
    this.back *= 2
  }

  /** Told once, until nothing is missing. */
  private tell(text: string): void {
    if (text === this.told) return
    this.told = text
    this.options.onTrouble(text)
  }

  private load(): void {
    const { statePath } = this.options
    if (statePath === undefined) return
    let text: string
    try {
      text = readFileSync(statePath, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    const state = stateOf(text)
    if (state === undefined) {
      // It only spares reading.
      this.options.onTrouble(
        `forced withdrawals: ${statePath} is not what was written there; requests are read from the deployment on`,
      )
      return
    }
    this.saved = text
    const next = BigInt(state.nextBlock)
    if (next > this.nextBlock) this.nextBlock = next
    for (const [key, block] of state.seen) this.seen.set(key, block)
  }

  /** Written when other requests are open, or many blocks have passed: never for each block. */
  private save(): void {
    const { statePath } = this.options
    if (statePath === undefined) return
    const old = stateOf(this.saved)
    const seen = [...this.seen]
    const isSame =
      JSON.stringify(old?.seen) === JSON.stringify(seen) &&
      Number(this.nextBlock) - old!.nextBlock < BACK_BLOCKS
    if (isSame) return
    const text = `${JSON.stringify({ nextBlock: Number(this.nextBlock), seen })}\n`
    try {
      mkdirSync(dirname(statePath), { recursive: true })
      writeDurable(dirname(statePath), basename(statePath), text)
      this.saved = text
      this.unsaved = ''
    } catch (error) {
      // It only spares reading: no room on the disk is no reason to answer nobody.
      const why = `forced withdrawals: ${statePath} cannot be written: ${(error as Error).message}`
      if (why !== this.unsaved) this.options.onTrouble(why)
      this.unsaved = why
    }
  }
}

interface SavedState {
  readonly nextBlock: number
  readonly seen: readonly (readonly [key: string, block: number])[]
}

/** undefined for a text that no `save` wrote. */
function stateOf(text: string): SavedState | undefined {
  try {
    const { nextBlock, seen } = JSON.parse(text) as Partial<SavedState>
    if (!Number.isSafeInteger(nextBlock) || nextBlock! < 0 || !Array.isArray(seen)) return undefined
    for (const pair of seen as readonly unknown[]) {
      if (!Array.isArray(pair) || pair.length !== 2) return undefined
      if (!/^\d{1,8}\/\d{1,2}$/.test(String(pair[0])) || !Number.isSafeInteger(pair[1])) return undefined
    }
    return { nextBlock: nextBlock!, seen }
  } catch {
    return undefined
  }
}
