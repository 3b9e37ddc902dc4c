/**
 * A million resting orders that take the whole table, of as many accounts as that takes, for the tests of bounds. Run as a program it prints how
 * many bytes of memory they take, alone in a process: what else a process has done would count too.
 */
import { Side } from '../../engine/codes.js'
import * as commands from '../../engine/commands.js'
import { COMMAND_WORDS } from '../../engine/layout.js'
import { createEngine } from '../../engine/index.js'
import { ACCOUNT_ORDERS_FLOOR } from '../../engine/limits.js'
import type { Engine, EngineOptions, GenesisConfig } from '../../engine/types.js'

export const ORDERS = 1_000_000
/** In a full table none has more than its floor. */
const ACCOUNTS = Math.ceil(ORDERS / ACCOUNT_ORDERS_FLOOR)

/** The engine of `options` with its orders; assets 0 (quote) and 1 (base), market 0. */
export function millionOrders(options: EngineOptions): Engine {
  const words = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(words.buffer)
  const engine = createEngine({ ...options, ordersMax: ORDERS })
  for (let account = 1; account <= ACCOUNTS; account++)
    for (const asset of [0, 1]) {
      commands.writeDeposit(words, floats, 0, account, asset, 1e9)
      engine.apply(words, floats, 0)
    }
  for (let order = 0; order < ORDERS; order++) {
    const side = order & 1 ? Side.Sell : Side.Buy
    const away = 1 + ((order * 7919) % 20_000)
    const ticks = side === Side.Sell ? 30_000 + away : 30_000 - away
    commands.writePlace(words, floats, 0, 1 + (order % ACCOUNTS), 0, side, ticks, 1 + (order % 9), order)
    engine.apply(words, floats, 0)
  }
  engine.flush()
  return engine
}

if (process.argv[1]?.endsWith('million-orders.js') === true) {
  const before = process.memoryUsage().rss
  const genesis = JSON.parse(process.argv[2]!) as GenesisConfig
  const engine = millionOrders({ genesis, onEvents: () => {} })
  const bytes = process.memoryUsage().rss - before
  process.stdout.write(JSON.stringify({ bytes, orders: engine.liveOrders() }))
}
