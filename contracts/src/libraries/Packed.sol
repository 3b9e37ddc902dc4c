// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Packed records, big-endian. Rows and withdrawals: 12 bytes, uint32 index ++ 64-bit value, which
/// is an int64 in rows and a uint64 in withdrawals. Deposits: 32 bytes, uint32 index ++ uint64 units ++
/// address owner. The index is account << 6 | asset.
/// Callers keep `i` below the count; reading past the end would read other calldata or zeros.
library Packed {
    uint256 internal constant RECORD_BYTES = 12;
    uint256 internal constant DEPOSIT_BYTES = 32;
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

    /// @notice Deposit `i`, its index and units.
    function depositAt(
        bytes calldata deposits,
        uint256 i
    ) internal pure returns (bytes32 record, uint256 index, uint256 units) {
        assembly ("memory-safe") {
            record := calldataload(add(deposits.offset, mul(i, 32)))
            index := shr(224, record)
            units := and(shr(160, record), 0xffffffffffffffff)
        }
    }

    /// @notice One deposit of the queue.
    function depositRecord(uint256 index, uint256 units, address owner) internal pure returns (bytes32) {
        return bytes32((index << 224) | (units << 160) | uint160(owner));
    }

    /// @notice Running hash of the deposit queue, extended by one deposit: keccak256(previous ++ record).
    function extend(bytes32 previous, bytes32 record) internal pure returns (bytes32 next) {
        assembly ("memory-safe") {
            mstore(0x00, previous)
            mstore(0x20, record)
            next := keccak256(0x00, 0x40)
        }
    }
}
