/**
 * HTTP to the letter: methods, heads, pages of other origins, pipelines, budgets, and order entry by
 * somebody who has no WebSocket at all.
 */
import { createHash } from 'node:crypto'
import { type IncomingMessage, request as ask } from 'node:http'
import { connect } from 'node:net'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { CancelReason } from '../../engine/codes.js'
import { type SessionKey, createSessionKey } from '../../sdk/index.js'
import { toBase64url, toHex } from '../../sdk/wire/bytes.js'
import { packJson } from '../../sdk/wire/codec.js'
import { type WireValue, packMsgpack, unpackMsgpack } from '../../sdk/wire/msgpack.js'
import {
  domainPreimage,
  frameMessage,
  httpTokenMessage,
  walletDomain,
  walletTypes,
} from '../../sdk/wire/signed.js'
import { isNative } from '../../test/support/sockets.js'

const NODE_HTTP_REFUSAL = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'

const VAULT = `0x${'11'.repeat(20)}` as const
const DOMAIN = createHash('sha256').update(domainPreimage(31337, VAULT)).digest()
const WALLET_DOMAIN = walletDomain(31337, VAULT)
const ORIGIN = 'https://charts.example'
const DAY_MS = 86_400_000

let rig: Rig
let http: string

async function start(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  rig = await startRig({ accounts: 2, config })
  http = `http://127.0.0.1:${rig.port}`
}

/** Sends bytes as they are, one packet an entry, and answers with all that came back once `until` is in it. */
function raw(packets: readonly string[], until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(rig.port, '127.0.0.1')
    let text = ''
    const patience = setTimeout(() => reject(new Error(`waited in vain: ${text}`)), 180_000)
    const end = (): void => {
      clearTimeout(patience)
      socket.destroy()
      resolve(text)
    }
    socket.setNoDelay(true)
    socket.on('error', end)
    socket.on('close', end)
    socket.on('data', (data) => {
      text += data.toString('latin1')
      if (until.test(text)) end()
    })
    void (async () => {
      for (const packet of packets) {
        socket.write(packet, 'latin1')
        await new Promise((next) => setTimeout(next, 50))
      }
    })()
  })
}

const request = (path: string, verb = 'GET', headers: readonly string[] = []): string =>
  [`${verb} ${path} HTTP/1.1`, 'Host: exchange', ...headers, '', ''].join('\r\n')

interface Answer {
  readonly status: number
  readonly body: { readonly code?: number; readonly name?: string; readonly message?: string } & Record<
    string,
    unknown
  >
}

/** Posts from an address of its own. */
function postFrom(localAddress: string, path: string, params: WireValue): Promise<Answer> {
  const options = {
    port: rig.port,
    host: '127.0.0.1',
    localAddress,
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  }
  return new Promise((resolve, reject) => {
    ask(options, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () =>
        resolve({ status: response.statusCode!, body: JSON.parse(text) as Answer['body'] }),
      )
    })
      .on('error', reject)
      .end(packJson(params))
  })
}

async function post(path: string, params: WireValue): Promise<Answer> {
  const response = await fetch(http + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: packJson(params),
  })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

interface Approved {
  readonly account: number
  readonly approval: number
  readonly key: SessionKey
}

interface Terms {
  readonly scopes: number
  readonly maxNotional: number
  readonly expiresAtMs: number
}

/** Asks for a session of account 1 with the wallet's consent. */
async function approvedWith(nonce: number, key: SessionKey, terms: Terms): Promise<Answer> {
  const { scopes, maxNotional, expiresAtMs } = terms
  const deadlineMs = Date.now() + 60_000
  const signature = await rig.wallets[0]!.signTypedData({
    domain: WALLET_DOMAIN,
    types: walletTypes,
    primaryType: 'ApproveSession',
    message: {
      account: 1,
      publicKey: toHex(key.publicKey),
      scopes,
      maxNotional: BigInt(maxNotional),
      expiresAt: BigInt(expiresAtMs),
      nonce: BigInt(nonce),
      deadline: BigInt(deadlineMs),
    },
  })
  const bytes = Buffer.from(signature.slice(2), 'hex')
  return post('/v1/sessions', [1, key.publicKey, scopes, maxNotional, expiresAtMs, nonce, deadlineMs, bytes])
}

