/**
 * The documents against the code, as far as a program can tell: links and anchors lead somewhere, programs are
 * programs and name what the SDK has, commands name flags and scripts that there are, the map stays short.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { commandLine, flagsOf } from '../app/command-line.js'
import * as abi from '../contracts/abi.js'
import { buildSite } from '../docs/site/build.js'
import { settingNames } from '../gateway/settings/config.js'
import * as sdk from '../sdk/index.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const ARCHITECTURE_WORDS_MAX = 2500
const OTHERS = new Set(['node_modules', 'dist', 'out', 'cache', 'data', '.git'])

function* pagesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!OTHERS.has(entry.name)) yield* pagesBelow(path)
    } else if (entry.name.endsWith('.md')) yield relative(root, path)
  }
}

const pages = [...pagesBelow(root)].sort()
const read = (page: string): string => readFileSync(join(root, page), 'utf8')
const FENCE = /^```(\w*)[^\n]*\n([^]*?)^```/gm
/** The code of a page, by language. */
const code = (page: string, ...languages: string[]): string[] =>
  [...read(page).matchAll(FENCE)].filter(([, name]) => languages.includes(name!)).map(([, , text]) => text!)

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const [, title] of read(page)
    .replace(FENCE, '')
    .matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const slug = title!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replace(/ /g, '-')
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return anchors
}

/** Links of a page that lead nowhere. */
function deadLinks(page: string): string[] {
  const text = read(page)
    .replace(FENCE, '')
    .replace(/`[^`\n]*`/g, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return []
    const [path, anchor] = link!.split('#') as [string, string?]
    const target = path === '' ? page : relative(root, join(root, dirname(page), path))
    if (target.startsWith('..') || !existsSync(join(root, target))) return [`${page}: ${link!}`]
    if (anchor === undefined || !target.endsWith('.md')) return []
    return anchorsOf(target).has(anchor) ? [] : [`${page}: ${link!}`]
  })
}

test('every relative link and anchor leads somewhere', () => {
  expect(pages).toEqual(
    expect.arrayContaining(['ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/README.md']),
  )
  expect(pages.flatMap(deadLinks)).toEqual([])
})

test('the site has every document, and each of its links leads to a place in it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-site-'))
  try {
    const files = buildSite(folder)
    const text = new Map(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]))
    const built = (page: string): string =>
      page === 'docs/README.md' ? 'index.html' : page.replace(/^docs\//, '').replace('.md', '.html')
    const documents = pages.filter((page) => page.startsWith('docs/'))
    expect(documents.filter((page) => !text.has(built(page)))).toEqual([])
    const dead: string[] = []
    let links = 0
    for (const [file, html] of text)
      for (const [, href] of html.matchAll(/<a [^>]*href="([^"]+)"/g)) {
        if (/^[a-z]+:/.test(href!)) continue
        links++
        const [path, anchor] = href!.split('#') as [string, string?]
        const target = text.get(path === '' ? file : join(dirname(file), path))
        if (target === undefined || (anchor !== undefined && !target.includes(` id="${anchor}"`)))
          dead.push(`${file}: ${href!}`)
      }
    expect(dead).toEqual([])
    expect(links).toBeGreaterThan(1000)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
})

test('the list of documents names every one of them', () => {
  const listed = [...read('docs/README.md').matchAll(/\]\(([^)#]+)/g)].map(([, path]) => join('docs', path!))
  const documents = pages.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
  expect(documents.filter((page) => !listed.includes(page))).toEqual([])
})

test('the map is read in ten minutes', () => {
  const words = read('ARCHITECTURE.md').split(/\s+/).filter(Boolean)
  expect(words.length).toBeLessThanOrEqual(ARCHITECTURE_WORDS_MAX)
})

test('files of the source that the documents name are there', () => {
  const named = (page: string): string[] =>
    [
      ...read(page).matchAll(
        /`((?:engine|gateway|sdk|settlement|contracts|app|bench|test|examples)\/[\w./-]+\.(?:ts|sol|circom|md))`/g,
      ),
    ].map(([, path]) => path!)
  const missing = (page: string): string[] =>
    [...new Set(named(page))]
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${page}: ${path}`)
  // What has gone stands in the log of changes.
  expect(pages.filter((page) => page !== 'CHANGELOG.md').flatMap(missing)).toEqual([])
})

