/**
 * Gas of whole transactions, calldata included, on anvil with the deployed bytecode: commit by number of
 * rows, proof of a chunk (a real pairing check, with a key whose trapdoor is known here), and the ways out.
 * From these, gas a fill at several netting ratios (fills for each net row). Ends by comparing the chain's
 * root with the tree kept here. Nothing is random. Called by bench/gas.ts and its test.
 */
import {
  type Abi,
  type Address,
  type Hex,
  createPublicClient,
  createTestClient,
  encodeFunctionData,
  http,
} from 'viem'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { startAnvil } from '../../contracts/anvil/anvil.js'
import { type Deployment, deploy, receiptOf } from '../../contracts/deployment/deploy.js'
import {
  type BatchRecord,
  type DepositRecord,
  type PostedBatch,
  challenge,
  pack,
  packDeposits,
  publicInputs,
} from '../../contracts/model/batch.js'
import { smallTrapdoor, trapdoorKey, trapdoorProof } from '../../test/support/groth16-trapdoor.js'
import { BalanceTree } from '../../contracts/model/poseidon.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const ROW_COUNTS = [1, 8, 64, 256]
const NETTING_RATIOS = [1, 10, 100, 1000]
export const ROWS_PER_CHUNK = 16
export const ACCOUNTS = 256
const EXIT_DELAY_SECONDS = 3600
/** The most that a transaction may have (EIP-7825). */
const TRANSACTION_GAS = '0x1000000'

// --- The exchange under measurement ---

class Bench {
  readonly tree = new BalanceTree()
  readonly queue: DepositRecord[] = []
  number = 0n
  lastSeq = 0n

  constructor(
    readonly rpcUrl: string,
    readonly deployment: Deployment,
    readonly client = createPublicClient({ transport: http(rpcUrl) }),
    readonly anvil = createTestClient({ mode: 'anvil', transport: http(rpcUrl) }),
  ) {}

  /** Sends a call and gives the gas its transaction used. */
  async call(
    from: Address,
    to: Address,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
    value = 0n,
  ): Promise<bigint> {
    const data = encodeFunctionData({ abi, functionName, args })
    const hash = (await this.anvil.request({
      method: 'eth_sendTransaction',
      params: [{ from, to, data, gas: TRANSACTION_GAS, value: `0x${value.toString(16)}` }],
    } as never)) as Hex
    const { status, gasUsed } = await receiptOf(this.client, hash)
    if (status !== 'success') throw new Error(`bench: ${functionName} reverted`)
    return gasUsed
  }

  settlement(from: Address, name: string, args: readonly unknown[], value = 0n): Promise<bigint> {
    return this.call(from, this.deployment.settlement, settlementAbi as Abi, name, args, value)
  }
  vault(from: Address, name: string, args: readonly unknown[]): Promise<bigint> {
    return this.call(from, this.deployment.vault, vaultAbi as Abi, name, args)
  }

  /** Commits a batch of these rows; gives the batch and the gas of its commit. */
  async commit(
    rows: BatchRecord[],
    depositCount = 0,
    withdrawals: BatchRecord[] = [],
  ): Promise<{ batch: PostedBatch; gas: bigint }> {
    const oldRoot = this.tree.root
    const chunkRoots: bigint[] = []
    for (const [i, { index, value }] of rows.entries()) {
      this.tree.set(index, this.tree.leaf(index) + value)
      if ((i + 1) % ROWS_PER_CHUNK === 0 || i === rows.length - 1) chunkRoots.push(this.tree.root)
    }
    const consumed = Number(
      await this.client.readContract({
        address: this.deployment.settlement,
        abi: settlementAbi,
        functionName: 'provenDepositsConsumed',
      }),
    )
    const header = {
      number: ++this.number,
      firstSeq: this.lastSeq + 1n,
      lastSeq: (this.lastSeq += 1000n),
      oldRoot,
      newRoot: this.tree.root,
      journalHead: `0x${'5a'.repeat(32)}` as Hex,
      fillsRoot: `0x${'a5'.repeat(32)}` as Hex,
      depositsConsumed: BigInt(consumed + depositCount),
    }
    const batch = {
      header,
      chunkRoots,
      rows,
      deposits: this.queue.slice(consumed, consumed + depositCount),
      withdrawals,
    }
    const gas = await this.settlement(this.deployment.constants.operator, 'commitBatch', [
      header,
      chunkRoots,
      pack(rows),
      packDeposits(batch.deposits),
      pack(withdrawals),
    ])
    return { batch, gas }
  }

