// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "../../src/pages/IPageGoverned.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {Carried, Page} from "../../src/pages/Types.sol";
import {PageAttackFixture} from "./PageAttackFixture.sol";
import {PageStatements} from "./PageStatements.sol";

/// @notice Attacks on batches: what is posted, proofs, deposits, withdrawals, governance.
/// @dev One attack a test, each against one guard; so each must show what the attacker would gain or break.
contract PageBatchAttacksTest is PageAttackFixture {
    // --- Batches ---

    function test_ReplayedBatch() public {
        Posted memory p = _settle("", 0, "");
        _refused(p, IPageSettlement.WrongNumber.selector);
    }

    function test_WrongPreviousRoot() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.oldRoot = p.header.newRoot;
        _refused(p, IPageSettlement.WrongOldRoot.selector);
    }

    function test_SkippedSequence() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.firstSeq += 1;
        _refused(p, IPageSettlement.WrongFirstSeq.selector);
        p.header.firstSeq -= 1;
        p.header.lastSeq = p.header.firstSeq - 1;
        _refused(p, IPageSettlement.EmptySeqRange.selector);
    }

    function test_UnsortedRows() public {
        Posted memory p = _build(bytes.concat(_row(2, 0, 1), _row(1, 0, -1)), 0, "");
        _refused(p, IPageSettlement.RowsNotIncreasing.selector);
    }

    function test_DuplicatedRows() public {
        Posted memory p = _build(bytes.concat(_row(1, 0, -2), _row(2, 0, 1), _row(2, 0, 1)), 0, "");
        _refused(p, IPageSettlement.RowsNotIncreasing.selector);
    }

    /// @dev A leaf that comes again in the next page, of the same transaction or of the next one.
    function test_LeafTwiceInABatch() public {
        Page[] memory pages = new Page[](2);
        pages[0] = _tradePage(_transfer(1));
        pages[1] = _tradePage(bytes.concat(_row(2, 0, -1), _row(0, 4, 1)));
        Posted memory p = _buildPages(pages);
        _refused(p, IPageSettlement.RowsNotIncreasing.selector);
        _post(p, 0, 1);
        _refused(p, abi.encode(_carried(p, 1)), _some(p, 1, 2), IPageSettlement.RowsNotIncreasing.selector);
    }

    function test_WithdrawalsOfALeafTwice() public {
        Page[] memory pages = new Page[](2);
        pages[0] = _withdrawalPage(_row(2, 0, 1));
        pages[1] = _withdrawalPage(_row(2, 0, 1));
        _refused(_buildPages(pages), IPageSettlement.RowsNotIncreasing.selector);
    }

    /// @dev The new root holds a row that calldata does not show: no statement of the honest prover fits.
    function test_HiddenRow() public {
        Posted memory p = _build(_transfer(5), 0, "");
        tree.setLeaf(1, 40);
        tree.setLeaf(3, 5);
        p.header.newRoot = p.pages[0].lastRoot = tree.root();
        p.honest = false;
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        this.prove(p, 0);
    }

    function test_ZeroRow() public {
        Posted memory p = _build(bytes.concat(_transfer(1), _row(2, 4, 0)), 0, "");
        _refused(p, IPageSettlement.BadDelta.selector);
    }

    function test_RowWithoutLanes() public {
        Posted memory p = _build(bytes.concat(_transfer(1), abi.encodePacked(uint32(3))), 0, "");
        _refused(p, IPageSettlement.BadMask.selector);
    }

    /// @dev Over its bound, a delta would spill into the next lane: 2^63 units of one asset pack like 1 of the next.
    function test_DeltaOverLimit() public {
        int256 wide = 2 ** 53;
        Posted memory p = _build(bytes.concat(_row(1, 0, -wide), _row(2, 0, wide)), 0, "");
        _refused(p, IPageSettlement.BadDelta.selector);
    }

    function test_MoneyFromNothing() public {
        Posted memory p = _build(_row(1, 0, 5), 0, "");
        _refused(p, IPageSettlement.NotConserved.selector);
        _undo(2);
        // In one asset what is missing in another does not count, nor in the same lane of another group.
        p = _build(bytes.concat(_row(1, 0, 5), _row(2, 1, -5)), 0, "");
        _refused(p, IPageSettlement.NotConserved.selector);
        _undo(2);
        p = _build(bytes.concat(_row(1, 0, 5), _row(2, 4, -5)), 0, "");
        _refused(p, IPageSettlement.NotConserved.selector);
    }

    /// @dev What trades take away is withdrawn, or was deposited: over all kinds the sums are zero, in trades they are not.
    function test_SumsThatCancelAcrossKinds() public {
        Posted memory p = _build(_row(1, 0, 5), 0, _row(1, 0, 5));
        _refused(p, IPageSettlement.NotConserved.selector);
        _undo(2);
        _deposit(carol, 0, 9);
        p = _build(_row(1, 0, -9), 1, "");
        _refused(p, IPageSettlement.NotConserved.selector);
    }

    /// @dev What two pages sum up to is carried from one transaction to the next, not begun anew.
    function test_SumsForgottenBetweenTransactions() public {
        Page[] memory pages = new Page[](2);
        pages[0] = _tradePage(_row(1, 0, 5));
        pages[1] = _tradePage(bytes.concat(_row(1, 4, 1), _row(2, 4, -1)));
        Posted memory p = _buildPages(pages);
        _refused(p, IPageSettlement.NotConserved.selector);
        _post(p, 0, 1);
        _refused(p, abi.encode(_carried(p, 1)), _some(p, 1, 2), IPageSettlement.NotConserved.selector);
    }

    /// @dev Each part of the state that pages pass on, changed between two transactions.
    function test_CarriedStateChanged() public {
        _deposit(carol, 0, 9);
        Page[] memory pages = new Page[](3);
        pages[0] = _depositPage(3, 1);
        pages[1] = _tradePage(_row(1, 0, -5));
        pages[2] = _tradePage(_row(2, 0, 5));
        Posted memory p = _buildPages(pages);
        _post(p, 0, 2);
        for (uint256 part = 0; part < 9; ++part) {
            Carried memory state = _carried(p, 2);
            if (part == 0) state.batchHash ^= bytes32(uint256(1));
            if (part == 1) state.pages -= 1;
            if (part == 2) state.withdrawalPages += 1;
            if (part == 3) state.kind = 0;
            if (part == 4) state.root ^= 1;
            if (part == 5) state.nextLeaf -= 1;
            if (part == 6) state.depositsConsumed -= 1;
            if (part == 7) state.depositHash = vault.depositHash(3);
            if (part == 8) state.sums[0] = 0;
            _refused(p, abi.encode(state), _some(p, 2, 3), IPageSettlement.WrongCarried.selector);
        }
        bytes memory good = abi.encode(_carried(p, 2));
        // Bytes behind it, and a state where nothing is open.
        _refused(p, bytes.concat(good, hex"00"), _some(p, 2, 3), IPageSettlement.WrongCarried.selector);
        vm.prank(operator);
        settlement.dropOpenBatch();
        _refused(p, good, _some(p, 2, 3), IPageSettlement.WrongCarried.selector);
    }

    /// @dev The header of the first page is the header: its root, count, or deposits are not changed later.
    function test_HeaderChangedBetweenTransactions() public {
        Posted memory p = _build(_transfer(5), 0, _row(2, 0, 1));
        _post(p, 0, 1);
        bytes memory carried = abi.encode(_carried(p, 1));
        Page[] memory rest = _some(p, 1, 2);
        p.header.journalHead ^= bytes32(uint256(1));
        _refused(p, carried, rest, IPageSettlement.WrongBatch.selector);
        p.header.journalHead ^= bytes32(uint256(1));
        p.header.pageCount = 3;
        _refused(p, carried, rest, IPageSettlement.WrongBatch.selector);
    }

    function test_PagesOutOfKindOrder() public {
        _deposit(carol, 0, 9);
        Posted memory p = _build(_transfer(1), 1, _row(2, 0, 1));
        Page memory deposits = p.pages[0];
        p.pages[0] = p.pages[1];
        p.pages[1] = deposits;
        _refused(p, IPageSettlement.WrongKind.selector);
        p.pages[1] = p.pages[2];
        p.pages[2] = deposits;
        _refused(p, IPageSettlement.WrongKind.selector);
        p.pages[2].kind = 3;
        _refused(p, IPageSettlement.WrongKind.selector);
    }

    function test_AliasedNewRoot() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot += R;
        p.pages[0].lastRoot += R;
        _refused(p, IPageSettlement.NotCanonical.selector);
    }

    function test_AliasedPageRoot() public {
        Posted memory p = _build(_transfer(1), 0, _row(1, 0, 1));
        p.pages[0].lastRoot += R;
        _refused(p, IPageSettlement.NotCanonical.selector);
    }

    function test_RowOfAnUnknownAccount() public {
        Posted memory p = _build(bytes.concat(_row(1, 0, -5), _row(3, 0, 5)), 0, "");
        _refused(p, IPageSettlement.UnknownAccount.selector);
        _undo(2);
        // In a higher group its leaf index comes after every known account's.
        p = _build(bytes.concat(_row(1, 4, -5), _row(3, 4, 5)), 0, "");
        _refused(p, IPageSettlement.UnknownAccount.selector);
    }

    function test_NewRootWithoutPages() public {
        Posted memory p = _build("", 0, "");
        p.header.newRoot = 77;
        _refused(p, IPageSettlement.WrongNewRoot.selector);
    }

    function test_NewRootBeyondTheLastPage() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot = 77;
        _refused(p, IPageSettlement.WrongNewRoot.selector);
    }

    function test_PageMissing() public {
        Posted memory p = _build(_transfer(1), 0, "");
        p.header.newRoot = p.header.oldRoot;
        p.header.pageCount = 0;
        _refused(p, IPageSettlement.PageCountMismatch.selector);
    }

    /// @dev A page without rows has no proof: batches would stand still behind it.
    function test_PageWithoutRows() public {
        Page[] memory pages = new Page[](1);
        for (uint8 kind = 0; kind < 3; ++kind) {
            pages[0] = Page(kind, 0, "", "");
            _refused(_buildPages(pages), IPageSettlement.EmptyPage.selector);
        }
    }

    function test_StrangerCommits() public {
        Posted memory p = _build(_transfer(1), 0, "");
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, carol));
        settlement.commitPages(p.header, "", p.pages);
    }

    /// @dev An operator whose bond is gone has nothing to lose.
    function test_CommitWithoutABond() public {
        (vault, settlement) = _deploy(_assets(), _config());
        Posted memory p = _build("", 0, "");
        p.header.oldRoot = p.header.newRoot = settlement.lastRoot();
        _refused(p, IPageGoverned.BondTooLow.selector);
    }

    function test_BondOfAnOperatorTaken() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.OperatorStill.selector, operator));
        settlement.withdrawBond();
        vm.prank(governor);
        settlement.removeOperator(operator);
        vm.warp(block.timestamp + EXIT_DELAY + 30 days);
        vm.prank(operator);
        vm.expectPartialRevert(IPageGoverned.BondDelayNotPassed.selector);
        settlement.withdrawBond();
    }

    function test_UnprovenBatchesPileUp() public {
        for (uint256 i = 0; i < MAX_UNPROVEN; ++i) _commit(_build(_transfer(1), 0, ""));
        _refused(_build(_transfer(1), 0, ""), IPageSettlement.TooManyUnproven.selector);
    }

    // --- Deposits ---

    function test_DepositSkipped() public {
        _deposit(carol, 0, 9);
        _deposit(alice, 0, 9);
        Page[] memory pages = new Page[](1);
        pages[0] = _depositPage(4, 1);
        _refused(_buildPages(pages), IPageSettlement.DepositQueueMismatch.selector);
    }

    function test_DepositCreditedTwice() public {
        // One that was consumed by a batch before, again.
        Page[] memory pages = new Page[](1);
        pages[0] = _depositPage(0, 1);
        _refused(_buildPages(pages), IPageSettlement.DepositQueueMismatch.selector);
        _undo(2);
        // The next one, in two pages, and twice in one.
        _deposit(carol, 0, 9);
        pages = new Page[](2);
        pages[0] = _depositPage(3, 1);
        pages[1] = _depositPage(3, 1);
        _refused(_buildPages(pages), IPageSettlement.DepositQueueMismatch.selector);
        _undo(2);
        pages = new Page[](1);
        pages[0] = _depositPage(3, 1);
        pages[0].deposits = bytes.concat(pages[0].deposits, pages[0].deposits);
        _refused(_buildPages(pages), IPageSettlement.DepositQueueMismatch.selector);
    }

    /// @dev The operator's own leaf stands where the depositor's should.
    function test_DepositCreditedToAnotherLeaf() public {
        _deposit(carol, 0, 9);
        Posted memory p = _build("", 1, "");
        p.pages[0].rows = abi.encodePacked(uint32(0));
        _refused(p, IPageSettlement.WrongLeaf.selector);
        // Of the same account, in another group.
        p.pages[0].rows = abi.encodePacked(uint32((1 << 22) | 3));
        _refused(p, IPageSettlement.WrongLeaf.selector);
        // Beside it, with another place.
        p.pages[0].rows = abi.encodePacked(uint32(0), uint32(3));
        _refused(p, IPageSettlement.WrongLeaf.selector);
        p.pages[0].deposits = bytes.concat(queue[3], hex"0007");
        _refused(p, IPageSettlement.WrongLeaf.selector);
    }

    /// @dev A leaf that no deposit is for: its row would be zero, or the prover's to choose.
    function test_LeafWithoutADeposit() public {
        _deposit(carol, 0, 9);
        Posted memory p = _build("", 1, "");
        p.pages[0].rows = bytes.concat(p.pages[0].rows, abi.encodePacked(uint32((1 << 22) | 1)));
        _refused(p, IPageSettlement.BadDelta.selector);
    }

    /// @dev The batch says that it consumed what its pages leave out, or less than they have.
    function test_DepositLeftOut() public {
        _deposit(carol, 0, 9);
        Posted memory p = _build("", 1, "");
        p.header.depositsConsumed = 3;
        _refused(p, IPageSettlement.DepositCountMismatch.selector);
        _undo(2);
        p = _build(_transfer(1), 0, "");
        p.header.depositsConsumed = 4;
        _refused(p, IPageSettlement.DepositCountMismatch.selector);
    }

    function test_DepositsGoBackwards() public {
        Posted memory p = _build("", 0, "");
        p.header.depositsConsumed = 2;
        _refused(p, IPageSettlement.DepositCountMismatch.selector);
    }

    /// @dev A block with two equal first deposits is replaced by one that has them in the other order: same
    /// accounts, same units, other owners. The operator, whose journal says that account 3 is carol's, must
    /// not get its batch in.
    function test_OwnersSwappedByAReorg() public {
        address dave = address(0xDA7E);
        _deposit(dave, 0, 9);
        _deposit(carol, 0, 9);
        Posted memory p = _build("", 2, "");
        bytes memory good = p.pages[0].deposits;
        p.pages[0].deposits = bytes.concat(
            _depositRecord(3, 0, 9, carol),
            hex"0000",
            _depositRecord(4, 0, 9, dave),
            hex"0001"
        );
        _refused(p, IPageSettlement.DepositQueueMismatch.selector);
        p.pages[0].deposits = good;
        _commit(p);
    }

    /// @dev Struck before it was proven, a batch gives its deposits back to the queue: for the next batch, and
    /// not for a refund as well.
    function test_DepositOfAStruckBatchCountsOnce() public {
        _deposit(carol, 0, 9);
        _commit(_build("", 1, ""));
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        _undo(2);
        _settle("", 1, "");
        uint256[39] memory path = tree.path(3, 0);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.DepositConsumed.selector, 3, 4));
        vault.refundDeposit(3, 3, 0, 9);
        vault.escape(3, 0, _lane(0, 9), path);
        assertTrue(usd.balanceOf(carol) == 900, "once");
    }

    // --- Proofs ---

    /// @dev What is conserved may still be more than was there: only the proof knows the balances.
    function test_WithdrawalLargerThanTheBalance() public {
        Posted memory p = _build("", 0, _row(1, 0, 51));
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        this.prove(p, 0);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
        settlement.creditWithdrawals(2, 0, p.pages[0].rows);
    }

    function test_ProofOfAnotherPage() public {
        Posted memory p = _build(_transfer(1), 0, _row(1, 0, 1));
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        verifier.state(inputs);
        vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
        settlement.provePage(2, 1, 0, inputs, _proof(0, inputs));
    }

    function test_ProofOfAnotherCircuit() public {
        Posted memory p = _build(_transfer(1), 0, "");
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        verifier.state(inputs);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        settlement.provePage(2, 0, 1, inputs, _proof(0, inputs));
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        settlement.provePage(2, 0, 2, inputs, _proof(2, inputs));
    }

    function test_ProofCountedTwice() public {
        Posted memory p = _build(_transfer(1), 0, _row(1, 0, 1));
        _commit(p);
        _prove(p, 0);
        vm.expectPartialRevert(IPageSettlement.PageAlreadyProven.selector);
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
        vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
        settlement.provePage(2, 0, 0, inputs, _proof(0, inputs));
    }

    function test_ProofForAnotherContract() public {
        Posted memory p = _build(_transfer(1), 0, "");
        uint256[4] memory inputs = _publicInputs(p, 0);
        // The same bytes in the mouth of another settlement contract.
        IPageSettlement here = settlement;
        settlement = IPageSettlement(address(0xBEEF));
        uint256[4] memory elsewhere = _publicInputs(p, 0);
        settlement = here;
        verifier.state(elsewhere);
        _commit(p);
        vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
        settlement.provePage(2, 0, 0, elsewhere, _proof(0, elsewhere));
        assertTrue(inputs[2] != elsewhere[2], "another z");
    }

    /// @dev Every part of what is posted draws another z: here the kind, the rows, the deposits, the place.
    function test_ProofOfOtherPostedBytes() public {
        _deposit(carol, 0, 9);
        Posted memory p = _build(_transfer(1), 1, "");
        uint256[4] memory right = _publicInputs(p, 0);
        uint256[4] memory second = _publicInputs(p, 1);
        bytes memory rows = p.pages[1].rows;
        _commit(p);
        assertTrue(settlement.pageCommitment(2, 0) == keccak256(abi.encode(right)), "deposits");
        assertTrue(settlement.pageCommitment(2, 1) == keccak256(abi.encode(second)), "trades");
        p.pages[1].rows = bytes.concat(_row(1, 0, -2), _row(2, 0, 2));
        assertTrue(_publicInputs(p, 1)[2] != second[2], "rows");
        p.pages[1].rows = rows;
        p.pages[1].kind = WITHDRAWALS;
        assertTrue(_publicInputs(p, 1)[2] != second[2], "kind");
        p.pages[0].deposits = bytes.concat(queue[2], hex"0000");
        assertTrue(_publicInputs(p, 0)[2] != right[2], "deposits");
    }

    /// @dev The chain reorganises between commit and prove: the batch now stands on other deposits, and a
    /// proof made for the old branch proves nothing on the new one.
    function test_ReorgBetweenCommitAndProve() public {
        _deposit(carol, 0, 9);
        Posted memory old = _build("", 1, "");
        uint256[4] memory inputs = _publicInputs(old, 0);
        verifier.state(inputs);
        _undo(2);
        // On the new branch the commit is re-sent with another journal head.
        Posted memory p = _build("", 1, "");
        p.header.journalHead = keccak256("another branch");
        _commit(p);
        vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
        settlement.provePage(2, 0, 0, inputs, _proof(0, inputs));
        _prove(p, 0);
        assertTrue(settlement.provenCount() == 2, "the new branch's own proof");
    }

    /// @dev A struck batch leaves the hashes of its pages behind, and its number is used again.
    function test_ProofOfAStruckBatch() public {
        Posted memory old = _build(_transfer(1), 0, _row(1, 0, 1));
        _commit(old);
        _prove(old, 0);
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 2));
        this.prove(old, 1);
        _undo(2);
        Posted memory p = _build(_transfer(2), 0, "");
        _commit(p);
        vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
        this.prove(old, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.UnknownPage.selector, 1, 1));
        this.prove(old, 1);
        _prove(p, 0);
        assertTrue(settlement.lastRoot() == p.header.newRoot && settlement.provenCount() == 2, "its own");
    }

    /// @dev The pages of a dropped batch are proven under the number that is used again, and its withdrawals credited.
    function test_PagesOfADroppedBatch() public {
        Posted memory old = _build(_transfer(1), 0, _row(1, 0, 1));
        bytes memory rows = old.pages[1].rows;
        Page[] memory three = new Page[](3);
        (three[0], three[1]) = (old.pages[0], old.pages[1]);
        three[2] = _withdrawalPage(_row(2, 0, 1));
        _undo(2);
        old = _buildPages(three);
        _post(old, 0, 2);
        // Not even while it is open.
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 2));
        this.prove(old, 0);
        vm.prank(operator);
        settlement.dropOpenBatch();
        _undo(2);
        // As many pages, but with the trades in two and no withdrawals.
        Page[] memory pages = new Page[](2);
        pages[0] = _tradePage(_row(1, 0, -1));
        pages[1] = _tradePage(_row(2, 0, 1));
        Posted memory p = _buildPages(pages);
        _commit(p);
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectPartialRevert(IPageSettlement.WrongPublicInputs.selector);
            this.prove(old, i);
        }
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 2, 1));
        settlement.creditWithdrawals(2, 1, rows);
        assertTrue(settlement.creditedCount() < 2 && vault.claimable(1, 0) == 0, "nothing of the old one");
    }

    function test_ProofWithoutCommit() public {
        uint256[4] memory inputs;
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 2));
        settlement.provePage(2, 0, 0, inputs, "");
    }

    /// @dev Giving up a batch that somebody else is posting would stop it for ever.
    function test_DropByAStranger() public {
        Posted memory p = _build(_transfer(1), 0, _row(1, 0, 1));
        _post(p, 0, 1);
        vm.warp(block.timestamp + PROOF_DELAY);
        vm.prank(carol);
        vm.expectPartialRevert(IPageSettlement.ProofDeadlineNotPassed.selector);
        settlement.dropOpenBatch();
    }

    // --- Withdrawals and claims ---

    function test_CreditTwice() public {
        Posted memory p = _settle("", 0, _row(1, 0, 5));
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 2, 0));
        settlement.creditWithdrawals(2, 0, p.pages[0].rows);
        assertTrue(vault.claimable(1, 0) == 5, "once");
    }

    /// @dev In parts, each withdrawal is credited once, and no part is skipped.
    function test_PartsOverlap() public {
        Posted memory p = _build("", 0, bytes.concat(_row(1, 0, 5), _rowOf(2, [int256(6), 7, 0, 0])));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        bytes memory rows = p.pages[0].rows;
        settlement.creditPart(2, 0, rows, 1);
        settlement.creditPart(2, 0, rows, 0);
        assertTrue(vault.claimable(1, 0) == 5 && vault.claimable(2, 0) == 0, "the first part");
        // Somebody credits one row in front of the operator, which credits the page: still each once.
        settlement.creditWithdrawals(2, 0, rows);
        assertTrue(vault.claimable(1, 0) == 5, "once");
        assertTrue(vault.claimable(2, 0) == 6 && vault.claimable(2, 1) == 7, "the rest");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 2, 0));
        settlement.creditPart(2, 0, rows, 1);
    }

    /// @dev Units of one lane paid as another, dearer asset.
    function test_WithdrawalToAnotherLane() public {
        Posted memory p = _build("", 0, _row(2, 1, 5));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        vm.expectPartialRevert(IPageSettlement.WithdrawalsMismatch.selector);
        settlement.creditWithdrawals(2, 0, _row(2, 0, 5));
        _creditAll(p);
        assertTrue(vault.claimable(2, 1) == 5 && vault.claimable(2, 0) == 0, "its own lane");
        // The same lane of another group.
        _deposit(carol, 4, 9);
        _settleDeposits();
        _settle("", 0, _row(3, 4, 9));
        assertTrue(vault.claimable(3, 4) == 9 && vault.claimable(3, 0) == 0, "its own group");
    }

    /// @dev Proven, but still to be challenged: nothing is paid by it.
    function test_CreditInTheWindow() public {
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
        settlement.creditWithdrawals(2, 0, p.pages[0].rows);
    }

    /// @dev Its own window is over, but one before it has no proof.
    function test_CreditBehindAnUnprovenBatch() public {
        Posted memory first = _build(_transfer(1), 0, "");
        _commit(first);
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 3, 1));
        settlement.creditWithdrawals(3, 0, p.pages[0].rows);
    }

    function test_CreditWithOtherRows() public {
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        vm.expectPartialRevert(IPageSettlement.WithdrawalsMismatch.selector);
        settlement.creditWithdrawals(2, 0, _row(2, 0, 50));
    }

    function test_DuplicatedWithdrawal() public {
        Posted memory p = _build("", 0, bytes.concat(_row(1, 0, 3), _row(1, 0, 3)));
        _refused(p, IPageSettlement.RowsNotIncreasing.selector);
    }

    /// @dev So many withdrawals that crediting them would not fit a transaction.
    function test_TooManyWithdrawalsOfAPage() public {
        vm.store(address(vault), bytes32(0), bytes32(uint256(2000)));
        bytes memory rows;
        for (uint256 i = 0; i < 257; ++i) rows = bytes.concat(rows, _row(1 + i, 0, 1));
        Posted memory p = _build("", 0, _row(1, 0, 1));
        p.pages[0].rows = rows;
        _refused(p, IPageSettlement.TooManyRecords.selector);
    }

    function test_ClaimTwice() public {
        _settle("", 0, _row(1, 0, 5));
        vault.claim(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NothingToClaim.selector, 1, 0));
        vault.claim(1, 0);
        assertTrue(usd.balanceOf(alice) == 500, "paid once");
    }

    function test_CreditByAStranger() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NotSettlement.selector, operator));
        vault.creditClaims(_row(1, 0, 5));
    }

    /// @dev Striking an honest batch before its time would make proving impossible.
    function test_StruckTooEarly() public {
        _commit(_build(_transfer(1), 0, ""));
        vm.warp(block.timestamp + PROOF_DELAY);
        vm.expectPartialRevert(IPageSettlement.ProofDeadlineNotPassed.selector);
        settlement.strikeUnproven();
    }

    function test_CommitWhilePaused() public {
        vm.prank(guardian);
        settlement.pauseCommits(true);
        _refused(_build(_transfer(1), 0, ""), IPageSettlement.CommitsArePaused.selector);
    }

    /// @dev Balances of an asset that is not on the list would be backed by nothing.
    function test_UnlistedAsset() public {
        Posted memory p = _build(bytes.concat(_row(1, 5, 5), _row(2, 5, -5)), 0, "");
        _refused(p, IPageSettlement.UnknownAsset.selector);
        _undo(2);
        p = _build("", 0, _row(1, 5, 5));
        _refused(p, IPageSettlement.UnknownAsset.selector);
    }

    // --- Governance ---

    /// @dev A verifier that accepts everything must wait until everybody could leave.
    function test_VerifierSwappedOvernight() public {
        PageStatements anything = new PageStatements(4);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotGovernor.selector, carol));
        settlement.proposeVerifier(address(anything));
        vm.prank(governor);
        settlement.proposeVerifier(address(anything));
        vm.warp(block.timestamp + EXIT_DELAY + 30 days);
        vm.expectPartialRevert(IPageGoverned.PowerDelayNotPassed.selector);
        settlement.activateVerifier();
    }

    /// @dev A governor whose key was taken names an operator of its own: everybody could leave first.
    function test_OperatorNamedOvernight() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotGovernor.selector, operator));
        settlement.proposeOperator(carol);
        vm.prank(governor);
        settlement.proposeOperator(carol);
        vm.warp(block.timestamp + EXIT_DELAY + 30 days);
        vm.expectPartialRevert(IPageGoverned.PowerDelayNotPassed.selector);
        settlement.activateOperator(carol);
        vm.warp(block.timestamp + 365 days);
        vm.expectPartialRevert(IPageGoverned.ProposalLapsed.selector);
        settlement.activateOperator(carol);
    }

    function test_StrangerRemovesTheOperator() public {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotGovernor.selector, carol));
        settlement.removeOperator(operator);
    }

    function test_StrangerBecomesGovernor() public {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotProposedGovernor.selector, carol));
        settlement.acceptGovernor();
    }
}
