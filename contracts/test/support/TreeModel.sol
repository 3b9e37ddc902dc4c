// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Poseidon} from "../../src/libraries/Poseidon.sol";

/// @notice The balance tree in full, as an operator keeps it: set leaves, read root and paths.
contract TreeModel {
    uint256 public constant DEPTH = 28;
    mapping(uint256 height => mapping(uint256 place => uint256)) private _nodes;
    uint256[29] private _empty;

    constructor() {
        bytes memory constants = Poseidon.table();
        for (uint256 h = 0; h < DEPTH; ++h) _empty[h + 1] = Poseidon.hash(constants, _empty[h], _empty[h]);
    }

    function root() external view returns (uint256) {
        return _node(DEPTH, 0);
    }

    function leaf(uint256 index) external view returns (uint256) {
        return _nodes[0][index];
    }

    function set(uint256 index, uint256 units) external {
        bytes memory constants = Poseidon.table();
        uint256 node = units;
        for (uint256 h = 0; h < DEPTH; ++h) {
            _nodes[h][index] = node;
            uint256 sibling = _node(h, index ^ 1);
            (uint256 left, uint256 right) = index & 1 == 0 ? (node, sibling) : (sibling, node);
            node = Poseidon.hash(constants, left, right);
            index >>= 1;
        }
        _nodes[DEPTH][0] = node;
    }

    function path(uint256 index) external view returns (uint256[28] memory siblings) {
        for (uint256 h = 0; h < DEPTH; ++h) siblings[h] = _node(h, (index >> h) ^ 1);
    }

    function _node(uint256 height, uint256 place) private view returns (uint256 node) {
        node = _nodes[height][place];
        if (node == 0) node = _empty[height];
    }
}
