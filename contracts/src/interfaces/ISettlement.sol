// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "./IVault.sol";
import {IGoverned} from "./IGoverned.sol";
import {Batch, BatchHeader, BatchState} from "../types/Batch.sol";
import {ForcedWithdrawal} from "../types/ForcedWithdrawal.sol";

/// @notice Batches from commit to final, forced withdrawals, freeze. Roots are of the balance tree of
/// libraries/BalanceTree.sol; times are block times in seconds.
interface ISettlement is IGoverned {
    /// @notice A batch was posted. With the vault's deposits this is all that a rebuild of the tree needs.
    /// @param z The point at which circuit and contract evaluate the rows.
    event BatchCommitted(uint64 indexed number, BatchHeader header, uint256 z, bytes rows, bytes withdrawals);
    /// @notice A chunk of a batch has its validity proof.
    event ChunkProven(uint64 indexed number, uint256 indexed chunk);
    /// @notice A batch and all before it are proven: `root` backs withdrawals and exits from here on.
    event BatchProven(uint64 indexed number, uint256 root);
    /// @notice The withdrawals of a proven batch are claims.
    event BatchFinal(uint64 indexed number);
    /// @notice Every batch from `fromNumber` to `toNumber` was struck; the last proven root stands.
    event BatchesStruck(uint64 indexed fromNumber, uint64 toNumber);
    /// @notice An owner asked for `units`; `fee` wei are held. An answer must have consumed the first
    /// `depositsBefore` deposits.
    event WithdrawalRequested(
        uint32 indexed account,
        uint8 indexed asset,
        uint64 units,
        uint256 fee,
        uint64 depositsBefore
    );
    /// @notice A forced withdrawal got `units`; `remaining` are still owed, 0 = served.
    event WithdrawalGranted(uint32 indexed account, uint8 indexed asset, uint64 units, uint64 remaining);
    /// @notice A forced withdrawal is owed the `remaining` units that are the balance after batch `number`,
    /// from the withdrawals of later batches; 0 = there is nothing, and the request is closed.
    event WithdrawalAnswered(
        uint32 indexed account,
        uint8 indexed asset,
        uint64 number,
        uint64 remaining,
        address answerer
    );
    /// @notice A request of a frozen exchange is closed: what it asked for leaves by escape.
    event WithdrawalLapsed(uint32 indexed account, uint8 indexed asset);
    /// @notice Wei became withdrawable by `to` with `withdrawRefund`.
    event RefundCredited(address indexed to, uint256 refund);
    /// @notice An address took its refunds.
    event RefundPaid(address indexed to, uint256 refund);
    /// @notice The exchange is frozen for good, because the request of (account, asset) was not answered in time.
    event Frozen(uint32 indexed account, uint8 indexed asset, uint64 provenNumber, uint256 provenRoot);

