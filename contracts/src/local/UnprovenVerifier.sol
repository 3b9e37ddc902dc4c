// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "../interfaces/IChunkVerifier.sol";

/// @notice Stands in for the proof system on a local chain. It accepts everything, so it proves NOTHING:
/// an exchange on it is only as honest as its operator. It refuses to exist on any other chain.
contract UnprovenVerifier is IChunkVerifier {
    /// @notice The only chain it exists on.
    uint256 public constant LOCAL_CHAIN_ID = 31337;

    /// @inheritdoc IChunkVerifier
    uint256 public constant rowsPerChunk = 16;

    /// @notice This is no local chain.
    error LocalChainOnly(uint256 chainId, uint256 localChainId);

    constructor() {
        if (block.chainid != LOCAL_CHAIN_ID) revert LocalChainOnly(block.chainid, LOCAL_CHAIN_ID);
    }

    /// @inheritdoc IChunkVerifier
    function verify(uint256[4] calldata, uint256[8] calldata) external pure returns (bool) {
        return true;
    }
}
