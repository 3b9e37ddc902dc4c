/**
 * Cancels of many orders of an account: by cancel-all, a protection, a dead-man switch. They go by market,
 * buys before sells, each side in placement order, one step a list and one an order. When the message's
 * steps end, the rest becomes a job, and jobs go on in the next Time commands, first in first out.
 *
 * Invariant: an order that a job names (it is *covered*) never trades again, whenever its turn comes: match.ts
 * and trading.ts cancel it instead. An account's flag MassCancel says that it has jobs.
 * Called by trading.ts, mass.ts and clock.ts; calls back to cancel.
 */
import { CancelReason } from '../../codes.js'
import type { AccountOrders } from './account-orders.js'
import { ACCOUNT_SHIFT, AccountFlag, type Ledger } from '../money/ledger.js'
import { NONE } from '../book/levels.js'
import type { Markets } from '../book/markets.js'
import { OrderNumber, type Orders } from '../book/orders.js'
import type { Work } from '../base/work.js'
import { MASS_CANCELS_OF_ACCOUNT } from '../../limits.js'

/** Which orders of an account; -1 = every market, both sides. */
export interface MassCancel {
  readonly account: number
  readonly market: number
  readonly side: number
  readonly reason: number
  /** With every market: halted ones too. */
  readonly haltedToo: boolean
}

export interface Job extends MassCancel {
  /** Orders with a higher id were placed after it. */
  uptoId: number
  /** What a forced withdrawal still asks for: what the job frees of the asset is paid out, up to so many units. */
  asset: number
  units: number
}

export class MassCancels {
  private readonly orders: Orders
  private readonly accountOrders: AccountOrders
  private readonly ledger: Ledger
  private readonly markets: Markets
  private readonly work: Work
  private readonly cancelOrder: (slot: number, reason: number) => void
  private queue: Job[] = []
  /** Jobs of each account that has any, in the order of the queue. */
  private readonly ofAccount = new Map<number, Job[]>()
  /** Orders that the last `begin` cancelled. */
  cancelled = 0
  /** Pays what is available of an asset, at most so many units; returns what it paid. */
  pay: (account: number, asset: number, units: number) => number = () => 0

  constructor(
    orders: Orders,
    accountOrders: AccountOrders,
    ledger: Ledger,
    markets: Markets,
    work: Work,
    cancelOrder: (slot: number, reason: number) => void,
  ) {
    this.orders = orders
    this.accountOrders = accountOrders
    this.ledger = ledger
    this.markets = markets
    this.work = work
    this.cancelOrder = cancelOrder
  }

  /** False when the account has as many cancel-alls under way as it may and this would be one more. */
  hasRoom(wanted: MassCancel): boolean {
    const jobs = this.jobsOf(wanted.account)
    if (jobs === undefined || jobs.some((job) => isSame(job, wanted))) return true
    const asked = jobs.filter(
      ({ reason }) => reason === CancelReason.CancelAll || reason === CancelReason.Disconnect,
    )
    return asked.length < MASS_CANCELS_OF_ACCOUNT
  }

  /**
   * Cancels what it can of the orders placed up to `uptoId`; true when a job was left for the rest. That takes
   * halted markets too: what it covers ends, though its market was halted since. `units` of `asset` are paid from what
   * is available then, and the rest of them by the job.
   */
  begin(wanted: MassCancel, uptoId: number, asset = 0, units = 0): boolean {
    this.cancelled = 0
    const isDone = this.workOff(wanted, uptoId)
    const owed = units > 0 ? units - this.pay(wanted.account, asset, units) : 0
    if (isDone) return false
    const { account, market, side, reason } = wanted
    const job = this.jobsOf(account)?.find((queued) => isSame(queued, wanted))
    // Written out: a match may leave a job for each of its makers, and a spread would cost more than the fill.
    if (job === undefined)
      this.add({
        account,
        market,
        side,
        reason,
        haltedToo: true,
        uptoId,
        asset: owed > 0 ? asset : 0,
        units: owed,
      })
    else {
      job.uptoId = uptoId
      if (units > 0) {
        job.asset = owed > 0 ? asset : 0
        job.units = owed
      }
    }
    return true
  }

