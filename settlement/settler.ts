/**
 * Settlement's loop: follows the journal, closes batches, posts them, has them proven, and answers proof
 * requests. Runs in settlement-thread.ts, and directly in tests.
 *
 * Invariant: a batch is durable before anything of it is sent. The tree holds every sealed batch; a proof
 * is served for the last batch that the chain has. What was not sealed is read from the journal again.
 */
import { join } from 'node:path'
import { sealBatch } from './follow/batch.js'
import { Batches, type ServedProof } from './posting/batches.js'
import { checkChain, chainErrorText, expectNotFrozen, sleep } from './chain/chain.js'
import { Chunking } from './posting/chunking.js'
import { rowsLimit, type BatchHeader } from './batch/commit.js'
import { DiskRoom } from './store/disk-room.js'
import { FILL_BYTES } from './batch/fills-root.js'
import { Follower } from './follow/follow.js'
import { readFollowerSnapshot, writeFollowerSnapshot } from './follow/follow-snapshot.js'
import { answerForced } from './posting/forced.js'
import { readBatches, type PostedBatch } from './chain/history.js'
import { BadAnswer } from './chain/rpc-endpoint.js'
import { accountOf, assetOf, indexOf } from './batch/rows.js'
import { askPatiently, pauseFor, runPatiently, type Patience } from './chain/patience.js'
import { ForeignBatch, Poster } from './posting/post.js'
import { Proving } from './proving/proving.js'
import { Sender, SenderStopped, type SenderStep } from './sending/sender.js'
import {
  defaultPolicy,
  type BatchPolicy,
  type SettlerOptions,
  type SettlerStatus,
} from './settler-options.js'
import { BatchStore, isAtLeast, type BatchRecord } from './store/store.js'
import { TreeStore } from './store/tree-store.js'
import { StateTree, TREE_DEPTH, emptyRoots } from './tree/tree.js'
import {
  BACKLOG_MAX,
  COMMANDS_A_TURN,
  DEPOSITS_MAX,
  FLUSH_POLL_MS,
  FOLLOWER_SNAPSHOT_EVERY,
  FORCED_POLL_MS,
  ROOM_RETRY_MS,
  SETTLER_IDLE_MS,
  WITHDRAWALS_MAX,
} from './limits.js'

export class Settler {
  readonly store: BatchStore
  private readonly poster: Poster
  private readonly sender: Sender
  private readonly proving: Proving
  private readonly tree: StateTree
  private readonly treeStore: TreeStore
  private readonly follower: Follower
  private readonly batches: Batches
  private readonly policy: BatchPolicy
  private readonly chunking: Chunking
  private readonly backlogMax: number
  private state: SettlerStatus['state'] = 'starting'
  private trouble = ''
  private troubles = 0
  private isStopped = false
  private dirtySinceMs: number | undefined
  private flushes: (() => void)[] = []
  private loops: Promise<void>[] = []
  /** A batch is wanted even if it moves nothing: it proves a zero balance. */
  private wantsBatch = false
  private snapshotSeq: number
  private readonly room: DiskRoom
  private readonly patience: Patience = {
    isStopped: () => this.isStopped,
    onTrouble: (text) => this.tellTrouble(text),
  }

