/**
 * What a start does with a data folder in which one file is not what it was: each kind of file, flipped, cut,
 * emptied, deleted, put back from an older copy, or taken from another exchange. The outcome is read from the
 * real program: it refuses, or it starts, with or without a word; then history, orders, balances, batches and key are
 * compared with what they were, one trade more is made and settled, and the journal is replayed against the chain.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { Program } from '../support/program.js'
import { type Facts, type Folders, factsOf, start, tradeOnce } from './folders.js'
import { type Outcome, type Verdict, isAbout, judge } from './judge.js'

export const DAMAGES = ['flipped', 'cut', 'empty', 'deleted', 'older copy', "another exchange's"] as const
export type Damage = (typeof DAMAGES)[number]

export interface DamageTry {
  /** Path below the data folder. */
  readonly file: string
  readonly damage: Damage
}

export interface DamageRow {
  /** Path with N for its numbers. */
  readonly file: string
  readonly damage: Damage
  readonly verdict: Verdict
  /** What it said of it, or what differs. */
  readonly words: string
}

/** Ends a line that says what a start is doing. */
const STEP_END = ' …'
/** Lines of every start, whatever the folder holds. */
const SCREEN =
  /^ {2}|^Glassbook is open|^glassbook: stopped|^\d+ orders\/s|^archive: archived journal segment/

/** Digits are of one file among several of its kind. */
export const kindOf = (path: string): string => path.replaceAll(/\d{4,}/g, 'N')

/** Every try: the newest file of each kind, by its path, with each damage. */
export function triesOf(folder: string): DamageTry[] {
  const newest = new Map<string, string>()
  const visit = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) visit(path)
      else if (entry.name !== 'lock') {
        const known = newest.get(kindOf(relative(folder, path)))
        if (known === undefined || known < relative(folder, path))
          newest.set(kindOf(relative(folder, path)), relative(folder, path))
      }
    }
  }
  visit(folder)
  return [...newest.values()].sort().flatMap((file) => DAMAGES.map((damage) => ({ file, damage })))
}

/** Lines of a program that count, its folder's name left out. */
const linesOf = (output: string, data: string): string[] =>
  output
    .replaceAll(data, 'DIR')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.endsWith(STEP_END) && !SCREEN.test(line))

const withoutNumbers = (line: string): string => line.replaceAll(/\d+/g, 'N')

/**
 * The tries on copies of one set of folders, beginning with a copy that is whole: what is said there is said
 * everywhere, and nothing may differ.
 */
export class DamageTries {
  private constructor(
    private readonly folders: Folders,
    /** Where the copies are made. */
    private readonly data: string,
    private readonly usual: ReadonlySet<string>,
  ) {}

  /** Throws when something differs on a whole copy: then the table would tell nothing. */
  static async begin(folders: Folders, data: string): Promise<DamageTries> {
    const { lines, ...rest } = await new DamageTries(folders, data, new Set()).outcome(() => '')
    const said = lines.join('\n')
    if (rest.hasEnded || rest.lost.length + rest.wrong.length > 0 || rest.replay !== '')
      throw new Error(`on a whole copy: ${JSON.stringify(rest)}\n${said}`)
    return new DamageTries(folders, data, new Set(lines.map(withoutNumbers)))
  }

  async row({ file, damage }: DamageTry): Promise<DamageRow> {
    let unable = ''
    const outcome = await this.outcome(() => (unable = spoil(this.data, file, damage, this.folders)))
    const kind = kindOf(file)
    if (unable !== '') return { file: kind, damage, verdict: 'not tried', words: unable }
    const { lines, hasEnded, lost, wrong, replay } = outcome
    const told = lines.filter((line) => isAbout(file, line))
    const words = [...new Set(told.length > 0 || !hasEnded ? told : lines.slice(-2))]
    return {
      file: kind,
      damage,
      verdict: judge(file, outcome),
      words: [...words, ...wrong, ...lost, replay].filter((text) => text !== '').join('; '),
    }
  }

  /** Starts on a new copy, spoilt by `change`, and looks at it. `change` answers with why it cannot be. */
  private async outcome(change: () => string): Promise<Outcome> {
    const { data, folders } = this
    rmSync(data, { recursive: true, force: true, maxRetries: 20 })
    cpSync(folders.whole, data, { recursive: true })
    const nothing: Outcome = { lines: [], hasEnded: false, lost: [], wrong: [], replay: '' }
    if (change() !== '') return nothing
    const { program, url } = await start(data)
    const lines = (): string[] =>
      linesOf(program.output, data).filter((line) => !this.usual.has(withoutNumbers(line)))
    const isOpen = await program.says('Ctrl-C').then(
      () => true,
      () => false,
    )
    if (!isOpen) {
      await program.kill('SIGTERM')
      return { ...nothing, lines: lines(), hasEnded: true }
    }
    const wrong: string[] = []
    const lost: string[] = []
    const failed: string[] = []
    let replay = ''
    try {
      compare(await factsOf(url, data), folders.facts, { wrong, lost })
      await tradeOnce(url)
      const rpcUrl = /chain {7}(\S+)/.exec(program.output)![1]!
      const deployment = join(data, 'deployment.json')
      const tool = new Program(['replay', data, '--rpc', rpcUrl, '--deployment', deployment])
      if ((await tool.ends()) !== 0) replay = tool.output.replaceAll(data, 'DIR').trim().slice(-600)
    } catch (error) {
      failed.push(error instanceof Error ? error.message : String(error))
    }
    const hasEnded = program.hasExited
    const code = await program.kill('SIGTERM')
    if (code !== 0) failed.push(`stopped with code ${code}`)
    // With an end by itself, which must say its reason, nothing else can be expected to have worked.
    return { lines: lines(), hasEnded, wrong: hasEnded ? wrong : [...wrong, ...failed], lost, replay }
  }
}

function compare(now: Facts, before: Facts, found: { wrong: string[]; lost: string[] }): void {
  for (const field of ['balances', 'orders'] as const)
    if (now[field].join() !== before[field].join())
      found.wrong.push(`${field} are ${now[field].join()}, were ${before[field].join()}`)
  for (const field of ['fills', 'batches'] as const) {
    const missing = before[field].filter((text) => !now[field].includes(text))
    // What was sealed at the stop may have come since; a fill more than before there cannot be.
    const added = field === 'fills' ? now.fills.filter((text) => !before.fills.includes(text)) : []
    if (added.length > 0) found.wrong.push(`fills that were not: ${added.join()}`)
    if (missing.length === 0) continue
    const isTold = field === 'fills' && !now.isComplete
    found[isTold ? 'lost' : 'wrong'].push(`${field} are missing: ${missing.join()}`)
  }
  if (!now.isComplete) found.lost.push('history says that it is not complete')
  if (now.receiptKey !== before.receiptKey) found.lost.push('receipts are signed with another key')
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
    if (end === 0) return 'the file is empty, or all zeros'
    const middle = end >> 1
    if (damage === 'cut') writeFileSync(path, bytes.subarray(0, middle))
    else {
      bytes[middle]! ^= 0x01
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
