/**
 * README.md as a newcomer follows it, word for word beside a started exchange: the SDK's program before and after
 * the start, then the way out with the operator gone. Only the port is another, and where the newcomer sleeps, the
 * chain's clock is put forward by as much.
 */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createPublicClient, http } from 'viem'
import { DEMO_DEPOSIT_UNITS, localAccount } from '../../app/start/local-chain.js'
import { demoTokenAbi } from '../../contracts/abi.js'
import type { Deployment } from '../../contracts/deployment/deploy.js'
import { MAIN, NO_PROVER, Program, WAIT_MS, until } from '../support/program.js'
import { freePort } from '../support/ports.js'

const root = resolve(fileURLToPath(import.meta.url), '..', '..', '..', '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const sdkReadme = readFileSync(join(root, 'sdk', 'README.md'), 'utf8')
/** The code of a section, by language. */
const code = (title: string, language: string, text = readme): string[] => {
  const section = text.split(`\n## ${title}\n`)[1]!.split('\n## ')[0]!
  return [...section.matchAll(new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``, 'g'))].map(([, text]) => text!)
}

/** Stands for the clone: `data` of the first start is in it, and the folder that the way out is tried on. */
const folder = mkdtempSync(join(tmpdir(), 'glassbook-readme-'))
const [tryIt, kill, alone, leave] = code('Leave with the operator gone', 'sh')
/** The flags that README gives the exchange which is left; one exchange stands for both sections. */
const flags = tryIt!.trim().split(' ').slice(3)
const dataDir = join(folder, 'trial')
/** Inside the repository, where the SDK is found by its name. */
const programs = join(root, 'dist', `readme-${process.pid}`)
let port = 0
let exchange: Program | undefined
let chain: Program | undefined
beforeAll(async () => {
  execFileSync(process.execPath, ['node_modules/tsgo/bin/tsc', '-p', 'sdk'], { cwd: root })
  mkdirSync(programs, { recursive: true })
  port = await freePort()
}, WAIT_MS)
afterAll(async () => {
  for (const program of [exchange, chain])
    if (program !== undefined && !program.hasExited) await program.kill('SIGTERM')
  for (const path of [folder, programs]) rmSync(path, { recursive: true, force: true, maxRetries: 20 })
}, WAIT_MS)

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}
const runIn = (command: string, args: readonly string[]): Promise<Ended> =>
  new Promise((done) => {
    const child = execFile(command, args, { cwd: folder, timeout: WAIT_MS }, (_error, stdout, stderr) =>
      done({ status: child.exitCode, stdout, stderr }),
    )
  })
/** Puts the chain of the folder `trial` forward by so many seconds. */
const PASS_TIME = `
  import { readFileSync } from "node:fs"
  const { rpcUrl } = JSON.parse(readFileSync("trial/deployment.json", "utf8"))
  for (const [method, params] of [["evm_increaseTime", [Number(process.argv[1])]], ["evm_mine", []]]) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })
    const answer = await fetch(rpcUrl, { method: "POST", headers: { "content-type": "application/json" }, body })
    const { error } = await answer.json()
    if (error !== undefined) throw new Error(error.message)
  }`
/** Runs the lines in a shell in which `npx glassbook` is this build, and `sleep` lets the time of the chain pass. */
const shell = (lines: string): Promise<Ended> =>
  runIn('sh', [
    '-c',
    `npx() { shift; "${process.execPath}" "${MAIN}" "$@"; }
sleep() { "${process.execPath}" --input-type=module -e '${PASS_TIME}' "$1"; }
${lines}`,
  ])
const runSnippet = (name: string, text: string): Promise<Ended> => {
  const path = join(programs, name)
  writeFileSync(path, text.replace(':9001', `:${port}`))
  return runIn(process.execPath, [path])
}
const snippet = (): Promise<Ended> => runSnippet('snippet.mjs', code('Sixty seconds with the SDK', 'js')[0]!)
/** The first program of sdk/README.md. */
const firstOrder = (): Promise<Ended> =>
  runSnippet('first-order.mjs', code('An order in five minutes', 'js', sdkReadme)[0]!)

test(
  'the engine as a filter',
  async () => {
    const { status, stdout, stderr } = await shell(code('Tools', 'sh')[1]!)
    expect([status, stderr]).toEqual([0, ''])
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    expect(lines.map(({ event }) => event)).toEqual([
      'deposited',
      'deposited',
      'accepted',
      'accepted',
      'fill',
      'book',
    ])
    expect(lines.at(-1)).toMatchObject({ bids: [[100, 2, 1]], asks: [] })
  },
  WAIT_MS,
)

test(
  'the SDK in sixty seconds, before and after the start',
  async () => {
    const early = await snippet()
    expect([early.status, early.stdout]).toEqual([1, ''])
    expect(early.stderr).toMatch(/^npm start is not ready yet, .*ENOENT.*\n$/)
    expect(tryIt).toBe(`npm start -- --data trial ${flags.slice(2).join(' ')}\n`)
    symlinkSync('trial', join(folder, 'data'))
    const earlyOrder = await firstOrder()
    expect([earlyOrder.status, earlyOrder.stdout]).toEqual([1, ''])
    expect(earlyOrder.stderr).toMatch(/^npm start is not ready yet, .*cannot connect.*\n$/)
    exchange = new Program(['start', '--port', String(port), ...NO_PROVER, ...flags], {}, undefined, folder)
    await exchange.says('Ctrl-C')
    const { status, stdout, stderr } = await snippet()
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('snapshot')
    const first = await firstOrder()
    expect([first.status, first.stderr]).toEqual([0, ''])
    expect(first.stdout).toMatch(/^placed: open order \d+$/m)
    expect(stdout).toMatch(/amount: '100000000'.*state: 'committed'/s)
  },
  WAIT_MS * 2,
)

test(
  'leave with the operator gone',
  async () => {
    expect(alone).toBe('npx glassbook chain trial\n')
    expect((await shell(kill!)).status).toBe(0)
    await until('the operator is gone', () => exchange!.hasExited)
    chain = new Program(['chain', dataDir])
    await chain.says('Ctrl-C')
    const { rpcUrl, assets } = JSON.parse(
      readFileSync(join(dataDir, 'deployment.json'), 'utf8'),
    ) as Deployment & { rpcUrl: string }
    expect(chain.output).toContain(rpcUrl)
    // One or the other has the folder.
    const second = new Program(['start', '--data', dataDir, '--port', String(port)])
    expect([await second.ends(), second.output]).toEqual([1, expect.stringContaining('is in use by process')])

    const reader = createPublicClient({ transport: http(rpcUrl) })
    const inWallet = ({ token }: { token: `0x${string}` }): Promise<bigint> =>
      reader.readContract({
        address: token,
        abi: demoTokenAbi,
        functionName: 'balanceOf',
        args: [localAccount(4).address],
      })
    expect(await Promise.all(assets.map(inWallet))).toEqual(assets.map(() => 0n))
    const left = await shell(leave!)
    expect([left.status, left.stdout]).toEqual([0, expect.stringContaining('nothing to do')])
    expect(await Promise.all(assets.map(inWallet))).toEqual(
      assets.map(({ id, unitAtoms }) => (DEMO_DEPOSIT_UNITS[id] ?? 0n) * BigInt(unitAtoms)),
    )
    expect(await chain.kill('SIGTERM')).toBe(0)
    expect(chain.output).toContain('the chain is on disk')
  },
  WAIT_MS * 2,
)
