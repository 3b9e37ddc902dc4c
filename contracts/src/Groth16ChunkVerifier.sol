// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChunkVerifier} from "./interfaces/IChunkVerifier.sol";
import {Field} from "./libraries/Field.sol";

/// @title Groth16ChunkVerifier
/// @notice Verifies Groth16 proofs (J. Groth, "On the Size of Pairing-Based Non-interactive Arguments",
/// EUROCRYPT 2016) of the chunk circuit over BN254, with the precompiles of EIP-196 and EIP-197:
///     e(A, B) = e(alpha, beta) * e(IC(x), gamma) * e(C, delta),  IC(x) = ic[0] + sum of x[i] * ic[i + 1].
/// The key is fixed at construction. The precompiles reject coordinates that are not below the base
/// field's order, points off the curve, and G2 points outside the subgroup; public inputs are checked
/// here, because multiplication takes x and x + R for one.
///
/// The constructor refuses keys that nobody should trust: with gamma = delta or -delta (a setup whose second
/// phase was left out) everybody can forge, by C = -IC(x) or IC(x) with A = alpha and B = beta; with a point
/// of IC or gamma at infinity, an input is bound to nothing. That the secrets of the setup are unknown
/// no contract can see.
contract Groth16ChunkVerifier is IChunkVerifier {
    /// @notice Verification key; G1 points are x, y; G2 points are x1, x0, y1, y0 (EIP-197 order).
    struct Key {
        uint256[2] alpha;
        uint256[4] beta;
        uint256[4] gamma;
        uint256[4] delta;
        uint256[2][5] ic;
    }

    /// @inheritdoc IChunkVerifier
    uint256 public immutable rowsPerChunk;
    /// @dev -alpha, so that the equation is one product of pairings.
    uint256 private immutable _negAlphaX;
    uint256 private immutable _negAlphaY;
    Key private _key;

    /// @notice A chunk has no rows.
    error BadRowsPerChunk(uint256 rowsPerChunk);
    /// @notice A point of the key is at infinity.
    error KeyPointAtInfinity();
    /// @notice A point of the key is not on its curve, or not in its group.
    error KeyOffCurve();
    /// @notice gamma = delta or -delta: anybody can forge proofs for such a key.
    error KeyWithoutSecondPhase();

    /// @param rowsPerChunk_ Row slots of the circuit.
    /// @param key_ Verification key of the circuit's setup.
    constructor(uint256 rowsPerChunk_, Key memory key_) {
        if (rowsPerChunk_ == 0) revert BadRowsPerChunk(rowsPerChunk_);
        _checkKey(key_);
        rowsPerChunk = rowsPerChunk_;
        _key = key_;
        _negAlphaX = key_.alpha[0];
        _negAlphaY = Field.Q - key_.alpha[1];
    }

    /// @notice The verification key, for anyone to compare with the published one.
    function key() external view returns (Key memory) {
        return _key;
    }

    /// @inheritdoc IChunkVerifier
    function verify(
        uint256[4] calldata publicInputs,
        uint256[8] calldata proof
    ) external view returns (bool) {
        for (uint256 i = 0; i < 4; ++i) if (publicInputs[i] >= Field.R) return false;
        (bool summed, uint256 x, uint256 y) = _combine(publicInputs);
        return summed && _pairing(x, y, proof);
    }

    /// @dev The pairing precompile takes a list only if each point is on its curve and in its group; what the
    /// product is does not matter.
    function _checkKey(Key memory key_) private view {
        uint256[2][6] memory g1 = [key_.alpha, key_.ic[0], key_.ic[1], key_.ic[2], key_.ic[3], key_.ic[4]];
        uint256[4][6] memory g2 = [key_.beta, key_.gamma, key_.delta, key_.gamma, key_.gamma, key_.gamma];
        uint256[36] memory input;
        for (uint256 i = 0; i < 6; ++i) {
            if ((g1[i][0] | g1[i][1]) == 0) revert KeyPointAtInfinity();
            if ((g2[i][0] | g2[i][1] | g2[i][2] | g2[i][3]) == 0) revert KeyPointAtInfinity();
            (input[6 * i], input[6 * i + 1]) = (g1[i][0], g1[i][1]);
            for (uint256 k = 0; k < 4; ++k) input[6 * i + 2 + k] = g2[i][k];
        }
        if (key_.gamma[0] == key_.delta[0] && key_.gamma[1] == key_.delta[1]) revert KeyWithoutSecondPhase();
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, input, 0x480, 0x00, 0x20)
        }
        if (!ok) revert KeyOffCurve();
    }

    /// @dev IC(x). The points are good (_checkKey), so only gas can be missing.
    function _combine(uint256[4] calldata publicInputs) private view returns (bool ok, uint256 x, uint256 y) {
        x = _key.ic[0][0];
        y = _key.ic[0][1];
        ok = true;
        for (uint256 i = 0; i < 4; ++i) {
            uint256[2] memory term;
            uint256[3] memory factor = [_key.ic[i + 1][0], _key.ic[i + 1][1], publicInputs[i]];
            uint256[4] memory pair;
            assembly ("memory-safe") {
                ok := and(ok, staticcall(gas(), 7, factor, 0x60, term, 0x40))
                mstore(pair, x)
                mstore(add(pair, 0x20), y)
                mcopy(add(pair, 0x40), term, 0x40)
                ok := and(ok, staticcall(gas(), 6, pair, 0x80, term, 0x40))
                x := mload(term)
                y := mload(add(term, 0x20))
            }
        }
    }

    /// @dev e(A, B) * e(-alpha, beta) * e(-IC, gamma) * e(-C, delta) = 1, with negations on the G1 side.
    function _pairing(uint256 x, uint256 y, uint256[8] calldata proof) private view returns (bool) {
        if (proof[7] >= Field.Q) return false;
        Key storage key_ = _key;
        uint256[24] memory input = [
            proof[0],
            proof[1],
            proof[2],
            proof[3],
            proof[4],
            proof[5],
            _negAlphaX,
            _negAlphaY,
            key_.beta[0],
            key_.beta[1],
            key_.beta[2],
            key_.beta[3],
            x,
            _negate(y),
            key_.gamma[0],
            key_.gamma[1],
            key_.gamma[2],
            key_.gamma[3],
            proof[6],
            _negate(proof[7]),
            key_.delta[0],
            key_.delta[1],
            key_.delta[2],
            key_.delta[3]
        ];
        uint256[1] memory result;
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 8, input, 0x300, result, 0x20)
        }
        return ok && result[0] == 1;
    }

    /// @dev y of the negated point; 0 stays 0 (the point at infinity is (0, 0)).
    function _negate(uint256 y) private pure returns (uint256) {
        return y == 0 ? 0 : Field.Q - y;
    }
}
