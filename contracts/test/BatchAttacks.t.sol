// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {AttackFixture} from "./support/AttackFixture.sol";
import {StatementVerifier} from "./support/StatementVerifier.sol";

/// @notice Attacks on batches: what is posted, proofs, deposits, withdrawals, governance.
/// @dev One attack a test, each against one guard. contracts/scripts/mutate.ts takes every guard out in turn and
/// requires these tests to fail; so each must show what the attacker would gain or break.
contract BatchAttacksTest is AttackFixture {
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
        Posted memory p = _build(_fiveRows(), 0, "");
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

    /// @dev A block with two equal first deposits is replaced by one that has them in the other order: same
    /// accounts, same units, other owners. The operator, whose journal says that account 3 is carol's, must
    /// not get its batch in.
    function test_OwnersSwappedByAReorg() public {
        address dave = address(0xDA7E);
        _deposit(dave, 0, 9);
        _deposit(carol, 0, 9);
        Posted memory p = _build(bytes.concat(_record(3, 0, int256(9)), _record(4, 0, int256(9))), 2, "");
        p.deposits = bytes.concat(_depositRecord(3, 0, 9, carol), _depositRecord(4, 0, 9, dave));
        _refused(p, ISettlement.DepositQueueMismatch.selector);
        p.deposits = bytes.concat(queue[3], queue[4]);
        _commit(p);
    }

    /// @dev Struck before it was proven, a batch gives its deposits back to the queue: for the next batch, and
    /// not for a refund as well.
    function test_DepositOfAStruckBatchCountsOnce() public {
        _deposit(carol, 0, 9);
        _commit(_build(_record(3, 0, int256(9)), 1, ""));
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        _undo(2);
        _settle(_record(3, 0, int256(9)), 1, "");
        uint256[28] memory path = tree.path(3 << 6);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IVault.DepositConsumed.selector, 3, 4));
        vault.refundDeposit(3, 3, 0, 9);
        vault.escape(3, 0, 9, path);
        assertTrue(usd.balanceOf(carol) == 900, "once");
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
        Posted memory p = _build(_fiveRows(), 0, "");
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        verifier.state(inputs);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        settlement.proveChunk(2, 1, inputs, _proof(inputs));
    }

    function test_ProofCountedTwice() public {
        Posted memory p = _build(_fiveRows(), 0, "");
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

    /// @dev A struck batch leaves the hashes of its chunks behind, and its number is used again.
    function test_ProofOfAStruckBatch() public {
        Posted memory old = _build(_fiveRows(), 0, "");
        _commit(old);
        _prove(old, 0);
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 2));
        this.prove(old, 1);
        _undo(2);
        Posted memory p = _build(_transfer(1), 0, "");
        _commit(p);
        vm.expectPartialRevert(ISettlement.WrongPublicInputs.selector);
        this.prove(old, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnknownChunk.selector, 1, 1));
        this.prove(old, 1);
        _prove(p, 0);
        assertTrue(settlement.provenRoot() == p.header.newRoot, "its own proof");
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

    /// @dev In parts, each withdrawal is credited once, and no part is skipped.
    function test_PartsOverlap() public {
        Posted memory p = _build(
            bytes.concat(_record(1, 0, -int256(5)), _record(2, 0, -int256(6)), _record(2, 1, -int256(7))),
            0,
            bytes.concat(_record(1, 0, uint64(5)), _record(2, 0, uint64(6)), _record(2, 1, uint64(7)))
        );
        _commit(p);
        _proveAll(p);
        settlement.finalizePart(2, p.withdrawals, 1);
        settlement.finalizePart(2, p.withdrawals, 0);
        assertTrue(vault.claimable(1, 0) == 5 && vault.claimable(2, 0) == 0, "the first part");
        settlement.finalizePart(2, p.withdrawals, 5);
        assertTrue(vault.claimable(1, 0) == 5, "once");
        assertTrue(vault.claimable(2, 0) == 6 && vault.claimable(2, 1) == 7, "the rest");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchAlreadyFinal.selector, 2));
        settlement.finalizePart(2, p.withdrawals, 1);
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