  /** Proves every chunk; gives the gas of each. */
  async prove(batch: PostedBatch): Promise<bigint[]> {
    const z = challenge(this.deployment.chainId, this.deployment.settlement, batch)
    const gas: bigint[] = []
    for (const chunk of batch.chunkRoots.keys()) {
      const inputs = publicInputs(batch, z, chunk, ROWS_PER_CHUNK)
      const args = [batch.header.number, BigInt(chunk), inputs, trapdoorProof(smallTrapdoor, inputs)]
      gas.push(await this.settlement(this.deployment.constants.operator, 'proveChunk', args))
    }
    return gas
  }
}

export interface Figures {
  readonly gas: Record<string, number>
  readonly commits: { rows: number; commitGas: number; commitGasPerRow: number; proofGas: number }[]
  readonly fills: { nettingRatio: number; commitGasPerFill: number; commitAndProofGasPerFill: number }[]
}

/** @throws Error when the chain ends with another root than the tree kept here. */
export async function measureGas(): Promise<Figures> {
  const chain = await startAnvil()
  try {
    return await measure(chain.rpcUrl)
  } finally {
    await chain.stop()
  }
}

async function measure(rpcUrl: string): Promise<Figures> {
  const deployment = await deploy({
    rpcUrl,
    privateKey: KEY,
    exitDelaySeconds: EXIT_DELAY_SECONDS,
    maxUnproven: 64,
    verificationKey: trapdoorKey(smallTrapdoor),
    rowsPerChunk: ROWS_PER_CHUNK,
  })
  const bench = new Bench(rpcUrl, deployment)
  const owners = Array.from(
    { length: ACCOUNTS },
    (_, i): Address => `0x${(0x100000 + i).toString(16).padStart(40, '0')}`,
  )
  const gas: Record<string, number> = {}
  const token = deployment.assets[0]!.token
  for (const [i, owner] of owners.entries()) {
    await bench.anvil.setBalance({ address: owner, value: 10n ** 20n })
    await bench.anvil.impersonateAccount({ address: owner })
    await bench.call(owner, token, demoTokenAbi as Abi, 'mint', [owner, 10n ** 9n])
    await bench.call(owner, token, demoTokenAbi as Abi, 'approve', [deployment.vault, 10n ** 9n])
    const used = await bench.vault(owner, 'deposit', [0n, 1_000_000n])
    if (i === 1) gas['deposit, first of an owner'] = Number(used)
    bench.queue.push({ index: (i + 1) << 6, value: 1_000_000n, owner })
  }
  const { batch: deposits } = await bench.commit([...bench.queue], bench.queue.length)
  await bench.prove(deposits)

  const commits: Figures['commits'] = []
  for (const count of ROW_COUNTS) {
    // One row conserves only as a deposit; the others move units between neighbours.
    let rows = owners
      .slice(0, count)
      .map((_, i) => ({ index: (i + 1) << 6, value: (i % 2 === 0 ? 1n : -1n) * 1234n }))
    if (count === 1) {
      gas['deposit, later'] = Number(await bench.vault(owners[0]!, 'deposit', [0n, 1234n]))
      bench.queue.push({ index: 1 << 6, value: 1234n, owner: owners[0]! })
      rows = [{ index: 1 << 6, value: 1234n }]
    }
    const { batch, gas: used } = await bench.commit(rows, count === 1 ? 1 : 0)
    const proofs = await bench.prove(batch)
    const proofGas = proofs.reduce((sum, g) => sum + g, 0n)
    commits.push({
      rows: count,
      commitGas: Number(used),
      commitGasPerRow: Math.round(Number(used) / count),
      proofGas: Number(proofGas),
    })
    gas['proveChunk'] = Math.max(gas['proveChunk'] ?? 0, ...proofs.map(Number))
  }
  await measureWithdrawals(bench, owners, gas)
  await measureServed(bench, owners, gas)
  await measureExits(bench, owners, gas)
  const root = await bench.client.readContract({
    address: deployment.settlement,
    abi: settlementAbi,
    functionName: 'provenRoot',
  })
  if (root !== bench.tree.root) throw new Error('bench: the chain has another root than the tree kept here')

  const { rows, commitGas, proofGas } = commits.at(-1)!
  const fills = NETTING_RATIOS.map((nettingRatio) => ({
    nettingRatio,
    commitGasPerFill: Math.round((commitGas / rows / nettingRatio) * 10) / 10,
    commitAndProofGasPerFill: Math.round(((commitGas + proofGas) / rows / nettingRatio) * 10) / 10,
  }))
  return { gas, commits, fills }
}

