// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Fixture} from "./support/Fixture.sol";
import {StatementVerifier} from "./support/StatementVerifier.sol";

/// @notice Does what all of its owners agree on: the shape of a multi-signature wallet such as Safe.
contract TwoOfTwo {
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
contract GovernedTest is Fixture {
    function test_Roles_AreTheGovernors() public {
        bytes memory refused = abi.encodeWithSelector(IGoverned.NotGovernor.selector, address(this));
        vm.expectRevert(refused);
        settlement.setOperator(alice, true);
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
        emit IGoverned.OperatorSet(alice, true);
        settlement.setOperator(alice, true);
        assertTrue(settlement.isOperator(alice), "operator");
        settlement.setOperator(alice, false);
        assertTrue(!settlement.isOperator(alice), "no longer");
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.GuardianSet(bob);
        settlement.setGuardian(bob);
        assertEq(settlement.guardian(), bob, "guardian");
        vm.stopPrank();
    }

    function test_Governor_IsHandedOverInTwoSteps() public {
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.GovernorProposed(alice);
        vm.prank(governor);
        settlement.proposeGovernor(alice);
        assertEq(settlement.governor(), governor, "not yet");
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotProposedGovernor.selector, address(this)));
        settlement.acceptGovernor();
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.GovernorSet(alice);
        vm.prank(alice);
        settlement.acceptGovernor();
        assertEq(settlement.governor(), alice, "now");
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotProposedGovernor.selector, alice));
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
            abi.encodeWithSelector(IGoverned.GovernorProposalLapsed.selector, lapsesAt, lapsesAt + 1)
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
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        vm.prank(governor);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotGuardian.selector, governor));
        settlement.pauseCommits(true);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.CommitsPaused(true);
        vm.prank(guardian);
        settlement.pauseCommits(true);
        Posted memory next = _build("", 0, "");
        vm.prank(operator);
        vm.expectRevert(ISettlement.CommitsArePaused.selector);
        settlement.commitBatch(next.header, next.chunkRoots, next.rows, next.deposits, next.withdrawals);
        // Everything else goes on.
        _proveAll(p);
        settlement.finalizeBatch(2, p.withdrawals);
        vault.claim(1, 0);
        _deposit(bob, 1, 5);
        _request(bob, 1, 5);
        vm.prank(guardian);
        settlement.pauseCommits(false);
        _commit(next);
    }

    /// @dev Any contract may have a role: here a wallet of two is governor and guardian.
    function test_Roles_MayBeContracts() public {
        TwoOfTwo wallet = new TwoOfTwo(alice, bob);
        vm.prank(governor);
        settlement.setGuardian(address(wallet));
        vm.prank(governor);
        settlement.proposeGovernor(address(wallet));
        bytes[3] memory calls = [
            abi.encodeCall(IGoverned.acceptGovernor, ()),
            abi.encodeCall(IGoverned.pauseCommits, (true)),
            abi.encodeCall(IGoverned.setOperator, (carol, true))
        ];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(alice);
            wallet.execute(address(settlement), calls[i]);
            assertTrue(
                !settlement.isOperator(carol) && settlement.commitsPaused() == (i > 1),
                "one is not enough"
            );
            vm.prank(bob);
            wallet.execute(address(settlement), calls[i]);
        }
        assertEq(settlement.governor(), address(wallet), "governor");
        assertTrue(settlement.commitsPaused(), "paused");
        assertTrue(settlement.isOperator(carol), "operator named");
    }

    /// @dev A proposal of years ago must not be put in force without a new notice.
    function test_Verifier_ProposalLapses() public {
        StatementVerifier next = new StatementVerifier(2);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        uint256 lapsesAt = block.timestamp + VERIFIER_DELAY + settlement.PROPOSAL_LIFE();
        vm.warp(lapsesAt + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.VerifierProposalLapsed.selector, lapsesAt, lapsesAt + 1)
        );
        settlement.activateVerifier();
        vm.warp(lapsesAt);
        settlement.activateVerifier();
        assertEq(settlement.verifier(), address(next), "at the last moment");
    }

    function test_Verifier_ChangesAfterTheDelay() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        StatementVerifier next = new StatementVerifier(2);
        vm.expectRevert(IGoverned.NoVerifierProposed.selector);
        settlement.activateVerifier();
        vm.prank(governor);
        vm.expectRevert(IGoverned.NoVerifierProposed.selector);
        settlement.withdrawVerifierProposal();
        vm.prank(governor);
        vm.expectRevert(IGoverned.ZeroAddress.selector);
        settlement.proposeVerifier(address(0));
        uint256 activeFrom = block.timestamp + VERIFIER_DELAY;
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.VerifierProposed(address(next), 2, activeFrom);
        vm.prank(governor);
        settlement.proposeVerifier(address(next));
        vm.warp(activeFrom - 1);
        vm.expectRevert(
            abi.encodeWithSelector(IGoverned.VerifierDelayNotPassed.selector, activeFrom, activeFrom - 1)
        );
        settlement.activateVerifier();
        vm.warp(activeFrom);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.VerifierSet(address(next), 2);
        settlement.activateVerifier();
        assertEq(settlement.verifier(), address(next), "verifier");
        assertEq(settlement.rowsPerChunk(), 2, "rows");
        assertEq(settlement.proposedVerifier(), address(0), "no proposal left");
        // What was committed before stays with the old one.
        assertEq(settlement.batchOf(2).verifier, address(verifier), "verifier of the old batch");
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven by the old one");
    }

    function test_Verifier_ProposalCanBeTakenBack() public {
        StatementVerifier next = new StatementVerifier(2);
        vm.startPrank(governor);
        settlement.proposeVerifier(address(next));
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IGoverned.VerifierProposalWithdrawn(address(next));
        settlement.withdrawVerifierProposal();
        vm.stopPrank();
        vm.warp(block.timestamp + VERIFIER_DELAY);
        vm.expectRevert(IGoverned.NoVerifierProposed.selector);
        settlement.activateVerifier();
    }

    function test_Verifier_RowsAreBounded() public {
        StatementVerifier none = new StatementVerifier(0);
        StatementVerifier many = new StatementVerifier(4097);
        vm.startPrank(governor);
        bytes32 name = "rowsPerChunk";
        vm.expectRevert(abi.encodeWithSelector(IGoverned.BadParameter.selector, name, 0, 4096));
        settlement.proposeVerifier(address(none));
        vm.expectRevert(abi.encodeWithSelector(IGoverned.BadParameter.selector, name, 4097, 4096));
        settlement.proposeVerifier(address(many));
        settlement.proposeVerifier(address(new StatementVerifier(4096)));
        vm.stopPrank();
        assertEq(settlement.proposedRowsPerChunk(), 4096, "the most");
    }
}
