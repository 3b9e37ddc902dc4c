/**
 * Where an app listens, or does not for a while: a process that has few descriptors left lets nobody in, because
 * uWebSockets.js takes every connection that comes, and spins where it cannot. Called by server.ts.
 */
import type { OnLog } from '../../engine/types.js'
import type { App, Backend, ListenSocket } from '../sockets/backend.js'
import { ListenError } from './probe-port.js'

export class Door {
  readonly #backend: Backend
  readonly #app: App
  readonly #host: string
  readonly #port: number
  readonly #onLog: OnLog
  #socket: ListenSocket | undefined
  #isOpening = false
  #isClosed = false

  constructor(backend: Backend, app: App, host: string, port: number, onLog: OnLog) {
    this.#backend = backend
    this.#app = app
    this.#host = host
    this.#port = port
    this.#onLog = onLog
  }

  /** @throws ListenError when the port cannot be had. */
  open(): Promise<void> {
    this.#isOpening = true
    return new Promise((resolve, reject) => {
      this.#app.listen(this.#host, this.#port, (socket) => {
        this.#isOpening = false
        if (socket === false) {
          const message = `port ${this.#port} of ${this.#host} is taken by another program`
          reject(new ListenError('PortTaken', message))
          return
        }
        this.#socket = socket
        if (this.#isClosed) this.close()
        resolve()
      })
    })
  }

  /** Nobody new is let in, or they are again; who is inside stays. */
  shut(isShut: boolean): void {
    if (this.#isClosed || this.#isOpening || isShut === (this.#socket === undefined)) return
    if (isShut) {
      this.#end()
      this.#onLog('few files may still be opened: no new connections for a while', 'warn')
      return
    }
    this.open().then(
      () => this.#onLog('enough files may be opened again: new connections are taken'),
      // Whoever took it meanwhile may leave: tried again at the next look.
      () => {},
    )
  }

  close(): void {
    this.#isClosed = true
    this.#end()
  }

  #end(): void {
    if (this.#socket !== undefined) this.#backend.closeListenSocket(this.#socket)
    this.#socket = undefined
  }
}
