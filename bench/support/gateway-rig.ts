/**
 * A whole exchange without a chain: engine, journal and gateway threads on a free port and a folder of its
 * own, with funded accounts whose wallets are known. Used by benchmarks and by tests of gateway and SDK.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { ControlBlock } from '../../engine/rings/control.js'
import { type ExchangeHandles, startExchange } from '../../engine/runtime/exchange.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import {
  INBOUND_HEADER_WORDS,
  Inbound,
  InboundType,
  OUTBOUND_HEADER_WORDS,
  Outbound,
  OutboundType,
  QueryKind,
} from '../../engine/messages.js'
import { RingReader, RingWriter } from '../../engine/rings/ring.js'
import type { EngineCapacities, MarketConfig } from '../../engine/types.js'
import { startGatewayLink } from '../../app/start/gateway-link.js'
import { writeCommand } from '../../engine/records/access.js'
import { type GatewayConfig, gatewayConfig } from '../../gateway/settings/config.js'
import type { AssetInfo, DeploymentInfo, GatewayThreadData } from '../../gateway/link/messages.js'
import { type GatewayOptions, type RunningGateway, startGateway } from '../../gateway/process/start.js'

export const RIG_MARKET: MarketConfig = {
  id: 0,
  base: 0,
  quote: 1,
  lotUnits: 10,
  tickUnits: 1,
  makerFeePpm: 100,
  takerFeePpm: 500,
}
export const RIG_ASSETS: readonly AssetInfo[] = [
  { id: 0, symbol: 'ETH', token: `0x${'33'.repeat(20)}`, decimals: 18, unitAtoms: '1000000000000' },
  { id: 1, symbol: 'USDC', token: `0x${'44'.repeat(20)}`, decimals: 6, unitAtoms: '1' },
]
export const RIG_DEPLOYMENT: DeploymentInfo = {
  chainId: 31337,
  vault: `0x${'11'.repeat(20)}`,
  settlement: `0x${'22'.repeat(20)}`,
  assets: RIG_ASSETS,
}
/** Units of each asset that each account begins with. */
export const RIG_UNITS = 1e15

export interface RigOptions {
  readonly accounts: number
  readonly gateways?: number
  /** Further pairs of rings, for gateways that the caller runs. */
  readonly spare?: number
  /** The gateway is a process of its own, as that of `glassbook start`; nothing of `gateway` below holds. */
  readonly apart?: boolean
  /** Gateway settings; the port is a free one, and `sockets` is GLASSBOOK_SOCKETS where that is set. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly markets?: readonly MarketConfig[]
  /** Of the genesis. */
  readonly capacities?: EngineCapacities
  /** false = a private venue: unsigned frames are taken. */
  readonly signed?: boolean
  /** Go on in this folder, which is then not removed at the end. */
  readonly dataDir?: string
  readonly gateway?: Partial<Pick<GatewayOptions, 'askProof' | 'receiptKey' | 'folder' | 'onLog'>>
  /** Idle time advances no more often than this, ms. */
  readonly tickMs?: number
  readonly onDied?: (error: Error) => void
  /** Told when the threads of a part have been made. */
  readonly onPart?: (part: 'exchange' | 'gateway') => void
}

export interface Rig {
  /** The engine's state hash as it is now, in hex, and the seq that it is of. */
  stateHash(): Promise<{ seq: number; stateHash: string }>
  readonly url: string
  readonly dataDir: string
  readonly port: number
  readonly wallets: readonly PrivateKeyAccount[]
  readonly exchange: ExchangeHandles
  readonly gateway: RunningGateway
  readonly spareLinks: readonly GatewayThreadData['link'][]
  /** Sends commands as an operator; each is written by `write` into a zeroed record. */
  operate(write: (words: Int32Array, floats: Float64Array, at: number) => void): void
  /** Stops everything in order and removes the folder, when `lastUser`, who still writes into it, has ended. */
  stop(lastUser?: () => Promise<void>): Promise<void>
}

/** The wallet of account `index`; the same in every run. */
export function rigWallet(index: number): PrivateKeyAccount {
  return privateKeyToAccount(`0x${(0x1000 + index).toString(16).padStart(64, '0')}`)
}

