/**
 * What simulated clients ask for: frames of random orders under one session, and the operator's tasks
 * (accounts, sessions, deposits from the chain, withdrawals). Numbers are small, so that orders meet.
 */
import { CommandKind, OrderType, PostOnly, Scope, Stp, TimeInForce } from '../../engine/codes.js'
import { writeApproveSession, writeFrame, writeWithdraw } from '../../engine/commands.js'
import { Attr, COMMAND_WORDS, Cmd, OpenAccountCmd } from '../../engine/layout.js'
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
  words[at + Cmd.ACCOUNT] = account
  words[at + Cmd.MARKET] = random.pick(MARKETS)
  const roll = random.below(100)
  // Cancels and amends name one of the last few orders; often it is gone, and that is an answer too.
  words[at + Cmd.CLOID_LO] = roll < 70 ? cloid : Math.max(1, cloid - 1 - random.below(12))
  if (roll < 70) {
    randomPlace(random, { words, floats }, at, nowMs)
  } else if (roll < 82) {
    words[at] = CommandKind.Cancel
  } else if (roll < 94) {
    words[at] = CommandKind.Amend
    words[at + Cmd.TICKS] = randomTicks(random)
    words[at + Cmd.LOTS] = 1 + random.below(20)
  } else if (roll < 97) {
    words[at] = CommandKind.CancelAll
    words[at + Cmd.MARKET] = random.pick([-1, 0, 1])
    words[at + Cmd.OTHER] = random.pick([-1, 0, 1])
  } else {
    words[at] = CommandKind.CancelAfter
    words[at + Cmd.MARKET] = 0
    words[at + Cmd.CLOID_LO] = 0
    floats[at / 2 + Cmd.AMOUNT_F64] = random.chance(0.3) ? 0 : nowMs + random.below(200)
  }
}

const randomTicks = (random: Random): number => 95 + random.below(11)

function randomPlace(
  random: Random,
  { words, floats }: Pick<Message, 'words' | 'floats'>,
  at: number,
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
  words[at] =
    CommandKind.Place |
    (random.below(2) << Attr.SIDE_SHIFT) |
    (type << Attr.TYPE_SHIFT) |
    (tif << Attr.TIF_SHIFT) |
    ((rests && type === OrderType.Limit && random.chance(0.1) ? PostOnly.Reject : PostOnly.None) <<
      Attr.POST_ONLY_SHIFT) |
    (random.pick([Stp.CancelTaker, Stp.CancelMaker, Stp.CancelBoth, Stp.Decrement]) << Attr.STP_SHIFT)
  words[at + Cmd.TICKS] = randomTicks(random)
  words[at + Cmd.LOTS] = lots
  if (type === OrderType.StopLimit || type === OrderType.TakeProfitLimit)
    words[at + Cmd.TRIGGER_TICKS] = randomTicks(random)
  else if (rests && lots > 4 && random.chance(0.1)) words[at + Cmd.DISPLAY_LOTS] = 1 + random.below(4)
  if (tif === GTD) floats[at / 2 + Cmd.EXPIRES_AT_F64] = nowMs + random.below(300)
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
  single(({ words }) => {
    words[Cmd.KIND] = CommandKind.OpenAccount
    words[Cmd.ACCOUNT] = account
    for (let index = 0; index < 5; index++) words[OpenAccountCmd.OWNER + index] = account * 7 + index + 1
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
    words[Cmd.KIND] = CommandKind.Deposit
    words[Cmd.ACCOUNT] = account
    words[Cmd.ASSET] = asset
    words[Cmd.OTHER] = 1
    floats[Cmd.AMOUNT_F64] = units
    floats[Cmd.DEADLINE_F64] = index
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
