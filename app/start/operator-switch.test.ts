/** The operator's switch on a real exchange: a file in the data folder, across a restart, beside settlement's reason. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CancelOnlyReason, MarketStatus, Reject } from '../../engine/codes.js'
import { startExchange } from '../../engine/runtime/exchange.js'
import { commandRecord } from '../../engine/records/access.js'
import { LOCAL_GENESIS } from './genesis.js'
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
