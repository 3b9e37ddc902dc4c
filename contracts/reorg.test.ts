/**
 * Reorganisations of a real chain (anvil_reorg) between deposit, commit, proof and claim, with proofs that are
 * really checked: what a chain took back counts once when it comes again, and nothing that was true on the
 * other branch passes on this one.
 */
import {
  BaseError,
  type Address,
  type Hex,
  createPublicClient,
  createTestClient,
  createWalletClient,
  decodeErrorResult,
  encodeFunctionData,
  http,
} from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { demoTokenAbi, settlementAbi, vaultAbi } from './abi.js'
import { type Anvil, startAnvil } from './anvil/anvil.js'
import { type Deployment, deploy, receiptOf } from './deployment/deploy.js'
import {
  type DepositRecord,
  type PostedBatch,
  type PublicInputs,
  challenge,
  pack,
  packDeposits,
  publicInputs,
} from './model/batch.js'
import { smallTrapdoor, trapdoorKey, trapdoorProof } from '../test/support/groth16-trapdoor.js'
import { BalanceTree } from './model/poseidon.js'

/** Anvil's first accounts: the operator, and two owners. */
const OPERATOR_KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const operator = privateKeyToAccount(OPERATOR_KEY)
const alice = privateKeyToAccount('0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d')
const bob = privateKeyToAccount('0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a')
const ROWS_PER_CHUNK = 4
const UNITS = 1000n

