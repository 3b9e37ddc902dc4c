// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Field} from "../libraries/Field.sol";
import {Poseidon2} from "./Poseidon2.sol";

/// @notice The state tree: four children a node, depth 13, node = P(a, b, c, d)[0] + a over its children in order, P
/// being the Poseidon2 permutation. A leaf packs the four balances of (account, group of four assets):
/// b0 + b1 * 2^63 + b2 * 2^126 + b3 * 2^189, each in units below 2^53; 0 when empty. Its index is
/// group << 22 | account; two bits of it a height, least significant first, say which child a node is.
library StateTree {
    uint256 internal constant DEPTH = 13;
    /// @notice Lanes of a leaf: the assets of a group.
    uint256 internal constant LANES = 4;
    /// @notice Bits between two balances of a leaf.
    uint256 internal constant LANE_BITS = 63;
    uint256 internal constant ACCOUNT_BITS = 22;
    /// @notice Exclusive bound of leaf indices.
    uint256 internal constant LEAVES_END = 1 << 26;
    /// @notice Exclusive bound of balances and of the absolute value of deltas, in units.
    uint256 internal constant UNITS_END = 1 << 53;
    /// @notice Root of the tree whose leaves are all 0; a test recomputes it.
    uint256 internal constant EMPTY_ROOT =
        20114339623310924458008610569687987346685525430233099245118936039778905828516;

    /// @notice Leaf index of (account, asset); both must be in range.
    function leafIndexOf(uint256 account, uint256 asset) internal pure returns (uint256) {
        return ((asset >> 2) << ACCOUNT_BITS) | account;
    }

    /// @notice Whether the leaf at `index`, below 2^26, holds `balances` under `root`. Balances out of their range
    /// give false, since their packing would spill into other lanes; so do siblings that are not canonical,
    /// since the permutation takes x and x + R for one.
    /// @param siblings Three a height, from the leaf up, in the order of the children.
    function verify(
        uint256 root,
        uint256 index,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) internal pure returns (bool) {
        uint256 node = 0;
        for (uint256 lane = 0; lane < LANES; ++lane) {
            if (balances[lane] >= UNITS_END) return false;
            node |= uint256(balances[lane]) << (LANE_BITS * lane);
        }
        bytes memory constants = Poseidon2.table();
        for (uint256 height = 0; height < DEPTH; ++height) {
            uint256[4] memory children;
            uint256 own = (index >> (2 * height)) & 3;
            uint256 next = 3 * height;
            for (uint256 k = 0; k < 4; ++k) {
                if (k == own) {
                    children[k] = node;
                    continue;
                }
                children[k] = siblings[next++];
                if (children[k] >= Field.R) return false;
            }
            node = hash(constants, children);
        }
        return node == root;
    }

    /// @notice A node, from its four children.
    /// @param constants What `Poseidon2.table` gave.
    function hash(bytes memory constants, uint256[4] memory children) internal pure returns (uint256) {
        (uint256 first, , , ) = Poseidon2.permute(
            constants,
            children[0],
            children[1],
            children[2],
            children[3]
        );
        return addmod(first, children[0], Field.R);
    }
}
