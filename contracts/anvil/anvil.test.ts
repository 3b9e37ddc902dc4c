/**
 * The local chain: it starts on a free port, keeps its state over a stop and over kill -9, and says what
 * is wrong when it cannot start. Deployment on it, with and without a verification key.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Address, createPublicClient, createWalletClient, getAddress, http, parseEther } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { groth16ChunkVerifierAbi, settlementAbi, vaultAbi } from '../abi.js'
import { startAnvil } from './anvil.js'
import { keepBackups, wholeState } from './anvil-state.js'
import { type Deployment, deploy } from '../deployment/deploy.js'
import { repositoryRoot } from '../scripts/compile.js'
import type { VerificationKey } from '../deployment/verification-key.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const folder = mkdtempSync(join(tmpdir(), 'glassbook-anvil-'))
afterAll(() => rmSync(folder, { recursive: true }))

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const RECIPIENT: Address = '0x00000000000000000000000000000000000000AA'

async function pay(rpcUrl: string): Promise<void> {
  const wallet = createWalletClient({ account: privateKeyToAccount(KEY), transport: http(rpcUrl) })
  const hash = await wallet.sendTransaction({ chain: null, to: RECIPIENT, value: parseEther('1') })
  await createPublicClient({ transport: http(rpcUrl), pollingInterval: 20 }).waitForTransactionReceipt({
    hash,
  })
}
const balance = (rpcUrl: string): Promise<bigint> =>
  createPublicClient({ transport: http(rpcUrl) }).getBalance({ address: RECIPIENT })

describe('anvil', () => {
  test('keeps its state over a stop', async () => {
    const statePath = join(folder, 'stopped.json')
    const first = await startAnvil({ statePath, chainId: 4242 })
    await pay(first.rpcUrl)
    await first.stop()
    const second = await startAnvil({ statePath, chainId: 4242 })
    expect(await balance(second.rpcUrl)).toBe(parseEther('1'))
    await second.stop()
  })

  test('does not take the chain of another for its own', async () => {
    const first = await startAnvil()
    const port = Number(new URL(first.rpcUrl).port)
    await expect(startAnvil({ port })).rejects.toThrow(`port ${port} of 127.0.0.1 is taken`)
    const wantedPort = port
    await first.stop()
    const both = await Promise.all([startAnvil({ wantedPort }), startAnvil({ wantedPort })])
    await pay(both[0].rpcUrl)
    expect(await balance(both[1].rpcUrl)).toBe(0n)
    for (const anvil of both) await anvil.stop()
  })

  test('keeps what it has written over a kill, and mends a torn file', async () => {
    const statePath = join(folder, 'killed.json')
    const first = await startAnvil({ statePath })
    await pay(first.rpcUrl)
    // Until the write that contains the payment has been copied aside: bounded, and no matter how slow.
    const copied = async (): Promise<boolean> => {
      try {
        return readFileSync(`${statePath}.1`, 'utf8').toLowerCase().includes(RECIPIENT.slice(2).toLowerCase())
      } catch {
        return false
      }
    }
    for (let i = 0; i < 400 && !(await copied()); i++) await sleep(50)
    process.kill(first.pid, 'SIGKILL')
    await first.stop()
    const text = readFileSync(statePath, 'utf8')
    writeFileSync(statePath, text.slice(0, text.length / 2))
    const second = await startAnvil({ statePath })
    expect(await balance(second.rpcUrl)).toBe(parseEther('1'))
    await second.stop()
    // What it took for torn is kept: it may have been the only one.
    expect(readFileSync(`${statePath}.torn`, 'utf8')).toBe(text.slice(0, text.length / 2))
  })

  test('a state that is longer than a text may be is not taken for torn', () => {
    const statePath = join(folder, 'long.json')
    const text = `${JSON.stringify({ block: 1, accounts: 'x'.repeat(200) })}\n`
    writeFileSync(statePath, text)
    expect(wholeState(statePath, 100)?.toString()).toBe(text)
    writeFileSync(statePath, text.slice(0, 150))
    expect(wholeState(statePath, 100)).toBeUndefined()
    expect(() => wholeState(folder)).toThrow('EISDIR')
  })

  test('takes a copy where the file parses and is no state', async () => {
    const statePath = join(folder, 'flipped.json')
    const first = await startAnvil({ statePath })
    await pay(first.rpcUrl)
    await first.stop()
    const text = readFileSync(statePath, 'utf8')
    writeFileSync(`${statePath}.1`, text)
    writeFileSync(statePath, text.replaceAll('0x', '0t'))
    // As after a kill: with the mark of a stop it is noticed before the chain sees it.
    rmSync(`${statePath}.sha256`)
    const lines: string[] = []
    const second = await startAnvil({ statePath, onLine: (line) => lines.push(line) })
    expect(lines).toEqual([expect.stringContaining(`${statePath} is refused by the chain; taken from`)])
    expect(await balance(second.rpcUrl)).toBe(parseEther('1'))
    await second.stop()
    for (const path of ['', '.1', '.2']) writeFileSync(`${statePath}${path}`, '{"block":"0t"}')
    await expect(startAnvil({ statePath })).rejects.toThrow(/flipped.json is refused.*put back a copy/)
  })

  test('a state that was changed after a stop, and parses, is not taken', async () => {
    const statePath = join(folder, 'changed.json')
    const first = await startAnvil({ statePath })
    await pay(first.rpcUrl)
    await first.stop()
    const text = readFileSync(statePath, 'utf8')
    expect(readFileSync(`${statePath}.1`, 'utf8')).toBe(text)
    // One coin more, in the balance of the payment's recipient.
    const other = text.replaceAll('0xde0b6b3a7640000', '0xde0b6b3a7650000')
    expect(other).not.toBe(text)
    writeFileSync(statePath, other)
    const lines: string[] = []
    const second = await startAnvil({ statePath, onLine: (line) => lines.push(line) })
    expect(lines).toEqual([
      expect.stringMatching(/changed.json is not the state that the last stop left.*\.1$/),
    ])
    expect(await balance(second.rpcUrl)).toBe(parseEther('1'))
    expect(readFileSync(`${statePath}.changed`, 'utf8')).toBe(other)
    await second.stop()
    writeFileSync(statePath, other)
    for (const suffix of ['.1', '.2']) rmSync(`${statePath}${suffix}`)
    lines.length = 0
    const third = await startAnvil({ statePath, onLine: (line) => lines.push(line) })
    expect(lines).toEqual([expect.stringContaining('put back the newest copy')])
    await third.stop()
  })

  test('a refused state is named however long the chain complains of it', async () => {
    const statePath = join(folder, 'long-words.json')
    const code = (letter: string): string => `0x${'60'.repeat(4000)}${letter}0`
    const state = {
      block: null,
      accounts: { [RECIPIENT]: { nonce: 0, balance: '0x0', code: code('t'), storage: {} } },
    }
    for (const suffix of ['', '.1']) writeFileSync(`${statePath}${suffix}`, JSON.stringify(state))
    await expect(startAnvil({ statePath })).rejects.toThrow(/long-words.json is refused.*put back a copy/)
  })

  test('says when the file cannot be mended, and when the port is another chain', async () => {
    const statePath = join(folder, 'torn.json')
    writeFileSync(statePath, '{"block":')
    await expect(startAnvil({ statePath })).rejects.toThrow('torn.json is not a whole chain state')
    const chain = await startAnvil({ chainId: 5 })
    const port = Number(new URL(chain.rpcUrl).port)
    await expect(startAnvil({ port, chainId: 6, readyTimeoutMs: 5000 })).rejects.toThrow(
      /chain 5, not 6|anvil ended/,
    )
    await chain.stop()
  })

  test('takes the port that it had, and another one when that is taken', async () => {
    const first = await startAnvil()
    const wantedPort = Number(new URL(first.rpcUrl).port)
    const beside = await startAnvil({ wantedPort })
    expect(beside.rpcUrl).not.toBe(first.rpcUrl)
    await first.stop()
    const again = await startAnvil({ wantedPort })
    expect(again.rpcUrl).toBe(first.rpcUrl)
    await Promise.all([beside.stop(), again.stop()])
  })

  test('makes blocks at an interval', async () => {
    const chain = await startAnvil({ blockTimeSeconds: 1 })
    const client = createPublicClient({ transport: http(chain.rpcUrl), cacheTime: 0 })
    const first = await client.getBlockNumber()
    for (let i = 0; i < 200 && (await client.getBlockNumber()) === first; i++) await sleep(50)
    expect(await client.getBlockNumber()).toBeGreaterThan(first)
    await chain.stop()
  })
})

describe('deploy', () => {
  test('wires vault and settlement, and writes the deployment', async () => {
    const chain = await startAnvil()
    const client = createPublicClient({ transport: http(chain.rpcUrl) })
    const path = join(folder, 'deployment.json')
    const feeOwner = getAddress('0x00000000000000000000000000000000000000fe')
    const deployment = await deploy({
      rpcUrl: chain.rpcUrl,
      privateKey: KEY,
      path,
      feeOwner,
      exitDelaySeconds: 60,
    })
    expect(JSON.parse(readFileSync(path, 'utf8')) as Deployment).toEqual(deployment)
    const vault = { address: deployment.vault, abi: vaultAbi } as const
    expect(await client.readContract({ ...vault, functionName: 'settlement' })).toBe(deployment.settlement)
    expect(await client.readContract({ ...vault, functionName: 'ownerOf', args: [0n] })).toBe(feeOwner)
    expect(await client.readContract({ ...vault, functionName: 'assetOf', args: [1n] })).toEqual({
      token: deployment.assets[1]!.token,
      unitAtoms: 1n,
    })
    const settlement = { address: deployment.settlement, abi: settlementAbi } as const
    expect(await client.readContract({ ...settlement, functionName: 'exitDelay' })).toBe(60n)
    expect(deployment.constants.proven).toBe(false)
    expect(deployment.constants.rowsPerChunk).toBe(16)
    // A second exchange of the same deployer has its own addresses.
    const second = await deploy({ rpcUrl: chain.rpcUrl, privateKey: KEY })
    expect(second.vault).not.toBe(deployment.vault)
    await chain.stop()
  })

  test('refuses unit sizes and keys that cannot be', async () => {
    const chain = await startAnvil()
    const asset = { symbol: 'ODD', decimals: 6, unitAtoms: 30n }
    const options = { rpcUrl: chain.rpcUrl, privateKey: KEY } as const
    await expect(deploy({ ...options, assets: [asset] })).rejects.toThrow('asset ODD: unitAtoms is 30')
    await expect(deploy({ ...options, verificationKey: key() })).rejects.toThrow('rowsPerChunk')
    await expect(deploy({ ...options, exitDelaySeconds: 31 * 24 * 3600 })).rejects.toThrow(
      /reverted|exceeds/i,
    )
    await chain.stop()
  })

  test('takes the verification key of a circuit', async () => {
    const chain = await startAnvil()
    const client = createPublicClient({ transport: http(chain.rpcUrl) })
    const { verifier, settlement, constants } = await deploy({
      rpcUrl: chain.rpcUrl,
      privateKey: KEY,
      assets: [{ symbol: 'ETH', decimals: 18, unitAtoms: 10n ** 9n, token: 'native' }],
      verificationKey: key(),
      rowsPerChunk: 7,
    })
    expect(constants.proven).toBe(true)
    expect(
      await client.readContract({ address: settlement, abi: settlementAbi, functionName: 'rowsPerChunk' }),
    ).toBe(7n)
    const { cases } = vectors()
    for (const [i, { publicInputs, proof }] of cases.entries()) {
      const verify = (inputs: readonly bigint[]): Promise<boolean> =>
        client.readContract({
          address: verifier,
          abi: groth16ChunkVerifierAbi,
          functionName: 'verify',
          args: [inputs as never, proof.map(BigInt) as never],
        })
      expect(await verify(publicInputs.map(BigInt))).toBe(true)
      expect(await verify(cases[(i + 1) % 3]!.publicInputs.map(BigInt))).toBe(false)
    }
    await chain.stop()
  })
})

interface Vectors {
  readonly alpha: string[]
  readonly beta: string[]
  readonly gamma: string[]
  readonly delta: string[]
  readonly ic: string[]
  readonly cases: { readonly publicInputs: string[]; readonly proof: string[] }[]
}
const vectors = (): Vectors =>
  JSON.parse(readFileSync(join(repositoryRoot, 'contracts/test/vectors/groth16.json'), 'utf8')) as Vectors

/** The vectors' key as snarkjs would write it. */
function key(): VerificationKey {
  const { alpha, beta, gamma, delta, ic } = vectors()
  const g2 = ([x1, x0, y1, y0]: string[]): string[][] => [
    [x0!, x1!],
    [y0!, y1!],
    ['1', '0'],
  ]
  return {
    protocol: 'groth16',
    curve: 'bn128',
    nPublic: 4,
    vk_alpha_1: [...alpha, '1'],
    vk_beta_2: g2(beta),
    vk_gamma_2: g2(gamma),
    vk_delta_2: g2(delta),
    IC: [0, 2, 4, 6, 8].map((i) => [ic[i]!, ic[i + 1]!, '1']),
  }
}

test('a state that stays torn is told once, and when copies are made again', async () => {
  const statePath = join(folder, 'torn-state.json')
  writeFileSync(statePath, '{"block"')
  const lines: string[] = []
  let wake = (): void => {}
  const stop = keepBackups(statePath, (line, level) => {
    lines.push(`${level ?? 'info'} ${line}`)
    wake()
  })
  const told = (count: number): Promise<void> =>
    new Promise((resolve) => {
      wake = () => {
        if (lines.length >= count) resolve()
      }
      wake()
    })
  // The copies' own timer holds no process.
  const alive = setInterval(() => {}, 1000)
  await told(1)
  writeFileSync(statePath, '{"block":1}')
  await told(2)
  clearInterval(alive)
  await stop()
  expect(lines).toEqual([
    expect.stringMatching(/^warn local chain: no copy of .* could be made \(it is torn for \d+ s/),
    expect.stringMatching(/^info local chain: copies of .* are made again$/),
  ])
  expect(readFileSync(`${statePath}.1`, 'utf8')).toBe('{"block":1}')
})
