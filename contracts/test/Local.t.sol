// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DemoToken} from "../src/local/DemoToken.sol";
import {UnprovenVerifier} from "../src/local/UnprovenVerifier.sol";
import {FillTree} from "../src/libraries/FillTree.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice What exists on a local chain only, and the inclusion of fills.
contract LocalTest is Fixture {
    function test_UnprovenVerifier_OnTheLocalChainOnly() public {
        UnprovenVerifier unproven = new UnprovenVerifier();
        uint256[4] memory inputs;
        uint256[8] memory proof;
        assertTrue(unproven.verify(inputs, proof), "accepts everything");
        assertEq(unproven.rowsPerChunk(), 16, "rows");
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(UnprovenVerifier.LocalChainOnly.selector, 1, 31337));
        new UnprovenVerifier();
        vm.chainId(31337);
    }

    function test_DemoToken_OnTheLocalChainOnly() public {
        DemoToken token = new DemoToken("USDX", "USDX", 6);
        token.mint(alice, 5);
        assertEq(token.decimals(), 6, "decimals");
        assertEq(token.balanceOf(alice), 5, "minted");
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(DemoToken.LocalChainOnly.selector, 1, 31337));
        new DemoToken("USDX", "USDX", 6);
        vm.chainId(31337);
    }

    function _fill(uint256 i) private pure returns (bytes memory fill) {
        fill = new bytes(152);
        fill[7] = bytes1(uint8(i));
    }

    function _commitFills(bytes32 root) private {
        Posted memory p = _build("", 0, "");
        p.header.fillsRoot = root;
        _commit(p);
    }

    /// @dev Three leaves: the third is promoted.
    function test_VerifyFill() public {
        bytes32 a = sha256(bytes.concat(hex"00", _fill(0)));
        bytes32 b = sha256(bytes.concat(hex"00", _fill(1)));
        bytes32 c = sha256(bytes.concat(hex"00", _fill(2)));
        bytes32 ab = sha256(bytes.concat(hex"01", a, b));
        _commitFills(sha256(bytes.concat(hex"01", ab, c)));
        bytes32[] memory two = new bytes32[](2);
        bytes32[] memory one = new bytes32[](1);
        (two[0], two[1]) = (b, c);
        assertTrue(settlement.verifyFill(1, _fill(0), two, 0), "left leaf");
        (two[0], two[1]) = (a, c);
        assertTrue(settlement.verifyFill(1, _fill(1), two, 1), "right leaf");
        assertTrue(!settlement.verifyFill(1, _fill(1), two, 0), "wrong side");
        assertTrue(!settlement.verifyFill(1, _fill(0), two, 1), "another leaf");
        one[0] = ab;
        assertTrue(settlement.verifyFill(1, _fill(2), one, 1), "promoted leaf");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 2));
        settlement.verifyFill(2, _fill(0), two, 0);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 0));
        settlement.verifyFill(0, _fill(0), two, 0);
        // A node may not pass as a leaf, whatever its length.
        vm.expectRevert(abi.encodeWithSelector(FillTree.BadFillLength.selector, 64, 152));
        settlement.verifyFill(1, bytes.concat(a, b), one, 0);
    }
}
