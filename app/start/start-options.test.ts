/** What `glassbook start` makes of its words about provers. */
import { parseStartOptions } from './start-options.js'

test('confirmations are whole and bounded', () => {
  expect(parseStartOptions([]).confirmations).toBe(0)
  expect(parseStartOptions(['--confirmations', '1000']).confirmations).toBe(1000)
  for (const wrong of ['-1', '1.5', '1001', 'many'])
    expect(() => parseStartOptions([`--confirmations=${wrong}`])).toThrow(
      `--confirmations is ${wrong}, not a whole number from 0 to 1000`,
    )
})

describe('start options for provers', () => {
  const { GLASSBOOK_PROVER_TOKEN } = process.env
  afterEach(() => {
    if (GLASSBOOK_PROVER_TOKEN === undefined) delete process.env.GLASSBOOK_PROVER_TOKEN
    else process.env.GLASSBOOK_PROVER_TOKEN = GLASSBOOK_PROVER_TOKEN
  })
  const proverOf = (...argv: string[]) => parseStartOptions(argv).prover

  test('only our own prover unless told otherwise', () => {
    expect(proverOf()).toEqual({ runLocal: true })
    expect(() => proverOf('--no-local-prover')).toThrow('--no-local-prover needs --prover-listen')
  })

  test('a place to listen needs a token that cannot be guessed', () => {
    delete process.env.GLASSBOOK_PROVER_TOKEN
    expect(() => proverOf('--prover-listen', '9000')).toThrow('GLASSBOOK_PROVER_TOKEN')
    process.env.GLASSBOOK_PROVER_TOKEN = 'short'
    expect(() => proverOf('--prover-listen', '9000')).toThrow('16 characters')
    const token = (process.env.GLASSBOOK_PROVER_TOKEN = 'a token of this test')
    expect(proverOf('--prover-listen', '9000')).toEqual({
      runLocal: true,
      host: '127.0.0.1',
      port: 9000,
      token,
    })
    expect(proverOf('--prover-listen', '0.0.0.0:0', '--no-local-prover')).toEqual({
      runLocal: false,
      host: '0.0.0.0',
      port: 0,
      token,
    })
    for (const wrong of ['70000', 'host', ':x', '-1', '1.5'])
      expect(() => proverOf(`--prover-listen=${wrong}`)).toThrow(/--?prover-listen is/)
  })
})

test('archive, segments and snapshots have settings, with bounds', () => {
  const { archiveSeconds, segmentBytes, snapshotEvery } = parseStartOptions([])
  expect([archiveSeconds, segmentBytes, snapshotEvery]).toEqual([60, 64 * 1024 * 1024, 2_000_000])
  const set = parseStartOptions(['--archive-seconds', '1', '--segment-mb', '2', '--snapshot-every', '0'])
  expect([set.archiveSeconds, set.segmentBytes, set.snapshotEvery]).toEqual([1, 2 * 1024 * 1024, 0])
  for (const flag of ['archive-seconds', 'segment-mb', 'batch-seconds', 'batch-fills', 'exit-delay-seconds'])
    expect(() => parseStartOptions([`--${flag}=0`])).toThrow(`--${flag} is 0, not a whole number from 1 to`)
  expect(() => parseStartOptions(['--segment-mb=1025'])).toThrow('--segment-mb is 1025')
})

test.each(['seconds', 'seed'])('--%s is of the demo: taken with --demo only', (flag) => {
  expect(() => parseStartOptions([`--${flag}`, '5'])).toThrow(`--${flag} 5 goes with --demo`)
  expect(parseStartOptions(['--demo', `--${flag}`, '5'])).toMatchObject({ demo: true, [flag]: 5 })
})

test('--json is of a replay', () => {
  expect(() => parseStartOptions(['--json'])).toThrow('--json goes with --replay')
})

test('a value below zero is answered with the bound, with and without an equals sign', () => {
  for (const [flag, text] of [
    ['port', '--port is -1, not a whole number from 0 to 65535'],
    ['confirmations', '--confirmations is -1, not a whole number from 0 to 1000'],
    ['batch-seconds', '--batch-seconds is -1, not a whole number from 1 to 86400'],
  ] as const)
    for (const argv of [[`--${flag}`, '-1'], [`--${flag}=-1`]])
      expect(() => parseStartOptions(argv)).toThrow(text)
  // A boolean takes no value, and what is no number is no value.
  expect(() => parseStartOptions(['--demo', '-1'])).toThrow("Unknown option '-1'")
  expect(() => parseStartOptions(['--port', '-x'])).toThrow('ambiguous')
})

test('an empty word is no value: as a path it would be the working folder', () => {
  for (const flag of ['data', 'gateway-socket', 'config', 'replay', 'prover-listen', 'port'])
    for (const argv of [[`--${flag}`, ''], [`--${flag}=`]])
      expect(() => parseStartOptions(argv)).toThrow(`--${flag} is empty: give it a value`)
  expect(parseStartOptions(['--gateway-allowed-origins=']).gateway.allowedOrigins).toEqual([])
})

test('the settings of a gateway that others run are kept as words', () => {
  const argv = ['--gateway-socket', '/run/a.sock', '--gateway-host', '0.0.0.0', '--port', '9300']
  expect(parseStartOptions(argv)).toMatchObject({
    gatewayWords: ['--gateway-host=0.0.0.0'],
    gateway: { port: 9300 },
  })
})
