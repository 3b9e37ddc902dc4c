/**
 * Load for bench/gateway.ts, as a process of its own: open loop. Frame k is due at start + k / rate and
 * is sent then, whether or not anything has been answered; its latency runs from that planned time, so a
 * server that stalls cannot hide it (no coordinated omission). Frames are built and signed before the
 * start, which the report says: what is measured is the server, not how fast this process signs.
 *
 * Takes its options from its parent, says 'start' when the load begins, and answers with the result.
 */
import { createHash, sign, type KeyObject, createPrivateKey } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { build } from 'hdr-histogram-js'
import { CommandKind, TimeInForce } from '../../engine/codes.js'
import { createClient, createSessionKey } from '../../sdk/index.js'
import { commandToWire, type WireCommand } from '../../sdk/wire/commands.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { domainPreimage, frameMessage, logonMessage } from '../../sdk/wire/signed.js'
import { rigWallet } from '../support/gateway-rig.js'
import { type RawConnection, openRaw, webSocketFrame } from '../support/raw-websocket.js'

export interface LoadOptions {
  readonly port: number
  readonly connections: number
  /** Orders a second, over all connections. */
  readonly rate: number
  readonly seconds: number
  readonly warmupSeconds: number
  readonly frame: number
  readonly signed: boolean
}

export interface LoadResult {
  readonly sentOrders: number
  /** Of frames that were answered: taken, or refused. Taken ones hold commands that the engine rejects, too. */
  readonly acknowledgedOrders: number
  readonly refusedOrders: number
  readonly refusedFrames: number
  /** Never answered within ANSWERS_MS of the last one sent. */
  readonly lostFrames: number
  readonly seconds: number
  readonly ordersPerSecond: number
  /** Milliseconds from planned send time, of frames taken within the measured time: not of refused or lost ones. */
  readonly latencyMs: Record<'p50' | 'p90' | 'p99' | 'p999' | 'max', number>
  readonly cpuSeconds: number
  readonly signingSeconds: number
  /** How late this process itself was in sending, milliseconds: if it is large, the figures are its own. */
  readonly sendLagMs: Record<'p50' | 'p99' | 'max', number>
}

const MARKET = 0
const MID = 100_000
/** What a server that was asked for more than it can do gets to catch up in. */
const ANSWERS_MS = 60_000

/** Commands of a connection come in rounds of 16: 7 rest, 7 cancel those of the round before, 2 cross (IOC). */
const ROUND = 16
const RESTING = 7

/** Commands of frame `k` of a connection: the next `size` of its rounds, whatever the size. */
export function commands(connection: number, k: number, size: number): WireCommand[] {
  return Array.from({ length: size }, (_, index) => {
    const number = k * size + index
    return command(connection, Math.floor(number / ROUND), number % ROUND)
  })
}

function command(connection: number, round: number, place: number): WireCommand {
  const cloid = (of: number, index: number): bigint =>
    (BigInt(connection) << 40n) | (BigInt(of) << 8n) | BigInt(index)
  const isBuyer = connection % 2 === 0
  const side = isBuyer ? 0 : 1
  if (place < RESTING) {
    const away = place + (round % 5)
    return {
      kind: CommandKind.Place,
      market: MARKET,
      side,
      ticks: isBuyer ? MID - away : MID + 1 + away,
      lots: 10 + place,
      cloid: cloid(round, place),
    }
  }
  // There is nothing to cancel in the first round: it crosses instead.
  if (round > 0 && place < 2 * RESTING)
    return { kind: CommandKind.Cancel, market: MARKET, cloid: cloid(round - 1, place - RESTING) }
  return {
    kind: CommandKind.Place,
    market: MARKET,
    side,
    ticks: isBuyer ? MID + 20 : MID - 20,
    lots: 1,
    cloid: cloid(round, 128 + place),
    timeInForce: TimeInForce.IOC,
  }
}

interface Connection {
  readonly raw: RawConnection
  readonly frames: Buffer[]
}

/** Opens, upgrades and logs on one connection; then builds its frames. */
async function open(index: number, options: LoadOptions, framesEach: number): Promise<Connection> {
  const wallet = rigWallet(index)
  const key = await createSessionKey({ extractable: true })
  const client = await createClient({
    url: `ws://127.0.0.1:${options.port}`,
    wallet,
    reconnect: false,
  }).connect()
  const session = await client.createSession({ key })
  const domain = createHash('sha256')
    .update(domainPreimage(31337, `0x${'11'.repeat(20)}`))
    .digest()
  client.close()
  const privateKey = createPrivateKey({ key: (await key.export()) as never, format: 'jwk' })

  const raw = await openRaw(options.port)
  const signature = sign(
    'sha256',
    logonMessage(domain, session, raw.hello[4] as Uint8Array),
    p1363(privateKey),
  )
  await raw.request(Method.Logon, [session.account, session.approval, signature])
  const connection: Connection = { raw, frames: [] }
  for (let k = 0; k < framesEach; k++) {
    const payload = packMsgpack(commands(index, k, options.frame).map(commandToWire))
    const nonce = k + 1
    const params: WireValue[] = options.signed
      ? [
          session.account,
          session.approval,
          nonce,
          payload,
          sign('sha256', frameMessage(domain, session, nonce, payload), p1363(privateKey)),
        ]
      : [payload]
    const method = options.signed ? Method.Frame : Method.UnsignedFrame
    connection.frames.push(webSocketFrame(packMsgpack([Kind.Request, k, method, params])))
  }
  return connection
}

