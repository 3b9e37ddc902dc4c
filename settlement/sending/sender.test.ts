/**
 * The sender against a model of a chain that does what chains and endpoints do: drops cheap transactions,
 * reorganises, fails, lies about what it has, gives a nonce to somebody else.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BlockNotFoundError,
  TransactionReceiptNotFoundError,
  keccak256,
  parseTransaction,
  ExecutionRevertedError,
  RpcRequestError,
  type Hex,
  type PublicClient,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { sleep } from '../chain/chain.js'
import type { FeePolicy } from './gas-fees.js'
import { NonceTaken, Sender, SenderStopped, TransactionReverted } from './sender.js'
import { BatchStore } from '../store/store.js'

const account = privateKeyToAccount(`0x${'42'.repeat(32)}`)
const TO = '0x00000000000000000000000000000000000000aa'

/** One account's view of a chain. */
class FakeChain {
  nonce = 0
  height = 10
  baseFee = 1_000_000_000n
  /** Transactions below this fee are taken and never mined. */
  minimumFee = 0n
  /** Errors that the next calls of a method throw. */
  readonly failures: Record<string, Error[]> = {}
  readonly mined = new Map<Hex, { blockNumber: bigint; status: 'success' | 'reverted'; nonce: number }>()
  readonly received: Hex[] = []
  nextStatus: 'success' | 'reverted' = 'success'
  isMining = true
  private readonly branches: { from: number; id: number }[] = []

  private fail(method: string): void {
    const error = this.failures[method]?.shift()
    if (error !== undefined) throw error
  }

  /** Another branch has other hashes. */
  private hashOf(blockNumber: bigint): Hex {
    const branch = this.branches.findLast(({ from }) => BigInt(from) <= blockNumber)?.id ?? 0
    return `0x${blockNumber.toString(16).padStart(32, '0')}${String(branch).padStart(32, '0')}`
  }

  /** Takes back the last block with everything in it. */
  reorganise(): void {
    this.branches.push({ from: this.height, id: this.branches.length + 1 })
    for (const [hash, { blockNumber, nonce }] of [...this.mined])
      if (blockNumber === BigInt(this.height)) {
        this.mined.delete(hash)
        this.nonce = Math.min(this.nonce, nonce)
      }
    this.height--
  }

  get client(): PublicClient {
    const client = {
      estimateGas: async () => {
        this.fail('estimateGas')
        return 100_000n
      },
      getTransactionCount: async () => {
        this.fail('getTransactionCount')
        return this.nonce
      },
      getBlock: async ({ blockNumber = BigInt(this.height) }: { blockNumber?: bigint }) => {
        this.fail('getBlock')
        if (blockNumber > BigInt(this.height)) throw new BlockNotFoundError({ blockNumber })
        return { number: blockNumber, hash: this.hashOf(blockNumber), baseFeePerGas: this.baseFee }
      },
      getBlockNumber: async () => {
        this.fail('getBlockNumber')
        return BigInt(this.height)
      },
      sendRawTransaction: async ({ serializedTransaction }: { serializedTransaction: Hex }) => {
        this.fail('sendRawTransaction')
        const hash = keccak256(serializedTransaction)
        this.received.push(hash)
        const { nonce = 0, maxFeePerGas = 0n } = parseTransaction(serializedTransaction)
        if (!this.isMining || nonce !== this.nonce || maxFeePerGas < this.minimumFee) return hash
        this.nonce++
        this.height++
        this.mined.set(hash, { blockNumber: BigInt(this.height), status: this.nextStatus, nonce })
        return hash
      },
      getTransactionReceipt: async ({ hash }: { hash: Hex }) => {
        this.fail('getTransactionReceipt')
        const found = this.mined.get(hash)
        if (found === undefined) throw new TransactionReceiptNotFoundError({ hash })
        return { ...found, transactionHash: hash, blockHash: this.hashOf(found.blockNumber) }
      },
    }
    return client as unknown as PublicClient
  }
}

