// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ForcedWithdrawal} from "../types/ForcedWithdrawal.sol";
import {IPageGoverned} from "./IPageGoverned.sol";
import {IPageVault} from "./IPageVault.sol";
import {Batch, BatchHeader, BatchState, OpenBatch, Page} from "./Types.sol";

/// @notice Batches from their first page to final, forced withdrawals, freeze. Roots are of the tree of
/// StateTree.sol; times are block times in seconds.
interface IPageSettlement is IPageGoverned {
    /// @notice A page was posted; it counts once its batch is committed. With the vault's deposits this is all that a
    /// rebuild of the tree needs.
    /// @param depositsConsumed Deposits consumed up to and with this page.
    event PagePosted(
        uint64 indexed number,
        uint256 indexed page,
        uint256 kind,
        uint256 lastRoot,
        uint64 depositsConsumed,
        bytes rows
    );
    /// @notice All pages of a batch are posted, since its first one without another batch between.
    event BatchCommitted(uint64 indexed number, BatchHeader header);
    /// @notice The pages posted of a batch that was open are gone.
    event BatchDropped(uint64 indexed number);
    /// @notice A page of a batch has its validity proof.
    event PageProven(uint64 indexed number, uint256 indexed page);
    /// @notice A batch and all before it are proven.
    event BatchProven(uint64 indexed number, uint256 root);
    /// @notice Every batch from `fromNumber` to `toNumber` is final: `root` backs withdrawals and exits from here on.
    event BatchesFinal(uint64 indexed fromNumber, uint64 toNumber, uint256 root);
    /// @notice Bytes [from, to) of the rows of a withdrawal page are claims.
    event WithdrawalsCredited(uint64 indexed number, uint256 indexed page, uint256 from, uint256 to);
    /// @notice Every batch from `fromNumber` to `toNumber` was struck.
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
    event Frozen(uint32 indexed account, uint8 indexed asset, uint64 finalNumber, uint256 finalRoot);

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
    /// @notice A batch is open, or none is, or the state passed on is another; hashes of both.
    error WrongCarried(bytes32 posted, bytes32 expected);
    /// @notice The header is not the open batch's; hashes of both.
    error WrongBatch(bytes32 posted, bytes32 expected);
    /// @notice A transaction posts no page of a batch that has some, or a page has no row.
    error EmptyPage();
    /// @notice More pages are posted than the batch says it has.
    error PageCountMismatch(uint256 posted, uint256 pageCount);
    /// @notice Kinds of pages do not fall, and there are three.
    error WrongKind(uint256 kind, uint256 previousKind);
    /// @notice The last page does not end at the batch's new root.
    error WrongNewRoot(uint256 posted, uint256 newRoot);
    /// @notice Not as many deposits are consumed as the batch says.
    error DepositCountMismatch(uint256 posted, uint256 expected);
    /// @notice No batch is open.
    error NoOpenBatch();
    /// @notice A list is longer than a page may have it.
    error TooManyRecords(uint256 count, uint256 max);
    /// @notice Leaves do not strictly increase.
    error RowsNotIncreasing(uint256 previousLeaf, uint256 leaf);
    /// @notice A row has no lane, or more than there are.
    error BadMask(uint256 leaf, uint256 mask);
    /// @notice A delta is zero, or 2^53 or more in absolute value.
    error BadDelta(uint256 leaf, uint256 lane, int256 delta);
    /// @notice Units are zero, or 2^53 or more; in a deposit page, those of the leaf at a place of the rows together.
    error BadUnits(uint256 leaf, uint256 lane, uint256 units);
    /// @notice The row at the place that a deposit names is not its leaf; the index is account << 6 | asset.
    error WrongLeaf(uint256 index, uint256 place);
    /// @notice Of an asset, the deltas of the trade pages do not sum to zero.
    error NotConserved(uint256 asset, int256 sum);
    /// @notice The batch has fewer pages.
    error UnknownPage(uint256 page, uint256 pageCount);
    /// @notice The page has its proof.
    error PageAlreadyProven(uint256 number, uint256 page);
    /// @notice The verifier refuses the proof.
    error InvalidProof(uint256 number, uint256 page);
    /// @notice The batch is not proven, or its challenge window runs still.
    error BatchNotFinal(uint256 number, uint256 finalCount);
    /// @notice The batch, or one before it, has withdrawals that are not claims yet: they may serve the request.
    error BatchNotCredited(uint256 number, uint256 creditedCount);
    /// @notice The page has no withdrawals, or all of them are claims already.
    error NoWithdrawals(uint256 number, uint256 page);
    /// @notice The bytes are not the rows of the page; hashes of both.
    error WithdrawalsMismatch(bytes32 posted, bytes32 expected);
    /// @notice The batch was committed before the request.
    error AnswerTooOld(uint256 committedAt, uint256 requestedAt);
    /// @notice Packed bytes are not whole records.
    error BadPackedLength(uint256 length);
    /// @notice No such account is registered.
    error UnknownAccount(uint256 account, uint256 accountCount);
    /// @notice No such asset is listed.
    error UnknownAsset(uint256 asset, uint256 assetCount);
    /// @notice The posted deposits, with their owners, are not the queue's next ones.
    error DepositQueueMismatch(bytes32 posted, bytes32 expected);
    /// @notice The batch is not there, or is proven already.
    error BatchNotCommitted(uint256 number);
    /// @notice The inputs are not those that the commit fixed; hashes of both.
    error WrongPublicInputs(bytes32 posted, bytes32 expected);
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
    /// @notice The batch has not consumed every deposit made before the request.
    error AnswerSkipsDeposits(uint256 depositsConsumed, uint256 depositsBefore);
    /// @notice The path does not lead from the balance to the root.
    error WrongBalanceProof(uint256 account, uint256 asset, uint256 units);
    /// @notice The request still has time.
    error ExitDeadlineNotPassed(uint256 deadline, uint256 time);
    /// @notice Nothing is there for the caller.
    error NothingToRefund(address to);

