/**
 * Hostile messages: each gets a typed error, the engine's state does not move, memory stays flat. 20,000
 * of them in every test run; GLASSBOOK_FUZZ_FRAMES=1000000 for the long one, GLASSBOOK_FUZZ_SEED to
 * repeat one. Wycheproof's P-256 vectors go through the verifier that frames go through.
 */
import { ECDH, createHash, generateKeyPairSync, sign } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../bench/gateway-rig.js'
import { createClient, createSessionKey } from '../sdk/index.js'
import { Kind, Method } from '../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../sdk/wire/msgpack.js'
import { domainPreimage, frameMessage, logonMessage } from '../sdk/wire/signed.js'
import { Subprotocol } from '../sdk/wire/version.js'
import { verifySessionSignature } from './auth.js'
import { type SessionInfo, p256PublicKey } from './directory.js'

const FRAMES = Number(process.env['GLASSBOOK_FUZZ_FRAMES'] ?? 20_000)
const SEED = Number(process.env['GLASSBOOK_FUZZ_SEED'] ?? 1)
const WINDOW = Number(process.env['GLASSBOOK_FUZZ_WINDOW'] ?? 64)
const VAULT = `0x${'11'.repeat(20)}`

function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const domainOf = (chainId: number, vault: string): Uint8Array =>
  createHash('sha256').update(domainPreimage(chainId, vault)).digest()

