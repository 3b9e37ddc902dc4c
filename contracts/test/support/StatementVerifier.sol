// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "../../src/interfaces/IChunkVerifier.sol";

/// @notice A proof system of the tests: a statement has a proof exactly when the honest prover (the
/// fixture, which applies the rows to its own tree and looks at every balance) stated it here.
contract StatementVerifier is IChunkVerifier {
    uint256 public immutable rowsPerChunk;
    mapping(bytes32 statement => bool) public stated;

    constructor(uint256 rowsPerChunk_) {
        rowsPerChunk = rowsPerChunk_;
    }

    function state(uint256[4] calldata publicInputs) external {
        stated[keccak256(abi.encode(publicInputs))] = true;
    }

    /// @dev The proof is the statement's own hash in its first word.
    function verify(
        uint256[4] calldata publicInputs,
        uint256[8] calldata proof
    ) external view returns (bool) {
        bytes32 statement = keccak256(abi.encode(publicInputs));
        return stated[statement] && proof[0] == uint256(statement);
    }
}
