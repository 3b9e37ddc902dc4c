/**
 * A private venue with two gateway threads: commands that nobody signed, hammered on connections of both threads while
 * their session is revoked, or expires. What was taken is read from the journal: nothing behind the session's end,
 * although each thread hears of that end later than the engine has made it.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Rig, RIG_DEPLOYMENT, startRig } from '../../bench/support/gateway-rig.js'
import { type RawConnection, openRaw, webSocketFrame } from '../../bench/support/raw-websocket.js'
import { CommandKind, EventKind, Reject, TimeInForce } from '../../engine/codes.js'
import { createEngine } from '../../engine/index.js'
import { COMMANDS_AT } from '../../engine/journal/format.js'
import { JournalReader, genesisOf } from '../../engine/journal/reader.js'
import {
  AcceptedEv,
  COMMAND_WORDS,
  EVENT_WORDS,
  RejectedEv,
  SessionRevokedEv,
  kindOf,
} from '../../engine/layout.js'
import { type Client, type Session, createClient } from '../../sdk/index.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { domainPreimage, logonMessage } from '../../sdk/wire/signed.js'
import { testWithThreads } from '../../test/support/sockets.js'

const CONNECTIONS = 8
/** Unanswered frames of a connection. */
const IN_FLIGHT = 16
const MARKET = 0
/** Bounds that this is not about. */
const FREE = { perSecond: 1e9, burst: 1e9 }
const domain = createHash('sha256').update(domainPreimage(31337, RIG_DEPLOYMENT.vault)).digest()
const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-unsigned-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 60_000) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** One connection that sends frames as fast as they are answered, until one is refused. */
class Hammer {
  answers = 0
  /** The thread that it fell to, by what its streams are numbered with. */
  thread = 0
  refusal = 0
  private sent = 0

  private constructor(
    private readonly raw: RawConnection,
    private readonly index: number,
    private readonly round: number,
  ) {
    raw.onBody = (body) => {
      const [kind, , code] = unpackMsgpack(body) as number[]
      if (kind === Kind.Snapshot) this.thread = code!
      if (kind === Kind.Error) this.refusal = code!
      if (kind !== Kind.Result) return
      this.answers++
      if (this.refusal === 0) this.send()
    }
  }

  static async open(port: number, index: number, round: number, session: Session): Promise<Hammer> {
    const raw = await openRaw(port)
    const hammer = new Hammer(raw, index, round)
    const signature = await session.key.sign(logonMessage(domain, session, raw.hello[4] as Uint8Array))
    await raw.request(Method.Logon, [session.account, session.approval, signature])
    await raw.request(Method.Subscribe, [`book:${MARKET}:5`])
    return hammer
  }

  begin(): void {
    for (let count = 0; count < IN_FLIGHT; count++) this.send()
  }

  /** An order that does not rest; its id names the round. */
  private send(): void {
    const cloid = (BigInt(this.round) << 32n) | BigInt(this.index + CONNECTIONS * this.sent++)
    const payload = packMsgpack([[CommandKind.Place, MARKET, 0, 10, 1, cloid, 0, TimeInForce.IOC]])
    this.raw.socket.write(
      webSocketFrame(packMsgpack([Kind.Request, this.sent, Method.UnsignedFrame, [payload]])),
    )
  }

  close(): void {
    this.raw.socket.destroy()
  }
}

/** Hammers a session on connections of both threads, lets `end` end it, and waits until each is refused. */
async function hammer(rig: Rig, round: number, session: Session, end: () => Promise<void>): Promise<void> {
  const hammers: Hammer[] = []
  const threads = (): number => new Set(hammers.map(({ thread }) => thread)).size
  while (hammers.length < CONNECTIONS || threads() < 2) {
    const next = await Hammer.open(rig.port, hammers.length, round, session)
    hammers.push(next)
    await until(() => next.thread !== 0, 'the thread of a connection')
  }
  for (const each of hammers) each.begin()
  await until(() => hammers.every(({ answers }) => answers > 20), 'every connection in full swing')
  await end()
  await until(() => hammers.every(({ refusal }) => refusal !== 0), 'the end on every connection')
  for (const each of hammers) each.close()
}

interface Taken {
  /** Orders by round, and of them those behind the end of their session. */
  readonly orders: Map<number, number>
  late: number
  /** Headers of frames that the engine refused because their session had ended. */
  readonly refused: Map<number, number>
}

/** What the engine took and refused, from the journal alone; `approvals` are the sessions of the rounds. */
function takenOf(approvals: readonly number[], endsAtMs: readonly number[]): Taken {
  const reader = new JournalReader(dataDir)
  const first = reader.next()!
  const revoked = new Set<number>()
  const taken: Taken = { orders: new Map(), late: 0, refused: new Map() }
  const count = (map: Map<number, number>, key: number): unknown => map.set(key, (map.get(key) ?? 0) + 1)
  const engine = createEngine({
    genesis: genesisOf(first),
    onEvents: ({ words, floats, count: events }) => {
      for (let at = 0; at < events * EVENT_WORDS; at += EVENT_WORDS) {
        const kind = kindOf(words[at]!)
        if (kind === EventKind.SessionRevoked) revoked.add(floats[at / 2 + SessionRevokedEv.APPROVAL_F64]!)
        else if (kind === EventKind.Rejected && words[at + RejectedEv.COMMAND] === CommandKind.UnsignedFrame)
          count(taken.refused, words[at + RejectedEv.CODE]!)
        else if (kind === EventKind.Accepted) {
          const round = words[at + AcceptedEv.CLOID_HI]!
          count(taken.orders, round)
          if (revoked.has(approvals[round]!) || engine.timeMs >= endsAtMs[round]!) taken.late++
        }
      }
    },
  })
  for (let block = reader.next(); block !== undefined; block = reader.next())
    for (let command = 0; command < block.count; command++) {
      engine.apply(block.words, block.floats, COMMANDS_AT + command * COMMAND_WORDS)
      engine.flush()
    }
  reader.close()
  return taken
}

testWithThreads(
  'behind the revocation, or the expiry, of their session no unsigned commands are taken on any thread',
  async () => {
    const rig = await startRig({
      accounts: 1,
      gateways: 2,
      signed: false,
      dataDir,
      config: { connectRate: FREE, requestRate: FREE, orderRate: FREE, ipOrderRate: FREE },
    })
    const own: Client = await createClient({ url: rig.url, wallet: rig.wallets[0]! }).connect()
    const approvals: number[] = []
    const endsAtMs: number[] = []
    for (let round = 0; round < 6; round++) {
      const expires = round % 3 === 2
      const expiresAtMs = (await own.engineTime()) + (expires ? 3000 : 3_600_000)
      const session = await own.createSession({ expiresAtMs })
      approvals.push(session.approval)
      endsAtMs.push(expiresAtMs)
      await hammer(rig, round, session, () =>
        expires ? Promise.resolve() : own.revokeSession(session.approval),
      )
    }
    own.close()
    await rig.stop()
    const { orders, late, refused } = takenOf(approvals, endsAtMs)
    for (let round = 0; round < approvals.length; round++) expect(orders.get(round)).toBeGreaterThan(100)
    expect(late).toBe(0)
    // The threads went on for as long as they did not know: the engine was asked, and refused.
    expect(refused.get(Reject.UnknownSession)).toBeGreaterThan(0)
  },
)
