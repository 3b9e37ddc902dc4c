// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an asset is on this chain.
/// @param token ERC-20 contract, or address(0) for the native coin.
/// @param unitAtoms Atoms (smallest token amounts) of one unit, the exchange's smallest amount.
struct Asset {
    address token;
    uint96 unitAtoms;
}
