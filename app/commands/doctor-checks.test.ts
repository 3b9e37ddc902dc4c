/**
 * One lie for each check of `glassbook doctor`: of an endpoint that tells one thing otherwise exactly the check that
 * it is for fails, by the program's own words and exit code. What is a warning is told, and ends with 0.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  encodeFunctionData,
  encodeFunctionResult,
  getAbiItem,
  toFunctionSelector,
  type Abi,
  type Hex,
} from 'viem'
import { glassbook } from '../command-line.js'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import { settlementCode, vaultCode, type ContractCode } from '../../contracts/bytecode.js'
import { deploy, type Deployment } from '../../contracts/deployment/deploy.js'
import { told } from '../../test/support/told.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const OTHER = '0x00000000000000000000000000000000000000aa'
const folder = mkdtempSync(join(tmpdir(), 'glassbook-doctor-checks-'))
const path = join(folder, 'deployment.json')
const withEther = join(folder, 'ether.json')

interface Question {
  readonly id: number
  readonly method: string
  readonly params: readonly unknown[]
}
/** What is told instead of the truth. */
type Lie = (question: Question, truth: unknown, deployment: Deployment) => unknown

let chain: Anvil
let deployment: Deployment
let ether: Deployment
let proxy: Server
let lie: Lie | undefined
beforeAll(async () => {
  chain = await startAnvil()
  deployment = await deploy({ rpcUrl: chain.rpcUrl, privateKey: KEY, path })
  const assets = [{ symbol: 'ETH', decimals: 18, unitAtoms: 10n ** 9n, token: 'native' as const }]
  ether = await deploy({ rpcUrl: chain.rpcUrl, privateKey: KEY, path: withEther, assets })
  proxy = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      void answer({ params: [], ...(JSON.parse(body) as Omit<Question, 'params'>) }).then((reply) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify(reply))
      })
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  proxy.closeAllConnections()
  proxy.close()
  await chain.stop()
  rmSync(folder, { recursive: true })
})

async function answer(question: Question): Promise<object> {
  const response = await fetch(chain.rpcUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', ...question }),
  })
  const reply = (await response.json()) as { result?: unknown }
  if (!('result' in reply) || lie === undefined) return reply
  return { ...reply, result: lie(question, reply.result, deployment) }
}

interface Outcome {
  readonly code: number
  readonly fail: readonly string[]
  readonly warn: readonly string[]
}
async function doctor(told_: Lie | undefined, file = path): Promise<Outcome> {
  lie = told_
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const { code, out } = await told(() => glassbook(['doctor', file, '--rpc', url]))
  const found = (mark: string): string[] =>
    out
      .split('\n')
      .filter((line) => line.startsWith(`${mark} `))
      .map((line) => line.slice(mark.length + 1))
  return { code, fail: found('FAIL'), warn: found('warn') }
}

/** A contract answers a function otherwise, of these arguments where they are given. */
const says =
  (abi: Abi, functionName: string, result: unknown, args?: readonly unknown[]): Lie =>
  ({ method, params }, truth) => {
    const { data } = (params[0] ?? {}) as { data?: Hex }
    if (method !== 'eth_call' || data === undefined) return truth
    const asked =
      args === undefined
        ? data.startsWith(toFunctionSelector(getAbiItem({ abi, name: functionName }) as never))
        : data === encodeFunctionData({ abi, functionName, args } as never)
    return asked ? encodeFunctionResult({ abi, functionName, result } as never) : truth
  }
/** Only what is asked of the contract at `address`. */
const to =
  (address: string, one: Lie): Lie =>
  (question, truth, of) =>
    (question.params[0] as { to?: string } | undefined)?.to?.toLowerCase() === address.toLowerCase()
      ? one(question, truth, of)
      : truth
const ofSettlement = (name: string, result: unknown): Lie => says(settlementAbi as Abi, name, result)
const ofVault = (name: string, result: unknown, args?: readonly unknown[]): Lie =>
  says(vaultAbi as Abi, name, result, args)
const all =
  (...lies: readonly Lie[]): Lie =>
  (question, truth, of) =>
    lies.reduce((told_, one) => one(question, told_, of), truth)

/** The code at a contract's address has `word` at the last place of an immutable. */
const codeSays =
  (at: 'vault' | 'settlement', { immutables }: ContractCode, name: string): Lie =>
  ({ method, params }, truth, of) => {
    if (method !== 'eth_getCode' || String(params[0]).toLowerCase() !== of[at].toLowerCase()) return truth
    const from = 2 + immutables.filter((range) => range.name === name).at(-1)!.start * 2
    const code = truth as string
    return `${code.slice(0, from)}${'0'.repeat(62)}aa${code.slice(from + 64)}`
  }
const otherCode =
  (at: 'vault' | 'settlement' | 'verifier'): Lie =>
  ({ method, params }, truth, of) =>
    method === 'eth_getCode' && String(params[0]).toLowerCase() === of[at].toLowerCase()
      ? (truth as string).replace(/..$/, (last) => (last === '00' ? '01' : '00'))
      : truth
const creation =
  (at: 'vault' | 'settlement' | 'verifier', method: string, change: object): Lie =>
  (question, truth, of) =>
    question.method === method && question.params[0] === of.creations![at]
      ? { ...(truth as object), ...change }
      : truth

test('without a lie nothing fails, and only the missing proofs are told', async () => {
  expect(await doctor(undefined)).toEqual({ code: 0, fail: [], warn: [expect.stringMatching(/^proofs: /)] })
})

