/**
 * The schema of every method: what its params are, what it answers, which scope it asks for and what it
 * costs. The gateway validates with it at run time and the AsyncAPI and OpenAPI documents are generated
 * from it, so the documents cannot say anything else than the server does. Frames are the exception for
 * speed: commands.ts reads their payload by hand, and a test holds the two together.
 */
import { z } from 'zod'
import {
  ACCOUNTS_MAX,
  ASSETS_MAX,
  BOOK_DEPTH_MAX,
  FRAME_COMMANDS_MAX,
  FRAME_NONCE_WINDOW,
  MARKETS_MAX,
} from '../../engine/limits.js'
import { Scope } from '../../engine/codes.js'
import { APPROVAL_TIME_END } from '../../engine/limits.js'
import { FieldError, readBytes, readUint64 } from './fields.js'
import { type EntryName, entryText } from './positions.js'
import type { NumbersName } from './numbers.js'
import {
  CANDLE_INTERVALS,
  type CandleInterval,
  Method,
  PUBLIC_KEY_BYTES,
  SESSION_SIGNATURE_BYTES,
  WALLET_SIGNATURE_BYTES,
} from './layout.js'

const index = (end: number, what: string) =>
  z
    .int()
    .min(0)
    .max(end - 1)
    .describe(what)

/** A whole number from 0 to 2^53 - 1. */
const whole = (what: string) => z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe(what)

/** Reads with `read` and turns its FieldError into a schema issue; the documents see `documented`. */
const readWith = <T>(read: (value: unknown) => T, what: string) =>
  z
    .unknown()
    .transform((value, context): T => {
      try {
        return read(value)
      } catch (error) {
        if (!(error instanceof FieldError)) throw error
        context.addIssue({ code: 'custom', message: error.message })
        return z.NEVER
      }
    })
    .meta({ description: what, glassbookType: what })

/** `count` bytes: bin in MessagePack, unpadded base64url in JSON. Copied: the message may be a view that dies. */
const bytes = (count: number, what: string) =>
  readWith((value) => readBytes(value, what, count).slice(), `${what}: ${count} bytes, bin or base64url`)

export const account = index(ACCOUNTS_MAX, 'account id')
export const asset = index(ASSETS_MAX, 'asset id')
export const market = index(MARKETS_MAX, 'market id')
const approval = whole('approval: its nonce names the session')
const deadline = whole('deadline in ms of engine time, at most a day ahead').min(1)
const walletNonce = (what: string) => whole(what).min(1)
export const cloid = readWith(
  (value) => readUint64(value, 'cloid'),
  'client order id: unsigned 64-bit number',
)
const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .describe('Ethereum address')
const walletSignature = bytes(WALLET_SIGNATURE_BYTES, 'EIP-712 signature r || s || v')
const sessionSignature = bytes(SESSION_SIGNATURE_BYTES, 'P-256 signature r || s')
const limit = (max: number) => z.int().min(1).max(max).describe(`at most ${max}`)
const intervals = Object.keys(CANDLE_INTERVALS) as [CandleInterval, ...CandleInterval[]]
/** Bytes of a command payload, or its text in the JSON protocol; `more` says what else is true of them. */
const payload = (more: string) =>
  z.union([z.instanceof(Uint8Array), z.string()]).meta({
    description: `array of commands: in MessagePack its encoding as bin; in JSON its JSON text as it is, not base64url${more}`,
    glassbookType: 'payload',
  })

export interface MethodSchema {
  readonly params: z.ZodType<unknown>
  /** What a result is, in the JSON encoding's terms. */
  readonly result: z.ZodType<unknown>
  /** Scope bit of the session that must be logged on; 0 = nobody need be. */
  readonly scope: number
  /** Tokens that a call takes from the request budget. */
  readonly weight: number
  readonly about: string
}

const method = <P extends z.ZodType<unknown>>(
  params: P,
  result: z.ZodType<unknown>,
  scope: number,
  weight: number,
  about: string,
) => ({ params, result, scope, weight, about })

// ---- what comes back, shared by results and streams

const int = z.int()
/** One number of a table of numbers.ts. */
const code = (table: NumbersName) => z.int().meta({ glassbookNumbers: table })
/** An entry whose positions stand in positions.ts. */
const entry = <T extends z.ZodType>(name: EntryName, schema: T): T =>
  schema.meta({ description: entryText(name), glassbookEntry: name }) as T
