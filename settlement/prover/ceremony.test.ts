/**
 * A whole ceremony with a little circuit and a powers-of-tau file made here: setup, two contributions, the check
 * that anybody can repeat, a proof with the key; then everything that can be wrong with the files. A minute of CPU, for a
 * tool that settlement in pages has no need of: with GLASSBOOK_LONG=1.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { curves, groth16, powersOfTau } from 'snarkjs'
import { chunkOf } from '../../test/support/small-chunks.js'
import { CeremonyError, checkKey, contribute, setup } from './ceremony.js'
import { KeyError } from './key-error.js'
import { keyFrom, readTranscript, sha256File } from './keys.js'
import { ChunkProver, NoWitness } from './prove.js'

const SHAPE = { rows: 1, depth: 1 }
/** Smallest that holds SHAPE. */
const POWER = 10
const GLASSBOOK = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'program', 'main.js')
const silent = (): void => {}

const isLong = process.env['GLASSBOOK_LONG'] === '1'

;(isLong ? describe : describe.skip)('ceremony', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-ceremony-'))
  const [raw, ptau, key] = ['raw.ptau', 'prepared.ptau', 'key'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  let sha256: string

  beforeAll(async () => {
    const curve = await curves.getCurveFromName('bn128')
    const empty = join(folder, 'empty.ptau')
    await powersOfTau.newAccumulator(curve, POWER, empty)
    await powersOfTau.contribute(empty, raw, 'the test', 'entropy of the test')
    await powersOfTau.preparePhase2(raw, ptau)
    sha256 = await sha256File(ptau)
  }, 300_000)
  afterAll(async () => {
    await (await curves.getCurveFromName('bn128')).terminate()
    rmSync(folder, { recursive: true })
  })

  const glassbook = (...args: string[]): { code: number | null; last: Record<string, unknown> } => {
    const { status, stdout } = spawnSync(process.execPath, [GLASSBOOK, 'prover', ...args], {
      encoding: 'utf8',
    })
    return { code: status, last: JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown> }
  }
  /** Checks that do not hold. */
  const failedChecks = async (of: string, file = ptau): Promise<string[]> => {
    const failed: string[] = []
    await checkKey(of, file, (line) => void (line.holds === false && failed.push(String(line.what))))
    return failed
  }

  test('a file that is not the expected one, not whole, not prepared or too small gives no key', async () => {
    const wrong = 'ab'.repeat(32)
    await expect(setup(SHAPE, ptau, wrong, key, silent)).rejects.toThrow(CeremonyError)
    await expect(setup(SHAPE, ptau, wrong, key, silent)).rejects.toThrow(
      `${ptau} has SHA-256 ${sha256}, expected ${wrong}`,
    )
    await expect(setup(SHAPE, ptau, 'abc', key, silent)).rejects.toThrow('"abc" is not a SHA-256')
    const absent = join(folder, 'absent.ptau')
    await expect(setup(SHAPE, absent, wrong, key, silent)).rejects.toThrow(`${absent} is not there`)
    const bad = join(folder, 'bad.ptau')
    writeFileSync(bad, readFileSync(ptau).fill(0, 0, 4))
    await expect(setup(SHAPE, bad, await sha256File(bad), key, silent)).rejects.toThrow(
      `${bad} is not a whole powers-of-tau file`,
    )
    writeFileSync(bad, readFileSync(ptau).subarray(0, 5000))
    await expect(setup(SHAPE, bad, await sha256File(bad), key, silent)).rejects.toThrow(CeremonyError)
    await expect(setup(SHAPE, raw, await sha256File(raw), key, silent)).rejects.toThrow('not prepared')
    await expect(setup({ rows: 2, depth: 1 }, ptau, sha256, key, silent)).rejects.toThrow('too small')
    await expect(contribute(key, 'early', silent)).rejects.toThrow(KeyError)
  })

  test('setup and contributions by the program; the transcript keeps each step; the check holds', async () => {
    const shape = ['--rows', '1', '--depth', '1']
    const files = ['--ptau', ptau, '--sha256', sha256, '--out', key]
    expect(glassbook('setup', ...shape, ...files.slice(0, 4))).toMatchObject({ code: 2 })
    expect(glassbook('setup', ...shape, ...files)).toMatchObject({
      code: 0,
      last: { event: 'done', step: 'setup', ptauSha256: sha256 },
    })
    expect(glassbook('setup', ...shape, ...files)).toMatchObject({
      code: 1,
      last: { event: 'error', name: 'CeremonyError', error: `${key} holds a key already` },
    })
    // A key without a contribution is worth nothing, and is not used.
    await expect(keyFrom(key)).rejects.toThrow('nobody has contributed')
    expect(await failedChecks(key)).toEqual(['somebody has contributed'])

    await contribute(key, 'Ann', silent)
    await contribute(key, 'Bob & sons', silent)
    for (const name of ['', 'x'.repeat(65)])
      await expect(contribute(key, name, silent)).rejects.toThrow('1 to 64 bytes')
    expect(readTranscript(key)).toMatchObject([
      { step: 'setup' },
      { step: 'contribution', name: 'Ann' },
      { step: 'contribution', name: 'Bob & sons' },
    ])
    expect(glassbook('check', '--key', key, '--ptau', ptau)).toMatchObject({
      code: 0,
      last: { event: 'done', isGood: true },
    })
  })

  test('the key proves a real chunk, and no false one', async () => {
    const { circuit, zkey, verificationKey, isDevelopment } = await keyFrom(key)
    expect(isDevelopment).toBe(false)
    const prover = new ChunkProver(circuit, zkey, verificationKey)
    const inputs = chunkOf([7, 9], new Map([[1, 5]]), 1, 123n)
    const [ax, ay, bx1, bx0, by1, by0, cx, cy] = await prover.prove(inputs)
    const proof = {
      pi_a: [ax!, ay!, '1'],
      pi_b: [
        [bx0!, bx1!],
        [by0!, by1!],
        ['1', '0'],
      ],
      pi_c: [cx!, cy!, '1'],
      protocol: 'groth16',
      curve: 'bn128',
    }
    const publics = [inputs.firstRoot, inputs.lastRoot, inputs.z, inputs.evaluation]
    expect(await groth16.verify(verificationKey, publics, proof)).toBe(true)
    expect(await groth16.verify(verificationKey, [...publics.slice(0, 3), '1'], proof)).toBe(false)
    await expect(prover.prove({ ...inputs, lastRoot: inputs.firstRoot })).rejects.toThrow(NoWitness)
  })

  test('damaged and exchanged files are found, and named', async () => {
    let copies = 0
    const copyOf = (): string => {
      const copy = join(folder, `copy-${copies++}`)
      cpSync(key, copy, { recursive: true })
      return copy
    }
    const damaged = copyOf()
    const zkey = join(damaged, 'proving.zkey')
    const bytes = readFileSync(zkey)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(zkey, bytes)
    await expect(keyFrom(damaged)).rejects.toThrow(`${zkey} has SHA-256`)
    await expect(contribute(damaged, 'Eve', silent)).rejects.toThrow('damaged or exchanged')
    expect(await failedChecks(damaged)).toContain("the proving key is what the transcript's last step left")
    rmSync(zkey)
    await expect(keyFrom(damaged)).rejects.toThrow(`${zkey} is not there`)

    // A contribution that nobody made, in a transcript that fits the key's hash.
    const claimed = copyOf()
    const transcript = readTranscript(claimed)
    const rename = transcript.map((step) =>
      step.name === 'Ann' ? { ...step, name: 'Somebody famous' } : step,
    )
    writeFileSync(join(claimed, 'transcript.json'), JSON.stringify(rename))
    expect(await failedChecks(claimed)).toEqual(['its contributions are those of the transcript'])

    const exchanged = copyOf()
    const vkey = join(exchanged, 'verification-key.json')
    const other = JSON.parse(readFileSync(vkey, 'utf8')) as { IC: string[][] }
    other.IC.reverse()
    writeFileSync(vkey, JSON.stringify(other))
    await expect(keyFrom(exchanged)).rejects.toThrow(`${vkey} is not the verification key of`)
    expect(await failedChecks(exchanged)).toEqual(['the verification key is the one in the proving key'])
    writeFileSync(vkey, '{')
    await expect(keyFrom(exchanged)).rejects.toThrow(`${vkey} cannot be read`)

    const shaped = copyOf()
    writeFileSync(join(shaped, 'shape.json'), JSON.stringify({ ...SHAPE, circuit: 'chunk-1-1-0000' }))
    await expect(keyFrom(shaped)).rejects.toThrow('holds a key of circuit chunk-1-1-0000')

    const otherTau = join(folder, 'other.ptau')
    copyFileSync(raw, otherTau)
    expect(await failedChecks(copyOf(), otherTau)).toEqual([
      `${otherTau} is the file of the setup`,
      'the proving key follows from circuit, powers of tau and contributions',
      'its contributions are those of the transcript',
    ])
    await expect(keyFrom(join(folder, 'nowhere'))).rejects.toThrow(KeyError)
  })
})
