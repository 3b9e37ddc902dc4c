/** Which forced withdrawals are told as missing: never those of blocks that the endpoint has not come to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PublicClient } from 'viem'
import type { ChainDeployment } from './chain.js'
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

async function open(atHead: Says, newest: Says): Promise<{ requests: OpenRequest[]; troubles: string[] }> {
  const troubles: string[] = []
  const client = {
    getBlockNumber: () => Promise.resolve(HEAD),
    getBlock: () => Promise.resolve({ number: HEAD, timestamp: 1000n }),
    getLogs: () => Promise.resolve([]),
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
  for (let look = 0; look < 8; look++) requests = await reader.open()
  return { requests, troubles }
}

const seen = (...keys: string[]): void =>
  writeFileSync(statePath, JSON.stringify({ nextBlock: 90, seen: keys.map((key) => [key, 80]) }))
const none = { openRequests: 0n, remaining: 0n }
const one = { openRequests: 1n, remaining: 5n }

test('a request of a block that is still to be read is not missing', async () => {
  seen()
  expect(await open(none, one)).toEqual({ requests: [], troubles: [] })
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
