// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DATA, H00, H01, H10, H11, M00, M01, M02, M10, M11, M12, M20, M21, M22} from "./PoseidonTable.sol";

/// @notice Poseidon of two inputs over BN254 with circomlib's parameters, partial rounds in sparse form
/// (contracts/poseidon-table.ts derives them). Inputs are taken mod R: callers check that they are
/// canonical. A sum of up to five values below R stays below 2^256, so most additions need no reduction.
library Poseidon {
    /// @notice Copies the constants into memory, once for many hashes.
    function table() internal pure returns (bytes memory) {
        return DATA;
    }

    /// @notice Poseidon(left, right).
    /// @param constants What `table` gave.
    function hash(bytes memory constants, uint256 left, uint256 right) internal pure returns (uint256 s0) {
        assembly ("memory-safe") {
            // Four rounds: add constants, fifth powers, dense matrix. Results are below 3R.
            function fullRounds(place, a, b, c) -> x, y, z {
                let r := 21888242871839275222246405745257275088548364400416034343698204186575808495617
                x := a
                y := b
                z := c
                for {
                    let end := add(place, 384)
                } lt(place, end) {
                    place := add(place, 96)
                } {
                    x := add(x, mload(place))
                    a := mulmod(x, x, r)
                    a := mulmod(mulmod(a, a, r), x, r)
                    y := add(y, mload(add(place, 32)))
                    b := mulmod(y, y, r)
                    b := mulmod(mulmod(b, b, r), y, r)
                    z := add(z, mload(add(place, 64)))
                    c := mulmod(z, z, r)
                    c := mulmod(mulmod(c, c, r), z, r)
                    x := add(add(mulmod(a, M00, r), mulmod(b, M01, r)), mulmod(c, M02, r))
                    y := add(add(mulmod(a, M10, r), mulmod(b, M11, r)), mulmod(c, M12, r))
                    z := add(add(mulmod(a, M20, r), mulmod(b, M21, r)), mulmod(c, M22, r))
                }
            }
            // 57 rounds, three at a time: fifth power of element 0 only, sparse matrix. The other two elements
            // grow by less than R a round and are reduced every third; then the block that is left over.
            function partialRounds(place, a, b, c) -> x, y, z {
                let r := 21888242871839275222246405745257275088548364400416034343698204186575808495617
                b := mod(b, r)
                c := mod(c, r)
                for {
                    let end := add(place, 9120)
                } lt(place, end) {
                    place := add(place, 480)
                } {
                    a := add(a, mload(place))
                    x := mulmod(a, a, r)
                    x := mulmod(mulmod(x, x, r), a, r)
                    a := add(
                        add(mulmod(x, M00, r), mulmod(b, mload(add(place, 32)), r)),
                        mulmod(c, mload(add(place, 64)), r)
                    )
                    b := add(b, mulmod(x, mload(add(place, 96)), r))
                    c := add(c, mulmod(x, mload(add(place, 128)), r))
                    a := add(a, mload(add(place, 160)))
                    x := mulmod(a, a, r)
                    x := mulmod(mulmod(x, x, r), a, r)
                    a := add(
                        add(mulmod(x, M00, r), mulmod(b, mload(add(place, 192)), r)),
                        mulmod(c, mload(add(place, 224)), r)
                    )
                    b := add(b, mulmod(x, mload(add(place, 256)), r))
                    c := add(c, mulmod(x, mload(add(place, 288)), r))
                    a := add(a, mload(add(place, 320)))
                    x := mulmod(a, a, r)
                    x := mulmod(mulmod(x, x, r), a, r)
                    a := add(
                        add(mulmod(x, M00, r), mulmod(b, mload(add(place, 352)), r)),
                        mulmod(c, mload(add(place, 384)), r)
                    )
                    b := addmod(b, mulmod(x, mload(add(place, 416)), r), r)
                    c := addmod(c, mulmod(x, mload(add(place, 448)), r), r)
                }
                x := a
                y := add(mulmod(H00, b, r), mulmod(H01, c, r))
                z := add(mulmod(H10, b, r), mulmod(H11, c, r))
            }
            let s1, s2
            s0, s1, s2 := fullRounds(add(constants, 32), 0, left, right)
            s0, s1, s2 := partialRounds(add(constants, 416), s0, s1, s2)
            s0, s1, s2 := fullRounds(add(constants, 9536), s0, s1, s2)
            s0 := mod(s0, 21888242871839275222246405745257275088548364400416034343698204186575808495617)
        }
    }
}