describe('hostile messages', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await startRig({
      accounts: 2,
      tickMs: 1_000_000_000,
      config: {
        malformedMax: 1_000_000_000,
        framesInFlightMax: 100_000,
        requestRate: { perSecond: 1e9, burst: 1e9 },
        orderRate: { perSecond: 1e9, burst: 1e9 },
        cancelRate: { perSecond: 1e9, burst: 1e9 },
      },
    })
  })
  afterAll(() => rig.stop())

  test(`${FRAMES} mutated messages move nothing`, async () => {
    const next = random(SEED)
    const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
    const key = await createSessionKey({ extractable: true })
    const client = await createClient({ url: rig.url, wallet: rig.wallets[0]!, reconnect: false }).connect()
    const { slot } = await client.createSession({ key })
    await client.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 5 })
    client.close()
    const jwk = (await key.export()) as never
    const signer = { key: jwk, format: 'jwk', dsaEncoding: 'ieee-p1363' } as const
    const home = domainOf(31337, VAULT)
    const signed = (nonce: number, payload: Uint8Array, domain = home): Uint8Array =>
      sign('sha256', frameMessage(domain, slot, nonce, payload), signer)

    const socket = new WebSocket(rig.url, Subprotocol.Msgpack)
    let answers = 0
    const kinds = new Map<string, number>()
    const sentAt: number[] = []
    const latencies: number[] = []
    let onAnswer = (_message: readonly WireValue[]): void => {}
    socket.on('message', (data: Buffer) => onAnswer(unpackMsgpack(data) as readonly WireValue[]))
    const nextAnswer = (): Promise<readonly WireValue[]> => new Promise((resolve) => (onAnswer = resolve))
    const hello = await nextAnswer()
    const challenge = hello[4] as Uint8Array
    const logon = sign('sha256', logonMessage(home, slot, challenge), signer)
    socket.send(packMsgpack([Kind.Request, 0, Method.Logon, [slot, logon]]))
    expect((await nextAnswer())[0]).toBe(Kind.Result)

    // A frame that was taken once: every copy of it is a replay.
    const payload = packMsgpack([[1, 0, 0, 90, 1, 77n]])
    const used = packMsgpack([Kind.Request, 5, Method.Frame, [slot, 5e15, payload, signed(5e15, payload)]])
    socket.send(used)
    expect((await nextAnswer())[0]).toBe(Kind.Result)
    const before = await rig.stateHash()
    const framesBefore = rig.gateway.stats.frames

    /** Values that no field of a command takes. */
    const poison = [
      [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
      [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0],
      [0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 1],
      [0xca, 0x3f, 0, 0, 0],
      [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80],
      [0xc0],
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
      Array<number>(200).fill(0x91),
    ].map((bytes) => Uint8Array.from(bytes))
    /** A payload of one place in which one field is poisoned; properly signed. */
    const poisoned = (): Uint8Array => {
      const fields = [1, 0, 0, 100, 1, 5n].map((value) => packMsgpack(value))
      fields[1 + Math.floor(next() * 5)] = pick(poison)
      const body = Buffer.concat([Uint8Array.of(0x91, 0x96), ...fields])
      const nonce = 2e15 + Math.floor(next() * 1e9)
      return packMsgpack([Kind.Request, 6, Method.Frame, [slot, nonce, body, signed(nonce, body)]])
    }
    const mutations: (() => Uint8Array)[] = [
      () => {
        const copy = used.slice()
        for (let flips = 1 + Math.floor(next() * 4); flips > 0; flips--)
          copy[Math.floor(next() * copy.length)]! ^= 1 << Math.floor(next() * 8)
        return copy
      },
      () => used.slice(0, Math.floor(next() * used.length)),
      () => Buffer.concat([used, Uint8Array.of(Math.floor(next() * 256))]),
      () => Uint8Array.from({ length: 1 + Math.floor(next() * 200) }, () => Math.floor(next() * 256)),
      () => new Uint8Array(1 + Math.floor(next() * 10_000)).fill(0x91),
      () => pick(poison),
      poisoned,
      () => used,
      () =>
        packMsgpack([
          Kind.Request,
          7,
          pick([Method.Frame, Method.Subscribe, Method.Logon, 'x', '__proto__', 'constructor']),
          pick<WireValue>([
            [],
            [1],
            null,
            'a',
            [[], [], [], []],
            { a: 1 },
            [slot, -1, payload, new Uint8Array(64)],
          ]),
        ]),
      () => {
        const nonce = 3e15 + Math.floor(next() * 1e9)
        const domain = pick([domainOf(1, VAULT), domainOf(31337, `0x${'22'.repeat(20)}`)])
        return packMsgpack([
          Kind.Request,
          8,
          Method.Frame,
          [slot, nonce, payload, signed(nonce, payload, domain)],
        ])
      },
      () => packMsgpack([Kind.Request, 9, Method.Frame, [slot + 1, 4e15, payload, signed(4e15, payload)]]),
      () =>
        packMsgpack([
          Kind.Request,
          10,
          Method.Frame,
          [slot, 5e15 - 101, payload, signed(5e15 - 101, payload)],
        ]),
    ]

    let wake = (): void => {}
    let pushed = 0
    onAnswer = (message) => {
      // Streams do not answer: a mutation may have followed one.
      if (message[0] === Kind.Snapshot || message[0] === Kind.Event || message[0] === Kind.Control) {
        pushed++
        return
      }
      latencies.push(performance.now() - sentAt[answers]!)
      answers++
      const name = message[0] === Kind.Error ? (message[3] as { name: string }).name : 'Result'
      kinds.set(name, (kinds.get(name) ?? 0) + 1)
      wake()
    }
    const memory = (): number => process.memoryUsage().rss / 2 ** 20
    let rssAtTenth = 0
    for (let sent = 0; sent < FRAMES;) {
      while (sent < FRAMES && sent - answers < WINDOW) {
        const message = pick(mutations)()
        if (message.length === 0) continue
        sentAt.push(performance.now())
        socket.send(message)
        sent++
        if (sent === Math.floor(FRAMES / 10)) rssAtTenth = memory()
      }
      await new Promise<void>((resolve, reject) => {
        const patience = setTimeout(
          () => reject(new Error(`no answer to message ${answers} of seed ${SEED}`)),
          20_000,
        )
        wake = () => {
          clearTimeout(patience)
          resolve()
        }
        if (sent - answers < WINDOW) wake()
      })
    }
    for (let waited = 0; answers < FRAMES && waited < 10_000; waited += 10)
      await new Promise((resolve) => setTimeout(resolve, 10))
    expect(answers).toBe(FRAMES)
    expect(kinds.get('Result') ?? 0).toBe(0)
    for (const name of [
      'MalformedMessage',
      'BadParams',
      'BadSignature',
      'FrameNonceUsed',
      'FrameNonceTooOld',
      'UnknownMethod',
      'WrongAccount',
    ]) {
      expect([name, kinds.get(name) ?? 0]).not.toEqual([name, 0])
    }
    // Replays reach the engine, which sequences and refuses them: only they move its seq and time.
    const reached = 2 * (rig.gateway.stats.frames - framesBefore)
    const after = await rig.stateHash()
    expect(after.seq - before.seq).toBeLessThanOrEqual(2 * reached + 2)
    const check = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    await check.createSession()
    const orders = await check.orders()
    expect(orders.map(({ ticks, remaining }) => [ticks, remaining])).toEqual([
      [100, 5],
      [90, 1],
    ])
    check.close()
    socket.close()
    const sorted = latencies.sort((a, b) => a - b)
    const at = (part: number): string => sorted[Math.floor(sorted.length * part)]!.toFixed(2)
    const growth = memory() - rssAtTenth
    console.log(
      `fuzz: ${FRAMES} messages (seed ${SEED}), ms to answer p50 ${at(0.5)} p99 ${at(0.99)} max ${at(0.999999)} with ${WINDOW} under way, RSS +${growth.toFixed(0)} MiB since the first tenth, ${pushed} stream messages, ${JSON.stringify(Object.fromEntries(kinds))}`,
    )
    expect(growth).toBeLessThan(300)
  })

  test('a message that the gateway refuses does not move the engine at all', async () => {
    const before = await rig.stateHash()
    const socket = new WebSocket(rig.url, Subprotocol.Msgpack)
    await new Promise((resolve) => socket.once('message', resolve))
    const errors: WireValue[] = []
    socket.on('message', (data: Buffer) => errors.push((unpackMsgpack(data) as WireValue[])[2]!))
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    for (const message of [
      packMsgpack([0, 1, 'frame', [0, 1, packMsgpack([[3, 0, 1]]), new Uint8Array(64)]]),
      packMsgpack([
        0,
        2,
        'logon',
        [0, sign('sha256', Buffer.alloc(10), { key: other, dsaEncoding: 'ieee-p1363' })],
      ]),
      Uint8Array.of(0xc1),
      new Uint8Array(17_000).fill(0x91),
    ]) {
      socket.send(message)
    }
    const code = await new Promise<number>((resolve) => socket.once('close', resolve))
    expect(errors).toEqual(expect.arrayContaining([2000, 1000, 1001]))
    expect(code).toBe(4001)
    expect(await rig.stateHash()).toEqual(before)
  })
})

