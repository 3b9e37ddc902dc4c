/**
 * Clients that nobody here wrote the WebSocket or the codec of: `ws` with msgpackr, Python's websockets
 * with msgpack, headless Chromium. Each logs on, trades, loses its connection and resumes. What is not
 * installed is skipped with a message.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash, sign } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Packr, Unpackr } from 'msgpackr'
import { WebSocket } from 'ws'
import { type Rig, startRig } from '../../bench/support/gateway-rig.js'
import { CancelReason } from '../../engine/codes.js'
import { createClient, createSessionKey } from '../../sdk/index.js'
import { type SessionName, domainPreimage, frameMessage, logonMessage } from '../../sdk/wire/signed.js'
import { testWith } from '../../test/support/needs.js'

const sources = join(resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..'), 'gateway', 'foreign')
const domain = createHash('sha256')
  .update(domainPreimage(31337, `0x${'11'.repeat(20)}`))
  .digest()
const CLOID = 2n ** 63n + 5n

/** A Python that has both modules, or why there is none. */
function python(): string | undefined {
  return ['python3', '/usr/bin/python3'].find(
    (program) => spawnSync(program, ['-c', 'import websockets, msgpack']).status === 0,
  )
}
const chromium = ['chromium', 'chromium-browser', 'google-chrome', 'chromium-headless-shell'].find(
  (program) => spawnSync(program, ['--version']).status === 0,
)

let rig: Rig
beforeAll(async () => {
  rig = await startRig({ accounts: 3 })
})
afterAll(() => rig.stop())

/** A session of account `index` + 1 whose private key another program can be given. */
async function session(index: number): Promise<{ name: SessionName; jwk: JsonWebKey }> {
  const key = await createSessionKey({ extractable: true })
  const client = await createClient({ url: rig.url, wallet: rig.wallets[index]! }).connect()
  const { account, approval } = await client.createSession({ key })
  client.close()
  return { name: { account, approval }, jwk: await key.export() }
}

const hex = (base64url: string): string => Buffer.from(base64url, 'base64url').toString('hex')

test('ws and msgpackr', async () => {
  const { name, jwk } = await session(0)
  const signer = { key: jwk as never, format: 'jwk', dsaEncoding: 'ieee-p1363' } as const
  const packr = new Packr({ useRecords: false })
  const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' })
  const open = async () => {
    const socket = new WebSocket(rig.url, 'glassbook.v2.msgpack')
    const inbox: unknown[][] = []
    let wake = (): void => {}
    socket.on('message', (data: Buffer) => {
      inbox.push(unpackr.unpack(data) as unknown[])
      wake()
    })
    const one = async (kind: number, second: unknown): Promise<unknown[]> => {
      for (;;) {
        const index = inbox.findIndex(
          (message) => message[0] === kind && (second === undefined || message[1] === second),
        )
        if (index >= 0) return inbox.splice(index, 1)[0]!
        await new Promise<void>((done) => (wake = done))
      }
    }
    let id = 0
    const request = async (method: string, params: unknown[]): Promise<unknown> => {
      socket.send(packr.pack([0, ++id, method, params]))
      return (await one(1, id))[2]
    }
    const hello = await one(6, undefined)
    const signature = sign('sha256', logonMessage(domain, name, hello[4] as Uint8Array), signer)
    expect(await request('logon', [name.account, name.approval, signature])).toMatchObject({ account: 1 })
    const frame = (nonce: number, commands: unknown[]): Promise<unknown> => {
      const payload = packr.pack(commands)
      return request('frame', [
        name.account,
        name.approval,
        nonce,
        payload,
        sign('sha256', frameMessage(domain, name, nonce, payload), signer),
      ])
    }
    return { socket, one, request, frame }
  }
  const first = await open()
  await first.request('subscribe', ['orders'])
  const snapshot = await first.one(4, 'orders')
  const [, items] = (await first.frame(10, [[1, 0, 0, 50, 3, CLOID]])) as [number, number[][]]
  expect(items[0]!.slice(2)).toEqual([1, 3, 0])
  const event = await first.one(3, 'orders')
  first.socket.terminate()
  const second = await open()
  await second.frame(11, [[3, 0, CLOID]])
  await second.request('subscribe', ['orders', [snapshot[2], event[2]]])
  const resumed = await second.one(3, 'orders')
  expect(resumed[3]).toBe(event[2])
  expect((resumed[4] as unknown[][])[0]!.slice(1, 4)).toEqual([4, expect.any(Number), CLOID])
  second.socket.close()
})

const pythonProgram = python()
testWith(
  'Python with websockets and msgpack (Debian: python3-websockets python3-msgpack)',
  pythonProgram !== undefined,
)('Python websockets and msgpack', async () => {
  const { name, jwk } = await session(1)
  const program = spawn(pythonProgram!, [
    join(sources, 'client.py'),
    rig.url,
    String(name.account),
    String(name.approval),
    hex(jwk.d!),
    domain.toString('hex'),
  ])
  let out = ''
  let complaints = ''
  program.stdout.on('data', (data: Buffer) => (out += data.toString()))
  program.stderr.on('data', (data: Buffer) => (complaints += data.toString()))
  const code = await new Promise((done) => program.once('exit', done))
  expect([code, complaints]).toEqual([0, ''])
  // The client order id is beyond what a JSON number holds exactly: compare its text.
  const report = JSON.parse(out.replace(/\b9223372036854775813\b/g, '"9223372036854775813"')) as Record<
    string,
    unknown
  >
  expect(report).toMatchObject({
    account: 2,
    snapshot: [[[], []], []],
    items: [[0, expect.any(Number), 1, 3, 0], [4011]],
    event: [1, expect.any(Number), '9223372036854775813', 0],
    book: [[[50, 3, 1]], []],
    replay: 'FrameNonceUsed',
    cancelled: [[0, expect.any(Number), 3, 3, 0, CancelReason.User]],
    resumed: [true, 4, '9223372036854775813'],
  })
})

testWith('Chromium', chromium !== undefined)('Chromium’s WebSocket and WebCrypto', async () => {
  const { name, jwk } = await session(2)
  const options = { url: rig.url, ...name, jwk, domainHex: domain.toString('hex') }
  const profile = mkdtempSync(join(tmpdir(), 'glassbook-chromium-'))
  let report: unknown
  const done = new Promise<void>((finish) => {
    const server = createServer((request, response) => {
      if (request.url === '/options') response.end(JSON.stringify(options))
      else if (request.url === '/done') {
        let body = ''
        request.on('data', (data: Buffer) => (body += data.toString()))
        request.on('end', () => {
          report = JSON.parse(body)
          response.end()
          server.close()
          finish()
        })
      } else response.setHeader('content-type', 'text/html').end(readFileSync(join(sources, 'page.html')))
    })
    server.listen(0, '127.0.0.1', () => {
      const page = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
      const browser = spawn(chromium!, [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        `--user-data-dir=${profile}`,
        '--remote-debugging-port=0',
        page,
      ])
      const patience = setTimeout(() => {
        server.close()
        finish()
      }, 300_000)
      void done.then(() => {
        clearTimeout(patience)
        browser.kill('SIGKILL')
      })
    })
  })
  await done
  if (existsSync(profile)) rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  expect(report).toEqual({
    account: 3,
    items: [[0, expect.any(Number), 1, 3, 0]],
    cancelled: [[0, expect.any(Number), 3, 3, 0, CancelReason.User]],
    event: [1, expect.any(Number), '9223372036854775813', 0],
    resumed: [true, 4, '9223372036854775813'],
  })
})
