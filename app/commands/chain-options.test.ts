/** What commands that ask a chain say when it is not there. */
import { chainClient } from '../../settlement/chain/chain.js'
import { askingChain, localChainAdvice } from './chain-options.js'

test('of a chain of this machine that does not run: how to run it', async () => {
  const asking = askingChain(() => chainClient(['http://127.0.0.1:9']).getChainId())
  await expect(asking).rejects.toThrow(
    /^network: .* cannot be reached .*: a local chain runs with its exchange, or alone with "glassbook chain DIR"$/,
  )
})

test('of other errors nothing is added', () => {
  expect(localChainAdvice(new Error('fetch failed'))).toBe('')
})
