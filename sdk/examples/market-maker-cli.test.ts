/** What the example says of words that cannot be, and of an exchange that is not there: one line and the usage. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const KEY = `0x${'11'.repeat(32)}`
const program = fileURLToPath(new URL('./market-maker-cli.js', import.meta.url))

test.each([
  [[], 2, 'URL or PRIVATE_KEY is missing'],
  [['ws://127.0.0.1:1', '0x12'], 2, 'PRIVATE_KEY is not 0x and 64 hex digits'],
  [['ws://127.0.0.1:1', KEY, '0', 'abc'], 2, 'FIRST_MID_TICKS is abc, not a whole number from 1 on'],
  [['http://127.0.0.1:1', KEY], 1, 'write "ws://127.0.0.1:1"'],
  [['ws://127.0.0.1:1', KEY], 1, 'check the address, and that the exchange runs there'],
])(
  '%j',
  (words, code, says) => {
    const { status, stderr } = spawnSync(process.execPath, [program, ...words], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([code, expect.stringContaining(says)])
    expect(stderr).toMatch(/^market-maker-cli: .*\nusage: market-maker-cli .*\n$/)
    expect(stderr).not.toContain('    at ')
  },
  60_000,
)
