/**
 * The gateway's side of `glassbook start`: threads inside this process, or, with `--gateway-socket`, one
 * local socket for each gateway that runs as a process of its own (`glassbook gateway`). What those
 * processes need from the data folder, the history folder and the receipt key, is named here for both.
 */
import { join } from 'node:path'
import { lockFolder } from '../engine/journal/lock.js'
import { type RunningBridge, startGatewayBridge } from '../gateway/bridge.js'
import { type EngineLinkOptions } from '../gateway/engine-link.js'
import type { GatewayConfig } from '../gateway/config.js'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  Deployment,
  GatewayStats,
  SettlementFigures,
} from '../gateway/messages.js'
import { startGateway } from '../gateway/start.js'
import { receiptKey } from './receipt-key.js'

/** Where a gateway keeps its history, below the data folder. */
export const historyFolder = (dataDir: string): string => join(dataDir, 'gateway')

export interface GatewayLinkOptions {
  readonly dataDir: string
  /** Paths of local sockets; none = the gateway runs in this process. */
  readonly sockets: readonly string[]
  readonly config: GatewayConfig
  /** One for each gateway thread, or for each socket. */
  readonly links: readonly EngineLinkOptions[]
  readonly deployment: Deployment
  /** What settlement has done so far. */
  readonly batches: readonly BatchInfo[]
  readonly askProof: (question: ProofQuestion) => Promise<ProofAnswer | null>
  /** Lines for the operator, of a gateway in this process. */
  readonly onLog: (line: string) => void
  readonly onDied: (error: Error) => void
}

export interface GatewayLink {
  /** Where clients connect; undefined when that is the gateway processes' to say. */
  readonly url: string | undefined
  readonly stats: GatewayStats
  batchChanged(batch: BatchInfo): void
  settlementChanged(figures: SettlementFigures): void
  /** Resolves when nothing will be submitted any more. */
  stop(): Promise<void>
  /** Resolves, after the engine has ended, when everything of the gateway has. */
  readonly ended: Promise<void>
}

/** Gateways needed: how many producers the exchange must have room for. */
export const gatewayCount = (sockets: readonly string[], config: GatewayConfig): number =>
  sockets.length === 0 ? config.threads : sockets.length

/** @throws GatewayStartError or ReceiptKeyError; rejects when a socket's path cannot be used. */
export async function startGatewayLink(options: GatewayLinkOptions): Promise<GatewayLink> {
  const { dataDir, sockets, config, links, deployment, batches, askProof } = options
  if (sockets.length === 0) {
    // Also of a gateway process that was given this folder, and belongs to another exchange.
    const release = lockFolder(historyFolder(dataDir), 'history folder')
    const gateway = await startGateway({
      links,
      config,
      deployment,
      batches,
      owners: [],
      folder: historyFolder(dataDir),
      dataDir,
      onLog: options.onLog,
      receiptKey: receiptKey(dataDir),
      askProof,
      onDied: options.onDied,
    }).catch((error: unknown) => {
      release()
      throw error
    })
    void gateway.ended.then(release)
    return {
      url: `ws://127.0.0.1:${gateway.port}`,
      get stats() {
        return gateway.stats
      },
      batchChanged: (batch) => gateway.batchChanged(batch),
      settlementChanged: (figures) => gateway.settlementChanged(figures),
      stop: () => gateway.stop(),
      ended: gateway.ended,
    }
  }
  const bridges: RunningBridge[] = []
  for (const [index, path] of sockets.entries()) {
    const link = links[index]!
    try {
      bridges.push(await startGatewayBridge({ path, link, deployment, batches, askProof }))
    } catch (error) {
      await Promise.all(bridges.map((bridge) => bridge.stop()))
      throw error
    }
  }
  const total = (field: keyof GatewayStats): number =>
    bridges.reduce((sum, { stats }) => sum + stats[field], 0)
  return {
    url: undefined,
    get stats() {
      return {
        connections: total('connections'),
        frames: total('frames'),
        commands: total('commands'),
        messagesOut: total('messagesOut'),
      }
    },
    batchChanged: (batch) => {
      for (const bridge of bridges) bridge.batchChanged(batch)
    },
    settlementChanged: (figures) => {
      for (const bridge of bridges) bridge.settlementChanged(figures)
    },
    stop: async () => {
      await Promise.all(bridges.map((bridge) => bridge.stop()))
    },
    ended: Promise.all(bridges.map(({ ended }) => ended)).then(() => {}),
  }
}
