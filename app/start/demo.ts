/**
 * The demo traders of `glassbook start --demo`: two market makers and some takers, each with its own
 * wallet, session and WebSocket, like anybody else's. Makers quote both sides around a price that walks
 * at random from a fixed seed; takers cross the spread.
 *
 * The demo tells a story that has an end: what was deposited, the first trade, a balance checked against a
 * proven batch on the chain, and a withdrawal from its request to the claim on the chain.
 */
import { type HDAccount, createPublicClient, createWalletClient, http } from 'viem'
import { foundry } from 'viem/chains'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { type Deployment, receiptOf } from '../../contracts/deployment/deploy.js'
import { type Client, GlassbookError, createClient } from '../../sdk/index.js'
import { unitsText } from '../../settlement/audit/units-text.js'
import { LOCAL_POLL_MS } from '../limits.js'

const MARKET = 0
const LEVELS = 5
/** The walk starts at 60,000.0 USDX; a tick is 0.1. */
const START_TICKS = 600_000
const QUOTE_EVERY_MS = 250
const TAKE_EVERY_MS = 120
/** Fills that the withdrawing trader has seen before it asks. */
const WITHDRAW_AFTER_FILLS = 3
/** Index among the traders of the one that withdraws. */
const LEAVER = 2
const WITHDRAW_AMOUNT = '25'
const CLAIM_POLL_MS = 500
const FILLS_POLL_MS = 50

export interface DemoOptions {
  readonly url: string
  readonly deployment: Deployment
  /** The first two make markets, the others take. */
  readonly traders: readonly HDAccount[]
  readonly seed: number
  /** One line for the operator to read. */
  readonly onLine: (line: string) => void
  /** A failure that a client cannot have: the demo is over. */
  readonly onFailed: (what: string, error: unknown) => void
}

/** The chapters of the story, in the words of a line. */
const CHAPTERS = ['deposit', 'trade', 'proven batch', 'claimed withdrawal'] as const
export type Chapter = (typeof CHAPTERS)[number]

/** What the demo says at its end. It failed when a trader did, or when it ended before everything was seen. */
export function demoEnd(told: ReadonlySet<Chapter>, errors: number): { line: string; code: number } {
  const missing = CHAPTERS.filter((chapter) => !told.has(chapter))
  if (missing.length > 0) return { line: `demo: ended before this was seen: ${missing.join(', ')}`, code: 1 }
  return {
    line: 'demo: deposit, trades, proven batch and claimed withdrawal: that was all',
    code: errors === 0 ? 0 : 1,
  }
}

