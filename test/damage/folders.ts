/**
 * The folders that the damage table works on: one with trades, batches, snapshots and an archive, an older copy of it,
 * and another exchange's. They are made once, and used again when they are still there: parts of one table are
 * then of the same folders.
 */
import { createPublicKey } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { localAccount } from '../../app/start/local-chain.js'
import { type Client, createClient } from '../../sdk/index.js'
import { startForger } from '../support/forging-prover.js'
import { fillJournal } from '../support/journal-volume.js'
import { NO_PROVER, Program, until } from '../support/program.js'
import { freePort } from '../support/ports.js'

/** What an exchange holds, as its gateway tells it. */
export interface Facts {
  /** Of each of the two accounts. */
  readonly fills: readonly string[]
  readonly isComplete: boolean
  readonly balances: readonly string[]
  readonly orders: readonly string[]
  /** Number, last seq and root of each. */
  readonly batches: readonly string[]
  /** Public key that receipts are checked with. */
  readonly receiptKey: string
}

export interface Folders {
  readonly whole: string
  readonly older: string
  readonly other: string
  readonly facts: Facts
}

/** History may still be read from the journal; after so long it is as it will be. */
const HISTORY_MS_MAX = 60_000
const TRADERS = [4, 5] as const
const BATCHES = 100

/** From the first start on: a segment of the usual size would take a million commands to fill. */
const SMALL_SEGMENTS = ['--segment-mb', '1']
/** Snapshots often, nothing kept for long: so that there is an archive. */
const RETENTION = [
  ...['--snapshot-every', '3000', '--archive-seconds', '1'],
  ...['--keep-journal-days', '0', '--keep-batches-days', '0'],
]

/** How one is started that settles and proves nothing. */
const UNPROVEN: Started = { flags: [...NO_PROVER], environment: {} }

interface Started {
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

export async function start(data: string, how = UNPROVEN): Promise<{ program: Program; url: string }> {
  const port = await freePort()
  const program = new Program(
    [
      'start',
      '--data',
      data,
      '--port',
      String(port),
      '--batch-seconds',
      '1',
      ...SMALL_SEGMENTS,
      ...how.flags,
    ],
    how.environment,
  )
  return { program, url: `ws://127.0.0.1:${port}` }
}

const connect = (url: string): Promise<Client[]> =>
  Promise.all(
    TRADERS.map(async (index) => {
      const client = await createClient({ url, wallet: localAccount(index) }).connect()
      await client.createSession()
      return client
    }),
  )

/** One fill more, and the batch that has it. */
export async function tradeOnce(url: string): Promise<void> {
  const [maker, taker] = (await connect(url)) as [Client, Client]
  try {
    const last = (await maker.batches(1)).at(-1)?.number ?? 0
    const order = { market: 0, ticks: 600_000, lots: 5 } as const
    await maker.placeOrder({ ...order, side: 'sell' })
    const { filledLots } = await taker.placeOrder({ ...order, side: 'buy', timeInForce: 'IOC' })
    if (filledLots !== order.lots) throw new Error(`an order for ${order.lots} filled ${filledLots}`)
    await until('a batch more', async () => ((await maker.batches(1)).at(-1)?.number ?? 0) > last)
  } finally {
    for (const client of [maker, taker]) client.close()
  }
}

export async function factsOf(url: string, data: string): Promise<Facts> {
  const clients = await connect(url)
  try {
    const deadline = performance.now() + HISTORY_MS_MAX
    const pages = () => Promise.all(clients.map((client) => client.fillsPage({ afterSeq: 0, limit: 500 })))
    let fills = await pages()
    while (fills.some(({ complete }) => !complete) && performance.now() < deadline) {
      await new Promise((done) => setTimeout(done, 100))
      fills = await pages()
    }
    const orders = await Promise.all(clients.map((client) => client.orders()))
    const balances = await Promise.all(clients.map((client) => client.balances()))
    return {
      fills: fills.flatMap((page) =>
        page.fills.map((fill) => `${fill.seq}/${fill.orderId}/${fill.ticks}/${fill.lots}`),
      ),
      isComplete: fills.every(({ complete }) => complete),
      balances: balances.flatMap((rows) =>
        rows.map(
          ({ asset, availableUnits, reservedUnits }) => `${asset.id}:${availableUnits}+${reservedUnits}`,
        ),
      ),
      orders: orders.flatMap((rows) => rows.map(({ orderId, ticks, lots }) => `${orderId}/${ticks}/${lots}`)),
      batches: (await clients[0]!.batches(BATCHES)).map(
        ({ number, lastSeq, newRoot }) => `${number}/${lastSeq}/${newRoot}`,
      ),
      receiptKey: createPublicKey(readFileSync(join(data, 'receipt-key.pem')))
        .export({ format: 'der', type: 'spki' })
        .toString('hex'),
    }
  } finally {
    for (const client of clients) client.close()
  }
}

async function stop(program: Program, data: string): Promise<void> {
  if ((await program.kill('SIGTERM')) !== 0) throw new Error(`no clean stop:\n${program.output}`)
  const snapshot = new Program(['snapshot', data])
  if ((await snapshot.ends()) !== 0) throw new Error(snapshot.output)
}

/** Runs an exchange on `data`, makes fills, an order that rests, and `more`, and stops it; what it held then. */
async function trade(
  data: string,
  fills: number,
  how = UNPROVEN,
  more: (url: string) => Promise<void> = () => Promise.resolve(),
): Promise<Facts> {
  const { program, url } = await start(data, how)
  await program.says('Ctrl-C')
  for (let fill = 0; fill < fills; fill++) await tradeOnce(url)
  const [maker, taker] = (await connect(url)) as [Client, Client]
  await maker.placeOrder({ market: 0, side: 'sell', ticks: 700_000, lots: fills })
  for (const client of [maker, taker]) client.close()
  await more(url)
  const facts = await factsOf(url, data)
  await stop(program, data)
  return facts
}

/** Orders until the journal has segments that may go, a batch that settles them, and the archive after its proofs. */
async function untilArchived(url: string, data: string): Promise<void> {
  const names = (...path: string[]): string[] => {
    const at = join(data, ...path)
    return existsSync(at) ? readdirSync(at) : []
  }
  const [maker, taker] = (await connect(url)) as [Client, Client]
  await fillJournal(
    maker,
    () => names('journal').includes('00000003.glass') && names('snapshots').length >= 2,
  )
  for (const client of [maker, taker]) client.close()
  await tradeOnce(url)
  await tradeOnce(url)
  await until(
    'an archive',
    () =>
      names('archive').some((name) => name.endsWith('.glass.json')) &&
      names('archive', 'batches').some((name) => name.endsWith('.hashes')),
  )
}

/** The folders in `base`, made if need be. */
export async function foldersIn(base: string): Promise<Folders> {
  const at = (name: string): string => join(base, name)
  const folders = { older: at('older'), whole: at('whole'), other: at('other') }
  const factsPath = at('facts.json')
  if (!existsSync(factsPath)) {
    mkdirSync(base, { recursive: true })
    const data = at('data')
    await trade(data, 1)
    cpSync(data, folders.older, { recursive: true })
    const { flags, environment, stop: stopForger } = await startForger()
    const how = { flags: [...RETENTION, ...flags], environment }
    const facts = await trade(data, 1, how, (url) => untilArchived(url, data))
    await stopForger()
    cpSync(data, folders.whole, { recursive: true })
    await trade(folders.other, 2)
    writeFileSync(factsPath, JSON.stringify(facts))
  }
  return { ...folders, facts: JSON.parse(readFileSync(factsPath, 'utf8')) as Facts }
}