describe('sender', () => {
  const folder = mkdtempSync(join(tmpdir(), 'glassbook-sender-'))
  const senders: Sender[] = []
  let count = 0
  let chain: FakeChain
  let store: BatchStore
  const troubles: string[] = []
  const fees: FeePolicy = {
    maxFeePerGasCap: 20_000_000_000n,
    priorityFeePerGas: 1_000_000_000n,
    bumpAfterMs: 5,
  }
  const make = (confirmations = 0, steps?: (step: string) => void): Sender => {
    const sender = new Sender({
      client: chain.client,
      account,
      chainId: 31337,
      store,
      confirmations,
      fees,
      pollMs: 1,
      lostAfterMs: 20,
      onTrouble: (text) => void troubles.push(text),
      ...(steps === undefined ? {} : { onStep: steps }),
    })
    senders.push(sender)
    return sender
  }
  beforeEach(() => {
    chain = new FakeChain()
    store = new BatchStore(join(folder, String(count++)))
    troubles.length = 0
  })
  afterEach(() => senders.splice(0).forEach((sender) => sender.stop()))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('sends once, in order of nonces, and forgets when confirmed', async () => {
    const sender = make()
    const receipts = await Promise.all(['a', 'b', 'c'].map((label) => sender.send(label, TO, '0x01')))
    expect(receipts.map(({ transactionHash }) => chain.mined.get(transactionHash)!.nonce)).toEqual([0, 1, 2])
    // They are kept while a reorganisation could reach them.
    expect(store.readOutbox().map(({ mined }) => mined?.hash)).toEqual(
      receipts.map(({ transactionHash }) => transactionHash),
    )
    chain.height += 100
    while (store.readOutbox().length > 0) await sleep(1)
  })

  test('a restart sends the same bytes again, with the nonce that was signed', async () => {
    chain.isMining = false
    const first = make()
    const lost = first.send('commit 1', TO, '0x02')
    lost.catch(() => undefined)
    while (chain.received.length === 0) await sleep(1)
    first.stop()
    await expect(lost).rejects.toBeInstanceOf(SenderStopped)
    const [pending] = store.readOutbox()
    chain.isMining = true
    const receipt = await make().send('commit 1', TO, '0x02')
    expect(pending!.attempts.map(({ hash }) => hash)).toContain(receipt.transactionHash)
    expect(chain.nonce).toBe(1)
  })

  test('a restart sends everything that was signed, so that no nonce is missing for those behind', async () => {
    // Two are signed and never reach the endpoint.
    chain.isMining = false
    for (const label of ['prove 1/0', 'prove 1/1']) {
      const first = make(0, (step) => {
        if (step === 'signed') first.stop()
      })
      await expect(first.send(label, TO, '0x01')).rejects.toBeInstanceOf(SenderStopped)
    }
    expect(store.readOutbox().map(({ nonce }) => nonce)).toEqual([0, 1])
    expect(chain.received).toEqual([])
    chain.isMining = true
    const second = make()
    await second.resume()
    const receipt = await second.send('commit 2', TO, '0x03')
    expect(chain.mined.get(receipt.transactionHash)!.nonce).toBe(2)
    while (second.metrics().open > 0) await sleep(1)
    expect(chain.nonce).toBe(3)
  })

  test('a stuck transaction gets a higher fee on the same nonce, never above the cap', async () => {
    chain.minimumFee = 15_000_000_000n
    const receipt = await make().send('commit 1', TO, '0x03')
    expect(chain.mined.get(receipt.transactionHash)!.nonce).toBe(0)
    expect(chain.mined.size).toBe(1)

    chain.minimumFee = 10n ** 15n
    const stuck = make()
    const never = stuck.send('commit 2', TO, '0x03')
    never.catch(() => undefined)
    for (let top = 0n; top < fees.maxFeePerGasCap;) {
      await sleep(2)
      top = store.readOutbox()[1]?.attempts.at(-1)!.maxFeePerGas ?? 0n
    }
    await sleep(30)
    const { attempts } = store.readOutbox()[1]!
    expect(attempts.every(({ maxFeePerGas }) => maxFeePerGas <= fees.maxFeePerGasCap)).toBe(true)
    attempts.slice(1).forEach(({ maxFeePerGas }, at) => {
      expect(maxFeePerGas).toBeGreaterThan(attempts[at]!.maxFeePerGas)
    })
  })

  test('a block that is taken back: the same bytes are sent again, and confirmations counted anew', async () => {
    const sender = make(2)
    const sending = sender.send('commit 1', TO, '0x04')
    while (chain.mined.size === 0) await sleep(1)
    const [hash] = chain.mined.keys()
    await sleep(10)
    chain.reorganise()
    while (chain.mined.size === 0) {
      chain.height += 0
      await sleep(5)
    }
    chain.height += 2
    const receipt = await sending
    // The fee may have been raised meanwhile; the nonce is the same, so only one of them stands.
    expect(chain.received).toContain(hash)
    expect(chain.mined.get(receipt.transactionHash)!.nonce).toBe(0)
    expect(chain.nonce).toBe(1)
  })

  test('an endpoint that fails at every call, once each, is survived', async () => {
    for (const method of [
      'estimateGas',
      'getTransactionCount',
      'getBlock',
      'sendRawTransaction',
      'getTransactionReceipt',
      'getBlockNumber',
    ])
      chain.failures[method] = [new Error(`${method}: too many requests`)]
    const receipt = await make().send('commit 1', TO, '0x05')
    expect(receipt.status).toBe('success')
    expect(chain.nonce).toBe(1)
    expect(troubles.join()).toContain('too many requests')
  })

  test('a nonce that somebody else took is told, not sent again for ever', async () => {
    chain.isMining = false
    const sending = make().send('commit 1', TO, '0x06')
    while (chain.received.length === 0) await sleep(1)
    chain.nonce = 1
    await expect(sending).rejects.toBeInstanceOf(NonceTaken)
    expect(store.readOutbox()).toEqual([])
  })

  test('nonces that nothing has below one that waits are filled: an endpoint had said more than the chain has', async () => {
    chain.nonce = 3
    const sender = make(0, (step) => {
      if (step === 'signed' && chain.mined.size === 0) chain.nonce = 0
    })
    const receipt = await sender.send('commit 1', TO, '0x06')
    expect(chain.mined.get(receipt.transactionHash)!.nonce).toBe(3)
    expect([...chain.mined.values()].map(({ nonce }) => nonce)).toEqual([0, 1, 2, 3])
  })

  test('a revert, in simulation or on the chain, is told with its reason and leaves nothing behind', async () => {
    const said = (code: number, message: string) =>
      new RpcRequestError({ body: {}, error: { code, message }, url: 'a node' })
    for (const [error, text] of [
      [new ExecutionRevertedError({ message: 'execution reverted: NotOperator(0x00)' }), 'NotOperator'],
      // Whatever else ends it is no reason to try for ever.
      [said(-32000, 'invalid opcode: INVALID'), 'reverted: invalid opcode: INVALID'],
      [
        said(-32000, 'gas required exceeds allowance (30000000)'),
        'gas required exceeds allowance (30000000)',
      ],
    ] as const) {
      chain.failures.estimateGas = [error]
      await expect(make().send('commit 1', TO, '0x07')).rejects.toThrow(text)
    }
    chain.nextStatus = 'reverted'
    const sender = make()
    await expect(sender.send('commit 1', TO, '0x07')).rejects.toBeInstanceOf(TransactionReverted)
    expect(sender.isOpen('commit 1')).toBe(false)
  })

  test('bytes and nonce are durable before the first send', async () => {
    const seen: string[] = []
    await make(0, (step) => {
      const [pending] = store.readOutbox()
      const state = pending?.mined === undefined ? 'open' : 'kept'
      seen.push(`${step}: nonce ${pending?.nonce} ${state}, sent ${chain.received.length}`)
    }).send('commit 1', TO, '0x08')
    expect(seen).toEqual([
      'signed: nonce 0 open, sent 0',
      'sent: nonce 0 open, sent 1',
      'mined: nonce 0 kept, sent 1',
    ])
  })
})
