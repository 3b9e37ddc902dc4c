// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../interfaces/ISettlement.sol";
import {BatchHeader} from "../types/Batch.sol";
import {Field} from "./Field.sol";
import {Packed} from "./Packed.sol";

/// @notice What a batch posts beside its header: chunk roots, rows, deposits, withdrawals. Checks each list
/// by itself, adds it to the sums of the assets, and derives what a proof is bound to. Reads no storage.
///
/// `sums` has one entry an asset: deltas + withdrawals - deposits, in units, 0 when the batch conserves. Each
/// is the sum of at most 6,400 values below 2^64, so none overflows.
library BatchData {
    /// @notice Records of a packed list.
    function countOf(
        bytes calldata records,
        uint256 size,
        uint256 max
    ) internal pure returns (uint256 count) {
        if (records.length % size != 0) revert ISettlement.BadPackedLength(records.length);
        count = records.length / size;
        if (count > max) revert ISettlement.TooManyRecords(count, max);
    }

    /// @notice Takes the deposits off the sums.
    /// @param hash Running hash of the queue before them.
    /// @return Running hash after them.
    function sumDeposits(
        int256[] memory sums,
        bytes calldata deposits,
        bytes32 hash
    ) internal pure returns (bytes32) {
        uint256 count = deposits.length / Packed.DEPOSIT_BYTES;
        for (uint256 i = 0; i < count; ++i) {
            (bytes32 record, uint256 index, uint256 units) = Packed.depositAt(deposits, i);
            sums[_assetOf(index, sums)] -= int256(units);
            hash = Packed.extend(hash, record);
        }
        return hash;
    }

    /// @notice Adds the withdrawals to the sums: strictly increasing by index, 0 < units < 2^53.
    /// @return next The largest index plus 1, 0 without withdrawals.
    function sumWithdrawals(
        int256[] memory sums,
        bytes calldata withdrawals
    ) internal pure returns (uint256 next) {
        uint256 count = withdrawals.length / Packed.RECORD_BYTES;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, uint256 units) = Packed.unsignedAt(withdrawals, i);
            if (index < next) revert ISettlement.RowsNotIncreasing(next - 1, index);
            if (units == 0 || units >= Packed.UNITS_END) revert ISettlement.BadUnits(index, units);
            sums[_assetOf(index, sums)] += int256(units);
            next = index + 1;
        }
    }

    /// @notice Adds the rows of one chunk to the sums and evaluates them at z (Batches.sol has the
    /// polynomial).
    /// @param rows The chunk's own rows, at most `slots` of them.
    /// @param next The smallest index that the first row may have.
    /// @return evaluation E(z) of the chunk.
    /// @return The smallest index that the row after the chunk may have.
    function sumChunk(
        int256[] memory sums,
        bytes calldata rows,
        uint256 slots,
        uint256 z,
        uint256 next
    ) internal pure returns (uint256 evaluation, uint256) {
        uint256 count = rows.length / Packed.RECORD_BYTES;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, int256 delta) = Packed.signedAt(rows, i);
            if (index < next) revert ISettlement.RowsNotIncreasing(next - 1, index);
            _checkDelta(index, delta);
            sums[_assetOf(index, sums)] += delta;
            next = index + 1;
            evaluation = addmod(mulmod(evaluation, z, Field.R), next, Field.R);
            evaluation = addmod(mulmod(evaluation, z, Field.R), _element(delta), Field.R);
        }
        for (; count < slots; ++count) evaluation = mulmod(mulmod(evaluation, z, Field.R), z, Field.R);
        return (evaluation, next);
    }

    /// @notice z: everything posted, on this chain and to this contract, in one field element.
    function challenge(
        BatchHeader calldata header,
        uint256[] calldata chunkRoots,
        bytes calldata rows,
        bytes calldata deposits,
        bytes calldata withdrawals
    ) internal view returns (uint256) {
        bytes32 hash = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                header,
                keccak256(abi.encodePacked(chunkRoots)),
                keccak256(rows),
                keccak256(deposits),
                keccak256(withdrawals)
            )
        );
        return uint256(hash) % Field.R;
    }

    function _checkDelta(uint256 index, int256 delta) private pure {
        if (delta == 0 || delta >= int256(Packed.UNITS_END) || delta <= -int256(Packed.UNITS_END))
            revert ISettlement.BadDelta(index, delta);
    }

    /// @dev A signed delta as a field element: R - |delta| when negative.
    function _element(int256 delta) private pure returns (uint256) {
        return delta < 0 ? Field.R - uint256(-delta) : uint256(delta);
    }

    function _assetOf(uint256 index, int256[] memory sums) private pure returns (uint256 asset) {
        asset = index & Packed.ASSET_MASK;
        if (asset >= sums.length) revert ISettlement.UnknownAsset(asset, sums.length);
    }
}
