/**
 * The SDK as others get it: packed, unpacked in an empty folder beside nothing but its own dependencies,
 * imported there by a program of its own. Catches an import that only resolves inside this repository.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { startRig } from '../bench/support/gateway-rig.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')

interface Manifest {
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
  readonly peerDependenciesMeta?: Record<string, { optional?: boolean }>
}

/** Where `name` is found from `from`, as Node looks for it. */
function locate(name: string, from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name)
    if (existsSync(candidate)) return candidate
    if (folder === dirname(folder)) throw new Error(`${name} is not installed`)
  }
}

/** Links `names` and what they need into `modules`; a package's own nested dependencies come with it. */
function linkDependencies(names: readonly string[], modules: string): void {
  const waiting = [...names]
  const done = new Set<string>()
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (done.has(name)) continue
    done.add(name)
    const folder = locate(name, root)
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(folder, join(modules, name))
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
    const peers = Object.keys(manifest.peerDependencies ?? {}).filter(
      (peer) => manifest.peerDependenciesMeta?.[peer]?.optional !== true,
    )
    for (const dependency of [...Object.keys(manifest.dependencies ?? {}), ...peers]) {
      // Found inside the package itself: it came with the link.
      if (!existsSync(join(folder, 'node_modules', dependency))) waiting.push(dependency)
    }
  }
}

/** The packed SDK, unpacked beside its own dependencies only; removed by the caller. */
function unpack(): { folder: string; paths: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-sdk-'))
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
      cwd: join(root, 'sdk'),
      encoding: 'utf8',
    }),
  ) as { filename: string; files: { path: string }[] }[]
  const { filename, files } = packed[0]!
  execFileSync('tar', ['-xzf', filename.replace(/^@/, '').replace('/', '-')], { cwd: folder })
  const manifest = JSON.parse(readFileSync(join(folder, 'package', 'package.json'), 'utf8')) as Manifest
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@glassbook'), { recursive: true })
  linkDependencies(Object.keys(manifest.dependencies ?? {}), modules)
  symlinkSync(join(folder, 'package'), join(modules, '@glassbook', 'sdk'))
  return { folder, paths: files.map(({ path }) => path) }
}

/** Runs a program beside the unpacked SDK and answers with what it printed last, as JSON. */
async function run(folder: string, source: string, flags: readonly string[] = []): Promise<unknown> {
  writeFileSync(join(folder, 'program.mjs'), source)
  const links = ['--preserve-symlinks', '--preserve-symlinks-main']
  const { stdout } = await promisify(execFile)(process.execPath, [...links, ...flags, 'program.mjs'], {
    cwd: folder,
    timeout: 300_000,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1)!)
}

let unpacked: ReturnType<typeof unpack>
beforeAll(() => {
  unpacked = unpack()
}, 300_000)
afterAll(() => rmSync(unpacked.folder, { recursive: true, force: true }))

test('the packed SDK works alone', async () => {
  const { folder, paths } = unpacked
  expect(paths).toContain('dist/sdk/index.js')
  expect(paths).toContain('LICENSE')
  expect(
    paths.filter((path) => /^dist\/(gateway|settlement|app|engine\/core|engine\/ring)/.test(path)),
  ).toEqual([])
  const printed = await run(
    folder,
    `import { createClient, createSessionKey, rootOf, toTicks } from '@glassbook/sdk'
     import { packMsgpack, unpackMsgpack } from '@glassbook/sdk/wire'
     const key = await createSessionKey()
     const signature = await key.sign(new Uint8Array(3))
     const client = createClient({ url: 'ws://127.0.0.1:1' })
     const refused = await client.connect().then(() => 'connected', (error) => error.name)
     client.close()
     console.log(JSON.stringify([key.publicKey.length, signature.length, refused, unpackMsgpack(packMsgpack([1, 'a'])),
       rootOf(0, 0, 0n, Array(28).fill(0n)).toString().length > 70, typeof toTicks]))
     process.exit(0)`,
  )
  expect(printed).toEqual([33, 64, 'TransportError', [1, 'a'], true, 'function'])
}, 300_000)

test('nothing in it is Node’s own', () => {
  const { folder, paths } = unpacked
  const sources = paths.filter((path) => path.endsWith('.js'))
  expect(sources.length).toBeGreaterThan(30)
  const names =
    /\bfrom '(node:[^']+)'|\bimport\('(node:[^']+)'\)|\b(require)\(|(?<![.\w])(Buffer|process|__dirname|setImmediate|global)\b[.(]/g
  for (const path of sources) {
    const text = readFileSync(join(folder, 'package', path), 'utf8')
    const code = text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
    expect([path, [...code.matchAll(names)].map(([match]) => match)]).toEqual([path, []])
  }
})

test('in a browser’s place it trades and resumes: browser entries, a global WebSocket, WebCrypto', async () => {
  const { folder } = unpacked
  const rig = await startRig({ accounts: 1 })
  // What a page has: a WebSocket in the global scope, which the browser entry of isows takes.
  const ws = pathToFileURL(join(locate('ws', root), 'wrapper.mjs')).href
  const printed = await run(
    folder,
    `import { WebSocket } from '${ws}'
     let opened = 0
     globalThis.WebSocket = class extends WebSocket { constructor(...options) { super(...options); opened++ } }
     const { createClient } = await import('@glassbook/sdk')
     const { privateKeyToAccount } = await import('viem/accounts')
     const wallet = privateKeyToAccount('0x${(0x1000).toString(16).padStart(64, '0')}')
     const client = await createClient({ url: '${rig.url}', wallet, reconnectDelayMsMax: 50 }).connect()
     await client.createSession()
     const orders = await client.trackOrders()
     const { cloid, state } = await client.placeOrder({ market: 'ETH-USDC', side: 'buy', ticks: 50, lots: 3 })
     client.dropConnection()
     await new Promise((resolve) => client.onState((now) => now === 'open' && resolve()))
     const cancelled = await client.cancelOrder({ market: 'ETH-USDC', cloid })
     while (orders.live.size > 0) await new Promise((resolve) => setTimeout(resolve, 10))
     client.close()
     console.log(JSON.stringify([state, cancelled.state, opened]))
     process.exit(0)`,
    ['--conditions=browser'],
  )
  await rig.stop()
  expect(printed).toEqual(['open', 'canceled', 2])
}, 300_000)
