// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PageRows} from "../../src/pages/PageRows.sol";
import {Test} from "../support/Test.sol";

/// @notice Rows of trade and withdrawal pages, whatever the bytes: a slow reader, one byte at a time and rule by rule,
/// says what the fast loop must take and what it must make of it.
contract PageRowsTest is Test {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant ASSETS = 7;
    uint256 private constant ACCOUNTS = 40;

    struct Read {
        bool good;
        uint256 evaluation;
        uint256 next;
        int256[] sums;
    }

    function fast(
        bytes calldata rows,
        uint256 z,
        uint256 next,
        bool trades
    ) external pure returns (Read memory read) {
        read.sums = new int256[](ASSETS);
        PageRows.Walk memory walk = PageRows.begin(z, next, ACCOUNTS, read.sums);
        if (trades) PageRows.trades(walk, rows);
        else PageRows.withdrawals(walk, rows);
        (read.good, read.evaluation, read.next) = (true, walk.evaluation % R, walk.next);
    }

    function skip(bytes calldata rows, uint256 offset, uint256 count) external pure returns (uint256) {
        return PageRows.skip(rows, offset, count);
    }

    function _number(bytes memory rows, uint256 from, uint256 size) private pure returns (uint256 value) {
        for (uint256 i = 0; i < size; ++i) value = value * 256 + uint8(rows[from + i]);
    }

    /// @dev Gives `good` false at the first rule that is broken.
    function _slow(
        bytes memory rows,
        uint256 z,
        uint256 next,
        bool trades
    ) private pure returns (Read memory read) {
        read.sums = new int256[](ASSETS);
        read.next = next;
        if (rows.length == 0) return read;
        uint256 offset = 0;
        while (offset < rows.length) {
            if (rows.length - offset < 4) return read;
            uint256 head = _number(rows, offset, 4);
            offset += 4;
            if (head / 2 ** 30 != 0 || head / 2 ** 26 == 0) return read;
            uint256 leaf = head % 2 ** 26;
            if (leaf < read.next || leaf % 2 ** 22 >= ACCOUNTS) return read;
            read.next = leaf + 1;
            read.evaluation = addmod(mulmod(read.evaluation, z, R), leaf + 1, R);
            read.evaluation = mulmod(read.evaluation, z, R);
            for (uint256 lane = 0; lane < 4; ++lane) {
                if ((head / 2 ** (26 + lane)) % 2 == 0) continue;
                if (rows.length - offset < 7) return read;
                uint256 raw = _number(rows, offset, 7);
                offset += 7;
                int256 delta = trades && raw >= 2 ** 55 ? int256(raw) - 2 ** 56 : int256(raw);
                if (delta == 0 || delta >= 2 ** 53 || delta <= -(2 ** 53)) return read;
                uint256 asset = (leaf / 2 ** 22) * 4 + lane;
                if (asset >= ASSETS) return read;
                if (!trades) delta = -delta;
                read.sums[asset] += delta;
                int256 part = delta * int256(2 ** (63 * lane));
                read.evaluation = addmod(read.evaluation, part < 0 ? R - uint256(-part) : uint256(part), R);
            }
        }
        read.good = true;
    }

    function _compare(bytes memory rows, uint256 z, uint256 next, bool trades) private view returns (bool) {
        Read memory expected = _slow(rows, z, next, trades);
        try this.fast(rows, z, next, trades) returns (Read memory read) {
            assertTrue(expected.good, "taken, and should not be");
            assertEq(read.evaluation, expected.evaluation, "evaluation");
            assertEq(read.next, expected.next, "next");
            for (uint256 asset = 0; asset < ASSETS; ++asset)
                assertEq(uint256(read.sums[asset]), uint256(expected.sums[asset]), "sum");
        } catch {
            assertTrue(!expected.good, "refused, and should not be");
        }
        return expected.good;
    }

    /// @dev Rows that may stand, from a seed.
    function _rows(uint256 seed, bool trades) private pure returns (bytes memory rows) {
        uint256 count = 1 + (seed % 9);
        uint256 leaf = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 random = uint256(keccak256(abi.encode(seed, i)));
            leaf += 1 + (random % 12);
            // From the first group to the second.
            if (leaf >= ACCOUNTS && leaf < 2 ** 22) leaf = 2 ** 22 + (random % 5);
            if (leaf >= 2 ** 22 + ACCOUNTS) break;
            uint256 mask = leaf < 2 ** 22 ? 1 + ((random >> 16) % 15) : 1 + ((random >> 16) % 7);
            rows = bytes.concat(rows, abi.encodePacked(uint32((mask << 26) | leaf)));
            for (uint256 lane = 0; lane < 4; ++lane) {
                if ((mask >> lane) & 1 == 0) continue;
                uint256 size = 1 + ((random >> (32 + 8 * lane)) % 53);
                int256 value = int256(1 + ((random >> (64 + 40 * lane)) % (2 ** size - 1)));
                if (trades && (random >> (24 + lane)) & 1 == 1) value = -value;
                rows = bytes.concat(rows, abi.encodePacked(int56(value)));
            }
        }
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: long.fuzz.runs = 5000
    function testFuzz_GoodRows(uint256 seed, uint256 z, bool trades) public view {
        bytes memory rows = _rows(seed, trades);
        assertTrue(_compare(rows, z % R, 0, trades), "may stand");
        uint256 first = _number(rows, 0, 4) % 2 ** 26;
        assertTrue(_compare(rows, z % R, first, trades), "from its first leaf");
        assertTrue(!_compare(rows, z % R, first + 1, trades), "from behind it");
        // Walked row by row, it ends where it ends.
        uint256 offset = 0;
        while (offset < rows.length) offset = this.skip(rows, offset, 1);
        assertEq(offset, rows.length, "skip");
        assertEq(this.skip(rows, 0, type(uint256).max), rows.length, "skip all");
    }

    /// @dev One byte or bit changed, cut, or longer.
    /// forge-config: default.fuzz.runs = 128
    /// forge-config: long.fuzz.runs = 5000
    function testFuzz_ChangedRows(uint256 seed, uint256 change, bool trades) public view {
        bytes memory rows = _rows(seed, trades);
        uint256 place = (change >> 8) % rows.length;
        if (change % 4 == 0) rows[place] = bytes1(uint8(change >> 64));
        else if (change % 4 == 1) rows[place] ^= bytes1(uint8(1 << ((change >> 64) % 8)));
        else if (change % 4 == 2) rows = bytes.concat(rows, abi.encodePacked(uint8(change >> 64)));
        else
            assembly ("memory-safe") {
                mstore(rows, place)
            }
        _compare(rows, uint256(keccak256(abi.encode(change))) % R, 0, trades);
    }

    /// forge-config: default.fuzz.runs = 64
    /// forge-config: long.fuzz.runs = 5000
    function testFuzz_AnyBytes(bytes memory rows, uint256 z, bool trades) public view {
        _compare(rows, z % R, 0, trades);
    }

    /// @dev The largest and the smallest deltas, and those beyond them, in each lane.
    function test_Bounds() public view {
        for (uint256 lane = 0; lane < 4; ++lane) {
            int256[6] memory values = [
                int256(2 ** 53 - 1),
                -(2 ** 53 - 1),
                2 ** 53,
                -(2 ** 53),
                1,
                -(2 ** 55)
            ];
            for (uint256 i = 0; i < 6; ++i) {
                bytes memory row = abi.encodePacked(uint32((1 << (26 + lane)) | 39), int56(values[i]));
                assertTrue(_compare(row, 3, 0, true) == (i < 2 || i == 4), "trade");
                assertTrue(_compare(row, 3, 0, false) == (i == 0 || i == 4), "withdrawal");
            }
        }
    }
}
