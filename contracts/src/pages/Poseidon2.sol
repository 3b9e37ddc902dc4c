// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {D0, D1, D2, D3, ROUNDS} from "./Poseidon2Table.sol";

/// @notice The Poseidon2 permutation of four words over BN254 (eprint 2023/323), with the parameters of
/// Barretenberg and Noir. Inputs are taken mod R: callers check that they are canonical. A sum of up to five
/// values below R stays below 2^256, and mulmod and addmod take such sums, so most additions need no reduction.
library Poseidon2 {
    /// @notice Copies the constants of the rounds into memory, once for many permutations.
    function table() internal pure returns (bytes memory) {
        return ROUNDS;
    }

    /// @notice The permutation.
    /// @param constants What `table` gave.
    /// @param a First word, below 2R, as the others.
    function permute(
        bytes memory constants,
        uint256 a,
        uint256 b,
        uint256 c,
        uint256 d
    ) internal pure returns (uint256, uint256, uint256, uint256) {
        assembly ("memory-safe") {
            // The matrix of full rounds: words below 2R come out below R.
            function mix(a0, b0, c0, d0) -> w, x, y, z {
                let r := 21888242871839275222246405745257275088548364400416034343698204186575808495617
                let ab := addmod(a0, b0, r)
                let cd := addmod(c0, d0, r)
                // Below 3R each.
                let b2 := add(mulmod(b0, 2, r), cd)
                let d2 := add(mulmod(d0, 2, r), ab)
                z := addmod(mulmod(cd, 4, r), d2, r)
                x := addmod(mulmod(ab, 4, r), b2, r)
                w := addmod(d2, x, r)
                y := addmod(b2, z, r)
            }
            // Fifth power of a word below 4R, below R.
            function power(x) -> y {
                let r := 21888242871839275222246405745257275088548364400416034343698204186575808495617
                y := mulmod(x, x, r)
                y := mulmod(mulmod(y, y, r), x, r)
            }
            // Four rounds that raise every word: words below 2R come out below R.
            function fullRounds(place, a0, b0, c0, d0) -> w, x, y, z {
                w := a0
                x := b0
                y := c0
                z := d0
                for {
                    let end := add(place, 512)
                } lt(place, end) {
                    place := add(place, 128)
                } {
                    w := power(add(w, mload(place)))
                    x := power(add(x, mload(add(place, 32))))
                    y := power(add(y, mload(add(place, 64))))
                    z := power(add(z, mload(add(place, 96))))
                    w, x, y, z := mix(w, x, y, z)
                }
            }
            // 56 rounds that raise the first word only: words below R come out below 2R.
            function partialRounds(place, a0, b0, c0, d0) -> w, x, y, z {
                let r := 21888242871839275222246405745257275088548364400416034343698204186575808495617
                w := a0
                x := b0
                y := c0
                z := d0
                for {
                    let end := add(place, 1792)
                } lt(place, end) {
                    place := add(place, 32)
                } {
                    w := power(add(w, mload(place)))
                    // The first two are below 3R together, the others below 4R.
                    let sum := addmod(add(w, x), add(y, z), r)
                    w := add(mulmod(w, D0, r), sum)
                    x := add(mulmod(x, D1, r), sum)
                    y := add(mulmod(y, D2, r), sum)
                    z := add(mulmod(z, D3, r), sum)
                }
            }
            let place := add(constants, 32)
            a, b, c, d := mix(a, b, c, d)
            a, b, c, d := fullRounds(place, a, b, c, d)
            a, b, c, d := partialRounds(add(place, 512), a, b, c, d)
            a, b, c, d := fullRounds(add(place, 2304), a, b, c, d)
        }
        return (a, b, c, d);
    }
}
