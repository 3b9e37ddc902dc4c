/**
 * What history tells over restarts, compared with the journal record by record: after a plain restart with
 * a full ring, with each kind of damage to its files, and while it is still made anew.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { CANDLE_INTERVALS } from '../../sdk/wire/layout.js'
import { type HistoryModel, type ModelFill, historyModel } from '../../test/support/history-model.js'

interface Answer {
  readonly fills: ModelFill[]
  readonly complete: boolean
}

const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-history-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + 180_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A rig on a folder, two clients, and what it logged. */
async function open(
  folder: string,
  config: Record<string, unknown> = {},
): Promise<{ rig: Rig; clients: Client[]; lines: string[]; close: () => Promise<void> }> {
  const lines: string[] = []
  const rig = await startRig({
    accounts: 2,
    dataDir: folder,
    config,
    gateway: { folder: join(folder, 'gateway'), onLog: (line) => lines.push(line) },
  })
  const clients = await Promise.all(
    rig.wallets.map(async (wallet) => {
      const client = await createClient({ url: rig.url, wallet }).connect()
      await client.createSession()
      return client
    }),
  )
  const close = async (): Promise<void> => {
    for (const client of clients) client.close()
    await rig.stop()
  }
  return { rig, clients, lines, close }
}

/** `count` fills between the first two, of 1 to 3 a command, and an order of each that ends otherwise. */
async function trade([maker, taker]: readonly Client[], count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const now = Math.min(left, 1 + (left % 3))
    for (let made = 0; made < now; made++)
      await maker!.placeOrder({ market: 0, side: 'sell', ticks: 100 + (left % 7) + made, lots: 1 + made })
    const lots = (now * (now + 1)) / 2
    await taker!.placeOrder({ market: 0, side: 'buy', ticks: 200, lots, timeInForce: 'IOC' })
    left -= now
  }
  await maker!.placeOrder({ market: 0, side: 'sell', ticks: 300, lots: 1 })
  await maker!.cancelAll()
}

async function fillsOf(client: Client, options?: { afterSeq?: number }): Promise<Answer> {
  const answer = (await client.call('fills', options === undefined ? [] : [options])) as unknown as Answer & {
    more: boolean
  }
  expect(answer.more).toBe(false)
  return { fills: answer.fills, complete: answer.complete }
}

/** Everything that history tells equals what the journal says; waits until it says that it is complete. */
async function expectJournal(clients: readonly Client[], model: HistoryModel): Promise<void> {
  for (const [index, client] of clients.entries()) {
    await until(async () => (await fillsOf(client)).complete, 'complete history')
    expect(await fillsOf(client)).toEqual({ fills: model.fills.get(index + 1) ?? [], complete: true })
    for (const end of model.ends.filter(({ account }) => account === index + 1)) {
      const { ended } = (await client.call('order', [{ orderId: end.orderId }])) as unknown as {
        ended: unknown[]
      }
      expect([ended[0], ended[2], ended[3]]).toEqual([end.seq, end.orderId, end.cloid])
    }
  }
  const trades = (await clients[0]!.call('trades', [0, 1000])) as unknown as number[][]
  expect(trades).toEqual(
    model.trades.map(({ seq, index, ticks, lots, takerSide, timeMs }) => [
      seq,
      index,
      ticks,
      lots,
      takerSide,
      timeMs,
    ]),
  )
  for (const interval of ['1m', '1d'] as const) {
    const candles = (await clients[0]!.call('candles', [0, interval, 1000])) as unknown as number[][]
    expect(candles).toEqual(modelCandles(model, CANDLE_INTERVALS[interval]))
  }
}

