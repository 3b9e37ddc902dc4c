/** The engine as a filter: lines in, lines out, as another program sees it. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EngineFilter } from './engine-filter.js'
import { filterConfig } from './engine-filter-fields.js'

type Line = Record<string, unknown>

const config = {
  assets: [
    { id: 0, symbol: 'USD' },
    { id: 1, symbol: 'ABC' },
  ],
  markets: [{ id: 0, base: 1, quote: 0, lotUnits: 1, tickUnits: 1, makerFeePpm: 0, takerFeePpm: 0 }],
}

/** Feeds lines (objects, or text as it is) and returns what comes out. */
function run(lines: readonly (Line | string)[], genesis: typeof config = config): Line[] {
  let out = ''
  const filter = new EngineFilter(
    { ...genesis, capacities: { ordersMax: 4096, levelsMax: 4096, accountsMax: 64 } },
    (text) => (out += text),
  )
  const input = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)) + '\n').join('')
  filter.feed(input)
  filter.end('')
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}

const funds: Line[] = [
  { op: 'deposit', account: 1, asset: 0, units: 1000 },
  { op: 'deposit', account: 2, asset: 1, units: 1000 },
]
const buy = (more: Line): Line => ({
  op: 'place',
  account: 1,
  market: 0,
  cloid: 7,
  side: 'buy',
  kind: 'limit',
  ticks: 100,
  lots: 5,
  tif: 'GTC',
  ...more,
})
const sell = (more: Line): Line => buy({ account: 2, side: 'sell', ...more })

test('a trade from deposit to balances', () => {
  const out = run([
    ...funds,
    buy({}),
    sell({ lots: 3, cloid: 9 }),
    { op: 'balances', account: 1 },
    { op: 'book', market: 0, depth: 10 },
  ])
  expect(out).toMatchObject([
    { seq: 1, event: 'deposited', account: 1, asset: 0, units: 1000 },
    { seq: 2, event: 'deposited' },
    {
      seq: 3,
      event: 'accepted',
      account: 1,
      market: 0,
      cloid: 7,
      side: 'buy',
      kind: 'limit',
      ticks: 100,
      lots: 5,
    },
    { seq: 4, event: 'accepted', cloid: 9 },
    {
      seq: 4,
      event: 'fill',
      ticks: 100,
      lots: 3,
      maker: { account: 1, cloid: 7 },
      taker: { account: 2, cloid: 9 },
      makerFee: 0,
      takerFee: 0,
    },
    {
      seq: 4,
      event: 'balances',
      balances: [
        { asset: 0, available: 500, reserved: 200 },
        { asset: 1, available: 3, reserved: 0 },
      ],
    },
    { seq: 4, event: 'book', bids: [[100, 2, 1]], asks: [] },
  ])
})

test.each<[Line, string]>([
  [{ side: 'north' }, 'BadSide'],
  [{ kind: 'lottery' }, 'BadOrderType'],
  [{ tif: 'SOON' }, 'BadTimeInForce'],
  [{ postOnly: 'maybe' }, 'BadPostOnly'],
  [{ stp: 'x' }, 'BadStp'],
  [{ cloid: -1 }, 'BadClientOrderId'],
  [{ cloid: 1.5 }, 'BadClientOrderId'],
  [{ cloid: '18446744073709551616' }, 'BadClientOrderId'],
  [{ cloid: undefined }, 'BadClientOrderId'],
  [{ ticks: 0 }, 'ZeroTicks'],
  [{ ticks: -3 }, 'NegativeTicks'],
  [{ ticks: 1.5 }, 'NotAnInteger'],
  [{ ticks: '100' }, 'NotAnInteger'],
  [{ ticks: 2 ** 31 }, 'TicksOverLimit'],
  [{ lots: 0 }, 'ZeroLots'],
  [{ lots: -1e300 }, 'NegativeLots'],
  [{ lots: 1e300 }, 'LotsOverLimit'],
  [{ lots: null }, 'NotAnInteger'],
  [{ account: 77 }, 'UnknownAccount'],
  [{ account: 'me' }, 'UnknownAccount'],
  [{ market: 3 }, 'UnknownMarket'],
  [{ market: undefined }, 'UnknownMarket'],
  [{ ticks: 2 ** 31 - 1, lots: 2 ** 31 - 1 }, 'NotionalOverLimit'],
  [{ lots: 11 }, 'InsufficientFunds'],
  [{ displayLots: 9 }, 'BadDisplayLots'],
  [{ quoteBudget: 5 }, 'BadQuoteBudget'],
  [{ expiresAt: 5 }, 'BadExpiry'],
  [{ kind: 'stopLimit' }, 'BadTriggerTicks'],
  [{ postOnly: true, tif: 'IOC' }, 'PostOnlyNotGtc'],
])('place with %j: %s', (change, name) => {
  expect(run([...funds, buy(change)])[2]).toMatchObject({ seq: 3, event: 'rejected', name })
})

