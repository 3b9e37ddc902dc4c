/**
 * The whole line against a real chain, as its user sees it: the program is started, money is deposited
 * on-chain, traded, settled, withdrawn on-chain; then the program is killed in the middle of trading, and everything
 * that it had acknowledged is still there. Until then its proofs are forged, since a real one takes seconds a row;
 * the next start has the prover that it comes with, which proves a batch.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type HDAccount, createPublicClient, createWalletClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { LOCAL_GENESIS } from '../../app/start/genesis.js'
import { localAccount } from '../../app/start/local-chain.js'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { type Deployment, receiptOf } from '../../contracts/deployment/deploy.js'
import { type Client, createClient } from '../../sdk/index.js'
import { type Forger, startForger } from '../support/forging-prover.js'

const main = resolve(fileURLToPath(import.meta.url), '..', '..', '..', 'program', 'main.js')
/** Long, because a fresh machine builds the proving key first and proves a batch row by row, beside other tests. */
const WAIT_MS = 1_500_000

/** Calls `probe` until it gives a value; fails with `what` when it does not in time. */
async function until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + WAIT_MS
  while (Date.now() < deadline) {
    const value = await probe()
    if (value !== undefined) return value
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`not in ${WAIT_MS} ms: ${what}`)
}

interface Running {
  readonly process: ChildProcess
  readonly url: string
  readonly rpcUrl: string
  readonly output: () => string
  readonly exited: Promise<number | null>
}

