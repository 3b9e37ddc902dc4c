// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageVerifier} from "./IPageVerifier.sol";

/// @notice A verifier as Barretenberg generates it for one circuit. On most bad proofs it reverts.
interface IHonkVerifier {
    /// @notice Whether `proof` shows the statement of `publicInputs`.
    function verify(bytes calldata proof, bytes32[] calldata publicInputs) external view returns (bool);
}

/// @title Page verifier
/// @notice The generated verifiers of the page circuits, in a list that is fixed for good. Each is called with a bound
/// of gas: a curve precompile takes all the gas it was given when a point is bad, and a bad proof must not take
/// all that its sender brought.
contract PageVerifier is IPageVerifier {
    uint256 private constant MAX_CIRCUITS = 16;

    /// @notice Gas that one verification may take.
    uint256 public immutable gasLimit;
    address[] private _verifiers;

    /// @notice No circuits, or too many.
    error BadCircuitCount(uint256 count, uint256 max);
    /// @notice There is no contract at an address.
    error NoCode(address verifier);
    /// @notice The caller brought too little for a verification: nothing is said about the proof.
    error TooLittleGas(uint256 gas, uint256 needed);

    /// @param verifiers Generated verifiers by circuit.
    /// @param gasLimit_ Above what a valid proof takes in the dearest of them.
    constructor(address[] memory verifiers, uint256 gasLimit_) {
        if (verifiers.length == 0 || verifiers.length > MAX_CIRCUITS)
            revert BadCircuitCount(verifiers.length, MAX_CIRCUITS);
        for (uint256 i = 0; i < verifiers.length; ++i)
            if (verifiers[i].code.length == 0) revert NoCode(verifiers[i]);
        _verifiers = verifiers;
        gasLimit = gasLimit_;
    }

    /// @inheritdoc IPageVerifier
    function circuits() external view returns (uint256) {
        return _verifiers.length;
    }

    /// @notice The generated verifier of a circuit; the zero address where there is none.
    function verifierOf(uint256 circuit) public view returns (address) {
        return circuit < _verifiers.length ? _verifiers[circuit] : address(0);
    }

    /// @inheritdoc IPageVerifier
    function verify(
        uint256 circuit,
        uint256[4] calldata publicInputs,
        bytes calldata proof
    ) external view returns (bool valid) {
        address verifier = verifierOf(circuit);
        if (verifier == address(0)) return false;
        bytes32[] memory inputs = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) inputs[i] = bytes32(publicInputs[i]);
        bytes memory data = abi.encodeCall(IHonkVerifier.verify, (proof, inputs));
        uint256 limit = gasLimit;
        // A call gets 63 of 64 parts of what is left, at most.
        if ((gasleft() * 63) / 64 < limit + 10_000) revert TooLittleGas(gasleft(), limit);
        assembly ("memory-safe") {
            // What the verifier returns is read only as one word, whatever its length.
            let done := staticcall(limit, verifier, add(data, 32), mload(data), 0x00, 0x20)
            valid := and(and(done, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }
}