/** A session of account 1, approved over HTTP alone. */
async function approve(nonce: number): Promise<Approved> {
  const key = await createSessionKey()
  const terms = { scopes: 7, maxNotional: 0, expiresAtMs: Date.now() + DAY_MS }
  expect(await approvedWith(nonce, key, terms)).toEqual({
    status: 200,
    body: { account: 1, approval: nonce },
  })
  return { account: 1, approval: nonce, key }
}

async function frame(
  { account, approval, key }: Approved,
  nonce: number,
  commands: WireValue,
): Promise<WireValue[]> {
  const payload = packJson(commands)
  const signature = await key.sign(frameMessage(DOMAIN, { account, approval }, nonce, Buffer.from(payload)))
  return [account, approval, nonce, payload, signature]
}

async function token({ account, approval, key }: Approved): Promise<string> {
  const expiresAtMs = Date.now() + 60_000
  const signature = await key.sign(httpTokenMessage(DOMAIN, { account, approval }, expiresAtMs))
  return `Authorization: Glassbook ${account}.${approval}.${expiresAtMs}.${toBase64url(signature)}`
}

const get = async (path: string, authorization = ''): Promise<Answer> => {
  const headers = { authorization: authorization.replace('Authorization: ', '') }
  const response = await fetch(http + path, { headers })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

afterEach(() => rig.stop())

describe('HTTP', () => {
  test('HEAD is GET without a body, OPTIONS says what a path takes, anything else is refused by name', async () => {
    await start()
    for (const path of ['/v1/markets', '/v1/openapi.json', '/healthz', '/metrics', '/v1/depth?market=0']) {
      const head = await fetch(http + path, { method: 'HEAD' })
      expect([path, head.status, await head.text()]).toEqual([path, 200, ''])
      expect(Number(head.headers.get('content-length'))).toBeGreaterThan(1)
      const body = await (await fetch(http + path)).arrayBuffer()
      if (path !== '/metrics') expect(Number(head.headers.get('content-length'))).toBe(body.byteLength)
    }
    expect((await fetch(`${http}/v1/depth`, { method: 'HEAD' })).status).toBe(400)
    for (const [path, allow] of [
      ['/v1/markets', 'GET, HEAD, OPTIONS'],
      ['/v1/sessions', 'GET, HEAD, POST, OPTIONS'],
      ['/v1/frames', 'POST, OPTIONS'],
      ['/v1/proof/1/0', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const options = await fetch(http + path, { method: 'OPTIONS' })
      expect([path, options.status, options.headers.get('allow')]).toEqual([path, 204, allow])
      const wrong = await fetch(http + path, { method: 'DELETE' })
      expect([path, wrong.status, wrong.headers.get('allow')]).toEqual([path, 405, allow])
      expect(await wrong.json()).toMatchObject({ code: 3009, name: 'MethodNotAllowed' })
    }
    expect((await fetch(`${http}/v1/nothing`, { method: 'OPTIONS' })).status).toBe(404)
    // The head's answer has no body: what follows on the connection is read as what it is.
    const both = await raw([request('/healthz', 'HEAD') + request('/healthz')], /ok$/)
    expect(both.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2)
  })

  test('only documented paths and queries are answered', async () => {
    await start()
    for (const path of ['/', '/v1', '/v1/time/', '//v1/time', '/v1/proof/1', '/v1/proof/1/0/2', '/v1/TIME'])
      expect([path, (await fetch(http + path)).status]).toEqual([path, 404])
    expect(await get('/v1/depth?market=0&depth=5&depth=6')).toMatchObject({
      status: 400,
      body: { name: 'BadParams', message: 'params.depth: stands twice' },
    })
    expect(await get('/v1/time?market=0')).toMatchObject({
      status: 400,
      body: { name: 'BadParams', message: 'params.market: is not known; /v1/time takes no query' },
    })
  })

  test('a page of another origin reads public data where the setting names it, and nothing private', async () => {
    await start({ corsOrigins: [ORIGIN] })
    const asked = async (path: string, origin: string, method = 'GET'): Promise<string | null> =>
      (await fetch(http + path, { method, headers: { origin } })).headers.get('access-control-allow-origin')
    expect(await asked('/v1/depth?market=0', ORIGIN)).toBe(ORIGIN)
    expect(await asked('/v1/depth', ORIGIN)).toBe(ORIGIN)
    expect(await asked('/v1/depth', ORIGIN, 'OPTIONS')).toBe(ORIGIN)
    expect(await asked('/v1/openapi.json', ORIGIN)).toBe(ORIGIN)
    expect(await asked('/v1/depth?market=0', 'https://other.example')).toBeNull()
    for (const path of ['/v1/orders', '/v1/balances', '/metrics', '/v1/frames', '/v1/sessions'])
      for (const method of ['GET', 'OPTIONS'])
        expect([path, method, await asked(path, ORIGIN, method)]).toEqual([path, method, null])
    await rig.stop()
    await start({ corsOrigins: ['*'] })
    expect(await asked('/v1/markets', 'https://other.example')).toBe('*')
    await rig.stop()
    await start()
    expect(await asked('/v1/markets', ORIGIN)).toBeNull()
  })

  test('requests behind an authenticated one are answered, each in its turn', async () => {
    await start()
    const session = await approve(1)
    const authorization = await token(session)
    const answers = await raw(
      [
        request('/v1/balances', 'GET', [authorization]),
        request('/v1/time'),
        request('/v1/orders', 'GET', [authorization]),
        request('/healthz'),
      ],
      /ok$/,
    )
    expect(answers.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(4)
    // What the gateway knows itself may stand in one packet with what follows, a token's first use too.
    const fresh = await token(session)
    const paths = [
      '/v1/balances',
      '/v1/orders',
      '/v1/fills',
      '/v1/fees',
      '/v1/sessions',
      '/v1/depth?market=0',
    ]
    const packet = await raw(
      [paths.map((path) => request(path, 'GET', [fresh])).join('') + request('/healthz')],
      /ok$/,
    )
    expect(packet.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(paths.length + 1)
  })

  test('a head beyond 4 KiB is refused, in one packet or several, and so is a handshake', async () => {
    await start()
    const filler = (bytes: number): string => `X-Filler: ${'a'.repeat(bytes)}`
    expect(await raw([request('/v1/time', 'GET', [filler(3900)])], /[0-9]$/)).toContain('200 OK')
    const upgrade = [
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Protocol: glassbook.v2.json',
    ]
    for (const bytes of [4096, 8000]) {
      for (const asked of [
        request('/v1/time', 'GET', [filler(bytes)]),
        request('/', 'GET', [...upgrade, filler(bytes)]),
      ]) {
        const answer = await raw([asked], /\}$/)
        expect(answer).toContain('431 Request Header Fields Too Large')
        // Or in the words of the newer native server, which comes before.
        expect(answer).toMatch(/"name":"HeadersTooLarge"|uWebSockets\/20 Server/)
      }
    }
    // The WebSocket library counts headers itself, and what comes in several packets.
    const many = Array.from({ length: 300 }, (_, at) => `X-${at}: 12345678`)
    for (const asked of [request('/v1/time', 'GET', many), request('/', 'GET', [...upgrade, ...many])])
      expect(await raw([asked], /431/)).toContain('431 ')
    const whole = request('/v1/time', 'GET', [filler(6000)])
    expect(await raw([whole.slice(0, 3000), whole.slice(3000)], /431/)).toContain('431 ')
  })

  test('a body whose length is told in two ways, or by another coding than chunked, ends the connection', async () => {
    await start()
    const next = request('/v1/time')
    const chunked = '2\r\n[]\r\n0\r\n\r\n'
    const post = (...headers: string[]): string =>
      request('/v1/frames', 'POST', ['Content-Type: application/json', ...headers])
    for (const asked of [
      post('Content-Length: 2', `Content-Length: ${2 + next.length}`) + '[]',
      post('Content-Length: 2', 'content-length: 2') + '[]',
      post('Transfer-Encoding: xchunked') + chunked,
      post('Transfer-Encoding: gzip, chunked') + chunked,
      post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + chunked,
      request('/v1/time', 'GET', ['Content-Length: 0', 'Content-Length: 0']),
      request('/nowhere', 'GET', ['Content-Length: 0', 'Content-Length: 0']),
    ]) {
      // Until the connection ends.
      const alone = await raw([asked], /nothing/)
      expect(alone.match(/HTTP\/1\.1 [0-9]+/g)).toEqual(['HTTP/1.1 400'])
      // node:http refuses some of them before they come here, in its own words.
      const isOurs = alone.includes('"name":"MalformedMessage"')
      if (!isOurs) expect([isNative, alone]).toEqual([false, NODE_HTTP_REFUSAL])
      const both = await raw([asked + next], /200 OK/)
      expect(both.match(/HTTP\/1\.1 [0-9]+/g) ?? ['HTTP/1.1 400']).toEqual(['HTTP/1.1 400'])
    }
    const one = [post('Content-Length: 2') + '[]', post('Transfer-Encoding: Chunked') + chunked]
    for (const asked of one)
      expect(await raw([asked, next], /\[[0-9]+,[0-9]+\]$/)).toMatch(/BadParams[^]*200 OK/)
  })

  test('a WebSocket of version 13 at /, and nothing else', async () => {
    await start()
    const handshake = (path: string, version: string, upgrade = 'websocket'): Promise<string> =>
      raw(
        [
          request(path, 'GET', [
            `Upgrade: ${upgrade}`,
            'Connection: Upgrade',
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
            `Sec-WebSocket-Version: ${version}`,
            'Sec-WebSocket-Protocol: glassbook.v2.json',
          ]),
        ],
        /101 Switching|\}$/,
      )
    expect(await handshake('/', '13')).toContain('101 Switching')
    for (const [version, upgrade] of [
      ['8', 'websocket'],
      ['14', 'websocket'],
      ['', 'websocket'],
      ['13', 'h2c'],
    ] as const) {
      const answer = await handshake('/', version, upgrade)
      expect(answer).toContain('426 Upgrade Required')
      expect(answer).toContain('sec-websocket-version: 13')
      expect(answer).toContain('"name":"UnsupportedVersion"')
    }
    for (const path of ['/v1/time', '/ws', '/v1/orders'])
      expect([path, (await handshake(path, '13')).includes('101 Switching')]).toEqual([path, false])
  })

  test('every route pays from its address’s budget, unknown ones too, before a token is looked at', async () => {
    await start({ requestRate: { perSecond: 1, burst: 20 } })
    const paths = ['/healthz', '/readyz', '/metrics', '/v1/openapi.json', '/v1/asyncapi.json', '/nothing']
    for (const [index, path] of [...paths, '/v1/time', '/v1/orders'].entries()) {
      // Each from an address of its own.
      const asked = (method: string): Promise<IncomingMessage> =>
        new Promise((resolve, reject) => {
          const options = {
            port: rig.port,
            host: '127.0.0.1',
            localAddress: `127.0.0.${index + 2}`,
            path,
            method,
          }
          ask(options, (response) => {
            response.resume()
            response.on('end', () => resolve(response))
          })
            .on('error', reject)
            .end()
        })
      const refused: IncomingMessage[] = []
      for (let count = 0; count < 60; count++) {
        const response = await asked(['GET', 'HEAD', 'OPTIONS'][count % 3]!)
        if (response.statusCode === 429) refused.push(response)
      }
      expect([path, refused.length > 20]).toEqual([path, true])
      expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(await get('/v1/time')).toMatchObject({ status: 200 })
  })

  test('HTTP requests that wait for their answer count as connections of their address', async () => {
    rig = await startRig({
      accounts: 1,
      config: { connectionsPerIp: 3 },
      // Nobody answers: the requests stay open.
      gateway: { askProof: () => new Promise(() => {}) },
    })
    http = `http://127.0.0.1:${rig.port}`
    const ends = new AbortController()
    const open = Array.from({ length: 3 }, () =>
      fetch(`${http}/v1/proof/1/0`, { signal: ends.signal }).catch(() => undefined),
    )
    let refused: Answer | undefined
    for (let tries = 0; refused?.status !== 429; tries++) {
      if (tries > 1000) throw new Error('waited in vain for 429')
      refused = await get('/v1/time').catch(() => undefined)
    }
    expect(refused.body).toMatchObject({ code: 1003, name: 'TooManyConnections' })
    ends.abort()
    await Promise.all(open)
  })
})

describe('order entry over HTTP', () => {
  test('a session is approved, trades, asks, is revoked; money leaves: without a WebSocket', async () => {
    await start()
    const session = await approve(1)
    const placed = await post(
      '/v1/frames',
      await frame(session, 1, [
        [1, 0, 0, 50, 3, '18446744073709551615'],
        [1, 0, 0, 0, 3, 8],
      ]),
    )
    expect(placed).toEqual({
      status: 200,
      body: [expect.any(Number), [[0, expect.any(Number), 1, 3, 0], [4011]]],
    })
    const authorization = await token(session)
    expect((await get('/v1/orders', authorization)).body).toEqual({
      orders: [expect.arrayContaining(['18446744073709551615'])],
      more: false,
    })
    expect(await get(`/v1/frames/${session.approval}/1`, authorization)).toMatchObject({
      status: 200,
      body: { codes: [0, 4011] },
    })
    expect((await get(`/v1/accounts/${rig.wallets[0]!.address}`)).body).toEqual({ account: 1 })

    // MessagePack in, MessagePack out; the payload is bytes there.
    const payload = packMsgpack([[3, 0, 2n ** 64n - 1n]])
    const signature = await session.key.sign(frameMessage(DOMAIN, session, 2, payload))
    const response = await fetch(`${http}/v1/frames`, {
      method: 'POST',
      headers: { 'content-type': 'application/msgpack' },
      body: packMsgpack([session.account, session.approval, 2, payload, signature]),
    })
    expect([response.status, unpackMsgpack(new Uint8Array(await response.arrayBuffer()))]).toEqual([
      200,
      [expect.any(Number), [[0, expect.any(Number), 3, 3, 0, CancelReason.User]]],
    ])

    const deadlineMs = Date.now() + 60_000
    const deadline = BigInt(deadlineMs)
    const withdrawal = { account: 1, asset: 1, units: 1000n, maxFee: 0n, nonce: 7n, deadline }
    const signed = await rig.wallets[0]!.signTypedData({
      domain: WALLET_DOMAIN,
      types: walletTypes,
      primaryType: 'Withdraw',
      message: withdrawal,
    })
    const withdrawn = await post('/v1/withdrawals', [
      1,
      1,
      1000,
      0,
      7,
      deadlineMs,
      Buffer.from(signed.slice(2), 'hex'),
    ])
    expect(withdrawn).toEqual({ status: 200, body: { seq: expect.any(Number) as number, fee: 0 } })

    expect((await get('/v1/withdrawals/1/7')).body).toMatchObject({ state: 'taken', asset: 1, units: 1000 })
    expect((await get('/v1/nonces/1')).body).toMatchObject({ approval: session.approval, withdrawal: 7 })
    const nonce = 9
    const revocation = await rig.wallets[0]!.signTypedData({
      domain: WALLET_DOMAIN,
      types: walletTypes,
      primaryType: 'RevokeSession',
      message: { account: 1, approval: BigInt(session.approval), nonce: BigInt(nonce), deadline },
    })
    const revoke = (signature: Buffer, approval = session.approval): ReturnType<typeof post> =>
      post('/v1/sessions/revoke', [1, approval, nonce, deadlineMs, signature])
    const byWallet = Buffer.from(revocation.slice(2), 'hex')
    // Two at once, and once more: the second and the third find it done.
    const done = { status: 200, body: { account: 1, approval: session.approval } }
    expect(await Promise.all([revoke(byWallet), revoke(byWallet)])).toEqual([done, done])
    expect(await revoke(byWallet)).toEqual(done)
    expect((await get('/v1/nonces/1')).body).toMatchObject({ approval: nonce })
    // Nobody else hears so, and of a session that never was nobody.
    expect(await revoke(Buffer.from(signed.slice(2), 'hex'))).toMatchObject({
      status: 401,
      body: { name: 'BadSignature' },
    })
    expect(await revoke(byWallet, 4000)).toMatchObject({ status: 401, body: { name: 'UnknownSession' } })
    expect(await post('/v1/frames', await frame(session, 3, [[1, 0, 0, 50, 3, 9]]))).toMatchObject({
      status: 401,
      body: { name: 'UnknownSession' },
    })
    expect((await get('/v1/orders', authorization)).status).toBe(401)
  })

  test('a stranger who names an account spends nothing of it, and is kept out', async () => {
    await start({
      orderRate: { perSecond: 1, burst: 8 },
      cancelRate: { perSecond: 1, burst: 8 },
      frameByteRate: { perSecond: 1, burst: 2000 },
      framesInFlightMax: 1,
      openOrdersMax: 8,
      ipRefusalRate: { perSecond: 1, burst: 500 },
      ipOffenceRate: { perSecond: 1, burst: 2 },
    })
    const session = await approve(1)
    const place = (cloid: number): WireValue => [1, 0, 0, 50, 3, cloid]
    const places = Array.from({ length: 8 }, (_, index) => place(index + 1))
    const cancels = Array.from({ length: 8 }, (_, index) => [3, 0, index + 1])
    const forged = (commands: WireValue): WireValue => [
      session.account,
      session.approval,
      5,
      packJson(commands),
      Buffer.alloc(64, 1),
    ]
    const answers: Answer[] = []
    for (let round = 0; answers.at(-1)?.body.name !== 'ConnectRateLimited'; round++) {
      if (round > 200) throw new Error(`never kept out: ${JSON.stringify(answers.at(-1))}`)
      const several = [places, cancels, places].map((commands) =>
        postFrom('127.0.0.66', '/v1/frames', forged(commands)),
      )
      answers.push(...(await Promise.all(several)))
    }
    expect(new Set(answers.map(({ body }) => body.name))).toEqual(
      new Set(['BadSignature', 'ConnectRateLimited']),
    )
    expect(answers.at(-1)).toMatchObject({
      status: 429,
      body: { retryAfter: expect.any(Number) as number },
    })
    // Whole budgets: eight orders, eight cancels.
    const placed = await post('/v1/frames', await frame(session, 1, places))
    expect(placed).toMatchObject({
      status: 200,
      body: [expect.any(Number), places.map(() => [0, expect.any(Number), 1, 3, 0])],
    })
    const canceled = await post('/v1/frames', await frame(session, 2, cancels))
    expect(canceled.status).toBe(200)
    // His own signature makes the account pay.
    expect(await post('/v1/frames', await frame(session, 3, cancels))).toMatchObject({
      status: 429,
      body: { name: 'CancelRateLimited' },
    })
  })

  test('an approval of the same nonce and other terms is refused; refusals say value, bound and what to do', async () => {
    await start()
    const key = await createSessionKey()
    const expiresAtMs = Date.now() + DAY_MS
    const terms = { scopes: 7, maxNotional: 0, expiresAtMs }
    expect(await approvedWith(5, key, terms)).toMatchObject({ status: 200, body: { approval: 5 } })
    expect(await approvedWith(5, key, terms)).toMatchObject({ status: 200, body: { approval: 5 } })
    const used = await approvedWith(4, key, terms)
    expect(used.body).toMatchObject({ name: 'ApprovalNonceUsed' })
    expect(used.body.message).toMatch(/^nonce 4 is not above 5, .* sign it again with a higher one$/)
    const late = await approvedWith(6, key, { ...terms, expiresAtMs: expiresAtMs + 10_000 * DAY_MS })
    expect(late.body).toMatchObject({ name: 'SessionLifetimeOverLimit' })
    const bound = /^expiresAtMs (\d+) is above (\d+), as long/.exec(late.body.message!)!
    expect(Number(bound[1])).toBe(expiresAtMs + 10_000 * DAY_MS)
    // 30 days from now.
    expect(Math.abs(Number(bound[2]) - Date.now() - 30 * DAY_MS)).toBeLessThan(DAY_MS / 2)
    expect((await get('/v1/orders')).body).toMatchObject({
      name: 'NotLoggedOn',
      message: expect.stringContaining('Glassbook ACCOUNT.APPROVAL.EXPIRES_MS.SIGNATURE') as string,
    })
    for (const path of ['/v1/nonces/999', '/v1/withdrawals/999/1'])
      expect(await get(path)).toMatchObject({ body: { name: 'UnknownAccount' } })
    const signed = await frame({ account: 1, approval: 5, key }, 1, [[1, 0, 0, 50, 3, 1]])
    expect(await post('/v1/frames', [...signed, { recipt: true }])).toMatchObject({
      status: 400,
      body: { name: 'BadParams', message: expect.stringContaining('recipt') as string },
    })
    for (const other of [{ scopes: 1 }, { maxNotional: 100 }, { expiresAtMs: expiresAtMs - 1 }]) {
      expect(await approvedWith(5, key, { ...terms, ...other })).toMatchObject({
        status: 401,
        body: { name: 'ApprovalNonceUsed' },
      })
    }
  })

  test('what is refused over WebSocket is refused here, with the same codes', async () => {
    await start({ orderRate: { perSecond: 1, burst: 3 }, openOrdersMax: 2 })
    const session = await approve(1)
    const good = await frame(session, 1, [[1, 0, 0, 50, 3, 1]])
    const forged = [...good]
    forged[3] = packJson([[1, 0, 0, 51, 3, 1]])
    expect(await post('/v1/frames', forged)).toMatchObject({ status: 401, body: { name: 'BadSignature' } })
    expect((await post('/v1/frames', good)).status).toBe(200)
    expect(await post('/v1/frames', good)).toMatchObject({ status: 401, body: { name: 'FrameNonceUsed' } })
    expect(
      await post(
        '/v1/frames',
        await frame(session, 2, [
          [1, 0, 0, 50, 3, 2],
          [1, 0, 0, 50, 3, 3],
        ]),
      ),
    ).toMatchObject({
      status: 429,
      body: { name: 'TooManyOpenOrders' },
    })
    // Anybody who saw it can send it again: that takes nothing from the account.
    for (let count = 0; count < 20; count++)
      expect(await post('/v1/frames', good)).toMatchObject({ status: 401, body: { name: 'FrameNonceUsed' } })
    // A new frame that is found to be his pays, also where the engine refuses its order (the cloid is in use).
    let paid: Answer = { status: 200, body: {} as Answer['body'] }
    for (let nonce = 3; nonce < 53 && paid.status === 200; nonce++)
      paid = await post('/v1/frames', await frame(session, nonce, [[1, 0, 0, 50, 3, 1]]))
    expect(paid).toMatchObject({
      status: 429,
      body: { name: 'OrderRateLimited', retryAfter: expect.any(Number) as number },
    })
    expect(await post('/v1/frames', await frame(session, 2, []))).toMatchObject({
      status: 400,
      body: { name: 'BadParams' },
    })
    expect(await post('/v1/frames', { session: 0 })).toMatchObject({
      status: 400,
      body: { name: 'BadParams' },
    })
    expect(await post('/v1/sessions', [1, 2])).toMatchObject({ status: 400, body: { name: 'BadParams' } })
    const send = async (body: string, type = 'application/json'): Promise<Answer> => {
      const response = await fetch(`${http}/v1/frames`, {
        method: 'POST',
        headers: { 'content-type': type },
        body,
      })
      return { status: response.status, body: (await response.json()) as Answer['body'] }
    }
    expect(await send('[1')).toMatchObject({ status: 400, body: { name: 'MalformedMessage' } })
    expect(await send('[]', 'text/plain')).toMatchObject({
      status: 415,
      body: { name: 'UnsupportedMediaType' },
    })
    expect(await send(`[${'1,'.repeat(20_000)}1]`)).toMatchObject({
      status: 413,
      body: { name: 'MessageTooLarge' },
    })
    const twice = packJson(good).replace(/\]$/, ',{"receipt":true,"receipt":false}]')
    expect(await send(twice)).toMatchObject({
      status: 400,
      body: {
        name: 'MalformedMessage',
        message: expect.stringContaining('"receipt" stands twice') as string,
      },
    })
  })
})
