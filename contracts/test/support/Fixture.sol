// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {Asset} from "../../src/types/Asset.sol";
import {BatchHeader} from "../../src/types/Batch.sol";
import {Config} from "../../src/types/Config.sol";
import {StatementVerifier} from "./StatementVerifier.sol";
import {Test} from "./Test.sol";
import {PlainToken} from "./Tokens.sol";
import {TreeModel} from "./TreeModel.sol";

/// @notice An exchange with three assets (0: plain ERC-20 of 10^2 atoms a unit, 1: plain ERC-20 of 1 atom
/// a unit, 2: native of 10^9 atoms a unit), an honest operator and prover, and users alice, bob, carol.
/// The operator keeps its own tree; z and evaluations are computed here a second time.
abstract contract Fixture is Test {
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant EXIT_DELAY = 7 days;
    uint256 internal constant PROOF_DELAY = 1 days;
    uint256 internal constant MAX_UNPROVEN = 3;
    uint256 internal constant REQUEST_FEE = 0.01 ether;
    uint256 internal constant VERIFIER_DELAY = EXIT_DELAY + 31 days;

    /// @dev Set in a constructor where another number is wanted.
    uint256 internal rowsPerChunk = 4;

    address internal governor = address(0x6071);
    address internal guardian = address(0x6072);
    address internal operator = address(0x6073);
    address internal feeOwner = address(0x6074);
    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);
    address internal carol = address(0xCA401);

    PlainToken internal usd;
    PlainToken internal btc;
    IVault internal vault;
    ISettlement internal settlement;
    StatementVerifier internal verifier;
    TreeModel internal tree;

    /// @dev Deposits of the queue, packed records of 32 bytes.
    bytes[] internal queue;
    /// @dev For each batch number: the leaves it changed and what they were, newest last.
    mapping(uint256 number => uint256[]) private _changed;
    mapping(uint256 number => uint256[]) private _previous;
    uint256 internal nextSeq = 1;

    struct Posted {
        BatchHeader header;
        uint256[] chunkRoots;
        bytes rows;
        bytes deposits;
        bytes withdrawals;
        bool honest;
    }

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        usd = new PlainToken();
        btc = new PlainToken();
        verifier = new StatementVerifier(rowsPerChunk);
        tree = new TreeModel();
        (vault, settlement) = _deploy(_assets(), _config());
    }

    function _assets() internal view virtual returns (Asset[] memory assets) {
        assets = new Asset[](3);
        assets[0] = Asset(address(usd), 100);
        assets[1] = Asset(address(btc), 1);
        assets[2] = Asset(address(0), 1e9);
    }

    function _config() internal view returns (Config memory) {
        return
            Config({
                vault: address(0),
                governor: governor,
                guardian: guardian,
                operator: operator,
                verifier: address(verifier),
                exitDelay: EXIT_DELAY,
                proofDelay: PROOF_DELAY,
                maxUnproven: MAX_UNPROVEN,
                requestFee: REQUEST_FEE,
                verifierDelay: VERIFIER_DELAY
            });
    }

    function _deploy(
        Asset[] memory assets,
        Config memory config
    ) internal returns (IVault vault_, ISettlement settlement_) {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        vault_ = _newVault(next, feeOwner, assets);
        config.vault = address(vault_);
        settlement_ = _newSettlement(config);
    }

    /// @dev From the artifacts, which are the deployed bytecode: tests are compiled without them.
    function _newVault(
        address settlement_,
        address feeOwner_,
        Asset[] memory assets
    ) internal returns (IVault) {
        return IVault(_create("Vault.sol:Vault", abi.encode(settlement_, feeOwner_, assets)));
    }

    function _newSettlement(Config memory config) internal returns (ISettlement) {
        return ISettlement(_create("Settlement.sol:Settlement", abi.encode(config)));
    }

    /// @dev Creates a contract of src; its revert comes through as it is.
    function _create(string memory artifact, bytes memory args) internal returns (address created) {
        bytes memory code = bytes.concat(vm.getCode(artifact), args);
        assembly ("memory-safe") {
            created := create(0, add(code, 32), mload(code))
            if iszero(created) {
                returndatacopy(code, 0, returndatasize())
                revert(code, returndatasize())
            }
        }
    }

    // --- Users ---

    /// @dev Gives `owner` what it needs and deposits it; records the queue as the operator's watcher does.
    function _deposit(address owner, uint256 asset, uint64 units) internal returns (uint256 account) {
        uint256 atoms = uint256(units) * vault.assetOf(asset).unitAtoms;
        address token = vault.assetOf(asset).token;
        if (token == address(0)) {
            vm.deal(owner, owner.balance + atoms);
            vm.prank(owner);
            vault.deposit{value: atoms}(asset, atoms);
        } else {
            PlainToken(token).mint(owner, atoms);
            vm.prank(owner);
            PlainToken(token).approve(address(vault), atoms);
            vm.prank(owner);
            vault.deposit(asset, atoms);
        }
        account = vault.accountOf(owner);
        queue.push(_depositRecord(account, asset, units, owner));
    }

    function _request(address owner, uint256 asset, uint64 units) internal {
        uint256 fee = settlement.currentRequestFee();
        vm.deal(owner, owner.balance + fee);
        uint256 account = vault.accountOf(owner);
        vm.prank(owner);
        settlement.requestWithdrawal{value: fee}(account, asset, units);
    }

    /// @dev As if so many forced withdrawals waited.
    function _storeOpenRequests(uint256 count) internal {
        for (uint256 slot = 0; slot < 32; ++slot) {
            bytes32 old = vm.load(address(settlement), bytes32(slot));
            vm.store(address(settlement), bytes32(slot), bytes32(uint256(77)));
            bool found = settlement.openRequests() == 77;
            vm.store(address(settlement), bytes32(slot), found ? bytes32(count) : old);
            if (found) return;
        }
        revert("no slot of openRequests");
    }

    // --- Operator ---

    /// @dev One packed row or withdrawal.
    function _record(uint256 account, uint256 asset, int256 value) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32((account << 6) | asset), int64(value));
    }

    function _record(uint256 account, uint256 asset, uint64 units) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32((account << 6) | asset), units);
    }

    function _depositRecord(
        uint256 account,
        uint256 asset,
        uint64 units,
        address owner
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32((account << 6) | asset), units, owner);
    }

    /// @dev A batch of these rows on top of the last committed one, consuming `depositCount` more deposits.
    /// Applies the rows to the operator's tree; `honest` tells whether every balance stayed in range.
    function _build(
        bytes memory rows,
        uint256 depositCount,
        bytes memory withdrawals
    ) internal returns (Posted memory posted) {
        uint64 number = settlement.batchCount() + 1;
        uint256 consumed = settlement.batchOf(number - 1).depositsConsumed;
        posted.rows = rows;
        posted.withdrawals = withdrawals;
        for (uint256 i = 0; i < depositCount; ++i)
            posted.deposits = bytes.concat(posted.deposits, queue[consumed + i]);
        posted.header = BatchHeader({
            number: number,
            firstSeq: settlement.batchOf(number - 1).lastSeq + 1,
            lastSeq: settlement.batchOf(number - 1).lastSeq + 10,
            oldRoot: tree.root(),
            newRoot: 0,
            journalHead: keccak256(abi.encode("journal", number)),
            fillsRoot: keccak256(abi.encode("fills", number)),
            depositsConsumed: uint64(consumed + depositCount)
        });
        (posted.chunkRoots, posted.honest) = _apply(number, rows);
        posted.header.newRoot = tree.root();
    }

    function _apply(uint256 number, bytes memory rows) private returns (uint256[] memory roots, bool honest) {
        uint256 count = rows.length / 12;
        roots = new uint256[]((count + rowsPerChunk - 1) / rowsPerChunk);
        delete _changed[number];
        delete _previous[number];
        honest = true;
        for (uint256 i = 0; i < count; ++i) {
            (uint256 index, int256 delta) = _rowAt(rows, i);
            uint256 old = tree.leaf(index);
            _changed[number].push(index);
            _previous[number].push(old);
            int256 balance = int256(old) + delta;
            if (balance < 0 || balance >= 2 ** 53) honest = false;
            tree.set(index, balance < 0 ? R - uint256(-balance) : uint256(balance));
            roots[i / rowsPerChunk] = tree.root();
        }
    }

    function _rowAt(bytes memory rows, uint256 i) internal pure returns (uint256 index, int256 delta) {
        uint256 word;
        assembly ("memory-safe") {
            word := mload(add(add(rows, 32), mul(i, 12)))
        }
        return (word >> 224, int64(uint64(word >> 160)));
    }

    function _commit(Posted memory posted) internal {
        vm.prank(operator);
        settlement.commitBatch(
            posted.header,
            posted.chunkRoots,
            posted.rows,
            posted.deposits,
            posted.withdrawals
        );
    }

    function _challenge(Posted memory posted) internal view returns (uint256) {
        BatchHeader memory h = posted.header;
        bytes memory head = abi.encode(
            block.chainid,
            address(settlement),
            h.number,
            h.firstSeq,
            h.lastSeq,
            h.oldRoot,
            h.newRoot,
            h.journalHead,
            h.fillsRoot,
            h.depositsConsumed
        );
        bytes memory tail = abi.encode(
            keccak256(abi.encodePacked(posted.chunkRoots)),
            keccak256(posted.rows),
            keccak256(posted.deposits),
            keccak256(posted.withdrawals)
        );
        return uint256(keccak256(bytes.concat(head, tail))) % R;
    }

    /// @dev Public inputs of a chunk: powers of z summed from the last term up, unlike the contract.
    function _publicInputs(Posted memory posted, uint256 chunk) internal view returns (uint256[4] memory) {
        uint256 z = _challenge(posted);
        uint256 evaluation = 0;
        uint256 power = 1;
        for (uint256 slot = rowsPerChunk; slot > 0; --slot) {
            uint256 i = chunk * rowsPerChunk + slot - 1;
            uint256 powerOfIndex = mulmod(power, z, R);
            if (i < posted.rows.length / 12) {
                (uint256 index, int256 delta) = _rowAt(posted.rows, i);
                uint256 element = delta < 0 ? R - uint256(-delta) : uint256(delta);
                evaluation = addmod(evaluation, mulmod(element, power, R), R);
                evaluation = addmod(evaluation, mulmod(index + 1, powerOfIndex, R), R);
            }
            power = mulmod(powerOfIndex, z, R);
        }
        uint256 first = chunk == 0 ? posted.header.oldRoot : posted.chunkRoots[chunk - 1];
        return [first, posted.chunkRoots[chunk], z, evaluation];
    }

    function _proof(uint256[4] memory publicInputs) internal pure returns (uint256[8] memory proof) {
        proof[0] = uint256(keccak256(abi.encode(publicInputs)));
    }

    /// @dev The honest prover: states only what it has seen to be so.
    function _prove(Posted memory posted, uint256 chunk) internal {
        uint256[4] memory inputs = _publicInputs(posted, chunk);
        if (posted.honest) verifier.state(inputs);
        settlement.proveChunk(posted.header.number, chunk, inputs, _proof(inputs));
    }

    function _proveAll(Posted memory posted) internal {
        for (uint256 chunk = 0; chunk < posted.chunkRoots.length; ++chunk) _prove(posted, chunk);
    }

    /// @dev Commit, prove and, where there are withdrawals, finalise.
    function _settle(
        bytes memory rows,
        uint256 depositCount,
        bytes memory withdrawals
    ) internal returns (Posted memory posted) {
        posted = _build(rows, depositCount, withdrawals);
        _commit(posted);
        _proveAll(posted);
        if (withdrawals.length != 0) settlement.finalizeBatch(posted.header.number, withdrawals);
    }

    /// @dev Consumes all waiting deposits, which must be at most one for each (account, asset), sorted.
    function _settleDeposits() internal returns (Posted memory) {
        uint256 consumed = settlement.batchOf(settlement.batchCount()).depositsConsumed;
        bytes memory rows;
        for (uint256 i = consumed; i < queue.length; ++i) {
            (uint256 index, int256 units) = _rowAt(queue[i], 0);
            rows = bytes.concat(rows, _record(index >> 6, index & 63, units));
        }
        return _settle(rows, queue.length - consumed, "");
    }

    /// @dev Takes the rows of a batch back out of the operator's tree; newest batch first.
    function _undo(uint256 number) internal {
        for (uint256 i = _changed[number].length; i > 0; --i)
            tree.set(_changed[number][i - 1], _previous[number][i - 1]);
    }

    /// @dev Freezes by a request of `owner` that nobody answers.
    function _freeze(address owner, uint256 asset) internal {
        _request(owner, asset, 1);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(vault.accountOf(owner), asset);
    }
}
