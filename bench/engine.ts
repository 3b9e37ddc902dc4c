/**
 * The engine benchmark: `npm run bench:engine [-- --rounds 5 --seconds 3 --out bench/results]`. Every
 * contestant runs in a process of its own, one round after the other, all contestants in each round, so
 * that a slow minute of the machine falls on all of them. Prints tables of medians and writes them, with
 * machine, Node, seed and every single value, to `engine.json` and `engine.md`.
 */
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { machine } from './support/machine.js'
import { median } from './conformance.js'
import { SEED, type Result } from './engine/contestant.js'
import { MIXES } from './engine/workload.js'

const CONTESTANT = fileURLToPath(new URL('./engine/contestant.js', import.meta.url))
const DATA = process.env['GLASSBOOK_DATA'] ?? fileURLToPath(new URL('../../../shared/data', import.meta.url))
const HASHES: Readonly<Record<string, string>> = {
  static: '9803843ee404fc29c9a0aa5614f8f0d5a58b5c44fcac9ef89067886fcaaa30d1',
  normal: 'e9b2e3926854410b01a035aeb25dd05f1e597c233be8263de9eb49b6713d367e',
}
/** Millions a second to reach. */
const TARGETS: Readonly<Record<string, number>> = { static: 25, normal: 12, exchange: 5, moves: 5 }

async function contest(name: string, seconds: number): Promise<Result> {
  const args = ['--expose-gc', CONTESTANT, name, String(seconds)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 24 })
  return JSON.parse(stdout) as Result
}

/** Decompressed workload files by name; none where the data is absent. */
function workloadFiles(directory: string): Map<string, string> {
  const files = new Map<string, string>()
  for (const name of Object.keys(HASHES)) {
    const packed = `${DATA}/matching-benchmark/${name}.i32.xz`
    if (!existsSync(packed)) {
      console.log(`no ${packed}: the book alone is not measured on ${name}`)
      continue
    }
    const file = join(directory, `${name}.i32`)
    writeFileSync(file, execFileSync('xz', ['-dc', packed], { maxBuffer: 1 << 30 }))
    files.set(name, file)
  }
  return files
}

const rates = (results: readonly Result[]): number[] => results.flatMap(({ rates }) => rates as number[])
const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
const spread = (values: readonly number[]): string =>
  `${round(Math.min(...values))} to ${round(Math.max(...values))}`
