// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "../../src/pages/IPageGoverned.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {Config} from "../../src/pages/Types.sol";
import {ForcedWithdrawal} from "../../src/types/ForcedWithdrawal.sol";
import {PageFixture} from "./PageFixture.sol";

/// @notice Forced withdrawals and freeze: each function, each revert with its values.
contract PageExitTest is PageFixture {
    function _start() private {
        _deposit(alice, 0, 50);
        _deposit(bob, 1, 20);
        _settleDeposits();
    }

    function test_Request_IsKept() public {
        _start();
        vm.deal(alice, 1 ether);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalRequested(1, 0, 30, REQUEST_FEE, 2);
        vm.prank(alice);
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 30);
        ForcedWithdrawal memory request = settlement.requestOf(1, 0);
        assertEq(request.remaining, 30, "units");
        assertEq(request.requestedAt, block.timestamp, "time");
        assertEq(request.depositsBefore, 2, "deposits before");
        assertEq(request.feeStep, 0, "fee step");
        assertEq(settlement.openRequests(), 1, "open");
        assertEq(address(settlement).balance, BOND + REQUEST_FEE, "escrow");
    }

    function test_Request_Refuses() public {
        _start();
        vm.deal(alice, 1 ether);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NotAccountOwner.selector, alice, bob));
        settlement.requestWithdrawal{value: REQUEST_FEE}(2, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAccount.selector, 3, 3));
        settlement.requestWithdrawal{value: REQUEST_FEE}(3, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.UnknownAsset.selector, 5, 5));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 5, 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 0, 0));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 0, 2 ** 53));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 2 ** 53);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.FeeTooLow.selector, REQUEST_FEE - 1, REQUEST_FEE)
        );
        settlement.requestWithdrawal{value: REQUEST_FEE - 1}(1, 0, 1);
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.RequestPending.selector, 1, 0));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 1);
        vm.stopPrank();
    }

    function test_Request_FeeDoublesAndQueueIsBounded() public {
        _start();
        _storeOpenRequests(255);
        assertEq(settlement.currentRequestFee(), REQUEST_FEE, "first step");
        _storeOpenRequests(256);
        assertEq(settlement.currentRequestFee(), REQUEST_FEE * 2, "second step");
        _storeOpenRequests(4095);
        assertEq(settlement.currentRequestFee(), REQUEST_FEE * 32768, "last step");
        vm.deal(alice, REQUEST_FEE * 40000);
        vm.prank(alice);
        settlement.requestWithdrawal{value: REQUEST_FEE * 32768}(1, 0, 1);
        assertEq(settlement.requestOf(1, 0).feeStep, 15, "step of the fee");
        assertEq(settlement.openRequests(), 4096, "full");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.RequestQueueFull.selector, 4096));
        settlement.requestWithdrawal{value: 0}(1, 1, 1);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        settlement.reclaimFee(1, 0);
        assertEq(settlement.refundOf(alice), REQUEST_FEE * 32768, "the fee that was paid");
    }

    function test_Request_ReturnsWhatIsTooMuch() public {
        _start();
        vm.deal(alice, 1 ether);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalRequested(1, 0, 5, REQUEST_FEE, 2);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.RefundCredited(alice, 3);
        vm.prank(alice);
        settlement.requestWithdrawal{value: REQUEST_FEE + 3}(1, 0, 5);
        assertEq(settlement.refundOf(alice), 3, "to the owner");
    }

    function test_Request_IsServedByGrants() public {
        _start();
        _request(alice, 0, 30);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build("", 0, _row(1, 0, 12));
        _commit(p);
        _proveAll(p);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalGranted(1, 0, 12, 18);
        _finish(p);
        assertEq(settlement.requestOf(1, 0).remaining, 18, "remaining");
        assertTrue(settlement.requestOf(1, 0).granted, "granted");
        // Another's withdrawal does not count; one of more than is asked serves it.
        _settle("", 0, _row(2, 1, 2));
        p = _build("", 0, _row(1, 0, 20));
        _commit(p);
        _proveAll(p);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalGranted(1, 0, 20, 0);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.RefundCredited(alice, REQUEST_FEE);
        _finish(p);
        assertEq(settlement.requestOf(1, 0).remaining, 0, "served");
        assertEq(settlement.openRequests(), 0, "none open");
        uint256 before = alice.balance;
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.RefundPaid(alice, REQUEST_FEE);
        vm.prank(alice);
        settlement.withdrawRefund();
        assertEq(alice.balance - before, REQUEST_FEE, "fee came back");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NothingToRefund.selector, alice));
        settlement.withdrawRefund();
        assertEq(vault.claimable(1, 0), 32, "claims");
    }

    function test_Request_IsNotServedByAnOlderBatch() public {
        _start();
        Posted memory p = _build("", 0, _row(1, 0, 12));
        _commit(p);
        _request(alice, 0, 12);
        _proveAll(p);
        _finish(p);
        assertEq(settlement.requestOf(1, 0).remaining, 12, "the request stands");
    }

    /// @dev Block time alone does not order what one block has: here the request comes first, and is served.
    function test_Request_IsServedByALaterBatchOfItsBlock() public {
        _start();
        _request(alice, 0, 50);
        assertEq(settlement.requestOf(1, 0).batchesBefore, 1, "batches before it");
        Posted memory p = _build("", 0, _row(1, 0, 50));
        _commit(p);
        _proveAll(p);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalGranted(1, 0, 50, 0);
        _finish(p);
        assertEq(settlement.refundOf(alice), REQUEST_FEE, "served: the owner gets the fee");
        // And a later batch of its block may be the answer.
        _request(bob, 0, 5);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(2, 0);
        vm.prank(operator);
        settlement.answerRequest(2, 0, 3, [uint64(0), 20, 0, 0], path);
        assertEq(settlement.refundOf(operator), REQUEST_FEE, "had nothing");
    }

    /// @dev A struck batch leaves its number to a later one, whose time says that it is later.
    function test_Request_IsServedByABatchWithAStruckNumber() public {
        _start();
        _commit(_build("", 0, _row(1, 0, 12)));
        _request(alice, 0, 50);
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        _undo(2);
        _settle("", 0, _row(1, 0, 50));
        assertEq(settlement.batchCount(), 2, "the number of the struck one");
        assertEq(settlement.openRequests(), 0, "served");
    }

    function test_Answer_PaysTheOperatorOfAnIdleRequest() public {
        _start();
        _request(bob, 0, 5);
        uint256[39] memory path = tree.path(2, 0);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPageSettlement.AnswerTooOld.selector,
                block.timestamp - WINDOW,
                block.timestamp
            )
        );
        settlement.answerRequest(2, 0, 1, [uint64(0), 20, 0, 0], path);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 3, 2));
        settlement.answerRequest(2, 0, 3, [uint64(0), 20, 0, 0], path);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 0, 2));
        settlement.answerRequest(2, 0, 0, [uint64(0), 20, 0, 0], path);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 1, 0));
        settlement.answerRequest(1, 0, 2, _lane(0, 0), path);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalAnswered(2, 0, 2, 0, operator);
        vm.prank(operator);
        settlement.answerRequest(2, 0, 2, [uint64(0), 20, 0, 0], path);
        assertEq(settlement.refundOf(operator), REQUEST_FEE, "the operator gets the fee");
        assertEq(settlement.openRequests(), 0, "closed");
    }

    function test_Answer_NeedsTheLeaf() public {
        _start();
        _request(alice, 0, 80);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.WrongBalanceProof.selector, 1, 0, 0));
        settlement.answerRequest(1, 0, 2, _lane(0, 0), path);
        // All that is there, though less than asked: the rest is answered by the empty leaf.
        _settle("", 0, _row(1, 0, 50));
        path = tree.path(1, 0);
        vm.prank(operator);
        settlement.answerRequest(1, 0, 3, _lane(0, 0), path);
        assertEq(settlement.refundOf(alice), REQUEST_FEE, "served in part: the owner gets the fee");
        assertEq(settlement.refundOf(operator), 0, "not the operator");
    }

    function test_Answer_NeedsTheDepositsBeforeTheRequest() public {
        _start();
        _deposit(bob, 0, 9);
        _request(bob, 0, 9);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(2, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.AnswerSkipsDeposits.selector, 2, 3));
        settlement.answerRequest(2, 0, 2, [uint64(0), 20, 0, 0], path);
        _settle("", 1, _row(2, 0, 9));
        assertEq(settlement.openRequests(), 0, "served once the deposit is consumed");
    }

    function test_Answer_LowersWhatIsOwed() public {
        _start();
        _request(alice, 0, 80);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.startPrank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.AnswerNotLower.selector, 80, 80));
        settlement.answerRequest(1, 0, 2, _lane(0, 80), path);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.WrongBalanceProof.selector, 1, 0, 49));
        settlement.answerRequest(1, 0, 2, _lane(0, 49), path);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalAnswered(1, 0, 2, 50, operator);
        settlement.answerRequest(1, 0, 2, _lane(0, 50), path);
        vm.stopPrank();
        assertEq(settlement.requestOf(1, 0).remaining, 50, "owed");
        assertEq(settlement.openRequests(), 1, "still open");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, alice));
        settlement.answerRequest(1, 0, 2, _lane(0, 49), path);
    }

    function test_Freeze_AfterTheDeadlineForGood() public {
        _start();
        uint256 root = tree.root();
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 1, 0));
        settlement.freeze(1, 0);
        vm.expectRevert(IPageSettlement.NotFrozen.selector);
        settlement.reclaimFee(1, 0);
        _request(alice, 0, 30);
        Posted memory unproven = _build("", 0, _row(1, 0, 12));
        _commit(unproven);
        uint256 deadline = block.timestamp + EXIT_DELAY;
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.ExitDeadlineNotPassed.selector, deadline, deadline)
        );
        settlement.freeze(1, 0);
        vm.warp(deadline + 1);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchesStruck(2, 2);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.Frozen(1, 0, 1, root);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "frozen");
        assertEq(settlement.lastRoot(), root, "unproven batches are struck");

        vm.expectRevert(IPageSettlement.ExchangeFrozen.selector);
        settlement.freeze(1, 0);
        uint256[39] memory path = tree.path(0, 0);
        vm.expectRevert(IPageSettlement.ExchangeFrozen.selector);
        settlement.answerRequest(1, 0, 1, _lane(0, 0), path);
        vm.deal(bob, 1 ether);
        vm.prank(bob);
        vm.expectRevert(IPageSettlement.ExchangeFrozen.selector);
        settlement.requestWithdrawal{value: REQUEST_FEE}(2, 0, 1);
        vm.prank(operator);
        vm.expectRevert(IPageSettlement.ExchangeFrozen.selector);
        settlement.commitPages(unproven.header, "", unproven.pages);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalLapsed(1, 0);
        settlement.reclaimFee(1, 0);
        assertEq(settlement.refundOf(alice), REQUEST_FEE, "fee of the open request");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 1, 0));
        settlement.reclaimFee(1, 0);
    }

    function test_Freeze_LeavesProvenWithdrawalsPayable() public {
        _start();
        Posted memory p = _build("", 0, _row(1, 0, 12));
        _commit(p);
        _proveAll(p);
        uint256[39] memory path = tree.path(1, 0);
        _freeze(bob, 1);
        _finish(p);
        vault.claim(1, 0);
        vault.escape(1, 0, _lane(0, 38), path);
        assertEq(usd.balanceOf(alice), 5000, "claim and escape together are the balance");
        assertEq(vault.custodyUnits(0), 0, "nothing left");
    }

    function test_Refund_ThatIsRefused() public {
        _start();
        address closed = address(this);
        _request(bob, 0, 5);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.prank(governor);
        settlement.proposeOperator(closed);
        vm.warp(block.timestamp + POWER_DELAY);
        settlement.activateOperator(closed);
        settlement.answerRequest(2, 0, 2, [uint64(0), 20, 0, 0], tree.path(2, 0));
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.NativeTransferFailed.selector, closed, REQUEST_FEE)
        );
        settlement.withdrawRefund();
        assertEq(settlement.refundOf(closed), REQUEST_FEE, "it stays");
    }

    function test_Request_WithoutAFee() public {
        Config memory config = _config();
        config.requestFee = 0;
        (vault, settlement) = _deploy(_assets(), config);
        vm.deal(operator, BOND);
        vm.prank(operator);
        settlement.postBond{value: BOND}();
        _start();
        _request(alice, 0, 5);
        assertEq(address(settlement).balance, BOND, "no escrow");
        vm.warp(block.timestamp + 1);
        _settle("", 0, _row(1, 0, 5));
        assertEq(settlement.openRequests(), 0, "served");
        assertEq(settlement.refundOf(alice), 0, "nothing to return");
    }

    /// @dev Out of range, (account, asset) would be the index of another pair: (0, 64) is (1, 0).
    function test_Request_IsNotFoundUnderAnAlias() public {
        _start();
        _request(alice, 0, 5);
        assertEq(settlement.requestOf(0, 64).remaining, 0, "asset");
        assertEq(settlement.requestOf((1 << 250) + 1, 0).remaining, 0, "account");
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 0, 64));
        settlement.freeze(0, 64);
    }
}