test('malformed lines get an error with their number and change nothing', () => {
  const out = run([
    ...funds,
    '{"op":',
    '',
    '[]',
    '{"op":"fly"}',
    'null',
    '{}',
    { op: 'book', market: 0, depth: 0 },
    buy({}),
  ])
  expect(out.slice(2, -1).map(({ event, line }) => [event, line])).toEqual([
    ['error', 3],
    ['error', 5],
    ['error', 6],
    ['error', 7],
    ['error', 8],
    ['error', 9],
  ])
  expect(out.at(-1)).toMatchObject({ seq: 3, event: 'accepted' })
})

test('a line of a million characters is refused, the next one is taken', () => {
  let out = ''
  const filter = new EngineFilter(config, (text) => (out += text))
  filter.feed('x'.repeat(3 << 20))
  filter.feed('y\n{"op":"time","ms":5}\n')
  expect(out).toContain('"line":1')
  expect(out).toContain('{"seq":1,"event":"timeAdvanced","ms":5}')
})

test('lines may come in any pieces', () => {
  const text = [...funds, buy({ cloid: '99' })].map((line) => JSON.stringify(line)).join('\n')
  let expected = ''
  const whole = new EngineFilter(config, (piece) => (expected += piece))
  whole.feed(text)
  whole.end('')
  let found = ''
  const pieces = new EngineFilter(config, (piece) => (found += piece))
  for (const character of text) pieces.feed(character)
  pieces.end('')
  expect(found).toBe(expected)
})

test('what one command makes leaves in pieces while it is made', () => {
  let largest = 0
  let pieces = 0
  let text = ''
  const filter = new EngineFilter(config, (piece) => {
    largest = Math.max(largest, piece.length)
    pieces++
    text += piece
  })
  const orders = 2000
  filter.feed(JSON.stringify({ op: 'deposit', account: 1, asset: 0, units: 1e9 }) + '\n')
  for (let cloid = 0; cloid < orders; cloid++) filter.feed(JSON.stringify(buy({ lots: 1, cloid })) + '\n')
  for (const command of [
    { op: 'orders', account: 1 },
    { op: 'cancelAll', account: 1, market: 0 },
  ]) {
    largest = pieces = 0
    text = ''
    filter.feed(JSON.stringify(command) + '\n')
    expect(text.length).toBeGreaterThan(150_000)
    expect(pieces).toBeGreaterThan(2)
    expect(largest).toBeLessThan(70_000)
    for (const line of text.trim().split('\n')) JSON.parse(line)
    // A mass cancel takes a step for its group, and goes on with the next time command.
    if (command.op === 'cancelAll') filter.feed('{"op":"time","ms":1}\n')
    else expect(text.split('"orderId"')).toHaveLength(orders + 1)
  }
  expect(text.split('"canceled"')).toHaveLength(orders + 1)
})

test('a client order id keeps all of its 64 bits', () => {
  const out = run([
    ...funds,
    JSON.stringify(buy({ cloid: 5 })).replace('"cloid":5', '"cloid":18446744073709551615'),
    { op: 'cancel', account: 1, market: 0, cloid: '18446744073709551615' },
  ])
  expect(out[2]).toMatchObject({ event: 'accepted', cloid: '18446744073709551615' })
  expect(out[3]).toMatchObject({ event: 'canceled', reason: 'user', lots: 5 })
})

