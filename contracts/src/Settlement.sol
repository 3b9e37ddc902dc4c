// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "./interfaces/IChunkVerifier.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {IVault} from "./interfaces/IVault.sol";
import {Governed} from "./Governed.sol";
import {BalanceTree} from "./libraries/BalanceTree.sol";
import {Field} from "./libraries/Field.sol";
import {FillTree} from "./libraries/FillTree.sol";
import {Packed} from "./libraries/Packed.sol";
import {Batch, BatchHeader, BatchState} from "./types/Batch.sol";
import {Config} from "./types/Config.sol";
import {ForcedWithdrawal} from "./types/ForcedWithdrawal.sol";

/// @title Settlement
/// @notice Takes batches of net balance changes, has them proven, and lets users leave without the
/// operator. A batch is committed (posted and checked by the chain), proven (every chunk of it and of
/// all before it has a validity proof), final (its withdrawals are claims). Only proven roots back
/// withdrawals and exits.
///
/// What the chain checks at the commit, from calldata: number, sequence and previous root chain; rows
/// strictly increase by index, without zero deltas, |delta| < 2^53; the deposit queue is consumed in
/// order up to the stated count; per asset, the sum of deltas = deposits - withdrawals; every field
/// element is canonical; sizes are bounded.
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
contract Settlement is ISettlement, Governed {
    uint256 public constant MAX_ROWS = 4096;
    uint256 public constant MAX_DEPOSITS = 2048;
    uint256 public constant MAX_WITHDRAWALS = 512;
    /// @notice Bound of forced withdrawals that wait. The fee doubles with every `REQUESTS_PER_STEP` of
    /// them, so that keeping others out of a full queue costs many thousand times the fee.
    uint256 public constant MAX_REQUESTS = 4096;
    uint256 public constant REQUESTS_PER_STEP = 256;
    uint256 private constant MAX_DELAY = 30 days;
    uint256 private constant MAX_UNPROVEN = 64;

    /// @inheritdoc ISettlement
    IVault public immutable vault;
    /// @inheritdoc ISettlement
    uint256 public immutable exitDelay;
    /// @inheritdoc ISettlement
    uint256 public immutable proofDelay;
    /// @inheritdoc ISettlement
    uint256 public immutable maxUnproven;
    /// @inheritdoc ISettlement
    uint256 public immutable requestFee;
    uint256 private immutable _assetCount;

    /// @inheritdoc ISettlement
    uint64 public batchCount;
    /// @inheritdoc ISettlement
    uint64 public provenCount;
    /// @inheritdoc ISettlement
    bool public frozen;
    /// @inheritdoc ISettlement
    uint256 public openRequests;

    mapping(uint256 number => Batch) private _batches;
    mapping(uint256 number => mapping(uint256 chunk => bytes32)) private _chunks;
    mapping(uint256 index => ForcedWithdrawal) private _requests;
    /// @inheritdoc ISettlement
    mapping(address to => uint256) public refundOf;

    /// @param config The vault must name this contract as its settlement; the verifier delay must be
    /// longer than the exit delay plus 30 days.
    constructor(
        Config memory config
    ) Governed(config.governor, config.guardian, config.operator, config.verifier, config.verifierDelay) {
        if (config.vault == address(0)) revert ZeroAddress();
        address wired = IVault(config.vault).settlement();
        if (wired != address(this)) revert VaultNotWired(config.vault, wired);
        _checkDelay("exitDelay", config.exitDelay);
        _checkDelay("proofDelay", config.proofDelay);
        if (config.maxUnproven == 0 || config.maxUnproven > MAX_UNPROVEN)
            revert BadParameter("maxUnproven", config.maxUnproven, MAX_UNPROVEN);
        // The largest step of the fee must fit the 80 bits it is kept in.
        if (config.requestFee > type(uint64).max)
            revert BadParameter("requestFee", config.requestFee, type(uint64).max);
        if (config.verifierDelay <= config.exitDelay + 30 days)
            revert BadParameter("verifierDelay", config.verifierDelay, config.exitDelay + 30 days);
        vault = IVault(config.vault);
        exitDelay = config.exitDelay;
        proofDelay = config.proofDelay;
        maxUnproven = config.maxUnproven;
        requestFee = config.requestFee;
        _assetCount = IVault(config.vault).assetCount();
        _batches[0].newRoot = BalanceTree.EMPTY_ROOT;
        _batches[0].credited = true;
    }

    function _checkDelay(bytes32 name, uint256 delay) private pure {
        if (delay == 0 || delay > MAX_DELAY) revert BadParameter(name, delay, MAX_DELAY);
    }

    // --- Batches ---

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
        uint256 rowCount = _recordCount(rows, MAX_ROWS);
        _checkChunkRoots(header, chunkRoots, rowCount);

        int256[] memory sums = new int256[](_assetCount);
        _sumDeposits(sums, deposits, header.depositsConsumed);
        _sumWithdrawals(sums, withdrawals);
        uint256 z = _challenge(header, chunkRoots, rows, deposits, withdrawals);
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
            verifier: verifier,
            credited: withdrawals.length == 0
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
        if (number == 0 || number > provenCount) revert BatchNotProven(number);
        Batch storage batch = _batches[number];
        if (batch.credited) revert BatchAlreadyFinal(number);
        bytes32 posted = keccak256(withdrawals);
        if (posted != batch.withdrawalsHash) revert WithdrawalsMismatch(posted, batch.withdrawalsHash);
        batch.credited = true;
        _grantRequests(withdrawals, batch.committedAt);
        vault.creditClaims(withdrawals);
        emit BatchFinal(number);
    }

    /// @inheritdoc ISettlement
    function strikeUnproven() external {
        if (batchCount == provenCount) revert NothingToStrike();
        uint256 deadline = uint256(_batches[provenCount + 1].committedAt) + proofDelay;
        if (block.timestamp <= deadline) revert ProofDeadlineNotPassed(deadline, block.timestamp);
        _strike();
    }

    // --- Forced withdrawals and freeze ---

    /// @inheritdoc ISettlement
    function requestWithdrawal(uint256 account, uint256 asset, uint64 units) external payable {
        if (frozen) revert ExchangeFrozen();
        address owner = vault.ownerOf(account);
        if (msg.sender != owner) revert NotAccountOwner(msg.sender, owner);
        if (asset >= _assetCount) revert UnknownAsset(asset, _assetCount);
        uint256 index = Packed.indexOf(account, asset);
        if (units == 0 || units >= Packed.UNITS_END) revert BadUnits(index, units);
        ForcedWithdrawal storage request = _requests[index];
        if (request.remaining != 0) revert RequestPending(account, asset);
        if (openRequests == MAX_REQUESTS) revert RequestQueueFull(MAX_REQUESTS);
        uint256 fee = currentRequestFee();
        if (msg.value != fee) revert WrongFee(msg.value, fee);

        ++openRequests;
        uint64 depositsBefore = vault.depositCount();
        request.remaining = units;
        request.requestedAt = uint40(block.timestamp);
        request.depositsBefore = depositsBefore;
        request.granted = false;
        request.fee = uint80(fee);
        emit WithdrawalRequested(uint32(account), uint8(asset), units, fee, depositsBefore);
    }

    /// @inheritdoc ISettlement
    function answerEmpty(
        uint256 account,
        uint256 asset,
        uint64 number,
        uint256[28] calldata siblings
    ) external {
        if (frozen) revert ExchangeFrozen();
        ForcedWithdrawal memory request = _openRequest(account, asset);
        if (number == 0 || number > provenCount) revert BatchNotProven(number);
        Batch storage batch = _batches[number];
        if (batch.committedAt <= request.requestedAt)
            revert AnswerTooOld(batch.committedAt, request.requestedAt);
        if (batch.depositsConsumed < request.depositsBefore)
            revert AnswerSkipsDeposits(batch.depositsConsumed, request.depositsBefore);
        uint256 index = Packed.indexOf(account, asset);
        if (!vault.verifyBalance(batch.newRoot, account, asset, 0, siblings))
            revert WrongBalanceProof(account, asset, 0);
        emit WithdrawalAnsweredEmpty(uint32(account), uint8(asset), msg.sender);
        // A request for what never was there pays the one who had to answer it.
        _closeRequest(index, request.granted ? vault.ownerOf(account) : msg.sender, request.fee);
    }

    /// @inheritdoc ISettlement
    function freeze(uint256 account, uint256 asset) external {
        if (frozen) revert ExchangeFrozen();
        uint256 deadline = uint256(_openRequest(account, asset).requestedAt) + exitDelay;
        if (block.timestamp <= deadline) revert ExitDeadlineNotPassed(deadline, block.timestamp);
        frozen = true;
        if (batchCount != provenCount) _strike();
        emit Frozen(uint32(account), uint8(asset), provenCount, provenRoot());
    }

    /// @inheritdoc ISettlement
    function reclaimFee(uint256 account, uint256 asset) external {
        if (!frozen) revert NotFrozen();
        uint80 fee = _openRequest(account, asset).fee;
        _closeRequest(Packed.indexOf(account, asset), vault.ownerOf(account), fee);
    }

    /// @inheritdoc ISettlement
    function withdrawRefund() external {
        uint256 fee = refundOf[msg.sender];
        if (fee == 0) revert NothingToRefund(msg.sender);
        refundOf[msg.sender] = 0;
        emit RefundPaid(msg.sender, fee);
        (bool sent, ) = msg.sender.call{value: fee}("");
        if (!sent) revert NativeTransferFailed(msg.sender, fee);
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
        return _batches[number].credited ? BatchState.Final : BatchState.Proven;
    }

    /// @inheritdoc ISettlement
    function batchOf(uint64 number) external view returns (Batch memory batch) {
        if (number <= batchCount) batch = _batches[number];
    }

    /// @inheritdoc ISettlement
    function chunkCommitment(uint64 number, uint256 chunk) external view returns (bytes32) {
        bool stands = number <= batchCount && chunk < _batches[number].chunkCount;
        return stands ? _chunks[number][chunk] : bytes32(0);
    }

    /// @inheritdoc ISettlement
    function provenDepositsConsumed() external view returns (uint64) {
        return _batches[provenCount].depositsConsumed;
    }

    /// @inheritdoc ISettlement
    function requestOf(uint256 account, uint256 asset) public view returns (ForcedWithdrawal memory request) {
        // Out of range, (account, asset) would alias the index of another pair.
        if (account < Packed.ACCOUNTS_MAX && asset < _assetCount)
            request = _requests[Packed.indexOf(account, asset)];
    }

    /// @inheritdoc ISettlement
    function currentRequestFee() public view returns (uint256) {
        return requestFee << (openRequests / REQUESTS_PER_STEP);
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

    /// @dev Records of a packed array.
    function _recordCount(bytes calldata records, uint256 max) private pure returns (uint256 count) {
        if (records.length % Packed.RECORD_BYTES != 0) revert BadPackedLength(records.length);
        count = records.length / Packed.RECORD_BYTES;
        if (count > max) revert TooManyRecords(count, max);
    }

    /// @dev The posted deposits must be the queue's next ones, in full up to `consumed`.
    function _sumDeposits(int256[] memory sums, bytes calldata deposits, uint64 consumed) private view {
        uint256 count = _recordCount(deposits, MAX_DEPOSITS);
        uint256 before = _batches[batchCount].depositsConsumed;
        // Cumulative counts only grow; a smaller one shows as a count that nothing can match.
        uint256 expected = consumed < before ? type(uint256).max : consumed - before;
        if (count != expected) revert DepositCountMismatch(count, expected);
        if (count == 0) return;
        uint256 queued = vault.depositCount();
        if (consumed > queued) revert DepositsOverQueue(consumed, queued);
        bytes32 hash = vault.depositHash(before);
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, uint256 units) = Packed.unsignedAt(deposits, i);
            sums[_assetOf(index)] -= int256(units);
            hash = Packed.extend(hash, deposits, i);
        }
        bytes32 head = vault.depositHash(consumed);
        if (hash != head) revert DepositQueueMismatch(hash, head);
    }

    function _sumWithdrawals(int256[] memory sums, bytes calldata withdrawals) private view {
        uint256 count = _recordCount(withdrawals, MAX_WITHDRAWALS);
        uint256 next = 0;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, uint256 units) = Packed.unsignedAt(withdrawals, i);
            if (index < next) revert RowsNotIncreasing(next - 1, index);
            if (units == 0 || units >= Packed.UNITS_END) revert BadUnits(index, units);
            sums[_assetOf(index)] += int256(units);
            next = index + 1;
        }
        if (count != 0) _checkAccount(next - 1);
    }

    /// @dev Per row: order, bounds, the asset's sum, and the chunk's evaluation at z. Stores for each chunk
    /// the hash of the public inputs that its proof must have.
    function _sumRowsAndStoreChunks(
        int256[] memory sums,
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        uint256 z
    ) private {
        uint256 next = 0;
        for (uint256 chunk = 0; chunk < chunkRoots.length; ++chunk) {
            uint256 evaluation;
            (evaluation, next) = _sumChunk(sums, rows, chunk, z, next);
            uint256 firstRoot = chunk == 0 ? header.oldRoot : chunkRoots[chunk - 1];
            _chunks[header.number][chunk] = keccak256(
                abi.encode(firstRoot, chunkRoots[chunk], z, evaluation)
            );
        }
        if (rows.length != 0) _checkAccount(next - 1);
    }

    /// @dev Rows of one chunk: adds them to the sums and evaluates them at z.
    /// @param next The smallest index that the first row may have.
    /// @return evaluation E(z) of the chunk.
    /// @return The smallest index that the row after the chunk may have.
    function _sumChunk(
        int256[] memory sums,
        bytes calldata rows,
        uint256 chunk,
        uint256 z,
        uint256 next
    ) private view returns (uint256 evaluation, uint256) {
        uint256 perChunk = rowsPerChunk;
        uint256 count = rows.length / Packed.RECORD_BYTES;
        for (uint256 slot = 0; slot < perChunk; ++slot) {
            uint256 i = chunk * perChunk + slot;
            if (i >= count) {
                evaluation = mulmod(mulmod(evaluation, z, Field.R), z, Field.R);
                continue;
            }
            (uint256 index, int256 delta) = Packed.signedAt(rows, i);
            if (index < next) revert RowsNotIncreasing(next - 1, index);
            _checkDelta(index, delta);
            sums[_assetOf(index)] += delta;
            next = index + 1;
            evaluation = addmod(mulmod(evaluation, z, Field.R), next, Field.R);
            evaluation = addmod(mulmod(evaluation, z, Field.R), _element(delta), Field.R);
        }
        return (evaluation, next);
    }

    /// @dev Everything posted, on this chain and to this contract, in one field element.
    function _challenge(
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        bytes calldata deposits,
        bytes calldata withdrawals
    ) private view returns (uint256) {
        bytes32 hash = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                header,
                keccak256(abi.encodePacked(chunkRoots)),
                keccak256(rows),
                keccak256(deposits),
                keccak256(withdrawals)
            )
        );
        return uint256(hash) % Field.R;
    }

    function _checkDelta(uint256 index, int256 delta) private pure {
        if (delta == 0 || delta >= int256(Packed.UNITS_END) || delta <= -int256(Packed.UNITS_END))
            revert BadDelta(index, delta);
    }

    /// @dev A signed delta as a field element: R - |delta| when negative.
    function _element(int256 delta) private pure returns (uint256) {
        return delta < 0 ? Field.R - uint256(-delta) : uint256(delta);
    }

    function _assetOf(uint256 index) private view returns (uint256 asset) {
        asset = index & Packed.ASSET_MASK;
        if (asset >= _assetCount) revert UnknownAsset(asset, _assetCount);
    }

    /// @dev The largest index of a list is enough: ids are dense and the lists increase.
    function _checkAccount(uint256 index) private view {
        uint256 account = index >> Packed.ASSET_BITS;
        uint256 count = vault.accountCount();
        if (account >= count) revert UnknownAccount(account, count);
    }

    // --- Steps of a batch's and a request's life ---

    /// @dev Moves the proven end over every batch that has all its chunks; at most maxUnproven steps.
    function _advance() private {
        uint64 proven = provenCount;
        while (proven < batchCount) {
            Batch storage batch = _batches[proven + 1];
            if (batch.chunksProven != batch.chunkCount) break;
            ++proven;
            emit BatchProven(proven, batch.newRoot);
            if (batch.credited) emit BatchFinal(proven);
        }
        provenCount = proven;
    }

    function _strike() private {
        emit BatchesStruck(provenCount + 1, batchCount);
        batchCount = provenCount;
    }

    /// @dev Withdrawals of a batch that was committed after a request count towards it.
    function _grantRequests(bytes calldata withdrawals, uint256 committedAt) private {
        if (openRequests == 0) return;
        uint256 count = withdrawals.length / Packed.RECORD_BYTES;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, uint256 units) = Packed.unsignedAt(withdrawals, i);
            ForcedWithdrawal memory request = _requests[index];
            if (request.remaining == 0 || committedAt <= request.requestedAt) continue;
            uint256 account = index >> Packed.ASSET_BITS;
            uint64 remaining = units >= request.remaining ? 0 : request.remaining - uint64(units);
            emit WithdrawalGranted(
                uint32(account),
                uint8(index & Packed.ASSET_MASK),
                uint64(units),
                remaining
            );
            if (remaining == 0) {
                _closeRequest(index, vault.ownerOf(account), request.fee);
            } else {
                _requests[index].remaining = remaining;
                _requests[index].granted = true;
            }
        }
    }

    function _openRequest(
        uint256 account,
        uint256 asset
    ) private view returns (ForcedWithdrawal memory request) {
        request = requestOf(account, asset);
        if (request.remaining == 0) revert NoRequest(account, asset);
    }

    function _closeRequest(uint256 index, address feeTo, uint256 fee) private {
        delete _requests[index];
        --openRequests;
        if (fee == 0) return;
        refundOf[feeTo] += fee;
        emit RefundCredited(feeTo, fee);
    }
}
