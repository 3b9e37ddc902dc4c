// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {FillTree} from "../src/libraries/FillTree.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice Gas of each call as a transaction of its own, into contracts/snapshots/Glassbook.json. The committed
/// file is compared when the tests run; bench/gas.ts measures the same on a chain, with real proofs.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    constructor() {
        rowsPerChunk = 16;
    }

    function _snapshot(string memory name) private {
        vm.snapshotGasLastCall("Glassbook", name);
    }

    /// @dev `count` accounts with 1000 units each, proven; the rows move one unit between neighbours.
    function _trades(uint256 count) private returns (Posted memory) {
        for (uint256 i = 0; i < count; ++i) _deposit(address(uint160(0x10000 + i)), 0, 1000);
        _settleDeposits();
        bytes memory rows;
        for (uint256 i = 0; i < count; ++i)
            rows = bytes.concat(rows, _record(1 + i, 0, i % 2 == 0 ? int256(1) : -int256(1)));
        return _build(rows, 0, "");
    }

    function _commitOf(uint256 rows, string memory name) private {
        Posted memory p = _trades(rows);
        _commit(p);
        _snapshot(name);
    }

    function test_Gas_Commit1() public {
        _deposit(alice, 0, 50);
        _deposit(alice, 0, 50);
        _settle(_record(1, 0, int256(50)), 1, "");
        _commit(_build(_record(1, 0, int256(50)), 1, ""));
        _snapshot("commitBatch, 1 row, 1 deposit");
    }

    function test_Gas_Commit8() public {
        _commitOf(8, "commitBatch, 8 rows");
    }

    function test_Gas_Commit64() public {
        _commitOf(64, "commitBatch, 64 rows");
    }

    function test_Gas_Commit256() public {
        _commitOf(256, "commitBatch, 256 rows");
    }

    function test_Gas_Life() public {
        usd.mint(alice, 10_000);
        vm.startPrank(alice);
        usd.approve(address(vault), 10_000);
        vault.deposit(0, 5000);
        _snapshot("deposit, first of an owner");
        vault.deposit(0, 100);
        _snapshot("deposit, later");
        vm.stopPrank();
        queue.push(_depositRecord(1, 0, 50, alice));
        queue.push(_depositRecord(1, 0, 1, alice));
        _settle(_record(1, 0, int256(51)), 2, "");
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        _commit(p);
        _proveAll(p);
        _snapshot("proveChunk, without the pairing");
        settlement.finalizeBatch(2, p.withdrawals);
        _snapshot("finalizeBatch, 1 withdrawal");
        vault.claim(1, 0);
        _snapshot("claim");
        _request(alice, 1, 5);
        _snapshot("requestWithdrawal");
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[28] memory path = tree.path((1 << 6) | 1);
        settlement.answerRequest(1, 1, 3, 0, path);
        _snapshot("answerRequest");
        path = tree.path(1 << 6);
        _request(alice, 0, 1);
        _deposit(bob, 1, 7);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        _snapshot("freeze");
        vault.escape(1, 0, 46, path);
        _snapshot("escape, depth 28");
        vault.refundDeposit(2, 2, 1, 7);
        _snapshot("refundDeposit");
    }

    /// @dev The largest batch of withdrawals, each of which serves a forced withdrawal of another owner, must
    /// fit a transaction (2^24 gas by EIP-7825): if it could not be finalised, nobody could claim from it.
    function test_Gas_LargestFinalize() public {
        (bytes memory rows, bytes memory withdrawals) = ("", "");
        for (uint256 i = 0; i < 256; ++i) {
            _deposit(address(uint160(0x10000 + i)), 0, 1000);
            rows = bytes.concat(rows, _record(1 + i, 0, -int256(1000)));
            withdrawals = bytes.concat(withdrawals, _record(1 + i, 0, uint64(1000)));
        }
        _settleDeposits();
        for (uint256 i = 0; i < 256; ++i) _request(address(uint160(0x10000 + i)), 0, 1000);
        vm.warp(block.timestamp + 1);
        Posted memory p = _build(rows, 0, withdrawals);
        _commit(p);
        _snapshot("commitBatch, 256 rows, 256 withdrawals");
        _proveAll(p);
        // The limit counts before refunds: what a transaction of 2^24 gas has left after its own cost.
        settlement.finalizeBatch{gas: 2 ** 24 - 21_000 - 40 * withdrawals.length}(2, withdrawals);
        _snapshot("finalizeBatch, 256 forced withdrawals");
        assertTrue(settlement.openRequests() == 0, "all served");
    }

    function test_Gas_VerifyFill() public {
        bytes memory fill = new bytes(FillTree.FILL_BYTES);
        _commit(_build("", 0, ""));
        settlement.verifyFill(1, fill, new bytes32[](12), 0);
        _snapshot("verifyFill, 4096 fills");
    }
}
