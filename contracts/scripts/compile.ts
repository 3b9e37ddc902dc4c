/**
 * Compiles contracts/src with the pinned solc of npm and writes contracts/abi.ts (ABIs `as const`) and
 * contracts/bytecode.ts (creation and runtime code). Both files are committed; compile.test.ts fails
 * when they are not what the sources give. Run by `npm run contracts:build`; `compile` is also used by
 * the mutation runner, on changed sources.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { poseidonTableSource } from '../poseidon-table.js'

const require = createRequire(import.meta.url)

/** The repository's root; this file runs as dist/contracts/scripts/compile.js. */
export const repositoryRoot = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** What every compilation uses, forge's too: a different setting is a different bytecode. */
export const compilerSettings = {
  optimizer: { enabled: true, runs: 1000 },
  viaIR: true,
  evmVersion: 'cancun',
} as const
export const solcVersion = '0.8.37'

/** Bytes [start, start + length) of the runtime code that an immutable fills in. */
export interface NamedImmutable {
  /** The immutable's name in the source. */
  readonly name: string
  readonly start: number
  readonly length: number
}

export interface CompiledContract {
  readonly abi: readonly unknown[]
  readonly creation: `0x${string}`
  /** Runtime code, zeros where immutables stand. */
  readonly runtime: `0x${string}`
  readonly immutables: readonly NamedImmutable[]
}

/** Contracts that are deployed, by name: source file under contracts/src, or of a package. */
const published: Record<string, string> = {
  Vault: 'contracts/src/Vault.sol',
  Settlement: 'contracts/src/Settlement.sol',
  PageVault: 'contracts/src/pages/PageVault.sol',
  PageSettlement: 'contracts/src/pages/PageSettlement.sol',
  PageVerifier: 'contracts/src/pages/PageVerifier.sol',
  Groth16ChunkVerifier: 'contracts/src/Groth16ChunkVerifier.sol',
  UnprovenVerifier: 'contracts/src/local/UnprovenVerifier.sol',
  DemoToken: 'contracts/src/local/DemoToken.sol',
}
const abiNames: Record<string, string> = {
  Vault: 'vaultAbi',
  Settlement: 'settlementAbi',
  PageVault: 'pageVaultAbi',
  PageSettlement: 'pageSettlementAbi',
  PageVerifier: 'pageVerifierAbi',
  Groth16ChunkVerifier: 'groth16ChunkVerifierAbi',
  UnprovenVerifier: 'unprovenVerifierAbi',
  DemoToken: 'demoTokenAbi',
}

interface SolcContract {
  abi: unknown[]
  evm: {
    bytecode: { object: string }
    deployedBytecode: {
      object: string
      /** By the id of the immutable's declaration. */
      immutableReferences?: Record<string, { start: number; length: number }[]>
    }
  }
}
interface AstNode {
  id?: number
  name?: string
  nodeType?: string
  mutability?: string
  nodes?: AstNode[]
}
interface SolcOutput {
  errors?: { severity: string; formattedMessage: string; sourceLocation?: { file: string } }[]
  contracts?: Record<string, Record<string, SolcContract>>
  sources?: Record<string, { ast?: AstNode }>
}

/** Paths of all .sol files below `folder`, relative to the root, '/'-separated and sorted. */
export function soliditySources(folder: string): string[] {
  const found: string[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.sol')) continue
    found.push(relative(repositoryRoot, join(entry.parentPath, entry.name)).split(sep).join('/'))
  }
  return found.sort()
}

/**
 * Compiles published contracts.
 * @param sources Source text by path from the root; read from disk unless given.
 * @param wanted Their names; all unless given.
 * @throws Error with solc's messages on any error or warning: a warning is a finding.
 */
export function compile(
  sources: Record<string, string> = Object.fromEntries(
    soliditySources(join(repositoryRoot, 'contracts', 'src')).map((path) => [
      path,
      readFileSync(join(repositoryRoot, path), 'utf8'),
    ]),
  ),
  wanted: readonly string[] = Object.keys(published),
): Record<string, CompiledContract> {
  const { contracts = {}, sources: parsed = {} } = runSolc(sources, compilerSettings)
  const names = new Map<string, string>()
  for (const { ast } of Object.values(parsed)) collectImmutables(ast, names)
  const compiled: Record<string, CompiledContract> = {}
  for (const name of wanted) {
    const path = published[name]!
    const contract = contracts[path]?.[name]
    if (contract === undefined) throw new Error(`compile: ${path} has no contract ${name}`)
    const { bytecode, deployedBytecode } = contract.evm
    compiled[name] = {
      abi: contract.abi,
      creation: `0x${bytecode.object}`,
      runtime: `0x${deployedBytecode.object}`,
      immutables: Object.entries(deployedBytecode.immutableReferences ?? {})
        .flatMap(([id, ranges]) =>
          ranges.map(({ start, length }) => ({ name: names.get(id)!, start, length })),
        )
        .sort((a, b) => a.start - b.start),
    }
  }
  return compiled
}

