/**
 * Random sequences of calls, right and wrong, on the TypeScript model and on the contracts on anvil: each
 * call must have the same outcome (the same error with the same values, or success), and the states must be
 * the same after it. Seeded: a failure prints seed and step. GLASSBOOK_LONG=1 runs more and longer ones.
 */
import {
  type Abi,
  type Address,
  type Hex,
  createPublicClient,
  createTestClient,
  decodeErrorResult,
  encodeFunctionData,
  getAddress,
  http,
  numberToHex,
} from 'viem'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../abi.js'
import { type Anvil, startAnvil } from '../anvil.js'
import { type Deployment, deploy, receiptOf } from '../deploy.js'
import { FIELD } from '../poseidon-table.js'
import { type BatchRecord, type PostedBatch, challenge, pack, publicInputs } from './batch.js'
import { ExchangeModel, Revert } from './exchange.js'
import { BalanceTree } from './poseidon.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const UNITS = [1n, 1000n]
const EXIT_DELAY = 1000
const PROOF_DELAY = 300
const long = process.env['GLASSBOOK_LONG'] === '1'
const errors = [...vaultAbi, ...settlementAbi].filter(({ type }) => type === 'error') as unknown as Abi

/** mulberry32: a small seeded generator; the sequence is the test's, not a secret. */
function generator(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

interface Call {
  readonly to: 'vault' | 'settlement'
  readonly name: string
  readonly args: readonly unknown[]
  readonly from: Address
  readonly value?: bigint
  readonly onModel: () => void
}

class Run {
  readonly random: (n: number) => number
  readonly model: ExchangeModel
  readonly tree = new BalanceTree()
  /** Batches as posted, by number, with the leaves they replaced. */
  readonly posted: { batch: PostedBatch; undo: [number, bigint][] }[] = []
  readonly outcomes = new Map<string, number>()
  time: number

  constructor(
    seed: number,
    readonly client: ReturnType<typeof createPublicClient>,
    readonly anvil: ReturnType<typeof createTestClient>,
    readonly deployment: Deployment,
    readonly owners: readonly Address[],
    startTime: number,
  ) {
    this.random = generator(seed)
    this.time = startTime
    const { vault, settlement, feeOwner, constants } = deployment
    this.model = new ExchangeModel({
      chainId: deployment.chainId,
      vault,
      settlement,
      feeOwner,
      operator: constants.operator,
      guardian: constants.guardian,
      unitAtoms: UNITS,
      rowsPerChunk: constants.rowsPerChunk,
      exitDelay: constants.exitDelaySeconds,
      proofDelay: constants.proofDelaySeconds,
      maxUnproven: constants.maxUnproven,
      requestFee: BigInt(constants.requestFeeWei),
    })
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)]!
  }
  chance(percent: number): boolean {
    return this.random(100) < percent
  }

  /** Makes one call on both sides and compares outcome and state. */
  async step(call: Call): Promise<void> {
    this.time += 1 + (this.chance(10) ? this.random(200) : this.random(3))
    this.model.time = this.time
    let expected: string
    try {
      call.onModel()
      expected = 'ok'
    } catch (error) {
      if (!(error instanceof Revert)) throw error
      expected = `${error.error}(${error.args.join(', ')})`
    }
    const actual = await this.send(call)
    expect(`${call.name} ${actual}`).toBe(`${call.name} ${expected}`)
    const key = `${call.name} ${expected.split('(')[0]}`
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1)
    this.followTree()
    await this.compare()
  }

  private async send({ to, name, args, from, value = 0n }: Call): Promise<string> {
    const abi = (to === 'vault' ? vaultAbi : settlementAbi) as Abi
    await this.anvil.setNextBlockTimestamp({ timestamp: BigInt(this.time) })
    const hash = await this.anvil.request({
      method: 'eth_sendTransaction',
      params: [
        {
          from,
          to: this.deployment[to],
          data: encodeFunctionData({ abi, functionName: name, args }),
          value: numberToHex(value),
          gas: numberToHex(12_000_000),
        },
      ],
    } as never)
    const receipt = await receiptOf(this.client, hash as Hex)
    if (receipt.status === 'success') return 'ok'
    const trace = (await this.client.request({
      method: 'debug_traceTransaction',
      params: [hash, { tracer: 'callTracer' }],
    } as never)) as { output?: Hex }
    const { errorName, args: values = [] } = decodeErrorResult({ abi: errors, data: trace.output ?? '0x' })
    return `${errorName}(${values.map((v) => (typeof v === 'number' ? BigInt(v) : v)).join(', ')})`
  }

  /** Batches that were struck leave the operator's tree, newest first. */
  private followTree(): void {
    while (this.posted.length > this.model.batchCount)
      for (const [index, old] of this.posted.pop()!.undo.reverse()) this.tree.set(index, old)
  }

  private async compare(): Promise<void> {
    const { model } = this
    const settlement = { address: this.deployment.settlement, abi: settlementAbi } as const
    const vault = { address: this.deployment.vault, abi: vaultAbi } as const
    const account = this.random(model.owners.length)
    const asset = this.random(UNITS.length)
    const index = (account << 6) | asset
    const [
      last,
      proven,
      count,
      provenCount,
      frozen,
      open,
      claimable,
      custody,
      hash,
      accounts,
      request,
      fee,
      state,
    ] = await Promise.all([
      this.client.readContract({ ...settlement, functionName: 'lastRoot' }),
      this.client.readContract({ ...settlement, functionName: 'provenRoot' }),
      this.client.readContract({ ...settlement, functionName: 'batchCount' }),
      this.client.readContract({ ...settlement, functionName: 'provenCount' }),
      this.client.readContract({ ...settlement, functionName: 'frozen' }),
      this.client.readContract({ ...settlement, functionName: 'openRequests' }),
      this.client.readContract({
        ...vault,
        functionName: 'claimable',
        args: [BigInt(account), BigInt(asset)],
      }),
      this.client.readContract({ ...vault, functionName: 'custodyUnits', args: [BigInt(asset)] }),
      this.client.readContract({ ...vault, functionName: 'depositHash', args: [BigInt(model.queue.length)] }),
      this.client.readContract({ ...vault, functionName: 'accountCount' }),
      this.client.readContract({
        ...settlement,
        functionName: 'requestOf',
        args: [BigInt(account), BigInt(asset)],
      }),
      this.client.readContract({ ...settlement, functionName: 'refundOf', args: [model.owners[account]!] }),
      this.client.readContract({
        ...settlement,
        functionName: 'batchState',
        args: [BigInt(model.batchCount)],
      }),
    ])
    const kept = model.batches.at(-1)!
    const modelState = model.batchCount > model.provenCount ? 1 : kept.credited ? 3 : 2
    const waiting = model.requests.get(index)
    expect({
      last,
      proven,
      count,
      provenCount,
      frozen,
      open,
      claimable,
      custody,
      hash,
      accounts,
      fee,
      state,
    }).toEqual({
      last: kept.newRoot,
      proven: model.provenRoot,
      count: BigInt(model.batchCount),
      provenCount: BigInt(model.provenCount),
      frozen: model.frozen,
      open: BigInt(model.requests.size),
      claimable: model.claims.get(index) ?? 0n,
      custody: model.custody[asset],
      hash: model.depositHashes.at(-1),
      accounts: BigInt(model.owners.length),
      fee: model.refunds.get(model.owners[account]!) ?? 0n,
      state: modelState,
    })
    expect([request.remaining, request.depositsBefore, request.granted, BigInt(request.requestedAt)]).toEqual(
      [
        waiting?.remaining ?? 0n,
        waiting?.depositsBefore ?? 0n,
        waiting?.granted ?? false,
        BigInt(waiting?.requestedAt ?? 0),
      ],
    )
  }

  /** Tokens of an owner on both sides; called at the end. */
  async comparePaid(minted: bigint, spent: Map<string, bigint>): Promise<void> {
    for (const owner of this.owners)
      for (const { id, token } of this.deployment.assets) {
        const balance = await this.client.readContract({
          address: token,
          abi: demoTokenAbi,
          functionName: 'balanceOf',
          args: [owner],
        })
        const key = `${owner} ${id}`
        expect(balance).toBe(minted - (spent.get(key) ?? 0n) + (this.model.paid.get(key) ?? 0n))
      }
  }

  // --- Calls, mostly right, sometimes wrong in one way ---

  deposit(spent: Map<string, bigint>): Call {
    const from = this.pick(this.owners)
    const asset = this.chance(4) ? 2 : this.random(2)
    const amount = this.chance(5)
      ? this.pick([0n, 1500n])
      : BigInt(1 + this.random(50)) * (UNITS[asset] ?? 1n)
    return {
      to: 'vault',
      name: 'deposit',
      args: [BigInt(asset), amount],
      from,
      onModel: () => {
        this.model.deposit(from, asset, amount)
        const key = `${from} ${asset}`
        spent.set(key, (spent.get(key) ?? 0n) + amount)
      },
    }
  }

  cell(): [number, number] {
    return [
      this.random(this.model.owners.length + (this.chance(3) ? 1 : 0)),
      this.chance(3) ? 2 : this.random(2),
    ]
  }

  claim(): Call {
    const ready = [...this.model.claims.keys()]
    const [account, asset] =
      ready.length > 0 && this.chance(80) ? [this.pick(ready) >> 6, this.pick(ready) & 63] : this.cell()
    return {
      to: 'vault',
      name: 'claim',
      args: [BigInt(account), BigInt(asset)],
      from: this.pick(this.owners),
      onModel: () => this.model.claim(account, asset),
    }
  }

  /** A batch over the current tree; `flaw` breaks one thing. */
  commit(): Call {
    const { model } = this
    const last = model.batches.at(-1)!
    const consumed = Number(last.depositsConsumed)
    const take = this.random(Math.min(4, model.queue.length - consumed) + 1)
    const deposits = model.queue.slice(consumed, consumed + take)
    const delta = new Map<number, bigint>()
    const add = (index: number, value: bigint): void =>
      void delta.set(index, (delta.get(index) ?? 0n) + value)
    for (const { index, value } of deposits) add(index, value)
    const balance = (index: number): bigint => this.tree.leaf(index) + (delta.get(index) ?? 0n)
    for (let i = 0; i < 4; i++) {
      const asset = this.random(2)
      const [from, to] = [this.random(model.owners.length), this.random(model.owners.length)]
      const units = balance((from << 6) | asset) / BigInt(1 + this.random(4))
      add((from << 6) | asset, -units)
      add((to << 6) | asset, units)
    }
    const withdrawals: BatchRecord[] = []
    for (let index = 0; index < model.owners.length << 6; index++) {
      if ((index & 63) > 1 || balance(index) === 0n || !this.chance(25)) continue
      const value = this.chance(50) ? balance(index) : (balance(index) + 1n) / 2n
      withdrawals.push({ index, value })
      add(index, -value)
    }
    const rows = [...delta]
      .filter(([, value]) => value !== 0n)
      .sort(([a], [b]) => a - b)
      .map(([index, value]) => ({ index, value }))
    const undo: [number, bigint][] = []
    const chunkRoots: bigint[] = []
    for (const [i, { index, value }] of rows.entries()) {
      undo.push([index, this.tree.leaf(index)])
      this.tree.set(index, this.tree.leaf(index) + value)
      chunkRoots[Math.floor(i / model.config.rowsPerChunk)] = this.tree.root
    }
    const good: PostedBatch = {
      header: {
        number: BigInt(model.batchCount + 1),
        firstSeq: last.lastSeq + 1n,
        lastSeq: last.lastSeq + 1n + BigInt(this.random(100)),
        oldRoot: last.newRoot,
        newRoot: this.tree.root,
        journalHead: numberToHex(this.random(2 ** 31), { size: 32 }),
        fillsRoot: numberToHex(this.random(2 ** 31), { size: 32 }),
        depositsConsumed: last.depositsConsumed + BigInt(take),
      },
      chunkRoots,
      rows,
      deposits,
      withdrawals,
    }
    const batch = this.chance(40) ? this.flawed(good) : good
    const from = this.chance(3) ? this.owners[1]! : model.config.operator
    const before = model.batchCount
    return {
      to: 'settlement',
      name: 'commitBatch',
      args: [batch.header, batch.chunkRoots, pack(batch.rows), pack(batch.deposits), pack(batch.withdrawals)],
      from,
      onModel: () => {
        try {
          model.commitBatch(from, batch)
        } finally {
          if (model.batchCount > before) this.posted.push({ batch, undo })
          else for (const [index, old] of undo.reverse()) this.tree.set(index, old)
        }
      },
    }
  }

  private flawed(batch: PostedBatch): PostedBatch {
    const { header, rows, deposits, withdrawals, chunkRoots } = batch
    const first = rows[0] ?? { index: 0, value: 1n }
    const headers = [
      { ...header, number: header.number + BigInt(this.random(3)) - 1n },
      { ...header, firstSeq: header.firstSeq + 1n },
      { ...header, lastSeq: header.firstSeq - 1n },
      { ...header, oldRoot: header.oldRoot + 1n },
      { ...header, newRoot: header.newRoot + FIELD },
      { ...header, newRoot: header.newRoot ^ 1n },
      { ...header, depositsConsumed: header.depositsConsumed + 1n },
      { ...header, depositsConsumed: header.depositsConsumed / 2n },
    ]
    const bad: PostedBatch[] = [
      ...headers.map((h) => ({ ...batch, header: h })),
      { ...batch, chunkRoots: [...chunkRoots, 1n] },
      { ...batch, chunkRoots: chunkRoots.map((root) => root + FIELD) },
      { ...batch, rows: [...rows].reverse() },
      { ...batch, rows: [first, ...rows.slice(1), { index: 2 ** 28 - 1, value: 1n }] },
      { ...batch, rows: [{ ...first, value: 0n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, value: 2n ** 53n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, value: first.value + 1n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, index: first.index | 63 }, ...rows.slice(1)] },
      { ...batch, deposits: [...deposits].reverse().map((d) => ({ ...d, value: d.value + 1n })) },
      { ...batch, deposits: deposits.slice(1) },
      { ...batch, withdrawals: [...withdrawals, ...withdrawals] },
      { ...batch, withdrawals: [...withdrawals, { index: 2 ** 28 - 62, value: 1n }] },
      { ...batch, withdrawals: withdrawals.map((w) => ({ ...w, value: w.value - 1n })) },
      { ...batch, withdrawals: withdrawals.map((w) => ({ ...w, value: 0n })) },
    ]
    return this.pick(bad)
  }

  prove(): Call {
    const { model } = this
    const open: [number, number][] = []
    for (let n = model.provenCount + 1; n <= model.batchCount; n++)
      model.batches[n]!.chunks.forEach((chunk, k) => chunk !== null && open.push([n, k]))
    let [number, chunk] = open.length > 0 ? this.pick(open) : [model.batchCount, 0]
    const wrong = this.random(20)
    if (wrong === 0) number += 1
    if (wrong === 1) number = model.provenCount
    if (wrong === 2) chunk += 1
    const source = this.posted[number - 1]?.batch ?? this.posted.at(-1)?.batch
    const { chainId, settlement } = this.deployment
    let inputs: readonly [bigint, bigint, bigint, bigint] = [1n, 2n, 3n, 4n]
    if (source !== undefined && chunk < source.chunkRoots.length)
      inputs = publicInputs(source, challenge(chainId, settlement, source), chunk, model.config.rowsPerChunk)
    if (wrong === 3) inputs = [inputs[0], inputs[1], inputs[2], inputs[3] + FIELD]
    return {
      to: 'settlement',
      name: 'proveChunk',
      args: [BigInt(number), BigInt(chunk), inputs, Array.from({ length: 8 }, () => 0n)],
      from: this.pick(this.owners),
      onModel: () => model.proveChunk(number, chunk, inputs),
    }
  }

  finalize(): Call {
    const { model } = this
    const ready = model.batches.flatMap(({ credited }, n) => (!credited && n <= model.provenCount ? [n] : []))
    const number = ready.length > 0 && this.chance(85) ? this.pick(ready) : this.random(model.batchCount + 2)
    const right = this.posted[number - 1]?.batch.withdrawals ?? []
    const withdrawals = this.chance(8) ? [...right, { index: 0, value: 1n }] : right
    return {
      to: 'settlement',
      name: 'finalizeBatch',
      args: [BigInt(number), pack(withdrawals)],
      from: this.pick(this.owners),
      onModel: () => model.finalizeBatch(number, withdrawals),
    }
  }

  request(): Call {
    const [account, asset] = this.cell()
    const from = this.chance(90) ? (this.model.owners[account] ?? this.owners[0]!) : this.pick(this.owners)
    const units = this.pick([0n, 2n ** 53n, ...Array.from({ length: 12 }, () => BigInt(1 + this.random(60)))])
    const value = this.chance(5) ? 1n : this.model.currentRequestFee
    return {
      to: 'settlement',
      name: 'requestWithdrawal',
      args: [BigInt(account), BigInt(asset), units],
      from,
      value,
      onModel: () => this.model.requestWithdrawal(from, account, asset, units, value),
    }
  }

  answer(): Call {
    const { model } = this
    const open = [...model.requests.keys()]
    const empty = open.filter((index) => this.tree.leaf(index) === 0n)
    const index =
      empty.length > 0 && this.chance(70) ? this.pick(empty) : open.length > 0 ? this.pick(open) : 1
    const number = this.chance(80) ? model.provenCount : this.random(model.batchCount + 2)
    const from = this.pick(this.owners)
    const path = this.tree.path(index)
    if (this.chance(10)) path[3]! += FIELD
    return {
      to: 'settlement',
      name: 'answerEmpty',
      args: [BigInt(index >> 6), BigInt(index & 63), BigInt(number), path],
      from,
      onModel: () => model.answerEmpty(from, index >> 6, index & 63, number, path),
    }
  }

  escape(): Call {
    const [account, asset] = this.cell()
    const index = (account << 6) | asset
    const units = this.tree.leaf(index) + (this.chance(10) ? 1n : 0n)
    const path = this.tree.path(index)
    return {
      to: 'vault',
      name: 'escape',
      args: [BigInt(account), BigInt(asset), units, path],
      from: this.pick(this.owners),
      onModel: () => this.model.escape(account, asset, units, path),
    }
  }

  refundDeposit(): Call {
    const consumed = Number(this.model.batches[this.model.provenCount]!.depositsConsumed)
    const position = this.chance(70)
      ? consumed + this.random(Math.max(1, this.model.queue.length - consumed))
      : this.random(this.model.queue.length + 2)
    const { index, value } = this.model.queue[position] ?? { index: 0, value: 1n }
    const units = this.chance(10) ? value + 1n : value
    return {
      to: 'vault',
      name: 'refundDeposit',
      args: [BigInt(position), BigInt(index >> 6), BigInt(index & 63), units],
      from: this.pick(this.owners),
      onModel: () => this.model.refundDeposit(position, index >> 6, index & 63, units),
    }
  }

  plain(name: 'strikeUnproven' | 'withdrawRefund'): Call {
    const withRefund = [...this.model.refunds.keys()]
    const from = withRefund.length > 0 && this.chance(80) ? this.pick(withRefund) : this.pick(this.owners)
    return {
      to: 'settlement',
      name,
      args: [],
      from,
      onModel: () =>
        name === 'strikeUnproven' ? this.model.strikeUnproven() : this.model.withdrawRefund(from),
    }
  }

  onRequest(name: 'freeze' | 'reclaimFee'): Call {
    const open = [...this.model.requests.keys()]
    const index = open.length > 0 && this.chance(90) ? this.pick(open) : this.random(300)
    const [account, asset] = [index >> 6, index & 63]
    return {
      to: 'settlement',
      name,
      args: [BigInt(account), BigInt(asset)],
      from: this.pick(this.owners),
      onModel: () => this.model[name](account, asset),
    }
  }

  pause(): Call {
    const from = this.chance(70) ? this.model.config.guardian : this.pick(this.owners)
    const paused = !this.model.paused
    return {
      to: 'settlement',
      name: 'pauseCommits',
      args: [paused],
      from,
      onModel: () => this.model.pauseCommits(from, paused),
    }
  }
}

