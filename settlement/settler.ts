/**
 * Settlement's loop: follows the journal, closes batches, posts them, has them proven, and answers proof
 * requests. Runs in settlement-thread.ts, and directly in tests.
 *
 * Invariant: a batch is durable before anything of it is sent. The tree holds every sealed batch; a proof
 * is served for the last batch that the chain has. What was not sealed is read from the journal again.
 */
import { BaseError, type Account, type PublicClient } from 'viem'
import { settlementAbi } from '../contracts/abi.js'
import { checkChain, chainErrorText, sleep, type ChainDeployment } from './chain.js'
import {
  DEPOSITS_MAX,
  RECORD_BYTES,
  ROWS_MAX,
  WITHDRAWALS_MAX,
  chunkCount,
  decodeUnits,
  publicInputs,
  type PublicInputs,
} from './commit.js'
import { Follower, type EngineCapacities } from './follow.js'
import { RequestReader, answerEmptyData, forcedRecords, type OpenRequest } from './forced.js'
import { readFollowerSnapshot, writeFollowerSnapshot } from './follow-snapshot.js'
import { FILL_BYTES, fillProof, type FillProof } from './fills-root.js'
import { sealBatch } from './batch.js'
import { accountOf, assetOf, indexOf, type IndexedUnits } from './net.js'
import { Poster, isAtLeast, type ChunkProof } from './post.js'
import { QueueStopped, type ProverQueue } from './prover-queue.js'
import { NonceTaken, Sender, SenderStopped, TransactionReverted, type FeePolicy } from './sender.js'
import { BatchStore, type BatchRecord } from './store.js'
import { TreeStore } from './tree-store.js'
import { StateTree, undoOf, type BalanceProof, type Undo } from './tree.js'
import { BatchWitness } from './witness.js'

/** When a batch closes: whichever comes first. */
export interface BatchPolicy {
  /** Seconds since the first change that is not in a batch. */
  readonly seconds: number
  readonly fills: number
  /** Net rows; at most half of what the contract takes, so that one more command cannot pass its bound. */
  readonly rows: number
}

export const defaultPolicy: BatchPolicy = { seconds: 10, fills: 100_000, rows: 1024 }

export interface SettlerOptions {
  readonly dataDir: string
  readonly capacities?: EngineCapacities
  /** Last durable seq of a live journal; absent = the journal is at rest. */
  readonly durableSeq?: () => number
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  readonly account: Account
  readonly policy?: BatchPolicy
  readonly confirmations?: number
  readonly fees?: FeePolicy
  readonly pollMs?: number
  /** Sealed batches that may wait for the chain; further ones wait in the journal. */
  readonly backlogMax?: number
  /** Commands between snapshots of the follower; 2 million unless given. */
  readonly snapshotEvery?: number
  /** Threads that hash big batches, this one among them; 1 unless given. */
  readonly hashThreads?: number
  /** Where provers fetch their work; absent = the deployment's verifier takes anything (UnprovenVerifier). */
  readonly queue?: ProverQueue
  /**
   * Takes commands that answer forced withdrawals on the chain, to be given to the engine in order; absent =
   * requests are not answered.
   */
  readonly onCommand?: (record: Int32Array) => void
  /** Called after each durable step of a batch; tests stop the process here. */
  readonly onStep?: (step: string, label: string) => void
  readonly onBatch?: (record: BatchRecord) => void
  readonly onTrouble?: (text: string) => void
}

export interface SettlerStatus {
  /** Last batch that the chain has, its root, and the seq that it ends at. */
  readonly lastBatch: number
  readonly lastRoot: bigint
  readonly settledSeq: number
  readonly provenBatch: number
  readonly sealedBatch: number
  /** Last seq followed. */
  readonly seq: number
  readonly state: 'starting' | 'following' | 'waiting for the chain' | 'stopped' | 'failed'
  /** Last trouble with the chain, empty when there was none. */
  readonly trouble: string
}

/** Proof of a balance against a batch that the chain has. */
export interface ServedProof extends BalanceProof {
  readonly batch: number
  readonly state: BatchRecord['state']
}

