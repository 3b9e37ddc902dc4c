/** What `glassbook start` shows of its gateways and of its proofs. */
import { gatewayCommand } from './gateway-command.js'
import { faceOf, proverText } from './screen.js'

describe('the command of a gateway that others run', () => {
  const at = { socket: '/run/one.sock', index: 0, dataDir: '/srv/data', port: 9300, words: [] }

  test('is whole, with the port that the start was given', () => {
    expect(gatewayCommand(at)).toBe(
      'npx glassbook gateway --connect /run/one.sock --data /srv/data --gateway-port 9300',
    )
    expect(gatewayCommand({ ...at, port: 0 })).toMatch(/--gateway-port 0$/)
  })

  test('of a second one has a port and a history of its own', () => {
    expect(gatewayCommand({ ...at, socket: '/run/two.sock', index: 1 })).toBe(
      'npx glassbook gateway --connect /run/two.sock --data /srv/data --history /srv/data/gateway-2 --gateway-port 9301',
    )
  })

  test('repeats the settings, and quotes what a shell would take apart', () => {
    const command = gatewayCommand({ ...at, dataDir: "/my data/it's", words: ['--gateway-host=0.0.0.0'] })
    expect(command).toBe(
      `npx glassbook gateway --connect /run/one.sock --data '/my data/it'\\''s' --gateway-host=0.0.0.0 --gateway-port 9300`,
    )
  })
})

test.each([
  ['info', ['starting settlement …', 'settlement: no room', 'stopping the chain …', 'glassbook: stopped']],
  ['warn', ['settlement: no room', 'glassbook: stopped']],
  ['error', ['glassbook: stopped']],
] as const)('from level %s on, steps are left out as facts are, and the end is told', (level, said) => {
  const written: string[] = []
  const out = {
    isTTY: false,
    write: (text: string) => written.push(text) > 0,
  } as unknown as NodeJS.WriteStream
  const face = faceOf({ format: 'pretty', level }, out)
  face.step('starting settlement')
  face.log.of('settlement')('no room', 'warn')
  face.step('stopping the chain')
  face.log.last('glassbook', 'stopped')
  expect(written).toEqual(said.map((line) => `${line}\n`))
})

test('the backlog of proofs is counted in batches, and what was proven goes up', () => {
  const prover = { text: '', keyShare: 1, waiting: 63, leased: 1, provenRows: 12 }
  const status = { lastBatch: 74, provenBatch: 10, sealedBatch: 310, lastRoot: '0', settledSeq: 0, prover }
  expect(proverText(status)).toBe('300 batches to prove (64 chunks given out, 12 rows proven)  ')
  expect(proverText({ ...status, prover: { ...prover, provenRows: 13 } })).toContain('13 rows proven')
  expect(proverText({ ...status, prover: { ...prover, keyShare: 0.5 } })).toContain(
    'building the proving key 50 %',
  )
  expect(proverText({ ...status, prover: null })).toBe('')
})