test('amend, cancel, cancelAll, orders, time, transfer, stateHash', () => {
  const out = run([
    ...funds,
    buy({}),
    { op: 'amend', account: 1, market: 0, cloid: 7, ticks: 99, lots: 4 },
    { op: 'amend', account: 1, cloid: 7, lots: 3 },
    { op: 'orders', account: 1 },
    { op: 'cancel', account: 1, cloid: 7 },
    buy({ cloid: 8, tif: 'GTD', expiresAt: 50 }),
    { op: 'time', ms: 50 },
    buy({ cloid: 9 }),
    { op: 'cancelAll', account: 1, side: 'buy' },
    { op: 'withdraw', account: 1, asset: 0, units: 1 },
    { op: 'transfer', account: 1, to: 2, asset: 0, units: 1 },
    { op: 'stateHash' },
  ])
  expect(out.slice(2)).toMatchObject([
    { event: 'accepted' },
    { event: 'amended', ticks: 99, lots: 4, remaining: 4, keptPlace: false },
    { event: 'amended', ticks: 99, lots: 3, keptPlace: true },
    {
      event: 'orders',
      orders: [{ cloid: 7, ticks: 99, lots: 3, remaining: 3, reserved: 297, kind: 'limit', tif: 'GTC' }],
    },
    { event: 'canceled', reason: 'user', lots: 3 },
    { event: 'accepted', tif: 'GTD' },
    { event: 'timeAdvanced', ms: 50 },
    { event: 'canceled', reason: 'expired' },
    { event: 'accepted' },
    { event: 'canceled', reason: 'cancelAll' },
    { event: 'canceledAll', orders: 1 },
    { event: 'withdrawn', units: 1 },
    { event: 'transferred', to: 2 },
    { event: 'stateHash' },
  ])
  expect(out.at(-1)!['stateHash']).toMatch(/^[0-9a-f]{64}$/)
})

test('market orders may leave out what nothing needs', () => {
  const out = run([
    ...funds,
    buy({}),
    sell({ kind: 'market', ticks: undefined, tif: undefined, lots: 2, cloid: 1 }),
    sell({ cloid: 2, ticks: 110, lots: 3 }),
    buy({ kind: 'market', ticks: undefined, lots: undefined, tif: undefined, quoteBudget: 250, cloid: 3 }),
    buy({ kind: 'market', ticks: undefined, cloid: 4 }),
  ])
  expect(out.slice(3)).toMatchObject([
    { event: 'accepted', kind: 'market', tif: 'IOC' },
    { event: 'fill', lots: 2, ticks: 100 },
    { event: 'accepted' },
    { event: 'accepted' },
    { event: 'fill', lots: 2, ticks: 110 },
    { event: 'canceled', reason: 'quoteBudgetSpent' },
    { event: 'rejected', name: 'ZeroTicks' },
  ])
  // Every event of one command names the same order.
  const [taken, fill, canceled] = out.slice(6)
  const orderId = taken!['orderId']
  expect(orderId).toBeGreaterThan(0)
  expect([fill!['taker'], canceled]).toMatchObject([{ orderId }, { orderId }])
})

test('a rejected command names no id that its line did not name', () => {
  const order = {
    op: 'place',
    account: 1,
    market: 0,
    cloid: -1,
    side: 'buy',
    kind: 'limit',
    ticks: 1,
    lots: 1,
  }
  const deposit = { op: 'deposit', account: 1, asset: 0, units: 1 }
  const [nobody, , nothing] = run([{ ...deposit, account: -1 }, deposit, order])
  expect(nobody).toEqual({ seq: 1, event: 'rejected', code: 2, name: 'UnknownAccount', op: 'deposit' })
  expect(nothing).toMatchObject({ seq: 3, name: 'BadClientOrderId', account: 1, market: 0 })
  expect(nothing).not.toHaveProperty('cloid')
})

test('queries about what is not there', () => {
  expect(
    run([
      { op: 'balances', account: 5 },
      { op: 'book', market: 9, depth: 5 },
      { op: 'book', market: 0, depth: 1000 },
      { op: 'orders', account: -1 },
    ]),
  ).toMatchObject([
    { event: 'balances', balances: [] },
    { event: 'rejected', name: 'UnknownMarket' },
    { event: 'book', bids: [], asks: [] },
    { event: 'rejected', name: 'UnknownAccount' },
  ])
})

test.each<[Line, string]>([
  [
    buy({ postonly: true, dispalyLots: 1 }),
    'place has no field "postonly" (did you mean postOnly?); allowed: account, market, ',
  ],
  [buy({ dispalyLots: 1 }), 'place has no field "dispalyLots" (did you mean displayLots?)'],
  [{ op: 'amend', account: 1, cloid: 7, price: 9 }, 'amend has no field "price"'],
  [{ op: 'cancel', account: 1, cloid: 7, orderId: 9 }, 'cancel has no field "orderId"'],
  [{ op: 'cancelAll', account: 1, sied: 'buy' }, 'cancelAll has no field "sied" (did you mean side?)'],
  [{ op: 'stateHash', account: 1 }, 'stateHash has no field "account"; allowed: none'],
  [{ op: 'time', ms: 1, constructor: 1 }, 'time has no field "constructor"'],
  [JSON.parse('{"op":"time","ms":1,"__proto__":{}}') as Line, 'time has no field "__proto__"'],
  [{ op: 'palce' }, 'no op "palce" (did you mean place?)'],
  [{ op: 'toString' }, 'no op "toString"'],
  [{ account: 1 }, 'no op'],
])('%j is refused by name, and changes nothing', (line, message) => {
  const [refused, hash] = run([line, { op: 'stateHash' }])
  expect(refused).toMatchObject({ event: 'error', line: 1, message: expect.stringContaining(message) })
  expect(hash).toMatchObject({ seq: 0 })
})