  /** True while a forced withdrawal of the account, which has the flag MassCancel, is being paid. */
  isPaying(account: number): boolean {
    return this.ofAccount.get(account)!.some(({ units }) => units > 0)
  }

  /** Goes on with the jobs until none is left or the steps are used up. */
  proceed(): void {
    let done = 0
    for (const job of this.queue) {
      const isDone = this.workOff(job, job.uptoId)
      if (job.units > 0) {
        job.units -= this.pay(job.account, job.asset, job.units)
        if (job.units === 0) job.asset = 0
      }
      if (!isDone) break
      this.forget(job)
      done++
    }
    if (done > 0) this.queue = this.queue.slice(done)
  }

  /** The reason of the first job that names the order, or 0. */
  reasonFor(slot: number, account: number, market: number, side: number): number {
    if ((this.ledger.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.MassCancel) === 0) return 0
    const id = this.orders.numbers[2 * slot + OrderNumber.ID]!
    for (const job of this.ofAccount.get(account)!)
      if (
        id <= job.uptoId &&
        (job.market < 0 || job.market === market) &&
        (job.side < 0 || job.side === side)
      )
        return job.reason
    return 0
  }

  /** The jobs that are under way, first one first. */
  jobs(): readonly Job[] {
    return this.queue
  }

  /** Appends a job: the rest of a mass cancel, or one read from a snapshot. */
  add(job: Job): void {
    this.queue.push(job)
    const own = this.jobsOf(job.account)
    if (own === undefined) this.ofAccount.set(job.account, [job])
    else own.push(job)
    this.ledger.accounts[job.account << ACCOUNT_SHIFT]! |= AccountFlag.MassCancel
    this.work.jobs++
  }

  /** Jobs of an account, first one first. Most accounts have none, which their flag says without a look into the map. */
  private jobsOf(account: number): Job[] | undefined {
    const hasJobs = (this.ledger.accounts[account << ACCOUNT_SHIFT]! & AccountFlag.MassCancel) !== 0
    return hasJobs ? this.ofAccount.get(account) : undefined
  }

  private forget(job: Job): void {
    const rest = this.ofAccount.get(job.account)!.filter((other) => other !== job)
    if (rest.length > 0) this.ofAccount.set(job.account, rest)
    else {
      this.ofAccount.delete(job.account)
      this.ledger.accounts[job.account << ACCOUNT_SHIFT]! &= ~AccountFlag.MassCancel
    }
    this.work.jobs--
  }

  /** Cancels in order until nothing is left (true) or the steps are used up. */
  private workOff({ account, market, side, reason, haltedToo }: MassCancel, uptoId: number): boolean {
    const { accountOrders } = this
    for (let entry = accountOrders.firstEntry(account); entry !== NONE;) {
      const own = accountOrders.market(entry)
      // The entry ends with its last order.
      const next = accountOrders.nextEntry(entry)
      if (market < 0 ? haltedToo || !this.markets.isHalted(own) : own === market)
        for (let of = 0; of < 2; of++)
          if ((side < 0 || side === of) && !this.workOffList(accountOrders.first(entry, of), reason, uptoId))
            return false
      entry = next
    }
    return true
  }

  private workOffList(first: number, reason: number, uptoId: number): boolean {
    const { accountOrders, work } = this
    const { numbers } = this.orders
    if (first === NONE || numbers[2 * first + OrderNumber.ID]! > uptoId) return true
    if (!work.take()) return false
    for (let slot = first; slot !== NONE && numbers[2 * slot + OrderNumber.ID]! <= uptoId;) {
      if (!work.take()) return false
      const next = accountOrders.next(slot)
      this.cancelOrder(slot, reason)
      this.cancelled++
      slot = next
    }
    return true
  }
}

function isSame(a: MassCancel, b: MassCancel): boolean {
  return a.account === b.account && a.market === b.market && a.side === b.side && a.reason === b.reason
}
