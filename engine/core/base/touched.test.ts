/** The set of what a message touched, against the language's own set. */
import { TouchedSet } from './touched.js'

describe('touched set', () => {
  test('keeps each pair once, in the order of its first addition, over growth and clearing', () => {
    const touched = new TouchedSet()
    let state = 12345
    const next = (end: number): number => {
      state = Math.imul(state, 1103515245) + 12345
      return (state >>> 8) % end
    }
    for (const [round, additions] of [10, 5000, 3, 200_000, 0, 50].entries()) {
      const expected = new Set<string>()
      for (let index = 0; index < additions; index++) {
        const [a, b] = [next(3000) - 1500, next(40)]
        touched.add(a, b)
        expected.add(`${a}/${b}`)
      }
      const actual = Array.from(
        { length: touched.size },
        (_, at) => `${touched.pairs[2 * at]}/${touched.pairs[2 * at + 1]}`,
      )
      expect([round, actual]).toEqual([round, [...expected]])
      touched.clear()
      expect(touched.size).toBe(0)
    }
  })

  test('what was added before its generations began anew is not there', () => {
    const touched = new TouchedSet()
    touched.add(7, 7)
    // The last of them, after 2^32 - 1 clears.
    touched['generation'] = -1
    touched.clear()
    touched.add(7, 7)
    expect([touched.size, ...touched.pairs.subarray(0, 2)]).toEqual([1, 7, 7])
  })
})