test('programs in the documents are programs, and name what the SDK has', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-docs-'))
  const exported: Readonly<Record<string, object>> = { '@glassbook/sdk': sdk, '@glassbook/sdk/abi': abi }
  const client = sdk.Client.prototype
  const wrong: string[] = []
  let count = 0
  try {
    for (const page of pages) {
      // A guide is one program from its beginning to its end; elsewhere each piece stands alone.
      const pieces = code(page, 'js', 'mjs', 'ts')
      const programs = page.startsWith('docs/guides/') ? [pieces.join('\n')] : pieces
      for (const program of programs.filter((text) => text !== '')) {
        const path = join(folder, `${count++}.mjs`)
        writeFileSync(path, program)
        try {
          execFileSync(process.execPath, ['--check', path], { stdio: 'pipe' })
        } catch (error) {
          wrong.push(
            `${page}: ${String((error as { stderr: Buffer }).stderr)
              .split('\n')
              .slice(1, 5)
              .join(' ')}`,
          )
        }
        for (const [, names, from] of program.matchAll(/import \{([^}]+)\} from '(@glassbook\/[^']+)'/g))
          for (const name of names!.split(',').map((text) => text.trim()))
            if (!(name in (exported[from!] ?? {}))) wrong.push(`${page}: ${from!} has no ${name}`)
        // A client that stays open keeps a program from ending.
        if (
          page.startsWith('docs/guides/') &&
          /createClient\(/.test(program) &&
          !/client\.close\(\)\n?$/.test(program)
        )
          wrong.push(`${page}: the program never ends`)
        for (const [, name] of program.matchAll(/\bclient\.(\w+)/g))
          if (!(name! in client)) wrong.push(`${page}: a client has no ${name!}`)
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
  expect(wrong).toEqual([])
  expect(count).toBeGreaterThan(5)
})

/** Words of a shell line up to what ends its command. */
const wordsOf = (line: string): string[] => line.split(/ #| \| | < | && /)[0]!.split(/\s+/)

const program = commandLine({ settings: settingNames() })

/** What a line says that no command takes. */
function unknownWords(line: string): string[] {
  const words = wordsOf(line)
  const at = words[0] === 'export' ? -1 : words.findIndex((word) => word === 'glassbook')
  const isStart = /^npm start/.test(line)
  if (at < 0 && !isStart) return []
  const behind = isStart ? ['start', ...words.slice(3)] : words.slice(at + 1)
  // "journal verify|dump DIR" stands for two commands.
  const [name, inner] = behind as [string, string?]
  if (name.startsWith('-') || name === 'complete') return []
  const command = program.commands.find((each) => each.name() === name)
  if (command === undefined) return [name]
  const named = command.commands.filter((each) => inner?.split('|').includes(each.name()) === true)
  if (command.commands.length > 0 && named.length !== inner?.split('|').length) return [inner ?? name]
  const taken = new Set([command, ...named].flatMap((each) => flagsOf(each)))
  return behind.filter(
    (word) => word.startsWith('--') && word !== '--help' && !taken.has(word.split('=')[0]!),
  )
}

test('commands in the documents are commands, with flags that they take', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const wrong: string[] = []
  for (const page of pages) {
    for (const line of code(page, 'sh').flatMap((text) => text.split('\n')))
      wrong.push(...unknownWords(line).map((word) => `${page}: "${word}" in ${line}`))
    for (const [, name] of read(page).matchAll(/\bnpm run ([\w:]+)/g))
      if (!(name! in scripts)) wrong.push(`${page}: npm run ${name!}`)
  }
  expect(wrong).toEqual([])
  expect(unknownWords('npx glassbook audit --rpc URL --ballances FILE')).toEqual(['--ballances'])
  expect(unknownWords('npm start -- --demo --gateway-threads 2 --gateway-thread 2')).toEqual([
    '--gateway-thread',
  ])
})