  constructor(private readonly options: SettlerOptions) {
    const { deployment, client, account, dataDir, capacities, durableSeq } = options
    this.policy = options.policy ?? defaultPolicy
    this.backlogMax = options.backlogMax ?? BACKLOG_MAX
    this.tree = new StateTree(options.hashThreads)
    this.store = new BatchStore(dataDir)
    this.treeStore = new TreeStore(this.store.folder)
    this.batches = new Batches(this.store, this.treeStore, this.tree)
    this.batches.load()
    this.room = new DiskRoom({
      write: () => {
        if (this.batches.closed !== undefined) this.saveSealed()
        this.poster.saveStates()
        this.store.expectRoom()
      },
      onNoRoom: (text, isFirst) => {
        this.trouble = text
        this.troubles++
        if (isFirst) options.onTrouble?.(`${text}: batches wait until there is, and trading goes on`)
      },
      onRoom: () => this.tellTrouble('the disk has room again: batches go on'),
    })
    this.sender = new Sender({
      client,
      account,
      chainId: deployment.chainId,
      store: this.store,
      confirmations: options.confirmations ?? 0,
      ...(options.fees === undefined ? {} : { fees: options.fees }),
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
      ...(options.lostAfterMs === undefined ? {} : { lostAfterMs: options.lostAfterMs }),
      onStep: (step, label) => this.stepped(step, label),
      onTrouble: (text) => this.tellTrouble(text),
      onNoRoom: (error) => this.room.noRoom(error),
    })
    this.chunking = new Chunking({
      client,
      deployment,
      store: this.store,
      treeBefore: (number) => {
        const undos = this.batches.undosFrom(number - 1)
        return undos === undefined ? undefined : (key) => this.tree.nodeBefore(key, undos)
      },
    })
    this.poster = new Poster({
      client,
      deployment,
      sender: this.sender,
      store: this.store,
      chunking: this.chunking,
      onState: (record) => {
        options.onStep?.(record.state, `batch ${record.header.number}`)
        options.onBatch?.(record)
      },
      onTrouble: (text) => this.tellTrouble(text),
      onNoRoom: (error) => this.room.noRoom(error),
      isStopped: () => this.isStopped,
    })
    this.proving = new Proving({
      client,
      batches: this.batches,
      tree: this.tree,
      poster: this.poster,
      deployment,
      queue: options.queue,
      isStopped: () => this.isStopped,
      onTrouble: (text) => this.tellTrouble(text),
    })
    const snapshot = readFollowerSnapshot(this.store.folder)
    const lastSeq = Number(this.batches.last()?.header.lastSeq ?? 0n)
    this.snapshotSeq = snapshot?.seq ?? 0
    this.follower = new Follower({
      dataDir,
      from: snapshot !== undefined && snapshot.seq <= lastSeq ? snapshot : undefined,
      ...(capacities === undefined ? {} : { capacities }),
      ...(durableSeq === undefined ? {} : { durableSeq }),
    })
  }

  /**
   * Rebuilds the tree from the stored batches, replays the journal to the last one, compares with the
   * chain. Throws WrongChain, ExchangeFrozen, ForeignBatch, StoreError or FollowError.
   */
  async start(): Promise<void> {
    const { client, deployment } = this.options
    await this.patiently(() => checkChain(client, deployment))
    await this.patiently(() => expectNotFrozen(client, deployment))
    const { batches, poster } = this
    await this.patiently(() => this.chunking.refresh())
    this.treeStore.restore(this.tree, batches.count, (number) => batches.record(number)!)
    this.follower.skipTo(Number(batches.last()?.header.lastSeq ?? 0n))
    await this.adopt(
      await this.patiently(async () => {
        const { committed } = await poster.chainBatches()
        if (committed <= batches.count) return []
        const posted = await readBatches(client, deployment)
        // One of the two answers is not so.
        if (posted.length < committed)
          throw new BadAnswer(`events of ${posted.length} of ${committed} batches`)
        return posted.slice(0, committed)
      }),
    )
    await this.sender.resume()
    for (const record of [...batches.recent()].reverse()) await this.patiently(() => poster.reconcile(record))
    this.state = 'following'
    this.loops = [
      this.guard(() => this.followLoop()),
      this.guard(() => this.commitLoop()),
      this.guard(() => this.proving.run()),
      this.guard(() => this.forcedLoop()),
      this.guard(() => this.frozenLoop()),
    ]
    // Told by `ended` and by the status; nobody may be listening yet.
    for (const loop of this.loops) loop.catch(() => undefined)
  }

  /** Resolves when a loop has failed or all have stopped. Rejects with what broke. */
  async ended(): Promise<void> {
    await Promise.all(this.loops)
  }

  /**
   * Closes a batch now, if anything is open, and resolves with the last batch once the chain has it;
   * undefined when there never was one.
   */
  async flush(): Promise<BatchRecord | undefined> {
    let isSealed = false
    this.flushes.push(() => {
      isSealed = true
    })
    while (!isSealed) {
      if (this.isStopped) throw new SenderStopped('flush: settlement has stopped')
      await sleep(FLUSH_POLL_MS)
    }
    const last = this.batches.last()
    while (last !== undefined && !isAtLeast(last, 'committed')) {
      if (this.isStopped) throw new SenderStopped('flush: settlement has stopped')
      await sleep(SETTLER_IDLE_MS)
    }
    return last
  }

  /** Proof against the last batch on the chain, or against batch `number`; undefined when there is none. */
  proof(account: number, asset: number, number = this.batches.onChain): ServedProof | undefined {
    return this.batches.proof(indexOf(account, asset), number)
  }

  status(): SettlerStatus {
    const { batches } = this
    const lastBatch = batches.onChain
    const last = batches.record(lastBatch)
    return {
      lastBatch,
      lastRoot: last?.header.newRoot ?? emptyRoots[TREE_DEPTH]!,
      settledSeq: Number(last?.header.lastSeq ?? 0n),
      provenBatch: batches.proven,
      sealedBatch: batches.count,
      seq: this.follower.seq,
      state: this.state,
      trouble: this.trouble,
      troubles: this.troubles,
      lagMs: this.lagBehind(lastBatch),
      proofLagMs: this.lagBehind(batches.proven),
      backlog: batches.count - lastBatch,
      backlogMax: this.backlogMax,
      sender: this.sender.metrics(),
    }
  }

