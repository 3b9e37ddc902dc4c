// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Page} from "../../src/pages/Types.sol";
import {IPageSettlement} from "../../src/pages/IPageSettlement.sol";
import {IPageVault} from "../../src/pages/IPageVault.sol";
import {ForcedWithdrawal} from "../../src/types/ForcedWithdrawal.sol";
import {PageFixture} from "./PageFixture.sol";

/// @notice What users, operator, prover and an attacker do in a random run. Every action either has its
/// full effect or is not possible; an attack that succeeds reverts the run with its name. The handler
/// keeps what each batch made of the balances, for the invariants to compare.
contract PageHandler is PageFixture {
    uint256 public constant ASSETS = 5;
    address public constant ATTACKER = address(0xBAD);

    /// @dev Block time of the next action: forge does not keep a warp over the calls of a run.
    uint256 public time;
    address[] public owners;
    /// @dev abi.encode of the posted batch, by number.
    mapping(uint256 number => bytes) private _posted;
    /// @dev Balance of each cell after a batch.
    mapping(uint256 number => mapping(uint256 cell => uint256)) private _balances;
    /// @dev Units ever deposited, by asset.
    mapping(uint256 asset => uint256) public deposited;
    /// @dev How often an action had its effect.
    mapping(bytes32 action => uint256) public count;
    bool private _dishonest;
    /// @dev Number of the last batch that is in the tree, open or committed.
    uint256 private _last;
    /// @dev Pages posted of the batch that is open; 0 = none is.
    uint256 private _openPages;

    error AttackSucceeded(string attack);

    modifier timed() {
        vm.warp(time);
        _;
    }

    constructor() {
        setUp();
        time = block.timestamp;
        owners.push(feeOwner);
        owners.push(alice);
        owners.push(bob);
        owners.push(carol);
    }

    // --- Users ---

    function deposit(uint256 who, uint256 asset, uint64 units) external timed {
        if (settlement.frozen()) return;
        asset %= ASSETS;
        units = uint64(bound(units, 1, 1e9));
        _deposit(owners[who % owners.length], asset, units);
        deposited[asset] += units;
        ++count["deposit"];
    }

    /// @dev By the attacker, as a relayer: what is paid must reach the owner.
    function claim(uint256 cell) external timed {
        (uint256 account, uint256 asset) = _cell(cell);
        if (vault.claimable(account, asset) == 0) return;
        vm.prank(ATTACKER);
        vault.claim(account, asset);
        ++count["claim"];
    }

    /// @dev Sometimes for more than there can be, sometimes with more than the fee.
    function request(uint256 cell, uint64 units) external timed {
        (uint256 account, uint256 asset) = _cell(cell);
        if (settlement.frozen() || settlement.requestOf(account, asset).remaining != 0) return;
        uint256 value = settlement.currentRequestFee() + (units % 3);
        address owner = vault.ownerOf(account);
        vm.deal(owner, owner.balance + value);
        vm.prank(owner);
        settlement.requestWithdrawal{value: value}(
            account,
            asset,
            uint64(bound(units, 1, units % 4 == 0 ? 2 ** 53 - 1 : 1e9))
        );
        ++count["request"];
    }

    function withdrawRefund(uint256 who) external timed {
        address owner = owners[who % owners.length];
        if (settlement.refundOf(owner) == 0) return;
        vm.prank(owner);
        settlement.withdrawRefund();
        ++count["withdrawRefund"];
    }

    function passTime(uint256 secondsToPass) external {
        time += bound(secondsToPass, 1, 12 hours);
    }

    // --- Operator and prover ---

    /// @dev A batch of random trades, the next deposits and some withdrawals, in one transaction or begun only.
    function commit(uint256 seed) external timed {
        if (_openPages != 0) {
            _continue();
            return;
        }
        if (!_mayCommit()) return;
        (bytes memory trades, uint256 deposits, bytes memory withdrawals) = _plan(seed);
        Posted memory p = _build(trades, deposits, withdrawals);
        _keep(p);
        if (p.pages.length < 2 || seed % 2 == 0) {
            _commit(p);
            ++count["commit"];
            return;
        }
        _openPages = 1;
        vm.prank(operator);
        settlement.commitPages(p.header, "", _some(p, 0, 1));
        ++count["open"];
    }

    function _continue() private {
        if (settlement.frozen() || settlement.commitsPaused()) return;
        Posted memory p = postedOf(settlement.batchCount() + 1);
        bytes memory carried = abi.encode(_carried(p, _openPages));
        vm.prank(operator);
        settlement.commitPages(p.header, carried, _some(p, _openPages, p.pages.length));
        _openPages = 0;
        ++count["continue"];
    }

    /// @dev By the operator at once, by the attacker when it is late.
    function drop(uint256 seed) external timed {
        if (_openPages == 0 || seed % 4 != 0) return;
        bool late = time > settlement.openBatch().openedAt + PROOF_DELAY;
        vm.prank(late ? ATTACKER : operator);
        settlement.dropOpenBatch();
        ++count["drop"];
        _undoFrom(settlement.batchCount());
    }

    /// @dev A batch that conserves and takes more from an account than it has. It must never be proven.
    function commitTheft(uint256 seed) external timed {
        if (!_mayCommit() || _openPages != 0 || vault.accountCount() < 2 || seed % 4 != 0) return;
        int256 more = int256(uint256(tree.balance(1, 0))) + 1;
        Posted memory p = _build(bytes.concat(_row(0, 0, more), _row(1, 0, -more)), 0, "");
        _keep(p);
        _commit(p);
        _dishonest = true;
        ++count["commitTheft"];
    }

    function prove(uint256 seed) external timed {
        uint256 proven = settlement.provenCount();
        uint256 unproven = settlement.batchCount() - proven;
        if (unproven == 0) return;
        Posted memory p = postedOf(proven + 1 + (seed % unproven));
        for (uint256 page = 0; page < p.pages.length; ++page) {
            if (settlement.pageCommitment(p.header.number, page) == 0) continue;
            try this.proveOne(p, page) {
                if (!p.honest) revert AttackSucceeded("proof of a theft");
                ++count["prove"];
            } catch {
                if (p.honest) revert AttackSucceeded("an honest proof was refused");
                ++count["theft refused"];
            }
        }
    }

    function proveOne(Posted memory p, uint256 page) external {
        require(msg.sender == address(this));
        _prove(p, page);
    }

    function credit(uint256 seed) external timed {
        settlement.advance();
        uint64 last = settlement.finalCount();
        if (last == 0) return;
        uint64 number = uint64(1 + (seed % last));
        Posted memory p = postedOf(number);
        for (uint256 page = 0; page < p.pages.length; ++page) {
            (bytes32 waits, ) = settlement.withdrawalsOf(number, page);
            if (waits == 0) continue;
            if ((seed >> 64) % 2 == 0) {
                settlement.creditWithdrawals(number, page, p.pages[page].rows);
                ++count["credit"];
            } else {
                settlement.creditPart(number, page, p.pages[page].rows, (seed >> 65) % 3);
                ++count["creditPart"];
            }
        }
    }

    /// @dev Commits stop for a while; everything else goes on.
    function pause(uint256 seed) external timed {
        bool paused = settlement.commitsPaused();
        if (!paused && seed % 4 != 0) return;
        vm.prank(guardian);
        settlement.pauseCommits(!paused);
        ++count["pause"];
    }

    function strike() external timed {
        if (settlement.batchCount() == settlement.provenCount()) return;
        uint256 deadline = settlement.batchOf(settlement.provenCount() + 1).committedAt + PROOF_DELAY;
        if (!_dishonest && time <= deadline) return;
        if (time <= deadline) time = deadline + 1;
        vm.warp(time);
        settlement.strikeUnproven();
        ++count["strike"];
        _undoFrom(settlement.provenCount());
    }

    /// @dev The operator shows what is there, when that is less than what is owed.
    function answer(uint256 cell) external timed {
        settlement.advance();
        uint64 number = settlement.finalCount();
        if (settlement.frozen() || number != settlement.batchCount() || _openPages != 0) return;
        (uint256 account, uint256 asset) = _cell(cell);
        ForcedWithdrawal memory open = settlement.requestOf(account, asset);
        uint64 units = tree.balance(account, asset);
        if (number == 0 || units >= open.remaining) return;
        if (settlement.batchOf(number).committedAt < open.requestedAt) return;
        if (settlement.batchOf(number).committedAt == open.requestedAt && number <= open.batchesBefore)
            return;
        if (settlement.batchOf(number).depositsConsumed < open.depositsBefore) return;
        // What was paid counts first, and may serve the request.
        _creditEverything();
        while (settlement.creditedCount() < number) settlement.advance();
        if (units >= settlement.requestOf(account, asset).remaining) return;
        uint256[39] memory path = tree.path(account, asset);
        uint64[4] memory four = tree.balances(account, asset);
        vm.prank(operator);
        settlement.answerRequest(account, asset, number, four, path);
        ++count[units == 0 ? bytes32("answered empty") : bytes32("lowered")];
    }

    function _creditEverything() private {
        for (uint64 number = 1; number <= settlement.finalCount(); ++number) creditBatch(number);
    }

    function creditBatch(uint64 number) public {
        if (settlement.batchOf(number).uncredited == 0) return;
        Posted memory p = postedOf(number);
        for (uint256 page = 0; page < p.pages.length; ++page) {
            (bytes32 waits, ) = settlement.withdrawalsOf(number, page);
            if (waits != 0) settlement.creditWithdrawals(number, page, p.pages[page].rows);
        }
    }

    // --- Exit ---

    /// @dev Seldom, so that runs have a life before it.
    function freeze(uint256 cell, uint256 seed) external timed {
        (uint256 account, uint256 asset) = _cell(cell);
        ForcedWithdrawal memory open = settlement.requestOf(account, asset);
        if (settlement.frozen() || open.remaining == 0 || seed % 32 != 0) return;
        freezeNow(account, asset);
    }

    function freezeNow(uint256 account, uint256 asset) public {
        uint256 deadline = settlement.requestOf(account, asset).requestedAt + EXIT_DELAY;
        if (time <= deadline) time = deadline + 1;
        vm.warp(time);
        settlement.freeze(account, asset);
        ++count["freeze"];
        _undoFrom(settlement.finalCount());
    }

    function escape(uint256 cell) external timed {
        (uint256 account, uint256 asset) = _cell(cell);
        if (settlement.frozen()) escapeOne(account, asset);
    }

    function escapeOne(uint256 account, uint256 asset) public {
        if (tree.balance(account, asset) == 0 || vault.escaped(account, asset)) return;
        uint256[39] memory path = tree.path(account, asset);
        uint64[4] memory four = tree.balances(account, asset);
        vm.prank(ATTACKER);
        vault.escape(account, asset, four, path);
        ++count["escape"];
    }

    function refundDeposit(uint256 seed) external timed {
        uint256 consumed = settlement.finalDepositsConsumed();
        if (settlement.frozen() && queue.length > consumed)
            refundOne(consumed + (seed % (queue.length - consumed)));
    }

    function refundOne(uint256 position) public {
        if (position < settlement.finalDepositsConsumed() || vault.refunded(position)) return;
        uint256 word = _wordOf(queue[position], 0);
        vm.prank(ATTACKER);
        vault.refundDeposit(uint64(position), word >> 230, (word >> 224) & 63, uint64(word >> 160));
        ++count["refundDeposit"];
    }

    // --- Attacker ---

    /// @dev Each must revert; what they try is in their names.
    function attack(uint256 kind, uint256 seed) external timed {
        uint256 last = settlement.batchCount();
        (uint256 account, uint256 asset) = _cell(seed);
        kind %= 7;
        if (kind == 0 && last > 0) {
            Posted memory p = postedOf(1 + (seed % last));
            vm.prank(operator);
            try settlement.commitPages(p.header, "", p.pages) {
                revert AttackSucceeded("replay");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 1 && settlement.finalCount() > 0) {
            uint64 number = uint64(1 + (seed % settlement.finalCount()));
            Page[] memory pages = postedOf(number).pages;
            for (uint256 page = 0; page < pages.length; ++page) {
                (bytes32 waits, ) = settlement.withdrawalsOf(number, page);
                if (waits != 0) continue;
                try settlement.creditWithdrawals(number, page, pages[page].rows) {
                    revert AttackSucceeded("second credit");
                } catch {
                    ++count["attack"];
                }
            }
        } else if (kind == 2) {
            vm.prank(ATTACKER);
            try vault.creditClaims(_row(account, asset, 1)) {
                revert AttackSucceeded("credit");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 3 || (kind == 4 && vault.escaped(account, asset))) {
            uint256[39] memory path = tree.path(account, asset);
            uint64[4] memory four = tree.balances(account, asset);
            if (kind == 3) ++four[asset % 4];
            try vault.escape(account, asset, four, path) {
                revert AttackSucceeded("escape with more, or again");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 5 && last > settlement.provenCount()) {
            Posted memory p = postedOf(last);
            if (p.pages.length == 0) return;
            uint256[4] memory inputs = _publicInputs(p, 0);
            inputs[1] = addmod(inputs[1], seed, R);
            try settlement.provePage(uint64(last), 0, 0, inputs, _proof(0, inputs)) {
                revert AttackSucceeded("proof of another root");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 6 && last > settlement.finalCount()) {
            // What is not final may be proven, and still pays nothing by its time.
            Posted memory p = postedOf(last);
            if (time >= settlement.batchOf(uint64(last)).committedAt + WINDOW || p.pages.length == 0) return;
            uint256 page = p.pages.length - 1;
            try settlement.creditWithdrawals(uint64(last), page, p.pages[page].rows) {
                revert AttackSucceeded("credit in the window");
            } catch {
                ++count["attack"];
            }
        }
    }

    // --- What the invariants read ---

    function postedOf(uint256 number) public view returns (Posted memory) {
        return abi.decode(_posted[number], (Posted));
    }

    /// @dev Units of (account, asset) under the final root.
    function finalBalance(uint256 account, uint256 asset) external view returns (uint256) {
        return _balances[settlement.finalCount()][(account << 6) | asset];
    }

    /// @dev Units of final withdrawals that are no claims yet, by asset.
    function waiting() external view returns (uint256[] memory units) {
        units = new uint256[](ASSETS);
        for (uint64 number = 1; number <= settlement.finalCount(); ++number) {
            if (settlement.batchOf(number).uncredited == 0) continue;
            Page[] memory pages = postedOf(number).pages;
            for (uint256 page = 0; page < pages.length; ++page) {
                (bytes32 waits, uint256 offset) = settlement.withdrawalsOf(number, page);
                if (waits != 0) _addWaiting(units, pages[page].rows, offset);
            }
        }
    }

    function _addWaiting(uint256[] memory units, bytes memory rows, uint256 offset) private pure {
        while (offset < rows.length) {
            uint256 head = _wordOf(rows, offset) >> 224;
            offset += 4;
            for (uint256 lane = 0; lane < 4; ++lane) {
                if ((head >> (26 + lane)) % 2 == 0) continue;
                units[((head % 2 ** 26) >> 22) * 4 + lane] += _wordOf(rows, offset) >> 200;
                offset += 7;
            }
        }
    }

    function queueLength() external view returns (uint256) {
        return queue.length;
    }

    function queued(uint256 position) external view returns (uint256 asset, uint256 units) {
        uint256 word = _wordOf(queue[position], 0);
        return ((word >> 224) & 63, uint64(word >> 160));
    }

    function exchange() external view returns (IPageVault, IPageSettlement) {
        return (vault, settlement);
    }

    function ownerCount() external view returns (uint256) {
        return owners.length;
    }

    // --- Planning ---

    function _mayCommit() private view returns (bool) {
        uint256 unproven = settlement.batchCount() - settlement.provenCount();
        bool open = !settlement.frozen() && !settlement.commitsPaused();
        return open && !_dishonest && unproven < MAX_UNPROVEN;
    }

    function _cell(uint256 cell) private view returns (uint256 account, uint256 asset) {
        return ((cell / ASSETS) % vault.accountCount(), cell % ASSETS);
    }

    function _keep(Posted memory p) private {
        uint256 number = p.header.number;
        _posted[number] = abi.encode(p);
        _last = number;
        uint256 accounts = vault.accountCount();
        for (uint256 account = 0; account < accounts; ++account)
            for (uint256 asset = 0; asset < ASSETS; ++asset)
                _balances[number][(account << 6) | asset] = tree.balance(account, asset);
    }

    /// @dev Takes all after `standing` back out of the tree, the open batch too.
    function _undoFrom(uint256 standing) private {
        for (; _last > standing; --_last) _undo(_last);
        _openPages = 0;
        _dishonest = false;
    }

    /// @dev Deposits in queue order, then trades between neighbours, then withdrawals.
    function _plan(
        uint256 seed
    ) private view returns (bytes memory trades, uint256 deposits, bytes memory withdrawals) {
        uint256 cells = vault.accountCount() * ASSETS;
        int256[] memory balances = new int256[](cells);
        for (uint256 cell = 0; cell < cells; ++cell)
            balances[cell] = int256(uint256(tree.balance(cell / ASSETS, cell % ASSETS)));
        uint256 consumed = settlement.batchOf(settlement.batchCount()).depositsConsumed;
        deposits = seed % (queue.length - consumed + 1);
        for (uint256 i = 0; i < deposits; ++i) {
            uint256 word = _wordOf(queue[consumed + i], 0);
            balances[(word >> 230) * ASSETS + ((word >> 224) & 63)] += int256(uint256(uint64(word >> 160)));
        }
        uint256 random = uint256(keccak256(abi.encode(seed)));
        int256[] memory deltas = new int256[](cells);
        for (uint256 trade = 0; trade < 3; ++trade) {
            uint256 from = (random >> (trade * 32)) % cells;
            uint256 to = (from + ASSETS * ((random >> (trade * 32 + 16)) % (cells / ASSETS))) % cells;
            int256 units = ((balances[from] + deltas[from]) * int256((random >> (trade * 8)) % 4)) / 3;
            deltas[from] -= units;
            deltas[to] += units;
        }
        trades = _rowsFrom(deltas);
        int256[] memory taken = new int256[](cells);
        for (uint256 cell = 0; cell < cells; ++cell) {
            int256 there = balances[cell] + deltas[cell];
            if ((random >> (100 + cell)) & 3 == 0 && there > 0)
                taken[cell] = (random >> (130 + cell)) & 1 == 0 ? there : (there + 1) / 2;
        }
        withdrawals = _rowsFrom(taken);
    }

    /// @dev Rows of the cells that are not zero, by leaf.
    function _rowsFrom(int256[] memory values) private pure returns (bytes memory rows) {
        for (uint256 group = 0; group < 2; ++group)
            for (uint256 account = 0; account < values.length / ASSETS; ++account) {
                bytes memory row;
                uint256 mask = 0;
                for (uint256 lane = 0; lane < 4 && group * 4 + lane < ASSETS; ++lane) {
                    int256 value = values[account * ASSETS + group * 4 + lane];
                    if (value == 0) continue;
                    mask |= 1 << lane;
                    row = bytes.concat(row, abi.encodePacked(int56(value)));
                }
                if (mask == 0) continue;
                rows = bytes.concat(
                    rows,
                    abi.encodePacked(uint32((mask << 26) | (group << 22) | account)),
                    row
                );
            }
    }
}
