// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {IVault} from "../src/interfaces/IVault.sol";
import {BatchHeader, BatchState} from "../src/types/Batch.sol";
import {ForcedWithdrawal} from "../src/types/ForcedWithdrawal.sol";
import {Config} from "../src/types/Config.sol";
import {Fixture} from "./support/Fixture.sol";

/// @notice Construction, commit, prove, finalise, strike: each function, each revert with its values.
contract SettlementTest is Fixture {
    function _reverts(Posted memory posted, bytes memory reason) private {
        vm.prank(operator);
        vm.expectRevert(reason);
        settlement.commitBatch(
            posted.header,
            posted.chunkRoots,
            posted.rows,
            posted.deposits,
            posted.withdrawals
        );
    }

    /// @dev Alice 50 of asset 0 and bob 20 of asset 1, proven.
    function _start() private {
        _deposit(alice, 0, 50);
        _deposit(bob, 1, 20);
        _settleDeposits();
    }

    function test_Constructor_KeepsWhatItIsGiven() public view {
        assertEq(address(settlement.vault()), address(vault), "vault");
        assertEq(settlement.exitDelay(), EXIT_DELAY, "exit delay");
        assertEq(settlement.proofDelay(), PROOF_DELAY, "proof delay");
        assertEq(settlement.maxUnproven(), MAX_UNPROVEN, "max unproven");
        assertEq(settlement.requestFee(), REQUEST_FEE, "fee");
        assertEq(settlement.verifierDelay(), VERIFIER_DELAY, "verifier delay");
        assertEq(settlement.lastRoot(), tree.root(), "the empty tree");
        assertEq(settlement.provenRoot(), tree.root(), "proven from the start");
        assertTrue(settlement.batchState(0) == BatchState.Final, "state of batch 0");
        assertTrue(settlement.batchState(1) == BatchState.None, "no batch 1");
        assertEq(settlement.batchOf(1).newRoot, 0, "nothing of batch 1");
    }

    function test_Constructor_Refuses() public {
        Config memory config = _config();
        vm.expectRevert(IGoverned.ZeroAddress.selector);
        _newSettlement(config);
        config.vault = address(vault);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.VaultNotWired.selector, address(vault), address(settlement))
        );
        _newSettlement(config);
        config.governor = address(0);
        vm.expectRevert(IGoverned.ZeroAddress.selector);
        _newSettlement(config);
        config = _config();
        config.verifier = address(0);
        vm.expectRevert(IGoverned.ZeroAddress.selector);
        _newSettlement(config);

        config = _config();
        config.exitDelay = 0;
        _constructorReverts(config, "exitDelay", 0, 30 days);
        config.exitDelay = 30 days + 1;
        _constructorReverts(config, "exitDelay", 30 days + 1, 30 days);
        config = _config();
        config.proofDelay = 0;
        _constructorReverts(config, "proofDelay", 0, 30 days);
        config = _config();
        config.maxUnproven = 0;
        _constructorReverts(config, "maxUnproven", 0, 64);
        config.maxUnproven = 65;
        _constructorReverts(config, "maxUnproven", 65, 64);
        config = _config();
        config.requestFee = 2 ** 64;
        _constructorReverts(config, "requestFee", 2 ** 64, 2 ** 64 - 1);
        config = _config();
        config.verifierDelay = EXIT_DELAY + 30 days;
        _constructorReverts(config, "verifierDelay", EXIT_DELAY + 30 days, EXIT_DELAY + 30 days);
    }

    function test_Constructor_TakesTheLargestValues() public {
        Config memory config = _config();
        config.exitDelay = config.proofDelay = 30 days;
        config.maxUnproven = 64;
        config.requestFee = 2 ** 64 - 1;
        config.verifierDelay = 60 days + 1;
        (, settlement) = _deploy(_assets(), config);
        assertEq(settlement.requestFee(), 2 ** 64 - 1, "fee");
        assertEq(settlement.exitDelay() + settlement.proofDelay(), 60 days, "delays");
        assertEq(settlement.maxUnproven(), 64, "unproven");
    }

    function _constructorReverts(Config memory config, bytes32 name, uint256 value, uint256 limit) private {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        config.vault = address(_newVault(next, feeOwner, _assets()));
        vm.expectRevert(abi.encodeWithSelector(IGoverned.BadParameter.selector, name, value, limit));
        _newSettlement(config);
    }

    function test_Commit_StoresAndAnnounces() public {
        _deposit(alice, 0, 50);
        Posted memory posted = _build(_record(1, 0, int256(50)), 1, "");
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.BatchCommitted(1, posted.header, _challenge(posted), posted.rows, "");
        _commit(posted);
        assertEq(settlement.batchCount(), 1, "count");
        assertEq(settlement.lastRoot(), tree.root(), "last root");
        assertTrue(settlement.provenRoot() != tree.root(), "not proven");
        assertTrue(settlement.batchState(1) == BatchState.Committed, "state");
        assertEq(settlement.batchOf(1).fillsRoot, posted.header.fillsRoot, "fillsRoot");
        assertEq(settlement.batchOf(1).lastSeq, 10, "lastSeq");
        assertEq(settlement.batchOf(1).committedAt, block.timestamp, "time");
        assertEq(settlement.batchOf(1).chunkCount, 1, "chunks");
        assertEq(
            settlement.chunkCommitment(1, 0),
            keccak256(abi.encode(_publicInputs(posted, 0))),
            "the chunk's public inputs"
        );
        assertEq(settlement.chunkCommitment(1, 1), bytes32(0), "no second chunk");
        assertEq(settlement.chunkCommitment(2, 0), bytes32(0), "no second batch");
    }

    function test_Commit_IsForOperatorsOnly() public {
        Posted memory posted = _build("", 0, "");
        vm.expectRevert(abi.encodeWithSelector(IGoverned.NotOperator.selector, address(this)));
        settlement.commitBatch(
            posted.header,
            posted.chunkRoots,
            posted.rows,
            posted.deposits,
            posted.withdrawals
        );
    }

    function test_Commit_ChecksTheHeader() public {
        _start();
        Posted memory p = _build("", 0, "");
        BatchHeader memory good = abi.decode(abi.encode(p.header), (BatchHeader));
        p.header.number = 1;
        _reverts(p, abi.encodeWithSelector(ISettlement.WrongNumber.selector, 1, 2));
        p.header.number = 3;
        _reverts(p, abi.encodeWithSelector(ISettlement.WrongNumber.selector, 3, 2));
        p.header.number = 2;
        p.header.firstSeq = 10;
        _reverts(p, abi.encodeWithSelector(ISettlement.WrongFirstSeq.selector, 10, 11));
        p.header.firstSeq = 12;
        _reverts(p, abi.encodeWithSelector(ISettlement.WrongFirstSeq.selector, 12, 11));
        p.header.firstSeq = 11;
        p.header.lastSeq = 10;
        _reverts(p, abi.encodeWithSelector(ISettlement.EmptySeqRange.selector, 11, 10));
        p.header.lastSeq = 11;
        p.header.oldRoot = 5;
        _reverts(p, abi.encodeWithSelector(ISettlement.WrongOldRoot.selector, 5, good.oldRoot));
        p.header.oldRoot = good.oldRoot;
        p.header.newRoot = good.newRoot + R;
        _reverts(p, abi.encodeWithSelector(ISettlement.NotCanonical.selector, good.newRoot + R));
        p.header.newRoot = R;
        _reverts(p, abi.encodeWithSelector(ISettlement.NotCanonical.selector, R));
        p.header.newRoot = good.newRoot;
        _commit(p);
    }

    function test_Commit_ChecksChunkRoots() public {
        _start();
        Posted memory p = _build(bytes.concat(_record(1, 0, -int256(10)), _record(2, 0, int256(10))), 0, "");
        uint256[] memory good = p.chunkRoots;
        p.chunkRoots = new uint256[](2);
        _reverts(p, abi.encodeWithSelector(ISettlement.ChunkCountMismatch.selector, 2, 1));
        p.chunkRoots = new uint256[](0);
        _reverts(p, abi.encodeWithSelector(ISettlement.ChunkCountMismatch.selector, 0, 1));
        p.chunkRoots = new uint256[](1);
        p.chunkRoots[0] = good[0] + R;
        _reverts(p, abi.encodeWithSelector(ISettlement.NotCanonical.selector, good[0] + R));
        p.chunkRoots[0] = 7;
        _reverts(p, abi.encodeWithSelector(ISettlement.LastChunkRootMismatch.selector, 7, p.header.newRoot));
        p.chunkRoots = good;
        _commit(p);
    }

    /// @dev R is 0 to a circuit, R - 1 the largest element there is.
    function test_Commit_TakesRootsBelowTheFieldsOrder() public {
        _start();
        Posted memory p = _build("", 0, "");
        p.rows = bytes.concat(
            _record(0, 0, int256(2)),
            _record(0, 1, int256(2)),
            _record(1, 0, -int256(2)),
            _record(1, 1, -int256(1)),
            _record(2, 1, -int256(1))
        );
        p.chunkRoots = new uint256[](2);
        (p.chunkRoots[0], p.chunkRoots[1], p.header.newRoot) = (R, R - 1, R - 1);
        _reverts(p, abi.encodeWithSelector(ISettlement.NotCanonical.selector, R));
        p.chunkRoots[0] = R - 1;
        _commit(p);
        assertEq(settlement.lastRoot(), R - 1, "the largest root");
    }

    /// @dev As many records as a batch may have, and the largest values.
    function test_Commit_TakesTheLargestLists() public {
        _start();
        Posted memory p = _build("", 0, "");
        p.chunkRoots = new uint256[](1);
        p.chunkRoots[0] = p.header.newRoot = 9;
        int256 most = 2 ** 53 - 1;
        p.rows = bytes.concat(_record(1, 0, most), _record(2, 0, -most));
        _commit(p);
        // 254 more accounts: each takes 1 unit out.
        for (uint256 i = 0; i < 254; ++i) _deposit(address(uint160(0x10000 + i)), 0, 1);
        p = _build("", 0, "");
        p.header.oldRoot = 9;
        p.chunkRoots = new uint256[](64);
        for (uint256 i = 0; i < 64; ++i) p.chunkRoots[i] = 10 + i;
        p.header.newRoot = 73;
        for (uint256 i = 0; i < 256; ++i) {
            p.rows = bytes.concat(p.rows, _record(1 + i, 0, i == 0 ? -most : -int256(1)));
            p.withdrawals = bytes.concat(p.withdrawals, _record(1 + i, 0, uint64(i == 0 ? 2 ** 53 - 1 : 1)));
        }
        _commit(p);
        assertEq(settlement.batchOf(3).uncredited, 256, "withdrawals");
        assertEq(settlement.batchOf(3).chunkCount, 64, "chunks");
    }

    function test_Commit_WithoutRowsChangesNothing() public {
        _start();
        Posted memory p = _build("", 0, "");
        p.header.newRoot = 7;
        _reverts(p, abi.encodeWithSelector(ISettlement.LastChunkRootMismatch.selector, tree.root(), 7));
        p.header.newRoot = tree.root();
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.BatchProven(2, tree.root());
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.BatchFinal(2);
        _commit(p);
        assertTrue(settlement.batchState(2) == BatchState.Final, "proven and final at once");
    }

    function test_Commit_ChecksRows() public {
        _start();
        Posted memory p = _build("", 0, "");
        p.chunkRoots = new uint256[](1);
        p.chunkRoots[0] = p.header.newRoot = 9;
        bytes memory up = _record(1, 0, int256(5));
        bytes memory down = _record(2, 0, -int256(5));
        p.rows = bytes.concat(down, up);
        _reverts(p, abi.encodeWithSelector(ISettlement.RowsNotIncreasing.selector, 128, 64));
        p.rows = bytes.concat(up, up);
        _reverts(p, abi.encodeWithSelector(ISettlement.RowsNotIncreasing.selector, 64, 64));
        p.rows = bytes.concat(up, _record(2, 0, int256(0)));
        _reverts(p, abi.encodeWithSelector(ISettlement.BadDelta.selector, 128, 0));
        p.rows = bytes.concat(_record(1, 0, int256(2 ** 53)), down);
        _reverts(p, abi.encodeWithSelector(ISettlement.BadDelta.selector, 64, 2 ** 53));
        p.rows = bytes.concat(_record(1, 0, -int256(2 ** 53)), down);
        _reverts(p, abi.encodeWithSelector(ISettlement.BadDelta.selector, 64, -int256(2 ** 53)));
        p.rows = bytes.concat(up, _record(2, 3, -int256(5)));
        _reverts(p, abi.encodeWithSelector(ISettlement.UnknownAsset.selector, 3, 3));
        p.rows = bytes.concat(up, _record(3, 0, -int256(5)));
        _reverts(p, abi.encodeWithSelector(ISettlement.UnknownAccount.selector, 3, 3));
        p.rows = bytes.concat(up, _record(2, 0, -int256(6)));
        _reverts(p, abi.encodeWithSelector(ISettlement.NotConserved.selector, 0, -1));
        p.rows = bytes.concat(up, hex"00");
        _reverts(p, abi.encodeWithSelector(ISettlement.BadPackedLength.selector, 13));
        p.rows = new bytes(4097 * 12);
        _reverts(p, abi.encodeWithSelector(ISettlement.TooManyRecords.selector, 4097, 4096));
        p.rows = bytes.concat(up, down);
        _commit(p);
    }

    function test_Commit_ChecksDeposits() public {
        _start();
        _deposit(alice, 0, 7);
        _deposit(bob, 1, 3);
        Posted memory p = _build(bytes.concat(_record(1, 0, int256(7)), _record(2, 1, int256(3))), 2, "");
        bytes memory good = p.deposits;
        p.deposits = queue[2];
        _reverts(p, abi.encodeWithSelector(ISettlement.DepositCountMismatch.selector, 1, 2));
        p.header.depositsConsumed = 1;
        _reverts(p, abi.encodeWithSelector(ISettlement.DepositCountMismatch.selector, 1, type(uint256).max));
        p.header.depositsConsumed = 4;
        p.deposits = bytes.concat(queue[3], queue[2]);
        bytes32 before = vault.depositHash(2);
        bytes32 swapped = keccak256(bytes.concat(keccak256(bytes.concat(before, queue[3])), queue[2]));
        _reverts(
            p,
            abi.encodeWithSelector(ISettlement.DepositQueueMismatch.selector, swapped, vault.depositHash(4))
        );
        p.deposits = bytes.concat(good, good);
        p.header.depositsConsumed = 6;
        _reverts(p, abi.encodeWithSelector(ISettlement.DepositsOverQueue.selector, 6, 4));
        p.deposits = bytes.concat(queue[2], _depositRecord(1, 5, 3, alice));
        p.header.depositsConsumed = 4;
        _reverts(p, abi.encodeWithSelector(ISettlement.UnknownAsset.selector, 5, 3));
        p.deposits = new bytes(32 * 2049);
        _reverts(p, abi.encodeWithSelector(ISettlement.TooManyRecords.selector, 2049, 2048));
        p.deposits = new bytes(12);
        _reverts(p, abi.encodeWithSelector(ISettlement.BadPackedLength.selector, 12));
        p.deposits = good;
        _commit(p);
        assertEq(settlement.batchOf(2).depositsConsumed, 4, "consumed");
    }

    function test_Commit_ChecksWithdrawals() public {
        _start();
        Posted memory p = _build(_record(1, 0, -int256(5)), 0, _record(1, 0, uint64(5)));
        bytes memory good = p.withdrawals;
        p.withdrawals = bytes.concat(_record(2, 0, uint64(2)), _record(1, 0, uint64(3)));
        _reverts(p, abi.encodeWithSelector(ISettlement.RowsNotIncreasing.selector, 128, 64));
        p.withdrawals = bytes.concat(_record(1, 0, uint64(2)), _record(1, 0, uint64(3)));
        _reverts(p, abi.encodeWithSelector(ISettlement.RowsNotIncreasing.selector, 64, 64));
        p.withdrawals = _record(1, 0, uint64(0));
        _reverts(p, abi.encodeWithSelector(ISettlement.BadUnits.selector, 64, 0));
        p.withdrawals = _record(1, 0, uint64(2 ** 53));
        _reverts(p, abi.encodeWithSelector(ISettlement.BadUnits.selector, 64, 2 ** 53));
        p.withdrawals = _record(1, 3, uint64(5));
        _reverts(p, abi.encodeWithSelector(ISettlement.UnknownAsset.selector, 3, 3));
        p.withdrawals = _record(3, 0, uint64(5));
        _reverts(p, abi.encodeWithSelector(ISettlement.UnknownAccount.selector, 3, 3));
        p.withdrawals = _record(1, 0, uint64(4));
        _reverts(p, abi.encodeWithSelector(ISettlement.NotConserved.selector, 0, -1));
        p.withdrawals = new bytes(257 * 12);
        _reverts(p, abi.encodeWithSelector(ISettlement.TooManyRecords.selector, 257, 256));
        p.withdrawals = good;
        _commit(p);
    }

    function test_Commit_BoundsUnprovenBatches() public {
        _start();
        for (uint256 i = 0; i < MAX_UNPROVEN; ++i)
            _commit(_build(bytes.concat(_record(1, 0, -int256(1)), _record(2, 0, int256(1))), 0, ""));
        Posted memory p = _build("", 0, "");
        _reverts(p, abi.encodeWithSelector(ISettlement.TooManyUnproven.selector, 3, 3));
    }

    /// @dev Any rows that conserve: the stored chunks are what a second computation of z and evaluation says.
    function testFuzz_Commit_BindsRows(uint256 seed, uint8 rowCount) public {
        uint256 rows_ = bound(rowCount, 2, 14);
        for (uint256 i = 0; i < rows_; ++i) _deposit(address(uint160(0x1000 + i)), 0, 1000);
        _settleDeposits();
        bytes memory rows;
        int256 sum = 0;
        for (uint256 i = 0; i < rows_; ++i) {
            int256 delta = int256(uint256(keccak256(abi.encode(seed, i))) % 101) - 50;
            if (delta == 0) delta = 1;
            if (i == rows_ - 1) delta = -sum;
            if (delta == 0) return;
            sum += delta;
            rows = bytes.concat(rows, _record(1 + i, 0, delta));
        }
        Posted memory p = _build(rows, 0, "");
        _commit(p);
        for (uint256 chunk = 0; chunk < p.chunkRoots.length; ++chunk)
            assertEq(
                settlement.chunkCommitment(2, chunk),
                keccak256(abi.encode(_publicInputs(p, chunk))),
                "chunk"
            );
        _proveAll(p);
        assertEq(settlement.provenRoot(), tree.root(), "proven");
    }

    function test_Prove_InAnyOrder() public {
        _start();
        Posted memory first = _build(
            bytes.concat(
                _record(0, 0, int256(1)),
                _record(1, 0, -int256(4)),
                _record(1, 1, int256(4)),
                _record(2, 0, int256(3)),
                _record(2, 1, -int256(4))
            ),
            0,
            ""
        );
        _commit(first);
        Posted memory second = _build(
            bytes.concat(_record(1, 0, -int256(1)), _record(2, 0, int256(1))),
            0,
            ""
        );
        _commit(second);
        uint256 rootBefore = settlement.provenRoot();
        verifier.state(_publicInputs(second, 0));
        uint256[4] memory inputs = _publicInputs(second, 0);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.ChunkProven(3, 0);
        settlement.proveChunk(3, 0, inputs, _proof(inputs));
        _prove(first, 1);
        assertEq(settlement.provenRoot(), rootBefore, "a later batch waits for its predecessor");
        assertTrue(settlement.batchState(3) == BatchState.Committed, "still committed");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.ChunkAlreadyProven.selector, 2, 1));
        this.proveAgain(first, 1);
        _prove(first, 0);
        assertEq(settlement.provenCount(), 3, "both");
        assertEq(settlement.provenRoot(), tree.root(), "root");
    }

    function proveAgain(Posted memory posted, uint256 chunk) external {
        _prove(posted, chunk);
    }

    function test_Prove_Refuses() public {
        _start();
        Posted memory p = _build(bytes.concat(_record(1, 0, -int256(4)), _record(2, 0, int256(4))), 0, "");
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        uint256[8] memory proof = _proof(inputs);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 3));
        settlement.proveChunk(3, 0, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 1));
        settlement.proveChunk(1, 0, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnknownChunk.selector, 1, 1));
        settlement.proveChunk(2, 1, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.InvalidProof.selector, 2, 0));
        settlement.proveChunk(2, 0, inputs, proof);
        bytes32 right = keccak256(abi.encode(inputs));
        inputs[3] ^= 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.WrongPublicInputs.selector,
                keccak256(abi.encode(inputs)),
                right
            )
        );
        settlement.proveChunk(2, 0, inputs, proof);
    }

    function test_Finalize_CreditsOnce() public {
        _start();
        bytes memory withdrawals = bytes.concat(_record(1, 0, uint64(5)), _record(2, 1, uint64(6)));
        Posted memory p = _build(
            bytes.concat(_record(1, 0, -int256(5)), _record(2, 1, -int256(6))),
            0,
            withdrawals
        );
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotProven.selector, 2));
        settlement.finalizeBatch(2, withdrawals);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotProven.selector, 0));
        settlement.finalizeBatch(0, "");
        _proveAll(p);
        assertTrue(settlement.batchState(2) == BatchState.Proven, "not yet final");
        assertEq(vault.claimable(1, 0), 0, "nothing claimable yet");
        bytes memory other = _record(1, 0, uint64(5));
        vm.expectRevert(
            abi.encodeWithSelector(
                ISettlement.WithdrawalsMismatch.selector,
                keccak256(other),
                keccak256(withdrawals)
            )
        );
        settlement.finalizeBatch(2, other);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IVault.ClaimCredited(1, 0, 5);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IVault.ClaimCredited(2, 1, 6);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.BatchFinal(2);
        settlement.finalizeBatch(2, withdrawals);
        assertTrue(settlement.batchState(2) == BatchState.Final, "final");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchAlreadyFinal.selector, 2));
        settlement.finalizeBatch(2, withdrawals);
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchAlreadyFinal.selector, 1));
        settlement.finalizeBatch(1, "");
    }

    function test_Strike_FallsBackToTheProvenRoot() public {
        _start();
        vm.expectRevert(ISettlement.NothingToStrike.selector);
        settlement.strikeUnproven();
        uint256 root = settlement.provenRoot();
        bytes memory rows = bytes.concat(_record(1, 0, -int256(1)), _record(2, 0, int256(1)));
        _commit(_build(rows, 0, ""));
        uint256 deadline = block.timestamp + PROOF_DELAY;
        vm.warp(block.timestamp + 100);
        Posted memory later = _build(rows, 0, "");
        _commit(later);
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(ISettlement.ProofDeadlineNotPassed.selector, deadline, deadline)
        );
        settlement.strikeUnproven();
        vm.warp(deadline + 1);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit ISettlement.BatchesStruck(2, 3);
        settlement.strikeUnproven();
        assertEq(settlement.lastRoot(), root, "last proven root");
        assertEq(settlement.batchCount(), 1, "count");
        assertTrue(settlement.batchState(2) == BatchState.None, "gone");
        assertEq(settlement.batchOf(3).newRoot, 0, "gone, too");
        assertEq(settlement.chunkCommitment(2, 0), bytes32(0), "no chunk stands");
        vm.expectRevert(abi.encodeWithSelector(ISettlement.BatchNotCommitted.selector, 3));
        this.proveAgain(later, 0);
        // The exchange goes on from there, with the same numbers.
        _undo(3);
        _undo(2);
        _settle(rows, 0, "");
        assertEq(settlement.provenCount(), 2, "again");
    }

    function test_Strike_TakesHalfProvenBatches() public {
        _start();
        bytes memory rows = bytes.concat(
            _record(0, 0, int256(1)),
            _record(1, 0, -int256(4)),
            _record(1, 1, int256(4)),
            _record(2, 0, int256(3)),
            _record(2, 1, -int256(4))
        );
        Posted memory p = _build(rows, 0, "");
        _commit(p);
        _prove(p, 0);
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        _undo(2);
        p = _build(rows, 0, "");
        _commit(p);
        assertEq(settlement.batchOf(2).chunksProven, 0, "no chunk is proven");
        _prove(p, 1);
        assertTrue(settlement.batchState(2) == BatchState.Committed, "the first chunk needs a proof again");
        _prove(p, 0);
        assertEq(settlement.provenCount(), 2, "proven");
    }

    function test_Views_OfRequests() public view {
        ForcedWithdrawal memory none = settlement.requestOf(1 << 22, 0);
        assertEq(none.remaining, 0, "no such account");
        assertEq(settlement.requestOf(0, 3).remaining, 0, "no such asset");
        assertEq(settlement.currentRequestFee(), REQUEST_FEE, "fee");
    }
}