  /** Age of the oldest change behind batch `number`, milliseconds; 0 when there is none. */
  private lagBehind(number: number): number {
    const next = this.batches.record(number + 1) ?? this.batches.closed
    const since = next === undefined ? this.dirtySinceMs : (next.openedAtMs ?? next.sealedAtMs)
    return since === undefined ? 0 : Math.max(0, Date.now() - since)
  }

  /** Stops in order; what is open stays resumable. */
  async stop(): Promise<void> {
    this.isStopped = true
    this.sender.stop()
    this.options.queue?.stop()
    await Promise.allSettled(this.loops)
    await this.tree.close()
    this.follower.stop()
    if (this.state !== 'failed') this.state = 'stopped'
  }

  /**
   * The chain has batches that this folder does not (it was lost): makes them again from the journal, which must
   * give what was posted. Throws ForeignBatch where it does not.
   */
  private async adopt(posted: readonly PostedBatch[]): Promise<void> {
    for (let number = this.batches.count + 1; number <= posted.length; number++) {
      const { header, transactionHash, blockNumber, rowsPerChunk } = posted[number - 1]!
      this.follower.advance(() => false, Infinity, Number(header.lastSeq))
      const commit = { commitTx: transactionHash, commitBlock: blockNumber }
      this.closeOpenRange('committed', rowsPerChunk, commit)
      const record = this.batches.saveClosed()
      for (const field of Object.keys(header) as (keyof BatchHeader)[])
        if (record.header[field] !== header[field])
          throw new ForeignBatch(
            `batch ${number} on the chain has ${field} ${header[field]}, the journal gives ${record.header[field]}`,
          )
    }
  }

  private patiently<T>(ask: () => Promise<T>): Promise<T> {
    return askPatiently(ask, this.patience)
  }

  private async followLoop(): Promise<void> {
    const { follower } = this
    while (!this.isStopped) {
      if (this.room.isOut && !this.room.regain()) {
        await pauseFor(ROOM_RETRY_MS, () => this.isStopped)
        continue
      }
      const isFull = this.isFull()
      const isWaiting = this.batches.count - this.batches.onChain >= this.backlogMax
      this.state = isWaiting && isFull ? 'waiting for the chain' : 'following'
      const applied = isFull ? 0 : follower.advance(() => this.isFull(), COMMANDS_A_TURN)
      if (!follower.isEmpty) this.dirtySinceMs ??= Date.now()
      const isAtEnd = applied === 0 && !isFull
      if (!isWaiting && this.isDue(isAtEnd)) this.seal()
      if (isAtEnd && this.flushes.length > 0 && follower.isEmpty)
        this.flushes.splice(0).forEach((done) => done())
      if (applied > 0) await new Promise((resolve) => setImmediate(resolve))
      else await sleep(SETTLER_IDLE_MS)
    }
  }

  /** A bound of the policy or of the contract is reached: the batch must close before anything else. */
  private isFull(): boolean {
    const { follower, policy, chunking } = this
    // Half of what the contract and a transaction take: one more command must not pass the bound.
    const rowsMax = Math.min(policy.rows, rowsLimit(chunking.rowsPerChunkMin) / 2)
    return (
      follower.rowCount >= rowsMax ||
      follower.fills.count >= policy.fills ||
      follower.deposits.length >= DEPOSITS_MAX ||
      follower.withdrawals.length >= WITHDRAWALS_MAX
    )
  }

  private isDue(isAtEnd: boolean): boolean {
    if (this.wantsBatch && this.follower.seq >= this.follower.firstSeq) return true
    if (this.follower.isEmpty) return false
    if (this.isFull()) return true
    if (isAtEnd && this.flushes.length > 0) return true
    return Date.now() - (this.dirtySinceMs ?? Infinity) >= this.policy.seconds * 1000
  }

  private seal(): void {
    this.wantsBatch = false
    this.closeOpenRange('sealed', this.chunking.rowsPerChunk, {})
    this.room.during(() => this.saveSealed())
  }

  /** Makes the closed batch durable and tells it. Throws what the disk says; then it is closed still. */
  private saveSealed(): void {
    const record = this.batches.saveClosed()
    this.options.onStep?.('sealed', `batch ${record.header.number}`)
    this.options.onBatch?.(record)
    // Both only spare a start its time.
    this.treeStore.checkpointIfDue(this.batches.count, this.tree, this.batches.proven)
    this.snapshotIfDue()
  }

