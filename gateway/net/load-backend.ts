/**
 * Picks what speaks WebSocket and HTTP: the newest native module that fits this Node and this C library, else `ws`
 * and node:http. A setting (`sockets`) forces either. Called by server.ts, once a gateway thread.
 */
import { createRequire } from 'node:module'
import { ListenError } from './probe-port.js'
import type { App, Backend, ListenSocket } from '../sockets/backend.js'
import { nodeBackend } from '../sockets/node-backend.js'

/** Packages that carry binaries of uWebSockets.js, newest first; npm leaves out what it cannot install. */
const NATIVE_PACKAGES = ['@btc-vision/uwebsockets.js', 'uWebSockets.js'] as const

/** What they export; the last two are one function, which the older package has by its own name. */
interface NativeModule {
  readonly App: (options: object) => App
  readonly us_listen_socket_close?: (socket: ListenSocket) => void
  readonly closeSocket?: (socket: ListenSocket) => void
}

export type SocketsSetting = 'auto' | 'uws' | 'ws'

export interface LoadedBackend {
  readonly backend: Backend
  /** For the operator: why it is not a native one, and what that costs. */
  readonly notice?: string
}

/** @throws ListenError when no native module fits and the settings want one. */
export function loadBackend(setting: SocketsSetting): LoadedBackend {
  if (setting === 'ws') return { backend: nodeBackend }
  const reasons: string[] = []
  for (const name of NATIVE_PACKAGES) {
    const backend = loadNative(name, reasons)
    if (backend !== undefined) return { backend }
  }
  const { node, modules } = process.versions
  const system = `Node ${node} (ABI ${modules}) on ${process.platform} ${process.arch}`
  const why = reasons.map((reason) => `\n  ${reason}`).join('')
  if (setting === 'uws')
    throw new ListenError(
      'ServerUnfit',
      `gateway.sockets: is "uws", but no native WebSocket server fits ${system}:${why}`,
    )
  const cost = 'under load answers come later (README, "Node versions")'
  return {
    backend: nodeBackend,
    notice: `no native WebSocket server fits ${system}; ${nodeBackend.name} serve instead: ${cost}${why}`,
  }
}

/** A native module as a backend; undefined where it does not fit, and then `reasons` has one more. */
function loadNative(name: string, reasons: string[]): Backend | undefined {
  if (isMusl()) {
    // Its binaries want glibc. With a layer that imitates it they may load, and end the process later.
    reasons.push(`${name}: made for glibc, and this system has another C library`)
    return undefined
  }
  let native: NativeModule
  try {
    native = createRequire(import.meta.url)(name) as NativeModule
  } catch (error) {
    reasons.push(`${name}: ${reasonOf(error)}`)
    return undefined
  }
  const { App: app, us_listen_socket_close: close = native.closeSocket } = native
  if (typeof app !== 'function' || typeof close !== 'function') {
    reasons.push(`${name}: is not the module that this program knows`)
    return undefined
  }
  return {
    name: `uWebSockets.js (${name})`,
    sharesPorts: true,
    app: () => app({}),
    closeListenSocket: close,
  }
}

/** What kept a module from being loaded, without its maker's advice, behind which it stands. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'MODULE_NOT_FOUND') return 'not installed'
  const cause = /^Error: (.*)$/m.exec(message)?.[1] ?? message
  return /^Cannot find module '\.\/uws_/.test(cause) ? 'has no binary for it' : cause
}

/** Linux with a C library that is not glibc. */
function isMusl(): boolean {
  if (process.platform !== 'linux') return false
  const { header } = process.report.getReport() as unknown as {
    readonly header: { readonly glibcVersionRuntime?: string }
  }
  return header.glibcVersionRuntime === undefined
}