const data = join(
  process.env['GLASSBOOK_DATA'] ??
    join(resolve(dirname(fileURLToPath(import.meta.url)), '..', '..'), '..', 'shared', 'data'),
  'vectors',
  'wycheproof_p256_sha256_p1363.json',
)
if (!existsSync(data)) {
  test('skipped: data absent: Wycheproof', () => console.log('skipped: no wycheproof_p256_sha256_p1363.json'))
} else {
  test('Wycheproof’s P-256 vectors pass through the verifier', async () => {
    interface Group {
      readonly publicKey?: { uncompressed: string }
      readonly key?: { uncompressed: string }
      readonly tests: { tcId: number; msg: string; sig: string; result: string; comment: string }[]
    }
    const { testGroups } = JSON.parse(readFileSync(data, 'utf8')) as { testGroups: Group[] }
    let valid = 0
    let invalid = 0
    for (const group of testGroups) {
      const point = Buffer.from((group.publicKey ?? group.key)!.uncompressed, 'hex')
      const publicKeyBytes = ECDH.convertKey(
        point,
        'prime256v1',
        undefined,
        undefined,
        'compressed',
      ) as Buffer
      const session = { publicKey: p256PublicKey(publicKeyBytes)!, publicKeyBytes } as unknown as SessionInfo
      for (const { tcId, msg, sig, result } of group.tests) {
        const signature = Buffer.from(sig, 'hex')
        const found =
          signature.length === 64 &&
          (await new Promise<boolean>((done) =>
            verifySessionSignature(session, Buffer.from(msg, 'hex'), signature, done),
          ))
        expect([tcId, found]).toEqual([tcId, result === 'valid'])
        if (found) valid++
        else invalid++
      }
    }
    expect(valid).toBeGreaterThan(100)
    expect(invalid).toBeGreaterThan(50)
  })
}
