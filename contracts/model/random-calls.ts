/**
 * Random calls of an exchange, mostly right, sometimes wrong in one way, chosen by what the model says is
 * possible. Seeded: the same seed gives the same calls. The differential test makes each on the model and
 * on the contracts.
 */
import { type Address, numberToHex, zeroAddress } from 'viem'
import { FIELD } from '../poseidon-table.js'
import {
  type BatchRecord,
  type DepositRecord,
  type PostedBatch,
  type PublicInputs,
  challenge,
  pack,
  packDeposits,
  publicInputs,
} from './batch.js'
import { ExchangeModel, type ModelConfig } from './exchange.js'
import { BalanceTree } from './poseidon.js'

/** mulberry32: a small seeded generator; the sequence is the test's, not a secret. */
export function generator(seed: number): (n: number) => number {
  let state = seed
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

export interface Call {
  readonly to: 'vault' | 'settlement'
  readonly name: string
  readonly args: readonly unknown[]
  readonly from: Address
  readonly value?: bigint
  readonly onModel: () => void
}

export interface RandomCallsConfig extends ModelConfig {
  /** Who call; the governor, the guardian and the operator are among them. */
  readonly people: readonly Address[]
  /** Verifiers that governance may propose, with some that it may not. */
  readonly verifiers: readonly Address[]
  /** A proof of `inputs` that `verifier` accepts. */
  readonly prove: (verifier: Address, inputs: PublicInputs) => readonly bigint[]
}

export class RandomCalls {
  readonly random: (n: number) => number
  readonly model: ExchangeModel
  private readonly tree = new BalanceTree()
  /** Batches as posted, by number, with the leaves they replaced. */
  private readonly posted: { batch: PostedBatch; rowsPerChunk: number; undo: [number, bigint][] }[] = []

  constructor(
    seed: number,
    private readonly config: RandomCallsConfig,
  ) {
    this.random = generator(seed)
    this.model = new ExchangeModel(config)
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random(items.length)]!
  }
  chance(percent: number): boolean {
    return this.random(100) < percent
  }

  /** Batches that were struck leave the operator's tree, newest first. To be called after each step. */
  followTree(): void {
    while (this.posted.length > this.model.batchCount)
      for (const [index, old] of this.posted.pop()!.undo.reverse()) this.tree.set(index, old)
  }

  private get assetCount(): number {
    return this.config.assets.length
  }

  private person(): Address {
    return this.pick(this.config.people)
  }

  private cell(): [number, number] {
    return [
      this.random(this.model.owners.length + (this.chance(3) ? 1 : 0)),
      this.chance(3) ? this.assetCount : this.random(this.assetCount),
    ]
  }

  // --- Vault ---

  deposit(): Call {
    const from = this.person()
    const asset = this.chance(4) ? this.assetCount : this.random(this.assetCount)
    const { unitAtoms, isNative } = this.config.assets[asset] ?? { unitAtoms: 1n, isNative: false }
    const amount = this.chance(5) ? this.pick([0n, 1500n]) : BigInt(1 + this.random(50)) * unitAtoms
    const value = (isNative ? amount : 0n) + (this.chance(3) ? 1n : 0n)
    return {
      to: 'vault',
      name: 'deposit',
      args: [BigInt(asset), amount],
      from,
      value,
      onModel: () => this.model.deposit(from, asset, amount, value),
    }
  }

  claim(): Call {
    const ready = [...this.model.claims.keys()]
    const index = ready.length > 0 && this.chance(80) ? this.pick(ready) : undefined
    const [account, asset] = index === undefined ? this.cell() : [index >> 6, index & 63]
    return {
      to: 'vault',
      name: 'claim',
      args: [BigInt(account), BigInt(asset)],
      from: this.person(),
      onModel: () => this.model.claim(account, asset),
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
      from: this.person(),
      onModel: () => this.model.escape(account, asset, units, path),
    }
  }

  refundDeposit(): Call {
    const { queue, batches, provenCount } = this.model
    const consumed = Number(batches[provenCount]!.depositsConsumed)
    const position = this.chance(70)
      ? consumed + this.random(Math.max(1, queue.length - consumed))
      : this.random(queue.length + 2)
    const { index, value } = queue[position] ?? { index: 0, value: 1n }
    const units = this.chance(10) ? value + 1n : value
    return {
      to: 'vault',
      name: 'refundDeposit',
      args: [BigInt(position), BigInt(index >> 6), BigInt(index & 63), units],
      from: this.person(),
      onModel: () => this.model.refundDeposit(position, index >> 6, index & 63, units),
    }
  }

  // --- Batches ---

  /** A batch over the current tree: the next deposits, trades, withdrawals; four in ten broken in one way. */
  commit(): Call {
    const { model } = this
    const { rowsPerChunk } = model
    const { good, undo } = this.build(rowsPerChunk)
    const batch = this.chance(40) ? this.flawed(good) : good
    const operator = [...model.operators][0] ?? this.person()
    const from = this.chance(3) ? this.person() : operator
    const before = model.batchCount
    return {
      to: 'settlement',
      name: 'commitBatch',
      args: [
        batch.header,
        batch.chunkRoots,
        pack(batch.rows),
        packDeposits(batch.deposits),
        pack(batch.withdrawals),
      ],
      from,
      onModel: () => {
        try {
          model.commitBatch(from, batch)
        } finally {
          if (model.batchCount > before) this.posted.push({ batch, rowsPerChunk, undo })
          else for (const [index, old] of undo.reverse()) this.tree.set(index, old)
        }
      },
    }
  }

  private build(rowsPerChunk: number): { good: PostedBatch; undo: [number, bigint][] } {
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
      const asset = this.random(this.assetCount)
      const [from, to] = [this.random(model.owners.length), this.random(model.owners.length)]
      const units = balance((from << 6) | asset) / BigInt(1 + this.random(4))
      add((from << 6) | asset, -units)
      add((to << 6) | asset, units)
    }
    const withdrawals: BatchRecord[] = []
    for (let index = 0; index < model.owners.length << 6; index++) {
      if ((index & 63) >= this.assetCount || balance(index) === 0n || !this.chance(25)) continue
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
      chunkRoots[Math.floor(i / rowsPerChunk)] = this.tree.root
    }
    const header = {
      number: BigInt(model.batchCount + 1),
      firstSeq: last.lastSeq + 1n,
      lastSeq: last.lastSeq + 1n + BigInt(this.random(100)),
      oldRoot: last.newRoot,
      newRoot: this.tree.root,
      journalHead: numberToHex(this.random(2 ** 31), { size: 32 }),
      fillsRoot: numberToHex(this.random(2 ** 31), { size: 32 }),
      depositsConsumed: last.depositsConsumed + BigInt(take),
    }
    return { good: { header, chunkRoots, rows, deposits, withdrawals }, undo }
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
    const changedDeposits: (readonly DepositRecord[])[] = [
      [...deposits].reverse().map((d) => ({ ...d, value: d.value + 1n })),
      deposits.map((d) => ({ ...d, owner: this.person() })),
      deposits.slice(1),
    ]
    const bad: PostedBatch[] = [
      ...headers.map((h) => ({ ...batch, header: h })),
      ...changedDeposits.map((changed) => ({ ...batch, deposits: changed })),
      { ...batch, chunkRoots: [...chunkRoots, 1n] },
      { ...batch, chunkRoots: chunkRoots.map((root) => root + FIELD) },
      { ...batch, rows: [...rows].reverse() },
      { ...batch, rows: [first, ...rows.slice(1), { index: 2 ** 28 - 64, value: 1n }] },
      { ...batch, rows: [{ ...first, value: 0n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, value: 2n ** 53n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, value: first.value + 1n }, ...rows.slice(1)] },
      { ...batch, rows: [{ ...first, index: first.index | 63 }, ...rows.slice(1)] },
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
    const wrong = this.random(25)
    if (wrong === 0) number += 1
    if (wrong === 1) number = model.provenCount
    if (wrong === 2) chunk += 1
    const source = this.posted[number - 1] ?? this.posted.at(-1)
    const { chainId, settlement } = this.config
    let inputs: PublicInputs = [1n, 2n, 3n, 4n]
    if (source !== undefined && chunk < source.batch.chunkRoots.length) {
      const z = challenge(chainId, settlement, source.batch)
      inputs = publicInputs(source.batch, z, chunk, source.rowsPerChunk)
    }
    const verifier = model.batches[number]?.verifier ?? model.verifier
    const proved: PublicInputs = wrong === 4 ? [inputs[0], inputs[1], inputs[2], 9n] : inputs
    if (wrong === 3) inputs = [inputs[0], inputs[1], inputs[2], inputs[3] + FIELD]
    const proof = this.config.prove(verifier, proved)
    return {
      to: 'settlement',
      name: 'proveChunk',
      args: [BigInt(number), BigInt(chunk), inputs, proof],
      from: this.person(),
      onModel: () => model.proveChunk(number, chunk, inputs, proof),
    }
  }

  finalize(): Call {
    const { model } = this
    const ready = model.batches.flatMap(({ uncredited }, n) =>
      uncredited > 0 && n <= model.provenCount ? [n] : [],
    )
    const number = ready.length > 0 && this.chance(85) ? this.pick(ready) : this.random(model.batchCount + 2)
    const right = this.posted[number - 1]?.batch.withdrawals ?? []
    const withdrawals = this.chance(8) ? [...right, { index: 0, value: 1n }] : right
    const from = this.person()
    if (this.chance(60))
      return {
        to: 'settlement',
        name: 'finalizeBatch',
        args: [BigInt(number), pack(withdrawals)],
        from,
        onModel: () => model.finalizeBatch(number, withdrawals),
      }
    const count = this.random(3)
    return {
      to: 'settlement',
      name: 'finalizePart',
      args: [BigInt(number), pack(withdrawals), BigInt(count)],
      from,
      onModel: () => model.finalizePart(number, withdrawals, count),
    }
  }

  strike(): Call {
    return {
      to: 'settlement',
      name: 'strikeUnproven',
      args: [],
      from: this.person(),
      onModel: () => this.model.strikeUnproven(),
    }
  }

  // --- Forced withdrawals and freeze ---

  request(): Call {
    const [account, asset] = this.cell()
    const from = this.chance(90) ? (this.model.owners[account] ?? this.person()) : this.person()
    const units = this.pick([
      0n,
      2n ** 53n,
      2n ** 53n - 1n,
      ...Array.from({ length: 12 }, () => BigInt(1 + this.random(60))),
    ])
    const fee = this.model.currentRequestFee
    const value = this.chance(5) ? fee - 1n : this.chance(10) ? fee + 7n : fee
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
    const lower = open.filter((index) => this.tree.leaf(index) < model.requests.get(index)!.remaining)
    const index =
      lower.length > 0 && this.chance(80) ? this.pick(lower) : open.length > 0 ? this.pick(open) : 1
    const number = this.chance(80) ? model.provenCount : this.random(model.batchCount + 2)
    const from = this.chance(60) ? ([...model.operators][0] ?? this.person()) : this.person()
    const units = this.tree.leaf(index) + (this.chance(5) ? 1n : 0n)
    const path = this.tree.path(index)
    if (this.chance(10)) path[3]! += FIELD
    return {
      to: 'settlement',
      name: 'answerRequest',
      args: [BigInt(index >> 6), BigInt(index & 63), BigInt(number), units, path],
      from,
      onModel: () => model.answerRequest(from, index >> 6, index & 63, number, units, path),
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
      from: this.person(),
      onModel: () => this.model[name](account, asset),
    }
  }

  withdrawRefund(): Call {
    const withRefund = [...this.model.refunds.keys()]
    const from = withRefund.length > 0 && this.chance(80) ? this.pick(withRefund) : this.person()
    return {
      to: 'settlement',
      name: 'withdrawRefund',
      args: [],
      from,
      onModel: () => this.model.withdrawRefund(from),
    }
  }

  // --- Governance ---

  pause(): Call {
    const from = this.chance(70) ? this.model.guardian : this.person()
    const paused = !this.model.paused
    return {
      to: 'settlement',
      name: 'pauseCommits',
      args: [paused],
      from,
      onModel: () => this.model.pauseCommits(from, paused),
    }
  }

  /** The governor proposes a verifier, or somebody else tries to. */
  proposeVerifier(from = this.governorMostly()): Call {
    const verifier = this.pick(this.config.verifiers)
    return this.call('proposeVerifier', [verifier], from, () => this.model.proposeVerifier(from, verifier))
  }

  advanceFinal(): Call {
    return this.call('advanceFinal', [], this.person(), () => this.model.advanceFinal())
  }

  activateVerifier(): Call {
    return this.call('activateVerifier', [], this.person(), () => this.model.activateVerifier())
  }

  govern(): Call {
    const { model } = this
    const from = this.governorMostly()
    const who = this.person()
    switch (this.random(7)) {
      case 0: {
        // Never nobody, or the rest of the run would commit nothing.
        const allowed = this.chance(60) || model.operators.size < 2
        return this.call('setOperator', [who, allowed], from, () => model.setOperator(from, who, allowed))
      }
      case 1:
        return this.call('setGuardian', [who], from, () => model.setGuardian(from, who))
      case 2:
        return this.call('proposeGovernor', [who], from, () => model.proposeGovernor(from, who))
      case 3: {
        const proposed = model.proposedGovernor
        const caller = proposed !== zeroAddress && this.chance(70) ? proposed : who
        return this.call('acceptGovernor', [], caller, () => model.acceptGovernor(caller))
      }
      case 4:
        return this.proposeVerifier(from)
      case 5:
        return this.call('withdrawVerifierProposal', [], from, () => model.withdrawVerifierProposal(from))
      default:
        return this.activateVerifier()
    }
  }

  private governorMostly(): Address {
    return this.chance(80) ? this.model.governor : this.person()
  }

  private call(name: string, args: readonly unknown[], from: Address, onModel: () => void): Call {
    return { to: 'settlement', name, args, from, onModel }
  }
}
