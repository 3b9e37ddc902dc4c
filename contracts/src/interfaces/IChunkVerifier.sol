// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Verifies the validity proof of one chunk of rows.
interface IChunkVerifier {
    /// @notice Rows of one chunk: the number of row slots of the circuit. Never changes.
    function rowsPerChunk() external view returns (uint256);

    /// @notice Whether `proof` shows the statement of `publicInputs`.
    /// @param publicInputs [firstRoot, lastRoot, z, evaluation], each below the scalar field's order.
    /// @param proof Groth16 points in EIP-197 order: [a.x, a.y, b.x1, b.x0, b.y1, b.y0, c.x, c.y].
    /// @return True only for a valid proof; a malformed one gives false.
    function verify(uint256[4] calldata publicInputs, uint256[8] calldata proof) external view returns (bool);
}
