/** What a figure was measured on, when, and of which code: goes into every result file. */
import { execFileSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly node: string
  readonly v8: string
  readonly platform: string
  /** ISO 8601, of the moment when this was asked. */
  readonly date: string
  /** Of the working tree that the build is of, '+' behind it where files differ; 'unknown' without git. */
  readonly commit: string
}

export function machine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    v8: process.versions.v8,
    platform: `${process.platform} ${process.arch}`,
    date: new Date().toISOString(),
    commit: commit(),
  }
}

/** Results do not count as a difference: one benchmark after the other writes them. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: fileURLToPath(new URL('../../..', import.meta.url)),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  try {
    const differs = git('status', '--porcelain', '--untracked-files=no', '--', '.', ':!bench/results') !== ''
    return git('rev-parse', '--short', 'HEAD') + (differs ? '+' : '')
  } catch {
    return 'unknown'
  }
}
