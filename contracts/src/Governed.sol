// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "./interfaces/IChunkVerifier.sol";
import {IGoverned} from "./interfaces/IGoverned.sol";

/// @title Governed
/// @notice The whole of governance. The governor names operators (who may commit batches), the guardian
/// (who may only pause commits), and a next verifier, which takes over after a delay that leaves every
/// user time to exit first. None of them pays anybody, or changes exits, claims or the past; but an operator can
/// commit a batch that no owner wanted, and the governor names operators at once. Each may be any
/// contract, such as a multi-signature wallet.
abstract contract Governed is IGoverned {
    /// @inheritdoc IGoverned
    uint256 public immutable verifierDelay;

    /// @inheritdoc IGoverned
    address public governor;
    /// @inheritdoc IGoverned
    address public proposedGovernor;
    /// @inheritdoc IGoverned
    address public guardian;
    /// @inheritdoc IGoverned
    bool public commitsPaused;
    /// @inheritdoc IGoverned
    mapping(address operator => bool) public isOperator;

    /// @inheritdoc IGoverned
    address public verifier;
    /// @inheritdoc IGoverned
    uint256 public rowsPerChunk;
    /// @inheritdoc IGoverned
    address public proposedVerifier;
    /// @inheritdoc IGoverned
    uint256 public proposedRowsPerChunk;
    /// @inheritdoc IGoverned
    uint256 public verifierActiveFrom;
    /// @inheritdoc IGoverned
    uint256 public governorLapsesAt;

    /// @inheritdoc IGoverned
    uint256 public constant PROPOSAL_LIFE = 14 days;
    uint256 private constant MAX_ROWS_PER_CHUNK = 4096;

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
        uint256 verifierDelay_
    ) {
        if (governor_ == address(0) || verifier_ == address(0)) revert ZeroAddress();
        governor = governor_;
        emit GovernorSet(governor_);
        guardian = guardian_;
        emit GuardianSet(guardian_);
        isOperator[operator_] = true;
        emit OperatorSet(operator_, true);
        verifier = verifier_;
        rowsPerChunk = _rowsOf(verifier_);
        emit VerifierSet(verifier_, rowsPerChunk);
        verifierDelay = verifierDelay_;
    }

    /// @inheritdoc IGoverned
    function setOperator(address operator, bool allowed) external onlyGovernor {
        isOperator[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    /// @inheritdoc IGoverned
    function setGuardian(address guardian_) external onlyGovernor {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @inheritdoc IGoverned
    function pauseCommits(bool paused) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        commitsPaused = paused;
        emit CommitsPaused(paused);
    }

    /// @inheritdoc IGoverned
    function proposeGovernor(address governor_) external onlyGovernor {
        proposedGovernor = governor_;
        governorLapsesAt = block.timestamp + PROPOSAL_LIFE;
        emit GovernorProposed(governor_);
    }

    /// @inheritdoc IGoverned
    function acceptGovernor() external {
        if (msg.sender != proposedGovernor) revert NotProposedGovernor(msg.sender);
        // Whoever was once offered the role, and forgotten, must not come with a key of years ago and take it.
        if (block.timestamp > governorLapsesAt)
            revert GovernorProposalLapsed(governorLapsesAt, block.timestamp);
        governor = msg.sender;
        proposedGovernor = address(0);
        emit GovernorSet(msg.sender);
    }

    /// @inheritdoc IGoverned
    function proposeVerifier(address verifier_) external onlyGovernor {
        if (verifier_ == address(0)) revert ZeroAddress();
        proposedVerifier = verifier_;
        proposedRowsPerChunk = _rowsOf(verifier_);
        verifierActiveFrom = block.timestamp + verifierDelay;
        emit VerifierProposed(verifier_, proposedRowsPerChunk, verifierActiveFrom);
    }

    /// @inheritdoc IGoverned
    function withdrawVerifierProposal() external onlyGovernor {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        emit VerifierProposalWithdrawn(proposedVerifier);
        proposedVerifier = address(0);
    }

    /// @inheritdoc IGoverned
    function activateVerifier() external {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        if (block.timestamp < verifierActiveFrom)
            revert VerifierDelayNotPassed(verifierActiveFrom, block.timestamp);
        // Who left by the notice and came back must not find an old proposal put in force years later.
        uint256 lapsesAt = verifierActiveFrom + PROPOSAL_LIFE;
        if (block.timestamp > lapsesAt) revert VerifierProposalLapsed(lapsesAt, block.timestamp);
        verifier = proposedVerifier;
        rowsPerChunk = proposedRowsPerChunk;
        proposedVerifier = address(0);
        emit VerifierSet(verifier, rowsPerChunk);
    }

    function _rowsOf(address verifier_) private view returns (uint256 rows) {
        rows = IChunkVerifier(verifier_).rowsPerChunk();
        if (rows == 0 || rows > MAX_ROWS_PER_CHUNK)
            revert BadParameter("rowsPerChunk", rows, MAX_ROWS_PER_CHUNK);
    }
}
