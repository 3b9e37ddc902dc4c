/**
 * Holds the server and its documents together: every documented method and path is there, answers in the
 * documented shape, and refuses params that the document refuses. Receipts, HTTP tokens, limits.
 */
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'
import { z } from 'zod'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { type Client, createClient } from '../../sdk/index.js'
import { toBase64url } from '../../sdk/wire/bytes.js'
import { httpEndpoints } from '../../sdk/wire/http.js'
import { Method } from '../../sdk/wire/layout.js'
import type { WireValue } from '../../sdk/wire/msgpack.js'
import { type MethodSchema, methods } from '../../sdk/wire/schema.js'
import { httpTokenMessage, receiptMessage } from '../../sdk/wire/signed.js'
import { createDomain } from '../signatures/auth.js'
import { asyncApi, openApi } from './documents.js'

const receiptKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const proof = {
  account: 1,
  asset: 0,
  units: '5',
  siblings: Array.from({ length: 28 }, () => '0'),
  batch: 1,
  root: '7',
  state: 'committed' as const,
}

const filled = {
  batch: 3,
  state: 'proven' as const,
  leaf: '0x0102' as const,
  siblings: [`0x${'ab'.repeat(32)}` as const],
  leftSiblings: 1,
}

describe('documents and server', () => {
  let rig: Rig
  let client: Client
  let authorization: string

  beforeAll(async () => {
    rig = await startRig({
      accounts: 2,
      config: { requestRate: { perSecond: 100_000, burst: 100_000 } },
      gateway: {
        receiptKey: receiptKey.privateKey.export({ format: 'der', type: 'pkcs8' }),
        askProof: (question) => {
          if (question.kind === 'fill')
            return Promise.resolve(
              question.seq === 41
                ? filled
                : question.seq === 43
                  ? { retryAfterMs: 1500, why: 'busy' as const }
                  : null,
            )
          const { account, asset, batch = proof.batch } = question
          return Promise.resolve(account === 1 ? { ...proof, account, asset, batch } : null)
        },
      },
    })
    client = await createClient({ url: rig.url, wallet: rig.wallets[0]!, encoding: 'json' }).connect()
    const { account, approval, key } = await client.createSession()
    const expiresAtMs = Date.now() + 60_000
    const { chainId, vault } = { chainId: 31337, vault: `0x${'11'.repeat(20)}` as const }
    const token = httpTokenMessage(createDomain(chainId, vault).hash, { account, approval }, expiresAtMs)
    authorization = `Glassbook ${account}.${approval}.${expiresAtMs}.${toBase64url(await key.sign(token))}`
    await client.placeOrder({ market: 0, side: 'sell', ticks: 100, lots: 5 })
    await client.placeOrder({ market: 0, side: 'buy', ticks: 90, lots: 5 })
    const other = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
    await other.createSession()
    await other.placeOrder({ market: 0, side: 'buy', ticks: 100, lots: 2 })
    other.close()
  })
  afterAll(async () => {
    client.close()
    await rig.stop()
  })

  /** Params with which each plain method answers. */
  const valid: Partial<Record<Method, WireValue[]>> = {
    [Method.Time]: [],
    [Method.Markets]: [],
    [Method.Sessions]: [],
    [Method.Nonces]: [1],
    [Method.Withdrawal]: [1, 5],
    [Method.Balances]: [],
    [Method.Orders]: [],
    [Method.Fills]: [],
    [Method.Depth]: [0, 5],
    [Method.Trades]: [0, 10],
    [Method.Candles]: [0, '1m', 10],
    [Method.Ticker]: [0],
    [Method.Proof]: [1, 0],
    [Method.Batches]: [5],
    [Method.CancelOnDisconnect]: [false],
    [Method.PlaceTest]: [[1, 0, 0, 100, 1, '7']],
    [Method.Fees]: [],
  }

  test('every answer is of the documented shape', async () => {
    for (const [method, params] of Object.entries(valid) as [Method, WireValue[]][]) {
      const answer = await client.call(method, params)
      const parsed = z.safeParse((methods[method] as MethodSchema).result, answer)
      expect([method, parsed.error?.issues ?? []]).toEqual([method, []])
    }
  })

  test('every documented method is known, and refuses params that are none', async () => {
    for (const method of Object.values(Method)) {
      await expect(client.call(method, ['nonsense', {}, null])).rejects.not.toMatchObject({
        codeName: 'UnknownMethod',
      })
    }
    await expect(client.call('nonsense' as Method, [])).rejects.toMatchObject({ codeName: 'UnknownMethod' })
    const documented = Object.keys((asyncApi() as { components: { messages: object } }).components.messages)
    for (const method of Object.values(Method)) {
      expect(documented).toContain(`request.${method}`)
      expect(documented).toContain(`result.${method}`)
    }
  })

  test.each([
    ['OpenAPI', openApi()],
    ['AsyncAPI', asyncApi()],
  ])('%s: every key and reference is one that the standard allows', (_name, document) => {
    const lookUp = (reference: string): unknown =>
      reference
        .slice(2)
        .split('/')
        .reduce<unknown>((node, key) => (node as Record<string, unknown> | undefined)?.[key], document)
    const references: string[] = []
    const walk = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [key, value] of Object.entries(node)) {
        if (key === '$ref') references.push(value as string)
        else walk(value)
      }
    }
    walk(document)
    expect(references.length).toBeGreaterThan(10)
    for (const reference of references) {
      expect(reference).toMatch(/^#[\w./-]+$/)
      expect([reference, lookUp(reference) !== undefined]).toEqual([reference, true])
    }
    const { components } = document as { components: Record<string, Record<string, unknown>> }
    for (const kind of Object.values(components))
      for (const key of Object.keys(kind)) expect(key).toMatch(/^[\w.-]+$/)
  })

  test('OpenAPI: operations have ids of their own, and parameters for each part of their path', () => {
    interface Parameter {
      readonly name: string
      readonly in: string
      readonly required?: boolean
      readonly schema: object
    }
    interface Operation {
      readonly operationId: string
      readonly parameters: readonly Parameter[]
      readonly responses: Record<string, { readonly description: string }>
    }
    const { paths, openapi } = openApi() as {
      openapi: string
      paths: Record<string, Record<string, Operation>>
    }
    expect(openapi).toBe('3.1.0')
    const operations = Object.entries(paths).flatMap(([path, verbs]) =>
      Object.entries(verbs).map(([verb, operation]) => [path, verb, operation] as const),
    )
    const ids = operations.map(([, , { operationId }]) => operationId)
    expect(ids.sort()).toEqual(httpEndpoints.map(({ method }) => method).sort())
    expect(new Set(ids).size).toBe(ids.length)
    for (const [path, verb, get] of operations) {
      expect(verb === 'post').toBe('requestBody' in get)
      const inPath = get.parameters.filter((parameter) => parameter.in === 'path')
      expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? [])
      expect(inPath.every(({ required }) => required === true)).toBe(true)
      expect(new Set(get.parameters.map(({ name }) => name)).size).toBe(get.parameters.length)
      for (const { schema } of get.parameters) expect(schema).toHaveProperty('type')
      for (const { description } of Object.values(get.responses)) expect(description).not.toBe('')
    }
  })

  test('every documented path answers in the documented shape', async () => {
    const http = `http://127.0.0.1:${rig.port}`
    const paths = Object.keys((openApi() as { paths: object }).paths)
    expect(paths.sort()).toEqual([...new Set(httpEndpoints.map(({ path }) => path))].sort())
    for (const { verb, path, method, query } of httpEndpoints) {
      // Asked in http.test.ts, where there are frames of known nonces.
      if (verb === 'POST' || method === Method.FrameOutcome) continue
      const values: Record<string, string> = {
        account: '1',
        asset: '0',
        seq: '41',
        nonce: '5',
        index: '0',
        owner: rig.wallets[0]!.address,
      }
      const asked = query.some(({ name }) => name === 'market') ? '?market=0' : ''
      const url = `${http}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!)}${asked}`
      const response = await fetch(url, { headers: { authorization } })
      expect([path, response.status]).toEqual([path, 200])
      const parsed = z.safeParse((methods[method] as MethodSchema).result, await response.json())
      expect([path, parsed.error?.issues ?? []]).toEqual([path, []])
    }
    expect((await (await fetch(`${http}/v1/depth`)).json()) as object).toMatchObject({ name: 'BadParams' })
    expect((await fetch(`${http}/v1/balances`)).status).toBe(401)
    expect(
      (await fetch(`${http}/v1/balances`, { headers: { authorization: `${authorization.slice(0, -2)}AA` } }))
        .status,
    ).toBe(401)
    // The last letter of a signature has bits to spare: they must be zero.
    const spare = await fetch(`${http}/v1/balances`, {
      headers: { authorization: `${authorization.slice(0, -1)}${authorization.endsWith('B') ? 'C' : 'B'}` },
    })
    expect([spare.status, ((await spare.json()) as { name: string }).name]).toEqual([400, 'BadParams'])
    const nowhere = await fetch(`${http}/v1/nothing`)
    expect([nowhere.status, await nowhere.json()]).toEqual([
      404,
      {
        code: 3006,
        name: 'NotFound',
        message: 'there is no path "/v1/nothing"; /v1/openapi.json lists them',
      },
    ])
    const wrongVerb = await fetch(`${http}/v1/time`, { method: 'POST' })
    expect([wrongVerb.status, wrongVerb.headers.get('allow'), await wrongVerb.json()]).toEqual([
      405,
      'GET, HEAD, OPTIONS',
      { code: 3009, name: 'MethodNotAllowed', message: 'POST: this path takes GET, HEAD, OPTIONS' },
    ])
    expect((await fetch(`${http}/v1/proof/2/0`)).status).toBe(503)
    const told = async (path: string): Promise<unknown> => (await fetch(http + path)).json()
    expect(await told('/v1/proof/1/0')).toEqual({ ...proof, account: 1, asset: 0 })
    expect(await told('/v1/proof/1/0?batch=2')).toMatchObject({ account: 1, batch: 2 })
    expect(await client.call('proof', [1, 0, 2])).toMatchObject({ batch: 2 })
    expect(await told('/v1/fill-proof/41/0')).toEqual(filled)
    expect(await client.call('fillProof', [41, 0])).toEqual(filled)
    expect((await fetch(`${http}/v1/fill-proof/42/0`)).status).toBe(503)
    const later = await fetch(`${http}/v1/fill-proof/43/0`)
    expect([later.status, later.headers.get('retry-after'), await later.json()]).toEqual([
      503,
      '2',
      {
        code: 6003,
        name: 'ProofUnavailable',
        message: 'too many proofs of fills are asked for at once',
        retryAfter: 1500,
      },
    ])
    expect((await fetch(`${http}/v1/fill-proof/x/0`)).status).toBe(400)
    for (const path of ['/healthz', '/readyz', '/v1/openapi.json', '/v1/asyncapi.json']) {
      expect([path, (await fetch(http + path)).status]).toEqual([path, 200])
    }
    expect(await (await fetch(`${http}/metrics`)).text()).toContain(
      'glassbook_gateway_commands_total{thread="0"} 3',
    )
  })

  test('a receipt binds the frame, its place in the journal and the journal’s head', async () => {
    const { receipt } = await client.sendFrameForReceipt([
      client.place({ market: 0, side: 'buy', ticks: 80, lots: 1 }),
    ])
    const message = receiptMessage(createDomain(31337, `0x${'11'.repeat(20)}`).hash, receipt!)
    const key = createPublicKey(receiptKey.publicKey.export({ format: 'pem', type: 'spki' }))
    const options = { key, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', message, options, receipt!.signature)).toBe(true)
    expect(receipt!.headSeq).toBeGreaterThanOrEqual(receipt!.lastSeq)
    message[60]! ^= 1
    expect(verify('sha256', message, options, receipt!.signature)).toBe(false)
  })
})
