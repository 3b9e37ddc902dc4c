/**
 * The chain watcher before a real chain, whose endpoint leaves out and changes events, refuses ranges and lags
 * behind, and whose blocks are taken back: every deposit is credited once, in order, and nothing else is.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createTestClient, encodeFunctionData, http, type Address, type Hex, type PublicClient } from 'viem'
import { vaultAbi } from '../../contracts/abi.js'
import { CommandKind, Reject } from '../../engine/codes.js'
import { Cmd, DepositCmd, kindOf } from '../../engine/layout.js'
import { SettlementFixture, owner, until } from '../../test/support/settlement-fixture.js'
import { chainClient, nextBlockTime } from './chain.js'
import { baseFeeOf } from '../sending/gas-fees.js'
import { openAccountRecord, startChainWatcher, type ChainWatcher } from './chain-watcher.js'
import { FEW_BLOCKS, FaultyRpc, type Fault } from '../../test/support/faulty-rpc.js'

interface Credited {
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly position: number
}

/** What the vault's event of a deposit says. */
interface Deposited {
  readonly position: bigint
  readonly account: number
  readonly asset: number
  readonly units: bigint
  readonly owner: Address
}

describe('chain watcher', () => {
  let fixture: SettlementFixture
  let credited: Credited[]
  let opened: Int32Array[]
  let troubles: string[]
  const running: { stop: () => Promise<void> }[] = []
  beforeEach(async () => {
    fixture = await SettlementFixture.start()
    running.push(fixture)
    credited = []
    opened = []
    troubles = []
  })
  afterEach(async () => {
    for (const one of running.splice(0).reverse()) await one.stop()
  })

  const anvil = () => createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
  const reorganise = async (depth: number, raw: readonly Hex[] = []): Promise<void> => {
    await anvil().request({ method: 'anvil_reorg', params: [depth, raw.map((tx) => [tx, 0])] } as never)
  }
  /** The engine's part: takes each account once and deposits in order only. */
  const submit = (record: Int32Array): Promise<number> => {
    const account = record[Cmd.ACCOUNT]!
    if (kindOf(record[Cmd.KIND]!) === CommandKind.OpenAccount) {
      if (opened.some((other) => other[Cmd.ACCOUNT] === account)) return Promise.resolve(Reject.AccountExists)
      opened.push(record.slice())
      return Promise.resolve(Reject.None)
    }
    const floats = new Float64Array(record.buffer)
    const position = floats[DepositCmd.QUEUE_INDEX_F64]!
    if (position !== credited.length) return Promise.resolve(Reject.DepositOutOfOrder)
    credited.push({
      account,
      asset: record[DepositCmd.ASSET]!,
      units: floats[DepositCmd.UNITS_F64]!,
      position,
    })
    return Promise.resolve(Reject.None)
  }
  const watch = (options: Partial<Parameters<typeof startChainWatcher>[0]> = {}): ChainWatcher => {
    const watcher = startChainWatcher({
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      depositsConsumed: credited.length,
      pollMs: 10,
      submit,
      onTrouble: (text) => void troubles.push(text),
      ...options,
    })
    running.push(watcher)
    return watcher
  }
  const over = async (decide: (method: string, nth: number) => Fault | undefined) => {
    const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, decide)
    running.push(proxy)
    return chainClient([proxy.url], { timeoutMs: 500 })
  }
  /** A signed deposit of an owner who has the tokens for it, not sent yet. */
  const signedDeposit = async (from: number, units: number, nonce: number): Promise<Hex> =>
    owner(from).signTransaction({
      type: 'eip1559',
      chainId: 31337,
      to: fixture.deployment.vault,
      data: encodeFunctionData({ abi: vaultAbi, functionName: 'deposit', args: [0n, BigInt(units)] }),
      gas: 500_000n,
      nonce,
      maxFeePerGas: 10_000_000_000n,
      maxPriorityFeePerGas: 1_000_000_000n,
    })
  const nonceOf = (from: number): Promise<number> =>
    fixture.client.getTransactionCount({ address: owner(from).address, blockTag: 'latest' })
  const send = (raw: Hex) => fixture.client.sendRawTransaction({ serializedTransaction: raw })
  /** Deposits of owners 1 to 3, in turn; what must be credited. */
  const depositMany = async (count: number): Promise<Credited[]> => {
    const expected: Credited[] = []
    for (let position = 0; position < count; position++) {
      const account = 1 + (position % 3)
      await fixture.deposit(account, position % 2, 100 + position)
      expected.push({ account, asset: position % 2, units: 100 + position, position })
    }
    return expected
  }
  const openedAccounts = (): number[] => opened.map((record) => record[Cmd.ACCOUNT]!)

  test('goes on over an endpoint that keeps no old logs, and says so where it needs them', async () => {
    const expected = await depositMany(2)
    const statePath = join(fixture.dataDir, 'deposits.json')
    const first = watch({ statePath })
    await first.caughtUp
    const savedBlock = (): number =>
      (JSON.parse(readFileSync(statePath, 'utf8')) as { nextBlock: number }).nextBlock
    const saved = savedBlock()
    await anvil().mine({ blocks: 300 })
    await until('the file to follow', () => savedBlock() > saved)
    await first.stop()
    opened = []
    const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, () => 'pruned')
    running.push(proxy)
    proxy.prunedBefore = BigInt(savedBlock())
    await fixture.deposit(3, 0, 33)
    const client = chainClient([proxy.url])
    const second = watch({ client, statePath })
    await second.caughtUp
    expect(credited).toEqual([...expected, { account: 3, asset: 0, units: 33, position: 2 }])
    expect(troubles).toEqual([])
    await second.stop()
    // From the beginning there are none to be had.
    watch({ client, depositsConsumed: 0 })
    await until('the trouble to be told', () => troubles.length > 0)
    expect(troubles[0]).toMatch(/refuses the logs of block \d+ \(pruned history unavailable\).*keep only/)
  })

  test('a note that cannot be written is told once, and again when it can; deposits go on', async () => {
    const folder = join(fixture.dataDir, 'absent')
    const watcher = watch({ statePath: join(folder, 'deposits.json') })
    const expected = await depositMany(3)
    await until('the deposits', () => credited.length === 3)
    await watcher.caughtUp
    expect(credited).toEqual(expected)
    expect(troubles).toEqual([
      expect.stringMatching(/deposits\.json is not written \(ENOENT.*deposits go on/),
    ])
    mkdirSync(folder)
    await fixture.deposit(1, 0, 7)
    await until('the word', () => troubles.length === 2)
    expect(troubles[1]).toContain('is written again')
  })

  test('several deposits in one block are credited in the order of their logs, each owner once', async () => {
    // Tokens and allowances first, then three deposits in one block.
    for (const from of [1, 2]) await fixture.deposit(from, 0, 1)
    for (const from of [1, 2]) {
      await fixture.mint(from, 0, 1000)
    }
    await anvil().setAutomine(false)
    const first = await nonceOf(1)
    for (const raw of [
      await signedDeposit(1, 10, first),
      await signedDeposit(1, 11, first + 1),
      await signedDeposit(2, 20, await nonceOf(2)),
    ])
      await send(raw)
    await anvil().mine({ blocks: 1 })
    const watcher = watch()
    await watcher.caughtUp
    expect(credited.map(({ position }) => position)).toEqual([0, 1, 2, 3, 4])
    const logs = await fixture.client.getContractEvents({
      address: fixture.deployment.vault,
      abi: vaultAbi,
      eventName: 'Deposited',
      fromBlock: 0n,
      strict: true,
    })
    expect(credited.map(({ units }) => BigInt(units))).toEqual(logs.map(({ args }) => args.units))
    expect(openedAccounts()).toEqual([0, 1, 2])
    expect([...opened[1]!]).toEqual([...openAccountRecord(1, owner(1).address)])
  })

  test('ranges that are refused are halved; nothing is left out', async () => {
    const expected = await depositMany(6)
    let refused = 0
    let widest = 0n
    const client = await over((method) => {
      if (method === 'eth_getLogs') refused++
      return 'few blocks'
    })
    const asked = client.getLogs
    // The widest range that was answered.
    const counting = Object.assign(Object.create(client) as typeof client, {
      getLogs: async (parameters: never) => {
        const { fromBlock, toBlock } = parameters as { fromBlock: bigint; toBlock: bigint }
        const logs = await asked(parameters)
        if (toBlock - fromBlock > widest) widest = toBlock - fromBlock
        return logs
      },
    })
    await watch({ client: counting }).caughtUp
    expect(credited).toEqual(expected)
    expect(refused).toBeGreaterThan(6)
    expect(widest).toBeLessThan(FEW_BLOCKS)
  })

  test.each(['no logs', 'some logs', 'forged logs'] as const)(
    'an endpoint that answers for a while with %s: nothing is credited but what the vault has',
    async (fault) => {
      const expected = await depositMany(5)
      let isLying = true
      const client = await over((_method, nth) => (isLying && nth > 3 ? fault : undefined))
      watch({ client, rangeBlocks: 4 })
      await until('the lie to be told', () => troubles.length >= 3 || credited.length >= expected.length)
      // What was taken from it before is the beginning of the queue, as it is.
      expect(credited).toEqual(expected.slice(0, credited.length))
      expect(credited.length).toBeLessThan(expected.length)
      isLying = false
      await until('all of it', () => credited.length === expected.length)
      expect(credited).toEqual(expected)
      expect(openedAccounts()).toEqual([0, 1, 2, 3])
    },
  )

  test.each<[string, (event: Deposited) => Partial<Deposited>]>([
    ['units', ({ units }) => ({ units: units + 1n })],
    ['asset', ({ asset }) => ({ asset: 1 - asset })],
    ['account', ({ account }) => ({ account: account + 1 })],
    ['owner', () => ({ owner: owner(7).address })],
  ])(
    'one event of many has another %s, and all else is right: nothing is credited from its range',
    async (_what, change) => {
      const expected = await depositMany(3)
      let isLying = true
      const honest = chainClient([fixture.anvil.rpcUrl])
      const client = {
        ...honest,
        getLogs: async (request: never) => {
          const logs = (await honest.getLogs(request)) as unknown as { eventName: string; args: Deposited }[]
          return logs.map((log) =>
            isLying && log.eventName === 'Deposited' && log.args.position === 1n
              ? { ...log, args: { ...log.args, ...change(log.args) } }
              : log,
          )
        },
      } as unknown as PublicClient
      watch({ client })
      // Each look asks again.
      await until('the lie to be told', () => troubles.length >= 3 || credited.length > 0)
      expect(credited).toEqual([])
      expect(troubles[0]).toBe('chain watcher: deposits 0 to 2 are not those of the vault')
      expect(openedAccounts()).toEqual([0])
      isLying = false
      await until('all of it', () => credited.length === expected.length)
      expect(credited).toEqual(expected)
      for (const who of [1, 2, 3])
        expect([...opened[who]!]).toEqual([...openAccountRecord(who, owner(who).address)])
    },
  )

  test('an outvoted endpoint that tells an old block of each height hides no deposit and no time', async () => {
    const expected = await depositMany(2)
    const urls: string[] = []
    let asked = 0
    for (let endpoint = 0; endpoint < 3; endpoint++) {
      // Now this one lies, now that one.
      const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, () =>
        Math.floor(asked++ / 40) % 3 === endpoint ? 'old block' : undefined,
      )
      running.push(proxy)
      urls.push(proxy.url)
    }
    const client = chainClient(urls)
    watch({ client })
    await until('those that were there', () => credited.length === expected.length)
    for (let more = 0; more < 3; more++) {
      await fixture.deposit(1, 0, 7)
      await until('one more', () => credited.length === expected.length + more + 1)
    }
    for (let looks = 0; looks < 20; looks++) {
      const { timestamp } = await fixture.client.getBlock()
      expect(await nextBlockTime(client)).toBeGreaterThanOrEqual(Number(timestamp))
      expect(await baseFeeOf(client)).toBeLessThan(10n ** 12n)
    }
    expect(troubles).toEqual([])
  })

  test('an endpoint whose head goes back and forth credits nothing twice', async () => {
    const expected = await depositMany(6)
    const client = await over((_method, nth) => (nth % 7 < 3 ? 'behind' : undefined))
    watch({ client })
    await until('all of it', () => credited.length === expected.length)
    await anvil().mine({ blocks: 5 })
    await fixture.deposit(1, 0, 7)
    await until('the next', () => credited.length === expected.length + 1)
    expect(credited.slice(0, 6)).toEqual(expected)
  })

  test('a block that is taken back before its confirmations: only what took its place is credited', async () => {
    for (const from of [1, 2]) await fixture.mint(from, 0, 1000)
    const [first, second] = [
      await signedDeposit(1, 10, await nonceOf(1)),
      await signedDeposit(2, 20, await nonceOf(2)),
    ]
    // Heights that the watcher's looks began with.
    const looked: bigint[] = []
    const client = chainClient([fixture.anvil.rpcUrl])
    const noting = Object.assign(Object.create(client) as typeof client, {
      getBlock: async (parameters: never) => {
        const block = await client.getBlock(parameters)
        looked.push(block.number!)
        return block
      },
    })
    const watcher = watch({ client: noting, confirmations: 3 })
    await watcher.caughtUp
    await send(first)
    await send(second)
    await anvil().mine({ blocks: 1 })
    const head = await fixture.client.getBlockNumber({ cacheTime: 0 })
    // The second one of this block begins when the first has ended.
    await until('two looks', () => looked.filter((number) => number === head).length >= 2)
    expect(credited).toEqual([])
    // The other branch has them the other way round, so the accounts change owners.
    await reorganise(3, [second, first])
    await anvil().mine({ blocks: 4 })
    await until('both', () => credited.length === 2)
    expect(credited.map(({ units }) => units)).toEqual([20, 10])
    expect([...opened[1]!]).toEqual([...openAccountRecord(1, owner(2).address)])
    expect(troubles).toEqual([])
  })

  test('deeper than the confirmations: told, nothing more credited, until the chain has the same again', async () => {
    await fixture.mint(1, 0, 1000)
    const nonce = await nonceOf(1)
    const [first, second, third] = [
      await signedDeposit(1, 10, nonce),
      await signedDeposit(1, 20, nonce + 1),
      await signedDeposit(1, 30, nonce + 2),
    ]
    watch()
    await send(first!)
    await send(second!)
    await until('both', () => credited.length === 2)
    await reorganise(1)
    await until('it to be told', () => troubles.some((text) => text.includes('2 were credited')))
    expect(credited).toHaveLength(2)
    // The same deposit comes again, in another block, and one more.
    await send(second!)
    await send(third!)
    await until('the third', () => credited.length === 3)
    expect(credited.map(({ units }) => units)).toEqual([10, 20, 30])

    // Another deposit in a credited one's place is not credited, nor what follows it.
    await reorganise(2)
    await send(await signedDeposit(1, 99, nonce + 1))
    await send(await signedDeposit(1, 98, nonce + 2))
    await until('it to be told', () => troubles.some((text) => text.includes('not those that were credited')))
    expect(credited).toHaveLength(3)
  })

  test('a deposit that another branch has in an earlier block is found', async () => {
    await fixture.mint(1, 0, 1000)
    const raw = await signedDeposit(1, 10, await nonceOf(1))
    const watcher = watch()
    await watcher.caughtUp
    await anvil().mine({ blocks: 6 })
    await fixture.client.getBlockNumber({ cacheTime: 0 })
    await watcher.stop()
    const later = watch()
    await later.caughtUp
    await reorganise(5, [raw])
    await until('it', () => credited.length === 1)
    expect(credited[0]).toMatchObject({ units: 10, position: 0 })
  })

  test('a restart anywhere goes on where the engine is, also when the note of it is older or newer', async () => {
    const expected = await depositMany(7)
    const statePath = join(fixture.dataDir, 'deposits.json')
    // The process ends after the third deposit is durable: its note is not written.
    const first = startChainWatcher({
      client: chainClient([fixture.anvil.rpcUrl]),
      deployment: fixture.deployment,
      depositsConsumed: 0,
      statePath,
      rangeBlocks: 4,
      pollMs: 10,
      submit: (record) => {
        if (credited.length === 3) return new Promise(() => {})
        return submit(record)
      },
    })
    await until('three', () => credited.length === 3)
    void first.stop()
    const second = watch({ statePath, rangeBlocks: 3 })
    await second.caughtUp
    expect(credited).toEqual(expected)
    await second.stop()
    // A journal that was put back to an older state: the note is ahead of it.
    credited = credited.slice(0, 2)
    await watch({ statePath }).caughtUp
    expect(credited).toEqual(expected)
    // Without a note, and with everything credited already.
    rmSync(statePath)
    const third = watch({ statePath })
    await third.caughtUp
    expect(third.position()).toBe(7)
    expect(credited).toEqual(expected)
  })
})
