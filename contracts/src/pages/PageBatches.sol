// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Field} from "../libraries/Field.sol";
import {FillTree} from "../libraries/FillTree.sol";
import {IPageSettlement} from "./IPageSettlement.sol";
import {IPageVault} from "./IPageVault.sol";
import {IPageVerifier} from "./IPageVerifier.sol";
import {PageGoverned} from "./PageGoverned.sol";
import {PageRows} from "./PageRows.sol";
import {StateTree} from "./StateTree.sol";
import {Batch, BatchHeader, BatchState, Carried, Config, OpenBatch, Page} from "./Types.sol";

/// @title Batches in pages
/// @notice The way of a batch of net balance changes: open (some of its pages are posted), committed (all are, and the
/// chain has checked them), proven (every page of it and of all before it has a validity proof), final (proven,
/// and the challenge window has passed since its commit, and so for all before it). Only final roots back
/// withdrawals and exits. Its withdrawal pages become claims, one by one, once it is final.
///
/// What the chain checks at the posting, from calldata: number, sequence and roots chain, from page to page and from
/// batch to batch; kinds of pages do not fall; rows strictly increase by leaf (over all trade pages, over all
/// withdrawal pages, in each deposit page), without zero deltas, |delta| < 2^53; deposit pages consume the
/// queue in order, with its owners, and what their leaves get is derived from it; the deltas of trade pages sum to
/// zero an asset, so that no money goes in or out but by deposits and withdrawals; every root is
/// canonical; sizes are bounded.
///
/// What the proof of a page shows: applying its rows to the tree `firstRoot`, every balance before and after within
/// 0 to 2^53 - 1, gives `lastRoot`. The circuit never sees calldata; it is bound to the rows by a polynomial, which
/// both sides evaluate at z = keccak256(batch, page, both roots, everything posted) mod R (PageRows.sol).
///
/// Soundness. (1) z is a hash of both roots and all rows, so it is drawn after they are fixed. (2) The circuit's own
/// rows increase strictly by leaf, none is zero, and they lead from firstRoot to lastRoot with every other
/// leaf untouched; two such row sets would be a collision of the tree's hash. So they are a function of the two
/// roots and were fixed before z, too. (3) Leaf index + 1 is never 0 and D says all four deltas, so other rows,
/// or fewer, or more, are another polynomial of degree below 2 * 1024: two of them agree at a random z with
/// probability below 2^11 / R. An operator that tries again by changing any posted byte draws a new z; 2^100 tries
/// still leave less than 2^-142.
///
/// A batch of several transactions: what a transaction passes on is in the next one's calldata and held against
/// one stored hash, which has the header in it. What is kept of pages is kept under the posting's own number.
abstract contract PageBatches is IPageSettlement, PageGoverned {
    uint256 private constant MAX_PROOF_DELAY = 30 days;
    uint256 private constant MAX_CHALLENGE_WINDOW = 30 days;
    uint256 private constant MAX_UNPROVEN = 64;
    /// @dev Batches that one call passes at most, when the last withdrawals of one close a gap.
    uint256 private constant MAX_CREDITED_STEPS = 64;
    uint256 private constant TRADES = 1;
    uint256 private constant WITHDRAWALS = 2;

    /// @inheritdoc IPageSettlement
    IPageVault public immutable vault;
    /// @inheritdoc IPageSettlement
    uint256 public immutable proofDelay;
    /// @inheritdoc IPageSettlement
    uint256 public immutable challengeWindow;
    /// @inheritdoc IPageSettlement
    uint256 public immutable maxUnproven;
    uint256 internal immutable _assetCount;

    /// @inheritdoc IPageSettlement
    uint64 public batchCount;
    /// @inheritdoc IPageSettlement
    uint64 public provenCount;
    /// @inheritdoc IPageSettlement
    uint64 public finalCount;
    /// @dev Batches ever begun: struck and dropped ones, too.
    uint64 private _postings;
    /// @inheritdoc IPageSettlement
    uint64 public creditedCount;
    /// @inheritdoc IPageSettlement
    bool public frozen;

    OpenBatch private _open;
    mapping(uint256 number => Batch) internal _batches;
    /// @dev Hash of a page's public inputs; 0 once it is proven.
    mapping(uint256 posting => mapping(uint256 page => bytes32)) private _commitments;
    /// @dev Hash of a withdrawal page's rows; 0 once they are claims.
    mapping(uint256 posting => mapping(uint256 page => bytes32)) private _withdrawals;
    /// @dev Bytes of them that are claims, while some are not.
    mapping(uint256 posting => mapping(uint256 page => uint256)) private _credited;

    constructor(
        Config memory config
    )
        PageGoverned(
            config.governor,
            config.guardian,
            config.operator,
            config.verifier,
            config.powerDelay,
            config.bond
        )
    {
        if (config.vault == address(0)) revert ZeroAddress();
        address wired = IPageVault(config.vault).settlement();
        if (wired != address(this)) revert VaultNotWired(config.vault, wired);
        if (config.proofDelay == 0 || config.proofDelay > MAX_PROOF_DELAY)
            revert BadParameter("proofDelay", config.proofDelay, MAX_PROOF_DELAY);
        if (config.challengeWindow > MAX_CHALLENGE_WINDOW)
            revert BadParameter("challengeWindow", config.challengeWindow, MAX_CHALLENGE_WINDOW);
        if (config.maxUnproven == 0 || config.maxUnproven > MAX_UNPROVEN)
            revert BadParameter("maxUnproven", config.maxUnproven, MAX_UNPROVEN);
        vault = IPageVault(config.vault);
        proofDelay = config.proofDelay;
        challengeWindow = config.challengeWindow;
        maxUnproven = config.maxUnproven;
        _assetCount = IPageVault(config.vault).assetCount();
        _batches[0].newRoot = StateTree.EMPTY_ROOT;
    }

    // --- Posting ---

    /// @inheritdoc IPageSettlement
    function commitPages(
        BatchHeader calldata header,
        bytes calldata carried,
        Page[] calldata pages
    ) external onlyOperator {
        if (frozen) revert ExchangeFrozen();
        if (commitsPaused) revert CommitsArePaused();
        if (bondOf[msg.sender] < bond) revert BondTooLow(bondOf[msg.sender], bond);
        OpenBatch memory open = _open;
        bool begins = open.carriedHash == 0;
        Carried memory state = begins ? _begin(header, carried) : _resume(header, carried, open.carriedHash);
        if (begins) open = OpenBatch(0, verifier, uint40(block.timestamp));
        if (pages.length == 0 && header.pageCount != 0) revert EmptyPage();
        if (state.pages + pages.length > header.pageCount)
            revert PageCountMismatch(state.pages + pages.length, header.pageCount);
        uint256 accountCount = vault.accountCount();
        for (uint256 i = 0; i < pages.length; ++i) _post(state, header.number, pages[i], accountCount);
        if (state.pages == header.pageCount) {
            if (!begins) delete _open;
            _close(state, header, open.verifier);
        } else {
            open.carriedHash = keccak256(abi.encode(state));
            _open = open;
        }
    }

    /// @inheritdoc IPageSettlement
    function dropOpenBatch() external {
        OpenBatch memory open = _open;
        if (open.carriedHash == 0) revert NoOpenBatch();
        uint256 deadline = uint256(open.openedAt) + proofDelay;
        if (!isOperator[msg.sender] && block.timestamp <= deadline)
            revert ProofDeadlineNotPassed(deadline, block.timestamp);
        _drop();
    }

    // --- Proofs, final, withdrawals ---

    /// @inheritdoc IPageSettlement
    function provePage(
        uint64 number,
        uint256 page,
        uint256 circuit,
        uint256[4] calldata publicInputs,
        bytes calldata proof
    ) external {
        if (number <= provenCount || number > batchCount) revert BatchNotCommitted(number);
        Batch storage batch = _batches[number];
        if (page >= batch.pageCount) revert UnknownPage(page, batch.pageCount);
        bytes32 expected = _commitments[batch.posting][page];
        if (expected == 0) revert PageAlreadyProven(number, page);
        bytes32 posted = keccak256(abi.encode(publicInputs));
        if (posted != expected) revert WrongPublicInputs(posted, expected);
        if (!IPageVerifier(batch.verifier).verify(circuit, publicInputs, proof))
            revert InvalidProof(number, page);
        _commitments[batch.posting][page] = 0;
        ++batch.pagesProven;
        emit PageProven(number, page);
        _advance();
    }

    /// @inheritdoc IPageSettlement
    function advance() external {
        _advance();
    }

    /// @inheritdoc IPageSettlement
    function creditWithdrawals(uint64 number, uint256 page, bytes calldata rows) external {
        _credit(number, page, rows, type(uint256).max);
    }

    /// @inheritdoc IPageSettlement
    function creditPart(uint64 number, uint256 page, bytes calldata rows, uint256 count) external {
        _credit(number, page, rows, count);
    }

    /// @inheritdoc IPageSettlement
    function strikeUnproven() external {
        if (batchCount == provenCount) revert NothingToStrike();
        uint256 deadline = uint256(_batches[provenCount + 1].committedAt) + proofDelay;
        if (block.timestamp <= deadline) revert ProofDeadlineNotPassed(deadline, block.timestamp);
        _strike(provenCount);
    }

    // --- Views ---

    /// @inheritdoc IPageSettlement
    function verifyFill(
        uint64 number,
        bytes calldata leaf,
        bytes32[] calldata siblings,
        uint256 leftSiblings
    ) external view returns (bool) {
        if (number == 0 || number > batchCount) revert BatchNotCommitted(number);
        return FillTree.verify(_batches[number].fillsRoot, leaf, siblings, leftSiblings);
    }

    /// @inheritdoc IPageSettlement
    function lastRoot() external view returns (uint256) {
        return _batches[batchCount].newRoot;
    }

    /// @inheritdoc IPageSettlement
    function finalRoot() public view returns (uint256) {
        return _batches[finalCount].newRoot;
    }

    /// @inheritdoc IPageSettlement
    function finalDepositsConsumed() external view returns (uint64) {
        return _batches[finalCount].depositsConsumed;
    }

    /// @inheritdoc IPageSettlement
    function batchState(uint64 number) external view returns (BatchState) {
        if (number > batchCount) return BatchState.None;
        if (number > provenCount) return BatchState.Committed;
        return number > finalCount ? BatchState.Proven : BatchState.Final;
    }

    /// @inheritdoc IPageSettlement
    function batchOf(uint64 number) external view returns (Batch memory batch) {
        if (number <= batchCount) batch = _batches[number];
    }

    /// @inheritdoc IPageSettlement
    function openBatch() external view returns (OpenBatch memory) {
        return _open;
    }

    /// @inheritdoc IPageSettlement
    function pageCommitment(uint64 number, uint256 page) external view returns (bytes32) {
        return number <= batchCount ? _commitments[_batches[number].posting][page] : bytes32(0);
    }

    /// @inheritdoc IPageSettlement
    function withdrawalsOf(
        uint64 number,
        uint256 page
    ) external view returns (bytes32 rowsHash, uint256 credited) {
        if (number > batchCount) return (0, 0);
        uint64 posting = _batches[number].posting;
        return (_withdrawals[posting][page], _credited[posting][page]);
    }

    // --- Checks of a posting ---

    /// @dev The state before the first page of a batch.
    function _begin(
        BatchHeader calldata header,
        bytes calldata carried
    ) private returns (Carried memory state) {
        if (carried.length != 0) revert WrongCarried(keccak256(carried), 0);
        uint256 unproven = batchCount - provenCount;
        if (unproven >= maxUnproven) revert TooManyUnproven(unproven, maxUnproven);
        if (header.number != uint256(batchCount) + 1)
            revert WrongNumber(header.number, uint256(batchCount) + 1);
        Batch storage last = _batches[batchCount];
        if (header.firstSeq != uint256(last.lastSeq) + 1)
            revert WrongFirstSeq(header.firstSeq, uint256(last.lastSeq) + 1);
        if (header.lastSeq < header.firstSeq) revert EmptySeqRange(header.firstSeq, header.lastSeq);
        if (header.oldRoot != last.newRoot) revert WrongOldRoot(header.oldRoot, last.newRoot);
        ++_postings;
        state.batchHash = _batchHash(header);
        state.root = header.oldRoot;
        state.depositsConsumed = last.depositsConsumed;
        state.depositHash = vault.depositHash(last.depositsConsumed);
        state.sums = new int256[](_assetCount);
    }

    /// @dev The state after the last page posted.
    function _resume(
        BatchHeader calldata header,
        bytes calldata carried,
        bytes32 expected
    ) private view returns (Carried memory state) {
        bytes32 posted = keccak256(carried);
        if (posted != expected) revert WrongCarried(posted, expected);
        state = abi.decode(carried, (Carried));
        bytes32 batchHash = _batchHash(header);
        if (batchHash != state.batchHash) revert WrongBatch(batchHash, state.batchHash);
    }

    function _batchHash(BatchHeader calldata header) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), header));
    }

    /// @dev Checks a page, and stores the hash of the public inputs that its proof must have.
    function _post(Carried memory state, uint64 number, Page calldata page, uint256 accountCount) private {
        if (page.kind < state.kind || page.kind > WITHDRAWALS) revert WrongKind(page.kind, state.kind);
        if (page.lastRoot >= Field.R) revert NotCanonical(page.lastRoot);
        // Deposits keep the queue's order, not the leaves': a leaf may come again in the next page of them.
        if (page.kind != state.kind || page.kind < TRADES) state.nextLeaf = 0;
        state.kind = page.kind;
        PageRows.Walk memory walk = PageRows.begin(
            PageRows.challenge(state, page),
            state.nextLeaf,
            accountCount,
            page.kind == WITHDRAWALS ? new int256[](_assetCount) : state.sums
        );
        if (page.kind < TRADES) _consume(state, walk, page);
        else if (page.deposits.length != 0) revert BadPackedLength(page.deposits.length);
        else if (page.kind == TRADES) PageRows.trades(walk, page.rows);
        else _keepWithdrawals(state, walk, page.rows);
        _commitments[_postings][state.pages] = keccak256(
            abi.encode(state.root, page.lastRoot, walk.z, walk.evaluation % Field.R)
        );
        emit PagePosted(number, state.pages, page.kind, page.lastRoot, state.depositsConsumed, page.rows);
        state.nextLeaf = walk.next;
        state.root = page.lastRoot;
        ++state.pages;
    }

    /// @dev The posted deposits must be the queue's next ones. Their owners are in the queue's hash: an operator
    /// that saw another branch of the chain, where an account was another owner's, cannot commit on this one.
    function _consume(Carried memory state, PageRows.Walk memory walk, Page calldata page) private view {
        (bytes32 hash, uint256 count) = PageRows.credits(walk, page.rows, page.deposits, state.depositHash);
        // A page in calldata holds far fewer than 2^64 deposits.
        state.depositsConsumed += uint64(count);
        bytes32 head = vault.depositHash(state.depositsConsumed);
        if (hash != head) revert DepositQueueMismatch(hash, head);
        state.depositHash = hash;
    }

    function _keepWithdrawals(Carried memory state, PageRows.Walk memory walk, bytes calldata rows) private {
        PageRows.withdrawals(walk, rows);
        _withdrawals[_postings][state.pages] = keccak256(rows);
        ++state.withdrawalPages;
    }

    /// @dev All pages are posted: the batch is committed, if everything closes.
    function _close(Carried memory state, BatchHeader calldata header, address verifier_) private {
        if (state.root != header.newRoot) revert WrongNewRoot(state.root, header.newRoot);
        if (state.depositsConsumed != header.depositsConsumed)
            revert DepositCountMismatch(state.depositsConsumed, header.depositsConsumed);
        for (uint256 asset = 0; asset < state.sums.length; ++asset)
            if (state.sums[asset] != 0) revert NotConserved(asset, state.sums[asset]);
        batchCount = header.number;
        _batches[header.number] = Batch({
            newRoot: header.newRoot,
            fillsRoot: header.fillsRoot,
            lastSeq: header.lastSeq,
            depositsConsumed: header.depositsConsumed,
            committedAt: uint40(block.timestamp),
            pageCount: header.pageCount,
            pagesProven: 0,
            uncredited: uint16(state.withdrawalPages),
            verifier: verifier_,
            posting: _postings
        });
        emit BatchCommitted(header.number, header);
        _advance();
    }

    // --- Steps of a batch's life ---

    /// @dev Moves the proven end over every batch that has all its pages (at most maxUnproven steps), the final end
    /// as far as time allows, and the credited end some steps.
    function _advance() internal {
        uint64 proven = provenCount;
        while (proven < batchCount) {
            Batch storage batch = _batches[proven + 1];
            if (batch.pagesProven != batch.pageCount) break;
            ++proven;
            emit BatchProven(proven, batch.newRoot);
        }
        provenCount = proven;
        _advanceFinal(proven);
        uint64 credited = creditedCount;
        for (uint256 i = 0; i < MAX_CREDITED_STEPS && credited < finalCount; ++i) {
            if (_batches[credited + 1].uncredited != 0) break;
            ++credited;
        }
        creditedCount = credited;
    }

    /// @dev Batches are committed in the order of time, so the last one whose window has passed is found by halving.
    function _advanceFinal(uint64 proven) private {
        uint64 low = finalCount;
        uint64 high = proven;
        while (low < high) {
            uint64 middle = high - (high - low) / 2;
            if (block.timestamp >= uint256(_batches[middle].committedAt) + challengeWindow) low = middle;
            else high = middle - 1;
        }
        if (low == finalCount) return;
        emit BatchesFinal(finalCount + 1, low, _batches[low].newRoot);
        finalCount = low;
    }

    /// @dev Makes the next withdrawals of a page of a final batch claims: `max` rows of them at most.
    function _credit(uint64 number, uint256 page, bytes calldata rows, uint256 max) private {
        _advance();
        if (number > finalCount) revert BatchNotFinal(number, finalCount);
        Batch storage batch = _batches[number];
        bytes32 expected = _withdrawals[batch.posting][page];
        if (expected == 0) revert NoWithdrawals(number, page);
        bytes32 posted = keccak256(rows);
        if (posted != expected) revert WithdrawalsMismatch(posted, expected);
        uint256 from = _credited[batch.posting][page];
        uint256 to = PageRows.skip(rows, from, max);
        if (to == rows.length) {
            _withdrawals[batch.posting][page] = 0;
            --batch.uncredited;
        } else {
            _credited[batch.posting][page] = to;
        }
        _grantRequests(rows[from:to], number, batch.committedAt);
        vault.creditClaims(rows[from:to]);
        emit WithdrawalsCredited(number, page, from, to);
        _advance();
    }

    /// @dev Every batch after `standing`, which is proven, is gone; and what is open was to stand on them.
    function _strike(uint64 standing) internal {
        if (_open.carriedHash != 0) _drop();
        emit BatchesStruck(standing + 1, batchCount);
        batchCount = standing;
        provenCount = standing;
    }

    function _drop() private {
        delete _open;
        emit BatchDropped(batchCount + 1);
    }

    /// @dev Ends the exchange for good; what is not final never will be.
    function _freeze() internal {
        _advance();
        frozen = true;
        if (batchCount != finalCount) _strike(finalCount);
        else if (_open.carriedHash != 0) _drop();
    }

    /// @dev Withdrawals of a batch count towards the forced ones that wait.
    /// @param committedAt Block time of the batch's commit, in seconds.
    function _grantRequests(bytes calldata rows, uint64 number, uint256 committedAt) internal virtual;
}
