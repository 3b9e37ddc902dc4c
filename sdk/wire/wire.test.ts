/**
 * The wire: the MessagePack reader and writer against the public vectors and against msgpackr, the two
 * codecs against each other, what must be refused, positions of commands, signed bytes, checksums.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Packr, Unpackr } from 'msgpackr'
import { CommandKind, rejectNames } from '../../engine/codes.js'
import { COMMAND_WORDS, CancelAllCmd, INT_OVER_LIMIT, PlaceCmd } from '../../engine/layout.js'
import { isSignedForm } from '../../engine/records/access.js'
import { fromBase64url, fromHex, toBase64url, toHex } from './bytes.js'
import { bookChecksum, crc32 } from './checksum.js'
import { ErrorCode, codeToReject, errorName, rejectToCode } from './codes.js'
import { jsonCodec, msgpackCodec, packJson, unpackJson } from './codec.js'
import { type WireCommand, commandToWire, payloadToRecords } from './commands.js'
import { FieldError, readObject } from './fields.js'
import { MalformedMessage, MsgpackReader, type WireValue, packMsgpack, unpackMsgpack } from './msgpack.js'
import { domainPreimage, frameMessage } from './signed.js'
import { testWithFile } from '../../test/support/needs.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const vectors = join(process.env['GLASSBOOK_DATA'] ?? join(root, '..', 'shared', 'data'), 'vectors')

/** Runs `body` with a vector file's content, or skips. */
function withVectors(file: string, name: string, body: (content: unknown) => void): void {
  const path = join(vectors, file)
  testWithFile(path)(name, () => body(JSON.parse(readFileSync(path, 'utf8'))))
}

const bytesOf = (text: string): Uint8Array =>
  Uint8Array.from(
    text.split('-').filter((part) => part !== ''),
    (part) => Number.parseInt(part, 16),
  )

