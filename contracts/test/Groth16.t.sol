// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Groth16ChunkVerifier} from "../src/Groth16ChunkVerifier.sol";
import {Test} from "./support/Test.sol";

/// @notice The verifier against proofs of a known trapdoor (groth16.test.ts makes them), and against
/// proofs and inputs that are not what they should be. Isolated: the gas of `verify` is that of a transaction.
/// forge-config: default.isolate = true
contract Groth16Test is Test {
    uint256 private constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;

    Groth16ChunkVerifier private verifier;
    string private json;

    function setUp() public {
        json = vm.readFile("contracts/test/vectors/groth16.json");
        verifier = new Groth16ChunkVerifier(16, _key());
    }

    function _key() private view returns (Groth16ChunkVerifier.Key memory key) {
        key.alpha = _two(vm.parseJsonUintArray(json, ".alpha"), 0);
        key.beta = _four(vm.parseJsonUintArray(json, ".beta"), 0);
        key.gamma = _four(vm.parseJsonUintArray(json, ".gamma"), 0);
        key.delta = _four(vm.parseJsonUintArray(json, ".delta"), 0);
        uint256[] memory ic = vm.parseJsonUintArray(json, ".ic");
        for (uint256 i = 0; i < 5; ++i) key.ic[i] = _two(ic, 2 * i);
    }

    function _two(uint256[] memory words, uint256 from) private pure returns (uint256[2] memory) {
        return [words[from], words[from + 1]];
    }

    function _four(uint256[] memory words, uint256 from) private pure returns (uint256[4] memory) {
        return [words[from], words[from + 1], words[from + 2], words[from + 3]];
    }

    function _case(uint256 i) private view returns (uint256[4] memory inputs, uint256[8] memory proof) {
        string memory place = string.concat(".cases[", vm.toString(i), "]");
        inputs = _four(vm.parseJsonUintArray(json, string.concat(place, ".publicInputs")), 0);
        uint256[] memory words = vm.parseJsonUintArray(json, string.concat(place, ".proof"));
        for (uint256 k = 0; k < 8; ++k) proof[k] = words[k];
    }

    function test_ValidProofs() public {
        for (uint256 i = 0; i < 4; ++i) {
            (uint256[4] memory inputs, uint256[8] memory proof) = _case((i + 3) % 4);
            assertTrue(verifier.verify(inputs, proof), "valid");
        }
        vm.snapshotGasLastCall("Glassbook", "Groth16ChunkVerifier.verify");
    }

    function test_ProofOfOtherInputs() public view {
        (uint256[4] memory inputs, uint256[8] memory proof) = _case(0);
        for (uint256 k = 0; k < 4; ++k) {
            inputs[k] += 1;
            assertTrue(!verifier.verify(inputs, proof), "another input");
            inputs[k] -= 1;
        }
        (inputs, ) = _case(1);
        assertTrue(!verifier.verify(inputs, proof), "inputs of another proof");
    }

    /// @dev x and x + R are one element to the curve: only the canonical one is taken.
    function test_AliasedInputs() public view {
        (uint256[4] memory inputs, uint256[8] memory proof) = _case(0);
        for (uint256 k = 0; k < 4; ++k) {
            inputs[k] += R;
            assertTrue(!verifier.verify(inputs, proof), "aliased input");
            inputs[k] -= R;
        }
    }

    /// @dev A precompile that refuses its input burns the gas it was given, hence the bound.
    function test_BadPoints() public view {
        (uint256[4] memory inputs, uint256[8] memory good) = _case(2);
        for (uint256 k = 0; k < 8; ++k) {
            uint256[8] memory proof = _copy(good);
            proof[k] += Q;
            assertTrue(!verifier.verify{gas: 500_000}(inputs, proof), "coordinate not below Q");
            proof[k] = good[k] ^ 1;
            assertTrue(!verifier.verify{gas: 500_000}(inputs, proof), "off the curve");
        }
        uint256[8] memory zero;
        assertTrue(!verifier.verify{gas: 500_000}(inputs, zero), "points at infinity");
        zero[6] = 1;
        assertTrue(!verifier.verify{gas: 500_000}(inputs, zero), "y = 0, which is off the curve");
    }

    /// @dev The last case has C at infinity, (0, 0); (0, Q) is no other way to write it.
    function test_AliasedPointAtInfinity() public view {
        (uint256[4] memory inputs, uint256[8] memory proof) = _case(3);
        assertTrue(proof[6] == 0 && proof[7] == 0 && verifier.verify(inputs, proof), "valid");
        proof[7] = Q;
        assertTrue(!verifier.verify{gas: 500_000}(inputs, proof), "y not below Q");
    }

    function _copy(uint256[8] memory words) private pure returns (uint256[8] memory copy) {
        for (uint256 k = 0; k < 8; ++k) copy[k] = words[k];
    }

    function testFuzz_RandomProofs(uint256[4] memory inputs, uint256[8] memory proof) public view {
        assertTrue(!verifier.verify{gas: 500_000}(inputs, proof), "no proof by chance");
    }

    function test_Key() public view {
        assertEq(verifier.rowsPerChunk(), 16, "rows");
        assertEq(keccak256(abi.encode(verifier.key())), keccak256(abi.encode(_key())), "key");
    }

    function test_Constructor_Refuses() public {
        Groth16ChunkVerifier.Key memory key = _key();
        vm.expectRevert(abi.encodeWithSelector(Groth16ChunkVerifier.BadRowsPerChunk.selector, 0));
        new Groth16ChunkVerifier(0, key);
    }

    function _refused(Groth16ChunkVerifier.Key memory key, bytes4 selector) private {
        vm.expectRevert(selector);
        this.create{gas: 5_000_000}(key);
    }

    /// @dev A precompile that refuses its input burns the gas it was given, hence a call of its own.
    function create(Groth16ChunkVerifier.Key memory key) external {
        new Groth16ChunkVerifier(16, key);
    }

    /// @dev With gamma = delta or -delta, A = alpha, B = beta and C = -IC(x) or IC(x) prove anything.
    function test_KeyWithoutSecondPhase() public {
        Groth16ChunkVerifier.Key memory key = _key();
        key.delta = _copyG2(key.gamma);
        _refused(key, Groth16ChunkVerifier.KeyWithoutSecondPhase.selector);
        key.delta[2] = Q - key.delta[2];
        key.delta[3] = Q - key.delta[3];
        _refused(key, Groth16ChunkVerifier.KeyWithoutSecondPhase.selector);
    }

    function _copyG2(uint256[4] memory point) private pure returns (uint256[4] memory) {
        return [point[0], point[1], point[2], point[3]];
    }

    /// @dev An input whose point is at infinity is bound to nothing: any value of it has the same proof.
    function test_KeyPointAtInfinity() public {
        for (uint256 i = 0; i < 5; ++i) {
            Groth16ChunkVerifier.Key memory key = _key();
            delete key.ic[i];
            _refused(key, Groth16ChunkVerifier.KeyPointAtInfinity.selector);
        }
        for (uint256 i = 0; i < 4; ++i) {
            Groth16ChunkVerifier.Key memory key = _key();
            if (i == 0) delete key.alpha;
            if (i == 1) delete key.beta;
            if (i == 2) delete key.gamma;
            if (i == 3) delete key.delta;
            _refused(key, Groth16ChunkVerifier.KeyPointAtInfinity.selector);
        }
    }

    /// @dev Each point of the key: a coordinate changed, and one that is not below the field's order.
    function test_KeyOffCurve() public {
        for (uint256 i = 0; i < 9; ++i) {
            Groth16ChunkVerifier.Key memory key = _key();
            _change(key, i, 1);
            _refused(key, Groth16ChunkVerifier.KeyOffCurve.selector);
            key = _key();
            _change(key, i, Q);
            _refused(key, Groth16ChunkVerifier.KeyOffCurve.selector);
        }
    }

    function _change(Groth16ChunkVerifier.Key memory key, uint256 i, uint256 by) private pure {
        if (i < 5) key.ic[i][1] += by;
        if (i == 5) key.alpha[1] += by;
        if (i == 6) key.beta[3] += by;
        if (i == 7) key.gamma[3] += by;
        if (i == 8) key.delta[3] += by;
    }
}