describe('reorganisations', () => {
  let chain: Anvil
  let deployment: Deployment
  beforeEach(async () => {
    chain = await startAnvil()
    deployment = await deploy({
      rpcUrl: chain.rpcUrl,
      privateKey: OPERATOR_KEY,
      verificationKey: trapdoorKey(smallTrapdoor),
      rowsPerChunk: ROWS_PER_CHUNK,
    })
    for (const owner of [alice, bob])
      for (const [functionName, args] of [
        ['mint', [owner.address, UNITS]],
        ['approve', [deployment.vault, UNITS]],
      ] as const)
        await send(
          owner,
          deployment.assets[0]!.token,
          encodeFunctionData({ abi: demoTokenAbi, functionName, args } as never),
        )
  })
  afterEach(async () => {
    await chain.stop()
  })

  const client = () => createPublicClient({ transport: http(chain.rpcUrl), cacheTime: 0 })

  /** Sends and waits; gives the raw transaction, which can be put into another block. */
  async function send(from: PrivateKeyAccount, to: Address, data: Hex): Promise<Hex> {
    const wallet = createWalletClient({ account: from, transport: http(chain.rpcUrl) })
    const request = await wallet.prepareTransactionRequest({
      chain: null,
      to,
      data,
      gas: 3_000_000n,
    } as never)
    const raw = await wallet.signTransaction(request as never)
    const hash = await wallet.sendRawTransaction({ serializedTransaction: raw })
    expect((await receiptOf(client(), hash)).status).toBe('success')
    return raw
  }

  /** Drops the last `depth` blocks and makes as many others, with `raw[i]` in the i-th of them. */
  async function reorganise(depth: number, raw: readonly Hex[] = []): Promise<void> {
    const anvil = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
    await anvil.request({ method: 'anvil_reorg', params: [depth, raw.map((tx, i) => [tx, i])] } as never)
  }

  const deposit = (owner: PrivateKeyAccount): Promise<Hex> =>
    send(
      owner,
      deployment.vault,
      encodeFunctionData({ abi: vaultAbi, functionName: 'deposit', args: [0n, UNITS] }),
    )

  const settlementData = (functionName: string, args: readonly unknown[]): Hex =>
    encodeFunctionData({ abi: settlementAbi, functionName, args } as never)

  const commitData = ({ header, chunkRoots, rows, deposits, withdrawals }: PostedBatch): Hex =>
    settlementData('commitBatch', [header, chunkRoots, pack(rows), packDeposits(deposits), pack(withdrawals)])

  function proofOf(batch: PostedBatch): Hex {
    const z = challenge(deployment.chainId, deployment.settlement, batch)
    const inputs: PublicInputs = publicInputs(batch, z, 0, ROWS_PER_CHUNK)
    return settlementData('proveChunk', [
      batch.header.number,
      0n,
      inputs,
      trapdoorProof(smallTrapdoor, inputs),
    ])
  }

  /** Name of the error that a call would revert with. */
  async function refusal(data: Hex, to: Address = deployment.settlement): Promise<string> {
    try {
      await client().call({ account: operator.address, to, data })
      return 'none'
    } catch (error) {
      const cause =
        error instanceof BaseError
          ? (error.walk((e) => typeof (e as { data?: unknown }).data === 'string') as { data?: Hex } | null)
          : null
      if (cause?.data === undefined) throw error
      return decodeErrorResult({ abi: [...vaultAbi, ...settlementAbi], data: cause.data }).errorName
    }
  }

  const read = (functionName: 'batchCount' | 'provenCount' | 'provenRoot'): Promise<bigint> =>
    client().readContract({ address: deployment.settlement, abi: settlementAbi, functionName })

  /** A batch that consumes the deposits of these owners, accounts 1, 2, ..., and pays `out` units to account 1. */
  function batchOf(owners: readonly PrivateKeyAccount[], out = 0n, journal = '5a'): PostedBatch {
    const tree = new BalanceTree()
    const oldRoot = tree.root
    const deposits = owners.map(({ address }, i): DepositRecord => ({
      index: (i + 1) << 6,
      value: UNITS,
      owner: address,
    }))
    const rows = deposits.map(({ index, value }) => ({ index, value: index === 64 ? value - out : value }))
    for (const { index, value } of rows) tree.set(index, value)
    return {
      header: {
        number: 1n,
        firstSeq: 1n,
        lastSeq: 9n,
        oldRoot,
        newRoot: tree.root,
        journalHead: `0x${journal.repeat(32)}`,
        fillsRoot: `0x${'00'.repeat(32)}`,
        depositsConsumed: BigInt(owners.length),
      },
      chunkRoots: [tree.root],
      rows,
      deposits,
      withdrawals: out === 0n ? [] : [{ index: 64, value: out }],
    }
  }

  test('a commit that was dropped goes in again with the same bytes, and its proof still holds', async () => {
    await deposit(alice)
    const batch = batchOf([alice])
    await send(operator, deployment.settlement, commitData(batch))
    await reorganise(1)
    expect(await read('batchCount')).toBe(0n)
    expect(await refusal(proofOf(batch))).toBe('BatchNotCommitted')
    await send(operator, deployment.settlement, commitData(batch))
    await send(operator, deployment.settlement, proofOf(batch))
    expect(await read('provenRoot')).toBe(batch.header.newRoot)
    expect(await refusal(proofOf(batch))).toBe('BatchNotCommitted')
  })

  test('another batch in its place needs its own proof', async () => {
    await deposit(alice)
    const [old, other] = [batchOf([alice]), batchOf([alice], 0n, '5b')]
    await send(operator, deployment.settlement, commitData(old))
    await reorganise(1)
    await send(operator, deployment.settlement, commitData(other))
    expect(await refusal(proofOf(old))).toBe('WrongPublicInputs')
    expect(await read('provenCount')).toBe(0n)
    await send(operator, deployment.settlement, proofOf(other))
    expect(await read('provenCount')).toBe(1n)
  })

  test('equal first deposits that change places change owners: the old batch is refused', async () => {
    const deposits = [await deposit(alice), await deposit(bob)]
    const batch = batchOf([alice, bob])
    await send(operator, deployment.settlement, commitData(batch))
    const vault = { address: deployment.vault, abi: vaultAbi } as const
    expect(await client().readContract({ ...vault, functionName: 'ownerOf', args: [1n] })).toBe(alice.address)
    await reorganise(3, deposits.reverse())
    expect(await client().readContract({ ...vault, functionName: 'ownerOf', args: [1n] })).toBe(bob.address)
    expect(await client().readContract({ ...vault, functionName: 'depositCount' })).toBe(2n)
    expect(await refusal(commitData(batch))).toBe('DepositQueueMismatch')
    await send(operator, deployment.settlement, commitData(batchOf([bob, alice])))
  })

  test('a deposit that was dropped backs nothing', async () => {
    await deposit(alice)
    await reorganise(1)
    expect(await refusal(commitData(batchOf([alice])))).toBe('DepositsOverQueue')
  })

  test('a claim that was taken back is paid once', async () => {
    await deposit(alice)
    const batch = batchOf([alice], 400n)
    await send(operator, deployment.settlement, commitData(batch))
    await send(operator, deployment.settlement, proofOf(batch))
    const final = settlementData('finalizeBatch', [1n, pack(batch.withdrawals)])
    const raw = [await send(operator, deployment.settlement, final)]
    const claim = encodeFunctionData({ abi: vaultAbi, functionName: 'claim', args: [1n, 0n] })
    await send(bob, deployment.vault, claim)
    const balance = (): Promise<bigint> =>
      client().readContract({
        address: deployment.assets[0]!.token,
        abi: demoTokenAbi,
        functionName: 'balanceOf',
        args: [alice.address],
      })
    expect(await balance()).toBe(400n)
    await reorganise(2, raw)
    expect(await balance()).toBe(0n)
    expect(await refusal(final)).toBe('BatchAlreadyFinal')
    await send(bob, deployment.vault, claim)
    expect(await balance()).toBe(400n)
    expect(await refusal(claim, deployment.vault)).toBe('NothingToClaim')
  })
})
