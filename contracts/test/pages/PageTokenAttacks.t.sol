// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {Asset} from "../../src/types/Asset.sol";
import {PageAttackFixture} from "./PageAttackFixture.sol";
import {StateModel} from "./StateModel.sol";
import {
    CallbackToken,
    FalseToken,
    FeeToken,
    PlainToken,
    RebasingToken,
    SilentToken,
    StuckToken
} from "../support/Tokens.sol";

/// @notice Takes no native coin back.
contract PageClosed {
    function deposit(address vault) external payable {
        IPageVault(vault).deposit{value: msg.value}(2, msg.value);
    }
}

/// @notice Attacks by tokens that are not what they should be, and on the amounts that deposits are worth.
/// @dev One attack a test, each against one guard. contracts/scripts/mutate.ts takes every guard out in turn and
/// requires these tests to fail; so each must show what the attacker would gain or break.
contract PageTokenAttacksTest is PageAttackFixture {
    function _exchangeWith(address token) private {
        Asset[] memory assets = new Asset[](2);
        assets[0] = Asset(address(usd), 100);
        assets[1] = Asset(token, 10);
        (vault, settlement) = _deploy(assets, _config());
        vm.deal(operator, BOND);
        vm.prank(operator);
        settlement.postBond{value: BOND}();
        tree = new StateModel();
        delete queue;
    }

    function _put(PlainToken token, uint256 amount) private {
        token.mint(carol, amount);
        vm.startPrank(carol);
        token.approve(address(vault), amount);
        vault.deposit(1, amount);
        vm.stopPrank();
    }

    function test_FeeOnTransferToken() public {
        FeeToken token = new FeeToken();
        _exchangeWith(address(token));
        _put(token, 1000);
        assertTrue(vault.custodyUnits(1) == 99, "what arrived is credited, not what was said");
        token.mint(carol, 100);
        vm.startPrank(carol);
        token.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NotWholeUnits.selector, 99, 10));
        vault.deposit(1, 100);
        vm.stopPrank();
    }

    function test_FalseReturningToken() public {
        FalseToken token = new FalseToken();
        _exchangeWith(address(token));
        token.lie(true);
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vault.deposit(1, 100);
        token.lie(false);
        _put(token, 100);
        _freeze(carol, 1);
        token.lie(true);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(token)));
        vault.refundDeposit(0, 1, 1, 10);
        token.lie(false);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "paid when the token is honest again");
    }

    function test_SilentToken() public {
        SilentToken token = new SilentToken();
        _exchangeWith(address(token));
        token.mint(carol, 100);
        vm.prank(carol);
        vault.deposit(1, 100);
        _freeze(carol, 1);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "paid");
    }

    /// @dev A token that loses its holders' balances hurts its own holders only.
    function test_RebasingToken() public {
        RebasingToken token = new RebasingToken();
        _exchangeWith(address(token));
        _put(token, 1000);
        usd.mint(alice, 100);
        vm.startPrank(alice);
        usd.approve(address(vault), 100);
        vault.deposit(0, 100);
        vm.stopPrank();
        token.halve(address(vault));
        _freeze(carol, 1);
        vm.expectRevert();
        vault.refundDeposit(0, 1, 1, 100);
        vault.refundDeposit(1, 2, 0, 1);
        assertTrue(usd.balanceOf(alice) == 100, "alice's asset is whole");
    }

    function test_StuckTokenBlocksNobodyElse() public {
        StuckToken token = new StuckToken();
        _exchangeWith(address(token));
        _put(token, 100);
        usd.mint(alice, 100);
        vm.startPrank(alice);
        usd.approve(address(vault), 100);
        vault.deposit(0, 100);
        vm.stopPrank();
        _freeze(carol, 1);
        token.stick(true);
        vm.expectRevert(StuckToken.Stuck.selector);
        vault.refundDeposit(0, 1, 1, 10);
        vault.refundDeposit(1, 2, 0, 1);
        assertTrue(usd.balanceOf(alice) == 100, "alice is paid");
        token.stick(false);
        vault.refundDeposit(0, 1, 1, 10);
        assertTrue(token.balanceOf(carol) == 100, "and carol when her token lets her");
    }

    /// @dev During a deposit's transfer the token deposits again: both would measure the inner amount, and
    /// the vault would credit it twice.
    function test_ReenteringDeposit() public {
        CallbackToken token = new CallbackToken();
        _exchangeWith(address(token));
        token.mint(carol, 100);
        token.mint(address(token), 100);
        vm.prank(address(token));
        token.approve(address(vault), 100);
        token.arm(address(vault), abi.encodeCall(IPageVault.deposit, (1, 100)));
        vm.startPrank(carol);
        token.approve(address(vault), 100);
        vault.deposit(1, 100);
        vm.stopPrank();
        assertTrue(token.called(), "the token called back");
        assertTrue(
            uint256(vault.custodyUnits(1)) * 10 <= token.balanceOf(address(vault)),
            "no more is credited than is there"
        );
    }

    /// @dev During a deposit's transfer the token has a claim paid: the difference would be measured too small,
    /// and what carol put in would be nobody's.
    function test_ClaimInsideADeposit() public {
        CallbackToken token = new CallbackToken();
        _exchangeWith(address(token));
        _put(token, 100);
        queue.push(_depositRecord(1, 1, 10, carol));
        _settleDeposits();
        _settle("", 0, _row(1, 1, 5));
        token.mint(carol, 100);
        token.arm(address(vault), abi.encodeCall(IPageVault.claim, (1, 1)));
        vm.startPrank(carol);
        token.approve(address(vault), 100);
        vault.deposit(1, 100);
        vm.stopPrank();
        assertTrue(token.called() && !token.succeeded(), "the token called back in vain");
        assertTrue(vault.custodyUnits(1) == 20, "credited in full");
        vault.claim(1, 1);
        assertTrue(token.balanceOf(carol) == 50, "the claim is still there");
    }

    /// @dev During a payment the token asks for the same payment again, and for others.
    function test_ReenteringPayments() public {
        CallbackToken token = new CallbackToken();
        _exchangeWith(address(token));
        _put(token, 100);
        queue.push(_depositRecord(1, 1, 10, carol));
        _settleDeposits();
        _settle("", 0, _row(1, 1, 4));
        _put(token, 100);
        _put(token, 100);
        uint256[39] memory path = tree.path(1, 1);
        _freeze(carol, 1);
        bytes[4] memory calls = [
            abi.encodeCall(IPageVault.claim, (1, 1)),
            abi.encodeCall(IPageVault.escape, (1, 1, _lane(1, 6), path)),
            abi.encodeCall(IPageVault.refundDeposit, (1, 1, 1, 10)),
            abi.encodeCall(IPageVault.refundDeposit, (2, 1, 1, 10))
        ];
        // Each is possible, and none during another.
        for (uint256 outer = 0; outer < 4; ++outer) {
            token.arm(address(vault), calls[(outer + 1) % 4]);
            (bool paid, ) = address(vault).call(calls[outer]);
            assertTrue(paid && token.called() && !token.succeeded(), "the token called back in vain");
        }
        assertTrue(token.balanceOf(carol) == 300, "each was paid once");
    }

    function test_HalfUnits() public {
        usd.mint(carol, 150);
        vm.startPrank(carol);
        usd.approve(address(vault), 150);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NotWholeUnits.selector, 150, 100));
        vault.deposit(0, 150);
        vm.stopPrank();
    }

    function test_NativeDepositWithoutValue() public {
        vm.prank(carol);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.WrongNativeValue.selector, 0, 1e9));
        vault.deposit(2, 1e9);
    }

    function test_ValueSentWithATokenIsNotLost() public {
        usd.mint(carol, 100);
        vm.deal(carol, 1);
        vm.startPrank(carol);
        usd.approve(address(vault), 100);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.WrongNativeValue.selector, 1, 0));
        vault.deposit{value: 1}(0, 100);
        vm.stopPrank();
    }

    /// @dev More units than a balance may have would make every later proof impossible.
    function test_DepositsOverTheFieldOfBalances() public {
        btc.mint(carol, 2 ** 60);
        vm.startPrank(carol);
        btc.approve(address(vault), 2 ** 60);
        vm.expectRevert(
            abi.encodeWithSelector(IPageVault.CustodyOverLimit.selector, 1, 2 ** 53 - 30, 2 ** 53 - 31)
        );
        vault.deposit(1, 2 ** 53 - 30);
        vm.stopPrank();
    }

    /// @dev A payment that fails must not count as made.
    function test_FailedNativePaymentIsKept() public {
        PageClosed closed = new PageClosed();
        vm.deal(address(this), 5e9);
        closed.deposit{value: 5e9}(address(vault));
        _freeze(alice, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IPageVault.NativeTransferFailed.selector, address(closed), 5e9)
        );
        vault.refundDeposit(3, 3, 2, 5);
        assertTrue(!vault.refunded(3) && vault.custodyUnits(2) == 5, "still owed");
    }
}
