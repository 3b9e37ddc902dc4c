/**
 * Random sequences of calls, right and wrong, on the TypeScript model and on the contracts on anvil: each
 * call must have the same outcome (the same error with the same values, or success), and the states must be
 * the same after it. At the end all state is rebuilt from the events alone, and must be the same again.
 * Seeded: a failure prints seed and step. GLASSBOOK_LONG=1 runs more and longer ones.
 */
import {
  type Abi,
  type Address,
  type Hex,
  createPublicClient,
  createTestClient,
  decodeErrorResult,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  http,
  numberToHex,
  parseEventLogs,
  zeroAddress,
} from 'viem'
import { demoTokenAbi, groth16ChunkVerifierAbi, settlementAbi, vaultAbi } from '../abi.js'
import { type Anvil, startAnvil } from '../anvil/anvil.js'
import { groth16ChunkVerifierCode } from '../bytecode.js'
import { type Deployment, deploy, receiptOf } from '../deployment/deploy.js'
import { toContractKey } from '../deployment/verification-key.js'
import type { PublicInputs } from './batch.js'
import { RebuiltExchange } from './from-events.js'
import { smallTrapdoor, trapdoorKey, trapdoorProof } from '../../test/support/groth16-trapdoor.js'
import { pack } from './batch.js'
import { Revert } from './governance.js'
import { type Call, RandomCalls } from './random-calls.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const ASSETS = [
  { symbol: 'USDX', decimals: 6, unitAtoms: 1n },
  { symbol: 'BTCX', decimals: 8, unitAtoms: 1000n },
  { symbol: 'ETH', decimals: 18, unitAtoms: 10n ** 9n, token: 'native' },
] as const
const EXIT_DELAY = 1000
const PROOF_DELAY = 300
const DAY = 24 * 3600
const VERIFIER_DELAY = 31 * DAY
const MINTED = 10n ** 12n
/** Rows a chunk of the verifier that governance puts in the place of the first one. */
const SECOND_ROWS = 3
const NO_PROOF = Array.from({ length: 8 }, () => 0n)
const long = process.env['GLASSBOOK_LONG'] === '1'
const errors = [...vaultAbi, ...settlementAbi].filter(({ type }) => type === 'error') as unknown as Abi

class Run {
  readonly outcomes = new Map<string, number>()

  constructor(
    readonly calls: RandomCalls,
    readonly client: ReturnType<typeof createPublicClient>,
    readonly anvil: ReturnType<typeof createTestClient>,
    readonly deployment: Deployment,
    readonly people: readonly Address[],
    public time: number,
  ) {}

