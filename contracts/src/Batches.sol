// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "./interfaces/IChunkVerifier.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Governed} from "./Governed.sol";
import {BalanceTree} from "./libraries/BalanceTree.sol";
import {BatchData} from "./libraries/BatchData.sol";
import {Field} from "./libraries/Field.sol";
import {FillTree} from "./libraries/FillTree.sol";
import {Packed} from "./libraries/Packed.sol";
import {Batch, BatchHeader, BatchState} from "./types/Batch.sol";
import {Config} from "./types/Config.sol";

/// @title Batches
/// @notice The way of a batch of net balance changes: committed (posted and checked by the chain), proven
/// (every chunk of it and of all before it has a validity proof), final (its withdrawals are claims). Only
/// proven roots back withdrawals and exits.
///
/// What the chain checks at the commit, from calldata: number, sequence and previous root chain; rows
/// strictly increase by index, without zero deltas, |delta| < 2^53; the deposit queue is consumed in
/// order, with its owners, up to the stated count; per asset, the sum of deltas = deposits - withdrawals;
/// every field element is canonical; sizes are bounded.
///
/// What the proof of a chunk shows: applying its rows to the tree `firstRoot`, every balance before and
/// after within 0 to 2^53 - 1, gives `lastRoot`. The circuit never sees calldata; it is bound to the
/// rows by a polynomial. Both sides evaluate
///     E(x) = sum over the N slots of (index + 1) * x^(2N - 1 - 2k) + delta * x^(2N - 2 - 2k)
/// at z = keccak256(everything posted) mod R; unused slots, which come last, contribute 0.
///
/// Soundness. (1) z is a hash of both roots and all rows, so it is drawn after they are fixed. (2) The
/// circuit requires its own rows to increase strictly by index, with unused slots last and no zero
/// delta, and to lead from firstRoot to lastRoot; two such row sets would open one leaf of a tree to two
/// balances, which is a Poseidon collision. So the circuit's rows are a function of the two roots and
/// were fixed before z, too. (3) If they differ from the rows in calldata, the two polynomials differ (index + 1
/// < 2^29 and |delta| < 2^53 are distinct as elements), and have degree below 2N: they agree at a random
/// z with probability < 2N / R. An operator that tries again by changing any posted byte draws a new z;
/// 2^100 tries still leave less than 2^-145. Without (2) a prover could choose rows after z and solve
/// for them: the rule of strictly increasing, non-zero rows in the circuit carries the proof.
abstract contract Batches is ISettlement, Governed {
    /// @notice Rows of a batch.
    uint256 public constant MAX_ROWS = 4096;
    /// @notice Deposits that a batch may consume.
    uint256 public constant MAX_DEPOSITS = 2048;
    /// @notice Withdrawals of a batch: so many that a `finalizeBatch` fits a transaction (2^24 gas by EIP-7825) even when each of
    /// them serves a forced withdrawal.
    uint256 public constant MAX_WITHDRAWALS = 256;
    uint256 private constant MAX_PROOF_DELAY = 30 days;
    uint256 private constant MAX_UNPROVEN = 64;
    /// @dev Batches that one call passes at most, when a final one closes a gap.
    uint256 private constant MAX_FINAL_STEPS = 64;

    /// @inheritdoc ISettlement
    IVault public immutable vault;
    /// @inheritdoc ISettlement
    uint256 public immutable proofDelay;
    /// @inheritdoc ISettlement
    uint256 public immutable maxUnproven;
    uint256 internal immutable _assetCount;

    /// @inheritdoc ISettlement
    uint64 public batchCount;
    /// @inheritdoc ISettlement
    uint64 public provenCount;
    /// @inheritdoc ISettlement
    uint64 public finalCount;
    /// @inheritdoc ISettlement
    bool public frozen;

    mapping(uint256 number => Batch) internal _batches;
    mapping(uint256 number => mapping(uint256 chunk => bytes32)) private _chunks;

    constructor(
        Config memory config
    ) Governed(config.governor, config.guardian, config.operator, config.verifier, config.verifierDelay) {
        if (config.vault == address(0)) revert ZeroAddress();
        address wired = IVault(config.vault).settlement();
        if (wired != address(this)) revert VaultNotWired(config.vault, wired);
        if (config.proofDelay == 0 || config.proofDelay > MAX_PROOF_DELAY)
            revert BadParameter("proofDelay", config.proofDelay, MAX_PROOF_DELAY);
        if (config.maxUnproven == 0 || config.maxUnproven > MAX_UNPROVEN)
            revert BadParameter("maxUnproven", config.maxUnproven, MAX_UNPROVEN);
        vault = IVault(config.vault);
        proofDelay = config.proofDelay;
        maxUnproven = config.maxUnproven;
        _assetCount = IVault(config.vault).assetCount();
        _batches[0].newRoot = BalanceTree.EMPTY_ROOT;
    }

    /// @inheritdoc ISettlement
    function commitBatch(
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        bytes calldata deposits,
        bytes calldata withdrawals
    ) external onlyOperator {
        if (frozen) revert ExchangeFrozen();
        if (commitsPaused) revert CommitsArePaused();
        _checkHeader(header);
        _checkChunkRoots(header, chunkRoots, BatchData.countOf(rows, Packed.RECORD_BYTES, MAX_ROWS));

        int256[] memory sums = new int256[](_assetCount);
        _sumDeposits(sums, deposits, header.depositsConsumed);
        uint256 withdrawalCount = BatchData.countOf(withdrawals, Packed.RECORD_BYTES, MAX_WITHDRAWALS);
        _checkAccount(BatchData.sumWithdrawals(sums, withdrawals));
        uint256 z = BatchData.challenge(header, chunkRoots, rows, deposits, withdrawals);
        _sumRowsAndStoreChunks(sums, header, chunkRoots, rows, z);
        for (uint256 asset = 0; asset < sums.length; ++asset)
            if (sums[asset] != 0) revert NotConserved(asset, sums[asset]);

        batchCount = header.number;
        _batches[header.number] = Batch({
            newRoot: header.newRoot,
            fillsRoot: header.fillsRoot,
            withdrawalsHash: keccak256(withdrawals),
            lastSeq: header.lastSeq,
            depositsConsumed: header.depositsConsumed,
            committedAt: uint40(block.timestamp),
            chunkCount: uint16(chunkRoots.length),
            chunksProven: 0,
            uncredited: uint16(withdrawalCount),
            verifier: verifier
        });
        emit BatchCommitted(header.number, header, z, rows, withdrawals);
        _advance();
    }

    /// @inheritdoc ISettlement
    function proveChunk(
        uint64 number,
        uint256 chunk,
        uint256[4] calldata publicInputs,
        uint256[8] calldata proof
    ) external {
        if (number <= provenCount || number > batchCount) revert BatchNotCommitted(number);
        Batch storage batch = _batches[number];
        if (chunk >= batch.chunkCount) revert UnknownChunk(chunk, batch.chunkCount);
        bytes32 expected = _chunks[number][chunk];
        if (expected == 0) revert ChunkAlreadyProven(number, chunk);
        bytes32 posted = keccak256(abi.encode(publicInputs));
        if (posted != expected) revert WrongPublicInputs(posted, expected);
        if (!IChunkVerifier(batch.verifier).verify(publicInputs, proof)) revert InvalidProof(number, chunk);
        _chunks[number][chunk] = 0;
        ++batch.chunksProven;
        emit ChunkProven(number, chunk);
        _advance();
    }

    /// @inheritdoc ISettlement
    function finalizeBatch(uint64 number, bytes calldata withdrawals) external {
        _finalize(number, withdrawals, MAX_WITHDRAWALS);
    }

    /// @inheritdoc ISettlement
    function finalizePart(uint64 number, bytes calldata withdrawals, uint256 count) external {
        _finalize(number, withdrawals, count);
    }

    /// @inheritdoc ISettlement
    function advanceFinal() external {
        _advanceFinal();
    }

    /// @inheritdoc ISettlement
    function strikeUnproven() external {
        if (batchCount == provenCount) revert NothingToStrike();
        uint256 deadline = uint256(_batches[provenCount + 1].committedAt) + proofDelay;
        if (block.timestamp <= deadline) revert ProofDeadlineNotPassed(deadline, block.timestamp);
        _strike();
    }

    // --- Views ---

    /// @inheritdoc ISettlement
    function verifyFill(
        uint64 number,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        uint256 leftSiblings
    ) external view returns (bool) {
        if (number == 0 || number > batchCount) revert BatchNotCommitted(number);
        return FillTree.verify(_batches[number].fillsRoot, leaf, siblings, leftSiblings);
    }

    /// @inheritdoc ISettlement
    function lastRoot() external view returns (uint256) {
        return _batches[batchCount].newRoot;
    }

    /// @inheritdoc ISettlement
    function provenRoot() public view returns (uint256) {
        return _batches[provenCount].newRoot;
    }

    /// @inheritdoc ISettlement
    function batchState(uint64 number) external view returns (BatchState) {
        if (number > batchCount) return BatchState.None;
        if (number > provenCount) return BatchState.Committed;
        return _batches[number].uncredited == 0 ? BatchState.Final : BatchState.Proven;
    }

    /// @inheritdoc ISettlement
    function batchOf(uint64 number) external view returns (Batch memory batch) {
        if (number <= batchCount) batch = _batches[number];
    }

    /// @inheritdoc ISettlement
    function chunkCommitment(uint64 number, uint256 chunk) external view returns (bytes32) {
        return number <= batchCount ? _chunks[number][chunk] : bytes32(0);
    }

    /// @inheritdoc ISettlement
    function provenDepositsConsumed() external view returns (uint64) {
        return _batches[provenCount].depositsConsumed;
    }

    // --- Checks of a commit ---

    function _checkHeader(BatchHeader calldata header) private view {
        uint256 unproven = batchCount - provenCount;
        if (unproven >= maxUnproven) revert TooManyUnproven(unproven, maxUnproven);
        if (header.number != uint256(batchCount) + 1)
            revert WrongNumber(header.number, uint256(batchCount) + 1);
        Batch storage last = _batches[batchCount];
        if (header.firstSeq != uint256(last.lastSeq) + 1)
            revert WrongFirstSeq(header.firstSeq, uint256(last.lastSeq) + 1);
        if (header.lastSeq < header.firstSeq) revert EmptySeqRange(header.firstSeq, header.lastSeq);
        if (header.oldRoot != last.newRoot) revert WrongOldRoot(header.oldRoot, last.newRoot);
        if (header.newRoot >= Field.R) revert NotCanonical(header.newRoot);
    }

    /// @dev One root a chunk, each canonical, the last one the batch's own. No rows: nothing may change.
    function _checkChunkRoots(
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        uint256 rowCount
    ) private view {
        uint256 expected = (rowCount + rowsPerChunk - 1) / rowsPerChunk;
        if (chunkRoots.length != expected) revert ChunkCountMismatch(chunkRoots.length, expected);
        for (uint256 i = 0; i < expected; ++i)
            if (chunkRoots[i] >= Field.R) revert NotCanonical(chunkRoots[i]);
        uint256 last = expected == 0 ? header.oldRoot : chunkRoots[expected - 1];
        if (last != header.newRoot) revert LastChunkRootMismatch(last, header.newRoot);
    }

    /// @dev The posted deposits must be the queue's next ones, in full up to `consumed`. Their owners are in
    /// the queue's hash: an operator that saw another branch of the chain, where an account was another
    /// owner's, cannot commit on this one.
    function _sumDeposits(int256[] memory sums, bytes calldata deposits, uint64 consumed) private view {
        uint256 count = BatchData.countOf(deposits, Packed.DEPOSIT_BYTES, MAX_DEPOSITS);
        uint256 before = _batches[batchCount].depositsConsumed;
        // Cumulative counts only grow; a smaller one shows as a count that nothing can match.
        uint256 expected = consumed < before ? type(uint256).max : consumed - before;
        if (count != expected) revert DepositCountMismatch(count, expected);
        if (count == 0) return;
        uint256 queued = vault.depositCount();
        if (consumed > queued) revert DepositsOverQueue(consumed, queued);
        bytes32 hash = BatchData.sumDeposits(sums, deposits, vault.depositHash(before));
        bytes32 head = vault.depositHash(consumed);
        if (hash != head) revert DepositQueueMismatch(hash, head);
    }

    /// @dev Stores for each chunk the hash of the public inputs that its proof must have.
    function _sumRowsAndStoreChunks(
        int256[] memory sums,
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        uint256 z
    ) private {
        uint256 slots = rowsPerChunk;
        uint256 next = 0;
        for (uint256 chunk = 0; chunk < chunkRoots.length; ++chunk) {
            uint256 evaluation;
            (evaluation, next) = BatchData.sumChunk(sums, _chunkOf(rows, chunk, slots), slots, z, next);
            uint256 firstRoot = chunk == 0 ? header.oldRoot : chunkRoots[chunk - 1];
            _chunks[header.number][chunk] = keccak256(
                abi.encode(firstRoot, chunkRoots[chunk], z, evaluation)
            );
        }
        _checkAccount(next);
    }

    /// @dev The rows of one chunk: `slots` of them, or what is left for the last one.
    function _chunkOf(
        bytes calldata rows,
        uint256 chunk,
        uint256 slots
    ) private pure returns (bytes calldata) {
        uint256 size = slots * Packed.RECORD_BYTES;
        uint256 from = chunk * size;
        return rows.length - from < size ? rows[from:] : rows[from:from + size];
    }

    /// @dev The largest index of a list is enough: ids are dense and the lists increase.
    /// @param next That index plus 1; 0 for an empty list.
    function _checkAccount(uint256 next) private view {
        if (next == 0) return;
        uint256 account = (next - 1) >> Packed.ASSET_BITS;
        uint256 count = vault.accountCount();
        if (account >= count) revert UnknownAccount(account, count);
    }

    // --- Steps of a batch's life ---

    /// @dev Moves the proven end over every batch that has all its chunks; at most maxUnproven steps.
    function _advance() private {
        uint64 proven = provenCount;
        while (proven < batchCount) {
            Batch storage batch = _batches[proven + 1];
            if (batch.chunksProven != batch.chunkCount) break;
            ++proven;
            emit BatchProven(proven, batch.newRoot);
            if (batch.uncredited == 0) emit BatchFinal(proven);
        }
        provenCount = proven;
        _advanceFinal();
    }

    /// @dev Moves the final end over every batch that has no withdrawal left to credit, some at a time: the
    /// batches behind one that was finalised late may be many.
    function _advanceFinal() private {
        uint64 last = finalCount;
        for (uint256 i = 0; i < MAX_FINAL_STEPS && last < provenCount; ++i) {
            if (_batches[last + 1].uncredited != 0) break;
            ++last;
        }
        finalCount = last;
    }

    /// @dev Makes the next withdrawals of a proven batch claims, `max` of them at most.
    function _finalize(uint64 number, bytes calldata withdrawals, uint256 max) private {
        if (number == 0 || number > provenCount) revert BatchNotProven(number);
        Batch storage batch = _batches[number];
        uint256 left = batch.uncredited;
        if (left == 0) revert BatchAlreadyFinal(number);
        bytes32 posted = keccak256(withdrawals);
        if (posted != batch.withdrawalsHash) revert WithdrawalsMismatch(posted, batch.withdrawalsHash);
        uint256 from = withdrawals.length - left * Packed.RECORD_BYTES;
        uint256 count = max < left ? max : left;
        bytes calldata part = withdrawals[from:from + count * Packed.RECORD_BYTES];
        batch.uncredited = uint16(left - count);
        _grantRequests(part, number, batch.committedAt);
        vault.creditClaims(part);
        if (count == left) {
            emit BatchFinal(number);
            _advanceFinal();
        }
    }

    function _strike() internal {
        emit BatchesStruck(provenCount + 1, batchCount);
        batchCount = provenCount;
    }

    /// @dev Ends the exchange for good; what is not proven never will be.
    function _freeze() internal {
        frozen = true;
        if (batchCount != provenCount) _strike();
    }

    /// @dev Withdrawals of a batch count towards the forced ones that wait.
    /// @param committedAt Block time of the batch's commit, in seconds.
    function _grantRequests(bytes calldata withdrawals, uint64 number, uint256 committedAt) internal virtual;
}
