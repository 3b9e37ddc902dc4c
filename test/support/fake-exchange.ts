/**
 * An exchange that does exactly what a test says: every request is answered by `answer`, every message is sent
 * by hand, a connection can fall silent without an end. Without a word from the test it greets, names one market
 * and accepts logons and streams.
 */
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { RIG_ASSETS, RIG_DEPLOYMENT, RIG_MARKET } from '../../bench/support/gateway-rig.js'
import { type Client, type ClientOptions, createClient, createSessionKey } from '../../sdk/index.js'
import { type Codec, codecOf } from '../../sdk/wire/codec.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { Subprotocol } from '../../sdk/wire/version.js'

export interface FakeRequest {
  readonly connection: FakeConnection
  readonly method: string
  readonly params: readonly WireValue[]
}
/** silent = no answer at all. */
export type FakeAnswer =
  { readonly result: WireValue } | { readonly error: number; readonly retryAfter?: number } | 'silent'

export class FakeConnection {
  /** Nothing reaches the client any more, and nothing ends. */
  silent = false
  readonly #socket: WebSocket
  readonly #codec: Codec

  constructor(socket: WebSocket, codec: Codec) {
    this.#socket = socket
    this.#codec = codec
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  send(message: WireValue): void {
    if (this.silent) return
    const encoded = this.#codec.encode(message)
    this.#socket.send(encoded, { binary: typeof encoded !== 'string' })
  }

  event(stream: string, seq: number, prevSeq: number, data: WireValue, checksum?: number): void {
    this.send([Kind.Event, stream, seq, prevSeq, data, ...(checksum === undefined ? [] : [checksum])])
  }

  snapshot(stream: string, seq: number, data: WireValue, checksum?: number): void {
    this.send([Kind.Snapshot, stream, 1, seq, data, ...(checksum === undefined ? [] : [checksum])])
  }

  drop(): void {
    this.#socket.terminate()
  }
}

export interface FakeExchange {
  readonly url: string
  readonly connections: FakeConnection[]
  /** Every request, oldest first. */
  readonly requests: FakeRequest[]
  /** Undefined = the usual answer. */
  answer: (request: FakeRequest) => FakeAnswer | undefined | Promise<FakeAnswer | undefined>
  /** How often `method` was asked, with `first` as its first param where given. */
  count(method: string, first?: WireValue): number
  /** The newest connection. */
  readonly line: FakeConnection
  /** A client of this exchange, which is not connected yet. */
  client(options?: Partial<ClientOptions>): Client
  /** The same, connected and with a session logged on. */
  loggedOn(options?: Partial<ClientOptions>): Promise<Client>
  /** Ends it, and its clients. */
  close(): void
}

const USUAL: Readonly<Record<string, (params: readonly WireValue[]) => WireValue>> = {
  [Method.Time]: () => [Date.now(), Date.now()],
  [Method.Markets]: () =>
    ({
      chainId: RIG_DEPLOYMENT.chainId,
      vault: RIG_DEPLOYMENT.vault,
      settlement: RIG_DEPLOYMENT.settlement,
      assets: RIG_ASSETS,
      markets: [RIG_MARKET],
    }) as unknown as WireValue,
  [Method.Account]: () => ({ account: 1 }),
  [Method.ApproveSession]: () => ({ account: 1, approval: 1 }),
  [Method.Logon]: () => ({ account: 1, approval: 1, scopes: 3, maxNotional: 0, expiresAtMs: 2e12 }),
  [Method.Subscribe]: ([stream]) => ({ stream: stream! }),
  [Method.Unsubscribe]: ([stream]) => ({ stream: stream! }),
  [Method.Sessions]: () => [],
}

/** `hello` = details of the hello that differ from the usual ones. */
export async function startFakeExchange(
  hello: Readonly<Record<string, WireValue>> = {},
): Promise<FakeExchange> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const clients: Client[] = []
  const exchange: FakeExchange = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: [],
    requests: [],
    answer: () => undefined,
    count: (method, first) =>
      exchange.requests.filter(
        (request) => request.method === method && (first === undefined || request.params[0] === first),
      ).length,
    get line() {
      return exchange.connections.at(-1)!
    },
    client(options = {}) {
      const client = createClient({ url: exchange.url, reconnectDelayMsMax: 20, ...options })
      clients.push(client)
      return client
    },
    async loggedOn(options) {
      const client = await exchange.client(options).connect()
      await client.logon({ approval: 1, account: 1, key: await createSessionKey() })
      return client
    },
    close() {
      for (const client of clients) client.close()
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
  server.on('connection', (socket) => {
    const codec = codecOf(socket.protocol === '' ? Subprotocol.Msgpack : socket.protocol)!
    const connection = new FakeConnection(socket, codec)
    exchange.connections.push(connection)
    const { chainId, vault, settlement } = RIG_DEPLOYMENT
    const details = { chainId, vault, settlement, signedFrames: true, ...hello }
    connection.send([Kind.Hello, 1, 1, Date.now(), new Uint8Array(32), details])
    let turn = Promise.resolve()
    socket.on('message', (data: Buffer, isBinary) => {
      const decoded = codec.decode(isBinary ? new Uint8Array(data) : (data.toString() as never))
      const [, id, method, params] = decoded as [number, number, string, WireValue[]]
      const request = { connection, method, params }
      exchange.requests.push(request)
      turn = turn.then(async () => {
        const answer = (await exchange.answer(request)) ?? { result: USUAL[method]?.(params) ?? null }
        if (answer === 'silent') return
        if ('result' in answer) connection.send([Kind.Result, id, answer.result])
        else {
          const { error, retryAfter } = answer
          const body = { name: 'x', message: `refused ${method}` }
          connection.send([Kind.Error, id, error, retryAfter === undefined ? body : { ...body, retryAfter }])
        }
      })
    })
  })
  return exchange
}