describe('MessagePack', () => {
  withVectors('msgpack-test-suite.json', 'reads every vector of a type that the protocol has', (content) => {
    let read = 0
    let refused = 0
    for (const group of Object.values(content as Record<string, Record<string, unknown>[]>)) {
      for (const vector of group) {
        const expected =
          'nil' in vector ? null : (vector['bool'] ?? vector['string'] ?? vector['array'] ?? vector['map'])
        for (const text of vector['msgpack'] as string[]) {
          const bytes = bytesOf(text)
          if ('binary' in vector) {
            expect(unpackMsgpack(bytes)).toEqual(bytesOf(vector['binary'] as string))
            read++
          } else if ('number' in vector || 'bignum' in vector) {
            const number = vector['number'] ?? BigInt(vector['bignum'] as string)
            if (Number.isInteger(number) || typeof number === 'bigint') {
              const isFloat = bytes[0] === 0xca || bytes[0] === 0xcb
              const exact = typeof number === 'number' ? Number.isSafeInteger(number) : !isFloat
              if (!exact) {
                refused++
                continue
              }
              const value = unpackMsgpack(bytes)
              expect(BigInt(value as number | bigint)).toBe(BigInt(number as number | bigint))
              read++
            } else {
              expect(() => unpackMsgpack(bytes)).toThrow(MalformedMessage)
              refused++
            }
          } else if ('ext' in vector || 'timestamp' in vector) {
            expect(() => unpackMsgpack(bytes)).toThrow(MalformedMessage)
            refused++
          } else if (JSON.stringify(expected)?.includes('.') === true && !('string' in vector)) {
            refused++
          } else {
            expect(unpackMsgpack(bytes)).toEqual(expected)
            read++
          }
        }
      }
    }
    expect(read).toBeGreaterThan(150)
    expect(refused).toBeGreaterThan(20)
  })

  const value: fc.Memo<WireValue> = fc.memo((depth) =>
    depth <= 1
      ? leaf()
      : fc.oneof(
          leaf(),
          fc.array(value(depth - 1), { maxLength: 20 }),
          fc.dictionary(
            fc.string().filter((key) => key !== '__proto__'),
            value(depth - 1),
            { maxKeys: 5 },
          ),
        ),
  )
  const leaf = fc.memo(() =>
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.maxSafeInteger(),
      fc.integer({ min: -200, max: 70_000 }),
      fc.string({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
    ),
  )

  test('agrees with msgpackr in both directions', () => {
    const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'number' })
    const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
    fc.assert(
      fc.property(value(4), (sample) => {
        const plain = (decoded: unknown): unknown => JSON.parse(packJson(decoded as WireValue)) as unknown
        expect(plain(unpackr.unpack(packMsgpack(sample)))).toEqual(plain(sample))
        expect(plain(unpackMsgpack(packr.pack(sample)))).toEqual(plain(sample))
        expect(plain(unpackMsgpack(packMsgpack(sample)))).toEqual(plain(sample))
      }),
      { numRuns: 2000 },
    )
  })

  test('texts, bytes and lists of each length at which their head changes', () => {
    const unpackr = new Unpackr({ useRecords: false })
    for (const length of [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
      for (const sample of [
        'a'.repeat(length),
        'ü'.repeat(length / 2),
        new Uint8Array(length).fill(7),
        Array<number>(length).fill(1),
      ]) {
        const packed = packMsgpack(sample)
        expect(unpackMsgpack(packed)).toEqual(sample)
        const others = unpackr.unpack(packed) as unknown
        expect(others instanceof Buffer ? new Uint8Array(others) : others).toEqual(sample)
      }
  })

  test('never takes more than is there, and throws nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          new MsgpackReader(bytes).value()
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedMessage)
        }
      }),
      { numRuns: 20_000 },
    )
  })

  test.each([
    ['a 4 GiB array', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['a 4 GiB map', [0xdf, 0xff, 0xff, 0xff, 0xff]],
    ['4 GiB of bytes', [0xc6, 0xff, 0xff, 0xff, 0xff]],
    ['a 4 GiB string', [0xdb, 0xff, 0xff, 0xff, 0xff]],
    ['a depth bomb', Array<number>(10_000).fill(0x91)],
    ['NaN', [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
    ['-0', [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]],
    ['infinity', [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['a fraction', [0xca, 0x3f, 0, 0, 0]],
    ['2^53 as a float', [0xcb, 0x43, 0x40, 0, 0, 0, 0, 0, 0]],
    ['__proto__', [0x81, 0xa9, ...Buffer.from('__proto__'), 0x80]],
    ['a number as key', [0x81, 0x01, 0x02]],
    ['a key twice', [0x82, 0xa1, 0x61, 0x01, 0xa1, 0x61, 0x02]],
    ['a string that is not UTF-8', [0xa2, 0xc3, 0x28]],
    ['bytes after the value', [0x01, 0x02]],
    ['nothing', []],
    ['the reserved tag', [0xc1]],
    ['an extension', [0xd4, 0x01, 0x02]],
  ])('refuses %s', (_what, bytes) => {
    expect(() => unpackMsgpack(Uint8Array.from(bytes))).toThrow(MalformedMessage)
  })

  test('only an object is read as one', () => {
    expect(readObject({ a: 1 }, 'x')).toEqual({ a: 1 })
    for (const other of [null, undefined, true, 7, 7n, 'text', [1], new Uint8Array(1)])
      expect(() => readObject(other, 'x')).toThrow(FieldError)
  })

  test('a 64-bit number has one length, whatever its value', () => {
    expect(packMsgpack(1n)).toHaveLength(9)
    expect(packMsgpack(2n ** 64n - 1n)).toHaveLength(9)
    expect(unpackMsgpack(packMsgpack(2n ** 64n - 1n))).toBe(2n ** 64n - 1n)
  })
})

describe('JSON', () => {
  test('carries what MessagePack carries', () => {
    const message: WireValue = [3, 'fills', 7, 5, [[1n, -2, 'x', null, true, Uint8Array.of(1, 2, 250)]]]
    expect(jsonCodec.encode(message)).toBe('[3,"fills",7,5,[["1",-2,"x",null,true,"AQL6"]]]')
    expect(msgpackCodec.decode(msgpackCodec.encode(message))).toEqual([
      3,
      'fills',
      7,
      5,
      [[1, -2, 'x', null, true, Uint8Array.of(1, 2, 250)]],
    ])
  })
  test.each(['', '{', '[1,', '{"__proto__":1}', '{"\\u005f_proto__":1}', 'undefined', '[1]x'])(
    'refuses %s',
    (text) => {
      expect(() => unpackJson(text)).toThrow(MalformedMessage)
    },
  )
  test.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":1}',
    '[0,1,"fills",[{"limit":1,"limit":1000}]]',
    '{"a":{"b":[1,{}]},"c":"}","a":0}',
    '{"a\\"b":1,"a\\u0022b":2}',
    '{"":1,"":1}',
    '[{"a":1},{"b":[[],{"c":1,"c":1}]}]',
  ])('refuses a key that stands twice: %s', (text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(() => unpackJson(text)).toThrow(/stands twice/)
  })
  test.each([
    '{"a":{"a":{"a":1}},"b":"a"}',
    '[{"a":1},{"a":1}]',
    '{"a":"{\\"b\\":1,\\"b\\":2}","b":["b","b",{"b":"b"}]}',
    '{"a\\\\":1,"a":"\\\\","b":",\\"a\\":"}',
  ])('takes what has every key once: %s', (text) => {
    expect(unpackJson(text)).toEqual(JSON.parse(text))
  })
  test.each([
    '0.99999999999999999',
    '-1.00000000000000001',
    '[1,{"lots":1.9999999999999999}]',
    '9007199254740993',
    '[ 1,\n -9007199254740993]',
    '90071992547409930e-1',
    '1e-400',
    '0.00000000000000000000000000000000000000000000001e-300',
    '123456789012345678901234567890',
    '1e23',
  ])('refuses a number that would be read as another whole one: %s', (text) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow()
    expect(() => unpackJson(text)).toThrow(MalformedMessage)
    expect(() => unpackJson(text)).toThrow(/would be read as -?[0-9]/)
  })
  test.each([
    '[0,-0,1,15,-7,1e3,1.50e1,120E-1,0.0,0e5,0.5,0.1,1.25e-3]',
    '9007199254740991',
    '[9007199254740992,1e22,100000000000000000000]',
    '{"price":"0.99999999999999999","cloid":"9007199254740993","9007199254740993.0":[1]}',
    JSON.stringify([
      'a\\',
      ':0.99999999999999999',
      '\\"',
      ',0.99999999999999999',
      { ':0.99999999999999999': 1 },
    ]),
  ])('takes what is read as it is written, and texts that look like it is not: %s', (text) => {
    expect(unpackJson(text)).toEqual(JSON.parse(text))
  })
  test('a random whole number is taken in each of its forms, and its neighbour by a fraction in none', () => {
    let random = 1
    const below = (count: number): number => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0
      return Math.floor((random / 2 ** 32) * count)
    }
    for (let round = 0; round < 2000; round++) {
      const value = 1 + below(2 ** below(53)) + below(10)
      const zeros = below(5)
      const forms = [
        `${value}`,
        `${value}.${'0'.repeat(1 + zeros)}`,
        `${value}${'0'.repeat(zeros)}e-${zeros}`,
      ]
      forms.push(`0.${'0'.repeat(zeros)}${value}e${zeros + String(value).length}`)
      for (const form of forms) {
        const text = `[${form}, ${form}]`
        expect([form, unpackJson(text)]).toEqual([form, [value, value]])
      }
      const near = `[${value}.${'0'.repeat(20 + zeros)}1]`
      expect(() => unpackJson(near)).toThrow(MalformedMessage)
    }
  })
  test('an array a hundred thousand deep is no crash', () => {
    expect(() => JSON.stringify(unpackJson('['.repeat(100_000)))).toThrow(MalformedMessage)
  })
})

