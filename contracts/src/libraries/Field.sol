// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Orders of the BN254 curve (EIP-196). A value of the scalar field is canonical below R: x and
/// x + R are one element to a circuit and two numbers to a contract, so every input is checked.
library Field {
    /// @notice Order of the group, and of the scalar field of circuits and Poseidon.
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @notice Order of the base field, of point coordinates.
    uint256 internal constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;
}
