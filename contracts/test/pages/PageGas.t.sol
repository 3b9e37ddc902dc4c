// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Poseidon2} from "../../src/pages/Poseidon2.sol";
import {BatchHeader, Page} from "../../src/pages/Types.sol";
import {PageFixture} from "./PageFixture.sol";

/// @notice Gas of each call as a transaction of its own, its calldata with it, into contracts/snapshots/Pages.json. The
/// committed file is compared when the tests run. Roots are made up: the chain does not look into the tree.
/// forge-config: default.isolate = true
contract PageGasTest is PageFixture {
    uint256 private nextRoot = 7;

    function _snapshot(string memory name) private {
        vm.snapshotGasLastCall("Pages", name);
    }

    /// @dev As if so many accounts were registered.
    function _accounts(uint256 count) private {
        vm.store(address(vault), bytes32(0), bytes32(count));
    }

    /// @dev `count` rows with two deltas each, that sum to zero, of leaves that lie `step` apart.
    function _rows(uint256 first, uint256 count, uint256 step) private pure returns (bytes memory rows) {
        rows = new bytes(count * 18);
        for (uint256 i = 0; i < count; ++i) {
            int56 delta = i % 2 == 0 ? int56(1_234_567) : -int56(1_234_567);
            bytes memory row = abi.encodePacked(uint32((3 << 26) | (first + i * step)), delta, -delta);
            uint256 word = _wordOf(row, 0);
            assembly ("memory-safe") {
                // The last bytes of the word are the next row's, or behind the end: 14 bytes that a free word covers.
                let place := add(add(rows, 32), mul(i, 18))
                mstore(place, or(word, and(mload(place), 0xffffffffffffffffffffffffffff)))
            }
        }
    }

    /// @dev A batch of these pages, with roots that are made up.
    function _madeUp(Page[] memory pages) private returns (Posted memory posted) {
        uint64 number = settlement.batchCount() + 1;
        posted.pages = pages;
        posted.header = BatchHeader({
            number: number,
            firstSeq: settlement.batchOf(number - 1).lastSeq + 1,
            lastSeq: settlement.batchOf(number - 1).lastSeq + 10,
            oldRoot: settlement.lastRoot(),
            newRoot: settlement.lastRoot(),
            journalHead: keccak256("journal"),
            fillsRoot: keccak256("fills"),
            depositsConsumed: settlement.batchOf(number - 1).depositsConsumed,
            pageCount: uint16(pages.length)
        });
        for (uint256 i = 0; i < pages.length; ++i) {
            pages[i].lastRoot = posted.header.newRoot = uint256(keccak256(abi.encode(nextRoot++))) % R;
            posted.header.depositsConsumed += uint64(pages[i].deposits.length / 34);
        }
        posted.honest = true;
    }

    /// @dev Trade pages of 440 rows, as the largest circuit takes scattered ones.
    function _trades(uint256 count) private returns (Posted memory) {
        _accounts(1_000_000);
        Page[] memory pages = new Page[]((count + 439) / 440);
        for (uint256 i = 0; i < pages.length; ++i) {
            uint256 rows = i == pages.length - 1 ? count - 440 * i : 440;
            pages[i] = _tradePage(_rows(1 + 440 * 200 * i, rows, 200));
        }
        return _madeUp(pages);
    }

    function test_Gas_CommitOneRow() public {
        _deposit(alice, 0, 50);
        _deposit(alice, 0, 50);
        _settle("", 1, "");
        _commit(_build("", 1, ""));
        _snapshot("commitPages, 1 deposit");
    }

    function test_Gas_Commit500() public {
        Posted memory first = _trades(2);
        _commit(first);
        Posted memory p = _trades(500);
        _commit(p);
        _snapshot("commitPages, 500 rows in 2 pages");
        _prove(p, 1);
        _snapshot("provePage, without the verifier");
        _prove(first, 0);
        _prove(p, 0);
        _snapshot("provePage, the last one, without the verifier");
    }

    /// @dev In four transactions, the largest of which still fits one.
    function test_Gas_Commit4000() public {
        _commit(_trades(2));
        Posted memory p = _trades(4000);
        uint256 gas = 0;
        for (uint256 i = 0; i < 10; i += 3) {
            bytes memory carried = i == 0 ? bytes("") : abi.encode(_carried(p, i));
            Page[] memory pages = _some(p, i, i + 3 > 10 ? 10 : i + 3);
            vm.prank(operator);
            settlement.commitPages(p.header, carried, pages);
            gas += vm.snapshotGasLastCall("Pages", "commitPages, the last part of 4,000 rows");
        }
        vm.snapshotValue("Pages", "commitPages, 4,000 rows in 10 pages and 4 transactions", gas);
        assertEq(settlement.batchCount(), 2, "committed");
    }

    /// @dev Four lanes a row, as many rows as a page may have.
    function test_Gas_LargestPage() public {
        _accounts(1_000_000);
        _commit(_trades(2));
        bytes memory rows;
        for (uint256 i = 0; i < 1024; ++i) {
            int256 most = i % 2 == 0 ? int256(2 ** 53 - 1) : -int256(2 ** 53 - 1);
            rows = bytes.concat(rows, _rowOf(900 * i + 5, [most, most, most, most]));
        }
        Page[] memory pages = new Page[](1);
        pages[0] = _tradePage(rows);
        _commit(_madeUp(pages));
        _snapshot("commitPages, the largest page");
    }

    /// @dev What fits 2^24 gas (EIP-7825) and the 128 KiB of calldata that nodes take, with a margin: 12 full pages of rows
    /// of one lane.
    function test_Gas_LargestTransaction() public {
        _accounts(1_000_000);
        _commit(_trades(2));
        Page[] memory pages = new Page[](11);
        for (uint256 k = 0; k < pages.length; ++k) {
            bytes memory rows = new bytes(1024 * 11);
            for (uint256 i = 0; i < 1024; ++i) {
                uint256 word = _wordOf(
                    _row(1 + 1024 * k + i, 0, i % 2 == 0 ? int256(77_777_777) : -77_777_777),
                    0
                );
                assembly ("memory-safe") {
                    let place := add(add(rows, 32), mul(i, 11))
                    mstore(place, or(word, and(mload(place), shr(88, not(0)))))
                }
            }
            pages[k] = _tradePage(rows);
        }
        Posted memory p = _madeUp(pages);
        uint256 calldata_ = abi.encodeCall(settlement.commitPages, (p.header, "", p.pages)).length;
        assertTrue(calldata_ < 128 * 1024, "calldata");
        _commit(p);
        uint256 gas = vm.snapshotGasLastCall("Pages", "commitPages, 11,264 rows of one lane");
        assertTrue(gas < 2 ** 24, "fits a transaction");
    }

    /// @dev The largest page of withdrawals, each of which serves a forced withdrawal of another owner, must fit a
    /// transaction: if it could not be credited, nobody could claim from it.
    function test_Gas_LargestCredit() public {
        bytes memory rows = "";
        for (uint256 i = 0; i < 256; ++i) {
            _deposit(address(uint160(0x10000 + i)), 0, 1000);
            rows = bytes.concat(rows, _row(1 + i, 0, 1000));
        }
        Page[] memory pages = new Page[](1);
        pages[0] = _depositPage(0, 256);
        Posted memory p = _madeUp(pages);
        _commit(p);
        _snapshot("commitPages, 256 deposits");
        _proveAll(p);
        for (uint256 i = 0; i < 256; ++i) _request(address(uint160(0x10000 + i)), 0, 1000);
        vm.warp(block.timestamp + 1);
        pages[0] = _withdrawalPage(rows);
        p = _madeUp(pages);
        _commit(p);
        _snapshot("commitPages, 256 withdrawals");
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        // The limit counts before refunds: what a transaction of 2^24 gas has left after its own cost.
        settlement.creditWithdrawals{gas: 2 ** 24 - 21_000 - 40 * rows.length}(2, 0, rows);
        _snapshot("creditWithdrawals, 256 forced withdrawals");
        assertTrue(settlement.openRequests() == 0, "all served");
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
        _settle("", 2, "");
        Posted memory p = _build("", 0, _row(1, 0, 5));
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        _creditAll(p);
        _snapshot("creditWithdrawals, 1 withdrawal");
        vault.claim(1, 0);
        _snapshot("claim");
        _request(alice, 1, 5);
        _snapshot("requestWithdrawal");
        vm.warp(block.timestamp + 1);
        _settle("", 0, "");
        uint256[39] memory path = tree.path(1, 1);
        settlement.answerRequest(1, 1, 3, _lane(0, 46), path);
        _snapshot("answerRequest");
        _request(alice, 0, 1);
        _deposit(bob, 1, 7);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(1, 0);
        _snapshot("freeze");
        vault.escape(1, 0, _lane(0, 46), path);
        _snapshot("escape");
        vault.refundDeposit(2, 2, 1, 7);
        _snapshot("refundDeposit");
    }

    function test_Gas_Permutation() public {
        bytes memory constants = Poseidon2.table();
        uint256 gasBefore = gasleft();
        Poseidon2.permute(constants, 1, 2, R - 1, 4);
        vm.snapshotValue("Pages", "Poseidon2 permutation", gasBefore - gasleft());
    }
}
