/**
 * What a client does with the chain itself: money in and out, and proofs of what the exchange says. All of it
 * rests on the contracts that the caller has pinned (`deployment`), never on the exchange's word for them.
 */
import { type Hex, erc20Abi, parseEventLogs } from 'viem'
import { vaultAbi } from '../../contracts/abi.js'
import { isContractAnswer } from '../../contracts/call-endings.js'
import { PROOF_PAUSE_MS_MAX, PROOF_RETRIES, TOLD_BATCHES_MAX } from '../limits.js'
import { Chain } from './chain.js'
import { ClientQueries } from './client-queries.js'
import type {
  ClaimedWithdrawal,
  ClientOptions,
  Deposited,
  VerifiedBalance,
  VerifiedFill,
  WithdrawalStatus,
} from './client-types.js'
import { fromAtoms, fromUnits, toAtoms, toUnits } from '../money/units-and-atoms.js'
import { ExchangeError, VerificationError } from '../base/errors.js'
import { type FillProof, checkFillLeaf, fillsRootOf, isFillProof } from '../verify/fill-proof.js'
import {
  type Check,
  checkFields,
  isAmount,
  isBytes,
  isIdOrSymbol,
  isObject,
  wholeFrom,
} from '../base/inputs.js'
import type { Asset } from '../money/markets.js'
import { backoffMs } from '../base/pauses.js'
import { readProof, rootOf } from '../verify/proof.js'
import type { TrackedFill } from '../streams/trackers.js'
import { walletOf } from './wallet.js'
import { toHex } from '../wire/bytes.js'
import { ErrorCode } from '../wire/codes.js'
import { readArray, readObject, readSafeInt } from '../wire/fields.js'
import { Method } from '../wire/layout.js'
import type { WireValue } from '../wire/msgpack.js'
import type { Receipt } from '../wire/signed.js'

const NATIVE = `0x${'0'.repeat(40)}`
const NATIVE_SYMBOL = 'ETH'
const isAccount = wholeFrom(0)
/** Of a fill and a receipt, what is read before anything is compared: the comparison itself judges the rest. */
const isFill: Check = (value, field) => {
  isObject(value, field)
  const { seq, index } = value as Readonly<Record<string, unknown>>
  wholeFrom(0)(seq, `${field}.seq`)
  wholeFrom(0)(index, `${field}.index`)
}
const isReceipt: Check = (value, field) => {
  isObject(value, field)
  isBytes(32)((value as Partial<Receipt>).frameHash, `${field}.frameHash`)
}

export abstract class ClientChain extends ClientQueries {
  protected readonly chain: Chain

  constructor(options: ClientOptions) {
    super(options)
    this.chain = new Chain(options)
  }

  /** The account that is logged on, or the wallet's. */
  protected abstract ownAccount(): Promise<number>

  // ---- money in and out

  /**
   * An asset whose name and scale are not the exchange's word alone: they were compared with pinned assets at `connect`,
   * or are compared with the chain. Without pins there is nothing to compare with.
   * @throws VerificationError (PinMismatch); InputError without a connection to the chain
   */
  protected namedAsset(key: number | string): Asset | Promise<Asset> {
    const { deployment } = this.options
    return deployment === undefined || deployment.assets !== undefined
      ? this.markets.asset(key)
      : this.#assetOnChain(key)
  }

