/**
 * Every method but frames: validates params with the schema, checks the scope, answers. Methods that
 * need the engine ask it through the ring and answer when it has; each answer is the state after one seq.
 */
import { CommandKind, EventKind, Scope } from '../engine/codes.js'
import { Attr, COMMAND_WORDS, Cmd, Ev, SessionCmd } from '../engine/layout.js'
import { AttachmentKind, QueryKind } from '../engine/messages.js'
import type { Balance, OrderView } from '../engine/types.js'
import { ErrorCode, rejectToCode } from '../sdk/wire/codes.js'
import { commandToRecord } from '../sdk/wire/commands.js'
import { FieldError } from '../sdk/wire/fields.js'
import { Kind, Method, StreamName } from '../sdk/wire/layout.js'
import type { WireValue } from '../sdk/wire/msgpack.js'
import { type MethodParams, type MethodSchema, methods } from '../sdk/wire/schema.js'
import { logonMessage } from '../sdk/wire/signed.js'
import { type PrivateStreamName, isPrivateStream } from './account-streams.js'
import { isApprovedBy, isRevokedBy, isWithdrawalBy, verifySessionSignature } from './auth.js'
import type { Connection } from './connection.js'
import { type SessionInfo, p256PublicKey, sessionInfo } from './directory.js'
import type { Applied, Answer as EngineAnswer } from './engine-link.js'
import type { Gateway } from './gateway.js'
import type { MarketData } from './market-data.js'
import type { Stream } from './stream.js'

/** A refusal that becomes an error message. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  constructor(
    readonly code: number,
    message: string,
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}

type Answer = WireValue | Promise<WireValue>

/** Who asks: a connection, or an HTTP request with a token. */
export interface Caller {
  readonly ip: string
  readonly session: SessionInfo | undefined
  readonly account: number | undefined
}

/** Methods that change the connection that they come on. */
type ConnectionMethod = 'logon' | 'subscribe' | 'unsubscribe' | 'cancelOnDisconnect'
type FrameMethod = 'frame' | 'unsignedFrame'
/** Methods that anybody with the right session may ask, over WebSocket or HTTP. */
export type PlainMethod = Exclude<Method, ConnectionMethod | FrameMethod>

type Handlers = { [M in PlainMethod]: (caller: Caller, params: MethodParams<M>) => Answer } & {
  [M in ConnectionMethod]: (connection: Connection, params: MethodParams<M>, id: number) => Answer | undefined
}
type AnyHandler = (caller: Caller, params: unknown, id: number) => Answer | undefined

export class Requests {
  readonly #gateway: Gateway
  readonly #handlers: Handlers
  /** Streams that each connection follows, by name. */
  readonly #followed = new Map<Connection, Map<string, Stream | undefined>>()