describe('model and contracts', () => {
  const seeds = long ? [1, 2, 3, 4, 5, 6, 7, 8] : [1]
  const steps = long ? 1500 : 600
  let chain: Anvil

  beforeAll(async () => {
    chain = await startAnvil({ genesisTime: 1_800_000_000 })
  })
  afterAll(async () => {
    await chain.stop()
  })

  test.each(seeds)('seed %i: same outcomes, same states', async (seed) => {
    const transport = http(chain.rpcUrl)
    const client = createPublicClient({ transport, pollingInterval: 1, cacheTime: 0 })
    const anvil = createTestClient({ mode: 'anvil', transport })
    const owners = (await client.request({ method: 'eth_accounts' } as never)) as Address[]
    const accounts = owners.slice(0, 6).map((owner) => getAddress(owner))
    const deployment = await deploy({
      rpcUrl: chain.rpcUrl,
      privateKey: KEY,
      assets: [
        { symbol: 'USDX', decimals: 6, unitAtoms: UNITS[0]! },
        { symbol: 'BTCX', decimals: 8, unitAtoms: UNITS[1]! },
      ],
      exitDelaySeconds: EXIT_DELAY,
      proofDelaySeconds: PROOF_DELAY,
      maxUnproven: 3,
    })
    const minted = 10n ** 12n
    for (const owner of accounts)
      for (const { token } of deployment.assets)
        for (const data of [
          encodeFunctionData({ abi: demoTokenAbi, functionName: 'mint', args: [owner, minted] }),
          encodeFunctionData({
            abi: demoTokenAbi,
            functionName: 'approve',
            args: [deployment.vault, minted],
          }),
        ])
          await anvil.request({
            method: 'eth_sendTransaction',
            params: [{ from: owner, to: token, data }],
          } as never)
    const start = Number((await client.getBlock()).timestamp) + 10
    const run = new Run(seed, client, anvil, deployment, accounts, start)
    const spent = new Map<string, bigint>()
    const life: (() => Call)[] = [
      () => run.deposit(spent),
      () => run.deposit(spent),
      () => run.claim(),
      () => (run.model.paused && run.chance(80) ? run.pause() : run.commit()),
      () => run.commit(),
      () => run.commit(),
      () => run.prove(),
      () => run.prove(),
      () => run.prove(),
      () => run.finalize(),
      () => run.request(),
      () => run.answer(),
      () => run.plain('withdrawRefund'),
      () => (run.chance(30) ? run.plain('strikeUnproven') : run.prove()),
      () => (run.chance(10) || run.model.paused ? run.pause() : run.commit()),
      () => (run.chance(15) ? run.onRequest('reclaimFee') : run.finalize()),
      () => (run.chance(15) ? run.escape() : run.refundDeposit()),
    ]
    const end: (() => Call)[] = [
      ...life,
      () => run.onRequest('freeze'),
      () => run.escape(),
      () => run.escape(),
      () => run.escape(),
      () => run.refundDeposit(),
      () => run.refundDeposit(),
      () => run.onRequest('reclaimFee'),
      () => run.claim(),
    ]
    for (let i = 0; i < steps; i++) {
      // In the last quarter requests run out of time, so that the frozen exchange is compared, too.
      if (i === Math.floor(steps * 0.75)) run.time += EXIT_DELAY
      await run.step(run.pick(i < steps * 0.75 ? life : end)())
    }
    await run.comparePaid(minted, spent)
    expect(run.model.frozen).toBe(true)
    const outcomes = [...run.outcomes].sort().map(([key, n]) => `${key}: ${n}`)
    console.log(
      `seed ${seed}: ${steps} calls, ${outcomes.length} different outcomes\n  ${outcomes.join('\n  ')}`,
    )
  })
})
