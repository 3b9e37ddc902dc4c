// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Fixture} from "./Fixture.sol";

/// @notice Alice (account 1) has 50 units of asset 0, bob (account 2) 20 of asset 0 and 30 of asset 1, all
/// proven in batch 1.
abstract contract AttackFixture is Fixture {
    function setUp() public override {
        super.setUp();
        _deposit(alice, 0, 50);
        _deposit(bob, 0, 20);
        _deposit(bob, 1, 30);
        _settleDeposits();
    }

    /// @dev A commit that must revert with `selector`, whatever its values.
    function _refused(Posted memory posted, bytes4 selector) internal {
        vm.prank(operator);
        vm.expectPartialRevert(selector);
        settlement.commitBatch(
            posted.header,
            posted.chunkRoots,
            posted.rows,
            posted.deposits,
            posted.withdrawals
        );
    }

    /// @dev Rows that move units of asset 0 from alice to bob.
    function _transfer(int256 units) internal pure returns (bytes memory) {
        return bytes.concat(_record(1, 0, -units), _record(2, 0, units));
    }

    /// @dev Five rows, two chunks.
    function _fiveRows() internal pure returns (bytes memory) {
        return
            bytes.concat(
                _record(0, 0, int256(1)),
                _record(1, 0, -int256(4)),
                _record(1, 1, int256(4)),
                _record(2, 0, int256(3)),
                _record(2, 1, -int256(4))
            );
    }

    /// @dev A call of its own, so that its revert can be expected.
    function prove(Posted memory posted, uint256 chunk) external {
        _prove(posted, chunk);
    }
}
