// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Field} from "./Field.sol";
import {Poseidon} from "./Poseidon.sol";

/// @notice The balance tree: binary, depth 28, node = Poseidon(left, right) over BN254 with circomlib's
/// parameters, leaf = balance in units, 0 when empty. Bit i of the index, least significant first,
/// chooses the side at height i: 0 = the node is the left child.
library BalanceTree {
    uint256 internal constant DEPTH = 28;
    /// @notice Root of the tree whose leaves are all 0; a test recomputes it.
    uint256 internal constant EMPTY_ROOT =
        16619959921569409661790279042024627172199214148318086837362003702249041851090;

    /// @notice Whether the leaf at `index` is `units` under `root`. Siblings that are not canonical give
    /// false: Poseidon reduces its inputs, so x and x + R would hash alike.
    function verify(
        uint256 root,
        uint256 index,
        uint256 units,
        uint256[28] calldata siblings
    ) internal pure returns (bool) {
        bytes memory constants = Poseidon.table();
        uint256 node = units;
        for (uint256 height = 0; height < DEPTH; ++height) {
            uint256 sibling = siblings[height];
            if (sibling >= Field.R) return false;
            (uint256 left, uint256 right) = (index >> height) & 1 == 0 ? (node, sibling) : (sibling, node);
            node = Poseidon.hash(constants, left, right);
        }
        return node == root;
    }
}
