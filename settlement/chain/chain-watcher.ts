/**
 * Turns the vault's deposits into engine commands: OpenAccount for an owner's first one, Deposit for each.
 * Started by the composition root; goes on from the engine's `depositsConsumed`.
 *
 * Invariant: deposits are submitted in queue order, each once it has `confirmations` blocks on it, and only when
 * the vault's own hash of its queue, up to it, equals the hash over everything that was submitted: an event that
 * an endpoint left out, changed or made up is noticed before anything is credited. Submitting again after a
 * restart is harmless: the engine refuses an account that exists and a deposit whose place was taken.
 */
import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { zeroAddress, type Address, type Hex, type PublicClient } from 'viem'
import { Reject, rejectNames } from '../../engine/codes.js'
import { commandRecord } from '../../engine/records/access.js'
import { BACK_BLOCKS, SAVE_BLOCKS, WATCH_PAUSE_MS_MAX, WATCH_POLL_MS, WATCH_RANGE_BLOCKS } from '../limits.js'
import { chainErrorText, type ChainDeployment } from './chain.js'
import { hexToBytes } from '../batch/commit.js'
import {
  DepositQueue,
  EMPTY_QUEUE,
  extendQueue,
  type ChainOrigin,
  type DepositEvent,
} from './deposit-queue.js'
import { LogRanges } from './log-ranges.js'
import { writeDurable } from '../store/store.js'
import { pauseFor } from './patience.js'

export interface ChainWatcherOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  /** Deposits that the engine has consumed: the queue position that comes next. */
  readonly depositsConsumed: number
  /** Blocks on top of a deposit before it is credited; 0 unless given. */
  readonly confirmations?: number
  /** Hands a command record (64 bytes) to the engine; resolves with its reject code once it is durable. */
  readonly submit: (record: Int32Array, attachment: Uint8Array) => Promise<number>
  /** Where a restart finds how far this came; absent = it reads from the deployment on. */
  readonly statePath?: string
  readonly pollMs?: number
  /** Blocks asked for at once, at most. */
  readonly rangeBlocks?: number
  readonly onTrouble?: (text: string) => void
}

export interface ChainWatcher {
  /** Resolves when everything that was on the chain at the start has been submitted. */
  readonly caughtUp: Promise<void>
  /** Next queue position. */
  readonly position: () => number
  /** Stops; resolves when no more will be submitted. */
  stop(): Promise<void>
}

/** The endpoint's events are not the vault's queue: some are left out, changed or made up. */
export class EventsDiffer extends Error {
  override readonly name = 'EventsDiffer'
}

/** The chain took back deposits that were credited: it lost more blocks than the confirmations. */
export class DepositsTakenBack extends Error {
  override readonly name = 'DepositsTakenBack'
}

/** How far the queue was submitted. */
interface Progress {
  /** Deposits submitted, and the queue's hash behind them. */
  readonly position: number
  readonly hash: Hex
  /** First block that may have the next one. */
  readonly nextBlock: number
}

/** The vault registers it at its creation; it belongs to the owner of the fees. */
const FEE_ACCOUNT = 0

/** OpenAccount: `owner`'s 20 bytes as five big-endian words. */
export function openAccountRecord(account: number, owner: Address): Int32Array {
  return commandRecord('OpenAccount', { account, owner: ownerWords(owner) })
}

/** An address as five big-endian words. */
function ownerWords(owner: Address): number[] {
  const bytes = new DataView(hexToBytes(owner).slice().buffer)
  return Array.from({ length: 5 }, (_, word) => bytes.getInt32(word * 4))
}

/** Deposit of `owner` from the chain at `position` of the vault's queue. */
export function depositRecord(
  account: number,
  asset: number,
  units: number,
  position: number,
  owner: Address = zeroAddress,
): Int32Array {
  return commandRecord('Deposit', {
    account,
    asset,
    units,
    fromChain: true,
    queueIndex: position,
    owner: ownerWords(owner),
  })
}