/** mulberry32: a small seeded generator; numbers in [0, 1). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export class Demo {
  readonly #options: DemoOptions
  readonly #random: () => number
  #clients: Client[] = []
  #stopped = false
  #loops: Promise<void>[] = []
  #mid = START_TICKS
  readonly #told = new Set<Chapter>()
  #tellStory: () => void = () => {}
  #provenSeen = 0
  /** Resolves when every chapter was told. */
  readonly storyTold = new Promise<void>((resolve) => {
    this.#tellStory = resolve
  })
  /** Unexpected failures of any trader; the demo is honest only while this is 0. */
  errors = 0

  constructor(options: DemoOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
  }

  /** Connects every trader, approves and logs on its session, and starts to trade. */
  async start(): Promise<void> {
    const { url, deployment, traders } = this.#options
    for (const wallet of traders) {
      const publicClient = createPublicClient({ chain: foundry, transport: http(deployment.rpcUrl) })
      const client = await createClient({ url, wallet, publicClient, deployment }).connect()
      await client.createSession({ scopes: ['read', 'trade', 'withdrawRequest'] })
      // What an earlier run left on the book would stand in the way of this run's quotes.
      await client.cancelAll()
      this.#clients.push(client)
    }
    await this.#tellDeposit()
    const [first, second, ...takers] = this.#clients
    this.#loops = [
      this.#every(QUOTE_EVERY_MS, () => this.#quote(first!, 2)),
      this.#every(QUOTE_EVERY_MS, () => this.#quote(second!, 3)),
      ...takers.map((taker) => this.#every(TAKE_EVERY_MS * takers.length, () => this.#take(taker))),
      this.#guard('follow fills', () => this.#followFills(this.#clients[LEAVER]!)),
    ]
  }

  /** Stops trading, cancels what rests, disconnects. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#loops)
    await Promise.all(this.#clients.map((client) => client.cancelAll().catch(() => 0)))
    for (const client of this.#clients) client.close()
  }

  /** Called when a batch has another state on the chain: proves one balance with it. */
  batchChanged({ number, state }: { readonly number: number; readonly state: string }): void {
    if (this.#stopped || number <= this.#provenSeen || (state !== 'proven' && state !== 'final')) return
    this.#provenSeen = number
    this.#loops.push(this.#guard('verify', () => this.#verify(number)))
  }

  /** Says how it ended; the exit code. */
  finish(): number {
    const { line, code } = demoEnd(this.#told, this.errors)
    this.#options.onLine(line)
    return code
  }

  #chapter(chapter: Chapter, line: string): void {
    this.#options.onLine(line)
    this.#told.add(chapter)
    if (this.#told.size === CHAPTERS.length) this.#tellStory()
  }

  /** What the chain says of the deposits that the exchange has credited. */
  async #tellDeposit(): Promise<void> {
    const { deployment, traders } = this.#options
    const client = this.#clients[LEAVER]!
    const reader = createPublicClient({ chain: foundry, transport: http(deployment.rpcUrl) })
    const deposits = await reader.getContractEvents({
      address: deployment.vault,
      abi: vaultAbi,
      eventName: 'Deposited',
      fromBlock: BigInt(deployment.deployedAtBlock),
    })
    const own = deposits.find(({ args }) => args.owner === traders[LEAVER]!.address && args.asset === 0)
    if (own === undefined) throw new Error('the chain has no deposit of the demo account')
    const credited = (await client.balances()).find(({ asset }) => asset.id === 0)
    this.#chapter(
      'deposit',
      `account ${client.session!.account} deposited ${unitsText(deployment.assets[0]!, own.args.units!)} on-chain ` +
        `(${own.transactionHash}); ${credited?.available ?? 'nothing'} USDX are free to trade`,
    )
  }

  async #verify(number: number): Promise<void> {
    const client = this.#clients[LEAVER]!
    const { amount, asset, state, batch } = await client.verifyBalance({ asset: 0, batch: number })
    this.#chapter(
      'proven batch',
      `batch ${number} is proven on-chain: account ${client.session!.account} has ${amount} ${asset.symbol}, ` +
        `verified against the root of batch ${batch} on-chain (${state})`,
    )
  }

  /** Follows the leaver's fills; after a few of them it asks for its withdrawal. */
  async #followFills(client: Client): Promise<void> {
    const fills = await client.trackFills()
    while (!this.#stopped && fills.fills.length < WITHDRAW_AFTER_FILLS)
      await new Promise((resolve) => setTimeout(resolve, FILLS_POLL_MS))
    const first = fills.fills[0]
    if (first === undefined || this.#stopped) return
    this.#chapter(
      'trade',
      `account ${client.session!.account} traded: ${first.lots} lots at ${first.ticks} ticks (seq ${first.seq}), ${fills.fills.length} fills so far`,
    )
    await this.#guard('withdraw', () => this.#withdraw(client, this.#options.traders[LEAVER]!))
  }

  async #every(pauseMs: number, act: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await this.#guard('trade', act)
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + this.#random())))
    }
  }

  async #guard(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      if (this.#stopped) return
      this.errors++
      this.#options.onLine(`demo: ${what} failed: ${error instanceof Error ? error.message : String(error)}`)
      if (!(error instanceof GlassbookError)) this.#options.onFailed(what, error)
    }
  }

  /** One frame: all old quotes go, new ones come. */
  async #quote(maker: Client, halfSpreadTicks: number): Promise<void> {
    this.#mid += Math.round((this.#random() - 0.5) * 8)
    const commands = [maker.cancelAllOf({ market: MARKET })]
    for (let level = 0; level < LEVELS; level++) {
      const away = halfSpreadTicks + level * 3
      const lots = 200 + Math.floor(this.#random() * 2000)
      commands.push(
        maker.place({ market: MARKET, side: 'buy', ticks: this.#mid - away, lots, postOnly: 'slide' }),
      )
      commands.push(
        maker.place({ market: MARKET, side: 'sell', ticks: this.#mid + away, lots, postOnly: 'slide' }),
      )
    }
    const results = await maker.batch(commands)
    const refused = results.find(({ error }) => error !== undefined)
    if (refused !== undefined) throw refused.error!
  }

  async #take(taker: Client): Promise<void> {
    const side = this.#random() < 0.5 ? 'buy' : 'sell'
    const ticks = this.#mid + (side === 'buy' ? 10 : -10)
    const lots = 1 + Math.floor(this.#random() * 800)
    await taker.placeOrder({ market: MARKET, side, ticks, lots, timeInForce: 'IOC' })
  }

  /** Asks for a withdrawal, waits until its batch is final, and pulls the claim on-chain. */
  async #withdraw(client: Client, owner: HDAccount): Promise<void> {
    const { deployment, onLine } = this.#options
    const transport = http(deployment.rpcUrl)
    const reader = createPublicClient({ chain: foundry, transport, pollingInterval: LOCAL_POLL_MS })
    const wallet = createWalletClient({ account: owner, chain: foundry, transport })
    const account = BigInt(client.session!.account)
    const { seq, amount, fee } = await client.requestWithdrawal({ asset: 0, amount: WITHDRAW_AMOUNT })
    onLine(`account ${account} asked to withdraw ${amount} USDX, for a fee of ${fee} (seq ${seq})`)
    const vault = { address: deployment.vault, abi: vaultAbi } as const
    while (!this.#stopped) {
      const claimable = await reader.readContract({
        ...vault,
        functionName: 'claimable',
        args: [account, 0n],
      })
      if (claimable > 0n) {
        const hash = await wallet.writeContract({ ...vault, functionName: 'claim', args: [account, 0n] })
        await receiptOf(reader, hash)
        const proven = await reader.readContract({
          address: deployment.settlement,
          abi: settlementAbi,
          functionName: 'provenCount',
        })
        this.#chapter(
          'claimed withdrawal',
          `account ${account} claimed ${unitsText(deployment.assets[0]!, claimable)} on-chain (batch ${proven} proven): ${hash}`,
        )
        return
      }
      await new Promise((resolve) => setTimeout(resolve, CLAIM_POLL_MS))
    }
  }
}