describe('bytes', () => {
  test('hex and base64url are exact', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromBase64url(toBase64url(bytes))).toEqual(bytes)
        expect(toBase64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'))
        expect(fromHex(toHex(bytes))).toEqual(bytes)
      }),
    )
    for (const text of ['A', 'AB==', 'A+', 'AB', 'é'])
      expect([text, fromBase64url(text)]).toEqual([text, undefined])
  })
})

describe('commands', () => {
  const commands: WireCommand[] = [
    {
      kind: CommandKind.Place,
      market: 3,
      side: 1,
      ticks: 7,
      lots: 8,
      cloid: 2n ** 64n - 1n,
      stp: 2,
      deadlineMs: 2 ** 53 - 1,
    },
    { kind: CommandKind.Amend, market: 3, cloid: 5n, ticks: 2 ** 40, lots: -1 },
    { kind: CommandKind.Cancel, market: 3, cloid: 2n ** 40n },
    { kind: CommandKind.CancelAll, market: -1, side: -1 },
    { kind: CommandKind.CancelAfter, atMs: 99 },
    { kind: CommandKind.SetProtection, market: 1, windowMs: 1000, fills: 3, notionalUnits: 2 ** 50 },
    { kind: CommandKind.ResetProtection, market: 1 },
  ]
  const records = (payload: WireValue): { words: Int32Array; floats: Float64Array } => {
    const words = new Int32Array(64 * COMMAND_WORDS)
    const floats = new Float64Array(words.buffer)
    payloadToRecords(payload, 9, words, floats, 0)
    return { words, floats }
  }

  test('become the same records from either encoding', () => {
    const wire = commands.map(commandToWire)
    const { words, floats } = records(unpackMsgpack(packMsgpack(wire)))
    expect(records(unpackJson(packJson(wire))).words).toEqual(words)
    // Which are what a client signs: nothing of an edge's or the operator's in them.
    for (let index = 0; index < commands.length; index++)
      expect([index, isSignedForm(words, index * COMMAND_WORDS, 9)]).toEqual([index, true])
    expect([...words.subarray(0, 6)]).toEqual([1 | (1 << 8) | (2 << 17), 9, 3, 7, -1, -1])
    expect(floats[PlaceCmd.DEADLINE_MS_F64]).toBe(2 ** 53 - 1)
    // What no int32 holds reaches the engine as what it refuses by name.
    expect(words[COMMAND_WORDS + PlaceCmd.TICKS]).toBe(INT_OVER_LIMIT)
    expect(words[COMMAND_WORDS + PlaceCmd.LOTS]).toBe(-1)
    expect([...words.subarray(2 * COMMAND_WORDS + 4, 2 * COMMAND_WORDS + 6)]).toEqual([0, 256])
    expect(words[3 * COMMAND_WORDS + CancelAllCmd.SIDE]).toBe(-1)
  })

  test.each<[string, WireValue]>([
    ['no array', 5],
    ['no commands', []],
    ['65 commands', Array.from({ length: 65 }, () => [3, 0, 1])],
    ['a kind that is the operator’s', [[5, 0, 1]]],
    ['too few elements', [[1, 0, 0, 1, 1]]],
    ['too many elements', [[3, 0, 1, 0, 0]]],
    ['a string for a number', [[1, 0, 0, '5', 1, 1]]],
    ['a fraction', [[1, 0, 0, 1.5, 1, 1]]],
    ['-0', [[1, 0, 0, -0, 1, 1]]],
    ['2^53', [[1, 0, 0, 2 ** 53, 1, 1]]],
    ['a negative client order id', [[3, 0, -1]]],
    ['a client order id of 2^64', [[3, 0, '18446744073709551616']]],
    ['side 2', [[1, 0, 2, 1, 1, 1]]],
    ['null', [[3, 0, null]]],
  ])('refuse %s', (_what, payload) => {
    expect(() => records(payload)).toThrow(/expected/)
  })
})

