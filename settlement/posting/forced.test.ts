/** Forced withdrawals on a real chain: answered from the journal, or with a proof of zero; never twice. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTestClient, http } from 'viem'
import { CommandKind, Side } from '../../engine/codes.js'
import { Cmd, WithdrawCmd, kindOf } from '../../engine/layout.js'
import { settlementAbi } from '../../contracts/abi.js'
import { SettlementFixture, owner, until } from '../../test/support/settlement-fixture.js'
import { chainClient } from '../chain/chain.js'
import { Settler } from '../settler.js'
import { FaultyRpc } from '../../test/support/faulty-rpc.js'
import { placeRecord } from '../../test/support/journal-fixture.js'

describe('forced withdrawals', () => {
  let fixture: SettlementFixture
  let settler: Settler
  const commands: Int32Array[] = []
  afterAll(async () => {
    await settler?.stop()
    await fixture?.stop()
  })

  const request = async (from: number, account: number, asset: number, units: number): Promise<void> => {
    await fixture.write(from, {
      address: fixture.deployment.settlement,
      abi: settlementAbi,
      functionName: 'requestWithdrawal',
      args: [BigInt(account), BigInt(asset), BigInt(units)],
      value: (await fixture.readSettlement('currentRequestFee')) as bigint,
    })
  }

  const startSettler = async (
    onCommand: (record: Int32Array) => void,
    rpcUrl = fixture.anvil.rpcUrl,
    troubles: string[] = [],
  ): Promise<void> => {
    settler = new Settler({
      dataDir: fixture.dataDir,
      durableSeq: () => fixture.journal.seq,
      client: chainClient([rpcUrl]),
      deployment: fixture.deployment,
      account: owner(0),
      policy: { seconds: 0.05, fills: 1000, rows: 1000 },
      pollMs: 20,
      onCommand,
      onTrouble: (text) => void troubles.push(text),
    })
    await settler.start()
    await settler.flush()
  }

  test('reserved funds are freed and paid; too much is paid as far as it goes, and the zero is proven', async () => {
    fixture = await SettlementFixture.start()
    await fixture.deposit(1, 0, 50_000)
    await fixture.deposit(2, 1, 100)
    await fixture.credit()
    // Half of the account's funds are in an open order.
    fixture.journal.append(placeRecord(1, Side.Buy, 100, 80, 1))
    await startSettler((record) => {
      commands.push(record)
      fixture.journal.append(record)
    })

    await request(1, 1, 0, 60_000)
    await until('the request to be closed', async () => (await fixture.readSettlement('openRequests')) === 0n)
    expect(await fixture.readVault('claimable', 1n, 0n)).toBe(50_000n)
    expect(settler.proof(1, 0)!.balance).toBe(0)
    // One withdrawal, of what was there; it frees what the order held.
    expect(commands.map((record) => kindOf(record[Cmd.KIND]!))).toEqual([CommandKind.Withdraw])
    expect(new Float64Array(commands[0]!.buffer)[WithdrawCmd.UNITS_F64]).toBe(50_000)

    // Nothing at all there: answered by a proof alone.
    await request(2, 2, 0, 5)
    fixture.journal.append(placeRecord(2, Side.Sell, 100, 1, 2))
    await until(
      'the empty request to be closed',
      async () => (await fixture.readSettlement('openRequests')) === 0n,
    )
    // No withdrawal of nothing. Where the request is read before the order, a batch that shows the zero is made of a cancel.
    const kinds = commands.slice(1).map((record) => kindOf(record[Cmd.KIND]!))
    expect(kinds.filter((kind) => kind !== CommandKind.CancelAll)).toEqual([])
  })

  test('a request that an endpoint left out at first is found and answered', async () => {
    await settler.stop()
    await fixture.deposit(3, 0, 700)
    await fixture.credit()
    let asked = 0
    const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, (method) =>
      method === 'eth_getLogs' && ++asked <= 3 ? 'no logs' : undefined,
    )
    await request(3, 3, 0, 700)
    await startSettler((record) => void fixture.journal.append(record), proxy.url)
    await until('the request to be closed', async () => (await fixture.readSettlement('openRequests')) === 0n)
    expect(await fixture.readVault('claimable', 3n, 0n)).toBe(700n)
    expect(asked).toBeGreaterThan(3)
    await settler.stop()
    await proxy.stop()
  })

  test('a restart on an endpoint without old logs answers what was asked before, and says what it cannot see', async () => {
    await settler.stop()
    await fixture.deposit(4, 0, 900)
    await fixture.deposit(5, 0, 800)
    await fixture.credit()
    const requestsPath = join(fixture.dataDir, 'settlement', 'requests.json')
    // Read, and not answered before the stop.
    await startSettler(() => {})
    await request(4, 4, 0, 900)
    await until('the request to be kept', () => readFileSync(requestsPath, 'utf8').includes('"4/0"'))
    await settler.stop()
    const proxy = await FaultyRpc.start(fixture.anvil.rpcUrl, () => 'pruned')
    const test = createTestClient({ mode: 'anvil', transport: http(fixture.anvil.rpcUrl) })
    const mineMany = async (): Promise<void> => {
      await test.mine({ blocks: 200 })
      proxy.prunedBefore = (await fixture.client.getBlockNumber()) - 100n
    }
    await mineMany()
    const answer = (record: Int32Array): void => void fixture.journal.append(record)
    const troubles: string[] = []
    await startSettler(answer, proxy.url, troubles)
    await until('the request to be closed', async () => (await fixture.readSettlement('openRequests')) === 0n)
    expect(await fixture.readVault('claimable', 4n, 0n)).toBe(900n)
    expect(troubles).toEqual([])
    await settler.stop()

    // Without the file the old request is told of, and a new one is answered all the same.
    await request(5, 5, 0, 800)
    await mineMany()
    rmSync(requestsPath)
    await startSettler(answer, proxy.url, troubles)
    await until('the refusal to be told', () =>
      troubles.some((text) => /refuses the logs of block/.test(text)),
    )
    await fixture.deposit(4, 0, 70)
    await fixture.credit()
    await request(4, 4, 0, 70)
    await until(
      'the new request to be closed',
      async () => (await fixture.readSettlement('openRequests')) === 1n,
    )
    expect(await fixture.readVault('claimable', 4n, 0n)).toBe(970n)
    expect(troubles.filter((text) => /refuses the logs of block/.test(text))).toHaveLength(1)
    await settler.stop()

    // The file that is not what was written is read past, on an endpoint that has all.
    writeFileSync(requestsPath, '{"nextBlock":')
    await startSettler(answer, fixture.anvil.rpcUrl, troubles)
    expect(troubles.some((text) => text.includes(`${requestsPath} is not what was written there`))).toBe(true)
    await until('all to be closed', async () => (await fixture.readSettlement('openRequests')) === 0n)
    await settler.stop()
    await proxy.stop()
  })

  test('a zero balance is proven though nothing else happens', async () => {
    await startSettler((record) => void fixture.journal.append(record))
    // The last command is in a batch already when the request comes.
    await settler.flush()
    const seq = fixture.journal.seq
    await request(3, 3, 0, 1)
    await until('the request to be closed', async () => (await fixture.readSettlement('openRequests')) === 0n)
    // One cancel, of no orders, for a batch to be made of.
    expect(fixture.journal.seq).toBe(seq + 1)
  })

  test('who asks for more than there is and goes on trading is answered by what the last root shows', async () => {
    await settler.stop()
    await fixture.stop()
    const EXIT_DELAY = 4000
    fixture = await SettlementFixture.start({ exitDelaySeconds: EXIT_DELAY })
    await fixture.deposit(1, 0, 1000)
    await fixture.deposit(1, 1, 1_000_000)
    await fixture.deposit(2, 0, 1_000_000)
    await fixture.credit()
    let cloid = 0
    // Right behind each forced withdrawal the account sells again, so no batch ends with a balance of zero.
    const sell = (lots: number): void =>
      void fixture.journal.append(
        placeRecord(1, Side.Sell, 100, lots, ++cloid),
        placeRecord(2, Side.Buy, 100, lots, ++cloid),
      )
    let withdrawals = 0
    await startSettler((record) => {
      fixture.journal.append(record)
      if (kindOf(record[Cmd.KIND]!) === CommandKind.Withdraw) sell(10 - (withdrawals++ % 2))
    })

    await request(1, 1, 0, 2 ** 53 - 1)
    await until('a part to be granted', async () => {
      const { granted } = (await fixture.readSettlement('requestOf', 1n, 0n)) as { granted: boolean }
      return granted
    })
    expect(await fixture.readSettlement('openRequests')).toBe(1n)
    await fixture.passTime(EXIT_DELAY / 2)
    await until('the request to be served', async () => (await fixture.readSettlement('openRequests')) === 0n)
    expect(settler.proof(1, 0)!.balance).toBeGreaterThan(0)
  })
})