  /**
   * An asset with the token and the unit that the vault has for it, and the name that is pinned for it or that the
   * token has for itself.
   * @throws VerificationError (PinMismatch) when the exchange says something else.
   */
  async #assetOnChain(key: number | string): Promise<Asset> {
    const asset = this.markets.asset(key)
    const kind = (await this.chain.read('vault', 'assetOf', [BigInt(asset.id)])) as {
      token: string
      unitAtoms: bigint
    }
    const differ = (field: string, told: unknown, found: unknown): never => {
      throw new VerificationError(
        `the exchange says ${field} ${String(told)} of asset ${asset.id} (${asset.symbol}), but the chain ${String(found)}; nothing was sent`,
        { code: ErrorCode.PinMismatch, details: { field, told, found } },
      )
    }
    if (kind.token.toLowerCase() !== asset.token.toLowerCase()) differ('token', asset.token, kind.token)
    if (kind.unitAtoms !== asset.unitAtoms) differ('unit', asset.unitAtoms, kind.unitAtoms)
    if (kind.token !== NATIVE) {
      const decimals = await this.chain.readToken(asset, 'decimals')
      if (decimals !== asset.decimals) differ('decimals', asset.decimals, decimals)
    }
    if (this.chain.pinned.assets === undefined) {
      // The chain does not say what its own coin is called: any other name needs a pin.
      const symbol = kind.token === NATIVE ? NATIVE_SYMBOL : await this.chain.readToken(asset, 'symbol')
      if (symbol !== asset.symbol) differ('symbol', asset.symbol, symbol)
    }
    return asset
  }

  /**
   * Pays `amount` (decimal string of tokens, or bigint of atoms) of the wallet into the pinned vault, with the
   * token's approval where it needs one, and waits until that is in a block. The exchange credits it when the
   * block is old enough. Needs a wallet client or an EIP-1193 provider.
   * @throws InputError; ExchangeError (TransactionFailed) when the wallet has less, or the chain refuses it;
   * VerificationError
   */
  async deposit(options: {
    readonly asset: number | string
    readonly amount: string | bigint
  }): Promise<Deposited> {
    checkFields('deposit', options, { asset: isIdOrSymbol, amount: isAmount }, ['asset', 'amount'])
    const asset = await this.#assetOnChain(options.asset)
    toUnits(options.amount, asset)
    const atoms = toAtoms(options.amount, asset.decimals)
    const { vault } = this.chain.pinned
    const isNative = asset.token === NATIVE
    const owner = await this.chain.walletAddress()
    const token = { address: asset.token, abi: erc20Abi } as const
    const held = isNative
      ? await this.chain.balance()
      : ((await this.chain.readToken(asset, 'balanceOf', [owner])) as bigint)
    // A token says it in words of its own, or in none.
    if (held < atoms) {
      const [wanted, has] = [atoms, held].map((each) => fromAtoms(each, asset.decimals))
      throw new ExchangeError(
        `deposit of ${wanted} ${asset.symbol}: the wallet ${owner} has ${has}; nothing was sent`,
        { code: ErrorCode.TransactionFailed },
      )
    }
    if (!isNative) {
      const allowed = await this.chain.readToken(asset, 'allowance', [owner, vault])
      if ((allowed as bigint) < atoms)
        await this.chain.send('the approval', { ...token, functionName: 'approve', args: [vault, atoms] })
    }
    const receipt = await this.chain.send('the deposit', {
      address: vault,
      abi: vaultAbi,
      functionName: 'deposit',
      args: [BigInt(asset.id), atoms],
      ...(isNative ? { value: atoms } : {}),
    })
    const [event] = parseEventLogs({ abi: vaultAbi, eventName: 'Deposited', logs: receipt.logs }).filter(
      ({ address }) => address.toLowerCase() === vault.toLowerCase(),
    )
    if (event === undefined) throw noEvent('Deposited', receipt.transactionHash)
    const { account, position, units } = event.args
    return {
      transactionHash: receipt.transactionHash,
      account,
      position: Number(position),
      units: Number(units),
    }
  }

  /**
   * How far withdrawals of an asset are: what the vault holds ready to be claimed, and with the `seq` that
   * `requestWithdrawal` gave, the state of the batch that it is in. States are the chain's; which batch, the
   * exchange says. A seq that is no withdrawal of the account and asset is `unknown`. Of those that are older than what
   * the exchange remembers, `confirmed` is false: `state` is that of the batch with that seq, whatever it was.
   */
  async withdrawalStatus(options: {
    readonly asset: number | string
    readonly seq?: number
    readonly account?: number
  }): Promise<WithdrawalStatus> {
    const checks = { asset: isIdOrSymbol, seq: wholeFrom(1), account: isAccount }
    checkFields('withdrawalStatus', options, checks, ['asset'])
    const asset = await this.namedAsset(options.asset)
    const account = options.account ?? (await this.ownAccount())
    const units = (await this.chain.read('vault', 'claimable', [BigInt(account), BigInt(asset.id)])) as bigint
    const claimable = { claimable: fromUnits(units, asset), claimableUnits: Number(units) }
    const { seq } = options
    if (seq === undefined) return { ...claimable, state: undefined, batch: undefined, confirmed: false }
    const isWithdrawal = await this.#isWithdrawal(account, asset.id, seq)
    const confirmed = isWithdrawal === true
    if (isWithdrawal === false) return { ...claimable, state: 'unknown', batch: undefined, confirmed }
    const batches = await this.batches(TOLD_BATCHES_MAX)
    const batch = batches.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq)
    if (batch === undefined) {
      const oldest = batches[0]?.firstSeq
      // Before the oldest that is told of: nobody says which batch it was in.
      const isOlder = oldest !== undefined && seq < oldest
      return { ...claimable, state: isOlder ? 'unknown' : 'waiting', batch: undefined, confirmed }
    }
    const state = await this.chain.batch(batch.number).then(
      (found) => found.state,
      (error: unknown) => {
        // Told of, and not on the chain (yet, or any more).
        if (error instanceof ExchangeError && error.code === ErrorCode.ProofUnavailable)
          return 'waiting' as const
        throw error
      },
    )
    return { ...claimable, state, batch: batch.number, confirmed }
  }

  /** Whether `seq` is a withdrawal of the account and asset; undefined = the exchange does not tell (any more). */
  async #isWithdrawal(account: number, asset: number, seq: number): Promise<boolean | undefined> {
    const nonces = readObject(await this.call(Method.Nonces, [account]), 'nonces')
    const nonce = Math.max(1, readSafeInt(nonces['withdrawal'], 'withdrawal'))
    const told = readObject(await this.call(Method.Withdrawal, [account, nonce]), 'withdrawal')
    for (const entry of readArray(told['recent'], 'recent', 0, 1000)) {
      const [at, of] = readArray(entry, 'recent', 2, 2)
      if (at === seq) return of === asset
    }
    return seq > readSafeInt(told['recentAfter'], 'recentAfter') ? false : undefined
  }

  /**
   * Takes what the vault holds ready of an asset to the account's owner, whoever sends it, and waits until that
   * is in a block. @throws ExchangeError (TransactionFailed) when there is nothing to claim.
   */
  async claim(options: {
    readonly asset: number | string
    readonly account?: number
  }): Promise<ClaimedWithdrawal> {
    checkFields('claim', options, { asset: isIdOrSymbol, account: isAccount }, ['asset'])
    const asset = await this.#assetOnChain(options.asset)
    const account = options.account ?? (await this.chain.accountOf())
    const { vault } = this.chain.pinned
    const receipt = await this.chain.send('the claim', {
      address: vault,
      abi: vaultAbi,
      functionName: 'claim',
      args: [BigInt(account), BigInt(asset.id)],
    })
    const [event] = parseEventLogs({ abi: vaultAbi, eventName: 'Claimed', logs: receipt.logs }).filter(
      ({ address }) => address.toLowerCase() === vault.toLowerCase(),
    )
    if (event === undefined) throw noEvent('Claimed', receipt.transactionHash)
    const units = Number(event.args.units)
    return { transactionHash: receipt.transactionHash, account, units, amount: fromUnits(units, asset) }
  }

  // ---- proofs

  /**
   * Checks that one of the account's fills stands in a batch on-chain just as it was told: the leaf is that
   * fill, and its path leads to the `fillsRoot` which the pinned settlement contract holds. The proof is asked of
   * the exchange, or comes from whoever has the journal; nobody need be trusted for it. With the receipt of
   * the order's frame, also that the fill names that very frame as the order's origin.
   * @throws VerificationError when anything differs; ExchangeError when the batch is not on the chain.
   */
  async verifyFill(options: {
    readonly fill: TrackedFill
    /** Asked of the exchange unless both are given. */
    readonly batch?: number
    readonly proof?: FillProof
    readonly account?: number
    readonly receipt?: Receipt
  }): Promise<VerifiedFill> {
    const checks = {
      fill: isFill,
      batch: wholeFrom(1),
      proof: isFillProof,
      account: isAccount,
      receipt: isReceipt,
    }
    checkFields('verifyFill', options, checks, ['fill'])
    void this.chain.pinned
    const { batch: number, proof } =
      options.batch !== undefined && options.proof !== undefined
        ? { batch: options.batch, proof: options.proof }
        : await this.fillProof(options.fill)
    const account = options.account ?? (await this.#walletsAccount())
    checkFillLeaf(proof.leaf, options.fill, account, options.receipt)
    const { fillsRoot, state, committedAtMs } = await this.chain.batch(number)
    const root = toHex(fillsRootOf(proof))
    if (fillsRoot !== root) {
      throw new VerificationError(
        `the proof gives fills root ${root}, but batch ${number} on-chain has ${fillsRoot}; keep both, and do not trust the exchange`,
        { code: ErrorCode.ProofUnavailable },
      )
    }
    return { fill: options.fill, batch: number, state, fillsRoot: root, committedAtMs }
  }

  /**
   * The account that the exchange says is ours, where there is a wallet only if the vault says so too.
   * @throws VerificationError
   */
  async #walletsAccount(): Promise<number> {
    const account = await this.ownAccount()
    const { wallet } = this.options
    if (wallet === undefined) return account
    const { address } = await this.signed(walletOf(wallet))
    const owner = await this.chain.read('vault', 'ownerOf', [BigInt(account)]).catch((error: unknown) => {
      if (!isContractAnswer(error)) throw error
      return 'nobody'
    })
    if (String(owner).toLowerCase() === address.toLowerCase()) return account
    throw new VerificationError(
      `account ${account} is of ${String(owner)} on the chain, and the wallet is ${address}; name the account to look at another's`,
      { code: ErrorCode.ProofUnavailable },
    )
  }

  /** Asks for a proof; of a batch that has just been posted the exchange may learn a little later than the chain. */
  async #proofOf(account: number, asset: number, batch: number): Promise<WireValue> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.call(Method.Proof, [account, asset, batch])
      } catch (error) {
        const isEarly = error instanceof ExchangeError && error.code === ErrorCode.ProofUnavailable
        if (!isEarly || attempt === PROOF_RETRIES) throw error
        await this.pauses.wait(backoffMs(attempt, PROOF_PAUSE_MS_MAX))
      }
    }
  }

  /**
   * Fetches the proof of a balance, hashes it to a root, and compares that with the root which the pinned
   * settlement contract holds for its newest batch (or for `batch`, when it is asked for). Trusts the chain only, for
   * whose account it is and what a unit is worth too; how old that batch is stands in the answer.
   * @throws VerificationError when they differ, or the exchange proves an older batch than it was asked for;
   * ExchangeError while no batch is on the chain, or when the token does not tell its decimals.
   */
  async verifyBalance(options: {
    readonly asset: number | string
    readonly account?: number
    /** An older batch, while the exchange keeps its tree. */
    readonly batch?: number
  }): Promise<VerifiedBalance> {
    checkFields('verifyBalance', options, { asset: isIdOrSymbol, account: isAccount, batch: wholeFrom(1) }, [
      'asset',
    ])
    const newest = await this.chain.newestBatch()
    const asset = await this.#assetOnChain(options.asset)
    const account = options.account ?? (await this.#walletsAccount())
    if (newest === 0) {
      throw new ExchangeError('no batch is on the chain yet; try again when the first has been posted', {
        code: ErrorCode.ProofUnavailable,
      })
    }
    const number = options.batch ?? newest
    const proof = readProof(await this.#proofOf(account, asset.id, number))
    if (proof.account !== account || proof.asset !== asset.id || proof.batch !== number) {
      throw new VerificationError(
        `the proof is of account ${proof.account}, asset ${proof.asset}, batch ${proof.batch}, but account ${account}, ` +
          `asset ${asset.id}, batch ${number} was asked for`,
        { code: ErrorCode.ProofUnavailable },
      )
    }
    const root = rootOf(account, asset.id, proof.units, proof.siblings)
    const { newRoot, state, committedAtMs } = await this.chain.batch(number)
    if (newRoot !== root) {
      throw new VerificationError(
        `the proof gives root ${root}, but batch ${number} on-chain has root ${newRoot}; keep both, and do not trust the exchange`,
        { code: ErrorCode.ProofUnavailable },
      )
    }
    return {
      asset,
      amount: fromUnits(proof.units, asset),
      units: proof.units,
      batch: number,
      newestBatch: newest,
      state,
      root,
      committedAtMs,
      // The chain's time is compared with this machine's: it is not engine time.
      // eslint-disable-next-line no-restricted-properties
      ageMs: Math.max(0, Date.now() - committedAtMs),
    }
  }
}

const noEvent = (name: string, transactionHash: Hex): ExchangeError =>
  new ExchangeError(
    `transaction ${transactionHash} has no event ${name} of the vault; is the right vault pinned?`,
    {
      code: ErrorCode.TransactionFailed,
      details: { transactionHash },
    },
  )
