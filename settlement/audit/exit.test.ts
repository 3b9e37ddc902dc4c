/**
 * Leaving an exchange whose operator is silent or gone: deposits that were ignored, assets that are stuck, chains
 * without new blocks, nodes that refuse or fail, a change of verifier, and checkpoints that anybody made.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BlockNotFoundError, RpcRequestError, createTestClient, http, type PublicClient } from 'viem'
import { glassbook } from '../../app/command-line.js'
import { demoTokenAbi, settlementAbi } from '../../contracts/abi.js'
import { unprovenVerifierCode } from '../../contracts/bytecode.js'
import { checkDeployment } from '../../contracts/deployment/check.js'
import { Side } from '../../engine/codes.js'
import { SettlementFixture, keyOf, owner, until } from '../../test/support/settlement-fixture.js'
import { told } from '../../test/support/told.js'
import { audit } from './audit.js'
import { sealBatch } from '../follow/batch.js'
import { chainClient, chainErrorText } from '../chain/chain.js'
import { CheckpointError, checkCheckpoint, readCheckpoint } from './checkpoint.js'
import { bytesToHex, commitArguments, publicInputs } from '../batch/commit.js'
import { planExit } from './exit.js'
import { Follower } from '../follow/follow.js'
import { discoverDeployment, readBatches } from '../chain/history.js'
import { replayAgainstChain } from './replay.js'
import { Settler } from '../settler.js'
import { StateTree } from '../tree/tree.js'
import { RequestReader } from '../posting/withdrawal-requests.js'
import { placeRecord, testGenesis, withdrawRecord } from '../../test/support/journal-fixture.js'

const EXIT_DELAY_SECONDS = 3600
const REVERTS = '0x60006000fd'
/** How a token may end every call. */
const STUCK = [
  ['reverts', REVERTS],
  ['ends by INVALID', '0xfe'],
  ['loops until the gas is gone', '0x5b600056'],
] as const

const running: { stop(): Promise<void> }[] = []
afterEach(async () => {
  delete process.env.GLASSBOOK_OWNER_KEY
  for (const part of running.splice(0).reverse()) await part.stop()
})

async function start(): Promise<SettlementFixture> {
  const fixture = await SettlementFixture.start({ exitDelaySeconds: EXIT_DELAY_SECONDS })
  running.push(fixture)
  return fixture
}

async function startSettler(fixture: SettlementFixture): Promise<Settler> {
  const settler = new Settler({
    dataDir: fixture.dataDir,
    durableSeq: () => fixture.journal.seq,
    client: chainClient([fixture.anvil.rpcUrl]),
    deployment: fixture.deployment,
    account: owner(0),
    policy: { seconds: 3600, fills: 1000, rows: 1000 },
    pollMs: 20,
  })
  running.push(settler)
  await settler.start()
  return settler
}

/** Two accounts that hold both assets after one proven batch of trades. */
async function traded(fixture: SettlementFixture): Promise<Settler> {
  await fixture.deposit(1, 0, 1_000_000)
  await fixture.deposit(2, 1, 1_000)
  await fixture.credit()
  const settler = await startSettler(fixture)
  await trade(fixture, settler, 1)
  return settler
}

async function trade(fixture: SettlementFixture, settler: Settler, cloid: number): Promise<void> {
  fixture.journal.append(placeRecord(2, Side.Sell, 100, 10, cloid), placeRecord(1, Side.Buy, 100, 10, cloid))
  await settler.flush()
  await until('a proven batch', () => settler.status().provenBatch === settler.status().lastBatch)
}

const exitArgs = ({ anvil, deployment }: SettlementFixture, who: number): string[] => [
  '--owner',
  owner(who).address,
  '--rpc',
  anvil.rpcUrl,
  '--settlement',
  deployment.settlement,
]
const held = (fixture: SettlementFixture, who: number, asset: number): Promise<bigint> =>
  fixture.client.readContract({
    address: fixture.deployment.assets[asset]!.token,
    abi: demoTokenAbi,
    functionName: 'balanceOf',
    args: [owner(who).address],
  }) as Promise<bigint>

