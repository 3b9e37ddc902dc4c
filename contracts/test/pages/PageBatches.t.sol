// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageGoverned} from "../../src/pages/IPageGoverned.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {BatchHeader, BatchState, Carried, Config, Page} from "../../src/pages/Types.sol";
import {Asset} from "../../src/types/Asset.sol";
import {FillTree} from "../../src/libraries/FillTree.sol";
import {PageFixture} from "./PageFixture.sol";

/// @notice Construction, posting, proofs, final, credits, strike: each function, each revert with its values.
contract PageBatchesTest is PageFixture {
    function _reverts(Posted memory p, bytes memory reason) private {
        vm.prank(operator);
        vm.expectRevert(reason);
        settlement.commitPages(p.header, "", p.pages);
    }

    /// @dev Alice 50 of asset 0 and bob 20 of asset 1, final.
    function _start() private {
        _deposit(alice, 0, 50);
        _deposit(bob, 1, 20);
        _settleDeposits();
    }

    function _transfer(int256 units) private pure returns (bytes memory) {
        return bytes.concat(_row(1, 0, -units), _row(2, 0, units));
    }

    function test_Constructor_KeepsWhatItIsGiven() public view {
        assertEq(address(settlement.vault()), address(vault), "vault");
        assertEq(settlement.exitDelay(), EXIT_DELAY, "exit delay");
        assertEq(settlement.proofDelay(), PROOF_DELAY, "proof delay");
        assertEq(settlement.challengeWindow(), WINDOW, "window");
        assertEq(settlement.maxUnproven(), MAX_UNPROVEN, "max unproven");
        assertEq(settlement.requestFee(), REQUEST_FEE, "fee");
        assertEq(settlement.powerDelay(), POWER_DELAY, "power delay");
        assertEq(settlement.bond(), BOND, "bond");
        assertEq(settlement.lastRoot(), tree.root(), "the empty tree");
        assertEq(settlement.finalRoot(), tree.root(), "final from the start");
        assertTrue(settlement.batchState(0) == BatchState.Final, "state of batch 0");
        assertTrue(settlement.batchState(1) == BatchState.None, "no batch 1");
        assertEq(settlement.batchOf(1).newRoot, 0, "nothing of batch 1");
    }

    function test_Constructor_Refuses() public {
        Config memory config = _config();
        vm.expectRevert(IPageGoverned.ZeroAddress.selector);
        _newSettlement(config);
        config.vault = address(vault);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPageSettlement.VaultNotWired.selector,
                address(vault),
                address(settlement)
            )
        );
        _newSettlement(config);
        config.governor = address(0);
        vm.expectRevert(IPageGoverned.ZeroAddress.selector);
        _newSettlement(config);
        config = _config();
        config.verifier = address(0);
        vm.expectRevert(IPageGoverned.ZeroAddress.selector);
        _newSettlement(config);

        config = _config();
        config.exitDelay = 30 days + 1;
        _constructorReverts(config, "exitDelay", 30 days + 1, 30 days);
        config.exitDelay = 2 * PROOF_DELAY + WINDOW;
        _constructorReverts(config, "exitDelay", 2 * PROOF_DELAY + WINDOW, 2 * PROOF_DELAY + WINDOW);
        config = _config();
        config.proofDelay = 0;
        _constructorReverts(config, "proofDelay", 0, 30 days);
        config.proofDelay = 30 days + 1;
        _constructorReverts(config, "proofDelay", 30 days + 1, 30 days);
        config = _config();
        config.challengeWindow = 30 days + 1;
        _constructorReverts(config, "challengeWindow", 30 days + 1, 30 days);
        config = _config();
        config.maxUnproven = 0;
        _constructorReverts(config, "maxUnproven", 0, 64);
        config.maxUnproven = 65;
        _constructorReverts(config, "maxUnproven", 65, 64);
        config = _config();
        config.requestFee = 2 ** 64;
        _constructorReverts(config, "requestFee", 2 ** 64, 2 ** 64 - 1);
        config = _config();
        config.powerDelay = EXIT_DELAY + 30 days;
        _constructorReverts(config, "powerDelay", EXIT_DELAY + 30 days, EXIT_DELAY + 30 days);
    }

    function test_Constructor_TakesTheLargestValues() public {
        Config memory config = _config();
        config.exitDelay = 30 days;
        config.proofDelay = 14 days;
        config.challengeWindow = 2 days - 1;
        config.maxUnproven = 64;
        config.requestFee = 2 ** 64 - 1;
        config.powerDelay = 60 days + 1;
        (, settlement) = _deploy(_assets(), config);
        assertEq(settlement.requestFee(), 2 ** 64 - 1, "fee");
        assertEq(settlement.exitDelay() + settlement.proofDelay(), 44 days, "delays");
        assertEq(settlement.maxUnproven(), 64, "unproven");
    }

    function _constructorReverts(Config memory config, bytes32 name, uint256 value, uint256 limit) private {
        Asset[] memory assets = _assets();
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 1);
        config.vault = address(_newVault(next, feeOwner, assets));
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.BadParameter.selector, name, value, limit));
        _newSettlement(config);
    }

    function test_Commit_StoresAndAnnounces() public {
        _deposit(alice, 0, 50);
        Posted memory p = _build("", 1, "");
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.PagePosted(1, 0, DEPOSITS, tree.root(), 1, p.pages[0].rows);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchCommitted(1, p.header);
        _commit(p);
        assertEq(settlement.batchCount(), 1, "count");
        assertEq(settlement.lastRoot(), tree.root(), "last root");
        assertTrue(settlement.finalRoot() != tree.root(), "not final");
        assertTrue(settlement.batchState(1) == BatchState.Committed, "state");
        assertEq(settlement.batchOf(1).fillsRoot, p.header.fillsRoot, "fillsRoot");
        assertEq(settlement.batchOf(1).lastSeq, 10, "lastSeq");
        assertEq(settlement.batchOf(1).committedAt, block.timestamp, "time");
        assertEq(settlement.batchOf(1).pageCount, 1, "pages");
        assertEq(settlement.batchOf(1).verifier, address(verifier), "verifier");
        assertEq(settlement.openBatch().carriedHash, bytes32(0), "nothing is open");
        assertEq(
            settlement.pageCommitment(1, 0),
            keccak256(abi.encode(_publicInputs(p, 0))),
            "the page's public inputs"
        );
        assertEq(settlement.pageCommitment(1, 1), bytes32(0), "no second page");
        assertEq(settlement.pageCommitment(2, 0), bytes32(0), "no second batch");
        (bytes32 rowsHash, uint256 credited) = settlement.withdrawalsOf(2, 0);
        assertTrue(rowsHash == 0 && credited == 0, "no withdrawals");
    }

    function test_Commit_IsForBondedOperatorsOnly() public {
        Posted memory p = _build("", 0, "");
        vm.expectRevert(abi.encodeWithSelector(IPageGoverned.NotOperator.selector, address(this)));
        settlement.commitPages(p.header, "", p.pages);
        (vault, settlement) = _deploy(_assets(), _config());
        _reverts(p, abi.encodeWithSelector(IPageGoverned.BondTooLow.selector, 0, BOND));
        vm.deal(operator, BOND);
        vm.prank(operator);
        settlement.postBond{value: BOND - 1}();
        _reverts(p, abi.encodeWithSelector(IPageGoverned.BondTooLow.selector, BOND - 1, BOND));
        vm.prank(operator);
        settlement.postBond{value: 1}();
        _commit(p);
    }

    function test_Commit_ChecksTheHeader() public {
        _start();
        Posted memory p = _build("", 0, "");
        uint256 root = p.header.oldRoot;
        p.header.number = 1;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongNumber.selector, 1, 2));
        p.header.number = 3;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongNumber.selector, 3, 2));
        p.header.number = 2;
        p.header.firstSeq = 10;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongFirstSeq.selector, 10, 11));
        p.header.firstSeq = 12;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongFirstSeq.selector, 12, 11));
        p.header.firstSeq = 11;
        p.header.lastSeq = 10;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.EmptySeqRange.selector, 11, 10));
        p.header.lastSeq = 11;
        p.header.oldRoot = 5;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongOldRoot.selector, 5, root));
        p.header.oldRoot = root;
        p.header.newRoot = 7;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongNewRoot.selector, root, 7));
        p.header.newRoot = root;
        p.header.depositsConsumed = 3;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.DepositCountMismatch.selector, 2, 3));
        p.header.depositsConsumed = 2;
        p.header.pageCount = 1;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.EmptyPage.selector));
        p.header.pageCount = 0;
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.WrongCarried.selector, keccak256("x"), bytes32(0))
        );
        settlement.commitPages(p.header, "x", p.pages);
        _commit(p);
        assertEq(settlement.provenCount(), 2, "without pages it is proven at once");
    }

    function test_Commit_ChecksPages() public {
        _start();
        Posted memory p = _build(_transfer(10), 0, "");
        p.header.pageCount = 0;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.PageCountMismatch.selector, 1, 0));
        p.header.pageCount = 1;
        p.pages[0].kind = 3;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongKind.selector, 3, 0));
        p.pages[0].kind = TRADES;
        p.pages[0].lastRoot = R;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.NotCanonical.selector, R));
        p.pages[0].lastRoot = 7;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongNewRoot.selector, 7, p.header.newRoot));
        // The largest root there is.
        p.pages[0].lastRoot = p.header.newRoot = R - 1;
        p.pages[0].deposits = queue[0];
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadPackedLength.selector, 32));
        p.pages[0].deposits = "";
        _commit(p);
        assertEq(settlement.lastRoot(), R - 1, "the largest root");
    }

    /// @dev Trades, then deposits; withdrawals, then trades.
    function test_Commit_KindsDoNotFall() public {
        _start();
        _deposit(bob, 0, 5);
        Posted memory p = _build(_transfer(10), 1, "");
        (p.pages[0], p.pages[1]) = (p.pages[1], p.pages[0]);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongKind.selector, 0, 1));
        _undo(2);
        p = _build(_transfer(10), 0, _row(2, 0, 1));
        (p.pages[0], p.pages[1]) = (p.pages[1], p.pages[0]);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongKind.selector, 1, 2));
    }

    function test_Commit_ChecksTrades() public {
        _start();
        Posted memory p = _build(_transfer(10), 0, "");
        bytes memory good = p.pages[0].rows;
        bytes memory up = _row(1, 0, 5);
        p.pages[0].rows = "";
        _reverts(p, abi.encodeWithSelector(IPageSettlement.EmptyPage.selector));
        p.pages[0].rows = bytes.concat(_row(2, 0, -5), up);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.RowsNotIncreasing.selector, 2, 1));
        p.pages[0].rows = bytes.concat(up, _row(1, 0, -5));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.RowsNotIncreasing.selector, 1, 1));
        p.pages[0].rows = bytes.concat(up, _row(2, 1, 0));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadDelta.selector, 2, 1, 0));
        p.pages[0].rows = bytes.concat(up, _row(2, 3, 2 ** 53));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadDelta.selector, 2, 3, 2 ** 53));
        p.pages[0].rows = bytes.concat(up, _row(2, 3, -(2 ** 53)));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadDelta.selector, 2, 3, -(2 ** 53)));
        p.pages[0].rows = bytes.concat(up, _row(2, 5, -5));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.UnknownAsset.selector, 5, 5));
        p.pages[0].rows = bytes.concat(up, _row(3, 0, -5));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.UnknownAccount.selector, 3, 3));
        p.pages[0].rows = bytes.concat(up, abi.encodePacked(uint32(2)));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadMask.selector, 2, 0));
        p.pages[0].rows = bytes.concat(up, abi.encodePacked(uint32((1 << 30) | 2), uint56(1)));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadMask.selector, 2, 16));
        p.pages[0].rows = bytes.concat(up, _row(2, 0, -6));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.NotConserved.selector, 0, -1));
        p.pages[0].rows = bytes.concat(_row(1, 0, 5), abi.encodePacked(uint32((1 << 26) | 2), uint48(1)));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadPackedLength.selector, 21));
        p.pages[0].rows = good;
        _commit(p);
    }

    /// @dev As many rows as a page may have, and one more; the largest deltas.
    function test_Commit_TakesTheLargestPage() public {
        _start();
        vm.store(address(vault), bytes32(0), bytes32(uint256(2000)));
        Posted memory p = _build(_transfer(10), 0, "");
        int256 most = 2 ** 53 - 1;
        bytes memory rows = bytes.concat(_row(1, 0, most), _row(2, 0, -most));
        for (uint256 i = 3; i < 1025; ++i) rows = bytes.concat(rows, _row(i, 1, i % 2 == 0 ? int256(1) : -1));
        p.pages[0].rows = bytes.concat(rows, _row(1025, 1, 3));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.TooManyRecords.selector, 1025, 1024));
        p.pages[0].rows = rows;
        _commit(p);
        assertEq(settlement.batchCount(), 2, "committed");
    }

    function test_Commit_ChecksDeposits() public {
        _start();
        _deposit(alice, 0, 7);
        _deposit(bob, 1, 3);
        Posted memory p = _build("", 2, "");
        bytes memory rows = p.pages[0].rows;
        bytes memory good = p.pages[0].deposits;
        bytes memory one = bytes.concat(queue[2], hex"0000");
        p.pages[0].rows = hex"000000";
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadPackedLength.selector, 3));
        p.pages[0].rows = "";
        _reverts(p, abi.encodeWithSelector(IPageSettlement.EmptyPage.selector));
        p.pages[0].rows = new bytes(4 * 1025);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.TooManyRecords.selector, 1025, 1024));
        p.pages[0].rows = rows;
        p.pages[0].deposits = queue[2];
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadPackedLength.selector, 32));
        // A place beyond the rows, another leaf's place.
        p.pages[0].deposits = bytes.concat(one, queue[3], hex"0002");
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongLeaf.selector, (2 << 6) | 1, 2));
        p.pages[0].deposits = bytes.concat(one, queue[3], hex"0000");
        _reverts(p, abi.encodeWithSelector(IPageSettlement.WrongLeaf.selector, (2 << 6) | 1, 0));
        // A leaf that gets nothing.
        p.pages[0].deposits = one;
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadDelta.selector, 2, 0, 0));
        // Another order, another amount, more than there are.
        p.pages[0].deposits = bytes.concat(queue[3], hex"0001", one);
        _reverts(
            p,
            abi.encodeWithSelector(
                IPageSettlement.DepositQueueMismatch.selector,
                keccak256(bytes.concat(keccak256(bytes.concat(vault.depositHash(2), queue[3])), queue[2])),
                vault.depositHash(4)
            )
        );
        p.pages[0].deposits = bytes.concat(good, one);
        _reverts(
            p,
            abi.encodeWithSelector(
                IPageSettlement.DepositQueueMismatch.selector,
                keccak256(bytes.concat(vault.depositHash(4), queue[2])),
                bytes32(0)
            )
        );
        p.pages[0].deposits = bytes.concat(one, _depositRecord(2, 1, 2 ** 53, bob), hex"0001");
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 1, 2 ** 53));
        p.pages[0].deposits = bytes.concat(
            _depositRecord(2, 1, 2 ** 53 - 1, bob),
            hex"0001",
            queue[3],
            hex"0001"
        );
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 1, 2 ** 53 + 2));
        p.pages[0].deposits = good;
        p.pages[0].rows = bytes.concat(abi.encodePacked(uint32(2)), abi.encodePacked(uint32(1)));
        p.pages[0].deposits = bytes.concat(queue[2], hex"0001", queue[3], hex"0000");
        _reverts(p, abi.encodeWithSelector(IPageSettlement.RowsNotIncreasing.selector, 2, 1));
        p.pages[0].rows = rows;
        p.pages[0].deposits = good;
        _commit(p);
        assertEq(settlement.batchOf(2).depositsConsumed, 4, "consumed");
    }

    /// @dev Several deposits of a leaf, in two lanes and out of order with the leaves; the same leaf in two pages.
    function test_Commit_DerivesDeposits() public {
        _start();
        _deposit(bob, 0, 3);
        _deposit(alice, 4, 9);
        _deposit(bob, 3, 4);
        _deposit(bob, 0, 5);
        _deposit(bob, 0, 6);
        Page[] memory pages = new Page[](2);
        pages[0] = _depositPage(2, 4);
        pages[1] = _depositPage(6, 1);
        Posted memory p = _buildPages(pages);
        _commit(p);
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven");
        assertEq(tree.balance(2, 0), 14, "bob's lane 0");
        assertEq(tree.balance(2, 3), 4, "bob's lane 3");
        assertEq(tree.balance(1, 4), 9, "alice's group 1");
    }

    function test_Commit_ChecksWithdrawals() public {
        _start();
        Posted memory p = _build("", 0, _row(1, 0, 5));
        bytes memory good = p.pages[0].rows;
        p.pages[0].rows = bytes.concat(_row(2, 0, 2), _row(1, 0, 3));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.RowsNotIncreasing.selector, 2, 1));
        p.pages[0].rows = bytes.concat(_row(1, 0, 2), _row(1, 0, 3));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.RowsNotIncreasing.selector, 1, 1));
        p.pages[0].rows = _row(1, 2, 0);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 2, 0));
        p.pages[0].rows = _row(1, 0, 2 ** 53);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 0, 2 ** 53));
        p.pages[0].rows = _row(1, 0, -1);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadUnits.selector, 1, 0, 2 ** 56 - 1));
        p.pages[0].rows = _row(1, 7, 5);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.UnknownAsset.selector, 7, 5));
        p.pages[0].rows = _row(3, 0, 5);
        _reverts(p, abi.encodeWithSelector(IPageSettlement.UnknownAccount.selector, 3, 3));
        p.pages[0].rows = bytes.concat(good, hex"00");
        _reverts(p, abi.encodeWithSelector(IPageSettlement.BadMask.selector, 0, 0));
        p.pages[0].rows = "";
        _reverts(p, abi.encodeWithSelector(IPageSettlement.EmptyPage.selector));
        p.pages[0].rows = good;
        _commit(p);
    }

    function test_Commit_BoundsWithdrawalsOfAPage() public {
        _start();
        vm.store(address(vault), bytes32(0), bytes32(uint256(2000)));
        Posted memory p = _build("", 0, _row(1, 0, 5));
        bytes memory rows;
        for (uint256 i = 0; i < 64; ++i) rows = bytes.concat(rows, _rowOf(1 + i, [int256(1), 2, 3, 4]));
        p.pages[0].rows = bytes.concat(rows, _row(1000, 0, 1));
        _reverts(p, abi.encodeWithSelector(IPageSettlement.TooManyRecords.selector, 257, 256));
        p.pages[0].rows = rows;
        _commit(p);
    }

    function test_Commit_BoundsUnprovenBatches() public {
        _start();
        for (uint256 i = 0; i < MAX_UNPROVEN; ++i) _commit(_build(_transfer(1), 0, ""));
        _reverts(_build("", 0, ""), abi.encodeWithSelector(IPageSettlement.TooManyUnproven.selector, 3, 3));
    }

    /// @dev The same pages in one transaction, or over several: the same batch.
    function test_Commit_OverSeveralTransactions() public {
        _start();
        _deposit(bob, 0, 5);
        _deposit(carol, 4, 7);
        Page[] memory pages = new Page[](5);
        pages[0] = _depositPage(2, 1);
        pages[1] = _depositPage(3, 1);
        pages[2] = _tradePage(
            bytes.concat(_rowOf(0, [int256(7), 2, 0, 0]), _rowOf(1, [-int256(9), 0, 0, 0]))
        );
        pages[3] = _tradePage(bytes.concat(_rowOf(2, [int256(2), -2, 0, 0])));
        pages[4] = _withdrawalPage(bytes.concat(_row(1, 0, 11), _row(3, 4, 7)));
        Posted memory p = _buildPages(pages);
        vm.prank(operator);
        settlement.commitPages(p.header, "", _some(p, 0, 1));
        assertEq(settlement.openBatch().openedAt, block.timestamp, "open");
        assertEq(settlement.batchCount(), 1, "not committed");
        vm.warp(block.timestamp + 100);
        _post(p, 1, 2);
        _post(p, 2, 3);
        // The state passed on is what the pages say, and nothing else.
        bytes32 expected = settlement.openBatch().carriedHash;
        assertEq(keccak256(abi.encode(_carried(p, 3))), expected, "the state");
        Carried memory wrong = _carried(p, 3);
        wrong.sums[0] += 1;
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPageSettlement.WrongCarried.selector,
                keccak256(abi.encode(wrong)),
                expected
            )
        );
        settlement.commitPages(p.header, abi.encode(wrong), _some(p, 3, 5));
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.WrongCarried.selector, keccak256(""), expected)
        );
        settlement.commitPages(p.header, "", _some(p, 3, 5));
        bytes memory carried = abi.encode(_carried(p, 3));
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.EmptyPage.selector));
        settlement.commitPages(p.header, carried, new Page[](0));
        BatchHeader memory other = abi.decode(abi.encode(p.header), (BatchHeader));
        bytes32 batchHash = _batchHash(p);
        other.newRoot ^= 1;
        Posted memory q = Posted(other, p.pages, true);
        vm.prank(operator);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.WrongBatch.selector, _batchHash(q), batchHash)
        );
        settlement.commitPages(other, carried, _some(p, 3, 5));
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.PageCountMismatch.selector, 6, 5));
        settlement.commitPages(p.header, carried, _some(p, 2, 5));
        _post(p, 3, 5);
        assertEq(settlement.batchCount(), 2, "committed");
        assertEq(settlement.openBatch().openedAt, 0, "closed");
        assertEq(settlement.batchOf(2).committedAt, block.timestamp, "with its last page");
        assertEq(settlement.batchOf(2).uncredited, 1, "one page of withdrawals");
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven");
    }

    function _post(Posted memory p, uint256 from, uint256 to) private {
        bytes memory carried = abi.encode(_carried(p, from));
        vm.prank(operator);
        settlement.commitPages(p.header, carried, _some(p, from, to));
    }

    function test_Drop_GivesUpTheOpenBatch() public {
        _start();
        vm.expectRevert(IPageSettlement.NoOpenBatch.selector);
        settlement.dropOpenBatch();
        Posted memory p = _build(_transfer(10), 0, _row(2, 0, 1));
        vm.prank(operator);
        settlement.commitPages(p.header, "", _some(p, 0, 1));
        uint256 deadline = block.timestamp + PROOF_DELAY;
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.ProofDeadlineNotPassed.selector, deadline, deadline)
        );
        settlement.dropOpenBatch();
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchDropped(2);
        vm.prank(operator);
        settlement.dropOpenBatch();
        vm.prank(operator);
        settlement.commitPages(p.header, "", _some(p, 0, 1));
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.dropOpenBatch();
        _commit(p);
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "the number is free");
    }

    function test_Prove_InAnyOrder() public {
        _start();
        Page[] memory pages = new Page[](2);
        pages[0] = _tradePage(bytes.concat(_row(0, 0, 1), _rowOf(1, [-int256(4), 4, 0, 0])));
        pages[1] = _tradePage(_rowOf(2, [int256(3), -4, 0, 0]));
        Posted memory first = _buildPages(pages);
        _commit(first);
        Posted memory second = _build(_transfer(1), 0, "");
        _commit(second);
        uint256 rootBefore = settlement.finalRoot();
        uint256[4] memory inputs = _publicInputs(second, 0);
        verifier.state(inputs);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.PageProven(3, 0);
        settlement.provePage(3, 0, 1, inputs, _proof(1, inputs));
        _prove(first, 1);
        assertEq(settlement.provenCount(), 1, "a later batch waits for its predecessor");
        assertTrue(settlement.batchState(3) == BatchState.Committed, "still committed");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.PageAlreadyProven.selector, 2, 1));
        this.prove(first, 1);
        inputs = _publicInputs(first, 0);
        verifier.state(inputs);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchProven(2, first.header.newRoot);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchProven(3, tree.root());
        settlement.provePage(2, 0, 0, inputs, _proof(0, inputs));
        assertEq(settlement.provenCount(), 3, "both");
        assertTrue(settlement.batchState(3) == BatchState.Proven, "proven");
        assertEq(settlement.finalRoot(), rootBefore, "and not final");
    }

    function prove(Posted memory posted, uint256 page) external {
        _prove(posted, page);
    }

    function test_Prove_Refuses() public {
        _start();
        Posted memory p = _build(_transfer(4), 0, "");
        _commit(p);
        uint256[4] memory inputs = _publicInputs(p, 0);
        bytes memory proof = _proof(0, inputs);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 3));
        settlement.provePage(3, 0, 0, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 1));
        settlement.provePage(1, 0, 0, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.UnknownPage.selector, 1, 1));
        settlement.provePage(2, 1, 0, inputs, proof);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        settlement.provePage(2, 0, 0, inputs, proof);
        // Of another circuit, and of one that is not there.
        verifier.state(inputs);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.InvalidProof.selector, 2, 0));
        settlement.provePage(2, 0, 1, inputs, proof);
        bytes32 right = keccak256(abi.encode(inputs));
        inputs[3] ^= 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IPageSettlement.WrongPublicInputs.selector,
                keccak256(abi.encode(inputs)),
                right
            )
        );
        settlement.provePage(2, 0, 0, inputs, proof);
    }

    /// @dev Proven and past its window: each batch on its own time, and none before those in front of it.
    function test_Final_AfterTheWindow() public {
        _start();
        Posted[] memory p = new Posted[](3);
        uint256[] memory times = new uint256[](3);
        for (uint256 i = 0; i < 3; ++i) {
            p[i] = _build(_transfer(1), 0, "");
            times[i] = block.timestamp;
            _commit(p[i]);
            vm.warp(block.timestamp + 1 hours);
        }
        _proveAll(p[0]);
        _proveAll(p[2]);
        vm.warp(times[0] + WINDOW - 1);
        settlement.advance();
        assertEq(settlement.finalCount(), 1, "a second too early");
        vm.warp(times[0] + WINDOW);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchesFinal(2, 2, p[0].header.newRoot);
        settlement.advance();
        assertTrue(settlement.batchState(2) == BatchState.Final, "final");
        vm.warp(times[2] + WINDOW);
        settlement.advance();
        assertEq(settlement.finalCount(), 2, "the second has no proof");
        uint256[4] memory inputs = _publicInputs(p[1], 0);
        verifier.state(inputs);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchesFinal(3, 4, tree.root());
        settlement.provePage(3, 0, 0, inputs, _proof(0, inputs));
        assertEq(settlement.finalRoot(), tree.root(), "both at once");
        assertEq(settlement.creditedCount(), 4, "and none had withdrawals");
    }

    function test_Credit_Once() public {
        _start();
        bytes memory rows = bytes.concat(_row(1, 0, 5), _row(2, 1, 6));
        Posted memory p = _build(bytes.concat(_row(0, 0, 1), _row(1, 0, -1)), 0, rows);
        _commit(p);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
        settlement.creditWithdrawals(2, 1, rows);
        _proveAll(p);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotFinal.selector, 2, 1));
        settlement.creditWithdrawals(2, 1, rows);
        vm.warp(block.timestamp + WINDOW);
        bytes memory other = _row(1, 0, 5);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPageSettlement.WithdrawalsMismatch.selector,
                keccak256(other),
                keccak256(rows)
            )
        );
        settlement.creditWithdrawals(2, 1, other);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 2, 0));
        settlement.creditWithdrawals(2, 0, p.pages[0].rows);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 0, 0));
        settlement.creditWithdrawals(0, 0, "");
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.ClaimCredited(1, 0, 5);
        vm.expectEmit(true, true, true, true, address(vault));
        emit IPageVault.ClaimCredited(2, 1, 6);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.WithdrawalsCredited(2, 1, 0, 22);
        settlement.creditWithdrawals(2, 1, rows);
        assertEq(settlement.creditedCount(), 2, "credited");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.NoWithdrawals.selector, 2, 1));
        settlement.creditWithdrawals(2, 1, rows);
    }

    function test_Credit_InParts() public {
        _deposit(alice, 0, 50);
        _deposit(alice, 3, 8);
        _deposit(alice, 4, 9);
        _deposit(bob, 2, 20);
        _settleDeposits();
        bytes memory rows = bytes.concat(_rowOf(1, [int256(5), 0, 0, 7]), _row(2, 2, 6), _row(1, 4, 9));
        Posted memory p = _build("", 0, rows);
        _commit(p);
        _proveAll(p);
        vm.warp(block.timestamp + WINDOW);
        settlement.creditPart(2, 0, rows, 1);
        (bytes32 rowsHash, uint256 credited) = settlement.withdrawalsOf(2, 0);
        assertEq(rowsHash, keccak256(rows), "waits");
        assertEq(credited, 18, "one row of two lanes");
        assertTrue(vault.claimable(1, 0) == 5 && vault.claimable(1, 3) == 7, "both lanes");
        assertEq(vault.claimable(2, 2), 0, "not yet");
        settlement.creditPart(2, 0, rows, 0);
        assertEq(settlement.creditedCount(), 1, "not in full");
        settlement.creditWithdrawals(2, 0, rows);
        assertTrue(vault.claimable(1, 0) == 5 && vault.claimable(2, 2) == 6, "each once");
        assertEq(vault.claimable(1, 4), 9, "the second group");
        assertEq(settlement.creditedCount(), 2, "in full");
    }

    function test_Strike_FallsBackToTheProvenRoot() public {
        _start();
        vm.expectRevert(IPageSettlement.NothingToStrike.selector);
        settlement.strikeUnproven();
        uint256 root = tree.root();
        bytes memory rows = _transfer(1);
        _commit(_build(rows, 0, ""));
        uint256 deadline = block.timestamp + PROOF_DELAY;
        vm.warp(block.timestamp + 100);
        Posted memory later = _build(rows, 0, "");
        _commit(later);
        Posted memory open = _build(rows, 0, _row(1, 0, 1));
        vm.prank(operator);
        settlement.commitPages(open.header, "", _some(open, 0, 1));
        vm.warp(deadline);
        vm.expectRevert(
            abi.encodeWithSelector(IPageSettlement.ProofDeadlineNotPassed.selector, deadline, deadline)
        );
        settlement.strikeUnproven();
        vm.warp(deadline + 1);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchDropped(4);
        vm.expectEmit(true, true, true, true, address(settlement));
        emit IPageSettlement.BatchesStruck(2, 3);
        settlement.strikeUnproven();
        assertEq(settlement.lastRoot(), root, "last proven root");
        assertEq(settlement.batchCount(), 1, "count");
        assertTrue(settlement.batchState(2) == BatchState.None, "gone");
        assertEq(settlement.batchOf(3).newRoot, 0, "gone, too");
        assertEq(settlement.pageCommitment(2, 0), bytes32(0), "no page stands");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 3));
        this.prove(later, 0);
        // The exchange goes on from there, with the same numbers.
        for (uint256 number = 4; number > 1; --number) _undo(number);
        _settle(rows, 0, "");
        assertEq(settlement.provenCount(), 2, "again");
    }

    function test_Strike_TakesHalfProvenBatches() public {
        _start();
        Posted memory p = _build(_transfer(4), 0, _row(2, 0, 1));
        _commit(p);
        _prove(p, 0);
        vm.warp(block.timestamp + PROOF_DELAY + 1);
        settlement.strikeUnproven();
        _undo(2);
        p = _build(_transfer(4), 0, _row(2, 0, 1));
        _commit(p);
        assertEq(settlement.batchOf(2).pagesProven, 0, "no page is proven");
        _prove(p, 1);
        assertTrue(settlement.batchState(2) == BatchState.Committed, "the first page needs a proof again");
        _prove(p, 0);
        assertEq(settlement.provenCount(), 2, "proven");
    }

    function test_VerifyFill() public {
        bytes memory fill = new bytes(FillTree.FILL_BYTES);
        bytes32 leaf = sha256(bytes.concat(hex"00", fill));
        Posted memory p = _build("", 0, "");
        p.header.fillsRoot = sha256(bytes.concat(hex"01", leaf, bytes32(uint256(7))));
        _commit(p);
        bytes32[] memory siblings = new bytes32[](1);
        siblings[0] = bytes32(uint256(7));
        assertTrue(settlement.verifyFill(1, fill, siblings, 0), "a fill");
        assertTrue(!settlement.verifyFill(1, fill, siblings, 1), "the wrong side");
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 2));
        settlement.verifyFill(2, fill, siblings, 0);
        vm.expectRevert(abi.encodeWithSelector(IPageSettlement.BatchNotCommitted.selector, 0));
        settlement.verifyFill(0, fill, siblings, 0);
    }

    /// @dev Any rows: the stored commitments are what a second computation of z and evaluation says.
    /// forge-config: default.fuzz.runs = 24
    /// forge-config: long.fuzz.runs = 500
    function testFuzz_Commit_BindsRows(uint256 seed, uint256 cut) public {
        for (uint256 i = 0; i < 6; ++i) {
            _deposit(address(uint160(0x1000 + i)), 0, 1000);
            _deposit(address(uint160(0x1000 + i)), 3, 1000);
            _deposit(address(uint160(0x1000 + i)), 4, 1000);
        }
        _settleDeposits();
        // Two lanes of group 0 and one of group 1; what each gives away, the last account gets.
        bytes memory rows;
        int256[3] memory sums;
        uint256 places = 0;
        for (uint256 i = 0; i < 11; ++i) {
            uint256 account = 1 + (i % 6);
            bool low = i < 6;
            int256 a = int256(uint256(keccak256(abi.encode(seed, i))) % 101) - 50;
            int256 b = low ? int256(uint256(keccak256(abi.encode(seed, i, 1))) % 101) - 50 : int256(0);
            if (i == 5) (a, b) = (-sums[0], -sums[1]);
            if (i == 10) a = -sums[2];
            if (low) (sums[0], sums[1]) = (sums[0] + a, sums[1] + b);
            else sums[2] += a;
            if (a == 0 && b == 0) continue;
            rows = bytes.concat(rows, low ? _rowOf(account, [a, 0, 0, b]) : _row(account, 4, a));
            if (i < cut % 10) places = rows.length;
        }
        if (places == rows.length) places = 0;
        Page[] memory pages = new Page[](places == 0 ? 1 : 2);
        pages[0] = _tradePage(places == 0 ? rows : _slice(rows, 0, places));
        if (places != 0) pages[1] = _tradePage(_slice(rows, places, rows.length));
        Posted memory p = _buildPages(pages);
        assertTrue(p.honest, "in range");
        if (places != 0 && seed % 2 == 0) {
            vm.prank(operator);
            settlement.commitPages(p.header, "", _some(p, 0, 1));
            _post(p, 1, 2);
        } else {
            _commit(p);
        }
        for (uint256 i = 0; i < pages.length; ++i)
            assertEq(settlement.pageCommitment(2, i), keccak256(abi.encode(_publicInputs(p, i))), "page");
        _proveAll(p);
        assertEq(settlement.provenCount(), 2, "proven");
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) part[i - from] = data[i];
    }
}
