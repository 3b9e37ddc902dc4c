/** Which forced withdrawals are told as missing: never those of blocks that the endpoint has not come to. */
import { linkSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublicClient } from 'viem'
import type { ChainDeployment } from '../chain/chain.js'
import { RequestReader, type OpenRequest } from './withdrawal-requests.js'

const ADDRESS = `0x${'aa'.repeat(20)}` as const
const HEAD = 100n
const folder = mkdtempSync(join(tmpdir(), 'glassbook-requests-'))
const statePath = join(folder, 'requests.json')
afterAll(() => rmSync(folder, { recursive: true }))

/** What the contract says at a block: the one that was asked for, or the newest, which the logs have not reached. */
interface Says {
  readonly openRequests: bigint
  readonly remaining: bigint
}

interface Looked {
  readonly requests: OpenRequest[]
  readonly troubles: string[]
  /** First block of each question for logs. */
  readonly from: bigint[]
}

/** `logs`: what the endpoint has, by block. */
async function open(
  atHead: Says,
  newest: Says,
  { logs = [], looks = 8 }: { logs?: readonly number[]; looks?: number } = {},
): Promise<Looked> {
  const troubles: string[] = []
  const from: bigint[] = []
  const client = {
    getBlockNumber: () => Promise.resolve(HEAD),
    getBlock: () => Promise.resolve({ number: HEAD, timestamp: 1000n }),
    getLogs: ({ fromBlock, toBlock }: { fromBlock: bigint; toBlock: bigint }) => {
      from.push(fromBlock)
      return Promise.resolve(
        logs
          .filter((block) => fromBlock <= block && block <= toBlock)
          .map((block) => ({ args: { account: 1, asset: 0 }, blockNumber: BigInt(block) })),
      )
    },
    readContract: ({ functionName, blockNumber }: { functionName: string; blockNumber?: bigint }) => {
      const { openRequests, remaining } = blockNumber === HEAD ? atHead : newest
      if (functionName === 'openRequests') return Promise.resolve(openRequests)
      if (functionName === 'exitDelay') return Promise.resolve(3600n)
      return Promise.resolve({ remaining, requestedAt: 900, batchesBefore: 0n, depositsBefore: 0n })
    },
  } as unknown as PublicClient
  const deployment = { settlement: ADDRESS, deployedAtBlock: 1 } as ChainDeployment
  const reader = new RequestReader({
    client,
    deployment,
    statePath,
    onTrouble: (text) => troubles.push(text),
  })
  let requests: OpenRequest[] = []
  // Each look goes further back, to the first block and the alarm.
  for (let look = 0; look < looks; look++) requests = await reader.open()
  return { requests, troubles, from }
}

const seen = (...keys: string[]): void =>
  writeFileSync(statePath, JSON.stringify({ nextBlock: 90, seen: keys.map((key) => [key, 80]) }))
const none = { openRequests: 0n, remaining: 0n }
const one = { openRequests: 1n, remaining: 5n }

test('a request of a block that is still to be read is not missing', async () => {
  seen()
  expect(await open(none, one)).toEqual({ requests: [], troubles: [], from: [] })
})

test('one that was closed in such a block is open, and none is missing for it', async () => {
  seen('1/0')
  const { requests, troubles } = await open(one, none)
  expect(requests).toMatchObject([{ account: 1, asset: 0, remaining: 5 }])
  expect(troubles).toEqual([])
})

test('one that is open and whose logs are nowhere is told, once', async () => {
  seen()
  const { troubles } = await open(one, one)
  expect(troubles).toEqual([expect.stringMatching(/^forced withdrawals: 1 wait on the chain .* of 0;/)])
})

test('what was read is found by the next start, which reads no logs for it', async () => {
  rmSync(statePath)
  const first = await open(one, one, { logs: [20] })
  expect(first.from).toEqual([1n])
  expect(first.requests).toMatchObject([{ account: 1, asset: 0, block: 20 }])
  expect(JSON.parse(readFileSync(statePath, 'utf8'))).toEqual({ nextBlock: 101, seen: [['1/0', 20]] })
  // Its number is not given to another file while it has this second name.
  linkSync(statePath, `${statePath}.first`)
  // The endpoint has the old blocks no more.
  const second = await open(one, one)
  expect(second).toEqual({ ...first, from: [] })
  // Nothing new: the file that says so stands.
  expect(statSync(statePath).ino).toBe(statSync(`${statePath}.first`).ino)
  // A second request, which no new block has: some blocks before are read again, not all.
  const two = { openRequests: 2n, remaining: 5n }
  const third = await open(two, two, { looks: 2 })
  expect(third.from).toEqual([37n])
})

test('one that is closed is forgotten in the file too; a file that is none is told and read past', async () => {
  await open(none, none, { looks: 1 })
  expect(JSON.parse(readFileSync(statePath, 'utf8'))).toMatchObject({ seen: [] })
  writeFileSync(statePath, '{"nextBlock":90,"seen":[["1/0"]]}')
  const { from, troubles } = await open(one, one, { logs: [20], looks: 1 })
  expect(from).toEqual([1n])
  expect(troubles).toEqual([expect.stringMatching(/is not what was written there; requests are read from/)])
})
