/**
 * The HTTP side of the protocol: which path asks which method with which query. Part of the one schema:
 * the server routes by this table and the OpenAPI document is generated from it.
 */
import { Method } from './layout.js'

export interface HttpEndpoint {
  /** Path below the origin; `{name}` is a part of it that becomes a param. */
  readonly path: string
  readonly method: Method
  /** Params in the method's order, by name; those with a default may be left out. */
  readonly query: readonly { readonly name: string; readonly fallback?: string | number }[]
}

export const httpEndpoints: readonly HttpEndpoint[] = [
  { path: '/v1/time', method: Method.Time, query: [] },
  { path: '/v1/markets', method: Method.Markets, query: [] },
  { path: '/v1/depth', method: Method.Depth, query: [{ name: 'market' }, { name: 'depth', fallback: 20 }] },
  {
    path: '/v1/trades',
    method: Method.Trades,
    query: [{ name: 'market' }, { name: 'limit', fallback: 100 }],
  },
  {
    path: '/v1/candles',
    method: Method.Candles,
    query: [{ name: 'market' }, { name: 'interval', fallback: '1m' }, { name: 'limit', fallback: 100 }],
  },
  { path: '/v1/ticker', method: Method.Ticker, query: [{ name: 'market' }] },
  { path: '/v1/orders', method: Method.Orders, query: [] },
  {
    path: '/v1/fills',
    method: Method.Fills,
    query: [
      { name: 'afterSeq', fallback: 0 },
      { name: 'limit', fallback: 100 },
    ],
  },
  { path: '/v1/balances', method: Method.Balances, query: [] },
  { path: '/v1/fees', method: Method.Fees, query: [] },
  { path: '/v1/batches', method: Method.Batches, query: [{ name: 'limit', fallback: 20 }] },
  {
    path: '/v1/proof/{account}/{asset}',
    method: Method.Proof,
    query: [{ name: 'batch', fallback: 0 }],
  },
  { path: '/v1/fill-proof/{seq}/{index}', method: Method.FillProof, query: [] },
]

/** HTTP status of a protocol error code. */
export function httpStatus(code: number): number {
  if (code === 2005) return 403
  if (code >= 2000 && code < 3000) return 401
  if (code >= 3003 && code <= 3006) return 404
  if (code >= 5000 && code < 6000) return 429
  if (code >= 6000) return 503
  return 400
}
