/**
 * The gateway's line end to end: real sockets, real engine, real journal. Both encodings do the same.
 */
import { createClient, type Client, type StreamMessage } from '../sdk/index.js'
import { type Rig, startRig } from '../bench/support/gateway-rig.js'
import { CancelReason, EventKind, Reject } from '../engine/codes.js'
import { rejectToCode } from '../sdk/wire/codes.js'

const MARKET = 'ETH-USDC'

/** Waits until `condition` holds, at most a minute. */
async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 120_000) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe.each(['msgpack', 'json'] as const)('gateway over %s', (encoding) => {
  let rig: Rig
  let maker: Client
  let taker: Client

  beforeAll(async () => {
    rig = await startRig({ accounts: 2 })
    const open = async (index: number): Promise<Client> => {
      const client = await createClient({ url: rig.url, wallet: rig.wallets[index]!, encoding }).connect()
      await client.createSession()
      return client
    }
    maker = await open(0)
    taker = await open(1)
  })
  afterAll(async () => {
    maker.close()
    taker.close()
    await rig.stop()
  })

  test('orders rest, trade and are cancelled; streams and answers agree', async () => {
    const seen: Record<string, StreamMessage[]> = {}
    const follow = async (client: Client, name: string): Promise<void> => {
      seen[name] = []
      await client.subscribe(name, (message) => seen[name]!.push(message))
    }
    for (const name of [
      'book:0',
      'book:0:5',
      'l3:0',
      'bbo:0',
      'trades:0',
      'ticker:0',
      'candles:0:1m',
      'status:0',
    ]) {
      await follow(taker, name)
    }
    for (const name of ['orders', 'fills', 'balances']) await follow(maker, name)
    await until(() => Object.values(seen).every((messages) => messages[0]?.kind === 'snapshot'), 'snapshots')

    const placed = await maker.placeOrder({ market: MARKET, side: 'sell', ticks: 100, lots: 10 })
    expect(placed).toMatchObject({ state: 'open', remainingLots: 10, filledLots: 0, error: undefined })
    const bought = await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 100, lots: 4 })
    expect(bought).toMatchObject({ state: 'filled', remainingLots: 0, filledLots: 4 })
    expect(await taker.depth(MARKET, 5)).toMatchObject({ bids: [], asks: [[100, 6, 1]] })
    await until(
      () => (seen['trades:0']?.length ?? 0) > 1 && (seen['fills']?.length ?? 0) > 1,
      'trade and fill',
    )
    const trade = (seen['trades:0']!.at(-1)!.data as number[][])[0]!
    expect(trade.slice(2, 5)).toEqual([100, 4, 0])
    const fill = (seen['fills']!.at(-1)!.data as unknown[][])[0]!
    expect(fill.slice(3, 6)).toEqual([1, 100, 4])
    expect(fill[7]).toBe(1)
    expect(String(fill[9])).toBe(String(placed.cloid))
    await until(() => (seen['l3:0']?.length ?? 0) > 1, 'l3')
    await until(() => (seen['candles:0:1m']?.length ?? 0) > 1, 'candle')
    expect((seen['candles:0:1m']!.at(-1)!.data as number[][])[0]!.slice(1, 6)).toEqual([
      100, 100, 100, 100, 4,
    ])

    const amended = await maker.amendOrder({ market: MARKET, cloid: placed.cloid!, ticks: 100, lots: 9 })
    expect(amended).toMatchObject({ state: 'open', remainingLots: 5 })
    expect(await maker.cancelAll()).toEqual({ count: 1, more: false })
    expect(await taker.depth(MARKET, 5)).toMatchObject({ bids: [], asks: [] })
    const [eth, usdc] = await maker.balances()
    expect(eth!.availableUnits).toBe(1e15 - 40)
    expect(usdc!.availableUnits).toBe(1e15 + 400 - 1)
    expect(usdc!.reservedUnits).toBe(0)
  })

  test('a frame carries mixed commands, each with its own outcome', async () => {
    const owner = await createClient({ url: rig.url, wallet: rig.wallets[0]!, encoding }).connect()
    await owner.createSession()
    const entries: number[][] = []
    await owner.subscribe('orders', ({ kind, data }) => {
      if (kind === 'event') entries.push(...(data as number[][]))
    })
    const first = maker.place({ market: MARKET, side: 'buy', ticks: 50, lots: 1 })
    const results = await maker.batch([
      first,
      maker.place({ market: MARKET, side: 'buy', ticks: 0, lots: 1 }),
      maker.place({ market: MARKET, side: 'buy', ticks: 51, lots: 2n ** 40n }),
      maker.cancel({ market: MARKET, cloid: (first as { cloid: bigint }).cloid }),
      maker.cancel({ market: MARKET, cloid: 1n }),
    ])
    expect(results.map(({ error }) => error?.codeName)).toEqual([
      undefined,
      'ZeroTicks',
      expect.stringMatching(/LotsOverLimit|NegativeLots/),
      undefined,
      'UnknownOrder',
    ])
    expect(results[3]).toMatchObject({ state: 'canceled', remainingLots: 1 })
    // Its owner's stream tells of orders that were refused, of refused cancels not.
    await until(() => entries.some((entry) => entry[1] === EventKind.Canceled), 'the cancel')
    const refused = entries.filter((entry) => entry[1] === EventKind.Rejected)
    expect(refused).toHaveLength(2)
    expect(refused[0]![12]).toBe(rejectToCode(Reject.ZeroTicks))
    expect([Reject.LotsOverLimit, Reject.NegativeLots].map(rejectToCode)).toContain(refused[1]![12])
    owner.close()
  })

  test('refuses what it must, with a code and a name', async () => {
    const stranger = await createClient({
      url: rig.url,
      wallet: rig.wallets[1]!,
      encoding,
      reconnect: false,
    }).connect()
    await expect(stranger.balances()).rejects.toMatchObject({ code: 2000, codeName: 'NotLoggedOn' })
    await expect(stranger.subscribe('book:9', () => {})).rejects.toMatchObject({ codeName: 'UnknownStream' })
    await expect(stranger.subscribe('orders', () => {})).rejects.toMatchObject({ codeName: 'NotLoggedOn' })
    const session = maker.session!
    await expect(stranger.logon({ ...session, approval: 4000 })).rejects.toMatchObject({
      codeName: 'UnknownSession',
    })
    // Somebody else's key does not log this session on.
    await expect(stranger.logon({ ...session, key: taker.session!.key })).rejects.toMatchObject({
      codeName: 'BadSignature',
    })
    stranger.close()
  })

  test('deadlines, the dead-man switch and protection do what they say', async () => {
    const serverTime = await maker.time()
    const late = { market: MARKET, side: 'buy', ticks: 10, lots: 1, deadlineMs: serverTime - 60_000 } as const
    await expect(maker.placeOrder(late)).rejects.toMatchObject({ codeName: 'DeadlinePassed' })

    const { orderId, cloid } = await maker.placeOrder({ market: MARKET, side: 'buy', ticks: 10, lots: 1 })
    expect(await maker.order({ orderId })).toMatchObject({ cloid, state: 'open' })
    await maker.cancelAfter(50)
    let ended = await maker.order({ cloid: cloid! })
    for (let waited = 0; ended?.state !== 'canceled' && waited < 5000; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      ended = await maker.order({ cloid: cloid! })
    }
    expect(ended).toMatchObject({ orderId, state: 'canceled', reason: CancelReason.DeadManSwitch })
    expect(await maker.order({ orderId })).toMatchObject({ state: 'canceled' })

    await maker.setProtection(MARKET, { windowMs: 60_000, fills: 2 })
    await maker.batch(
      [200, 201, 202, 203].map((ticks) => maker.place({ market: MARKET, side: 'sell', ticks, lots: 1 })),
    )
    await taker.placeOrder({ market: MARKET, side: 'buy', ticks: 201, lots: 2, timeInForce: 'IOC' })
    expect((await maker.depth(MARKET, 5)).asks).toEqual([])
    const again = { market: MARKET, side: 'sell', ticks: 300, lots: 1 } as const
    await expect(maker.placeOrder(again)).rejects.toMatchObject({ codeName: 'ProtectionFrozen' })
    await maker.resetProtection(MARKET)
    expect(await maker.placeOrder(again)).toMatchObject({ state: 'open' })
    await maker.cancelAll()
  })

  test('a revoked session is told and trades no more', async () => {
    const client = await createClient({
      url: rig.url,
      wallet: rig.wallets[0]!,
      encoding,
      reconnect: false,
    }).connect()
    const session = await client.createSession()
    await maker.revokeSession(session.approval)
    await expect(client.placeOrder({ market: MARKET, side: 'buy', ticks: 1, lots: 1 })).rejects.toMatchObject(
      {
        codeName: 'NotLoggedOn',
      },
    )
    await expect(client.logon(session)).rejects.toMatchObject({ codeName: 'UnknownSession' })
    client.close()
  })

  test('a withdrawal needs the wallet', async () => {
    const { seq } = await maker.requestWithdrawal({ asset: 'USDC', amount: '1' })
    expect(seq).toBeGreaterThan(0)
    const forger = createClient({ url: rig.url, wallet: rig.wallets[1]!, encoding })
    await forger.connect()
    await expect(forger.requestWithdrawal({ asset: 'USDC', amount: '1', account: 1 })).rejects.toMatchObject({
      codeName: 'BadSignature',
    })
    forger.close()
  })
})

test('a port that is taken is a typed failure, and the process lives on', async () => {
  const rig = await startRig({ accounts: 1 })
  await expect(startRig({ accounts: 1, config: { port: rig.port }, onDied: () => {} })).rejects.toMatchObject(
    {
      name: 'GatewayStartError',
      code: 'PortTaken',
    },
  )
  const client = await createClient({ url: rig.url }).connect()
  expect(await client.time()).toBeGreaterThan(0)
  client.close()
  await rig.stop()
})
