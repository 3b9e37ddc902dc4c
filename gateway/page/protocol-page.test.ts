/**
 * docs/protocol.md is what the sources say, names every number that they have, and suffices: a client that
 * takes its numbers, positions and signed layouts from the page, and nothing else of ours, trades.
 */
import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { WebSocket } from 'ws'
import { type Rig, rigWallet, startRig } from '../../bench/support/gateway-rig.js'
import * as engineCodes from '../../engine/codes.js'
import { createClient } from '../../sdk/index.js'
import { ErrorCode, errorName, rejectToCode } from '../../sdk/wire/codes.js'
import { commandToRecord } from '../../sdk/wire/commands.js'
import { FieldError } from '../../sdk/wire/fields.js'
import { Control, Kind, Method, OrderState } from '../../sdk/wire/layout.js'
import { commandForms, paramNames } from '../../sdk/wire/positions.js'
import { methods, streams } from '../../sdk/wire/schema.js'
import { asyncApi, jsonSchema, openApi } from '../protocol/documents.js'
import { protocolPage } from './protocol-page.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const page = read('docs/protocol.md')

/** Rows of the first table below a heading, by name of the column. */
function tableOf(heading: string): Record<string, string>[] {
  const section = page.split(/^#+ /m).find((text) => text.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`the page has no "${heading}"`)
  const [head, , ...rows] = section.split('\n').filter((line) => line.startsWith('|'))
  const cells = (line: string): string[] => line.slice(2, -2).split(/ \| /)
  const names = cells(head!)
  return rows.map((line) =>
    Object.fromEntries(cells(line).map((cell, index) => [names[index]!, cell.trim()])),
  )
}
const numbersOf = (heading: string): Record<string, number> =>
  Object.fromEntries(tableOf(heading).map(({ name, number }) => [name!, Number(number)]))
const positionsOf = (heading: string): Record<string, number> =>
  Object.fromEntries(tableOf(heading).map(({ name, position }) => [name!, Number(position)]))

describe('the page', () => {
  test('is what the sources say: else run npm run docs:protocol', () => {
    expect(page).toBe(protocolPage(read))
  })

  test.each(['ErrorCode', 'RejectCode', 'CancelReason'])('says what each %s means', (heading) => {
    expect(tableOf(heading).filter(({ meaning }) => meaning === '' || meaning === undefined)).toEqual([])
  })

  test.each([
    ['Side', engineCodes.Side],
    ['OrderType', engineCodes.OrderType],
    ['TimeInForce', engineCodes.TimeInForce],
    ['PostOnly', engineCodes.PostOnly],
    ['Stp', engineCodes.Stp],
    ['CancelReason', engineCodes.CancelReason],
    ['CancelOnlyReason', engineCodes.CancelOnlyReason],
    ['MarketStatus', engineCodes.MarketStatus],
    ['Scope', engineCodes.Scope],
    ['OrderState', OrderState],
    ['MessageKind', Kind],
    ['Control', Control],
    ['ErrorCode', ErrorCode],
  ] as [string, Record<string, number>][])('has every number of %s', (heading, codes) => {
    expect(numbersOf(heading)).toEqual(codes)
  })

  test('has every reject and close code under the number and name that travel', () => {
    const rejects = Object.values(engineCodes.Reject).filter((reject) => reject !== 0)
    expect(Object.values(numbersOf('RejectCode')).sort()).toEqual(rejects.map(rejectToCode).sort())
    for (const [name, code] of [
      ...Object.entries(numbersOf('RejectCode')),
      ...Object.entries(numbersOf('ErrorCode')),
    ])
      expect([code, errorName(code)]).toEqual([code, name])
    for (const [name, code] of Object.entries(numbersOf('CloseCode')))
      expect([code - 3000, errorName(code - 3000)]).toEqual([code - 3000, name])
    for (const [name, code] of Object.entries(numbersOf('OrderEvent')))
      expect([name, engineCodes.eventNames[code]]).toEqual([name, name])
  })

  test('names every method, stream and path, and each of a method’s params', () => {
    expect(tableOf('Methods').map(({ method }) => method)).toEqual(
      Object.values(Method).map((name) => `\`${name}\``),
    )
    expect(tableOf('Streams').map(({ stream }) => stream)).toEqual(streams.map(({ name }) => `\`${name}\``))
    for (const name of Object.values(Method)) {
      const items = (jsonSchema(methods[name].params)['prefixItems'] ?? []) as unknown[]
      expect([name, paramNames[name].length]).toEqual([name, items.length])
    }
  })

  test('says of a frame alone that its payload is signed, and that there is a receipt of it', () => {
    const paramsOf = (name: Method): string =>
      tableOf('Methods').find(({ method }) => method === `\`${name}\``)!['params']!
    expect(paramsOf(Method.Frame)).toContain('are signed')
    expect(paramsOf(Method.Frame)).toContain('receipt')
    expect(paramsOf(Method.UnsignedFrame)).not.toMatch(/sign|receipt/)
    for (const name of [Method.Frame, Method.UnsignedFrame])
      expect([name, paramsOf(name)]).toEqual([name, expect.stringContaining('array of commands')])
  })

  test('says of every command what the gateway takes: names, order, what may be left out', () => {
    const words = new Int32Array(16)
    const take = (command: unknown[]): void =>
      commandToRecord(command as never, 1, words, new Float64Array(words.buffer), 0)
    expect(numbersOf('CommandKind')).toEqual(
      Object.fromEntries(commandForms.map(({ name, kind }) => [name, kind])),
    )
    for (const { name, kind, required } of commandForms) {
      const positions = Object.keys(positionsOf(`Command: ${name}`))
      const whole = [kind, ...positions.slice(1).map(() => 1)]
      for (let length = required; length <= whole.length; length++) take(whole.slice(0, length))
      expect(() => take(whole.slice(0, required - 1))).toThrow(FieldError)
      expect(() => take([...whole, 1])).toThrow(FieldError)
      for (const [index, position] of positions.entries()) {
        if (index === 0) continue
        const wrong = whole.map((value, at) => (at === index ? 'nonsense' : value))
        expect(() => take(wrong)).toThrow(new RegExp(`^${position}: `))
      }
    }
  })

  test('AsyncAPI and OpenAPI have the same numbers and positions', () => {
    const { info, components } = asyncApi() as {
      info: { 'x-numbers': Record<string, Record<string, number>>; 'x-commands': { title: string }[] }
      components: {
        messages: Record<
          string,
          { payload: { prefixItems: { items?: { prefixItems: { title: string }[] } }[] } }
        >
      }
    }
    for (const heading of [
      'Side',
      'OrderType',
      'TimeInForce',
      'CancelReason',
      'ErrorCode',
      'RejectCode',
      'CloseCode',
    ])
      expect(info['x-numbers'][heading]).toEqual(numbersOf(heading))
    expect(info['x-commands'].map(({ title }) => title)).toEqual(Object.keys(numbersOf('CommandKind')))
    for (const [stream, entry] of [
      ['orders', 'order'],
      ['fills', 'fill'],
      ['balances', 'balance'],
      ['trades.market', 'trade'],
      ['candles.market.interval', 'candle'],
      ['l3.market', 'l3'],
    ] as const) {
      const items = components.messages[`event.${stream}`]!.payload.prefixItems[4]!.items!.prefixItems
      expect(items.map(({ title }) => title)).toEqual(Object.keys(positionsOf(`Entry: ${entry}`)))
    }
    const schemas = (openApi() as { components: { schemas: Record<string, { enum: number[] }> } }).components
      .schemas
    expect(schemas['Side']!.enum).toEqual([0, 1])
    expect(schemas['CancelReason']!.enum).toEqual([0, ...Object.values(numbersOf('CancelReason'))])
  })
})

/** Bytes of a line of "Signed bytes", such as `"tag" || domain || nonce, uint64 BE || payload`. */
function signedBytes(name: string, values: Record<string, Uint8Array | number>): Buffer {
  const line = new RegExp(`^ +${name} +(".*")?(.*)$`, 'm').exec(page)
  if (line === null) throw new Error(`the page does not say how ${name} is signed`)
  const parts = `${line[1] ?? ''}${line[2]!}`.split('||').map((part) => part.trim())
  return Buffer.concat(
    parts.map((part) => {
      const literal = /^"(.*)"$/.exec(part)
      if (literal !== null) return Buffer.from(literal[1]!, 'ascii')
      const field = /^([a-z ]+?)(?:, (uint32|uint64) BE|, 32 bytes)?$/.exec(part)
      const value = values[field?.[1] ?? '']
      if (value === undefined) throw new Error(`the page signs "${part}" in ${name}`)
      if (typeof value !== 'number') return Buffer.from(value)
      const bytes = Buffer.alloc(8)
      bytes.writeBigUInt64BE(BigInt(value))
      return field![2] === 'uint32' ? bytes.subarray(4) : bytes
    }),
  )
}

/** Types of what a wallet signs, from the page. */
function walletTypes(): Record<string, { name: string; type: string }[]> {
  const lines = [...page.matchAll(/^(\w+)\(((?:\w+ \w+,?)+)\)$/gm)]
  return Object.fromEntries(
    lines.map(([, name, fields]) => [
      name!,
      fields!.split(',').map((field) => {
        const [type, fieldName] = field.split(' ')
        return { name: fieldName!, type: type! }
      }),
    ]),
  )
}

/** A stranger's client, over the JSON subprotocol. */
class Stranger {
  readonly events: unknown[][] = []
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (message: unknown[]) => void>()
  #id = 0
  hello!: unknown[]

  constructor(url: string) {
    this.#socket = new WebSocket(url, 'glassbook.v2.json')
  }

  async open(): Promise<this> {
    const kinds = numbersOf('MessageKind')
    await new Promise<void>((resolve) => {
      this.#socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as unknown[]
        if (message[0] === kinds['Hello']) {
          this.hello = message
          resolve()
        } else if (message[0] === kinds['Result'] || message[0] === kinds['Error'])
          this.#waiting.get(message[1] as number)?.(message)
        else this.events.push(message)
      })
    })
    return this
  }

  /** A result; an error is thrown as its name. */
  async call(method: string, params: unknown[]): Promise<unknown> {
    const id = ++this.#id
    const message = await new Promise<unknown[]>((resolve) => {
      this.#waiting.set(id, resolve)
      this.#socket.send(JSON.stringify([0, id, method, params]))
    })
    if (message[0] === 2) throw new Error((message[3] as { name: string }).name)
    return message[2]
  }

  async until<T>(find: (event: unknown[]) => T | undefined): Promise<T> {
    for (let waited = 0; waited < 180_000; waited += 10) {
      for (const event of this.events) {
        const found = find(event)
        if (found !== undefined) return found
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error('waited in vain for an event')
  }

  close(): void {
    this.#socket.close()
  }
}

test('a client made from the page alone approves, trades, follows and revokes', async () => {
  const rig: Rig = await startRig({ accounts: 2 })
  const stranger = await new Stranger(rig.url).open()
  const wallet = rigWallet(0)
  const [, , , , challenge, venue] = stranger.hello as [
    0,
    0,
    0,
    0,
    string,
    { chainId: number; vault: `0x${string}` },
  ]
  const chain = Buffer.alloc(8)
  chain.writeBigUInt64BE(BigInt(venue.chainId))
  const domain = createHash('sha256')
    .update(chain)
    .update(Buffer.from(venue.vault.slice(2), 'hex'))
    .digest()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y } = publicKey.export({ format: 'jwk' })
  const point = Buffer.concat([
    Buffer.from([2 | (Buffer.from(y!, 'base64url').at(-1)! & 1)]),
    Buffer.from(x!, 'base64url'),
  ])
  const keySigns = (message: Buffer): string =>
    sign('sha256', message, {
      key: createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' })),
      dsaEncoding: 'ieee-p1363',
    }).toString('base64url')
  const walletSigns = async (primaryType: string, message: Record<string, unknown>): Promise<string> => {
    const typed = {
      domain: { name: 'Glassbook', version: '2', chainId: venue.chainId, verifyingContract: venue.vault },
    }
    const signature = await wallet.signTypedData({ ...typed, types: walletTypes(), primaryType, message })
    return Buffer.from(signature.slice(2), 'hex').toString('base64url')
  }
  const { account } = (await stranger.call('account', [wallet.address])) as { account: number }
  const scopes = numbersOf('Scope')
  const both = scopes['Read']! + scopes['Trade']!
  const expiresAt = Date.now() + 3_600_000
  const deadline = Date.now() + 60_000
  const approval = {
    account,
    publicKey: `0x${point.toString('hex')}`,
    scopes: both,
    maxNotional: 0n,
    expiresAt: BigInt(expiresAt),
    nonce: 5n,
    deadline: BigInt(deadline),
  }
  const approved = (await stranger.call('approveSession', [
    account,
    point.toString('base64url'),
    both,
    0,
    expiresAt,
    5,
    deadline,
    await walletSigns('ApproveSession', approval),
  ])) as { account: number; approval: number }
  expect(approved).toEqual({ account, approval: 5 })
  const named = { domain, account, approval: 5 }
  await stranger.call('logon', [
    account,
    5,
    keySigns(signedBytes('logon', { ...named, challenge: Buffer.from(challenge, 'base64url') })),
  ])

  const frame = async (nonce: number, commands: unknown[]): Promise<number[][]> => {
    const payload = JSON.stringify(commands)
    const signature = keySigns(signedBytes('frame', { ...named, nonce, payload: Buffer.from(payload) }))
    return (
      (await stranger.call('frame', [account, 5, nonce, payload, signature])) as [number, number[][]]
    )[1]
  }
  const kinds = numbersOf('CommandKind')
  const place = (fields: Record<string, unknown>): unknown[] => {
    const positions = positionsOf('Command: Place')
    const command = new Array<unknown>(6).fill(0)
    command[0] = kinds['Place']
    for (const [name, value] of Object.entries(fields)) command[positions[name]!] = value
    return command
  }
  const sides = numbersOf('Side')
  for (const stream of ['orders', 'book:0', 'book:0:5']) await stranger.call('subscribe', [stream])

  // The first nonce is anybody's choice; then the window of 100 below the highest.
  const first = 1000
  const [placed] = await frame(first, [place({ side: sides['Sell'], ticks: 100, lots: 5, cloid: '7' })])
  const states = numbersOf('OrderState')
  expect(placed).toEqual([0, expect.any(Number), states['Open'], 5, 0])
  await expect(
    frame(first, [place({ side: sides['Sell'], ticks: 101, lots: 5, cloid: '8' })]),
  ).rejects.toThrow('FrameNonceUsed')
  await expect(
    frame(first - 100, [place({ side: sides['Sell'], ticks: 101, lots: 5, cloid: '8' })]),
  ).rejects.toThrow('FrameNonceTooOld')
  const more = [1, 2, 3, 4, 5, 6].map((step) =>
    place({ side: sides['Sell'], ticks: 100 + step, lots: step, cloid: String(100 + step) }),
  )
  expect((await frame(first - 99, more)).map(([code]) => code)).toEqual([0, 0, 0, 0, 0, 0])

  // Event 3 carries the fill's ticks and lots, not the order's.
  const other = await createClient({ url: rig.url, wallet: rig.wallets[1]! }).connect()
  await other.createSession()
  await other.placeOrder({ market: 0, side: 'buy', ticks: 103, lots: 2 })
  const at = positionsOf('Entry: order')
  const happened = numbersOf('OrderEvent')
  const orderEvent = (name: string): Promise<unknown[]> =>
    stranger.until(([kind, stream, , , entries]) =>
      kind === 3 && stream === 'orders'
        ? (entries as unknown[][]).find(
            (entry) => entry[at['event']!] === happened[name] && entry[at['cloid']!] === '7',
          )
        : undefined,
    )
  const fill = await orderEvent('Fill')
  expect([fill[at['ticks']!], fill[at['lots']!], fill[at['remaining']!], fill[at['side']!]]).toEqual([
    100,
    2,
    3,
    sides['Sell'],
  ])

  // Checksums, as the page tells: of the whole book its ten best levels, of a depth stream the levels shown.
  const checksum = (levels: readonly number[][]): number =>
    crc32(levels.map(([ticks, lots]) => `${ticks}${lots}`).join(''))
  const book = [100, 101, 102, 103, 104, 105, 106].map((ticks) => [ticks, ticks === 100 ? 3 : ticks - 100])
  const sumOf = (name: string, sum: number): Promise<true> =>
    stranger.until((event) => (event[1] === name && event[5] === sum ? true : undefined))
  await sumOf('book:0', checksum(book))
  await sumOf('book:0:5', checksum(book.slice(0, 5)))

  // A total at or below what is filled cancels, and says so.
  const amended = await frame(first + 1, [[kinds['Amend'], 0, '7', 100, 2]])
  const reason = numbersOf('CancelReason')['AmendedToFilled']
  expect(amended).toEqual([[0, placed![1], states['Canceled'], expect.any(Number), 2, reason]])
  const canceled = await orderEvent('Canceled')
  expect(canceled[at['reason']!]).toBe(numbersOf('CancelReason')['AmendedToFilled'])

  // Trailing zeros of a cancel-all stand there: 0 is a market, and a side.
  await expect(frame(first + 2, [[kinds['CancelAll'], 0]])).rejects.toThrow('BadParams')
  expect(await frame(first + 2, [[kinds['CancelAll'], 0, sides['Sell']]])).toEqual([[0, 6]])

  // Approvals and revocations share one row of nonces, strictly upwards.
  const revoke = async (nonce: number): Promise<unknown> =>
    stranger.call('revokeSession', [
      account,
      5,
      nonce,
      deadline,
      await walletSigns('RevokeSession', {
        account,
        approval: 5n,
        nonce: BigInt(nonce),
        deadline: BigInt(deadline),
      }),
    ])
  await expect(revoke(5)).rejects.toThrow('ApprovalNonceUsed')
  expect(await revoke(6)).toEqual({ account, approval: 5 })
  await stranger.until(([kind, what]) =>
    kind === numbersOf('MessageKind')['Control'] && what === numbersOf('Control')['SessionEnded']
      ? true
      : undefined,
  )
  stranger.close()
  other.close()
  await rig.stop()
})
