/**
 * `npm run data`: brings the published files that some tests and benchmarks read into the data folder (GLASSBOOK_DATA,
 * else ../shared/data): test vectors, the workloads of the public matching-engine benchmark, LOBSTER samples. Needs the
 * network, and the programs xz, unzip and g++.
 *
 * Invariant: what is not byte for byte what its SHA-256 says is not kept. What is there already stays.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A file as it is published, at an address that is for one version of it. */
interface Source {
  readonly url: string
  readonly sha256: string
}
interface DataFile {
  /** Place in the data folder. */
  readonly path: string
  readonly source: Source
  /** Of what the file holds, unpacked where it ends in .xz. */
  readonly sha256: string
  /** Makes the content of the source, which lies in `folder` as `source`; the source itself unless given. */
  readonly make?: (folder: string) => Buffer
}

const OUTPUT_BYTES_MAX = 1 << 30
const raw = (repository: string, commit: string, path: string): string =>
  `https://raw.githubusercontent.com/${repository}/${commit}/${path}`

const GENERATOR: Source = {
  url: raw(
    'flash1-dev/matching-engine-benchmark',
    '41656c885d98aead35fb5a36a1b63304e75f46aa',
    'workload/generator.cpp',
  ),
  sha256: '0f9f426d92b0f9d6d569a5794bf5bc2c189dc9c99dce261ec4cb7357f5cb9560',
}
const WORKLOAD_HEADER_BYTES = 16
const WORKLOAD_MESSAGE_BYTES = 40

/** The generator's messages as records of five int32: operation, order id, side (0 = buy), ticks, lots. */
export function workloadRecords(generated: Buffer): Buffer {
  const count = generated.readUInt32LE(12)
  const records = Buffer.alloc(count * 20)
  for (let index = 0; index < count; index++) {
    const message = generated.subarray(WORKLOAD_HEADER_BYTES + index * WORKLOAD_MESSAGE_BYTES)
    const [kind, side, isImmediate] = message
    // Kinds are new, cancel, modify; a new order that is immediate-or-cancel is operation 1.
    const operation = kind === 0 ? isImmediate! : kind! + 1
    const numbers = [
      operation,
      Number(message.readBigUInt64LE(16)),
      side!,
      Number(message.readBigInt64LE(24)),
      message.readUInt32LE(4),
    ]
    numbers.forEach((number, at) => records.writeInt32LE(number, index * 20 + at * 4))
  }
  return records
}

/** Compiles the generator and runs it with the benchmark's own seed and count. */
const workload = (name: string, sha256: string): DataFile => ({
  path: `matching-benchmark/${name}.i32.xz`,
  source: GENERATOR,
  sha256,
  make: (folder) => {
    const [program, generated] = [join(folder, 'generator'), join(folder, 'generated')]
    execFileSync('g++', ['-O2', '-x', 'c++', '-o', program, join(folder, 'source')])
    execFileSync(program, [name, generated, '1000000', '23'], { stdio: 'pipe' })
    return workloadRecords(readFileSync(generated))
  },
})

const lobsterArchive = (levels: number, sha256: string): Source => ({
  url: `https://lobsterdata.com/info/sample/LOBSTER_SampleFile_AAPL_2012-06-21_${levels}.zip`,
  sha256,
})
const TEN_LEVELS = lobsterArchive(10, '326839316d67d7819ca0541ffdf73cdb044d6ae4105cce0ef9c615e8848e9d43')
const FIFTY_LEVELS = lobsterArchive(50, 'dac5ef12f918f34ba3ac64e013ccd1c64009dc7b17d3f247a3c81c71534ab0e5')
const unzip = (folder: string, member: string): Buffer =>
  execFileSync('unzip', ['-p', join(folder, 'source'), member], { maxBuffer: OUTPUT_BYTES_MAX })
/** The first 999 rows of a day. */
const head = (kind: 'message' | 'orderbook', sha256: string): DataFile => ({
  path: `lobster/AAPL_2012-06-21_HEAD_${kind}_10.csv`,
  source: TEN_LEVELS,
  sha256,
  make: (folder) => {
    const day = unzip(folder, `AAPL_2012-06-21_34200000_57600000_${kind}_10.csv`).toString()
    return Buffer.from(day.split(/\r?\n/, 999).join('\n'))
  },
})

