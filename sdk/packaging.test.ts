/**
 * The SDK as others get it: packed, unpacked in an empty folder beside nothing but its own dependencies,
 * imported there by a program of its own. Catches an import that only resolves inside this repository.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

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

test('the packed SDK works alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-sdk-'))
  try {
    const packed = JSON.parse(
      execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
        cwd: join(root, 'sdk'),
        encoding: 'utf8',
      }),
    ) as { filename: string; files: { path: string }[] }[]
    const { filename, files } = packed[0]!
    const paths = files.map(({ path }) => path)
    expect(paths).toContain('dist/sdk/index.js')
    expect(paths).toContain('LICENSE')
    expect(
      paths.filter((path) => /^dist\/(gateway|settlement|app|engine\/core|engine\/ring)/.test(path)),
    ).toEqual([])
    execFileSync('tar', ['-xzf', filename.replace(/^@/, '').replace('/', '-')], { cwd: folder })
    const manifest = JSON.parse(readFileSync(join(folder, 'package', 'package.json'), 'utf8')) as Manifest
    const modules = join(folder, 'node_modules')
    mkdirSync(join(modules, '@glassbook'), { recursive: true })
    linkDependencies(Object.keys(manifest.dependencies ?? {}), modules)
    symlinkSync(join(folder, 'package'), join(modules, '@glassbook', 'sdk'))
    writeFileSync(
      join(folder, 'program.mjs'),
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
    const printed = execFileSync(
      process.execPath,
      ['--preserve-symlinks', '--preserve-symlinks-main', 'program.mjs'],
      { cwd: folder, encoding: 'utf8' },
    )
    expect(JSON.parse(printed)).toEqual([33, 64, 'TransportError', [1, 'a'], true, 'function'])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
