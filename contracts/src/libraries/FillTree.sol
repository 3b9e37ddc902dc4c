// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice SHA-256 Merkle tree of a batch's fills: leaf = sha256(0x00 ++ fill), node = sha256(0x01 ++
/// left ++ right), an odd last node is promoted unchanged, no fills = 32 zero bytes. The prefixes keep a
/// node from passing as a leaf (RFC 6962, section 2.1).
library FillTree {
    /// @notice Bytes of one fill. Big-endian: uint64 seq, uint32 fillIndex, uint32 market, uint32 ticks,
    /// uint32 lots, uint32 makerAccount, uint32 takerAccount, uint64 makerCloid, uint64 takerCloid, uint64
    /// makerOrderId, uint64 takerOrderId, int64 makerFee, int64 takerFee, uint8 takerSide, 7 zero bytes,
    /// bytes32 makerFrameHash, bytes32 takerFrameHash.
    uint256 internal constant FILL_BYTES = 152;

    /// @notice A leaf is not as long as a fill.
    error BadFillLength(uint256 length, uint256 expected);

    /// @notice Whether `fill` is a leaf under `root`.
    /// @param siblings Path from the leaf up; levels where the node is promoted have no entry.
    /// @param leftSiblings Bit i is 1 where siblings[i] is the left one.
    function verify(
        bytes32 root,
        bytes calldata fill,
        bytes32[] calldata siblings,
        uint256 leftSiblings
    ) internal pure returns (bool) {
        if (fill.length != FILL_BYTES) revert BadFillLength(fill.length, FILL_BYTES);
        bytes32 node = sha256(abi.encodePacked(bytes1(0x00), fill));
        for (uint256 i = 0; i < siblings.length; ++i) {
            node =
                (leftSiblings >> i) & 1 == 1
                    ? sha256(abi.encodePacked(bytes1(0x01), siblings[i], node))
                    : sha256(abi.encodePacked(bytes1(0x01), node, siblings[i]));
        }
        return node == root;
    }
}