export const FILES: readonly DataFile[] = [
  {
    path: 'vectors/msgpack-test-suite.json',
    source: {
      url: raw(
        'kawanet/msgpack-test-suite',
        'e04f6edeaae589c768d6b70fcce80aa786b7800e',
        'dist/msgpack-test-suite.json',
      ),
      sha256: '8ea4d7aea19f7cf447ffe1031a4818bf5fd8b99dc28baf2b4a33fe9d8e5a5874',
    },
    sha256: '8ea4d7aea19f7cf447ffe1031a4818bf5fd8b99dc28baf2b4a33fe9d8e5a5874',
  },
  {
    path: 'vectors/wycheproof_p256_sha256_p1363.json',
    source: {
      url: raw(
        'C2SP/wycheproof',
        'dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166',
        'testvectors_v1/ecdsa_secp256r1_sha256_p1363_test.json',
      ),
      sha256: 'c60de693930e386c3a5472d08081623ef8504decc54b38ac01ec6b2a2575c986',
    },
    sha256: 'c60de693930e386c3a5472d08081623ef8504decc54b38ac01ec6b2a2575c986',
  },
  workload('static', 'e756359c23f04c00b91dc37b5de651ff741a95ad8637ba7891f6e2a51e6b16e4'),
  workload('normal', '9d0340bd15c3ad73100dab6d5a3ce03998db35d4ea8297c29633745eb2c4f089'),
  head('message', '2e2c9733b3bc831e38b66e9324afc3b8167ba67a556e9a133c4c2060963a8976'),
  head('orderbook', '277aba2634356baa2f355598ffa7ae124abc60670ea4a56dc66b617bae33a12d'),
  {
    path: 'lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv.xz',
    source: FIFTY_LEVELS,
    sha256: 'da617757f549f724524f75305a9d553082db6e6f3c25f059329fbf4a5f5011df',
    make: (folder) => unzip(folder, 'AAPL_2012-06-21_34200000_37800000_message_50.csv'),
  },
]

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const check = (what: string, bytes: Uint8Array, sha256: string): void => {
  const found = sha256Of(bytes)
  if (found !== sha256) throw new Error(`${what} has SHA-256 ${found}, not ${sha256}: not kept`)
}

/** @throws Error when it is not what its hash says. */
export async function download({ url, sha256 }: Source): Promise<Buffer> {
  const response = await fetch(url)
  if (!response.ok) throw new Error(`${url} answers ${response.status}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  check(url, bytes, sha256)
  return bytes
}

/** Keeps a file made of its source in `dataDir`. @throws Error when it is not what its hash says. */
export function keep(dataDir: string, { path, source, sha256, make }: DataFile, bytes: Buffer): void {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-data-'))
  try {
    writeFileSync(join(folder, 'source'), bytes)
    const content = make === undefined ? bytes : make(folder)
    check(`what ${source.url} gives for ${path}`, content, sha256)
    const kept = path.endsWith('.xz')
      ? execFileSync('xz', ['-zc'], { input: content, maxBuffer: OUTPUT_BYTES_MAX })
      : content
    const place = join(dataDir, path)
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(`${place}.part`, kept)
    renameSync(`${place}.part`, place)
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
  const dataDir = process.env['GLASSBOOK_DATA'] ?? join(root, '..', 'shared', 'data')
  const missing = FILES.filter(({ path }) => !existsSync(join(dataDir, path)))
  // Each source once, and all of them before anything is made: that takes longer than a line stays open.
  const sources = new Set(missing.map(({ source }) => source))
  const downloads = new Map([...sources].map((source) => [source, download(source)]))
  await Promise.allSettled(downloads.values())
  for (const file of FILES)
    try {
      if (missing.includes(file)) keep(dataDir, file, await downloads.get(file.source)!)
      console.log(`there: ${file.path}`)
    } catch (error) {
      console.error(`absent: ${file.path}: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 1
    }
}
