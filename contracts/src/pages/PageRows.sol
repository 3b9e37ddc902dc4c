// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Field} from "../libraries/Field.sol";
import {Packed} from "../libraries/Packed.sol";
import {IPageSettlement} from "./IPageSettlement.sol";
import {StateTree} from "./StateTree.sol";
import {Carried, Page} from "./Types.sol";

/// @notice The rows of pages: checks each page by itself, and evaluates its rows at z. Reads no storage.
///
/// A row is a touched leaf. In trade and withdrawal pages: uint32 head = mask << 26 | leaf index (bit k of the mask is
/// set when the balance of lane k changes; bits 30 and 31 are 0), then for each set lane, ascending, 7 bytes: the
/// delta as int56 in trade pages, the units withdrawn as uint56 in withdrawal pages. In deposit pages: the leaf
/// index as uint32; what it gets is derived from the deposits, 34 bytes each: the record of the vault's queue
/// (Packed.sol) and as uint16 the place of its leaf in the rows.
///
/// Evaluation. E = 0; for each row in order E = E * z + (leaf index + 1), then E = E * z + D, where D is the sum of
/// delta_k * 2^(63 k) over the lanes, mod R. Deltas are below 2^53 in absolute value, so D says all four.
library PageRows {
    /// @notice Rows of a page.
    uint256 internal constant MAX_ROWS = 1024;
    /// @notice Withdrawals of a page: so many that crediting it fits a transaction (2^24 gas by EIP-7825) even when each of
    /// them serves a forced withdrawal.
    uint256 internal constant MAX_WITHDRAWALS = 256;
    uint256 internal constant HEAD_BYTES = 4;
    uint256 internal constant LANE_BYTES = 7;
    uint256 internal constant DEPOSIT_BYTES = 34;
    uint256 internal constant LEAF_MASK = (1 << 26) - 1;
    uint256 internal constant ACCOUNT_MASK = (1 << 22) - 1;
    uint256 internal constant LANES_MASK = 15;

    /// @notice A walk over the rows of a page. The loop of `_walk` knows the places of its members.
    /// @param z Where the rows are evaluated.
    /// @param evaluation E so far, below 2R.
    /// @param next Smallest leaf index that the next row may have.
    /// @param accountCount Registered accounts.
    /// @param rows Rows so far.
    /// @param firstSum Place in memory of the first of the sums.
    /// @param endSum Place behind the last of them.
    /// @param sign 1 in trade pages; -1 in withdrawal pages, whose deltas are the units, negative.
    /// @param fault Rule that the last row breaks: 1 = of its head, 2 = of a lane; 0 = none.
    /// @param word That row from its head, or from its lane, whose number is in the lowest byte.
    /// @param order R: the compiler would put it together from the code, each time, for many times the gas.
    /// @param sums Sums of the deltas, in units, one an asset. Each is the sum of at most 2^26 values below 2^53.
    struct Walk {
        uint256 z;
        uint256 evaluation;
        uint256 next;
        uint256 accountCount;
        uint256 rows;
        uint256 firstSum;
        uint256 endSum;
        int256 sign;
        uint256 fault;
        uint256 word;
        uint256 order;
        int256[] sums;
    }

    /// @notice A walk that begins.
    /// @param sums To which the deltas are added.
    function begin(
        uint256 z,
        uint256 next,
        uint256 accountCount,
        int256[] memory sums
    ) internal pure returns (Walk memory walk) {
        (walk.z, walk.next, walk.accountCount) = (z, next, accountCount);
        (walk.order, walk.sums) = (Field.R, sums);
        assembly ("memory-safe") {
            // Behind the array's length.
            let first := add(sums, 0x20)
            mstore(add(walk, 0xa0), first)
            mstore(add(walk, 0xc0), add(first, shl(5, mload(sums))))
        }
    }

    /// @notice The point at which a page's rows are evaluated: everything posted, in one field element.
    /// @param state What the pages before it pass on.
    function challenge(Carried memory state, Page calldata page) internal pure returns (uint256) {
        bytes32 hash = keccak256(
            abi.encode(
                state.batchHash,
                state.pages,
                uint256(page.kind),
                state.root,
                page.lastRoot,
                keccak256(page.rows),
                keccak256(page.deposits)
            )
        );
        return uint256(hash) % Field.R;
    }

    /// @notice A trade page: adds its deltas to the sums.
    function trades(Walk memory walk, bytes calldata rows) internal pure {
        walk.sign = 1;
        _checkRows(walk, rows);
    }

    /// @notice A withdrawal page: its deltas are the units, negative. The sums are not those of trades.
    function withdrawals(Walk memory walk, bytes calldata rows) internal pure {
        walk.sign = -1;
        _checkRows(walk, rows);
        uint256 lanes = (rows.length - walk.rows * HEAD_BYTES) / LANE_BYTES;
        if (lanes > MAX_WITHDRAWALS) revert IPageSettlement.TooManyRecords(lanes, MAX_WITHDRAWALS);
    }

    /// @notice A deposit page.
    /// @param hash Running hash of the queue before it.
    /// @return Running hash after it.
    /// @return count Deposits of the page.
    function credits(
        Walk memory walk,
        bytes calldata rows,
        bytes calldata deposits,
        bytes32 hash
    ) internal pure returns (bytes32, uint256 count) {
        if (rows.length % HEAD_BYTES != 0) revert IPageSettlement.BadPackedLength(rows.length);
        walk.rows = rows.length / HEAD_BYTES;
        _checkEnd(walk.rows);
        if (deposits.length % DEPOSIT_BYTES != 0) revert IPageSettlement.BadPackedLength(deposits.length);
        count = deposits.length / DEPOSIT_BYTES;
        uint256[] memory packed = new uint256[](walk.rows);
        for (uint256 i = 0; i < count; ++i)
            hash = Packed.extend(hash, _credit(packed, rows, deposits, i * DEPOSIT_BYTES));
        for (uint256 i = 0; i < packed.length; ++i) {
            uint256 leaf = _wordAt(rows, i * HEAD_BYTES) >> 224;
            _checkLeaf(walk, leaf);
            if (packed[i] == 0) revert IPageSettlement.BadDelta(leaf, 0, 0);
            _absorb(walk, leaf, packed[i]);
        }
        return (hash, count);
    }

    /// @notice Byte at which the row begins that is `count` rows after the one at `offset`, or the end of the rows.
    function skip(bytes calldata rows, uint256 offset, uint256 count) internal pure returns (uint256) {
        for (; count != 0 && offset < rows.length; --count) (, , , offset) = withdrawalAt(rows, offset);
        return offset;
    }

    /// @notice The row of a withdrawal page at a place.
    /// @param offset Byte at which it begins.
    /// @return leaf Its leaf index.
    /// @return mask Lanes that are withdrawn from.
    /// @return units Units of the set lanes, ascending: the next one in the highest 7 bytes.
    /// @return next Byte at which the next row begins.
    function withdrawalAt(
        bytes calldata rows,
        uint256 offset
    ) internal pure returns (uint256 leaf, uint256 mask, uint256 units, uint256 next) {
        uint256 word = _wordAt(rows, offset);
        mask = (word >> 250) & LANES_MASK;
        leaf = (word >> 224) & LEAF_MASK;
        units = word << 32;
        next = offset + HEAD_BYTES;
        for (uint256 left = mask; left != 0; left &= left - 1) next += LANE_BYTES;
    }

    /// @notice Index of the account and the first asset of a leaf, as Packed.sol has it; the others follow.
    function firstIndexOf(uint256 leaf) internal pure returns (uint256) {
        return ((leaf & ACCOUNT_MASK) << Packed.ASSET_BITS) | ((leaf >> StateTree.ACCOUNT_BITS) << 2);
    }

    /// @dev Adds one deposit to the delta of its leaf; gives its record.
    function _credit(
        uint256[] memory packed,
        bytes calldata rows,
        bytes calldata deposits,
        uint256 offset
    ) private pure returns (bytes32 record) {
        record = bytes32(_wordAt(deposits, offset));
        uint256 place = _wordAt(deposits, offset + 32) >> 240;
        uint256 index = uint256(record) >> 224;
        uint256 units = uint64(uint256(record) >> 160);
        if (place >= packed.length) revert IPageSettlement.WrongLeaf(index, place);
        uint256 expected = StateTree.leafIndexOf(index >> Packed.ASSET_BITS, index & Packed.ASSET_MASK);
        if (_wordAt(rows, place * HEAD_BYTES) >> 224 != expected)
            revert IPageSettlement.WrongLeaf(index, place);
        _add(packed, place, index & (StateTree.LANES - 1), units);
    }

    function _add(uint256[] memory packed, uint256 place, uint256 lane, uint256 units) private pure {
        uint256 shift = StateTree.LANE_BITS * lane;
        uint256 sum = ((packed[place] >> shift) & ((1 << StateTree.LANE_BITS) - 1)) + units;
        // Both are bounded by it, so no lane spills into the next.
        if (sum >= StateTree.UNITS_END) revert IPageSettlement.BadUnits(place, lane, sum);
        packed[place] += units << shift;
    }

    function _checkRows(Walk memory walk, bytes calldata rows) private pure {
        uint256 start;
        assembly ("memory-safe") {
            start := rows.offset
        }
        uint256 read = _walk(walk, start, start + rows.length) - start;
        if (walk.fault == 1) _refuseHead(walk);
        if (walk.fault == 2) _refuseLane(walk);
        // A last row that is cut has read what is not its own.
        if (read != rows.length) revert IPageSettlement.BadPackedLength(rows.length);
        _checkEnd(walk.rows);
    }

    /// @dev Every row of a trade or withdrawal page, to the first that may not stand; which rule it breaks is said
    /// afterwards, outside of the loop that each row pays for. Few variables: a stack has 16.
    /// @param place Where the rows begin in calldata.
    /// @param end Where they end.
    /// @return Where the last row ended.
    function _walk(Walk memory walk, uint256 place, uint256 end) private pure returns (uint256) {
        assembly ("memory-safe") {
            function absorb(walk_, term) {
                // Sums below 2R, which mulmod takes.
                mstore(
                    add(walk_, 0x20),
                    add(mulmod(mload(add(walk_, 0x20)), mload(walk_), mload(add(walk_, 0x140))), term)
                )
            }
            for {} lt(place, end) {} {
                let word := calldataload(place)
                let mask := shr(250, word)
                let slot := 0
                {
                    let leaf := and(shr(224, word), 0x3ffffff)
                    // No lane or more than four, not behind the row before, an account that is not there.
                    if or(
                        gt(sub(mask, 1), 14),
                        or(
                            lt(leaf, mload(add(walk, 0x40))),
                            iszero(lt(and(leaf, 0x3fffff), mload(add(walk, 0x60))))
                        )
                    ) {
                        mstore(add(walk, 0x100), 1)
                        mstore(add(walk, 0x120), word)
                        break
                    }
                    // Four sums a group.
                    slot := add(mload(add(walk, 0xa0)), shl(7, shr(22, leaf)))
                    leaf := add(leaf, 1)
                    mstore(add(walk, 0x40), leaf)
                    mstore(add(walk, 0x80), add(mload(add(walk, 0x80)), 1))
                    absorb(walk, leaf)
                }
                place := add(place, 4)
                word := shl(32, word)
                let packed := 0
                for {
                    let shift := 0
                } mask {
                    mask := shr(1, mask)
                    slot := add(slot, 0x20)
                    shift := add(shift, 63)
                } {
                    if and(mask, 1) {
                        let delta := sar(200, word)
                        // Zero, 2^53 or more in absolute value, negative units, an asset that is not there.
                        if or(
                            or(iszero(delta), iszero(lt(add(delta, 0x1fffffffffffff), 0x3fffffffffffff))),
                            or(
                                slt(and(delta, mload(add(walk, 0xe0))), 0),
                                iszero(lt(slot, mload(add(walk, 0xc0))))
                            )
                        ) {
                            mstore(add(walk, 0x100), 2)
                            mstore(add(walk, 0x120), add(and(word, not(0xff)), div(shift, 63)))
                            break
                        }
                        delta := mul(delta, mload(add(walk, 0xe0)))
                        mstore(slot, add(mload(slot), delta))
                        packed := add(packed, shl(shift, delta))
                        place := add(place, 7)
                        word := shl(56, word)
                    }
                }
                if mload(add(walk, 0x100)) {
                    break
                }
                // A negative packed delta has its two's complement: R is added.
                absorb(walk, add(packed, mul(mload(add(walk, 0x140)), slt(packed, 0))))
            }
        }
        return place;
    }

    /// @dev Says what is wrong with a row.
    function _refuseHead(Walk memory walk) private pure {
        uint256 leaf = (walk.word >> 224) & LEAF_MASK;
        uint256 mask = walk.word >> 250;
        if (mask == 0 || mask > LANES_MASK) revert IPageSettlement.BadMask(leaf, mask);
        _checkLeaf(walk, leaf);
    }

    /// @dev Says what is wrong with a lane of the last row.
    function _refuseLane(Walk memory walk) private pure {
        uint256 leaf = walk.next - 1;
        uint256 lane = walk.word & 0xff;
        uint256 asset = ((leaf >> StateTree.ACCOUNT_BITS) << 2) + lane;
        if (asset >= walk.sums.length) revert IPageSettlement.UnknownAsset(asset, walk.sums.length);
        if (walk.sign < 0) revert IPageSettlement.BadUnits(leaf, lane, walk.word >> 200);
        revert IPageSettlement.BadDelta(leaf, lane, int256(walk.word) >> 200);
    }

    function _checkLeaf(Walk memory walk, uint256 leaf) private pure {
        if (leaf < walk.next) revert IPageSettlement.RowsNotIncreasing(walk.next - 1, leaf);
        if (leaf & ACCOUNT_MASK >= walk.accountCount)
            revert IPageSettlement.UnknownAccount(leaf & ACCOUNT_MASK, walk.accountCount);
        walk.next = leaf + 1;
    }

    function _checkEnd(uint256 count) private pure {
        if (count == 0) revert IPageSettlement.EmptyPage();
        if (count > MAX_ROWS) revert IPageSettlement.TooManyRecords(count, MAX_ROWS);
    }

    /// @dev One row of deposits into E; `packed` is positive.
    function _absorb(Walk memory walk, uint256 leaf, uint256 packed) private pure {
        uint256 evaluation = addmod(mulmod(walk.evaluation, walk.z, Field.R), leaf + 1, Field.R);
        walk.evaluation = addmod(mulmod(evaluation, walk.z, Field.R), packed, Field.R);
    }

    /// @dev 32 bytes from `offset`; what is behind the end is other calldata or zeros, and callers check the length.
    function _wordAt(bytes calldata records, uint256 offset) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(add(records.offset, offset))
        }
    }
}
