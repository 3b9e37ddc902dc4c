// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageVault} from "../../src/pages/IPageVault.sol";
import {Asset} from "../../src/types/Asset.sol";
import {PageFixture} from "./PageFixture.sol";
import {PlainToken} from "../support/Tokens.sol";

/// @notice Refuses every payment of the native coin.
contract PageRefuser {
    function run(address vault, uint256 atoms) external payable {
        IPageVault(vault).deposit{value: atoms}(2, atoms);
    }
}

/// @notice Each function of the vault, each revert with its values.
contract PageVaultTest is PageFixture {
    function test_Constructor_RegistersFeeOwner() public view {
        assertEq(vault.accountCount(), 1, "accounts");
        assertEq(vault.ownerOf(0), feeOwner, "owner of 0");
        assertEq(vault.accountOf(feeOwner), 0, "account of the fee owner");
        assertEq(vault.settlement(), address(settlement), "settlement");
        assertEq(vault.assetCount(), 5, "assets");
        assertEq(vault.assetOf(0).token, address(usd), "token");
        assertEq(vault.assetOf(0).unitAtoms, 100, "unit");
        assertEq(vault.depositHash(0), bytes32(0), "hash of no deposits");
    }

    function test_Constructor_Refuses() public {
        Asset[] memory one = new Asset[](1);
        one[0] = Asset(address(usd), 1);
        vm.expectRevert(IPageVault.ZeroAddress.selector);
        _newVault(address(0), feeOwner, one);
        vm.expectRevert(IPageVault.ZeroAddress.selector);
        _newVault(address(1), address(0), one);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.BadAssetCount.selector, 0, 64));
        _newVault(address(1), feeOwner, new Asset[](0));
        vm.expectRevert(abi.encodeWithSelector(IPageVault.BadAssetCount.selector, 65, 64));
        _newVault(address(1), feeOwner, new Asset[](65));
        one[0].unitAtoms = 0;
        vm.expectRevert(abi.encodeWithSelector(IPageVault.BadUnitAtoms.selector, 0, 0));
        _newVault(address(1), feeOwner, one);
        Asset[] memory twice = new Asset[](2);
        twice[0] = Asset(address(usd), 1);
        twice[1] = Asset(address(usd), 10);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.DuplicateToken.selector, address(usd)));
        _newVault(address(1), feeOwner, twice);
    }

    function test_Constructor_TakesAsManyAssetsAsThereAreIds() public {
        Asset[] memory assets = new Asset[](64);
        for (uint256 i = 0; i < 64; ++i) assets[i] = Asset(address(uint160(i)), uint96(i + 1));
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectEmit(true, true, true, true, next);
        emit IPageVault.AssetListed(0, address(0), 1);
        IPageVault full = _newVault(address(1), feeOwner, assets);
        assertEq(full.assetCount(), 64, "assets");
        assertEq(full.assetOf(63).unitAtoms, 64, "the last one");
    }

    function test_Deposit_RegistersQueuesAndHashes() public {
        usd.mint(alice, 1000);
        vm.prank(alice);
        usd.approve(address(vault), 1000);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.AccountRegistered(1, alice);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.Deposited(0, 1, 0, 7, alice);
        vm.prank(alice);
        assertEq(vault.deposit(0, 700), 0, "position");
        assertEq(usd.balanceOf(address(vault)), 700, "atoms");
        assertEq(vault.custodyUnits(0), 7, "units");
        assertEq(vault.depositCount(), 1, "count");
        bytes32 hash = keccak256(abi.encodePacked(bytes32(0), uint32(64), uint64(7), alice));
        assertEq(vault.depositHash(1), hash, "hash");
        vm.prank(alice);
        assertEq(vault.deposit(0, 300), 1, "second position");
        assertEq(vault.accountCount(), 2, "no second account");
        assertEq(
            vault.depositHash(2),
            keccak256(abi.encodePacked(hash, uint32(64), uint64(3), alice)),
            "hash chain"
        );
    }

    /// forge-config: default.fuzz.runs = 32
    /// forge-config: long.fuzz.runs = 1000
    function testFuzz_Deposit(address owner, uint64 units, uint8 asset) public {
        vm.assume(
            owner != address(0) && owner != address(vault) && owner != feeOwner && owner.code.length == 0
        );
        units = uint64(bound(units, 1, 2 ** 53 - 1));
        asset = uint8(bound(asset, 0, 4));
        uint256 account = _deposit(owner, asset, units);
        assertEq(account, 1, "account");
        assertEq(vault.ownerOf(1), owner, "owner");
        assertEq(vault.custodyUnits(asset), units, "custody");
        assertEq(
            vault.depositHash(1),
            keccak256(abi.encodePacked(bytes32(0), uint32((1 << 6) | asset), units, owner)),
            "hash"
        );
    }

    function test_Deposit_Native() public {
        vm.deal(alice, 5e9);
        vm.prank(alice);
        vault.deposit{value: 3e9}(2, 3e9);
        assertEq(address(vault).balance, 3e9, "atoms");
        assertEq(vault.custodyUnits(2), 3, "units");
    }

    function test_Deposit_Refuses() public {
        vm.deal(alice, 1 ether);
        usd.mint(alice, 1e30);
        vm.startPrank(alice);
        usd.approve(address(vault), 1e30);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAsset.selector, 5, 5));
        vault.deposit(5, 100);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.WrongNativeValue.selector, 1, 2));
        vault.deposit{value: 1}(2, 2);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.WrongNativeValue.selector, 1, 0));
        vault.deposit{value: 1}(0, 100);
        vm.expectRevert(IPageVault.ZeroAmount.selector);
        vault.deposit(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NotWholeUnits.selector, 150, 100));
        vault.deposit(0, 150);
        vm.expectRevert(
            abi.encodeWithSelector(IPageVault.CustodyOverLimit.selector, 0, 2 ** 53, 2 ** 53 - 1)
        );
        vault.deposit(0, 2 ** 53 * 100);
        vault.deposit(0, (2 ** 53 - 1) * 100);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.CustodyOverLimit.selector, 0, 1, 0));
        vault.deposit(0, 100);
        vm.stopPrank();
        assertEq(vault.depositCount(), 1, "only one deposit");
    }

    function test_Deposit_RefusesWhenAccountsAreFull() public {
        // Four million deposits in one store: accountCount is the first slot.
        vm.store(address(vault), bytes32(0), bytes32(uint256(1 << 22)));
        assertEq(vault.accountCount(), 1 << 22, "slot of accountCount");
        vm.deal(alice, 1 ether);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AccountsFull.selector, 1 << 22));
        vault.deposit{value: 1e9}(2, 1e9);
    }

    function test_Registry_RefusesTheUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownOwner.selector, alice));
        vault.accountOf(alice);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAccount.selector, 1, 1));
        vault.ownerOf(1);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAccount.selector, 1, 1));
        vault.claimable(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAsset.selector, 64, 5));
        vault.claimable(0, 64);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAsset.selector, 5, 5));
        vault.escaped(0, 5);
    }

    function test_Claim_PaysTheOwnerWhoeverCalls() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        _settle("", 0, _row(1, 0, 20));
        assertEq(vault.claimable(1, 0), 20, "claimable");
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.Claimed(1, 0, 20, alice);
        vm.prank(bob);
        assertEq(vault.claim(1, 0), 20, "units");
        assertEq(usd.balanceOf(alice), 2000, "paid");
        assertEq(usd.balanceOf(bob), 0, "the relayer gets nothing");
        assertEq(vault.custodyUnits(0), 30, "custody");
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NothingToClaim.selector, 1, 0));
        vault.claim(1, 0);
    }

    function test_Claim_Refuses() public {
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAccount.selector, 9, 1));
        vault.claim(9, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAsset.selector, 5, 5));
        vault.claim(0, 5);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NothingToClaim.selector, 0, 0));
        vault.claim(0, 0);
    }

    function test_Claim_NativeRefusedByItsOwner() public {
        PageRefuser refuser = new PageRefuser();
        vm.deal(address(this), 5e9);
        refuser.run{value: 5e9}(address(vault), 5e9);
        queue.push(_depositRecord(1, 2, 5, address(refuser)));
        _deposit(alice, 2, 4);
        _settleDeposits();
        _settle("", 0, bytes.concat(_row(1, 2, 5), _row(2, 2, 4)));
        vm.expectRevert(
            abi.encodeWithSelector(IPageVault.NativeTransferFailed.selector, address(refuser), 5e9)
        );
        vault.claim(1, 2);
        assertEq(vault.claimable(1, 2), 5, "the claim stays");
        vault.claim(2, 2);
        assertEq(alice.balance, 4e9, "others are paid");
    }

    function test_CreditClaims_IsForTheSettlementOnly() public {
        vm.expectRevert(abi.encodeWithSelector(IPageVault.NotSettlement.selector, address(this)));
        vault.creditClaims(_row(0, 0, 1));
    }

    function test_Escape_PaysOnceUnderTheFinalRoot() public {
        _deposit(alice, 0, 50);
        _deposit(bob, 2, 9);
        _settleDeposits();
        uint256[39] memory path = tree.path(1, 0);
        vm.expectRevert(IPageVault.NotFrozen.selector);
        vault.escape(1, 0, _lane(0, 50), path);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.WrongBalanceProof.selector, 1, 0, 51));
        vault.escape(1, 0, _lane(0, 51), path);
        vm.expectRevert(IPageVault.ZeroAmount.selector);
        vault.escape(1, 0, _lane(0, 0), path);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAccount.selector, 3, 3));
        vault.escape(3, 0, _lane(0, 50), path);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownAsset.selector, 64, 5));
        vault.escape(0, 64, _lane(64, 50), path);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.Escaped(1, 0, 50);
        vault.escape(1, 0, _lane(0, 50), path);
        assertEq(usd.balanceOf(alice), 5000, "paid");
        assertTrue(vault.escaped(1, 0), "marked");
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AlreadyEscaped.selector, 1, 0));
        vault.escape(1, 0, _lane(0, 50), path);
        vault.escape(2, 2, _lane(2, 9), tree.path(2, 2));
        assertEq(bob.balance, 9e9, "native paid");
        assertEq(vault.custodyUnits(0) + vault.custodyUnits(2), 0, "nothing left");
    }

    function test_RefundDeposit_PaysWhatNoFinalBatchConsumed() public {
        _deposit(alice, 0, 50);
        _settleDeposits();
        _deposit(bob, 1, 8);
        _deposit(bob, 1, 5);
        vm.expectRevert(IPageVault.NotFrozen.selector);
        vault.refundDeposit(1, 2, 1, 8);
        // A proof alone does not consume: the batch never becomes final.
        Posted memory p = _build("", 1, "");
        _commit(p);
        _freeze(alice, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.ExchangeFrozen.selector));
        vault.deposit(0, 100);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.DepositConsumed.selector, 0, 1));
        vault.refundDeposit(0, 1, 0, 50);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownDeposit.selector, 1));
        vault.refundDeposit(1, 2, 1, 9);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownDeposit.selector, 3));
        vault.refundDeposit(3, 2, 1, 5);
        vm.expectRevert(abi.encodeWithSelector(IPageVault.UnknownDeposit.selector, type(uint64).max));
        vault.refundDeposit(type(uint64).max, 2, 1, 5);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.DepositRefunded(1, 2, 1, 8, bob);
        vault.refundDeposit(1, 2, 1, 8);
        assertTrue(vault.refunded(1), "marked");
        vm.expectRevert(abi.encodeWithSelector(IPageVault.AlreadyRefunded.selector, 1));
        vault.refundDeposit(1, 2, 1, 8);
        vault.refundDeposit(2, 2, 1, 5);
        assertEq(btc.balanceOf(bob), 13, "both paid");
        assertEq(vault.custodyUnits(1), 0, "nothing left");
    }
}
