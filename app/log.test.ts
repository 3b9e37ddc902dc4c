/** What a log says: whole lines, at once, with part and level. */
import { Log } from './log.js'
import type { LogOptions } from './log-settings.js'

function logOf(options: LogOptions): { log: Log; lines: string[] } {
  const lines: string[] = []
  return { log: new Log(options, (line) => lines.push(line)), lines }
}

test('for people: the part, then the words', () => {
  const { log, lines } = logOf({ format: 'pretty', level: 'info' })
  log.of('settlement')('no room on the disk', 'warn')
  log.of('local chain')('local chain: ended by itself')
  log.of('engine')('left out', 'debug')
  expect(lines).toEqual(['settlement: no room on the disk', 'local chain: ended by itself'])
})

test('as JSON: an object a line, whatever the words hold', () => {
  const { log, lines } = logOf({ format: 'json', level: 'info' })
  log.of('gateway')('two\nlines, "quoted"', 'error')
  log.of('gateway')('gateway: listens')
  log.fact('glassbook', 'open', { seq: 7 })
  expect(lines.every((line) => !line.includes('\n'))).toBe(true)
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { level: 'error', time, part: 'gateway', msg: 'two\nlines, "quoted"' },
    { level: 'info', time, part: 'gateway', msg: 'listens' },
    { level: 'info', time, part: 'glassbook', msg: 'open', seq: 7 },
  ])
})

test('what is below the level is left out', () => {
  const { log, lines } = logOf({ format: 'json', level: 'error' })
  log.of('engine')('a fact')
  log.of('engine')('trouble', 'warn')
  log.fact('engine', 'figures', {})
  log.of('engine')('the end', 'error')
  expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['the end'])
  expect([log.says('error'), log.says('info')]).toEqual([true, false])
})

test.each(['pretty', 'json'] as const)('%s: how a run ended is said at any level', (format) => {
  const { log, lines } = logOf({ format, level: 'error' })
  log.last('glassbook', 'stopped')
  expect(lines).toEqual([expect.stringContaining('stopped')])
})
