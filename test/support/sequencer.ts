/**
 * The order of the suites: the longest first, so that none of them is left alone at the end of a run. jest remembers
 * how long each took, but a fresh clone remembers nothing, and by their size it would begin with others.
 */
import type { Test } from '@jest/test-result'
import untyped from '@jest/test-sequencer'
import { longestFirst } from './longest.js'

// Its types are those of its CommonJS form, where the class is a member of what is imported.
const Sequencer = untyped as unknown as typeof untyped.default

export default class LongestFirst extends Sequencer {
  override async sort(tests: Test[]): Promise<Test[]> {
    return longestFirst(await super.sort(tests))
  }
}
