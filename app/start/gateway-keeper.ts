/**
 * Runs the gateway of `glassbook start` as a process of its own (gateway-child.ts) and starts it again when it dies:
 * what it takes with it is its clients' connections, and nothing of the exchange. At once the first time, then after a
 * pause that doubles, until it has run well for a minute. One that hangs is ended. What keeps it from its first start
 * is the start's failure.
 *
 * Its sockets are pairs that it inherits: no path that others could open, nothing left behind.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Bridge } from '../../gateway/bridge/bridge.js'
import type { GatewayConfig } from '../../gateway/settings/config.js'
import {
  GATEWAY_END_MS_MAX,
  GATEWAY_GOOD_RUN_MS,
  GATEWAY_LOOK_MS,
  GATEWAY_PAUSE_MS_MAX,
  GATEWAY_PAUSE_MS_MIN,
  SILENT_LOOKS_MAX,
  SILENT_LOOKS_TOLD,
} from '../limits.js'
import { FIRST_SOCKET_FD, type FromGatewayChild } from './gateway-child-words.js'
import { keepPublicKey } from '../files/receipt-key.js'
import type { Say } from '../log.js'

const PROGRAM = fileURLToPath(new URL('./gateway-child.js', import.meta.url))

export interface GatewayKeeperOptions {
  readonly dataDir: string
  readonly config: GatewayConfig
  /** One for each thread of the gateway. */
  readonly bridges: readonly Bridge[]
  /** Lines for the operator: the gateway's own, and its deaths. */
  readonly onLine: Say
}

/** The gateway's process ended before it listened; the message is fit for an operator. */
export class GatewayRefused extends Error {
  override readonly name = 'GatewayRefused'
}

export class GatewayKeeper {
  /** Where it listens, after every death again. Rejects with GatewayRefused when it does not start. */
  readonly listening: Promise<number>
  readonly #options: GatewayKeeperOptions
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #port: number | undefined
  #isStopping = false
  #restart: NodeJS.Timeout | undefined
  /** Deaths without a good run between them. */
  #deaths = 0
  #onListening: (port: number) => void = () => {}
  #onRefused: (error: Error) => void = () => {}

  constructor(options: GatewayKeeperOptions) {
    this.#options = options
    this.listening = new Promise((resolve, reject) => {
      this.#onListening = resolve
      this.#onRefused = reject
    })
    this.#start()
  }

  #start(): void {
    try {
      this.#run()
    } catch (error) {
      // The system has no room for a process, or no file for its streams.
      this.#died((error as Error).message, '', 0)
    }
  }

  #run(): void {
    const { dataDir, config, bridges, onLine } = this.#options
    const child = fork(PROGRAM, [dataDir], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...bridges.map(() => 'pipe' as const)],
    })
    this.#child = child
    let listenedMs = 0
    let refusal = ''
    let patience: NodeJS.Timeout | undefined
    this.#ended = new Promise((resolve) => {
      let hasDied = false
      const died = (how: string): void => {
        if (hasDied) return
        hasDied = true
        clearTimeout(patience)
        this.#child = undefined
        if (!this.#isStopping) this.#died(refusal === '' ? how : `${how}: ${refusal}`, refusal, listenedMs)
        resolve()
      }
      // Of a process that could not be made; whether 'close' follows depends on why.
      child.once('error', (error) => died(error.message))
      // Not 'exit': what it had sent may still be on its way.
      child.once('close', (code, signal) => died(signal ?? `code ${code}`))
    })
    // It could not be made: 'error' tells why.
    if (child.pid === undefined) return
    createInterface({ input: child.stdout! }).on('line', (line) => onLine(line))
    // What Node or native code says at a fault; its own lines come as messages.
    createInterface({ input: child.stderr! }).on('line', (line) => onLine(line, 'error'))
    child.on('message', (message: FromGatewayChild) => {
      if (message.type === 'refused') refusal = message.message
      else if (message.type === 'log') onLine(message.line, message.level)
      else {
        listenedMs = performance.now()
        this.#watch(child)
        if (this.#port !== undefined) {
          onLine(`listens again at port ${message.port}`)
          this.#compareKey()
        }
        this.#port = message.port
        this.#onListening(message.port)
      }
    })
    for (const [index, bridge] of bridges.entries()) {
      const socket = child.stdio[FIRST_SOCKET_FD + index] as Readable as Socket
      bridge.connect(socket)
      // A process that hangs without its connection is of no use to anybody.
      socket.once('close', () => {
        if (this.#child === child) patience ??= setTimeout(() => child.kill('SIGKILL'), GATEWAY_END_MS_MAX)
      })
    }
    child.once('spawn', () => {
      const settings: GatewayConfig = this.#port === undefined ? config : { ...config, port: this.#port }
      child.send(settings, () => {})
    })
  }

  /**
   * Ends a process that is there and does nothing. Looks are counted, not the time: a machine that slept has not made
   * them.
   */
  #watch(child: ChildProcess): void {
    const { bridges, onLine } = this.#options
    const told = (): number => bridges[0]!.statsTold
    let seen = told()
    let silent = 0
    const looking = setInterval(() => {
      if (this.#child !== child || this.#isStopping) {
        clearInterval(looking)
        return
      }
      silent = told() === seen ? silent + 1 : 0
      seen = told()
      if (silent === SILENT_LOOKS_TOLD)
        onLine(
          `not heard of for ${SILENT_LOOKS_TOLD} s; it is ended and started again after ${SILENT_LOOKS_MAX} s`,
          'warn',
        )
      if (silent === SILENT_LOOKS_MAX) child.kill('SIGKILL')
    }, GATEWAY_LOOK_MS)
    looking.unref()
  }

  /** Tells when the next process found no key of receipts and made another. */
  #compareKey(): void {
    const { dataDir, onLine } = this.#options
    try {
      keepPublicKey(dataDir, onLine)
    } catch (error) {
      onLine(`receipts: the public key cannot be kept: ${(error as Error).message}`, 'error')
    }
  }

  #died(how: string, refusal: string, listenedMs: number): void {
    if (this.#port === undefined) {
      this.#onRefused(
        new GatewayRefused(refusal === '' ? `the gateway ended at its start (${how})` : refusal),
      )
      return
    }
    if (listenedMs > 0 && performance.now() - listenedMs >= GATEWAY_GOOD_RUN_MS) this.#deaths = 0
    const pauseMs =
      this.#deaths === 0 ? 0 : Math.min(GATEWAY_PAUSE_MS_MIN * 2 ** (this.#deaths - 1), GATEWAY_PAUSE_MS_MAX)
    this.#deaths++
    this.#options.onLine(
      `ended by itself (${how}); the exchange goes on; it starts again ${pauseMs === 0 ? 'at once' : `in ${pauseMs / 1000} s`}`,
      'error',
    )
    this.#restart = setTimeout(() => this.#start(), pauseMs)
  }

  /** Resolves when nothing will be submitted any more. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#restart)
    await Promise.all(this.#options.bridges.map((bridge) => bridge.stop()))
  }

  /** Resolves when the process has ended; to be called when the engine has. */
  async end(): Promise<void> {
    const patience = setTimeout(() => this.#child?.kill('SIGKILL'), GATEWAY_END_MS_MAX)
    await this.#ended
    clearTimeout(patience)
  }
}
