/**
 * The local socket at which a gateway process that somebody else runs may connect to a bridge. While one is connected
 * a second one is refused, and told so.
 *
 * Whoever may open the socket trades for everybody: it is made for its owner only (mode 0600).
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs'
import { type Socket, createServer } from 'node:net'
import { SOCKET_PATH_BYTES_MAX, SUCCESSION_MS } from '../limits.js'
import { Bridge, type BridgeOptions, type RunningBridge } from './bridge.js'
import { jsonFrame } from './bridge-frames.js'

/** Said instead of a BridgeHello, to a gateway process that is not wanted. */
export interface BridgeRefusal {
  readonly type: 'refused'
  readonly reason: string
}

export interface ListeningBridgeOptions extends BridgeOptions {
  /** Path of the local socket; a socket that is left over there is replaced, so the caller has the path's lock. */
  readonly path: string
}

/** Why a path cannot be that of a local socket; undefined = it can. */
export function whyNoSocketPath(path: string): string | undefined {
  const bytes = Buffer.byteLength(path)
  if (bytes > SOCKET_PATH_BYTES_MAX)
    return `${path} has ${bytes} bytes; the path of a socket has at most ${SOCKET_PATH_BYTES_MAX}`
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found === undefined || found.isSocket()
    ? undefined
    : `at ${path} is something that is no socket: name another path`
}

/** Opens the local socket. Rejects when the path cannot be used. */
export async function startGatewayBridge(options: ListeningBridgeOptions): Promise<RunningBridge> {
  const { path } = options
  const why = whyNoSocketPath(path)
  if (why !== undefined) throw new Error(why)
  rmSync(path, { force: true })
  /** The gateway process that is connected. */
  let current: Socket | undefined
  const accept = (socket: Socket): void => {
    const before = current
    if (before === undefined) {
      current = socket
      bridge.connect(socket)
      // After the bridge's own: only then is its place free.
      socket.once('close', () => {
        current = undefined
      })
    } else wait(before, socket)
  }
  /** Takes a gateway process when the one before has gone, and refuses it when that stays. */
  const wait = (before: Socket, socket: Socket): void => {
    socket.on('error', () => {})
    const patience = setTimeout(() => {
      before.off('close', onClose)
      const reason = `a gateway process is connected at ${path} already`
      socket.resume()
      socket.end(jsonFrame({ type: 'refused', reason } satisfies BridgeRefusal))
    }, SUCCESSION_MS)
    const onClose = (): void => {
      clearTimeout(patience)
      if (!socket.destroyed) accept(socket)
    }
    before.once('close', onClose)
    socket.once('close', () => {
      clearTimeout(patience)
      before.off('close', onClose)
    })
  }
  const server = createServer(accept)
  const bridge = new Bridge(options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      try {
        chmodSync(path, 0o600)
        resolve()
      } catch (error) {
        server.close()
        reject(error as Error)
      }
    })
  })
  const close = (): void => {
    server.close()
  }
  void bridge.ended.then(close)
  return {
    get stats() {
      return bridge.stats
    },
    get connected() {
      return bridge.connected
    },
    batchChanged: (batch) => bridge.batchChanged(batch),
    settlementChanged: (figures) => bridge.settlementChanged(figures),
    stop: () => {
      close()
      return bridge.stop()
    },
    ended: bridge.ended,
  }
}
