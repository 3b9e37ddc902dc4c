/**
 * Turns the vault's events into engine commands: AccountRegistered -> OpenAccount, Deposited -> Deposit
 * from the chain. Started by the composition root; goes on from the engine's `depositsConsumed`.
 *
 * Invariant: deposits are submitted in queue order, each once it has `confirmations` blocks on it; an
 * account is submitted before its first deposit. Submitting again after a restart is harmless: the engine
 * refuses an account that exists and a deposit whose place was taken.
 */
import { type Address, type PublicClient } from 'viem'
import { CommandKind, Reject, rejectNames } from '../engine/codes.js'
import { COMMAND_WORDS, Cmd, OpenAccountCmd } from '../engine/layout.js'
import { vaultAbi } from '../contracts/abi.js'
import { chainErrorText, sleep, type ChainDeployment } from './chain.js'
import { hexToBytes } from './commit.js'

/** Where a command of the chain came from: the journal's attachment, UTF-8 JSON. */
export interface ChainOrigin {
  readonly transactionHash: string
  readonly blockNumber: number
  readonly logIndex: number
}

export interface ChainWatcherOptions {
  readonly client: PublicClient
  readonly deployment: ChainDeployment
  /** Deposits that the engine has consumed: the queue position that comes next. */
  readonly depositsConsumed: number
  /** Blocks on top of a deposit before it is credited; 0 unless given. */
  readonly confirmations?: number
  /** Hands a command record (64 bytes) to the engine; resolves with its reject code once it is durable. */
  readonly submit: (record: Int32Array, attachment: Uint8Array) => Promise<number>
  readonly pollMs?: number
  /** Blocks asked for at once. */
  readonly rangeBlocks?: number
  readonly onTrouble?: (text: string) => void
}

export interface ChainWatcher {
  /** Resolves when everything that was on the chain at the start has been submitted. */
  readonly caughtUp: Promise<void>
  /** Next queue position. */
  readonly position: () => number
  /** Stops; resolves when no more will be submitted. */
  stop(): Promise<void>
}

interface Log {
  readonly eventName: 'AccountRegistered' | 'Deposited'
  readonly args: Record<string, unknown>
  readonly origin: ChainOrigin
}

/** OpenAccount: `owner`'s 20 bytes as five big-endian words. */
export function openAccountRecord(account: number, owner: Address): Int32Array {
  const record = new Int32Array(COMMAND_WORDS)
  record[Cmd.KIND] = CommandKind.OpenAccount
  record[Cmd.ACCOUNT] = account
  const bytes = new DataView(hexToBytes(owner).slice().buffer)
  for (let word = 0; word < 5; word++) record[OpenAccountCmd.OWNER + word] = bytes.getInt32(word * 4)
  return record
}

/** Deposit from the chain at `position` of the vault's queue. */
export function depositRecord(account: number, asset: number, units: number, position: number): Int32Array {
  const record = new Int32Array(COMMAND_WORDS)
  const floats = new Float64Array(record.buffer)
  record[Cmd.KIND] = CommandKind.Deposit
  record[Cmd.ACCOUNT] = account
  record[Cmd.ASSET] = asset
  record[Cmd.OTHER] = 1
  floats[Cmd.AMOUNT_F64] = units
  floats[Cmd.DEADLINE_F64] = position
  return record
}

/** Starts to watch. Network failures are retried with growing pauses and told to `onTrouble`. */
export function startChainWatcher(options: ChainWatcherOptions): ChainWatcher {
  const { client, deployment, confirmations = 0, pollMs = 500, rangeBlocks = 2000 } = options
  let position = options.depositsConsumed
  let nextBlock = BigInt(deployment.deployedAtBlock)
  let isStopped = false
  let tellCaughtUp = (): void => {}
  const caughtUp = new Promise<void>((resolve) => {
    tellCaughtUp = resolve
  })

  const step = async (): Promise<boolean> => {
    const head = (await client.getBlockNumber({ cacheTime: 0 })) - BigInt(confirmations)
    if (head < nextBlock) return false
    const toBlock = head < nextBlock + BigInt(rangeBlocks) ? head : nextBlock + BigInt(rangeBlocks)
    for (const log of await vaultLogs(client, deployment.vault, nextBlock, toBlock)) {
      if (isStopped) return false
      const attachment = new TextEncoder().encode(JSON.stringify(log.origin))
      if (log.eventName === 'AccountRegistered') {
        const { account, owner } = log.args as { account: number; owner: Address }
        await options.submit(openAccountRecord(account, owner), attachment)
        continue
      }
      const deposit = log.args as { position: bigint; account: number; asset: number; units: bigint }
      if (deposit.position < BigInt(position)) continue
      if (deposit.position !== BigInt(position))
        throw new Error(`deposit ${deposit.position} where ${position} belongs: the endpoint left out events`)
      const record = depositRecord(deposit.account, deposit.asset, Number(deposit.units), position)
      const code = await options.submit(record, attachment)
      if (code !== Reject.None)
        throw new Error(`the engine refuses deposit ${position}: ${rejectNames[code] ?? code}`)
      position++
    }
    nextBlock = toBlock + 1n
    return nextBlock <= head
  }

  const run = async (): Promise<void> => {
    let pause = pollMs
    while (!isStopped) {
      try {
        const hasMore = await step()
        pause = pollMs
        if (hasMore) continue
        tellCaughtUp()
      } catch (error) {
        options.onTrouble?.(`chain watcher: ${chainErrorText(error)}`)
        pause = Math.min(pause * 2, 30_000)
      }
      for (let waited = 0; waited < pause && !isStopped; waited += 50) await sleep(50)
    }
  }
  const running = run()
  return {
    caughtUp,
    position: () => position,
    async stop() {
      isStopped = true
      await running
    },
  }
}

/** Account and deposit events of a block range, in order. */
async function vaultLogs(
  client: PublicClient,
  address: Address,
  fromBlock: bigint,
  toBlock: bigint,
): Promise<Log[]> {
  const events = vaultAbi.filter(
    (item) => item.type === 'event' && (item.name === 'AccountRegistered' || item.name === 'Deposited'),
  )
  const logs = await client.getLogs({ address, events, fromBlock, toBlock, strict: true })
  return logs.map((log) => {
    const { eventName, args } = log as unknown as {
      eventName: Log['eventName']
      args: Record<string, unknown>
    }
    return {
      eventName,
      args,
      origin: {
        transactionHash: log.transactionHash,
        blockNumber: Number(log.blockNumber),
        logIndex: log.logIndex,
      },
    }
  })
}
