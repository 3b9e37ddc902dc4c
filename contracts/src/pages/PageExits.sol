// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Packed} from "../libraries/Packed.sol";
import {ForcedWithdrawal} from "../types/ForcedWithdrawal.sol";
import {IPageSettlement} from "./IPageSettlement.sol";
import {PageBatches} from "./PageBatches.sol";
import {PageRows} from "./PageRows.sol";
import {StateTree} from "./StateTree.sol";
import {Batch, Config} from "./Types.sol";

/// @title Forced withdrawals
/// @notice The way out without the operator: a forced withdrawal that is not answered within the exit delay lets
/// anyone freeze the exchange for good, and a frozen one pays everybody by the last final root (PageVault.sol).
///
/// A request is owed the balance of its (account, asset), up to the units asked for, as it is under some final batch
/// that was committed after the request and consumed every deposit made before it. It is served by withdrawals of
/// batches committed after it. Who asks for more than is there, or trades it away, cannot keep it open:
/// `answerRequest` lowers what is owed to the balance that a final root shows, and closes the request when that
/// is zero. Whichever batch is shown, its own withdrawals and all earlier ones have counted, and those of later
/// ones must pay the balance shown; the deadline stays the first one. Anyone may show a zero. Only an operator may
/// show more: an owner who trades could else show a new balance before each withdrawal counts, and never be served.
///
/// The exit delay is longer than two proof delays and the challenge window. What stands unproven at a request may be
/// struck a proof delay later at most; the batch that takes its place then has another proof delay and the
/// window, and is final in time even so. What is left over is the operator's to seal, post and credit.
abstract contract PageExits is PageBatches {
    /// @notice Bound of forced withdrawals that wait. The fee doubles with every `REQUESTS_PER_STEP` of
    /// them, so that keeping others out of a full queue costs many thousand times the fee.
    uint256 public constant MAX_REQUESTS = 4096;
    /// @notice Waiting requests after which the fee doubles.
    uint256 public constant REQUESTS_PER_STEP = 256;
    uint256 private constant MAX_EXIT_DELAY = 30 days;

    /// @inheritdoc IPageSettlement
    uint256 public immutable exitDelay;
    /// @inheritdoc IPageSettlement
    uint256 public immutable requestFee;

    /// @inheritdoc IPageSettlement
    uint256 public openRequests;
    mapping(uint256 index => ForcedWithdrawal) private _requests;
    /// @inheritdoc IPageSettlement
    mapping(address to => uint256) public refundOf;

    /// @param config Types.sol has the bounds of its delays.
    constructor(Config memory config) PageBatches(config) {
        if (config.exitDelay > MAX_EXIT_DELAY)
            revert BadParameter("exitDelay", config.exitDelay, MAX_EXIT_DELAY);
        // No step of the fee, and no sum of fees, comes near 2^256.
        if (config.requestFee > type(uint64).max)
            revert BadParameter("requestFee", config.requestFee, type(uint64).max);
        uint256 settled = 2 * config.proofDelay + config.challengeWindow;
        if (config.exitDelay <= settled) revert BadParameter("exitDelay", config.exitDelay, settled);
        if (config.powerDelay <= config.exitDelay + 30 days)
            revert BadParameter("powerDelay", config.powerDelay, config.exitDelay + 30 days);
        exitDelay = config.exitDelay;
        requestFee = config.requestFee;
    }

    /// @inheritdoc IPageSettlement
    function requestWithdrawal(uint256 account, uint256 asset, uint64 units) external payable {
        if (frozen) revert ExchangeFrozen();
        address owner = vault.ownerOf(account);
        if (msg.sender != owner) revert NotAccountOwner(msg.sender, owner);
        if (asset >= _assetCount) revert UnknownAsset(asset, _assetCount);
        uint256 index = Packed.indexOf(account, asset);
        if (units == 0 || units >= Packed.UNITS_END)
            revert BadUnits(StateTree.leafIndexOf(account, asset), asset & (StateTree.LANES - 1), units);
        if (_requests[index].remaining != 0) revert RequestPending(account, asset);
        if (openRequests == MAX_REQUESTS) revert RequestQueueFull(MAX_REQUESTS);
        uint256 fee = currentRequestFee();
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);

        // Counts of deposits cannot reach 2^56: each costs tens of thousands of gas.
        uint64 depositsBefore = vault.depositCount();
        _requests[index] = ForcedWithdrawal({
            remaining: units,
            requestedAt: uint40(block.timestamp),
            batchesBefore: batchCount,
            depositsBefore: uint56(depositsBefore),
            granted: false,
            feeStep: uint8(openRequests / REQUESTS_PER_STEP)
        });
        ++openRequests;
        emit WithdrawalRequested(uint32(account), uint8(asset), units, fee, depositsBefore);
        _creditRefund(owner, msg.value - fee);
    }

    /// @inheritdoc IPageSettlement
    function answerRequest(
        uint256 account,
        uint256 asset,
        uint64 number,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external {
        if (frozen) revert ExchangeFrozen();
        ForcedWithdrawal memory request = _openRequest(account, asset);
        uint64 units = balances[asset & (StateTree.LANES - 1)];
        if (units != 0 && !isOperator[msg.sender]) revert NotOperator(msg.sender);
        if (units >= request.remaining) revert AnswerNotLower(units, request.remaining);
        _advance();
        if (number == 0 || number > finalCount) revert BatchNotFinal(number, finalCount);
        // A withdrawal that has not counted may have paid what the balance lacks: who was served had something.
        if (number > creditedCount) revert BatchNotCredited(number, creditedCount);
        Batch storage batch = _batches[number];
        if (!_isLater(number, batch.committedAt, request))
            revert AnswerTooOld(batch.committedAt, request.requestedAt);
        if (batch.depositsConsumed < request.depositsBefore)
            revert AnswerSkipsDeposits(batch.depositsConsumed, request.depositsBefore);
        if (!vault.verifyBalances(batch.newRoot, account, asset, balances, siblings))
            revert WrongBalanceProof(account, asset, units);
        uint256 index = Packed.indexOf(account, asset);
        emit WithdrawalAnswered(uint32(account), uint8(asset), number, units, msg.sender);
        if (units != 0) {
            _requests[index].remaining = units;
            return;
        }
        // A request for what never was there pays the operator that had to answer it.
        bool forOperator = isOperator[msg.sender] && !request.granted;
        _closeRequest(index, request.feeStep, forOperator ? msg.sender : vault.ownerOf(account));
    }

    /// @inheritdoc IPageSettlement
    function freeze(uint256 account, uint256 asset) external {
        if (frozen) revert ExchangeFrozen();
        uint256 deadline = uint256(_openRequest(account, asset).requestedAt) + exitDelay;
        if (block.timestamp <= deadline) revert ExitDeadlineNotPassed(deadline, block.timestamp);
        _freeze();
        emit Frozen(uint32(account), uint8(asset), finalCount, finalRoot());
    }

    /// @inheritdoc IPageSettlement
    function reclaimFee(uint256 account, uint256 asset) external {
        if (!frozen) revert NotFrozen();
        uint8 feeStep = _openRequest(account, asset).feeStep;
        emit WithdrawalLapsed(uint32(account), uint8(asset));
        _closeRequest(Packed.indexOf(account, asset), feeStep, vault.ownerOf(account));
    }

    /// @inheritdoc IPageSettlement
    function withdrawRefund() external {
        uint256 refund = refundOf[msg.sender];
        if (refund == 0) revert NothingToRefund(msg.sender);
        refundOf[msg.sender] = 0;
        emit RefundPaid(msg.sender, refund);
        _send(msg.sender, refund);
    }

    /// @inheritdoc IPageSettlement
    function requestOf(uint256 account, uint256 asset) public view returns (ForcedWithdrawal memory request) {
        // Out of range, (account, asset) would alias the index of another pair.
        if (account < Packed.ACCOUNTS_MAX && asset < _assetCount)
            request = _requests[Packed.indexOf(account, asset)];
    }

    /// @inheritdoc IPageSettlement
    function currentRequestFee() public view returns (uint256) {
        return requestFee << (openRequests / REQUESTS_PER_STEP);
    }

    /// @inheritdoc PageBatches
    function _grantRequests(bytes calldata rows, uint64 number, uint256 committedAt) internal override {
        uint256 offset = 0;
        while (offset < rows.length && openRequests != 0) {
            uint256 leaf;
            uint256 mask;
            uint256 units;
            (leaf, mask, units, offset) = PageRows.withdrawalAt(rows, offset);
            uint256 index = PageRows.firstIndexOf(leaf);
            for (; mask != 0; mask >>= 1) {
                if (mask & 1 != 0) {
                    _grantRequest(index, units >> 200, number, committedAt);
                    units <<= 56;
                }
                ++index;
            }
        }
    }

    function _grantRequest(uint256 index, uint256 units, uint64 number, uint256 committedAt) private {
        ForcedWithdrawal storage request = _requests[index];
        uint64 owed = request.remaining;
        if (owed == 0 || !_isLater(number, committedAt, request)) return;
        uint256 account = index >> Packed.ASSET_BITS;
        uint64 remaining = units >= owed ? 0 : owed - uint64(units);
        emit WithdrawalGranted(uint32(account), uint8(index & Packed.ASSET_MASK), uint64(units), remaining);
        if (remaining == 0) {
            _closeRequest(index, request.feeStep, vault.ownerOf(account));
        } else {
            request.remaining = remaining;
            request.granted = true;
        }
    }

    /// @dev Whether a batch was committed after a request: by time, and inside a block by number. A batch that is
    /// struck leaves its number to a later one, so the number alone would not tell.
    function _isLater(
        uint64 number,
        uint256 committedAt,
        ForcedWithdrawal memory request
    ) private pure returns (bool) {
        if (committedAt == request.requestedAt) return number > request.batchesBefore;
        return committedAt > request.requestedAt;
    }

    function _openRequest(
        uint256 account,
        uint256 asset
    ) private view returns (ForcedWithdrawal memory request) {
        request = requestOf(account, asset);
        if (request.remaining == 0) revert NoRequest(account, asset);
    }

    function _closeRequest(uint256 index, uint8 feeStep, address feeTo) private {
        delete _requests[index];
        --openRequests;
        _creditRefund(feeTo, requestFee << feeStep);
    }

    function _creditRefund(address to, uint256 refund) private {
        if (refund == 0) return;
        refundOf[to] += refund;
        emit RefundCredited(to, refund);
    }
}