async function start(
  dataDir: string,
  extra: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const child = spawn(process.execPath, [main, 'start', '--data', dataDir, '--port', '0', ...extra], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const exited = new Promise<number | null>((done) => child.once('exit', done))
  const found = await until('the exchange is open', async () => {
    if (child.exitCode !== null) throw new Error(`the exchange did not start:\n${output}`)
    const url = /gateway\s+(ws:\S+)/.exec(output)?.[1]
    const rpcUrl = /chain\s+(http:\S+)/.exec(output)?.[1]
    return url !== undefined && rpcUrl !== undefined && output.includes('Ctrl-C')
      ? { url, rpcUrl }
      : undefined
  })
  return { process: child, ...found, output: () => output, exited }
}

async function depositOnChain(
  rpcUrl: string,
  deployment: Deployment,
  owner: HDAccount,
  asset: number,
  atoms: bigint,
) {
  const transport = http(rpcUrl)
  const reader = createPublicClient({ chain: foundry, transport, pollingInterval: 20 })
  const wallet = createWalletClient({ account: owner, chain: foundry, transport })
  const { token } = deployment.assets[asset]!
  const { vault } = deployment
  for (const hash of [
    await wallet.writeContract({
      address: token,
      abi: demoTokenAbi,
      functionName: 'mint',
      args: [owner.address, atoms],
    }),
    await wallet.writeContract({
      address: token,
      abi: demoTokenAbi,
      functionName: 'approve',
      args: [vault, atoms],
    }),
    await wallet.writeContract({
      address: vault,
      abi: vaultAbi,
      functionName: 'deposit',
      args: [BigInt(asset), atoms],
    }),
  ])
    expect((await receiptOf(reader, hash)).status).toBe('success')
}

async function connect(running: Running, owner: HDAccount, deployment: Deployment): Promise<Client> {
  const transport = http(running.rpcUrl)
  const publicClient = createPublicClient({ chain: foundry, transport })
  const wallet = createWalletClient({ account: owner, chain: foundry, transport, pollingInterval: 20 })
  const options = { url: running.url, wallet, publicClient, deployment, reconnect: false }
  const client = await createClient(options).connect()
  await until('the deposit is credited', () => client.account().catch(() => undefined))
  await client.createSession({ scopes: ['read', 'trade', 'withdrawRequest'] })
  return client
}

const total = async (client: Client, asset: number): Promise<bigint> => {
  const row = (await client.balances()).find(({ asset: { id } }) => id === asset)
  return row === undefined ? 0n : BigInt(row.availableUnits) + BigInt(row.reservedUnits)
}

describe('the whole line', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-flow-'))
  let running: Running | undefined
  let forger: Forger
  beforeAll(async () => {
    forger = await startForger()
  })
  afterAll(async () => {
    running?.process.kill('SIGTERM')
    await running?.exited
    await forger.stop()
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 })
  })

  test('deposit, trade, batch, verified balance, withdrawal; kill -9; go on', async () => {
    running = await start(dataDir, ['--batch-seconds', '2', ...forger.flags], forger.environment)
    const deployment = JSON.parse(readFileSync(join(dataDir, 'deployment.json'), 'utf8')) as Deployment
    const [alice, bob] = [localAccount(8), localAccount(9)]
    await depositOnChain(running.rpcUrl, deployment, alice, 1, 500_000_000n)
    await depositOnChain(running.rpcUrl, deployment, bob, 0, 9_000_000_000n)
    const seller = await connect(running, alice, deployment)
    const buyer = await connect(running, bob, deployment)

    // Trade: 200 lots (0.002 BTCX) at 600,000 ticks (60,000 USDX), exact to the unit.
    const sale = await seller.placeOrder({ market: 0, side: 'sell', ticks: 600_000, lots: 300, cloid: 11n })
    expect(sale.state).toBe('open')
    const bought = await buyer.placeOrder({
      market: 0,
      side: 'buy',
      ticks: 600_010,
      lots: 200,
      timeInForce: 'IOC',
    })
    expect(bought).toMatchObject({ state: 'filled', filledLots: 200 })
    const { lotUnits, tickUnits, makerFeePpm, takerFeePpm } = LOCAL_GENESIS.markets[0]!
    const quote = 600_000 * 200 * tickUnits
    const takerFee = Math.ceil((quote * takerFeePpm) / 1e6)
    const makerFee = Math.ceil((quote * makerFeePpm) / 1e6)
    expect(await total(buyer, 0)).toBe(9_000_000_000n - BigInt(quote + takerFee))
    expect(await total(buyer, 1)).toBe(BigInt(200 * lotUnits))
    expect(await total(seller, 0)).toBe(BigInt(quote - makerFee))

    // The batch is on the chain, and the balance is proven against the root there.
    const owed = await total(buyer, 0)
    const verified = await until('a batch with the trade', async () => {
      const balance = await buyer.verifyBalance({ asset: 0 }).catch(() => undefined)
      return balance?.units === owed ? balance : undefined
    })
    expect(['committed', 'proven', 'final']).toContain(verified.state)
    const [fill] = (await buyer.fills()).fills
    expect(await buyer.verifyFill({ fill: fill! })).toMatchObject({ batch: verified.batch })

    // Withdraw on-chain.
    const reader = createPublicClient({ chain: foundry, transport: http(running.rpcUrl) })
    const ofAlice = () =>
      reader.readContract({
        address: deployment.assets[0]!.token,
        abi: demoTokenAbi,
        functionName: 'balanceOf',
        args: [alice.address],
      })
    await expect(seller.claim({ asset: 0 })).rejects.toMatchObject({
      codeName: 'TransactionFailed',
      message: expect.stringContaining('NothingToClaim') as string,
    })
    const { seq } = await seller.requestWithdrawal({ asset: 0, amount: '100' })
    const states = new Set<string | undefined>()
    await until('a claim', async () => {
      const { state, claimableUnits } = await seller.withdrawalStatus({ asset: 0, seq })
      states.add(state)
      return claimableUnits === 100_000_000 ? state : undefined
    })
    expect([...states].at(-1)).toBe('final')
    expect(await seller.claim({ asset: 0 })).toMatchObject({ amount: '100', units: 100_000_000 })
    expect(await seller.withdrawalStatus({ asset: 0 })).toMatchObject({ claimable: '0' })
    expect(await ofAlice()).toBe(100_000_000n)

    // And back in again.
    const before0 = await total(seller, 0)
    expect(await seller.deposit({ asset: 0, amount: '40' })).toMatchObject({
      account: seller.session!.account,
      units: 40_000_000,
    })
    expect(await ofAlice()).toBe(60_000_000n)
    await expect(seller.deposit({ asset: 0, amount: '61' })).rejects.toMatchObject({
      codeName: 'TransactionFailed',
    })
    await until('the deposit', async () =>
      (await total(seller, 0)) === before0 + 40_000_000n ? true : undefined,
    )

    // Killed in the middle of a burst: what was acknowledged before is there afterwards.
    const settlement = { address: deployment.settlement, abi: settlementAbi } as const
    const acknowledged: bigint[] = []
    const burst = (async () => {
      for (let cloid = 1000n; ; cloid++) {
        await buyer.placeOrder({ market: 0, side: 'buy', ticks: 500_000, lots: 1, cloid })
        acknowledged.push(cloid)
      }
    })().catch(() => {})
    await until('twenty acknowledged orders', async () => (acknowledged.length >= 20 ? true : undefined))
    running.process.kill('SIGKILL')
    await running.exited
    await burst
    const count = acknowledged.length
    running = await start(dataDir, ['--batch-seconds', '1'])
    const again = createPublicClient({ chain: foundry, transport: http(running.rpcUrl) })
    const before = await again.readContract({ ...settlement, functionName: 'batchCount' })
    const provenBefore = await again.readContract({ ...settlement, functionName: 'provenCount' })
    // The tools find the chain through this file.
    const recorded = JSON.parse(readFileSync(join(dataDir, 'deployment.json'), 'utf8')) as { rpcUrl: string }
    expect(recorded.rpcUrl).toBe(running.rpcUrl)
    const buyerAgain = await connect(running, bob, deployment)
    // Batches of the earlier start are told of, and settlement's figures shown.
    const httpUrl = running.url.replace('ws:', 'http:')
    const told = (await (await fetch(`${httpUrl}/v1/batches?limit=100`)).json()) as { number: number }[]
    expect(told.map(({ number }) => number)).toContain(1)
    const metrics = await until('settlement in the metrics', async () => {
      const text = await (await fetch(`${httpUrl}/metrics`)).text()
      return /^glassbook_settlement_committed_batch\{[^}]*\} [1-9]/m.test(text) ? text : undefined
    })
    expect(metrics).toMatch(/^glassbook_settlement_lag_seconds\{[^}]*\} [0-9.]+$/m)
    const live = new Set((await buyerAgain.orders()).map(({ cloid }) => String(cloid)))
    for (const cloid of acknowledged) expect(live.has(String(cloid))).toBe(true)
    expect(live.size === count || live.size === count + 1).toBe(true)

    // The next batch continues the chain of roots.
    await buyerAgain.placeOrder({ market: 0, side: 'buy', ticks: 600_010, lots: 100, timeInForce: 'IOC' })
    const next = await until('one more batch', async () => {
      const now = await again.readContract({ ...settlement, functionName: 'batchCount' })
      return now > before ? now : undefined
    })
    expect(next).toBeGreaterThan(before)
    const owedNow = await total(buyerAgain, 1)
    await until('the balance after the restart is verified', async () => {
      const balance = await buyerAgain.verifyBalance({ asset: 1 }).catch(() => undefined)
      return balance?.units === owedNow ? true : undefined
    })
    // Its own prover proves what was not proven yet, batch after batch.
    await until('real proofs of a batch', async () =>
      (await again.readContract({ ...settlement, functionName: 'provenCount' })) > provenBefore
        ? true
        : undefined,
    )

    // An orderly stop; the state that the next start has is what a replay of the journal gives.
    for (const client of [seller, buyer, buyerAgain]) client.close()
    running.process.kill('SIGINT')
    expect(await running.exited).toBe(0)
    const { stdout } = await promisify(execFile)(process.execPath, [main, 'replay', dataDir, '--json'])
    const replayed = JSON.parse(stdout) as { stateHash: string; seq: number }
    running = await start(dataDir)
    expect(running.output()).toContain(`seq ${replayed.seq} `)
    expect(running.output()).toContain(replayed.stateHash.slice(0, 10))
    running.process.kill('SIGINT')
    expect(await running.exited).toBe(0)
  })
})

