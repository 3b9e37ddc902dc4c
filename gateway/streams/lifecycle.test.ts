/**
 * What clients are told of the connection (control messages) and of every order's end, however it ends.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import {
  CancelReason,
  CommandKind,
  EventKind,
  OrderType,
  Stp,
  TimeInForce,
  cancelReasonNames,
} from '../../engine/codes.js'
import { writeCommand } from '../../engine/records/access.js'
import { type Client, type Session, createClient } from '../../sdk/index.js'
import { fromBase64url, toBase64url } from '../../sdk/wire/bytes.js'
import { ErrorCode, closeCode } from '../../sdk/wire/codes.js'
import type { PlaceCommand, WireCommand } from '../../sdk/wire/commands.js'
import { Control, Kind, OrderState } from '../../sdk/wire/layout.js'
import { frameMessage, logonMessage } from '../../sdk/wire/signed.js'
import { createDomain } from '../signatures/auth.js'

const domain = createDomain(RIG_DEPLOYMENT.chainId, RIG_DEPLOYMENT.vault).hash

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 180_000
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function open(rig: Rig, index: number, options = {}): Promise<Client> {
  const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
  await client.createSession(options)
  return client
}

/** A WebSocket over JSON that shows everything that is said on it. */
async function listen(rig: Rig) {
  const socket = new WebSocket(rig.url, 'glassbook.v2.json')
  const received: unknown[][] = []
  socket.on('message', (data: Buffer) => received.push(JSON.parse(data.toString()) as unknown[]))
  const ended = new Promise<number>((resolve) => socket.once('close', resolve))
  await until(() => received.length > 0, 'hello')
  let id = 0
  const request = async (method: string, params: unknown[]): Promise<unknown> => {
    const own = ++id
    socket.send(JSON.stringify([Kind.Request, own, method, params]))
    const answer = () => received.find(([kind, of]) => (kind === 1 || kind === 2) && of === own)
    await until(() => answer() !== undefined, method)
    return answer()![2]
  }
  const logon = async ({ account, approval, key }: Session): Promise<unknown> => {
    const challenge = fromBase64url(received[0]![4] as string)!
    const signature = await key.sign(logonMessage(domain, { account, approval }, challenge))
    return request('logon', [account, approval, toBase64url(signature)])
  }
  const controls = () =>
    received.filter(([kind]) => kind === Kind.Control).map(([, what, more]) => [what, more])
  return { socket, received, ended, request, logon, controls }
}

