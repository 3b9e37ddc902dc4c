// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {Asset} from "../src/types/Asset.sol";
import {Fixture} from "./support/Fixture.sol";
import {StatementVerifier} from "./support/StatementVerifier.sol";
import {
    CallbackToken,
    FalseToken,
    FeeToken,
    PlainToken,
    RebasingToken,
    SilentToken,
    StuckToken
} from "./support/Tokens.sol";

/// @notice Takes no native coin back.
contract Closed {
    function deposit(address vault) external payable {
        IVault(vault).deposit{value: msg.value}(2, msg.value);
    }
}

/// @notice One attack a test, each against one guard. contracts/mutate.ts takes every guard out in turn and
/// requires the tests here to fail; so each must show what the attacker would gain or break.
contract AttacksTest is Fixture {
    function setUp() public override {
        super.setUp();
        _deposit(alice, 0, 50);
        _deposit(bob, 0, 20);
        _deposit(bob, 1, 30);
        _settleDeposits();
    }

    /// @dev A commit that must revert with `selector`, whatever its values.
    function _refused(Posted memory posted, bytes4 selector) private {
        vm.prank(operator);
        vm.expectPartialRevert(selector);
        settlement.commitBatch(
            posted.header,
            posted.chunkRoots,
            posted.rows,
            posted.deposits,
            posted.withdrawals
        );
    }

    function _transfer(int256 units) private pure returns (bytes memory) {
        return bytes.concat(_record(1, 0, -units), _record(2, 0, units));
    }

    // --- Batches ---

    function test_ReplayedBatch() public {
        Posted memory p = _settle("", 0, "");
        _refused(p, ISettlement.WrongNumber.selector);
    }

    function test_WrongPreviousRoot() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.oldRoot = p.header.newRoot;
        _refused(p, ISettlement.WrongOldRoot.selector);
    }

    function test_SkippedSequence() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.firstSeq += 1;
        _refused(p, ISettlement.WrongFirstSeq.selector);
        p.header.firstSeq -= 1;
        p.header.lastSeq = p.header.firstSeq - 1;
        _refused(p, ISettlement.EmptySeqRange.selector);
    }

    function test_UnsortedRows() public {
        Posted memory p = _build(bytes.concat(_record(2, 0, int256(1)), _record(1, 0, -int256(1))), 0, "");
        _refused(p, ISettlement.RowsNotIncreasing.selector);
    }

    function test_DuplicatedRows() public {
        Posted memory p = _build(
            bytes.concat(_record(1, 0, -int256(2)), _record(2, 0, int256(1)), _record(2, 0, int256(1))),
            0,
            ""
        );
        _refused(p, ISettlement.RowsNotIncreasing.selector);
    }

    /// @dev The new root holds a row that calldata does not show: no statement of the honest prover fits.
    function test_HiddenRow() public {
        Posted memory p = _build(_transfer(5), 0, "");
        tree.set(1 << 6, 40);
        tree.set(3 << 6, 5);
        p.header.newRoot = p.chunkRoots[0] = tree.root();
        p.honest = false;
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.InvalidProof.selector, 2, 0));
        this.prove(p, 0);
    }

    function prove(Posted memory posted, uint256 chunk) external {
        _prove(posted, chunk);
    }

    function test_ZeroRow() public {
        Posted memory p = _build(bytes.concat(_transfer(1), _record(2, 1, int256(0))), 0, "");
        _refused(p, ISettlement.BadDelta.selector);
    }

    function test_DeltaOverLimit() public {
        int256 wide = 2 ** 53;
        Posted memory p = _build(bytes.concat(_record(1, 0, -wide), _record(2, 0, wide)), 0, "");
        _refused(p, ISettlement.BadDelta.selector);
    }

    function test_MoneyFromNothing() public {
        Posted memory p = _build(_record(1, 0, int256(5)), 0, "");
        _refused(p, ISettlement.NotConserved.selector);
        _undo(2);
        // In one asset what is missing in another does not count.
        p = _build(bytes.concat(_record(1, 0, int256(5)), _record(2, 1, -int256(5))), 0, "");
        _refused(p, ISettlement.NotConserved.selector);
    }

    function test_AliasedNewRoot() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot += R;
        p.chunkRoots[0] += R;
        _refused(p, ISettlement.NotCanonical.selector);
    }

    function test_AliasedChunkRoot() public {
        bytes memory rows = bytes.concat(
            _record(0, 0, int256(1)),
            _record(1, 0, -int256(4)),
            _record(1, 1, int256(4)),
            _record(2, 0, int256(3)),
            _record(2, 1, -int256(4))
        );
        Posted memory p = _build(rows, 0, "");
        p.chunkRoots[0] += R;
        _refused(p, ISettlement.NotCanonical.selector);
    }

    function test_RowOfAnUnknownAccount() public {
        Posted memory p = _build(bytes.concat(_record(1, 0, -int256(5)), _record(3, 0, int256(5))), 0, "");
        _refused(p, ISettlement.UnknownAccount.selector);
    }

    function test_NewRootWithoutRows() public {
        Posted memory p = _build("", 0, "");
        p.header.newRoot = 77;
        _refused(p, ISettlement.LastChunkRootMismatch.selector);
    }

    function test_NewRootBeyondTheLastChunk() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot = 77;
        _refused(p, ISettlement.LastChunkRootMismatch.selector);
    }

    function test_ChunkMissing() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot = p.header.oldRoot;
        p.chunkRoots = new uint256[](0);
        _refused(p, ISettlement.ChunkCountMismatch.selector);
    }

    function test_StrangerCommits() public {
        Posted memory p = _build(_transfer(1), 0, "");
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotOperator.selector, carol));
        settlement.commitBatch(p.header, p.chunkRoots, p.rows, p.deposits, p.withdrawals);
    }

    function test_UnprovenBatchesPileUp() public {
        for (uint256 i = 0; i < MAX_UNPROVEN; ++i) _commit(_build(_transfer(1), 0, ""));
        _refused(_build(_transfer(1), 0, ""), ISettlement.TooManyUnproven.selector);
    }

    // --- Deposits ---

    function test_DepositSkipped() public {
        _deposit(carol, 0, 9);
        _deposit(alice, 0, 9);
        Posted memory p = _build(_record(1, 0, int256(9)), 0, "");
        p.deposits = queue[4];
        p.header.depositsConsumed = 4;
        _refused(p, ISettlement.DepositQueueMismatch.selector);
    }

    function test_DepositCreditedTwice() public {
        Posted memory p = _build(_record(1, 0, int256(50)), 0, "");
        p.deposits = queue[0];
        _refused(p, ISettlement.DepositCountMismatch.selector);
        p.header.depositsConsumed = 4;
        _refused(p, ISettlement.DepositsOverQueue.selector);
        _deposit(carol, 0, 9);
        _refused(p, ISettlement.DepositQueueMismatch.selector);
    }

    function test_DepositsGoBackwards() public {
        Posted memory p = _build("", 0, "");
        p.header.depositsConsumed = 2;
        _refused(p, ISettlement.DepositCountMismatch.selector);
    }

    // --- Proofs ---

    /// @dev What is conserved may still be more than was there: only the proof knows the balances.
    function test_WithdrawalLargerThanTheBalance() public {
        Posted memory p = _build(_record(1, 0, -int256(51)), 0, _record(1, 0, uint64(51)));
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.InvalidProof.selector, 2, 0));
        this.prove(p, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotProven.selector, 2));
        settlement.finalizeBatch(2, p.withdrawals);
    }

    function test_ProofOfAnotherChunk() public {
        bytes memory rows = bytes.concat(
            _record(0, 0, int256(1)),
            _record(1, 0, -int256(4)),
            _record(1, 1, int256(4)),
            _record(2, 0, int256(3)),
            _record(2, 1, -int256(4))
        );
        Posted memory p = _build(rows, 0, "");
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        verifier.state(inputs);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        settlement.proveChunk(2, 1, inputs, _proof(inputs));
    }

    function test_ProofCountedTwice() public {
        bytes memory rows = bytes.concat(
            _record(0, 0, int256(1)),
            _record(1, 0, -int256(4)),
            _record(1, 1, int256(4)),
            _record(2, 0, int256(3)),
            _record(2, 1, -int256(4))
        );
        Posted memory p = _build(rows, 0, "");
        _commit(p);
        _prove(p, 0);
        vm.expectPartialRevert(ISettlement.ChunkAlreadyProven.selector);
        this.prove(p, 0);
        assertTrue(settlement.provenCount() == 1, "half a proof is none");
    }

    /// @dev Same posted bytes on another chain, and on another settlement contract: another z.
    function test_ProofOfAnotherChain() public {
        Posted memory p = _build(_transfer(1), 0, "");
        uint256[4] memory inputs = _publicInputs(p, 0);
        verifier.state(inputs);
        vm.chainId(block.chainid + 1);
        _commit(p);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        settlement.proveChunk(2, 0, inputs, _proof(inputs));
    }

    function test_ProofForAnotherContract() public {
        Posted memory p = _build(_transfer(1), 0, "");
        uint256[4] memory inputs = _publicInputs(p, 0);
        // The same bytes in the mouth of another settlement contract.
        ISettlement here = settlement;
        settlement = ISettlement(address(0xBEEF));
        uint256[4] memory elsewhere = _publicInputs(p, 0);
        settlement = here;
        verifier.state(elsewhere);
        _commit(p);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        settlement.proveChunk(2, 0, elsewhere, _proof(elsewhere));
        assertTrue(inputs[2] != elsewhere[2], "another z");
    }

    /// @dev The chain reorganises between commit and prove: the batch now stands on other deposits, and a
    /// proof made for the old branch proves nothing on the new one.
    function test_ReorgBetweenCommitAndProve() public {
        _deposit(carol, 0, 9);
        Posted memory old = _build(_record(3, 0, int256(9)), 1, "");
        uint256[4] memory inputs = _publicInputs(old, 0);
        verifier.state(inputs);
        _undo(2);
        // On the new branch the commit is re-sent with another journal head.
        Posted memory p = _build(_record(3, 0, int256(9)), 1, "");
        p.header.journalHead = keccak256("another branch");
        _commit(p);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        settlement.proveChunk(2, 0, inputs, _proof(inputs));
        _prove(p, 0);
        assertTrue(settlement.provenCount() == 2, "the new branch's own proof");
    }

    function test_ProofWithoutCommit() public {
        uint256[4] memory inputs;
        uint256[8] memory proof;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 2));
        settlement.proveChunk(2, 0, inputs, proof);
    }

    // --- Withdrawals and claims ---

    function test_FinalTwice() public {
        Posted memory p = _settle(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchAlreadyFinal.selector, 2));
        settlement.finalizeBatch(2, p.withdrawals);
        assertTrue(vault.claimable(1, 0) == 5, "once");
    }

    function test_FinalBeforeProven() public {
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotProven.selector, 2));
        settlement.finalizeBatch(2, p.withdrawals);
    }

    function test_FinalWithOtherWithdrawals() public {
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        _proveAll(p);
        vm.expectPartialRevert(ISettlement.WithdrawalsMismatch.selector);
        settlement.finalizeBatch(2, _record(2, 0, uint64(50)));
    }

    function test_DuplicatedWithdrawal() public {
        Posted memory p = _build(
            _record(1, 0, -int256(6)),
            0,
            bytes.concat(_record(1, 0, uint64(3)), _record(1, 0, uint64(3)))
        );
        _refused(p, ISettlement.RowsNotIncreasing.selector);
    }

    function test_ClaimTwice() public {
        _settle(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        vault.claim(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToClaim.selector, 1, 0));
        vault.claim(1, 0);
        assertTrue(usd.balanceOf(alice) == 500, "paid once");
    }

    function test_CreditByAStranger() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotSettlement.selector, operator));
        vault.creditClaims(_record(1, 0, uint64(5)));
    }

    // --- Tokens ---

    function _exchangeWith(address token) private {
        Asset[] memory assets = new Asset[](2);
        assets[0] = Asset(address(usd), 100);
        assets[1] = Asset(token, 10);
        (vault, settlement) = _deploy(assets, _config());
    }

    function _put(PlainToken token, uint256 amount) private {
        token.mint(carol, amount);
        vm.startPrank(carol);
        token.approve(address(vault), amount);
        vault.deposit(1, amount);
        vm.stopPrank();
    }

    function test_FeeOnTransferToken() public {
        FeeToken token = new FeeToken();
        _exchangeWith(address(token));
        _put(token, 1000);
        assertTrue(vault.custodyUnits(1) == 99, "what arrived is credited, not what was said");
        token.mint(carol, 100);
        vm.startPrank(carol);
        token.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotWholeUnits.selector, 99, 10));
        vault.deposit(1, 100);
        vm.stopPrank();
    }

    function test_FalseReturningToken() public {
        FalseToken token = new FalseToken();
        _exchangeWith(address(token));
        token.lie(true);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vault.deposit(1, 100);
        token.lie(false);
        _put(token, 100);
        _freeze(carol, 1);
        token.lie(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vault.refundDeposit(0, 1, 1, 10);
        token.lie(false);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "paid when the token is honest again");
    }

    function test_SilentToken() public {
        SilentToken token = new SilentToken();
        _exchangeWith(address(token));
        token.mint(carol, 100);
        vm.prank(carol);
        vault.deposit(1, 100);
        _freeze(carol, 1);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "paid");
    }

    /// @dev A token that loses its holders' balances hurts its own holders only.
    function test_RebasingToken() public {
        RebasingToken token = new RebasingToken();
        _exchangeWith(address(token));
        _put(token, 1000);
        usd.mint(alice, 100);
        vm.startPrank(alice);
        usd.approve(address(vault), 100);
        vault.deposit(0, 100);
        vm.stopPrank();
        token.halve(address(vault));
        _freeze(carol, 1);
        vm.expectRevert();
        vault.refundDeposit(0, 1, 1, 100);
        vault.refundDeposit(1, 2, 0, 1);
        assertTrue(usd.balanceOf(alice) == 100, "alice's asset is whole");
    }

    function test_StuckTokenBlocksNobodyElse() public {
        StuckToken token = new StuckToken();
        _exchangeWith(address(token));
        _put(token, 100);
        usd.mint(alice, 100);
        vm.startPrank(alice);
        usd.approve(address(vault), 100);
        vault.deposit(0, 100);
        vm.stopPrank();
        _freeze(carol, 1);
        token.stick(true);
        vm.expectRevert(StuckToken.Stuck.selector);
        vault.refundDeposit(0, 1, 1, 10);
        vault.refundDeposit(1, 2, 0, 1);
        assertTrue(usd.balanceOf(alice) == 100, "alice is paid");
        token.stick(false);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "and carol when her token lets her");
    }

    /// @dev During a deposit's transfer the token deposits again: both would measure the inner amount, and
    /// the vault would credit it twice.
    function test_ReenteringDeposit() public {
        CallbackToken token = new CallbackToken();
        _exchangeWith(address(token));
        token.mint(carol, 100);
        token.mint(address(token), 100);
        vm.prank(address(token));
        token.approve(address(vault), 100);
        token.arm(address(vault), abi.encodeCall(IVault.deposit, (1, 100)));
        vm.startPrank(carol);
        token.approve(address(vault), 100);
        vault.deposit(1, 100);
        vm.stopPrank();
        assertTrue(token.called(), "the token called back");
        assertTrue(
            uint256(vault.custodyUnits(1)) * 10 <= token.balanceOf(address(vault)),
            "no more is credited than is there"
        );
    }

    /// @dev During a payment the token asks for the same payment again.
    function test_ReenteringClaim() public {
        CallbackToken token = new CallbackToken();
        _exchangeWith(address(token));
        _put(token, 100);
        _put(token, 100);
        _freeze(carol, 1);
        token.arm(address(vault), abi.encodeCall(IVault.refundDeposit, (0, 1, 1, 10)));
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.called(), "the token called back");
        assertTrue(!token.succeeded(), "in vain");
        assertTrue(token.balanceOf(carol) == 100, "paid once");
    }

    function test_HalfUnits() public {
        usd.mint(carol, 150);
        vm.startPrank(carol);
        usd.approve(address(vault), 150);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotWholeUnits.selector, 150, 100));
        vault.deposit(0, 150);
        vm.stopPrank();
    }

    function test_NativeDepositWithoutValue() public {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongNativeValue.selector, 0, 1e9));
        vault.deposit(2, 1e9);
    }

    function test_ValueSentWithATokenIsNotLost() public {
        usd.mint(carol, 100);
        vm.deal(carol, 1);
        vm.startPrank(carol);
        usd.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(IVault.WrongNativeValue.selector, 1, 0));
        vault.deposit{value: 1}(0, 100);
        vm.stopPrank();
    }

    /// @dev More units than a balance may have would make every later proof impossible.
    function test_DepositsOverTheFieldOfBalances() public {
        btc.mint(carol, 2 ** 60);
        vm.startPrank(carol);
        btc.approve(address(vault), 2 ** 60);
        vm.expectRevert(
            abi.encodeWithSelector(IVault.CustodyOverLimit.selector, 1, 2 ** 53 - 30, 2 ** 53 - 31)
        );
        vault.deposit(1, 2 ** 53 - 30);
        vm.stopPrank();
    }

    // --- Forced withdrawals, freeze, exit ---

    /// @dev Requests for nothing: each is answered by proof, in time, and pays its answerer.
    function test_GriefingTheForcedQueue() public {
        _request(alice, 1, 5);
        _request(alice, 2, 5);
        _request(bob, 2, 5);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.startPrank(operator);
        settlement.answerEmpty(1, 1, 2, tree.path((1 << 6) | 1));
        settlement.answerEmpty(1, 2, 2, tree.path((1 << 6) | 2));
        settlement.answerEmpty(2, 2, 2, tree.path((2 << 6) | 2));
        vm.stopPrank();
        assertTrue(settlement.openRequests() == 0, "all answered");
        assertTrue(settlement.refundOf(operator) == 3 * REQUEST_FEE, "the griefer paid");
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoRequest.selector, 1, 1));
        settlement.freeze(1, 1);
    }

    function test_RequestForAnotherOwner() public {
        vm.deal(carol, 1 ether);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NotAccountOwner.selector, carol, alice));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 5);
    }

    function test_RequestWithoutTheFee() public {
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongFee.selector, 0, REQUEST_FEE));
        settlement.requestWithdrawal(1, 0, 5);
    }

    /// @dev A second request must not reset the clock of the first.
    function test_RequestTwice() public {
        _request(alice, 0, 5);
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.RequestPending.selector, 1, 0));
        settlement.requestWithdrawal{value: REQUEST_FEE}(1, 0, 6);
    }

    /// @dev The operator says "empty" of a balance that is there.
    function test_FalseAnswer() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[28] memory path = tree.path(1 << 6);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongBalanceProof.selector, 1, 0, 0));
        settlement.answerEmpty(1, 0, 2, path);
    }

    /// @dev The operator answers from a batch of before the request, or of before the deposit.
    function test_StaleAnswer() public {
        uint256[28] memory path = tree.path((1 << 6) | 2);
        _deposit(alice, 2, 5);
        _request(alice, 2, 5);
        vm.expectPartialRevert(ISettlement.AnswerTooOld.selector);
        settlement.answerEmpty(1, 2, 1, path);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        vm.expectPartialRevert(ISettlement.AnswerSkipsDeposits.selector);
        settlement.answerEmpty(1, 2, 2, path);
    }

    function test_AnswerFromAnUnprovenBatch() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + 1);
        // The operator invents a state in which alice has nothing.
        Posted memory p = _build(_transfer(50), 0, "");
        _commit(p);
        uint256[28] memory path = tree.path(1 << 6);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotProven.selector, 2));
        settlement.answerEmpty(1, 0, 2, path);
    }

    /// @dev Served unit by unit, a request still runs out of time.
    function test_RequestServedInCrumbs() public {
        _request(alice, 0, 50);
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(block.timestamp + 2 days);
            _settle(_record(1, 0, -int256(1)), 0, _record(1, 0, uint64(1)));
        }
        vm.warp(block.timestamp + 2 days);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "the deadline is the first request's");
    }

    function test_FreezeTooEarly() public {
        _request(alice, 0, 5);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.expectPartialRevert(ISettlement.ExitDeadlineNotPassed.selector);
        settlement.freeze(1, 0);
    }

    /// @dev Governor, guardian and operator stop the exchange; alice leaves without any of them.
    function test_PauseDoesNotBlockAnExit() public {
        vm.prank(guardian);
        settlement.pauseCommits(true);
        vm.prank(governor);
        settlement.setOperator(operator, false);
        uint256[28] memory path = tree.path(1 << 6);
        _freeze(alice, 0);
        vault.escape(1, 0, 50, path);
        assertTrue(usd.balanceOf(alice) == 5000, "alice has left");
    }

    function test_StrangerPauses() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotGuardian.selector, operator));
        settlement.pauseCommits(true);
    }

    function test_EscapeWithoutFreeze() public {
        uint256[28] memory path = tree.path(1 << 6);
        vm.expectRevert(IVault.NotFrozen.selector);
        vault.escape(1, 0, 50, path);
    }

    function test_EscapeTwice() public {
        uint256[28] memory path = tree.path(1 << 6);
        _freeze(alice, 0);
        vault.escape(1, 0, 50, path);
        vm.expectRevert(abi.encodeWithSelector(IVault.AlreadyEscaped.selector, 1, 0));
        vault.escape(1, 0, 50, path);
    }

    function test_EscapeWithAnotherBalance() public {
        uint256[28] memory path = tree.path(1 << 6);
        _freeze(alice, 0);
        vm.expectPartialRevert(IVault.WrongBalanceProof.selector);
        vault.escape(1, 0, 70, path);
    }

    /// @dev What was claimed is no longer in the tree: the old balance is not under the proven root.
    function test_EscapeAfterAClaim() public {
        uint256[28] memory oldPath = tree.path(1 << 6);
        _settle(_record(1, 0, -int256(30)), 0, _record(1, 0, uint64(30)));
        vault.claim(1, 0);
        uint256[28] memory path = tree.path(1 << 6);
        _freeze(alice, 0);
        vm.expectPartialRevert(IVault.WrongBalanceProof.selector);
        vault.escape(1, 0, 50, oldPath);
        vault.escape(1, 0, 20, path);
        assertTrue(usd.balanceOf(alice) == 5000, "claim and rest");
    }

    /// @dev The path of an older proven root, in which bob still had what he sold.
    function test_EscapeWithAStaleRoot() public {
        uint256[28] memory oldPath = tree.path(2 << 6);
        _settle(bytes.concat(_record(1, 0, int256(20)), _record(2, 0, -int256(20))), 0, "");
        _freeze(alice, 0);
        vm.expectPartialRevert(IVault.WrongBalanceProof.selector);
        vault.escape(2, 0, 20, oldPath);
    }

    /// @dev A committed batch that never got its proof must not back an escape.
    function test_EscapeWithAnUnprovenRoot() public {
        Posted memory p = _build(_transfer(50), 0, "");
        uint256[28] memory path = tree.path(2 << 6);
        _freeze(alice, 1);
        _commitRefusedWhenFrozen(p);
        vm.expectPartialRevert(IVault.WrongBalanceProof.selector);
        vault.escape(2, 0, 70, path);
    }

    function _commitRefusedWhenFrozen(Posted memory p) private {
        _refused(p, ISettlement.ExchangeFrozen.selector);
    }

    function test_FrozenStrikesUnproven() public {
        _request(alice, 0, 50);
        vm.warp(block.timestamp + EXIT_DELAY);
        Posted memory p = _build(_transfer(50), 0, "");
        _commit(p);
        vm.warp(block.timestamp + 1);
        settlement.freeze(1, 0);
        // Proven late, the batch would take away what alice is about to escape with.
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 2));
        this.prove(p, 0);
    }

    function test_AliasedSibling() public {
        uint256[28] memory path = tree.path(1 << 6);
        _freeze(alice, 0);
        path[3] += R;
        vm.expectPartialRevert(IVault.WrongBalanceProof.selector);
        vault.escape(1, 0, 50, path);
    }

    function test_DepositIntoAFrozenExchange() public {
        _freeze(alice, 0);
        usd.mint(carol, 100);
        vm.startPrank(carol);
        usd.approve(address(vault), 100);
        vm.expectRevert(IVault.ExchangeFrozen.selector);
        vault.deposit(0, 100);
        vm.stopPrank();
    }

    function test_RefundOfAConsumedDeposit() public {
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.DepositConsumed.selector, 0, 3));
        vault.refundDeposit(0, 1, 0, 50);
    }

    function test_RefundTwice() public {
        _deposit(carol, 0, 9);
        _deposit(carol, 0, 9);
        _freeze(alice, 0);
        vault.refundDeposit(3, 3, 0, 9);
        vm.expectRevert(abi.encodeWithSelector(IVault.AlreadyRefunded.selector, 3));
        vault.refundDeposit(3, 3, 0, 9);
    }

    function test_RefundOfAnotherAmount() public {
        _deposit(carol, 0, 9);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.UnknownDeposit.selector, 3));
        vault.refundDeposit(3, 3, 0, 10);
        vm.expectRevert(abi.encodeWithSelector(IVault.UnknownDeposit.selector, 3));
        vault.refundDeposit(3, 1, 0, 9);
    }

    function test_RefundWithoutFreeze() public {
        _deposit(carol, 0, 9);
        vm.expectRevert(IVault.NotFrozen.selector);
        vault.refundDeposit(3, 3, 0, 9);
    }

    /// @dev A withdrawal under way before the request is not an answer to it.
    function test_RequestAnsweredByAnOlderBatch() public {
        Posted memory p = _build(_record(1, 0, -int256(12)), 0, _record(1, 0, uint64(12)));
        _commit(p);
        _request(alice, 0, 12);
        _proveAll(p);
        settlement.finalizeBatch(2, p.withdrawals);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen(), "the request still stood");
    }

    /// @dev (0, 64) has the index of (1, 0): the fee of alice's request would go to the fee owner.
    function test_FeeTakenByAnAlias() public {
        _request(alice, 0, 5);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NoRequest.selector, 0, 64));
        settlement.reclaimFee(0, 64);
        settlement.reclaimFee(1, 0);
        assertTrue(settlement.refundOf(alice) == REQUEST_FEE, "alice's own");
    }

    function test_RefundOfAFeeTakenTwice() public {
        _request(alice, 1, 5);
        _request(bob, 2, 5);
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[28] memory path = tree.path((1 << 6) | 1);
        vm.prank(carol);
        settlement.answerEmpty(1, 1, 2, path);
        vm.startPrank(carol);
        settlement.withdrawRefund();
        // What is left in escrow is bob's.
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToRefund.selector, carol));
        settlement.withdrawRefund();
        vm.stopPrank();
        assertTrue(address(settlement).balance == REQUEST_FEE, "bob's fee is there");
    }

    /// @dev Striking an honest batch before its time would make proving impossible.
    function test_StruckTooEarly() public {
        _commit(_build(_transfer(1), 0, ""));
        vm.warp(block.timestamp + PROOF_DELAY);
        vm.expectPartialRevert(ISettlement.ProofDeadlineNotPassed.selector);
        settlement.strikeUnproven();
    }

    function test_CommitWhilePaused() public {
        vm.prank(guardian);
        settlement.pauseCommits(true);
        _refused(_build(_transfer(1), 0, ""), ISettlement.CommitsArePaused.selector);
    }

    /// @dev A payment that fails must not count as made.
    function test_FailedNativePaymentIsKept() public {
        Closed closed = new Closed();
        vm.deal(address(this), 5e9);
        closed.deposit{value: 5e9}(address(vault));
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.NativeTransferFailed.selector, address(closed), 5e9));
        vault.refundDeposit(3, 3, 2, 5);
        assertTrue(!vault.refunded(3) && vault.custodyUnits(2) == 5, "still owed");
    }

    /// @dev Balances of an asset that is not on the list would be backed by nothing.
    function test_UnlistedAsset() public {
        Posted memory p = _build(bytes.concat(_record(1, 3, int256(5)), _record(2, 3, -int256(5))), 0, "");
        _refused(p, ISettlement.UnknownAsset.selector);
    }

    // --- Governance ---

    /// @dev A verifier that accepts everything must wait until everybody could leave.
    function test_VerifierSwappedOvernight() public {
        StatementVerifier anything = new StatementVerifier(4);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotGovernor.selector, carol));
        settlement.proposeVerifier(address(anything));
        vm.prank(governor);
        settlement.proposeVerifier(address(anything));
        vm.warp(block.timestamp + EXIT_DELAY + 30 days);
        vm.expectPartialRevert(IGoverned.VerifierDelayNotPassed.selector);
        settlement.activateVerifier();
    }

    function test_StrangerBecomesOperator() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotGovernor.selector, operator));
        settlement.setOperator(carol, true);
    }

    function test_StrangerBecomesGovernor() public {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotProposedGovernor.selector, carol));
        settlement.acceptGovernor();
    }
}
