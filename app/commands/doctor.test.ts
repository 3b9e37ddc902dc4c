/** `glassbook doctor` on a sound exchange, and on each kind of unsound one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BaseError,
  type PublicClient,
  createPublicClient,
  createTestClient,
  createWalletClient,
  http,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { glassbook } from '../command-line.js'
import { settlementAbi } from '../../contracts/abi.js'
import { groth16ChunkVerifierCode, unprovenVerifierCode, vaultCode } from '../../contracts/bytecode.js'
import { type Anvil, startAnvil } from '../../contracts/anvil/anvil.js'
import { checkDeployment } from '../../contracts/deployment/check.js'
import { DeployError, type Deployment, deploy } from '../../contracts/deployment/deploy.js'
import { smallTrapdoor, trapdoorKey } from '../../test/support/groth16-trapdoor.js'
import type { VerificationKey } from '../../contracts/deployment/verification-key.js'
import { developmentVerificationKey } from '../../settlement/chain/development-key.js'

const KEY = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const folder = mkdtempSync(join(tmpdir(), 'glassbook-doctor-'))
let chain: Anvil
let deployment: Deployment

beforeAll(async () => {
  chain = await startAnvil()
  deployment = await deploy({ rpcUrl: chain.rpcUrl, privateKey: KEY, path: join(folder, 'good.json') })
})
afterAll(async () => {
  await chain.stop()
  rmSync(folder, { recursive: true })
})

/** Exit code and output of a run. */
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const [stdout, stderr] = [process.stdout.write, process.stderr.write]
  process.stdout.write = (chunk: string | Uint8Array) => ((out += String(chunk)), true)
  process.stderr.write = (chunk: string | Uint8Array) => ((err += String(chunk)), true)
  try {
    return { code: await glassbook(['doctor', ...argv]), out, err }
  } finally {
    ;[process.stdout.write, process.stderr.write] = [stdout, stderr]
  }
}

const failures = async (changed: Deployment): Promise<string[]> =>
  (await checkDeployment(createPublicClient({ transport: http(chain.rpcUrl) }), changed))
    .filter(({ level }) => level === 'fail')
    .map(({ what }) => what)

describe('doctor of a proven exchange', () => {
  const key = trapdoorKey(smallTrapdoor)
  const otherKey = trapdoorKey({ ...smallTrapdoor, ic: [23n, 29n, 31n, 37n, 43n] })
  const path = join(folder, 'proven.json')
  const deployProven = (rpcUrl: string, verificationKey: VerificationKey): Promise<Deployment> =>
    deploy({ rpcUrl, privateKey: KEY, verificationKey, rowsPerChunk: 7, path })

  test('the key on the chain is the one of the deployment, in storage and in code', async () => {
    const proven = await deployProven(chain.rpcUrl, key)
    expect((await run(path)).out).toContain('ok   verification key: 9 points as in the deployment')
    expect(await failures(proven)).toEqual([])
    expect(await failures({ ...proven, verificationKey: otherKey })).toEqual([
      'verification key',
      'creation of verifier',
    ])
    const { verificationKey: _, ...unsaid } = proven
    expect((await failures(unsaid)).includes('verification key')).toBe(false)

    // alpha stands in the code, negated; the other points in storage, from slot 0: alpha, beta, ...
    const anvil = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
    const client = createPublicClient({ transport: http(chain.rpcUrl) })
    const code = (await client.getCode({ address: proven.verifier }))!
    for (const [name, what] of [
      ['_negAlphaX', '-alpha.x of the verifier'],
      ['_negAlphaY', '-alpha.y of the verifier'],
      ['rowsPerChunk', 'rowsPerChunk of the verifier'],
    ] as const) {
      const at = 2 + groth16ChunkVerifierCode.immutables.find((range) => range.name === name)!.start * 2
      const bytecode = `${code.slice(0, at)}${'0'.repeat(63)}5${code.slice(at + 64)}` as `0x${string}`
      await anvil.setCode({ address: proven.verifier, bytecode })
      expect(await failures(proven)).toEqual([what])
    }
    await anvil.setCode({ address: proven.verifier, bytecode: code })
    await anvil.setStorageAt({ address: proven.verifier, index: 5, value: `0x${'00'.repeat(31)}07` })
    const { out } = await run(path)
    expect(out).toContain('FAIL verification key: other points than in the deployment: beta\n')
  })

  test("the ceremony's own file is compared with --key", async () => {
    await deployProven(chain.rpcUrl, key)
    const [right, wrong, broken] = ['right', 'wrong', 'broken'].map((name) =>
      join(folder, `${name}-key.json`),
    )
    writeFileSync(right!, JSON.stringify(key))
    writeFileSync(wrong!, JSON.stringify(otherKey))
    writeFileSync(broken!, JSON.stringify({ ...key, IC: [['x', 'y']] }))
    expect((await run(path, '--key', right!)).code).toBe(0)
    const { code, out } = await run(path, '--key', wrong!)
    expect([code, out.includes('FAIL verification key')]).toEqual([1, true])
    expect(await run(path, '--key', broken!)).toMatchObject({ code: 2 })
    expect(await run(path, '--key', join(folder, 'absent'))).toMatchObject({ code: 2 })
  })

  test('the development key is a warning on a local chain, and a failure on any other', async () => {
    await deployProven(chain.rpcUrl, developmentVerificationKey)
    const local = await run(path)
    expect([local.code, local.out.includes('warn setup of the key')]).toEqual([0, true])
    const proven = JSON.parse(readFileSync(path, 'utf8')) as Deployment
    const other = await startAnvil()
    try {
      const rpcUrl = other.rpcUrl
      const there = await deployProven(rpcUrl, developmentVerificationKey)
      expect(there.constants).toEqual(proven.constants)
      // A chain that was local when the contracts were made, and names itself as another one now.
      const anvil = createTestClient({ mode: 'anvil', transport: http(rpcUrl) })
      await anvil.request({ method: 'anvil_setChainId', params: [5] } as never)
      writeFileSync(path, JSON.stringify({ ...there, chainId: 5 }))
      const { code, out } = await run(path)
      expect([code, out.includes('FAIL setup of the key')]).toEqual([1, true])
    } finally {
      await other.stop()
    }
  })

  test('the development key is not deployed on a chain that holds value, whatever wraps it', async () => {
    const other = await startAnvil({ chainId: 5 })
    try {
      const reader = createPublicClient({ transport: http(other.rpcUrl) })
      const before = await reader.getBlockNumber()
      await expect(deployProven(other.rpcUrl, developmentVerificationKey)).rejects.toThrow(DeployError)
      await expect(deployProven(other.rpcUrl, developmentVerificationKey)).rejects.toThrow('chain 5')
      // Nothing was sent; nor can the verifier that checks nothing exist there.
      expect(await reader.getBlockNumber({ cacheTime: 0 })).toBe(before)
      const assets = [{ symbol: 'ETH', decimals: 18, unitAtoms: 10n ** 9n, token: 'native' as const }]
      await expect(deploy({ rpcUrl: other.rpcUrl, privateKey: KEY, assets })).rejects.toThrow()
    } finally {
      await other.stop()
    }
  })
})

