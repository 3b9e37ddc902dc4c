// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "../../src/pages/IPageGoverned.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {PageAttackFixture} from "./PageAttackFixture.sol";

/// @notice Attacks on forced withdrawals, freeze, escapes and refunds.
/// @dev One attack a test, each against one guard. contracts/scripts/mutate.ts takes every guard out in turn and
/// requires these tests to fail; so each must show what the attacker would gain or break.
contract PageExitAttacksTest is PageAttackFixture {
    /// @dev Requests for nothing: each is answered by proof, in time, and pays its answerer.
    function test_GriefingTheForcedQueue() public {
        _request(alice, 1, 5);
        _request(alice, 2, 5);
        _request(bob, 2, 5);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.startPrank(operator);
        settlement.answerRequest(1, 1, 2, _lane(0, 50), tree.path(1, 1));
        settlement.answerRequest(1, 2, 2, _lane(0, 50), tree.path(1, 2));
        settlement.answerRequest(2, 2, 2, [uint64(20), 30, 0, 0], tree.path(2, 2));
        vm.stopPrank();
        assertTrue(settlement.openRequests() == 0, "all answered");
        assertTrue(settlement.refundOf(operator) == 3 * REQUEST_FEE, "the griefer paid");
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 1, 1));
        settlement.freeze(1, 1);
    }

    /// @dev Alice asks for more than she has and trades: whenever a batch ends she has a balance again, so no
    /// root ever shows a zero. Showing the balance that is there, the operator owes no more than that, pays it,
    /// and the exchange goes on.
    function test_GriefingByTrading() public {
        _request(alice, 0, 2 ** 53 - 1);
        vm.warp(block.timestamp + 1);
        _settle("", 0, _row(1, 0, 50));
        _settle(_transfer(-7), 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.prank(operator);
        settlement.answerRequest(1, 0, 3, _lane(0, 7), path);
        assertTrue(settlement.requestOf(1, 0).remaining == 7, "lowered");
        // Paid 7, she has bought 3 more when the batch ends.
        _settle(_transfer(-3), 0, _row(1, 0, 7));
        assertTrue(settlement.openRequests() == 0, "served");
        assertTrue(settlement.refundOf(alice) == REQUEST_FEE, "and the fee is hers");
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 1, 0));
        settlement.freeze(1, 0);
    }

    /// @dev Showing a smaller balance just before a withdrawal counts would void it, again and again.
    function test_OwnerLowersItsOwnRequest() public {
        _request(alice, 0, 2 ** 53 - 1);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, alice));
        settlement.answerRequest(1, 0, 2, _lane(0, 50), path);
    }

    /// @dev The operator shows the balance after a batch, and then makes that batch's withdrawal count for it.
    function test_WithdrawalBeforeTheBalanceShown() public {
        _request(alice, 0, 2 ** 53 - 1);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build("", 0, _row(1, 0, 30));
        _commit(p);
        _proveAll(p);
        uint256[39] memory path = tree.path(1, 0);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
        settlement.answerRequest(1, 0, 2, _lane(0, 20), path);
        vm.warp(block.timestamp + WINDOW);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCredited.selector, 2, 1));
        settlement.answerRequest(1, 0, 2, _lane(0, 20), path);
        _creditAll(p);
        vm.prank(operator);
        settlement.answerRequest(1, 0, 2, _lane(0, 20), path);
        assertTrue(settlement.requestOf(1, 0).remaining == 20, "the 20 that are left are still owed");
        _settle("", 0, _row(1, 0, 20));
        assertTrue(settlement.openRequests() == 0, "paid later");
    }

    /// @dev Raising what is owed, or showing it again, would void what was paid since.
    function test_AnswerThatIsNotLower() public {
        _request(alice, 0, 20);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.AnswerNotLower.selector, 50, 20));
        settlement.answerRequest(1, 0, 2, _lane(0, 50), path);
    }

    /// @dev A lowered request keeps its deadline.
    function test_LoweredAgainAndAgain() public {
        _request(alice, 0, 2 ** 53 - 1);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(block.timestamp + 2 days - WINDOW);
            _settle(_transfer(1), 0, "");
            uint256[39] memory path = tree.path(1, 0);
            vm.prank(operator);
            settlement.answerRequest(1, 0, uint64(2 + i), _lane(0, uint64(49 - i)), path);
        }
        vm.warp(block.timestamp + 1 days + 1);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "the deadline is the first request's");
    }

    /// @dev Somebody moves the fee a step up in front of alice's request, which brings enough for that.
    function test_FeeMovedInFrontOfARequest() public {
        _storeOpenRequests(256);
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        settlement.requestWithdrawal{value: 8 * REQUEST_FEE}(1, 0, 5);
        assertTrue(settlement.requestOf(1, 0).remaining == 5, "taken");
        vm.prank(alice);
        settlement.withdrawRefund();
        assertTrue(alice.balance == 1 ether - 2 * REQUEST_FEE, "what was too much comes back at once");
    }

    /// @dev The operator has paid all of it, and shows the zero before the payment is a claim: "had nothing".
    function test_FeeOfAServedRequestTakenByTheOperator() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build("", 0, _row(1, 0, 50));
        _commit(p);
        _proveAll(p);
        // A later batch that pays nobody is as final, and the one before it has not paid.
        vm.warp(block.timestamp + 1);
        _settleWithoutCredit("");
        uint256[39] memory path = tree.path(1, 0);
        for (uint64 number = 2; number <= 3; ++number) {
            vm.prank(operator);
            vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCredited.selector, number, 1));
            settlement.answerRequest(1, 0, number, _lane(0, 0), path);
        }
        _creditAll(p);
        assertTrue(settlement.creditedCount() == 3, "no gap is left");
        assertTrue(
            settlement.refundOf(operator) == 0 && settlement.refundOf(alice) == REQUEST_FEE,
            "served: alice's fee"
        );
    }

    /// @dev More batches behind a late one than a call passes: anybody moves the end on.
    function test_CreditedEndBehindALateBatch() public {
        Posted memory late = _build("", 0, _row(1, 0, 5));
        _commit(late);
        _proveAll(late);
        for (uint256 i = 0; i < 70; ++i) _commit(_build("", 0, ""));
        vm.warp(block.timestamp + WINDOW);
        settlement.advance();
        assertTrue(settlement.finalCount() == 72, "all are final at once");
        assertTrue(settlement.creditedCount() == 1, "the late one stops it");
        _creditAll(late);
        assertTrue(settlement.creditedCount() == 65, "64 a call");
        vm.prank(carol);
        settlement.advance();
        assertTrue(settlement.creditedCount() == 72, "all");
        settlement.advance();
        assertTrue(settlement.creditedCount() == 72, "and no further");
    }

    /// @dev The operator has paid all of it, and a stranger shows the zero before the payment is a claim.
    function test_FeeOfAServedRequestTakenByAStranger() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build("", 0, _row(1, 0, 50));
        _commit(p);
        _proveAll(p);
        uint256[39] memory path = tree.path(1, 0);
        vm.warp(block.timestamp + WINDOW);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCredited.selector, 2, 1));
        settlement.answerRequest(1, 0, 2, _lane(0, 0), path);
        _creditAll(p);
        assertTrue(
            settlement.refundOf(carol) == 0 && settlement.refundOf(alice) == REQUEST_FEE,
            "alice's fee"
        );
        assertTrue(vault.claimable(1, 0) == 50, "and her claim");
    }

    function test_RequestForAnotherOwner() public {
        vm.deal(carol, 1 ether);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NotAccountOwner.selector, carol, alice));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 5);
    }

    function test_RequestWithoutTheFee() public {
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.FeeTooLow.selector, 0, REQUEST_FEE));
        settlement.requestWithdrawal(1, 0, 5);
    }

    /// @dev A second request must not reset the clock of the first.
    function test_RequestTwice() public {
        _request(alice, 0, 5);
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.RequestPending.selector, 1, 0));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 6);
    }

    /// @dev The operator says "empty" of a balance that is there.
    function test_FalseAnswer() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.WrongBalanceProof.selector, 1, 0, 0));
        settlement.answerRequest(1, 0, 2, _lane(0, 0), path);
    }

    /// @dev The operator answers from a batch of before the request, or of before the deposit.
    function test_StaleAnswer() public {
        uint256[39] memory path = tree.path(1, 2);
        _deposit(alice, 2, 5);
        _request(alice, 2, 5);
        vm.expectPartialRevert(IPageSettlement.AnswerTooOld.selector);
        settlement.answerRequest(1, 2, 1, _lane(0, 50), path);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.expectPartialRevert(IPageSettlement.AnswerSkipsDeposits.selector);
        settlement.answerRequest(1, 2, 2, _lane(0, 50), path);
    }

    function test_AnswerFromABatchThatIsNotFinal() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        // The operator invents a state in which alice has nothing, and even has a proof of it.
        Posted memory p = _build(_transfer(50), 0, "");
        _commit(p);
        uint256[39] memory path = tree.path(1, 0);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
            settlement.answerRequest(1, 0, 2, _lane(0, 0), path);
            if (i == 0) _proveAll(p);
        }
    }

    /// @dev Served unit by unit, a request still runs out of time.
    function test_RequestServedInCrumbs() public {
        _request(alice, 0, 50);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(block.timestamp + 2 days - WINDOW);
            _settle("", 0, _row(1, 0, 1));
        }
        vm.warp(block.timestamp + 2 days);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "the deadline is the first request's");
    }

    function test_FreezeTooEarly() public {
        _request(alice, 0, 5);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.expectPartialRevert(IPageSettlement.ExitDeadlineNotPassed.selector);
        settlement.freeze(1, 0);
    }

    /// @dev Governor, guardian and operator stop the exchange; alice leaves without any of them.
    function test_PauseDoesNotBlockAnExit() public {
        vm.prank(guardian);
        settlement.pauseCommits(true);
        vm.prank(governor);
        settlement.removeOperator(operator);
        _deposit(carol, 0, 9);
        uint256[39] memory path = tree.path(1, 0);
        _freeze(alice, 0);
        vault.escape(1, 0, _lane(0, 50), path);
        vault.refundDeposit(3, 3, 0, 9);
        settlement.reclaimFee(1, 0);
        vm.prank(alice);
        settlement.withdrawRefund();
        assertTrue(usd.balanceOf(alice) == 5000 && usd.balanceOf(carol) == 900, "all have left");
        assertTrue(alice.balance == REQUEST_FEE, "with the fee");
    }

    /// @dev What is committed already goes its way during a pause: proof, claims, answers, strike, drop.
    function test_PauseDoesNotBlockWhatIsCommitted() public {
        _request(bob, 2, 5);
        _request(alice, 0, 5);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        _commit(_build(_transfer(1), 0, ""));
        _post(_build(_transfer(1), 0, _row(2, 0, 1)), 0, 1);
        _undo(4);
        _undo(3);
        vm.prank(guardian);
        settlement.pauseCommits(true);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        settlement.advance();
        settlement.creditPart(2, 0, p.pages[0].rows, 0);
        _creditAll(p);
        vault.claim(1, 0);
        settlement.answerRequest(2, 2, 2, [uint64(20), 30, 0, 0], tree.path(2, 2));
        assertTrue(usd.balanceOf(alice) == 500 && settlement.openRequests() == 0, "served");
        vm.prank(operator);
        settlement.dropOpenBatch();
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        assertTrue(settlement.batchCount() == 2, "struck");
        vm.prank(operator);
        settlement.removeOperator(operator);
        vm.warp(block.timestamp + POWER_DELAY);
        vm.prank(operator);
        settlement.withdrawBond();
        assertTrue(operator.balance >= BOND, "the bond too");
    }

    function test_StrangerPauses() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotGuardian.selector, operator));
        settlement.pauseCommits(true);
    }

    function test_EscapeWithoutFreeze() public {
        uint256[39] memory path = tree.path(1, 0);
        vm.expectRevert(IPageVault.NotFrozen.selector);
        vault.escape(1, 0, _lane(0, 50), path);
    }

    function test_EscapeTwice() public {
        uint256[39] memory path = tree.path(1, 0);
        _freeze(alice, 0);
        vault.escape(1, 0, _lane(0, 50), path);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AlreadyEscaped.selector, 1, 0));
        vault.escape(1, 0, _lane(0, 50), path);
    }

    function test_EscapeWithAnotherBalance() public {
        uint256[39] memory path = tree.path(1, 0);
        _freeze(alice, 0);
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(1, 0, _lane(0, 70), path);
    }

    /// @dev What was claimed is no longer in the tree: the old balance is not under the proven root.
    function test_EscapeAfterAClaim() public {
        uint256[39] memory oldPath = tree.path(1, 0);
        _settle("", 0, _row(1, 0, 30));
        vault.claim(1, 0);
        uint256[39] memory path = tree.path(1, 0);
        _freeze(alice, 0);
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(1, 0, _lane(0, 50), oldPath);
        vault.escape(1, 0, _lane(0, 20), path);
        assertTrue(usd.balanceOf(alice) == 5000, "claim and rest");
    }

    /// @dev The path of an older proven root, in which bob still had what he sold.
    function test_EscapeWithAStaleRoot() public {
        uint256[39] memory oldPath = tree.path(2, 0);
        _settle(_transfer(-20), 0, "");
        _freeze(alice, 0);
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(2, 0, [uint64(20), 30, 0, 0], oldPath);
    }

    /// @dev A committed batch must not back an escape, not even one that is proven and could still be challenged; nor
    /// one that comes later.
    function test_EscapeWithARootThatIsNotFinal() public {
        _request(alice, 1, 1);
        vm.warp(block.timestamp + EXIT_DELAY + 1 - WINDOW + 1);
        Posted memory p = _build(_transfer(50), 0, "");
        _commit(p);
        _proveAll(p);
        uint256[39] memory path = tree.path(2, 0);
        vm.warp(block.timestamp + WINDOW - 1);
        settlement.freeze(1, 1);
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(2, 0, [uint64(70), 30, 0, 0], path);
        _undo(2);
        vault.escape(2, 0, [uint64(20), 30, 0, 0], tree.path(2, 0));
        assertTrue(usd.balanceOf(bob) == 2000, "what the final root says");
        _refused(_build(_transfer(50), 0, ""), IPageSettlement.ExchangeFrozen.selector);
    }

    /// @dev A second later it is final, whoever told the chain so: a freeze does not take it back.
    function test_FreezeTakesBackWhatIsFinal() public {
        _request(alice, 1, 1);
        vm.warp(block.timestamp + EXIT_DELAY + 1 - WINDOW);
        Posted memory p = _build(_transfer(50), 0, _row(2, 1, 30));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        assertTrue(settlement.finalCount() == 1, "nobody told the chain");
        settlement.freeze(1, 1);
        assertTrue(settlement.finalCount() == 2, "final");
        _creditAll(p);
        vault.claim(2, 1);
        vault.escape(2, 0, _lane(0, 70), tree.path(2, 0));
        assertTrue(usd.balanceOf(bob) == 7000 && btc.balanceOf(bob) == 30, "paid by it");
    }

    function test_FrozenStrikesUnproven() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + EXIT_DELAY);
        Posted memory p = _build(_transfer(50), 0, "");
        _commit(p);
        Posted memory open = _build(_transfer(-50), 0, _row(1, 0, 1));
        _post(open, 0, 1);
        vm.warp(block.timestamp + 1);
        settlement.freeze(1, 0);
        // Proven late, the batch would take away what alice is about to escape with.
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 2));
        this.prove(p, 0);
        assertTrue(settlement.openBatch().openedAt == 0, "nothing is open");
    }

    /// @dev With an open batch and nothing else: its pages are gone, and no page comes after them.
    function test_FrozenWithAnOpenBatch() public {
        _request(alice, 0, 50);
        Posted memory open = _build(_transfer(50), 0, _row(2, 0, 1));
        _post(open, 0, 1);
        bytes memory carried = abi.encode(_carried(open, 1));
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        _refused(open, carried, _some(open, 1, 2), IPageSettlement.ExchangeFrozen.selector);
        assertTrue(settlement.openBatch().openedAt == 0 && settlement.batchCount() == 1, "gone");
        _undo(2);
        vault.escape(1, 0, _lane(0, 50), tree.path(1, 0));
        assertTrue(usd.balanceOf(alice) == 5000, "alice leaves");
    }

    /// @dev 2^63 in one lane packs like 1 in the next one.
    function test_BalanceSpilledFromItsLane() public {
        _freeze(bob, 0);
        uint256[39] memory path = tree.path(2, 0);
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(2, 0, [uint64(20 + 2 ** 63), 29, 0, 0], path);
    }

    /// @dev Escape of one lane leaves the others to leave, each once.
    function test_EscapeOfAnotherLane() public {
        _freeze(bob, 0);
        uint256[39] memory path = tree.path(2, 0);
        vault.escape(2, 0, [uint64(20), 30, 0, 0], path);
        vault.escape(2, 1, [uint64(20), 30, 0, 0], path);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AlreadyEscaped.selector, 2, 1));
        vault.escape(2, 1, [uint64(20), 30, 0, 0], path);
        vm.expectRevert(IPageVault.ZeroAmount.selector);
        vault.escape(2, 2, [uint64(20), 30, 0, 0], path);
        assertTrue(usd.balanceOf(bob) == 2000 && btc.balanceOf(bob) == 30, "each its own");
    }

    function test_AliasedSibling() public {
        uint256[39] memory path = tree.path(1, 0);
        _freeze(alice, 0);
        path[3] += R;
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(1, 0, _lane(0, 50), path);
        path[3] -= R;
        // The leaf beside it is empty: 0, or R to a circuit.
        assertTrue(path[0] == 0, "empty");
        path[0] = R;
        vm.expectPartialRevert(IPageVault.WrongBalanceProof.selector);
        vault.escape(1, 0, _lane(0, 50), path);
    }

    function test_DepositIntoAFrozenExchange() public {
        _freeze(alice, 0);
        usd.mint(carol, 100);
        vm.startPrank(carol);
        usd.approve(address(vault), 100);
        vm.expectRevert(IPageVault.ExchangeFrozen.selector);
        vault.deposit(0, 100);
        vm.stopPrank();
    }

    function test_RefundOfAConsumedDeposit() public {
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.DepositConsumed.selector, 0, 3));
        vault.refundDeposit(0, 1, 0, 50);
    }

    function test_RefundTwice() public {
        _deposit(carol, 0, 9);
        _deposit(carol, 0, 9);
        _freeze(alice, 0);
        vault.refundDeposit(3, 3, 0, 9);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AlreadyRefunded.selector, 3));
        vault.refundDeposit(3, 3, 0, 9);
    }

    function test_RefundOfAnotherAmount() public {
        _deposit(carol, 0, 9);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownDeposit.selector, 3));
        vault.refundDeposit(3, 3, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownDeposit.selector, 3));
        vault.refundDeposit(3, 1, 0, 9);
    }

    function test_RefundWithoutFreeze() public {
        _deposit(carol, 0, 9);
        vm.expectRevert(IPageVault.NotFrozen.selector);
        vault.refundDeposit(3, 3, 0, 9);
    }

    /// @dev A withdrawal under way before the request is not an answer to it.
    function test_RequestAnsweredByAnOlderBatch() public {
        Posted memory p = _build("", 0, _row(1, 0, 12));
        _commit(p);
        _request(alice, 0, 12);
        _proveAll(p);
        _finish(p);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "the request still stood");
    }

    /// @dev (0, 64) has the index of (1, 0): the fee of alice's request would go to the fee owner.
    function test_FeeTakenByAnAlias() public {
        _request(alice, 0, 5);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoRequest.selector, 0, 64));
        settlement.reclaimFee(0, 64);
        settlement.reclaimFee(1, 0);
        assertTrue(settlement.refundOf(alice) == REQUEST_FEE, "alice's own");
    }

    function test_RefundOfAFeeTakenTwice() public {
        _request(alice, 1, 5);
        _request(bob, 2, 5);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 1);
        vm.startPrank(operator);
        settlement.answerRequest(1, 1, 2, _lane(0, 50), path);
        settlement.withdrawRefund();
        // What is left in escrow is bob's.
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NothingToRefund.selector, operator));
        settlement.withdrawRefund();
        vm.stopPrank();
        assertTrue(address(settlement).balance == BOND + REQUEST_FEE, "bob's fee and the bond are there");
    }
}
