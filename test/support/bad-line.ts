/**
 * A line that is as bad as can be: a TCP proxy that, once told to, delays, splits and cuts connections by
 * a seed, and gives some of them a double that sends every byte of the first to the exchange again.
 */
import { type AddressInfo, type Socket, connect, createServer } from 'node:net'
import { Random } from '../simulator/random.js'

export interface BadLine {
  readonly url: string
  /** Port that new connections go to. */
  port: number
  /** Whether it misbehaves; it begins calm. */
  wild: boolean
  /** Connections cut and doubled, chunks split and delayed. */
  readonly counts: { cut: number; doubled: number; split: number; delayed: number }
  close(): void
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function write(to: Socket, data: Buffer): void {
  if (!to.destroyed) to.write(data)
}

/** Passes on to `port`; misbehaves by `seed`. */
export async function startBadLine(port: number, seed: number): Promise<BadLine> {
  const random = new Random(seed)
  const sockets = new Set<Socket>()
  const server = createServer((client) => relayBoth(client))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  const line: BadLine = {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    port,
    wild: false,
    counts: { cut: 0, doubled: 0, split: 0, delayed: 0 },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  const { counts } = line

  function relayBoth(client: Socket): void {
    const upstream = connect(line.port, '127.0.0.1')
    const isDoubled = line.wild && random.chance(0.3)
    if (isDoubled) counts.doubled++
    // Its logon must fail, since its challenge is another, and with it its frames.
    const double = isDoubled ? connect(line.port, '127.0.0.1') : undefined
    double?.resume()
    for (const socket of [client, upstream, ...(double === undefined ? [] : [double])]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    const cut = (): void => {
      counts.cut++
      client.destroy()
      // What the client had sent may still be on its way to the exchange.
      if (random.chance(0.5)) setTimeout(() => upstream.destroy(), random.below(30))
      else upstream.destroy()
      double?.destroy()
    }
    relay(client, upstream, double, cut)
    relay(upstream, client, undefined, cut)
  }

  function relay(from: Socket, to: Socket, double: Socket | undefined, cut: () => void): void {
    let tail = Promise.resolve()
    from.on('data', (data: Buffer) => {
      if (double !== undefined) write(double, data)
      if (line.wild && random.chance(0.02)) {
        cut()
        return
      }
      const at = line.wild && random.chance(0.3) ? random.below(data.length) : data.length
      const delayMs = line.wild && random.chance(0.1) ? random.below(20) : 0
      if (at < data.length) counts.split++
      if (delayMs > 0) counts.delayed++
      tail = tail.then(async () => {
        if (delayMs > 0) await later(delayMs)
        write(to, data.subarray(0, at))
        if (at === data.length) return
        await later(1)
        write(to, data.subarray(at))
      })
    })
    from.on('close', () => void tail.then(() => to.end()))
  }

  return line
}