/** Starts to watch. Network failures are retried with growing pauses and told to `onTrouble`. */
export function startChainWatcher(options: ChainWatcherOptions): ChainWatcher {
  const { pollMs = WATCH_POLL_MS } = options
  const watch = new Watch(options)
  let isStopped = false
  let tellCaughtUp = (): void => {}
  const caughtUp = new Promise<void>((resolve) => {
    tellCaughtUp = resolve
  })
  const run = async (): Promise<void> => {
    let pause = pollMs
    while (!isStopped) {
      try {
        await watch.look(() => isStopped)
        pause = pollMs
        if (!isStopped) tellCaughtUp()
      } catch (error) {
        if (isStopped) break
        options.onTrouble?.(`chain watcher: ${chainErrorText(error)}`)
        pause = Math.min(pause * 2, WATCH_PAUSE_MS_MAX)
      }
      await pauseFor(pause, () => isStopped)
    }
  }
  const running = run()
  return {
    caughtUp,
    position: () => watch.position,
    async stop() {
      isStopped = true
      await running
    },
  }
}

class Watch {
  private progress: Progress
  private readonly queue: DepositQueue
  private readonly ranges: LogRanges
  /** Accounts opened in this run. */
  private readonly opened = new Set<number>()
  private back = BACK_BLOCKS
  /** Hash of the newest block of the last look that left nothing to do. */
  private seenHead: Hex | undefined

  constructor(private readonly options: ChainWatcherOptions) {
    const { client, deployment, rangeBlocks = WATCH_RANGE_BLOCKS } = options
    this.queue = new DepositQueue(client, deployment.vault)
    this.ranges = new LogRanges(rangeBlocks)
    this.progress = this.readProgress()
  }

  get position(): number {
    return Math.max(this.progress.position, this.options.depositsConsumed)
  }

  /** Submits what is new. Throws EventsDiffer, DepositsTakenBack, or a network failure. */
  async look(isStopped: () => boolean): Promise<void> {
    const { client, deployment, confirmations = 0 } = this.options
    await this.openFeeAccount()
    const newest = await client.getBlock({ blockTag: 'latest' })
    if (newest.hash === this.seenHead) return
    const head = newest.number - BigInt(confirmations)
    if (head < BigInt(deployment.deployedAtBlock)) return
    const count = await this.queue.count(head)
    if (this.isUnchecked) await this.checkFile(head)
    await this.checkStanding(count, head)
    if (count > this.progress.position) await this.readUpTo(count, head, isStopped)
    if (isStopped()) return
    this.move({ ...this.progress, nextBlock: Number(head) + 1 })
    this.seenHead = newest.hash
  }

  private async openFeeAccount(): Promise<void> {
    // It is opened before the first deposit is consumed. What is in the journal needs no old logs again.
    if (this.opened.has(FEE_ACCOUNT) || this.options.depositsConsumed > 0) return
    const { deployedAtBlock } = this.options.deployment
    const { owner, origin } = await this.queue.registration(FEE_ACCOUNT, deployedAtBlock)
    await this.open(FEE_ACCOUNT, owner, origin)
  }

  /** What the state file says of the queue is what the chain says; else the file is not rested on. */
  private async checkFile(head: bigint): Promise<void> {
    const { position, hash } = this.progress
    const known = position <= (await this.queue.count(head)) ? await this.queue.hash(position, head) : hash
    this.isUnchecked = false
    if (known === hash) return
    this.options.onTrouble?.(
      `chain watcher: ${this.options.statePath} has another hash of ${position} deposits than the vault; deposits are read from the deployment on`,
    )
    this.progress = this.beginning
  }

  /** The chain has what was submitted. */
  private async checkStanding(count: number, head: bigint): Promise<void> {
    const { position, hash } = this.progress
    if (count < this.position)
      throw new DepositsTakenBack(`block ${head} has ${count} deposits, ${this.position} were credited`)
    if ((await this.queue.hash(position, head)) !== hash)
      throw new DepositsTakenBack(
        `the first ${position} deposits at block ${head} are not those that were credited`,
      )
  }

  private async readUpTo(count: number, head: bigint, isStopped: () => boolean): Promise<void> {
    const { queue, ranges } = this
    const pieces = ranges.walk(BigInt(this.progress.nextBlock), head, (from, to) => queue.events(from, to))
    try {
      for await (const { toBlock, value } of pieces) {
        await this.take(value, head, isStopped)
        if (isStopped()) return
        this.move({ ...this.progress, nextBlock: Number(toBlock) + 1 })
      }
      if (this.progress.position < count)
        throw new EventsDiffer(`the endpoint has no event of deposit ${this.progress.position} of ${count}`)
      this.back = BACK_BLOCKS
    } catch (error) {
      if (error instanceof EventsDiffer) {
        const from = Math.max(this.options.deployment.deployedAtBlock, this.progress.nextBlock - this.back)
        this.progress = { ...this.progress, nextBlock: from }
        this.back *= 2
      }
      throw error
    }
  }