describe('control', () => {
  test('throttle, session ended, shutdown: told when it happens', async () => {
    const rig = await startRig({ accounts: 1, config: { orderRate: { perSecond: 1, burst: 20 } } })
    const client = await open(rig, 0)
    const expiring = await open(rig, 0, { expiresAtMs: Date.now() + 5000 })
    const { approval: expiringApproval } = expiring.session!
    const revoked = await listen(rig)
    const late = await listen(rig)
    await revoked.logon(client.session!)
    await late.logon(expiring.session!)
    await late.request('cancelOnDisconnect', [true])
    await revoked.request('subscribe', ['orders'])

    // The session of another connection signs: a frame may come on any connection of its session.
    const plain = await listen(rig)
    await plain.logon(client.session!)
    const { account, approval } = client.session!
    await client.batch(
      Array.from({ length: 18 }, () => client.place({ market: 0, side: 'buy', ticks: 9, lots: 1 })),
    )
    expect(plain.controls()).toEqual([])
    const payload = '[[1,0,0,9,1,"900"]]'
    const nonce = Date.now() * 1000
    const signature = await client.session!.key.sign(
      frameMessage(domain, { account, approval }, nonce, new TextEncoder().encode(payload)),
    )
    await plain.request('frame', [account, approval, nonce, payload, toBase64url(signature)])
    expect(plain.controls()).toEqual([[Control.Throttle, { budget: 'orders' }]])

    await client.revokeSession(approval)
    await until(() => revoked.controls().length > 0, 'the end of the revoked session')
    expect(revoked.controls()).toEqual([[Control.SessionEnded, { account, approval }]])
    expect(await revoked.request('orders', [])).toBe(ErrorCode.NotLoggedOn)
    await until(() => late.controls().length > 0, 'the end of the expired session')
    expect(late.controls()).toEqual([[Control.SessionEnded, { account, approval: expiringApproval }]])
    expect(await late.request('orders', [])).toBe(ErrorCode.NotLoggedOn)

    // What an ended session asked for ended with it: another session's orders stay when the connection goes.
    const again = await open(rig, 0)
    const { cloid } = await again.placeOrder({ market: 0, side: 'buy', ticks: 8, lots: 1 })
    late.socket.close()
    await late.ended
    expect(await again.placeOrder({ market: 0, side: 'buy', ticks: 7, lots: 1 })).toMatchObject({
      state: 'open',
    })
    expect(await again.order({ cloid: cloid! })).toMatchObject({ state: 'open' })
    again.close()

    client.close()
    expiring.close()
    await rig.stop()
    expect(await plain.ended).toBe(closeCode(ErrorCode.ShuttingDown))
    expect(plain.controls().at(-1)).toEqual([Control.Shutdown, { retryAfter: expect.any(Number) as number }])
  })

  test('a position that is kept is resumed; another epoch, or one too old, is told to start anew', async () => {
    const rig = await startRig({ accounts: 2, config: { streamEventsKept: 16 } })
    const maker = await open(rig, 0)
    const first = await listen(rig)
    await first.logon(maker.session!)
    for (const stream of ['book:0', 'orders']) await first.request('subscribe', [stream])
    const position = (stream: string): [number, number] => {
      const [, , epoch, seq] = first.received.find(
        ([kind, name]) => kind === Kind.Snapshot && name === stream,
      )!
      return [epoch as number, seq as number]
    }
    await until(() => first.received.filter(([kind]) => kind === Kind.Snapshot).length === 2, 'snapshots')
    const place = () => maker.placeOrder({ market: 0, side: 'buy', ticks: 9, lots: 1 })
    await place()
    const starts = { book: position('book:0'), orders: position('orders') }

    const back = await listen(rig)
    await back.logon(maker.session!)
    await back.request('subscribe', ['book:0', starts.book])
    await back.request('subscribe', ['orders', starts.orders])
    await until(() => back.received.filter(([kind]) => kind === Kind.Event).length === 2, 'missed events')
    expect(back.controls()).toEqual([])
    expect(
      back.received.filter(([kind]) => kind === Kind.Event).map(([, name, , prev]) => [name, prev]),
    ).toEqual([
      ['book:0', starts.book[1]],
      ['orders', starts.orders[1]],
    ])

    // The ticker changes while nobody follows it: who resumes has the newest at once.
    const watching = await listen(rig)
    await watching.request('subscribe', ['ticker:0'])
    await until(() => watching.received.some(([kind]) => kind === Kind.Snapshot), 'ticker')
    const [, , tickerEpoch, tickerSeq] = watching.received.find(([kind]) => kind === Kind.Snapshot)!
    await watching.request('unsubscribe', ['ticker:0'])
    await maker.placeOrder({ market: 0, side: 'sell', ticks: 77, lots: 1 })
    await watching.request('subscribe', ['ticker:0', [tickerEpoch, tickerSeq]])
    await until(() => watching.received.some(([kind]) => kind === Kind.Event), 'ticker after resume')
    expect(watching.received.find(([kind]) => kind === Kind.Event)![4]).toMatchObject({ ask: [77, 1, 1] })
    watching.socket.close()

    // 16 to 32 events are kept.
    for (let count = 0; count < 40; count++) await place()
    for (const [what, [epoch, seq]] of [
      ['too old', starts.book],
      ['another epoch', [starts.book[0] + 1, starts.book[1]]],
      ['not reached yet', [starts.book[0], 2 ** 40]],
    ] as const) {
      const anew = await listen(rig)
      await anew.logon(maker.session!)
      for (const stream of ['book:0', 'orders']) await anew.request('subscribe', [stream, [epoch, seq]])
      await until(() => anew.received.filter(([kind]) => kind === Kind.Snapshot).length === 2, what)
      expect([what, anew.controls()]).toEqual([
        what,
        [
          [Control.Resync, { stream: 'book:0' }],
          [Control.Resync, { stream: 'orders' }],
        ],
      ])
      anew.socket.close()
    }
    maker.close()
    for (const { socket } of [first, back]) socket.close()
    await rig.stop()
  })
})

