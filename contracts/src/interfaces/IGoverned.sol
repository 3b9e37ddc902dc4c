// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The whole of governance: who may commit, who may pause commits, which verifier comes next.
interface IGoverned {
    /// @notice An address may commit batches, or no longer.
    event OperatorSet(address indexed operator, bool allowed);
    /// @notice Who may pause commits.
    event GuardianSet(address indexed guardian);
    /// @notice Commits are paused, or go on.
    event CommitsPaused(bool paused);
    /// @notice Who may become governor by accepting.
    event GovernorProposed(address indexed governor);
    /// @notice There is a new governor; a proposal is used up.
    event GovernorSet(address indexed governor);
    /// @notice A verifier waits until `activeFrom`, block time in seconds: who does not trust it leaves before.
    event VerifierProposed(address indexed verifier, uint256 rowsPerChunk, uint256 activeFrom);
    /// @notice The verifier that waited does not come.
    event VerifierProposalWithdrawn(address indexed verifier);
    /// @notice Batches committed from now on need proofs for this verifier.
    event VerifierSet(address indexed verifier, uint256 rowsPerChunk);

    /// @notice An address that must be somebody is zero.
    error ZeroAddress();
    /// @notice A constructor argument, or a verifier's number of rows, is out of its bounds.
    error BadParameter(bytes32 name, uint256 value, uint256 bound);
    /// @notice Only operators may.
    error NotOperator(address caller);
    /// @notice Only the governor may.
    error NotGovernor(address caller);
    /// @notice Only the guardian may.
    error NotGuardian(address caller);
    /// @notice No verifier waits.
    error NoVerifierProposed();
    /// @notice The proposed verifier has to wait still.
    error VerifierDelayNotPassed(uint256 activeFrom, uint256 time);
    /// @notice The proposal was not used in time: it has to be made, and waited for, again.
    error VerifierProposalLapsed(uint256 lapsedAt, uint256 time);
    /// @notice Only the proposed governor may.
    error NotProposedGovernor(address caller);
    /// @notice The role was not taken in time: it has to be offered again.
    error GovernorProposalLapsed(uint256 lapsedAt, uint256 time);

    /// @notice Governor only: lets an address commit batches, or no longer.
    function setOperator(address operator, bool allowed) external;

    /// @notice Governor only: names who may pause commits.
    function setGuardian(address guardian) external;

    /// @notice Guardian only: stops or resumes commits, and nothing else. Deadlines run on, so a pause
    /// that lasts ends in a freeze and not in a trap.
    function pauseCommits(bool paused) external;

    /// @notice Governor only: offers the role to another address, for `PROPOSAL_LIFE`; the zero address takes an
    /// offer back.
    function proposeGovernor(address governor) external;

    /// @notice Proposed governor only: takes the role.
    function acceptGovernor() external;

    /// @notice Governor only: announces a verifier; the delay starts now, again with each proposal.
    function proposeVerifier(address verifier) external;

    /// @notice Governor only: takes a proposal back.
    function withdrawVerifierProposal() external;

    /// @notice Anyone: puts the proposed verifier in force once its delay has passed, until it lapses
    /// `PROPOSAL_LIFE` later. Batches that are already committed stay with the verifier they were committed under.
    function activateVerifier() external;

    /// @notice Who names operators, guardian and verifiers.
    function governor() external view returns (address);
    /// @notice Who may become governor by accepting.
    function proposedGovernor() external view returns (address);
    /// @notice Block time in seconds up to which that may be done.
    function governorLapsesAt() external view returns (uint256);
    /// @notice Who may pause commits.
    function guardian() external view returns (address);
    /// @notice Whether commits are paused.
    function commitsPaused() external view returns (bool);
    /// @notice Whether an address may commit batches.
    function isOperator(address operator) external view returns (bool);
    /// @notice Verifier of batches committed from now on.
    function verifier() external view returns (address);
    /// @notice Rows of that verifier's chunks.
    function rowsPerChunk() external view returns (uint256);
    /// @notice Verifier that waits for its delay; the zero address = none.
    function proposedVerifier() external view returns (address);
    /// @notice Rows of its chunks.
    function proposedRowsPerChunk() external view returns (uint256);
    /// @notice Block time in seconds from which the proposed verifier may be activated.
    function verifierActiveFrom() external view returns (uint256);
    /// @notice Seconds after its delay in which a proposed verifier may be put in force, and after the offer in
    /// which a proposed governor may take the role.
    function PROPOSAL_LIFE() external view returns (uint256);
    /// @notice Seconds between the proposal of a verifier and its first use.
    function verifierDelay() external view returns (uint256);
}