test('a deposit that a silent operator ignores is asked for, and taken back after the freeze', async () => {
  const fixture = await start()
  await fixture.deposit(1, 0, 1_000_000)
  process.env.GLASSBOOK_OWNER_KEY = keyOf(1)
  const args = [...exitArgs(fixture, 1), '--send']
  const first = await told(() => glassbook(['exit', ...args]))
  expect(first.code).toBe(3)
  expect(first.out).toContain('1 USDX deposited, in no proven batch yet')
  expect(first.out).toContain('done: request 1 USDX')
  expect(first.out).toMatch(
    /wait: 1 USDX asked for; .* may freeze the exchange after .* \(the chain's time is /,
  )
  // Thirty days without a block: the chain's newest block is old, the next one is not.
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  await chain.increaseTime({ seconds: 30 * 86_400 })
  const last = await told(() => glassbook(['exit', ...args]))
  expect(last.code).toBe(0)
  expect(last.out).toContain('done: freeze: 1 USDX were not paid in time')
  expect(last.out).toContain('done: take back deposit 0: 1 USDX')
  expect(await held(fixture, 1, 0)).toBe(1_000_000n)
})

test('whoever asked, a request whose time is over is enough to leave', async () => {
  const fixture = await start()
  const client = chainClient([fixture.anvil.rpcUrl])
  const { deployment } = fixture
  const plan = (from: PublicClient, who: number) => planExit(from, deployment, owner(who).address)
  const steps = async (from: PublicClient, who: number): Promise<unknown> =>
    (await plan(from, who)).steps.map(({ what }) => what)
  await fixture.deposit(1, 0, 1_000_000)
  await fixture.deposit(3, 0, 4242)
  process.env.GLASSBOOK_OWNER_KEY = keyOf(1)
  expect((await told(() => glassbook(['exit', ...exitArgs(fixture, 1), '--send']))).code).toBe(3)
  // Not yet: owner 3 asks for himself.
  expect(await steps(client, 3)).toEqual(['request 0.004242 USDX'])
  await fixture.passTime(EXIT_DELAY_SECONDS / 2)
  process.env.GLASSBOOK_OWNER_KEY = keyOf(3)
  const asked = await told(() => glassbook(['exit', ...exitArgs(fixture, 3), '--send']))
  expect([asked.code, asked.out]).toEqual([3, expect.stringContaining('done: request 0.004242 USDX')])
  // His own has half of its time left, that of account 1 none; another deposit was never asked for.
  await fixture.passTime(EXIT_DELAY_SECONDS / 2 + 10)
  await fixture.deposit(3, 1, 7)
  expect(await steps(client, 3)).toEqual(['freeze: 1 USDX of account 1 were not paid in time'])
  // The events of requests are left out, or are not kept: it is told, and he goes on as if there were none.
  const refused = new RpcRequestError({
    body: {},
    url: 'a plain node',
    error: { code: -32602, message: 'only recent blocks' },
  })
  for (const requests of [() => [], () => Promise.reject(refused)]) {
    const blind = {
      ...client,
      getLogs: (request: { event?: { name: string } }) =>
        request.event?.name === 'WithdrawalRequested' ? requests() : client.getLogs(request as never),
    } as never
    const { steps: left, waiting, unseenRequests } = await plan(blind, 3)
    expect(left.map(({ what }) => what)).toEqual(['request 0.00000007 BTCX'])
    expect(waiting).toHaveLength(1)
    expect(unseenRequests).toBeGreaterThan(0)
  }
  const last = await told(() => glassbook(['exit', ...exitArgs(fixture, 3), '--send']))
  expect([last.code, last.out]).toEqual([0, expect.stringContaining('done: take back deposit 1')])
  expect(last.out).toContain('done: freeze: 1 USDX of account 1 were not paid in time')
  expect(await held(fixture, 3, 0)).toBe(4242n)
  expect(await held(fixture, 3, 1)).toBe(7n)
})

test.each(STUCK)(
  'a token that %s holds up no other asset, and the exit code says that something is left',
  async (_what, stuckCode) => {
    const fixture = await start()
    const settler = await traded(fixture)
    await settler.stop()
    process.env.GLASSBOOK_OWNER_KEY = keyOf(1)
    const args = [...exitArgs(fixture, 1), '--send']
    expect((await told(() => glassbook(['exit', ...args]))).code).toBe(3)
    await fixture.passTime(EXIT_DELAY_SECONDS + 10)
    const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
    const { token } = fixture.deployment.assets[0]!
    const code = await fixture.client.getCode({ address: token })
    // Asset 0 comes before asset 1 in every list.
    await chain.setCode({ address: token, bytecode: stuckCode })
    // No token is asked: some nodes do not even say how it ended.
    const client = chainClient([fixture.anvil.rpcUrl])
    const silent = {
      ...client,
      readContract: (request: { address: string; functionName: string }) =>
        request.address.toLowerCase() === token.toLowerCase()
          ? Promise.reject(new Error(`asked the token for ${request.functionName}`))
          : client.readContract(request as never),
    } as never
    const plan = await planExit(silent, fixture.deployment, owner(1).address)
    expect(plan.steps.map(({ what }) => what.split(':')[0])).toEqual(['freeze'])
    const stuck = await told(() => glassbook(['exit', ...args]))
    expect(stuck.code).toBe(4)
    expect(stuck.out).toMatch(/refused: escape with .*: .*; going on with the rest/)
    expect(stuck.out).toMatch(/^what is left:\n(.*\n)* {2}refused: escape with /m)
    expect(await held(fixture, 1, 1)).toBe(100n)
    // Run again, it says the same and sends nothing; when the token works again, the rest leaves.
    expect((await told(() => glassbook(['exit', ...args]))).code).toBe(4)
    await chain.setCode({ address: token, bytecode: code! })
    expect((await told(() => glassbook(['exit', ...args]))).code).toBe(0)
    expect(await held(fixture, 1, 0)).toBeGreaterThan(0n)
  },
)

test('plain nodes: no old transaction is asked for, and refused log ranges are halved', async () => {
  const fixture = await start()
  await (await traded(fixture)).stop()
  await fixture.client.request({ method: 'anvil_mine' as never, params: ['0x40'] as never })
  const { client, asked } = plainNode(chainClient([fixture.anvil.rpcUrl]), 10n)
  const { report } = await audit(client, fixture.deployment)
  expect(report).toMatchObject({ batches: 1, findings: [] })
  const plan = await planExit(client, fixture.deployment, owner(1).address)
  expect(plan.steps).toHaveLength(2)
  expect(
    await replayAgainstChain({ dataDir: fixture.dataDir, client, deployment: fixture.deployment }),
  ).toMatchObject({
    batches: 1,
    difference: undefined,
  })
  expect(asked.refused).toBeGreaterThan(0)
  expect(asked.transactions).toBe(0)
})

/** A node that has dropped old transactions and answers no more than `blocksMax` blocks of logs. */
function plainNode(
  client: PublicClient,
  blocksMax: bigint,
): { client: PublicClient; asked: { transactions: number; refused: number } } {
  const asked = { transactions: 0, refused: 0 }
  const getLogs = async (request: { fromBlock: bigint; toBlock: bigint }): Promise<unknown> => {
    if (request.toBlock - request.fromBlock >= blocksMax) {
      asked.refused++
      throw new RpcRequestError({
        body: {},
        url: 'a plain node',
        error: { code: -32602, message: `at most ${blocksMax} blocks` },
      })
    }
    return client.getLogs(request as never)
  }
  const getTransaction = (): Promise<never> => {
    asked.transactions++
    return Promise.reject(new Error('old transactions are not kept'))
  }
  return { client: { ...client, getLogs, getTransaction } as never, asked }
}

test('network trouble is called that, and never an owner without an account', async () => {
  const fixture = await start()
  await fixture.deposit(1, 0, 5)
  const gone = chainClient(['http://127.0.0.1:9'])
  const error: unknown = await planExit(gone, fixture.deployment, owner(1).address).catch(
    (each: unknown) => each,
  )
  expect(chainErrorText(error)).toMatch(
    /^network: the RPC endpoint http:\/\/127\.0\.0\.1:9\/? cannot be reached/,
  )
  const stranger: unknown = await planExit(
    chainClient([fixture.anvil.rpcUrl]),
    fixture.deployment,
    owner(7).address,
  ).catch((each: unknown) => each)
  expect(chainErrorText(stranger)).toMatch(/has no account in the vault/)
})

test('a checkpoint from anybody: checked against the chain, and nothing older is read', async () => {
  const fixture = await start()
  const settler = await traded(fixture)
  await fixture.deposit(1, 0, 77)
  await fixture.client.request({ method: 'anvil_mine' as never, params: ['0x20'] as never })
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-checkpoint-'))
  running.push({ stop: () => Promise.resolve(rmSync(folder, { recursive: true })) })
  const file = join(folder, 'state')
  const chainArgs = ['--rpc', fixture.anvil.rpcUrl, '--settlement', fixture.deployment.settlement]
  expect((await told(() => glassbook(['audit', ...chainArgs, '--checkpoint', file]))).code).toBe(0)
  const text = readFileSync(file, 'utf8')
  expect(text.split('\n')[0]).toContain('"batch":1')

  // Two more batches; the exit begins behind the checkpoint, also where older logs are gone.
  await trade(fixture, settler, 2)
  await trade(fixture, settler, 3)
  await settler.stop()
  const client = chainClient([fixture.anvil.rpcUrl])
  const checkpoint = () => readCheckpoint(file, fixture.deployment)
  const oldest = BigInt(checkpoint().head.block)
  const pruned = {
    ...client,
    getLogs: (request: { fromBlock: bigint; toBlock: bigint }) => {
      if (request.fromBlock < oldest) throw new Error('logs are gone')
      return client.getLogs(request as never)
    },
  } as never
  const whole = await planExit(client, fixture.deployment, owner(1).address)
  const short = await planExit(pruned, fixture.deployment, owner(1).address, { checkpoint })
  expect(short.steps).toEqual(whole.steps)
  expect(short).toMatchObject({ provenBatch: 3, deposited: [{ asset: 0, units: 77 }] })
  await expect(planExit(pruned, fixture.deployment, owner(1).address)).rejects.toThrow('logs are gone')
  const from = await told(() => glassbook(['audit', ...chainArgs, '--from', file]))
  expect(from.code).toBe(0)
  expect(from.out).toContain('rebuilt from the checkpoint of batch 1')
  expect((await told(() => glassbook(['exit', ...exitArgs(fixture, 1), '--checkpoint', file]))).code).toBe(3)

  // Whatever is changed in it is found: by the file's own root, or by the chain.
  const changes: [string, (lines: string[]) => void][] = [
    ['a balance', (lines) => (lines[1] = lines[1]!.replace(/,\d+$/, ',999'))],
    ['a balance left out', (lines) => lines.splice(1, 1)],
    ['two balances in another order', (lines) => lines.splice(1, 2, lines[2]!, lines[1]!)],
    ['a balance of nothing', (lines) => (lines[1] = lines[1]!.replace(/,\d+$/, ',0'))],
    ['words for a balance', (lines) => (lines[1] = 'much,more')],
    ['cut in the middle', (lines) => lines.splice(2)],
    ['another exchange', (lines) => (lines[0] = lines[0]!.replace(/"0x[0-9a-fA-F]{2}/, '"0xEE'))],
    ['another chain', (lines) => (lines[0] = lines[0]!.replace('"chainId":31337', '"chainId":1'))],
    ['no JSON', (lines) => (lines[0] = 'state')],
    ['a later batch', (lines) => (lines[0] = lines[0]!.replace('"batch":1', '"batch":2'))],
    ['a batch to come', (lines) => (lines[0] = lines[0]!.replace('"batch":1', '"batch":9'))],
    ['another seq', (lines) => (lines[0] = lines[0]!.replace(/"lastSeq":"\d+"/, '"lastSeq":"1"'))],
    [
      'fewer deposits',
      (lines) => (lines[0] = lines[0]!.replace('"depositsConsumed":2', '"depositsConsumed":1')),
    ],
  ]
  for (const [what, change] of changes) {
    const lines = text.split('\n')
    change(lines)
    writeFileSync(file, lines.join('\n'))
    const attempt = async (): Promise<void> =>
      checkCheckpoint(client, fixture.deployment, readCheckpoint(file, fixture.deployment))
    const error: unknown = await attempt().then(
      () => `${what} was taken`,
      (each: unknown) => each,
    )
    if (!(error instanceof CheckpointError)) throw new Error(`${what}: ${String(error)}`)
  }
})

test('a deposit that waits at the checkpoint stands in it, and cannot be changed there', async () => {
  const fixture = await start()
  await fixture.deposit(1, 0, 1_000)
  await fixture.credit()
  // Deposited before the commit, and not credited: the batch does not consume it.
  await fixture.deposit(2, 0, 55)
  const settler = await startSettler(fixture)
  await settler.flush()
  await until('a proven batch', () => settler.status().provenBatch === 1)
  await settler.stop()
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-checkpoint-'))
  running.push({ stop: () => Promise.resolve(rmSync(folder, { recursive: true })) })
  const file = join(folder, 'state')
  const chainArgs = ['--rpc', fixture.anvil.rpcUrl, '--settlement', fixture.deployment.settlement]
  expect((await told(() => glassbook(['audit', ...chainArgs, '--checkpoint', file]))).code).toBe(0)
  const { head } = readCheckpoint(file, fixture.deployment)
  expect(head.waiting).toMatchObject([{ position: 1, account: 2, units: 55 }])
  const client = chainClient([fixture.anvil.rpcUrl])
  const checkpoint = () => readCheckpoint(file, fixture.deployment)
  const plan = await planExit(client, fixture.deployment, owner(2).address, { checkpoint })
  expect(plan.steps.map(({ what }) => what)).toEqual(['request 0.000055 USDX'])
  writeFileSync(file, readFileSync(file, 'utf8').replace('"units":55', '"units":56'))
  await expect(planExit(client, fixture.deployment, owner(2).address, { checkpoint })).rejects.toThrow(
    /deposits 1 to 1 of the checkpoint are not the vault's/,
  )
})

test('a regular change of verifier: the settler goes on, and audit, exit and replay read each batch with its own', async () => {
  const fixture = await start()
  const { settlement } = fixture.deployment
  const settler = await traded(fixture)
  // One row a chunk instead of 16, as a contract of its own.
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  const verifier = '0x00000000000000000000000000000000000000e1'
  const bytecode = unprovenVerifierCode.runtime.replace('602060405160108152f3', '602060405160018152f3')
  expect(bytecode).not.toBe(unprovenVerifierCode.runtime)
  await chain.setCode({ address: verifier, bytecode: bytecode as `0x${string}` })
  const govern = (functionName: string, args: readonly unknown[] = []) =>
    fixture.write(0, { address: settlement, abi: settlementAbi, functionName, args })
  await govern('proposeVerifier', [verifier])
  const delay = (await fixture.readSettlement('verifierDelay')) as bigint
  await fixture.passTime(Number(delay) + 1)
  await govern('activateVerifier')
  await trade(fixture, settler, 2)
  await trade(fixture, settler, 3)
  expect(settler.status()).toMatchObject({ provenBatch: 3, state: 'following' })
  expect(settler.store.read(1).rowsPerChunk).toBe(16)
  expect(settler.store.read(3).rowsPerChunk).toBe(1)
  expect(settler.store.read(3).data.chunkRoots.length).toBeGreaterThan(1)

  const client = chainClient([fixture.anvil.rpcUrl])
  const posted = await readBatches(client, fixture.deployment)
  expect(posted.map(({ rowsPerChunk }) => rowsPerChunk)).toEqual([16, 1, 1])
  for (const calldata of [false, true]) {
    const { report } = await audit(client, fixture.deployment, { calldata })
    expect(report).toMatchObject({ batches: 3, findings: [] })
    const replay = await replayAgainstChain({
      dataDir: fixture.dataDir,
      client,
      deployment: fixture.deployment,
      calldata,
    })
    expect(replay).toMatchObject({ batches: 3, difference: undefined })
  }
  expect((await planExit(client, fixture.deployment, owner(1).address)).steps).toHaveLength(2)
  // A start on an empty store takes over what the chain has, each batch with its own chunks.
  await settler.stop()
  rmSync(join(fixture.dataDir, 'settlement'), { recursive: true })
  const again = await startSettler(fixture)
  expect(again.store.read(1).rowsPerChunk).toBe(16)
  expect(again.store.read(2).rowsPerChunk).toBe(1)
  await trade(fixture, again, 4)
})

test('a batch that was sealed before the change is cut again before its commit', async () => {
  const fixture = await start()
  await fixture.deposit(1, 0, 1_000_000)
  await fixture.deposit(2, 1, 1_000)
  await fixture.credit()
  const { settlement } = fixture.deployment
  const pause = (paused: boolean) =>
    fixture.write(0, {
      address: settlement,
      abi: settlementAbi,
      functionName: 'pauseCommits',
      args: [paused],
    })
  const govern = (functionName: string, args: readonly unknown[] = []) =>
    fixture.write(0, { address: settlement, abi: settlementAbi, functionName, args })
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  const verifier = '0x00000000000000000000000000000000000000e1'
  const bytecode = unprovenVerifierCode.runtime.replace('602060405160108152f3', '602060405160018152f3')
  await chain.setCode({ address: verifier, bytecode: bytecode as `0x${string}` })
  await govern('proposeVerifier', [verifier])
  await pause(true)
  const settler = await startSettler(fixture)
  fixture.journal.append(placeRecord(2, Side.Sell, 100, 10, 1), placeRecord(1, Side.Buy, 100, 10, 1))
  const flushed = settler.flush()
  await until('a sealed batch', () => settler.status().sealedBatch === 1)
  expect(settler.store.read(1)).toMatchObject({ rowsPerChunk: 16 })
  await fixture.passTime(Number((await fixture.readSettlement('verifierDelay')) as bigint) + 1)
  await govern('activateVerifier')
  await pause(false)
  await flushed
  await until('a proven batch', () => settler.status().provenBatch === 1)
  expect(settler.store.read(1).rowsPerChunk).toBe(1)
  const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment, { calldata: true })
  expect(report).toMatchObject({ batches: 1, findings: [] })
})

test('a deposit that the engine has no room for goes back as a claim, and those behind it go on', async () => {
  // Room for the fee account and one other.
  const fixture = await SettlementFixture.start({}, { ...testGenesis, capacities: { accountsMax: 2 } })
  running.push(fixture)
  await fixture.deposit(1, 0, 1_000)
  await fixture.deposit(2, 0, 77)
  await fixture.deposit(1, 0, 500)
  await fixture.credit()
  const settler = await startSettler(fixture)
  await settler.flush()
  const claimable = (account: bigint) => fixture.readVault('claimable', account, 0n)
  await until('the claim', async () => (await claimable(2n)) === 77n)
  expect(settler.proof(1, 0)!.balance).toBe(1_500)
  expect(settler.proof(2, 0)!.balance).toBe(0)
  const { report } = await audit(chainClient([fixture.anvil.rpcUrl]), fixture.deployment, { calldata: true })
  expect(report).toMatchObject({ batches: 1, deposits: 3, findings: [] })
  expect(report.totals[0]).toBe(1_500n)
  process.env.GLASSBOOK_OWNER_KEY = keyOf(2)
  expect((await told(() => glassbook(['exit', ...exitArgs(fixture, 2), '--send']))).code).toBe(0)
  expect(await held(fixture, 2, 0)).toBe(77n)
})

test('a batch that is proven and not final stands in no checkpoint: its withdrawals are looked for', async () => {
  const fixture = await start()
  await fixture.deposit(1, 0, 1_000)
  await fixture.credit()
  const settler = await startSettler(fixture)
  await settler.flush()
  await until('a proven batch', () => settler.status().provenBatch === 1)
  await settler.stop()
  const client = chainClient([fixture.anvil.rpcUrl])
  // The operator proves a withdrawal of everything, and dies before it is made a claim.
  const rows = fixture.deployment.constants.rowsPerChunk
  const [posted] = await readBatches(client, fixture.deployment)
  const follower = new Follower({ dataDir: fixture.dataDir })
  const tree = new StateTree()
  follower.advance(() => false, Infinity, Number(posted!.header.lastSeq))
  sealBatch(1, follower.close(), tree, rows)
  fixture.journal.append(withdrawRecord(1, 0, 1_000))
  follower.advance(() => false)
  const { header, data } = sealBatch(2, follower.close(), tree, rows)
  follower.stop()
  const call = (functionName: string, args: readonly unknown[]) =>
    fixture.write(0, { address: fixture.deployment.settlement, abi: settlementAbi, functionName, args })
  await call('commitBatch', commitArguments(header, data))
  const domain = { chainId: fixture.deployment.chainId, settlement: fixture.deployment.settlement }
  await call('proveChunk', [2n, 0n, publicInputs(domain, header, data, 0, rows), Array(8).fill(0n)])
  expect(await fixture.readSettlement('provenCount')).toBe(2n)
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-checkpoint-'))
  running.push({ stop: () => Promise.resolve(rmSync(folder, { recursive: true })) })
  const file = join(folder, 'state')
  const chainArgs = ['--rpc', fixture.anvil.rpcUrl, '--settlement', fixture.deployment.settlement]
  expect((await told(() => glassbook(['audit', ...chainArgs, '--checkpoint', file]))).code).toBe(0)
  expect(readCheckpoint(file, fixture.deployment).head.batch).toBe(1)
  const checkpoint = () => readCheckpoint(file, fixture.deployment)
  const plan = await planExit(client, fixture.deployment, owner(1).address, { checkpoint })
  expect(plan.steps.map(({ what }) => what)).toEqual(['finalise batch 2'])
  // Once it is final, no batch's state is asked for.
  await call('finalizeBatch', [2n, bytesToHex(data.withdrawals)])
  const states: unknown[] = []
  const watched = {
    ...client,
    readContract: (request: { functionName: string }) => {
      if (request.functionName === 'batchState') states.push(request)
      return client.readContract(request as never)
    },
  } as never
  const last = await planExit(watched, fixture.deployment, owner(1).address)
  expect(last.steps.map(({ what }) => what)).toEqual(['claim 0.001 USDX'])
  expect(states).toEqual([])
})

test('deposits that an endpoint leaves out at the end are missed, never "nothing to do"', async () => {
  const fixture = await start()
  await (await traded(fixture)).stop()
  await fixture.deposit(3, 0, 777_000)
  const client = chainClient([fixture.anvil.rpcUrl])
  // An endpoint that leaves out the newest deposit.
  const hiding = {
    ...client,
    getLogs: async (request: { address: string }) => {
      const logs = await client.getLogs(request as never)
      return request.address === fixture.deployment.vault ? logs.slice(0, 2) : logs
    },
  } as never
  await expect(planExit(hiding, fixture.deployment, owner(3).address)).rejects.toThrow(
    /the vault has 3 deposits/,
  )
  await expect(audit(hiding, fixture.deployment)).rejects.toThrow(
    /^the vault has 3 deposits, and the RPC endpoint shows events of 2: ask one that has all logs/,
  )
})

test('the audit of a vault whose tokens are gone says so; a node without a pending block will do', async () => {
  const fixture = await start()
  await (await traded(fixture)).stop()
  const client = chainClient([fixture.anvil.rpcUrl])
  const plain = {
    ...client,
    getBlock: (request: { blockTag?: string }) => {
      if (request.blockTag === 'pending') throw new BlockNotFoundError({})
      return client.getBlock(request as never)
    },
  } as never
  expect((await planExit(plain, fixture.deployment, owner(1).address)).steps).toHaveLength(2)
  expect(
    await new RequestReader({ client: plain, deployment: fixture.deployment, onTrouble: () => {} }).open(),
  ).toEqual([])
  const chain = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  for (const [, bytecode] of STUCK) {
    await chain.setCode({ address: fixture.deployment.assets[1]!.token, bytecode })
    const { report } = await audit(client, fixture.deployment)
    expect(report.findings.map(({ text }) => text)).toEqual([
      'asset 1: its token does not tell what the vault has',
    ])
    // The token names itself no more, and the exchange is found all the same.
    const found = await discoverDeployment(client, fixture.deployment.settlement)
    expect(found.assets[1]).toMatchObject({ symbol: 'asset-1', decimals: 0 })
    const findings = await checkDeployment(client, fixture.deployment)
    expect(findings.filter(({ level }) => level === 'fail').map(({ what }) => what)).toEqual([
      'decimals of BTCX',
      'custody of BTCX',
    ])
  }
  // Its name in 32 bytes, as some old tokens have it; and of every call the same.
  const bytecode = `0x7f${'4d4b52'.padEnd(64, '0')}60005260206000f3` as const
  await chain.setCode({ address: fixture.deployment.assets[1]!.token, bytecode })
  const found = await discoverDeployment(client, fixture.deployment.settlement)
  expect(found.assets[1]).toMatchObject({ symbol: 'asset-1', decimals: 0 })
})

test('what a node refuses is told in its own words', async () => {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'header not found' } }),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  running.push({ stop: () => new Promise<void>((resolve) => void server.close(() => resolve())) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const settlement = '0x00000000000000000000000000000000000000aa'
  const { code, out } = await told(() => glassbook(['audit', '--rpc', url, '--settlement', settlement]))
  expect(code).toBe(1)
  expect(out).toMatch(/^glassbook: /)
  expect(out).not.toContain('is not a function')
})