  /** Checks a piece's deposits against the vault's hash, then submits them. */
  private async take(events: readonly DepositEvent[], head: bigint, isStopped: () => boolean): Promise<void> {
    const { position, hash } = this.progress
    const fresh = events.filter((event) => event.position >= position)
    let extended = hash
    const hashes = fresh.map((event, at) => {
      if (event.position !== position + at)
        throw new EventsDiffer(`deposit ${event.position} where ${position + at} belongs`)
      extended = extendQueue(extended, event)
      return extended
    })
    if (fresh.length === 0) return
    if ((await this.queue.hash(position + fresh.length, head)) !== extended)
      throw new EventsDiffer(
        `deposits ${position} to ${position + fresh.length - 1} are not those of the vault`,
      )
    for (const [at, event] of fresh.entries()) {
      if (isStopped()) return
      if (event.position >= this.options.depositsConsumed) await this.submit(event)
      this.progress = {
        position: event.position + 1,
        hash: hashes[at]!,
        nextBlock: event.origin.blockNumber,
      }
    }
  }

  private async submit({ position, account, asset, units, owner, origin }: DepositEvent): Promise<void> {
    if (!this.opened.has(account)) await this.open(account, owner, origin)
    const code = await this.options.submit(
      depositRecord(account, asset, units, position, owner),
      attachmentOf(origin),
    )
    if (code !== Reject.None)
      throw new Error(`the engine refuses deposit ${position}: ${rejectNames[code] ?? code}`)
  }

  private async open(account: number, owner: Address, origin: ChainOrigin): Promise<void> {
    await this.options.submit(openAccountRecord(account, owner), attachmentOf(origin))
    this.opened.add(account)
  }

  private move(progress: Progress): void {
    const isNew =
      progress.position !== this.saved?.position || progress.nextBlock - this.saved.nextBlock >= SAVE_BLOCKS
    this.progress = progress
    const { statePath } = this.options
    if (statePath === undefined || !isNew) return
    try {
      writeDurable(dirname(statePath), basename(statePath), `${JSON.stringify(progress)}\n`)
      this.saved = progress
      if (this.isUnsaved) this.options.onTrouble?.(`chain watcher: ${statePath} is written again`)
      this.isUnsaved = false
    } catch (error) {
      // It only spares reading: no room on the disk is no reason to credit nobody.
      if (!this.isUnsaved)
        this.options.onTrouble?.(
          `chain watcher: ${statePath} is not written (${(error as Error).message}); deposits go on`,
        )
      this.isUnsaved = true
    }
  }

  private isUnsaved = false

  private get beginning(): Progress {
    return { position: 0, hash: EMPTY_QUEUE, nextBlock: this.options.deployment.deployedAtBlock }
  }

  /** The progress is the state file's, and the chain was not asked of it yet. */
  private isUnchecked = true

  /** What the state file has. */
  private saved: Progress | undefined

  /** Of the state file; the beginning where there is none, or where the journal is an older one. */
  private readProgress(): Progress {
    const { statePath, depositsConsumed } = this.options
    const { beginning } = this
    if (statePath === undefined) return beginning
    let text: string
    try {
      text = readFileSync(statePath, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return beginning
      throw error
    }
    const progress = progressOf(text)
    if (progress === undefined) {
      // It only spares reading; the queue's hash on the chain says what was credited.
      this.options.onTrouble?.(
        `chain watcher: ${statePath} is not what was written there; deposits are read from the deployment on`,
      )
      return beginning
    }
    return progress.position <= depositsConsumed ? progress : beginning
  }
}

/** undefined for a text that no `move` wrote. */
function progressOf(text: string): Progress | undefined {
  try {
    const { position, hash, nextBlock } = JSON.parse(text) as Partial<Progress>
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(nextBlock)) return undefined
    if (position! < 0 || nextBlock! < 0 || !/^0x[0-9a-f]{64}$/.test(hash ?? '')) return undefined
    return { position: position!, hash: hash!, nextBlock: nextBlock! }
  } catch {
    return undefined
  }
}

const attachmentOf = (origin: ChainOrigin): Uint8Array => new TextEncoder().encode(JSON.stringify(origin))
