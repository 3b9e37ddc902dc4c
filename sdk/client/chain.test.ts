/** What a client is told when its connection to the chain fails at each step of a transaction. */
import {
  HttpRequestError,
  createWalletClient,
  custom,
  encodeErrorResult,
  encodeEventTopics,
  parseAbi,
} from 'viem'
import { vaultAbi } from '../../contracts/abi.js'
import { Chain } from './chain.js'
import { ErrorCode } from '../wire/codes.js'

const ACCOUNT = `0x${'aa'.repeat(20)}` as const
const TOKEN = `0x${'bb'.repeat(20)}` as const
const HASH = `0x${'cc'.repeat(32)}` as const
const DEPLOYMENT = { chainId: 31337, vault: TOKEN, settlement: TOKEN } as const
const abi = parseAbi(['function touch() external', 'event Touched()'])
const CALL = { address: TOKEN, abi, functionName: 'touch', args: [] } as const

const lost = (): never => {
  throw new HttpRequestError({ url: 'http://127.0.0.1:1', details: 'fetch failed' })
}

/** A chain that answers, but for the methods in `failing`. */
function chainThat(failing: Readonly<Record<string, () => unknown>>, status = '0x1'): Chain {
  const receipt = {
    transactionHash: HASH,
    transactionIndex: '0x0',
    blockHash: HASH,
    blockNumber: '0x2',
    from: ACCOUNT,
    to: TOKEN,
    gasUsed: '0x1',
    cumulativeGasUsed: '0x1',
    effectiveGasPrice: '0x1',
    logs: [],
    logsBloom: encodeEventTopics({ abi, eventName: 'Touched' })[0],
    type: '0x2',
    contractAddress: null,
    status,
  }
  const answers: Readonly<Record<string, () => unknown>> = {
    eth_chainId: () => '0x7a69',
    eth_call: () => '0x',
    eth_sendTransaction: () => HASH,
    eth_getTransactionReceipt: () => receipt,
    eth_blockNumber: () => '0x2',
    ...failing,
  }
  const request = ({ method }: { method: string }): Promise<unknown> =>
    Promise.resolve().then(() => answers[method]!())
  const wallet = createWalletClient({
    account: ACCOUNT,
    transport: custom({ request }, { retryCount: 0 }),
    pollingInterval: 1,
  })
  return new Chain({ url: 'ws://127.0.0.1:1', deployment: DEPLOYMENT, wallet })
}

test('a transaction in a block', async () => {
  await expect(chainThat({}).send('the claim', CALL)).resolves.toMatchObject({ status: 'success' })
})

test('a connection that fails before anything is sent: nothing was sent', async () => {
  await expect(chainThat({ eth_call: lost }).send('the claim', CALL)).rejects.toMatchObject({
    code: ErrorCode.TransactionFailed,
    message: expect.stringMatching(/^the claim: the chain does not answer .*; nothing was sent/s) as string,
  })
})

test('a connection that fails while it is sent: the outcome is unknown', async () => {
  await expect(chainThat({ eth_sendTransaction: lost }).send('the claim', CALL)).rejects.toMatchObject({
    code: ErrorCode.OutcomeUnknown,
    details: { transactionHash: undefined },
    message: expect.stringContaining('the claim may have been sent') as string,
  })
})

test('a connection that fails after it was sent: the outcome is unknown, its hash is told', async () => {
  await expect(chainThat({ eth_getTransactionReceipt: lost }).send('the claim', CALL)).rejects.toMatchObject({
    code: ErrorCode.OutcomeUnknown,
    details: { transactionHash: HASH },
    message: expect.stringContaining(`was sent as transaction ${HASH}`) as string,
  })
})

test('a question that the chain does not answer is an error of this library, with what to do', async () => {
  const refused = {
    name: 'TransportError',
    code: ErrorCode.CannotConnect,
    message: expect.stringMatching(
      /^the chain does not answer .*; nothing was sent: check that it runs/s,
    ) as string,
  }
  for (const failing of [{ eth_chainId: lost }, { eth_call: lost }])
    await expect(chainThat(failing).newestBatch()).rejects.toMatchObject(refused)
  await expect(chainThat({ eth_getBalance: lost }).balance()).rejects.toMatchObject(refused)
  await expect(chainThat({ eth_chainId: lost }).send('the claim', CALL)).rejects.toMatchObject(refused)
})

test('what the vault refuses is followed by what to do', async () => {
  const data = encodeErrorResult({ abi: vaultAbi, errorName: 'NothingToClaim', args: [3n, 0n] })
  const refuse = (): never => {
    throw Object.assign(new Error('execution reverted'), { code: 3, data })
  }
  const claim = { address: TOKEN, abi: vaultAbi, functionName: 'claim', args: [3n, 0n] } as const
  await expect(chainThat({ eth_call: refuse }).send('the claim', claim)).rejects.toMatchObject({
    code: ErrorCode.TransactionFailed,
    message: expect.stringContaining(
      'the claim was refused by the chain: NothingToClaim(3, 0); nothing has changed; a withdrawal can be claimed when its batch is proven: see withdrawalStatus',
    ) as string,
  })
})

test('a node that refuses it, and a block in which it was reverted: nothing has changed', async () => {
  const refuse = (): never => {
    throw Object.assign(new Error('insufficient funds for gas'), { code: -32000 })
  }
  for (const chain of [chainThat({ eth_sendTransaction: refuse }), chainThat({}, '0x0')])
    await expect(chain.send('the claim', CALL)).rejects.toMatchObject({
      code: ErrorCode.TransactionFailed,
      message: expect.stringContaining('nothing has changed') as string,
    })
})
