// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageVerifier} from "../../src/pages/IPageVerifier.sol";

/// @notice A proof system of the tests: a statement has a proof exactly when the honest prover (the
/// fixture, which applies the rows to its own tree and looks at every balance) stated it here.
contract PageStatements is IPageVerifier {
    uint256 public immutable circuits;
    mapping(bytes32 statement => bool) public stated;

    constructor(uint256 circuits_) {
        circuits = circuits_;
    }

    function state(uint256[4] calldata publicInputs) external {
        stated[keccak256(abi.encode(publicInputs))] = true;
    }

    /// @dev The proof is the circuit and the statement's own hash.
    function verify(
        uint256 circuit,
        uint256[4] calldata publicInputs,
        bytes calldata proof
    ) external view returns (bool) {
        bytes32 statement = keccak256(abi.encode(publicInputs));
        return
            circuit < circuits &&
            stated[statement] &&
            keccak256(proof) == keccak256(abi.encode(circuit, statement));
    }
}