const p1363 = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' }) as const

/** Runs the load; resolves when every frame is answered, or ANSWERS_MS after the last was sent. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const framesPerSecond = options.rate / options.frame
  const total = Math.ceil(framesPerSecond * (options.seconds + options.warmupSeconds))
  const framesEach = Math.ceil(total / options.connections)
  const signingStart = performance.now()
  const connections: Connection[] = []
  for (let index = 0; index < options.connections; index++) {
    connections.push(await open(index, options, framesEach))
  }
  const signingSeconds = (performance.now() - signingStart) / 1000

  const latency = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  })
  const sendLag = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  })
  const warmupFrames = Math.ceil(framesPerSecond * options.warmupSeconds)
  const intervalMs = 1000 / framesPerSecond
  let answered = 0
  let refused = 0
  let answeredInTime = 0
  let start = 0
  let lastAnswerAt = 0
  connections.forEach((connection, index) => {
    connection.raw.onBody = (body) => {
      if (body[0]! < 0x90 || (body[1] !== Kind.Result && body[1] !== Kind.Error)) return
      const id = readId(body)
      if (id === undefined) return
      const now = performance.now()
      const frame = id * options.connections + index
      answered++
      lastAnswerAt = now
      if (body[1] === Kind.Error) {
        if (refused++ === 0) console.error('first refusal:', JSON.stringify(unpackMsgpack(body)))
      } else if (frame >= warmupFrames) {
        answeredInTime++
        latency.recordValue(Math.max(1, Math.round((now - start - frame * intervalMs) * 1000)))
      }
    }
  })
  process.send?.('start')
  const cpu = process.cpuUsage()
  start = performance.now() + 20
  let sent = 0
  const frames = framesEach * options.connections
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const now = performance.now()
      while (sent < frames && start + sent * intervalMs <= now) {
        const {
          raw: { socket },
          frames: own,
        } = connections[sent % options.connections]!
        if (sent >= warmupFrames) {
          sendLag.recordValue(Math.max(1, Math.round((now - start - sent * intervalMs) * 1000)))
        }
        socket.cork()
        socket.write(own[Math.floor(sent / options.connections)]!)
        process.nextTick(() => socket.uncork())
        sent++
      }
      if (sent === frames) resolve()
      else setTimeout(tick, 1)
    }
    tick()
  })
  const sentAt = performance.now()
  while (answered < frames && performance.now() - sentAt < ANSWERS_MS)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const { user, system } = process.cpuUsage(cpu)
  for (const { raw } of connections) raw.socket.destroy()
  const measuredSeconds = Math.max(
    0.001,
    (Math.max(lastAnswerAt, start) - start) / 1000 - options.warmupSeconds,
  )
  const ms = (percentile: number): number => latency.getValueAtPercentile(percentile) / 1000
  return {
    sentOrders: frames * options.frame,
    acknowledgedOrders: (answered - refused) * options.frame,
    refusedOrders: refused * options.frame,
    refusedFrames: refused,
    lostFrames: frames - answered,
    seconds: measuredSeconds,
    ordersPerSecond: (answeredInTime * options.frame) / measuredSeconds,
    latencyMs: { p50: ms(50), p90: ms(90), p99: ms(99), p999: ms(99.9), max: latency.maxValue / 1000 },
    cpuSeconds: (user + system) / 1e6,
    signingSeconds,
    sendLagMs: {
      p50: sendLag.getValueAtPercentile(50) / 1000,
      p99: sendLag.getValueAtPercentile(99) / 1000,
      max: sendLag.maxValue / 1000,
    },
  }
}

/** The request id, second element of a result or error: a small MessagePack integer. */
function readId(body: Buffer): number | undefined {
  const tag = body[2]!
  if (tag < 0x80) return tag
  if (tag === 0xcc) return body[3]!
  if (tag === 0xcd) return body.readUInt16BE(3)
  if (tag === 0xce) return body.readUInt32BE(3)
  return undefined
}

if (process.send !== undefined && process.argv[1] === fileURLToPath(import.meta.url)) {
  process.once('message', (options: LoadOptions) => {
    runLoad(options).then(
      (result) => process.send!(result, () => process.exit(0)),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
}
