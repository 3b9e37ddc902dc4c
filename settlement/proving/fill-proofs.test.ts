/**
 * Proofs of fills from files: right for every fill, wherever its batch lies and whatever became of its nodes, and
 * bounded, whatever is asked.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sealRecord, sha256 } from '../../engine/journal/sealed-record.js'
import { bytesToHex, hexToBytes } from '../batch/commit.js'
import { FILL_BYTES, fillNodes, fillsRoot, verifyFill } from '../batch/fills-root.js'
import { FILL_NODES_WAITING_MAX, FILL_PROOFS_WAITING_MAX, FILLS_PACKED } from '../limits.js'
import { BatchStore, StoreError, type BatchState } from '../store/store.js'
import { FillProofLink, UNREADABLE } from './fill-proof-link.js'
import { FillProofs } from './fill-proofs.js'

const folders: string[] = []
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 20 })))

/** Three fills a command at every second seq, the last command with fewer. */
const FILLS_A_COMMAND = 3
const SEQS_A_BATCH = 100_000
const seqOf = (batch: number, place: number): number =>
  batch * SEQS_A_BATCH + 2 * Math.floor(place / FILLS_A_COMMAND)

function leavesOf(batch: number, count: number): Uint8Array {
  const leaves = new Uint8Array(count * FILL_BYTES)
  const view = new DataView(leaves.buffer)
  for (let place = 0; place < count; place++) {
    leaves.fill((place * 7 + batch) & 0xff, place * FILL_BYTES, (place + 1) * FILL_BYTES)
    view.setBigUint64(place * FILL_BYTES, BigInt(seqOf(batch, place)))
    view.setUint32(place * FILL_BYTES + 8, place % FILLS_A_COMMAND)
  }
  return leaves
}

/** A store with a batch of each of `counts` fills. */
function storeOf(counts: readonly number[], state: BatchState = 'final') {
  const dataDir = mkdtempSync(join(tmpdir(), 'glassbook-fill-proofs-'))
  folders.push(dataDir)
  const store = new BatchStore(dataDir)
  const roots = counts.map((count, at) => {
    const number = at + 1
    const leaves = leavesOf(number, count)
    const fillsRootHex = bytesToHex(fillsRoot(leaves))
    store.seal(
      {
        header: {
          number: BigInt(number),
          firstSeq: BigInt(number * SEQS_A_BATCH),
          lastSeq: BigInt((number + 1) * SEQS_A_BATCH - 1),
          oldRoot: 1n,
          newRoot: 2n,
          journalHead: '0x01',
          fillsRoot: fillsRootHex,
          depositsConsumed: 0n,
        },
        data: {
          chunkRoots: [2n],
          rows: new Uint8Array(0),
          deposits: new Uint8Array(0),
          withdrawals: new Uint8Array(0),
        },
        fillCount: count,
        rowsPerChunk: 1,
        sealedAtMs: 1,
        state,
      },
      leaves,
      fillNodes(leaves),
    )
    return hexToBytes(fillsRootHex)
  })
  const here = (number: number, kind: string): string =>
    join(dataDir, 'settlement', 'batches', `${String(number).padStart(8, '0')}.${kind}`)
  const archived = (number: number, kind: string): string =>
    join(dataDir, 'archive', 'batches', `${String(number).padStart(8, '0')}.${kind}`)
  const expectProof = async (proofs: FillProofs, number: number, place: number): Promise<void> => {
    const proof = await proofs.proof(seqOf(number, place), place % FILLS_A_COMMAND)
    if (proof === undefined || 'retryAfterMs' in proof) throw new Error(`${number}/${place}: not served`)
    expect(proof).toMatchObject({ batch: number, state })
    expect(Buffer.from(proof.leaf)).toEqual(
      Buffer.from(
        leavesOf(number, counts[number - 1]!)
          .subarray(place * FILL_BYTES)
          .subarray(0, FILL_BYTES),
      ),
    )
    expect(verifyFill(roots[number - 1]!, proof)).toBe(true)
  }
  return { dataDir, store, proofs: new FillProofs(store), here, archived, expectProof }
}