const micro = (nanoseconds: number): string => (nanoseconds / 1000).toFixed(2)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      out: { type: 'string', default: 'bench/results' },
    },
  })
  const rounds = Number(values.rounds)
  const seconds = Number(values.seconds)
  const directory = mkdtempSync(join(tmpdir(), 'glassbook-bench-'))
  try {
    const files = workloadFiles(directory)
    const names = [
      ...[...files.values()].flatMap((file) => [`book:${file}`, `bare:${file}`]),
      ...MIXES.flatMap((mix) => [`core:${mix}`, `nodejs-order-book:${mix}`, `latency:${mix}`]),
      'heap',
      'capture',
      'ids:ordinary',
      'ids:hostile',
      'growth',
      'worst',
    ]
    const results = new Map<string, Result[]>(names.map((name) => [name, []]))
    for (let index = 0; index < rounds; index++)
      for (const name of names) {
        process.stderr.write(`\rround ${index + 1} of ${rounds}: ${name.replace(directory, '').padEnd(40)}`)
        results.get(name)!.push(await contest(name, seconds))
      }
    process.stderr.write('\n')
    report(files, results, { rounds, seconds }, values.out)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function report(
  files: ReadonlyMap<string, string>,
  results: ReadonlyMap<string, readonly Result[]>,
  settings: { readonly rounds: number; readonly seconds: number },
  out: string,
): void {
  const lines: string[] = [
    '| what | median M/s | range | target | ratio |',
    '| --- | --- | --- | --- | --- |',
  ]
  const row = (what: string, name: string, target: number | undefined, ratio = ''): void => {
    const all = rates(results.get(name)!)
    lines.push(`| ${what} | ${round(median(all))} | ${spread(all)} | ${target ?? ''} | ${ratio} |`)
  }
  for (const [name, file] of files) {
    const both = [...results.get(`book:${file}`)!, ...results.get(`bare:${file}`)!]
    const found = new Set(both.map(({ sha256 }) => sha256))
    if (found.size !== 1 || !found.has(HASHES[name]!))
      throw new Error(`${name}: report stream ${[...found].join(', ')}`)
    const ratio = median(rates(results.get(`book:${file}`)!)) / median(rates(results.get(`bare:${file}`)!))
    row(`book alone, ${name}`, `book:${file}`, TARGETS[name], `${round(ratio)} of the bare book`)
    row(`bare book, ${name}`, `bare:${file}`, undefined)
  }
  for (const mix of MIXES) {
    const core = median(rates(results.get(`core:${mix}`)!))
    const other = median(rates(results.get(`nodejs-order-book:${mix}`)!))
    row(
      `whole core, ${mix}`,
      `core:${mix}`,
      TARGETS[mix],
      `${round(core / other, 1)} times nodejs-order-book`,
    )
    row(`nodejs-order-book, ${mix}`, `nodejs-order-book:${mix}`, undefined)
    // A benchmark ends by comparing what was computed.
    const hashes = new Set(results.get(`core:${mix}`)!.map(({ stateHash }) => stateHash))
    if (hashes.size !== 1) throw new Error(`${mix}: rounds ended in different states`)
  }
  lines.push(
    '',
    '| latency in µs | p50 | p99 | p99.9 | p99.99 | largest |',
    '| --- | --- | --- | --- | --- | --- |',
  )
  for (const mix of MIXES) {
    const all = results.get(`latency:${mix}`)!
    // Percentiles: medians over the rounds; the largest is the largest of all.
    const over = (key: string): string =>
      [0, 1, 2, 3, 4]
        .map((index) => {
          const each = all.map((result) => (result[key] as number[])[index]!)
          return micro(index < 4 ? median(each) : Math.max(...each))
        })
        .join(' | ')
    lines.push(`| ${mix}: service time (with the clock's own) | ${over('service')} |`)
    lines.push(`| ${mix}: the clock alone | ${over('clock')} |`)
    lines.push(`| ${mix}: paced at 1 M/s, from planned send time | ${over('paced')} |`)
    lines.push(`| ${mix}: the machine's hiccups, same pace, no engine | ${over('hiccups')} |`)
  }
  const heap = results.get('heap')!
  const captures = results.get('capture')!.flatMap((result) => result['captures'] as number[])
  const seals = results.get('capture')!.flatMap((result) => result['seals'] as number[])
  lines.push(
    '',
    `Heap: ${heap[0]!['commands']} commands allocate ${Math.max(...heap.map((each) => each['allocatedBytes'] as number))} bytes at most, ` +
      `${Math.max(...heap.map((each) => each['major'] as number))} major and ${Math.max(...heap.map((each) => each['minor'] as number))} minor collections.`,
    `Snapshot at ${results.get('capture')![0]!['orders']} live orders: captured in ${round(median(captures))} ms (at most ${round(Math.max(...captures))}), ` +
      `sealed in ${round(median(seals))} ms, ${results.get('capture')![0]!['bytes']} bytes.`,
    ...tables(results),
    ...worst(results.get('worst')!),
  )
  const about = machine()
  const head = `# Engine benchmark\n\n${about.cpu}, ${about.cores} cores, ${about.memoryGiB} GiB, Node ${about.node}, ${about.date.slice(0, 10)}, commit ${about.commit}, seed ${SEED}, ${settings.rounds} rounds, medians. The core is measured in the small state of its mixes: 1,000 accounts, 1 market, 2,000 live orders (larger ones: [engine-state.md](engine-state.md)). The book of \`nodejs-order-book\` is not compared with ours: it makes the same calls, some of which fail there.\n\n`
  const text = head + lines.join('\n') + '\n'
  console.log(text)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'engine.md'), text)
  const named = Object.fromEntries(
    [...results].map(([name, each]) => [name.replace(/^(book|bare):.*\/(.*)\.i32$/, '$1:$2'), each]),
  )
  writeFileSync(
    join(out, 'engine.json'),
    JSON.stringify(
      { machine: about, seed: SEED, ...settings, measuredAt: new Date().toISOString(), results: named },
      undefined,
      1,
    ) + '\n',
  )
}

/** Ids of attackers beside ordinary ones; the worst insert while tables grow. */
function tables(results: ReadonlyMap<string, readonly Result[]>): string[] {
  const flow = (kind: string): string =>
    `${round(median(results.get(`ids:${kind}`)!.flatMap((each) => each['nanoseconds'] as number[])), 0)} ns`
  const grown = results.get('growth')!
  const of = (key: string): number[] => grown.map((each) => (each[key] as number) * 1000)
  const middle = (key: string): string => micro(median(of(key)))
  const most = (key: string): string => micro(Math.max(...of(key)))
  return [
    `Ids: one added and one removed, 50,000 live of one account: ordinary ${flow('ordinary')}, chosen to collide under a known formula ${flow('hostile')}.`,
    `Growth to 2^20 entries, one insert: order ids ${middle('orderP9999')} µs at p99.99, ${most('orderMax')} at most; balances ${middle('balanceP9999')} and ${most('balanceMax')} µs.`,
  ]
}

/** One command's time at full tables, by kind, over all rounds. */
function worst(results: readonly Result[]): string[] {
  const lines = [
    '',
    "| worst command of each kind, in ms of the process's time | median | p90 | largest |",
    '| --- | --- | --- | --- |',
  ]
  for (const kind of Object.keys(results[0]!)) {
    const all = results.flatMap((each) => each[kind] as number[]).toSorted((a, b) => a - b)
    const p90 = all[Math.floor(0.9 * all.length)]!
    lines.push(`| ${kind} | ${round(median(all), 3)} | ${round(p90, 3)} | ${round(all.at(-1)!, 3)} |`)
  }
  return lines
}

await main()
