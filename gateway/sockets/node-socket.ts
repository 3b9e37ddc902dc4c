/**
 * A WebSocket of `ws` in the shape of backend.ts. What waits to be sent is known from its TCP socket, whose writes are
 * awaited while something does. Made by node-backend.ts when a handshake is taken.
 */
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { BackendSocket, SocketBehavior } from './backend.js'
import { arrayBufferOf } from './node-http.js'

const PONG_HEAD_BYTES = 2

export class NodeSocket<Data> implements BackendSocket<Data> {
  readonly #ws: WebSocket
  readonly #socket: Socket
  readonly #data: Data
  readonly #behavior: SocketBehavior<Data>
  /** Bytes that waited when last looked, at least: while there are any, the end of a write is a drain. */
  #heldBytes = 0
  #isOver = false
  #pongWaits = false
  #leftOutBytes = 0

  constructor(ws: WebSocket, socket: Socket, data: Data, behavior: SocketBehavior<Data>) {
    this.#ws = ws
    this.#socket = socket
    this.#data = data
    this.#behavior = behavior
    ws.on('message', (message: Buffer, isBinary) => behavior.message(this, arrayBufferOf(message), isBinary))
    ws.on('ping', (payload) => {
      // One pong waits at most (RFC 6455, 5.5.3, asks for no more): a waiting write holds a hundred times what its ping
      // has cost to send. What is left out counts as waiting, so that who reads nothing is closed.
      if (this.#pongWaits) this.#leftOutBytes += payload.length + PONG_HEAD_BYTES
      else {
        this.#pongWaits = true
        ws.pong(payload, false, () => {
          this.#pongWaits = false
          this.#leftOutBytes = 0
          this.#written()
        })
        this.#look()
      }
      behavior.ping(this)
    })
    ws.on('pong', () => behavior.pong(this))
    // What is no WebSocket frame, or too large a one: `ws` says so and closes; nobody waits for the client's word.
    ws.on('error', () => {
      socket.destroySoon()
      this.#over()
    })
    ws.on('close', () => this.#over())
    socket.setTimeout(behavior.idleTimeout * 1000)
    behavior.open(this)
  }

  getUserData(): Data {
    return this.#data
  }

  getBufferedAmount(): number {
    return this.#socket.writableLength + this.#leftOutBytes
  }

  cork(write: () => void): void {
    this.#socket.cork()
    try {
      write()
    } finally {
      this.#socket.uncork()
    }
    this.#look()
  }

  send(data: string | Uint8Array, isBinary: boolean): void {
    this.#ws.send(data, { binary: isBinary }, this.#written)
  }

  sendFirstFragment(data: Uint8Array, isBinary: boolean): void {
    this.#ws.send(data, { binary: isBinary, fin: false }, this.#written)
  }

  sendFragment(data: Uint8Array): void {
    this.#ws.send(data, { fin: false }, this.#written)
  }

  sendLastFragment(data: Uint8Array): void {
    this.#ws.send(data, { fin: true }, this.#written)
  }

  ping(): void {
    this.#ws.ping()
  }

  end(code: number, reason: string): void {
    this.#ws.close(code, reason)
    this.#over()
  }

  #look(): void {
    this.#heldBytes = Math.max(this.#heldBytes, this.#socket.writableLength)
  }

  readonly #written = (): void => {
    if (this.#heldBytes === 0 || this.#isOver) return
    const left = this.#socket.writableLength
    // The writes of one system call end one after the other.
    if (left === this.#heldBytes) return
    this.#heldBytes = left
    this.#behavior.drain(this)
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#behavior.close(this)
  }
}