describe('every order gets its end', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-ends-'))
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

  const order = (cloid: bigint, fields: Partial<PlaceCommand> = {}): PlaceCommand => ({
    kind: CommandKind.Place,
    market: 0,
    side: 0,
    ticks: 50,
    lots: 4,
    cloid,
    ...fields,
  })
  const cancel = (cloid: bigint): WireCommand => ({ kind: CommandKind.Cancel, market: 0, cloid })

  /** Follows a client's `orders` stream: the last that was said of each order. */
  async function follow(
    client: Client,
  ): Promise<Map<bigint, { state: number; reason: number; event: number }>> {
    const last = new Map<bigint, { state: number; reason: number; event: number }>()
    await client.subscribe('orders', ({ kind, data }) => {
      if (kind === 'snapshot') return
      for (const [, event, , cloid, , , , , , state, reason] of data as number[][])
        last.set(BigInt(cloid!), { event: event!, state: state!, reason: reason! })
    })
    return last
  }

  test('whatever ends it, also when it rested over a restart', async () => {
    let rig = await startRig({ accounts: 3, dataDir, tickMs: 5 })
    let trader = await open(rig, 0)
    let other = await open(rig, 1)
    let last = await follow(trader)
    const send = async (by: Client, ...commands: WireCommand[]): Promise<void> => {
      await by.sendFrame(commands)
    }
    const ended = async (cloid: bigint, reason: number, what = cancelReasonNames[reason]!): Promise<void> => {
      await until(() => last.get(cloid)?.state === OrderState.Canceled, what)
      expect([what, last.get(cloid)]).toEqual([
        what,
        { event: EventKind.Canceled, state: OrderState.Canceled, reason },
      ])
    }

    await send(trader, order(1n), cancel(1n))
    await ended(1n, CancelReason.User)
    await send(trader, order(2n, { timeInForce: TimeInForce.IOC }))
    await ended(2n, CancelReason.ImmediateOrCancel)
    await send(trader, order(3n, { timeInForce: TimeInForce.FOK }))
    await ended(3n, CancelReason.FillOrKill)
    await send(trader, order(4n, { timeInForce: TimeInForce.GTD, expiresAtMs: (await trader.time()) + 150 }))
    await ended(4n, CancelReason.Expired)
    // Self-trade prevention takes the resting order, then the incoming one.
    await send(trader, order(5n, { side: 1, ticks: 60 }), order(6n, { ticks: 60, stp: Stp.CancelBoth }))
    await ended(5n, CancelReason.SelfTrade)
    await ended(6n, CancelReason.SelfTrade)
    await send(trader, order(7n), { kind: CommandKind.CancelAll, market: -1, side: -1 })
    await ended(7n, CancelReason.CancelAll)
    await send(trader, order(8n))
    await send(other, order(8n, { side: 1, lots: 1, timeInForce: TimeInForce.IOC }))
    await send(trader, { kind: CommandKind.Amend, market: 0, cloid: 8n, ticks: 50, lots: 1 })
    await ended(8n, CancelReason.AmendedToFilled)
    await send(trader, order(9n), { kind: CommandKind.CancelAfter, atMs: (await trader.time()) + 100 })
    await ended(9n, CancelReason.DeadManSwitch)
    await trader.cancelAfter(0)
    await trader.setProtection(0, { windowMs: 60_000, fills: 1 })
    await send(trader, order(10n), order(11n, { ticks: 49 }))
    await send(other, order(10n, { side: 1, lots: 1, timeInForce: TimeInForce.IOC }))
    await ended(10n, CancelReason.Protection)
    await ended(11n, CancelReason.Protection)
    await trader.resetProtection(0)
    await trader.setProtection(0, { windowMs: 0 })
    // A market buy with a budget for one lot of two; an offer for it.
    await send(other, order(12n, { side: 1, ticks: 70 }))
    const { Market, StopLimit } = OrderType
    await send(trader, order(12n, { orderType: Market, ticks: 0, quoteBudget: 75, lots: 2 }))
    await ended(12n, CancelReason.QuoteBudgetSpent)
    // A stop whose order is outside the band when its trigger is reached.
    await send(trader, order(13n, { orderType: StopLimit, triggerTicks: 72, ticks: 200 }))
    rig.operate((words, floats, at) =>
      writeCommand(words, floats, at, 'SetPriceBand', { market: 0, bandPpm: 100_000 }),
    )
    await other.cancelAll()
    await send(other, order(13n, { side: 1, ticks: 72 }))
    const taker = await open(rig, 2)
    await send(taker, order(1n, { ticks: 72, lots: 1, timeInForce: TimeInForce.IOC }))
    await ended(13n, CancelReason.TriggerRejected)
    await send(other, { kind: CommandKind.CancelAll, market: -1, side: -1 })
    rig.operate((words, floats, at) =>
      writeCommand(words, floats, at, 'SetPriceBand', { market: 0, bandPpm: 0 }),
    )

    // Filled, refused.
    await send(trader, order(14n), order(15n, { ticks: 0 }))
    await send(other, order(14n, { side: 1, timeInForce: TimeInForce.IOC }))
    await until(() => last.get(14n)?.state === OrderState.Filled, 'filled')
    await until(() => last.get(15n)?.event === EventKind.Rejected, 'refused')
    expect(last.get(15n)).toMatchObject({ state: OrderState.Canceled })

    // Taken away by the operator, and with a connection that asked for it.
    await send(trader, order(16n))
    rig.operate((words, floats, at) =>
      writeCommand(words, floats, at, 'CancelAll', { account: 1, reason: CancelReason.CancelAll }),
    )
    await ended(16n, CancelReason.CancelAll, 'by the operator')
    const leaving = await open(rig, 0)
    await leaving.cancelOnDisconnect(true)
    await send(leaving, order(17n))
    leaving.close()
    await ended(17n, CancelReason.Disconnect)

    // Resting over a restart.
    const expiresAtMs = (await trader.time()) + 600_000
    await send(trader, order(18n), order(19n), order(20n, { timeInForce: TimeInForce.GTD, expiresAtMs }))
    for (const client of [trader, other, taker]) client.close()
    await rig.stop()
    rig = await startRig({ accounts: 3, dataDir, tickMs: 5 })
    trader = await open(rig, 0)
    other = await open(rig, 1)
    last = await follow(trader)
    await send(trader, cancel(18n))
    await ended(18n, CancelReason.User, 'cancelled after a restart')
    await send(other, order(19n, { side: 1, timeInForce: TimeInForce.IOC }))
    await until(() => last.get(19n)?.state === OrderState.Filled, 'filled after a restart')
    // However long the restart took, it ends now.
    await send(trader, {
      kind: CommandKind.Amend,
      market: 0,
      cloid: 20n,
      ticks: 50,
      lots: 4,
      expiresAtMs: (await trader.time()) + 500,
    })
    await ended(20n, CancelReason.Expired, 'expired after a restart')
    trader.close()
    other.close()
    await rig.stop()
  })
})
