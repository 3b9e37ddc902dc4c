/**
 * What a start does with a data folder in which one file is not what it was: each kind of file, flipped, cut,
 * emptied, deleted, put back from an older copy, or taken from another exchange. The outcome is read from the
 * real program: it refuses, or it starts, with or without a word, and then history, balances, batches and
 * chain are compared with what they were. A word counts only when it names the file, or what was made from
 * it; a refusal must say what to do as well. Starting with something else than before, and without such a
 * word, is "silently wrong".
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'
import { localAccount } from '../../app/local-chain.js'
import { createClient } from '../../sdk/index.js'
import { Program, freePort, until } from '../program.js'

export const DAMAGES = ['flipped', 'cut', 'empty', 'deleted', 'older copy', "another exchange's"] as const
export type Damage = (typeof DAMAGES)[number]

export type Verdict =
  /** It names the file and says what to do. */
  | 'refused'
  /** A line names the file; nothing is lost. */
  | 'starts, told'
  /** Nothing is lost, and there was nothing to tell. */
  | 'starts, nothing lost'
  /** Something is lost, and a line names the file. */
  | 'starts, loss told'
  | 'not tried'
  /** A refusal that leaves the operator to guess the file or what to do. */
  | 'refused, unclear'
  | 'silently wrong'

/** Outcomes that no file may have. */
export const FAULTS: readonly Verdict[] = ['refused, unclear', 'silently wrong']

export interface DamageRow {
  readonly file: string
  readonly damage: Damage
  readonly verdict: Verdict
  /** What it said of it, or what differs. */
  readonly words: string
}

/** What an exchange holds, as its tools and its gateway tell it. */
interface Facts {
  readonly fills: string
  readonly balances: string
  readonly batches: number
}

