/** The operator's switch on a real exchange: a file in the data folder, across a restart, beside settlement's reason. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancelOnlyReason, MarketStatus, Reject } from '../../engine/codes.js'
import { startExchange } from '../../engine/runtime/exchange.js'
import { commandRecord } from '../../engine/records/access.js'
import { LOCAL_GENESIS, genesisFor } from './genesis.js'
import { OperatorLink } from './operator-link.js'
import { SWITCH_FILE, startOperatorSwitch } from './operator-switch.js'

const NO_ATTACHMENT = new Uint8Array(0)
const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-switch-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

async function start() {
  const exchange = await startExchange({
    dataDir,
    genesis: { ...LOCAL_GENESIS, capacities: { accountsMax: 4 } },
    gateways: 0,
    operators: 1,
  })
  const link = {
    producer: 0,
    inbound: exchange.inbound[0]!,
    outbound: exchange.outbound[0]!,
    control: exchange.control,
  }
  const operator = new OperatorLink(link, () => {})
  const told: string[] = []
  const submitted: Int32Array[] = []
  const { stop } = startOperatorSwitch({
    dataDir,
    reasons: exchange.cancelOnlyReasons,
    submit: (record, attachment) => {
      submitted.push(record)
      return operator.submit(record, attachment)
    },
    onLine: (text) => told.push(text),
  })
  const end = async (): Promise<void> => {
    await stop()
    operator.leave()
    await exchange.stop()
    await operator.ended
  }
  return { exchange, operator, told, submitted, end }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('the file closes the exchange and its removal opens it, also while nothing ran; settlement’s reason is another', async () => {
  const file = join(dataDir, SWITCH_FILE)
  const first = await start()
  expect(first.exchange.cancelOnlyReasons).toBe(0)
  const lag = { reason: CancelOnlyReason.SettlementLag, status: MarketStatus.CancelOnly }
  const record = commandRecord('SetExchangeStatus', lag)
  expect(await first.operator.submit(record, NO_ATTACHMENT)).toBe(Reject.None)
  writeFileSync(file, '')
  await until(() => first.told.length === 1)
  expect(first.told[0]).toBe(`the exchange takes cancels only, until ${file} is removed`)
  await first.end()

  // It stands, so nothing is asked for again.
  const second = await start()
  expect(second.exchange.cancelOnlyReasons).toBe(CancelOnlyReason.Operator | CancelOnlyReason.SettlementLag)
  expect(second.submitted).toEqual([])
  await second.end()

  rmSync(file)
  const third = await start()
  await until(() => third.told.length === 1)
  expect(third.submitted).toHaveLength(1)
  await third.end()
  const last = await start()
  expect(last.exchange.cancelOnlyReasons).toBe(CancelOnlyReason.SettlementLag)
  await last.end()
}, 300_000)

test('what cannot be seen changes nothing: a closed exchange stays closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-blind-'))
  const [inner, file] = [join(folder, 'data'), join(folder, 'data', SWITCH_FILE)]
  mkdirSync(inner)
  const submitted: Int32Array[] = []
  const told: string[] = []
  const { stop } = startOperatorSwitch({
    dataDir: inner,
    reasons: CancelOnlyReason.Operator,
    submit: (record) => Promise.resolve(submitted.push(record) && Reject.None),
    onLine: (text) => told.push(text),
  })
  await stop()
  // There it opened: the folder was there, and the file was not.
  expect(submitted).toHaveLength(1)

  // A link that leads to itself is there; a folder that is gone says nothing of the file.
  for (const prepare of [() => symlinkSync(SWITCH_FILE, file), () => rmSync(inner, { recursive: true })]) {
    prepare()
    const blind = startOperatorSwitch({
      dataDir: inner,
      reasons: CancelOnlyReason.Operator,
      submit: (record) => Promise.resolve(submitted.push(record) && Reject.None),
      onLine: (text) => told.push(text),
    })
    await blind.stop()
  }
  expect(submitted).toHaveLength(1)
  expect(told.at(-1)).toBe(`${file}: whether it is there cannot be seen, so nothing changes`)
  rmSync(folder, { recursive: true })
})

test('a folder begun before withdrawals had terms goes on as it began; a new one has them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-genesis-'))
  const genesis = genesisFor(folder)
  expect(genesis).toBe(LOCAL_GENESIS)
  const assets = genesis.assets.map(({ id, symbol }) => ({ id, symbol }))
  const old = { ...genesis, assets }
  for (const begun of [old, undefined]) {
    const exchange = await startExchange({
      dataDir: folder,
      genesis: begun ?? genesisFor(folder),
      gateways: 0,
      operators: 1,
    })
    await exchange.stop()
    expect(genesisFor(folder)).toEqual(old)
  }
  rmSync(folder, { recursive: true })
  const other = mkdtempSync(join(tmpdir(), 'glassbook-genesis-'))
  const exchange = await startExchange({
    dataDir: other,
    genesis: { ...old, feeAccount: 1 },
    gateways: 0,
    operators: 1,
  })
  await exchange.stop()
  // Another program's: it is refused as it was.
  expect(genesisFor(other)).toBe(LOCAL_GENESIS)
  rmSync(other, { recursive: true })
}, 300_000)
