// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {PageHandler} from "./PageHandler.sol";
import {Test} from "../support/Test.sol";

/// @notice What holds after every step of a random life of the exchange, and at its end.
/// forge-config: default.invariant.runs = 4
/// forge-config: default.invariant.depth = 60
/// forge-config: long.invariant.runs = 1000
/// forge-config: long.invariant.depth = 500
contract PageInvariantsTest is Test {
    PageHandler private handler;
    IPageVault private vault;
    IPageSettlement private settlement;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        handler = new PageHandler();
        (vault, settlement) = handler.exchange();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        bytes4[20] memory actions = [
            PageHandler.deposit.selector,
            PageHandler.deposit.selector,
            PageHandler.claim.selector,
            PageHandler.request.selector,
            PageHandler.withdrawRefund.selector,
            PageHandler.passTime.selector,
            PageHandler.commit.selector,
            PageHandler.commit.selector,
            PageHandler.prove.selector,
            PageHandler.prove.selector,
            PageHandler.commitTheft.selector,
            PageHandler.credit.selector,
            PageHandler.drop.selector,
            PageHandler.strike.selector,
            PageHandler.answer.selector,
            PageHandler.pause.selector,
            PageHandler.freeze.selector,
            PageHandler.escape.selector,
            PageHandler.refundDeposit.selector,
            PageHandler.attack.selector
        ];
        selectors[0].addr = address(handler);
        selectors[0].selectors = new bytes4[](actions.length);
        for (uint256 i = 0; i < actions.length; ++i) selectors[0].selectors[i] = actions[i];
    }

    /// @dev One invariant, so that a long run pays for its calls once.
    function invariant_Whole() external view {
        _custodyIsWhole();
        _onlyOwnersGain();
        _escrowIsWhole();
        _endsAreInOrder();
    }

    /// @dev Random actions do reach every effect: an invariant over actions that never happen says nothing.
    function test_ActionsHappen() external {
        bytes4[] memory actions = this.targetSelectors()[0].selectors;
        for (uint256 i = 0; i < 1500; ++i) {
            uint256 seed = uint256(keccak256(abi.encode("glassbook", i)));
            bytes4 action = actions[(seed >> 128) % actions.length];
            // A freeze ends everything else, so it has to wait; from then on deposits stay unconsumed.
            if (action == PageHandler.commit.selector && i >= 1200) continue;
            if (action == PageHandler.freeze.selector && i < 1200) continue;
            uint256 second = uint256(keccak256(abi.encode(seed)));
            // The second argument of some actions has 64 bits and refuses a wider word.
            if (action == PageHandler.request.selector) second >>= 192;
            if (action == PageHandler.freeze.selector) second = 0;
            bytes memory call =
                action == PageHandler.deposit.selector
                    ? abi.encodeWithSelector(action, seed, second, second >> 192)
                    : abi.encodeWithSelector(action, seed, second);
            (bool done, ) = address(handler).call(call);
            assertTrue(done, "action");
            if (i % 50 == 0) this.invariant_Whole();
        }
        bytes32[21] memory effects = [
            bytes32("deposit"),
            "claim",
            "request",
            "withdrawRefund",
            "commit",
            "commitTheft",
            "prove",
            "theft refused",
            "credit",
            "creditPart",
            "open",
            "continue",
            "drop",
            "pause",
            "strike",
            "answered empty",
            "lowered",
            "freeze",
            "escape",
            "refundDeposit",
            "attack"
        ];
        for (uint256 i = 0; i < effects.length; ++i)
            assertTrue(handler.count(effects[i]) > 0, string(abi.encodePacked(effects[i])));
    }

    /// @dev Custody = claims + balances under the final root + deposits not consumed + withdrawals final
    /// and not yet claims; and the atoms are there.
    function _custodyIsWhole() private view {
        uint256[] memory waiting = handler.waiting();
        for (uint256 asset = 0; asset < 5; ++asset) {
            uint256 owed = _claimsAndBalances(asset) + _waitingDeposits(asset) + waiting[asset];
            assertEq(vault.custodyUnits(asset), owed, "custody");
            uint256 unit = vault.assetOf(asset).unitAtoms;
            assertEq(_atomsOf(asset, address(vault)), owed * unit, "atoms");
        }
    }

    /// @dev What left the vault is with the owners of accounts; relayers and attackers have nothing.
    function _onlyOwnersGain() private view {
        for (uint256 asset = 0; asset < 5; ++asset) {
            if (asset == 2) continue;
            uint256 withOwners = 0;
            for (uint256 i = 0; i < handler.ownerCount(); ++i)
                withOwners += _atomsOf(asset, handler.owners(i));
            uint256 unit = vault.assetOf(asset).unitAtoms;
            assertEq(
                withOwners,
                (handler.deposited(asset) - vault.custodyUnits(asset)) * unit,
                "paid to owners"
            );
            assertEq(_atomsOf(asset, handler.ATTACKER()), 0, "attacker");
        }
        assertEq(handler.ATTACKER().balance, 0, "attacker's coin");
    }

    /// @dev The settlement contract holds the fees that are owed, and the bond.
    function _escrowIsWhole() private view {
        uint256 owed = settlement.refundOf(address(0x6073));
        for (uint256 i = 0; i < handler.ownerCount(); ++i) owed += settlement.refundOf(handler.owners(i));
        uint256 open = 0;
        for (uint256 account = 0; account < vault.accountCount(); ++account)
            for (uint256 asset = 0; asset < 5; ++asset) {
                if (settlement.requestOf(account, asset).remaining == 0) continue;
                owed += settlement.requestFee() << settlement.requestOf(account, asset).feeStep;
                ++open;
            }
        assertEq(address(settlement).balance, owed + settlement.bond(), "escrow");
        assertEq(settlement.openRequests(), open, "open requests");
    }

    function _endsAreInOrder() private view {
        assertTrue(settlement.provenCount() <= settlement.batchCount(), "proven");
        assertTrue(settlement.finalCount() <= settlement.provenCount(), "final");
        assertTrue(settlement.creditedCount() <= settlement.finalCount(), "credited");
        assertTrue(settlement.finalDepositsConsumed() <= vault.depositCount(), "deposits");
    }

    /// @dev However the run went: frozen, everybody gets everything.
    function afterInvariant() external {
        vm.warp(handler.time());
        if (!settlement.frozen()) {
            address owner = handler.owners(0);
            if (settlement.requestOf(0, 0).remaining == 0) {
                uint256 fee = settlement.currentRequestFee();
                vm.deal(owner, owner.balance + fee);
                vm.prank(owner);
                settlement.requestWithdrawal{value: fee}(0, 0, 1);
            }
            handler.freezeNow(0, 0);
        }
        for (uint64 number = 1; number <= settlement.finalCount(); ++number) handler.creditBatch(number);
        for (uint256 account = 0; account < vault.accountCount(); ++account)
            for (uint256 asset = 0; asset < 5; ++asset) {
                if (vault.claimable(account, asset) != 0) vault.claim(account, asset);
                handler.escapeOne(account, asset);
                if (settlement.requestOf(account, asset).remaining != 0)
                    settlement.reclaimFee(account, asset);
            }
        for (uint256 position = 0; position < handler.queueLength(); ++position) handler.refundOne(position);
        for (uint256 asset = 0; asset < 5; ++asset) {
            assertEq(vault.custodyUnits(asset), 0, "everything is paid");
            assertEq(_atomsOf(asset, address(vault)), 0, "to the last atom");
        }
    }

    function _claimsAndBalances(uint256 asset) private view returns (uint256 units) {
        for (uint256 account = 0; account < vault.accountCount(); ++account) {
            units += vault.claimable(account, asset);
            if (!vault.escaped(account, asset)) units += handler.finalBalance(account, asset);
        }
    }

    function _waitingDeposits(uint256 asset) private view returns (uint256 units) {
        for (uint256 i = settlement.finalDepositsConsumed(); i < handler.queueLength(); ++i) {
            (uint256 asset_, uint256 units_) = handler.queued(i);
            if (asset_ == asset && !vault.refunded(i)) units += units_;
        }
    }

    function _atomsOf(uint256 asset, address who) private view returns (uint256) {
        address token = vault.assetOf(asset).token;
        return token == address(0) ? who.balance : IERC20(token).balanceOf(who);
    }
}