/** Commands after which a follower's snapshot is due: about two seconds of replay. */
const SNAPSHOT_EVERY = 2_000_000
const COMMANDS_PER_TURN = 20_000
/** Batches whose undo is kept behind the last proven one. */
const PROVEN_KEPT = 8
/** Chunks that are proven or posted at a time. */
const TASKS_MAX = 64
const FORCED_POLL_MS = 2000
/** A forced withdrawal that the engine did not make is asked for again. */
const FORCED_AGAIN_MS = 5000
const RETRY_MS = 250
const RETRY_MS_MAX = 30_000
const NO_PROOF: ChunkProof = [0n, 0n, 0n, 0n, 0n, 0n, 0n, 0n]

interface LiveBatch {
  readonly record: BatchRecord
  undo: Undo | undefined
}

export class Settler {
  readonly store: BatchStore
  private readonly poster: Poster
  private readonly sender: Sender
  private readonly tree: StateTree
  private readonly treeStore: TreeStore
  private readonly follower: Follower
  /** Every sealed batch, number - 1. */
  private readonly batches: LiveBatch[] = []
  private readonly policy: BatchPolicy
  private state: SettlerStatus['state'] = 'starting'
  private trouble = ''
  private isStopped = false
  private dirtySinceMs: number | undefined
  private flushes: (() => void)[] = []
  private loops: Promise<void>[] = []
  private readonly witnesses = new Map<number, BatchWitness>()
  /** Chunks of unproven batches that the chain has the proof of. */
  private readonly provenChunks = new Map<number, Set<number>>()
  private finals = 0
  /** A batch is wanted even if it moves nothing: it proves a zero balance. */
  private wantsBatch = false
  private snapshotSeq: number