const counts = [1, 2, 3, 6, 7, 0, FILLS_PACKED, FILLS_PACKED + 1, 2 * FILLS_PACKED + 3, 1]
const places = (count: number): number[] =>
  [...new Set([0, 1, 2, 5, FILLS_PACKED - 1, FILLS_PACKED, 2 * FILLS_PACKED, count - 2, count - 1])].filter(
    (place) => place >= 0 && place < count,
  )

test('every fill of every batch, at hand and archived, and none that is not', async () => {
  const { store, proofs, archived, expectProof } = storeOf(counts)
  for (const isArchived of [false, true]) {
    if (isArchived) expect(store.archive(Infinity, 100)).toBe(counts.length - 1)
    for (const [at, count] of counts.entries()) {
      for (const place of places(count)) await expectProof(proofs, at + 1, place)
      // Between two commands, one fill too many, and behind the last one.
      expect(await proofs.proof(seqOf(at + 1, 0) + 1, 0)).toBeUndefined()
      expect(await proofs.proof(seqOf(at + 1, 0), Math.min(count, FILLS_A_COMMAND))).toBeUndefined()
      expect(await proofs.proof(seqOf(at + 1, count) + 2, 0)).toBeUndefined()
    }
  }
  expect(existsSync(archived(9, 'nodes'))).toBe(true)
  expect(await proofs.proof(0, 0)).toBeUndefined()
  expect(await proofs.proof(1e9, 0)).toBeUndefined()
})

test('a batch counts once it is sealed and the chain has it', async () => {
  const { store, proofs, expectProof } = storeOf([3], 'committed')
  await expectProof(proofs, 1, 2)
  const record = store.read(1)
  for (const state of ['sealed', 'signed', 'sent'] as const) {
    store.save({ ...record, state })
    expect(await proofs.proof(seqOf(1, 0), 0)).toBeUndefined()
  }
  const leaves = leavesOf(2, 5)
  const header = {
    ...record.header,
    number: 2n,
    firstSeq: BigInt(2 * SEQS_A_BATCH),
    lastSeq: BigInt(3 * SEQS_A_BATCH - 1),
    fillsRoot: bytesToHex(fillsRoot(leaves)),
  }
  expect(await proofs.proof(seqOf(2, 4), 1)).toBeUndefined()
  store.seal({ ...record, header, state: 'committed' }, leaves, fillNodes(leaves))
  expect(await proofs.proof(seqOf(2, 4), 1)).toMatchObject({ batch: 2 })
})

test('nodes that are missing, cut or wrong are made again, once', async () => {
  const { store, proofs, here, archived, expectProof } = storeOf([5000, 5000, 3])
  const whole = readFileSync(here(1, 'nodes'))
  const wrong = Buffer.from(whole)
  // Every node is wrong: whichever a proof reads.
  for (let at = 0; at < wrong.length; at += 32) wrong[at]! ^= 1
  rmSync(here(1, 'nodes'))
  await expectProof(proofs, 1, 4999)
  for (const bytes of [whole.subarray(1), Buffer.alloc(0), wrong]) {
    writeFileSync(here(1, 'nodes'), bytes)
    await expectProof(proofs, 1, 1234)
    expect(readFileSync(here(1, 'nodes')).equals(whole)).toBe(true)
  }
  const { ino } = statSync(here(1, 'nodes'))
  await expectProof(proofs, 1, 77)
  expect(statSync(here(1, 'nodes')).ino).toBe(ino)

  // Sealed before there were any, and archived without; archived before fills were packed in parts.
  rmSync(here(1, 'nodes'))
  expect(store.archive(Infinity, 100)).toBe(2)
  expect([existsSync(archived(1, 'nodes')), existsSync(archived(2, 'nodes'))]).toEqual([false, true])
  await expectProof(proofs, 1, 2500)
  expect(readFileSync(archived(1, 'nodes')).equals(whole)).toBe(true)
  const leaves = leavesOf(1, 5000)
  const packed = gzipSync(leaves)
  const json = { sha256: '', packedSha256: '' }
  const jsonPacked = readFileSync(archived(1, 'json.gz'))
  Object.assign(json, (JSON.parse(readFileSync(archived(1, 'hashes'), 'utf8')) as { json: object }).json)
  expect(json.packedSha256).toBe(sha256(jsonPacked))
  writeFileSync(archived(1, 'fills.gz'), packed)
  const fills = { sha256: sha256(leaves), packedSha256: sha256(packed) }
  writeFileSync(archived(1, 'hashes'), sealRecord({ batch: 1, json, fills }))
  await expectProof(proofs, 1, 3333)
  rmSync(archived(1, 'nodes'))
  await expectProof(proofs, 1, 3334)
})

