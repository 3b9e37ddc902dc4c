/**
 * What simulated clients ask for: frames of random orders under one session, and the operator's tasks
 * (accounts, sessions, deposits from the chain, withdrawals). Numbers are small, so that orders meet.
 */
import { OrderType, PostOnly, Scope, Stp, TimeInForce } from '../../engine/codes.js'
import { writeApproveSession, writeFrame, writeWithdraw } from '../../engine/commands.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { writeCommand } from '../../engine/records/access.js'
import type { GenesisConfig } from '../../engine/types.js'
import type { Random } from './random.js'

export const ASSETS = [0, 1, 2] as const
const MARKETS = [0, 1] as const
/** Every account has one session, made by this approval. */
export const APPROVAL = 1
/** A virtual run is shorter than a session's life; an operator's task is asked again until it is answered. */
const SESSION_MS = 20 * 86_400_000
const DEADLINE_MS = 20 * 3_600_000
/** Commands behind one frame record at most. */
const COMMANDS_MAX = 4

export const genesis: GenesisConfig = {
  assets: ASSETS.map((id) => ({ id, symbol: `A${id}` })),
  markets: MARKETS.map((id) => ({
    id,
    base: id,
    quote: 2,
    lotUnits: 5,
    tickUnits: 2,
    makerFeePpm: id === 0 ? -50 : 100,
    takerFeePpm: 300,
  })),
  feeAccount: 0,
  requireFrames: true,
  capacities: { ordersMax: 64, levelsMax: 64, accountsMax: 16, sessionsMax: 8 },
}

/** Command records of one message, as they go into an inbound ring. */
export interface Message {
  readonly words: Int32Array
  readonly floats: Float64Array
  readonly count: number
  /** Stands for the signed bytes: tells who asked for what, and goes into the journal. */
  readonly attachment: Uint8Array
}

export interface Frame extends Message {
  readonly client: number
  readonly nonce: number
}

function records(count: number, attachment: Uint8Array): Message {
  const words = new Int32Array(count * COMMAND_WORDS)
  return { words, floats: new Float64Array(words.buffer), count, attachment }
}

/** A frame of 1 to 4 random commands of `account` with client order ids from `cloid` on. */
export function randomFrame(
  random: Random,
  client: number,
  account: number,
  nonce: number,
  cloid: number,
  nowMs: number,
): Frame {
  const count = 1 + random.below(COMMANDS_MAX)
  const frame = records(1 + count, new Uint8Array(8 + random.below(60)))
  new DataView(frame.attachment.buffer).setUint32(0, client, true)
  new DataView(frame.attachment.buffer).setUint32(4, nonce, true)
  const { words, floats } = frame
  writeFrame(words, floats, 0, account, APPROVAL, count, nonce)
  for (let index = 1; index <= count; index++)
    randomCommand(random, frame, index * COMMAND_WORDS, account, cloid + index - 1, nowMs)
  return { ...frame, client, nonce }
}

function randomCommand(
  random: Random,
  { words, floats }: Message,
  at: number,
  account: number,
  cloid: number,
  nowMs: number,
): void {
  const market = random.pick(MARKETS)
  const roll = random.below(100)
  // Cancels and amends name one of the last few orders; often it is gone, and that is an answer too.
  const named = roll < 70 ? cloid : Math.max(1, cloid - 1 - random.below(12))
  const order = { account, market, cloid: named }
  if (roll < 70) {
    randomPlace(random, { words, floats }, at, order, nowMs)
  } else if (roll < 82) {
    writeCommand(words, floats, at, 'Cancel', order)
  } else if (roll < 94) {
    const ticks = randomTicks(random)
    writeCommand(words, floats, at, 'Amend', { ...order, ticks, lots: 1 + random.below(20) })
  } else if (roll < 97) {
    const where = random.pick([-1, 0, 1])
    writeCommand(words, floats, at, 'CancelAll', { account, market: where, side: random.pick([-1, 0, 1]) })
  } else {
    const atMs = random.chance(0.3) ? 0 : nowMs + random.below(200)
    writeCommand(words, floats, at, 'CancelAfter', { account, atMs })
  }
}

const randomTicks = (random: Random): number => 95 + random.below(11)

function randomPlace(
  random: Random,
  { words, floats }: Pick<Message, 'words' | 'floats'>,
  at: number,
  order: { readonly account: number; readonly market: number; readonly cloid: number },
  nowMs: number,
): void {
  const { GTC, IOC, FOK, GTD } = TimeInForce
  const type = random.pick([
    ...Array<OrderType>(16).fill(OrderType.Limit),
    OrderType.Market,
    OrderType.StopLimit,
    OrderType.TakeProfitLimit,
  ])
  const tif = type === OrderType.Market ? IOC : random.pick([GTC, GTC, GTC, GTC, IOC, FOK, GTD])
  const rests = tif === GTC || tif === GTD
  const lots = 1 + random.below(20)
  const side = random.below(2)
  const rejects = rests && type === OrderType.Limit && random.chance(0.1)
  const stp = random.pick([Stp.CancelTaker, Stp.CancelMaker, Stp.CancelBoth, Stp.Decrement])
  const ticks = randomTicks(random)
  const isStop = type === OrderType.StopLimit || type === OrderType.TakeProfitLimit
  const triggerTicks = isStop ? randomTicks(random) : 0
  const displayLots = !isStop && rests && lots > 4 && random.chance(0.1) ? 1 + random.below(4) : 0
  const expiresAtMs = tif === GTD ? nowMs + random.below(300) : 0
  writeCommand(words, floats, at, 'Place', {
    ...{ ...order, side, ticks, lots, orderType: type, timeInForce: tif, stp },
    postOnly: rejects ? PostOnly.Reject : PostOnly.None,
    ...{ triggerTicks, displayLots, expiresAtMs },
  })
}

const single = (write: (message: Message) => void): Message => {
  const message = records(1, new Uint8Array(0))
  write(message)
  return message
}

/** One message with the commands of several. */
export function together(messages: readonly Message[]): Message {
  const all = records(messages.length, new Uint8Array(0))
  messages.forEach(({ words }, index) => all.words.set(words, index * COMMAND_WORDS))
  return all
}

export const openAccount = (account: number): Message =>
  single(({ words, floats }) => {
    const owner = Array.from({ length: 5 }, (_, index) => account * 7 + index + 1)
    writeCommand(words, floats, 0, 'OpenAccount', { account, owner })
  })

export const approveSession = (account: number, nowMs: number): Message =>
  single(({ words }) => {
    const key = Array.from({ length: 8 }, (_, index) => account * 1000 + index)
    writeApproveSession(words, 0, account, key, 0, {
      scopes: Scope.Read | Scope.Trade,
      maxNotional: 2 ** 50,
      expiresAtMs: nowMs + SESSION_MS,
      nonce: APPROVAL,
      deadlineMs: nowMs + DEADLINE_MS,
    })
  })

/** A deposit that the chain's queue holds at `index`: credited once, in order. */
export const chainDeposit = (account: number, asset: number, units: number, index: number): Message =>
  single(({ words, floats }) => {
    writeCommand(words, floats, 0, 'Deposit', { account, asset, units, fromChain: true, queueIndex: index })
  })

export const withdrawal = (
  account: number,
  asset: number,
  units: number,
  nonce: number,
  nowMs: number,
): Message =>
  single(({ words, floats }) => {
    writeWithdraw(words, floats, 0, account, asset, units, { nonce, deadlineMs: nowMs + DEADLINE_MS })
  })