    /// @notice Operator only: posts the next pages of batch `batchCount` + 1. See PageBatches.sol for what the chain
    /// checks. With the last of `header.pageCount` pages everything must close, and the batch is committed.
    /// @param header The same in each transaction of a batch.
    /// @param carried Empty with the first page; then abi.encode(Carried), as the pages so far leave it.
    function commitPages(BatchHeader calldata header, bytes calldata carried, Page[] calldata pages) external;

    /// @notice Gives up the batch that is open: operators, and anyone `proofDelay` after its first page.
    function dropOpenBatch() external;

    /// @notice Anyone: gives the validity proof of one page; pages and batches may come in any order.
    /// @param circuit The verifier's circuit that it is a proof of.
    /// @param publicInputs [firstRoot, lastRoot, z, evaluation] of the page, as fixed by the posting.
    function provePage(
        uint64 number,
        uint256 page,
        uint256 circuit,
        uint256[4] calldata publicInputs,
        bytes calldata proof
    ) external;

    /// @notice Anyone: moves `provenCount`, `finalCount` and `creditedCount` as far as they go; the last one some
    /// batches a call. Commits, proofs, credits, answers and freezes do the same.
    function advance() external;

    /// @notice Anyone: makes the withdrawals of a page of a final batch claimable; also when frozen.
    /// @param rows The bytes that were posted as the page's rows.
    function creditWithdrawals(uint64 number, uint256 page, bytes calldata rows) external;

    /// @notice Anyone: the same for the next `count` rows only, should all of them ever be more than a transaction can
    /// pay for.
    function creditPart(uint64 number, uint256 page, bytes calldata rows, uint256 count) external;

    /// @notice Anyone: strikes every unproven batch when the oldest is past its proof deadline.
    function strikeUnproven() external;

