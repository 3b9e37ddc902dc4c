/**
 * Every method but frames: validates params with the schema, checks the scope, answers from what this thread
 * keeps. Two questions go to the engine (engine-requests.ts); what a wallet or a session key signs is in
 * session-requests.ts, streams are in subscriptions.ts.
 */
import { CommandKind, Reject } from '../../engine/codes.js'
import { COMMAND_WORDS, Cmd, kindOf } from '../../engine/layout.js'
import { FRAME_NONCE_WINDOW, FRAME_WINDOW_IDLE_MS } from '../../engine/limits.js'
import { QueryKind } from '../../engine/messages.js'
import { ErrorCode, errorName, rejectToCode } from '../../sdk/wire/codes.js'
import { commandToRecord } from '../../sdk/wire/commands.js'
import { FieldError } from '../../sdk/wire/fields.js'
import { Kind, Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { type MethodParams, type MethodSchema, methods } from '../../sdk/wire/schema.js'
import type { Connection } from '../connections/connection.js'
import { EncodedAnswer } from '../streams/depth-answers.js'
import type { SessionInfo } from '../sessions/directory.js'
import { HISTORY_RETRY_MS, PAGE_ROWS } from '../limits.js'
import { askEngine } from './engine-requests.js'
import type { History } from '../history/history.js'
import type { EngineLink } from '../link/engine-link.js'
import type { DeploymentInfo, ProofAnswer, ProofQuestion } from '../link/messages.js'
import type { GatewayConfig } from '../settings/config.js'
import type { MarketData } from '../streams/market-data.js'
import type { Subscriptions } from '../streams/subscriptions.js'
import type { BalanceTable } from '../views/balance-view.js'
import type { BatchList } from '../views/batch-list.js'
import type { LiveOrders } from '../views/live-orders.js'
import type { DisconnectCancels } from './disconnect-cancels.js'
import { TOKEN_FORM } from './http-token.js'
import { paramRefusal } from '../protocol/param-refusals.js'
import { RequestError, scopeMissing } from '../protocol/request-error.js'
import {
  type SessionParts,
  approveSession,
  logon,
  requestWithdrawal,
  revokeSession,
} from './session-requests.js'
import { stillStanding } from '../sessions/still-standing.js'
import { wallMs } from './wall-clock.js'

type Answer = WireValue | EncodedAnswer | Promise<WireValue>

/** Who asks: a connection, or an HTTP request with a token. */
export interface Caller {
  readonly ip: string
  readonly session: SessionInfo | undefined
  readonly account: number | undefined
}

/** Methods that change the connection that they come on. */
type ConnectionMethod = 'logon' | 'logoff' | 'subscribe' | 'unsubscribe' | 'cancelOnDisconnect'
type FrameMethod = 'frame' | 'unsignedFrame'
/** Methods that anybody with the right session may ask, over WebSocket or HTTP. */
export type PlainMethod = Exclude<Method, ConnectionMethod | FrameMethod>

type Handlers = { [M in PlainMethod]: (caller: Caller, params: MethodParams<M>) => Answer } & {
  [M in ConnectionMethod]: (connection: Connection, params: MethodParams<M>, id: number) => Answer | undefined
}
type AnyHandler = (caller: Caller, params: unknown, id: number) => Answer | undefined

/** What answers are made of: the parts of a gateway that methods ask. */
export interface RequestParts extends SessionParts {
  readonly data: { readonly config: GatewayConfig; readonly deployment: DeploymentInfo }
  readonly link: EngineLink
  readonly markets: ReadonlyMap<number, MarketData>
  readonly orders: LiveOrders
  readonly balances: BalanceTable
  readonly history: History
  readonly batches: BatchList
  readonly subscriptions: Subscriptions
  readonly disconnectCancels: DisconnectCancels
  readonly clients: { logoff(connection: Connection): void }
  askProof(question: ProofQuestion, onProof: (proof: ProofAnswer | null) => void): void
}

export class Requests {
  readonly #gateway: RequestParts
  readonly #handlers: Handlers
  /** Proofs that each address waits for. */
  readonly #proofsWaiting = new Map<string, number>()

  constructor(gateway: RequestParts) {
    this.#gateway = gateway
    this.#handlers = this.#table()
  }

  receive(connection: Connection, id: number, method: WireValue, params: WireValue): void {
    try {
      if (typeof method !== 'string' || !Object.hasOwn(this.#handlers, method)) {
        throw new RequestError(
          ErrorCode.UnknownMethod,
          `no method ${JSON.stringify(String(method).slice(0, 40))}`,
        )
      }
      const { session } = connection
      const answer = this.#call(connection, method as keyof Handlers, params, id)
      if (answer instanceof Promise) {
        // What was asked by a session is told to it only while it is one.
        const asker = methods[method as keyof Handlers].scope === 0 ? undefined : session
        stillStanding(this.#gateway, { session: asker }, answer).then(
          (result) => this.#answer(connection, id, result),
          (error: unknown) => this.#fail(connection, id, error),
        )
      } else if (answer instanceof EncodedAnswer) connection.sendEncoded(answer.message(connection.codec, id))
      else if (answer !== undefined) connection.send([Kind.Result, id, answer])
    } catch (error) {
      this.#fail(connection, id, error)
    }
  }

  /** Answers one method, at once where nobody else has to be asked. @throws RequestError when it is refused. */
  ask(caller: Caller, method: PlainMethod, params: WireValue): Answer {
    const answer = this.#call(caller, method, params, 0) ?? null
    if (!(answer instanceof Promise)) return answer
    const session = methods[method].scope === 0 ? undefined : caller.session
    return stillStanding(this.#gateway, { session }, answer)
  }

  /** Checks scope, budget and params, in that order, then calls the method. */
  #call(caller: Caller, method: keyof Handlers, params: WireValue, id: number): Answer | undefined {
    const schema: MethodSchema = methods[method]
    if (schema.scope !== 0) {
      const { session } = caller
      if (session === undefined) {
        throw new RequestError(
          ErrorCode.NotLoggedOn,
          `${method} needs a session: log one on to the WebSocket, or send over HTTP the header "Authorization: ${TOKEN_FORM}"`,
        )
      }
      if (session.expiresAtMs <= this.#gateway.timeMs)
        throw new RequestError(ErrorCode.SessionExpired, `${session.text} has expired`)
      if ((session.scopes & schema.scope) === 0) {
        throw new RequestError(ErrorCode.ScopeMissing, scopeMissing(method, schema.scope, session.scopes))
      }
    }
    const refusal = this.#gateway.limits.request(caller.ip, caller.account, schema.weight)
    if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message, refusal.retryAfter)
    const parsed = schema.params.safeParse(params)
    if (!parsed.success)
      throw new RequestError(ErrorCode.BadParams, paramRefusal(method, params, parsed.error.issues[0]))
    return (this.#handlers[method] as AnyHandler)(caller, parsed.data, id)
  }

  #answer(connection: Connection, id: number, result: WireValue): void {
    connection.send([Kind.Result, id, result])
    connection.flush()
  }

  #fail(connection: Connection, id: number, error: unknown): void {
    if (!(error instanceof RequestError)) throw error
    const { code, message, retryAfter } = error
    connection.sendError(id, code, retryAfter === undefined ? { message } : { message, retryAfter })
    connection.flush()
  }

  #table(): Handlers {
    const gateway = this.#gateway
    const known = (account: number): number => {
      if (gateway.directory.ownerOf(account) === undefined)
        throw new RequestError(ErrorCode.UnknownAccount, `no account ${account}: the first deposit opens one`)
      return account
    }
    return {
      [Method.Time]: () => [wallMs(), gateway.timeMs],
      [Method.Markets]: () => this.#markets(),
      [Method.Account]: (_connection, [owner]) => {
        const account = gateway.directory.accountOf(owner)
        if (account === undefined) {
          throw new RequestError(
            ErrorCode.UnknownAccount,
            `${owner} owns no account: the first deposit opens one`,
          )
        }
        return { account }
      },
      [Method.ApproveSession]: ({ ip }, params) => approveSession(gateway, ip, params),
      [Method.RevokeSession]: ({ ip }, params) => revokeSession(gateway, ip, params),
      [Method.Sessions]: (caller) => gateway.sessions.ofAccount(caller.account!, gateway.timeMs),
      [Method.Session]: (_connection, [account, publicKey]) => {
        const session = gateway.directory.sessionOfKey(account, publicKey)
        if (session === undefined || !gateway.directory.isLive(session, gateway.timeMs))
          throw new RequestError(
            ErrorCode.UnknownSession,
            `the key has no live session of account ${account}`,
          )
        const { approval, scopes, maxNotional, expiresAtMs } = session
        return { approval, scopes, maxNotional, expiresAtMs, timeMs: gateway.timeMs }
      },
      [Method.Nonces]: (_connection, [account]) => ({
        ...gateway.directory.nonces(known(account)),
        timeMs: gateway.timeMs,
      }),
      [Method.Logon]: (connection, [account, approval, signature]) =>
        logon(gateway, connection, { account, approval }, signature),
      [Method.Logoff]: (connection) => {
        gateway.clients.logoff(connection)
        return {}
      },
      [Method.Subscribe]: (connection, [name, from], id) =>
        gateway.subscriptions.subscribe(connection, id, name, from),
      [Method.Unsubscribe]: (connection, [name]) => {
        gateway.subscriptions.unsubscribe(connection, name)
        return { stream: name }
      },
      [Method.Balances]: (caller) => gateway.balances.balances(caller.account!),
      [Method.Orders]: (caller, [options]) =>
        gateway.orders.page(caller.account!, options?.afterOrderId ?? 0, options?.limit ?? PAGE_ROWS),
      [Method.Order]: (caller, [key]) => this.#order(caller.account!, key),
      [Method.FrameOutcome]: (caller, [approval, nonce]) => {
        const account = caller.account!
        const named = `session ${approval} of account ${account}`
        const toResult = (value: unknown): WireValue => {
          if (value === null)
            throw new RequestError(
              ErrorCode.UnknownSession,
              `no session ${approval} of account ${account} is known (any more)`,
            )
          const { floor, firstSeq, codes } = value as { floor: number; firstSeq?: number; codes?: number[] }
          if (firstSeq === undefined || codes === undefined)
            throw new RequestError(
              ErrorCode.NotFound,
              nonce + 1 > floor
                ? `${named} took no frame with nonce ${nonce}`
                : `what became of nonce ${nonce} of ${named} is forgotten: kept are the ${FRAME_NONCE_WINDOW} highest nonces, for ${FRAME_WINDOW_IDLE_MS / 60_000} minutes after the last frame`,
            )
          return { firstSeq, codes: codes.map((reject) => (reject === 0 ? 0 : rejectToCode(reject))) }
        }
        const name = new Int32Array(Float64Array.of(approval, nonce).buffer)
        return askEngine(gateway.link, QueryKind.FrameResults, account, toResult, 0, name)
      },
      [Method.Fills]: (caller, [options]) => this.#fills(caller.account!, options ?? {}),
      [Method.Depth]: (_connection, [market, depth]) => this.#market(market).depthAnswers.answer(depth),
      [Method.Trades]: (_connection, [market, limit]) => this.#market(market).trades(limit),
      [Method.Candles]: (_connection, [market, interval, limit]) =>
        this.#market(market)
          .history(interval, limit)
          .map((candle) => [...candle]),
      [Method.Ticker]: (_connection, [market]) => this.#market(market).ticker(),
      [Method.Fees]: (caller) =>
        [...gateway.markets.values()].map(({ config }) => gateway.balances.fees(caller.account!, config)),
      [Method.Withdraw]: (caller, params) => requestWithdrawal(gateway, caller, params),
      [Method.Withdrawal]: (_connection, [account, nonce]) => ({
        ...gateway.directory.withdrawal(known(account), nonce),
        timeMs: gateway.timeMs,
      }),
      [Method.Proof]: (caller, [account, asset, batch]) =>
        this.#proof(
          caller,
          // HTTP has no absent parameter in the middle of a query: 0 is no batch's number.
          { kind: 'balance', account, asset, ...(batch ? { batch } : {}) },
          batch
            ? `batch ${batch} is not on the chain, or its tree is not kept any more`
            : 'no batch is on the chain yet, or none is served here',
        ),
      [Method.FillProof]: (caller, [seq, index]) =>
        this.#proof(caller, { kind: 'fill', seq, index }, `no batch on the chain has a fill ${seq}:${index}`),
      [Method.Batches]: (_connection, [limit]) => gateway.batches.latest(limit) as unknown as WireValue,
      [Method.CancelOnDisconnect]: (connection, [on]) =>
        // Answered when it holds, whatever becomes of this gateway.
        gateway.disconnectCancels.set(connection, on).then(() => ({ on })),
      [Method.PlaceTest]: (caller, [command]) => this.#placeTest(caller, command as WireValue),
    }
  }

  #proof({ ip }: Caller, question: ProofQuestion, absent: string): Promise<WireValue> {
    const { proofsPerIp } = this.#gateway.data.config
    const waiting = this.#proofsWaiting.get(ip) ?? 0
    if (waiting >= proofsPerIp)
      throw new RequestError(
        ErrorCode.IpRateLimited,
        `${ip} waits for ${waiting} proofs, at most ${proofsPerIp}`,
        1000,
      )
    this.#proofsWaiting.set(ip, waiting + 1)
    return new Promise((resolve, reject) => {
      this.#gateway.askProof(question, (proof) => {
        const left = this.#proofsWaiting.get(ip)! - 1
        if (left === 0) this.#proofsWaiting.delete(ip)
        else this.#proofsWaiting.set(ip, left)
        if (proof === null) reject(new RequestError(ErrorCode.ProofUnavailable, absent))
        else if ('retryAfterMs' in proof)
          reject(
            new RequestError(
              ErrorCode.ProofUnavailable,
              proof.why === 'busy'
                ? 'too many proofs of fills are asked for at once'
                : 'the exchange cannot read what proves it; its operator is told',
              proof.retryAfterMs,
            ),
          )
        else resolve(proof as unknown as WireValue)
      })
    })
  }

  /** Answers as a real place would be, by the same checks of gateway and engine, and does nothing. */
  #placeTest({ session }: Caller, command: WireValue): Promise<WireValue> {
    const gateway = this.#gateway
    const { approval, account } = session!
    const record = new Int32Array(COMMAND_WORDS)
    try {
      commandToRecord(command, account, record, new Float64Array(record.buffer), 0)
    } catch (error) {
      if (error instanceof FieldError) throw new RequestError(ErrorCode.BadParams, error.message)
      throw error
    }
    if (kindOf(record[Cmd.KIND]!) !== CommandKind.Place)
      throw new RequestError(
        ErrorCode.BadParams,
        'command: its kind must be 1 (place); nothing else can be tested',
      )
    const refusal = gateway.limits.openOrders(account, 1)
    if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message)
    const toResult = (value: unknown): WireValue => {
      if (value === Reject.None) return { valid: true }
      const code = rejectToCode(value as number)
      throw new RequestError(code, `the engine would refuse it: ${errorName(code)}`)
    }
    return askEngine(gateway.link, QueryKind.TryPlace, account, toResult, approval, record)
  }

  /** A live order, or how it ended. */
  #order(account: number, key: { cloid: bigint } | { orderId: number }): WireValue {
    const { orders, history } = this.#gateway
    const live = 'cloid' in key ? orders.byCloid(account, key.cloid) : orders.byOrderId(account, key.orderId)
    if (live !== undefined) return { live }
    const ended =
      'cloid' in key ? history.byCloid(account, key.cloid) : history.byOrderId(account, key.orderId)
    if (ended !== undefined) return { ended }
    if (history.isRebuilding)
      throw new RequestError(
        ErrorCode.HistoryRebuilding,
        'the order is not live; orders that ended are still being read from the journal',
        HISTORY_RETRY_MS,
      )
    const id = 'cloid' in key ? `client order id ${key.cloid}` : `order id ${key.orderId}`
    throw new RequestError(
      ErrorCode.NotFound,
      `account ${account} has no order with ${id}, or it is kept no longer`,
    )
  }

  /** A page of fills behind a position, and whether more follow. */
  #fills(
    account: number,
    options: {
      readonly afterSeq?: number | undefined
      readonly afterIndex?: number | undefined
      readonly limit?: number | undefined
    },
  ): WireValue {
    const { afterSeq = 0, afterIndex, limit = PAGE_ROWS } = options
    const { fills, complete } = this.#gateway.history.ofAccount(account, afterSeq, limit + 1, afterIndex)
    return { fills: fills.slice(0, limit), complete, more: fills.length > limit }
  }

  #market(id: number) {
    const market = this.#gateway.markets.get(id)
    if (market === undefined)
      throw new RequestError(ErrorCode.UnknownMarket, `market ${id} does not exist; see markets`)
    return market
  }

  #markets(): WireValue {
    const { assetTerms } = this.#gateway
    const { deployment } = this.#gateway.data
    const assets = deployment.assets.map((asset) => ({ ...asset, ...assetTerms.of(asset.id) }))
    const markets = [...this.#gateway.markets.values()].map((market) => market.told())
    return {
      chainId: deployment.chainId,
      vault: deployment.vault,
      settlement: deployment.settlement,
      assets: assets as unknown as WireValue,
      markets: markets as unknown as WireValue,
    }
  }
}
