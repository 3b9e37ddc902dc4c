// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2} from "../../src/pages/Poseidon2.sol";
import {D0, D1, D2, D3} from "../../src/pages/Poseidon2Table.sol";
import {StateTree} from "../../src/pages/StateTree.sol";
import {Test} from "../support/Test.sol";
import {StateModel} from "./StateModel.sol";

/// @notice The permutation and the tree.
contract StateTreeTest is Test {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;

    function verify(
        uint256 root,
        uint256 index,
        uint64[4] calldata balances,
        uint256[39] calldata siblings
    ) external pure returns (bool) {
        return StateTree.verify(root, index, balances, siblings);
    }

    function permute(uint256[4] memory words) public pure returns (uint256[4] memory out) {
        (out[0], out[1], out[2], out[3]) = Poseidon2.permute(
            Poseidon2.table(),
            words[0],
            words[1],
            words[2],
            words[3]
        );
    }

    /// @dev Vectors of `@zkpassport/poseidon2` 0.6.2; Noir's own `poseidon2_permutation` (noir_js 1.0.0-beta.26)
    /// gives the first three as well.
    function test_Permutation_Vectors() public pure {
        _same(
            [uint256(0), 1, 2, 3],
            [
                0x01bd538c2ee014ed5141b29e9ae240bf8db3fe5b9a38629a9647cf8d76c01737,
                0x239b62e7db98aa3a2a8f6a0d2fa1709e7a35959aa6c7034814d9daa90cbac662,
                0x04cbb44c61d928ed06808456bf758cbf0c18d1e15a7b6dbc8245fa7515d5e3cb,
                0x2e11c5cff2a22c64d01304b778d78f6998eff1ab73163a35603f54794c30847a
            ]
        );
        _same(
            [uint256(0), 0, 0, 0],
            [
                0x18dfb8dc9b82229cff974efefc8df78b1ce96d9d844236b496785c698bc6732e,
                0x095c230d1d37a246e8d2d5a63b165fe0fade040d442f61e25f0590e5fb76f839,
                0x0bb9545846e1afa4fa3c97414a60a20fc4949f537a68cceca34c5ce71e28aa59,
                0x18a4f34c9c6f99335ff7638b82aeed9018026618358873c982bbdde265b2ed6d
            ]
        );
        _same(
            [R - 1, R - 2, R - 3, R - 4],
            [
                0x041167116d1cdfa95d266357d735e3a0dfa74b1bd02b315b443ba290659978c6,
                0x2c5ee4954d67b7c614a991db3b4d9379ceef4da56849827a05bdd85d2509c45e,
                0x05e424aa62eee8083cb1cbff5c41e855c9c6a2a218a5f088a1f540abf0ad25c5,
                0x2dafc9bc239ff869f70039fcad2ab6fbf115d5860d4f4892d7a76506c2aaab7c
            ]
        );
        _same(
            [uint256(2 ** 252), 2 ** 253 - 1, 7, R - 1],
            [
                0x05980b32cfa778601d8d97a05caa96e861b36ccd7d83208a00d0da03c1a79c6e,
                0x26b3fd12c4a74cedf146a3670213c146d29eb0075f61b56f6956db21c709d528,
                0x2c25f45ff168e7e623abbb3b5a287a44452e20e1ee36ace1c09834b56c13faf1,
                0x1967f03c446b187e79bca1ee69f85388e2bdec04fac3862d98e1f0551b5585d5
            ]
        );
    }

    /// @dev Written from the paper: matrices multiplied out, every value reduced at once.
    /// forge-config: default.fuzz.runs = 16
    /// forge-config: long.fuzz.runs = 500
    function testFuzz_Permutation(uint256[4] memory words) public pure {
        for (uint256 i = 0; i < 4; ++i) words[i] %= R;
        uint256[4] memory state = _times(_external(), words);
        bytes memory table = Poseidon2.table();
        uint256 place = 0;
        for (uint256 round = 0; round < 64; ++round) {
            bool full = round < 4 || round >= 60;
            for (uint256 i = 0; i < (full ? 4 : 1); ++i) {
                uint256 constant_;
                assembly ("memory-safe") {
                    constant_ := mload(add(add(table, 32), place))
                }
                place += 32;
                uint256 x = addmod(state[i], constant_, R);
                state[i] = mulmod(mulmod(mulmod(mulmod(x, x, R), x, R), x, R), x, R);
            }
            state = _times(full ? _external() : _internal(), state);
        }
        assertEq(place, table.length, "constants");
        uint256[4] memory out = permute(words);
        for (uint256 i = 0; i < 4; ++i) assertEq(out[i], state[i], "word");
    }

    function test_EmptyRoot() public {
        assertEq(new StateModel().root(), StateTree.EMPTY_ROOT, "empty root");
    }

    /// forge-config: default.fuzz.runs = 16
    /// forge-config: long.fuzz.runs = 500
    function testFuzz_Tree(
        uint256 index,
        uint64[4] memory own,
        uint256 other,
        uint64[4] memory others
    ) public {
        index = bound(index, 0, 2 ** 26 - 1);
        // Near, so that some of the path is not empty, or anywhere.
        other = other % 2 == 0 ? index ^ (1 + (other % 1023)) : bound(other, 0, 2 ** 26 - 1);
        if (other == index) return;
        StateModel tree = new StateModel();
        tree.setLeaf(index, _pack(own));
        tree.setLeaf(other, _pack(others));
        uint256[39] memory path = tree.pathOf(index);
        uint256 root = tree.root();
        assertTrue(this.verify(root, index, own, path), "the leaf");
        assertTrue(this.verify(root, other, others, tree.pathOf(other)), "the other leaf");
        assertTrue(!this.verify(root, other, own, path), "another place");
        own[other % 4] ^= 1;
        assertTrue(!this.verify(root, index, own, path), "another balance");
        own[other % 4] ^= 1;
        // x and x + R are one element: only the canonical one counts.
        path[other % 39] += R;
        assertTrue(!this.verify(root, index, own, path), "aliased sibling");
        path[other % 39] -= R - 1;
        assertTrue(!this.verify(root, index, own, path), "another sibling");
    }

    /// @dev 2^63 in one lane packs like 1 in the next: nobody shows a balance that is not there.
    function test_BalanceOverItsLane() public {
        StateModel tree = new StateModel();
        tree.setLeaf(5, _pack([uint64(0), 1, 0, 0]));
        uint256[39] memory path = tree.pathOf(5);
        assertTrue(this.verify(tree.root(), 5, [uint64(0), 1, 0, 0], path), "lane 1");
        assertTrue(!this.verify(tree.root(), 5, [uint64(2 ** 63), 0, 0, 0], path), "lane 0, spilled");
    }

    function _same(uint256[4] memory words, uint256[4] memory expected) private pure {
        uint256[4] memory out = permute(words);
        for (uint256 i = 0; i < 4; ++i) assertEq(out[i], expected[i], "word");
    }

    function _pack(uint64[4] memory four) private pure returns (uint256 packed) {
        for (uint256 lane = 0; lane < 4; ++lane) {
            four[lane] %= 2 ** 53;
            packed += uint256(four[lane]) * 2 ** (63 * lane);
        }
    }

    function _external() private pure returns (uint256[4][4] memory) {
        return [[uint256(5), 7, 1, 3], [uint256(4), 6, 1, 1], [uint256(1), 3, 5, 7], [uint256(1), 1, 4, 6]];
    }

    function _internal() private pure returns (uint256[4][4] memory) {
        return
            [
                [D0 + 1, 1, 1, 1],
                [uint256(1), D1 + 1, 1, 1],
                [uint256(1), 1, D2 + 1, 1],
                [uint256(1), 1, 1, D3 + 1]
            ];
    }

    function _times(
        uint256[4][4] memory matrix,
        uint256[4] memory words
    ) private pure returns (uint256[4] memory out) {
        for (uint256 i = 0; i < 4; ++i)
            for (uint256 k = 0; k < 4; ++k) out[i] = addmod(out[i], mulmod(matrix[i][k], words[k], R), R);
    }
}
