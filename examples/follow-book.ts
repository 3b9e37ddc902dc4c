/**
 * Follows a market's book until Ctrl-C, without a wallet, and checks it: after each message the checksum that the
 * exchange sent is compared with that of the levels that are held here.
 *
 *   node dist/examples/follow-book.js
 */
import { type BookSideLevel, createClient, fromTicks } from 'glassbook'
import { bookChecksum } from 'glassbook/wire'
import { pause, stopAtCtrlC, url } from './setup.js'

const PRINT_EVERY_MS = 1000

const stop = stopAtCtrlC()
const client = await createClient({ url }).connect()
const market = client.markets.market('BTCX-USDX')

// The book keeps itself: a missing message or a checksum that does not agree asks for a new snapshot, and a lost
// connection comes back.
const book = await client.trackBook(market.id)

// The same by hand, to show what is checked: seqs only rise between snapshots, and the checksum is a CRC-32 of the
// best ten levels of each side (docs/protocol.md, "Book checksum").
const rows = (levels: readonly BookSideLevel[]): number[][] => levels.map(({ ticks, lots }) => [ticks, lots])
let lastSeq = 0
let checked = 0
let wrong = 0
await client.subscribeBook(market.id, ({ kind, seq, checksum }) => {
  const rises = kind === 'snapshot' || seq > lastSeq
  const agrees = checksum === bookChecksum(rows(book.bids(10)), rows(book.asks(10)))
  lastSeq = seq
  checked++
  if (!rises || !agrees) console.error(`WRONG at seq ${seq} (${++wrong} so far): a new snapshot is asked for`)
})

const priceOf = (level: BookSideLevel | undefined): string =>
  level === undefined ? 'nothing' : `${fromTicks(level.ticks, market)} (${level.lots} lots)`
while (!stop.signal.aborted) {
  if (!book.ready)
    console.log(`not what the exchange has for ${Math.round(book.ageMs)} ms: do not trade on it`)
  else
    console.log(
      `${market.symbol} at seq ${book.seq}: bid ${priceOf(book.bestBid)}, ask ${priceOf(book.bestAsk)}; ` +
        `${checked} messages checked, ${wrong} wrong`,
    )
  await pause(PRINT_EVERY_MS)
}
client.close()
process.exitCode = wrong === 0 ? 0 : 1
