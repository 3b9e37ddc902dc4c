/**
 * A real exchange whose contract is frozen: it says so once and stops in order with a code of its own, another
 * start says the same, and `doctor` fails by it.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, createTestClient, createWalletClient, http } from 'viem'
import { localAccount } from '../../app/start/local-chain.js'
import { settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { type Deployment, receiptOf } from '../../contracts/deployment/deploy.js'
import { NO_PROVER, Program } from '../support/program.js'
import { freePort } from '../support/ports.js'

const folder = mkdtempSync(join(tmpdir(), 'glassbook-frozen-'))
const dataDir = join(folder, 'data')
const programs: Program[] = []
const run = (...args: string[]): Program => {
  const program = new Program(args)
  programs.push(program)
  return program
}
const start = async (): Promise<Program> =>
  run(
    ...['start', '--data', dataDir, '--port', String(await freePort()), ...NO_PROVER],
    ...['--exit-delay-seconds', '3600', '--batch-seconds', '1'],
  )
afterAll(async () => {
  await Promise.all(programs.map((program) => (program.hasExited ? null : program.kill('SIGTERM'))))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
})

const SAID = /settlement contract 0x[0-9a-fA-F]{40} is frozen for good.*"glassbook exit"/g

test('a freeze ends the exchange in order, with its reason, once', async () => {
  const first = await start()
  await first.says('Ctrl-C')
  const path = join(dataDir, 'deployment.json')
  const { settlement, vault, rpcUrl } = JSON.parse(readFileSync(path, 'utf8')) as Deployment
  const transport = http(rpcUrl!)
  const client = createPublicClient({ transport })
  const owner = localAccount(2)
  const wallet = createWalletClient({ account: owner, transport })
  const send = async (functionName: string, args: readonly bigint[], value = 0n): Promise<void> => {
    const call = { address: settlement, abi: settlementAbi, functionName, args, value, chain: null }
    const { status } = await receiptOf(client, await wallet.writeContract(call as never))
    expect([functionName, status]).toEqual([functionName, 'success'])
  }
  const account = await client.readContract({
    address: vault,
    abi: vaultAbi,
    functionName: 'accountOf',
    args: [owner.address],
  })
  const fee = await client.readContract({
    address: settlement,
    abi: settlementAbi,
    functionName: 'currentRequestFee',
  })
  // Nothing is proven here, so nobody is answered.
  await send('requestWithdrawal', [BigInt(account), 0n, 5n], fee)
  const chain = createTestClient({ mode: 'anvil', transport })
  await chain.increaseTime({ seconds: 3601 })
  await chain.mine({ blocks: 1 })
  await send('freeze', [BigInt(account), 0n])

  expect(await first.ends()).toBe(3)
  expect(first.output.match(SAID)).toHaveLength(1)
  expect(first.output).not.toMatch(/did not stop cleanly|nobody expected/)

  const again = await start()
  expect(await again.ends()).toBe(3)
  expect(again.output.match(SAID)).toHaveLength(1)

  const alone = run('chain', dataDir)
  await alone.says('Ctrl-C')
  const doctor = run('doctor', path)
  expect(await doctor.ends()).toBe(1)
  expect(doctor.output).toMatch(/^FAIL frozen: for good/m)
  expect(await alone.kill('SIGTERM')).toBe(0)
}, 900_000)
