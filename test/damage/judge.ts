/**
 * What a try of the damage table is called, from what the program said and what differs after it. A word counts only
 * when it names the file, or what was made from it, and stands in no start on a whole folder; a refusal must say
 * what to do as well. What may be lost with a word is what can be made again or is said to be incomplete; balances,
 * batches and fills that are told as complete may not be wrong, whatever was said.
 */
import { basename } from 'node:path'

export type Verdict =
  /** It names the file and says what to do. */
  | 'refused'
  /** A line names the file; nothing is lost. */
  | 'starts, told'
  /** Nothing is lost, and there was nothing to tell. */
  | 'starts, nothing lost'
  /** Something is lost, and a line names the file. */
  | 'starts, loss told'
  /** A start does not need the file; the tool that reads it names it and says what to do. */
  | 'starts, named when read'
  | 'not tried'
  /** A refusal that leaves the operator to guess the file or what to do. */
  | 'refused, unclear'
  | 'silently wrong'

/** Outcomes that no file may have. */
export const FAULTS: readonly Verdict[] = ['refused, unclear', 'silently wrong']

export interface Outcome {
  /** Lines that it said, without those of every start. */
  readonly lines: readonly string[]
  /** It did not open, or ended by itself afterwards. */
  readonly hasEnded: boolean
  /** What is missing now, and is told as missing or is nobody's money: told loss. */
  readonly lost: readonly string[]
  /** What is told and is not so: never allowed. */
  readonly wrong: readonly string[]
  /** What the replay against the chain said, when it did not agree. */
  readonly replay: string
}

/** Says what an operator can do. */
const ADVICE = /\b(put back|delete it|remove|restore|start again)\b|--[a-z]/i
/** What was made from a file may be told in the place of its path. */
const MADE_FROM: readonly (readonly [file: RegExp, words: RegExp])[] = [
  [/^journal\//, /\bjournal (damaged|ends|is|has)\b/i],
  [/^snapshots\//, /\bsnapshot\b/i],
  [/^gateway\//, /\bhistory\b/i],
]

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Whether a line is about this file: by its path, its whole name, or what was made from it. */
export function isAbout(file: string, line: string): boolean {
  // Not "state.json" in "chain-state.json", nor "chain-state.json" in "chain-state.json.1".
  const named = new RegExp(`(^|[\\s/"(])${escaped(basename(file))}(?![\\w-]|\\.\\w)`)
  return named.test(line) || MADE_FROM.some(([path, words]) => path.test(file) && words.test(line))
}

export function judge(file: string, { lines, hasEnded, lost, wrong, replay }: Outcome): Verdict {
  const about = lines.filter((line) => isAbout(file, line))
  if (wrong.length > 0) return 'silently wrong'
  if (hasEnded) return about.some((line) => ADVICE.test(line)) ? 'refused' : 'refused, unclear'
  if (replay !== '') {
    const isNamed = replay.split('\n').some((line) => isAbout(file, line) && ADVICE.test(line))
    return isNamed ? 'starts, named when read' : 'silently wrong'
  }
  if (lost.length > 0) return about.length > 0 ? 'starts, loss told' : 'silently wrong'
  return about.length > 0 ? 'starts, told' : 'starts, nothing lost'
}
