/**
 * The least WebSocket client that loads a server (RFC 6455 over TCP, binary, masked with a zero key): a
 * client library would cost as much as the server it is to load. For benchmarks only.
 */
import { type Socket, connect } from 'node:net'
import type { Method } from '../../sdk/wire/layout.js'
import { Kind } from '../../sdk/wire/layout.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import { Subprotocol } from '../../sdk/wire/version.js'

/** A masked client frame with a zero key, opcode 2 (binary). */
export function webSocketFrame(body: Uint8Array): Buffer {
  const long = body.length > 125
  const header = Buffer.alloc(long ? 8 : 6)
  header[0] = 0x82
  if (long) {
    header[1] = 0x80 | 126
    header.writeUInt16BE(body.length, 2)
  } else header[1] = 0x80 | body.length
  return Buffer.concat([header, body])
}

/** A masked, empty pong. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0])

/** Splits what a server sends into message bodies; server frames carry no mask. */
class Inbox {
  #rest: Buffer = Buffer.alloc(0)
  readonly #onBody: (body: Buffer) => void
  readonly #onPing: () => void

  constructor(onBody: (body: Buffer) => void, onPing: () => void) {
    this.#onBody = onBody
    this.#onPing = onPing
  }

  push(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (;;) {
      if (data.length < 2) break
      let length = data[1]! & 0x7f
      let start = 2
      if (length === 126) {
        if (data.length < 4) break
        length = data.readUInt16BE(2)
        start = 4
      } else if (length === 127) {
        if (data.length < 10) break
        length = Number(data.readBigUInt64BE(2))
        start = 10
      }
      if (data.length < start + length) break
      const opcode = data[0]! & 0x0f
      if (opcode === 2) this.#onBody(data.subarray(start, start + length))
      else if (opcode === 9) this.#onPing()
      data = data.subarray(start + length)
    }
    this.#rest = data
  }
}

export interface RawConnection {
  readonly socket: Socket
  /** The hello that the server greeted with. */
  readonly hello: readonly WireValue[]
  /** Called with each message's bytes, valid during the call; requests of `request` are taken out before. */
  onBody: (body: Buffer) => void
  /** Sends a request and waits for its result; throws the error's name. Ids from 2^30 on are its own. */
  request(method: Method, params: readonly WireValue[]): Promise<WireValue>
}

/** Connects, upgrades and waits for the hello. */
export async function openRaw(port: number): Promise<RawConnection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const waiting = new Map<number, (message: readonly WireValue[]) => void>()
  let nextId = 2 ** 30
  let greet: (message: readonly WireValue[]) => void
  const greeted = new Promise<readonly WireValue[]>((resolve, reject) => {
    greet = resolve
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
  let hello: readonly WireValue[] | undefined
  const connection = { socket, onBody: (_body: Buffer): void => {} }
  const inbox = new Inbox(
    (body) => {
      // 0xce in the place of the id: one of the large ids below.
      if (
        hello === undefined ||
        (waiting.size > 0 && (body[1] === Kind.Result || body[1] === Kind.Error) && body[2] === 0xce)
      ) {
        const message = unpackMsgpack(Buffer.from(body)) as readonly WireValue[]
        if (hello === undefined) {
          hello = message
          greet(message)
        } else waiting.get(message[1] as number)?.(message)
      } else connection.onBody(body)
    },
    () => socket.write(PONG),
  )
  let head: Buffer | undefined = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    if (head === undefined) {
      inbox.push(chunk)
      return
    }
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const rest = head.subarray(end + 4)
    head = undefined
    if (rest.length > 0) inbox.push(rest)
  })
  socket.write(
    `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ${Subprotocol.Msgpack}\r\n\r\n`,
  )
  const greeting = await greeted
  return Object.assign(connection, {
    hello: greeting,
    request: (method: Method, params: readonly WireValue[]): Promise<WireValue> =>
      new Promise((resolve, reject) => {
        const id = nextId++
        waiting.set(id, (message) => {
          waiting.delete(id)
          if (message[0] === Kind.Result) resolve(message[2]!)
          else reject(new Error((message[3] as { name: string }).name))
        })
        socket.write(webSocketFrame(packMsgpack([Kind.Request, id, method, params])))
      }),
  })
}