    /// @notice The vault names another settlement contract.
    error VaultNotWired(address vault, address settlementOfVault);
    /// @notice The exchange is frozen, for good.
    error ExchangeFrozen();
    /// @notice The exchange is not frozen.
    error NotFrozen();
    /// @notice The guardian has paused commits.
    error CommitsArePaused();
    /// @notice So many batches wait for proofs that no other may be committed.
    error TooManyUnproven(uint256 unproven, uint256 max);
    /// @notice Batches are numbered without gaps.
    error WrongNumber(uint256 number, uint256 expected);
    /// @notice A batch begins where the one before ended.
    error WrongFirstSeq(uint256 firstSeq, uint256 expected);
    /// @notice A batch ends before it begins.
    error EmptySeqRange(uint256 firstSeq, uint256 lastSeq);
    /// @notice A batch stands on another root than the last one.
    error WrongOldRoot(uint256 oldRoot, uint256 expected);
    /// @notice A root is not below the field's order.
    error NotCanonical(uint256 value);
    /// @notice Packed bytes are not whole records.
    error BadPackedLength(uint256 length);
    /// @notice A list is longer than a batch may have it.
    error TooManyRecords(uint256 count, uint256 max);
    /// @notice Indices of rows or withdrawals do not strictly increase.
    error RowsNotIncreasing(uint256 previousIndex, uint256 index);
    /// @notice A delta is zero, or 2^53 or more in absolute value.
    error BadDelta(uint256 index, int256 delta);
    /// @notice Units are zero, or 2^53 or more.
    error BadUnits(uint256 index, uint256 units);
    /// @notice No such account is registered.
    error UnknownAccount(uint256 account, uint256 accountCount);
    /// @notice No such asset is listed.
    error UnknownAsset(uint256 asset, uint256 assetCount);
    /// @notice Not as many deposits are posted as the batch says it consumes.
    error DepositCountMismatch(uint256 posted, uint256 expected);
    /// @notice More deposits are consumed than were made.
    error DepositsOverQueue(uint256 depositsConsumed, uint256 depositCount);
    /// @notice The posted deposits, with their owners, are not the queue's next ones.
    error DepositQueueMismatch(bytes32 posted, bytes32 expected);
    /// @notice Of an asset, deltas + withdrawals - deposits are not zero.
    error NotConserved(uint256 asset, int256 difference);
    /// @notice Not one root a chunk.
    error ChunkCountMismatch(uint256 posted, uint256 expected);
    /// @notice The last chunk does not end at the batch's new root.
    error LastChunkRootMismatch(uint256 posted, uint256 newRoot);
    /// @notice The batch is not there, or is proven already.
    error BatchNotCommitted(uint256 number);
    /// @notice The batch has fewer chunks.
    error UnknownChunk(uint256 chunk, uint256 chunkCount);
    /// @notice The chunk has its proof.
    error ChunkAlreadyProven(uint256 number, uint256 chunk);
    /// @notice The inputs are not those that the commit fixed; hashes of both.
    error WrongPublicInputs(bytes32 posted, bytes32 expected);
    /// @notice The verifier refuses the proof.
    error InvalidProof(uint256 number, uint256 chunk);
    /// @notice The batch is not proven.
    error BatchNotProven(uint256 number);
    /// @notice The batch, or one before it, has withdrawals that are not claims yet: they may serve the request.
    error BatchNotFinal(uint256 number, uint256 finalCount);
    /// @notice All withdrawals of the batch are claims already.
    error BatchAlreadyFinal(uint256 number);
    /// @notice The bytes are not the withdrawals of the batch; hashes of both.
    error WithdrawalsMismatch(bytes32 posted, bytes32 expected);
    /// @notice Every batch is proven.
    error NothingToStrike();
    /// @notice The oldest unproven batch still has time.
    error ProofDeadlineNotPassed(uint256 deadline, uint256 time);
    /// @notice Only the account's owner may ask for it.
    error NotAccountOwner(address caller, address owner);
    /// @notice A request for the same waits already.
    error RequestPending(uint256 account, uint256 asset);
    /// @notice As many requests wait as may.
    error RequestQueueFull(uint256 max);
    /// @notice Less was sent than the fee, in wei.
    error FeeTooLow(uint256 value, uint256 fee);
    /// @notice No request for this waits.
    error NoRequest(uint256 account, uint256 asset);
    /// @notice The balance shown is not less than what the request is owed.
    error AnswerNotLower(uint256 units, uint256 remaining);
    /// @notice The batch was committed before, or with, the request.
    error AnswerTooOld(uint256 committedAt, uint256 requestedAt);
    /// @notice The batch has not consumed every deposit made before the request.
    error AnswerSkipsDeposits(uint256 depositsConsumed, uint256 depositsBefore);
    /// @notice The path does not lead from the balance to the root.
    error WrongBalanceProof(uint256 account, uint256 asset, uint256 units);
    /// @notice The request still has time.
    error ExitDeadlineNotPassed(uint256 deadline, uint256 time);
    /// @notice Nothing is there for the caller.
    error NothingToRefund(address to);
    /// @notice The receiver refuses the coins, wei.
    error NativeTransferFailed(address to, uint256 value);

    /// @notice Operator only: posts a batch. See Batches.sol for what the chain checks.
    /// @param chunkRoots Root after each chunk of `rowsPerChunk` rows; the last is the new root.
    /// @param rows Packed: uint32 index, int64 delta each; strictly increasing by index, no zero delta.
    /// @param deposits Packed: uint32 index, uint64 units, address owner each; the next deposits of the
    /// vault's queue.
    /// @param withdrawals Packed: uint32 index, uint64 units each; strictly increasing by index.
    function commitBatch(
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        bytes calldata deposits,
        bytes calldata withdrawals
    ) external;

    /// @notice Anyone: gives the validity proof of one chunk; chunks and batches may come in any order.
    /// @param publicInputs [firstRoot, lastRoot, z, evaluation] of the chunk, as fixed by the commit.
    /// @param proof As in IChunkVerifier.
    function proveChunk(
        uint64 number,
        uint256 chunk,
        uint256[4] calldata publicInputs,
        uint256[8] calldata proof
    ) external;

    /// @notice Anyone: makes the withdrawals of a proven batch claimable; also when frozen. A batch
    /// without withdrawals is final as soon as it is proven, and needs no call.
    /// @param withdrawals The bytes that were posted with the batch.
    function finalizeBatch(uint64 number, bytes calldata withdrawals) external;