function modelCandles({ trades }: HistoryModel, lengthMs: number): number[][] {
  const candles = new Map<number, number[]>()
  for (const { seq, ticks, lots, timeMs } of trades) {
    const start = Math.floor(timeMs / lengthMs) * lengthMs
    const [, open, high, low, , volume, quote, count] = candles.get(start) ?? [
      start,
      ticks,
      ticks,
      ticks,
      0,
      0,
      0,
      0,
    ]
    candles.set(start, [
      start,
      open!,
      Math.max(high!, ticks),
      Math.min(low!, ticks),
      ticks,
      volume! + lots,
      quote! + ticks * lots,
      count! + 1,
      seq,
    ])
  }
  return [...candles.values()]
}

describe('files of history', () => {
  const folder = join(dataDir, 'damage')
  const files = join(folder, 'gateway')
  const kept = join(dataDir, 'kept')
  const older = join(dataDir, 'older')

  beforeAll(async () => {
    mkdirSync(folder)
    const first = await open(folder)
    await trade(first.clients, 60)
    await first.close()
    mkdirSync(older)
    for (const name of readdirSync(files)) copyFileSync(join(files, name), join(older, name))
    // A second start adds to the files: they hold two marks.
    const second = await open(folder)
    await trade(second.clients, 20)
    await second.close()
    mkdirSync(kept)
    for (const name of readdirSync(files)) copyFileSync(join(files, name), join(kept, name))
  })

  const flip = (name: string, at: (bytes: Buffer) => number): void => {
    const bytes = readFileSync(join(files, name))
    const place = at(bytes)
    bytes[place] = bytes[place]! ^ 1
    writeFileSync(join(files, name), bytes)
  }
  const zero = (name: string, from: number): void => {
    const bytes = readFileSync(join(files, name))
    bytes.fill(0, from, from + 4096)
    writeFileSync(join(files, name), bytes)
  }
  const other = (name: string): void => {
    // Another exchange's: whole and sound, but of a journal that this one is not.
    const bytes = readFileSync(join(dataDir, 'foreign', 'gateway', name))
    writeFileSync(join(files, name), bytes)
  }

  const names = ['fills.log', 'orders.log', 'state.json', 'candles-0.json']
  const size = (name: string): number => readFileSync(join(files, name)).length
  const each = (damage: (name: string) => void) => () => {
    for (const name of names) damage(name)
  }
  const anew = /is taken from the journal/
  const cases: [what: string, damage: () => void, says: RegExp | undefined][] = [
    ['nothing', () => {}, undefined],
    ['each file deleted', each((name) => rmSync(join(files, name))), anew],
    ['each file empty', each((name) => truncateSync(join(files, name), 0)), anew],
    ['each file cut', each((name) => truncateSync(join(files, name), (size(name) >> 1) + 77)), anew],
    ['each file of another exchange', each(other), /is of another journal/],
    ['an older fills.log', () => copyFileSync(join(older, names[0]!), join(files, names[0]!)), anew],
    [
      'older candles',
      () => copyFileSync(join(older, names[3]!), join(files, names[3]!)),
      /older than the other/,
    ],
    ['a bit in orders.log', () => flip(names[1]!, (bytes) => bytes.length >> 1), /damaged at byte/],
    ['a bit in state.json', () => flip(names[2]!, (bytes) => bytes.length >> 1), /set aside/],
    ['a bit in candles-0.json', () => flip(names[3]!, (bytes) => bytes.length >> 1), /set aside/],
    ['a zeroed page of fills.log', () => zero(names[0]!, 4096), /damaged at byte 4096/],
    ['a bit of the price in fills.log', () => flip(names[0]!, () => 2 * 128 + 4 * 4), /damaged at byte 256/],
  ]

  beforeAll(async () => {
    const foreign = join(dataDir, 'foreign')
    mkdirSync(foreign)
    const exchange = await open(foreign)
    await trade(exchange.clients, 31)
    await exchange.close()
  })

  test.each(cases)("%s: the answers are the journal's", async (_what, damage, says) => {
    rmSync(files, { recursive: true, force: true })
    mkdirSync(files)
    for (const name of readdirSync(kept)) copyFileSync(join(kept, name), join(files, name))
    damage()
    const model = historyModel(folder)
    const { clients, lines, close } = await open(folder)
    // Until everything is told, no answer may say that it is.
    const early = await fillsOf(clients[0]!)
    if (early.complete) expect(early.fills).toEqual(model.fills.get(1))
    if (says !== undefined) await until(() => lines.includes('history: complete'), 'history made anew')
    await expectJournal(clients, model)
    if (says === undefined) expect(lines).toEqual([])
    else expect(lines.join('\n')).toMatch(says)
    await close()
    // Only what was damaged was made anew: the next case begins with whole files of this journal again.
    for (const name of readdirSync(files)) copyFileSync(join(files, name), join(kept, name))
  })
})

