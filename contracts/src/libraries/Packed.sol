// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Packed records of 12 bytes, big-endian: uint32 index ++ 64-bit value. The index is
/// account << 6 | asset. Rows carry an int64, deposits and withdrawals a uint64.
/// Callers keep `i` below `count`; reading past the end would read other calldata or zeros.
library Packed {
    uint256 internal constant RECORD_BYTES = 12;
    uint256 internal constant ASSET_BITS = 6;
    uint256 internal constant ASSET_MASK = 63;
    /// @notice Accounts have 22 bits, as in the engine.
    uint256 internal constant ACCOUNTS_MAX = 1 << 22;
    /// @notice Exclusive bound of balances and of the absolute value of deltas, in units.
    uint256 internal constant UNITS_END = 1 << 53;

    /// @notice Tree index of (account, asset); both must be in range.
    function indexOf(uint256 account, uint256 asset) internal pure returns (uint256) {
        return (account << ASSET_BITS) | asset;
    }

    /// @notice Index and signed value of record `i`.
    function signedAt(bytes calldata records, uint256 i) internal pure returns (uint256 index, int256 value) {
        assembly ("memory-safe") {
            let word := calldataload(add(records.offset, mul(i, 12)))
            index := shr(224, word)
            value := signextend(7, shr(160, word))
        }
    }

    /// @notice Index and unsigned value of record `i`.
    function unsignedAt(
        bytes calldata records,
        uint256 i
    ) internal pure returns (uint256 index, uint256 value) {
        assembly ("memory-safe") {
            let word := calldataload(add(records.offset, mul(i, 12)))
            index := shr(224, word)
            value := and(shr(160, word), 0xffffffffffffffff)
        }
    }

    /// @notice Running hash `previous` extended by record `i`: keccak256(previous ++ the 12 bytes).
    function extend(
        bytes32 previous,
        bytes calldata records,
        uint256 i
    ) internal pure returns (bytes32 next) {
        assembly ("memory-safe") {
            mstore(0x00, previous)
            calldatacopy(0x20, add(records.offset, mul(i, 12)), 12)
            next := keccak256(0x00, 44)
        }
    }
}
