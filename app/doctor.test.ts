/** `glassbook doctor` on a sound exchange, and on each kind of unsound one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createPublicClient, createTestClient, http } from 'viem'
import { unprovenVerifierCode } from '../contracts/bytecode.js'
import { type Anvil, startAnvil } from '../contracts/anvil.js'
import { checkDeployment } from '../contracts/check.js'
import { type Deployment, deploy } from '../contracts/deploy.js'
import { runDoctor } from './doctor.js'

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
    return { code: await runDoctor(argv), out, err }
  } finally {
    ;[process.stdout.write, process.stderr.write] = [stdout, stderr]
  }
}

const failures = async (changed: Deployment): Promise<string[]> =>
  (await checkDeployment(createPublicClient({ transport: http(chain.rpcUrl) }), changed))
    .filter(({ level }) => level === 'fail')
    .map(({ what }) => what)

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
      [{ ...deployment, feeOwner: other }, ['owner of the fee account']],
      [{ ...deployment, constants: { ...constants, exitDelaySeconds: 5 } }, ['exitDelay']],
      [{ ...deployment, constants: { ...constants, proofDelaySeconds: 5 } }, ['proofDelay']],
      [{ ...deployment, constants: { ...constants, verifierDelaySeconds: 5 } }, ['verifierDelay']],
      [{ ...deployment, constants: { ...constants, maxUnproven: 5 } }, ['maxUnproven']],
      [{ ...deployment, constants: { ...constants, requestFeeWei: '5' } }, ['requestFee']],
      [{ ...deployment, constants: { ...constants, rowsPerChunk: 5 } }, ['rowsPerChunk']],
      [{ ...deployment, constants: { ...constants, governor: other } }, ['governor']],
      [{ ...deployment, constants: { ...constants, guardian: other } }, ['guardian']],
      [{ ...deployment, constants: { ...constants, operator: other } }, [`${other} is an operator`]],
      [{ ...deployment, assets: assets.slice(1) }, ['assets']],
      [
        { ...deployment, assets: assets.map((a) => ({ ...a, unitAtoms: '10' })) },
        ['asset 0 (USDX)', 'asset 1 (BTCX)'],
      ],
      [
        { ...deployment, assets: assets.map((a) => ({ ...a, decimals: 18 })) },
        ['decimals of USDX', 'decimals of BTCX'],
      ],
    ]
    for (const [changed, expected] of changes) expect(await failures(changed)).toEqual(expected)
  })

  test('other bytecode is found, and nothing is asked of it', async () => {
    expect(await failures({ ...deployment, vault: deployment.settlement })).toEqual(['bytecode of Vault'])
    expect(await failures({ ...deployment, constants: { ...deployment.constants, proven: true } })).toEqual([
      'bytecode of verifier',
    ])
    const anvil = createTestClient({ mode: 'anvil', transport: http(chain.rpcUrl) })
    const address = '0x00000000000000000000000000000000000000bb'
    const tampered = unprovenVerifierCode.runtime.replace(/..$/, (last) => (last === '00' ? '01' : '00'))
    await anvil.setCode({ address, bytecode: tampered as `0x${string}` })
    expect(await failures({ ...deployment, verifier: address })).toEqual(['bytecode of verifier'])
  })

  test('wrong arguments, files and chains', async () => {
    expect(await run()).toMatchObject({ code: 2 })
    expect(await run('--nonsense')).toMatchObject({ code: 2 })
    expect((await run(join(folder, 'absent.json'))).err).toContain('cannot be read')
    writeFileSync(join(folder, 'odd.json'), '{}')
    expect((await run(join(folder, 'odd.json'))).err).toContain('is not a deployment')
    const { code, err } = await run(join(folder, 'good.json'), '--rpc', 'http://127.0.0.1:1')
    expect([code, err.includes('cannot be asked')]).toEqual([1, true])
    const json = await run(join(folder, 'good.json'), '--json')
    expect(JSON.parse(json.out)).toMatchObject({ failed: 0 })
  })
})