/** A 64-bit number: a decimal string in JSON, a bigint or number in MessagePack. */
const id64 = z
  .union([z.string().regex(/^[0-9]+$/), z.bigint(), z.int()])
  .meta({ description: 'unsigned 64-bit', glassbookType: 'cloid' })
const text = z.string()
const sessionName = z.strictObject({ account: int, approval: int })
const level = entry('level', z.tuple([int, int, int]))
const bookData = z.tuple([z.array(level), z.array(level)]).describe('[bids, asks], best first in a snapshot')
const l3 = entry('l3', z.tuple([int, int, int, int]))
const trade = entry('trade', z.tuple([int, int, int, int, int, int]))
const candle = entry('candle', z.tuple([int, int, int, int, int, int, int, int, int]))
const balance = entry('balance', z.tuple([int, int, int]))
const liveOrder = entry(
  'liveOrder',
  z.tuple([int, id64, int, int, int, int, int, int, int, int, int, int, int]),
)
const orderEntry = entry(
  'order',
  z.tuple([int, int, int, id64, int, int, int, int, int, int, int, int, int, int, int, int]),
)
const fill = entry('fill', z.tuple([int, int, int, int, int, int, int, int, int, id64, int, int]))
const bestLevels = z.tuple([level.nullable(), level.nullable()]).describe('[best bid, best ask]')
const ticker = z
  .strictObject({
    market: int,
    lastTicks: int,
    bid: level.nullable(),
    ask: level.nullable(),
    timeMs: int,
    open: int,
    high: int,
    low: int,
    lots: int,
    quoteUnits: int,
    trades: int,
  })
  .describe(
    'lastTicks 0 = no trade yet; open, high, low (ticks), lots, quoteUnits, trades: of the last 24 hours',
  )
const cancelOnlyReasons = int.describe(
  'bits of CancelOnlyReason: while there is any, the whole exchange takes cancels only, and an active market says so too',
)
const marketStatus = z
  .strictObject({
    market: int,
    status: code('MarketStatus'),
    cancelOnlyReasons,
    makerFeePpm: int,
    takerFeePpm: int,
    bandPpm: int,
  })
  .describe('fees and band in millionths; band 0 = none')
const batchState = z.enum(['sealed', 'committed', 'proven', 'final'])
const batch = z.strictObject({
  number: int,
  state: batchState,
  firstSeq: int,
  lastSeq: int,
  oldRoot: text,
  newRoot: text,
  fillsRoot: text,
  journalHead: text,
  transactionHash: text,
})
const proof = z.strictObject({
  account: int,
  asset: int,
  units: text,
  siblings: z.array(text),
  batch: int,
  root: text,
  state: z.enum(['committed', 'proven', 'final']),
})
const fillProof = z.strictObject({
  batch: int,
  state: z.enum(['committed', 'proven', 'final']),
  leaf: text,
  siblings: z.array(text),
  leftSiblings: int,
})
const frameResult = z
  .tuple([int, z.array(z.array(int))])
  .rest(z.unknown())
  .describe(
    '[first seq, items, receipt?]; item: [0, orderId, state, remaining, filled, reason?] (reason: why an order that is cancelled by now was, CancelReason; absent in any other state), [0, count, more] (of a cancel-all: orders cancelled by now; more is absent, or 1 = the rest, which trades no more, follows by itself) or [code, bound] (bound, where the number says more than the code: of InsufficientFunds, to a session that may read, the units that are available, of an amend with what its order reserves; of SessionNotional the session’s maxNotional; of ExchangeCancelOnly the bits of CancelOnlyReason that stand)',
  )