    /// @notice Anyone: the same for the next `count` withdrawals only, should all of them ever be more than
    /// a transaction can pay for.
    function finalizePart(uint64 number, bytes calldata withdrawals, uint256 count) external;

    /// @notice Anyone: moves `finalCount` on, should more batches have become final behind a late one than a
    /// call passes by itself.
    function advanceFinal() external;

    /// @notice Anyone: strikes every unproven batch when the oldest is past its proof deadline.
    function strikeUnproven() external;

    /// @notice Account owner only: asks on-chain for `units` of (account, asset). The value sent must be
    /// at least `currentRequestFee()`. The fee comes back when the request is served; what was sent above
    /// it is the caller's to take with `withdrawRefund` at once, so that nobody stops a request by moving
    /// the fee.
    function requestWithdrawal(uint256 account, uint256 asset, uint64 units) external payable;

    /// @notice Lowers what a request is owed to the balance that is there, by its path under the root of a
    /// proven batch that was committed after the request and consumed every deposit made before it. That batch
    /// and all before it must be final, so that what they paid has counted towards the request first. The
    /// withdrawals of later batches must pay that balance (operators only). With zero the request is closed
    /// (anyone); the fee is the operator's if it shows the zero and nothing was granted, else the owner's.
    /// @param units The balance after batch `number`, less than what the request is owed.
    /// @param siblings As in IVault.escape.
    function answerRequest(
        uint256 account,
        uint256 asset,
        uint64 number,
        uint64 units,
        uint256[28] calldata siblings
    ) external;

    /// @notice Anyone: freezes the exchange for good, because the request of (account, asset) was not
    /// answered in time. Unproven batches are struck.
    function freeze(uint256 account, uint256 asset) external;

    /// @notice Frozen only, anyone: returns the fee of an open request to the account's owner.
    function reclaimFee(uint256 account, uint256 asset) external;

    /// @notice Pays the caller's refunds.
    function withdrawRefund() external;

    /// @notice Whether a fill is in the batch's fillsRoot (libraries/FillTree.sol).
    /// @param leaf The fill, 152 bytes.
    /// @param siblings Path from the leaf up; levels where the node is promoted have no entry.
    /// @param leftSiblings Bit i is 1 where siblings[i] is the left one.
    function verifyFill(
        uint64 number,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        uint256 leftSiblings
    ) external view returns (bool);

    /// @notice The custody contract, for good.
    function vault() external view returns (IVault);
    /// @notice Seconds that a forced withdrawal may wait before anyone may freeze the exchange.
    function exitDelay() external view returns (uint256);
    /// @notice Seconds that a batch may stand unproven before anyone may strike it.
    function proofDelay() external view returns (uint256);
    /// @notice Unproven batches that may stand at a time.
    function maxUnproven() external view returns (uint256);
    /// @notice Wei of a forced withdrawal while fewer than 256 wait.
    function requestFee() external view returns (uint256);
    /// @notice Wei that an address may take with `withdrawRefund`.
    function refundOf(address to) external view returns (uint256);
    /// @notice Root of the last committed batch.
    function lastRoot() external view returns (uint256);
    /// @notice Root of the last proven batch: what withdrawals and exits rest on.
    function provenRoot() external view returns (uint256);
    /// @notice Number of the last committed batch; 0 before the first.
    function batchCount() external view returns (uint64);
    /// @notice Number of the last proven batch.
    function provenCount() external view returns (uint64);
    /// @notice Number up to which every batch is final, without a gap.
    function finalCount() external view returns (uint64);
    /// @notice State of a batch; `None` for one that is not there (never, or no longer).
    function batchState(uint64 number) external view returns (BatchState);
    /// @notice What is kept of a batch; all zero for one that is not there.
    function batchOf(uint64 number) external view returns (Batch memory);
    /// @notice keccak256(abi.encode(publicInputs)) of a chunk that waits for its proof; 0 once proven.
    function chunkCommitment(uint64 number, uint256 chunk) external view returns (bytes32);
    /// @notice Deposits consumed by proven batches.
    function provenDepositsConsumed() external view returns (uint64);
    /// @notice The forced withdrawal of (account, asset); all zero when there is none.
    function requestOf(uint256 account, uint256 asset) external view returns (ForcedWithdrawal memory);
    /// @notice Forced withdrawals that wait.
    function openRequests() external view returns (uint256);
    /// @notice Wei that the next request must bring; doubles with every 256 requests that wait.
    function currentRequestFee() external view returns (uint256);
    /// @notice Whether the exchange is frozen, for good.
    function frozen() external view returns (bool);
}
