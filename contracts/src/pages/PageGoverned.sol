// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "./IPageGoverned.sol";
import {IPageVerifier} from "./IPageVerifier.sol";

/// @title Governance
/// @notice The whole of it. The governor proposes operators (who may commit batches) and a next verifier, which get
/// their power after a delay that leaves every user time to exit first, and names the guardian (who may
/// only pause commits). It takes an operator's power away at once. None of them pays anybody, or changes exits,
/// claims or the past. Each may be any contract, such as a multi-signature wallet.
///
/// An operator commits only while its bond stands. A bond is free `powerDelay` after the operator was removed, so
/// that it outlasts every batch that the operator committed.
abstract contract PageGoverned is IPageGoverned {
    /// @inheritdoc IPageGoverned
    uint256 public immutable powerDelay;
    /// @inheritdoc IPageGoverned
    uint256 public immutable bond;

    /// @inheritdoc IPageGoverned
    address public governor;
    /// @inheritdoc IPageGoverned
    address public proposedGovernor;
    /// @inheritdoc IPageGoverned
    uint256 public governorLapsesAt;
    /// @inheritdoc IPageGoverned
    address public guardian;
    /// @inheritdoc IPageGoverned
    bool public commitsPaused;
    /// @inheritdoc IPageGoverned
    mapping(address operator => bool) public isOperator;
    /// @inheritdoc IPageGoverned
    mapping(address operator => uint256) public operatorActiveFrom;
    /// @inheritdoc IPageGoverned
    mapping(address operator => uint256) public bondOf;
    /// @inheritdoc IPageGoverned
    mapping(address operator => uint256) public bondFreeFrom;

    /// @inheritdoc IPageGoverned
    address public verifier;
    /// @inheritdoc IPageGoverned
    address public proposedVerifier;
    /// @inheritdoc IPageGoverned
    uint256 public verifierActiveFrom;

    /// @inheritdoc IPageGoverned
    uint256 public constant PROPOSAL_LIFE = 14 days;
    uint256 private constant MAX_CIRCUITS = 64;

    modifier onlyGovernor() {
        if (msg.sender != governor) revert NotGovernor(msg.sender);
        _;
    }

    modifier onlyOperator() {
        if (!isOperator[msg.sender]) revert NotOperator(msg.sender);
        _;
    }

    constructor(
        address governor_,
        address guardian_,
        address operator_,
        address verifier_,
        uint256 powerDelay_,
        uint256 bond_
    ) {
        if (governor_ == address(0) || verifier_ == address(0)) revert ZeroAddress();
        _checkCircuits(verifier_);
        governor = governor_;
        emit GovernorSet(governor_);
        guardian = guardian_;
        emit GuardianSet(guardian_);
        isOperator[operator_] = true;
        emit OperatorSet(operator_, true);
        verifier = verifier_;
        emit VerifierSet(verifier_);
        powerDelay = powerDelay_;
        bond = bond_;
    }

    /// @inheritdoc IPageGoverned
    function proposeOperator(address operator) external onlyGovernor {
        if (isOperator[operator]) revert AlreadyOperator(operator);
        operatorActiveFrom[operator] = block.timestamp + powerDelay;
        emit OperatorProposed(operator, operatorActiveFrom[operator]);
    }

    /// @inheritdoc IPageGoverned
    function withdrawOperatorProposal(address operator) external onlyGovernor {
        if (operatorActiveFrom[operator] == 0) revert NoOperatorProposed(operator);
        operatorActiveFrom[operator] = 0;
        emit OperatorProposalWithdrawn(operator);
    }

    /// @inheritdoc IPageGoverned
    function activateOperator(address operator) external {
        if (operatorActiveFrom[operator] == 0) revert NoOperatorProposed(operator);
        _checkDue(operatorActiveFrom[operator]);
        operatorActiveFrom[operator] = 0;
        isOperator[operator] = true;
        emit OperatorSet(operator, true);
    }

    /// @inheritdoc IPageGoverned
    function removeOperator(address operator) external {
        if (msg.sender != operator && msg.sender != governor) revert NotGovernor(msg.sender);
        if (!isOperator[operator]) revert NotOperator(operator);
        isOperator[operator] = false;
        bondFreeFrom[operator] = block.timestamp + powerDelay;
        emit OperatorSet(operator, false);
    }

    /// @inheritdoc IPageGoverned
    function postBond() external payable {
        bondOf[msg.sender] += msg.value;
        emit BondPosted(msg.sender, msg.value, bondOf[msg.sender]);
    }

    /// @inheritdoc IPageGoverned
    function withdrawBond() external {
        if (isOperator[msg.sender]) revert OperatorStill(msg.sender);
        uint256 freeFrom = bondFreeFrom[msg.sender];
        if (block.timestamp < freeFrom) revert BondDelayNotPassed(freeFrom, block.timestamp);
        uint256 value = bondOf[msg.sender];
        if (value == 0) revert NoBond(msg.sender);
        bondOf[msg.sender] = 0;
        emit BondWithdrawn(msg.sender, value);
        _send(msg.sender, value);
    }

    /// @inheritdoc IPageGoverned
    function setGuardian(address guardian_) external onlyGovernor {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @inheritdoc IPageGoverned
    function pauseCommits(bool paused) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        commitsPaused = paused;
        emit CommitsPaused(paused);
    }

    /// @inheritdoc IPageGoverned
    function proposeGovernor(address governor_) external onlyGovernor {
        proposedGovernor = governor_;
        governorLapsesAt = block.timestamp + PROPOSAL_LIFE;
        emit GovernorProposed(governor_);
    }

    /// @inheritdoc IPageGoverned
    function acceptGovernor() external {
        if (msg.sender != proposedGovernor) revert NotProposedGovernor(msg.sender);
        // Whoever was once offered the role, and forgotten, must not come with a key of years ago and take it.
        if (block.timestamp > governorLapsesAt) revert ProposalLapsed(governorLapsesAt, block.timestamp);
        governor = msg.sender;
        proposedGovernor = address(0);
        emit GovernorSet(msg.sender);
    }

    /// @inheritdoc IPageGoverned
    function proposeVerifier(address verifier_) external onlyGovernor {
        if (verifier_ == address(0)) revert ZeroAddress();
        uint256 circuits = _checkCircuits(verifier_);
        proposedVerifier = verifier_;
        verifierActiveFrom = block.timestamp + powerDelay;
        emit VerifierProposed(verifier_, circuits, verifierActiveFrom);
    }

    /// @inheritdoc IPageGoverned
    function withdrawVerifierProposal() external onlyGovernor {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        emit VerifierProposalWithdrawn(proposedVerifier);
        proposedVerifier = address(0);
    }

    /// @inheritdoc IPageGoverned
    function activateVerifier() external {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        _checkDue(verifierActiveFrom);
        verifier = proposedVerifier;
        proposedVerifier = address(0);
        emit VerifierSet(verifier);
    }

    /// @dev Pays wei out of this contract, after every change of state.
    function _send(address to, uint256 value) internal {
        (bool sent, ) = to.call{value: value}("");
        if (!sent) revert NativeTransferFailed(to, value);
    }

    /// @dev Who left by the notice and came back must not find an old proposal put in force years later.
    function _checkDue(uint256 activeFrom) private view {
        if (block.timestamp < activeFrom) revert PowerDelayNotPassed(activeFrom, block.timestamp);
        uint256 lapsesAt = activeFrom + PROPOSAL_LIFE;
        if (block.timestamp > lapsesAt) revert ProposalLapsed(lapsesAt, block.timestamp);
    }

    function _checkCircuits(address verifier_) private view returns (uint256 circuits) {
        circuits = IPageVerifier(verifier_).circuits();
        if (circuits == 0 || circuits > MAX_CIRCUITS) revert BadParameter("circuits", circuits, MAX_CIRCUITS);
    }
}
