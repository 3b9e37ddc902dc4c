/**
 * The vault's deposit queue as the chain tells it: its length and running hash at a block, its events, and the
 * same hash computed here. Used by the chain watcher and by the auditor's tools.
 *
 *   h[0] = 0, h[n + 1] = keccak256(h[n] ++ uint32 index ++ uint64 units ++ owner)
 */
import { encodePacked, getAbiItem, keccak256, type Address, type Hex, type PublicClient } from 'viem'
import { vaultAbi } from '../../contracts/abi.js'
import { logsOfBlock } from './log-ranges.js'
import { hexToBytes } from '../batch/commit.js'
import { indexOf } from '../batch/rows.js'

/** Where a command of the chain came from: the journal's attachment, UTF-8 JSON. */
export interface ChainOrigin {
  readonly transactionHash: string
  readonly blockNumber: number
  readonly logIndex: number
}

export interface DepositEvent {
  readonly position: number
  readonly account: number
  readonly asset: number
  readonly units: number
  readonly owner: Address
  readonly origin: ChainOrigin
}

/** Hash of the empty queue. */
export const EMPTY_QUEUE: Hex = `0x${'00'.repeat(32)}`

/** Hash of the queue that has one more deposit than the one of `hash`. */
export function extendQueue(
  hash: Hex,
  { account, asset, units, owner }: Pick<DepositEvent, 'account' | 'asset' | 'units' | 'owner'>,
): Hex {
  return keccak256(
    encodePacked(
      ['bytes32', 'uint32', 'uint64', 'address'],
      [hash, indexOf(account, asset), BigInt(units), owner],
    ),
  )
}

/** Deposits of the queue as a commit posts them. */
export const encodeQueue = (
  deposits: readonly Pick<DepositEvent, 'account' | 'asset' | 'units' | 'owner'>[],
): Uint8Array =>
  hexToBytes(
    deposits
      .map(
        ({ account, asset, units, owner }) =>
          indexOf(account, asset).toString(16).padStart(8, '0') +
          units.toString(16).padStart(16, '0') +
          owner.slice(2),
      )
      .join(''),
  )

export class DepositQueue {
  constructor(
    private readonly client: PublicClient,
    private readonly vault: Address,
  ) {}

  /** Deposits in the queue at a block. */
  async count(blockNumber: bigint): Promise<number> {
    const { client, vault: address } = this
    return Number(
      await client.readContract({ address, abi: vaultAbi, functionName: 'depositCount', blockNumber }),
    )
  }

  /** Hash of the first `count` deposits at a block that has as many. */
  hash(count: number, blockNumber: bigint): Promise<Hex> {
    const { client, vault: address } = this
    return client.readContract({
      address,
      abi: vaultAbi,
      functionName: 'depositHash',
      args: [BigInt(count)],
      blockNumber,
    })
  }

  /** Deposits of a block range as the endpoint tells them, in order of blocks and logs. */
  async events(fromBlock: bigint, toBlock: bigint): Promise<DepositEvent[]> {
    const event = getAbiItem({ abi: vaultAbi, name: 'Deposited' })
    const logs = await this.client.getLogs({ address: this.vault, event, fromBlock, toBlock, strict: true })
    return logs
      .map(({ args, transactionHash, blockNumber, logIndex }) => ({
        position: Number(args.position),
        account: args.account,
        asset: args.asset,
        units: Number(args.units),
        owner: args.owner,
        origin: { transactionHash, blockNumber: Number(blockNumber), logIndex },
      }))
      .sort((a, b) => a.origin.blockNumber - b.origin.blockNumber || a.origin.logIndex - b.origin.logIndex)
  }

  /** Owner of an account, and where it was registered. Throws when the block has no such event. */
  async registration(account: number, block: number): Promise<{ owner: Address; origin: ChainOrigin }> {
    const { client, vault: address } = this
    const owner = await client.readContract({
      address,
      abi: vaultAbi,
      functionName: 'ownerOf',
      args: [BigInt(account)],
    })
    const event = getAbiItem({ abi: vaultAbi, name: 'AccountRegistered' })
    const at = BigInt(block)
    const [log] = await logsOfBlock(at, () =>
      client.getLogs({ address, event, args: { account }, fromBlock: at, toBlock: at }),
    )
    if (log === undefined) throw new Error(`the endpoint has no registration of account ${account}`)
    const { transactionHash, blockNumber, logIndex } = log
    return { owner, origin: { transactionHash, blockNumber: Number(blockNumber), logIndex } }
  }
}
