// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "./interfaces/IChunkVerifier.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";

/// @title Governed
/// @notice The whole of governance. The governor names operators (who may commit batches), the guardian
/// (who may only pause commits), and a next verifier, which takes over after a delay that leaves every
/// user time to exit first. None of them can touch funds, exits, claims or the past. Each may be any
/// contract, such as a multi-signature wallet.
abstract contract Governed is ISettlement {
    /// @notice Seconds between the proposal of a verifier and its first use.
    uint256 public immutable verifierDelay;

    address public governor;
    /// @notice Who may become governor by accepting.
    address public proposedGovernor;
    address public guardian;
    bool public commitsPaused;
    mapping(address operator => bool) public isOperator;

    /// @notice Verifier of batches committed from now on.
    address public verifier;
    /// @notice Rows of its chunks.
    uint256 public rowsPerChunk;
    address public proposedVerifier;
    uint256 public proposedRowsPerChunk;
    /// @notice Block time in seconds from which the proposed verifier may be activated.
    uint256 public verifierActiveFrom;

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

    /// @notice Governor only: lets an address commit batches, or no longer.
    function setOperator(address operator, bool allowed) external onlyGovernor {
        isOperator[operator] = allowed;
        emit OperatorSet(operator, allowed);
    }

    /// @notice Governor only: names who may pause commits.
    function setGuardian(address guardian_) external onlyGovernor {
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @notice Guardian only: stops or resumes commits, and nothing else. Deadlines run on, so a pause
    /// that lasts ends in a freeze and not in a trap.
    function pauseCommits(bool paused) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        commitsPaused = paused;
        emit CommitsPaused(paused);
    }

    /// @notice Governor only: offers the role to another address.
    function proposeGovernor(address governor_) external onlyGovernor {
        proposedGovernor = governor_;
        emit GovernorProposed(governor_);
    }

    /// @notice Proposed governor only: takes the role.
    function acceptGovernor() external {
        if (msg.sender != proposedGovernor) revert NotProposedGovernor(msg.sender);
        governor = msg.sender;
        proposedGovernor = address(0);
        emit GovernorSet(msg.sender);
    }

    /// @notice Governor only: announces a verifier; the delay starts now, again with each proposal.
    function proposeVerifier(address verifier_) external onlyGovernor {
        if (verifier_ == address(0)) revert ZeroAddress();
        proposedVerifier = verifier_;
        proposedRowsPerChunk = _rowsOf(verifier_);
        verifierActiveFrom = block.timestamp + verifierDelay;
        emit VerifierProposed(verifier_, proposedRowsPerChunk, verifierActiveFrom);
    }

    /// @notice Governor only: takes a proposal back.
    function withdrawVerifierProposal() external onlyGovernor {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        emit VerifierProposalWithdrawn(proposedVerifier);
        proposedVerifier = address(0);
    }

    /// @notice Anyone: puts the proposed verifier in force once its delay has passed. Batches that are
    /// already committed stay with the verifier they were committed under.
    function activateVerifier() external {
        if (proposedVerifier == address(0)) revert NoVerifierProposed();
        if (block.timestamp < verifierActiveFrom)
            revert VerifierDelayNotPassed(verifierActiveFrom, block.timestamp);
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
