/**
 * Simulated clients. Each keeps what it asked for until it has an answer, asks again with the very same
 * frame when the answer does not come, and remembers every answer: that is what the checker holds
 * against the journal afterwards.
 */
import {
  together,
  approveSession,
  chainDeposit,
  openAccount,
  randomFrame,
  withdrawal,
  ASSETS,
  type Frame,
  type Message,
} from './frames.js'
import type { Random } from './random.js'

/** Frames of one client without answer at most. */
const OUTSTANDING_MAX = 3
/** Steps without answer before a client asks again. */
const RETRY_STEPS = 40

/** What a client was told about a frame. */
export interface Ack {
  /** Seq of the frame record of its first execution. */
  readonly firstSeq: number
}

interface Outstanding {
  readonly frame: Frame
  sentAt: number
}

/** A trader: its account is fixed, frames are random. */
export class Trader {
  readonly acks = new Map<number, Ack>()
  readonly sent = new Map<number, Frame>()
  private readonly outstanding = new Map<number, Outstanding>()
  private nextNonce = 1
  private nextCloid = 1

  constructor(
    private readonly random: Random,
    readonly client: number,
    readonly account: number,
  ) {}

  /** The frame to send now, if any: a new one, or an old one again. */
  act(step: number, mayStart: boolean, nowMs: number): Frame | undefined {
    for (const entry of this.outstanding.values())
      if (step - entry.sentAt >= RETRY_STEPS) {
        entry.sentAt = step
        return entry.frame
      }
    if (!mayStart || this.outstanding.size >= OUTSTANDING_MAX) return undefined
    const nonce = this.nextNonce++
    const frame = randomFrame(this.random, this.client, this.account, nonce, this.nextCloid, nowMs)
    this.nextCloid += frame.count - 1
    this.outstanding.set(nonce, { frame, sentAt: step })
    this.sent.set(nonce, frame)
    return frame
  }

  /** The connection broke: every frame without answer is due again. */
  reconnect(): void {
    for (const entry of this.outstanding.values()) entry.sentAt = -RETRY_STEPS
  }

  /** An answer came; a later one for the same frame must say the same, which `conflict` reports. */
  answered(nonce: number, firstSeq: number): string {
    this.outstanding.delete(nonce)
    const known = this.acks.get(nonce)
    if (known !== undefined && known.firstSeq !== firstSeq)
      return `client ${this.client} was told seq ${known.firstSeq} and then ${firstSeq} for frame ${nonce}`
    this.acks.set(nonce, { firstSeq })
    return ''
  }

  get isIdle(): boolean {
    return this.outstanding.size === 0
  }
}

/** The operator and chain watcher: idempotent tasks, one at a time, each until it is answered. */
export class Operator {
  private readonly tasks: Message[] = []
  private done = 0
  private sentAt = -RETRY_STEPS
  private depositIndex = 0
  private withdrawalNonce = 0

  constructor(
    private readonly random: Random,
    private readonly accounts: readonly number[],
    nowMs: number,
  ) {
    const deposits = accounts.flatMap((account) =>
      ASSETS.map((asset) => chainDeposit(account, asset, 4000 + random.below(40_000), this.depositIndex++)),
    )
    // One task sets everything up: each of its commands can be repeated.
    const openings = accounts.flatMap((account) => [openAccount(account), approveSession(account, nowMs)])
    this.tasks.push(together([...openings, ...deposits]))
  }

  /** True when accounts, sessions and first deposits are there: traders may begin. */
  get isSetUp(): boolean {
    return this.done > 0
  }

  get isIdle(): boolean {
    return this.done === this.tasks.length
  }

  /** The task to send now with its number, if any. */
  act(step: number, mayStart: boolean, nowMs: number): { task: number; message: Message } | undefined {
    if (this.isIdle) {
      if (!mayStart) return undefined
      if (this.random.chance(0.5))
        this.deposit(this.random.pick(this.accounts), this.random.pick(ASSETS), 1 + this.random.below(2000))
      else
        this.tasks.push(
          withdrawal(
            this.random.pick(this.accounts),
            this.random.pick(ASSETS),
            1 + this.random.below(900),
            ++this.withdrawalNonce,
            nowMs,
          ),
        )
    }
    if (step - this.sentAt < RETRY_STEPS) return undefined
    this.sentAt = step
    return { task: this.done, message: this.tasks[this.done]! }
  }

  reconnect(): void {
    this.sentAt = -RETRY_STEPS
  }

  /** Any answer ends a task: a repeated one is refused by its own number (account, nonce, queue index). */
  answered(task: number): void {
    if (task !== this.done) return
    this.done++
    this.sentAt = -RETRY_STEPS
  }

  private deposit(account: number, asset: number, units: number): void {
    this.tasks.push(chainDeposit(account, asset, units, this.depositIndex++))
  }
}
