/**
 * Accounts with more assets than have a row in their record, in whatever order they came: events, balances and state
 * are those of the reference, and of an engine that is restored from its snapshot, where other rows are their own.
 */
import fc from 'fast-check'
import { EventKind, type Side } from '../../codes.js'
import * as commands from '../../commands.js'
import { Pair, newSeen } from '../../reference/compare.js'
import { OWN_ROWS } from './ledger.js'

const ACCOUNTS = 4
const ASSETS = OWN_ROWS + 3
const UNITS = 10_000

const market = (id: number) => ({
  id,
  base: id + 1,
  // The last one has assets that are further ones of most accounts.
  quote: id === ASSETS - 2 ? ASSETS - 2 : 0,
  lotUnits: 1,
  tickUnits: 1,
  makerFeePpm: 300,
  takerFeePpm: 20_000,
})

test('orders in assets beyond the own rows', () => {
  const seen = newSeen()
  const number = fc.nat(1000)
  fc.assert(
    fc.property(
      fc.array(fc.shuffledSubarray([...new Array(ASSETS).keys()], { minLength: ASSETS - 1 }), {
        minLength: ACCOUNTS,
        maxLength: ACCOUNTS,
      }),
      fc.array(fc.tuple(number, number, number, number), { minLength: 40, maxLength: 80 }),
      (assetsOf, draws) => {
        const genesis = {
          assets: Array.from({ length: ASSETS }, (_, id) => ({ id, symbol: `A${id}` })),
          markets: Array.from({ length: ASSETS - 1 }, (_, id) => market(id)),
        }
        const bounds = { ordersMax: 64, levelsMax: 64, accountsMax: ACCOUNTS, balancesMax: 64, marketsMax: 8 }
        const pair = new Pair({ ...bounds, genesis }, seen)
        const { words, floats } = pair
        for (const [account, assets] of assetsOf.entries())
          for (const asset of assets) {
            commands.writeDeposit(words, floats, 0, account, asset, UNITS)
            pair.apply()
          }
        for (const [index, [what, account, side, rest]] of draws.entries()) {
          const of = account % ACCOUNTS
          const where = what % (ASSETS - 1)
          if (what % 5 === 0) commands.writeWithdraw(words, floats, 0, of, rest % ASSETS, rest, 'operator')
          else if (what % 5 === 1) commands.writeCancel(words, floats, 0, of, where, rest % 8)
          else
            commands.writePlace(
              words,
              floats,
              0,
              of,
              where,
              (side % 2) as Side,
              10 + (rest % 3),
              1 + (rest % 90),
              rest % 8,
            )
          pair.apply()
          if (index % 20 === 7) pair.restore()
        }
        pair.compareState('the end')
      },
    ),
    { numRuns: 40, seed: 20_261_128 },
  )
  expect(seen.events.get(EventKind.Fill)).toBeGreaterThan(200)
  expect(seen.events.get(EventKind.Withdrawn)).toBeGreaterThan(50)
})
