/**
 * `npm run bench:arity`: what the shape of the state tree costs, at an equal capacity of 2^28 balances: binary or
 * four children a node, one balance or four a leaf. Constraints of a row are counted in compiled circuits
 * (row.circom); the gas of an exit's path is estimated by a node for contracts of one generator
 * (poseidon-solidity.ts), beside the path of BalanceTree.sol. Writes bench/results/arity.json and arity.md.
 *
 * Checks: our circuit of the binary shape has as many constraints as chunk.circom; every contract's root is
 * poseidon-lite's.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { poseidon2 } from 'poseidon-lite/poseidon2'
import { poseidon4 } from 'poseidon-lite/poseidon4'
import { createPublicClient, createTestClient, encodeFunctionData, http, type Hex } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { startAnvil } from '../../contracts/anvil/anvil.js'
import { compilerSettings, repositoryRoot } from '../../contracts/scripts/compile.js'
import { compileCircuit } from '../../settlement/prover/circuit.js'
import { readR1cs } from '../../settlement/prover/r1cs.js'
import { machine } from '../support/machine.js'
import { pathContract, shapes } from './poseidon-solidity.js'

const require = createRequire(import.meta.url)

interface Variant {
  readonly name: string
  readonly arity: 'binary' | 'quad'
  readonly depth: number
  /** Balances in a leaf. */
  readonly packed: 1 | 4
}

const CAPACITY_BITS = 28
/** For gas alone: at the 1,000 of the shipped contracts solc moves the constants of the quad one out of the code. */
const RUNS = 1_000_000_000
const variants: readonly Variant[] = [
  { name: 'binary, a balance a leaf', arity: 'binary', depth: 28, packed: 1 },
  { name: 'quad, a balance a leaf', arity: 'quad', depth: 14, packed: 1 },
  { name: 'binary, four balances a leaf', arity: 'binary', depth: 26, packed: 4 },
  { name: 'quad, four balances a leaf', arity: 'quad', depth: 13, packed: 4 },
]
/** Rows that a trader's trades in one market need: base and quote, or one leaf that holds both. */
const rowsOfTrader = ({ packed }: Variant): number => (packed === 1 ? 2 : 1)

function constraintsOf({ arity, depth, packed }: Variant): number {
  const work = mkdtempSync(join(tmpdir(), 'glassbook-arity-'))
  try {
    const circomlib = dirname(require.resolve('circomlib/package.json'))
    for (const source of [
      join(repositoryRoot, 'bench', 'arity', 'row.circom'),
      join(circomlib, 'circuits', 'poseidon.circom'),
      join(circomlib, 'circuits', 'poseidon_constants.circom'),
    ])
      copyFileSync(source, join(work, source.slice(dirname(source).length + 1)))
    const main = `component main {public [firstRoot, lastRoot, z, evaluation]} = OneRow(${arity === 'binary' ? 1 : 2}, ${depth}, ${packed});`
    writeFileSync(join(work, 'main.circom'), `pragma circom 2.1.6;\ninclude "row.circom";\n${main}\n`)
    const cli = join(dirname(require.resolve('circom2/package.json')), 'cli.js')
    const run = spawnSync(process.execPath, [cli, 'main.circom', '--r1cs', '--O2'], {
      cwd: work,
      encoding: 'utf8',
    })
    if (run.status !== 0) throw new Error(`circom: ${run.stdout}${run.stderr}`)
    return readR1cs(join(work, 'main.r1cs')).constraints.length
  } finally {
    rmSync(work, { recursive: true })
  }
}

interface Solc {
  compile(input: string): string
}

