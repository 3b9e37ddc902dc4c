/**
 * The HTTP side of the protocol: which path asks which method with which query or body. Part of the one
 * schema: the server routes by this table and the documents are generated from it.
 */
import { Method } from './layout.js'

export interface HttpEndpoint {
  readonly verb: 'GET' | 'POST'
  /** Path below the origin; `{name}` is a part of it that becomes a param. */
  readonly path: string
  readonly method: Method
  /** GET: params in the method's order, by name; those with a default may be left out. A POST has a body. */
  readonly query: readonly { readonly name: string; readonly fallback?: string | number }[]
}

const get = (path: string, method: Method, ...query: HttpEndpoint['query']): HttpEndpoint => ({
  verb: 'GET',
  path,
  method,
  query,
})
/** Methods that take their query as one object of options instead of params in order. */
export const optionMethods: ReadonlySet<Method> = new Set<Method>([Method.Fills, Method.Orders])

/** The body is the method's params, as they travel over WebSocket. */
const post = (path: string, method: Method): HttpEndpoint => ({ verb: 'POST', path, method, query: [] })

export const httpEndpoints: readonly HttpEndpoint[] = [
  get('/v1/time', Method.Time),
  get('/v1/markets', Method.Markets),
  get('/v1/accounts/{owner}', Method.Account),
  get('/v1/depth', Method.Depth, { name: 'market' }, { name: 'depth', fallback: 20 }),
  get('/v1/trades', Method.Trades, { name: 'market' }, { name: 'limit', fallback: 100 }),
  get(
    '/v1/candles',
    Method.Candles,
    { name: 'market' },
    { name: 'interval', fallback: '1m' },
    { name: 'limit', fallback: 100 },
  ),
  get('/v1/ticker', Method.Ticker, { name: 'market' }),
  get('/v1/sessions', Method.Sessions),
  get('/v1/orders', Method.Orders, { name: 'afterOrderId', fallback: 0 }, { name: 'limit', fallback: 1000 }),
  get(
    '/v1/fills',
    Method.Fills,
    { name: 'afterSeq', fallback: 0 },
    { name: 'afterIndex', fallback: Number.MAX_SAFE_INTEGER },
    { name: 'limit', fallback: 100 },
  ),
  get('/v1/balances', Method.Balances),
  get('/v1/fees', Method.Fees),
  get('/v1/nonces/{account}', Method.Nonces),
  get('/v1/frames/{approval}/{nonce}', Method.FrameOutcome),
  get('/v1/withdrawals/{account}/{nonce}', Method.Withdrawal),
  get('/v1/batches', Method.Batches, { name: 'limit', fallback: 20 }),
  get('/v1/proof/{account}/{asset}', Method.Proof, { name: 'batch', fallback: 0 }),
  get('/v1/fill-proof/{seq}/{index}', Method.FillProof),
  post('/v1/frames', Method.Frame),
  post('/v1/sessions', Method.ApproveSession),
  post('/v1/sessions/revoke', Method.RevokeSession),
  post('/v1/withdrawals', Method.Withdraw),
]

/** HTTP statuses of codes that do not follow their range. */
const STATUS: Readonly<Record<number, number>> = {
  1001: 413,
  1003: 429,
  1004: 403,
  1009: 431,
  1010: 426,
  2005: 403,
  3009: 405,
  3010: 415,
}

/** HTTP status of a protocol error code. */
export function httpStatus(code: number): number {
  const own = STATUS[code]
  if (own !== undefined) return own
  if (code >= 2000 && code < 3000) return 401
  if (code >= 3003 && code <= 3006) return 404
  if (code >= 5000 && code < 6000) return 429
  if (code >= 6000) return 503
  return 400
}
