/** What `glassbook start` makes of its words about provers. */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SEGMENT_BYTES, SNAPSHOT_EVERY } from '../../engine/limits.js'
import { startOptionsOf } from '../../test/support/start-options.js'

test('confirmations are whole and bounded', () => {
  expect(startOptionsOf([]).confirmations).toBe(0)
  expect(startOptionsOf(['--confirmations', '1000']).confirmations).toBe(1000)
  for (const wrong of ['-1', '1.5', '1001', 'many'])
    expect(() => startOptionsOf([`--confirmations=${wrong}`])).toThrow(
      `option '--confirmations <n>' argument '${wrong}' is invalid. It must be a whole number from 0 to 1000.`,
    )
})

describe('start options for provers', () => {
  const { GLASSBOOK_PROVER_TOKEN } = process.env
  afterEach(() => {
    if (GLASSBOOK_PROVER_TOKEN === undefined) delete process.env.GLASSBOOK_PROVER_TOKEN
    else process.env.GLASSBOOK_PROVER_TOKEN = GLASSBOOK_PROVER_TOKEN
  })
  const proverOf = (...argv: string[]) => startOptionsOf(argv).prover

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
  const { archiveSeconds, segmentBytes, snapshotEvery } = startOptionsOf([])
  expect([archiveSeconds, segmentBytes, snapshotEvery]).toEqual([60, SEGMENT_BYTES, SNAPSHOT_EVERY])
  const set = startOptionsOf(['--archive-seconds', '1', '--segment-mb', '2', '--snapshot-every', '0'])
  expect([set.archiveSeconds, set.segmentBytes, set.snapshotEvery]).toEqual([1, 2 * 1024 * 1024, 0])
  for (const flag of ['archive-seconds', 'segment-mb', 'batch-seconds', 'batch-fills', 'exit-delay-seconds'])
    expect(() => startOptionsOf([`--${flag}=0`])).toThrow(
      `option '--${flag} <n>' argument '0' is invalid. It must be a whole number from 1 to`,
    )
  expect(() => startOptionsOf(['--segment-mb=1025'])).toThrow("'--segment-mb <n>' argument '1025' is invalid")
})

test.each(['seconds', 'seed'])('--%s is of the demo: taken with --demo only', (flag) => {
  expect(() => startOptionsOf([`--${flag}`, '5'])).toThrow(`--${flag} 5 goes with --demo`)
  expect(startOptionsOf(['--demo', `--${flag}`, '5'])).toMatchObject({ demo: true, [flag]: 5 })
})

test('--json is of a replay', () => {
  expect(() => startOptionsOf(['--json'])).toThrow('--json goes with --replay')
})

test('a value below zero is answered with the bound, with and without an equals sign', () => {
  for (const [flag, text] of [
    ['port', "'--port <n>' argument '-1' is invalid. It must be a whole number from 0 to 65535."],
    [
      'confirmations',
      "'--confirmations <n>' argument '-1' is invalid. It must be a whole number from 0 to 1000.",
    ],
    [
      'batch-seconds',
      "'--batch-seconds <n>' argument '-1' is invalid. It must be a whole number from 1 to 86400.",
    ],
  ] as const)
    for (const argv of [[`--${flag}`, '-1'], [`--${flag}=-1`]])
      expect(() => startOptionsOf(argv)).toThrow(text)
  // A boolean takes no value, and what is no number is no value.
  expect(() => startOptionsOf(['--demo', '-1'])).toThrow('too many arguments')
  expect(() => startOptionsOf(['--port', '-x'])).toThrow('--port needs a value, and -x looks like a flag')
})

test('an empty word is no value: as a path it would be the working folder', () => {
  for (const flag of ['data', 'gateway-socket', 'config', 'replay', 'prover-listen', 'port'])
    for (const argv of [[`--${flag}`, ''], [`--${flag}=`]])
      expect(() => startOptionsOf(argv)).toThrow(/option '--[a-z-]+ <\w+>' argument '' is invalid/)
  expect(startOptionsOf(['--gateway-allowed-origins=']).gateway.allowedOrigins).toEqual([])
})

test('a gateway socket is a path that a socket may have, and no file of another kind', () => {
  const long = `/run/${'a'.repeat(110)}.sock`
  expect(() => startOptionsOf(['--gateway-socket', long])).toThrow(
    `--gateway-socket: ${long} has 120 bytes; the path of a socket has at most`,
  )
  const file = fileURLToPath(import.meta.url)
  for (const path of [file, dirname(file)])
    expect(() => startOptionsOf(['--gateway-socket', path])).toThrow(
      `--gateway-socket: at ${path} is something that is no socket: name another path`,
    )
})

test('the settings of a gateway that others run are kept as words', () => {
  const argv = ['--gateway-socket', '/run/a.sock', '--gateway-host', '0.0.0.0', '--port', '9300']
  expect(startOptionsOf(argv)).toMatchObject({
    gatewayWords: ['--gateway-host=0.0.0.0'],
    gateway: { port: 9300 },
  })
})
