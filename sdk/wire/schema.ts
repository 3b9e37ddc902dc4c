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
  MARKETS_MAX,
  SESSIONS_MAX,
} from '../../engine/limits.js'
import { Scope } from '../../engine/codes.js'
import { FieldError, readBytes, readUint64 } from './fields.js'
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

/** `count` bytes: bin in MessagePack, unpadded base64url in JSON. */
const bytes = (count: number, what: string) =>
  readWith((value) => readBytes(value, what, count), `${what}: ${count} bytes, bin or base64url`)

export const account = index(ACCOUNTS_MAX, 'account id')
export const asset = index(ASSETS_MAX, 'asset id')
export const market = index(MARKETS_MAX, 'market id')
const session = index(SESSIONS_MAX, 'session slot')
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
/** Bytes of a command payload, or its text in the JSON protocol. */
const payload = z
  .union([z.instanceof(Uint8Array), z.string()])
  .meta({ description: 'commands, encoded', glassbookType: 'payload' })

export interface MethodSchema {
  readonly params: z.ZodType<unknown>
  /** Scope bit of the session that must be logged on; 0 = nobody need be. */
  readonly scope: number
  /** Tokens that a call takes from the request budget. */
  readonly weight: number
  readonly about: string
}

const method = <P extends z.ZodType<unknown>>(params: P, scope: number, weight: number, about: string) => ({
  params,
  scope,
  weight,
  about,
})

export const methods = {
  [Method.Time]: method(z.tuple([]), 0, 1, 'Server time in ms.'),
  [Method.Markets]: method(z.tuple([]), 0, 1, 'Assets and markets, with decimals and scales.'),
  [Method.Account]: method(z.tuple([address]), 0, 1, 'The account that an address owns.'),
  [Method.ApproveSession]: method(
    z.tuple([
      account,
      bytes(PUBLIC_KEY_BYTES, 'P-256 public key, SEC1 compressed'),
      z.int().min(1).max(7).describe('scope bits'),
      whole('largest notional of one order in quote units; 0 = no bound'),
      whole('expiry in ms since 1970'),
      whole('approval nonce, used once an account'),
      walletSignature,
    ]),
    0,
    50,
    'Registers a session key that the owner’s wallet approved.',
  ),
  [Method.RevokeSession]: method(
    z.tuple([account, session, whole('revocation nonce'), walletSignature]),
    0,
    50,
    'Ends a session for good.',
  ),
  [Method.Sessions]: method(z.tuple([]), Scope.Read, 5, 'Sessions of the account.'),
  [Method.Logon]: method(
    z.tuple([session, sessionSignature]),
    0,
    10,
    'Logs a session on to this connection.',
  ),
  [Method.Frame]: method(
    z.tuple([
      session,
      whole('frame nonce'),
      payload,
      sessionSignature,
      z.object({ receipt: z.boolean().optional() }).optional(),
    ]),
    Scope.Trade,
    0,
    `1 to ${FRAME_COMMANDS_MAX} signed commands.`,
  ),
  [Method.UnsignedFrame]: method(
    z.tuple([payload, z.object({ receipt: z.boolean().optional() }).optional()]),
    Scope.Trade,
    0,
    'Commands without a signature, where the operator accepts them.',
  ),
  [Method.Subscribe]: method(
    z.tuple([z.string().max(40), z.tuple([whole('epoch'), whole('last seq')]).optional()]),
    0,
    5,
    'Follows a stream, from a snapshot or from where the client left it.',
  ),
  [Method.Unsubscribe]: method(z.tuple([z.string().max(40)]), 0, 1, 'Leaves a stream.'),
  [Method.Balances]: method(z.tuple([]), Scope.Read, 5, 'Balances of the account.'),
  [Method.Orders]: method(z.tuple([]), Scope.Read, 10, 'Live orders of the account.'),
  [Method.Order]: method(
    z.tuple([z.union([z.object({ cloid }), z.object({ orderId: whole('order id') })])]),
    Scope.Read,
    5,
    'One order by its client order id or its order id.',
  ),
  [Method.Fills]: method(
    z.tuple([z.object({ afterSeq: whole('seq').optional(), limit: limit(1000).optional() }).optional()]),
    Scope.Read,
    5,
    'Fills of the account, oldest first.',
  ),
  [Method.Depth]: method(z.tuple([market, limit(BOOK_DEPTH_MAX)]), 0, 5, 'L2 book.'),
  [Method.Trades]: method(z.tuple([market, limit(1000)]), 0, 5, 'Latest trades, newest last.'),
  [Method.Candles]: method(
    z.tuple([market, z.enum(intervals), limit(1000)]),
    0,
    5,
    'Latest candles, newest last.',
  ),
  [Method.Ticker]: method(z.tuple([market]), 0, 1, 'Last price, best bid and offer, 24 h figures.'),
  [Method.Withdraw]: method(
    z.tuple([account, asset, whole('units'), whole('withdrawal nonce'), walletSignature]),
    0,
    50,
    'Asks for a withdrawal; it becomes claimable on-chain once its batch is proven.',
  ),
  [Method.Proof]: method(
    z.tuple([account, asset]),
    0,
    20,
    'Merkle proof of a balance against a posted root.',
  ),
  [Method.Batches]: method(z.tuple([limit(100)]), 0, 5, 'Latest settlement batches, newest last.'),
  [Method.CancelOnDisconnect]: method(
    z.tuple([z.boolean()]),
    Scope.Trade,
    1,
    'Cancels the account’s orders when this connection ends.',
  ),
  [Method.PlaceTest]: method(
    z.tuple([z.array(z.unknown()).min(1).max(15)]),
    Scope.Trade,
    5,
    'Validates a place command and does nothing.',
  ),
  [Method.Fees]: method(z.tuple([]), Scope.Read, 1, 'Fee rates of the account in each market.'),
} as const satisfies Record<Method, MethodSchema>

export type MethodParams<M extends Method> = z.output<(typeof methods)[M]['params']>
