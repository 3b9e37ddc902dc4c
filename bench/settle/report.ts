/** bench/results/settle.md from the figures of bench/settle.ts: each beside its target. */

export interface SettleReport {
  readonly machine: {
    readonly date: string
    readonly commit: string
    readonly cpu: string
    readonly cores: number
    readonly memoryGiB: number
    readonly node: string
  }
  readonly loadAverageAtStart: readonly number[]
  readonly hashing: { readonly oursPerSecond: number; readonly poseidonLitePerSecond: number }
  readonly netting: { readonly fills: number; readonly rows: number; readonly seconds: number }
  readonly replay: {
    readonly commands: number
    readonly fills: number
    readonly batches: number
    readonly rows: number
    readonly rowsPerChunk: number
    readonly followedCommandsPerSecond: number
    readonly replayedCommandsPerSecond: number
  }
  readonly fillsRoot: { readonly leaves: number; readonly rootSeconds: number }
  readonly tree: Readonly<Record<string, number>> & {
    readonly large: {
      readonly accounts: number
      readonly leaves: number
      readonly memoryMiB: number
      readonly proofMs: number
      readonly checkpointSeconds: number
      readonly restoreSeconds: number
    }
  }
  readonly sealing: Readonly<Record<string, number>>
  readonly proving?: {
    readonly chunks: readonly {
      readonly rows: number
      readonly constraints: number
      readonly compileMs: number
      readonly keyMs: number
      readonly keyBytes: number
      readonly keyMemoryMiB: number
      readonly proofMs: number
      readonly proofMemoryMiB: number
      readonly rowsPerSecond: number
    }[]
    readonly rowsPerSecondByProcesses: Readonly<Record<string, number>>
  }
  readonly cost?: {
    readonly table: readonly {
      readonly fillsPerRow: number
      readonly rowsPerSecond: number
      readonly gasPerSecond: number
      readonly gasPerFill: number
    }[]
    readonly sentence: string
  }
}

const number = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 3 })

/** The whole page. */
export function settleMarkdown(report: SettleReport): string {
  const { machine, hashing, netting, replay, fillsRoot, tree, sealing, proving, cost } = report
  const { large } = tree
  const dense = tree['every index taken, 1 thread, leaf updates/s']!
  const rows: [string, string, string, boolean | undefined][] = [
    [
      'Poseidon, one thread',
      `${number(hashing.oursPerSecond)} hashes/s`,
      `poseidon-lite: ${number(hashing.poseidonLitePerSecond)}`,
      undefined,
    ],
    [
      `netting of ${number(netting.fills)} fills, one core`,
      `${number(netting.seconds)} s`,
      '< 1 s',
      netting.seconds < 1,
    ],
    [
      `replay against the chain: rows, roots, fills root, journal head (${number(replay.fills)} fills, ${replay.batches} batches, ${number(replay.rows)} rows, ${replay.rowsPerChunk} a chunk)`,
      `${number(replay.replayedCommandsPerSecond)} commands/s`,
      '>= 1,000,000',
      replay.replayedCommandsPerSecond >= 1_000_000,
    ],
    [
      'the engine alone over the same journal',
      `${number(replay.followedCommandsPerSecond)} commands/s`,
      '',
      undefined,
    ],
    [
      `fills root of ${number(fillsRoot.leaves)} leaves`,
      `${number(fillsRoot.rootSeconds)} s`,
      '< 5 s',
      fillsRoot.rootSeconds < 5,
    ],
    ['leaf updates, every index taken, one thread', `${number(dense)}/s`, '>= 10,000', dense >= 10_000],
    [
      'leaf updates, two assets of 64 an account, one thread',
      `${number(tree['two assets of 64, 1 thread, leaf updates/s']!)}/s`,
      '',
      undefined,
    ],
    [
      `memory of ${number(large.accounts)} accounts (${number(large.leaves)} leaves)`,
      `${number(large.memoryMiB)} MiB`,
      '< 1,024 MiB',
      large.memoryMiB < 1024,
    ],
    ['proof of any leaf', `${number(large.proofMs)} ms`, '< 5 ms', large.proofMs < 5],
    ['start from a checkpoint of that tree', `${number(large.restoreSeconds)} s`, '', undefined],
  ]
  const mark = (holds: boolean | undefined): string => (holds === undefined ? '' : holds ? 'met' : 'missed')
  const lines = [
    '# Settlement',
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, ${machine.date.slice(0, 10)}, commit ${machine.commit}; load average at the start ${report.loadAverageAtStart.join(', ')}. Made by \`npm run bench:settle\`; every figure: settle.json. Gas is that of gas.md, of its own date.`,
    '',
    '| what | measured | target | |',
    '|---|---:|---:|---|',
    ...rows.map(
      ([what, measured, target, holds]) => `| ${what} | ${measured} | ${target} | ${mark(holds)} |`,
    ),
    '',
    `Sealing a batch of ${number(sealing.rows!)} rows, two assets of 64 an account, with the root of each chunk. A chunk's root takes the path to the top anew, so small chunks cost hashes (28 a row at one row a chunk):`,
    '',
    '| rows a chunk, threads | rows/s |',
    '|---|---:|',
    ...Object.entries(sealing)
      .filter(([name]) => name !== 'rows')
      .map(([name, value]) => `| ${name.replace(', rows/s', '')} | ${number(value)} |`),
    '',
  ]
  if (proving !== undefined)
    lines.push(
      '| rows a chunk | constraints | a row | compile | development key, tried | key | memory of it | proof | memory of it | proven rows/s |',
      '|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
      ...proving.chunks.map(
        (chunk) =>
          `| ${chunk.rows} | ${number(chunk.constraints)} | ${number(Math.round(chunk.constraints / chunk.rows))} | ${number(chunk.compileMs / 1000)} s | ${number(chunk.keyMs / 1000)} s | ${number(Math.round(chunk.keyBytes / 2 ** 20))} MiB | ${number(chunk.keyMemoryMiB)} MiB | ${number(chunk.proofMs / 1000)} s | ${number(chunk.proofMemoryMiB)} MiB | ${number(chunk.rowsPerSecond)} |`,
      ),
      '',
      `Proven rows/s by prover processes side by side, ${proving.rowsPerSecondByProcesses.rowsPerChunk} row${proving.rowsPerSecondByProcesses.rowsPerChunk === 1 ? '' : 's'} a chunk, each process with ${proving.rowsPerSecondByProcesses.threadsPerProcess} threads: ${Object.entries(
        proving.rowsPerSecondByProcesses,
      )
        .filter(([name]) => /^\d+$/.test(name))
        .map(([name, value]) => `${name}: ${number(value)}`)
        .join('; ')}. One process uses all cores of a small machine; further machines add theirs.`,
      '',
    )
  if (cost !== undefined)
    lines.push(
      cost.sentence,
      '',
      '| fills a net row | rows/s at 100,000 fills/s | gas/s | gas a fill |',
      '|---:|---:|---:|---:|',
      ...cost.table.map(
        (line) =>
          `| ${number(line.fillsPerRow)} | ${number(line.rowsPerSecond)} | ${number(line.gasPerSecond)} | ${number(line.gasPerFill)} |`,
      ),
      '',
      'Gas: [gas.md](gas.md). Shape of the tree: [arity.md](arity.md).',
      '',
    )
  return lines.join('\n')
}
