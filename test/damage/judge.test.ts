/** The judge of the damage table: nothing that is wrong can pass for told, and no word of another file counts. */
import { type Outcome, isAbout, judge } from './judge.js'

const open: Outcome = { lines: [], hasEnded: false, lost: [], wrong: [], replay: '' }
const said = (...lines: string[]): Outcome => ({ ...open, lines })

test('a file is named by its whole name only', () => {
  expect(isAbout('gateway/state.json', 'DIR/chain-state.json is missing')).toBe(false)
  expect(isAbout('chain-state.json', 'taken from DIR/chain-state.json.1')).toBe(false)
  expect(isAbout('chain-state.json', 'DIR/chain-state.json is not whole')).toBe(true)
  expect(isAbout('chain-state.json', '(DIR/chain-state.json)')).toBe(true)
  expect(isAbout('journal/00000000.glass', 'DIR/archive/00000000.glass.gz is not whole')).toBe(false)
  expect(isAbout('journal/00000000.glass', 'journal damaged in segment 1')).toBe(true)
  expect(isAbout('journal/00000000.glass', 'history: 3 fills read from the journal')).toBe(false)
})

test.each<[string, Outcome, string]>([
  ['nothing differs', open, 'starts, nothing lost'],
  ['a word, and nothing differs', said('DIR/deployment.json was mended'), 'starts, told'],
  ['a loss with a word', { ...said('DIR/deployment.json is new'), lost: ['key'] }, 'starts, loss told'],
  ['a loss without', { ...open, lost: ['key'] }, 'silently wrong'],
  ['a loss with a word of another file', { ...said('DIR/x.json is new'), lost: ['key'] }, 'silently wrong'],
  ['other balances, with a word', { ...said('DIR/deployment.json'), wrong: ['balances'] }, 'silently wrong'],
  [
    'a replay that names the file',
    { ...open, replay: 'DIR/deployment.json: put back a copy' },
    'starts, named when read',
  ],
  ['a replay that differs', { ...open, replay: 'DIFFERENCE in batch 3' }, 'silently wrong'],
  ['a refusal with advice', { ...said('DIR/deployment.json: put back a copy'), hasEnded: true }, 'refused'],
  [
    'a refusal that only names it',
    { ...said('DIR/deployment.json is bad'), hasEnded: true },
    'refused, unclear',
  ],
  [
    'advice of another file',
    { ...said('DIR/deployment.json is bad', 'remove x'), hasEnded: true },
    'refused, unclear',
  ],
])('%s', (_what, outcome, verdict) => expect(judge('deployment.json', outcome)).toBe(verdict))