/** The costliest finalisation: as many withdrawals as a batch may have, each serving a forced one. */
async function measureServed(
  bench: Bench,
  owners: readonly Address[],
  gas: Record<string, number>,
): Promise<void> {
  const { operator, requestFeeWei } = bench.deployment.constants
  const units = 10n
  for (const [i, owner] of owners.entries())
    await bench.settlement(owner, 'requestWithdrawal', [BigInt(i + 1), 0n, units], BigInt(requestFeeWei))
  await bench.anvil.increaseTime({ seconds: 10 })
  const out = owners.map((_, i) => ({ index: (i + 1) << 6, value: units }))
  const rows = out.map(({ index, value }) => ({ index, value: -value }))
  const { batch } = await bench.commit(rows, 0, out)
  await bench.prove(batch)
  const args = [batch.header.number, pack(out)]
  gas[`finalizeBatch, ${out.length} forced withdrawals`] = Number(
    await bench.settlement(operator, 'finalizeBatch', args),
  )
  const open = await bench.client.readContract({
    address: bench.deployment.settlement,
    abi: settlementAbi,
    functionName: 'openRequests',
  })
  if (open !== 0n) throw new Error(`bench: ${open} forced withdrawals were not served`)
}

/** A withdrawal, and a request that is answered by a zero. */
async function measureWithdrawals(
  bench: Bench,
  owners: readonly Address[],
  gas: Record<string, number>,
): Promise<void> {
  const { operator, requestFeeWei } = bench.deployment.constants
  const [first, second] = [1 << 6, 2 << 6]
  const out = { index: first, value: 5000n }
  const { batch } = await bench.commit([{ index: first, value: -5000n }], 0, [out])
  await bench.prove(batch)
  gas['finalizeBatch, 1 withdrawal'] = Number(
    await bench.settlement(operator, 'finalizeBatch', [batch.header.number, pack([out])]),
  )
  gas['claim'] = Number(await bench.vault(operator, 'claim', [1n, 0n]))
  gas['requestWithdrawal'] = Number(
    await bench.settlement(owners[1]!, 'requestWithdrawal', [2n, 1n, 1n], BigInt(requestFeeWei)),
  )
  await bench.anvil.increaseTime({ seconds: 10 })
  await bench.commit([])
  const path = bench.tree.path(second | 1)
  gas['answerRequest, depth 28'] = Number(
    await bench.settlement(operator, 'answerRequest', [2n, 1n, bench.number, 0n, path]),
  )
}

/** The way out of a frozen exchange. */
async function measureExits(
  bench: Bench,
  owners: readonly Address[],
  gas: Record<string, number>,
): Promise<void> {
  const { operator, requestFeeWei } = bench.deployment.constants
  const second = 2 << 6
  await bench.settlement(owners[1]!, 'requestWithdrawal', [2n, 0n, 1n], BigInt(requestFeeWei))
  await bench.vault(owners[2]!, 'deposit', [0n, 77n])
  await bench.anvil.increaseTime({ seconds: EXIT_DELAY_SECONDS + 10 })
  gas['freeze'] = Number(await bench.settlement(operator, 'freeze', [2n, 0n]))
  const units = bench.tree.leaf(second)
  gas['escape, depth 28'] = Number(
    await bench.vault(operator, 'escape', [2n, 0n, units, bench.tree.path(second)]),
  )
  const position = BigInt(bench.queue.length)
  gas['refundDeposit'] = Number(await bench.vault(operator, 'refundDeposit', [position, 3n, 0n, 77n]))
}
