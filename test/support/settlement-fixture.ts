/**
 * A local chain with the exchange's contracts, owners who deposit on it, and a journal that the chain
 * watcher writes to: what the tests of settlement start from.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createPublicClient,
  createTestClient,
  createWalletClient,
  http,
  type Abi,
  type Address,
  type Hex,
  type PublicClient,
} from 'viem'
import { mnemonicToAccount, type HDAccount } from 'viem/accounts'
import { demoTokenAbi, settlementAbi, vaultAbi } from '../../contracts/abi.js'
import { startAnvil, type Anvil } from '../../contracts/anvil/anvil.js'
import { deploy, type DeployOptions, type Deployment } from '../../contracts/deployment/deploy.js'
import { chainClient, sleep } from '../../settlement/chain/chain.js'
import { startChainWatcher } from '../../settlement/chain/chain-watcher.js'
import { JournalFixture, testGenesis } from './journal-fixture.js'
import type { GenesisConfig } from '../../engine/types.js'

const MNEMONIC = 'test test test test test test test test test test test junk'
const WAIT_MS = 600_000

/** Owner `index`; 0 is the operator and the fee owner. */
export const owner = (index: number): HDAccount => mnemonicToAccount(MNEMONIC, { addressIndex: index })
export const keyOf = (index: number): Hex =>
  `0x${Buffer.from(owner(index).getHdKey().privateKey!).toString('hex')}`

/** Polls until `isTrue`; throws after two minutes. */
export async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MS
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms for ${what}`)
    await sleep(20)
  }
}

export class SettlementFixture {
  readonly dataDir = mkdtempSync(join(tmpdir(), 'glassbook-settlement-'))
  readonly journal: JournalFixture
  readonly client: PublicClient
  deposits = 0

  private constructor(
    readonly anvil: Anvil,
    readonly deployment: Deployment,
    genesis: GenesisConfig,
  ) {
    this.journal = new JournalFixture(this.dataDir, genesis)
    this.client = createPublicClient({ transport: http(anvil.rpcUrl), pollingInterval: 20 })
  }

  static async start(
    options: Partial<DeployOptions> = {},
    genesis: GenesisConfig = testGenesis,
  ): Promise<SettlementFixture> {
    const anvil = await startAnvil()
    return new SettlementFixture(
      anvil,
      await deploy({ rpcUrl: anvil.rpcUrl, privateKey: keyOf(0), ...options }),
      genesis,
    )
  }

  async stop(): Promise<void> {
    this.journal.close()
    await this.anvil.stop()
    rmSync(this.dataDir, { recursive: true })
  }

  /** Sends a call from owner `from` and waits until it is mined. Throws when it reverts. */
  async write(
    from: number,
    request: {
      address: Address
      abi: Abi | readonly unknown[]
      functionName: string
      args?: readonly unknown[]
      value?: bigint
    },
  ): Promise<Hex> {
    const wallet = createWalletClient({ account: owner(from), transport: http(this.anvil.rpcUrl) })
    const hash = await wallet.writeContract({ ...request, chain: null } as never)
    const receipt = await this.client.waitForTransactionReceipt({ hash })
    if (receipt.status !== 'success') throw new Error(`${request.functionName} reverted`)
    return hash
  }

  /** Owner `from` gets `units` of `asset`, and the vault may take them. */
  async mint(from: number, asset: number, units: number): Promise<void> {
    const address = this.deployment.assets[asset]!.token
    const amount = BigInt(units)
    for (const [functionName, to] of [
      ['mint', owner(from).address],
      ['approve', this.deployment.vault],
    ] as const)
      await this.write(from, { address, abi: demoTokenAbi, functionName, args: [to, amount] })
  }

  /** Owner `from` deposits `units` of `asset`; ids of accounts are given in order of first deposit, from 1. */
  async deposit(from: number, asset: number, units: number): Promise<void> {
    await this.mint(from, asset, units)
    await this.write(from, {
      address: this.deployment.vault,
      abi: vaultAbi,
      functionName: 'deposit',
      args: [BigInt(asset), BigInt(units)],
    })
  }

  /** Brings everything that is on the chain into the journal. */
  async credit(): Promise<void> {
    const watcher = startChainWatcher({
      client: chainClient([this.anvil.rpcUrl]),
      deployment: this.deployment,
      depositsConsumed: this.deposits,
      pollMs: 20,
      submit: (record) => {
        this.journal.append(record)
        return Promise.resolve(0)
      },
    })
    await watcher.caughtUp
    await watcher.stop()
    this.deposits = watcher.position()
  }

  readVault(functionName: string, ...args: unknown[]): Promise<unknown> {
    return this.client.readContract({
      address: this.deployment.vault,
      abi: vaultAbi,
      functionName,
      args,
    } as never)
  }

  readSettlement(functionName: string, ...args: unknown[]): Promise<unknown> {
    return this.client.readContract({
      address: this.deployment.settlement,
      abi: settlementAbi,
      functionName,
      args,
    } as never)
  }

  /** Moves the chain's clock forward and mines a block. */
  async passTime(seconds: number): Promise<void> {
    const test = createTestClient({ mode: 'anvil', transport: http(this.anvil.rpcUrl) })
    await test.increaseTime({ seconds })
    await test.mine({ blocks: 1 })
  }
}
