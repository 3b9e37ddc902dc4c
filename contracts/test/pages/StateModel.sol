// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2} from "../../src/pages/Poseidon2.sol";
import {StateTree} from "../../src/pages/StateTree.sol";

/// @notice The state tree in full, as an operator keeps it: set balances, read root and paths.
contract StateModel {
    uint256 private constant DEPTH = 13;
    /// @dev By key: 1 is the root, the children of q are 4 q to 4 q + 3; 0 is an empty subtree.
    mapping(uint256 key => uint256) private _nodes;
    uint256[14] private _empty;

    constructor() {
        bytes memory constants = Poseidon2.table();
        for (uint256 h = 0; h < DEPTH; ++h) {
            uint256 e = _empty[h];
            _empty[h + 1] = StateTree.hash(constants, [e, e, e, e]);
        }
    }

    function root() external view returns (uint256) {
        return _node(1, DEPTH);
    }

    function leaf(uint256 index) external view returns (uint256) {
        return _nodes[2 ** 26 + index];
    }

    function balance(uint256 account, uint256 asset) public view returns (uint64) {
        return balances(account, asset)[asset % 4];
    }

    /// @dev All four of the group.
    function balances(uint256 account, uint256 asset) public view returns (uint64[4] memory four) {
        uint256 packed = _nodes[2 ** 26 + (asset / 4) * 2 ** 22 + account];
        for (uint256 lane = 0; lane < 4; ++lane) four[lane] = uint64((packed >> (63 * lane)) & (2 ** 63 - 1));
    }

    function setLeaf(uint256 index, uint256 packed) external {
        uint256 key = 2 ** 26 + index;
        _nodes[key] = packed;
        bytes memory constants = Poseidon2.table();
        for (uint256 h = 0; h < DEPTH; ++h) {
            key /= 4;
            uint256[4] memory children;
            for (uint256 k = 0; k < 4; ++k) children[k] = _node(4 * key + k, h);
            _nodes[key] = StateTree.hash(constants, children);
        }
    }

    function path(uint256 account, uint256 asset) external view returns (uint256[39] memory) {
        return pathOf((asset / 4) * 2 ** 22 + account);
    }

    function pathOf(uint256 index) public view returns (uint256[39] memory siblings) {
        uint256 key = 2 ** 26 + index;
        uint256 next = 0;
        for (uint256 h = 0; h < DEPTH; ++h) {
            for (uint256 k = 0; k < 4; ++k)
                if (k != key % 4) siblings[next++] = _node(key - (key % 4) + k, h);
            key /= 4;
        }
    }

    function _node(uint256 key, uint256 height) private view returns (uint256 node) {
        node = _nodes[key];
        if (node == 0) node = _empty[height];
    }
}