/** Names of immutables by the id of their declaration. */
function collectImmutables(node: AstNode | undefined, names: Map<string, string>): void {
  if (node?.nodeType === 'VariableDeclaration' && node.mutability === 'immutable')
    names.set(String(node.id), node.name!)
  for (const child of node?.nodes ?? []) collectImmutables(child, names)
}

/** Contracts and syntax trees by source path. Throws Error with solc's messages on any error or warning. */
function runSolc(sources: Record<string, string>, settings: object): SolcOutput {
  // Loaded here: the compiler is a 10 MB program that readers of the settings do not need.
  const solc = require('solc') as {
    version(): string
    compile(input: string, callbacks: { import(path: string): { contents?: string; error?: string } }): string
  }
  if (!solc.version().startsWith(`${solcVersion}+`))
    throw new Error(`compile: solc is ${solc.version()}, the project is pinned to ${solcVersion}`)
  const input = {
    language: 'Solidity',
    sources: Object.fromEntries(Object.entries(sources).map(([path, content]) => [path, { content }])),
    settings: {
      ...settings,
      metadata: { bytecodeHash: 'none', appendCBOR: false },
      outputSelection: {
        '*': {
          '': ['ast'],
          '*': [
            'abi',
            'evm.bytecode.object',
            'evm.deployedBytecode.object',
            'evm.deployedBytecode.immutableReferences',
          ],
        },
      },
    },
  }
  const findImport = (path: string): { contents?: string; error?: string } => {
    try {
      return { contents: readPackageSource(path) }
    } catch (error) {
      return { error: String(error) }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport })) as SolcOutput
  // Warnings about packages are not ours to fix; errors are errors wherever they are.
  const problems = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) =>
      severity === 'error' || (sourceLocation?.file ?? '').startsWith('contracts/'),
  )
  if (problems.length > 0)
    throw new Error(problems.map(({ formattedMessage }) => formattedMessage).join('\n'))
  return output
}

/** Solidity sources of packages are imported by their path in node_modules. */
function readPackageSource(path: string): string {
  return readFileSync(join(repositoryRoot, 'node_modules', ...path.split('/')), 'utf8')
}

const generated =
  '// Generated by contracts/scripts/compile.ts from contracts/src. Do not edit: run `npm run contracts:build`.\n'

/** Text of the two generated files with what was compiled, by path from the root. */
export function generatedFiles(compiled: Record<string, CompiledContract>): Record<string, string> {
  const names = Object.entries(abiNames).filter(([contract]) => contract in compiled)
  const abis = names.map(
    ([contract, name]) => `export const ${name} = ${JSON.stringify(compiled[contract]!.abi)} as const\n`,
  )
  const codes = Object.entries(compiled).map(([name, { creation, runtime, immutables }]) => {
    const code = { creation, runtime, immutables }
    return `export const ${name[0]!.toLowerCase()}${name.slice(1)}Code: ContractCode = ${JSON.stringify(code)}\n`
  })
  const codeTypes = `/** Bytes [start, start + length) of the runtime code that an immutable fills in; zeros here. */
export interface ImmutableRange {
  readonly name: string
  readonly start: number
  readonly length: number
}
export interface ContractCode {
  readonly creation: \`0x\${string}\`
  readonly runtime: \`0x\${string}\`
  readonly immutables: readonly ImmutableRange[]
}
`
  return {
    'contracts/abi.ts': `${generated}${abis.join('')}`,
    'contracts/bytecode.ts': `${generated}${codeTypes}${codes.join('')}`,
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // The table is a source: written before the compilation that reads it.
  writeFileSync(join(repositoryRoot, 'contracts/src/libraries/PoseidonTable.sol'), poseidonTableSource())
  const compiled = compile()
  for (const [path, text] of Object.entries(generatedFiles(compiled)))
    writeFileSync(join(repositoryRoot, path), text)
  for (const [name, { runtime }] of Object.entries(compiled))
    console.log(`${name}: ${(runtime.length - 2) / 2} bytes of runtime code`)
}
