// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Verifies the validity proof of one page, by one of several circuits.
interface IPageVerifier {
    /// @notice Number of circuits; they are numbered from 0. Never changes.
    function circuits() external view returns (uint256);

    /// @notice Whether `proof` shows the statement of `publicInputs` by a circuit.
    /// @param publicInputs [firstRoot, lastRoot, z, evaluation], each below the scalar field's order.
    /// @return True only for a valid proof; a malformed one, and a circuit that is not there, give false.
    function verify(
        uint256 circuit,
        uint256[4] calldata publicInputs,
        bytes calldata proof
    ) external view returns (bool);
}
