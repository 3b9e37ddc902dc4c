// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {BatchState} from "../src/types/Batch.sol";
import {Fixture} from "./support/Fixture.sol";
import {StatementVerifier} from "./support/StatementVerifier.sol";

/// @notice A property of each function, for any values. Deposit, commit, tree, hash and verifier have theirs in
/// their own files.
/// forge-config: default.fuzz.runs = 32
contract FuzzTest is Fixture {
    /// @dev Alice (account 1) has `units` of asset 0, proven.
    function _start(uint256 units) private {
        _deposit(alice, 0, uint64(units));
        _settleDeposits();
    }

    function _units(uint256 seed) private pure returns (uint64) {
        return uint64(bound(seed, 1, 2 ** 53 - 1));
    }

    function testFuzz_Claim(uint256 all, uint256 part, address relayer) public {
        all = _units(all);
        part = bound(part, 1, all);
        _start(all);
        _settle(_record(1, 0, -int256(part)), 0, _record(1, 0, uint64(part)));
        vm.prank(relayer);
        assertEq(vault.claim(1, 0), part, "units");
        assertEq(usd.balanceOf(alice), part * 100, "atoms");
        assertEq(vault.custodyUnits(0), all - part, "custody");
        vm.expectRevert(abi.encodeWithSelector(IVault.NothingToClaim.selector, 1, 0));
        vault.claim(1, 0);
    }

    function testFuzz_Escape(uint256 units, uint256 wrong, uint256 place, uint256 sibling) public {
        units = _units(units);
        wrong = _units(wrong);
        _deposit(bob, 0, 1);
        _deposit(alice, 0, uint64(units == 2 ** 53 - 1 ? units - 1 : units));
        _settleDeposits();
        units = tree.leaf(2 << 6);
        uint256[28] memory path = tree.path(2 << 6);
        _freeze(alice, 0);
        if (wrong != units) {
            vm.expectRevert(abi.encodeWithSelector(IVault.WrongBalanceProof.selector, 2, 0, wrong));
            vault.escape(2, 0, uint64(wrong), path);
        }
        uint256 right = path[place % 28];
        if (sibling != right) {
            path[place % 28] = sibling;
            vm.expectRevert(abi.encodeWithSelector(IVault.WrongBalanceProof.selector, 2, 0, units));
            vault.escape(2, 0, uint64(units), path);
            path[place % 28] = right;
        }
        vault.escape(2, 0, uint64(units), path);
        assertEq(usd.balanceOf(alice), units * 100, "paid");
    }

    function testFuzz_RefundDeposit(uint256 units, uint256 other, uint256 account, uint256 position) public {
        units = _units(units);
        other = _units(other);
        _deposit(alice, 0, uint64(units));
        _freeze(alice, 0);
        account = bound(account, 0, 1);
        position = bound(position, 0, 2 ** 64 - 1);
        if (other != units || account != 1 || position != 0) {
            vm.expectRevert(abi.encodeWithSelector(IVault.UnknownDeposit.selector, position));
            vault.refundDeposit(uint64(position), account, 0, uint64(other));
        }
        vault.refundDeposit(0, 1, 0, uint64(units));
        assertEq(usd.balanceOf(alice), units * 100, "paid");
        assertEq(vault.custodyUnits(0), 0, "custody");
    }

    function testFuzz_RequestWithdrawal(uint256 units, uint256 value) public {
        _start(50);
        units = bound(units, 0, 2 ** 64 - 1);
        value = bound(value, 0, 1 ether);
        vm.deal(alice, value);
        vm.prank(alice);
        if (units == 0 || units >= 2 ** 53) {
            vm.expectRevert(abi.encodeWithSelector(ISettlement.BadUnits.selector, 64, units));
            settlement.requestWithdrawal{value: value}(1, 0, uint64(units));
        } else if (value < REQUEST_FEE) {
            vm.expectRevert(abi.encodeWithSelector(ISettlement.FeeTooLow.selector, value, REQUEST_FEE));
            settlement.requestWithdrawal{value: value}(1, 0, uint64(units));
        } else {
            settlement.requestWithdrawal{value: value}(1, 0, uint64(units));
            assertEq(settlement.requestOf(1, 0).remaining, units, "owed");
            assertEq(settlement.refundOf(alice), value - REQUEST_FEE, "what was too much");
        }
    }

    /// @dev Two withdrawals against one request: what is owed, and who gets the fee.
    function testFuzz_Grants(uint256 asked, uint256 first, uint256 second) public {
        asked = _units(asked);
        _start(2 ** 53 - 1);
        first = bound(first, 1, 2 ** 52);
        second = bound(second, 1, 2 ** 52 - 1);
        _request(alice, 0, uint64(asked));
        vm.warp(block.timestamp + 1);
        _settle(_record(1, 0, -int256(first)), 0, _record(1, 0, uint64(first)));
        assertEq(settlement.requestOf(1, 0).remaining, first < asked ? asked - first : 0, "after the first");
        _settle(_record(1, 0, -int256(second)), 0, _record(1, 0, uint64(second)));
        bool served = first + second >= asked;
        assertEq(
            settlement.requestOf(1, 0).remaining,
            served ? 0 : asked - first - second,
            "after the second"
        );
        assertEq(settlement.openRequests(), served ? 0 : 1, "open");
        assertEq(settlement.refundOf(alice), served ? REQUEST_FEE : 0, "fee");
        assertEq(vault.claimable(1, 0), first + second, "claims");
    }

    function testFuzz_AnswerRequest(uint256 balance, uint256 asked, uint256 shown, bool byOperator) public {
        balance = _units(balance);
        asked = _units(asked);
        shown = bound(shown, 0, 2) == 0 ? 0 : balance;
        _start(balance);
        _request(alice, 0, uint64(asked));
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[28] memory path = tree.path(1 << 6);
        address sender = byOperator ? operator : carol;
        vm.prank(sender);
        if (shown != 0 && !byOperator)
            vm.expectRevert(abi.encodeWithSelector(IGoverned.NotOperator.selector, carol));
        else if (shown >= asked)
            vm.expectRevert(abi.encodeWithSelector(ISettlement.AnswerNotLower.selector, shown, asked));
        else if (shown != balance)
            vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongBalanceProof.selector, 1, 0, shown));
        settlement.answerRequest(1, 0, 2, uint64(shown), path);
        bool lowered = byOperator && shown == balance && shown < asked;
        assertEq(settlement.requestOf(1, 0).remaining, lowered ? shown : asked, "owed");
    }

    /// @dev However a batch is finalised, each withdrawal is credited once.
    function testFuzz_FinalizePart(uint256 first, uint256 second) public {
        bytes memory rows;
        bytes memory withdrawals;
        for (uint256 i = 0; i < 6; ++i) {
            _deposit(address(uint160(0x1000 + i)), 0, 100);
            rows = bytes.concat(rows, _record(1 + i, 0, -int256(10 + i)));
            withdrawals = bytes.concat(withdrawals, _record(1 + i, 0, uint64(10 + i)));
        }
        _settleDeposits();
        Posted memory p = _build(rows, 0, withdrawals);
        _commit(p);
        _proveAll(p);
        first = bound(first, 0, 5);
        second = bound(second, 0, 2 ** 255);
        settlement.finalizePart(2, withdrawals, first);
        assertEq(settlement.batchOf(2).uncredited, 6 - first, "left");
        settlement.finalizePart(2, withdrawals, second);
        uint256 done = first + second > 6 ? 6 : first + second;
        for (uint256 i = 0; i < 6; ++i)
            assertEq(vault.claimable(1 + i, 0), i < done ? 10 + i : 0, "credited in order");
        assertTrue(
            settlement.batchState(2) == (done == 6 ? BatchState.Final : BatchState.Proven),
            "final with the last"
        );
        if (done < 6) settlement.finalizeBatch(2, withdrawals);
        for (uint256 i = 0; i < 6; ++i) assertEq(vault.claimable(1 + i, 0), 10 + i, "once");
    }

    function testFuzz_Freeze(uint256 wait) public {
        _start(50);
        _request(alice, 0, 5);
        uint256 deadline = block.timestamp + EXIT_DELAY;
        wait = bound(wait, 0, 2 * EXIT_DELAY);
        vm.warp(block.timestamp + wait);
        if (wait <= EXIT_DELAY)
            vm.expectRevert(
                abi.encodeWithSelector(ISettlement.ExitDeadlineNotPassed.selector, deadline, block.timestamp)
            );
        settlement.freeze(1, 0);
        assertTrue(settlement.frozen() == (wait > EXIT_DELAY), "frozen after the deadline");
    }

    function testFuzz_Strike(uint256 wait) public {
        _start(50);
        _commit(_build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5))));
        uint256 deadline = block.timestamp + PROOF_DELAY;
        wait = bound(wait, 0, 2 * PROOF_DELAY);
        vm.warp(block.timestamp + wait);
        if (wait <= PROOF_DELAY)
            vm.expectRevert(
                abi.encodeWithSelector(ISettlement.ProofDeadlineNotPassed.selector, deadline, block.timestamp)
            );
        settlement.strikeUnproven();
        assertEq(settlement.batchCount(), wait > PROOF_DELAY ? 1 : 2, "struck after the deadline");
    }

    function testFuzz_ProveChunk(uint256 which, uint256 value) public {
        _start(50);
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        bytes32 right = keccak256(abi.encode(inputs));
        vm.assume(inputs[which % 4] != value);
        inputs[which % 4] = value;
        verifier.state(inputs);
        bytes32 posted = keccak256(abi.encode(inputs));
        uint256[8] memory proof = _proof(inputs);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.WrongPublicInputs.selector, posted, right));
        settlement.proveChunk(2, 0, inputs, proof);
    }

    function testFuzz_CommitHeader(uint256 field, uint256 value) public {
        _start(50);
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        bytes32 right = keccak256(abi.encode(p.header));
        field %= 5;
        if (field == 0) p.header.number = uint64(value);
        if (field == 1) p.header.firstSeq = uint64(value);
        if (field == 2) p.header.oldRoot = value;
        if (field == 3) p.header.newRoot = value;
        if (field == 4) p.header.depositsConsumed = uint64(value);
        vm.assume(keccak256(abi.encode(p.header)) != right);
        vm.prank(operator);
        vm.expectRevert();
        settlement.commitBatch(p.header, p.chunkRoots, p.rows, p.deposits, p.withdrawals);
    }

    function testFuzz_VerifyFill(uint256 depth, uint256 path, bytes32 salt, uint256 bit) public {
        depth = bound(depth, 0, 40);
        bytes memory fill = new bytes(152);
        for (uint256 i = 0; i < 152; ++i) fill[i] = bytes1(uint8(uint256(keccak256(abi.encode(salt, i)))));
        bytes32 node = sha256(bytes.concat(hex"00", fill));
        bytes32[] memory siblings = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = keccak256(abi.encode(salt, "sibling", i));
            node =
                (path >> i) & 1 == 1
                    ? sha256(bytes.concat(hex"01", siblings[i], node))
                    : sha256(bytes.concat(hex"01", node, siblings[i]));
        }
        Posted memory p = _build("", 0, "");
        p.header.fillsRoot = node;
        _commit(p);
        assertTrue(settlement.verifyFill(1, fill, siblings, path), "in the batch");
        fill[bit % 152] ^= bytes1(uint8(1 << (bit % 8)));
        assertTrue(!settlement.verifyFill(1, fill, siblings, path), "another fill");
    }

    function testFuzz_WithdrawRefund(uint256 value) public {
        _start(50);
        value = bound(value, REQUEST_FEE + 1, 100 ether);
        vm.deal(alice, value);
        vm.startPrank(alice);
        settlement.requestWithdrawal{value: value}(1, 0, 5);
        settlement.withdrawRefund();
        assertEq(alice.balance, value - REQUEST_FEE, "all but the fee");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.NothingToRefund.selector, alice));
        settlement.withdrawRefund();
    }

    function testFuzz_ReclaimFee(address caller, uint256 step) public {
        _start(50);
        step = bound(step, 0, 15);
        _storeOpenRequests(step * 256);
        _request(alice, 0, 5);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        vm.prank(caller);
        settlement.reclaimFee(1, 0);
        assertEq(settlement.refundOf(alice), REQUEST_FEE << step, "what was paid, to the owner");
    }

    function testFuzz_ActivateVerifier(uint256 wait) public {
        StatementVerifier next = new StatementVerifier(7);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        uint256 activeFrom = block.timestamp + VERIFIER_DELAY;
        uint256 lapsesAt = activeFrom + settlement.PROPOSAL_LIFE();
        wait = bound(wait, 0, 2 * VERIFIER_DELAY);
        vm.warp(block.timestamp + wait);
        if (wait < VERIFIER_DELAY)
            vm.expectRevert(
                abi.encodeWithSelector(IGoverned.VerifierDelayNotPassed.selector, activeFrom, block.timestamp)
            );
        if (block.timestamp > lapsesAt)
            vm.expectRevert(
                abi.encodeWithSelector(IGoverned.VerifierProposalLapsed.selector, lapsesAt, block.timestamp)
            );
        settlement.activateVerifier();
        bool isActive = block.timestamp >= activeFrom && block.timestamp <= lapsesAt;
        assertEq(settlement.rowsPerChunk(), isActive ? 7 : rowsPerChunk, "rows");
    }

    /// @dev Whoever has no role can do nothing that needs one.
    function testFuzz_Strangers(address stranger) public {
        vm.assume(stranger != governor && stranger != guardian && stranger != operator);
        vm.assume(stranger != address(0) && stranger != address(settlement));
        Posted memory p = _build("", 0, "");
        bytes memory notGovernor = abi.encodeWithSelector(IGoverned.NotGovernor.selector, stranger);
        vm.startPrank(stranger);
        vm.expectRevert(notGovernor);
        settlement.setOperator(stranger, true);
        vm.expectRevert(notGovernor);
        settlement.setGuardian(stranger);
        vm.expectRevert(notGovernor);
        settlement.proposeGovernor(stranger);
        vm.expectRevert(notGovernor);
        settlement.proposeVerifier(stranger);
        vm.expectRevert(notGovernor);
        settlement.withdrawVerifierProposal();
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotProposedGovernor.selector, stranger));
        settlement.acceptGovernor();
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotGuardian.selector, stranger));
        settlement.pauseCommits(true);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotOperator.selector, stranger));
        settlement.commitBatch(p.header, p.chunkRoots, p.rows, p.deposits, p.withdrawals);
        vm.expectRevert(abi.encodeWithSelector(IVault.NotSettlement.selector, stranger));
        vault.creditClaims("");
        vm.stopPrank();
    }
}
