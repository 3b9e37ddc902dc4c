// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IHonkVerifier, PageVerifier} from "../../src/pages/PageVerifier.sol";
import {Test} from "../support/Test.sol";

/// @notice A generated verifier of one circuit, as it may behave.
contract HonkStandIn is IHonkVerifier {
    uint256 public immutable circuit;

    constructor(uint256 circuit_) {
        circuit = circuit_;
    }

    /// @dev The first byte of the proof says what happens; a valid one goes on with circuit and inputs.
    function verify(bytes calldata proof, bytes32[] calldata inputs) external view returns (bool) {
        uint8 kind = uint8(proof[0]);
        if (kind == 1) return keccak256(proof[1:]) == keccak256(abi.encode(circuit, inputs));
        if (kind == 2) revert("SumcheckFailed");
        if (kind == 3)
            assembly {
                invalid()
            }
        if (kind == 4)
            assembly {
                mstore(0, 1)
                return(0, 64)
            }
        if (kind == 5)
            assembly {
                mstore(0, 2)
                return(0, 32)
            }
        if (kind == 6)
            assembly {
                return(0, 0)
            }
        return false;
    }
}

/// @notice The list of generated verifiers.
contract PageVerifierTest is Test {
    PageVerifier private pages;
    address[] private verifiers;

    function setUp() public {
        verifiers.push(address(new HonkStandIn(0)));
        verifiers.push(address(new HonkStandIn(1)));
        pages = new PageVerifier(verifiers, 1_000_000);
    }

    function _proof(uint256 circuit, uint256[4] memory inputs) private pure returns (bytes memory) {
        bytes32[] memory words = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) words[i] = bytes32(inputs[i]);
        return bytes.concat(hex"01", abi.encode(circuit, words));
    }

    function test_Constructor() public {
        assertEq(pages.circuits(), 2, "circuits");
        assertEq(pages.verifierOf(1), verifiers[1], "the second");
        assertEq(pages.verifierOf(2), address(0), "no third");
        assertEq(pages.gasLimit(), 1_000_000, "gas");
        vm.expectRevert(abi.encodeWithSelector(PageVerifier.BadCircuitCount.selector, 0, 16));
        new PageVerifier(new address[](0), 1);
        vm.expectRevert(abi.encodeWithSelector(PageVerifier.BadCircuitCount.selector, 17, 16));
        new PageVerifier(new address[](17), 1);
        vm.expectRevert(abi.encodeWithSelector(PageVerifier.NoCode.selector, address(0)));
        new PageVerifier(new address[](16), 1);
    }

    function test_Verify_BySaidCircuit() public view {
        uint256[4] memory inputs = [uint256(1), 2, 3, 4];
        assertTrue(pages.verify(0, inputs, _proof(0, inputs)), "the first");
        assertTrue(pages.verify(1, inputs, _proof(1, inputs)), "the second");
        assertTrue(!pages.verify(1, inputs, _proof(0, inputs)), "of another circuit");
        assertTrue(!pages.verify(2, inputs, _proof(0, inputs)), "of no circuit");
        assertTrue(!pages.verify(type(uint256).max, inputs, _proof(0, inputs)), "of no circuit");
        inputs[3] = 5;
        assertTrue(!pages.verify(0, inputs, _proof(0, [uint256(1), 2, 3, 4])), "of other inputs");
    }

    /// @dev A verifier that reverts, or answers what is no `true`, says no; and one that burns all it gets, burns the bound.
    function test_Verify_BadProofsAreNone() public view {
        uint256[4] memory inputs;
        for (uint8 kind = 2; kind < 8; ++kind) {
            uint256 before = gasleft();
            assertTrue(!pages.verify(0, inputs, abi.encodePacked(kind)), "a bad proof");
            assertTrue(before - gasleft() < 1_050_000, "no more than the bound");
        }
    }

    /// @dev With too little gas a good proof would look like a bad one.
    function test_Verify_WithTooLittleGas() public {
        uint256[4] memory inputs;
        bytes memory proof = _proof(0, inputs);
        vm.expectPartialRevert(PageVerifier.TooLittleGas.selector);
        pages.verify{gas: 1_000_000}(0, inputs, proof);
        assertTrue(pages.verify{gas: 1_100_000}(0, inputs, proof), "with enough");
    }
}