test.each<[unknown, string]>([
  [{ ...config, capcities: {} }, 'the configuration has no field "capcities" (did you mean capacities?)'],
  [
    { ...config, capacities: { orderMax: 5 } },
    'capacities has no field "orderMax" (did you mean ordersMax?)',
  ],
  [{ ...config, capacities: { ordersMax: '5' } }, 'capacities.ordersMax is "5", not a number'],
  [
    { ...config, markets: [{ ...config.markets[0], bnadPpm: 5 }] },
    'markets[0] has no field "bnadPpm" (did you mean bandPpm?); allowed: id, base',
  ],
  [{ ...config, markets: [{ id: 0 }] }, 'markets[0].base is missing, not a number'],
  [{ ...config, assets: [{ id: 0, symbl: 'USD' }] }, 'assets[0] has no field "symbl" (did you mean symbol?)'],
  [{ ...config, assets: {} }, 'assets is not a list'],
  [{ ...config, requireFrames: 'no' }, 'requireFrames is "no", not true or false'],
  [{ ...config, feeAccount: null }, 'feeAccount is null, not a number'],
  [{}, 'lacks assets or markets'],
  [[], 'the configuration is not an object'],
])('a configuration of another shape is refused by name (%#)', (value, message) => {
  expect(() => filterConfig(value)).toThrow(message)
})

describe('as a program', () => {
  const directory = mkdtempSync(join(tmpdir(), 'glassbook-filter-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true, maxRetries: 20 }))

  function start(
    args: readonly string[],
    input: string,
  ): Promise<{ code: number | null; out: string; err: string }> {
    const program = new URL('../../program/main.js', import.meta.url).pathname
    const child = spawn(process.execPath, [program, 'engine', ...args], { stdio: 'pipe' })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += String(chunk)))
    child.stderr.on('data', (chunk) => (err += String(chunk)))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
  }

  test('reads standard input, writes standard output', async () => {
    const file = join(directory, 'markets.json')
    writeFileSync(file, JSON.stringify(config))
    const lines = [...funds, buy({}), sell({})].map((line) => JSON.stringify(line)).join('\n')
    const { code, out } = await start(['--config', file], lines)
    expect(code).toBe(0)
    expect(out.trim().split('\n')).toHaveLength(5)
  })

  test('a reader that goes away ends it, and is no error', async () => {
    const file = join(directory, 'markets.json')
    writeFileSync(file, JSON.stringify(config))
    const program = new URL('../../program/main.js', import.meta.url).pathname
    const child = spawn(process.execPath, [program, 'engine', '--config', file], { stdio: 'pipe' })
    let err = ''
    child.stderr.on('data', (chunk) => (err += String(chunk)))
    child.stdin.on('error', () => {})
    child.stdout.once('data', () => child.stdout.destroy())
    // As `tail -f lines | glassbook engine | head -1`: the input comes slowly, and does not end by itself.
    let lines = 0
    const feed = setInterval(() => {
      child.stdin.write(`${JSON.stringify({ op: 'balances', account: 1 })}\n`)
      if (++lines === 300) child.kill()
    }, 30)
    const code = await new Promise((resolve) => child.on('close', resolve))
    clearInterval(feed)
    expect([code, err]).toEqual([0, ''])
  })

  test('a config that cannot be says what is wrong and exits with 2', async () => {
    const file = join(directory, 'bad.json')
    writeFileSync(file, JSON.stringify({ ...config, markets: [{ ...config.markets[0], base: 0 }] }))
    const bad = await start(['--config', file], '')
    expect(bad.code).toBe(2)
    expect(bad.err).toContain('base and quote are the same asset')
    writeFileSync(file, '{"assets"')
    expect((await start(['--config', file], '')).code).toBe(2)
    writeFileSync(file, '{}')
    expect((await start(['--config', file], '')).err).toContain('lacks assets or markets')
    expect((await start(['--config', join(directory, 'none.json')], '')).code).toBe(2)
    writeFileSync(file, JSON.stringify({ ...config, capcities: {} }))
    const unknown = await start(['--config', file], '')
    expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('"capcities"')])
    expect((await start([], '')).err).toContain("required option '--config <file>'")
  })
})