test('fills that are not those that were sealed prove nothing, and are told', async () => {
  const { store, proofs, here, archived, expectProof } = storeOf([3000, 2000, 3])
  const whole = readFileSync(here(1, 'fills'))
  const changed = Buffer.from(whole)
  // Behind its key, by which it is found.
  for (let at = 100; at < changed.length; at += FILL_BYTES) changed[at]! ^= 1
  writeFileSync(here(1, 'fills'), changed)
  await expect(proofs.proof(seqOf(1, 9), 0)).rejects.toThrow(StoreError)
  await expect(proofs.proof(seqOf(1, 9), 0)).rejects.toThrow('put back a copy')
  await expectProof(proofs, 2, 1000)
  writeFileSync(here(1, 'fills'), whole)
  await expectProof(proofs, 1, 9)

  store.archive(Infinity, 1)
  const packed = readFileSync(archived(1, 'fills.gz'))
  writeFileSync(archived(1, 'fills.gz'), packed.subarray(0, packed.length - 100))
  await expect(proofs.proof(seqOf(1, 2999), 2)).rejects.toThrow()
  await expectProof(proofs, 1, 9)
  rmSync(archived(1, 'hashes'))
  await expect(proofs.proof(seqOf(1, 9), 0)).rejects.toThrow(
    `${archived(1, 'hashes')} is not what was archived`,
  )
})

test('a fill whose key was damaged is not called absent, and neither are those that are searched across it', async () => {
  const { proofs, here, expectProof } = storeOf([3000])
  const whole = readFileSync(here(1, 'fills'))
  const changed = Buffer.from(whole)
  // The middle one, which every search looks at first, seems to stand far behind.
  changed.writeBigUInt64BE(BigInt(seqOf(1, 0)) - 1n, 1500 * FILL_BYTES)
  writeFileSync(here(1, 'fills'), changed)
  // Absent before it, and there before it: both were called absent.
  await expect(proofs.proof(seqOf(1, 9), 0)).rejects.toThrow(StoreError)
  await expect(proofs.proof(seqOf(1, 9) + 1, 0)).rejects.toThrow(StoreError)
  writeFileSync(here(1, 'fills'), whole)
  await expectProof(proofs, 1, 9)
  expect(await proofs.proof(seqOf(1, 9) + 1, 0)).toBeUndefined()
})

test('files that cannot be read are closed again, whatever is asked, and are tried once a minute', async () => {
  const { store, proofs, here, archived } = storeOf([300, 300, 3])
  const open = (): number => readdirSync('/proc/self/fd').length
  store.archive(Infinity, 1)
  rmSync(archived(1, 'fills.gz'))
  const before = open()
  for (let time = 0; time < 20; time++)
    await expect(proofs.proof(seqOf(1, 0), 0)).rejects.toThrow(archived(1, 'fills.gz'))
  // Nodes that are a folder: neither missing nor a file.
  rmSync(here(2, 'nodes'))
  mkdirSync(here(2, 'nodes'))
  for (let time = 0; time < 20; time++) await proofs.proof(seqOf(2, 0), 0).catch(() => undefined)
  expect(open()).toBe(before)

  let reads = 0
  const { fills: readFills } = store
  store.fills = (number) => {
    reads++
    return readFills.call(store, number)
  }
  rmSync(here(2, 'nodes'), { recursive: true })
  const fills = readFileSync(here(2, 'fills'))
  writeFileSync(here(2, 'fills'), fills.fill(1, 100, 101))
  const fresh = new FillProofs(store)
  for (let time = 0; time < 5; time++)
    await expect(fresh.proof(seqOf(2, 0), 0)).rejects.toThrow('put back a copy')
  expect(reads).toBe(1)
})