test('a ring that has wrapped tells its newest after a restart, and that older ones are missing', async () => {
  const folder = join(dataDir, 'wrapped')
  mkdirSync(folder)
  const first = await open(folder, { fillsKept: 8 })
  await trade(first.clients, 20)
  await first.close()
  const all = historyModel(folder).fills.get(2)!
  const tells = async (client: Client): Promise<void> => {
    expect(await fillsOf(client)).toEqual({ fills: all.slice(-8), complete: false })
    const [seq] = all.at(-9)!
    const newer = all.filter((fill) => fill[0] > seq)
    expect(await fillsOf(client, { afterSeq: seq })).toEqual({ fills: newer, complete: true })
    expect((await fillsOf(client, { afterSeq: seq - 1 })).complete).toBe(false)
  }
  const second = await open(folder, { fillsKept: 8 })
  expect(second.lines).toEqual([])
  await tells(second.clients[1]!)
  await second.close()
  rmSync(join(folder, 'gateway', 'fills.log'))
  const third = await open(folder, { fillsKept: 8 })
  await until(() => third.lines.includes('history: complete'), 'history made anew')
  await tells(third.clients[1]!)
  await third.close()
})

test('where the way is too long, it begins later and says so, also after the next start', async () => {
  const folder = join(dataDir, 'far')
  mkdirSync(folder)
  const first = await open(folder)
  await trade(first.clients, 10)
  await first.rig.exchange.snapshot()
  const before = historyModel(folder)
  await trade(first.clients, 10)
  await first.close()
  const model = historyModel(folder)
  rmSync(join(folder, 'gateway'), { recursive: true })
  for (const startsAnew of [true, false]) {
    const { clients, lines, close } = await open(folder, {
      historyRebuildCommandsMax: model.seq - before.seq + 5,
    })
    if (startsAnew)
      await until(() => lines.some((line) => line.startsWith('history: complete from')), 'rebuilt')
    const own = model.fills.get(1)!
    expect(await fillsOf(clients[0]!)).toEqual({
      fills: own.filter((fill) => fill[0] > before.seq),
      complete: false,
    })
    expect(await fillsOf(clients[0]!, { afterSeq: before.seq })).toMatchObject({ complete: true })
    await close()
  }
})

test('files that cannot be written cost a line, and are written when they can be', async () => {
  const folder = join(dataDir, 'unwritable')
  mkdirSync(folder)
  // A file stands where the folder belongs.
  writeFileSync(join(folder, 'gateway'), '')
  const { clients, lines, close } = await open(folder)
  await trade(clients, 10)
  expect(await fillsOf(clients[0]!)).toMatchObject({ complete: true })
  await until(() => lines.length >= 2, 'trouble of the disk is told')
  rmSync(join(folder, 'gateway'))
  mkdirSync(join(folder, 'gateway'))
  await until(() => lines.filter((line) => line.endsWith('is written again')).length === 2, 'it heals')
  await close()
  expect(existsSync(join(folder, 'gateway', 'fills.log'))).toBe(true)
  const model = historyModel(folder)
  const again = await open(folder)
  expect(again.lines).toEqual([])
  await expectJournal(again.clients, model)
  await again.close()
})