  constructor(private readonly options: SettlerOptions) {
    const { deployment, client, account, dataDir, capacities, durableSeq } = options
    this.policy = options.policy ?? defaultPolicy
    this.tree = new StateTree(options.hashThreads)
    this.store = new BatchStore(dataDir)
    this.treeStore = new TreeStore(this.store.folder)
    this.sender = new Sender({
      client,
      account,
      chainId: deployment.chainId,
      store: this.store,
      confirmations: options.confirmations ?? 0,
      ...(options.fees === undefined ? {} : { fees: options.fees }),
      ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
      onStep: (step, label) => this.stepped(step, label),
      onTrouble: (text) => this.tellTrouble(text),
    })
    this.poster = new Poster({
      client,
      deployment,
      sender: this.sender,
      store: this.store,
      onState: (record) => {
        options.onStep?.(record.state, `batch ${record.header.number}`)
        options.onBatch?.(record)
      },
    })
    const snapshot = readFollowerSnapshot(this.store.folder)
    const last = this.store.numbers().at(-1)
    const lastSeq = last === undefined ? 0 : Number(this.store.read(last).header.lastSeq)
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
   * chain. Throws WrongChain, ForeignBatch, StoreError or FollowError.
   */
  async start(): Promise<void> {
    const { client, deployment } = this.options
    await checkChain(client, deployment)
    for (const number of this.store.numbers())
      this.batches.push({ record: this.store.read(number), undo: undefined })
    this.treeStore.restore(
      this.tree,
      this.batches.map(({ record }) => record),
    )
    const last = this.batches.at(-1)
    if (last !== undefined) this.follower.skipTo(Number(last.record.header.lastSeq))
    for (const { record } of this.batches) {
      if (record.state === 'final') continue
      await this.poster.reconcile(record)
    }
    const { committed } = await this.poster.chainBatches()
    if (committed > this.batches.length)
      throw new Error(
        `the chain has ${committed} batches, this data folder ${this.batches.length}: it is an old copy; replay would rebuild them`,
      )
    this.state = 'following'
    this.sender.resume()
    this.loops = [
      this.guard(() => this.followLoop()),
      this.guard(() => this.commitLoop()),
      this.guard(() => this.proveLoop()),
      this.guard(() => this.forcedLoop()),
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
      await sleep(5)
    }
    const last = this.batches.at(-1)
    while (last !== undefined && !isAtLeast(last.record, 'mined')) {
      if (this.isStopped) throw new SenderStopped('flush: settlement has stopped')
      await sleep(20)
    }
    return last?.record
  }

  /** Proof against the last batch on the chain, or against batch `number`; undefined when there is none. */
  proof(account: number, asset: number, number = this.lastOnChain()): ServedProof | undefined {
    const batch = this.batches[number - 1]
    if (batch === undefined || !isAtLeast(batch.record, 'mined')) return undefined
    const undos = this.undosFrom(number)
    if (undos === undefined) return undefined
    return { ...this.tree.proof(indexOf(account, asset), undos), batch: number, state: batch.record.state }
  }

  /** Proof of fill `index` of batch `number`. Throws RangeError when there is none. */
  fillProof(number: number, index: number): FillProof {
    if (this.batches[number - 1] === undefined) throw new RangeError(`fills: no batch ${number}`)
    return fillProof(this.store.fills(number), index)
  }

  status(): SettlerStatus {
    const lastBatch = this.lastOnChain()
    const last = this.batches[lastBatch - 1]?.record
    return {
      lastBatch,
      lastRoot: last?.header.newRoot ?? this.batches[0]?.record.header.oldRoot ?? this.tree.root,
      settledSeq: Number(last?.header.lastSeq ?? 0n),
      provenBatch: this.provenCount(),
      sealedBatch: this.batches.length,
      seq: this.follower.seq,
      state: this.state,
      trouble: this.trouble,
    }
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

  private lastOnChain(): number {
    let number = this.batches.length
    while (number > 0 && !isAtLeast(this.batches[number - 1]!.record, 'mined')) number--
    return number
  }

  private async followLoop(): Promise<void> {
    const { follower, options } = this
    const backlogMax = options.backlogMax ?? 4
    while (!this.isStopped) {
      const isFull = this.isFull()
      const isWaiting = this.batches.length - this.lastOnChain() >= backlogMax
      this.state = isWaiting && isFull ? 'waiting for the chain' : 'following'
      const applied = isFull ? 0 : follower.advance(() => this.isFull(), COMMANDS_PER_TURN)
      if (!follower.isEmpty) this.dirtySinceMs ??= Date.now()
      const isAtEnd = applied === 0 && !isFull
      if (!isWaiting && this.isDue(isAtEnd)) await this.seal()
      if (isAtEnd && this.flushes.length > 0 && follower.isEmpty)
        this.flushes.splice(0).forEach((done) => done())
      if (applied > 0) await new Promise((resolve) => setImmediate(resolve))
      else await sleep(20)
    }
  }

  /** A bound of the policy or of the contract is reached: the batch must close before anything else. */
  private isFull(): boolean {
    const { follower, policy } = this
    return (
      follower.rowCount >= Math.min(policy.rows, ROWS_MAX / 2) ||
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

  private async seal(): Promise<void> {
    const { deployment } = this.options
    const number = this.batches.length + 1
    const range = this.follower.close()
    this.dirtySinceMs = undefined
    this.wantsBatch = false
    const { rowsPerChunk } = deployment.constants
    const sealed = sealBatch(number, range, this.tree, rowsPerChunk, (index) =>
      this.follower.total(accountOf(index), assetOf(index)),
    )
    const record: BatchRecord = {
      header: sealed.header,
      data: sealed.data,
      fillCount: sealed.fills.length / FILL_BYTES,
      rowsPerChunk,
      sealedAtMs: Date.now(),
      state: 'sealed',
    }
    this.treeStore.write(number, sealed.header.newRoot, sealed.changes)
    this.store.seal(record, sealed.fills)
    this.batches.push({ record, undo: undoOf(sealed.changes) })
    this.treeStore.checkpointIfDue(number, this.tree, this.provenCount())
    this.snapshotIfDue()
    this.options.onStep?.('sealed', `batch ${number}`)
    this.options.onBatch?.(record)
  }

  private snapshotIfDue(): void {
    if (this.follower.seq - this.snapshotSeq < (this.options.snapshotEvery ?? SNAPSHOT_EVERY)) return
    const snapshot = this.follower.snapshot()
    if (snapshot === undefined) return
    writeFollowerSnapshot(this.store.folder, snapshot)
    this.snapshotSeq = snapshot.seq
  }

  private async commitLoop(): Promise<void> {
    while (!this.isStopped) {
      const next = this.batches.find(({ record }) => !isAtLeast(record, 'mined'))
      if (next === undefined) await sleep(20)
      else await this.poster.commit(next.record)
    }
  }

  /** Starts a task for each chunk that waits, finalises what is proven. */
  private async proveLoop(): Promise<void> {
    const tasks = new Map<string, Promise<void>>()
    let failure: unknown
    while (!this.isStopped) {
      if (failure !== undefined) throw failure
      for (const { record } of this.batches.slice(this.finalCount())) {
        if (!isAtLeast(record, 'mined')) break
        if (isAtLeast(record, 'proven')) await this.poster.finalize(record)
        else await this.startTasks(record, tasks, (error) => (failure ??= error))
      }
      this.forget()
      await sleep(20)
    }
    await Promise.allSettled(tasks.values())
  }

  private async startTasks(
    record: BatchRecord,
    tasks: Map<string, Promise<void>>,
    onFailure: (error: unknown) => void,
  ): Promise<void> {
    const number = Number(record.header.number)
    const chunks = chunkCount(record.data.rows.length / RECORD_BYTES, record.rowsPerChunk)
    const done = this.provenChunks.get(number) ?? new Set<number>()
    this.provenChunks.set(number, done)
    for (let chunk = 0; chunk < chunks && tasks.size < TASKS_MAX; chunk++) {
      const id = `${number}/${chunk}`
      if (tasks.has(id) || done.has(chunk)) continue
      const task = this.proveChunk(record, chunk)
        .then(() => void done.add(chunk))
        .catch((error: unknown) => {
          if (!(error instanceof SenderStopped || error instanceof QueueStopped)) onFailure(error)
        })
        .finally(() => tasks.delete(id))
      tasks.set(id, task)
    }
    if (done.size === chunks && number === this.provenCount() + 1) {
      await this.poster.reconcile(record)
      if (isAtLeast(record, 'proven')) {
        this.provenChunks.delete(number)
        this.witnesses.delete(number)
      }
    }
  }

  /** Has one chunk proven and posts the proof; a proof that the chain refuses is asked for again. */
  private async proveChunk(record: BatchRecord, chunk: number): Promise<void> {
    const { deployment, queue } = this.options
    const number = Number(record.header.number)
    if (await this.poster.isChunkProven(number, chunk)) return
    const domain = { chainId: deployment.chainId, settlement: deployment.settlement }
    const inputs = publicInputs(domain, record.header, record.data, chunk, record.rowsPerChunk)
    for (;;) {
      const proof = queue === undefined ? NO_PROOF : await this.askProvers(queue, record, chunk, inputs)
      try {
        return await this.poster.prove(record, chunk, inputs, proof)
      } catch (error) {
        if (!(error instanceof TransactionReverted) || !error.reason.startsWith('InvalidProof')) throw error
        this.tellTrouble(error.message)
      }
    }
  }

  private askProvers(
    queue: ProverQueue,
    record: BatchRecord,
    chunk: number,
    inputs: PublicInputs,
  ): Promise<ChunkProof> {
    const number = Number(record.header.number)
    const rows = Math.min(
      record.rowsPerChunk,
      record.data.rows.length / RECORD_BYTES - chunk * record.rowsPerChunk,
    )
    let witness = this.witnesses.get(number)
    if (witness === undefined) {
      witness = new BatchWitness(record, (key) => this.tree.nodeBefore(key, this.undosFrom(number - 1) ?? []))
      this.witnesses.set(number, witness)
    }
    const batch = witness
    return queue.offer(`${number}/${chunk}`, rows, () => batch.inputs(chunk, inputs))
  }

  /** The way back from now to the state after batch `number`; undefined when it is not kept any more. */
  private undosFrom(number: number): Undo[] | undefined {
    const undos: Undo[] = []
    for (const later of this.batches.slice(number)) {
      later.undo ??= this.treeStore.undo(Number(later.record.header.number))
      if (later.undo === undefined) return undefined
      undos.push(later.undo)
    }
    return undos
  }

  private finalCount(): number {
    while (this.batches[this.finals]?.record.state === 'final') this.finals++
    return this.finals
  }

  /** Answers forced withdrawals: in the journal while there is a balance, with a proof when there is none. */
  private async forcedLoop(): Promise<void> {
    const { onCommand, client, deployment, pollMs = FORCED_POLL_MS } = this.options
    if (onCommand === undefined) return
    const reader = new RequestReader(client, deployment)
    const askedAtMs = new Map<number, number>()
    while (!this.isStopped) {
      for (const request of await reader.open()) {
        const index = indexOf(request.account, request.asset)
        const needed = request.remaining - this.withdrawalsUnderWay(index, request.block)
        const total = this.follower.total(request.account, request.asset)
        if (needed <= 0) continue
        if (total === 0) await this.answerEmpty(request)
        else if (Date.now() - (askedAtMs.get(index) ?? 0) > FORCED_AGAIN_MS) {
          askedAtMs.set(index, Date.now())
          for (const record of forcedRecords(request.account, request.asset, Math.min(needed, total)))
            onCommand(record)
        }
      }
      for (let waited = 0; waited < pollMs && !this.isStopped; waited += 20) await sleep(20)
    }
  }

  /** Units of withdrawals that will count towards a request of block `block`, and are not granted yet. */
  private withdrawalsUnderWay(index: number, block: number): number {
    let units = 0
    const add = (records: readonly IndexedUnits[]): void => {
      for (const record of records) if (record.index === index) units += record.units
    }
    add(this.follower.withdrawals)
    for (const { record } of this.batches.slice(this.finalCount())) {
      const isLater = record.commitBlock === undefined || record.commitBlock > block
      if (isLater && record.state !== 'final') add(decodeUnits(record.data.withdrawals))
    }
    return units
  }

  /** Shows the zero under a proven batch that is newer than the request; has one sealed when there is none. */
  private async answerEmpty(request: OpenRequest): Promise<void> {
    const { client, deployment } = this.options
    const number = this.provenCount()
    const proof = number === 0 ? undefined : this.proof(request.account, request.asset, number)
    const batch = await client.readContract({
      address: deployment.settlement,
      abi: settlementAbi,
      functionName: 'batchOf',
      args: [BigInt(number)],
    })
    const isNewer =
      batch.committedAt > request.requestedAt && Number(batch.depositsConsumed) >= request.depositsBefore
    if (proof === undefined || proof.balance !== 0 || !isNewer) {
      // A later batch must show it; nothing else may be there to settle.
      this.wantsBatch ||= this.batches.length === number
      return
    }
    const data = answerEmptyData(request, number, proof.siblings)
    await this.sender
      .send(`empty ${request.account}/${request.asset}`, deployment.settlement, data)
      .catch((error: unknown) => {
        if (!(error instanceof TransactionReverted || error instanceof NonceTaken)) throw error
        this.tellTrouble(chainErrorText(error))
      })
  }

  private provenCount(): number {
    let number = this.lastOnChain()
    while (number > 0 && !isAtLeast(this.batches[number - 1]!.record, 'proven')) number--
    return number
  }

  /** Drops undos from memory that are seldom asked for: they stand in the tree store. */
  private forget(): void {
    for (const batch of this.batches.slice(0, Math.max(0, this.provenCount() - PROVEN_KEPT)))
      batch.undo = undefined
  }

  private stepped(step: string, label: string): void {
    const match = /^commit (\d+)$/.exec(label)
    const batch = match === null ? undefined : this.batches[Number(match[1]) - 1]
    if (batch !== undefined && (step === 'signed' || step === 'sent'))
      this.poster.setState(batch.record, step)
    this.options.onStep?.(step, label)
  }

  private tellTrouble(text: string): void {
    this.trouble = text
    this.options.onTrouble?.(text)
  }

  /** Runs a loop until the stop; a network failure pauses it, with growing pauses, anything else ends all. */
  private async guard(loop: () => Promise<void>): Promise<void> {
    for (let pause = RETRY_MS; ; pause = Math.min(pause * 2, RETRY_MS_MAX)) {
      const startedAtMs = Date.now()
      try {
        return await loop()
      } catch (error) {
        if (error instanceof SenderStopped && this.isStopped) return
        if (error instanceof BaseError && !this.isStopped) {
          this.tellTrouble(chainErrorText(error))
          if (Date.now() - startedAtMs > RETRY_MS_MAX) pause = RETRY_MS
          for (let waited = 0; waited < pause && !this.isStopped; waited += 50) await sleep(50)
          continue
        }
        if (error instanceof BaseError) return
        this.state = 'failed'
        this.trouble = chainErrorText(error)
        this.isStopped = true
        this.sender.stop()
        throw error
      }
    }
  }
}