describe('doctor', () => {
  test('a sound exchange, told what it is not', async () => {
    const { code } = await run(join(folder, 'good.json'))
    expect(code).toBe(0)
    expect(await failures(deployment)).toEqual([])
    const findings = await checkDeployment(createPublicClient({ transport: http(chain.rpcUrl) }), deployment)
    expect(findings.filter(({ level }) => level === 'warn').map(({ what }) => what)).toEqual(['proofs'])
  })

  test('each constant, role and asset is compared', async () => {
    const { constants, assets } = deployment
    const other = '0x00000000000000000000000000000000000000aa'
    const changes: [Deployment, string[]][] = [
      [{ ...deployment, chainId: 1 }, ['chain id']],
      [{ ...deployment, feeOwner: other }, ['creation of vault', 'owner of the fee account']],
      [
        { ...deployment, assets: assets.slice(0, 1) },
        ['assets', 'assets of the settlement', 'creation of vault'],
      ],
      [
        { ...deployment, assets: assets.map((a) => ({ ...a, unitAtoms: '10' })) },
        ['creation of vault', 'asset 0 (USDX)', 'asset 1 (BTCX)'],
      ],
      [
        { ...deployment, assets: assets.map((a) => ({ ...a, decimals: 18 })) },
        ['decimals of USDX', 'decimals of BTCX'],
      ],
    ]
    for (const [changed, expected] of changes) expect(await failures(changed)).toEqual(expected)
    const ofConstants: [Partial<typeof constants>, string[]][] = [
      [{ exitDelaySeconds: 5 }, ['exitDelay', 'creation of settlement']],
      [{ proofDelaySeconds: 5 }, ['proofDelay', 'creation of settlement']],
      [{ verifierDelaySeconds: 5 }, ['verifierDelay', 'creation of settlement']],
      [{ maxUnproven: 5 }, ['maxUnproven', 'creation of settlement']],
      [{ requestFeeWei: '5' }, ['requestFee', 'creation of settlement']],
      [{ rowsPerChunk: 5 }, ['rowsPerChunk']],
      [{ governor: other }, ['creation of settlement', 'governor']],
      [{ guardian: other }, ['creation of settlement', 'guardian']],
      [{ operator: other }, ['creation of settlement', `${other} is an operator`]],
    ]
    for (const [change, expected] of ofConstants)
      expect(await failures({ ...deployment, constants: { ...constants, ...change } })).toEqual(expected)
  })

  test('another operator is told of, and that none could be looked for', async () => {
    const client = createPublicClient({ transport: http(chain.rpcUrl) })
    const governor = createWalletClient({ account: privateKeyToAccount(KEY), transport: http(chain.rpcUrl) })
    const other = `0x${'0b'.repeat(20)}` as const
    const set = async (allowed: boolean): Promise<void> => {
      const hash = await governor.writeContract({
        chain: null,
        address: deployment.settlement,
        abi: settlementAbi,
        functionName: 'setOperator',
        args: [other, allowed],
      })
      await client.waitForTransactionReceipt({ hash })
    }
    const told = async (asked: PublicClient): Promise<string[]> =>
      (await checkDeployment(asked, deployment))
        .filter(({ what }) => what === 'another operator')
        .map(({ level, detail }) => `${level} ${detail.toLowerCase()}`)
    expect(await told(client)).toEqual([])
    await set(true)
    expect(await told(client)).toEqual([`warn ${other}`])
    const refusing = {
      ...client,
      getContractEvents: () => Promise.reject(new BaseError('no logs')),
    } as unknown as PublicClient
    expect(await told(refusing)).toEqual([expect.stringMatching(/^warn not known: /)])
    await set(false)
    expect(await told(client)).toEqual([])
  })

  test('one copy of a constant that differs is found', async () => {
    const anvil = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
    const client = createPublicClient({ transport: http(chain.rpcUrl) })
    const code = (await client.getCode({ address: deployment.vault }))!
    const places = vaultCode.immutables.filter(({ name }) => name === 'settlement')
    expect(places.length).toBeGreaterThan(1)
    const at = 2 + places.at(-1)!.start * 2
    await anvil.setCode({
      address: deployment.vault,
      bytecode: `${code.slice(0, at)}${'0'.repeat(62)}aa${code.slice(at + 64)}` as `0x${string}`,
    })
    expect(await failures(deployment)).toEqual(['settlement of the vault'])
    await anvil.setCode({ address: deployment.vault, bytecode: code })
    expect(await failures(deployment)).toEqual([])
  })

  test('a creation by anything but the published constructors is found', async () => {
    const { creations } = deployment
    expect(creations).toBeDefined()
    expect(
      await failures({ ...deployment, creations: { ...creations!, vault: creations!.settlement } }),
    ).toEqual(['creation of vault'])
    const { creations: _, ...before } = deployment
    expect(await failures(before)).toEqual([])
    const findings = await checkDeployment(createPublicClient({ transport: http(chain.rpcUrl) }), {
      ...deployment,
      creations: { ...creations!, vault: `0x${'ab'.repeat(32)}` },
    })
    expect(findings.find(({ what }) => what === 'creation of vault')).toMatchObject({ level: 'warn' })
  })

  test('other bytecode is found, and nothing is asked of it', async () => {
    expect(await failures({ ...deployment, vault: deployment.settlement })).toEqual(['bytecode of Vault'])
    const proven = { ...deployment, constants: { ...deployment.constants, proven: true } }
    expect(await failures(proven)).toEqual(['bytecode of verifier'])
    writeFileSync(join(folder, 'other.json'), JSON.stringify(proven))
    expect((await run(join(folder, 'other.json'))).code).toBe(1)
    const anvil = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
    const address = '0x00000000000000000000000000000000000000bb'
    const tampered = unprovenVerifierCode.runtime.replace(/..$/, (last) => (last === '00' ? '01' : '00'))
    await anvil.setCode({ address, bytecode: tampered as `0x${string}` })
    expect(await failures({ ...deployment, verifier: address })).toEqual(['bytecode of verifier'])
  })

  test('wrong arguments, files and chains', async () => {
    expect(await run()).toMatchObject({ code: 2 })
    expect(await run('--nonsense')).toMatchObject({ code: 2 })
    expect((await run(join(folder, 'absent.json'))).err).toContain('there is no such file or folder')
    expect(await run(folder)).toMatchObject({
      code: 2,
      err: `glassbook: the deployment ${folder}: it is a folder, not a file: name a file (EISDIR)\n`,
    })
    for (const [text, says] of [
      ['{}', 'is not a deployment: chainId'],
      ['{"chainId":', 'is not a deployment: '],
      [JSON.stringify({ ...deployment, vault: '0x12' }), 'is not a deployment: vault: is not an address'],
      [JSON.stringify({ ...deployment, assets: [{ id: 0 }] }), 'is not a deployment: assets.0.symbol'],
    ] as const) {
      writeFileSync(join(folder, 'odd.json'), text)
      expect(await run(join(folder, 'odd.json'))).toMatchObject({
        code: 2,
        err: expect.stringContaining(says) as string,
      })
    }
    const { code, err } = await run(join(folder, 'good.json'), '--rpc', 'http://127.0.0.1:1')
    expect([code, err]).toEqual([
      1,
      expect.stringMatching(/cannot be asked: .*: a local chain runs .*"glassbook chain DIR"/),
    ])
    const json = await run(join(folder, 'good.json'), '--json')
    expect(JSON.parse(json.out)).toMatchObject({ failed: 0 })
  })
})
