/** What operators change about markets reaches clients: status, fees, band, tiers, new markets; at once and after a restart. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { CancelOnlyReason, CommandKind, MarketStatus } from '../../engine/codes.js'
import { writeCommand } from '../../engine/records/access.js'
import { type Client, createClient } from '../../sdk/index.js'
import { Method } from '../../sdk/wire/layout.js'

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 180_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

async function open(rig: Rig, index: number): Promise<Client> {
  const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
  await client.createSession()
  return client
}

const markets = async (client: Client): Promise<Record<string, unknown>[]> =>
  ((await client.call(Method.Markets, [])) as { markets: Record<string, unknown>[] }).markets
const fees = async (client: Client): Promise<unknown> => client.call(Method.Fees, [])
const setStatus = (rig: Rig, status: number): void =>
  rig.operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetMarketStatus', { market: 0, status }),
  )
const setExchange = (rig: Rig, status: number): void =>
  rig.operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetExchangeStatus', { reason: CancelOnlyReason.SettlementLag, status }),
  )
const setFees = (rig: Rig, makerFeePpm: number, takerFeePpm: number, tier = 0): void =>
  rig.operate((words, floats, at) => {
    const fees = { market: 0, makerFeePpm, takerFeePpm }
    if (tier === 0) writeCommand(words, floats, at, 'SetMarketFees', fees)
    else writeCommand(words, floats, at, 'SetTierFees', { ...fees, tier })
  })

const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-markets-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

test('halted, cancel-only, resumed, with other fees, while clients quote', async () => {
  const rig = await startRig({ accounts: 2, dataDir })
  const quoting = await open(rig, 0)
  const watching = await open(rig, 1)
  const seen: Record<string, unknown>[] = []
  await watching.subscribe('status:0', ({ data }) => seen.push(data as never))
  expect(await fees(watching)).toEqual([{ market: 0, makerFeePpm: 100, takerFeePpm: 500 }])

  // One quote after another, each replaced; how each was answered, in order.
  const answers: string[] = []
  let stop = false
  const quotes = (async () => {
    for (let ticks = 50; !stop; ticks = ticks === 90 ? 50 : ticks + 1) {
      const place = quoting.place({ market: 0, side: 'buy', ticks, lots: 1 })
      const [placed] = await quoting.sendFrame([place])
      answers.push(placed!.error?.codeName ?? 'open')
      if (placed!.error !== undefined) continue
      const [canceled] = await quoting.sendFrame([
        quoting.cancel({ market: 0, cloid: (place as { cloid: bigint }).cloid }),
      ])
      // A cancel is taken in every state but a halt.
      answers.push(canceled!.error?.codeName ?? 'canceled')
    }
  })()
  const during = async (what: string): Promise<void> => {
    const from = answers.length
    await until(() => answers.slice(from).filter((answer) => answer === what).length > 5, what)
  }
  await during('open')
  setStatus(rig, MarketStatus.CancelOnly)
  await during('MarketCancelOnly')
  setStatus(rig, MarketStatus.Active)
  await during('canceled')
  setStatus(rig, MarketStatus.Halted)
  await during('MarketHalted')
  expect((await markets(watching))[0]).toMatchObject({ id: 0, status: MarketStatus.Halted })
  setStatus(rig, MarketStatus.Active)
  setFees(rig, 20, 300)
  await during('open')
  stop = true
  await quotes
  rig.operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetPriceBand', { market: 0, bandPpm: 50_000 }),
  )
  // The whole exchange, for settlement's sake: whoever places hears why, and may take back and make smaller.
  await quoting.sendFrame([quoting.place({ market: 0, side: 'buy', ticks: 60, lots: 5, cloid: 60n })])
  setExchange(rig, MarketStatus.CancelOnly)
  await until(() => seen.length === 8, 'the exchange')
  await expect(quoting.placeOrder({ market: 0, side: 'buy', ticks: 60, lots: 1 })).rejects.toMatchObject({
    codeName: 'ExchangeCancelOnly',
    message: expect.stringContaining('its settlement on the chain is behind') as string,
  })
  await quoting.sendFrame([quoting.amend({ market: 0, cloid: 60n, ticks: 60, lots: 2 })])
  // A quote that a halt had caught may stand there too.
  const mine = (await quoting.orders()).find(({ cloid }) => cloid === 60n)
  expect(mine).toMatchObject({ remaining: 2 })
  await quoting.cancelOrder({ market: 0, cloid: 60n })
  setStatus(rig, MarketStatus.CancelOnly)
  await until(() => seen.length === 9, 'every change')
  const state = (
    status: number,
    makerFeePpm: number,
    takerFeePpm: number,
    bandPpm: number,
    cancelOnlyReasons = 0,
  ) => ({
    market: 0,
    status,
    cancelOnlyReasons,
    makerFeePpm,
    takerFeePpm,
    bandPpm,
  })
  const { Active, CancelOnly, Halted } = MarketStatus
  expect(seen).toEqual([
    state(Active, 100, 500, 0),
    state(CancelOnly, 100, 500, 0),
    state(Active, 100, 500, 0),
    state(Halted, 100, 500, 0),
    state(Active, 100, 500, 0),
    state(Active, 20, 300, 0),
    state(Active, 20, 300, 50_000),
    state(CancelOnly, 20, 300, 50_000, CancelOnlyReason.SettlementLag),
    state(CancelOnly, 20, 300, 50_000, CancelOnlyReason.SettlementLag),
  ])
  // Fees of a tier are those of its accounts.
  setFees(rig, 0, 100, 3)
  rig.operate((words, floats, at) =>
    writeCommand(words, floats, at, 'SetAccountTier', { account: 1, tier: 3 }),
  )
  await until(async () => JSON.stringify(await fees(quoting)).includes('"takerFeePpm":100'), 'tier')
  expect(await fees(watching)).toEqual([{ market: 0, makerFeePpm: 20, takerFeePpm: 300 }])
  quoting.close()
  watching.close()
  await rig.stop()
})

test('a restart shows markets as they are; a new one is served as soon as it is there', async () => {
  const rig = await startRig({ accounts: 2, dataDir })
  const client = await open(rig, 0)
  expect(await markets(client)).toMatchObject([
    {
      id: 0,
      status: MarketStatus.CancelOnly,
      cancelOnlyReasons: CancelOnlyReason.SettlementLag,
      makerFeePpm: 20,
      takerFeePpm: 300,
      bandPpm: 50_000,
    },
  ])
  await expect(client.subscribe('book:5', () => {})).rejects.toMatchObject({ codeName: 'UnknownStream' })
  rig.operate((words, floats, at) => {
    const units = { lotUnits: 10, tickUnits: 2 }
    const fees = { makerFeePpm: 0, takerFeePpm: 7 }
    writeCommand(words, floats, at, 'CreateMarket', { market: 5, base: 0, quote: 1, ...units, ...fees })
  })
  await until(async () => (await markets(client)).length === 2, 'the new market')
  expect((await markets(client))[1]).toMatchObject({ id: 5, tickUnits: 2, takerFeePpm: 7, status: 1 })
  setExchange(rig, MarketStatus.Active)
  await until(async () => (await markets(client))[1]!['status'] === MarketStatus.Active, 'the exchange')
  // A market that is closed by itself stays so.
  expect((await markets(client))[0]).toMatchObject({ status: MarketStatus.CancelOnly, cancelOnlyReasons: 0 })
  const seen: unknown[] = []
  await client.subscribe('book:5', ({ data }) => seen.push(data))
  const [placed] = await client.sendFrame([
    { kind: CommandKind.Place, market: 5, side: 0, ticks: 40, lots: 3, cloid: 1n },
  ])
  expect(placed).toMatchObject({ state: 'open' })
  await until(() => seen.length === 2, 'its book')
  expect(seen).toEqual([
    [[], []],
    [[[40, 3, 1]], []],
  ])
  client.close()
  await rig.stop()
})

test('a restart shows every level of a book, however many there are', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-levels-'))
  const config = { orderRate: { perSecond: 1e9, burst: 1e9 }, ipOrderRate: { perSecond: 1e9, burst: 1e9 } }
  let rig = await startRig({ accounts: 1, dataDir: folder, config })
  let client = await open(rig, 0)
  for (let ticks = 1; ticks <= 1280; ticks += 64)
    await client.batch(
      Array.from({ length: 64 }, (_, at) =>
        client.place({ market: 0, side: 'buy', ticks: ticks + at, lots: 1 }),
      ),
    )
  client.close()
  await rig.stop()
  rig = await startRig({ accounts: 1, dataDir: folder, config })
  client = await open(rig, 0)
  const book = await client.trackBook(0)
  expect(book.bids()).toHaveLength(1280)
  client.close()
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
})
