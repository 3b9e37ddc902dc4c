// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The whole of governance: who may commit, who may pause commits, which verifier comes next.
interface IPageGoverned {
    /// @notice An address may commit from `activeFrom` on, block time in seconds, once that is put in force.
    event OperatorProposed(address indexed operator, uint256 activeFrom);
    /// @notice The operator that waited does not come.
    event OperatorProposalWithdrawn(address indexed operator);
    /// @notice An address may commit batches, or no longer.
    event OperatorSet(address indexed operator, bool allowed);
    /// @notice An address has posted wei; `bond` is what stands for it now.
    event BondPosted(address indexed operator, uint256 value, uint256 bond);
    /// @notice An address that is no operator took its bond, wei.
    event BondWithdrawn(address indexed operator, uint256 bond);
    /// @notice Who may pause commits.
    event GuardianSet(address indexed guardian);
    /// @notice Commits are paused, or go on.
    event CommitsPaused(bool paused);
    /// @notice Who may become governor by accepting.
    event GovernorProposed(address indexed governor);
    /// @notice There is a new governor; a proposal is used up.
    event GovernorSet(address indexed governor);
    /// @notice A verifier waits until `activeFrom`, block time in seconds: who does not trust it leaves before.
    event VerifierProposed(address indexed verifier, uint256 circuits, uint256 activeFrom);
    /// @notice The verifier that waited does not come.
    event VerifierProposalWithdrawn(address indexed verifier);
    /// @notice Batches whose first page is posted from now on need proofs for this verifier.
    event VerifierSet(address indexed verifier);

    /// @notice An address that must be somebody is zero.
    error ZeroAddress();
    /// @notice A constructor argument, or a verifier's number of circuits, is out of its bounds.
    error BadParameter(bytes32 name, uint256 value, uint256 bound);
    /// @notice Only operators may.
    error NotOperator(address caller);
    /// @notice Only the governor may.
    error NotGovernor(address caller);
    /// @notice Only the guardian may.
    error NotGuardian(address caller);
    /// @notice The operator's bond is too small, wei.
    error BondTooLow(uint256 bond, uint256 needed);
    /// @notice An operator's bond stays.
    error OperatorStill(address operator);
    /// @notice The bond of an operator that was removed has to wait still.
    error BondDelayNotPassed(uint256 freeFrom, uint256 time);
    /// @notice Nothing stands for the caller.
    error NoBond(address operator);
    /// @notice The receiver refuses the coins, wei.
    error NativeTransferFailed(address to, uint256 value);
    /// @notice The address is an operator already.
    error AlreadyOperator(address operator);
    /// @notice The address does not wait to be an operator.
    error NoOperatorProposed(address operator);
    /// @notice No verifier waits.
    error NoVerifierProposed();
    /// @notice What was proposed has to wait still.
    error PowerDelayNotPassed(uint256 activeFrom, uint256 time);
    /// @notice The proposal was not used in time: it has to be made, and waited for, again.
    error ProposalLapsed(uint256 lapsedAt, uint256 time);
    /// @notice Only the proposed governor may.
    error NotProposedGovernor(address caller);

    /// @notice Governor only: announces an operator; the delay starts now, again with each proposal.
    function proposeOperator(address operator) external;

    /// @notice Governor only: takes a proposal back.
    function withdrawOperatorProposal(address operator) external;

    /// @notice Anyone: lets the proposed operator commit once its delay has passed, until that lapses
    /// `PROPOSAL_LIFE` later.
    function activateOperator(address operator) external;

    /// @notice Governor, or the operator itself: it commits no more, from now on.
    function removeOperator(address operator) external;

    /// @notice Adds the value sent to the caller's bond.
    function postBond() external payable;

    /// @notice Pays the caller its bond: `powerDelay` after it was removed as operator, or at once if it never was one.
    function withdrawBond() external;

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

    /// @notice Anyone: puts the proposed verifier in force once its delay has passed, until that lapses
    /// `PROPOSAL_LIFE` later. Batches of which a page is posted stay with the verifier they began under.
    function activateVerifier() external;

    /// @notice Who proposes operators and verifiers, and names the guardian.
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
    /// @notice Block time in seconds from which a proposed operator may be activated; 0 = it is not proposed.
    function operatorActiveFrom(address operator) external view returns (uint256);
    /// @notice What stands for an address, wei.
    function bondOf(address operator) external view returns (uint256);
    /// @notice Block time in seconds from which the bond of a former operator may be taken.
    function bondFreeFrom(address operator) external view returns (uint256);
    /// @notice What an operator must have posted to commit, wei.
    function bond() external view returns (uint256);
    /// @notice Verifier of batches begun from now on.
    function verifier() external view returns (address);
    /// @notice Verifier that waits for its delay; the zero address = none.
    function proposedVerifier() external view returns (address);
    /// @notice Block time in seconds from which the proposed verifier may be activated.
    function verifierActiveFrom() external view returns (uint256);
    /// @notice Seconds after its delay in which a proposed verifier or operator may be put in force, and after the
    /// offer in which a proposed governor may take the role.
    function PROPOSAL_LIFE() external view returns (uint256);
    /// @notice Seconds between the proposal of a verifier or operator and its power, and between the removal of an operator
    /// and its bond.
    function powerDelay() external view returns (uint256);
}