describe('codes', () => {
  test('every reject has one code, in its range, and comes back', () => {
    const seen = new Set<number>()
    rejectNames.forEach((name, reject) => {
      if (reject === 0) return
      const code = rejectToCode(reject)
      expect(seen.has(code)).toBe(false)
      seen.add(code)
      expect(codeToReject(code)).toBe(reject)
      expect(errorName(code)).toBe(name)
    })
    for (const code of Object.values(ErrorCode)) expect(seen.has(code)).toBe(false)
  })
})

describe('signed bytes', () => {
  test('a frame is tag, domain, account, approval, nonce, payload', () => {
    const domain = createHash('sha256')
      .update(domainPreimage(31337, `0x${'ab'.repeat(20)}`))
      .digest()
    const message = Buffer.from(
      frameMessage(domain, { account: 5, approval: 2 ** 50 + 3 }, 2 ** 40 + 1, Uint8Array.of(9)),
    )
    expect(message.subarray(0, 18).toString()).toBe('glassbook.v2.frame')
    expect(message.subarray(18, 50)).toEqual(domain)
    expect(message.readUInt32BE(50)).toBe(5)
    expect(message.readBigUInt64BE(54)).toBe(2n ** 50n + 3n)
    expect(message.readBigUInt64BE(62)).toBe(2n ** 40n + 1n)
    expect([...message.subarray(70)]).toEqual([9])
    expect(domainPreimage(1, `0x${'00'.repeat(20)}`)).not.toEqual(domainPreimage(2, `0x${'00'.repeat(20)}`))
  })
})

describe('checksum', () => {
  test('CRC-32 is zlib’s', () => {
    expect(crc32('123456789')).toBe(0xcbf43926)
  })
  withVectors('kraken_crc32_examples.json', 'agrees with Kraken’s worked examples', (content) => {
    type Example = { crc32: number; asks: [string, string][]; bids: [string, string][] }
    const { l2_v1: first, l2_v2: second } = content as Record<string, Example>
    const examples = [first!, second!]
    for (const { crc32: expected, asks, bids } of examples) {
      // Kraken strips the point and leading zeros: then both are whole numbers, as ours are.
      const whole = (levels: [string, string][]) =>
        levels.map((level) => level.map((text) => Number(text.replace('.', ''))))
      expect(bookChecksum(whole(bids), whole(asks))).toBe(expected)
    }
  })
})