  /** Closes the open range as the next batch: tree and follower go on behind it, the disk has it not yet. */
  private closeOpenRange(
    state: BatchRecord['state'],
    rowsPerChunk: number,
    commit: Pick<BatchRecord, 'commitTx' | 'commitBlock'>,
  ): void {
    const number = this.batches.count + 1
    const openedAtMs = this.dirtySinceMs
    this.dirtySinceMs = undefined
    const range = this.follower.close()
    const sealed = sealBatch(number, range, this.tree, rowsPerChunk, (index) =>
      this.follower.total(accountOf(index), assetOf(index)),
    )
    const record: BatchRecord = {
      header: sealed.header,
      data: sealed.data,
      fillCount: sealed.fills.length / FILL_BYTES,
      rowsPerChunk,
      sealedAtMs: Date.now(),
      state,
      ...(openedAtMs === undefined ? {} : { openedAtMs }),
      ...commit,
    }
    const { fills, fillNodes, changes } = sealed
    this.batches.close({ record, fills, fillNodes, changes })
  }

  private snapshotIfDue(): void {
    if (this.follower.seq - this.snapshotSeq < (this.options.snapshotEvery ?? FOLLOWER_SNAPSHOT_EVERY)) return
    const snapshot = this.follower.snapshot()
    if (snapshot === undefined) return
    writeFollowerSnapshot(this.store.folder, snapshot)
    this.snapshotSeq = snapshot.seq
  }

  private async commitLoop(): Promise<void> {
    while (!this.isStopped) {
      const next = this.batches.record(this.batches.onChain + 1)
      if (next === undefined) await sleep(SETTLER_IDLE_MS)
      else await this.poster.commit(next)
    }
  }

  private async forcedLoop(): Promise<void> {
    const { onCommand, client, deployment, pollMs = FORCED_POLL_MS } = this.options
    if (onCommand === undefined) return
    const { batches, follower, sender } = this
    await answerForced({
      client,
      deployment,
      batches,
      follower,
      sender,
      onCommand,
      pollMs,
      wantBatch: () => {
        this.wantsBatch = true
        return follower.seq >= follower.firstSeq
      },
      statePath: join(this.store.folder, 'requests.json'),
      isStopped: () => this.isStopped,
      onTrouble: (text) => this.tellTrouble(text),
    })
  }

  /** Until the stop, or ExchangeFrozen. */
  private async frozenLoop(): Promise<void> {
    const { client, deployment, pollMs = FORCED_POLL_MS } = this.options
    while (!this.isStopped) {
      await expectNotFrozen(client, deployment)
      await pauseFor(pollMs, () => this.isStopped)
    }
  }

  /** What the sender did, as states of batches. */
  private stepped(step: SenderStep, label: string): void {
    const [kind, number, chunk] = label.split(/[ /]/)
    if (step === 'lost') {
      if (kind === 'commit') this.takeBack(Number(number), 'sent')
      if (kind === 'prove') {
        this.proving.lost(Number(number), Number(chunk))
        this.takeBack(Number(number), 'committed')
      }
      if (kind === 'finalize') this.takeBack(Number(number), 'proven')
    } else if (kind === 'commit' && step !== 'mined') {
      const record = this.batches.record(Number(number))
      if (record !== undefined && !isAtLeast(record, step)) this.poster.setState(record, step)
    }
    this.options.onStep?.(step, label)
  }

  /**
   * The chain has lost what made batch `number` more than `state`. From the newest down, so that no batch ever
   * stands further than the one before it; a batch is final whatever those behind it are.
   */
  private takeBack(number: number, state: 'sent' | 'committed' | 'proven'): void {
    const last = state === 'proven' ? number : this.batches.count
    for (let each = last; each >= number; each--) {
      const record = this.batches.record(each)
      if (record === undefined || record.state === state || !isAtLeast(record, state)) continue
      if (state === 'sent') delete record.commitBlock
      this.poster.setState(record, state)
    }
  }

  private tellTrouble(text: string): void {
    this.trouble = text
    this.troubles++
    this.options.onTrouble?.(text)
  }

  /** Runs a loop until the stop; what is no failure of the network ends all. */
  private async guard(loop: () => Promise<void>): Promise<void> {
    try {
      await runPatiently(loop, this.patience)
    } catch (error) {
      if (error instanceof SenderStopped && this.isStopped) return
      this.state = 'failed'
      this.trouble = chainErrorText(error)
      this.isStopped = true
      this.sender.stop()
      throw error
    }
  }
}
