// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "../../src/pages/IPageGoverned.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {PageFixture} from "./PageFixture.sol";
import {PageStatements} from "./PageStatements.sol";

/// @notice Does what all of its owners agree on: the shape of a multi-signature wallet such as Safe.
contract PageTwoOfTwo {
    address private immutable _first;
    address private immutable _second;
    mapping(bytes32 call => address) private _approvedBy;

    constructor(address first, address second) {
        (_first, _second) = (first, second);
    }

    function execute(address to, bytes calldata data) external {
        require(msg.sender == _first || msg.sender == _second);
        bytes32 call = keccak256(abi.encode(to, data));
        address other = _approvedBy[call];
        _approvedBy[call] = msg.sender;
        if (other == address(0) || other == msg.sender) return;
        delete _approvedBy[call];
        (bool done, ) = to.call(data);
        require(done);
    }
}

/// @notice Governance: each function, each revert with its values.
contract PageGovernedTest is PageFixture {
    function test_Roles_AreTheGovernors() public {
        bytes memory refused = abi.encodeWithSelector(IPageGoverned.NotGovernor.selector, address(this));
        vm.expectRevert(refused);
        settlement.proposeOperator(alice);
        vm.expectRevert(refused);
        settlement.withdrawOperatorProposal(alice);
        vm.expectRevert(refused);
        settlement.removeOperator(operator);
        vm.expectRevert(refused);
        settlement.setGuardian(alice);
        vm.expectRevert(refused);
        settlement.proposeGovernor(alice);
        vm.expectRevert(refused);
        settlement.proposeVerifier(alice);
        vm.expectRevert(refused);
        settlement.withdrawVerifierProposal();
        vm.startPrank(governor);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.GuardianSet(bob);
        settlement.setGuardian(bob);
        assertEq(settlement.guardian(), bob, "guardian");
        vm.stopPrank();
    }

    function test_Governor_IsHandedOverInTwoSteps() public {
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.GovernorProposed(alice);
        vm.prank(governor);
        settlement.proposeGovernor(alice);
        assertEq(settlement.governor(), governor, "not yet");
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotProposedGovernor.selector, address(this)));
        settlement.acceptGovernor();
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.GovernorSet(alice);
        vm.prank(alice);
        settlement.acceptGovernor();
        assertEq(settlement.governor(), alice, "now");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotProposedGovernor.selector, alice));
        settlement.acceptGovernor();
    }

    /// @dev An offer of years ago, to a key that may have been lost since, is no offer any more.
    function test_Governor_ProposalLapses() public {
        vm.prank(governor);
        settlement.proposeGovernor(alice);
        uint256 lapsesAt = block.timestamp + settlement.PROPOSAL_LIFE();
        assertEq(settlement.governorLapsesAt(), lapsesAt, "told");
        vm.warp(lapsesAt + 1);
        vm.prank(alice);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.ProposalLapsed.selector, lapsesAt, lapsesAt + 1)
        );
        settlement.acceptGovernor();
        // Made again, it holds again, to its last moment.
        vm.prank(governor);
        settlement.proposeGovernor(alice);
        vm.warp(block.timestamp + settlement.PROPOSAL_LIFE());
        vm.prank(alice);
        settlement.acceptGovernor();
        assertEq(settlement.governor(), alice, "at the last moment");
    }

    function test_Guardian_PausesCommitsOnly() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotGuardian.selector, governor));
        settlement.pauseCommits(true);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.CommitsPaused(true);
        vm.prank(guardian);
        settlement.pauseCommits(true);
        Posted memory next = _build("", 0, "");
        vm.prank(operator);
        vm.expectRevert(IPageSettlement.CommitsArePaused.selector);
        settlement.commitPages(next.header, "", next.pages);
        // Everything else goes on.
        _proveAll(p);
        _finish(p);
        vault.claim(1, 0);
        _deposit(bob, 1, 5);
        _request(bob, 1, 5);
        vm.prank(guardian);
        settlement.pauseCommits(false);
        _commit(next);
    }

    /// @dev Any contract may have a role: here a wallet of two is governor and guardian.
    function test_Roles_MayBeContracts() public {
        PageTwoOfTwo wallet = new PageTwoOfTwo(alice, bob);
        vm.prank(governor);
        settlement.setGuardian(address(wallet));
        vm.prank(governor);
        settlement.proposeGovernor(address(wallet));
        bytes[3] memory calls = [
            abi.encodeCall(IPageGoverned.acceptGovernor, ()),
            abi.encodeCall(IPageGoverned.pauseCommits, (true)),
            abi.encodeCall(IPageGoverned.proposeOperator, (carol))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(alice);
            wallet.execute(address(settlement), calls[i]);
            assertTrue(
                settlement.operatorActiveFrom(carol) == 0 && settlement.commitsPaused() == (i > 1),
                "one is not enough"
            );
            vm.prank(bob);
            wallet.execute(address(settlement), calls[i]);
        }
        assertEq(settlement.governor(), address(wallet), "governor");
        assertTrue(settlement.commitsPaused(), "paused");
        assertTrue(settlement.operatorActiveFrom(carol) != 0, "operator proposed");
    }

    /// @dev A proposal of years ago must not be put in force without a new notice.
    function test_Verifier_ProposalLapses() public {
        PageStatements next = new PageStatements(2);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        uint256 lapsesAt = block.timestamp + POWER_DELAY + settlement.PROPOSAL_LIFE();
        vm.warp(lapsesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.ProposalLapsed.selector, lapsesAt, lapsesAt + 1)
        );
        settlement.activateVerifier();
        vm.warp(lapsesAt);
        settlement.activateVerifier();
        assertEq(settlement.verifier(), address(next), "at the last moment");
    }

    function test_Verifier_ChangesAfterTheDelay() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        PageStatements next = new PageStatements(2);
        vm.expectRevert(IPageGoverned.NoVerifierProposed.selector);
        settlement.activateVerifier();
        vm.prank(governor);
        vm.expectRevert(IPageGoverned.NoVerifierProposed.selector);
        settlement.withdrawVerifierProposal();
        vm.prank(governor);
        vm.expectRevert(IPageGoverned.ZeroAddress.selector);
        settlement.proposeVerifier(address(0));
        uint256 activeFrom = block.timestamp + POWER_DELAY;
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.VerifierProposed(address(next), 2, activeFrom);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        vm.warp(activeFrom - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.PowerDelayNotPassed.selector, activeFrom, activeFrom - 1)
        );
        settlement.activateVerifier();
        vm.warp(activeFrom);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.VerifierSet(address(next));
        settlement.activateVerifier();
        assertEq(settlement.verifier(), address(next), "verifier");
        assertEq(settlement.proposedVerifier(), address(0), "no proposal left");
        // What was committed before stays with the old one.
        assertEq(settlement.batchOf(2).verifier, address(verifier), "verifier of the old batch");
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven by the old one");
    }

    function test_Verifier_ProposalCanBeTakenBack() public {
        PageStatements next = new PageStatements(2);
        vm.startPrank(governor);
        settlement.proposeVerifier(address(next));
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.VerifierProposalWithdrawn(address(next));
        settlement.withdrawVerifierProposal();
        vm.stopPrank();
        vm.warp(block.timestamp + POWER_DELAY);
        vm.expectRevert(IPageGoverned.NoVerifierProposed.selector);
        settlement.activateVerifier();
    }

    function test_Verifier_CircuitsAreBounded() public {
        PageStatements none = new PageStatements(0);
        PageStatements many = new PageStatements(65);
        vm.startPrank(governor);
        bytes32 name = "circuits";
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.BadParameter.selector, name, 0, 64));
        settlement.proposeVerifier(address(none));
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.BadParameter.selector, name, 65, 64));
        settlement.proposeVerifier(address(many));
        PageStatements most = new PageStatements(64);
        settlement.proposeVerifier(address(most));
        vm.stopPrank();
        assertEq(settlement.proposedVerifier(), address(most), "the most");
    }

    /// @dev A batch that was open when the verifier changed is proven by the one it began under.
    function test_Verifier_OfAnOpenBatch() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        PageStatements next = new PageStatements(2);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        vm.warp(block.timestamp + POWER_DELAY);
        Posted memory p = _build(bytes.concat(_row(0, 0, 5), _row(1, 0, -5)), 0, _row(1, 0, 5));
        vm.prank(operator);
        settlement.commitPages(p.header, "", _some(p, 0, 1));
        settlement.activateVerifier();
        bytes memory carried = abi.encode(_carried(p, 1));
        vm.prank(operator);
        settlement.commitPages(p.header, carried, _some(p, 1, 2));
        assertEq(settlement.batchOf(2).verifier, address(verifier), "the old one");
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven");
    }

    function test_Operator_ComesAfterTheDelay() public {
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NoOperatorProposed.selector, alice));
        settlement.activateOperator(alice);
        vm.startPrank(governor);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.AlreadyOperator.selector, operator));
        settlement.proposeOperator(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NoOperatorProposed.selector, alice));
        settlement.withdrawOperatorProposal(alice);
        uint256 activeFrom = block.timestamp + POWER_DELAY;
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.OperatorProposed(alice, activeFrom);
        settlement.proposeOperator(alice);
        vm.stopPrank();
        vm.warp(activeFrom - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.PowerDelayNotPassed.selector, activeFrom, activeFrom - 1)
        );
        settlement.activateOperator(alice);
        uint256 lapsesAt = activeFrom + settlement.PROPOSAL_LIFE();
        vm.warp(lapsesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.ProposalLapsed.selector, lapsesAt, lapsesAt + 1)
        );
        settlement.activateOperator(alice);
        vm.warp(activeFrom);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.OperatorSet(alice, true);
        settlement.activateOperator(alice);
        assertTrue(settlement.isOperator(alice), "operator");
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NoOperatorProposed.selector, alice));
        settlement.activateOperator(alice);
    }

    function test_Operator_ProposalCanBeTakenBack() public {
        vm.startPrank(governor);
        settlement.proposeOperator(alice);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.OperatorProposalWithdrawn(alice);
        settlement.withdrawOperatorProposal(alice);
        vm.stopPrank();
        vm.warp(block.timestamp + POWER_DELAY);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NoOperatorProposed.selector, alice));
        settlement.activateOperator(alice);
    }

    /// @dev By the governor, or by itself: at once. A batch that it left open stays for another operator, or is dropped.
    function test_Operator_IsRemovedAtOnce() public {
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.OperatorSet(operator, false);
        vm.prank(governor);
        settlement.removeOperator(operator);
        Posted memory p = _build("", 0, "");
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, operator));
        settlement.commitPages(p.header, "", p.pages);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, operator));
        settlement.removeOperator(operator);
        (vault, settlement) = _deploy(_assets(), _config());
        vm.prank(operator);
        settlement.removeOperator(operator);
        assertTrue(!settlement.isOperator(operator), "by itself");
    }

    function test_Bond_StaysWhileItCounts() public {
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.BondPosted(operator, 7, BOND + 7);
        vm.deal(operator, 7);
        vm.startPrank(operator);
        settlement.postBond{value: 7}();
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.OperatorStill.selector, operator));
        settlement.withdrawBond();
        settlement.removeOperator(operator);
        uint256 freeFrom = block.timestamp + POWER_DELAY;
        assertEq(settlement.bondFreeFrom(operator), freeFrom, "told");
        vm.warp(freeFrom - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IPageGoverned.BondDelayNotPassed.selector, freeFrom, freeFrom - 1)
        );
        settlement.withdrawBond();
        vm.warp(freeFrom);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageGoverned.BondWithdrawn(operator, BOND + 7);
        settlement.withdrawBond();
        assertEq(operator.balance, BOND + 7, "paid");
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NoBond.selector, operator));
        settlement.withdrawBond();
        vm.stopPrank();
    }
}
