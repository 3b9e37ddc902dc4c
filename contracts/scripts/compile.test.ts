/**
 * Generated files are what the sources give, forge compiles with the same settings, and the model's
 * Poseidon agrees with another implementation.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { poseidon2 } from 'poseidon-lite'
import * as bytecode from '../bytecode.js'
import type { ContractCode } from '../bytecode.js'
import { compile, compilerSettings, generatedFiles, repositoryRoot, soliditySources } from './compile.js'
import { BalanceTree, poseidon, rootOf } from '../model/poseidon.js'
import { FIELD, poseidonTableSource } from '../poseidon-table.js'

const read = (path: string): string => readFileSync(join(repositoryRoot, path), 'utf8')

/**
 * Only these are compiled here: forge compiles the others with the same settings anyway, and forge.test.ts compares what
 * it made.
 */
const LOCAL = ['UnprovenVerifier', 'DemoToken']

describe('generated files', () => {
  test('the Poseidon table', () => {
    expect(read('contracts/src/libraries/PoseidonTable.sol') === poseidonTableSource()).toBe(true)
  })

  test('contracts of the local chain', () => {
    const paths = [
      ...LOCAL.map((name) => `contracts/src/local/${name}.sol`),
      'contracts/src/interfaces/IChunkVerifier.sol',
    ]
    const compiled = compile(Object.fromEntries(paths.map((path) => [path, read(path)])), LOCAL)
    for (const [file, text] of Object.entries(generatedFiles(compiled))) {
      const lines = text.split('\n').filter((line) => /^export const /.test(line))
      expect(lines).toHaveLength(LOCAL.length)
      // Compared as a boolean: a diff of bytecode helps nobody.
      const found = read(file).split('\n')
      for (const line of lines) expect([file, found.includes(line)]).toEqual([file, true])
    }
  })

  test('every contract fits the size limit of the chain', () => {
    const codes = Object.entries(bytecode as Readonly<Record<string, ContractCode>>)
    expect(codes.length).toBeGreaterThan(LOCAL.length)
    for (const [name, { runtime }] of codes)
      expect([name, (runtime.length - 2) / 2 <= 24_576]).toEqual([name, true])
  })

  test('foundry.toml has the settings of compile.ts for deployed contracts', () => {
    const toml = read('contracts/foundry.toml')
    expect(toml).toContain(`optimizer_runs = ${compilerSettings.optimizer.runs}`)
    expect(toml).toContain(`evm_version = "${compilerSettings.evmVersion}"`)
    expect(toml).toContain(
      `additional_compiler_profiles = [{ name = "deployed", via_ir = ${compilerSettings.viaIR}, optimizer = ${compilerSettings.optimizer.enabled} }]`,
    )
  })

  test('everything public has its NatSpec', () => {
    const bare: string[] = []
    for (const path of soliditySources(join(repositoryRoot, 'contracts', 'src'))) {
      const text = read(path)
      const declaration =
        /^ {4}(?:event \w+|error \w+|function \w+\([^;{]*?\)[^;{]*?\b(?:external|public)\b|[\w(][^;={]*\bpublic\b[^;={]*(?=[;=]))/gm
      for (const match of text.matchAll(declaration)) {
        const before = text.slice(0, match.index).trimEnd().split('\n').at(-1)!
        if (!/^\s*(\/\/\/|\*\/)/.test(before)) bare.push(`${path}: ${match[0].trim().split('\n')[0]}`)
      }
    }
    expect(bare).toEqual([])
  })

  test('a broken source is an error with its place', () => {
    expect(() =>
      compile({ 'contracts/src/Bad.sol': 'pragma solidity 0.8.37; contract Bad { uint x = y; }' }),
    ).toThrow(/Bad\.sol:1:/)
  })
})

describe('Poseidon', () => {
  test('agrees with poseidon-lite', () => {
    let [left, right] = [0n, 1n]
    for (let i = 0; i < 200; i++) {
      const hash = poseidon(left, right)
      expect(hash).toBe(poseidon2([left, right]))
      ;[left, right] = [right, i % 7 === 0 ? FIELD - 1n - BigInt(i) : hash]
    }
  })

  test('paths of the tree lead to its root', () => {
    const tree = new BalanceTree()
    for (const [index, units] of [
      [0, 5n],
      [2 ** 28 - 1, 7n],
      [64, 9n],
    ] as const)
      tree.set(index, units)
    expect(rootOf(64, 9n, tree.path(64))).toBe(tree.root)
    expect(rootOf(65, 0n, tree.path(65))).toBe(tree.root)
    expect(rootOf(64, 8n, tree.path(64))).not.toBe(tree.root)
  })
})
