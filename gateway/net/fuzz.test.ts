/**
 * Hostile messages: each gets a typed error, the engine's state does not move, memory stays flat. 20,000
 * of them in every test run; GLASSBOOK_FUZZ_FRAMES=1000000 for the long one, GLASSBOOK_FUZZ_SEED to
 * repeat one. Wycheproof's P-256 vectors go through the verifier that frames go through.
 */
import { ECDH, createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { SNAPSHOT_HEADER_BYTES } from '../../engine/core/snapshot/snapshot-format.js'
import { type Engine, createEngine } from '../../engine/index.js'
import { COMMANDS_AT } from '../../engine/journal/format.js'
import { JournalReader, genesisOf } from '../../engine/journal/reader.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { createClient, createSessionKey } from '../../sdk/index.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { type SessionName, domainPreimage, frameMessage, logonMessage } from '../../sdk/wire/signed.js'
import { Subprotocol } from '../../sdk/wire/version.js'
import { verifySessionSignature } from '../signatures/auth.js'
import { type SessionInfo, p256PublicKey } from '../sessions/directory.js'
import { testWithFile } from '../../test/support/needs.js'

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

/** A connection with a session logged on, on which hostile messages are sent and their answers counted. */
interface Line {
  readonly socket: WebSocket
  readonly name: SessionName
  readonly sign: (nonce: number, payload: Uint8Array, domain?: Uint8Array) => Uint8Array
  readonly sentAtMs: number[]
}

/** Everything that the journal up to `seq` leads to, except seq and time themselves, and its state hash. */
function stateAt(dataDir: string, seq: number): { state: Uint8Array; stateHash: string } {
  let engine: Engine | undefined
  const reader = new JournalReader(dataDir)
  for (let block = reader.next(); block !== undefined && (engine?.seq ?? 0) < seq; block = reader.next()) {
    engine ??= createEngine({ genesis: genesisOf(block), onEvents: () => {} })
    for (let index = 0; index < block.count && engine.seq < seq; index++)
      engine.apply(block.words, block.floats, COMMANDS_AT + index * COMMAND_WORDS)
    engine.flush()
  }
  reader.close()
  if (engine?.seq !== seq) throw new Error(`the journal ends at seq ${engine?.seq}, not at ${seq}`)
  const stateHash = Buffer.from(engine.stateHash()).toString('hex')
  const state = engine.captureSnapshot()
  // The body begins with a section's tag and count, then seq and time.
  const clockAt = SNAPSHOT_HEADER_BYTES + 8
  return { state: state.fill(0, clockAt, clockAt + 16), stateHash }
}

describe('hostile messages', () => {
  let rig: Rig
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-fuzz-'))
  beforeAll(async () => {
    rig = await startRig({
      accounts: 2,
      dataDir,
      tickMs: 1_000_000_000,
      config: {
        malformedMax: 1_000_000_000,
        framesInFlightMax: 100_000,
        requestRate: { perSecond: 1e9, burst: 1e9 },
        orderRate: { perSecond: 1e9, burst: 1e9 },
        cancelRate: { perSecond: 1e9, burst: 1e9 },
        // Nearly all is refused: a client that is kept out would test nothing.
        messageRate: { perSecond: 1e9, burst: 1e9 },
        refusalRate: { perSecond: 1e9, burst: 1e9 },
        ipRefusalRate: { perSecond: 1e9, burst: 1e9 },
      },
    })
  })
  afterAll(async () => {
    await rig.stop()
    rmSync(dataDir, { recursive: true, force: true })
  })

  test(
    `${FRAMES} mutated messages move nothing`,
    async () => {
      const next = random(SEED)
      const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!
      const home = domainOf(31337, VAULT)
      const client = await createClient({ url: rig.url, wallet: rig.wallets[0]!, reconnect: false }).connect()
      await client.createSession()
      await client.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 5 })

      /** Approves a session and logs it on to a plain WebSocket. */
      const open = async (options: { expiresAtMs?: number } = {}): Promise<Line> => {
        const key = await createSessionKey({ extractable: true })
        const owner = await createClient({
          url: rig.url,
          wallet: rig.wallets[0]!,
          reconnect: false,
        }).connect()
        const { account, approval } = await owner.createSession({ key, ...options })
        const name = { account, approval }
        owner.close()
        const signer = {
          key: (await key.export()) as never,
          format: 'jwk',
          dsaEncoding: 'ieee-p1363',
        } as const
        const socket = new WebSocket(rig.url, Subprotocol.Msgpack)
        const answer = (): Promise<readonly WireValue[]> =>
          new Promise((resolve) => {
            socket.once('message', (data: Buffer) => resolve(unpackMsgpack(data) as readonly WireValue[]))
          })
        const challenge = (await answer())[4] as Uint8Array
        socket.send(
          packMsgpack([
            Kind.Request,
            0,
            Method.Logon,
            [account, approval, sign('sha256', logonMessage(home, name, challenge), signer)],
          ]),
        )
        expect((await answer())[0]).toBe(Kind.Result)
        return {
          socket,
          name,
          sign: (nonce, payload, domain = home) =>
            sign('sha256', frameMessage(domain, name, nonce, payload), signer),
          sentAtMs: [],
        }
      }
      // Two sessions end while their connections stand. An expired one's frames are refused as such, until the
      // gateway takes the session off the connection.
      const expiresAtMs = Date.now() + 3000
      const expired = await open({ expiresAtMs })
      const revoked = await open()
      const ended = new Promise((resolve) => revoked.socket.once('message', resolve))
      await client.revokeSession(revoked.name.approval)
      await ended
      client.close()
      const main = await open()
      const { account, approval } = main.name
      while (Date.now() <= expiresAtMs) await new Promise((resolve) => setTimeout(resolve, 20))

      // A frame that was taken once: every copy of it is a replay.
      const payload = packMsgpack([[1, 0, 0, 90, 1, 77n]])
      const used = packMsgpack([
        Kind.Request,
        5,
        Method.Frame,
        [account, approval, 5e15, payload, main.sign(5e15, payload)],
      ])
      const taken = new Promise<Buffer>((resolve) => main.socket.once('message', resolve))
      main.socket.send(used)
      expect((unpackMsgpack(await taken) as WireValue[])[0]).toBe(Kind.Result)
      const before = await rig.stateHash()
      const framesBefore = rig.gateway.stats.frames

      const frame = (
        { sign: signFor, ...line }: Line,
        body: Uint8Array,
        options: { id?: number; approval?: number; nonce?: number; domain?: Uint8Array } = {},
      ): Uint8Array => {
        const nonce = options.nonce ?? 5e15 + 1 + Math.floor(next() * 1e9)
        return packMsgpack([
          Kind.Request,
          options.id ?? 6,
          Method.Frame,
          [
            account,
            options.approval ?? line.name.approval,
            nonce,
            body,
            signFor(nonce, body, options.domain),
          ],
        ])
      }
      const array = (...elements: readonly Uint8Array[]): Uint8Array =>
        Buffer.concat([Uint8Array.of(0x90 | elements.length), ...elements])
      /** Values that no field of a command takes. */
      const poison = [
        // NaN, -0, 1.5 and 2^53 + 1
        [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
        [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0],
        [0xca, 0x3f, 0xc0, 0, 0],
        [0xcf, 0x00, 0x20, 0, 0, 0, 0, 0, 1],
        // -2^63, and a key that reaches into objects
        [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0],
        [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80],
        [0xc0],
        // lengths of 4 GiB: array, map, text, bytes, extension
        [0xdd, 0xff, 0xff, 0xff, 0xff],
        [0xdf, 0xff, 0xff, 0xff, 0xff],
        [0xdb, 0xff, 0xff, 0xff, 0xff],
        [0xc6, 0xff, 0xff, 0xff, 0xff],
        [0xc9, 0xff, 0xff, 0xff, 0xff, 1],
        Array<number>(200).fill(0x91),
      ].map((bytes) => Uint8Array.from(bytes))
      const command = [1, 0, 0, 100, 1, 5n].map((value) => packMsgpack(value))
      const mutations: Readonly<Record<string, () => Uint8Array>> = {
        'flipped bits': () => {
          const copy = used.slice()
          for (let flips = 1 + Math.floor(next() * 4); flips > 0; flips--)
            copy[Math.floor(next() * copy.length)]! ^= 1 << Math.floor(next() * 8)
          return copy
        },
        truncated: () => used.slice(0, 1 + Math.floor(next() * (used.length - 1))),
        'too long': () => Buffer.concat([used, Uint8Array.of(Math.floor(next() * 256))]),
        noise: () =>
          Uint8Array.from({ length: 1 + Math.floor(next() * 200) }, () => Math.floor(next() * 256)),
        'depth bomb': () => new Uint8Array(1 + Math.floor(next() * 10_000)).fill(pick([0x91, 0x81])),
        'depth bomb in a frame': () => frame(main, new Uint8Array(1 + Math.floor(next() * 1000)).fill(0x91)),
        'a value that is no message': () => pick(poison),
        'a value that no field takes': () => {
          const fields = [...command]
          const field = 1 + Math.floor(next() * 5)
          // 2^53 + 1 is a client order id as good as any.
          fields[field] = pick(field === 5 ? poison.filter(([tag]) => tag !== 0xcf) : poison)
          return frame(main, array(array(...fields)))
        },
        'a negative number': () => {
          const fields = [...command]
          fields[pick([2, 5])] = packMsgpack(-1 - Math.floor(next() * 1000))
          return next() < 0.5
            ? frame(main, array(array(...fields)))
            : packMsgpack([
                Kind.Request,
                7,
                Method.Frame,
                [account, approval, -1, payload, new Uint8Array(64)],
              ])
        },
        'wrong arity': () => {
          const count = pick([0, 1, 2, 3, 4, 5, 15])
          const elements = Array.from({ length: count }, (_, index) => command[index] ?? packMsgpack(0))
          return pick([
            () => frame(main, count === 15 ? array(...elements) : array(array(...elements))),
            () => frame(main, packMsgpack([])),
            () => frame(main, packMsgpack(Array(65).fill([3, 0, 1n]))),
            () => packMsgpack([Kind.Request, 7, Method.Frame, [account, approval, 1, payload]]),
            () => packMsgpack([Kind.Request, 7, Method.Frame]),
            () => packMsgpack([Kind.Request, 7, Method.Logon, Array(9).fill(0)]),
          ])()
        },
        'a method or params that are none': () =>
          packMsgpack([
            Kind.Request,
            7,
            pick([Method.Frame, Method.Subscribe, Method.Order, 'x', '__proto__', 'constructor', 'toString']),
            pick<WireValue>([[], [1], null, 'a', [[], [], [], []], { a: 1 }, ['x'.repeat(100)]]),
          ]),
        'a key __proto__ in params': () =>
          array(
            packMsgpack(Kind.Request),
            packMsgpack(7),
            packMsgpack(pick([Method.Fills, Method.Order])),
            array(Buffer.concat([poison[5]!.subarray(0, 11), packMsgpack({ cloid: 77n, limit: 5 })])),
          ),
        'a replay': () => used,
        'a nonce that is used, for another frame': () =>
          frame(main, packMsgpack([[3, 0, 77n]]), { nonce: 5e15 }),
        'a nonce that is too old': () =>
          frame(main, payload, { nonce: 5e15 - 100 - Math.floor(next() * 1e9) }),
        'a nonce that is none': () =>
          packMsgpack([
            Kind.Request,
            7,
            Method.Frame,
            [
              account,
              approval,
              pick<WireValue>([2n ** 53n + 1n, 2n ** 64n - 1n, '7', null]),
              payload,
              new Uint8Array(64),
            ],
          ]),
        'signed for another chain or vault': () =>
          frame(main, payload, {
            domain: pick([domainOf(1, VAULT), domainOf(31337, `0x${'22'.repeat(20)}`)]),
          }),
        'another session’s name': () =>
          frame(main, payload, { approval: pick([approval + 1, expired.name.approval, 0, 4095]) }),
        'another session’s signature': () => {
          const nonce = 5e15 + 7
          const signature = expired.sign(nonce, payload)
          return packMsgpack([Kind.Request, 9, Method.Frame, [account, approval, nonce, payload, signature]])
        },
        'an expired session’s frame': () => frame(expired, payload),
        'a revoked session’s frame': () => frame(revoked, payload),
      }
      const lines: Readonly<Record<string, Line>> = {
        'an expired session’s frame': expired,
        'a revoked session’s frame': revoked,
      }

      let sent = 0
      let answers = 0
      let pushed = 0
      let wake = (): void => {}
      const kinds = new Map<string, number>()
      const latenciesMs = new Float32Array(FRAMES)
      for (const line of [main, expired, revoked]) {
        line.socket.on('message', (data: Buffer) => {
          const message = unpackMsgpack(data) as readonly WireValue[]
          // Streams do not answer: a mutation may have followed one.
          if (message[0] === Kind.Snapshot || message[0] === Kind.Event || message[0] === Kind.Control) {
            pushed++
            return
          }
          latenciesMs[answers++] = performance.now() - line.sentAtMs.shift()!
          const name = message[0] === Kind.Error ? (message[3] as { name: string }).name : 'Result'
          kinds.set(name, (kinds.get(name) ?? 0) + 1)
          wake()
        })
      }
      const names = Object.keys(mutations)
      const memory = (): number => process.memoryUsage().rss / 2 ** 20
      let rssAtTenth = 0
      while (sent < FRAMES) {
        while (sent < FRAMES && sent - answers < WINDOW) {
          // Each kind comes; after that, by lot.
          const name = sent < names.length ? names[sent]! : pick(names)
          const line = lines[name] ?? main
          const message = mutations[name]!()
          line.sentAtMs.push(performance.now())
          line.socket.send(message)
          sent++
          if (sent === Math.floor(FRAMES / 10)) rssAtTenth = memory()
        }
        await new Promise<void>((resolve, reject) => {
          const patience = setTimeout(
            () => reject(new Error(`no answer to one of ${sent} messages of seed ${SEED}, ${answers} came`)),
            60_000,
          )
          wake = () => {
            clearTimeout(patience)
            resolve()
          }
          if (sent - answers < WINDOW) wake()
        })
      }
      for (let waited = 0; answers < FRAMES && waited < 60_000; waited += 10)
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
        'NotLoggedOn',
      ]) {
        expect([name, kinds.get(name) ?? 0]).not.toEqual([name, 0])
      }
      const growth = memory() - rssAtTenth
      const sorted = latenciesMs.sort()
      const at = (part: number): string => sorted[Math.floor(sorted.length * part)]!.toFixed(2)
      console.log(
        `fuzz: ${FRAMES} messages (seed ${SEED}), ms to answer p50 ${at(0.5)} p99 ${at(0.99)} max ${at(0.999999)} with ${WINDOW} under way, RSS ${memory().toFixed(0)} MiB, +${growth.toFixed(0)} since the first tenth, ${pushed} stream messages, ${JSON.stringify(Object.fromEntries(kinds))}`,
      )
      expect(growth).toBeLessThan(300)

      // What reached the engine (replays, old nonces, expired sessions) was sequenced and refused: nothing but
      // seq and time has moved, and a journal that anybody replays says the same.
      const reached = 2 * (rig.gateway.stats.frames - framesBefore)
      const after = await rig.stateHash()
      expect(after.seq - before.seq).toBeLessThanOrEqual(2 * reached + 2)
      const was = stateAt(dataDir, before.seq)
      const is = stateAt(dataDir, after.seq)
      expect([was.stateHash, is.stateHash]).toEqual([before.stateHash, after.stateHash])
      expect(Buffer.compare(was.state, is.state)).toBe(0)
      for (const { socket } of [main, expired, revoked]) socket.close()
    },
    300_000 + FRAMES,
  )

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
    join(resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..'), '..', 'shared', 'data'),
  'vectors',
  'wycheproof_p256_sha256_p1363.json',
)
testWithFile(data)('Wycheproof’s P-256 vectors pass through the verifier', async () => {
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
    const publicKeyBytes = ECDH.convertKey(point, 'prime256v1', undefined, undefined, 'compressed') as Buffer
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
