/**
 * The gateway's side of `glassbook start`: a process that it runs itself and starts again when it dies, or, with
 * `--gateway-socket`, one local socket for each gateway process that others run (`glassbook gateway`). Either way
 * a gateway that dies takes its clients' connections with it and nothing else.
 */
import { Bridge, type RunningBridge } from '../../gateway/bridge/bridge.js'
import { startGatewayBridge } from '../../gateway/bridge/bridge-listener.js'
import type { EngineLinkOptions } from '../../gateway/link/engine-link.js'
import type { GatewayConfig } from '../../gateway/settings/config.js'
import type {
  ProofAnswer,
  ProofQuestion,
  BatchInfo,
  DeploymentInfo,
  GatewayStats,
  SettlementFigures,
} from '../../gateway/link/messages.js'
import { GatewayKeeper } from './gateway-keeper.js'
import type { Say } from '../log.js'

export interface GatewayLinkOptions {
  readonly dataDir: string
  /** Paths of local sockets; none = the gateway's process is run here. */
  readonly sockets: readonly string[]
  readonly config: GatewayConfig
  /** One for each gateway thread, or for each socket. */
  readonly links: readonly EngineLinkOptions[]
  readonly deployment: DeploymentInfo
  /** What settlement has done so far. */
  readonly batches: readonly BatchInfo[]
  readonly askProof: (question: ProofQuestion) => Promise<ProofAnswer | null>
  /** Lines for the operator, of a gateway that is run here. */
  readonly onLine: Say
}

export interface GatewayLink {
  /** Where clients connect; undefined when that is for others to say. Rejects with GatewayRefused. */
  readonly url: Promise<string | undefined>
  readonly stats: GatewayStats
  batchChanged(batch: BatchInfo): void
  settlementChanged(figures: SettlementFigures): void
  /** Resolves when nothing will be submitted any more. */
  stop(): Promise<void>
  /** To be called when the engine has ended; resolves when everything of the gateway has. */
  end(): Promise<void>
}

/** Gateways needed: how many producers the exchange must have room for. */
export const gatewayCount = (sockets: readonly string[], config: GatewayConfig): number =>
  sockets.length === 0 ? config.threads : sockets.length

/** Rejects when a socket's path cannot be used. */
export async function startGatewayLink(options: GatewayLinkOptions): Promise<GatewayLink> {
  const { dataDir, sockets, config, links, deployment, batches, askProof, onLine } = options
  if (sockets.length > 0) {
    const bridges: RunningBridge[] = []
    for (const [index, path] of sockets.entries()) {
      try {
        const link = links[index]!
        bridges.push(await startGatewayBridge({ path, link, deployment, batches, askProof }))
      } catch (error) {
        await Promise.all(bridges.map((bridge) => bridge.stop()))
        throw error
      }
    }
    return linkOf(bridges, {
      url: Promise.resolve(undefined),
      stop: async () => {
        await Promise.all(bridges.map((bridge) => bridge.stop()))
      },
      end: () => Promise.resolve(),
    })
  }
  const bridges = links.map((link) => new Bridge({ link, deployment, batches, askProof }))
  const keeper = new GatewayKeeper({ dataDir, config, bridges, onLine })
  return linkOf(bridges, {
    url: keeper.listening.then((port) => `ws://127.0.0.1:${port}`),
    stop: () => keeper.stop(),
    end: () => keeper.end(),
  })
}

function linkOf(
  bridges: readonly RunningBridge[],
  { url, stop, end }: Pick<GatewayLink, 'url' | 'stop' | 'end'>,
): GatewayLink {
  const total = (field: keyof GatewayStats): number =>
    bridges.reduce((sum, { stats }) => sum + stats[field], 0)
  return {
    url,
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
    stop,
    end: async () => {
      await Promise.all(bridges.map(({ ended }) => ended))
      await end()
    },
  }
}
