/**
 * A proxy that reads every message between a client and the exchange and does with each what a test says:
 * lets it pass, loses it, keeps it for later, or cuts the line there. It makes happen, exactly and each
 * time, what a bad line does by chance: an answer lost, a request lost, a request that arrives long after
 * the client has come back.
 */
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { codecOf } from '../../sdk/wire/codec.js'
import { Kind } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'

export interface PassingMessage {
  readonly to: 'exchange' | 'client'
  /** Of the request, or of the request that is answered; undefined for what is pushed. */
  readonly method: string | undefined
  readonly params: readonly WireValue[]
  readonly message: readonly WireValue[]
  /** Counts the client's connections from 1. */
  readonly connection: number
}

/**
 * pass | lose it | lose it and cut the line | keep it and cut the client's half of the line: what is kept
 * leaves for the exchange at `release`, on the connection that it came on | double: it arrives twice | swap: it
 * arrives behind the one that follows it.
 */
export type Verdict = 'pass' | 'lose' | 'cut' | 'keep' | 'double' | 'swap'

export interface MessageProxy {
  readonly url: string
  /** Decides over each message, in their order; what follows waits for a promise. Set it anew at any time. */
  judge: (passing: PassingMessage) => Verdict | Promise<Verdict>
  /** Where new connections go. */
  target: string
  readonly connections: number
  /** Sends on what was kept, oldest first, and resolves when the exchange has answered each of it. */
  release(): Promise<WireValue[][]>
  /** Ends every line. */
  cut(): void
  close(): void
}

export async function startMessageProxy(target: string): Promise<MessageProxy> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise((resolve) => server.once('listening', resolve))
  const kept: { send: () => void; answered: Promise<WireValue[]> }[] = []
  const upstreams = new Set<WebSocket>()
  let connections = 0
  const proxy: MessageProxy = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    judge: () => 'pass',
    target,
    get connections() {
      return connections
    },
    async release() {
      const released = kept.splice(0)
      for (const { send } of released) send()
      return Promise.all(released.map(({ answered }) => answered))
    },
    cut() {
      for (const client of server.clients) client.terminate()
    },
    close() {
      for (const upstream of upstreams) upstream.terminate()
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
  server.on('connection', (client) => {
    const connection = ++connections
    const codec = codecOf(client.protocol)!
    const upstream = new WebSocket(proxy.target, client.protocol)
    upstreams.add(upstream)
    const early: (() => void)[] = []
    const requests = new Map<WireValue, { method: string; params: readonly WireValue[] }>()
    const answered = new Map<WireValue, (message: WireValue[]) => void>()
    const decode = (data: Buffer, isBinary: boolean): WireValue[] =>
      codec.decode(isBinary ? new Uint8Array(data) : (data.toString() as never)) as WireValue[]
    let keeps = false
    const swapped: (() => void)[] = []
    const swappedBack: (() => void)[] = []
    const send = (data: Buffer, isBinary: boolean): void => {
      const now = (): void => upstream.send(data, { binary: isBinary })
      if (upstream.readyState === WebSocket.OPEN) now()
      else early.push(now)
    }
    upstream.on('open', () => early.splice(0).forEach((now) => now()))
    const fromClient = async (data: Buffer, isBinary: boolean): Promise<void> => {
      const message = decode(data, isBinary)
      const request = { method: message[2] as string, params: message[3] as WireValue[] }
      requests.set(message[1]!, request)
      const verdict = await proxy.judge({ to: 'exchange', ...request, message, connection })
      if (verdict === 'swap') {
        swapped.push(() => send(data, isBinary))
        return
      }
      if (verdict === 'pass' || verdict === 'double') send(data, isBinary)
      if (verdict === 'double') send(data, isBinary)
      swapped.splice(0).forEach((now) => now())
      if (verdict === 'keep') {
        keeps = true
        kept.push({
          send: () => send(data, isBinary),
          answered: new Promise((resolve) => answered.set(message[1]!, resolve)),
        })
      }
      if (verdict === 'keep' || verdict === 'cut') client.terminate()
    }
    const fromExchange = async (data: Buffer, isBinary: boolean): Promise<void> => {
      const message = decode(data, isBinary)
      const answers = message[0] === Kind.Result || message[0] === Kind.Error
      const { method, params = [] } = (answers ? requests.get(message[1]!) : undefined) ?? {}
      if (answers) answered.get(message[1]!)?.(message)
      const verdict = await proxy.judge({ to: 'client', method, params, message, connection })
      const back = (): void => client.send(data, { binary: isBinary })
      if (verdict === 'swap') {
        swappedBack.push(back)
        return
      }
      if (verdict === 'pass' || verdict === 'double') back()
      if (verdict === 'double') back()
      swappedBack.splice(0).forEach((now) => now())
      if (verdict === 'cut') client.terminate()
    }
    let toExchange = Promise.resolve()
    client.on('message', (data: Buffer, isBinary) => {
      toExchange = toExchange.then(() => fromClient(data, isBinary))
    })
    let toClient = Promise.resolve()
    upstream.on('message', (data: Buffer, isBinary) => {
      toClient = toClient.then(() => fromExchange(data, isBinary))
    })
    client.on('close', () => {
      // What the client sent before its end still arrives, as it does through real buffers.
      void toExchange.then(() => {
        if (!keeps) upstream.close()
      })
    })
    for (const end of [client, upstream]) end.on('error', () => {})
    upstream.on('close', () => {
      upstreams.delete(upstream)
      client.terminate()
    })
  })
  return proxy
}
