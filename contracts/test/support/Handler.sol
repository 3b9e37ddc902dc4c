// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchState} from "../../src/types/Batch.sol";
import {ForcedWithdrawal} from "../../src/types/ForcedWithdrawal.sol";
import {IVault} from "../../src/interfaces/IVault.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What users, operator, prover and an attacker do in a random run. Every action either has its
/// full effect or is not possible; an attack that succeeds reverts the run with its name. The handler
/// keeps what each batch made of the balances, for the invariants to compare.
contract Handler is Fixture {
    uint256 public constant ASSETS = 3;
    address public constant ATTACKER = address(0xBAD);

    /// @dev Block time of the next action: forge does not keep a warp over the calls of a run.
    uint256 public time;
    address[] public owners;
    /// @dev abi.encode of the posted batch, by number.
    mapping(uint256 number => bytes) private _posted;
    /// @dev Balance of each index after a batch.
    mapping(uint256 number => mapping(uint256 index => uint256)) private _balances;
    /// @dev Units ever deposited, by asset.
    mapping(uint256 asset => uint256) public deposited;
    /// @dev How often an action had its effect.
    mapping(bytes32 action => uint256) public count;
    bool private _dishonest;

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
        owners.push(address(0xD00D));
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

    /// @dev A batch of random trades, the next deposits and some withdrawals.
    function commit(uint256 seed) external timed {
        if (!_mayCommit()) return;
        (bytes memory rows, uint256 deposits, bytes memory withdrawals) = _plan(seed);
        _post(rows, deposits, withdrawals);
        ++count["commit"];
    }

    /// @dev A batch that conserves and takes more from an account than it has. It must never be proven.
    function commitTheft(uint256 seed) external timed {
        if (!_mayCommit() || vault.accountCount() < 2 || seed % 4 != 0) return;
        int256 more = int256(tree.leaf(1 << 6)) + 1;
        _post(bytes.concat(_record(0, 0, more), _record(1, 0, -more)), 0, "");
        _dishonest = true;
        ++count["commitTheft"];
    }

    function prove(uint256 seed) external timed {
        uint256 proven = settlement.provenCount();
        uint256 open = settlement.batchCount() - proven;
        if (open == 0) return;
        Posted memory p = postedOf(proven + 1 + (seed % open));
        for (uint256 chunk = 0; chunk < p.chunkRoots.length; ++chunk) {
            if (settlement.chunkCommitment(p.header.number, chunk) == 0) continue;
            try this.proveOne(p, chunk) {
                if (!p.honest) revert AttackSucceeded("proof of a theft");
                ++count["prove"];
            } catch {
                if (p.honest) revert AttackSucceeded("an honest proof was refused");
                ++count["theft refused"];
            }
        }
    }

    function proveOne(Posted memory p, uint256 chunk) external {
        require(msg.sender == address(this));
        _prove(p, chunk);
    }

    function finalize(uint256 seed) external timed {
        uint256 proven = settlement.provenCount();
        if (proven == 0) return;
        uint64 number = uint64(1 + (seed % proven));
        if (settlement.batchState(number) != BatchState.Proven) return;
        bytes memory withdrawals = postedOf(number).withdrawals;
        if ((seed >> 64) % 2 == 0) {
            settlement.finalizeBatch(number, withdrawals);
            ++count["finalize"];
        } else {
            settlement.finalizePart(number, withdrawals, (seed >> 65) % 3);
            ++count["finalizePart"];
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
        uint256 last = settlement.batchCount();
        settlement.strikeUnproven();
        ++count["strike"];
        _undoFrom(last);
    }

    /// @dev The operator shows what is there, when that is less than what is owed.
    function answer(uint256 cell) external timed {
        if (settlement.frozen() || settlement.provenCount() != settlement.batchCount()) return;
        (uint256 account, uint256 asset) = _cell(cell);
        ForcedWithdrawal memory open = settlement.requestOf(account, asset);
        uint64 number = settlement.provenCount();
        uint64 units = uint64(tree.leaf((account << 6) | asset));
        if (number == 0 || units >= open.remaining) return;
        if (settlement.batchOf(number).committedAt < open.requestedAt) return;
        if (settlement.batchOf(number).committedAt == open.requestedAt && number <= open.batchesBefore)
            return;
        if (settlement.batchOf(number).depositsConsumed < open.depositsBefore) return;
        // What was paid counts first, and may serve the request.
        for (uint64 next = settlement.finalCount() + 1; next <= number; next = settlement.finalCount() + 1) {
            if (settlement.batchState(next) == BatchState.Final) settlement.advanceFinal();
            else settlement.finalizeBatch(next, postedOf(next).withdrawals);
        }
        if (units >= settlement.requestOf(account, asset).remaining) return;
        uint256[28] memory path = tree.path((account << 6) | asset);
        vm.prank(operator);
        settlement.answerRequest(account, asset, number, units, path);
        ++count[units == 0 ? bytes32("answered empty") : bytes32("lowered")];
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
        uint256 last = settlement.batchCount();
        settlement.freeze(account, asset);
        ++count["freeze"];
        _undoFrom(last);
    }

    function escape(uint256 cell) external timed {
        (uint256 account, uint256 asset) = _cell(cell);
        if (settlement.frozen()) escapeOne(account, asset);
    }

    function escapeOne(uint256 account, uint256 asset) public {
        uint256 index = (account << 6) | asset;
        uint64 units = uint64(tree.leaf(index));
        if (units == 0 || vault.escaped(account, asset)) return;
        uint256[28] memory path = tree.path(index);
        vm.prank(ATTACKER);
        vault.escape(account, asset, units, path);
        ++count["escape"];
    }

    function refundDeposit(uint256 seed) external timed {
        uint256 consumed = settlement.provenDepositsConsumed();
        if (settlement.frozen() && queue.length > consumed)
            refundOne(consumed + (seed % (queue.length - consumed)));
    }

    function refundOne(uint256 position) public {
        if (position < settlement.provenDepositsConsumed() || vault.refunded(position)) return;
        (uint256 index, int256 units) = _rowAt(queue[position], 0);
        vm.prank(ATTACKER);
        vault.refundDeposit(uint64(position), index >> 6, index & 63, uint64(uint256(units)));
        ++count["refundDeposit"];
    }

    // --- Attacker ---

    /// @dev Each must revert; what they try is in their names.
    function attack(uint256 kind, uint256 seed) external timed {
        uint256 last = settlement.batchCount();
        (uint256 account, uint256 asset) = _cell(seed);
        kind %= 9;
        if (kind == 0 && last > 0) {
            Posted memory p = postedOf(1 + (seed % last));
            vm.prank(operator);
            try settlement.commitBatch(p.header, p.chunkRoots, p.rows, p.deposits, p.withdrawals) {
                revert AttackSucceeded("replay");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 1 && settlement.provenCount() > 0) {
            uint64 number = uint64(1 + (seed % settlement.provenCount()));
            if (settlement.batchState(number) != BatchState.Final) return;
            bytes memory withdrawals = postedOf(number).withdrawals;
            try settlement.finalizeBatch(number, withdrawals) {
                revert AttackSucceeded("second credit");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 2) {
            vm.prank(ATTACKER);
            try vault.creditClaims(_record(account, asset, uint64(1))) {
                revert AttackSucceeded("credit");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 3) {
            uint256[28] memory path = tree.path((account << 6) | asset);
            uint64 units = uint64(tree.leaf((account << 6) | asset));
            try vault.escape(account, asset, units + 1, path) {
                revert AttackSucceeded("escape with more");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 4 && vault.escaped(account, asset)) {
            uint256[28] memory path = tree.path((account << 6) | asset);
            uint64 units = uint64(tree.leaf((account << 6) | asset));
            try vault.escape(account, asset, units, path) {
                revert AttackSucceeded("second escape");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 5 && queue.length > 0) {
            uint256 position = seed % queue.length;
            bool open =
                settlement.frozen() &&
                    position >= settlement.provenDepositsConsumed() &&
                    !vault.refunded(position);
            if (open) return;
            (uint256 index, int256 units) = _rowAt(queue[position], 0);
            try vault.refundDeposit(uint64(position), index >> 6, index & 63, uint64(uint256(units))) {
                revert AttackSucceeded("refund of a consumed deposit");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 6) {
            vm.prank(ATTACKER);
            try settlement.requestWithdrawal(account, asset, 1) {
                revert AttackSucceeded("request for another");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 8 && settlement.requestOf(account, asset).remaining > 1) {
            uint256[28] memory path = tree.path((account << 6) | asset);
            uint64 units = uint64(tree.leaf((account << 6) | asset));
            if (units == 0) return;
            vm.prank(vault.ownerOf(account));
            try settlement.answerRequest(account, asset, settlement.provenCount(), units, path) {
                revert AttackSucceeded("owner lowers its request");
            } catch {
                ++count["attack"];
            }
        } else if (kind == 7 && last > settlement.provenCount()) {
            Posted memory p = postedOf(last);
            if (p.chunkRoots.length == 0) return;
            uint256[4] memory inputs = _publicInputs(p, 0);
            inputs[1] = addmod(inputs[1], seed, R);
            try settlement.proveChunk(uint64(last), 0, inputs, _proof(inputs)) {
                revert AttackSucceeded("proof of another root");
            } catch {
                ++count["attack"];
            }
        }
    }

    // --- What the invariants read ---

    function postedOf(uint256 number) public view returns (Posted memory) {
        return abi.decode(_posted[number], (Posted));
    }

    /// @dev Units of (account, asset) under the proven root.
    function provenBalance(uint256 account, uint256 asset) external view returns (uint256) {
        return _balances[settlement.provenCount()][(account << 6) | asset];
    }

    function queueLength() external view returns (uint256) {
        return queue.length;
    }

    function queued(uint256 position) external view returns (uint256 asset, uint256 units) {
        (uint256 index, int256 value) = _rowAt(queue[position], 0);
        return (index & 63, uint256(value));
    }

    function exchange() external view returns (IVault, ISettlement) {
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

    function _post(bytes memory rows, uint256 deposits, bytes memory withdrawals) private {
        Posted memory p = _build(rows, deposits, withdrawals);
        _commit(p);
        uint256 number = p.header.number;
        _posted[number] = abi.encode(p);
        uint256 accounts = vault.accountCount();
        for (uint256 account = 0; account < accounts; ++account)
            for (uint256 asset = 0; asset < ASSETS; ++asset)
                _balances[number][(account << 6) | asset] = tree.leaf((account << 6) | asset);
    }

    function _undoFrom(uint256 last) private {
        for (uint256 number = last; number > settlement.provenCount(); --number) _undo(number);
        _dishonest = false;
    }

    /// @dev Deltas by cell: deposits in queue order, then trades between neighbours, then withdrawals.
    function _plan(
        uint256 seed
    ) private view returns (bytes memory rows, uint256 deposits, bytes memory withdrawals) {
        uint256 accounts = vault.accountCount();
        int256[] memory balances = new int256[](accounts * ASSETS);
        for (uint256 cell = 0; cell < balances.length; ++cell)
            balances[cell] = int256(tree.leaf(((cell / ASSETS) << 6) | (cell % ASSETS)));
        uint256 consumed = settlement.batchOf(settlement.batchCount()).depositsConsumed;
        deposits = seed % (queue.length - consumed + 1);
        for (uint256 i = 0; i < deposits; ++i) {
            (uint256 index, int256 units) = _rowAt(queue[consumed + i], 0);
            balances[(index >> 6) * ASSETS + (index & 63)] += units;
        }
        uint256 random = uint256(keccak256(abi.encode(seed)));
        for (uint256 trade = 0; trade < 3; ++trade) {
            uint256 from = (random >> (trade * 32)) % balances.length;
            uint256 to = (from + ASSETS * ((random >> (trade * 32 + 16)) % accounts)) % balances.length;
            int256 units = (balances[from] * int256((random >> (trade * 8)) % 4)) / 3;
            balances[from] -= units;
            balances[to] += units;
        }
        for (uint256 cell = 0; cell < balances.length; ++cell) {
            uint256 index = ((cell / ASSETS) << 6) | (cell % ASSETS);
            if ((random >> (100 + cell)) & 3 == 0 && balances[cell] > 0) {
                int256 units = (random >> (130 + cell)) & 1 == 0 ? balances[cell] : (balances[cell] + 1) / 2;
                withdrawals = bytes.concat(
                    withdrawals,
                    _record(cell / ASSETS, cell % ASSETS, uint64(uint256(units)))
                );
                balances[cell] -= units;
            }
            int256 delta = balances[cell] - int256(tree.leaf(index));
            if (delta != 0) rows = bytes.concat(rows, _record(cell / ASSETS, cell % ASSETS, delta));
        }
    }
}