/** Starts the exchange and its gateway; account i + 1 belongs to `wallets[i]`. */
export async function startRig(options: RigOptions): Promise<Rig> {
  const gateways = options.gateways ?? 1
  const spare = options.spare ?? 0
  const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'glassbook-rig-'))
  const markets = options.markets ?? [RIG_MARKET]
  const signed = options.signed ?? true
  const exchange = await startExchange({
    dataDir,
    genesis: {
      assets: RIG_ASSETS.map(({ id, symbol }) => ({ id, symbol })),
      markets,
      requireFrames: signed,
      // Tests open many clients of one account.
      capacities: { accountSessionsMax: 1024, ...options.capacities },
    },
    gateways: gateways + spare,
    operators: 1,
    snapshotEvery: 0,
    ...(options.tickMs === undefined ? {} : { tickMs: options.tickMs }),
  })
  options.onPart?.('exchange')
  const control = new ControlBlock(exchange.control)
  const writer = new RingWriter(exchange.inbound[gateways + spare]!, control.engineDoorbell)
  const reader = new RingReader(exchange.outbound[gateways + spare]!, control.engineDoorbell)
  const waiting: ((answer: { seq: number; stateHash: string }) => void)[] = []
  const drain = setInterval(() => {
    for (let at = reader.peek(); at >= 0; at = reader.peek()) {
      const word = at >> 2
      if (reader.words[word + Outbound.TYPE] === OutboundType.Answer) {
        const start = at + OUTBOUND_HEADER_WORDS * 4
        const bytes = reader.bytes.slice(start, start + reader.words[word + Outbound.ANSWER_BYTES]!)
        waiting.shift()?.(JSON.parse(new TextDecoder().decode(bytes)) as { seq: number; stateHash: string })
      }
      reader.release()
    }
  }, 5)
  const operate: Rig['operate'] = (write) => {
    const at = writer.tryClaim((INBOUND_HEADER_WORDS + COMMAND_WORDS) * 4)
    if (at < 0) throw new Error('rig: the operator ring is full')
    const word = at >> 2
    writer.words.fill(0, word, word + INBOUND_HEADER_WORDS + COMMAND_WORDS)
    writer.words[word + Inbound.TYPE] = InboundType.Commands
    writer.words[word + Inbound.COUNT] = 1
    write(writer.words, writer.floats, word + INBOUND_HEADER_WORDS)
    writer.commit()
  }
  const wallets = Array.from({ length: options.accounts }, (_, index) => rigWallet(index))
  const owners = wallets.map(({ address }, index) => [index + 1, address] as const)
  if (exchange.seq === 0) {
    for (const [account, owner] of owners) {
      operate((words, floats, at) => {
        const address = Buffer.from(owner.slice(2), 'hex')
        const ownerWords = Array.from({ length: 5 }, (_, word) => address.readInt32BE(word * 4))
        writeCommand(words, floats, at, 'OpenAccount', { account, owner: ownerWords })
      })
      for (const { id } of RIG_ASSETS) {
        operate((words, floats, at) =>
          writeCommand(words, floats, at, 'Deposit', { account, asset: id, units: RIG_UNITS }),
        )
      }
      // Nobody reads faster than the timer below: give it time to.
      if (account % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const links: GatewayThreadData['link'][] = Array.from({ length: gateways + spare }, (_, producer) => ({
    producer,
    inbound: exchange.inbound[producer]!,
    outbound: exchange.outbound[producer]!,
    control: exchange.control,
  }))
  const sockets = process.env['GLASSBOOK_SOCKETS']
  const config = gatewayConfig({
    port: 0,
    requireSignedFrames: signed,
    threads: gateways,
    ...(sockets === undefined ? {} : { sockets }),
    ...options.config,
  })
  const starting =
    options.apart === true
      ? startApart(dataDir, links.slice(0, gateways), config)
      : startGateway({
          links: links.slice(0, gateways),
          config,
          deployment: RIG_DEPLOYMENT,
          owners,
          dataDir,
          onDied:
            options.onDied ??
            ((error) => {
              throw error
            }),
          ...options.gateway,
        })
  const gateway = await starting.catch(async (error: unknown) => {
    await exchange.stop()
    clearInterval(drain)
    throw error
  })
  options.onPart?.('gateway')
  return {
    url: `ws://127.0.0.1:${gateway.port}`,
    dataDir,
    port: gateway.port,
    wallets,
    exchange,
    gateway,
    spareLinks: links.slice(gateways),
    operate,
    stateHash() {
      const at = writer.tryClaim(INBOUND_HEADER_WORDS * 4)
      if (at < 0) throw new Error('rig: the operator ring is full')
      const word = at >> 2
      writer.words.fill(0, word, word + INBOUND_HEADER_WORDS)
      writer.words[word + Inbound.TYPE] = InboundType.Query
      writer.words[word + Inbound.QUERY_KIND] = QueryKind.StateHash
      writer.commit()
      return new Promise((resolve) => waiting.push(resolve))
    },
    async stop(lastUser) {
      await gateway.stop()
      await exchange.stop()
      await gateway.ended
      await lastUser?.()
      clearInterval(drain)
      if (options.dataDir === undefined) rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** The gateway as `glassbook start` has it. */
async function startApart(
  dataDir: string,
  links: readonly GatewayThreadData['link'][],
  config: GatewayConfig,
): Promise<RunningGateway> {
  const link = await startGatewayLink({
    dataDir,
    sockets: [],
    config,
    links,
    deployment: RIG_DEPLOYMENT,
    batches: [],
    askProof: () => Promise.resolve(null),
    onLine: (line) => process.stderr.write(`${line}\n`),
  })
  const url = await link.url
  return {
    port: Number(new URL(url!).port),
    get stats() {
      return link.stats
    },
    batchChanged: (batch) => link.batchChanged(batch),
    settlementChanged: (figures) => link.settlementChanged(figures),
    stop: () => link.stop(),
    get ended() {
      return link.end()
    },
  }
}