test.each<[string, Lie]>([
  ['chain id', ({ method }, truth) => (method === 'eth_chainId' ? '0x5' : truth)],
  ['bytecode of Vault', otherCode('vault')],
  ['bytecode of Settlement', otherCode('settlement')],
  ['bytecode of verifier', otherCode('verifier')],
  ['settlement of the vault', codeSays('vault', vaultCode, 'settlement')],
  ['assets', codeSays('vault', vaultCode, 'assetCount')],
  ['vault of the settlement', codeSays('settlement', settlementCode, 'vault')],
  ['assets of the settlement', codeSays('settlement', settlementCode, '_assetCount')],
  ...(['exitDelay', 'proofDelay', 'verifierDelay', 'maxUnproven', 'requestFee'] as const).map(
    (name): [string, Lie] => [name, codeSays('settlement', settlementCode, name)],
  ),
  ...(['vault', 'settlement', 'verifier'] as const).flatMap((at): [string, Lie][] => [
    [`creation of ${at}`, creation(at, 'eth_getTransactionReceipt', { contractAddress: OTHER })],
    [`creation of ${at}`, creation(at, 'eth_getTransactionReceipt', { contractAddress: null })],
    [`creation of ${at}`, creation(at, 'eth_getTransactionByHash', { input: '0x6000' })],
  ]),
  ['owner of the fee account', ofVault('ownerOf', OTHER)],
  ['rowsPerChunk', ofSettlement('rowsPerChunk', 5n)],
  ['governor', ofSettlement('governor', OTHER)],
  ['guardian', ofSettlement('guardian', OTHER)],
  ['0x… is an operator', ofSettlement('isOperator', false)],
  [
    'asset 1 (BTCX)',
    (question, truth, of) =>
      ofVault('assetOf', { token: of.assets[1]!.token, unitAtoms: 7n }, [1n])(question, truth, of),
  ],
  [
    'asset 0 (USDX)',
    (question, truth, of) =>
      all(
        ofVault('assetOf', { token: OTHER, unitAtoms: BigInt(of.assets[0]!.unitAtoms) }, [0n]),
        // A token that does what the right one does.
        to(OTHER, says(demoTokenAbi as Abi, 'decimals', of.assets[0]!.decimals)),
        to(OTHER, says(demoTokenAbi as Abi, 'balanceOf', 0n)),
      )(question, truth, of),
  ],
  [
    'decimals of USDX',
    (question, truth, of) =>
      to(of.assets[0]!.token, says(demoTokenAbi as Abi, 'decimals', 3))(question, truth, of),
  ],
  ['custody of BTCX', ofVault('custodyUnits', 5n, [1n])],
  ['frozen', ofSettlement('frozen', true)],
])('only "%s" fails (%#)', async (what, told_) => {
  const { code, fail } = await doctor(told_)
  expect([code, fail.map((line) => line.split(': ')[0]!.replace(/0x\w{40}/, '0x…'))]).toEqual([1, [what]])
})

test('of a native asset the balance of the vault is its custody', async () => {
  expect(await doctor(undefined, withEther)).toMatchObject({ code: 0, fail: [] })
  const owed = ofVault('custodyUnits', 5n)
  const { code, fail } = await doctor(owed, withEther)
  expect([code, fail]).toEqual([1, [`custody of ETH: 0 atoms held, ${5n * 10n ** 9n} owed`]])
  const held: Lie = ({ method }, truth) =>
    method === 'eth_getBalance' ? `0x${(5n * 10n ** 9n).toString(16)}` : truth
  expect(await doctor(all(owed, held), withEther)).toMatchObject({ code: 0, fail: [] })
  expect(ether.assets[0]!.symbol).toBe('ETH')
})

const FUTURE = 2n ** 38n
test.each<[RegExp, Lie]>([
  [/^commits: paused by the guardian$/, ofSettlement('commitsPaused', true)],
  [/^verifier: 0x0{38}aa; deployed with 0x/i, ofSettlement('verifier', OTHER)],
  [
    /^next verifier: 0x0{38}aa from \S+ on, until /i,
    all(ofSettlement('proposedVerifier', OTHER), ofSettlement('verifierActiveFrom', FUTURE)),
  ],
  [
    /^next governor: 0x0{38}aa, until /i,
    all(ofSettlement('proposedGovernor', OTHER), ofSettlement('governorLapsesAt', FUTURE)),
  ],
  [/^forced withdrawals: 3 wait for an answer$/, ofSettlement('openRequests', 3n)],
  [/^proofs: batch 1 is past its deadline/, ofSettlement('batchCount', 1n)],
  [
    /^creation of vault: the endpoint does not have transaction/,
    (question, truth, of) =>
      question.method === 'eth_getTransactionByHash' && question.params[0] === of.creations!.vault
        ? null
        : truth,
  ],
])('only %s is told besides', async (line, told_) => {
  const { code, fail, warn } = await doctor(told_)
  expect([code, fail]).toEqual([0, []])
  expect(warn.filter((each) => !each.startsWith('proofs: the verifier accepts everything'))).toEqual([
    expect.stringMatching(line),
  ])
})

test('offers that have lapsed, and a batch that has time, are no warnings', async () => {
  const { warn, fail } = await doctor(
    all(
      ofSettlement('proposedVerifier', OTHER),
      ofSettlement('verifierActiveFrom', 1n),
      ofSettlement('proposedGovernor', OTHER),
      ofSettlement('governorLapsesAt', 1n),
      ofSettlement('batchCount', 1n),
      ofSettlement('batchOf', {
        newRoot: 0n,
        fillsRoot: `0x${'00'.repeat(32)}`,
        withdrawalsHash: `0x${'00'.repeat(32)}`,
        lastSeq: 1n,
        depositsConsumed: 0n,
        committedAt: 2 ** 38,
        chunkCount: 1,
        chunksProven: 0,
        uncredited: 0,
        verifier: OTHER,
      }),
    ),
  )
  expect([warn.length, fail]).toEqual([1, []])
})
