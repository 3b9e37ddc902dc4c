// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Page} from "../../src/pages/Types.sol";
import {PageFixture} from "./PageFixture.sol";

/// @notice Alice (account 1) has 50 units of asset 0, bob (account 2) 20 of asset 0 and 30 of asset 1, all
/// final in batch 1.
abstract contract PageAttackFixture is PageFixture {
    function setUp() public override {
        super.setUp();
        _deposit(alice, 0, 50);
        _deposit(bob, 0, 20);
        _deposit(bob, 1, 30);
        _settleDeposits();
    }

    /// @dev A posting that must revert with `selector`, whatever its values.
    function _refused(Posted memory posted, bytes4 selector) internal {
        _refused(posted, "", posted.pages, selector);
    }

    function _refused(
        Posted memory posted,
        bytes memory carried,
        Page[] memory pages,
        bytes4 selector
    ) internal {
        vm.prank(operator);
        vm.expectPartialRevert(selector);
        settlement.commitPages(posted.header, carried, pages);
    }

    /// @dev Posts pages [from, to) of a batch.
    function _post(Posted memory posted, uint256 from, uint256 to) internal {
        bytes memory carried = from == 0 ? bytes("") : abi.encode(_carried(posted, from));
        vm.prank(operator);
        settlement.commitPages(posted.header, carried, _some(posted, from, to));
    }

    /// @dev Commit, prove and wait for the window.
    function _settleWithoutCredit(bytes memory trades) internal {
        Posted memory posted = _build(trades, 0, "");
        _commit(posted);
        _proveAll(posted);
        vm.warp(block.timestamp + WINDOW);
        settlement.advance();
    }

    /// @dev Rows that move units of asset 0 from alice to bob.
    function _transfer(int256 units) internal pure returns (bytes memory) {
        return bytes.concat(_row(1, 0, -units), _row(2, 0, units));
    }

    /// @dev A call of its own, so that its revert can be expected.
    function prove(Posted memory posted, uint256 page) external {
        _prove(posted, page);
    }
}