  /** Makes one call on both sides and compares outcome and state. */
  async step(call: Call): Promise<void> {
    const { calls } = this
    this.time += 1 + (calls.chance(10) ? calls.random(200) : calls.random(3))
    calls.model.time = this.time
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
    calls.followTree()
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

  /** Everything that is one value, and what is kept of one account and asset. */
  private async compare(): Promise<void> {
    const { model } = this.calls
    const account = this.calls.random(model.owners.length)
    const asset = this.calls.random(ASSETS.length)
    const index = (account << 6) | asset
    const key = [BigInt(account), BigInt(asset)]
    const kept = model.batches.at(-1)!
    const request = model.requests.get(index)
    const expected: [contract: 'vault' | 'settlement', name: string, args: unknown[], value: unknown][] = [
      ['vault', 'accountCount', [], BigInt(model.owners.length)],
      ['vault', 'ownerOf', [BigInt(account)], model.owners[account]],
      ['vault', 'claimable', key, model.claims.get(index) ?? 0n],
      ['vault', 'escaped', key, model.escaped.has(index)],
      ['vault', 'custodyUnits', [BigInt(asset)], model.custody[asset]],
      ['vault', 'depositHash', [BigInt(model.queue.length)], model.depositHashes.at(-1)],
      ['settlement', 'lastRoot', [], kept.newRoot],
      ['settlement', 'provenRoot', [], model.provenRoot],
      ['settlement', 'batchCount', [], BigInt(model.batchCount)],
      ['settlement', 'provenCount', [], BigInt(model.provenCount)],
      ['settlement', 'finalCount', [], BigInt(model.finalCount)],
      ['settlement', 'frozen', [], model.frozen],
      ['settlement', 'openRequests', [], BigInt(model.requests.size)],
      ['settlement', 'currentRequestFee', [], model.currentRequestFee],
      ['settlement', 'refundOf', [model.owners[account]], model.refunds.get(model.owners[account]!) ?? 0n],
      ['settlement', 'governor', [], model.governor],
      ['settlement', 'proposedGovernor', [], model.proposedGovernor],
      ['settlement', 'governorLapsesAt', [], BigInt(model.governorLapsesAt)],
      ['settlement', 'guardian', [], model.guardian],
      ['settlement', 'commitsPaused', [], model.paused],
      ['settlement', 'verifier', [], model.verifier],
      ['settlement', 'rowsPerChunk', [], BigInt(model.rowsPerChunk)],
      ['settlement', 'proposedVerifier', [], model.proposedVerifier],
      [
        'settlement',
        'batchState',
        [BigInt(model.batchCount)],
        model.batchCount > model.provenCount ? 1 : kept.uncredited === 0 ? 3 : 2,
      ],
      [
        'settlement',
        'requestOf',
        key,
        {
          remaining: request?.remaining ?? 0n,
          requestedAt: request?.requestedAt ?? 0,
          batchesBefore: BigInt(request?.batchesBefore ?? 0),
          depositsBefore: request?.depositsBefore ?? 0n,
          granted: request?.granted ?? false,
          feeStep: request === undefined ? 0 : this.feeStep(request.fee),
        },
      ],
    ]
    const found = await Promise.all(
      expected.map(([contract, functionName, args]) =>
        this.client.readContract({
          address: this.deployment[contract],
          abi: (contract === 'vault' ? vaultAbi : settlementAbi) as Abi,
          functionName,
          args,
        }),
      ),
    )
    const named = (values: readonly unknown[]): Record<string, unknown> =>
      Object.fromEntries(expected.map(([, name], i) => [name, values[i]]))
    expect(named(found)).toEqual(named(expected.map(([, , , value]) => value)))
  }

  private feeStep(fee: bigint): number {
    return Math.log2(Number(fee / this.calls.model.config.requestFee))
  }

  /** Tokens of everybody, and the coins of both contracts; called at the end. */
  async comparePaid(spent: Map<string, bigint>): Promise<void> {
    const { model } = this.calls
    for (const { id, token } of this.deployment.assets) {
      if (token === zeroAddress) continue
      for (const owner of this.people) {
        const balance = await this.client.readContract({
          address: token,
          abi: demoTokenAbi,
          functionName: 'balanceOf',
          args: [owner],
        })
        const key = `${owner} ${id}`
        expect(balance).toBe(MINTED - (spent.get(key) ?? 0n) + (model.paid.get(key) ?? 0n))
      }
    }
    const native = ASSETS.findIndex((asset) => 'token' in asset)
    expect(await this.client.getBalance({ address: this.deployment.vault })).toBe(
      model.custody[native]! * ASSETS[native]!.unitAtoms,
    )
    const escrow = [...model.requests.values()].reduce((sum, { fee }) => sum + fee, 0n)
    const refunds = [...model.refunds.values()].reduce((sum, wei) => sum + wei, 0n)
    expect(await this.client.getBalance({ address: this.deployment.settlement })).toBe(escrow + refunds)
  }

  /** All state from the events of both contracts, against the model. */
  async compareEvents(): Promise<void> {
    const { model } = this.calls
    const rebuilt = new RebuiltExchange()
    const times = new Map<bigint, number>()
    const logs = await this.client.getLogs({
      address: [this.deployment.vault, this.deployment.settlement],
      fromBlock: BigInt(this.deployment.deployedAtBlock),
    })
    for (const log of parseEventLogs({ abi: [...vaultAbi, ...settlementAbi], logs })) {
      const number = log.blockNumber
      if (!times.has(number))
        times.set(number, Number((await this.client.getBlock({ blockNumber: number })).timestamp))
      rebuilt.apply({ name: log.eventName, args: log.args, time: times.get(number)! })
    }
    expect(rebuilt.assets).toEqual(
      this.deployment.assets.map(({ token, unitAtoms }) => ({ token, unitAtoms: BigInt(unitAtoms) })),
    )
    for (const field of [
      'owners',
      'queue',
      'claims',
      'custody',
      'escaped',
      'refunded',
      'provenCount',
      'frozen',
      'requests',
      'refunds',
      'operators',
      'governor',
      'proposedGovernor',
      'guardian',
      'paused',
      'verifier',
      'rowsPerChunk',
      'proposedVerifier',
    ] as const)
      expect([field, rebuilt[field]]).toEqual([field, model[field]])
    expect(rebuilt.depositHash).toBe(model.depositHashes.at(-1))
    expect(rebuilt.batches.slice(1)).toEqual(
      model.batches.slice(1).map(({ chunks: _, uncredited, withdrawals, ...batch }, i) => ({
        ...batch,
        withdrawals: pack(withdrawals),
        isFinal: uncredited === 0 && i < model.provenCount,
      })),
    )
    const proven = model.batches.flatMap(({ chunks }, n) =>
      n > model.provenCount ? chunks.flatMap((chunk, k) => (chunk === null ? [`${n}/${k}`] : [])) : [],
    )
    expect([...rebuilt.provenChunks].sort()).toEqual(proven.sort())
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

  async function start(seed: number): Promise<Run> {
    const transport = http(chain.rpcUrl)
    const client = createPublicClient({ transport, pollingInterval: 1, cacheTime: 0 })
    const anvil = createTestClient({ mode: 'anvil', transport })
    const accounts = (await client.request({ method: 'eth_accounts' } as never)) as Address[]
    const people = accounts.slice(0, 6).map((owner) => getAddress(owner))
    const send = async (from: Address, data: Hex, to?: Address): Promise<Address | null | undefined> => {
      const hash = (await anvil.request({
        method: 'eth_sendTransaction',
        params: [to === undefined ? { from, data } : { from, to, data }],
      } as never)) as Hex
      return (await receiptOf(client, hash)).contractAddress
    }
    const deployment = await deploy({
      rpcUrl: chain.rpcUrl,
      privateKey: KEY,
      assets: ASSETS,
      exitDelaySeconds: EXIT_DELAY,
      proofDelaySeconds: PROOF_DELAY,
      verifierDelaySeconds: VERIFIER_DELAY,
      maxUnproven: 3,
    })
    const verifierOf = async (rows: number): Promise<Address> => {
      const data = encodeDeployData({
        abi: groth16ChunkVerifierAbi,
        bytecode: groth16ChunkVerifierCode.creation,
        args: [BigInt(rows), toContractKey(trapdoorKey(smallTrapdoor))],
      })
      return getAddress((await send(people[0]!, data))!)
    }
    const [second, tooWide] = [await verifierOf(SECOND_ROWS), await verifierOf(4097)]
    for (const owner of people)
      for (const { token } of deployment.assets) {
        if (token === zeroAddress) continue
        const mint = { abi: demoTokenAbi, functionName: 'mint', args: [owner, MINTED] } as const
        const approve = {
          abi: demoTokenAbi,
          functionName: 'approve',
          args: [deployment.vault, MINTED],
        } as const
        await send(owner, encodeFunctionData(mint), token)
        await send(owner, encodeFunctionData(approve), token)
      }
    const { constants } = deployment
    const prove = (verifier: Address, inputs: PublicInputs): readonly bigint[] =>
      verifier === second ? trapdoorProof(smallTrapdoor, inputs) : NO_PROOF
    const calls = new RandomCalls(seed, {
      chainId: deployment.chainId,
      settlement: deployment.settlement,
      feeOwner: deployment.feeOwner,
      governor: constants.governor,
      guardian: constants.guardian,
      operator: constants.operator,
      verifier: deployment.verifier,
      rowsOf: (verifier) =>
        verifier === second ? SECOND_ROWS : verifier === tooWide ? 4097 : constants.rowsPerChunk,
      verifies: (verifier, inputs, proof) => proof.join() === prove(verifier, inputs).join(),
      verifierDelay: constants.verifierDelaySeconds,
      assets: ASSETS.map((asset) => ({ unitAtoms: asset.unitAtoms, isNative: 'token' in asset })),
      exitDelay: constants.exitDelaySeconds,
      proofDelay: constants.proofDelaySeconds,
      maxUnproven: constants.maxUnproven,
      requestFee: BigInt(constants.requestFeeWei),
      people,
      verifiers: [second, second, second, tooWide, zeroAddress],
      prove,
    })
    const time = Number((await client.getBlock()).timestamp) + 10
    return new Run(calls, client, anvil, deployment, people, time)
  }

  test.each(seeds)('seed %i: same outcomes, same states', async (seed) => {
    const run = await start(seed)
    const { calls } = run
    const { model } = calls
    const spent = new Map<string, bigint>()
    const deposit = (): Call => {
      const call = calls.deposit()
      const [asset, amount] = call.args as [bigint, bigint]
      const onModel = (): void => {
        call.onModel()
        const key = `${call.from} ${asset}`
        spent.set(key, (spent.get(key) ?? 0n) + amount)
      }
      return { ...call, onModel }
    }
    const life: (() => Call)[] = [
      deposit,
      deposit,
      () => calls.claim(),
      () => (model.paused && calls.chance(80) ? calls.pause() : calls.commit()),
      () => calls.commit(),
      () => calls.commit(),
      () => calls.prove(),
      () => calls.prove(),
      () => calls.prove(),
      () => calls.prove(),
      () => calls.finalize(),
      () => calls.request(),
      () => calls.answer(),
      () => calls.withdrawRefund(),
      () => (calls.chance(30) ? calls.strike() : calls.prove()),
      () => (calls.chance(10) || model.paused ? calls.pause() : calls.commit()),
      () => (calls.chance(15) ? calls.onRequest('reclaimFee') : calls.finalize()),
      () => (calls.chance(15) ? calls.escape() : calls.refundDeposit()),
      () => calls.govern(),
    ]
    const end: (() => Call)[] = [
      ...life,
      () => calls.onRequest('freeze'),
      () => calls.escape(),
      () => calls.escape(),
      () => calls.escape(),
      () => calls.refundDeposit(),
      () => calls.refundDeposit(),
      () => calls.onRequest('reclaimFee'),
      () => calls.claim(),
    ]
    for (let i = 0; i < steps; i++) {
      // Half-way the verifier's delay passes; in the last quarter requests run out of time, so that the
      // frozen exchange is compared, too.
      if (i === Math.floor(steps / 2)) {
        while (model.proposedVerifier === zeroAddress) await run.step(calls.proposeVerifier())
        run.time += VERIFIER_DELAY
        await run.step(calls.activateVerifier())
        expect(model.verifier).not.toBe(run.deployment.verifier)
      }
      if (i === Math.floor(steps * 0.75)) run.time += EXIT_DELAY
      await run.step(calls.pick(i < steps * 0.75 ? life : end)())
    }
    await run.comparePaid(spent)
    await run.compareEvents()
    expect(model.frozen).toBe(true)
    const outcomes = [...run.outcomes].sort().map(([key, n]) => `${key}: ${n}`)
    console.log(
      `seed ${seed}: ${steps} calls, ${outcomes.length} different outcomes\n  ${outcomes.join('\n  ')}`,
    )
  })
})