  constructor(gateway: Gateway) {
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
      const answer = this.#call(connection, method as keyof Handlers, params, id)
      if (answer instanceof Promise) {
        answer.then(
          (result) => this.#answer(connection, id, result),
          (error: unknown) => this.#fail(connection, id, error),
        )
      } else if (answer !== undefined) connection.send([Kind.Result, id, answer])
    } catch (error) {
      this.#fail(connection, id, error)
    }
  }

  /** Answers one method. @throws RequestError when it is refused. */
  async ask(caller: Caller, method: PlainMethod, params: WireValue): Promise<WireValue> {
    return (await this.#call(caller, method, params, 0)) ?? null
  }

  /** Checks scope, budget and params, in that order, then calls the method. */
  #call(caller: Caller, method: keyof Handlers, params: WireValue, id: number): Answer | undefined {
    const schema: MethodSchema = methods[method]
    if (schema.scope !== 0) {
      const { session } = caller
      if (session === undefined) {
        throw new RequestError(ErrorCode.NotLoggedOn, `${method} needs a session that is logged on`)
      }
      if ((session.scopes & schema.scope) === 0) {
        throw new RequestError(ErrorCode.ScopeMissing, `the session lacks scope ${schema.scope}`)
      }
    }
    const refusal = this.#gateway.limits.request(caller.ip, caller.account, schema.weight)
    if (refusal !== undefined) throw new RequestError(refusal.code, refusal.message, refusal.retryAfter)
    const parsed = schema.params.safeParse(params)
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new RequestError(
        ErrorCode.BadParams,
        `params${issue?.path.map((part) => `.${String(part)}`).join('') ?? ''}: ${issue?.message ?? 'not valid'}`,
      )
    }
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

  /** The connection reads again: its streams go on. */
  catchUp(connection: Connection): void {
    for (const stream of this.#followed.get(connection)?.values() ?? []) stream?.catchUp(connection)
  }

  closed(connection: Connection): void {
    const followed = this.#followed.get(connection)
    if (followed === undefined) return
    for (const stream of followed.values()) stream?.remove(connection)
    this.#followed.delete(connection)
  }

  #table(): Handlers {
    const gateway = this.#gateway
    return {
      [Method.Time]: () => Date.now(),
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
      [Method.ApproveSession]: (_connection, params) => this.#approveSession(params),
      [Method.RevokeSession]: (_connection, params) => this.#revokeSession(params),
      [Method.Sessions]: (connection) =>
        this.#query(QueryKind.Sessions, connection.account!, 0, (value) => value as WireValue),
      [Method.Logon]: (connection, [slot, signature]) => this.#logon(connection, slot, signature),
      [Method.Subscribe]: (connection, [name, from], id) => this.#subscribe(connection, id, name, from),
      [Method.Unsubscribe]: (connection, [name]) => {
        const followed = this.#followed.get(connection)
        if (followed === undefined || !followed.has(name)) {
          throw new RequestError(ErrorCode.NotSubscribed, `"${name}" is not followed`)
        }
        followed.get(name)?.remove(connection)
        followed.delete(name)
        return { stream: name }
      },
      [Method.Balances]: (connection) =>
        this.#query(QueryKind.Balances, connection.account!, 0, (value) =>
          (value as Balance[]).map(balanceEntry),
        ),
      [Method.Orders]: (connection) =>
        this.#query(QueryKind.Orders, connection.account!, 0, (value) =>
          (value as WireOrder[]).map(orderToWire),
        ),
      [Method.Order]: (caller, [key]) => this.#order(caller.account!, key),
      [Method.FrameOutcome]: (caller, [slot, nonce]) => {
        if (gateway.directory.session(slot)?.account !== caller.account) {
          throw new RequestError(ErrorCode.UnknownSession, `session ${slot} is not the account's`)
        }
        return this.#query(
          QueryKind.FrameResults,
          slot,
          0,
          (value) => {
            if (value === null)
              throw new RequestError(ErrorCode.NotFound, 'no such frame was taken, or it is too old')
            const { firstSeq, codes } = value as { firstSeq: number; codes: number[] }
            return { firstSeq, codes: codes.map((reject) => (reject === 0 ? 0 : rejectToCode(reject))) }
          },
          nonce,
        )
      },
      [Method.Fills]: (connection, [options]) =>
        gateway.fills.ofAccount(connection.account!, options?.afterSeq ?? 0, options?.limit ?? 1000),
      [Method.Depth]: (_connection, [market, depth]) => {
        const { book } = this.#market(market)
        return { seq: book.lastSeq, levels: book.top(depth), checksum: book.checksum() }
      },
      [Method.Trades]: (_connection, [market, limit]) => this.#market(market).trades(limit),
      [Method.Candles]: (_connection, [market, interval, limit]) =>
        this.#market(market)
          .history(interval, limit)
          .map((candle) => [...candle]),
      [Method.Ticker]: (_connection, [market]) => this.#market(market).ticker(),
      [Method.Fees]: () =>
        gateway.data.markets.map(({ id, makerFeePpm, takerFeePpm }) => ({
          market: id,
          makerFeePpm,
          takerFeePpm,
        })),
      [Method.Withdraw]: (_connection, params) => this.#withdraw(params),
      [Method.Proof]: (_connection, [account, asset]) =>
        new Promise((resolve, reject) => {
          gateway.askProof(account, asset, (proof) => {
            if (proof !== null) resolve(proof as unknown as WireValue)
            else reject(new RequestError(ErrorCode.ProofUnavailable, 'no batch has been posted yet'))
          })
        }),
      [Method.Batches]: (_connection, [limit]) => gateway.batches.latest(limit) as unknown as WireValue,
      [Method.CancelOnDisconnect]: (connection, [on]) => {
        connection.cancelOnDisconnect = on
        return { on }
      },
      [Method.PlaceTest]: (connection, [command]) => {
        const records = new Int32Array(COMMAND_WORDS)
        try {
          commandToRecord(
            command as WireValue,
            connection.account!,
            records,
            new Float64Array(records.buffer),
            0,
          )
        } catch (error) {
          if (error instanceof FieldError) throw new RequestError(ErrorCode.BadParams, error.message)
          throw error
        }
        return { valid: true }
      },
    }
  }

  /** A live order, or how it ended; both are looked for in the state after one seq. */
  #order(account: number, key: { cloid: bigint } | { orderId: number }): Promise<WireValue> {
    const { history } = this.#gateway
    const answer = (live: WireOrder | undefined, ended: WireValue | undefined): WireValue => {
      if (live !== undefined) return { live: orderToWire(live) }
      if (ended !== undefined) return { ended }
      throw new RequestError(ErrorCode.NotFound, 'no order of that id is known')
    }
    if ('cloid' in key) {
      return this.#query(
        QueryKind.OrderByCloid,
        account,
        0,
        (value) => answer((value as WireOrder | null) ?? undefined, history.byCloid(account, key.cloid)),
        key.cloid,
      )
    }
    return this.#query(QueryKind.Orders, account, 0, (value) =>
      answer(
        (value as WireOrder[]).find(({ orderId }) => orderId === key.orderId),
        history.byOrderId(account, key.orderId),
      ),
    )
  }

  #market(id: number) {
    const market = this.#gateway.markets.get(id)
    if (market === undefined) throw new RequestError(ErrorCode.UnknownMarket, `no market ${id}`)
    return market
  }

  #markets(): WireValue {
    const { deployment, markets } = this.#gateway.data
    return {
      chainId: deployment.chainId,
      vault: deployment.vault,
      settlement: deployment.settlement,
      assets: deployment.assets as unknown as WireValue,
      markets: markets as unknown as WireValue,
    }
  }

  /** Asks the engine and turns its answer into a result. */
  #query(
    kind: number,
    subject: number,
    depth: number,
    toResult: (value: unknown) => WireValue,
    id: number | bigint = 0,
  ): Promise<WireValue> {
    return new Promise((resolve, reject) => {
      const onAnswer = (answer: EngineAnswer | undefined): void => {
        if (answer === undefined) {
          reject(new RequestError(ErrorCode.EngineStopped, 'the engine has stopped'))
          return
        }
        try {
          resolve(toResult(answer.value))
        } catch (error) {
          reject(error as Error)
        }
      }
      const asked = this.#gateway.link.query(kind, subject, depth, onAnswer, id)
      if (!asked) reject(new RequestError(ErrorCode.EngineBusy, 'nothing was asked', 50))
    })
  }

  /** Submits one command of its own and answers with what `toResult` finds in the events. */
  #command(
    records: Int32Array,
    attachment: Uint8Array,
    attachmentKind: number,
    toResult: (applied: Applied) => WireValue | undefined,
  ): Promise<WireValue> {
    return new Promise((resolve, reject) => {
      let result: WireValue | undefined
      const taken = this.#gateway.submissions.submit(records, 1, attachment, attachmentKind, (applied) => {
        const { words, at, count } = applied
        for (let index = 0; index < count; index++) {
          const word = at + index * 24
          if ((words[word + Ev.KIND]! & 0xff) === EventKind.Rejected) {
            const code = rejectToCode(words[word + Ev.CODE]!)
            reject(new RequestError(code, 'the engine refused the command'))
          }
        }
        result ??= toResult(applied)
        if (!applied.more) resolve(result ?? null)
      })
      if (!taken) reject(new RequestError(ErrorCode.EngineBusy, 'nothing was taken', 50))
    })
  }

  #owner(account: number): `0x${string}` {
    const owner = this.#gateway.directory.ownerOf(account)
    if (owner === undefined) throw new RequestError(ErrorCode.UnknownAccount, `no account ${account}`)
    return owner
  }

  async #approveSession(params: MethodParams<typeof Method.ApproveSession>): Promise<WireValue> {
    const [account, publicKey, scopes, maxNotional, expiresAtMs, nonce, signature] = params
    const owner = this.#owner(account)
    const key = p256PublicKey(publicKey)
    if (key === undefined)
      throw new RequestError(ErrorCode.BadApproval, 'the public key is no point of P-256')
    const approval = { account, publicKey, scopes, maxNotional, expiresAtMs, nonce }
    if (!(await isApprovedBy(owner, this.#gateway.domain, approval, signature))) {
      throw new RequestError(ErrorCode.BadApproval, `the signature is not ${owner}'s`)
    }
    // Asked again after an answer was lost: a key has one session, and this is it.
    const known = (): WireValue | undefined => {
      const session = this.#gateway.directory.sessionOfKey(account, publicKey)
      return session === undefined ? undefined : { session: session.slot }
    }
    const before = known()
    if (before !== undefined) return before
    const records = new Int32Array(COMMAND_WORDS)
    const floats = new Float64Array(records.buffer)
    records[Cmd.KIND] =
      CommandKind.ApproveSession | (scopes << Attr.SCOPE_SHIFT) | ((publicKey[0]! & 1) << Attr.PARITY_SHIFT)
    records[Cmd.ACCOUNT] = account
    const x = Buffer.from(publicKey.subarray(1))
    for (let word = 0; word < 8; word++) records[SessionCmd.X + word] = x.readInt32BE(word * 4)
    floats[SessionCmd.MAX_NOTIONAL_F64] = maxNotional
    floats[SessionCmd.EXPIRES_AT_F64] = expiresAtMs
    floats[SessionCmd.NONCE_F64] = nonce
    const asked = this.#command(records, signature, AttachmentKind.Approval, ({ words, at, count }) => {
      for (let index = 0; index < count; index++) {
        const word = at + index * 24
        if ((words[word + Ev.KIND]! & 0xff) !== EventKind.SessionApproved) continue
        const slot = words[word + Ev.CODE]!
        return { session: slot }
      }
      return undefined
    })
    return asked.catch((error: unknown) => {
      const meanwhile = known()
      if (meanwhile === undefined) throw error
      return meanwhile
    })
  }

  async #revokeSession(params: MethodParams<typeof Method.RevokeSession>): Promise<WireValue> {
    const [account, session, nonce, signature] = params
    const owner = this.#owner(account)
    if (!(await isRevokedBy(owner, this.#gateway.domain, { account, session, nonce }, signature))) {
      throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
    }
    const records = new Int32Array(COMMAND_WORDS)
    records[Cmd.KIND] = CommandKind.RevokeSession
    records[Cmd.ACCOUNT] = account
    records[SessionCmd.X] = session
    new Float64Array(records.buffer)[SessionCmd.NONCE_F64] = nonce
    return this.#command(records, signature, AttachmentKind.Revocation, () => ({ session }))
  }

  async #withdraw(params: MethodParams<typeof Method.Withdraw>): Promise<WireValue> {
    const [account, asset, units, nonce, signature] = params
    const owner = this.#owner(account)
    if (!(await isWithdrawalBy(owner, this.#gateway.domain, { account, asset, units, nonce }, signature))) {
      throw new RequestError(ErrorCode.BadSignature, `the signature is not ${owner}'s`)
    }
    const records = new Int32Array(COMMAND_WORDS)
    const floats = new Float64Array(records.buffer)
    records[Cmd.KIND] = CommandKind.Withdraw
    records[Cmd.ACCOUNT] = account
    records[Cmd.ASSET] = asset
    floats[Cmd.AMOUNT_F64] = units
    floats[Cmd.DEADLINE_F64] = nonce
    return this.#command(records, signature, AttachmentKind.Withdrawal, ({ firstSeq }) => ({ seq: firstSeq }))
  }

  async #logon(connection: Connection, slot: number, signature: Uint8Array): Promise<WireValue> {
    if (connection.session !== undefined) {
      throw new RequestError(ErrorCode.AlreadyLoggedOn, 'this connection has a session')
    }
    const session = this.#gateway.directory.session(slot)
    if (session === undefined) throw new RequestError(ErrorCode.UnknownSession, `no session ${slot}`)
    if (session.expiresAtMs <= Date.now())
      throw new RequestError(ErrorCode.SessionExpired, `session ${slot} has expired`)
    const message = logonMessage(this.#gateway.domain.hash, slot, connection.challenge)
    const copy = signature.slice()
    const valid = await new Promise<boolean>((resolve) =>
      verifySessionSignature(session, message, copy, resolve),
    )
    if (!valid)
      throw new RequestError(
        ErrorCode.BadSignature,
        'the signature is not the session key’s over this challenge',
      )
    if (connection.closed) throw new RequestError(ErrorCode.ShuttingDown, 'the connection has ended')
    const { limits } = this.#gateway
    if (limits.needsOpenOrders(session.account)) {
      await this.#query(QueryKind.Orders, session.account, 0, (value) => {
        limits.setOpenOrders(session.account, (value as unknown[]).length)
        return null
      })
    }
    connection.session = session
    return {
      account: session.account,
      session: slot,
      scopes: session.scopes,
      maxNotional: session.maxNotional,
      expiresAtMs: session.expiresAtMs,
    }
  }

  #subscribe(
    connection: Connection,
    id: number,
    name: string,
    from: readonly [epoch: number, lastSeq: number] | undefined,
  ): Answer | undefined {
    let followed = this.#followed.get(connection)
    if (followed === undefined) {
      followed = new Map()
      this.#followed.set(connection, followed)
    }
    if (followed.has(name))
      throw new RequestError(ErrorCode.AlreadySubscribed, `"${name}" is followed already`)
    const { subscriptionsMax } = this.#gateway.data.config
    if (followed.size >= subscriptionsMax) {
      throw new RequestError(ErrorCode.TooManySubscriptions, `${subscriptionsMax} streams are followed`)
    }
    if (isPrivateStream(name)) return this.#subscribePrivate(connection, id, name, from, followed)
    const [kind, marketText] = name.split(':')
    const market = this.#gateway.markets.get(/^[0-9]{1,4}$/.test(marketText ?? '') ? Number(marketText) : -1)
    const stream = market?.stream(name)
    if (market === undefined || stream === undefined) {
      throw new RequestError(ErrorCode.UnknownStream, `no stream "${name}"`)
    }
    if (kind === StreamName.BookL3 && !market.hasL3) {
      this.#openL3(connection, id, market, stream, followed)
      return undefined
    }
    this.#gateway.publish()
    followed.set(name, stream)
    connection.send([Kind.Result, id, { stream: name }])
    if (from === undefined || !stream.resume(connection, ...from)) stream.start(connection)
    return undefined
  }

  /** The first subscriber of a market's L3 book waits for the engine's own list of it. */
  #openL3(
    connection: Connection,
    id: number,
    market: MarketData,
    stream: Stream,
    followed: Map<string, Stream | undefined>,
  ): void {
    followed.set(stream.name, undefined)
    const asked = this.#gateway.link.query(QueryKind.BookL3, market.config.id, 0, (answer) => {
      this.#gateway.publish()
      if (answer === undefined) return
      if (!market.hasL3) market.openL3(answer.value as OrderView[])
      if (connection.closed || !followed.has(stream.name)) return
      followed.set(stream.name, stream)
      connection.send([Kind.Result, id, { stream: stream.name }])
      stream.start(connection)
    })
    if (asked) return
    followed.delete(stream.name)
    throw new RequestError(ErrorCode.EngineBusy, 'nothing was asked', 50)
  }

  #subscribePrivate(
    connection: Connection,
    id: number,
    name: PrivateStreamName,
    from: readonly [epoch: number, lastSeq: number] | undefined,
    followed: Map<string, Stream | undefined>,
  ): undefined {
    const { session } = connection
    if (session === undefined)
      throw new RequestError(ErrorCode.NotLoggedOn, `"${name}" needs a session that is logged on`)
    if ((session.scopes & Scope.Read) === 0)
      throw new RequestError(ErrorCode.ScopeMissing, 'the session may not read')
    const { accounts, link, fills } = this.#gateway
    this.#gateway.publish()
    const { account } = session
    connection.send([Kind.Result, id, { stream: name }])
    if (from !== undefined && accounts.stream(account, name)?.resume(connection, ...from) === true) {
      followed.set(name, accounts.stream(account, name))
      return undefined
    }
    followed.set(name, undefined)
    const start = (seq: number, data: WireValue): void => {
      const stream = accounts.open(account, name, seq)
      followed.set(name, stream)
      stream.startFromSnapshot(connection, { data })
    }
    if (name === StreamName.Settlement) {
      start(this.#gateway.settlementSeq, this.#gateway.batches.latest() as unknown as WireValue)
      return undefined
    }
    const kind = name === StreamName.Orders ? QueryKind.Orders : QueryKind.Balances
    const asked = link.query(kind, account, 0, (answer) => {
      if (answer === undefined || connection.closed || !followed.has(name)) return
      this.#gateway.publish()
      if (name === StreamName.Fills) {
        // What the client missed, whichever epoch it was of: fills are numbered by the engine for ever.
        const missed =
          from === undefined ? { fills: [], complete: true } : fills.ofAccount(account, from[1], 100_000)
        start(answer.seq, [missed.complete ? 1 : 0, missed.fills])
      } else if (name === StreamName.Orders) start(answer.seq, (answer.value as WireOrder[]).map(orderToWire))
      else start(answer.seq, (answer.value as Balance[]).map(balanceEntry))
    })
    if (!asked) {
      followed.delete(name)
      throw new RequestError(ErrorCode.EngineBusy, 'nothing was asked', 50)
    }
    return undefined
  }

  #sessionApproved(words: Int32Array, floats: Float64Array, word: number): void {
    const flags = words[word + Ev.KIND]! >>> 16
    const at = word + Ev.CLOID_LO
    const session = sessionInfo(words.subarray(at, at + 8), (flags >> 4) & 1, {
      slot: words[word + Ev.CODE]!,
      account: words[word + Ev.ACCOUNT]!,
      scopes: flags & 15,
      maxNotional: floats[(word >> 1) + Ev.AMOUNT_A_F64]!,
      expiresAtMs: floats[(word >> 1) + Ev.AMOUNT_B_F64]!,
    })
    if (session !== undefined) this.#gateway.directory.setSession(session)
  }

  /** Events that change who may do what. */
  event(kind: number, words: Int32Array, floats: Float64Array, word: number): void {
    const { directory } = this.#gateway
    switch (kind) {
      case EventKind.AccountOpened:
        directory.setOwner(words[word + Ev.ACCOUNT]!, addressAt(words, word + Ev.CLOID_LO))
        break
      case EventKind.SessionApproved:
        this.#sessionApproved(words, floats, word)
        break
      case EventKind.SessionRevoked:
        directory.removeSession(words[word + Ev.CODE]!)
        this.#gateway.sessionEnded(words[word + Ev.CODE]!)
        break
      default:
        break
    }
  }
}

/** The 20-byte address in five words. */
function addressAt(words: Int32Array, at: number): `0x${string}` {
  const bytes = Buffer.alloc(20)
  for (let word = 0; word < 5; word++) bytes.writeInt32BE(words[at + word]!, word * 4)
  return `0x${bytes.toString('hex')}`
}

/** An order as an answer's JSON carries it: the client order id is a decimal string. */
type WireOrder = Omit<OrderView, 'cloid'> & { readonly cloid: string }

const balanceEntry = ({ asset, available, reserved }: Balance): WireValue => [asset, available, reserved]

function orderToWire(order: WireOrder): WireValue {
  return [
    order.orderId,
    BigInt(order.cloid),
    order.market,
    order.side,
    order.ticks,
    order.lots,
    order.remaining,
    order.orderType,
    order.timeInForce,
    order.triggerTicks,
    order.displayLots,
    order.expiresAtMs,
    order.waiting ? 1 : 0,
  ]
}