describe('a start that cannot be', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-start-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }))

  async function refused(args: string[]): Promise<{ code: number; text: string }> {
    const child = spawn(process.execPath, [main, 'start', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
    const code = await new Promise<number>((done) => child.once('close', (status) => done(status ?? -1)))
    return { code, text }
  }

  test('a taken port is one clear line and a non-zero exit', async () => {
    const server = createServer()
    const port = await new Promise<number>((done) =>
      server.listen(0, '127.0.0.1', () => done((server.address() as { port: number }).port)),
    )
    const { code, text } = await refused(['--data', join(folder, 'taken'), '--port', String(port)])
    server.close()
    expect(code).not.toBe(0)
    expect(text.split('\n').filter((line) => line.includes(String(port)))).toHaveLength(1)
  })

  test('a missing file, an unusable folder, a wrong flag', async () => {
    const missing = await refused(['--replay', join(folder, 'none.csv')])
    expect(missing).toMatchObject({ code: 2 })
    expect(missing.text).toContain('none.csv')
    const file = join(folder, 'file')
    writeFileSync(file, '')
    const unusable = await refused(['--data', file])
    expect(unusable).toMatchObject({ code: 2 })
    expect(unusable.text).toContain(file)
    expect((await refused(['--nonsense'])).code).toBe(2)
    expect(existsSync(join(folder, 'none.csv'))).toBe(false)
  })
})