test('a batch whose record is damaged has no proofs, and all others have theirs', async () => {
  const { proofs, here, expectProof } = storeOf([3, 3, 3, 3, 3])
  writeFileSync(here(3, 'json'), '{')
  for (const number of [1, 2, 4, 5]) await expectProof(proofs, number, 1)
  await expect(proofs.proof(seqOf(3, 0), 0)).rejects.toThrow('is not what settlement wrote')
})

test('one batch at a time is made, few wait for it, and whoever needs none waits for none', async () => {
  const many = Array<number>(FILL_NODES_WAITING_MAX + 3).fill(3000)
  const { proofs, here } = storeOf(many)
  const ready = many.length
  for (let number = 1; number < ready; number++) rmSync(here(number, 'nodes'))
  const done: string[] = []
  const ask = async (number: number): Promise<unknown> => {
    const answer = await proofs.proof(seqOf(number, 0), 0)
    if (answer === undefined || 'retryAfterMs' in answer) return answer
    done.push(`${number}`)
    return answer.batch
  }
  const answers = many.slice(0, -1).map((_count, at) => ask(at + 1))
  // The same batch again waits for no other making.
  answers.push(ask(1))
  const quick = ask(ready)
  expect(await Promise.all([...answers, quick])).toEqual([
    ...Array.from({ length: FILL_NODES_WAITING_MAX }, (_, at) => at + 1),
    { retryAfterMs: expect.any(Number), why: 'busy' },
    { retryAfterMs: expect.any(Number), why: 'busy' },
    1,
    ready,
  ])
  expect(done[0]).toBe(String(ready))
  expect(done).toHaveLength(FILL_NODES_WAITING_MAX + 2)
  expect(await ask(FILL_NODES_WAITING_MAX + 1)).toBe(FILL_NODES_WAITING_MAX + 1)
})

test('a thread answers, refuses what is too much, tells what is wrong, and ends', async () => {
  const { dataDir, here } = storeOf([300, 300])
  const troubles: string[] = []
  const link = new FillProofLink(dataDir, (text) => troubles.push(text))
  const seq = seqOf(2, 299)
  const leaf = bytesToHex(leavesOf(2, 300).subarray(299 * FILL_BYTES))
  expect(await link.ask(seq, 2)).toMatchObject({ batch: 2, state: 'final', leaf })
  expect(await link.ask(seq, 3)).toBeNull()
  const answers = await Promise.all(
    Array.from({ length: FILL_PROOFS_WAITING_MAX + 1 }, () => link.ask(seq, 2)),
  )
  expect(answers.pop()).toEqual({ retryAfterMs: expect.any(Number), why: 'busy' })
  for (const answer of answers) expect(answer).toMatchObject({ batch: 2, leaf })
  writeFileSync(here(1, 'fills'), '')
  // The chain has it, so that it has not is not said.
  expect([await link.ask(seqOf(1, 0), 0), await link.ask(seqOf(1, 0), 0)]).toEqual([UNREADABLE, UNREADABLE])
  expect(troubles).toEqual([expect.stringContaining('the fills of batch 1 do not lead to its fills root')])
  const cut = link.ask(seq, 2)
  await link.stop()
  // Answered before the end or by it.
  await cut
  expect(await link.ask(seq, 2)).toEqual(UNREADABLE)
})

test('a thread that fails is told, and the next question begins another one', async () => {
  const { dataDir } = storeOf([300])
  const apart = `${dataDir}-apart`
  folders.push(apart)
  writeFileSync(apart, 'no folder')
  const troubles: string[] = []
  const link = new FillProofLink(apart, (text) => troubles.push(text))
  expect(await Promise.all([link.ask(seqOf(1, 0), 0), link.ask(seqOf(1, 0), 1)])).toEqual([
    UNREADABLE,
    UNREADABLE,
  ])
  expect(troubles).toEqual([expect.stringContaining(apart)])
  rmSync(apart)
  renameSync(dataDir, apart)
  expect(await link.ask(seqOf(1, 0), 0)).toMatchObject({ batch: 1 })
  await link.stop()
})