function compilePath({ arity, depth }: Variant): { abi: readonly unknown[]; code: Hex } {
  const solc = require('solc') as Solc
  const input = {
    language: 'Solidity',
    sources: { 'Path.sol': { content: pathContract(shapes[arity], depth) } },
    settings: {
      ...compilerSettings,
      optimizer: { enabled: true, runs: RUNS },
      outputSelection: { '*': { '*': ['abi', 'evm.deployedBytecode.object'] } },
    },
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as {
    errors?: { severity: string; formattedMessage: string }[]
    contracts?: Record<
      string,
      Record<string, { abi: unknown[]; evm: { deployedBytecode: { object: string } } }>
    >
  }
  const failures = output.errors?.filter(({ severity }) => severity === 'error') ?? []
  if (failures.length > 0)
    throw new Error(failures.map(({ formattedMessage }) => formattedMessage).join('\n'))
  const { abi, evm } = output.contracts!['Path.sol']!.Path!
  return { abi, code: `0x${evm.deployedBytecode.object}` }
}

/** Gas of a transaction that hashes a path of pseudo-random siblings; the root is checked. */
async function pathGas(
  variant: Variant,
  rpcUrl: string,
): Promise<{ pathGas: number; contractBytes: number }> {
  const { arity, depth } = variant
  const account = mnemonicToAccount('test test test test test test test test test test test junk')
  const transport = http(rpcUrl)
  const client = createPublicClient({ transport })
  const { abi, code } = compilePath(variant)
  // Put in place, not created: a table for four inputs does not leave a contract below EIP-170's 24,576 bytes.
  const address = '0x00000000000000000000000000000000000000aa'
  await createTestClient({ mode: 'anvil', transport }).setCode({ address, bytecode: code })
  const inputs = shapes[arity].inputs
  const siblings = Array.from({ length: depth * (inputs - 1) }, (_, at) => poseidon2([BigInt(at), 7n]))
  const [leaf, index] = [123_456n, 0x5a5a5a5]
  let expected = leaf
  for (let height = 0; height < depth; height++) {
    const children = siblings.slice(height * (inputs - 1), (height + 1) * (inputs - 1))
    const bits = Math.log2(inputs)
    children.splice((index >> (bits * height)) & (inputs - 1), 0, expected)
    expected = inputs === 2 ? poseidon2(children) : poseidon4(children)
  }
  const call = { abi, functionName: 'root', args: [leaf, BigInt(index), siblings] } as const
  const found = await client.readContract({ ...call, address } as never)
  if (found !== expected) throw new Error(`${variant.name}: the contract gives ${found}, not ${expected}`)
  const data = encodeFunctionData(call as never)
  const gas = await client.estimateGas({ account, to: address, data })
  return { pathGas: Number(gas), contractBytes: code.length / 2 - 1 }
}

const shipped = readR1cs((await compileCircuit({ rows: 1, depth: CAPACITY_BITS })).r1cs).constraints.length
const anvil = await startAnvil()
const rows = []
try {
  for (const variant of variants) {
    process.stderr.write(`${variant.name}\n`)
    const constraints = constraintsOf(variant)
    rows.push({
      ...variant,
      constraints,
      constraintsPerTrader: constraints * rowsOfTrader(variant),
      ...(await pathGas(variant, anvil.rpcUrl)),
    })
  }
} finally {
  await anvil.stop()
}
const [binary] = rows as [(typeof rows)[number]]
// Counted by one template for all shapes; the circuit that proves shares signals a little better or worse.
if (Math.abs(binary.constraints - shipped) > shipped / 100)
  throw new Error(`the binary row has ${binary.constraints} constraints, chunk.circom ${shipped}`)

const share = (value: number, of: number): string => `${Math.round((100 * value) / of)} %`
const gasFile = join(repositoryRoot, 'bench', 'results', 'gas.json')
const { gas } = JSON.parse(readFileSync(gasFile, 'utf8')) as { gas: Record<string, number> }
const lines = [
  '# Shape of the state tree',
  '',
  `Capacity ${CAPACITY_BITS} bits: 2^${CAPACITY_BITS} balances. Constraints: measured, circom2 at -O2, one row slot in a chunk (chunk.circom itself: ${shipped}). Gas: measured on anvil, a whole transaction that hashes one path, calldata included, by contracts of one generator, optimised for gas alone (runs 10^9); the path of BalanceTree.sol is hand-written and somewhat cheaper (\`escape\` as a whole: ${gas['escape, depth 28']} gas). Made by \`npm run bench:arity\`.`,
  '',
  '| tree | depth | constraints a row | constraints a trader and market | | gas of an exit path | | bytes of code |',
  '|---|---:|---:|---:|---:|---:|---:|---:|',
  ...rows.map(
    (row) =>
      `| ${row.name} | ${row.depth} | ${row.constraints} | ${row.constraintsPerTrader} | ${share(row.constraintsPerTrader, binary.constraintsPerTrader)} | ${row.pathGas} | ${share(row.pathGas, binary.pathGas)} | ${row.contractBytes} |`,
  ),
  '',
  'A trader and market: base and quote of one account change, which are two rows with a balance a leaf, and one row where both stand in one leaf. A row of four balances posts five words instead of two to the evaluation, and more calldata where only some of the four change.',
  '',
  '## Decision',
  '',
  'Binary, a balance a leaf, in this version.',
  '',
  '- Quad saves constraints and some gas, but the code of its path alone is larger than a contract may be (24,576 bytes, EIP-170): the vault would hash through a second contract in the one call that must always work. It is also another hash for the SDK, the exit tool and every verifier outside.',
  '- Four balances a leaf in the binary tree save more, with the hash that everybody has. They change the bytes of rows, the evaluation and the sums that the contract takes an asset, so they are a new version of contract, circuit and vectors together, and the first thing to take when proving is what limits; quad nodes could follow (last line of the table).',
  '',
]
const results = join(repositoryRoot, 'bench', 'results')
writeFileSync(
  join(results, 'arity.json'),
  `${JSON.stringify({ machine: machine(), capacityBits: CAPACITY_BITS, chunkCircom: shipped, variants: rows }, null, 2)}\n`,
)
writeFileSync(join(results, 'arity.md'), `${lines.join('\n')}\n`)
process.stdout.write(`${lines.join('\n')}\n`)
process.exit(0)