/** Ends a line that says what a start is doing. */
const STEP_END = ' …'
/** History may still be read from the journal; after so long it is as it will be. */
const HISTORY_MS_MAX = 60_000
/** Says what an operator can do. */
const ADVICE = /\b(put back|delete|remove|move|restore|start again|deploy|--[a-z])/i
/** What was made from a file may be told in the place of its path. */
const MADE_FROM: readonly (readonly [file: RegExp, words: RegExp])[] = [
  [/^journal\//, /\bjournal\b/i],
  [/^snapshots\//, /\bsnapshot\b/i],
  [/^gateway\//, /\bhistory\b/i],
]

/** Lines of every start, whatever the folder holds. */
const SCREEN = /^ {2}|^Glassbook is open|^glassbook: stopped/

/** Whether a line is about this file: by its path, its name, or what was made from it. */
const isAbout = (file: string, line: string): boolean =>
  line.includes(file) ||
  line.includes(basename(file)) ||
  MADE_FROM.some(([path, words]) => path.test(file) && words.test(line))

/** Judges what a start said and what differs after it; `differs` is undefined when it did not start. */
function judge(file: string, lines: readonly string[], differs: string | undefined): Verdict {
  const about = lines.filter((line) => isAbout(file, line))
  if (differs === undefined) return about.some((line) => ADVICE.test(line)) ? 'refused' : 'refused, unclear'
  if (differs === '') return about.length > 0 ? 'starts, told' : 'starts, nothing lost'
  return about.length > 0 ? 'starts, loss told' : 'silently wrong'
}

/** Digits are of one file among several of its kind. */
const kindOf = (path: string): string => path.replaceAll(/\d{4,}/g, 'N')

/** Makes folders, damages copies of them, and starts on each. `kinds` limits to files whose kind has that text. */
export async function damageTable(
  onRow: (row: DamageRow) => void,
  kinds: (kind: string) => boolean = () => true,
): Promise<DamageRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-damage-'))
  const [older, whole, other] = ['older', 'whole', 'other'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  const rows: DamageRow[] = []
  try {
    const data = join(folder, 'data')
    await trade(data, 3)
    cpSync(data, older, { recursive: true })
    const facts = await trade(data, 4)
    cpSync(data, whole, { recursive: true })
    await trade(other, 5)
    for (const file of oneOfEachKind(whole).filter((path) => kinds(kindOf(path))))
      for (const damage of DAMAGES) {
        const row = await tryOne(folder, { whole, older, other }, file, damage, facts)
        rows.push(row)
        onRow(row)
      }
    return rows
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The newest file of each kind, by its path below the folder. */
function oneOfEachKind(folder: string): string[] {
  const newest = new Map<string, string>()
  const visit = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (entry.name !== 'lock') newest.set(kindOf(relative(folder, path)), relative(folder, path))
    }
  }
  visit(folder)
  return [...newest.values()].sort()
}

async function start(data: string): Promise<{ program: Program; url: string }> {
  const port = await freePort()
  const program = new Program([
    ...['start', '--data', data, '--port', String(port)],
    ...['--batch-seconds', '1', '--no-local-prover'],
  ])
  return { program, url: `ws://127.0.0.1:${port}` }
}

/** Runs an exchange on `data`, makes `count` fills and a snapshot, and stops it; what it holds then. */
async function trade(data: string, count: number): Promise<Facts> {
  const { program, url } = await start(data)
  await program.says('Ctrl-C')
  const [maker, taker] = await Promise.all(
    [4, 5].map(async (index) => {
      const client = await createClient({ url, wallet: localAccount(index) }).connect()
      await client.createSession()
      return client
    }),
  )
  const before = (await maker!.batches(100)).length
  for (let fill = 0; fill < count; fill++) {
    await maker!.placeOrder({ market: 0, side: 'sell', ticks: 600_000 + fill, lots: 5 + count })
    await taker!.placeOrder({
      market: 0,
      side: 'buy',
      ticks: 600_000 + fill,
      lots: 5 + count,
      timeInForce: 'IOC',
    })
  }
  await until('a batch', async () => (await maker!.batches(100)).length > before)
  for (const client of [maker!, taker!]) client.close()
  const facts = await factsOf(url)
  if ((await program.kill('SIGTERM')) !== 0) throw new Error(`no clean stop:\n${program.output}`)
  const snapshot = new Program(['snapshot', data])
  if ((await snapshot.ends()) !== 0) throw new Error(snapshot.output)
  return facts
}

async function factsOf(url: string): Promise<Facts> {
  const client = await createClient({ url, wallet: localAccount(4) }).connect()
  try {
    await client.createSession()
    const deadline = performance.now() + HISTORY_MS_MAX
    let page = await client.fillsPage({ afterSeq: 0, limit: 500 })
    while (!page.complete && performance.now() < deadline) {
      await new Promise((done) => setTimeout(done, 100))
      page = await client.fillsPage({ afterSeq: 0, limit: 500 })
    }
    const fills = page.fills.map(({ seq, orderId, ticks, lots }) => `${seq}/${orderId}/${ticks}/${lots}`)
    const balances = (await client.balances()).map(
      ({ asset, availableUnits, reservedUnits }) => `${asset.id}:${availableUnits}+${reservedUnits}`,
    )
    return {
      fills: `${fills.join()}${page.complete ? '' : ' (not complete)'}`,
      balances: balances.join(),
      batches: (await client.batches(100)).length,
    }
  } finally {
    client.close()
  }
}

interface Folders {
  readonly whole: string
  readonly older: string
  readonly other: string
}

/** Puts the damage into `data`; says why it cannot be. */
function spoil(data: string, file: string, damage: Damage, folders: Folders): string {
  const path = join(data, file)
  if (damage === 'deleted') rmSync(path)
  else if (damage === 'empty') writeFileSync(path, '')
  else if (damage === 'flipped' || damage === 'cut') {
    const bytes = readFileSync(path)
    // A segment is zeros behind its last block: the middle of what was written.
    let end = bytes.length
    while (end > 0 && bytes[end - 1] === 0) end--
    if (end === 0) return 'the file is empty'
    const middle = end >> 1
    if (damage === 'cut') writeFileSync(path, bytes.subarray(0, middle))
    else {
      bytes[middle]! ^= 0x10
      writeFileSync(path, bytes)
    }
  } else {
    const from = join(damage === 'older copy' ? folders.older : folders.other, file)
    if (!existsSync(from)) return 'there is no such file there'
    if (readFileSync(from).equals(readFileSync(path))) return 'it is the same file'
    mkdirSync(dirname(path), { recursive: true })
    cpSync(from, path)
  }
  return ''
}

async function tryOne(
  folder: string,
  folders: Folders,
  file: string,
  damage: Damage,
  facts: Facts,
): Promise<DamageRow> {
  const data = join(folder, 'tried')
  rmSync(data, { recursive: true, force: true })
  cpSync(folders.whole, data, { recursive: true })
  const kind = kindOf(file)
  const unable = spoil(data, file, damage, folders)
  if (unable !== '') return { file: kind, damage, verdict: 'not tried', words: unable }
  const { program, url } = await start(data)
  const isOpen = await program.says('Ctrl-C').then(
    () => true,
    () => false,
  )
  const linesOf = (text: string): string[] =>
    text
      .replaceAll(data, 'DIR')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.endsWith(STEP_END))
  if (!isOpen) {
    await program.kill('SIGTERM')
    const lines = linesOf(program.output)
    return {
      file: kind,
      damage,
      verdict: judge(file, lines, undefined),
      words: lines.filter((line) => isAbout(file, line)).at(-1) ?? lines.at(-1) ?? 'without a word',
    }
  }
  let differs = ''
  try {
    const now = await factsOf(url)
    for (const field of ['fills', 'balances', 'batches'] as const)
      if (now[field] !== facts[field]) differs += `${field} are ${now[field]}, were ${facts[field]}. `
    const replay = new Program([
      'replay',
      data,
      '--rpc',
      rpcUrlOf(program),
      '--deployment',
      join(data, 'deployment.json'),
    ])
    if ((await replay.ends()) !== 0) differs += replay.output.replaceAll(data, 'DIR').slice(-200)
  } catch (error) {
    differs += error instanceof Error ? error.message : String(error)
  }
  const code = await program.kill('SIGTERM')
  if (code !== 0) differs += `stopped with code ${code}. `
  // What it told is said before it is open, or after, by parts that read in the background.
  const told = linesOf(program.output).filter((line) => isAbout(file, line) && !SCREEN.test(line))
  const words = [...new Set([...told, differs])].filter((text) => text !== '').join('; ')
  return { file: kind, damage, verdict: judge(file, told, differs), words }
}

const rpcUrlOf = (program: Program): string => /chain {7}(\S+)/.exec(program.output)![1]!