/** Every stream: its name, what an event carries, what a snapshot carries. */
export const streams = [
  {
    name: 'book:{market}',
    about: 'L2 book, every level; the checksum is of the whole book’s best ten levels of each side',
    data: bookData,
    snapshot: bookData,
  },
  {
    name: 'book:{market}:{depth}',
    about:
      'L2 book, the best 5, 10, 20 or 50 levels; the checksum is of the levels shown, at most ten a side: a level that leaves the view is sent with 0 lots, one that enters it whole',
    data: bookData,
    snapshot: bookData,
  },
  {
    name: 'l3:{market}',
    about: 'every visible resting order; zero lots = gone',
    data: z.array(l3),
    snapshot: z.array(l3),
  },
  { name: 'bbo:{market}', about: 'best bid and offer', data: bestLevels, snapshot: bestLevels },
  { name: 'trades:{market}', about: 'trades', data: z.array(trade), snapshot: z.array(trade) },
  {
    name: 'ticker:{market}',
    about: 'last price, best bid and offer, 24 h figures',
    data: ticker,
    snapshot: ticker,
  },
  {
    name: 'candles:{market}:{interval}',
    about: 'candles that changed; 1s, 1m, 5m, 15m, 1h, 4h, 1d',
    data: z.array(candle),
    snapshot: z.array(candle),
  },
  {
    name: 'status:{market}',
    about: 'market status, fees and price band; a snapshot, then each change',
    data: marketStatus,
    snapshot: marketStatus,
  },
  {
    name: 'orders',
    about:
      'own orders: what happened to each, and how it stands after it; event 3 (Fill) carries the fill’s ticks and lots, every other the order’s',
    data: z.array(orderEntry),
    snapshot: z.array(liveOrder),
  },
  {
    name: 'fills',
    about: 'own fills; a snapshot holds those missed since the position given: [1 = complete, fills]',
    data: z.array(fill),
    snapshot: z.tuple([int, z.array(fill)]),
  },
  {
    name: 'balances',
    about: 'own balances that changed',
    data: z.array(balance),
    snapshot: z.array(balance),
  },
  {
    name: 'settlement',
    about: 'public: batches committed, proven, final; sealed = the chain had the batch and took it back',
    data: batch,
    snapshot: z.array(batch),
  },
] as const

