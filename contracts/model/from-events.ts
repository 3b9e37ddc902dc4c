/**
 * All state of an exchange from its events alone, as an outsider without storage access would rebuild it. The
 * differential test compares the result with the model after every run, so an event that is missing or says
 * too little shows there.
 */
import { type Address, type Hex, zeroAddress, zeroHash } from 'viem'
import { type DepositRecord, extendDeposits } from './batch.js'
import type { ModelRequest } from './exchange.js'

/** A decoded event, with its block's time in seconds. */
export interface ExchangeEvent {
  readonly name: string
  readonly args: Record<string, unknown>
  readonly time: number
}

export interface RebuiltBatch {
  readonly newRoot: bigint
  readonly fillsRoot: Hex
  readonly lastSeq: bigint
  readonly depositsConsumed: bigint
  readonly committedAt: number
  readonly verifier: Address
  readonly withdrawals: Hex
  isFinal: boolean
}

interface Header {
  readonly newRoot: bigint
  readonly fillsRoot: Hex
  readonly lastSeq: bigint
  readonly depositsConsumed: bigint
}

export class RebuiltExchange {
  readonly assets: { token: Address; unitAtoms: bigint }[] = []
  readonly owners: Address[] = []
  readonly queue: DepositRecord[] = []
  depositHash: Hex = zeroHash
  readonly claims = new Map<number, bigint>()
  readonly custody: bigint[] = []
  readonly escaped = new Set<number>()
  readonly refunded = new Set<number>()
  /** batches[n] is batch n; 0 stands for the empty tree. */
  readonly batches: (RebuiltBatch | undefined)[] = [undefined]
  /** "batch/chunk" of every chunk that has its proof, in batches that are not proven. */
  readonly provenChunks = new Set<string>()
  provenCount = 0
  frozen = false
  readonly requests = new Map<number, ModelRequest>()
  readonly refunds = new Map<Address, bigint>()
  readonly operators = new Set<Address>()
  governor: Address = zeroAddress
  proposedGovernor: Address = zeroAddress
  guardian: Address = zeroAddress
  paused = false
  verifier: Address = zeroAddress
  rowsPerChunk = 0
  proposedVerifier: Address = zeroAddress

  /** Takes one event of vault or settlement; they come in order of block and log. */
  apply(event: ExchangeEvent): void {
    const handler = this.handlers[event.name]
    if (handler === undefined) throw new Error(`from-events: ${event.name} is not known`)
    handler(event.args as never, event.time)
  }

