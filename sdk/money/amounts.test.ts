/** Amounts, prices and proofs: exact or refused. */
import fc from 'fast-check'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import {
  type MarketScale,
  fromAtoms,
  fromLots,
  fromTicks,
  fromUnits,
  rootOf,
  toAtoms,
  toLots,
  toTicks,
  toUnits,
} from '../index.js'

/** Published by circomlib and its ports; contracts/test/Poseidon.t.sol has it too. */
const CIRCOMLIB_OF_1_2 = 7853200120776062878684798364095072458815029376092732009249414926327459813530n

const ETH = { decimals: 18, unitAtoms: 10n ** 12n }
const USDC = { decimals: 6, unitAtoms: 1n }
/** A lot is 0.0001 ETH; a tick is 0.01 USDC for one ETH: 0.000001 USDC a lot. */
const MARKET: MarketScale = { base: ETH, quote: USDC, lotUnits: 100, tickUnits: 1 }

describe('amounts', () => {
  test('convert exactly', () => {
    expect(toUnits('1.5', ETH)).toBe(1_500_000)
    expect(toUnits(10n ** 18n, ETH)).toBe(1_000_000)
    expect(toLots('0.5', MARKET)).toBe(5000)
    expect(toTicks('2500.1', MARKET)).toBe(250_010)
    expect(fromTicks(250_010, MARKET)).toBe('2500.1')
    expect(fromLots(5000, MARKET)).toBe('0.5')
    expect(fromUnits(-1, USDC)).toBe('-0.000001')
  })

  test('too much is refused with the bound in the unit that was given', () => {
    expect(() => toUnits('9007199254.740992', USDC)).toThrow(
      'amount 9007199254.740992 is above 9007199254.740991, the most that the exchange counts',
    )
    expect(toUnits('9007199254.740991', USDC)).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => toUnits(2n ** 53n, USDC)).toThrow(
      'amount 9007199254740992 atoms (9007199254.740992) is above',
    )
    expect(() => toLots(`0.${'0'.repeat(30)}1`, MARKET)).toThrow(
      /^size 0\.0+1 has more than \d+ decimal places/,
    )
    expect(() => toLots('-1', MARKET)).toThrow(/^size "-1" is not a decimal number/)
    expect(() => toLots('900719925474.0992', MARKET)).toThrow(
      'size 900719925474.0992 is above 900719925474.0991,',
    )
    expect(() => toTicks('90071992547409.92', MARKET)).toThrow(
      'price 90071992547409.92 is above 90071992547409.91,',
    )
  })

  test.each([
    () => toUnits('1.0000001', ETH),
    () => toUnits('0.0000001', USDC),
    () => toUnits(1.5 as never, USDC),
    () => toUnits('1e3', USDC),
    () => toUnits('-1', USDC),
    () => toUnits('01', USDC),
    () => toUnits('', USDC),
    () => toUnits('10000000000', USDC) + toUnits('9007199255', USDC),
    () => toLots('0.00005', MARKET),
    () => toTicks('2500.001', MARKET),
    () => toTicks('NaN', MARKET),
  ])('refuse what is not exact (%#)', (convert) => {
    expect(convert).toThrow(expect.objectContaining({ name: 'InputError' }) as Error)
  })

  test('come back as they were', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: 10n ** 40n }),
        fc.integer({ min: 0, max: 30 }),
        (atoms, decimals) => {
          expect(toAtoms(fromAtoms(atoms, decimals), decimals)).toBe(atoms)
        },
      ),
    )
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (ticks) => {
        expect(toTicks(fromTicks(ticks, MARKET), MARKET)).toBe(ticks)
        expect(toLots(fromLots(ticks, MARKET), MARKET)).toBe(ticks)
      }),
    )
  })
})

describe('proofs', () => {
  const zeros: bigint[] = [0n]
  for (let height = 0; height < 28; height++) zeros.push(poseidon2([zeros[height]!, zeros[height]!]))

  test('a path hashes to its root, from either side', () => {
    const empty = zeros.slice(0, 28)
    expect(rootOf(0, 0, 0n, empty)).toBe(zeros[28])
    // Account 1, asset 1 is index 65: a right child at heights 0 and 6.
    let node = 7n
    for (let height = 0; height < 28; height++) {
      node =
        height === 0 || height === 6 ? poseidon2([zeros[height]!, node]) : poseidon2([node, zeros[height]!])
    }
    expect(rootOf(1, 1, 7n, empty)).toBe(node)
    expect(rootOf(1, 0, 7n, empty)).not.toBe(node)
    expect(rootOf(1, 1, 8n, empty)).not.toBe(node)
  })

  test('Poseidon is circomlib’s', () => {
    expect(poseidon2([1n, 2n])).toBe(CIRCOMLIB_OF_1_2)
  })
})
