/**
 * Governed.sol as plain TypeScript: roles, the pause, and the verifier that takes over after its delay. The
 * lowest layer of the model; batches.ts and exchange.ts stand on it.
 */
import { type Address, type Hex, stringToHex, zeroAddress } from 'viem'

/** What the contract would revert with: the error's name and arguments. */
export class Revert extends Error {
  constructor(
    readonly error: string,
    readonly args: readonly unknown[] = [],
  ) {
    super(`${error}(${args.join(', ')})`)
  }
}

export interface GovernanceConfig {
  readonly governor: Address
  readonly guardian: Address
  readonly operator: Address
  readonly verifier: Address
  /** Row slots of a verifier contract: what a call of its rowsPerChunk gives. */
  readonly rowsOf: (verifier: Address) => number
  /** Seconds. */
  readonly verifierDelay: number
}

const MAX_ROWS_PER_CHUNK = 4096n
const PROPOSAL_LIFE = 14 * 86_400
const bytes32 = (name: string): Hex => stringToHex(name, { size: 32 })

export class GovernanceModel {
  /** Block time of the next call, in seconds. */
  time = 0
  governor: Address
  proposedGovernor: Address = zeroAddress
  governorLapsesAt = 0
  guardian: Address
  readonly operators: Set<Address>
  paused = false
  verifier: Address
  proposedVerifier: Address = zeroAddress
  verifierActiveFrom = 0

  constructor(private readonly governance: GovernanceConfig) {
    this.governor = governance.governor
    this.guardian = governance.guardian
    this.operators = new Set([governance.operator])
    this.verifier = governance.verifier
  }

  get rowsPerChunk(): number {
    return this.governance.rowsOf(this.verifier)
  }

  setOperator(sender: Address, operator: Address, allowed: boolean): void {
    this.onlyGovernor(sender)
    if (allowed) this.operators.add(operator)
    else this.operators.delete(operator)
  }

  setGuardian(sender: Address, guardian: Address): void {
    this.onlyGovernor(sender)
    this.guardian = guardian
  }

  pauseCommits(sender: Address, paused: boolean): void {
    if (sender !== this.guardian) throw new Revert('NotGuardian', [sender])
    this.paused = paused
  }

  proposeGovernor(sender: Address, governor: Address): void {
    this.onlyGovernor(sender)
    this.proposedGovernor = governor
    this.governorLapsesAt = this.time + PROPOSAL_LIFE
  }

  acceptGovernor(sender: Address): void {
    if (sender !== this.proposedGovernor) throw new Revert('NotProposedGovernor', [sender])
    if (this.time > this.governorLapsesAt)
      throw new Revert('GovernorProposalLapsed', [BigInt(this.governorLapsesAt), BigInt(this.time)])
    this.governor = sender
    this.proposedGovernor = zeroAddress
  }

  proposeVerifier(sender: Address, verifier: Address): void {
    this.onlyGovernor(sender)
    if (verifier === zeroAddress) throw new Revert('ZeroAddress')
    const rows = BigInt(this.governance.rowsOf(verifier))
    if (rows === 0n || rows > MAX_ROWS_PER_CHUNK)
      throw new Revert('BadParameter', [bytes32('rowsPerChunk'), rows, MAX_ROWS_PER_CHUNK])
    this.proposedVerifier = verifier
    this.verifierActiveFrom = this.time + this.governance.verifierDelay
  }

  withdrawVerifierProposal(sender: Address): void {
    this.onlyGovernor(sender)
    if (this.proposedVerifier === zeroAddress) throw new Revert('NoVerifierProposed')
    this.proposedVerifier = zeroAddress
  }

  activateVerifier(): void {
    if (this.proposedVerifier === zeroAddress) throw new Revert('NoVerifierProposed')
    if (this.time < this.verifierActiveFrom)
      throw new Revert('VerifierDelayNotPassed', [BigInt(this.verifierActiveFrom), BigInt(this.time)])
    const lapsesAt = this.verifierActiveFrom + PROPOSAL_LIFE
    if (this.time > lapsesAt)
      throw new Revert('VerifierProposalLapsed', [BigInt(lapsesAt), BigInt(this.time)])
    this.verifier = this.proposedVerifier
    this.proposedVerifier = zeroAddress
  }

  private onlyGovernor(sender: Address): void {
    if (sender !== this.governor) throw new Revert('NotGovernor', [sender])
  }
}