  private readonly handlers: Record<string, (args: never, time: number) => void> = {
    AssetListed: ({ token, unitAtoms }: { token: Address; unitAtoms: bigint }) => {
      this.assets.push({ token, unitAtoms })
      this.custody.push(0n)
    },
    AccountRegistered: ({ account, owner }: { account: number; owner: Address }) => {
      this.owners[account] = owner
    },
    Deposited: (args: { account: number; asset: number; units: bigint; owner: Address }) => {
      const deposit = { index: indexOf(args), value: args.units, owner: args.owner }
      this.queue.push(deposit)
      this.depositHash = extendDeposits(this.depositHash, deposit)
      this.custody[args.asset]! += args.units
    },
    ClaimCredited: (args: { account: number; asset: number; units: bigint }) => {
      this.claims.set(indexOf(args), (this.claims.get(indexOf(args)) ?? 0n) + args.units)
    },
    Claimed: (args: { account: number; asset: number; units: bigint }) => {
      this.claims.delete(indexOf(args))
      this.custody[args.asset]! -= args.units
    },
    Escaped: (args: { account: number; asset: number; units: bigint }) => {
      this.escaped.add(indexOf(args))
      this.custody[args.asset]! -= args.units
    },
    DepositRefunded: ({ position, asset, units }: { position: bigint; asset: number; units: bigint }) => {
      this.refunded.add(Number(position))
      this.custody[asset]! -= units
    },

    BatchCommitted: (args: { number: bigint; header: Header; withdrawals: Hex }, time: number) => {
      const { newRoot, fillsRoot, lastSeq, depositsConsumed } = args.header
      this.batches[Number(args.number)] = {
        newRoot,
        fillsRoot,
        lastSeq,
        depositsConsumed,
        committedAt: time,
        verifier: this.verifier,
        withdrawals: args.withdrawals,
        isFinal: false,
      }
    },
    ChunkProven: ({ number, chunk }: { number: bigint; chunk: bigint }) => {
      this.provenChunks.add(`${number}/${chunk}`)
    },
    BatchProven: ({ number }: { number: bigint }) => {
      this.provenCount = Number(number)
      this.forgetChunks((batch) => batch === this.provenCount)
    },
    BatchFinal: ({ number }: { number: bigint }) => {
      this.batches[Number(number)]!.isFinal = true
    },
    BatchesStruck: ({ fromNumber }: { fromNumber: bigint }) => {
      this.batches.length = Number(fromNumber)
      this.forgetChunks((batch) => batch >= Number(fromNumber))
    },

    WithdrawalRequested: (
      args: { account: number; asset: number; units: bigint; fee: bigint; depositsBefore: bigint },
      time: number,
    ) => {
      const { units, fee, depositsBefore } = args
      this.requests.set(indexOf(args), {
        remaining: units,
        requestedAt: time,
        batchesBefore: this.batches.length - 1,
        depositsBefore,
        granted: false,
        fee,
      })
    },
    WithdrawalGranted: (args: { account: number; asset: number; remaining: bigint }) => {
      const request = this.requests.get(indexOf(args))!
      if (args.remaining === 0n) this.requests.delete(indexOf(args))
      else Object.assign(request, { remaining: args.remaining, granted: true })
    },
    WithdrawalAnswered: (args: { account: number; asset: number; number: bigint; remaining: bigint }) => {
      const request = this.requests.get(indexOf(args))!
      if (args.remaining === 0n) this.requests.delete(indexOf(args))
      else Object.assign(request, { remaining: args.remaining })
    },
    WithdrawalLapsed: (args: { account: number; asset: number }) => {
      this.requests.delete(indexOf(args))
    },
    RefundCredited: ({ to, refund }: { to: Address; refund: bigint }) => {
      this.refunds.set(to, (this.refunds.get(to) ?? 0n) + refund)
    },
    RefundPaid: ({ to }: { to: Address }) => {
      this.refunds.delete(to)
    },
    Frozen: () => {
      this.frozen = true
    },

    OperatorSet: ({ operator, allowed }: { operator: Address; allowed: boolean }) => {
      if (allowed) this.operators.add(operator)
      else this.operators.delete(operator)
    },
    GuardianSet: ({ guardian }: { guardian: Address }) => {
      this.guardian = guardian
    },
    CommitsPaused: ({ paused }: { paused: boolean }) => {
      this.paused = paused
    },
    GovernorProposed: ({ governor }: { governor: Address }) => {
      this.proposedGovernor = governor
    },
    GovernorSet: ({ governor }: { governor: Address }) => {
      this.governor = governor
      this.proposedGovernor = zeroAddress
    },
    VerifierProposed: ({ verifier }: { verifier: Address }) => {
      this.proposedVerifier = verifier
    },
    VerifierProposalWithdrawn: () => {
      this.proposedVerifier = zeroAddress
    },
    VerifierSet: ({ verifier, rowsPerChunk }: { verifier: Address; rowsPerChunk: bigint }) => {
      this.verifier = verifier
      this.rowsPerChunk = Number(rowsPerChunk)
      this.proposedVerifier = zeroAddress
    },
  }

  private forgetChunks(of: (batch: number) => boolean): void {
    for (const key of this.provenChunks) if (of(Number(key.split('/')[0]))) this.provenChunks.delete(key)
  }
}

const indexOf = ({ account, asset }: { account: number; asset: number }): number => (account << 6) | asset