export const methods = {
  [Method.Time]: method(
    z.tuple([]),
    z.tuple([int, int]).describe('[wallMs, engineMs]'),
    0,
    1,
    "The server's clock and engine time, ms since 1970. Deadlines and expiries are measured against engine time, which may be ahead of the clock or behind it.",
  ),
  [Method.Markets]: method(
    z.tuple([]),
    z.strictObject({
      chainId: int,
      vault: text,
      settlement: text,
      assets: z.array(
        z.strictObject({
          id: int,
          symbol: text,
          token: text,
          decimals: int,
          unitAtoms: text,
          withdrawMinUnits: int.describe('least units that a withdrawal takes out; 0 = no bound'),
          withdrawFeeUnits: int.describe('units that a withdrawal costs beyond those'),
        }),
      ),
      markets: z.array(
        z.strictObject({
          id: int,
          base: int,
          quote: int,
          lotUnits: int,
          tickUnits: int,
          makerFeePpm: int,
          takerFeePpm: int,
          bandPpm: int.describe(
            'limit prices further from the last trade are refused, in millionths; 0 = none',
          ),
          status: code('MarketStatus'),
          cancelOnlyReasons,
        }),
      ),
    }),
    0,
    1,
    'Assets and markets, with decimals and scales.',
  ),
  [Method.Account]: method(
    z.tuple([address]),
    z.strictObject({ account: int }),
    0,
    1,
    'The account that an address owns.',
  ),
  [Method.ApproveSession]: method(
    z.tuple([
      account,
      bytes(PUBLIC_KEY_BYTES, 'P-256 public key, SEC1 compressed'),
      z.int().min(1).max(7).describe('scope bits'),
      whole('quote units that one order may execute over its life, on either side; 0 = no bound'),
      whole('expiry in ms of engine time, at most 30 days ahead unless the exchange says otherwise').max(
        APPROVAL_TIME_END - 1,
      ),
      walletNonce('approval nonce: above every one of the account’s approvals and revocations'),
      deadline.max(APPROVAL_TIME_END - 1),
      walletSignature,
    ]),
    sessionName,
    0,
    50,
    'Registers a session key that the owner’s wallet approved; the newest approval of a key replaces the one before.',
  ),
  [Method.RevokeSession]: method(
    z.tuple([
      account,
      approval,
      walletNonce('revocation nonce: above every one of the account’s approvals and revocations'),
      deadline,
      walletSignature,
    ]),
    sessionName,
    0,
    50,
    'Ends a session for good. Of one that was revoked already the answer is the same.',
  ),
  [Method.Sessions]: method(
    z.tuple([]),
    z.array(
      z.strictObject({
        account: int,
        approval: int,
        scopes: int,
        keyX: z.array(z.int32()).length(8).describe('x of the key, big-endian; words are signed'),
        parity: z.int().min(0).max(1).describe('of the key’s y'),
        maxNotional: int,
        expiresAtMs: int,
        highestNonce: int,
        active: z.boolean(),
        revoked: z.boolean(),
      }),
    ),
    Scope.Read,
    5,
    'Sessions of the account, ended ones included until their place is needed.',
  ),
  [Method.Session]: method(
    z.tuple([account, bytes(PUBLIC_KEY_BYTES, 'P-256 public key, SEC1 compressed')]),
    z.strictObject({ approval: int, scopes: int, maxNotional: int, expiresAtMs: int, timeMs: int }),
    0,
    2,
    'The live session that a key has for an account.',
  ),
  [Method.Nonces]: method(
    z.tuple([account]),
    z.strictObject({ approval: int, withdrawal: int, timeMs: int }),
    0,
    1,
    'Highest nonces that the account’s wallet has used (approvals and revocations share one row), and engine time.',
  ),
  [Method.Logon]: method(
    z.tuple([account, approval, sessionSignature]),
    z.strictObject({ account: int, approval: int, scopes: int, maxNotional: int, expiresAtMs: int }),
    0,
    10,
    'Logs a session on to this connection.',
  ),
  [Method.Logoff]: method(
    z.tuple([]),
    z.strictObject({}),
    0,
    1,
    'Takes the session off this connection: every stream and cancelOnDisconnect go with it.',
  ),
  [Method.Frame]: method(
    z.tuple([
      account,
      approval,
      whole('frame nonce'),
      payload('. These very bytes (of text: UTF-8) are signed'),
      sessionSignature,
      z.strictObject({ receipt: z.boolean().optional() }).optional(),
    ]),
    frameResult,
    Scope.Trade,
    0,
    `1 to ${FRAME_COMMANDS_MAX} signed commands. The first frame of a session may have any nonce; later ones each a nonce of its own, above the session’s highest minus ${FRAME_NONCE_WINDOW}, in any order. Consecutive numbers are best.`,
  ),
  [Method.UnsignedFrame]: method(
    z.tuple([payload('')]),
    frameResult,
    Scope.Trade,
    0,
    'Commands without a signature, and so without a receipt, where the operator accepts them; the engine holds them to the session that is logged on, at their place in the journal. First seq is that of the first command.',
  ),
  [Method.Subscribe]: method(
    z.tuple([z.string().max(40), z.tuple([whole('epoch'), whole('last seq')]).optional()]),
    z.strictObject({
      stream: text,
      resumedTo: int
        .optional()
        .describe('it goes on from the position: the events up to this seq follow; absent = a snapshot does'),
    }),
    0,
    5,
    'Follows a stream, from a snapshot or from where the client left it.',
  ),
  [Method.Unsubscribe]: method(
    z.tuple([z.string().max(40)]),
    z.strictObject({ stream: text }),
    0,
    1,
    'Leaves a stream.',
  ),
  [Method.Balances]: method(z.tuple([]), z.array(balance), Scope.Read, 5, 'Balances of the account.'),
  [Method.Orders]: method(
    z.tuple([
      z
        .strictObject({
          afterOrderId: whole('order id: orders with larger ones').optional(),
          limit: limit(1000).optional(),
        })
        .optional(),
    ]),
    z.strictObject({ orders: z.array(liveOrder), more: z.boolean() }),
    Scope.Read,
    10,
    'Live orders of the account, ascending by order id, a page at a time; more = go on after the last id.',
  ),
  [Method.Order]: method(
    z.tuple([z.union([z.strictObject({ cloid }), z.strictObject({ orderId: whole('order id') })])]),
    z.union([z.strictObject({ live: liveOrder }), z.object({ ended: orderEntry })]),
    Scope.Read,
    5,
    'One order by its client order id or its order id.',
  ),
  [Method.FrameOutcome]: method(
    z.tuple([approval, whole('frame nonce')]),
    z.strictObject({ firstSeq: int, codes: z.array(int) }),
    Scope.Read,
    2,
    'What became of a frame whose answer was lost; while its nonce is among the session’s highest 100, and for an hour after the session’s last frame.',
  ),
  [Method.Fills]: method(
    z.tuple([
      z
        .strictObject({
          afterSeq: whole('seq; without an index, all of its fills are behind').optional(),
          afterIndex: whole('index within afterSeq').optional(),
          limit: limit(1000).optional(),
        })
        .optional(),
    ]),
    z.strictObject({ fills: z.array(fill), complete: z.boolean(), more: z.boolean() }),
    Scope.Read,
    5,
    'Fills of the account, oldest first, a page at a time: go on after the last one’s seq and index while ' +
      'more is true. complete = none before them is missing.',
  ),
  [Method.Depth]: method(
    z.tuple([market, limit(BOOK_DEPTH_MAX)]),
    z.strictObject({ seq: int, levels: bookData, checksum: int }),
    0,
    5,
    'L2 book.',
  ),
  [Method.Trades]: method(
    z.tuple([market, limit(1000)]),
    z.array(trade),
    0,
    5,
    'Latest trades, newest last.',
  ),
  [Method.Candles]: method(
    z.tuple([market, z.enum(intervals), limit(1000)]),
    z.array(candle),
    0,
    5,
    'Latest candles, newest last.',
  ),
  [Method.Ticker]: method(z.tuple([market]), ticker, 0, 1, 'Last price, best bid and offer, 24 h figures.'),
  [Method.Withdraw]: method(
    z.tuple([
      account,
      asset,
      whole('units that go out'),
      whole(
        'units accepted as its fee, beyond those that go out: the asset’s fee is taken, and never more than this',
      ),
      walletNonce('withdrawal nonce: above every one of the account’s withdrawals'),
      deadline,
      walletSignature,
    ]),
    z.strictObject({ seq: int, fee: int }),
    0,
    50,
    'Asks for a withdrawal; its units become claimable on-chain once its batch is proven. The account pays units + fee.',
  ),
  [Method.Withdrawal]: method(
    z.tuple([account, walletNonce('nonce of the withdrawal')]),
    z.strictObject({
      state: z.enum(['taken', 'notTaken', 'unknown']),
      seq: int,
      asset: int,
      units: int,
      fee: int,
      highest: int,
      recent: z.array(z.tuple([int, int])),
      recentAfter: int,
      timeMs: int,
    }),
    0,
    2,
    'What became of a withdrawal, by its nonce; seq, asset, units and fee are 0 unless it was taken. One that was not taken may still be, until its deadline is before `timeMs` or a later nonce was used (`highest`). Unknown: it is older than what is kept. `recent`: [seq, asset] of every withdrawal of the account behind the seq `recentAfter`; which there were up to it, nobody tells any more.',
  ),
  [Method.Proof]: method(
    z.tuple([account, asset, whole('batch; the last one on the chain when absent or 0').optional()]),
    proof,
    0,
    20,
    'Merkle proof of a balance against a committed root; of older batches as long as their trees are kept.',
  ),
  [Method.FillProof]: method(
    z.tuple([whole('seq'), whole('index of the fill in its command')]),
    fillProof,
    0,
    50,
    "Merkle proof of a fill against its batch's fills root.",
  ),
  [Method.Batches]: method(
    z.tuple([limit(100)]),
    z.array(batch),
    0,
    5,
    'Latest settlement batches, newest last.',
  ),
  [Method.CancelOnDisconnect]: method(
    z.tuple([z.boolean()]),
    z.strictObject({ on: z.boolean() }),
    Scope.Trade,
    1,
    'Cancels the account’s orders when this connection ends.',
  ),
  [Method.PlaceTest]: method(
    z.tuple([z.array(z.unknown()).min(1).max(15)]),
    z.strictObject({ valid: z.boolean() }),
    Scope.Trade,
    5,
    'Answers a place command as a real one would be, by the same checks, and does nothing. Who may trade and not read can find out a balance by it, as by orders.',
  ),
  [Method.Fees]: method(
    z.tuple([]),
    z.array(z.strictObject({ market: int, makerFeePpm: int, takerFeePpm: int })),
    Scope.Read,
    1,
    'Fee rates of the account in each market.',
  ),
} as const satisfies Record<Method, MethodSchema>

export type MethodParams<M extends Method> = z.output<(typeof methods)[M]['params']>
