// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {Batch, BatchHeader, Carried, Config, Page} from "../../src/pages/Types.sol";
import {Asset} from "../../src/types/Asset.sol";
import {Test} from "../support/Test.sol";
import {PlainToken} from "../support/Tokens.sol";
import {PageStatements} from "./PageStatements.sol";
import {StateModel} from "./StateModel.sol";

/// @notice An exchange with five assets (0: plain ERC-20 of 10^2 atoms a unit, 1: plain ERC-20 of 1 atom a unit, 2: native
/// of 10^9 atoms a unit, 3 and, alone in group 1, 4: plain), an honest operator and prover, and users alice, bob,
/// carol. The operator keeps its own tree; z and evaluations are computed here a second time.
abstract contract PageFixture is Test {
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 internal constant EXIT_DELAY = 7 days;
    uint256 internal constant PROOF_DELAY = 1 days;
    uint256 internal constant WINDOW = 6 hours;
    uint256 internal constant MAX_UNPROVEN = 3;
    uint256 internal constant REQUEST_FEE = 0.01 ether;
    uint256 internal constant POWER_DELAY = EXIT_DELAY + 31 days;
    uint256 internal constant BOND = 2 ether;
    uint8 internal constant DEPOSITS = 0;
    uint8 internal constant TRADES = 1;
    uint8 internal constant WITHDRAWALS = 2;

    address internal governor = address(0x6071);
    address internal guardian = address(0x6072);
    address internal operator = address(0x6073);
    address internal feeOwner = address(0x6074);
    address internal alice = address(0xA11CE);
    address internal bob = address(0xB0B);
    address internal carol = address(0xCA401);

    PlainToken internal usd;
    PlainToken internal btc;
    IPageVault internal vault;
    IPageSettlement internal settlement;
    PageStatements internal verifier;
    StateModel internal tree;

    /// @dev Deposits of the queue, packed records of 32 bytes.
    bytes[] internal queue;
    /// @dev For each batch number: the leaves it changed and what they were, newest last.
    mapping(uint256 number => uint256[]) private _changed;
    mapping(uint256 number => uint256[]) private _previous;

    struct Posted {
        BatchHeader header;
        Page[] pages;
        bool honest;
    }

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        usd = new PlainToken();
        btc = new PlainToken();
        verifier = new PageStatements(2);
        tree = new StateModel();
        (vault, settlement) = _deploy(_assets(), _config());
        vm.deal(operator, BOND);
        vm.prank(operator);
        settlement.postBond{value: BOND}();
    }

    function _assets() internal virtual returns (Asset[] memory assets) {
        assets = new Asset[](5);
        assets[0] = Asset(address(usd), 100);
        assets[1] = Asset(address(btc), 1);
        assets[2] = Asset(address(0), 1e9);
        assets[3] = Asset(address(new PlainToken()), 1);
        assets[4] = Asset(address(new PlainToken()), 10);
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
                challengeWindow: WINDOW,
                maxUnproven: MAX_UNPROVEN,
                requestFee: REQUEST_FEE,
                powerDelay: POWER_DELAY,
                bond: BOND
            });
    }

    function _deploy(
        Asset[] memory assets,
        Config memory config
    ) internal returns (IPageVault vault_, IPageSettlement settlement_) {
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
    ) internal returns (IPageVault) {
        return IPageVault(_create("PageVault.sol:PageVault", abi.encode(settlement_, feeOwner_, assets)));
    }

    function _newSettlement(Config memory config) internal returns (IPageSettlement) {
        return IPageSettlement(_create("PageSettlement.sol:PageSettlement", abi.encode(config)));
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

    // --- Rows ---

    function _leafOf(uint256 account, uint256 asset) internal pure returns (uint256) {
        return (asset / 4) * 2 ** 22 + account;
    }

    /// @dev One row with one lane.
    function _row(uint256 account, uint256 asset, int256 value) internal pure returns (bytes memory) {
        uint32 head = uint32((1 << (26 + (asset % 4))) | _leafOf(account, asset));
        return abi.encodePacked(head, int56(value));
    }

    /// @dev One row of the first group with the lanes that are not zero.
    function _rowOf(uint256 account, int256[4] memory values) internal pure returns (bytes memory row) {
        uint256 mask = 0;
        for (uint256 lane = 0; lane < 4; ++lane) {
            if (values[lane] == 0) continue;
            mask |= 1 << lane;
            row = bytes.concat(row, abi.encodePacked(int56(values[lane])));
        }
        row = bytes.concat(abi.encodePacked(uint32((mask << 26) | account)), row);
    }

    function _depositRecord(
        uint256 account,
        uint256 asset,
        uint64 units,
        address owner
    ) internal pure returns (bytes memory) {
        return abi.encodePacked(uint32((account << 6) | asset), units, owner);
    }

    function _tradePage(bytes memory rows) internal pure returns (Page memory) {
        return Page(TRADES, 0, rows, "");
    }

    function _withdrawalPage(bytes memory rows) internal pure returns (Page memory) {
        return Page(WITHDRAWALS, 0, rows, "");
    }

    /// @dev Deposits [from, from + count) of the queue, their leaves sorted and each once.
    function _depositPage(uint256 from, uint256 count) internal view returns (Page memory page) {
        uint256[] memory leaves = new uint256[](count);
        uint256 found = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 leaf = _leafOfDeposit(queue[from + i]);
            uint256 place = 0;
            while (place < found && leaves[place] < leaf) ++place;
            if (place < found && leaves[place] == leaf) continue;
            for (uint256 k = found; k > place; --k) leaves[k] = leaves[k - 1];
            leaves[place] = leaf;
            ++found;
        }
        for (uint256 place = 0; place < found; ++place)
            page.rows = bytes.concat(page.rows, abi.encodePacked(uint32(leaves[place])));
        for (uint256 i = 0; i < count; ++i) {
            uint256 leaf = _leafOfDeposit(queue[from + i]);
            uint256 place = 0;
            while (leaves[place] != leaf) ++place;
            page.deposits = bytes.concat(page.deposits, queue[from + i], abi.encodePacked(uint16(place)));
        }
    }

    function _leafOfDeposit(bytes memory record) private pure returns (uint256) {
        uint256 index = _wordOf(record, 0) >> 224;
        return _leafOf(index >> 6, index & 63);
    }

    function _wordOf(bytes memory data, uint256 offset) internal pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(add(add(data, 32), offset))
        }
    }

    /// @dev Leaves of a page's rows, and what each changes, packed.
    function _decode(
        Page memory page
    ) internal pure returns (uint256 count, uint256[] memory leaves, int256[] memory packed) {
        leaves = new uint256[](page.rows.length / 4);
        packed = new int256[](page.rows.length / 4);
        if (page.kind == DEPOSITS) {
            count = leaves.length;
            for (uint256 i = 0; i < count; ++i) leaves[i] = _wordOf(page.rows, 4 * i) >> 224;
            for (uint256 offset = 0; offset < page.deposits.length; offset += 34) {
                uint256 word = _wordOf(page.deposits, offset);
                uint256 place = _wordOf(page.deposits, offset + 32) >> 240;
                packed[place] += int256(uint256(uint64(word >> 160)) * 2 ** (63 * ((word >> 224) % 4)));
            }
            return (count, leaves, packed);
        }
        for (uint256 offset = 0; offset < page.rows.length; ++count) {
            uint256 head = _wordOf(page.rows, offset) >> 224;
            offset += 4;
            leaves[count] = head % 2 ** 26;
            for (uint256 lane = 0; lane < 4; ++lane) {
                if ((head >> (26 + lane)) % 2 == 0) continue;
                int256 value = int56(uint56(_wordOf(page.rows, offset) >> 200));
                offset += 7;
                packed[count] += (page.kind == TRADES ? value : -value) * int256(2 ** (63 * lane));
            }
        }
    }

    /// @dev The balances of a leaf that has this one only.
    function _lane(uint256 asset, uint64 units) internal pure returns (uint64[4] memory four) {
        four[asset % 4] = units;
    }

    // --- Operator ---

    /// @dev A batch of up to three pages on top of the last committed one: `depositCount` more deposits, trades,
    /// withdrawals.
    function _build(
        bytes memory trades,
        uint256 depositCount,
        bytes memory withdrawals
    ) internal returns (Posted memory) {
        uint256 consumed = settlement.batchOf(settlement.batchCount()).depositsConsumed;
        Page[] memory pages = new Page[](3);
        uint256 count = 0;
        if (depositCount != 0) pages[count++] = _depositPage(consumed, depositCount);
        if (trades.length != 0) pages[count++] = _tradePage(trades);
        if (withdrawals.length != 0) pages[count++] = _withdrawalPage(withdrawals);
        assembly ("memory-safe") {
            mstore(pages, count)
        }
        return _buildPages(pages);
    }

    /// @dev A batch of these pages. Applies their rows to the operator's tree; `honest` tells whether every balance
    /// stayed in range.
    function _buildPages(Page[] memory pages) internal returns (Posted memory posted) {
        uint64 number = settlement.batchCount() + 1;
        Batch memory last = settlement.batchOf(number - 1);
        posted.pages = pages;
        posted.header = BatchHeader({
            number: number,
            firstSeq: last.lastSeq + 1,
            lastSeq: last.lastSeq + 10,
            oldRoot: tree.root(),
            newRoot: 0,
            journalHead: keccak256(abi.encode("journal", number)),
            fillsRoot: keccak256(abi.encode("fills", number)),
            depositsConsumed: last.depositsConsumed,
            pageCount: uint16(pages.length)
        });
        delete _changed[number];
        delete _previous[number];
        posted.honest = true;
        for (uint256 i = 0; i < pages.length; ++i) {
            if (!_apply(number, pages[i])) posted.honest = false;
            pages[i].lastRoot = tree.root();
            posted.header.depositsConsumed += uint64(pages[i].deposits.length / 34);
        }
        posted.header.newRoot = tree.root();
    }

    function _apply(uint256 number, Page memory page) private returns (bool honest) {
        (uint256 count, uint256[] memory leaves, int256[] memory packed) = _decode(page);
        honest = true;
        for (uint256 i = 0; i < count; ++i) {
            uint256 old = tree.leaf(leaves[i]);
            _changed[number].push(leaves[i]);
            _previous[number].push(old);
            uint256 now_ =
                packed[i] < 0 ? addmod(old, R - uint256(-packed[i]), R) : addmod(old, uint256(packed[i]), R);
            // A lane that went below zero borrows from the next, and one over its bound shows as it is.
            for (uint256 lane = 0; lane < 4; ++lane)
                if ((now_ >> (63 * lane)) % 2 ** 63 >= 2 ** 53) honest = false;
            if (now_ >> 252 != 0) honest = false;
            tree.setLeaf(leaves[i], now_);
        }
    }

    /// @dev Posts a batch in one transaction.
    function _commit(Posted memory posted) internal {
        vm.prank(operator);
        settlement.commitPages(posted.header, "", posted.pages);
    }

    /// @dev Pages [from, to) of a batch.
    function _some(
        Posted memory posted,
        uint256 from,
        uint256 to
    ) internal pure returns (Page[] memory pages) {
        pages = new Page[](to - from);
        for (uint256 i = from; i < to; ++i) pages[i - from] = posted.pages[i];
    }

    /// @dev What the first `count` pages of a batch pass on, told from the pages.
    function _carried(Posted memory posted, uint256 count) internal view returns (Carried memory state) {
        state.batchHash = _batchHash(posted);
        state.pages = count;
        state.root = posted.header.oldRoot;
        state.depositsConsumed = settlement.batchOf(posted.header.number - 1).depositsConsumed;
        state.sums = new int256[](vault.assetCount());
        for (uint256 i = 0; i < count; ++i) {
            Page memory page = posted.pages[i];
            (uint256 rows, uint256[] memory leaves, int256[] memory packed) = _decode(page);
            state.kind = page.kind;
            state.root = page.lastRoot;
            state.nextLeaf = leaves[rows - 1] + 1;
            state.depositsConsumed += uint64(page.deposits.length / 34);
            if (page.kind == WITHDRAWALS) ++state.withdrawalPages;
            if (page.kind == TRADES) _addTo(state.sums, rows, leaves, packed);
        }
        state.depositHash = vault.depositHash(state.depositsConsumed);
    }

    function _addTo(
        int256[] memory sums,
        uint256 rows,
        uint256[] memory leaves,
        int256[] memory packed
    ) private pure {
        for (uint256 k = 0; k < rows; ++k)
            for (uint256 lane = 0; lane < 4; ++lane) {
                // The lane's own part, in [-2^53, 2^53], comes off first, then the rest divides.
                int256 part = packed[k] % int256(2 ** 63);
                if (part >= 2 ** 62) part -= 2 ** 63;
                if (part <= -(2 ** 62)) part += 2 ** 63;
                packed[k] = (packed[k] - part) / int256(2 ** 63);
                if (part != 0) sums[(leaves[k] >> 22) * 4 + lane] += part;
            }
    }

    function _batchHash(Posted memory posted) internal view returns (bytes32) {
        BatchHeader memory h = posted.header;
        bytes memory head = abi.encode(
            block.chainid,
            address(settlement),
            h.number,
            h.firstSeq,
            h.lastSeq,
            h.oldRoot,
            h.newRoot
        );
        return
            keccak256(
                bytes.concat(head, abi.encode(h.journalHead, h.fillsRoot, h.depositsConsumed, h.pageCount))
            );
    }

    /// @dev Public inputs of a page: powers of z summed from the last term up, unlike the contract.
    function _publicInputs(Posted memory posted, uint256 i) internal view returns (uint256[4] memory inputs) {
        Page memory page = posted.pages[i];
        inputs[0] = i == 0 ? posted.header.oldRoot : posted.pages[i - 1].lastRoot;
        inputs[1] = page.lastRoot;
        bytes memory bound_ = abi.encode(
            _batchHash(posted),
            i,
            uint256(page.kind),
            inputs[0],
            inputs[1],
            keccak256(page.rows),
            keccak256(page.deposits)
        );
        inputs[2] = uint256(keccak256(bound_)) % R;
        inputs[3] = _evaluate(page, inputs[2]);
    }

    function _evaluate(Page memory page, uint256 z) private pure returns (uint256 evaluation) {
        (uint256 count, uint256[] memory leaves, int256[] memory packed) = _decode(page);
        uint256 power = 1;
        for (uint256 k = count; k > 0; --k) {
            int256 change = packed[k - 1];
            uint256 element = change < 0 ? R - uint256(-change) : uint256(change);
            evaluation = addmod(evaluation, mulmod(element, power, R), R);
            power = mulmod(power, z, R);
            evaluation = addmod(evaluation, mulmod(leaves[k - 1] + 1, power, R), R);
            power = mulmod(power, z, R);
        }
    }

    function _proof(uint256 circuit, uint256[4] memory publicInputs) internal pure returns (bytes memory) {
        return abi.encode(circuit, keccak256(abi.encode(publicInputs)));
    }

    /// @dev The honest prover: states only what it has seen to be so.
    function _prove(Posted memory posted, uint256 page) internal {
        uint256[4] memory inputs = _publicInputs(posted, page);
        if (posted.honest) verifier.state(inputs);
        settlement.provePage(posted.header.number, page, page % 2, inputs, _proof(page % 2, inputs));
    }

    function _proveAll(Posted memory posted) internal {
        for (uint256 page = 0; page < posted.pages.length; ++page) _prove(posted, page);
    }

    /// @dev Makes the withdrawals of a final batch claims.
    function _creditAll(Posted memory posted) internal {
        for (uint256 i = 0; i < posted.pages.length; ++i)
            if (posted.pages[i].kind == WITHDRAWALS)
                settlement.creditWithdrawals(posted.header.number, i, posted.pages[i].rows);
    }

    /// @dev Waits for the window of a proven batch, and makes its withdrawals claims.
    function _finish(Posted memory posted) internal {
        vm.warp(block.timestamp + WINDOW);
        _creditAll(posted);
    }

    /// @dev Commit and prove, wait for the window, credit.
    function _settle(
        bytes memory trades,
        uint256 depositCount,
        bytes memory withdrawals
    ) internal returns (Posted memory posted) {
        posted = _build(trades, depositCount, withdrawals);
        _commit(posted);
        _proveAll(posted);
        vm.warp(block.timestamp + WINDOW);
        settlement.advance();
        _creditAll(posted);
    }

    /// @dev Consumes all waiting deposits.
    function _settleDeposits() internal returns (Posted memory) {
        uint256 consumed = settlement.batchOf(settlement.batchCount()).depositsConsumed;
        return _settle("", queue.length - consumed, "");
    }

    /// @dev Takes the rows of a batch back out of the operator's tree; newest batch first.
    function _undo(uint256 number) internal {
        for (uint256 i = _changed[number].length; i > 0; --i)
            tree.setLeaf(_changed[number][i - 1], _previous[number][i - 1]);
    }

    /// @dev Freezes by a request of `owner` that nobody answers.
    function _freeze(address owner, uint256 asset) internal {
        _request(owner, asset, 1);
        vm.warp(block.timestamp + EXIT_DELAY + 1);
        settlement.freeze(vault.accountOf(owner), asset);
    }
}
