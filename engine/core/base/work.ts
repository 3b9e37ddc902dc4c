/**
 * How much the message that is applied has done, in steps: makers met, orders scanned, expired, cancelled or
 * triggered. One bound for all of them: what is left over ends with a reason of its own or goes on in the next Time
 * command. A step is not a time: some hundred nanoseconds in one account's orders, a few microseconds where each order
 * is of another account and out of the cache, so a message of all its steps takes 0.2 to some 5 ms, and more while the
 * process is cold (bench/results/engine.md). A protection that a fill reaches takes no step of its own, its mass cancel
 * does. What counts as a step stands in old journals: it is never changed.
 *
 * Invariant: used <= max, between messages and within. Called by engine.ts (which sets it to zero), sessions.ts (a
 * frame begins with what its header says), match.ts, trading.ts, mass-cancels.ts and clock.ts.
 */
export class Work {
  /** Steps of the message so far; the commands of a frame share it. */
  used = 0
  readonly max: number
  /** Mass cancels that are under way: while there are none, no order is covered by one. */
  jobs = 0
  /** False while no dead-man switch is due; true after a Time command that had no steps left for one. */
  switchesDue = false

  constructor(max: number) {
    this.max = max
  }

  /** True while orders may stand that only wait for their turn to be cancelled, whatever their own marks say. */
  get isBehind(): boolean {
    return this.jobs > 0 || this.switchesDue
  }

  get isUsedUp(): boolean {
    return this.used >= this.max
  }

  /** Takes one step; false when none is left. */
  take(): boolean {
    if (this.used >= this.max) return false
    this.used++
    return true
  }
}