    /// @notice Account owner only: asks on-chain for `units` of (account, asset). The value sent must be
    /// at least `currentRequestFee()`. The fee comes back when the request is served; what was sent above
    /// it is the caller's to take with `withdrawRefund` at once, so that nobody stops a request by moving
    /// the fee.
    function requestWithdrawal(uint256 account, uint256 asset, uint64 units) external payable;

    /// @notice Lowers what a request is owed to the balance that is there, by its path under the root of a final
    /// batch that was committed after the request and consumed every deposit made before it. The withdrawals of
    /// that batch and of all before it must be claims, so that what they paid has counted towards the request
    /// first. Those of later batches must pay that balance (operators only). With zero the request is closed
    /// (anyone); the fee is the operator's if it shows the zero and nothing was granted, else the owner's.
    /// @param balances The four of the asset's group after batch `number`; its own is less than what is owed.
    /// @param siblings As in IPageVault.escape.
    function answerRequest(
        uint256 account,
        uint256 asset,
        uint64 number,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external;

    /// @notice Anyone: freezes the exchange for good, because the request of (account, asset) was not
    /// answered in time. What is not final is struck.
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
    function vault() external view returns (IPageVault);
    /// @notice Seconds that a forced withdrawal may wait before anyone may freeze the exchange.
    function exitDelay() external view returns (uint256);
    /// @notice Seconds that a batch may stand unproven before anyone may strike it, or open before anyone may drop it.
    function proofDelay() external view returns (uint256);
    /// @notice Seconds between a batch's commit and the time from which it may be final.
    function challengeWindow() external view returns (uint256);
    /// @notice Unproven batches that may stand at a time.
    function maxUnproven() external view returns (uint256);
    /// @notice Wei of a forced withdrawal while fewer than 256 wait.
    function requestFee() external view returns (uint256);
    /// @notice Wei that an address may take with `withdrawRefund`.
    function refundOf(address to) external view returns (uint256);
    /// @notice Root of the last committed batch.
    function lastRoot() external view returns (uint256);
    /// @notice Root of the last final batch: what withdrawals and exits rest on.
    function finalRoot() external view returns (uint256);
    /// @notice Deposits consumed by final batches.
    function finalDepositsConsumed() external view returns (uint64);
    /// @notice Number of the last committed batch; 0 before the first.
    function batchCount() external view returns (uint64);
    /// @notice Number of the last proven batch.
    function provenCount() external view returns (uint64);
    /// @notice Number of the last final batch, as `advance` left it.
    function finalCount() external view returns (uint64);
    /// @notice Number up to which the withdrawals of every batch are claims, as `advance` left it.
    function creditedCount() external view returns (uint64);
    /// @notice State of a batch; `None` for one that is not there (never, or no longer).
    function batchState(uint64 number) external view returns (BatchState);
    /// @notice What is kept of a batch; all zero for one that is not there.
    function batchOf(uint64 number) external view returns (Batch memory);
    /// @notice The batch that is open; all zero when there is none.
    function openBatch() external view returns (OpenBatch memory);
    /// @notice keccak256(abi.encode(publicInputs)) of a page that waits for its proof; 0 once proven.
    function pageCommitment(uint64 number, uint256 page) external view returns (bytes32);
    /// @notice Of a withdrawal page, the hash of its rows until all of them are claims, and how many bytes of them are
    /// claims meanwhile.
    function withdrawalsOf(
        uint64 number,
        uint256 page
    ) external view returns (bytes32 rowsHash, uint256 credited);
    /// @notice The forced withdrawal of (account, asset); all zero when there is none.
    function requestOf(uint256 account, uint256 asset) external view returns (ForcedWithdrawal memory);
    /// @notice Forced withdrawals that wait.
    function openRequests() external view returns (uint256);
    /// @notice Wei that the next request must bring; doubles with every 256 requests that wait.
    function currentRequestFee() external view returns (uint256);
    /// @notice Whether the exchange is frozen, for good.
    function frozen() external view returns (bool);
}
