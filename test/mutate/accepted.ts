/** Mutants that may survive, with the reason: they change nothing that anybody can see, or only how fast it is. */
import type { Mutant } from './mutants.js'

interface Accepted {
  readonly file: string
  readonly was: string
  readonly becomes: string
  readonly reason: string
}

export const ACCEPTED: readonly Accepted[] = []

export const acceptedReason = ({ file, was, becomes }: Mutant): string | undefined =>
  ACCEPTED.find((one) => one.file === file && one.was === was && one.becomes === becomes)?.reason
